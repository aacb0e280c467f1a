/**
 * What a replica of the LFCC dialect is told, as JSON, or as JSON in front of bytes.
 *
 * What always holds: a message is encoded once for each form in which replicas read it, and a
 * field that a message does not have is left out, never null.
 */
import type { Code, WireError } from "./error.ts"
import type { ErrorCode, ToOpaque } from "./relay.ts"
import { Writer } from "./varints.ts"

/** The sender of what comes from the relay itself. */
export const serverSender = "server"

/** How this dialect calls our codes; all others are UNKNOWN to it. */
const errorCodes: ReadonlyMap<Code, ErrorCode> = new Map([
  ["unauthenticated", "INVALID_TOKEN"],
  ["forbidden", "PERMISSION_DENIED"],
  ["too-large", "QUOTA_EXCEEDED"],
  ["flooding", "RATE_LIMITED"],
  ["slow", "BACKPRESSURE"],
])

/** How this dialect calls one of our codes. */
export function errorCodeOf(code: Code): ErrorCode {
  return errorCodes.get(code) ?? "UNKNOWN"
}

/** Where the bytes of an update stand: in the frame, in its payload, or behind it. */
export type Form = "top" | "payload" | "binary"

/** What goes over the socket. Made by `formed`. */
export interface ToLfcc {
  readonly form: Form
  readonly message: ToOpaque
}

// What was sent last, in the forms that were asked for: a message goes to all who get it in a row.
let last: { readonly message: ToOpaque; readonly forms: Map<Form, ToLfcc> } | undefined

/**
 * `message`, for those who read `form`.
 *
 * Gives the same object again for the same two, so a loop over the replicas of one form encodes
 * and frames a message once. What carries no bytes is the same in each form.
 */
export function formed(form: Form, message: ToOpaque): ToLfcc {
  if (last?.message !== message) last = { message, forms: new Map() }
  const shape = hasBytes(message) ? form : "top"
  const known = last.forms.get(shape)
  if (known !== undefined) return known
  const formed = { form: shape, message }
  last.forms.set(shape, formed)
  return formed
}

function hasBytes({ kind }: ToOpaque): boolean {
  return kind === "update" || kind === "snapshot-response" || kind === "batch"
}

/** As the bytes of a binary message, or the text of another. */
export function encodeLfcc({ form, message }: ToLfcc): Uint8Array | string {
  if (form !== "binary") return jsonOf(form, message)
  const bytes = bytesBehind(message)
  if (bytes === undefined) return jsonOf("top", message)
  return new Writer().text(jsonOf(form, message)).raw(bytes).finish()
}

/** What follows the JSON in a binary message. A batch holds JSON only. */
function bytesBehind(message: ToOpaque): Uint8Array | undefined {
  if (message.kind === "update") return message.update
  return message.kind === "snapshot-response" && message.content === "given"
    ? message.snapshot
    : undefined
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64")
}

function jsonOf(form: Form, message: ToOpaque): string {
  const { docId, ts } = message
  const senderId = "senderId" in message ? message.senderId : serverSender
  const stamp = { docId, senderId, ts }
  switch (message.kind) {
    case "join": {
      const payload = { status: "active" }
      return JSON.stringify({ type: "JOIN", ...stamp, role: message.role, payload })
    }
    case "leave":
      return JSON.stringify({ type: "LEAVE", ...stamp, payload: { status: "away" } })
    case "update":
      return JSON.stringify({ type: "CRDT_UPDATE", ...stamp, ...bytesField(form, message.update) })
    case "presence":
      return withField({ type: "PRESENCE", ...stamp }, "payload", message.payload)
    case "snapshot-request": {
      const payload = { requestId: message.requestId, ...versionField(message.version) }
      return JSON.stringify({ type: "SNAPSHOT_REQUEST", ...stamp, payload })
    }
    case "snapshot-response": {
      const payload = responsePayload(form, message)
      return JSON.stringify({ type: "SNAPSHOT_RESPONSE", ...stamp, payload })
    }
    case "ack":
      return JSON.stringify({ type: "ACK", ...stamp, payload: { ref: message.ref } })
    case "error": {
      const { code, message: sentence, retryAfterMs } = message
      const payload = { code, message: sentence, retryAfterMs }
      return JSON.stringify({ type: "ERROR", ...stamp, code, payload })
    }
    case "batch": {
      const frames = message.messages.map((each) => jsonOf(form === "payload" ? form : "top", each))
      return withField({ type: "BATCH", ...stamp }, "messages", `[${frames.join(",")}]`)
    }
  }
}

function bytesField(form: Form, update: Uint8Array): object {
  if (form === "binary") return {}
  const bytesB64 = base64Of(update)
  return form === "payload" ? { payload: { bytesB64 } } : { bytesB64 }
}

function versionField(version: Uint8Array | undefined): object {
  return version === undefined ? {} : { version: base64Of(version) }
}

function responsePayload(
  form: Form,
  { requestId, content, snapshot, version }: Extract<ToOpaque, { kind: "snapshot-response" }>,
): object {
  if (content !== "given") {
    const seed = content === "seed" ? { seed: true } : {}
    return { requestId, snapshot: "", isBase64: true, empty: true, ...seed }
  }
  const bytes = form === "binary" ? {} : { snapshot: base64Of(snapshot), isBase64: true }
  return { requestId, ...bytes, ...versionField(version) }
}

/** `object` as JSON with one more field, whose value is JSON already. */
function withField(object: object, name: string, json: string): string {
  return `${JSON.stringify(object).slice(0, -1)},${JSON.stringify(name)}:${json}}`
}

/** An ERROR that says why the socket is closed. It names no room, for who refuses may know none. */
export function refusal(error: WireError): ToLfcc {
  const message: ToOpaque = {
    kind: "error",
    docId: "",
    ts: 1,
    code: errorCodeOf(error.code),
    message: error.message,
    retryAfterMs: undefined,
  }
  return { form: "top", message }
}
