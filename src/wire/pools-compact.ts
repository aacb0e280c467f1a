/**
 * Compact frames of pools, as a server writes them.
 *
 * What always holds: a payload is copied as it is. What has no place in a compact frame is not
 * written: `compact` gives undefined.
 */
import { Frame, flagBits, kinds, noBytes, proofs, reasons, tags } from "./pools-compact-frame.ts"
import { type Fault, numberOf } from "./pools-errors.ts"
import { blockBytes } from "./pools-memory.ts"
import { bytesOf } from "./pools-payload.ts"
import type { Chunk, Credit, Id, ToApp, Told, ToldEmit, Toward } from "./pools-shapes.ts"

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
    case "chunk":
      return compactChunk(message)
    case "credit":
      return compactCredit(message)
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

/** A chunk, from whichever side: undefined where its call has no number. */
export function compactChunk(chunk: Chunk): Uint8Array<ArrayBuffer> | undefined {
  const { to: id, toward, seq, payload, isLast } = chunk
  if (typeof id !== "number") return undefined
  const content = bytesOf(payload)
  const flags = (isLast ? flagBits.last : 0) | towardBit(toward)
  const frame = new Frame({ kind: kinds.chunk, flags, payload, id }, content.length)
  frame.u32(seq)
  frame.endExtras(frame.beginExtras())
  return frame.end(content)
}

/** A credit, from whichever side: undefined where its call has no number. */
export function compactCredit(credit: Credit): Uint8Array<ArrayBuffer> | undefined {
  const { to: id, toward, count } = credit
  if (typeof id !== "number") return undefined
  const frame = new Frame({ kind: kinds.credit, flags: towardBit(toward), id }, 4)
  frame.u32(count)
  return frame.end()
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

function towardBit(toward: Toward): number {
  return toward === "handler" ? flagBits.handler : 0
}
