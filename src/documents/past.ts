/**
 * What was accepted before the saved text: operations in rows, and now and then a text to start
 * from, so that those who were away catch up and the past can be played back (DC58, DC97).
 *
 * What always holds for each document: its rows follow one another without a hole, the last one
 * ends at the saved revision, and together they are no larger than the limit; the oldest go first.
 */
import { type Component, Operation } from "../ot/operation.ts"
import type { Statement, Store } from "../store.ts"
import type { Milestone, PastEdit, Snapshot } from "./shelf.ts"

/** A longer row is written as two, so that who needs a few operations reads little else. */
const rowBytes = 64 * 1024
/** A text to start from is kept after so many revisions, or so many bytes of operations. */
const milestoneRevisions = 2_000
const milestoneBytes = 256 * 1024

/** Operations from revision `first` to `last`: `[[user, at, components], …]`. */
interface Row {
  readonly first: number
  readonly last: number
  readonly at: number
  readonly entries: string
}

/** The past of all documents of a shelf. */
export class Past {
  readonly #limitBytes: number
  readonly #insert: Statement<never>
  readonly #read: Statement<Row>
  readonly #before: Statement<{ last: number | null; bytes: number }>
  readonly #oldest: Statement<{ last: number; bytes: number }>
  readonly #milestone: Statement<Milestone>
  readonly #first: Statement<{ revision: number | null }>
  readonly #mark: Statement<never>
  readonly #dropRows: Statement<never>
  readonly #dropMilestones: Statement<never>

  /** `limitBytes` are for the operations of each document; with 0 nothing is kept. */
  constructor(store: Store, limitBytes: number) {
    this.#limitBytes = limitBytes
    this.#insert = store.prepare(
      "INSERT OR REPLACE INTO history VALUES (:document, :first, :last, :at, :entries)",
    )
    this.#read = store.prepare(`SELECT first, last, at, entries FROM history
      WHERE document = :document AND last > :from ORDER BY first LIMIT 8`)
    // octet_length needs the head of a row only.
    this.#before = store.prepare(`SELECT max(last) AS last,
      coalesce(sum(octet_length(entries)), 0) AS bytes FROM history
      WHERE document = :document AND first >= :from AND first < :to`)
    this.#oldest = store.prepare(`SELECT last, octet_length(entries) AS bytes FROM history
      WHERE document = :document ORDER BY first LIMIT 64`)
    this.#milestone = store.prepare(`SELECT revision, text FROM milestone
      WHERE document = :document AND revision <= :revision ORDER BY revision DESC LIMIT 1`)
    this.#first = store.prepare(
      "SELECT min(revision) AS revision FROM milestone WHERE document = :document",
    )
    this.#mark = store.prepare(`INSERT OR REPLACE INTO milestone
      SELECT id, revision, text FROM document WHERE id = :document`)
    this.#dropRows = store.prepare(
      "DELETE FROM history WHERE document = :document AND first < :from",
    )
    this.#dropMilestones = store.prepare(
      "DELETE FROM milestone WHERE document = :document AND revision < :from",
    )
  }

  /**
   * Keeps what `snapshot` brings, as far as there is room. `stored` is the revision of the
   * document's row, which is replaced afterwards: its text may become a milestone here.
   */
  add(snapshot: Snapshot, stored: number): void {
    const { id: document, past, revision } = snapshot
    if (revision === stored && past.length === 0) return
    const first = revision - past.length
    const rows = rowsOf(past, first)
    let bytes = rows.reduce((sum, row) => sum + Buffer.byteLength(row.entries), 0)
    let start = first
    while (bytes > this.#limitBytes) {
      const row = rows.shift()
      if (row === undefined) break
      bytes -= Buffer.byteLength(row.entries)
      start = row.last
    }
    // Rows from `first` on are there when a save comes twice; they are replaced.
    const before = this.#before.get({ document, from: 0, to: first })
    if (start > first || before?.last !== first) this.#dropBefore(document, start)
    else bytes += before.bytes
    if (stored === start && rows.length > 0) this.#markIfDue(document, start)
    for (const row of rows) this.#insert.run({ document, ...row })
    this.#makeRoom(document, bytes - this.#limitBytes)
  }

  /** Up to `limit` operations from revision `from` on, oldest first; undefined when `from` is not kept. */
  read(document: string, from: number, limit: number): readonly PastEdit[] | undefined {
    const edits: PastEdit[] = []
    let next = from
    do {
      const rows = this.#read.all({ document, from: next })
      if (rows.length === 0) break
      for (const row of rows) {
        if (row.first > next) return undefined
        edits.push(...editsOf(row).slice(next - row.first))
        next = row.last
      }
    } while (edits.length < limit)
    return next === from ? undefined : edits.slice(0, limit)
  }

  /** The newest text that is kept of a revision no higher than `revision`. */
  milestone(document: string, revision: number): Milestone | undefined {
    return this.#milestone.get({ document, revision })
  }

  /** The oldest revision of which a text is kept; undefined when there is none. */
  oldest(document: string): number | undefined {
    return this.#first.get({ document })?.revision ?? undefined
  }

  // The document's row still holds the text that the new operations begin with.
  #markIfDue(document: string, revision: number): void {
    const last = this.milestone(document, revision)?.revision
    if (last !== undefined && revision - last < milestoneRevisions) {
      const since = this.#before.get({ document, from: last, to: revision })
      if (since !== undefined && since.bytes < milestoneBytes) return
    }
    this.#mark.run({ document })
  }

  #makeRoom(document: string, excess: number): void {
    let left = excess
    while (left > 0) {
      let end: number | undefined
      for (const row of this.#oldest.all({ document })) {
        if (left <= 0) break
        left -= row.bytes
        end = row.last
      }
      if (end === undefined) return
      this.#dropBefore(document, end)
    }
  }

  // Milestones go with the rows that lead on from them.
  #dropBefore(document: string, from: number): void {
    this.#dropRows.run({ document, from })
    this.#dropMilestones.run({ document, from })
  }
}

/** `past` in rows of about `rowBytes`, written for a text at revision `first`. */
function rowsOf(past: readonly PastEdit[], first: number): Row[] {
  const rows: Row[] = []
  let entries: string[] = []
  let length = 0
  let start = first
  for (const [index, { user, at, operation }] of past.entries()) {
    const entry = JSON.stringify([user, at, operation.components])
    entries.push(entry)
    length += entry.length
    if (length < rowBytes && index < past.length - 1) continue
    const last = start + entries.length
    rows.push({ first: start, last, at, entries: `[${entries.join(",")}]` })
    start = last
    entries = []
    length = 0
  }
  return rows
}

// Written by `rowsOf`, so it is taken at its word; what a broken disk made of it throws.
function editsOf(row: Row): readonly PastEdit[] {
  const entries = JSON.parse(row.entries) as readonly [number, number, readonly Component[]][]
  return entries.map(([user, at, components]) => ({
    user,
    at,
    operation: Operation.from(components),
  }))
}
