/**
 * Frames of one connection that could not be read (RL89): a few are dropped, many end it.
 *
 * What always holds: the tenth within ten seconds is the last, and no more than ten times are kept.
 */

const faultLimit = 10
const spanMs = 10_000

export class Faults {
  /** When each was counted, in ms since 1970, the oldest first. */
  readonly #times: number[] = []

  /** Counts one more. True when it is one too many. */
  isLast(now: number): boolean {
    while (this.#times[0] !== undefined && this.#times[0] <= now - spanMs) this.#times.shift()
    this.#times.push(now)
    return this.#times.length >= faultLimit
  }
}
