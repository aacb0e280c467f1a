/**
 * The shelf over a Store: documents as rows, their journal, authors and past beside them.
 *
 * What always holds: the text of a row is what its edits up to `revision` made; later ones are in
 * the journal. A row is made by the first edit or the first save of a document, at revision 0, and
 * never again: a later save finds it there or gives the document up (DC29, DC80).
 */
import type { Random } from "../service.ts"
import type { Store } from "../store.ts"
import { rememberedMs } from "./authors.ts"
import { documentEpoch, Journal } from "./journal.ts"
import { LinkRows } from "./link-rows.ts"
import { Past } from "./past.ts"
import { type Recovery, Replay, replayAll } from "./replay.ts"
import { dayMs } from "./settings.ts"
import type { JournalEntry, Milestone, PastEdit, Shelf, Snapshot, Stored } from "./shelf.ts"
import { type Listed, listed, type Statements, statements, tables } from "./tables.ts"

/** What a shelf is opened with. */
export interface ShelfOptions {
  /** Draws epochs and generations. */
  readonly random: Random
  /** Of operations that are kept for each document (DC97); 0 keeps none. */
  readonly playbackBytes: number
}

/** What a program may do beside the server that owns the file. */
export type VisitedShelf = Pick<
  Shelf,
  "load" | "links" | "past" | "oldest" | "count" | "remove" | "expire"
> & {
  /** Up to a thousand documents whose ids come after `after`, in the order of their ids. */
  list(after: string): readonly Listed[]
}

/** Bytes of an epoch and of a generation: two that are drawn never meet. */
const epochBytes = 9
/** After so many deleted rows `expire` begins no further document; the largest has some ten thousand. */
const expireRows = 1_000

/**
 * Opens the shelf for the server that owns the file: brings the tables up to date, replays the
 * journal into the texts, and draws a new generation where the last stop was not in order (DC59).
 */
export function openShelf(store: Store, options: ShelfOptions): SqliteShelf {
  store.migrate("documents", tables)
  return new SqliteShelf(store, options, "own")
}

/**
 * Opens the shelf beside the server, for a store that was opened to visit: a document is loaded
 * with what is journaled of it, and nothing is noted in the file. Reads the whole journal for that.
 */
export function visitShelf(store: Store): VisitedShelf {
  store.migrate("documents", tables)
  return new SqliteShelf(store, { random: neverDrawn, playbackBytes: 0 }, "visit")
}

/** Documents in a store. Made by `openShelf` and `visitShelf`. */
export class SqliteShelf implements Shelf {
  readonly durable: boolean
  readonly keepsPast: boolean
  readonly links: LinkRows
  /** What the journal still held when the shelf was opened. */
  readonly recovery: Recovery
  readonly #store: Store
  readonly #random: Random
  readonly #use: "own" | "visit"
  readonly #journal: Journal
  readonly #past: Past
  readonly #sql: Statements
  #generation: string
  /** Loaded with edits that only the journal had, and not saved since: as bounded as what the journal needs. */
  readonly #replayed = new Set<string>()

  constructor(store: Store, options: ShelfOptions, use: "own" | "visit") {
    this.durable = store.durable
    this.keepsPast = options.playbackBytes > 0
    this.links = new LinkRows(store)
    this.#store = store
    this.#random = options.random
    this.#use = use
    this.#journal = new Journal(store)
    this.#past = new Past(store, options.playbackBytes)
    this.#sql = statements(store)
    const state = this.#sql.state.get()
    this.#generation = state?.generation ?? ""
    this.recovery = use === "own" ? this.#recover() : { documents: 0, edits: 0 }
    if (use === "own") this.#begin(state?.clean === 1)
  }

  otp(id: string): string | null | undefined {
    const row = this.#sql.otp.get({ id })
    return row === undefined ? undefined : row.otp
  }

  load(id: string): Stored | undefined {
    const stored = this.#stored(id)
    const from = this.#use === "visit" ? 0 : this.#journal.neededFrom(id)
    if (stored === undefined || from === undefined) return stored
    // Its last edits were acknowledged, and it left memory before they could be saved (DC51).
    this.#replayed.add(id)
    return this.#replay(stored, from).result
  }

  newEpoch(): string {
    return `${this.#draw()}.${this.#generation}`
  }

  append(entries: readonly JournalEntry[], now: number): void {
    this.#journal.append(entries, now)
  }

  save(snapshots: readonly Snapshot[]): ReadonlySet<string> {
    const refused = new Set<string>()
    const settled = new Map<string, number>()
    const trimmed = this.#store.transaction(() => {
      for (const snapshot of snapshots) {
        const isSaved = this.#write(this.#whole(snapshot))
        if (!isSaved) refused.add(snapshot.id)
        settled.set(snapshot.id, isSaved ? snapshot.revision : Number.POSITIVE_INFINITY)
      }
      return this.#journal.trim(settled)
    })
    trimmed()
    for (const { id } of snapshots) this.#replayed.delete(id)
    return refused
  }

  setLanguage(id: string, language: string): void {
    this.#sql.setLanguage.run({ id, language })
  }

  touch(id: string, accessedAt: number): void {
    this.#sql.touch.run({ id, accessedAt })
  }

  setRetention(id: string, days: number | undefined): void {
    this.#sql.setRetention.run({ id, days: days ?? null })
  }

  past(id: string, from: number, limit: number): readonly PastEdit[] | undefined {
    const row = this.#sql.head.get({ id })
    if (row === undefined) return undefined
    return from >= row.revision ? [] : this.#past.read(id, from, limit)
  }

  milestone(id: string, revision: number): Milestone | undefined {
    return this.#past.milestone(id, revision)
  }

  saved(id: string): Milestone | undefined {
    return this.#sql.saved.get({ id })
  }

  oldest(id: string): number | undefined {
    return this.#past.oldest(id)
  }

  missing(ids: readonly string[]): readonly string[] {
    const present = new Set(this.#sql.present.all({ ids: JSON.stringify(ids) }).map(({ id }) => id))
    const missing = ids.filter((id) => !present.has(id))
    for (const id of missing) this.#forget(id)
    return missing
  }

  remove(id: string): void {
    this.#store.transaction(() => this.#delete(id))
    this.#forget(id)
  }

  expire(now: number, retentionDays: number, keep: ReadonlySet<string>): number {
    const kept = JSON.stringify([...keep])
    // A document's own days are one at least.
    const before = now - dayMs * (retentionDays > 0 ? Math.min(1, retentionDays) : 1)
    const expired: string[] = []
    this.#store.transaction(() => {
      let rows = 0
      const due = this.#sql.expired.all({ now, before, days: retentionDays, kept })
      for (const { id } of due) {
        if (rows >= expireRows) break
        rows += this.#delete(id)
        expired.push(id)
      }
    })
    for (const id of expired) this.#forget(id)
    this.#sql.expireLinks.run({ now })
    this.#forgetAuthors(now - rememberedMs, kept)
    return expired.length
  }

  list(after: string): readonly Listed[] {
    return this.#sql.list.all({ after }).map(listed)
  }

  count(): number {
    return this.#sql.count.get()?.count ?? 0
  }

  sync(answer: () => void): void {
    this.#store.sync(answer)
  }

  markClean(): void {
    this.#sql.setClean.run()
  }

  // May be cut off anywhere and run again: what is saved already is skipped.
  #recover(): Recovery {
    return replayAll(this.#journal, {
      load: (id) => this.#stored(id),
      save: (snapshots) => {
        this.#store.transaction(() => {
          for (const snapshot of snapshots) this.#write(snapshot)
        })
      },
    })
  }

  // From here on a stop that is not in order shows: the file says that it is in use.
  #begin(wasClean: boolean): void {
    if (!wasClean) this.#generation = this.#draw()
    this.#store.transaction(() => {
      this.#journal.clear()
      this.#sql.dropState.run()
      this.#sql.putState.run({ generation: this.#generation })
    })
  }

  #stored(id: string): Stored | undefined {
    const row = this.#sql.document.get({ id })
    if (row === undefined) return undefined
    // SQLite lets any column hold anything; another program may have made use of that.
    if (typeof row.text !== "string") throw new Error("the row of a document is not text")
    return {
      id,
      text: row.text,
      language: row.language ?? undefined,
      otp: row.otp ?? undefined,
      epoch: `${row.epoch}.${this.#generation}`,
      revision: row.revision,
      nextUser: row.next_user,
      authors: this.#sql.authors.all({ id }).map((author) => ({
        client: Buffer.from(author.client).toString("base64url"),
        user: author.user,
        seq: author.seq,
        name: author.name ?? undefined,
        hue: author.hue ?? undefined,
        seenAt: author.seen_at,
      })),
      authorsFloor: row.authors_floor,
      accessedAt: row.accessed_at ?? undefined,
      retentionDays: row.retention_days ?? undefined,
    }
  }

  #replay(stored: Stored, from: number): Replay {
    const replay = new Replay(stored)
    this.#journal.read(from, (entry) => {
      if (entry.document === stored.id) replay.apply(entry)
    })
    return replay
  }

  // What was replayed while loading is in the text, but its past and authors are not stored yet.
  #whole(snapshot: Snapshot): Snapshot {
    const from = this.#journal.neededFrom(snapshot.id)
    const stored = this.#replayed.has(snapshot.id) ? this.#stored(snapshot.id) : undefined
    if (from === undefined || stored === undefined) return snapshot
    const replay = this.#replay(stored, from)
    const unknown = snapshot.revision - snapshot.past.length - stored.revision
    return {
      ...snapshot,
      past: [...replay.past.slice(0, unknown), ...snapshot.past],
      // The later row wins: what the document knows is newer.
      authors: [...replay.raised, ...snapshot.authors],
    }
  }

  // Compare and set (DC80). False if the row is gone, of another epoch, or ahead.
  #write(snapshot: Snapshot): boolean {
    const { id, revision, authorsFloor } = snapshot
    const epoch = documentEpoch(snapshot.epoch)
    const row = this.#sql.head.get({ id })
    if (row === undefined && revision > 0) return false
    if (row !== undefined && (row.epoch !== epoch || row.revision > revision)) return false
    if (row !== undefined) this.#past.add(snapshot, row.revision)
    this.#sql.put.run({
      id,
      text: snapshot.text,
      language: snapshot.language ?? null,
      otp: snapshot.otp ?? null,
      epoch,
      revision,
      nextUser: snapshot.nextUser,
      accessedAt: snapshot.accessedAt,
      authorsFloor,
    })
    for (const author of snapshot.authors) {
      this.#sql.putAuthor.run({
        id,
        client: Buffer.from(author.client, "base64url"),
        user: author.user,
        seq: author.seq,
        name: author.name ?? null,
        hue: author.hue ?? null,
        seenAt: author.seenAt,
      })
    }
    if (authorsFloor > (row?.authors_floor ?? 0)) this.#sql.dropAuthors.run({ id, authorsFloor })
    return true
  }

  // How many rows went.
  #delete(id: string): number {
    return this.#sql.deletions.reduce((rows, deletion) => rows + deletion.run({ id }), 0)
  }

  // Or the journal would be kept for it for ever.
  #forget(id: string): void {
    this.#journal.forget(id)
    this.#replayed.delete(id)
  }

  // A forgotten key leaves behind when it was seen: an edit sent later was never applied (DC46).
  #forgetAuthors(seenBefore: number, kept: string): void {
    this.#store.transaction(() => {
      for (const { document, client, seen_at } of this.#sql.oldAuthors.all({ seenBefore, kept })) {
        this.#sql.raiseFloor.run({ id: document, seen: seen_at })
        this.#sql.deleteAuthor.run({ id: document, client })
      }
    })
  }

  #draw(): string {
    return Buffer.from(this.#random(epochBytes)).toString("base64url")
  }
}

function neverDrawn(): never {
  throw new Error("never: a visitor makes no document")
}
