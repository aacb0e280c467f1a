/**
 * What an app hears, as bytes or text, in the form it chose with its handshake.
 *
 * What always holds: compact frames go only to those who asked for them, mixed ones likewise; all
 * that is sent has its JSON form; a message for many is written once for each form.
 */
import { encode64Url } from "./base64.ts"
import { compact } from "./pools-compact.ts"
import { adviceOf, type Fault, wordOf } from "./pools-errors.ts"
import { type Fields, oldWordOf, spelledFor } from "./pools-latzero.ts"
import {
  blockBody,
  compactContent,
  compactNotice,
  contentBody,
  noticeBody,
} from "./pools-memory.ts"
import { bytesOf, contentTypeName, contentTypes, type Payload, spelled } from "./pools-payload.ts"
import { type Form, type Id, type ToApp, uuidOf } from "./pools-shapes.ts"

const encoder = new TextEncoder()

/** The form of a connection that has not shaken hands. */
export const firstForm: Form = { binary: "none", version: "1.0", dialect: "plain" }

/** `message` as one frame's body, a text or bytes; undefined where this far end does not know such messages. */
export function tell(message: ToApp, form: Form): Uint8Array | string | undefined {
  if (form.binary === "compact" || form.binary === "both") {
    const frame =
      message.kind === "content"
        ? compactContent(message)
        : message.kind === "notice"
          ? compactNotice(message)
          : compact(message)
    if (frame !== undefined) return frame
  }
  const mayMix = form.binary === "mixed" || form.binary === "both"
  if (mayMix && "payload" in message && message.kind !== "notice" && isRaw(message.payload)) {
    return mixed(message, message.payload)
  }
  if (mayMix && message.kind === "content") {
    return framed(contentBody(message, "raw"), message.data)
  }
  if (mayMix && message.kind === "notice" && message.content !== undefined) {
    return framed(noticeBody(message, "raw"), message.content.data)
  }
  const fields = spelledFor(bodyOf(message, form), form)
  return fields && JSON.stringify(fields)
}

/** One message for many: written when the first of each form asks for it. */
export class Copies {
  readonly #message: ToApp
  readonly #byForm = new Map<string, Uint8Array | string | undefined>()

  constructor(message: ToApp) {
    this.#message = message
  }

  for(form: Form): Uint8Array | string | undefined {
    const key = form.binary + form.version + form.dialect
    if (!this.#byForm.has(key)) this.#byForm.set(key, tell(this.#message, form))
    return this.#byForm.get(key)
  }
}

/** Bytes that JSON could only spell in base64. */
function isRaw(payload: Payload): boolean {
  return (
    payload.as === "bytes" &&
    (payload.type === contentTypes.bytes || payload.type >= contentTypes.firstOfApps)
  )
}

function mixed(message: ToApp, payload: Payload): Uint8Array {
  const { payload: _, result: __, ...fields } = bodyOf(message, firstForm)
  const name = contentTypeName(payload.type)
  return framed({ ...fields, content_type: name }, bytesOf(payload))
}

/** JSON with the bytes that belong to it behind. */
function framed(fields: Fields, bytes: Uint8Array): Uint8Array {
  const header = encoder.encode(JSON.stringify({ ...fields, size: bytes.length }))
  const frame = new Uint8Array(5 + header.length + bytes.length)
  new DataView(frame.buffer).setUint32(1, header.length)
  frame.set(header, 5)
  frame.set(bytes, 5 + header.length)
  return frame
}

/** A message as a JSON object. */
function bodyOf(message: ToApp, form: Form): Fields {
  switch (message.kind) {
    case "call":
      return callBody(message)
    case "emitted": {
      const { pool, trigger, origin, seq, lost, isRetained, appFlags } = message
      return {
        ...{ type: "emit", pool, trigger, ...payloadFields(message.payload, "payload"), origin },
        seq,
        ...(lost === undefined ? {} : { lost }),
        ...(isRetained === true ? { retained: true } : {}),
        ...(appFlags.length === 0 ? {} : { flags: appFlags }),
        ...traceFields(message),
      }
    }
    case "answer":
      return {
        type: "response",
        correlation_id: String(message.to),
        status: "success",
        ...payloadFields(message.payload, "result"),
        ...(message.isRepeated === true ? { repeated: true } : {}),
      }
    case "fault":
      return faultBody(message, form)
    case "chunk": {
      const { to, toward, seq, payload, isLast } = message
      return {
        type: "chunk",
        ...{ correlation_id: idText(to, toward), to: toward, seq },
        ...payloadFields(payload, "payload"),
        ...(isLast ? { last: true } : {}),
      }
    }
    case "credit": {
      const { to, toward, count } = message
      return { type: "credit", correlation_id: idText(to, toward), to: toward, count }
    }
    case "cancel":
      return { type: "cancel", correlation_id: uuidOf(message.to), reason: message.reason }
    case "pong":
      return { type: "pong", ...(message.id === undefined ? {} : { id: String(message.id) }) }
    case "content":
      return contentBody(message, "base64")
    case "notice":
      return noticeBody(message, "base64")
    case "plain":
      return message.body
  }
}

function callBody(message: Extract<ToApp, { kind: "call" }>): Fields {
  const { flags, appFlags, destination, correlation, credit, nonce, attempt } = message
  return {
    type: "trigger",
    id: uuidOf(message.id),
    trigger: message.trigger,
    ...payloadFields(message.payload, "payload"),
    origin: message.origin,
    pool: message.pool,
    ...(destination === undefined ? {} : { destination }),
    ttl: message.ttlMs,
    ...(flags.size + appFlags.length === 0 ? {} : { flags: [...flags, ...appFlags] }),
    ...(correlation === undefined ? {} : { correlation_id: correlation }),
    ...(credit === undefined ? {} : { credit }),
    ...(nonce === undefined ? {} : { call_nonce: encode64Url(nonce) }),
    ...(message.block === undefined ? {} : { block_ref: blockBody(message.block) }),
    attempt,
    identity: message.proof,
    ...traceFields(message),
  }
}

function faultBody(
  { to, fault, close }: Extract<ToApp, { kind: "fault" }>,
  { version }: Form,
): Fields {
  const { code, sentence, handlerCode, ...more } = fault
  const isTheirs = code === "handler-error"
  const correlation_id = to === null ? null : String(to)
  if (isTheirs && version !== "0.1") {
    const own = handlerCode === undefined ? {} : { handler_code: handlerCode }
    return { type: "response", correlation_id, status: "error", error: sentence, ...own }
  }
  return {
    ...{ type: "error", correlation_id, status: "error", error: sentence },
    error_code: version === "0.1" ? oldWordOf(code) : wordOf(code),
    ...(handlerCode === undefined ? {} : { handler_code: handlerCode }),
    ...faultFields(more),
    ...(close === true ? { close: adviceOf(code) === "stay" ? "stay" : "conn" } : {}),
  }
}

function faultFields(fault: Omit<Fault, "code" | "sentence">): Fields {
  const { field, reason, retryAfterMs, executionUncertain, detail } = fault
  return {
    ...(field === undefined ? {} : { field }),
    ...(reason === undefined ? {} : { reason }),
    ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }),
    ...(executionUncertain === undefined ? {} : { execution_uncertain: executionUncertain }),
    ...(detail === undefined ? {} : { detail }),
  }
}

function payloadFields(payload: Payload, field: "payload" | "result"): Fields {
  const { value, name } = spelled(payload)
  return {
    ...(value === undefined ? {} : { [field]: value }),
    ...(name === undefined ? {} : { content_type: name }),
  }
}

function traceFields({ traceparent, tracestate }: { traceparent?: string; tracestate?: string }) {
  return {
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  }
}

/** Towards the handler a call has the id that we gave it. */
function idText(id: Id, toward: "caller" | "handler"): string {
  return toward === "handler" && typeof id === "number" ? uuidOf(id) : String(id)
}
