/**
 * How often we may say something: a bucket as the server has one, filled a little more slowly.
 *
 * What always holds: it never holds more than the burst; `take` is true at most as often as the
 * server reads at once.
 */

/** Slower than the server's own, whose clock ticks every 100 ms. */
const caution = 1.05
/** Lines of a login count as well, and come before the first message: hello, invite, password twice. */
const loginLines = 4

export class Pace {
  readonly #wake: () => void
  #ratePerMs = 0
  #burst = 0
  #left = 0
  #at = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  /** `wake` is called when `take` may be asked again. */
  constructor(wake: () => void) {
    this.#wake = wake
  }

  /** A new connection, with a bucket of its own. `rate` is in lines a second, 0 for no limit. */
  renew({ rate, burst }: { readonly rate: number; readonly burst: number }): void {
    this.#ratePerMs = rate / 1_000 / caution
    this.#burst = Math.max(1, burst)
    this.#left = Math.max(0, this.#burst - loginLines)
    this.#at = Date.now()
  }

  /** Whether a line may be said now; if not, `wake` is called when it may. */
  take(): boolean {
    if (this.#ratePerMs === 0) return true
    const now = Date.now()
    this.#left = Math.min(this.#burst, this.#left + (now - this.#at) * this.#ratePerMs)
    this.#at = now
    if (this.#left >= 1) {
      this.#left -= 1
      return true
    }
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#wake, Math.ceil((1 - this.#left) / this.#ratePerMs))
    return false
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
