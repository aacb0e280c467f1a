/**
 * Brings a stored document up to its last whole journal entry: after a stop that saved nothing,
 * and when a document is loaded whose save is still to come.
 *
 * What always holds: only the entry that comes next in the document's own line of history is
 * applied. The first one that is torn or missing ends it, and nothing after it is guessed (DC83).
 */
import { Operation } from "../ot/operation.ts"
import { Pieces } from "../ot/pieces.ts"
import { documentEpoch, type Journal, type ReadEntry } from "./journal.ts"
import type { AuthorRow, PastEdit, Snapshot, Stored } from "./shelf.ts"

/** What the journal still held when a shelf was opened. */
export interface Recovery {
  /** Edits that were not in their texts yet. */
  readonly edits: number
  /** How many texts changed. */
  readonly documents: number
}

/** How `replayAll` gets at documents. */
export interface Texts {
  load(id: string): Stored | undefined
  /** In one transaction. */
  save(snapshots: readonly Snapshot[]): void
}

/** Edits, and UTF-16 units of text, that are gathered before they are saved: some hundred MB in all. */
const gatheredEdits = 100_000
const gatheredUnits = 256 * 1024 * 1024
/** Documents that are saved in one transaction. */
const savedTogether = 100

/** Replays the whole journal and saves what it changes. Run again, it changes nothing more. */
export function replayAll(journal: Journal, texts: Texts): Recovery {
  const replays = new Map<string, Replay | undefined>()
  const changed = new Set<string>()
  let edits = 0
  let gathered = 0
  let units = 0
  const replayOf = (id: string) => {
    if (replays.has(id)) return replays.get(id)
    const stored = texts.load(id)
    const replay = stored === undefined ? undefined : new Replay(stored)
    replays.set(id, replay)
    units += stored?.text.length ?? 0
    return replay
  }
  const save = () => {
    const due = [...replays.values()].filter((replay) => (replay?.past.length ?? 0) > 0)
    for (let at = 0; at < due.length; at += savedTogether) {
      texts.save(due.slice(at, at + savedTogether).flatMap((replay) => replay?.snapshot ?? []))
    }
    replays.clear()
    gathered = 0
    units = 0
  }
  const visit = (entry: ReadEntry) => {
    if (replayOf(entry.document)?.apply(entry) !== true) return
    changed.add(entry.document)
    edits += 1
    gathered += 1
  }
  journal.read(0, visit, () => {
    if (gathered >= gatheredEdits || units >= gatheredUnits) save()
  })
  save()
  return { edits, documents: changed.size }
}

/** One stored document, and what is replayed into it. */
export class Replay {
  readonly stored: Stored
  /** Of what was replayed, oldest first. */
  readonly past: PastEdit[] = []
  readonly #epoch: string
  // Both are made with the first entry: most documents of a long journal are saved and need neither.
  #pieces: Pieces | undefined
  #authors: Map<string, AuthorRow> | undefined
  readonly #raised = new Set<string>()
  #nextUser: number

  constructor(stored: Stored) {
    this.stored = stored
    this.#epoch = documentEpoch(stored.epoch)
    this.#nextUser = stored.nextUser
  }

  /** Applies `entry` if it is the next one of this document. Returns whether it was. */
  apply(entry: ReadEntry): boolean {
    // A lower revision is in the text already; a higher one has lost the one before it.
    if (entry.revision !== this.#revision || entry.epoch !== this.#epoch) return false
    let operation: Operation
    try {
      operation = Operation.from(entry.components)
      this.#pieces ??= Pieces.of(this.stored.text)
      this.#pieces.apply(operation)
    } catch {
      return false // torn, which is as good as missing
    }
    this.#nextUser = Math.max(this.#nextUser, entry.user + 1)
    this.past.push({ user: entry.user, at: entry.at, operation })
    if (entry.client !== undefined) this.#raise(entry.client, entry)
    return true
  }

  /** The document with what was replayed. */
  get result(): Stored {
    const authors = this.#authors === undefined ? this.stored.authors : [...this.#authors.values()]
    return {
      ...this.stored,
      text: this.#pieces?.toString() ?? this.stored.text,
      revision: this.#revision,
      nextUser: this.#nextUser,
      authors,
    }
  }

  /** The document with what was replayed, as it is to be saved. It was last used when its last edit came. */
  get snapshot(): Snapshot {
    return {
      ...this.result,
      accessedAt: this.past.at(-1)?.at ?? 0,
      authors: this.raised,
      past: this.past,
    }
  }

  /** Those authors whose numbers the replayed entries raised. */
  get raised(): readonly AuthorRow[] {
    return [...(this.#authors ?? [])]
      .filter(([client]) => this.#raised.has(client))
      .map(([, row]) => row)
  }

  get #revision(): number {
    return this.stored.revision + this.past.length
  }

  #raise(client: string, { user, seq, at }: ReadEntry): void {
    this.#authors ??= new Map(this.stored.authors.map((row) => [row.client, row]))
    this.#raised.add(client)
    const known = this.#authors.get(client)
    this.#authors.set(client, {
      client,
      user,
      seq: Math.max(known?.seq ?? 0, seq),
      name: known?.name,
      hue: known?.hue,
      seenAt: Math.max(known?.seenAt ?? 0, at),
    })
  }
}
