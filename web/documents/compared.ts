/**
 * Two texts, line by line: what they have in common, and where each says something of its own.
 *
 * What always holds: the lines of one side of all stretches are that text, whatever the budget;
 * two stretches of a kind never follow each other.
 *
 * Source: the greedy form of E. W. Myers, "An O(ND) difference algorithm and its variations".
 */

/** Lines that both have, or lines that stand in one place of one and of the other. */
export type Stretch =
  | { readonly kind: "same"; readonly lines: readonly string[] }
  | { readonly kind: "other"; readonly mine: readonly string[]; readonly server: readonly string[] }

/** With more lines apart than this the middle of both is one stretch: nobody reads it line by line. */
const limitApart = 1_000

/**
 * The stretches of `mine` and `server`, in order. Takes time in the lines of both, and at most a
 * million steps and 4 MB for what is between their common beginning and end.
 */
export function compareLines(mine: string, server: string): readonly Stretch[] {
  const one = mine.split("\n")
  const other = server.split("\n")
  const least = Math.min(one.length, other.length)
  let start = 0
  while (start < least && one[start] === other[start]) start += 1
  let end = 0
  while (end < least - start && one[one.length - 1 - end] === other[other.length - 1 - end])
    end += 1
  const middle = between(one.slice(start, one.length - end), other.slice(start, other.length - end))
  const stretches: readonly Stretch[] = [
    { kind: "same", lines: one.slice(0, start) },
    ...middle,
    { kind: "same", lines: one.slice(one.length - end) },
  ]
  return joined(stretches)
}

function between(one: readonly string[], other: readonly string[]): readonly Stretch[] {
  const path = shortestPath(one, other)
  if (path === undefined) return [{ kind: "other", mine: one, server: other }]
  return path.map(stretchOf)
}

type Step = readonly [kind: "same" | "mine" | "server", line: string]

function stretchOf([kind, line]: Step): Stretch {
  switch (kind) {
    case "same":
      return { kind, lines: [line] }
    case "mine":
      return { kind: "other", mine: [line], server: [] }
    case "server":
      return { kind: "other", mine: [], server: [line] }
  }
}

/** Each line of both in turn; undefined where more than `limitApart` are of one only. */
function shortestPath(
  one: readonly string[],
  other: readonly string[],
): readonly Step[] | undefined {
  const reach = new Reach()
  const trace: Reach[] = []
  for (let apart = 0; apart <= limitApart; apart += 1) {
    trace.push(reach.copy(apart))
    for (let k = -apart; k <= apart; k += 2) {
      let x = reach.takesOther(k, apart) ? reach.at(k + 1) : reach.at(k - 1) + 1
      while (x < one.length && x - k < other.length && one[x] === other[x - k]) x += 1
      reach.set(k, x)
      if (x >= one.length && x - k >= other.length) return walkBack(trace, one, other)
    }
  }
  return undefined
}

function walkBack(
  trace: readonly Reach[],
  one: readonly string[],
  other: readonly string[],
): readonly Step[] {
  const steps: Step[] = []
  let x = one.length
  let y = other.length
  for (const [apart, reach] of [...trace.entries()].reverse()) {
    const k = x - y
    const before = reach.takesOther(k, apart) ? k + 1 : k - 1
    const fromX = apart === 0 ? 0 : reach.at(before)
    const fromY = apart === 0 ? 0 : fromX - before
    for (; x > fromX && y > fromY; y -= 1) steps.push(["same", one[--x] ?? ""])
    if (apart === 0) break
    if (x === fromX) steps.push(["server", other[y - 1] ?? ""])
    else steps.push(["mine", one[x - 1] ?? ""])
    x = fromX
    y = fromY
  }
  return steps.reverse()
}

/** How far into the first text the furthest path comes on each diagonal, from `-middle` to `middle`. */
class Reach {
  readonly #middle: number
  readonly #furthest: Int32Array

  constructor(middle = limitApart + 1, furthest = new Int32Array(2 * middle + 1)) {
    this.#middle = middle
    this.#furthest = furthest
  }

  at(k: number): number {
    return this.#furthest[this.#middle + k] ?? 0
  }

  set(k: number, x: number): void {
    this.#furthest[this.#middle + k] = x
  }

  /** Whether the path comes to `k` by a line of the second text. */
  takesOther(k: number, apart: number): boolean {
    return k === -apart || (k !== apart && this.at(k - 1) < this.at(k + 1))
  }

  /** The diagonals that a step of so many lines apart looks at. */
  copy(apart: number): Reach {
    const from = this.#middle - apart - 1
    return new Reach(apart + 1, this.#furthest.slice(from, this.#middle + apart + 2))
  }
}

function joined(stretches: readonly Stretch[]): readonly Stretch[] {
  const row: Stretch[] = []
  let lines: string[] = []
  let mine: string[] = []
  let server: string[] = []
  const end = (): void => {
    if (lines.length > 0) row.push({ kind: "same", lines })
    if (mine.length + server.length > 0) row.push({ kind: "other", mine, server })
    lines = []
    mine = []
    server = []
  }
  for (const next of stretches) {
    const isSame = next.kind === "same"
    if (isSame && next.lines.length === 0) continue
    // What was gathered is of the other kind: it ends here.
    if (isSame ? mine.length + server.length > 0 : lines.length > 0) end()
    if (isSame) for (const line of next.lines) lines.push(line)
    else {
      for (const line of next.mine) mine.push(line)
      for (const line of next.server) server.push(line)
    }
  }
  end()
  return row
}
