/**
 * Operation: a change of a text of one length into a text of another, as an immutable value.
 *
 * On the wire an operation is a row of components. A positive integer keeps so many code points,
 * a negative one deletes so many, a text is inserted: `[10, "hello", -3, 5]`. What always holds:
 * an Operation is in normal form (DC31), its lengths count code points (DC33), and its inserts
 * are well-formed, so lengths add up when texts are joined.
 *
 * Nearly every edit changes one place: keep, insert, delete, keep. Such an operation holds just
 * the numbers of that place and is moved over another by arithmetic; only one that changes
 * several places holds its row. Who reads `components` sees no difference.
 */
import { codePointCount } from "./codepoints.ts"
import {
  applySteps,
  checkFit,
  composeSteps,
  invertSteps,
  moveIndexSteps,
  Steps,
  transformSteps,
} from "./steps.ts"

/** Keep n code points (n > 0), delete n of them (−n), or insert a text. */
export type Component = number | string

/** Which way an index goes when a text is inserted exactly there: after it, or before it (DC68). */
export type Lean = "right" | "left"

export class Operation {
  /** The code points of every text it can be applied to. */
  readonly baseLength: number
  /** The code points of the text that comes out. */
  readonly targetLength: number
  /** The code points before the one place it changes; −1 if it changes several. A no-op: all of them. */
  readonly place: number
  /** What it inserts at that place. Empty if it changes several. */
  readonly inserted: string
  /** How many code points it deletes after that place. 0 if it changes several. */
  readonly deleted: number
  // Invariant: undefined exactly if `place` is not −1.
  readonly #steps: Steps | undefined

  // More than three parameters, here and in `onePlace`: both run twice for each edit that is moved.
  private constructor(
    baseLength: number,
    targetLength: number,
    place: number,
    inserted: string,
    deleted: number,
    steps: Steps | undefined,
  ) {
    this.baseLength = baseLength
    this.targetLength = targetLength
    this.place = place
    this.inserted = inserted
    this.deleted = deleted
    this.#steps = steps
  }

  /**
   * The operation with these components, put in normal form.
   *
   * Throws RangeError for a number that is not a safe integer, for lengths that add up to more
   * than one, and for a text with half a surrogate pair. Takes time in the number of components
   * and the length of what they insert.
   */
  static from(components: readonly Component[]): Operation {
    let place = 0
    let inserted = ""
    let deleted = 0
    let rest = 0
    for (const component of components) {
      if (typeof component === "string") {
        if (component === "") continue
        if (rest > 0) return Operation.#fromMany(components)
        checkText(component)
        inserted += component
      } else {
        checkCount(component)
        if (component > 0) {
          if (inserted === "" && deleted === 0) place += component
          else rest += component
        } else if (component < 0) {
          if (rest > 0) return Operation.#fromMany(components)
          deleted -= component
        }
      }
    }
    const baseLength = place + deleted + rest
    const length = codePointCount(inserted)
    checkSum(baseLength + length)
    return Operation.onePlace(baseLength, place, inserted, length, deleted)
  }

  static #fromMany(components: readonly Component[]): Operation {
    const steps = new Steps()
    for (const component of components) {
      if (typeof component === "string") {
        checkText(component)
        steps.insert(component, codePointCount(component))
      } else {
        checkCount(component)
        if (component > 0) steps.retain(component)
        else steps.delete(-component)
      }
    }
    checkSum(steps.baseLength)
    checkSum(steps.targetLength)
    return Operation.of(steps)
  }

  /** The operation that changes nothing in a text of `length` code points. */
  static identity(length: number): Operation {
    return Operation.onePlace(length, length, "", 0, 0)
  }

  /**
   * The operation that at `place` deletes `deleted` code points and inserts `inserted`, which
   * has `length` of them. Trusts what it is given; what comes from outside goes through `from`.
   */
  static onePlace(
    baseLength: number,
    place: number,
    inserted: string,
    length: number,
    deleted: number,
  ): Operation {
    const targetLength = baseLength + length - deleted
    // One form for all no-ops, so that equal operations have equal fields.
    const at = length === 0 && deleted === 0 ? baseLength : place
    return new Operation(baseLength, targetLength, at, inserted, deleted, undefined)
  }

  /** The operation that `steps` are, which nobody changes any more. */
  static of(steps: Steps): Operation {
    const { components, lengths, baseLength, targetLength } = steps
    let at = 0
    let place = 0
    let inserted = ""
    let length = 0
    let deleted = 0
    const first = components[0]
    if (typeof first === "number" && first > 0) {
      place = first
      at = 1
    }
    const second = components[at]
    if (typeof second === "string") {
      inserted = second
      length = lengths[at] ?? 0
      at += 1
    }
    const third = components[at]
    if (typeof third === "number" && third < 0) {
      deleted = -third
      at += 1
    }
    // At most one retain is left now, if all of it is one place.
    if (place + deleted + (lengths[at] ?? 0) === baseLength && at + 1 >= components.length) {
      return Operation.onePlace(baseLength, place, inserted, length, deleted)
    }
    return new Operation(baseLength, targetLength, -1, "", 0, steps)
  }

  /** Whether it neither inserts nor deletes. */
  get isNoop(): boolean {
    return this.place >= 0 && this.deleted === 0 && this.inserted === ""
  }

  /** The number of its components: what moving it over another costs. */
  get size(): number {
    return this.components.length
  }

  /** Its components, in normal form. An operation that changes one place makes a new array each time. */
  get components(): readonly Component[] {
    if (this.#steps !== undefined) return this.#steps.components
    const rest = this.baseLength - this.place - this.deleted
    const row: Component[] = this.place > 0 ? [this.place] : []
    if (this.inserted !== "") row.push(this.inserted)
    if (this.deleted > 0) row.push(-this.deleted)
    if (rest > 0) row.push(rest)
    return row
  }

  /** Its components with the length of each, to be walked over and never written to. */
  steps(): Steps {
    if (this.#steps !== undefined) return this.#steps
    const steps = new Steps()
    steps.retain(this.place)
    steps.insert(this.inserted, this.targetLength - this.baseLength + this.deleted)
    steps.delete(this.deleted)
    steps.retain(this.baseLength - this.place - this.deleted)
    return steps
  }

  /**
   * The text after this change of `text`. Takes time in the length of the text; `Pieces` does not.
   *
   * Throws RangeError when `text` has not `baseLength` code points.
   */
  apply(text: string): string {
    checkFit(this.baseLength, codePointCount(text), "a text")
    return applySteps(this.steps(), text)
  }

  /** What stands on the wire for it. */
  toJSON(): readonly Component[] {
    return this.components
  }

  /** Whether both make the same change of the same texts. */
  equals(other: Operation): boolean {
    if (this.place !== other.place || this.baseLength !== other.baseLength) return false
    if (this.targetLength !== other.targetLength) return false
    if (this.place >= 0) return this.deleted === other.deleted && this.inserted === other.inserted
    const [mine, theirs] = [this.components, other.components]
    return mine.length === theirs.length && mine.every((one, index) => one === theirs[index])
  }
}

/**
 * Moves `a` and `b`, both written for the same text, over each other, so that
 * `b2.apply(a.apply(text))` equals `a2.apply(b.apply(text))` for every text they fit.
 *
 * Where both insert at one place, a's text comes first (DC32): server and client both call
 * `transform(mine, theirs)`, where theirs is the one already accepted. Takes time in the number
 * of components, not in the length of the texts.
 *
 * Throws RangeError when the two expect texts of different length.
 *
 * Source: the pairwise walk known from ot.js; the tie goes as in operational-transform 0.6.1.
 */
export function transform(a: Operation, b: Operation): readonly [a2: Operation, b2: Operation] {
  checkFit(b.baseLength, a.baseLength, "one operation")
  if (a.place >= 0 && b.place >= 0) {
    const moved = transformPlaces(a, b)
    if (moved !== undefined) return moved
  }
  const [a2, b2] = transformSteps(a.steps(), b.steps())
  return [Operation.of(a2), Operation.of(b2)]
}

/**
 * The arithmetic form of `transform` for two operations of one place each. Undefined when one of
 * them is torn into two places: the other inserts inside of what it deletes, or at its very place.
 */
function transformPlaces(
  a: Operation,
  b: Operation,
): readonly [a2: Operation, b2: Operation] | undefined {
  const aPlace = a.place
  const bPlace = b.place
  const aLength = a.targetLength - a.baseLength + a.deleted // code points inserted
  const bLength = b.targetLength - b.baseLength + b.deleted
  const aEnd = aPlace + a.deleted // of what a deletes
  const bEnd = bPlace + b.deleted
  const shared = Math.max(0, Math.min(aEnd, bEnd) - Math.max(aPlace, bPlace)) // deleted by both
  const aDeleted = a.deleted - shared
  const bDeleted = b.deleted - shared
  let a2Place = aPlace
  let b2Place = bPlace
  if (aPlace < bPlace) {
    if (bLength > 0 && aEnd > bEnd) return undefined
    b2Place = Math.max(bPlace, aEnd) - a.deleted + aLength
  } else if (aPlace > bPlace) {
    if (aLength > 0 && bEnd > aEnd) return undefined
    a2Place = Math.max(aPlace, bEnd) - b.deleted + bLength
  } else {
    // a's insert, then b's insert, then what either still deletes.
    if (aLength > 0 && bLength > 0 && aDeleted > 0) return undefined
    if (aLength === 0) a2Place += bLength
    b2Place += aLength
  }
  return [
    Operation.onePlace(b.targetLength, a2Place, a.inserted, aLength, aDeleted),
    Operation.onePlace(a.targetLength, b2Place, b.inserted, bLength, bDeleted),
  ]
}

/**
 * The one operation that does what `a` and then `b` do. Associative.
 *
 * An operation must never be moved over a composition of what others did one by one (DC37):
 * composing forgets which text lay left of a deleted stretch, and ties may go the other way.
 *
 * Throws RangeError when `b` does not fit the text that `a` leaves.
 */
export function compose(a: Operation, b: Operation): Operation {
  checkFit(b.baseLength, a.targetLength, "the operation before it")
  if (a.isNoop) return b
  if (b.isNoop) return a
  return Operation.of(composeSteps(a.steps(), b.steps()))
}

/**
 * The operation that takes back `operation`, which is written for `text`: the change of the text
 * after it into `text`. Throws RangeError when it does not fit `text`.
 */
export function invert(operation: Operation, text: string): Operation {
  checkFit(operation.baseLength, codePointCount(text), "a text")
  return Operation.of(invertSteps(operation.steps(), text))
}

/**
 * All of `operations`, each written for what the one before it leaves, as one. Composes in pairs,
 * so it takes time in n log n. Throws RangeError for an empty row, and where two do not fit.
 */
export function composeAll(operations: readonly Operation[]): Operation {
  const [first] = operations
  if (first === undefined) throw new RangeError("an empty row of operations has no length")
  if (operations.length === 1) return first
  const middle = operations.length >> 1
  return compose(composeAll(operations.slice(0, middle)), composeAll(operations.slice(middle)))
}

/**
 * Where the index `index`, in code points, lies after `operation` (DC66).
 *
 * With a text inserted exactly there it goes right of it, or stays left with `lean` "left"
 * (DC68). Inside of a deleted stretch it goes to where that was. An index past the end keeps its
 * distance from the end: plain editors' cursors are stored as sent.
 */
export function moveIndex(operation: Operation, index: number, lean: Lean = "right"): number {
  const { place, deleted } = operation
  if (place >= 0) {
    if (index < place || (index === place && lean === "left")) return index
    const length = operation.targetLength - operation.baseLength + deleted
    return index + length - Math.min(index - place, deleted)
  }
  return moveIndexSteps(operation.steps(), index, lean)
}

function checkCount(component: number): void {
  if (Number.isSafeInteger(component)) return
  throw new RangeError(`an operation counts in integers, not ${component}`)
}

function checkText(text: string): void {
  if (text.isWellFormed()) return
  throw new RangeError("half of a surrogate pair stands alone in a text")
}

function checkSum(length: number): void {
  if (Number.isSafeInteger(length)) return
  throw new RangeError("an operation is longer than numbers are exact")
}
