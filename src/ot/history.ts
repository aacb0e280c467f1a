/**
 * The window: the operations a document has accepted lately, by revision.
 *
 * An edit is taken in two calls, so that a service can check the moved operation before anything
 * changes: `move` brings it to the current revision, `accept` gives it the next one. The text
 * itself is not here. What always holds: `revision - first` operations are kept, the one at
 * index i leads from revision `first + i` to the next, and each fits the one before it. What is
 * kept is bounded by `letGo`, which whoever sends calls after each flush: before that, an editor
 * could miss what was accepted and not yet sent.
 */
import { type Lean, moveIndex, Operation, transform } from "./operation.ts"

/** An accepted operation, its author's user id, and when it was accepted in ms since 1970. */
export interface Entry {
  readonly user: number
  readonly operation: Operation
  readonly at: number
}

/**
 * What became of an edit. "stale": its revision is ahead of us, before the window, or so far back
 * that moving it costs too much (DC35, DC42). "misfit": it is not for a text of the length the
 * document had at its revision, `length` code points (DC34). "moved": the operation, and the
 * positions that came with it, brought to the current revision.
 */
export type Moved =
  | { readonly kind: "stale" }
  | { readonly kind: "misfit"; readonly length: number }
  | {
      readonly kind: "moved"
      readonly operation: Operation
      readonly positions: readonly number[]
    }

/** Where a history begins and what it may keep. */
export interface HistoryOptions {
  /** The revision of the text it begins with, and that text's length in code points. */
  readonly revision?: number
  readonly length?: number
  /** DC54: at most so many operations are kept, of at most so many estimated bytes. */
  readonly limitOperations?: number
  readonly limitBytes?: number
}

/** DC42: an edit that would touch more components than this while it is moved is stale. */
const limitTouched = 200_000
/** Let go of so many before the arrays are moved up: a revision then costs no copying. */
const slack = 256
/** What V8 takes for an operation of one place and its entry here: measured, 104 bytes. */
const bytesPerOperation = 112
/** What one of several places takes more: its row, with room to grow. Measured for 5 components: 430. */
const bytesPerRow = 400
/** A component and its length in such a row. */
const bytesPerComponent = 16

/** The estimated bytes an operation takes in the window: at most about what it takes in memory. */
export function weigh(operation: Operation): number {
  if (operation.place >= 0) return bytesPerOperation + 2 * operation.inserted.length
  let bytes = bytesPerOperation + bytesPerRow
  for (const component of operation.components) {
    bytes += bytesPerComponent
    if (typeof component === "string") bytes += 2 * component.length
  }
  return bytes
}

/** Stands where an operation was let go of, so that a long text in it goes at once. */
const gone = Operation.identity(0)

const stale: Moved = { kind: "stale" }

export class History {
  readonly #limitOperations: number
  readonly #limitBytes: number
  // Three arrays beside each other: an object for each entry would take half as much again.
  #operations: Operation[] = []
  #users: number[] = []
  #times: number[] = []
  #start = 0 // entries before this index were let go of
  #first: number
  #bytes = 0
  #length: number

  constructor(options: HistoryOptions = {}) {
    const { revision = 0, length = 0, limitOperations = 2_000, limitBytes = 1024 * 1024 } = options
    this.#first = revision
    this.#length = length
    this.#limitOperations = limitOperations
    this.#limitBytes = limitBytes
  }

  /** The oldest revision an edit may still be written for. */
  get first(): number {
    return this.#first
  }

  /** How many operations the document has accepted. */
  get revision(): number {
    return this.#first + this.#operations.length - this.#start
  }

  /** The length of the text at the current revision, in code points. */
  get length(): number {
    return this.#length
  }

  /** The estimated bytes of what is kept. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Moves `operation`, written for the text at `revision`, over everything accepted since: one by
   * one, never over a composition (DC37), and left of it on ties (DC32). Changes nothing.
   *
   * `positions` lie in the text after `operation` and are moved along, staying left of what is
   * inserted exactly there (DC69). What it costs is known before any of it is done (DC42).
   */
  move(operation: Operation, revision: number, positions: readonly number[] = []): Moved {
    const from = this.#indexOf(revision)
    if (from === undefined) return stale
    if (this.#cost(operation.size, positions.length, from) > limitTouched) return stale
    const length = this.#operations[from]?.baseLength ?? this.#length
    if (operation.baseLength !== length) return { kind: "misfit", length }
    let mine = operation
    let places = positions
    for (let index = from; index < this.#operations.length; index += 1) {
      const [moved, theirs] = transform(mine, this.#at(index))
      mine = moved
      if (places.length > 0) places = places.map((place) => moveIndex(theirs, place, "left"))
    }
    return { kind: "moved", operation: mine, positions: places }
  }

  /**
   * Moves positions in the text at `revision` to the current one (DC67). Undefined when that
   * revision is ahead of us or before the window, or when it costs more than an edit may (DC42).
   */
  movePositions(
    positions: readonly number[],
    revision: number,
    lean: Lean,
  ): readonly number[] | undefined {
    const from = this.#indexOf(revision)
    if (from === undefined || this.#cost(0, positions.length, from) > limitTouched) return undefined
    let places = positions
    for (let index = from; index < this.#operations.length; index += 1) {
      const operation = this.#at(index)
      places = places.map((place) => moveIndex(operation, place, lean))
    }
    return places
  }

  /**
   * Gives an operation for the current text the next revision, and returns that.
   *
   * Throws RangeError when it does not fit the current text; nothing is changed then.
   */
  accept(entry: Entry): number {
    const { operation } = entry
    if (operation.baseLength !== this.#length) {
      throw new RangeError(
        `the operation is for ${operation.baseLength} code points, the text has ${this.#length}`,
      )
    }
    this.#operations.push(operation)
    this.#users.push(entry.user)
    this.#times.push(entry.at)
    this.#bytes += weigh(operation)
    this.#length = operation.targetLength
    return this.revision
  }

  /**
   * Lets go of the oldest operations until the limits of DC54 are kept, but of none after the
   * revision `sent`: what some editor is still to be sent.
   *
   * The newest stays even if it alone is above the limit. Else one huge paste would make every
   * edit stale that was in flight beside it.
   */
  letGo(sent: number): void {
    const end = Math.min(sent - this.#first + this.#start, this.#operations.length - 1)
    while (
      this.#start < end &&
      (this.revision - this.#first > this.#limitOperations || this.#bytes > this.#limitBytes)
    ) {
      this.#bytes -= weigh(this.#at(this.#start))
      this.#operations[this.#start] = gone
      this.#start += 1
      this.#first += 1
    }
    if (this.#start < slack) return
    this.#operations = this.#operations.slice(this.#start)
    this.#users = this.#users.slice(this.#start)
    this.#times = this.#times.slice(this.#start)
    this.#start = 0
  }

  /**
   * The entries after revision `from`, oldest first, up to about `limitBytes`, but at least one if
   * there is any. Undefined when `from` is ahead of us or before the window.
   */
  tail(from: number, limitBytes = Number.POSITIVE_INFINITY): readonly Entry[] | undefined {
    const start = this.#indexOf(from)
    if (start === undefined) return undefined
    const entries: Entry[] = []
    let bytes = 0
    for (let index = start; index < this.#operations.length; index += 1) {
      const operation = this.#at(index)
      bytes += weigh(operation)
      if (bytes > limitBytes && entries.length > 0) break
      entries.push({ user: this.#users[index] ?? 0, operation, at: this.#times[index] ?? 0 })
    }
    return entries
  }

  // The index of the operation that leads on from `revision`. Undefined when none is kept, or known.
  #indexOf(revision: number): number | undefined {
    if (!Number.isInteger(revision)) return undefined
    if (revision < this.#first || revision > this.revision) return undefined
    return this.#start + revision - this.#first
  }

  // The components that moving `size` of one's own, and so many positions, from index `from` touches.
  #cost(size: number, positions: number, from: number): number {
    let touched = size * (this.#operations.length - from)
    for (let index = from; index < this.#operations.length && touched <= limitTouched; index += 1) {
      touched += this.#at(index).size * (1 + positions)
    }
    return touched
  }

  #at(index: number): Operation {
    const operation = this.#operations[index]
    if (operation === undefined) throw new Error(`never: no operation at index ${index}`)
    return operation
  }
}
