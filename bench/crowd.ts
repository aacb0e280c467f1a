/**
 * How far each server goes: more and more editors of one document, and more and more edits in many
 * small ones, until edits take too long.
 */
import {
  type Bench,
  type Contest,
  editsPerSecond,
  once,
  perEdit,
  warmSeconds,
  withTarget,
} from "./contest.ts"
import { typing } from "./fan-out.ts"
import type { Row } from "./figures.ts"
import { openLoop, openRooms, type Run } from "./loads.ts"
import { type DocumentsKind, nameOf, type Target } from "./target.ts"

/** B4: whoever types five characters a second wants to see them, and others', within so many ms. */
const crowdLimitMs = 100
const crowds = [25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750, 1_000, 1_500, 2_000]
/** The crowd that has aims. */
const aimed = 500
/** A run so much too late is not made up for by another one. */
const hopeless = 5

/** B4: more and more editors who all type, at one server after the other. */
export async function benchCrowd(bench: Bench): Promise<void> {
  const runs = new Map<number, Map<DocumentsKind, readonly Run[]>>(
    crowds.map((size) => [size, new Map()]),
  )
  const most = new Map<DocumentsKind, readonly number[]>()
  const first = new Map<DocumentsKind, readonly number[]>()
  for (const kind of ["quartet", ...bench.rivals] as const) {
    await withTarget(kind, bench, async (target) => {
      await once(target, typing(crowds[0] ?? 0), { id: "warm", seconds: warmSeconds })
      for (const size of crowds) {
        const least = kind === "quartet" && size === aimed ? bench.runs : 1
        const made = await attempts(target, { least, most: bench.runs, size })
        runs.get(size)?.set(kind, made)
        if (isWithin(made, crowdLimitMs)) most.set(kind, [size])
        else first.set(kind, [size])
        if (!isWithin(made, crowdLimitMs)) return
      }
    }).catch((thrown: unknown) => console.error(`${nameOf[kind]} ended:`, thrown))
  }
  const target = ""
  const name = `B4 editors x 5/s, p99 delivery <= ${crowdLimitMs} ms`
  bench.rows.push({ name, unit: "most that do", figures: most, target })
  bench.rows.push({ name, unit: "first that fall behind", figures: first, target })
  for (const [size, made] of runs) {
    const row = (unit: string, aim: string, of: (run: Run) => number): Row => {
      const figures = new Map([...made].map(([kind, all]) => [kind, all.map(of)]))
      return { name: `B4 ${size} editors x 5/s`, unit, figures, target: size === aimed ? aim : "" }
    }
    if (made.size === 0) continue
    bench.rows.push(row("% of a core", "<= 50", ({ cpuMs, seconds }) => cpuMs / seconds / 10))
    bench.rows.push(row("ms p99 delivery", "<= 150", ({ p99Ms }) => p99Ms))
    if (size !== aimed) continue
    bench.rows.push(row("ms p50 delivery", "", ({ p50Ms }) => p50Ms))
    bench.rows.push(row("ms p99 loop delay (B14)", "<= 20", ({ loopDelayMs }) => loopDelayMs))
    bench.rows.push(row("% of the load's core", "", ({ loadPercent }) => loadPercent))
  }
}

// As many runs as it takes for one that is fast enough; an edit that never comes ends them.
async function attempts(
  target: Target,
  { least, most, size }: { least: number; most: number; size: number },
): Promise<readonly Run[]> {
  const runs: Run[] = []
  while (runs.length < most && (runs.length < least || !isWithin(runs, crowdLimitMs))) {
    try {
      runs.push(await once(target, typing(size), { id: `crowd-${size}-${runs.length}` }))
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown)
      console.error(`${nameOf[target.kind]}, ${size} editors: ${why}`)
      return runs
    }
    const [last] = runs.slice(-1)
    if (last !== undefined && last.p99Ms > hopeless * crowdLimitMs) return runs
    if (last !== undefined && last.loadPercent > 90) {
      console.error(`${nameOf[target.kind]}, ${size} editors: the load's own core is full`)
    }
  }
  return runs
}

// Whether one of them was fast enough: what else the machine does can only make edits late.
function isWithin(runs: readonly Run[], limitMs: number): boolean {
  return runs.some(({ p99Ms }) => p99Ms <= limitMs)
}

const pace = 5_000
const rates = [2_500, pace, 10_000, 15_000, 20_000, 25_000, 30_000]

/** B5: many small documents, faster and faster. */
export async function benchDocuments(bench: Bench): Promise<void> {
  const limitMs = 50
  const best = new Map<DocumentsKind, readonly number[]>()
  const costs = new Map<DocumentsKind, readonly number[]>()
  const delays = new Map<DocumentsKind, readonly number[]>()
  for (const kind of ["quartet", ...bench.rivals] as const) {
    await withTarget(kind, bench, async (target) => {
      await once(target, everywhere(rates[0] ?? 0), { id: "warm", seconds: warmSeconds })
      for (const rate of rates) {
        const runs: Run[] = []
        while (runs.length < bench.runs && (rate === pace || !isWithin(runs, limitMs))) {
          runs.push(await once(target, everywhere(rate), { id: `at-${rate}-${runs.length}` }))
        }
        if (!isWithin(runs, limitMs)) break
        if (rate === pace) costs.set(kind, runs.map(perEdit))
        best.set(kind, runs.slice(-1).map(editsPerSecond))
        delays.set(
          kind,
          runs.slice(-1).map(({ loopDelayMs }) => loopDelayMs),
        )
      }
    }).catch((thrown: unknown) => console.error(`${nameOf[kind]} ended:`, thrown))
  }
  const name = "B5 100 documents x 3 editors"
  const target = ">= 10,000; >= 0.6 floor"
  bench.rows.push({ name, unit: "edits/s at p99 <= 50 ms", figures: best, target })
  const last = { name, unit: "ms p99 loop delay then (B14)", target: "<= 20" }
  bench.rows.push({ ...last, figures: delays })
  bench.rows.push({ name, unit: "µs CPU/edit at 5,000/s", figures: costs, target: "" })
}

/** A hundred documents of three editors, who type so many characters a second together. */
export function everywhere(rate: number): Contest {
  const [documents, editors] = [100, 3]
  return documentsOf({ documents, editors, perSecond: rate / documents / editors })
}

/** Documents with so many editors each, each of whom types so many characters a second. */
export interface Spread {
  readonly documents: number
  readonly editors: number
  readonly perSecond: number
}

export function documentsOf({ documents, editors, perSecond }: Spread): Contest {
  return {
    open: (target, id) => openRooms(target, documents, { id, editors, text: "hello" }),
    load: (rooms, seconds) => openLoop(rooms, { seconds, perSecond }),
  }
}
