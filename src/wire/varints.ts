/**
 * Numbers, texts and bytes as lib0 writes them, read with bounds. Home of `lib0`.
 *
 * What always holds: whatever the bytes are, a reader gives a value that was there, or throws a
 * WireError "bad-message"; it allocates nothing for a length that was only announced.
 *
 *     ac 02          300: seven bits a byte, the low ones first, the top bit says "more follows"
 *     02 68 69       "hi": its length in UTF-8, then the bytes
 */
import * as encoding from "lib0/encoding"
import { WireError } from "./error.ts"

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Reads one array of bytes from its beginning. The array must not change meanwhile. */
export class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** How many bytes are not read yet. */
  get left(): number {
    return this.#bytes.length - this.#at
  }

  /** The next byte. */
  byte(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw cutOff()
    this.#at++
    return byte
  }

  /** A number up to 2^53 - 1. */
  uint(): number {
    const first = this.#bytes[this.#at]
    // Most numbers are one byte long.
    if (first !== undefined && first < 0x80) {
      this.#at++
      return first
    }
    return this.#long()
  }

  /** Bytes after their length: a view into what is read. */
  bytes(): Uint8Array {
    return this.take(this.uint())
  }

  /** So many bytes: a view into what is read. */
  take(length: number): Uint8Array {
    if (length > this.left) throw cutOff()
    const { buffer, byteOffset } = this.#bytes
    const taken = new Uint8Array(buffer, byteOffset + this.#at, length)
    this.#at += length
    return taken
  }

  /** All that is left: a view into what is read. */
  rest(): Uint8Array {
    return this.take(this.left)
  }

  /** A text of well-formed UTF-8, after its length in bytes; more than `limitBytes` are refused. */
  text(limitBytes: number): string {
    const length = this.uint()
    if (length > limitBytes) {
      throw new WireError(
        "bad-message",
        `a text has at most ${limitBytes} bytes here, this one has ${length}`,
      )
    }
    return textOf(this.take(length))
  }

  #long(): number {
    const start = this.#at
    let number = 0
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.byte()
      number += (byte & 0x7f) * scale
      if (byte < 0x80) break
      if (number > Number.MAX_SAFE_INTEGER) throw cutOff()
    }
    // Eight bytes hold 56 bits.
    if (this.#at - start <= 8 && Number.isSafeInteger(number)) return number
    throw new WireError("bad-message", "a number is above 2^53 - 1")
  }
}

/** Writes bytes, from their beginning to their end. */
export class Writer {
  readonly #encoder = encoding.createEncoder()

  /** A whole number from 0 to 2^53 - 1. */
  uint(number: number): this {
    encoding.writeVarUint(this.#encoder, number)
    return this
  }

  /** Bytes after their length. They are copied. */
  bytes(bytes: Uint8Array): this {
    encoding.writeVarUint8Array(this.#encoder, bytes)
    return this
  }

  /** A text after its length in bytes. Half a surrogate pair becomes U+FFFD. */
  text(text: string): this {
    encoding.writeVarString(this.#encoder, text)
    return this
  }

  /** Bytes as they are. They are copied. */
  raw(bytes: Uint8Array): this {
    encoding.writeUint8Array(this.#encoder, bytes)
    return this
  }

  /** All that was written, in one new array. */
  finish(): Uint8Array {
    return encoding.toUint8Array(this.#encoder)
  }
}

/** `head` and then `bytes` after their length, as a Writer has it, in one array of just that size. */
export function withLength(head: readonly number[], bytes: Uint8Array): Uint8Array {
  const { length } = bytes
  let at = head.length + 1
  for (let rest = length; rest > 0x7f; rest >>>= 7) at++
  const all = new Uint8Array(at + length)
  all.set(bytes, at)
  at = 0
  for (const number of head) all[at++] = number
  let rest = length
  for (; rest > 0x7f; rest >>>= 7) all[at++] = 0x80 | (rest & 0x7f)
  all[at] = rest
  return all
}

/** The text that `bytes` spell in UTF-8. Throws WireError "bad-message" where they do not. */
export function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    // Bytes that are not UTF-8 are all that decode throws for.
    throw new WireError("bad-message", "a text is not well-formed UTF-8")
  }
}

function cutOff(): WireError {
  return new WireError("bad-message", "the bytes end before the message does")
}
