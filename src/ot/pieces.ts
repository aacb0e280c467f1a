/**
 * A text held in pieces of about a thousand code points, so that an edit costs the same in 1 KB
 * and in 256 KB: it touches one piece, not the text.
 *
 * Changed in place; `copy` gives one of its own for the price of an array. What always holds:
 * `#counts[i]` is the number of code points of `#texts[i]`, `length` is their sum, no piece is
 * empty or longer than `longest`, and no surrogate pair lies across two pieces. A piece has no
 * astral characters exactly when its count is its number of UTF-16 units, and is then cut by
 * arithmetic.
 */
import { codePointCount, utf16Index } from "./codepoints.ts"
import type { Operation } from "./operation.ts"
import { checkFit } from "./steps.ts"

/** Code points of a fresh piece: a slice of it is a few cache lines, a list of 256 of them too. */
const usual = 1_000
/** A piece that grows longer is cut up again. */
const longest = 2 * usual
/** Two neighbours that together have no more than this become one, so that no crumbs are left. */
const joined = usual / 2

export class Pieces {
  #texts: string[]
  #counts: number[]
  #length: number
  /** The whole text, while it is known. */
  #whole: string | undefined
  // The piece edited last and the code points before it. People type where they typed before.
  #near = 0
  #before = 0

  private constructor({ texts, counts, length }: Cut, whole: string | undefined) {
    this.#texts = texts
    this.#counts = counts
    this.#length = length
    this.#whole = whole
  }

  /** The text in pieces. Takes time in its length. */
  static of(text: string): Pieces {
    return new Pieces(cutUp(text), text)
  }

  /** Another one with the same text. The strings are shared: it costs an array of pieces. */
  copy(): Pieces {
    const cut = { texts: [...this.#texts], counts: [...this.#counts], length: this.#length }
    return new Pieces(cut, this.#whole)
  }

  /** In code points. */
  get length(): number {
    return this.#length
  }

  /**
   * Changes this text. Takes time in what is changed, not in the length of the text.
   *
   * Throws RangeError when the operation is for a text of another length; nothing is changed then.
   */
  apply(operation: Operation): void {
    checkFit(operation.baseLength, this.#length, "the text")
    if (operation.isNoop) return
    this.#whole = undefined
    this.#length = operation.targetLength
    const { place, inserted, deleted } = operation
    if (place >= 0) {
      const length = operation.targetLength - operation.baseLength + deleted
      return this.#replace(place, deleted, { text: inserted, length })
    }
    this.#applySteps(operation)
  }

  #applySteps(operation: Operation): void {
    const { components, lengths } = operation.steps()
    let position = 0
    for (const [at, component] of components.entries()) {
      const length = lengths[at] ?? 0
      if (typeof component === "string") {
        this.#replace(position, 0, { text: component, length })
        position += length
      } else if (component < 0) {
        this.#replace(position, length, nothing)
      } else {
        position += length
      }
    }
  }

  /** The text. Takes time in its length once; then it is kept until the next change. */
  toString(): string {
    if (this.#whole !== undefined) return this.#whole
    const whole = this.#texts.join("")
    // The pieces become windows into this one string, so that the text is not held twice.
    let index = 0
    for (const [at, text] of this.#texts.entries()) {
      this.#texts[at] = whole.slice(index, index + text.length)
      index += text.length
    }
    this.#whole = whole
    return whole
  }

  // Deletes `deleted` code points at `position`, puts `insert` there.
  #replace(position: number, deleted: number, insert: Inserted): void {
    if (this.#texts.length === 0) return this.#splice(0, 0, insert.text)
    this.#seek(position)
    const first = this.#near
    const start = position - this.#before
    let last = first
    let stop = start + deleted // where the deletion ends, counted from the start of piece `last`
    let count = this.#counts[last] ?? 0
    while (stop > count) {
      stop -= count
      last += 1
      count = this.#counts[last] ?? 0
    }
    const rest = count - stop
    const kept = start + insert.length + rest
    const text = this.#cut(first, 0, start) + insert.text + this.#cut(last, stop, count)
    if (kept > longest || kept === 0) return this.#splice(first, last - first + 1, text)
    if (last > first) {
      this.#texts.splice(first + 1, last - first)
      this.#counts.splice(first + 1, last - first)
    }
    this.#texts[first] = text
    this.#counts[first] = kept
    if (kept < joined && deleted > 0) this.#joinNeighbours(first)
  }

  // Puts the pieces of `text` in the place of `count` pieces.
  #splice(first: number, count: number, text: string): void {
    const cut = cutUp(text)
    this.#texts = this.#texts.toSpliced(first, count, ...cut.texts)
    this.#counts = this.#counts.toSpliced(first, count, ...cut.counts)
    // The piece the finger pointed to may be gone.
    this.#near = 0
    this.#before = 0
  }

  // Joins the piece `at`, on which the finger lies, with what is small beside it.
  #joinNeighbours(at: number): void {
    this.#joinNext(at)
    if (at === 0) return
    this.#near = at - 1
    this.#before -= this.#counts[at - 1] ?? 0
    this.#joinNext(at - 1)
  }

  // Makes one piece of `first` and the next if both are small.
  #joinNext(first: number): void {
    const next = this.#counts[first + 1]
    const count = (this.#counts[first] ?? 0) + (next ?? 0)
    if (next === undefined || count > joined) return
    this.#texts.splice(first, 2, (this.#texts[first] ?? "") + (this.#texts[first + 1] ?? ""))
    this.#counts.splice(first, 2, count)
  }

  // Sets the finger on the piece that holds `position`; at a seam on either side of it.
  #seek(position: number): void {
    let at = this.#near
    let before = this.#before
    while (position < before) {
      at -= 1
      before -= this.#counts[at] ?? 0
    }
    let count = this.#counts[at] ?? 0
    while (position > before + count) {
      before += count
      at += 1
      count = this.#counts[at] ?? 0
    }
    this.#near = at
    this.#before = before
  }

  // The code points `from` to `to` of piece `at`.
  #cut(at: number, from: number, to: number): string {
    const text = this.#texts[at] ?? ""
    const count = this.#counts[at] ?? 0
    if (from === 0 && to === count) return text
    if (text.length === count) return text.slice(from, to)
    const start = utf16Index(text, from)
    return text.slice(start, utf16Index(text, to - from, start))
  }
}

interface Inserted {
  readonly text: string
  readonly length: number
}

const nothing: Inserted = { text: "", length: 0 }

/** The pieces of a text, and its length in code points. */
interface Cut {
  readonly texts: string[]
  readonly counts: number[]
  readonly length: number
}

// Pieces of `usual` code points; the last takes what is left.
function cutUp(text: string): Cut {
  const texts: string[] = []
  const counts: number[] = []
  const length = codePointCount(text)
  const isPlain = length === text.length
  let index = 0
  for (let left = length; left > 0; ) {
    const count = left > longest ? usual : left
    const end = isPlain ? index + count : utf16Index(text, count, index)
    texts.push(text.slice(index, end))
    counts.push(count)
    left -= count
    index = end
  }
  return { texts, counts, length }
}
