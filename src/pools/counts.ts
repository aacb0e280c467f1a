/**
 * What pools count, as plain numbers: the hot path adds to them, `/metrics` reads them.
 *
 * What always holds: no map here is longer than one of our own lists.
 */
import type { PoolsCode } from "../wire/pools-errors.ts"

/** How a call ended: answered, or with which error. */
export type Outcome = "answered" | PoolsCode

export class Counts {
  readonly outcomes = new Map<Outcome, number>()
  readonly refusals = new Map<PoolsCode, number>()
  /** What happened to keys and ids, by event: names of ours. */
  readonly security = new Map<string, number>()
  reroutes = 0
  late = 0
  forged = 0
  chunks = 0
  repeated = 0
  emitsIn = 0
  emitsOut = 0
  emitsLost = 0

  settled(outcome: Outcome): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1)
  }

  secured(event: string): void {
    this.security.set(event, (this.security.get(event) ?? 0) + 1)
  }

  refused(code: PoolsCode): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1)
  }
}
