/**
 * How fast one connection is heard (RL87): over its rate, or over its share of its room's, it is
 * held back, and loses nothing.
 *
 * What always holds: at most one hold is out; it ends when the rate allows, and whoever is held for
 * longer than `pauseMs` is flooding.
 */
import type { Connection, Undo } from "../service.ts"
import { Budget } from "./budget.ts"
import type { Counts } from "./counts.ts"
import type { RelayOptions } from "./limits.ts"

export class Pace {
  readonly #connection: Connection<never>
  readonly #options: RelayOptions
  readonly #counts: Counts
  readonly #messages: Budget
  readonly #bytes: Budget
  #release: Undo | undefined
  #heldAt = 0
  #until = 0

  constructor(
    connection: Connection<never>,
    of: { readonly options: RelayOptions; readonly counts: Counts; readonly now: number },
  ) {
    const { options, counts, now } = of
    this.#connection = connection
    this.#options = options
    this.#counts = counts
    const { messagesPerSecond, messagesBurst, bytesPerSecond, bytesBurst } = options
    this.#messages = new Budget({ perSecond: messagesPerSecond, burst: messagesBurst }, now)
    this.#bytes = new Budget({ perSecond: bytesPerSecond, burst: bytesBurst }, now)
  }

  /**
   * One message of so many bytes was heard, and its room wants it to rest for `roomMs`. Returns the
   * ms for which it is not read now; 0 = none. Then `tick` is to be called by `dueAt`.
   */
  heard(bytes: number, now: number, roomMs = 0): number {
    const own = Math.max(this.#messages.spend(1, now), this.#bytes.spend(bytes, now))
    const wait = Math.max(own, roomMs)
    if (wait === 0) return 0
    this.#counts.rateLimited++
    if (this.#options.limitsDryRun) return 0
    if (this.#release === undefined) {
      this.#release = this.#connection.hold()
      this.#heldAt = now
      this.#counts.backpressure.add("paused")
    }
    this.#until = Math.max(this.#until, now + wait)
    return wait
  }

  get isHeld(): boolean {
    return this.#release !== undefined
  }

  /** When it may go on, in ms since 1970; Infinity where it is not held. */
  get dueAt(): number {
    if (this.#release === undefined) return Number.POSITIVE_INFINITY
    return Math.min(this.#until, this.#heldAt + this.#options.pauseMs)
  }

  /** Lets it go on when it may. */
  tick(now: number): void {
    if (this.#release === undefined) return
    if (now >= this.#until) {
      this.#release()
      this.#release = undefined
    } else if (now - this.#heldAt >= this.#options.pauseMs) {
      this.#connection.close("flooding", "it sends faster than it is allowed to, and does not stop")
    }
  }
}
