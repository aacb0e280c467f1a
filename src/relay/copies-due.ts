/**
 * When a room's copy is due.
 *
 * What always holds: it is due only while something changed that is in no copy; a little after the
 * last change, or a minute after the first where changes never pause, and not too soon after the
 * one before (RL123). What is urgent waits for a rest only.
 */

export interface DueLimits {
  readonly copyMs: number
  /** So long nothing may have changed before a copy is taken, unless changes never pause. */
  readonly copyQuietMs: number
  /** So long lies between two copies, unless holders become few. */
  readonly copyRestMs: number
}

/** Changes that never pause are copied all the same, so long after the first of them. */
const restlessMs = 60_000

/** All times are ms since 1970. */
export class CopyDue {
  readonly #options: DueLimits
  /** When something changed that is in no copy: first, and last. */
  #changed: { readonly first: number; readonly last: number } | undefined
  #isUrgent = false
  #takenAt = Number.NEGATIVE_INFINITY
  #restsUntil = Number.NEGATIVE_INFINITY
  /** Past it the copy would be deleted as unused before long, although its room lives. */
  #freshUntil = Number.POSITIVE_INFINITY

  constructor(options: DueLimits) {
    this.#options = options
  }

  /** Something changed. */
  changed(now: number): void {
    this.#changed = { first: this.#changed?.first ?? now, last: now }
  }

  /** What changed before `at` is in the copy. */
  copied(at: number): void {
    const last = this.#changed?.last
    this.#changed = last !== undefined && last >= at ? { first: last, last } : undefined
  }

  /** A copy was written, or read: it counts as used. */
  used(now: number): void {
    this.#freshUntil = now + this.#options.copyMs / 2
  }

  /** Somebody was asked for a copy, and has answered. */
  taken(now: number): void {
    this.#takenAt = now
  }

  get isUrgent(): boolean {
    return this.#isUrgent
  }

  /** It need not wait for quiet. */
  hurry(): void {
    this.#isUrgent = true
  }

  /** One holder is left: what is in no copy yet is urgent. */
  hasten(): void {
    this.#isUrgent = this.#changed !== undefined
  }

  /** One is being taken. */
  begun(): void {
    this.#isUrgent = false
  }

  /** None is taken before. */
  rest(until: number): void {
    this.#restsUntil = until
  }

  /** A rest ends now. */
  resume(now: number): void {
    this.#restsUntil = Math.min(this.#restsUntil, now)
  }

  /** It is `now`: a copy that is about to be too old is as good as none. */
  tick(now: number): void {
    if (now < this.#freshUntil) return
    this.changed(now - this.#options.copyQuietMs)
    this.#freshUntil = Number.POSITIVE_INFINITY
  }

  /** When to take one; Infinity while there is no need. */
  get at(): number {
    if (this.#changed === undefined) return Number.POSITIVE_INFINITY
    if (this.#isUrgent) return this.#restsUntil
    const { copyQuietMs, copyRestMs } = this.#options
    const { first, last } = this.#changed
    const quietAt = Math.min(last + copyQuietMs, first + Math.max(restlessMs, copyQuietMs))
    return Math.max(quietAt, this.#takenAt + copyRestMs, this.#restsUntil)
  }

  /** When to look again at the latest. */
  get lookAt(): number {
    return Math.min(this.at, this.#freshUntil)
  }
}
