/**
 * Loaded into each server under test by `--import`: tells the bench, over the channel between the
 * processes, what the server has used so far. Costs nothing while nobody asks.
 *
 * Three variables change what it finds: BENCH_GATHER_MS says how long Quartet gathers edits at most,
 * BENCH_OPERATORS has limits of the operators as JSON, and BENCH_JOURNAL has each of its commits
 * timed, which costs some µs each.
 */
import { monitorEventLoopDelay } from "node:perf_hooks"

/** What the bench asks: "collect" lets go of all garbage first, "restart" begins a new count of delays. */
export type Question = "usage" | "collect" | "restart"

export interface Usage {
  /** User and system time of the process, all threads, in ms. */
  readonly cpuMs: number
  /** On the heap, and outside of it: buffers. */
  readonly heapBytes: number
  /** All memory of the process that lies in the machine's. */
  readonly rssBytes: number
  /** How late the event loop was since the last "restart", in ms: the 99th percentile. */
  readonly loopDelayMs: number
  /** Rows of the journal, and the main thread's time for them in ms; 0 unless they are timed. */
  readonly commits: number
  readonly commitMs: number
}

const resolutionMs = 10
const journal = { commits: 0, ms: 0 }
let delay = monitorEventLoopDelay({ resolution: resolutionMs })

function answer(question: Question): void {
  if (question === "restart") {
    delay.disable()
    delay = monitorEventLoopDelay({ resolution: resolutionMs })
    delay.enable()
  }
  // Twice: what finalizers let go of is only gone after the next one.
  if (question === "collect") for (let time = 0; time < 2; time += 1) globalThis.gc?.()
  const { user, system } = process.cpuUsage()
  const { heapUsed, external, rss } = process.memoryUsage()
  const loopDelayMs = Math.max(0, delay.percentile(99) / 1e6 - resolutionMs)
  const usage: Usage = {
    cpuMs: (user + system) / 1_000,
    heapBytes: heapUsed + external,
    rssBytes: rss,
    loopDelayMs,
    commits: journal.commits,
    commitMs: journal.ms,
  }
  process.send?.(usage)
  if (question === "usage") delay.disable()
}

// The defaults are what every server begins with, and no variable of the product says this one.
async function gatherAtMost(ms: number): Promise<void> {
  const { defaults } = await import("../src/documents/settings.ts")
  Object.assign(defaults, { gatherMs: ms })
}

async function timeJournal(): Promise<void> {
  const { Journal } = await import("../src/documents/journal.ts")
  const { append } = Journal.prototype
  Journal.prototype.append = function (entries, at) {
    const before = process.threadCpuUsage()
    append.call(this, entries, at)
    const { user, system } = process.threadCpuUsage(before)
    journal.commits += 1
    journal.ms += (user + system) / 1_000
  }
}

// Ten thousand sessions of one machine are more than the product lets in: see operators-servers.ts.
async function widenOperators(limits: object): Promise<void> {
  const { limits: defaults } = await import("../src/operators/limits.ts")
  Object.assign(defaults, limits)
}

const gatherMs = process.env["BENCH_GATHER_MS"]
const wide = process.env["BENCH_OPERATORS"]
if (gatherMs !== undefined) await gatherAtMost(Number(gatherMs))
if (wide !== undefined) await widenOperators(JSON.parse(wide))
if (process.env["BENCH_JOURNAL"] !== undefined) await timeJournal()

process.on("message", answer)
// A listener would keep a server from ending that is told to.
process.channel?.unref()
