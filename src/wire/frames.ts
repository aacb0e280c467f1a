/**
 * Length-prefixed frames: a 32-bit big-endian length, then as many bytes. No I/O.
 *
 * What always holds: cut or joined at any byte, the same frames come out; a frame above the limit
 * is refused when its length has been read, before a byte of it is kept; and memory grows with the
 * bytes that came, never with a length that was only announced.
 *
 *     00 00 00 05 68 65 6c 6c 6f    five bytes: "hello"
 *     00 00 00 00                   an empty frame
 */
import { WireError } from "./error.ts"

/** Bytes in front of each frame. */
export const prefixBytes = 4

/** What a reader that must keep part of a frame begins with. */
const firstCapacity = 4 * 1024

const empty = new Uint8Array(0)

/** Cuts the bytes of one connection into frames. */
export class FrameReader {
  readonly #limitBytes: number
  readonly #check: (length: number) => void
  // The begun frame with its prefix. Invariant: less than a whole frame lies in the first #length bytes.
  #begun = empty
  #length = 0

  /**
   * `limitBytes` counts the payload, without the prefix. `check` is asked, too, whenever a length is
   * known and the frame is not whole: it throws a WireError where a frame may not be that long now.
   */
  constructor(limitBytes: number, check: (length: number) => void = () => {}) {
    this.#limitBytes = limitBytes
    this.#check = check
  }

  /** Bytes of the begun frame that are kept. */
  get begunBytes(): number {
    return this.#length
  }

  /**
   * Takes the next bytes and yields the payload of each frame that is now whole. Read it to its
   * end before the next push.
   *
   * A payload may be a view into `chunk`: who keeps it and wants `chunk` freed, copies it. Throws
   * a WireError "too-large" after all frames before the one that is; the reader is of no use then.
   */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    const view = viewOf(chunk)
    let at = 0
    while (at < chunk.length) {
      if (this.#length === 0) {
        const size = this.#sizeIn(view, at)
        if (size !== undefined && at + size <= chunk.length) {
          yield chunk.subarray(at + prefixBytes, at + size)
          at += size
          continue
        }
      }
      at += this.#gather(chunk.subarray(at))
      const size = this.#begunSize
      if (size !== this.#length) continue
      const frame = this.#begun.subarray(prefixBytes, size)
      // The array now belongs to whoever took the frame.
      this.#begun = empty
      this.#length = 0
      yield frame
    }
  }

  get #begunSize(): number | undefined {
    return this.#sizeIn(viewOf(this.#begun.subarray(0, this.#length)), 0)
  }

  /** Size of the frame that begins `at` a place, prefix included; undefined before its prefix is whole. */
  #sizeIn(view: DataView, at: number): number | undefined {
    if (view.byteLength - at < prefixBytes) return undefined
    const length = view.getUint32(at)
    if (length > this.#limitBytes) {
      throw new WireError(
        "too-large",
        `a frame holds at most ${this.#limitBytes} bytes, this one has ${length}`,
      )
    }
    this.#check(length)
    return prefixBytes + length
  }

  /** Keeps what the begun frame still lacks: first its prefix, then its payload. Returns how many bytes it took. */
  #gather(rest: Uint8Array): number {
    const size = this.#begunSize ?? prefixBytes
    const taken = Math.min(rest.length, size - this.#length)
    const needed = this.#length + taken
    if (needed > this.#begun.length) {
      // Doubled, so that a frame in a thousand pieces is not copied a thousand times.
      const grown = new Uint8Array(Math.max(needed, 2 * this.#begun.length, firstCapacity))
      grown.set(this.#begun.subarray(0, this.#length))
      this.#begun = grown
    }
    this.#begun.set(rest.subarray(0, taken), this.#length)
    this.#length = needed
    return taken
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
