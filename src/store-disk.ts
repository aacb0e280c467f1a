/**
 * Waiting for the disk, and keeping the write-ahead log short, both beside the event loop.
 *
 * With synchronous=NORMAL a commit is a write into the log and no wait. The log is synced through
 * a descriptor of its own, at most one sync at a time and some time apart (DC49), and copied into
 * the file, a checkpoint, by a thread with a connection of its own. What always holds:
 * `#synced <= #commits`, and commits up to `#synced` are on the disk itself.
 *
 * The log carries no locks of SQLite's (those are on the file and its -shm) and is the same file
 * as long as a connection is open, so holding it open here is safe.
 */
import { closeSync, fdatasync, fstatSync, openSync } from "node:fs"
import type { DatabaseSync } from "node:sqlite"
import { Worker } from "node:worker_threads"
import type { Log } from "./log.ts"
import { guard, type Wake } from "./service.ts"
import { describe } from "./store-file.ts"
import type { JobResult, WorkerData } from "./store-worker.ts"

/** What a store needs of the disk. */
export interface Disk {
  /** False from a sync that failed until a checkpoint has made up for it. */
  readonly healthy: boolean
  /** Something was committed. */
  committed(): void
  sync(answer: () => void): void
  /** Cuts the log down to nothing, as soon as nobody reads from it. */
  scrub(): void
  /** Writes a whole copy of the database into the empty file `path`. */
  copy(path: string): Promise<void>
  tick(now: number): void
  close(): void
}

/** How a FileDisk goes about it. */
export interface DiskOptions {
  /** Ms between two syncs; 0: each commit waits for the disk itself. */
  readonly syncIntervalMs: number
  readonly wake: Wake
  readonly log: Log
}

/** Ms between two checkpoints while there are commits. The log of so short a time is read through at once. */
const checkpointMs = 3_000
/**
 * A log that grows to this is checkpointed at once, and cut down to it when it begins anew. So the
 * room stays allocated, which makes a sync cheap, and a longer file means that much unfinished work.
 */
const logBytes = 4 * 1024 * 1024
/**
 * Questions that may wait for a sync. There are as many as flushes in SYNC_INTERVAL_MS, so this is
 * reached only while syncing fails; then the oldest goes without an answer.
 */
const waitingLimit = 10_000
/** Ms that a store which closes waits for a checkpoint to end; SQLite then does the rest itself. */
const closeMs = 2_000

// PASSIVE does the work while others write. What came meanwhile is done by the next ones, faster
// each time, so that little is left for the RESTART, which keeps writers waiting: it alone lets a
// log begin anew that is being written all the time.
const passive = "PRAGMA wal_checkpoint(PASSIVE)"
const scrubbing = [passive, "PRAGMA wal_checkpoint(TRUNCATE)"]
const checkpoint = [passive, passive, passive, "PRAGMA wal_checkpoint(RESTART)"]

/**
 * The disk of a store that needs none: each commit is as safe as it gets when it returns.
 *
 * For `:memory:`, and for a visitor, whose commits wait for the disk themselves.
 */
export function immediateDisk(connection: DatabaseSync): Disk {
  return {
    healthy: true,
    committed() {},
    sync: (answer) => queueMicrotask(answer),
    scrub() {},
    // async, so that a failure is a rejection here too.
    copy: async (path) => void connection.prepare("VACUUM INTO ?").run(path),
    tick() {},
    close() {},
  }
}

/** The disk under a database file. */
export class FileDisk implements Disk {
  readonly #connection: DatabaseSync
  readonly #options: DiskOptions
  readonly #thread: Thread
  readonly #logFile: number
  /** Whether SQLite itself waits in each commit: until the first tick, or always. */
  #waits = true
  #state: "open" | "syncing" | "closed" = "open"
  #healthy = true
  /** Counts, not times: the number of commits so far, and of those that are on the disk. */
  #commits = 0
  #synced = 0
  #waiting: { readonly commits: number; readonly answer: () => void }[] = []
  #now = 0
  #syncedAt = 0
  #checkpointedAt = 0
  /** Commits when the last checkpoint that came to its end began. */
  #checkpointed = 0
  #checkpoint: "idle" | "running" | "blocked" = "idle"
  #isScrubDue = false

  /** Puts `connection`, just opened on `path`, into write-ahead mode. Throws when the file does not allow it. */
  constructor(connection: DatabaseSync, path: string, options: DiskOptions) {
    this.#connection = connection
    this.#options = options
    this.#thread = new Thread(path)
    const mode = connection.prepare("PRAGMA journal_mode = WAL").get()?.["journal_mode"]
    if (mode !== "wal") throw new Error("its file system has no shared memory for the log")
    connection.exec(`PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
      PRAGMA journal_size_limit = ${logBytes}`)
    connection.prepare("SELECT count(*) FROM sqlite_schema").get() // the first read makes the log
    this.#logFile = openSync(`${path}-wal`, "r")
  }

  get healthy(): boolean {
    return this.#healthy
  }

  committed(): void {
    this.#commits += 1
    if (this.#waits) this.#synced = this.#commits
    else if (this.#commits === this.#synced + 1) this.#options.wake(10)
  }

  sync(answer: () => void): void {
    if (this.#synced === this.#commits) return queueMicrotask(() => this.#tell(answer))
    if (this.#waiting.length === waitingLimit) this.#waiting.shift()
    this.#waiting.push({ commits: this.#commits, answer })
    this.#syncIfDue()
  }

  scrub(): void {
    this.#isScrubDue = true
    this.#checkpointIfDue()
  }

  tick(now: number): void {
    if (this.#waits && this.#options.syncIntervalMs > 0) {
      this.#connection.exec("PRAGMA synchronous = NORMAL")
      this.#waits = false
    }
    // At the first tick, and when the clock was set back, time begins anew.
    if (this.#now === 0 || now < this.#now) this.#syncedAt = this.#checkpointedAt = now
    this.#now = now
    this.#syncIfDue()
    this.#checkpointIfDue()
  }

  async copy(path: string): Promise<void> {
    const result = await this.#thread.run([`VACUUM INTO '${path.replaceAll("'", "''")}'`])
    if ("problem" in result) throw new Error(`the copy failed: ${result.problem}`)
  }

  close(): void {
    this.#thread.close()
    // A sync that is under way still needs the descriptor and closes it itself.
    if (this.#state === "open") closeSync(this.#logFile)
    this.#state = "closed"
    this.#waiting = []
  }

  #syncIfDue(): void {
    if (this.#state !== "open" || !this.#healthy || this.#synced === this.#commits) return
    const dueAt = this.#syncedAt + this.#options.syncIntervalMs
    if (this.#now < dueAt) return this.#options.wake(10)
    this.#state = "syncing"
    this.#syncedAt = this.#now
    const commits = this.#commits
    fdatasync(this.#logFile, (problem) => {
      if (this.#state === "closed") return closeSync(this.#logFile)
      this.#state = "open"
      if (problem === null) this.#reached(commits)
      else this.#syncFailed(problem.message)
      this.#syncIfDue()
    })
  }

  // The kernel may have dropped what it could not write and report success the next time. Only a
  // checkpoint, which writes everything once more into the file and syncs that, is to be believed.
  #syncFailed(problem: string): void {
    this.#healthy = false
    this.#options.log.error("sync failed", { problem })
  }

  #reached(commits: number): void {
    this.#synced = Math.max(this.#synced, commits)
    const first = this.#waiting.findIndex((each) => each.commits > this.#synced)
    const done = this.#waiting.splice(0, first < 0 ? this.#waiting.length : first)
    for (const { answer } of done) this.#tell(answer)
  }

  #tell(answer: () => void): void {
    if (this.#state !== "closed") guard(this.#options.log, "sync", answer)
  }

  #checkpointIfDue(): void {
    if (this.#checkpoint === "running") return
    const isScrub = this.#isScrubDue
    if (this.#commits === this.#checkpointed && this.#healthy && !isScrub) return
    const isTime = this.#now - this.#checkpointedAt >= checkpointMs
    // One that a reader held up is not tried again in each tick.
    const isLong = this.#checkpoint === "idle" && fstatSync(this.#logFile).size > logBytes
    const isDue = isTime || isLong || (isScrub && this.#checkpoint === "idle")
    if (!isDue) return
    this.#checkpointedAt = this.#now
    this.#checkpoint = "running"
    const commits = this.#commits
    this.#isScrubDue = false
    const statements = isScrub ? scrubbing : checkpoint
    void this.#thread
      .run(statements)
      .then((result) => this.#checkpointEnded(result, commits, isScrub))
  }

  #checkpointEnded(result: JobResult, commits: number, wasScrub: boolean): void {
    if (this.#state === "closed") return
    const isWhole = "row" in result && result.row?.["busy"] === 0
    if (wasScrub && !isWhole) this.#isScrubDue = true
    this.#checkpoint = isWhole ? "idle" : "blocked"
    if ("problem" in result) {
      this.#options.log.warn("checkpoint failed", { problem: result.problem })
    }
    if (!isWhole) return
    this.#checkpointed = commits
    this.#healthy = true
    this.#reached(commits)
    this.#syncIfDue()
  }
}

/** The thread of one store; it is started with the first job. */
class Thread {
  readonly #path: string
  readonly #jobs = new Int32Array(new SharedArrayBuffer(4))
  /** Who waits, in the order of their jobs. Bounded: one checkpoint, and the copies a person asks for. */
  #waiting: ((result: JobResult) => void)[] = []
  #worker: Worker | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** Never rejects: what failed is in the result. */
  run(statements: readonly string[]): Promise<JobResult> {
    return new Promise((resolve) => {
      this.#worker ??= this.#start()
      this.#waiting.push(resolve)
      Atomics.add(this.#jobs, 0, 1)
      this.#worker.postMessage(statements)
    })
  }

  /** Waits a while for what runs, so that the connection which is closed next is the last. */
  close(): void {
    const left = Atomics.load(this.#jobs, 0)
    if (this.#worker !== undefined && left > 0) Atomics.wait(this.#jobs, 0, left, closeMs)
    // Nobody needs to know when the thread is gone: it holds nothing between two jobs.
    void this.#worker?.terminate()
    this.#ended("the store was closed")
  }

  #start(): Worker {
    // The file next to this one, with the same ending: .ts in the sources, .js in what is published.
    const file = new URL(import.meta.url.replace(/store-disk(\.\w+)$/, "store-worker$1"))
    const data: WorkerData = { path: this.#path, jobs: this.#jobs }
    const worker = new Worker(file, { workerData: data, execArgv: [] })
    worker.unref()
    worker.on("message", (result: JobResult) => this.#waiting.shift()?.(result))
    worker.on("error", (thrown) => this.#ended(describe(thrown)))
    return worker
  }

  // Whoever waits is told, and the next job starts a new thread.
  #ended(problem: string): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#worker = undefined
    Atomics.store(this.#jobs, 0, 0)
    for (const answer of waiting) answer({ problem })
  }
}
