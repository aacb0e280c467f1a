/**
 * All rows of presence of a room, those that are gone not long ago, and the numbers under which
 * they are told.
 *
 * What always holds: a row's numbers only rise (RL72), and none is told under a number that somebody
 * here was sent before it came back, so a client that comes back is never ignored as old.
 */
import type { Row } from "../wire/relay.ts"
import { dropOldest } from "./oldest.ts"
import { type Ghost, type Line, rowOf } from "./presence-lines.ts"

/** Rows that are gone must not come back by an echo: for so long, and so many of them. */
const ghostMs = 5 * 60_000
const ghostLimit = 10_000
/** Numbers are raised to the ms since then. */
const epoch = Date.UTC(2026, 0, 1)
/** No client was ever sent a number so far ahead: whoever shows one is not followed. */
const aheadMs = 24 * 60 * 60_000

const none: readonly Line[] = []

export class PresenceTable {
  // Made for the first row: most rooms have none.
  #lines: Map<number, Line> | undefined
  #ghosts: Map<number, Ghost> | undefined
  /** What is told from here on has at least this number. */
  #least = 0
  /** The highest number that was told. */
  #highest = 0

  get size(): number {
    return this.#lines?.size ?? 0
  }

  get lines(): Iterable<Line> {
    return this.#lines?.values() ?? none
  }

  get(id: number): Line | undefined {
    return this.#lines?.get(id)
  }

  /** When a row went, in ms since 1970; undefined for one that is here, or was not here lately. */
  goneAt(id: number): number | undefined {
    return this.#ghosts?.get(id)?.at
  }

  /** A new row. Whoever saw it before saw no higher number than the highest. */
  add(line: Omit<Line, "clock">): void {
    this.#ghosts?.delete(line.id)
    this.#lines ??= new Map()
    this.#lines.set(line.id, { ...line, clock: this.#highest })
  }

  /** A row is gone at `now`. */
  remove(line: Line, now: number): void {
    const { id, isBlank } = line
    this.#lines?.delete(id)
    const clock = isBlank ? line.clock : this.#nextFor(line)
    this.#ghosts ??= new Map()
    this.#ghosts.delete(id)
    this.#ghosts.set(id, { clock, at: now })
    dropOldest(this.#ghosts, ghostLimit)
    for (const [each, { at }] of this.#ghosts) {
      if (at > now - ghostMs) break
      this.#ghosts.delete(each)
    }
  }

  /** Somebody comes. Above what was told, too: it may come back before the clock has moved. */
  welcome(now: number): void {
    this.#least = Math.max(this.#least, this.#highest + 1, now - epoch)
  }

  /** Somebody here saw `clock`: what comes next must not look older to it (RL74). */
  follow(clock: number, now: number): void {
    if (clock < Math.max(0, now - epoch) + aheadMs) this.#least = Math.max(this.#least, clock + 1)
  }

  /** The row, to be told anew to all who have it. */
  renumbered(line: Line): Row {
    line.clock = this.#nextFor(line)
    return rowOf(line)
  }

  /** The row, to be told to one who may have seen it under any number. */
  introduced(line: Line): Row {
    line.clock = Math.max(line.clock, this.#least)
    this.#highest = Math.max(this.#highest, line.clock)
    return rowOf(line)
  }

  /** The row, to be told next; without a state where it is gone, undefined where it was never told. */
  next(id: number): Row | undefined {
    const line = this.get(id)
    return line !== undefined && !line.isBlank ? this.renumbered(line) : this.latest(id)
  }

  /** The same as it was told last. */
  latest(id: number): Row | undefined {
    const line = this.get(id)
    if (line !== undefined) return line.isBlank ? undefined : rowOf(line)
    const ghost = this.#ghosts?.get(id)
    return ghost && { id, clock: ghost.clock, state: null }
  }

  #nextFor({ clock }: Line): number {
    const next = Math.max(clock + 1, this.#least)
    this.#highest = Math.max(this.#highest, next)
    return next
  }
}
