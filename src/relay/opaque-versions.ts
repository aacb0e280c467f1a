/**
 * The numbers by which servers know what of a name is newer.
 *
 * What always holds: what is numbered here is newer than all that was heard before, so numbers only
 * rise across servers; what was sent of a place before it was gone brings it back no more.
 */
import { dropOldest } from "./oldest.ts"

/** So many places that are gone are remembered; the oldest makes room. */
const goneLimit = 1_000

export class Versions {
  readonly #busNow: () => number
  /** Of places that are gone, by server and name. */
  readonly #gone = new Map<string, number>()
  #highest = 0

  /** `busNow` gives ms of bus time. */
  constructor(busNow: () => number) {
    this.#busNow = busNow
  }

  /** A number above all before. */
  next(): number {
    this.#highest = Math.max(this.#highest + 1, this.#busNow())
    return this.#highest
  }

  /** Another server used this one. */
  hear(version: number): void {
    this.#highest = Math.max(this.#highest, version)
  }

  /** The number with which a place went; 0 for one that is not known to have gone. */
  last(origin: string, id: string): number {
    return this.#gone.get(`${origin} ${id}`) ?? 0
  }

  /** A place is gone. */
  bury({ origin, id, version }: { origin: string; id: string; version: number }): void {
    const key = `${origin} ${id}`
    this.#gone.delete(key)
    this.#gone.set(key, version)
    dropOldest(this.#gone, goneLimit)
  }
}
