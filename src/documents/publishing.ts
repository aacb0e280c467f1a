/**
 * When what was accepted is written down and told: the flush.
 *
 * What always holds: edits are journaled, and only then told to anyone, author included (DC47), and
 * one flush is one journal row for all documents that are due. A crowded document gathers its edits
 * for a moment (DC53); cursors are told right behind the edits that they belong to (DC70).
 * `#stirred` are the documents with something to tell, `#lagging` those with an editor that is
 * behind; no other document is looked at.
 */
import type { Wake } from "../service.ts"
import type { Document } from "./document.ts"
import type { Saver } from "./saver.ts"
import type { Scribe } from "./scribe.ts"
import type { Settings, Time } from "./settings.ts"

/** DC53: for each hundred connections a document gathers for one step of the fine clock. */
const crowd = 100
const stepMs = 10
/** DC70: cursors go out no oftener, nor, in ms, than a document has connections. */
const cursorsMs = 50

export interface PublishingOptions {
  readonly scribe: Scribe
  readonly saver: Saver
  readonly time: Time
  readonly wake: Wake
  readonly settings: Settings
}

export class Publishing {
  /** Flushes that told something, since the start. */
  flushes = 0
  readonly #scribe: Scribe
  readonly #saver: Saver
  readonly #time: Time
  readonly #wake: Wake
  readonly #settings: Settings
  readonly #stirred = new Set<Document>()
  readonly #lagging = new Set<Document>()

  constructor({ scribe, saver, time, wake, settings }: PublishingOptions) {
    this.#scribe = scribe
    this.#saver = saver
    this.#time = time
    this.#wake = wake
    this.#settings = settings
  }

  /** `document` has accepted an edit, or a cursor in it has moved. */
  stir(document: Document): void {
    this.#stirred.add(document)
    this.#wake(this.#isGathering(document) ? 10 : 0)
  }

  /** Journals and tells at once what `document` has accepted: somebody is about to be shown it. */
  now(document: Document): void {
    if (document.isDirty) this.#flush([document])
  }

  /** Journals and tells all there is: the end. */
  all(): void {
    this.#flush([...this.#stirred].filter((document) => document.isDirty))
    for (const document of this.#stirred) document.audience.tellCursors(document)
    this.#stirred.clear()
  }

  tick(): void {
    if (this.#stirred.size > 0) this.#tellStirred()
    if (this.#lagging.size > 0) this.#catchUp()
    if (this.#stirred.size > 0 || this.#lagging.size > 0) this.#wake(10)
  }

  /** An editor of `document` may have been left behind. */
  watch(document: Document): void {
    if (document.audience.isLagging) this.#lagging.add(document)
  }

  /** `document` is gone from memory. */
  forget(document: Document): void {
    this.#stirred.delete(document)
    this.#lagging.delete(document)
  }

  #tellStirred(): void {
    const due = [...this.#stirred].filter((each) => each.isDirty && !this.#isGathering(each))
    if (due.length > 0) this.#flush(due)
    for (const document of this.#stirred) {
      // Positions are of the present revision, and that was not told yet.
      if (document.isDirty) continue
      if (!this.#tellCursors(document)) this.#stirred.delete(document)
    }
  }

  // Returns whether cursors wait.
  #tellCursors(document: Document): boolean {
    if (document.cursors.changed.size === 0) return false
    const { now } = this.#time
    if (now - document.cursorsToldAt < Math.max(cursorsMs, document.connections.size)) return true
    document.cursorsToldAt = now
    document.audience.tellCursors(document)
    this.watch(document)
    return false
  }

  #flush(documents: readonly Document[]): void {
    if (documents.length === 0) return
    this.flushes += 1
    this.#scribe.journal(documents)
    for (const document of documents) {
      document.flushedAt = this.#time.now
      document.audience.deliver(document)
      if (document.letGo() === "renumbered") endPlain(document)
      this.#saver.watch(document)
      this.watch(document)
    }
  }

  #catchUp(): void {
    for (const document of this.#lagging) {
      // Whoever catches up is told all of the window, and that holds what nobody was told yet.
      if (document.isDirty) continue
      document.audience.catchUp(document)
      if (!document.audience.isLagging) this.#lagging.delete(document)
    }
  }

  // Whether the last flush is so short ago that the next one waits.
  #isGathering({ connections, flushedAt }: Document): boolean {
    const gatherMs = Math.min(
      this.#settings.gatherMs,
      stepMs * Math.floor(connections.size / crowd),
    )
    return this.#time.now - flushedAt < gatherMs
  }
}

// Their revisions have other numbers now (DC55).
function endPlain(document: Document): void {
  for (const editor of document.audience) {
    if (editor.shape !== "extended") editor.end("stale-revision", "revisions are numbered anew")
  }
}
