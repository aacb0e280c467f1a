/**
 * Who holds which name, and a few bytes kept for a time: what a bus in memory knows.
 *
 * What always holds: a name has one claim that stands, and a new one has a greater fence than every
 * one before. What has expired counts as gone whenever it is looked at; `now` is always ms since 1970.
 */
import type { Claim } from "./bus.ts"

/** Claims and values together. Beyond it a new claim is answered "away", and a new value is not kept. */
const keptLimit = 100_000

interface Kept {
  readonly until: number
  /** The claim itself under its name; with a value the claim that it was put with, if any. */
  readonly claim: Claim | undefined
  readonly data: Uint8Array
}

const nothing = new Uint8Array()

/** The claims and values of one hub. */
export class Claims {
  readonly #claimsByName = new Map<string, Kept>()
  readonly #valuesByKey = new Map<string, Kept>()
  #fence = 0

  /** The claim that stands on `name`: that of who holds it, else a new one for `forMs`. */
  take(name: string, value: string, forMs: number, now: number): Claim | "away" {
    const standing = good(this.#claimsByName.get(name), now)?.claim
    if (standing !== undefined) return standing
    if (!this.#hasRoom(now)) return "away"
    this.#fence += 1
    const claim: Claim = { name, value, fence: this.#fence }
    this.#claimsByName.set(name, { until: now + forMs, claim, data: nothing })
    return claim
  }

  /** Prolongs `claim`, or ends it with 0, if it still stands; whether it did. */
  renew(claim: Claim, forMs: number, now: number): boolean {
    if (!this.#stands(claim, now)) return false
    const { name } = claim
    if (forMs <= 0) this.#claimsByName.delete(name)
    else this.#claimsByName.set(name, { until: now + forMs, claim, data: nothing })
    return true
  }

  put(key: string, kept: Kept, now: number): void {
    if (kept.claim !== undefined && !this.#stands(kept.claim, now)) return
    if (this.#valuesByKey.has(key) || this.#hasRoom(now)) this.#valuesByKey.set(key, kept)
  }

  get(key: string, now: number): Uint8Array | undefined {
    return good(this.#valuesByKey.get(key), now)?.data
  }

  #stands(claim: Claim, now: number): boolean {
    return good(this.#claimsByName.get(claim.name), now)?.claim?.fence === claim.fence
  }

  // Looks for what has expired only when there is no room otherwise.
  #hasRoom(now: number): boolean {
    const isFull = () => this.#claimsByName.size + this.#valuesByKey.size >= keptLimit
    if (!isFull()) return true
    for (const map of [this.#claimsByName, this.#valuesByKey]) {
      for (const [key, kept] of map) if (good(kept, now) === undefined) map.delete(key)
    }
    return !isFull()
  }
}

function good(kept: Kept | undefined, now: number): Kept | undefined {
  return kept !== undefined && now < kept.until ? kept : undefined
}
