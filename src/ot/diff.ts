/**
 * The difference of two texts, as an operation that changes one into the other.
 *
 * Three passes, each over what the last one left: what both texts begin and end with is kept;
 * then whole lines are compared; then, where lines were replaced, their words. Of a word that was
 * replaced the ends that stayed are kept, and no letter in between: letters that two different words
 * happen to share would be held for the same place, and what somebody types there land inside of
 * a word of another. Each comparison stops at a budget, and what is beyond it is one replacement.
 * What always holds: the result is right whatever the budget; only its size differs.
 *
 * Source: the greedy form of E. W. Myers, "An O(ND) difference algorithm and its variations".
 */
import { codePointCount } from "./codepoints.ts"
import { type Component, Operation } from "./operation.ts"

/** How many deletions and insertions a comparison may find before it is given up. */
const limitEdits = 2_000
/** How many steps all comparisons of one difference may take together: 2,000 edits, and about 30 ms. */
const limitSteps = 3_000_000

/** What is left to spend on one difference. */
interface Budget {
  steps: number
}

/** Keep or replace: so many items of the old row and of the new one. In a kept run both are equal. */
interface Run {
  readonly kind: "keep" | "replace"
  readonly before: number
  readonly after: number
}

/**
 * The operation with `diff(before, after).apply(before) === after`: small where the two are alike.
 *
 * Takes time in the length of both texts and the square of the number of differences, and never
 * more than about 80 ms in all for two texts of 256 KB. Throws RangeError when `after` has half a
 * surrogate pair where the two differ.
 */
export function diff(before: string, after: string): Operation {
  const components: Component[] = []
  const budget: Budget = { steps: limitSteps }
  const { head, was, is, tail } = parted(before, after)
  keep(components, head)
  compareParts(components, { was, is, budget }, [lines, words])
  keep(components, tail)
  return Operation.from(components)
}

interface Stretch {
  readonly was: string
  readonly is: string
  readonly budget: Budget
}

/** Cuts a text into parts that make it up again. */
type Split = (text: string) => readonly string[]

function compareParts(
  components: Component[],
  { was, is, budget }: Stretch,
  [split, ...finer]: readonly Split[],
): void {
  const oldParts = split?.(was) ?? []
  const newParts = split?.(is) ?? []
  const isOne = was === "" || is === "" || split === undefined
  const runs = isOne ? undefined : compare(...numbered(oldParts, newParts), budget)
  if (runs === undefined) return replace(components, was, is)
  let i = 0
  let j = 0
  for (const run of runs) {
    const removed = oldParts.slice(i, i + run.before)
    const added = newParts.slice(j, j + run.after)
    i += run.before
    j += run.after
    if (run.kind === "keep") {
      keep(components, removed.join(""))
    } else if (removed.length === added.length) {
      // As many as before: most likely each was changed a little.
      for (const [at, part] of removed.entries()) {
        compareParts(components, { was: part, is: added[at] ?? "", budget }, finer)
      }
    } else {
      compareParts(components, { was: removed.join(""), is: added.join(""), budget }, finer)
    }
  }
}

function keep(components: Component[], text: string): void {
  components.push(codePointCount(text))
}

// Replaces all but what both begin and end with.
function replace(components: Component[], before: string, after: string): void {
  const { head, was, is, tail } = parted(before, after)
  keep(components, head)
  components.push(is, -codePointCount(was))
  keep(components, tail)
}

/**
 * The runs that lead from row `a` to row `b`; undefined when there is more to change than the
 * budget allows.
 *
 * Edits are counted up from 0: for each number of edits and each diagonal (items taken from the
 * old row minus items taken from the new one) `furthest` holds how far into the old row one gets
 * with so many. Each such row of distances is kept, to walk the way back.
 */
function compare(a: Int32Array, b: Int32Array, budget: Budget): readonly Run[] | undefined {
  const limit = Math.min(a.length + b.length, limitEdits)
  const furthest = new Int32Array(2 * limit + 3)
  const middle = limit + 1 // where diagonal 0 lies in it
  const trail: Int32Array[] = []
  for (let edits = 0; edits <= limit; edits += 1) {
    trail.push(furthest.slice(middle - edits - 1, middle + edits + 2))
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      const above = furthest[middle + diagonal + 1] ?? 0
      const left = furthest[middle + diagonal - 1] ?? 0
      const inserts = diagonal === -edits || (diagonal !== edits && left < above)
      let i = inserts ? above : left + 1
      let j = i - diagonal
      const from = i
      while (i < a.length && j < b.length && a[i] === b[j]) {
        i += 1
        j += 1
      }
      furthest[middle + diagonal] = i
      budget.steps -= 1 + i - from
      if (i >= a.length && j >= b.length) return wayBack(trail, a.length, b.length)
      if (budget.steps < 0) return undefined
    }
  }
  return undefined
}

// Walks from the ends of both rows back to their starts, along what `compare` noted for each edit.
function wayBack(trail: readonly Int32Array[], oldEnd: number, newEnd: number): readonly Run[] {
  const runs: Run[] = []
  let i = oldEnd
  let j = newEnd
  for (let edits = trail.length - 1; edits >= 0; edits -= 1) {
    const furthest = trail[edits]
    const diagonal = i - j
    // The row noted for `edits` begins at diagonal −edits − 1.
    const above = furthest?.[diagonal + edits + 2] ?? 0
    const left = furthest?.[diagonal + edits] ?? 0
    const inserts = diagonal === -edits || (diagonal !== edits && left < above)
    const start = edits === 0 ? 0 : inserts ? above : left + 1
    if (i > start) runs.push({ kind: "keep", before: i - start, after: i - start })
    j -= i - start
    i = start
    if (edits === 0) break
    runs.push({ kind: "replace", before: inserts ? 0 : 1, after: inserts ? 1 : 0 })
    if (inserts) j -= 1
    else i -= 1
  }
  return joinRuns(runs.reverse())
}

// One run for neighbours of one kind.
function joinRuns(runs: readonly Run[]): readonly Run[] {
  const joined: Run[] = []
  for (const run of runs) {
    const last = joined.at(-1)
    if (last?.kind !== run.kind) joined.push(run)
    else {
      const before = last.before + run.before
      joined[joined.length - 1] = { kind: run.kind, before, after: last.after + run.after }
    }
  }
  return joined
}

// The rows with a number for each different string: numbers compare in one step.
function numbered(
  before: readonly string[],
  after: readonly string[],
): readonly [Int32Array, Int32Array] {
  const numbers = new Map<string, number>()
  const number = (text: string): number => {
    const known = numbers.get(text)
    if (known !== undefined) return known
    numbers.set(text, numbers.size)
    return numbers.size - 1
  }
  return [Int32Array.from(before, number), Int32Array.from(after, number)]
}

// The lines of a text, each with the LF that ends it; the last may have none.
function lines(text: string): readonly string[] {
  return text.match(/[^\n]*\n|[^\n]+/g) ?? []
}

// The words of a text, and each code point between them. Scripts that write without spaces have
// none that this could see: there each code point is compared.
function words(text: string): readonly string[] {
  return text.match(/[\p{LC}\p{M}\p{N}_]+|./gsu) ?? []
}

// What both texts begin with and what both end with, and what each has between those.
function parted(before: string, after: string) {
  const start = startShared(before, after)
  const end = endShared(before.slice(start), after.slice(start))
  return {
    head: before.slice(0, start),
    was: before.slice(start, before.length - end),
    is: after.slice(start, after.length - end),
    tail: before.slice(before.length - end),
  }
}

// The UTF-16 units both texts begin with. Never ends inside of a surrogate pair.
function startShared(a: string, b: string): number {
  const most = Math.min(a.length, b.length)
  let shared = 0
  while (shared < most && a.charCodeAt(shared) === b.charCodeAt(shared)) shared += 1
  return shared > 0 && isHigh(a.charCodeAt(shared - 1)) ? shared - 1 : shared
}

// The UTF-16 units both texts end with. Never begins inside of a surrogate pair.
function endShared(a: string, b: string): number {
  const most = Math.min(a.length, b.length)
  let shared = 0
  while (
    shared < most &&
    a.charCodeAt(a.length - 1 - shared) === b.charCodeAt(b.length - 1 - shared)
  ) {
    shared += 1
  }
  return shared > 0 && isLow(a.charCodeAt(a.length - shared)) ? shared - 1 : shared
}

function isHigh(unit: number): boolean {
  return (unit & 0xfc00) === 0xd800
}

function isLow(unit: number): boolean {
  return (unit & 0xfc00) === 0xdc00
}
