/**
 * Loaded into each server under test by `--import`: tells the bench, over the channel between the
 * processes, what the server has used so far. Costs nothing while nobody asks.
 */
import { monitorEventLoopDelay } from "node:perf_hooks"

/** What the bench asks: "collect" lets go of all garbage first, "restart" begins a new count of delays. */
export type Question = "usage" | "collect" | "restart"

export interface Usage {
  /** User and system time of the process, all threads, in ms. */
  readonly cpuMs: number
  /** On the heap, and outside of it: buffers. */
  readonly heapBytes: number
  /** How late the event loop was since the last "restart", in ms: the 99th percentile. */
  readonly loopDelayMs: number
}

const resolutionMs = 10
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
  const { heapUsed, external } = process.memoryUsage()
  const loopDelayMs = Math.max(0, delay.percentile(99) / 1e6 - resolutionMs)
  const usage: Usage = {
    cpuMs: (user + system) / 1_000,
    heapBytes: heapUsed + external,
    loopDelayMs,
  }
  process.send?.(usage)
  if (question === "usage") delay.disable()
}

process.on("message", answer)
// A listener would keep a server from ending that is told to.
process.channel?.unref()
