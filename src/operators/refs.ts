/**
 * The newest refs of one callsign, and how the messages they stand for are doing.
 *
 * What always holds: a ref here was accepted, in this epoch; the oldest is forgotten for a new one
 * above the limit. A refused message leaves its ref free.
 */
import type { Fate } from "./mailbox.ts"

export class Refs {
  readonly #limit: number
  readonly #fates = new Map<string, Fate>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#fates.size
  }

  find(ref: string): Fate | undefined {
    return this.#fates.get(ref)
  }

  add(ref: string, fate: Fate): void {
    this.#fates.set(ref, fate)
    if (this.#fates.size <= this.#limit) return
    const [oldest] = this.#fates.keys()
    if (oldest !== undefined) this.#fates.delete(oldest)
  }
}
