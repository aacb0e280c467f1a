/**
 * Carets and selections in code points, and how they move with a text.
 *
 * What always holds: at an insert exactly where one stands it stays left of it (DC68), here as on
 * the server; so what both keep of one caret stays equal without a message.
 */
import { moveIndex, type Operation } from "../ot/operation.ts"
import type { Cursors } from "../wire/documents-shapes.ts"

/** At most so many carets and so many selections of one editor are kept (DC71). */
const limitCursors = 256

/** Cursors of whoever made them, who may move them in place. */
export interface OwnedCursors extends Cursors {
  readonly cursors: number[]
  readonly selections: [anchor: number, head: number][]
}

/** `at` after `operation`. */
export function moveCursors(operation: Operation, at: Cursors): OwnedCursors {
  return mapCursors(at, (index) => moveIndex(operation, index, "left"))
}

/** `at` with every index within a text of `length` code points. */
export function clampCursors(at: Cursors, length: number): OwnedCursors {
  return mapCursors(at, (index) => Math.min(index, length))
}

function mapCursors(at: Cursors, map: (index: number) => number): OwnedCursors {
  return {
    cursors: at.cursors.map(map),
    selections: at.selections.map(([anchor, head]) => [map(anchor), map(head)]),
  }
}

/**
 * Where the caret of whoever made `operation` is afterwards, if nobody says otherwise: behind its
 * last insert or delete (DC69). Undefined for one that changes nothing.
 */
export function caretAfter(operation: Operation): number | undefined {
  if (operation.isNoop) return undefined
  const { components, lengths } = operation.steps()
  let at = 0
  let caret = 0
  for (const [index, component] of components.entries()) {
    if (typeof component === "number" && component < 0) {
      caret = at
      continue
    }
    at += lengths[index] ?? 0
    if (typeof component === "string") caret = at
  }
  return caret
}

/** Our own carets: where they are, and whether the server knows. */
export class OwnCursors {
  #at: Cursors | undefined
  #isTold = true

  /** What the server must still be told. */
  get untold(): Cursors | undefined {
    return this.#isTold ? undefined : this.#at
  }

  /** They were moved by hand, or by an edit that said where to. */
  set(at: Cursors): void {
    const kept = {
      cursors: at.cursors.slice(0, limitCursors),
      selections: at.selections.slice(0, limitCursors),
    }
    if (this.#at !== undefined && isSame(this.#at, kept)) return
    this.#at = kept
    this.#isTold = false
  }

  /** An edit said nothing of them: where it leaves them is understood. */
  follow(): void {
    this.#at = undefined
    this.#isTold = true
  }

  /** The text changed; the server moves what it knows of them likewise. */
  move(operation: Operation): void {
    if (this.#at !== undefined) this.#at = moveCursors(operation, this.#at)
  }

  /** What an edit must carry so that they are known after it; undefined where that is understood. */
  takeFor(operation: Operation): Cursors | undefined {
    const at = this.#at
    this.#isTold = true
    if (at === undefined) return undefined
    const caret = caretAfter(operation)
    const isUnderstood = caret !== undefined && isSame(at, { cursors: [caret], selections: [] })
    return isUnderstood ? undefined : at
  }

  /** What the server must be told in a message of its own; from now on it has been. */
  take(): Cursors | undefined {
    const at = this.untold
    this.#isTold = true
    return at
  }

  /** On a new socket the server knows nothing of them. */
  forget(): void {
    this.#isTold = this.#at === undefined
  }
}

function isSame(one: Cursors, other: Cursors): boolean {
  return (
    one.cursors.join() === other.cursors.join() && one.selections.join() === other.selections.join()
  )
}
