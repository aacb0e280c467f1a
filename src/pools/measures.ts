/** The figures of pools for `/metrics`. Labels are codes and outcomes, never a name a far end chose. */
import type { Memory } from "../memory.ts"
import type { Metrics } from "../metrics.ts"
import type { Blocks } from "./blocks.ts"
import type { Calls } from "./calls.ts"
import type { Counts } from "./counts.ts"

/** Upper bounds of the time that a call takes, in seconds. */
const buckets = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60]

/** Shows the figures; returns what takes the time of one call, in ms. */
export function measure(
  metrics: Metrics,
  of: { readonly counts: Counts; readonly calls: Calls; readonly sessions: () => number },
): (ms: number) => void {
  const { counts, calls, sessions } = of
  const counter = (name: string, help: string, read: () => number) =>
    metrics.counter(`quartet_pools_${name}_total`, help, read)
  const outcomes = "Calls that were settled, by outcome."
  metrics.counter("quartet_pools_calls_total", outcomes, () => counts.outcomes, "outcome")
  const refusals = "Messages and handshakes that were refused, by code."
  metrics.counter("quartet_pools_refusals_total", refusals, () => counts.refusals, "code")
  const security = "What happened to keys and ids of apps, by event."
  metrics.counter("quartet_pools_security_total", security, () => counts.security, "event")
  counter(
    "reroutes",
    "Calls handed over again after their handler was lost.",
    () => counts.reroutes,
  )
  counter("late_answers", "Answers that came after their call was settled.", () => counts.late)
  counter("forged_answers", "Answers to calls that were never given.", () => counts.forged)
  counter("repeated", "Calls answered from memory, by their key.", () => counts.repeated)
  counter("chunks", "Chunks that went on.", () => counts.chunks)
  counter("emits_in", "Emits that came.", () => counts.emitsIn)
  counter("emits_out", "Emits that left, one for each connection.", () => counts.emitsOut)
  counter("emits_lost", "Emits that made room for others.", () => counts.emitsLost)
  metrics.gauge(
    "quartet_pools_in_flight",
    "Calls that wait for their answer.",
    () => calls.inFlight,
  )
  const kept = "Payload kept for calls that wait or may be handed over again."
  metrics.gauge("quartet_pools_kept_bytes", kept, () => calls.hands.keptBytes)
  metrics.gauge("quartet_pools_sessions", "Connections that have shaken hands.", sessions)
  const took = metrics.histogram("quartet_pools_call_seconds", "From call to answer.", buckets)
  return (ms) => took(ms / 1_000)
}

/** Shows the figures of blocks of shared memory. */
export function measureBlocks(metrics: Metrics, blocks: Blocks, memory: Memory): void {
  const gauge = (name: string, help: string, read: () => number) =>
    metrics.gauge(`quartet_pools_${name}`, help, read)
  gauge("blocks", "Blocks of shared memory.", () => blocks.kept.blocks)
  gauge("block_bytes", "Bytes of the files of blocks.", () => blocks.kept.bytes)
  gauge("shm_free_bytes", "Bytes free where blocks lie.", () => memory.free())
  gauge("locks_held", "Locks of blocks that are held.", () => blocks.kept.held)
  gauge("locks_waiting", "Requests that wait for a lock of a block.", () => blocks.kept.waiting)
  const help = "Blocks that were damaged from outside, and replaced."
  metrics.counter("quartet_pools_blocks_damaged_total", help, () => blocks.care.damaged)
}
