/**
 * How long edits took to reach one editor.
 *
 * What always holds: the edits of one author come in the order in which they were sent, so counting
 * them off tells which is which.
 */
import type { Room } from "./editors.ts"

/** So many editors of a room take it down. */
const sampled = 10

export class Arrivals {
  readonly #room: Room
  /** Of each author, how many of his edits have come. */
  readonly #counts = new Map<number, number>()

  private constructor(room: Room) {
    this.#room = room
  }

  /** For the `index`-th editor of `room`; undefined for one that takes nothing down. */
  static of(room: Room, index: number): Arrivals | undefined {
    // From the first to the last that joined: they are told in that order.
    const step = Math.max(1, Math.floor(room.options.editors / sampled))
    return index % step === step - 1 ? new Arrivals(room) : undefined
  }

  /** Begins anew to count. */
  forget(): void {
    this.#counts.clear()
  }

  /** An edit of each of `authors` has come just now. */
  takeDown(authors: readonly number[]): void {
    const room = this.#room
    const now = performance.now()
    for (const author of authors) {
      const count = this.#counts.get(author) ?? 0
      this.#counts.set(author, count + 1)
      room.latencies.push(now - (room.sentAt.get(author)?.[count] ?? Number.NaN))
    }
  }
}
