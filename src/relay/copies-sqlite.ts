/**
 * Copies in the server's own SQLite file.
 *
 * What always holds: nothing is read or written within a call, but in a tick, all that came since
 * the last one in one transaction, and of both a bounded number of bytes, so a thousand rooms that
 * open at once hold up nobody; what waits to be written is what a reader is given. All copies
 * together stay within their bound: the ones that were longest not used go.
 */
import type { Log } from "../log.ts"
import type { Answer, Wake } from "../service.ts"
import type { Statement, Store } from "../store.ts"
import type { Copy, CopyKind, CopyShelf } from "./copies.ts"
import type { Seal } from "./copies-seal.ts"

/** The bounds of all copies together. */
export interface CopyBounds {
  readonly copyTotalBytes: number
  /** A copy that was not used for so long is deleted. */
  readonly copyMs: number
}

/** What a shelf of copies is opened with. */
export interface CopyShelfParts {
  readonly store: Store
  readonly log: Log
  readonly wake: Wake
  readonly bounds: CopyBounds
  /** Undefined where copies lie as they are. */
  readonly seal: Seal | undefined
}

const steps = [
  `CREATE TABLE relay_copy (
    room TEXT PRIMARY KEY, kind TEXT NOT NULL, bytes BLOB NOT NULL, vector BLOB,
    merges INTEGER NOT NULL, sealed INTEGER NOT NULL, saved INTEGER NOT NULL,
    used INTEGER NOT NULL, size INTEGER NOT NULL);
  CREATE INDEX relay_copy_used ON relay_copy (used, room, size)`,
]

/** Bytes that one tick reads, since what is read may be merged at once, and that it writes; one copy of any size in any case. */
const readBytes = 512 * 1024
const writeBytes = 8 * 1024 * 1024
/** Bytes that may wait to be written. Beyond them a copy is answered "away", and taken again later. */
const waitingBytes = 64 * 1024 * 1024
/** Rows that one look for old copies deletes. */
const expireRows = 1_000
const expireMs = 60 * 60_000

interface Row {
  readonly kind: CopyKind
  readonly bytes: Uint8Array
  readonly vector: Uint8Array | null
  readonly merges: number
  readonly sealed: number
}

interface Reading {
  readonly key: string
  readonly answer: Answer<Copy | undefined>
}

interface Writing {
  readonly copy: Copy
  readonly answer: Answer<"kept">
}

export class SqliteCopies implements CopyShelf {
  readonly keeps = true
  readonly #parts: CopyShelfParts
  readonly #sql: Statements
  /** Bounded by the rooms: each asks for one copy at a time. */
  #readings: Reading[] = []
  /** By key: a newer copy of a room takes the place of one that still waits. */
  readonly #writings = new Map<string, Writing>()
  #waitingBytes = 0
  readonly #used = new Set<string>()
  #total: number
  #now = 0
  #expiredAt = 0

  /** Makes its table where it is missing. Throws one sentence where the copies there are sealed with another key. */
  constructor(parts: CopyShelfParts) {
    this.#parts = parts
    const { store, seal } = parts
    store.migrate("relay copies", steps)
    this.#sql = statements(store)
    this.#total = this.#sql.total.get()?.total ?? 0
    const sample = this.#sql.sealed.get()
    if (sample === undefined || seal?.open(sample.room, sample.bytes) !== undefined) return
    throw new Error(
      "RELAY_COPY_KEY is not the key that sealed the copies in the database: set that one, or delete them with `DELETE FROM relay_copy`",
    )
  }

  /** Bytes of all copies. */
  get total(): number {
    return this.#total
  }

  get(key: string, answer: Answer<Copy | undefined>): void {
    this.#readings.push({ key, answer })
    this.#parts.wake(10)
  }

  put(key: string, copy: Copy, answer: Answer<"kept">): void {
    if (this.#waitingBytes + copy.bytes.length > waitingBytes) {
      return queueMicrotask(() => answer("away"))
    }
    this.#drop(key)
    this.#waitingBytes += copy.bytes.length
    this.#writings.set(key, { copy, answer })
    this.#parts.wake(10)
  }

  remove(key: string, answer: Answer<boolean>): void {
    let wasThere = this.#drop(key)
    const isDone = this.#attempt(() => {
      const size = this.#sql.size.get({ room: key })?.size
      if (size === undefined) return
      this.#sql.remove.run({ room: key })
      this.#total -= size
      wasThere = true
    })
    queueMicrotask(() => answer(isDone ? wasThere : "away"))
  }

  tick(now: number): void {
    this.#now = now
    this.#write(writeBytes)
    this.#read()
    if (now - this.#expiredAt < expireMs) return
    this.#expiredAt = now
    this.#attempt(() => this.#expire(now))
  }

  /** Writes all that waits, since the server goes. */
  flush(): void {
    this.#write(Number.POSITIVE_INFINITY)
  }

  #read(): void {
    let left = readBytes
    let count = 0
    for (const { key, answer } of this.#readings) {
      if (left <= 0) break
      count++
      const found = this.#find(key)
      if (found !== undefined && found !== "away") left -= found.bytes.length
      answer(found)
    }
    this.#readings = this.#readings.slice(count)
    if (this.#readings.length > 0) this.#parts.wake(10)
  }

  #find(key: string): Copy | undefined | "away" {
    const waiting = this.#writings.get(key)?.copy
    if (waiting !== undefined) return waiting
    let row: Row | undefined
    if (!this.#attempt(() => (row = this.#sql.get.get({ room: key })))) return "away"
    if (row === undefined) return undefined
    const { kind, vector, merges } = row
    const bytes = row.sealed === 0 ? row.bytes : this.#parts.seal?.open(key, row.bytes)
    if (bytes === undefined) {
      this.#parts.log.error("copy not opened")
      return "away"
    }
    this.#used.add(key)
    return { kind, bytes, vector: vector ?? undefined, merges }
  }

  #write(limit: number): void {
    if (this.#writings.size === 0 && this.#used.size === 0) return
    const batch: [string, Writing][] = []
    let bytes = 0
    for (const [key, writing] of this.#writings) {
      if (bytes >= limit) break
      bytes += writing.copy.bytes.length
      batch.push([key, writing])
    }
    for (const [key] of batch) this.#drop(key, "unsaid")
    const kept = this.#attempt(() => {
      this.#total = this.#parts.store.transaction(() => this.#writeAll(batch))
      this.#used.clear()
    })
    for (const [, { answer }] of batch) answer(kept ? "kept" : "away")
    if (this.#writings.size > 0) this.#parts.wake(10)
  }

  /** Returns the bytes of all copies after it. */
  #writeAll(batch: readonly (readonly [string, Writing])[]): number {
    const { seal, bounds } = this.#parts
    let total = this.#total
    for (const [room, { copy }] of batch) {
      const bytes = seal === undefined ? copy.bytes : seal.close(room, copy.bytes)
      total += bytes.length - (this.#sql.size.get({ room })?.size ?? 0)
      const { kind, merges } = copy
      const how = { vector: copy.vector ?? null, sealed: seal === undefined ? 0 : 1 }
      const when = { now: this.#now, size: bytes.length }
      this.#sql.put.run({ room, kind, bytes, merges, ...how, ...when })
    }
    for (const room of this.#used) this.#sql.use.run({ room, now: this.#now })
    while (total > bounds.copyTotalBytes) {
      const oldest = this.#sql.oldest.get()
      if (oldest === undefined) break
      this.#sql.remove.run({ room: oldest.room })
      total -= oldest.size
    }
    return total
  }

  #expire(now: number): void {
    const before = now - this.#parts.bounds.copyMs
    const gone = this.#sql.expire.run({ before, limit: expireRows })
    if (gone > 0) this.#total = this.#sql.total.get()?.total ?? 0
  }

  /** Takes back what waits to be written for a room. Returns whether there was something. */
  #drop(key: string, how: "said" | "unsaid" = "said"): boolean {
    const waiting = this.#writings.get(key)
    if (waiting === undefined) return false
    this.#writings.delete(key)
    this.#waitingBytes -= waiting.copy.bytes.length
    if (how === "said") queueMicrotask(() => waiting.answer("away"))
    return true
  }

  /** Whether `work` did what it should. */
  #attempt(work: () => void): boolean {
    try {
      work()
      return true
    } catch (thrown) {
      // The store says in `/health` that it fails; rooms go on without copies.
      const reason = thrown instanceof Error ? thrown.message : String(thrown)
      this.#parts.log.error("copies failed", { reason })
      return false
    }
  }
}

interface Statements {
  readonly get: Statement<Row>
  readonly put: Statement<never>
  readonly use: Statement<never>
  readonly size: Statement<{ readonly size: number }>
  readonly total: Statement<{ readonly total: number }>
  readonly oldest: Statement<{ readonly room: string; readonly size: number }>
  readonly remove: Statement<never>
  readonly expire: Statement<never>
  readonly sealed: Statement<{ readonly room: string; readonly bytes: Uint8Array }>
}

function statements(store: Store): Statements {
  return {
    get: store.prepare(
      "SELECT kind, bytes, vector, merges, sealed FROM relay_copy WHERE room = :room",
    ),
    put: store.prepare(
      `INSERT OR REPLACE INTO relay_copy
       (room, kind, bytes, vector, merges, sealed, saved, used, size)
       VALUES (:room, :kind, :bytes, :vector, :merges, :sealed, :now, :now, :size)`,
    ),
    use: store.prepare("UPDATE relay_copy SET used = :now WHERE room = :room"),
    size: store.prepare("SELECT size FROM relay_copy WHERE room = :room"),
    total: store.prepare("SELECT coalesce(sum(size), 0) AS total FROM relay_copy"),
    oldest: store.prepare("SELECT room, size FROM relay_copy ORDER BY used LIMIT 1"),
    remove: store.prepare("DELETE FROM relay_copy WHERE room = :room"),
    expire: store.prepare(
      `DELETE FROM relay_copy WHERE room IN
       (SELECT room FROM relay_copy WHERE used < :before LIMIT :limit)`,
    ),
    sealed: store.prepare("SELECT room, bytes FROM relay_copy WHERE sealed = 1 LIMIT 1"),
  }
}
