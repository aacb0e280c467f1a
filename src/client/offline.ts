/**
 * Where open texts are kept between visits: the contract of a store, and the one in a browser.
 *
 * What always holds: a record is one value, so that what is read is whole. Each call of a store may
 * reject, in a private window or on a full disk, and editing goes on without it.
 */
import type { PendingRecord } from "../ot/effects.ts"

/** What is kept of one open text: all that it needs to go on from here. */
export interface OfflineRecord extends PendingRecord {
  /** The document's address, as its server's HTTP has it: a store may serve several servers. */
  readonly id: string
  /** When it was written, in ms since 1970. */
  readonly at: number
}

/** A place for such records. Values go in and come out whole; `save` replaces what was there. */
export interface OfflineStore {
  load(id: string): Promise<OfflineRecord | undefined>
  save(record: OfflineRecord): Promise<void>
  remove(id: string): Promise<void>
}

/** At most so many records are kept: those with something pending first, then the newest. */
const limitRecords = 100
/** A text that nobody opened for so long is not expected to open without a network. */
const idleDays = 30
/** What was typed and never sent is kept longer, but not for ever. */
const pendingDays = 365
const dayMs = 86_400_000

const records = "records"
const byRank = "rank"

/** A record as it is stored; the rank is what the limits go by. */
interface Row {
  readonly rank: readonly [pending: 0 | 1, at: number]
  readonly record: OfflineRecord
}

// Of IndexedDB just what is used here: this file is checked for Node as well, which has none.
interface Told {
  addEventListener(type: string, listener: () => void): void
}
interface Asked<T> extends Told {
  readonly result: T
  readonly error: unknown
}
interface Cursor {
  readonly key: unknown
  readonly primaryKey: unknown
  continue(): void
}
interface Index {
  openKeyCursor(range: null, direction: "prev"): Asked<Cursor | null>
}
interface ObjectStore {
  get(id: string): Asked<Row | undefined>
  put(row: Row): unknown
  delete(id: unknown): unknown
  index(name: string): Index
  createIndex(name: string, path: string): unknown
}
interface Transaction extends Told {
  readonly error: unknown
  objectStore(name: string): ObjectStore
  commit?(): void
}
interface Connection extends Told {
  transaction(name: string, mode: "readonly" | "readwrite"): Transaction
  createObjectStore(name: string, options: { readonly keyPath: string }): ObjectStore
  close(): void
}
interface Platform {
  readonly setTimeout: unknown // every platform has it: so this type fits them all
  readonly indexedDB?: { open(name: string, version: number): Asked<Connection> }
}

const platform: Platform = globalThis

/**
 * A store in the browser's IndexedDB, in a database called `name`. Keeps 100 records, those with
 * something pending first; one with nothing pending for 30 days, any other for a year.
 *
 * Nothing is opened before it is used. Outside of a browser each call rejects.
 */
export function indexedDbStore(name = "quartet"): OfflineStore {
  let opened: Promise<Connection> | undefined
  const forget = (): void => {
    opened = undefined
  }
  const connection = async (): Promise<Connection> => {
    opened ??= open(name, forget)
    try {
      return await opened
    } catch (thrown) {
      forget() // the next call tries again
      throw thrown
    }
  }
  return {
    async load(id) {
      const from = await connection()
      const transaction = from.transaction(records, "readonly")
      const row = await answer(transaction.objectStore(records).get(id))
      // Here, and not where one is added: a page that is going away has no time for this.
      await prune(from).catch(() => {}) // what could not be let go of now is by the next load
      return row?.record
    },
    async save(record) {
      const isPending = record.outstanding !== undefined || record.buffer !== undefined
      const row: Row = { rank: [isPending ? 1 : 0, record.at], record }
      await write(await connection(), (store) => store.put(row))
    },
    async remove(id) {
      await write(await connection(), (store) => store.delete(id))
    },
  }
}

function open(name: string, forget: () => void): Promise<Connection> {
  const request = platform.indexedDB?.open(name, 1)
  if (request === undefined) return Promise.reject(new Error("there is no IndexedDB here"))
  request.addEventListener("upgradeneeded", () => {
    const store = request.result.createObjectStore(records, { keyPath: "record.id" })
    store.createIndex(byRank, "rank")
  })
  return answer(request).then((connection) => {
    connection.addEventListener("close", forget) // its user has cleared the browser's data
    connection.addEventListener("versionchange", () => {
      forget() // a later release of this in another tab waits for us
      connection.close()
    })
    return connection
  })
}

function answer<T>(request: Asked<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result))
    request.addEventListener("error", () => reject(request.error))
  })
}

function write(connection: Connection, change: (store: ObjectStore) => void): Promise<void> {
  const transaction = connection.transaction(records, "readwrite")
  change(transaction.objectStore(records))
  // A page that is going away lives to see no answer: without this nothing of it would be written.
  transaction.commit?.()
  return completion(transaction)
}

function completion(transaction: Transaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.addEventListener("complete", () => resolve())
    transaction.addEventListener("abort", () => reject(transaction.error))
  })
}

// Walks all records by rank, without their texts, and lets go of those beyond the limits.
async function prune(connection: Connection): Promise<void> {
  const transaction = connection.transaction(records, "readwrite")
  const store = transaction.objectStore(records)
  const walk = store.index(byRank).openKeyCursor(null, "prev")
  let count = 0
  walk.addEventListener("success", () => {
    const cursor = walk.result
    if (cursor === null) return
    const [pending, at = 0] = Array.isArray(cursor.key) ? cursor.key.map(Number) : []
    const isYoung = at >= Date.now() - (pending === 1 ? pendingDays : idleDays) * dayMs
    if (isYoung) count += 1
    if (!isYoung || count > limitRecords) store.delete(cursor.primaryKey)
    cursor.continue()
  })
  await completion(transaction)
}
