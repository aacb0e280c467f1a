/**
 * Saves whole documents: those that are due, some in each tick, and any at once when it must be.
 *
 * What always holds: a save that fails starves no other and is tried again (DC79); one that finds
 * the row overtaken or deleted is not forced, and its document is given up (DC80). A tick's saves
 * are bounded by their number and length, since a service has no clock to measure them with:
 * measured, a row takes 31 µs and 256 Ki characters take 0.8 ms, so that is 4 ms at the most.
 */
import type { Document } from "./document.ts"
import { isDue } from "./saving.ts"
import type { Scribe } from "./scribe.ts"
import { lookMs, retryMs, type Time } from "./settings.ts"
import type { Shelf, Snapshot } from "./shelf.ts"

/** DC79: the saves of one tick stop at so many rows … */
const tickDocuments = 32
/** … or so many code points. One document is saved in any case. */
const tickLength = 1_024 * 1_024
/** Documents of one transaction when all are saved (DC81). */
const batchDocuments = 100

/** What became of a save: "lost" when the row was overtaken or deleted. */
export type Saved = "saved" | "failed" | "lost"

export interface SaverOptions {
  readonly shelf: Shelf
  readonly scribe: Scribe
  readonly time: Time
  /** A document whose row was overtaken or deleted. */
  readonly lose: (document: Document) => void
}

export class Saver {
  /** Since the start. */
  readonly counts = { saved: 0, failed: 0 }
  readonly #shelf: Shelf
  readonly #scribe: Scribe
  readonly #time: Time
  readonly #lose: (document: Document) => void
  /** Those that are due, in the order in which they became so. Each is there once. */
  readonly #due = new Set<Document>()
  /** Those that could not be saved, or not even journaled: each second some are tried, by turns. */
  readonly #again = new Set<Document>()
  #lookedAt = 0
  #retriedAt = 0

  constructor({ shelf, scribe, time, lose }: SaverOptions) {
    this.#shelf = shelf
    this.#scribe = scribe
    this.#time = time
    this.#lose = lose
  }

  /** How many have edits that are in memory only. */
  get unwritten(): number {
    return [...this.#again].filter((document) => document.isUnwritten).length
  }

  /** `document` may have become unwritten: then it is saved as soon as anything can be. */
  watch(document: Document): void {
    if (document.isUnwritten) this.#again.add(document)
  }

  /** Is to be saved in one of the next ticks, although nobody is in it. */
  want(document: Document): void {
    if (!this.#again.has(document)) this.#due.add(document)
  }

  /** Another tick: looks which of `hot` are due, and saves some. */
  tick(hot: Iterable<Document>): void {
    const { now } = this.#time
    if (now - this.#lookedAt >= lookMs) {
      this.#lookedAt = now
      for (const document of hot) {
        if (!this.#again.has(document) && isDue(document.savingState, now)) this.#due.add(document)
      }
    }
    if (this.#again.size > 0 && now - this.#retriedAt >= retryMs) {
      this.#retriedAt = now
      this.#some(this.#again)
    }
    if (this.#due.size > 0) this.#some(this.#due)
  }

  /** Saves one document now. */
  save(document: Document): Saved {
    this.#due.delete(document)
    return this.#write([document]).get(document) ?? "failed"
  }

  /** Sees to it that `document` has a row, for what is written beside it. Returns whether it has. */
  ensure(document: Document): boolean {
    return document.isStored || this.save(document) === "saved"
  }

  /** Saves all, a hundred in one transaction; where that fails, one by one. */
  saveAll(documents: readonly Document[]): readonly Saved[] {
    const outcomes: Saved[] = []
    for (let index = 0; index < documents.length; index += batchDocuments) {
      const batch = documents.slice(index, index + batchDocuments)
      outcomes.push(...this.#write(batch).values())
    }
    return outcomes
  }

  /** Nothing of `document` is to be saved any more. */
  forget(document: Document): void {
    this.#due.delete(document)
    this.#again.delete(document)
  }

  // Saves the first of `documents`, as many as fit into a tick. What failed before is tried no
  // further once it fails again: a full disk should not cost a try for each document.
  #some(documents: Set<Document>): void {
    let count = 0
    let length = 0
    for (const document of [...documents]) {
      // What is journaled after the save that holds it would keep its row for ever.
      if (document.isDirty) continue
      count += 1
      length += document.length
      if (count > tickDocuments || (count > 1 && length > tickLength)) return
      documents.delete(document)
      if (this.#write([document]).get(document) !== "failed") continue
      if (documents === this.#again) return
    }
  }

  // In one transaction; a batch that fails is tried one by one, so that one bad row starves no other.
  #write(documents: readonly Document[]): ReadonlyMap<Document, Saved> {
    let lost: ReadonlySet<string>
    try {
      lost = this.#shelf.save(documents.flatMap(snapshotsOf))
    } catch (thrown) {
      if (documents.length > 1) {
        return new Map(documents.flatMap((document) => [...this.#write([document])]))
      }
      this.#scribe.failed("save failed", thrown)
      this.counts.failed += 1
      for (const document of documents) this.#again.add(document)
      return new Map(documents.map((document) => [document, "failed"]))
    }
    this.#scribe.succeeded()
    return new Map(documents.map((document) => [document, this.#settle(document, lost)]))
  }

  #settle(document: Document, lost: ReadonlySet<string>): Saved {
    this.forget(document)
    if (lost.has(document.id)) {
      this.#lose(document)
      return "lost"
    }
    this.counts.saved += 1
    document.settle()
    this.#scribe.committed(document)
    return "saved"
  }
}

/**
 * What is to be saved of a document. A row begins at revision 0, or a later save takes it for
 * deleted; one whose first edits could not be journaled has none, so it is made here.
 */
function snapshotsOf(document: Document): readonly Snapshot[] {
  const { snapshot } = document
  if (document.isStored || snapshot.revision === 0) return [snapshot]
  return [{ ...snapshot, text: "", revision: 0, past: [] }, snapshot]
}
