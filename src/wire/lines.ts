/**
 * Lines of UTF-8 that end with a newline. No I/O.
 *
 * What always holds: cut or joined at any byte, the same lines come out; at most `limitBytes` of a
 * line are ever kept. A line above the limit is skipped to its end and told in its place, in order,
 * so that the lines after it are read as if nothing had been.
 *
 *     68 69 0d 0a    "hi": carriage returns before the newline are left out
 */

const newline = 0x0a
const carriageReturn = 0x0d

const empty = new Uint8Array(0)

/** Stands where a line above the limit was. */
export const overlong = Symbol("overlong")

/** Cuts the bytes of one connection into lines. */
export class LineReader {
  readonly #limitBytes: number
  // What is not UTF-8 becomes U+FFFD; a byte order mark is a character like others.
  readonly #text = new TextDecoder("utf-8", { ignoreBOM: true })
  // The begun line. Invariant: no newline in it, and at most #limitBytes.
  #begun: Uint8Array = empty
  #skipping = false

  /** `limitBytes` counts the whole line with its newline. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /**
   * Takes the next bytes and yields each line that is now whole, without its ending, or `overlong`
   * in its place. Read it to its end before the next push.
   */
  *push(chunk: Uint8Array): Generator<string | typeof overlong, void, undefined> {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(newline, start)
      if (end === -1) break
      const piece = chunk.subarray(start, end)
      start = end + 1
      const fits = !this.#skipping && this.#begun.length + piece.length < this.#limitBytes
      const line = fits ? this.#textOf(piece) : overlong
      this.#begun = empty
      this.#skipping = false
      yield line
    }
    this.#keep(chunk.subarray(start))
  }

  #textOf(piece: Uint8Array): string {
    const line = this.#begun.length === 0 ? piece : joined(this.#begun, piece)
    let end = line.length
    while (end > 0 && line[end - 1] === carriageReturn) end--
    return this.#text.decode(line.subarray(0, end))
  }

  #keep(piece: Uint8Array): void {
    if (this.#skipping || piece.length === 0) return
    if (this.#begun.length + piece.length >= this.#limitBytes) {
      this.#skipping = true
      this.#begun = empty
    } else {
      // A copy, since `chunk` is not ours; at most limitBytes, so joining again and again stays cheap.
      this.#begun = joined(this.#begun, piece)
    }
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}
