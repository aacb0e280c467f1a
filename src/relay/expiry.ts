/**
 * The end of a token, and when its bearer is asked for a newer one (RL95).
 *
 * What always holds: it is asked once for each token, thirty seconds before the end; where a token
 * lives shorter than that, after half of its life, so that short tokens are no endless asking.
 */

const noticeMs = 30_000

export class Expiry {
  #until = Number.POSITIVE_INFINITY
  #askAt = Number.POSITIVE_INFINITY

  /** A token that ends `until`, in ms since 1970, counts from now on. */
  begin(until: number, now: number): void {
    // The same token once more is no reason to ask again.
    if (until !== this.#until) this.#askAt = until - Math.min(noticeMs, (until - now) / 2)
    this.#until = until
  }

  /** ms since 1970; Infinity without a token. */
  get until(): number {
    return this.#until
  }

  /** When there is something to do next, in ms since 1970. */
  get dueAt(): number {
    return Math.min(this.#until, this.#askAt)
  }

  /** What is to be done now. "ask" comes once. */
  look(now: number): "over" | "ask" | "nothing" {
    if (now >= this.#until) return "over"
    if (now < this.#askAt) return "nothing"
    this.#askAt = Number.POSITIVE_INFINITY
    return "ask"
  }
}
