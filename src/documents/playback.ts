/**
 * The past of a document: its text at any revision that is kept, and what was accepted since, out
 * of memory and off the shelf (DC97).
 *
 * What always holds: only what is journaled is given out; nothing is loaded into memory for it and
 * nothing changes. The text at a revision is an older text with the operations up to there, and the
 * shelf keeps texts so close together that this is some thousand operations at the most.
 */
import type { Log } from "../log.ts"
import { type Entry, weigh } from "../ot/history.ts"
import { Pieces } from "../ot/pieces.ts"
import type { Info } from "../wire/documents-shapes.ts"
import type { Document } from "./document.ts"
import { type Caller, reading } from "./gate.ts"
import { playedBytes } from "./settings.ts"
import type { Milestone, PastEdit, Shelf } from "./shelf.ts"

export interface PlaybackOptions {
  readonly shelf: Shelf
  readonly log: Log
  /**
   * The document that `name`, an id or a link, leads to, as `caller` may see it; undefined for one
   * that is unknown. Throws what `Documents.open` throws.
   */
  readonly look: (name: string, caller: Caller) => Document | undefined
}

/** What is asked for: the text at `from`, and at most `limit` operations after it. */
export interface Stretch {
  /** Undefined for the oldest that is kept. */
  readonly from: number | undefined
  readonly limit: number
}

/** A stretch of the past. "gone": its beginning is not kept. "ahead": it was never reached. */
export type Played =
  | {
      readonly kind: "played"
      readonly epoch: string
      /** The present one. */
      readonly revision: number
      /** The oldest one that is kept. */
      readonly first: number
      readonly from: number
      readonly text: string
      readonly operations: readonly PastEdit[]
      /** Those authors of the operations that have a name, by user id. */
      readonly authors: ReadonlyMap<number, Info>
    }
  | { readonly kind: "gone" }
  | { readonly kind: "ahead"; readonly revision: number }

/** Every text begins as this. */
const beginning: Milestone = { revision: 0, text: "" }

export class Playback {
  readonly #options: PlaybackOptions

  constructor(options: PlaybackOptions) {
    this.#options = options
  }

  /** Plays a stretch of a document to `caller`: fewer operations than asked for where they are large. */
  play(name: string, caller: Caller, { from, limit }: Stretch): Played {
    const document = this.#options.look(name, caller)
    if (!this.#options.shelf.keepsPast) return { kind: "gone" }
    if (document === undefined) return unknown(from)
    const { epoch, revision } = document
    const first = this.#first(document)
    const start = from ?? first
    if (start > revision) return { kind: "ahead", revision }
    const text = this.textAt(document, start)
    const since = this.since(document, start, limit)
    if (text === undefined || since === undefined) return { kind: "gone" }
    const operations = atOnce(since)
    const authors = authorsOf(document, operations)
    return { kind: "played", epoch, revision, first, from: start, text, operations, authors }
  }

  /** The text of `document` at `revision`; undefined when it is not kept, or not reached yet. */
  textAt(document: Document, revision: number): string | undefined {
    if (revision === document.revision) return document.text
    if (revision > document.revision) return undefined
    const { shelf, log } = this.#options
    const { id } = document
    const kept = reading(log, () => [shelf.saved(id), shelf.milestone(id, revision)])
    const older = kept
      .filter((each) => each !== undefined && each.revision <= revision)
      .reduce<Milestone>(
        (best, each) => (each && each.revision > best.revision ? each : best),
        beginning,
      )
    const operations = this.since(document, older.revision, revision - older.revision)
    if (operations?.length !== revision - older.revision) return undefined
    const pieces = Pieces.of(older.text)
    for (const { operation } of operations) pieces.apply(operation)
    return pieces.toString()
  }

  /**
   * Up to `limit` operations of `document` from `revision` on, oldest first; undefined when they are
   * not kept, or `revision` is not reached yet.
   */
  since(document: Document, revision: number, limit: number): readonly PastEdit[] | undefined {
    const recent = document.past(revision)
    if (recent !== undefined) return recent.slice(0, limit)
    if (revision > document.revision) return undefined
    const { shelf, log } = this.#options
    const { unsavedFrom } = document
    const wanted = Math.min(limit, unsavedFrom - revision)
    const stored = reading(log, () => shelf.past(document.id, revision, wanted))
    if (stored?.length !== wanted) return undefined
    return [...stored, ...(document.past(unsavedFrom) ?? []).slice(0, limit - wanted)]
  }

  /** The revision that the one edit of `user` made; undefined when it is not kept. */
  revisionBy(document: Document, user: number): number | undefined {
    const first = Math.min(document.unsavedFrom, document.history.first)
    const recent = indexOf(document.past(first) ?? [], user)
    if (recent !== undefined) return first + recent + 1
    const { shelf, log } = this.#options
    const oldest = this.#first(document)
    const stored = reading(log, () => shelf.past(document.id, oldest, document.revision - oldest))
    const index = indexOf(stored ?? [], user)
    return index === undefined ? undefined : oldest + index + 1
  }

  // The oldest revision that can be played.
  #first(document: Document): number {
    if (document.past(0) !== undefined) return 0
    const { shelf, log } = this.#options
    const { id, revision } = document
    const oldest = reading(log, () => shelf.oldest(id) ?? shelf.saved(id)?.revision)
    if (oldest === undefined || oldest > revision) return revision
    return this.since(document, oldest, 1) === undefined ? revision : oldest
  }
}

// Looks like an empty one.
function unknown(from: number | undefined): Played {
  if (from !== undefined && from > 0) return { kind: "ahead", revision: 0 }
  const nobody = new Map<number, Info>()
  const nothing = { first: 0, from: 0, text: "", operations: [], authors: nobody }
  return { kind: "played", epoch: "new", revision: 0, ...nothing }
}

// As many as one answer carries, but one in any case.
function atOnce(operations: readonly PastEdit[]): readonly PastEdit[] {
  let bytes = 0
  const end = operations.findIndex(({ operation }, index) => {
    bytes += weigh(operation)
    return bytes > playedBytes && index > 0
  })
  return end < 0 ? operations : operations.slice(0, end)
}

function authorsOf(document: Document, operations: readonly PastEdit[]): ReadonlyMap<number, Info> {
  const users = new Set(operations.map(({ user }) => user))
  const authors = new Map<number, Info>()
  for (const { user, name, hue } of document.authors) {
    if (users.has(user) && name !== undefined) authors.set(user, { name, hue: hue ?? 0 })
  }
  // Who is here now knows best what it is called.
  for (const { user, info } of document.audience) {
    if (users.has(user) && info !== undefined) authors.set(user, info)
  }
  return authors
}

function indexOf(entries: readonly Pick<Entry, "user">[], user: number): number | undefined {
  const index = entries.findLastIndex((entry) => entry.user === user)
  return index < 0 ? undefined : index
}
