/**
 * Figures of calls, reckoned from the calls themselves: how many, how long, how they ended, who did
 * them. Pure. Times are ms by the server's clock.
 */
import type { CallRow } from "./rows.ts"

/** What the figures in text speak of. */
export const minuteMs = 60_000
/** What the curves show: two minutes, in pieces of 2 s. */
export const curveOf = { pieces: 60, pieceMs: 2_000 } as const

/** The figures of the last minute. */
export interface Measure {
  readonly count: number
  /** What they speak of: a minute, or less where not all of it is known. */
  readonly spanMs: number
  readonly perSecond: number
  /** Undefined without a call that was answered. */
  readonly p50: number | undefined
  readonly p99: number | undefined
  /** Those that failed, by code, the most frequent first. */
  readonly failures: readonly (readonly [outcome: string, count: number])[]
  /** How many of the calls each handler had, 0 to 1. */
  readonly shares: ReadonlyMap<string, number>
}

/** The calls that are known, all since `since`. */
export interface Known {
  readonly calls: readonly CallRow[]
  readonly since: number
  readonly now: number
}

/** The calls of one kind among those known. */
export function only(known: Known, isMeant: (call: CallRow) => boolean): Known {
  return { ...known, calls: known.calls.filter(isMeant) }
}

export function measure({ calls, since, now }: Known): Measure {
  const from = Math.max(since, now - minuteMs)
  const last = calls.filter(({ settled }) => settled > from)
  const spanMs = Math.max(1_000, now - from)
  const failed = new Map<string, number>()
  const handled = new Map<string, number>()
  for (const { outcome, handler } of last) {
    if (outcome !== "answered") failed.set(outcome, (failed.get(outcome) ?? 0) + 1)
    if (handler !== undefined) handled.set(handler, (handled.get(handler) ?? 0) + 1)
  }
  const times = last.filter(({ outcome }) => outcome === "answered").map(({ ms }) => ms)
  times.sort((one, other) => one - other)
  const dispatched = [...handled.values()].reduce((sum, count) => sum + count, 0)
  return {
    count: last.length,
    spanMs,
    perSecond: last.length / (spanMs / 1_000),
    p50: at(times, 0.5),
    p99: at(times, 0.99),
    failures: [...failed].sort(([, one], [, other]) => other - one),
    shares: new Map([...handled].map(([app, count]) => [app, count / dispatched])),
  }
}

/** Calls per second in each piece of the two minutes, the newest last. */
export function ratesOf({ calls, now }: Known): readonly number[] {
  return pieces(calls, now).map((each) => each.length / (curveOf.pieceMs / 1_000))
}

/** How long all but one of a hundred took at most, in each piece; 0 where none was answered. */
export function slownessOf({ calls, now }: Known): readonly number[] {
  return pieces(calls, now).map((each) => {
    const times = each.filter(({ outcome }) => outcome === "answered").map(({ ms }) => ms)
    return (
      at(
        times.sort((one, other) => one - other),
        0.99,
      ) ?? 0
    )
  })
}

/** How many failed, in each piece. */
export function failuresOf({ calls, now }: Known): readonly number[] {
  return pieces(calls, now).map(
    (each) => each.filter(({ outcome }) => outcome !== "answered").length,
  )
}

function pieces(calls: readonly CallRow[], now: number): readonly CallRow[][] {
  const found: CallRow[][] = Array.from({ length: curveOf.pieces }, () => [])
  // Whole pieces of the clock: what is drawn moves on, and does not change its shape.
  // The one that has only begun waits: it would look like a fall.
  const end = Math.floor(now / curveOf.pieceMs) - 1
  for (const call of calls) {
    const age = end - Math.floor(call.settled / curveOf.pieceMs)
    found[curveOf.pieces - 1 - age]?.push(call)
  }
  return found
}

function at(sorted: readonly number[], part: number): number | undefined {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]
}
