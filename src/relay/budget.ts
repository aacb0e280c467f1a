/**
 * How fast one connection may speak, and one room be spoken to.
 *
 * What always holds: a budget that is overdrawn refuses nothing. Who overdraws it is not read until
 * it has refilled (RL87), so no edit is lost, and a flood fills the sender's own socket. Of a room's
 * budget each who speaks gets the same share (RL91), so who speaks little is not slowed by others.
 */

/** A rate and the most that may be spent at once. A rate of 0 never ends. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

export class Budget {
  readonly #rate: Rate
  #left: number
  #at: number

  /** `now` is ms since 1970. */
  constructor(rate: Rate, now: number) {
    this.#rate = rate
    this.#left = rate.burst
    this.#at = now
  }

  /** Spends `amount`, also beyond what is left. Returns the ms until nothing is owed; 0 at once. */
  spend(amount: number, now: number): number {
    const { perSecond, burst } = this.#rate
    if (perSecond === 0) return 0
    // A clock that went back refills nothing.
    const passed = Math.max(0, now - this.#at)
    this.#left = Math.min(burst, this.#left + (passed / 1_000) * perSecond)
    this.#at = now
    this.#left -= amount
    return this.#left >= 0 ? 0 : Math.ceil((-this.#left / perSecond) * 1_000)
  }
}

/** Who spoke within so long has a share. */
const shareMs = 1_000
/** Who is held is let go on a tick, up to so long after its time: that is not lost to it. */
const tickMs = 100

/** One budget for all who speak in a place: over it each is held to the same rate. */
export class Shares<Key> {
  readonly #rate: Rate
  readonly #all: Budget
  /** When each spoke last, and until when what it said is worth its share; the longest silent first. */
  #speakers: Map<Key, { readonly at: number; readonly paidUntil: number }> | undefined

  constructor(rate: Rate, now: number) {
    this.#rate = rate
    this.#all = new Budget(rate, now)
  }

  /** `key` said `amount`. Returns the ms for which it should rest. */
  spend(key: Key, amount: number, now: number): number {
    const { perSecond } = this.#rate
    if (perSecond === 0) return 0
    const isOver = this.#all.spend(amount, now) > 0
    this.#speakers ??= new Map()
    const paidUntil = Math.max(this.#speakers.get(key)?.paidUntil ?? 0, now - tickMs)
    this.#speakers.delete(key)
    for (const [each, { at }] of this.#speakers) {
      if (at > now - shareMs) break
      this.#speakers.delete(each)
    }
    const worth = (amount * (this.#speakers.size + 1) * 1_000) / perSecond
    // While there is room for all nobody rests, yet who took most then rests longest afterwards.
    const until = isOver ? paidUntil + worth : Math.min(paidUntil + worth, now + shareMs)
    this.#speakers.set(key, { at: now, paidUntil: until })
    return isOver ? Math.max(0, Math.ceil(until - now)) : 0
  }

  forget(key: Key): void {
    this.#speakers?.delete(key)
  }
}
