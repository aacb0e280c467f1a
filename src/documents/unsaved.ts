/**
 * What a document has accepted since it was last saved: it becomes stored history with the next save,
 * and until then whoever was away is told it from here.
 *
 * What always holds: the entries follow one another and the last one made the present revision; they
 * take at most about `limitBytes`, beyond which the oldest are let go of. Only the stored history
 * then lacks these, never the text.
 */
import { type Entry, weigh } from "../ot/history.ts"

/** Four saves' worth: only while nothing can be written does it grow so far. */
const limitBytes = 4 * 1_024 * 1_024

export class Unsaved {
  #entries: Entry[] = []
  #bytes = 0

  /** Oldest first. */
  get entries(): readonly Entry[] {
    return this.#entries
  }

  /** Their estimated bytes. */
  get bytes(): number {
    return this.#bytes
  }

  add(entry: Entry): void {
    this.#entries.push(entry)
    this.#bytes += weigh(entry.operation)
    if (this.#bytes <= limitBytes) return
    let count = 0
    for (const { operation } of this.#entries) {
      // The newest stays, however large; half is let go of, so that this is seldom done.
      if (this.#bytes <= limitBytes / 2 || count === this.#entries.length - 1) break
      this.#bytes -= weigh(operation)
      count += 1
    }
    this.#entries = this.#entries.slice(count)
  }

  /** All of it is saved. */
  clear(): void {
    this.#entries = []
    this.#bytes = 0
  }
}
