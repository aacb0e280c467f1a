/**
 * An operation as a row of components with the length of each, and the walks over two such rows.
 *
 * What always holds: a row is in normal form after every call. No zero and no empty text,
 * neighbours of one kind merged, and where inserts meet deletes one insert before one delete.
 * `lengths` runs beside `components`, so no walk counts the code points of a text again: a
 * pasted quarter of a megabyte is counted once, however many edits it is moved over.
 */
import { utf16Index } from "./codepoints.ts"
import type { Component, Lean } from "./operation.ts"

/** A row of components being written, front to back. Whoever wrote it leaves it alone afterwards. */
export class Steps {
  readonly components: Component[] = []
  /** The code points that each component keeps, deletes or inserts: positive. */
  readonly lengths: number[] = []
  baseLength = 0
  targetLength = 0

  /** Keeps the next `count` code points. Does nothing for 0. */
  retain(count: number): void {
    if (count === 0) return
    this.baseLength += count
    this.targetLength += count
    const last = this.components.length - 1
    const before = this.components[last]
    if (typeof before === "number" && before > 0) this.#replace(last, before + count, count)
    else this.#push(count, count)
  }

  /** Deletes the next `count` code points. Does nothing for 0. */
  delete(count: number): void {
    if (count === 0) return
    this.baseLength += count
    const last = this.components.length - 1
    const before = this.components[last]
    if (typeof before === "number" && before < 0) this.#replace(last, before - count, count)
    else this.#push(-count, count)
  }

  /** Inserts `text`, which has `length` code points. Does nothing for an empty one. */
  insert(text: string, length: number): void {
    if (length === 0) return
    this.targetLength += length
    const last = this.components.length - 1
    const before = this.components[last]
    if (typeof before === "string") return this.#replace(last, before + text, length)
    if (before === undefined || before > 0) return this.#push(text, length)
    // A delete came first: the insert goes before it, into the insert there if there is one.
    const earlier = this.components[last - 1]
    if (typeof earlier === "string") return this.#replace(last - 1, earlier + text, length)
    this.components[last] = text
    const deleted = this.lengths[last] ?? 0
    this.lengths[last] = length
    this.#push(before, deleted)
  }

  #push(component: Component, length: number): void {
    this.components.push(component)
    this.lengths.push(length)
  }

  #replace(index: number, component: Component, more: number): void {
    this.components[index] = component
    this.lengths[index] = (this.lengths[index] ?? 0) + more
  }
}

/** A walk over a row: the component it has come to, and how much of that is still ahead. */
class Walk {
  /** Undefined at the end of the row. */
  component: Component | undefined
  /** Code points of `component` that were not walked over yet. */
  left: number
  readonly #steps: Steps
  #index = 0

  constructor(steps: Steps) {
    this.#steps = steps
    this.component = steps.components[0]
    this.left = steps.lengths[0] ?? 0
  }

  /** Goes on by `count` code points, which is no more than `left`. */
  advance(count: number): void {
    this.left -= count
    if (this.left > 0) return
    this.#index += 1
    this.component = this.#steps.components[this.#index]
    this.left = this.#steps.lengths[this.#index] ?? 0
  }
}

/**
 * Moves two rows for the same text over each other; a's insert goes left on a tie (DC32).
 * The caller has checked that their base lengths are equal.
 */
export function transformSteps(a: Steps, b: Steps): readonly [a2: Steps, b2: Steps] {
  const a2 = new Steps()
  const b2 = new Steps()
  const inA = new Walk(a)
  const inB = new Walk(b)
  for (;;) {
    const { component: x } = inA
    const { component: y } = inB
    // The order of these two is the rule on ties: a's insert first.
    if (typeof x === "string") {
      a2.insert(x, inA.left)
      b2.retain(inA.left)
      inA.advance(inA.left)
      continue
    }
    if (typeof y === "string") {
      a2.retain(inB.left)
      b2.insert(y, inB.left)
      inB.advance(inB.left)
      continue
    }
    if (x === undefined && y === undefined) return [a2, b2]
    if (x === undefined || y === undefined) throw new Error("never: the lengths did fit")
    const count = Math.min(inA.left, inB.left)
    if (x > 0 && y > 0) {
      a2.retain(count)
      b2.retain(count)
    } else if (y > 0) {
      a2.delete(count)
    } else if (x > 0) {
      b2.delete(count)
    } // else both delete it: nothing is left for either to do
    inA.advance(count)
    inB.advance(count)
  }
}

/** One row for first `a`, then `b`. The caller has checked that b's base is a's target length. */
export function composeSteps(a: Steps, b: Steps): Steps {
  const both = new Steps()
  const inA = new Walk(a)
  const inB = new Walk(b)
  for (;;) {
    const { component: x } = inA
    const { component: y } = inB
    if (typeof x === "number" && x < 0) {
      both.delete(inA.left)
      inA.advance(inA.left)
      continue
    }
    if (typeof y === "string") {
      both.insert(y, inB.left)
      inB.advance(inB.left)
      continue
    }
    if (x === undefined && y === undefined) return both
    if (x === undefined || y === undefined) throw new Error("never: the lengths did fit")
    const count = Math.min(inA.left, inB.left)
    if (typeof x === "string") {
      // What b deletes of a's insert was never there. The rest of x waits in the walk itself.
      const end = x.length === inA.left ? count : utf16Index(x, count)
      if (y > 0) both.insert(x.slice(0, end), count)
      inA.component = x.slice(end)
    } else if (y > 0) {
      both.retain(count)
    } else {
      both.delete(count)
    }
    inA.advance(count)
    inB.advance(count)
  }
}

/** The row that undoes `steps`, which are written for `text`. */
export function invertSteps(steps: Steps, text: string): Steps {
  const inverse = new Steps()
  let index = 0
  for (const [at, component] of steps.components.entries()) {
    const length = steps.lengths[at] ?? 0
    if (typeof component === "string") {
      inverse.delete(length)
      continue
    }
    const end = utf16Index(text, length, index)
    if (component > 0) inverse.retain(length)
    else inverse.insert(text.slice(index, end), length)
    index = end
  }
  return inverse
}

/** The text after `steps`, which are written for `text`. */
export function applySteps(steps: Steps, text: string): string {
  let changed = ""
  let index = 0
  for (const [at, component] of steps.components.entries()) {
    if (typeof component === "string") {
      changed += component
      continue
    }
    const end = utf16Index(text, steps.lengths[at] ?? 0, index)
    if (component > 0) changed += text.slice(index, end)
    index = end
  }
  return changed
}

/** Where an index lies after `steps`; see `moveIndex`. */
export function moveIndexSteps(steps: Steps, index: number, lean: Lean): number {
  const { components, lengths } = steps
  let left = index // of the way to the index, what lies right of the walk
  let moved = index
  for (let at = 0; at < components.length && left >= 0; at += 1) {
    const component = components[at] ?? 0
    const length = lengths[at] ?? 0
    if (typeof component === "string") {
      if (left === 0 && lean === "left") break
      moved += length
    } else {
      if (component < 0) moved -= Math.min(left, length)
      left -= length
    }
  }
  return moved
}

/** Throws RangeError unless both lengths are equal: that which an operation is for, and that of `what`. */
export function checkFit(expected: number, length: number, what: string): void {
  if (expected === length) return
  throw new RangeError(`the operation is for ${expected} code points, ${what} has ${length}`)
}
