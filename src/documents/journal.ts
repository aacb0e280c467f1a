/**
 * The journal: accepted edits of all documents in the order in which they were accepted, one row
 * for each flush, until the texts that hold them are saved.
 *
 * What always holds: a row stays as long as a document has an edit in it, or in an older row, that
 * its saved text does not have; `#needs` says which, in the order of the rows, so the first of it is
 * the oldest. It holds a document only between an edit and the save of it, and is as bounded.
 */
import type { Component } from "../ot/operation.ts"
import type { Statement, Store } from "../store.ts"
import type { JournalEntry } from "./shelf.ts"

/** Rows that one save lets go of at most: some ms of work. What is left goes with the next ones. */
const trimRows = 10_000
/** Rows that are read at once while replaying: some hundred KB of a busy server. */
const readRows = 256

interface Row {
  readonly id: number
  readonly at: number
  readonly entries: string
}

/** What a document still needs of the journal. */
interface Need {
  /** The row with its first edit that is not saved. */
  readonly row: number
  /** The revision after its last edit in the journal. */
  revision: number
}

/** An entry as it is read back; `epoch` is the document's, without the generation of the file. */
export interface ReadEntry {
  readonly document: string
  readonly epoch: string
  readonly revision: number
  readonly user: number
  /** The name of its author's client key. */
  readonly client: string | undefined
  readonly seq: number
  readonly components: readonly Component[]
  readonly at: number
}

/** The part of an epoch that lies with the document; behind the dot is the generation (DC59). */
export function documentEpoch(epoch: string): string {
  return epoch.slice(0, epoch.indexOf("."))
}

/** The journal of one shelf. Its rows are numbered here, so only one shelf may write to a file. */
export class Journal {
  readonly #store: Store
  readonly #insert: Statement<never>
  readonly #create: Statement<never>
  readonly #select: Statement<Row>
  readonly #delete: Statement<never>
  readonly #needs = new Map<string, Need>()
  /** Rows have the ids from `#first` to below `#next`. */
  #first = 1
  #next = 1

  constructor(store: Store) {
    this.#store = store
    this.#insert = store.prepare("INSERT INTO journal VALUES (:id, :at, :entries)")
    this.#create = store.prepare(`INSERT INTO document
      (id, text, epoch, revision, next_user, accessed_at, created_at, updated_at)
      VALUES (:id, '', :epoch, 0, 0, :at, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)
      ON CONFLICT DO NOTHING`)
    this.#select = store.prepare(`SELECT id, at, entries FROM journal WHERE id >= :from
      ORDER BY id LIMIT ${readRows}`)
    this.#delete = store.prepare("DELETE FROM journal WHERE id < :end")
  }

  /** Writes one row. An entry at revision 0 also makes the row of its document, empty, if there is none. */
  append(entries: readonly JournalEntry[], at: number): void {
    if (entries.length === 0) return
    const row = { id: this.#next, at, entries: JSON.stringify(entries.map(written)) }
    const fresh = entries.filter(({ revision }) => revision === 0)
    if (fresh.length === 0) {
      this.#insert.run(row)
    } else {
      this.#store.transaction(() => {
        for (const { document, epoch } of fresh) {
          this.#create.run({ id: document, epoch: documentEpoch(epoch), at })
        }
        this.#insert.run(row)
      })
    }
    this.#next += 1
    for (const { document, revision } of entries) {
      const need = this.#needs.get(document)
      if (need !== undefined) need.revision = revision + 1
      else this.#needs.set(document, { row: row.id, revision: revision + 1 })
    }
  }

  /** The first row with an edit of `document` that is not saved; undefined if there is none. */
  neededFrom(document: string): number | undefined {
    return this.#needs.get(document)?.row
  }

  /**
   * Deletes the rows that nobody needs once the documents of `settled` are saved at these
   * revisions. Part of the save's transaction; what it returns is to be called once that is committed.
   */
  trim(settled: ReadonlyMap<string, number>): () => void {
    const isSettled = (id: string, need: Need) => (settled.get(id) ?? -1) >= need.revision
    let end = this.#next
    for (const [id, need] of this.#needs) {
      if (isSettled(id, need)) continue
      end = need.row
      break
    }
    end = Math.min(end, this.#first + trimRows)
    if (end > this.#first) this.#delete.run({ end })
    return () => {
      this.#first = Math.max(end, this.#first)
      for (const id of settled.keys()) {
        const need = this.#needs.get(id)
        if (need !== undefined && isSettled(id, need)) this.#needs.delete(id)
      }
    }
  }

  /** `document` is gone and needs nothing any more. */
  forget(document: string): void {
    this.#needs.delete(document)
  }

  /** Deletes all rows: everything in them is saved, or can never be. */
  clear(): void {
    this.#delete.run({ end: Number.MAX_SAFE_INTEGER })
  }

  /**
   * Gives each whole entry from row `from` on to `visit`, oldest first. A row that is torn is left
   * out; whose edits were in it finds a gap. `rest` is called now and then, between two rows.
   */
  read(from: number, visit: (entry: ReadEntry) => void, rest: () => void = () => {}): void {
    let next = from
    for (;;) {
      const rows = this.#select.all({ from: next })
      const last = rows.at(-1)
      if (last === undefined) return
      for (const row of rows) {
        for (const entry of parseRow(row)) visit(entry)
      }
      next = last.id + 1
      rest()
    }
  }
}

function written(entry: JournalEntry): readonly unknown[] {
  const { document, epoch, revision, user, author, operation } = entry
  const client = author?.client ?? null
  const seq = author?.seq ?? null
  return [document, documentEpoch(epoch), revision, user, client, seq, operation.components]
}

function parseRow(row: Row): readonly ReadEntry[] {
  let entries: unknown
  try {
    entries = JSON.parse(row.entries)
  } catch {
    return [] // torn: a whole row is all that counts
  }
  if (!Array.isArray(entries)) return []
  return entries.flatMap((entry: unknown) => parseEntry(entry, row.at) ?? [])
}

// The journal is our own; this only tells an entry from what a broken disk may have made of it.
function parseEntry(entry: unknown, at: number): ReadEntry | undefined {
  if (!Array.isArray(entry) || entry.length !== 7) return undefined
  const [document, epoch, revision, user, client, seq, components] = entry as unknown[]
  if (typeof document !== "string" || typeof epoch !== "string") return undefined
  if (!isCount(revision) || !isCount(user) || !Array.isArray(components)) return undefined
  const author = typeof client === "string" && isCount(seq) ? { client, seq } : undefined
  if (author === undefined && client !== null) return undefined
  return {
    document,
    epoch,
    revision,
    user,
    client: author?.client,
    seq: author?.seq ?? 0,
    components,
    at,
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
