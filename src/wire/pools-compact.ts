/**
 * Compact frames of pools, written; and the numbers that both sides of them share.
 *
 * What always holds: a frame is written in one piece of memory, in one pass; a payload is copied
 * there as it is. What has no place in a compact frame is not written: `compact` gives undefined.
 */
import { type Fault, numberOf } from "./pools-errors.ts"
import { blockBytes } from "./pools-memory.ts"
import { bytesOf, type Payload } from "./pools-payload.ts"
import type { Id, Proof, ToApp, Told, ToldEmit, Toward } from "./pools-shapes.ts"

export const compactMark = 0xb1
export const headerBytes = 12

export const kinds = {
  ...{ trigger: 1, response: 2, emit: 3, memory: 4, chunk: 5, credit: 6, cancel: 7 },
  ...{ ping: 9, pong: 10 },
} as const

export const flagBits = {
  ...{ idempotent: 1, stream: 2, detach: 4, excludeSelf: 8, ack: 16, retain: 32, last: 64 },
  ...{ handler: 128 },
} as const

/** The numbers of what may stand besides. */
export const tags = {
  ...{ origin: 1, destination: 2, affinity: 3, key: 4, traceparent: 5, tracestate: 6, parent: 7 },
  ...{
    credit: 8,
    wait: 9,
    attempt: 10,
    identity: 11,
    block: 12,
    nonce: 13,
    errorText: 14,
    code: 15,
  },
  ...{ retryAfter: 16, uncertain: 17, generation: 18, fence: 19, lost: 20, seq: 21 },
  ...{ correlation: 22, retained: 23, repeated: 24, appFlags: 25 },
  /** From 128 on a reader passes over those it does not know. */
  time: 128,
} as const

export type ExtraName = keyof typeof tags

/** The extras by their numbers. */
export const extraTags: ReadonlyMap<number, ExtraName> = new Map(
  Object.entries(tags).map(([name, tag]) => [tag, name as ExtraName]), // keys of a literal: exactly the union
)

export const proofs: Readonly<Record<Proof, number>> = { none: 0, token: 1, key: 2, certificate: 3 }
export const reasons = { caller: 1, deadline: 2, lost: 3, parent: 4 } as const
const encoder = new TextEncoder()
const largestText = 0xffff
/** Up to here a text is written unit by unit. */
const shortText = 32

/** The frame of a message; undefined when a compact frame cannot say all of it. */
export function compact(message: ToApp): Uint8Array | undefined {
  switch (message.kind) {
    case "call":
      return compactCall(message)
    case "emitted":
      return compactEmit(message)
    case "answer": {
      const { to, payload, isRepeated } = message
      if (typeof to !== "number") return undefined
      const content = bytesOf(payload)
      const frame = new Frame({ kind: kinds.response, flags: 0, payload, id: to }, content.length)
      frame.u32(0)
      const extras = frame.beginExtras()
      if (isRepeated === true) frame.extra(tags.repeated, noBytes)
      frame.endExtras(extras)
      return frame.end(content)
    }
    case "fault":
      return message.close === true ? undefined : compactFault(message.to, message.fault)
    case "chunk": {
      if (typeof message.to !== "number") return undefined
      const { to: id, payload, seq, isLast } = message
      const content = bytesOf(payload)
      const flags = (isLast ? flagBits.last : 0) | towardBit(message.toward)
      const frame = new Frame({ kind: kinds.chunk, flags, payload, id }, content.length)
      frame.u32(seq)
      frame.endExtras(frame.beginExtras())
      return frame.end(content)
    }
    case "credit": {
      if (typeof message.to !== "number") return undefined
      const frame = new Frame(
        { kind: kinds.credit, flags: towardBit(message.toward), id: message.to },
        4,
      )
      frame.u32(message.count)
      return frame.end()
    }
    case "cancel": {
      const frame = new Frame({ kind: kinds.cancel, flags: 0, id: message.to }, 2)
      frame.u8(0)
      frame.u8(reasons[message.reason])
      return frame.end()
    }
    case "pong": {
      if (message.form !== "compact" || typeof message.id !== "number") return undefined
      return new Frame({ kind: kinds.pong, flags: 0, id: message.id }, 0).end()
    }
    // Written where their other forms are: see pools-memory.
    case "content":
    case "notice":
    case "plain":
      return undefined
  }
}

function compactCall(told: Told): Uint8Array | undefined {
  const { flags: ours, pool, trigger, origin, attempt, proof } = told
  const content = bytesOf(told.payload)
  const flags =
    (ours.has("idempotent") ? flagBits.idempotent : 0) |
    (ours.has("stream") ? flagBits.stream : 0) |
    (ours.has("detach") ? flagBits.detach : 0)
  const texts = pool.length + trigger.length + origin.length + (told.destination?.length ?? 0)
  const more = tracedBytes(told) + flagsBytes(told.appFlags) + 256
  const bound = content.length + 3 * texts + more
  const frame = new Frame({ kind: kinds.trigger, flags, payload: told.payload, id: told.id }, bound)
  frame.u32(Math.min(told.ttlMs, 0xffff_ffff))
  frame.text(pool)
  frame.text(trigger)
  const extras = frame.beginExtras()
  frame.textExtra(tags.origin, origin)
  if (told.destination !== undefined) frame.textExtra(tags.destination, told.destination)
  frame.trace(told)
  if (told.credit !== undefined) frame.numberExtra(tags.credit, told.credit, 2)
  if (attempt > 1) frame.numberExtra(tags.attempt, attempt, 1)
  if (proof !== "none") frame.numberExtra(tags.identity, proofs[proof], 1)
  if (told.block !== undefined) frame.extra(tags.block, blockBytes(told.block))
  if (told.nonce !== undefined) frame.extra(tags.nonce, told.nonce)
  if (told.correlation !== undefined) frame.textExtra(tags.correlation, told.correlation)
  if (told.appFlags.length > 0) frame.textExtra(tags.appFlags, told.appFlags.join(","))
  frame.endExtras(extras)
  return frame.end(content)
}

function compactEmit(told: ToldEmit): Uint8Array | undefined {
  const content = bytesOf(told.payload)
  const texts = told.pool.length + told.trigger.length + told.origin.length
  const bound = content.length + 3 * texts + tracedBytes(told) + flagsBytes(told.appFlags) + 64
  const frame = new Frame({ kind: kinds.emit, flags: 0, payload: told.payload, id: 0 }, bound)
  frame.text(told.pool)
  frame.text(told.trigger)
  const extras = frame.beginExtras()
  frame.textExtra(tags.origin, told.origin)
  frame.trace(told)
  if (told.lost !== undefined) frame.numberExtra(tags.lost, told.lost, 4)
  frame.numberExtra(tags.seq, told.seq, 8)
  if (told.isRetained === true) frame.extra(tags.retained, noBytes)
  if (told.appFlags.length > 0) frame.textExtra(tags.appFlags, told.appFlags.join(","))
  frame.endExtras(extras)
  return frame.end(content)
}

function compactFault(to: Id | null, fault: Fault): Uint8Array | undefined {
  if (typeof to !== "number" || fault.field !== undefined || fault.detail !== undefined) {
    return undefined
  }
  const bound = 3 * (fault.sentence.length + (fault.handlerCode?.length ?? 0)) + 64
  const frame = new Frame({ kind: kinds.response, flags: 0, id: to }, bound)
  frame.u8(fault.code === "handler-error" ? 1 : 2)
  frame.u8(0)
  frame.u16(numberOf(fault.code))
  const extras = frame.beginExtras()
  frame.textExtra(tags.errorText, fault.sentence)
  if (fault.handlerCode !== undefined) frame.textExtra(tags.code, fault.handlerCode)
  if (fault.retryAfterMs !== undefined) frame.numberExtra(tags.retryAfter, fault.retryAfterMs, 4)
  if (fault.executionUncertain === true) frame.extra(tags.uncertain, noBytes)
  frame.endExtras(extras)
  return frame.end()
}

/** One frame as it is written, from the front. `bound` is at least what follows the header. */
export class Frame {
  readonly #bytes: Uint8Array<ArrayBuffer>
  readonly #view: DataView
  #at = headerBytes

  constructor(
    head: {
      readonly kind: number
      readonly flags: number
      readonly id: number
      readonly payload?: Payload
    },
    bound: number,
  ) {
    this.#bytes = new Uint8Array(headerBytes + bound + 16)
    this.#view = new DataView(this.#bytes.buffer)
    this.#bytes[0] = compactMark
    this.#bytes[1] = head.kind
    this.#bytes[2] = head.flags
    this.#bytes[3] = head.payload?.type ?? 0
    this.#view.setUint32(4, Math.floor(head.id / 0x1_0000_0000))
    this.#view.setUint32(8, head.id % 0x1_0000_0000)
  }

  u8(value: number): void {
    this.#bytes[this.#at++] = value
  }

  u16(value: number): void {
    this.#view.setUint16(this.#at, value)
    this.#at += 2
  }

  u32(value: number): void {
    this.#view.setUint32(this.#at, value)
    this.#at += 4
  }

  /** A name with its length in one byte. */
  text(text: string): void {
    const written = this.#put(text, this.#at + 1)
    this.#bytes[this.#at] = written
    this.#at += 1 + written
  }

  /** Where the extras begin: `endExtras` writes their length there. */
  beginExtras(): number {
    this.#at += 2
    return this.#at
  }

  endExtras(begun: number): void {
    this.#view.setUint16(begun - 2, this.#at - begun)
  }

  extra(tag: number, value: Uint8Array): void {
    this.u8(tag)
    this.u16(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
  }

  textExtra(tag: number, text: string): void {
    this.u8(tag)
    const written = this.#put(text, this.#at + 2)
    this.u16(written)
    this.#at += written
  }

  /** Writes UTF-8 and gives how many bytes those are: short ASCII by hand, an encoder takes longer to begin. */
  #put(text: string, at: number): number {
    if (text.length <= shortText) {
      let end = at
      for (; end - at < text.length; end++) {
        const unit = text.charCodeAt(end - at)
        if (unit >= 0x80) break
        this.#bytes[end] = unit
      }
      if (end - at === text.length) return text.length
    }
    return encoder.encodeInto(text, this.#bytes.subarray(at, at + largestText)).written
  }

  numberExtra(tag: number, value: number, length: 1 | 2 | 4 | 8): void {
    this.u8(tag)
    this.u16(length)
    if (length === 1) return this.u8(value)
    if (length === 2) return this.u16(Math.min(value, 0xffff))
    if (length === 4) return this.u32(Math.min(value, 0xffff_ffff))
    this.u32(Math.floor(value / 0x1_0000_0000))
    this.u32(value % 0x1_0000_0000)
  }

  trace({ traceparent, tracestate }: { traceparent?: string; tracestate?: string }): void {
    if (traceparent !== undefined) this.extra(tags.traceparent, writeTrace(traceparent))
    if (tracestate !== undefined) this.textExtra(tags.tracestate, tracestate)
  }

  end(content: Uint8Array = noBytes): Uint8Array<ArrayBuffer> {
    this.#bytes.set(content, this.#at)
    return this.#bytes.subarray(0, this.#at + content.length)
  }
}

export const noBytes = new Uint8Array(0)

export function tracedBytes({
  traceparent,
  tracestate,
}: {
  traceparent?: string
  tracestate?: string
}) {
  return (traceparent === undefined ? 0 : 32) + (tracestate?.length ?? 0)
}

export function flagsBytes(flags: readonly string[]): number {
  return flags.reduce((sum, flag) => sum + flag.length + 1, 0)
}

export function towardBit(toward: Toward): number {
  return toward === "handler" ? flagBits.handler : 0
}

/** `00-…-…-01` as 26 bytes: version, trace, parent, flags. */
function writeTrace(traceparent: string): Uint8Array {
  const digits = traceparent.replaceAll("-", "")
  return Uint8Array.from({ length: 26 }, (_, at) =>
    Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16),
  )
}

/** The text of such bytes. */
export function readTrace(bytes: Uint8Array): string {
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
  return [digits.slice(0, 2), digits.slice(2, 34), digits.slice(34, 50), digits.slice(50)].join("-")
}
