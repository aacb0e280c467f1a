/**
 * What goes between an app and its server, as frames: messages written in the form that the server
 * knows, frames read whatever their form.
 *
 * What always holds: what a server sends is taken for what it says it is only as far as the types
 * here go; a field of another type counts as absent, and a frame that cannot be read throws.
 */
import { decode64, encode64, encode64Url } from "../wire/base64.ts"
import { type CompactSaying, compactFromApp, readCompactToApp } from "../wire/pools-compact-app.ts"
import { compactMark } from "../wire/pools-compact-frame.ts"
import { field } from "../wire/pools-compact-reader.ts"
import { codeOfWord, type Fault } from "../wire/pools-errors.ts"
import type { Payload } from "../wire/pools-payload.ts"
import {
  bytesPayload,
  contentTypeOf,
  noPayload,
  payloadOf,
  spelled,
} from "../wire/pools-payload.ts"
import {
  type CancelReason,
  type Id,
  idOf,
  numberOfUuid,
  type Proof,
  type ToApp,
  uuidOf,
} from "../wire/pools-shapes.ts"

/** An object of JSON. */
export type Fields = Readonly<Record<string, unknown>>

/** What an app says: what compact frames can say, or an object as it is written. */
export type Saying =
  | CompactSaying
  /** With bytes of a block beside it. */
  | { readonly kind: "plain"; readonly body: Fields; readonly data?: Uint8Array }

export type Frame = string | Uint8Array<ArrayBuffer>

/** What a server says. A fault of a code that is not known here keeps its word. */
export type Hearing =
  | Exclude<ToApp, { kind: "fault" | "plain" }>
  | {
      readonly kind: "fault"
      readonly to: Id | null
      readonly fault: Fault
      readonly word: string | undefined
      readonly close: "conn" | "stay" | undefined
    }
  /** `payload` is what came beside it in a mixed frame, or its result. */
  | { readonly kind: "plain"; readonly body: Fields; readonly raw: Uint8Array | undefined }

/** How a server wants it. */
export type Form = "json" | "compact"

/** `message` as one frame's body. */
export function write(message: Saying, form: Form): Frame {
  if (message.kind === "plain") {
    const { body, data } = message
    if (data === undefined) return JSON.stringify(body)
    return form === "json"
      ? JSON.stringify({ ...body, data: encode64(data) })
      : mixed({ ...body, size: data.length }, data)
  }
  return (form === "compact" ? compactFromApp(message) : undefined) ?? inJson(message)
}

/** JSON with the bytes that belong to it behind. */
function mixed(body: Fields, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const header = toBytes.encode(JSON.stringify(body))
  const frame = new Uint8Array(5 + header.length + data.length)
  new DataView(frame.buffer).setUint32(1, header.length)
  frame.set(header, 5)
  frame.set(data, 5 + header.length)
  return frame
}

const toBytes = new TextEncoder()

function inJson(message: CompactSaying): string {
  return JSON.stringify(bodyOf(message))
}

function bodyOf(message: CompactSaying): Fields {
  switch (message.kind) {
    case "trigger": {
      const { id, trigger, pool, flags, appFlags, nonce } = message
      return present({
        ...{ type: "trigger", id: String(id), trigger, ...inFields(message.payload, "payload") },
        ...{ pool, destination: message.destination, ttl: message.ttlMs },
        ...{ flags: flagsOf(flags, appFlags), affinity: message.affinity },
        ...{ idempotency_key: message.key, wait_ms: message.waitMs, credit: message.credit },
        parent: message.parent === undefined ? undefined : uuidOf(message.parent),
        correlation_id: message.correlation,
        call_nonce: nonce === undefined ? undefined : encode64Url(nonce),
        ...{ traceparent: message.traceparent, tracestate: message.tracestate },
      })
    }
    case "response": {
      const { to = 0, outcome } = message
      const own = { type: "response", correlation_id: uuidOf(to) }
      if (outcome.is === "done") {
        return { ...own, status: "success", ...inFields(outcome.result, "result") }
      }
      const failed = { ...own, status: "error", error: outcome.sentence }
      if (outcome.is === "unavailable") return { ...failed, error_code: "UNAVAILABLE" }
      return present({ ...failed, handler_code: outcome.handlerCode })
    }
    case "emit": {
      const { id, pool, trigger, flags, appFlags, traceparent, tracestate } = message
      return present({
        ...{ type: "emit", id: id === undefined ? undefined : String(id), pool, trigger },
        ...inFields(message.payload, "payload"),
        ...{ flags: flagsOf(flags, appFlags), traceparent, tracestate },
      })
    }
    case "chunk": {
      const { to = 0, toward, seq, payload, isLast } = message
      return {
        ...{ type: "chunk", correlation_id: idText(to, toward), to: toward, seq },
        ...inFields(payload, "payload"),
        ...(isLast ? { last: true } : {}),
      }
    }
    case "credit": {
      const { to = 0, toward, count } = message
      return { type: "credit", correlation_id: idText(to, toward), to: toward, count }
    }
    case "cancel":
      return { type: "cancel", correlation_id: String(message.to), mode: message.mode }
    case "pong":
      return present({
        type: "pong",
        id: message.id === undefined ? undefined : String(message.id),
      })
  }
}

/** Towards the caller a call has the id that the server gave us, towards the handler our own. */
function idText(id: Id, toward: "caller" | "handler"): string {
  return toward === "caller" && typeof id === "number" ? uuidOf(id) : String(id)
}

function flagsOf(flags: ReadonlySet<string>, own: readonly string[]) {
  return flags.size + own.length === 0 ? undefined : [...flags, ...own]
}

function inFields(payload: Payload, place: "payload" | "result"): Fields {
  const { value, name } = spelled(payload)
  return present({ [place]: value, content_type: name })
}

/** The fields that there are. */
export function present(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

const toText = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Reads one frame's body. Throws for what no server sends. */
export function read(frame: string | Uint8Array): Hearing {
  if (typeof frame === "string") return readJson(frame, undefined)
  if (frame[0] === compactMark) {
    const message = readCompactToApp(frame)
    if (message.kind === "fault") return { ...message, word: undefined, close: undefined }
    return message.kind === "plain" ? { ...message, raw: undefined } : message
  }
  if (frame[0] !== 0) return readJson(toText.decode(frame), undefined)
  const length = new DataView(frame.buffer, frame.byteOffset, frame.length).getUint32(1)
  return readJson(toText.decode(frame.subarray(5, 5 + length)), frame.subarray(5 + length))
}

function readJson(text: string, raw: Uint8Array | undefined): Hearing {
  const body: unknown = JSON.parse(text)
  if (!isFields(body)) throw new Error("a message is one JSON object")
  const size = text.length
  switch (body["type"]) {
    case "trigger":
      return readCall(body, size, raw)
    case "emit":
      return readEmitted(body, size, raw)
    case "response":
      if (body["status"] === "error") return readFault(body, "HANDLER_ERROR")
      return {
        kind: "answer",
        to: idOf(textIn(body, "correlation_id") ?? ""),
        payload: payloadIn(body, "result", { size, raw }),
        ...(body["repeated"] === true && { isRepeated: true }),
      }
    case "error":
      return readFault(body, textIn(body, "error_code") ?? "INTERNAL")
    case "chunk": {
      const { to, toward } = directed(body)
      const payload = payloadIn(body, "payload", { size, raw })
      const isLast = body["last"] === true
      return { kind: "chunk", to, toward, seq: numberIn(body, "seq") ?? 0, payload, isLast }
    }
    case "credit":
      return { kind: "credit", ...directed(body), count: numberIn(body, "count") ?? 0 }
    case "cancel": {
      const to = numberOfUuid(textIn(body, "correlation_id") ?? "") ?? 0
      return { kind: "cancel", to, reason: reasonOf(body["reason"]) }
    }
  }
  return { kind: "plain", body, raw }
}

function readCall(body: Fields, size: number, raw: Uint8Array | undefined): Hearing {
  const flags = listIn(body, "flags")
  const nonce = decode64(textIn(body, "call_nonce") ?? "")
  return {
    kind: "call",
    id: numberOfUuid(textIn(body, "id") ?? "") ?? 0,
    pool: textIn(body, "pool") ?? "default",
    trigger: textIn(body, "trigger") ?? "",
    payload: payloadIn(body, "payload", { size, raw }),
    origin: textIn(body, "origin") ?? "",
    proof: proofOf(body["identity"]),
    attempt: numberIn(body, "attempt") ?? 1,
    ttlMs: numberIn(body, "ttl") ?? 30_000,
    flags: new Set(flags.filter((flag) => !flag.startsWith("x-"))),
    appFlags: flags.filter((flag) => flag.startsWith("x-")),
    ...field("destination", textIn(body, "destination")),
    ...field("correlation", textIn(body, "correlation_id")),
    ...field("credit", numberIn(body, "credit")),
    ...(nonce === undefined || nonce.length === 0 ? {} : { nonce }),
    ...field("traceparent", textIn(body, "traceparent")),
    ...field("tracestate", textIn(body, "tracestate")),
  }
}

function readEmitted(body: Fields, size: number, raw: Uint8Array | undefined): Hearing {
  return {
    kind: "emitted",
    pool: textIn(body, "pool") ?? "default",
    trigger: textIn(body, "trigger") ?? "",
    payload: payloadIn(body, "payload", { size, raw }),
    origin: textIn(body, "origin") ?? "",
    appFlags: listIn(body, "flags"),
    seq: numberIn(body, "seq") ?? 0,
    ...field("lost", numberIn(body, "lost")),
    ...(body["retained"] === true ? { isRetained: true } : {}),
    ...field("traceparent", textIn(body, "traceparent")),
    ...field("tracestate", textIn(body, "tracestate")),
  }
}

function readFault(body: Fields, word: string): Hearing {
  const to = textIn(body, "correlation_id")
  const { close } = body
  const fault: Fault = {
    code: codeOfWord(word) ?? "internal",
    sentence: textIn(body, "error") ?? word,
    ...field("field", textIn(body, "field")),
    ...field("reason", textIn(body, "reason")),
    ...field("retryAfterMs", numberIn(body, "retry_after_ms")),
    ...(body["execution_uncertain"] === true ? { executionUncertain: true } : {}),
    ...field("handlerCode", textIn(body, "handler_code")),
    ...(body["detail"] === undefined ? {} : { detail: body["detail"] }),
  }
  return {
    kind: "fault",
    to: to === undefined ? null : idOf(to),
    fault,
    word: codeOfWord(word) === undefined ? word : undefined,
    close: close === "conn" || close === "stay" ? close : undefined,
  }
}

function directed(body: Fields) {
  const text = textIn(body, "correlation_id") ?? ""
  const toward = body["to"] === "handler" ? ("handler" as const) : ("caller" as const)
  return { to: toward === "handler" ? (numberOfUuid(text) ?? 0) : idOf(text), toward }
}

function payloadIn(
  body: Fields,
  name: "payload" | "result",
  { size, raw }: { readonly size: number; readonly raw: Uint8Array | undefined },
): Payload {
  const type = textIn(body, "content_type")
  if (raw !== undefined) return bytesPayload(raw, contentTypeOf(type ?? "bytes") ?? 3)
  const value = body[name]
  return value === undefined ? noPayload : (payloadOf(value, type, size) ?? noPayload)
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

export function textIn(body: Fields, field: string): string | undefined {
  const value = body[field]
  return typeof value === "string" ? value : undefined
}

export function numberIn(body: Fields, field: string): number | undefined {
  const value = body[field]
  return typeof value === "number" ? value : undefined
}

/** The texts of a list. */
export function listIn(body: Fields, field: string): readonly string[] {
  const value = body[field]
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : []
}

function reasonOf(value: unknown): CancelReason {
  return value === "deadline" || value === "lost" || value === "parent" ? value : "caller"
}

function proofOf(value: unknown): Proof {
  return value === "token" || value === "key" || value === "certificate" ? value : "none"
}
