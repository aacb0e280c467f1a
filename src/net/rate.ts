/**
 * How much a far end may say: two buckets, of messages and of bytes, that refill with time.
 *
 * What always holds: nothing is refused here. A message is taken as long as both buckets hold
 * something and may take them below empty; until both are refilled the connection is not read, and
 * what it sent meanwhile waits in its socket.
 */
import type { Limits } from "./route.ts"

export class Rate {
  readonly #messages: Bucket
  readonly #bytes: Bucket

  constructor(limits: Limits) {
    this.#messages = new Bucket(limits.messagesPerSecond, limits.messagesBurst)
    this.#bytes = new Bucket(limits.bytesPerSecond, limits.bytesBurst)
  }

  /** Whether a further message may be taken. */
  get rested(): boolean {
    return this.#messages.level > 0 && this.#bytes.level > 0
  }

  /** Takes one message of `bytes` at `now`, in ms. */
  spend(bytes: number, now: number): void {
    this.#messages.take(1, now)
    this.#bytes.take(bytes, now)
  }

  /** It is `now`, in ms: fills up what has come in since the last time. */
  refill(now: number): void {
    this.#messages.refill(now)
    this.#bytes.refill(now)
  }
}

class Bucket {
  readonly #perSecond: number
  readonly #burst: number
  #filledAt: number | undefined
  /** What may still be taken; below zero it is owed. */
  level: number

  /** Starts full. A rate of 0 is no limit. */
  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond
    this.#burst = Math.max(burst, 1)
    this.level = perSecond === 0 ? Number.POSITIVE_INFINITY : this.#burst
  }

  take(amount: number, now: number): void {
    if (this.#perSecond === 0) return
    this.refill(now)
    this.level -= amount
  }

  refill(now: number): void {
    if (this.#perSecond === 0) return
    const passedMs = Math.max(0, now - (this.#filledAt ?? now))
    this.#filledAt = now
    this.level = Math.min(this.#burst, this.level + (passedMs * this.#perSecond) / 1000)
  }
}
