/**
 * What is due at which time, without a timer for any of it.
 *
 * What always holds: listing and taking back cost the same however much is listed; a tick looks at
 * what is due and at most at one tenth of a second more. `dueAt` is not changed while listed.
 */

export interface Timed {
  /** ms since 1970. */
  readonly dueAt: number
}

const slotMs = 100

export class Agenda<Item extends Timed> {
  readonly #slots = new Map<number, Set<Item>>()
  // No item lies in a slot before this one.
  #first = Number.POSITIVE_INFINITY

  add(item: Item): void {
    const slot = slotOf(item.dueAt)
    const items = this.#slots.get(slot)
    if (items === undefined) this.#slots.set(slot, new Set([item]))
    else items.add(item)
    this.#first = Math.min(this.#first, slot)
  }

  /** Does nothing for what is not listed. */
  remove(item: Item): void {
    const slot = slotOf(item.dueAt)
    const items = this.#slots.get(slot)
    if (items?.delete(item) && items.size === 0) this.#slots.delete(slot)
  }

  /** Takes out what is due at `now`. */
  take(now: number): readonly Item[] {
    const last = slotOf(now)
    if (this.#slots.size === 0 || this.#first > last) return nothing
    const due: Item[] = []
    for (const slot of this.#upTo(last)) {
      const items = this.#slots.get(slot) ?? []
      for (const item of items) if (item.dueAt <= now) due.push(item)
    }
    for (const item of due) this.remove(item)
    this.#first = last
    return due
  }

  /** Slots that may hold something due: stepped through, or looked up when time has leapt. */
  #upTo(last: number): readonly number[] {
    const steps = last - this.#first + 1
    if (steps > this.#slots.size) return [...this.#slots.keys()].filter((slot) => slot <= last)
    return Array.from({ length: steps }, (_, at) => this.#first + at)
  }
}

const nothing: readonly never[] = []

function slotOf(ms: number): number {
  return Math.floor(ms / slotMs)
}
