/**
 * The one SQLite file, or `:memory:`. Home of node:sqlite, with the three files beside it:
 * store-file (where it lies, who may use it), store-disk (waiting for the disk, checkpoints) and
 * store-worker (the thread for both).
 *
 * What always holds: one process owns a file at a time (SV4); what was committed outlives the
 * process, and before the first `tick` the machine as well; a read that fails throws and is never
 * taken for "nothing there". A write that fails throws and leaves the file as it was.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite"
import { Log } from "./log.ts"
import type { Undo, Wake } from "./service.ts"
import { type Disk, FileDisk, immediateDisk } from "./store-disk.ts"
import {
  beginCopy,
  checkPresent,
  claim,
  Damage,
  describe,
  dropCopy,
  finishCopy,
  isDamage,
  isFault,
  locate,
} from "./store-file.ts"

export type Value = string | number | bigint | Uint8Array | null

/** A prepared statement. A missing row is undefined; a read that fails throws. The two never share a value. */
export interface Statement<Row> {
  get(values?: Readonly<Record<string, Value>>): Row | undefined
  all(values?: Readonly<Record<string, Value>>): Row[]
  /** How many rows it changed. */
  run(values?: Readonly<Record<string, Value>>): number
}

/** The SQLite file, or `:memory:`. Synchronous on purpose: a commit is a write into the log, no wait for the disk. */
export interface Store {
  /** Whether what is committed outlives the process. */
  readonly durable: boolean
  /** Whether the last read and the last write succeeded: what `/health` tells. */
  readonly healthy: boolean
  /** Runs those `steps` of `owner` that this file has not seen, in order, in one transaction. Steps are never edited. Throws one sentence for a file of a newer release. */
  migrate(owner: string, steps: readonly Step[]): void
  /** A statement for many runs; `Row` is what whoever writes the SQL says of it. Throws for SQL that SQLite does not take. */
  prepare<Row>(sql: string): Statement<Row>
  /** Runs `work` as one write: all of it or, where it throws, nothing. Throws inside of another. */
  transaction<T>(work: () => T): T
  /** Answers when all that was committed before is on the disk. Runs beside the event loop, one at a time. */
  sync(answer: () => void): void
  /** Rids the log as well of what was deleted: beside the event loop, soon after. The file itself never keeps it. */
  scrub(): void
  /** Copies the file while it is used, but for the rows of the tables `without`. Rejects when `path` exists already. */
  backup(path: string, without?: readonly string[]): Promise<void>
  /**
   * It is `now`, in ms since 1970: starts what is due beside the loop, a sync or a checkpoint.
   *
   * Until the first one every commit waits for the disk, so what the start writes is durable
   * before the first far end comes; a program that never ticks keeps it so.
   */
  tick(now: number): void
  /** Waits up to 2 s for a checkpoint that runs, and lets the file go. */
  close(): void
}

/** SQL, or a function of the store where the SQL depends on what the file already holds. */
export type Step = string | ((store: Store) => void)

/** What a store is opened with. */
export interface StoreOptions {
  /** A path, a `file:` URI or `:memory:`. */
  readonly uri: string
  /**
   * "own" (the default) keeps every other process from owning the file, and creates it where it is
   * missing. "visit" works on a file beside the process that owns it, as the CLI does: it creates
   * and migrates nothing, and each of its commits waits for the disk.
   */
  readonly use?: "own" | "visit"
  /** Ms between two waits for the disk (DC49), 50 unless told. 0 makes each commit wait for it. */
  readonly syncIntervalMs?: number
  /** Asked for a tick when something committed waits to be synced. */
  readonly wake?: Wake
  readonly log?: Log
}

/** Ms that a statement waits while another connection writes: the CLI, or the end of a checkpoint. */
const busyMs = 1_000
/** Ms between two tries to write while the store cannot be written to. */
const probeMs = 1_000
/** A larger file is not read through at the start: 200 MB take 50 ms when the kernel has them, more from a disk. */
const checkedBytes = 1024 ** 3

/**
 * Opens the file and takes it for this process alone.
 *
 * Throws one sentence for a person when the file is in use, damaged or cannot be opened (SV3).
 */
export function openStore(options: StoreOptions): Store {
  const { uri, use = "own", syncIntervalMs = 50, wake = () => {} } = options
  const log = options.log ?? new Log("silent")
  const path = locate(uri)
  if (path === undefined) {
    const connection = connect(":memory:")
    return new SqliteStore(connection, { path, use: "own", disk: immediateDisk(connection) })
  }
  let connection: DatabaseSync | undefined
  let release: Undo | undefined
  try {
    if (use === "own") release = claim(path)
    else checkPresent(path)
    connection = connect(path)
    if (use === "visit") {
      return new SqliteStore(connection, { path, use, disk: immediateDisk(connection) })
    }
    check(connection)
    // SQLite's own name of the file: the log lies beside that, also where `path` is a link.
    const file = connection.location() ?? path
    const disk = new FileDisk(connection, file, { syncIntervalMs, wake, log })
    return new SqliteStore(connection, { path, use, disk, release })
  } catch (thrown) {
    connection?.close()
    release?.()
    const what = isDamage(thrown) ? "is damaged" : "cannot be opened"
    // Of the file system: who starts the server chose a place that is none.
    const isPlace = use === "own" && thrown instanceof Error && "syscall" in thrown
    const hint = isPlace ? "; set DATA_DIR to a folder that this user may write to" : ""
    throw new Error(`the database ${path} ${what}: ${describe(thrown)}${hint}`)
  }
}

function connect(path: string): DatabaseSync {
  const connection = new DatabaseSync(path, { timeout: busyMs })
  try {
    // What is deleted is overwritten: DC27.
    connection.exec("PRAGMA secure_delete = ON")
  } catch (thrown) {
    connection.close()
    throw thrown
  }
  return connection
}

// Walks the whole structure of the file, but does not compare its indexes. Throws when it is broken.
function check(connection: DatabaseSync): void {
  const size = connection
    .prepare("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size")
    .get()
  if (Number(size?.["bytes"]) > checkedBytes) return
  const found = connection.prepare("PRAGMA quick_check(1)").get()?.["quick_check"]
  if (found !== "ok") throw new Damage(`its check says ${found}`.replaceAll(/\s+/g, " "))
}

interface Parts {
  readonly path: string | undefined
  readonly use: "own" | "visit"
  readonly disk: Disk
  readonly release?: Undo | undefined
}

class SqliteStore implements Store {
  readonly durable: boolean
  readonly #connection: DatabaseSync
  readonly #parts: Parts
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  /** What failed the last time it was tried. */
  readonly #failing = new Set<"read" | "write">()
  #probedAt = 0

  constructor(connection: DatabaseSync, parts: Parts) {
    this.durable = parts.path !== undefined
    this.#connection = connection
    this.#parts = parts
    this.#begin = connection.prepare("BEGIN IMMEDIATE")
    this.#commit = connection.prepare("COMMIT")
  }

  get healthy(): boolean {
    return this.#failing.size === 0 && this.#parts.disk.healthy
  }

  migrate(owner: string, steps: readonly Step[]): void {
    const done = this.#stepsDone(owner)
    if (done === steps.length) return
    const name = `the database ${this.#parts.path ?? ":memory:"}`
    if (done > steps.length) {
      throw new Error(`${name} is of a newer release than this program; nothing was changed`)
    }
    if (this.#parts.use === "visit") {
      throw new Error(
        `${name} is of an older release than this program; start the server on it once`,
      )
    }
    this.transaction(() => {
      this.#connection.exec(migrationTable)
      for (const step of steps.slice(done)) {
        if (typeof step === "string") this.#connection.exec(step)
        else step(this)
      }
      this.prepare(noteSteps).run({ owner, steps: steps.length })
    })
  }

  prepare<Row>(sql: string): Statement<Row> {
    const statement = this.#connection.prepare(sql)
    const kind = /^\s*(?:SELECT|PRAGMA)\b/i.test(sql) ? "read" : "write"
    // The casts are the contract of `prepare`: who writes the SQL names the row that it gives.
    return {
      get: (values = {}) => this.#attempt(kind, () => statement.get(values) as Row | undefined),
      all: (values = {}) => this.#attempt(kind, () => statement.all(values) as Row[]),
      run: (values = {}) => this.#attempt(kind, () => Number(statement.run(values).changes)),
    }
  }

  transaction<T>(work: () => T): T {
    if (this.#connection.isTransaction) throw new Error("never: a transaction inside of another")
    return this.#attempt("write", () => {
      this.#begin.run()
      try {
        const result = work()
        this.#commit.run()
        return result
      } catch (thrown) {
        // After a full disk SQLite has taken everything back already.
        if (this.#connection.isTransaction) this.#connection.exec("ROLLBACK")
        throw thrown
      }
    })
  }

  sync(answer: () => void): void {
    this.#parts.disk.sync(answer)
  }

  scrub(): void {
    this.#parts.disk.scrub()
  }

  async backup(path: string, without: readonly string[] = []): Promise<void> {
    const part = beginCopy(path)
    try {
      await this.#parts.disk.copy(part)
      await finishCopy(part, path, without)
    } catch (thrown) {
      dropCopy(part)
      throw thrown
    }
  }

  tick(now: number): void {
    this.#parts.disk.tick(now)
    if (this.healthy || Math.abs(now - this.#probedAt) < probeMs) return
    this.#probedAt = now
    this.#probe()
  }

  close(): void {
    if (!this.#connection.isOpen) return
    this.#parts.disk.close()
    this.#connection.close()
    this.#parts.release?.()
  }

  // Whether reading and writing work again may not depend on somebody having something to save.
  #probe(): void {
    try {
      this.#stepsDone("")
      this.prepare(noteSteps).run({ owner: "", steps: 0 })
    } catch {
      // It is still so, and `#attempt` has noted it.
    }
  }

  #stepsDone(owner: string): number {
    const table = "SELECT 1 FROM sqlite_schema WHERE name = 'quartet_migration'"
    if (this.prepare(table).get() === undefined) return 0
    const sql = "SELECT steps FROM quartet_migration WHERE owner = :owner"
    return this.prepare<{ steps: number }>(sql).get({ owner })?.steps ?? 0
  }

  #attempt<T>(kind: "read" | "write", work: () => T): T {
    try {
      const result = work()
      if (kind === "read") {
        this.#failing.delete("read")
      } else if (!this.#connection.isTransaction) {
        // A write within a transaction has succeeded only with its commit.
        this.#failing.delete("write")
        this.#parts.disk.committed()
      }
      return result
    } catch (thrown) {
      if (isFault(thrown)) this.#failing.add(kind)
      throw thrown
    }
  }
}

/** How many steps of each owner this file has seen; the owner "" is the probe's row. */
const migrationTable = `CREATE TABLE IF NOT EXISTS quartet_migration (
  owner TEXT PRIMARY KEY, steps INTEGER NOT NULL) WITHOUT ROWID`
const noteSteps = `INSERT INTO quartet_migration (owner, steps) VALUES (:owner, :steps)
  ON CONFLICT (owner) DO UPDATE SET steps = excluded.steps`
