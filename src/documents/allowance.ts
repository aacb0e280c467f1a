/**
 * How often one address may do one thing in a minute (DC104).
 *
 * What always holds: counting begins anew with each minute, and at most `addressLimit` addresses
 * are counted; beyond that the one that came first in this minute is forgotten, so that a flood
 * from many addresses costs memory that is bounded and locks nobody else out.
 */

/** An entry takes about 100 bytes: 2 MB for each allowance at the worst. */
const addressLimit = 20_000

const minuteMs = 60_000

export class Allowance {
  readonly #perMinute: number
  readonly #usedByAddress = new Map<string, number>()
  #minute = 0
  #now = 0

  constructor(perMinute: number) {
    this.#perMinute = perMinute
  }

  /** It is `now`, in ms since 1970. */
  tick(now: number): void {
    this.#now = now
    const minute = Math.floor(now / minuteMs)
    if (minute === this.#minute) return
    this.#minute = minute
    this.#usedByAddress.clear()
  }

  /** Whether `address` may do it once more. Asking counts nothing. */
  has(address: string): boolean {
    return (this.#usedByAddress.get(address) ?? 0) < this.#perMinute
  }

  /** Counts one use, allowed or not. */
  use(address: string): void {
    this.#usedByAddress.set(address, (this.#usedByAddress.get(address) ?? 0) + 1)
    if (this.#usedByAddress.size <= addressLimit) return
    const [first] = this.#usedByAddress.keys()
    if (first !== undefined) this.#usedByAddress.delete(first)
  }

  /** Counts one use if there is one left. Returns whether there was. */
  take(address: string): boolean {
    const isAllowed = this.has(address)
    if (isAllowed) this.use(address)
    return isAllowed
  }

  /** Seconds until everyone may again: what `Retry-After` says. */
  get waitSeconds(): number {
    return Math.ceil((minuteMs - (this.#now % minuteMs)) / 1_000)
  }
}
