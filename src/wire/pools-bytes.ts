/**
 * Bytes of a compact frame, read from the front.
 *
 * What always holds: nothing is read beyond the frame's end; what does not fit throws a WireError
 * "bad-message" that says what is wrong.
 */
import { WireError } from "./error.ts"
import { type ExtraName, extraTags } from "./pools-compact-frame.ts"

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
/** Up to here a text is read byte by byte. */
const shortBytes = 32
/** Where nothing stands besides. */
export const noExtras: ReadonlyMap<ExtraName, Uint8Array> = new Map()

/** A frame that is read from the front; `at` is the next byte. */
export class Bytes {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  u8(at: number): number {
    if (at >= this.#bytes.length) throw wrong("the frame ends too early")
    return this.#view.getUint8(at)
  }

  u64(at: number): number {
    return wholeAt(this.#view, at)
  }

  next8(): number {
    this.#take(1)
    return this.#view.getUint8(this.at - 1)
  }

  next16(): number {
    this.#take(2)
    return this.#view.getUint16(this.at - 2)
  }

  next32(): number {
    this.#take(4)
    return this.#view.getUint32(this.at - 4)
  }

  text(shape: RegExp, what: string): string {
    const length = this.next8()
    this.#take(length)
    const text = decoded(this.#bytes.subarray(this.at - length, this.at))
    if (!shape.test(text)) throw wrong(`${what} has a name that may not be`)
    return text
  }

  /** What stands besides. Unknown tags from 128 up are skipped, others that may not stand here refused. */
  extras(known: readonly ExtraName[]): ReadonlyMap<ExtraName, Uint8Array> {
    const end = this.next16() + this.at
    if (end > this.#bytes.length) throw wrong("the frame ends within its extras")
    if (end === this.at) return noExtras
    const found = new Map<ExtraName, Uint8Array>()
    const seen = new Set<number>()
    while (this.at < end) {
      const tag = this.next8()
      const length = this.next16()
      this.#take(length)
      if (this.at > end) throw wrong("an extra is longer than the extras")
      if (seen.has(tag)) throw wrong(`extra ${tag} stands there twice`)
      seen.add(tag)
      const name = extraTags.get(tag)
      if (name !== undefined && known.includes(name)) {
        found.set(name, this.#bytes.subarray(this.at - length, this.at))
      } else if (tag < 128) {
        throw wrong(`extra ${tag} may not stand here`)
      }
    }
    return found
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.at)
  }

  /** Nothing may follow. */
  end(): void {
    if (this.at !== this.#bytes.length) throw wrong("the frame is longer than its kind")
  }

  #take(length: number): void {
    this.at += length
    if (this.at > this.#bytes.length) throw wrong("the frame ends too early")
  }
}

/** A whole number of 64 bits, below 2^53. */
export function wholeAt(view: DataView, at: number): number {
  const high = view.getUint32(at)
  if (high >= 0x20_0000) throw wrong("a number is 2^53 or more")
  return high * 0x1_0000_0000 + view.getUint32(at + 4)
}

/** The text that these bytes spell. */
export function decoded(bytes: Uint8Array): string {
  return bytes.length <= shortBytes ? (shortText(bytes) ?? longText(bytes)) : longText(bytes)
}

/** A short text of ASCII; undefined for any other. Names are such, and a decoder takes longer to begin. */
function shortText(bytes: Uint8Array): string | undefined {
  let text = ""
  for (const byte of bytes) {
    if (byte >= 0x80) return undefined
    text += String.fromCharCode(byte)
  }
  return text
}

function longText(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes)
  } catch {
    throw wrong("a text is no UTF-8")
  }
}

/** A frame that does not fit its layout. */
export function wrong(sentence: string): WireError {
  return new WireError("bad-message", sentence)
}
