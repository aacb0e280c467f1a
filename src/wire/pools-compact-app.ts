/**
 * Compact frames of pools from the app's side: what an app says written, what it hears read.
 *
 * What always holds: a frame that is read came from a server, so a layout that does not fit throws a
 * WireError "bad-message", and the connection is of no use any more; payloads are views of the frame.
 */
import { decoded, wrong } from "./pools-bytes.ts"
import { compactChunk, compactCredit, flagsBytes, tracedBytes } from "./pools-compact.ts"
import {
  type ExtraName,
  Frame,
  flagBits,
  kinds,
  proofs,
  reasons,
  tags,
} from "./pools-compact-frame.ts"
import {
  appFlagsOf,
  field,
  type Head,
  headOf,
  numberOf,
  readChunk,
  sized,
  textOf,
  toward,
  traceOf,
  typed,
} from "./pools-compact-reader.ts"
import { codeOfNumber, type Fault } from "./pools-errors.ts"
import { bytesOf, bytesPayload, contentTypes } from "./pools-payload.ts"
import type {
  Answer,
  CancelReason,
  Chunk,
  Credit,
  Emit,
  FromApp,
  Proof,
  Start,
  ToApp,
} from "./pools-shapes.ts"

/** What an app can say in a compact frame. */
export type CompactSaying =
  | Start
  | Answer
  | Emit
  | Chunk
  | Credit
  | Extract<FromApp, { kind: "cancel" | "pong" }>

const cancelModes = { killnowait: 0, kill: 1, skip: 2 } as const

/** The frame of a message; undefined when a compact frame cannot say all of it. */
export function compactFromApp(message: CompactSaying): Uint8Array<ArrayBuffer> | undefined {
  switch (message.kind) {
    case "trigger":
      return compactStart(message)
    case "response":
      return compactAnswer(message)
    case "emit":
      return compactEmit(message)
    case "chunk":
      return compactChunk(message)
    case "credit":
      return compactCredit(message)
    case "cancel": {
      if (typeof message.to !== "number") return undefined
      const frame = new Frame({ kind: kinds.cancel, flags: 0, id: message.to }, 2)
      frame.u8(cancelModes[message.mode])
      frame.u8(0)
      return frame.end()
    }
    case "pong":
      if (typeof message.id !== "number") return undefined
      return new Frame({ kind: kinds.pong, flags: 0, id: message.id }, 0).end()
  }
}

function compactStart(start: Start): Uint8Array<ArrayBuffer> | undefined {
  if (typeof start.id !== "number" || start.block !== undefined) return undefined
  const { id, payload, pool, trigger, flags: asked, appFlags } = start
  const content = bytesOf(payload)
  const flags =
    (asked.has("idempotent") ? flagBits.idempotent : 0) |
    (asked.has("stream") ? flagBits.stream : 0) |
    (asked.has("detach") ? flagBits.detach : 0)
  const texts = [pool, trigger, start.destination, start.affinity, start.key, start.correlation]
  const letters = texts.reduce((sum, text) => sum + (text?.length ?? 0), 0)
  const bound = content.length + 3 * letters + tracedBytes(start) + flagsBytes(appFlags) + 256
  const frame = new Frame({ kind: kinds.trigger, flags, payload, id }, bound)
  frame.u32(Math.min(start.ttlMs, 0xffff_ffff))
  frame.text(pool)
  frame.text(trigger)
  const extras = frame.beginExtras()
  if (start.destination !== undefined) frame.textExtra(tags.destination, start.destination)
  if (start.affinity !== undefined) frame.textExtra(tags.affinity, start.affinity)
  if (start.key !== undefined) frame.textExtra(tags.key, start.key)
  frame.trace(start)
  if (start.parent !== undefined) frame.numberExtra(tags.parent, start.parent, 8)
  if (start.credit !== undefined) frame.numberExtra(tags.credit, start.credit, 2)
  if (start.waitMs !== undefined) frame.numberExtra(tags.wait, start.waitMs, 4)
  if (start.nonce !== undefined) frame.extra(tags.nonce, start.nonce)
  if (start.correlation !== undefined) frame.textExtra(tags.correlation, start.correlation)
  if (appFlags.length > 0) frame.textExtra(tags.appFlags, appFlags.join(","))
  frame.endExtras(extras)
  return frame.end(content)
}

function compactAnswer({ to: id, outcome }: Answer): Uint8Array<ArrayBuffer> | undefined {
  if (id === undefined) return undefined
  if (outcome.is === "done") {
    const { result: payload } = outcome
    const content = bytesOf(payload)
    const frame = new Frame({ kind: kinds.response, flags: 0, payload, id }, content.length)
    frame.u32(0)
    frame.endExtras(frame.beginExtras())
    return frame.end(content)
  }
  const own = outcome.is === "failed" ? outcome.handlerCode : undefined
  const bound = 3 * (outcome.sentence.length + (own?.length ?? 0)) + 64
  const frame = new Frame({ kind: kinds.response, flags: 0, id }, bound)
  frame.u8(1)
  frame.u8(0)
  frame.u16(outcome.is === "failed" ? 32 : 37)
  const extras = frame.beginExtras()
  frame.textExtra(tags.errorText, outcome.sentence)
  if (own !== undefined) frame.textExtra(tags.code, own)
  frame.endExtras(extras)
  return frame.end()
}

function compactEmit(emit: Emit): Uint8Array<ArrayBuffer> | undefined {
  const { pool, trigger, payload, flags: asked, appFlags } = emit
  const isAsked = asked.has("ack")
  if (isAsked && typeof emit.id !== "number") return undefined
  const id = isAsked && typeof emit.id === "number" ? emit.id : 0
  const content = bytesOf(payload)
  const flags =
    (asked.has("exclude_self") ? flagBits.excludeSelf : 0) |
    (isAsked ? flagBits.ack : 0) |
    (asked.has("retain") ? flagBits.retain : 0)
  const letters = 3 * (pool.length + trigger.length)
  const bound = content.length + letters + tracedBytes(emit) + flagsBytes(appFlags) + 64
  const frame = new Frame({ kind: kinds.emit, flags, payload, id }, bound)
  frame.text(pool)
  frame.text(trigger)
  const extras = frame.beginExtras()
  frame.trace(emit)
  if (appFlags.length > 0) frame.textExtra(tags.appFlags, appFlags.join(","))
  frame.endExtras(extras)
  return frame.end(content)
}

/** Reads one frame that a server sent. Throws a WireError "bad-message" for a wrong layout. */
export function readCompactToApp(frame: Uint8Array): ToApp {
  const head = headOf(frame)
  const { kind, id, bytes } = head
  switch (kind) {
    case kinds.trigger:
      return readCall(head)
    case kinds.response:
      return readAnswer(head)
    case kinds.emit:
      return readEmitted(head)
    case kinds.memory:
      return readNotice(head)
    case kinds.chunk:
      return readChunk(head)
    case kinds.credit:
      return { kind: "credit", to: id, toward: toward(head.flags), count: bytes.next32() }
    case kinds.cancel: {
      bytes.next8()
      return { kind: "cancel", to: id, reason: reasonNames.get(bytes.next8()) ?? "caller" }
    }
    case kinds.ping:
      return { kind: "plain", body: { type: "ping", id: String(id) } }
    case kinds.pong:
      return { kind: "pong", id, form: "compact" }
  }
  throw wrong(`there are no compact frames of kind ${kind}`)
}

// Entries of literals: exactly the unions that they are made of.
const reasonNames = new Map(
  Object.entries(reasons).map(([name, number]) => [number as number, name as CancelReason]),
)
const proofNames = new Map(Object.entries(proofs).map(([name, number]) => [number, name as Proof]))

const callTags = [
  ...["origin", "destination", "traceparent", "tracestate", "credit", "attempt", "identity"],
  ...["block", "nonce", "correlation", "appFlags"],
] as readonly ExtraName[] // each is one of the names of pools-compact

function readCall({ bytes, flags: bits, type, id }: Head): ToApp {
  const ttlMs = bytes.next32()
  const pool = bytes.text(anything, "a pool")
  const trigger = bytes.text(anything, "a trigger")
  const extras = bytes.extras(callTags)
  const flags = new Set<string>()
  if ((bits & flagBits.idempotent) !== 0) flags.add("idempotent")
  if ((bits & flagBits.stream) !== 0) flags.add("stream")
  if ((bits & flagBits.detach) !== 0) flags.add("detach")
  return {
    kind: "call",
    ...{ id, pool, trigger, ttlMs, flags },
    payload: bytesPayload(bytes.rest(), typed(type)),
    origin: textOf(extras.get("origin"), undefined) ?? "",
    proof: proofNames.get(sized(extras.get("identity"), 1)?.[0] ?? 0) ?? "none",
    attempt: sized(extras.get("attempt"), 1)?.[0] ?? 1,
    appFlags: appFlagsOf(extras.get("appFlags")),
    ...field("destination", textOf(extras.get("destination"), undefined)),
    ...field("credit", numberOf(extras.get("credit"), 2)),
    ...field("correlation", textOf(extras.get("correlation"), undefined)),
    ...field("nonce", sized(extras.get("nonce"), 16)),
    ...traceOf(extras),
  }
}

/** A new generation. Its block is known by the attachment. */
function readNotice({ bytes, type }: Head): ToApp {
  if (bytes.next8() !== 8) throw wrong("a server sends no memory operation but 8")
  bytes.next8()
  bytes.next16()
  const attachment = bytes.next32()
  bytes.next32()
  bytes.next32()
  const length = bytes.next32()
  const extras = bytes.extras(["origin", "generation", "lost"])
  const data = bytes.rest()
  return {
    ...{ kind: "notice", pool: "", blockId: "", attachment, length },
    generation: numberOf(extras.get("generation"), 8) ?? 0,
    writer: textOf(extras.get("origin"), undefined) ?? "",
    ...field("lost", numberOf(extras.get("lost"), 4)),
    ...(type === contentTypes.none ? {} : { content: { data, contentType: type } }),
  }
}

function readAnswer({ bytes, type, id }: Head): ToApp {
  const status = bytes.next8()
  bytes.next8()
  const number = bytes.next16()
  const extras = bytes.extras([
    ...(["errorText", "code", "retryAfter", "uncertain", "repeated", "block"] as const),
    ...(["generation", "time", "lost"] as const),
  ])
  const generation = numberOf(extras.get("generation"), 8)
  if (status === 0 && generation !== undefined) {
    const time = numberOf(extras.get("time"), 8) ?? 0
    const content = { data: bytes.rest(), contentType: type, offset: 0, generation, time }
    return {
      kind: "content",
      to: id,
      ...content,
      ...field("lost", numberOf(extras.get("lost"), 4)),
    }
  }
  if (status === 0) {
    const payload = bytesPayload(bytes.rest(), typed(type))
    return { kind: "answer", to: id, payload, ...(extras.has("repeated") && { isRepeated: true }) }
  }
  const errorText = extras.get("errorText")
  const fault: Fault = {
    // A number of a later release: nothing is known of it but its text.
    code: codeOfNumber(number) ?? "internal",
    sentence: errorText === undefined ? "failed" : decoded(errorText),
    ...field("handlerCode", textOf(extras.get("code"), undefined)),
    ...field("retryAfterMs", numberOf(extras.get("retryAfter"), 4)),
    ...(extras.has("uncertain") ? { executionUncertain: true } : {}),
  }
  return { kind: "fault", to: id, fault }
}

function readEmitted({ bytes, type }: Head): ToApp {
  const pool = bytes.text(anything, "a pool")
  const trigger = bytes.text(anything, "a name")
  const extras = bytes.extras([
    ...(["origin", "traceparent", "tracestate", "lost", "seq", "retained", "appFlags"] as const),
  ])
  return {
    kind: "emitted",
    ...{ pool, trigger },
    payload: bytesPayload(bytes.rest(), typed(type)),
    origin: textOf(extras.get("origin"), undefined) ?? "",
    appFlags: appFlagsOf(extras.get("appFlags")),
    seq: numberOf(extras.get("seq"), 8) ?? 0,
    ...field("lost", numberOf(extras.get("lost"), 4)),
    ...(extras.has("retained") ? { isRetained: true } : {}),
    ...traceOf(extras),
  }
}

/** The server has looked at names already. */
const anything = /^/
