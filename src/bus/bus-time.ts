/**
 * Bus time: our own clock, and what it lacks to that of Redis (RL66).
 *
 * What always holds: an answer that took too long to come says little, and changes nothing once the
 * difference is known.
 */

/** The clock of Redis is asked for again after so long; an answer that took longer than this says little. */
const againMs = 60_000
const slowMs = 500

export class BusTime {
  readonly #own: () => number
  /** What our clock lacks, in ms; undefined before it was asked. */
  #ahead: number | undefined
  #askedAt = 0

  /** `own` is our clock, in ms since 1970. */
  constructor(own: () => number) {
    this.#own = own
  }

  now(): number {
    return this.#own() + (this.#ahead ?? 0)
  }

  /** Whether the last measure was long ago. */
  get isOld(): boolean {
    return this.#own() - this.#askedAt > againMs
  }

  /** Asks the clock of Redis. Rejects when that does. */
  async measure(ask: () => Promise<number>): Promise<void> {
    const before = this.#own()
    this.#askedAt = before
    const theirs = await ask()
    const after = this.#own()
    if (this.#ahead !== undefined && after - before > slowMs) return
    this.#ahead = Math.round(theirs - (before + after) / 2)
  }
}
