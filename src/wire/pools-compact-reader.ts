/**
 * Compact frames of pools, read: twelve bytes that every frame has, then what its kind has.
 *
 *     b1 06 00 00  00 00 00 00 00 00 00 01  00 00 00 10    credit, call 1, sixteen more
 *
 * What always holds: a payload comes out as a view of the frame, unread; whatever does not fit the
 * layout to the byte becomes a "bad" message, with the request's id where that could be read.
 */
import { Bytes, decoded, noExtras, wholeAt, wrong } from "./pools-bytes.ts"
import { type ExtraName, flagBits, headerBytes, kinds, readTrace } from "./pools-compact-frame.ts"
import { blockIn, compactRequest } from "./pools-memory.ts"
import { bytesPayload, type ContentType, contentTypes } from "./pools-payload.ts"
import type { Answer, Chunk, Emit, FromApp, Start, Toward } from "./pools-shapes.ts"

/** Reads one frame that begins with 0xB1. Throws a WireError "bad-message" for a wrong layout. */
export function readCompact(frame: Uint8Array): FromApp {
  const head = headOf(frame)
  const { kind, flags, bytes } = head
  switch (kind) {
    case kinds.trigger:
      return readTrigger(head)
    case kinds.response:
      return readResponse(head)
    case kinds.emit:
      return readEmit(head)
    case kinds.memory: {
      allow(head, 0)
      const request = compactRequest(bytes, head)
      if (request === undefined) throw wrong("memory operations of compact frames are 3, 4 and 8")
      return request
    }
    case kinds.chunk: {
      allow(head, flagBits.last | flagBits.handler)
      return readChunk(head)
    }
    case kinds.credit: {
      allow(head, flagBits.handler)
      const count = bytes.next32()
      bytes.end()
      if (count === 0) throw wrong("a credit is at least 1")
      return { kind: "credit", to: head.id, toward: toward(flags), count }
    }
    case kinds.cancel: {
      allow(head, 0)
      const mode = (["killnowait", "kill", "skip"] as const)[bytes.next8()]
      if (mode === undefined) throw wrong("a cancel's mode is 0, 1 or 2")
      bytes.next8()
      bytes.end()
      return { kind: "cancel", to: head.id, mode }
    }
    case kinds.ping:
      allow(head, 0)
      bytes.end()
      return { kind: "ping", id: head.id, form: "compact" }
    case kinds.pong:
      allow(head, 0)
      bytes.end()
      return { kind: "pong", id: head.id }
  }
  throw wrong(`there are no compact frames of kind ${kind}`)
}

/** What every frame has; its bytes are to be read behind that. */
export interface Head {
  readonly kind: number
  readonly flags: number
  readonly type: number
  readonly id: number
  readonly bytes: Bytes
}

export function headOf(frame: Uint8Array): Head {
  const bytes = new Bytes(frame)
  if (frame.length < headerBytes) throw wrong("a compact frame has at least 12 bytes")
  const [kind, flags, type] = [bytes.u8(1), bytes.u8(2), bytes.u8(3)]
  const head = { kind, flags, type, id: bytes.u64(4), bytes }
  bytes.at = headerBytes
  return head
}

export function readChunk({ bytes, flags, type, id }: Head): Chunk & { readonly to: number } {
  const seq = bytes.next32()
  bytes.extras([])
  const payload = bytesPayload(bytes.rest(), typed(type))
  const isLast = (flags & flagBits.last) !== 0
  return { kind: "chunk", to: id, toward: toward(flags), seq, payload, isLast }
}

const startTags = [
  ...["destination", "affinity", "key", "traceparent", "tracestate", "parent"],
  ...["credit", "wait", "block", "nonce", "correlation", "appFlags", "origin"],
] as readonly ExtraName[] // each is one of the names of pools-compact

function readTrigger(head: Head): FromApp {
  allow(head, flagBits.idempotent | flagBits.stream | flagBits.detach)
  const { bytes, flags, id } = head
  const ttlMs = bytes.next32()
  const pool = bytes.text(poolName, "a pool")
  const trigger = bytes.text(name, "a trigger")
  const extras = bytes.extras(startTags)
  if (extras === noExtras) {
    const payload = bytesPayload(bytes.rest(), typed(head.type))
    const asked = flags === 0 ? none : startFlags(flags)
    return { kind: "trigger", id, pool, trigger, payload, ttlMs, flags: asked, appFlags: noFlags }
  }
  const start: Start = {
    kind: "trigger",
    id,
    pool,
    trigger,
    payload: bytesPayload(bytes.rest(), typed(head.type)),
    ttlMs,
    flags: flags === 0 ? none : startFlags(flags),
    appFlags: appFlagsOf(extras.get("appFlags")),
    ...field("destination", textOf(extras.get("destination"), destination)),
    ...field("affinity", textOf(extras.get("affinity"), word)),
    ...field("key", textOf(extras.get("key"), word)),
    ...field("waitMs", numberOf(extras.get("wait"), 4)),
    ...field("credit", numberOf(extras.get("credit"), 2)),
    ...field("parent", numberOf(extras.get("parent"), 8)),
    ...field("correlation", textOf(extras.get("correlation"), visible)),
    ...field("nonce", sized(extras.get("nonce"), 16)),
    ...blockIn(sized(extras.get("block"), 40)),
    ...traceOf(extras),
  }
  return start
}

const answerTags = ["errorText", "code", "block", "repeated"] as const

function readResponse(head: Head): FromApp {
  allow(head, 0)
  const { bytes } = head
  const status = bytes.next8()
  bytes.next8()
  const number = bytes.next16()
  const extras = bytes.extras(answerTags)
  const answer = (outcome: Answer["outcome"]): FromApp => {
    return { kind: "response", id: undefined, to: head.id, outcome }
  }
  if (status === 0) {
    const result = bytesPayload(bytes.rest(), typed(head.type))
    return answer({ is: "done", result, ...blockIn(sized(extras.get("block"), 40)) })
  }
  if (status !== 1) throw wrong("an app answers with status 0 or 1")
  const sentence = textOf(extras.get("errorText"), undefined) ?? "failed"
  if (number === 37) return answer({ is: "unavailable", sentence })
  if (number !== 32) throw wrong("an app's errors are 32 and 37")
  const own = textOf(extras.get("code"), word)
  return answer({ is: "failed", sentence, ...field("handlerCode", own) })
}

function readEmit(head: Head): FromApp {
  allow(head, flagBits.excludeSelf | flagBits.ack | flagBits.retain)
  const { bytes, flags } = head
  const pool = bytes.text(poolName, "a pool")
  const trigger = bytes.text(name, "a trigger")
  const extras = bytes.extras(["traceparent", "tracestate", "appFlags", "origin"])
  const emit: Emit = {
    kind: "emit",
    id: (flags & flagBits.ack) === 0 ? undefined : head.id,
    pool,
    trigger,
    payload: bytesPayload(bytes.rest(), typed(head.type)),
    flags: flags === 0 ? none : emitFlags(flags),
    appFlags: appFlagsOf(extras.get("appFlags")),
    ...traceOf(extras),
  }
  return emit
}

const none: ReadonlySet<string> = new Set()
const noFlags: readonly string[] = []
const name = /^[^\u0000-\u0020\u007f]{1,128}$/
const poolName = /^[A-Za-z0-9._-]{1,64}$/
const destination = /^[A-Za-z0-9._-]{1,128}(#\d{1,9})?$/
const word = /^[\s\S]{1,128}$/u
const visible = /^[\x21-\x7e]{1,64}$/

function startFlags(bits: number): ReadonlySet<string> {
  const flags = new Set<string>()
  if ((bits & flagBits.idempotent) !== 0) flags.add("idempotent")
  if ((bits & flagBits.stream) !== 0) flags.add("stream")
  if ((bits & flagBits.detach) !== 0) flags.add("detach")
  return flags
}

function emitFlags(bits: number): ReadonlySet<string> {
  const flags = new Set<string>()
  if ((bits & flagBits.excludeSelf) !== 0) flags.add("exclude_self")
  if ((bits & flagBits.ack) !== 0) flags.add("ack")
  if ((bits & flagBits.retain) !== 0) flags.add("retain")
  return flags
}

export function allow({ flags, kind }: Head, bits: number): void {
  if ((flags & ~bits) !== 0) throw wrong(`a flag is set that kind ${kind} does not have`)
}

export function typed(type: number): ContentType {
  if (type <= contentTypes.bytes || type >= contentTypes.firstOfApps) return type
  throw wrong(`content type ${type} is reserved`)
}

export function toward(flags: number): Toward {
  return (flags & flagBits.handler) === 0 ? "caller" : "handler"
}

export function appFlagsOf(value: Uint8Array | undefined): readonly string[] {
  if (value === undefined) return noFlags
  const flags = decoded(value).split(",")
  if (flags.length > 16 || !flags.every((flag) => /^x-[A-Za-z0-9._-]{1,64}$/.test(flag))) {
    throw wrong("the apps' own flags are like x-mine, sixteen at the most")
  }
  return flags
}

export function traceOf(extras: ReadonlyMap<ExtraName, Uint8Array>) {
  const parent = sized(extras.get("traceparent"), 26)
  const tracestate = textOf(extras.get("tracestate"), /^[\x20-\x7e]{0,512}$/)
  return {
    ...(parent === undefined ? {} : { traceparent: readTrace(parent) }),
    ...field("tracestate", tracestate),
  }
}

export function textOf(
  value: Uint8Array | undefined,
  shape: RegExp | undefined,
): string | undefined {
  if (value === undefined) return undefined
  const text = decoded(value)
  if (shape?.test(text) === false) throw wrong("an extra's text may not be like this")
  return text
}

export function numberOf(value: Uint8Array | undefined, length: number): number | undefined {
  const bytes = sized(value, length)
  if (bytes === undefined) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, length)
  if (length === 2) return view.getUint16(0)
  return length === 4 ? view.getUint32(0) : wholeAt(view, 0)
}

export function sized(value: Uint8Array | undefined, length: number): Uint8Array | undefined {
  if (value !== undefined && value.length !== length) {
    throw wrong(`an extra has ${value.length} bytes instead of ${length}`)
  }
  return value
}

/** The field, where there is one. */
export function field<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { readonly [Key in Name]?: Value } {
  // The computed key is Name; TypeScript sees a string.
  return value === undefined ? {} : ({ [name]: value } as { readonly [Key in Name]?: Value })
}
