/**
 * The calls of the last two minutes, gathered from the server's newest, look by look.
 *
 * What always holds: no call is in it twice, the newest come first, and `since` tells from when on
 * none is missing. At most `limitCalls` are kept; the oldest go.
 */
import { curveOf, type Known } from "./measure.ts"
import type { CallRow } from "./rows.ts"

const limitCalls = 6_000
/** A server answers at most so many at once. */
export const limitAnswer = 1_000
/** So many are asked for while they overlap with what is known. */
const usualAnswer = 200
const spanMs = curveOf.pieces * curveOf.pieceMs

export class CallLog {
  #calls: readonly CallRow[] = []
  #since = Number.POSITIVE_INFINITY
  #asks = limitAnswer

  /** How many of the newest to ask for next. */
  get asks(): number {
    return this.#asks
  }

  /** Takes the newest, as the server gave them when it was asked for `asks`. */
  take(newest: readonly CallRow[], now: number): void {
    const known = new Set(this.#calls.map(keyOf))
    const fresh = newest.filter((call) => !known.has(keyOf(call)))
    const asked = this.#asks
    const isJoined = fresh.length < newest.length
    // With nothing known there is nothing to be joined to, and these are all there are.
    const isAll = newest.length < asked && (known.size === 0 || asked === limitAnswer)
    if (!isJoined && !isAll && asked < limitAnswer) {
      // Between these and the last ones some may be missing.
      this.#asks = limitAnswer
      return
    }
    this.#asks = usualAnswer
    if (isAll) this.#since = Number.NEGATIVE_INFINITY
    else if (!isJoined) this.#since = newest.at(-1)?.settled ?? now
    const kept = isJoined || isAll ? this.#calls : []
    const all = [...fresh, ...kept].filter(({ settled }) => settled > now - spanMs)
    this.#calls = all.slice(0, limitCalls)
    const oldest = this.#calls.at(-1)
    if (all.length > limitCalls && oldest !== undefined) this.#since = oldest.settled
  }

  known(now: number): Known {
    return { calls: this.#calls, since: Math.min(this.#since, now), now }
  }
}

// A server that began anew counts from one again.
function keyOf({ id, settled }: CallRow): string {
  return `${id} ${settled}`
}
