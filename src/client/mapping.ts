/**
 * Between CodeMirror's changes, which count UTF-16 units, and operations, which count code
 * points. The pure half of the binding: values in, values out, no view and no document object.
 *
 * What always holds: while a text has no surrogate pair the two counts are equal and nothing is
 * walked. Else a CodeMirror text is a tree whose nodes never change and are shared by the texts
 * after it; the pairs under each node are counted once, so after an edit only the nodes that are
 * new are looked at, and a position costs the depth of the tree and one leaf (DC146).
 */
import type { ChangeSet, Text } from "@codemirror/state"
import { cleaned, codePointCount, isClean, isPairAt } from "../ot/codepoints.ts"
import { diff } from "../ot/diff.ts"
import { type Component, Operation } from "../ot/operation.ts"

/** A stretch of a text to be replaced, in UTF-16 units: what CodeMirror calls a change. */
export interface Replacement {
  readonly from: number
  readonly to: number
  readonly insert: string
}

// A node lives as long as some text holds it, and its count with it.
const pairsByNode = new WeakMap<Text, number>()

/** The surrogate pairs in `text`. A line break ends each node, so no pair lies across two. */
function pairCount(text: Text): number {
  const known = pairsByNode.get(text)
  if (known !== undefined) return known
  let pairs = 0
  if (text.children === null) {
    const leaf = text.toString()
    pairs = leaf.length - codePointCount(leaf)
  } else {
    for (const child of text.children) pairs += pairCount(child)
  }
  pairsByNode.set(text, pairs)
  return pairs
}

/** The code points of `text`. */
export function lengthInPoints(text: Text): number {
  return text.length - pairCount(text)
}

/**
 * Measures one text in both counts. Asked in ascending order, a whole row of positions costs no
 * more than one walk over the leaves they lie in; in any other order each costs its leaf.
 */
export class Ruler {
  readonly #text: Text
  readonly #hasPairs: boolean
  // The leaf last looked into, where it begins, and how far into it has been counted.
  #leaf = ""
  #leafUnit = -1
  #leafPoint = -1
  #unit = 0
  #point = 0

  constructor(text: Text) {
    this.#text = text
    this.#hasPairs = pairCount(text) > 0
  }

  /** The code points before the unit `unit`; the one before the pair if `unit` lies inside one. */
  pointAt(unit: number): number {
    if (!this.#hasPairs) return unit
    const inLeaf = this.#leafUnit >= 0 && unit <= this.#leafUnit + this.#leaf.length
    if (!inLeaf || unit < this.#leafUnit + this.#unit) this.#enter(unit, "units")
    while (this.#leafUnit + this.#unit < unit) {
      const width = isPairAt(this.#leaf, this.#unit) ? 2 : 1
      if (this.#leafUnit + this.#unit + width > unit) break
      this.#unit += width
      this.#point += 1
    }
    return this.#leafPoint + this.#point
  }

  /** The units before the code point `point`; the length of the text if it has fewer. */
  unitAt(point: number): number {
    if (!this.#hasPairs) return Math.min(point, this.#text.length)
    if (point >= lengthInPoints(this.#text)) return this.#text.length
    // The units that are left in the leaf are at least as many as its points that are left.
    const reach = this.#leafPoint + this.#point + this.#leaf.length - this.#unit
    const inLeaf = this.#leafUnit >= 0 && point <= reach
    if (!inLeaf || point < this.#leafPoint + this.#point) this.#enter(point, "points")
    while (this.#leafPoint + this.#point < point && this.#unit < this.#leaf.length) {
      this.#unit += isPairAt(this.#leaf, this.#unit) ? 2 : 1
      this.#point += 1
    }
    if (this.#leafPoint + this.#point < point) {
      this.#leafUnit = -1 // it lies behind this leaf after all
      return this.unitAt(point)
    }
    return this.#leafUnit + this.#unit
  }

  /** Goes down to the leaf in which the position `goal` lies. A position at a leaf's end is in it. */
  #enter(goal: number, count: "units" | "points"): void {
    let node = this.#text
    let unit = 0
    let point = 0
    while (node.children !== null) {
      let next = node
      for (const child of node.children) {
        next = child
        const points = lengthInPoints(child)
        const end = count === "units" ? unit + child.length : point + points
        if (goal <= end) break
        unit += child.length + 1 // the line break between two nodes belongs to neither
        point += points + 1
      }
      node = next
    }
    this.#leaf = node.toString()
    this.#leafUnit = unit
    this.#leafPoint = point
    this.#unit = 0
    this.#point = 0
  }
}

/**
 * The operation that `changes` make of `before`.
 *
 * What they insert is cleaned, and what they delete is widened to whole code points. "inexact"
 * says that this, or a text that was ill-formed before, makes its outcome differ from theirs:
 * then who shows the changes must correct what it shows.
 */
export function operationOf(
  changes: ChangeSet,
  before: Text,
): { readonly operation: Operation; readonly fit: "exact" | "inexact" } {
  const ruler = new Ruler(before)
  const components: Component[] = []
  let fit: "exact" | "inexact" = "exact"
  let at = 0
  changes.iterChanges((from, to, _from, _to, inserted) => {
    const insert = inserted.toString()
    // Each position is asked for both ways at once: so the ruler only ever moves forwards.
    const first = Math.max(at, ruler.pointAt(from))
    if (ruler.unitAt(first) !== from || !isClean(insert)) fit = "inexact"
    let last = ruler.pointAt(to)
    if (ruler.unitAt(last) !== to) {
      last += 1 // `to` lies inside a pair: all of it goes
      fit = "inexact"
    }
    components.push(first - at, first - last, cleaned(insert))
    at = last
  })
  components.push(lengthInPoints(before) - at)
  return { operation: Operation.from(components), fit }
}

/** The changes that `operation` makes of `text`, in ascending order; each a replacement at one place. */
export function replacementsOf(operation: Operation, text: Text): readonly Replacement[] {
  const ruler = new Ruler(text)
  const replacements: Replacement[] = []
  let point = 0
  let insert = ""
  let insertAt = -1 // an insert waits here for the delete that follows it in normal form
  const put = (to: number): void => {
    replacements.push({ from: insertAt, to, insert })
    insert = ""
    insertAt = -1
  }
  for (const component of operation.components) {
    if (typeof component === "string") {
      insert = component
      insertAt = ruler.unitAt(point)
    } else if (component > 0) {
      if (insertAt >= 0) put(insertAt)
      point += component
    } else {
      if (insertAt < 0) insertAt = ruler.unitAt(point)
      point -= component
      put(ruler.unitAt(point))
    }
  }
  if (insertAt >= 0) put(insertAt)
  return replacements
}

/** The few changes that make `after` of `before`, as `replacementsOf` gives them: see `diff`. */
export function replacementsBetween(before: Text, after: Text): readonly Replacement[] {
  return replacementsOf(diff(before.toString(), after.toString()), before)
}

/**
 * What must still be done to `after`, the text that `changes` left, so that it may stand in a
 * document (DC145, DC146): halves of pairs that a change cut through go, lone halves and NUL in
 * what was inserted become U+FFFD and nothing. Empty for nearly every change. The text before
 * was clean.
 */
export function repairsOf(changes: ChangeSet, after: Text): readonly Replacement[] {
  const repairs: Replacement[] = []
  changes.iterChanges((_from, _to, from, to, inserted) => {
    // The text before was clean: what is a half at an edge now had its other half in the change.
    // It goes even where what was inserted would make a pair with it, by chance, of another one.
    const isHalf = (unit: number, half: number): boolean =>
      (after.sliceString(unit, unit + 1).charCodeAt(0) & 0xfc00) === half
    if (from > 0 && isHalf(from - 1, 0xd800)) repairs.push({ from: from - 1, to: from, insert: "" })
    const insert = inserted.toString()
    if (!isClean(insert)) repairs.push({ from, to, insert: cleaned(insert) })
    if (isHalf(to, 0xdc00)) repairs.push({ from: to, to: to + 1, insert: "" })
  })
  return repairs
}
