/** Documents as a service holds them, for tests of where they lie. */
import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestContext } from "node:test"
import type { AuthorRow, JournalEntry, PastEdit, Shelf, Snapshot } from "../src/documents/shelf.ts"
import { openShelf, type SqliteShelf } from "../src/documents/shelf-sqlite.ts"
import { codePointCount } from "../src/ot/codepoints.ts"
import { type Component, Operation } from "../src/ot/operation.ts"
import { openStore, type Store } from "../src/store.ts"

/** When the tests take place, ms since 1970. */
export const start = 1_700_000_000_000

/** A fresh folder, removed when the test ends. */
export function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "quartet-shelf-"))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A shelf with the store under it. */
export interface Place {
  readonly store: Store
  readonly shelf: SqliteShelf
}

/** Opens the shelf in `store` as a start of the server does: after a kill, unless the last stop said otherwise. */
export function begin(store: Store, playbackBytes = 1024 * 1024): Place {
  const shelf = openShelf(store, { random: (length) => randomBytes(length), playbackBytes })
  store.tick(start)
  return { store, shelf }
}

/** Opens the file, or a memory, and the shelf in it. It is closed when the test ends. */
export function opened(t: TestContext, uri: string, playbackBytes?: number): Place {
  const store = openStore({ uri })
  t.after(() => store.close())
  return begin(store, playbackBytes)
}

/** The kinds of stores that a shelf lies in: each test of the contract runs over both. */
export const kinds: Readonly<Record<string, (t: TestContext) => string>> = {
  file: (t) => join(folder(t), "quartet.db"),
  memory: () => ":memory:",
}

/** The name of an author's client key, as the shelf has it. */
export function clientOf(name: string): string {
  const client = Buffer.alloc(16)
  client.write(name)
  return client.toString("base64url")
}

/** One document in memory: its text, and what the shelf has not been told to save yet. */
export class Draft {
  readonly id: string
  readonly epoch: string
  text = ""
  revision = 0
  nextUser = 0
  language: string | undefined
  otp: string | undefined
  authorsFloor = 0
  readonly authors = new Map<string, AuthorRow>()
  past: PastEdit[] = []
  /** All that was ever accepted. */
  readonly all: PastEdit[] = []

  constructor(shelf: Shelf, id: string) {
    this.id = id
    this.epoch = shelf.newEpoch()
  }

  /** Accepts `components`, and gives what the journal is to have of it. */
  edit(components: readonly Component[], by?: string): JournalEntry {
    const operation = Operation.from(components)
    const user = this.nextUser
    this.nextUser += 1
    const seq = this.revision + 1
    const author = by === undefined ? undefined : { client: clientOf(by), seq }
    const entry = {
      document: this.id,
      epoch: this.epoch,
      revision: this.revision,
      user,
      author,
      operation,
    }
    this.text = operation.apply(this.text)
    this.revision += 1
    this.past.push({ user, at: start, operation })
    this.all.push({ user, at: start, operation })
    if (by !== undefined && author !== undefined) {
      const row = { client: author.client, user, seq, name: by, hue: 180, seenAt: start }
      this.authors.set(by, row)
    }
    return entry
  }

  /** Accepts `text` at the end. */
  type(text: string, by?: string): JournalEntry {
    const length = codePointCount(this.text)
    return this.edit(length === 0 ? [text] : [length, text], by)
  }

  /** The whole of it as it is to be saved; what was accepted until now counts as saved afterwards. */
  snapshot(accessedAt = start): Snapshot {
    const { id, epoch, text, language, otp, revision, nextUser, authorsFloor, past } = this
    this.past = []
    return {
      id,
      epoch,
      text,
      language,
      otp,
      revision,
      nextUser,
      authorsFloor,
      past,
      accessedAt,
      authors: [...this.authors.values()],
    }
  }
}

/** How many rows there are in a table. */
export function rowsIn(store: Store, table: string): number {
  return store.prepare<{ n: number }>(`SELECT count(*) AS n FROM ${table}`).get()?.n ?? 0
}

/** Takes all room from the disk, until the returned function is called. */
export function fillDisk(store: Store): () => void {
  const pages = store.prepare<{ page_count: number }>("PRAGMA page_count").get()?.page_count ?? 1
  store.prepare(`PRAGMA max_page_count = ${pages}`).get()
  return () => void store.prepare("PRAGMA max_page_count = 1000000").get()
}
