/**
 * A copy of the store and of durable blocks' contents each day, in DATA_DIR/backups, without who is
 * registered as an operator: a deleted account lives on in no copy.
 *
 * What always holds: a copy is made beside the event loop, one at a time; an older one goes only
 * after a newer one was checked and has its name; what cannot be copied now is tried again later and
 * ends nothing. A server that runs for less than an hour makes none.
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import type { Log } from "./log.ts"
import { removeCopy } from "./store-contents.ts"
import type { DailyWork } from "./store-daily-worker.ts"
import { describe, locate } from "./store-file.ts"

/** What a day's copy is made of and where it goes. */
export interface DailyOptions {
  /** The database, as the store has it. One in memory has no copies. */
  readonly uri: string
  readonly directory: string
  /** Where contents of durable blocks are kept. */
  readonly contents: string
  readonly log: Log
}

/** From one copy to the next. */
const dayMs = 86_400_000
/** After the start, and after a failure. */
const waitMs = 3_600_000
/** So many stay. */
const keptCopies = 7
const copyName = /^daily-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\.db$/

export class DailyCopies {
  readonly #options: DailyOptions
  readonly #path: string | undefined
  #worker: Worker | undefined
  /** When to look next, ms since 1970. */
  #dueAt: number | undefined

  constructor(options: DailyOptions) {
    this.#options = options
    this.#path = locate(options.uri)
  }

  /** It is `now`, in ms since 1970. */
  tick(now: number): void {
    if (this.#path === undefined || this.#worker !== undefined) return
    this.#dueAt ??= now + waitMs
    if (now < this.#dueAt) return
    this.#dueAt = now + waitMs
    try {
      mkdirSync(this.#options.directory, { recursive: true, mode: 0o700 })
      const [newest] = copiesIn(this.#options.directory)
      // One from the future says that the clock was wrong: it delays no other.
      const age = newest === undefined ? dayMs : now - timeOf(newest)
      if (age >= 0 && age < dayMs) this.#dueAt = now + dayMs - age
      else this.#begin(now)
    } catch (thrown) {
      this.#failed(describe(thrown))
    }
  }

  /** Ends what is under way; the part that there is of a copy goes with the next one. */
  close(): void {
    void this.#worker?.terminate()
    this.#worker = undefined
  }

  #begin(now: number): void {
    const { directory, uri, contents } = this.#options
    for (const name of leftIn(directory)) {
      rmSync(join(directory, name), { recursive: true, force: true })
    }
    const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "")
    const data: DailyWork = { uri, file: join(directory, `daily-${time}.db`), contents }
    // The file next to this one, with the same ending: .ts in the sources, .js in what is published.
    const program = import.meta.url.replace(/store-daily(\.\w+)$/, "store-daily-worker$1")
    const worker = new Worker(new URL(program), { workerData: data, execArgv: [] })
    this.#worker = worker
    worker.unref()
    worker.once("error", (thrown) => this.#ended(worker, () => this.#failed(describe(thrown))))
    worker.once("exit", () => this.#ended(worker, () => this.#made(now)))
  }

  /** Told once: a thread that failed also exits. */
  #ended(worker: Worker, tell: () => void): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    tell()
  }

  #made(now: number): void {
    const { directory, log } = this.#options
    this.#dueAt = now + dayMs
    try {
      for (const name of copiesIn(directory).slice(keptCopies)) {
        removeCopy(join(directory, name))
      }
      log.info("daily backup made")
    } catch (thrown) {
      log.error("old backups stay", { why: describe(thrown) })
    }
  }

  #failed(why: string): void {
    this.#options.log.error("daily backup failed", { why })
  }
}

/** The newest first. */
function copiesIn(directory: string): readonly string[] {
  const names = readdirSync(directory).filter((name) => copyName.test(name))
  return names.toSorted().toReversed()
}

/** What copies that were cut off have left. */
function leftIn(directory: string): readonly string[] {
  const names = readdirSync(directory)
  return names.filter((name) => {
    const [, copy = ""] = /^(daily-.*\.db)-blocks$/.exec(name) ?? []
    return /^daily-.*\.(new|part)/.test(name) || (copy !== "" && !names.includes(copy))
  })
}

/** When a copy was made, ms since 1970. */
function timeOf(name: string): number {
  return Date.parse(name.replace(copyName, "$1-$2-$3T$4:$5:$6Z"))
}
