/**
 * Writes accepted edits down before anyone sees them, and knows which of them are durable.
 *
 * What always holds: the edits of all documents that are written at once are one journal row
 * (DC47); `Saved` names no revision before the disk has it (DC50). Where the journal cannot be
 * written, editing goes on in memory: those documents count as unwritten until their whole texts
 * are saved, their editors are told so, and nothing of them is called saved meanwhile (DC51).
 */
import type { Log } from "../log.ts"
import { checksum } from "../wire/checksum.ts"
import type { ToEditor } from "../wire/documents-shapes.ts"
import type { Document } from "./document.ts"
import { checksumMs, savedMs, type Time } from "./settings.ts"
import type { Shelf } from "./shelf.ts"

/** So many failures in a row, and `/health` says no. */
const failuresLimit = 3

export interface ScribeOptions {
  readonly shelf: Shelf
  readonly log: Log
  readonly time: Time
}

export class Scribe {
  /** Edits journaled, journal rows, and failures to write, since the start. */
  readonly counts = { edits: 0, rows: 0, failures: 0 }
  readonly #shelf: Shelf
  readonly #log: Log
  readonly #time: Time
  #failuresInRow = 0
  // What was committed up to which revision: before the disk was asked last, and since.
  #asked = new Map<Document, number>()
  #since = new Map<Document, number>()

  constructor({ shelf, log, time }: ScribeOptions) {
    this.#shelf = shelf
    this.#log = log
    this.#time = time
  }

  /** Whether writing works, as far as the last tries say. */
  get isHealthy(): boolean {
    return this.#failuresInRow < failuresLimit
  }

  /** Journals what `documents` have accepted, as one row. After it everyone may be told of it. */
  journal(documents: readonly Document[]): void {
    const batch = documents.map((document) => {
      // What is in memory only is saved whole: its journal has a gap already.
      const entries = document.takeUnjournaled()
      return { document, entries: document.isUnwritten ? [] : entries }
    })
    const written = batch.filter(({ entries }) => entries.length > 0)
    const entries = written.flatMap((each) => each.entries)
    if (entries.length === 0) return
    try {
      this.#shelf.append(entries, this.#time.now)
      for (const { document } of written) this.#becomeStored(document)
    } catch (thrown) {
      // Full, read-only or broken: the texts in memory are the best there is, so they stay.
      this.failed("journal failed", thrown)
      for (const { document, entries } of written) {
        document.unwrittenFrom = document.revision - entries.length
        document.audience.tell("unwritten", { extended: unwrittenWarning(document.unwrittenFrom) })
      }
      return
    }
    this.#failuresInRow = 0
    this.counts.rows += 1
    this.counts.edits += entries.length
    for (const { document } of written) this.committed(document)
  }

  /** The present revision of `document` was committed: its editors are told once the disk has it. */
  committed(document: Document): void {
    if (!this.#shelf.durable) return
    this.#since.set(document, document.revision)
    this.#ask()
  }

  /** `document` was read from the shelf. It may have left memory so short ago that the disk lacks some of it. */
  loaded(document: Document): void {
    const isDurable = this.#asked.size === 0 && this.#since.size === 0
    if (isDurable && this.#shelf.durable) document.durable = document.revision
    else this.committed(document)
  }

  /** Writes down that `document` was just used. What fails here is worth no more than a line in the log. */
  touch(document: Document): void {
    try {
      this.#shelf.touch(document.id, document.accessedAt)
    } catch (thrown) {
      this.failed("last use not written", thrown)
    }
  }

  /** Says that all was written that should be: the next start keeps the epochs (DC59). */
  markClean(): void {
    try {
      this.#shelf.markClean()
    } catch (thrown) {
      // Then the next start draws new ones: everybody loads the text anew, and nothing is lost.
      this.failed("stop not noted", thrown)
    }
  }

  /** Does `write`. Returns whether that could be written; if not, `event` is what the log is told. */
  attempt(event: string, write: () => void): boolean {
    try {
      write()
      return true
    } catch (thrown) {
      this.failed(event, thrown)
      return false
    }
  }

  /** Something was saved: writing works. */
  succeeded(): void {
    this.#failuresInRow = 0
  }

  /** Something could not be written; `event` is what the log is told. */
  failed(event: string, thrown: unknown): void {
    this.#failuresInRow += 1
    this.counts.failures += 1
    this.#log.error(event, { reason: reasonOf(thrown) })
  }

  // Its row was made by its first edit, and empty.
  #becomeStored(document: Document): void {
    if (document.isStored) return
    document.isStored = true
    if (document.language !== undefined) this.#shelf.setLanguage(document.id, document.language)
  }

  #ask(): void {
    if (this.#asked.size > 0 || this.#since.size === 0) return
    this.#asked = this.#since
    this.#since = new Map()
    this.#shelf.sync(() => {
      const durable = this.#asked
      this.#asked = new Map()
      for (const [document, revision] of durable) this.#tellSaved(document, revision)
      this.#ask()
    })
  }

  #tellSaved(document: Document, revision: number): void {
    if (revision <= document.durable) return
    document.durable = revision
    const { now } = this.#time
    const isCurrent = document.durable === document.revision
    if (!isCurrent && now - document.savedToldAt < savedMs) return
    document.savedToldAt = now
    const extended: ToEditor = {
      Saved: { revision: document.durable, ...this.#checksum(document) },
    }
    document.audience.tellAfter(document.durable, "saved", extended)
  }

  #checksum(document: Document): { readonly checksum?: string } {
    const { now } = this.#time
    const isDue = now - document.checksumToldAt >= checksumMs
    if (!isDue || document.durable !== document.revision) return {}
    document.checksumToldAt = now
    return { checksum: checksum(document.text) }
  }
}

/**
 * What extended editors are told while edits after `revision` are in memory only (DC51). It names no
 * edit; a `Saved` above `revision` ends it.
 */
export function unwrittenWarning(revision: number): ToEditor {
  const message = "The server cannot write to its disk: what is typed now is kept in memory only."
  return { Error: { code: "unavailable", message, revision, retry: true } }
}

// SQLite's own words for the fault ("database or disk is full"); they never quote what was written.
function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return "unknown"
  return "errstr" in thrown ? String(thrown.errstr) : thrown.name
}
