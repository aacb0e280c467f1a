/**
 * What compact frames are made of: the numbers that both sides of them share, and one frame as it is
 * written.
 *
 * What always holds: a frame is written in one piece of memory, in one pass, one frame at a time; a
 * finished one is never written to again.
 */
import type { Payload } from "./pools-payload.ts"
import type { Proof } from "./pools-shapes.ts"

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

/** Memory in which frames are written; `at` is the first byte that is free. */
interface Room {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly view: DataView<ArrayBuffer>
  at: number
}

const sharedBytes = 16 * 1024
/** A frame that may be longer has memory of its own. */
const sharingLimit = 1_024
// Small frames lie side by side: to make memory for each takes longer than to fill it.
let shared = newRoom(sharedBytes)

function newRoom(size: number): Room {
  const buffer = new ArrayBuffer(size)
  return { bytes: new Uint8Array(buffer), view: new DataView(buffer), at: 0 }
}

/** Room for a frame of at most `size` bytes. It is taken when the frame ends. */
function roomFor(size: number): Room {
  if (size > sharingLimit) return newRoom(size)
  if (shared.at + size > sharedBytes) shared = newRoom(sharedBytes)
  return shared
}

/** One frame as it is written, from the front. `bound` is at least what follows the header. One at a time. */
export class Frame {
  readonly #view: DataView<ArrayBuffer>
  readonly #bytes: Uint8Array<ArrayBuffer>
  readonly #begin: number
  #at: number

  constructor(
    head: {
      readonly kind: number
      readonly flags: number
      readonly id: number
      readonly payload?: Payload
    },
    bound: number,
  ) {
    const { bytes, view, at } = roomFor(headerBytes + bound + 16)
    this.#bytes = bytes
    this.#view = view
    this.#begin = at
    bytes[at] = compactMark
    bytes[at + 1] = head.kind
    bytes[at + 2] = head.flags
    bytes[at + 3] = head.payload?.type ?? 0
    view.setUint32(at + 4, Math.floor(head.id / 0x1_0000_0000))
    view.setUint32(at + 8, head.id % 0x1_0000_0000)
    this.#at = at + headerBytes
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
    const end = this.#at + content.length
    if (this.#bytes === shared.bytes) shared.at = end
    return this.#bytes.subarray(this.#begin, end)
  }
}

export const noBytes = new Uint8Array(0)

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
