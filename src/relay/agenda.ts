/**
 * What is due when, for many things of which few are busy.
 *
 * What always holds: whatever was roused is looked at in the next tick, and again when it said; a
 * thing waits in one place only; what is due later than a tick lies in a slot of its time, and
 * costs nothing until then.
 */
import type { Wake } from "../service.ts"

/** As long as the steady tick takes to come by itself. */
const slotMs = 100

/** A clock that went on by more at once is looked at slot by slot no longer. */
const jumpSlots = 600

export class Agenda<T> {
  readonly #wake: Wake
  /** Looked at in the next tick. */
  #awake = new Set<T>()
  /** Looked at in the tick that reaches its time, which comes before the next slot. */
  readonly #soon = new Map<T, number>()
  readonly #slots = new Map<number, Set<T>>()
  /** In which slot a thing lies. */
  readonly #places = new Map<T, number>()
  #slot: number | undefined

  constructor(wake: Wake) {
    this.#wake = wake
  }

  /** How many things wait for their time, or to be looked at. */
  get size(): number {
    return this.#awake.size + this.#soon.size + this.#places.size
  }

  /** Something happened to it: look at it within 10 ms. */
  rouse(thing: T): void {
    this.#soon.delete(thing)
    this.#awake.add(thing)
    this.#wake(10)
  }

  /** It is not to be looked at any more. */
  drop(thing: T): void {
    this.#awake.delete(thing)
    this.#soon.delete(thing)
    this.#take(thing)
  }

  /**
   * Looks at all that is due. `look` returns the ms since 1970 at which it wants to be looked at
   * again, or Infinity for not at all. It may rouse, and must not throw.
   */
  tick(now: number, look: (thing: T) => number): void {
    this.#turnTo(Math.floor(now / slotMs))
    const due = this.#awake
    this.#awake = new Set()
    for (const [thing, at] of this.#soon) {
      if (at > now) continue
      this.#soon.delete(thing)
      due.add(thing)
    }
    for (const thing of due) {
      const at = look(thing)
      this.#take(thing)
      if (at === Number.POSITIVE_INFINITY || this.#awake.has(thing)) continue
      if (at >= now + slotMs) this.#lay(thing, Math.floor(at / slotMs))
      else this.#soon.set(thing, at)
    }
    // The steady tick would come too late for it.
    if (this.#soon.size > 0) this.#wake(10)
  }

  #turnTo(slot: number): void {
    const last = this.#slot ?? slot
    this.#slot = slot
    if (slot < last || slot - last > jumpSlots) {
      // A clock that jumped: everything is looked at once.
      for (const each of this.#slots.keys()) this.#open(each)
      for (const thing of this.#soon.keys()) this.#awake.add(thing)
      this.#soon.clear()
      return
    }
    for (let each = last; each <= slot; each++) this.#open(each)
  }

  #open(slot: number): void {
    const things = this.#slots.get(slot)
    if (things === undefined) return
    this.#slots.delete(slot)
    for (const thing of things) {
      this.#places.delete(thing)
      this.#awake.add(thing)
    }
  }

  #lay(thing: T, slot: number): void {
    const things = this.#slots.get(slot)
    if (things === undefined) this.#slots.set(slot, new Set([thing]))
    else things.add(thing)
    this.#places.set(thing, slot)
  }

  #take(thing: T): void {
    const slot = this.#places.get(thing)
    if (slot === undefined) return
    this.#places.delete(thing)
    const things = this.#slots.get(slot)
    things?.delete(thing)
    if (things?.size === 0) this.#slots.delete(slot)
  }
}
