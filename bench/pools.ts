/**
 * The benchmark of pools: `node bench/pools.ts [--only calls|lost|emits|memory|million] [--runs N]
 * [--brief] [--profile DIRECTORY]`.
 *
 * Caller, router and handler are processes of their own with one connection each. What always holds:
 * all contenders take their turns within a round, so that what else the machine does strikes all
 * alike; the first round does not count; the router's CPU time holds better than calls a second.
 */
import { parseArgs } from "node:util"
import { quantile, Rows } from "./figures.ts"
import { begin, give } from "./parts.ts"
import type { Report } from "./pools-peer.ts"
import {
  type Contender,
  isThere,
  type Program,
  programAt,
  type Router,
  speechOf,
  startRouter,
} from "./pools-stand.ts"

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    runs: { type: "string", default: "3" },
    profile: { type: "string" },
    beside: { type: "string", multiple: true },
    brief: { type: "boolean", default: false },
  },
})
const runs = Number(values.runs)
const runSeconds = 2

/** A contender with one program that calls and one that handles. */
interface Stand {
  readonly contender: Contender
  readonly router: Router
  readonly caller: Program
  readonly handler: Program
}

const all = [
  ...["quartet", "quartet-json", "quartet-tcp", "bare"],
  ...["nats", "moleculer", "moleculer-nats"],
] as const satisfies readonly Contender[]
// Over TCP it is the same router, and what Moleculer puts on NATS is NATS.
const inBrief: readonly Contender[] = ["quartet", "quartet-json", "bare", "nats", "moleculer"]
const calling = all.filter(
  (each) =>
    isThere(each) &&
    (!values.brief || inBrief.includes(each)) &&
    (values.beside === undefined || each.startsWith("quartet") || values.beside.includes(each)),
)

const wants = (part: string) => values.only === undefined || values.only.includes(part)

async function standOf(contender: Contender, how: "echo" | "never"): Promise<Stand> {
  const router = await startRouter(contender, values.profile)
  const handler = await programAt(router, speechOf[contender], "handler")
  await handler.ask({ do: "handle", how })
  const caller = await programAt(router, speechOf[contender], "caller")
  return { contender, router, caller, handler }
}

async function end({ router, caller, handler }: Stand): Promise<void> {
  caller.kill()
  handler.kill()
  await router.stop()
}

async function benchCalls(): Promise<void> {
  const stands: Stand[] = []
  for (const contender of calling) stands.push(await standOf(contender, "echo"))
  const rows = new Rows()
  for (let run = 0; run <= runs; run++) {
    for (const stand of stands) {
      for (const outstanding of [64, 512, 1]) {
        const seconds = run === 0 ? 1 : runSeconds
        const before = stand.router.cpuMs
        const report = await stand.caller.ask({ do: "load", outstanding, seconds })
        const cpuMs = stand.router.cpuMs - before
        if (run > 0) noteLoad(rows, stand.contender, { outstanding, cpuMs, report })
      }
      if (run === 0 || stand.contender === "bare") continue
      const { p50Ms = Number.NaN } = await stand.caller.ask({ do: "absent", calls: 500 })
      const row = { name: "no handler", unit: "µs p50", target: "<= NATS; <= 500" }
      rows.add(row, stand.contender, p50Ms * 1_000)
    }
  }
  await give(rows.all)
  await Promise.all(stands.map(end))
}

const aims = new Map([
  [64, ">= 80,000; >= 1.8 NATS, 1.5 Moleculer"],
  [512, ">= 110,000; >= 2 NATS"],
])

interface Loaded {
  readonly outstanding: number
  readonly cpuMs: number
  readonly report: Report
}

function noteLoad(rows: Rows, of: Contender, { outstanding, cpuMs, report }: Loaded): void {
  const { calls = 0, seconds = 1, p50Ms = Number.NaN, p99Ms = Number.NaN } = report
  const name = `calls, ${outstanding} outstanding`
  // With Moleculer alone nothing routes.
  const unit = "µs CPU of the router/call"
  if (of !== "moleculer") rows.add({ name, unit }, of, (cpuMs * 1_000) / calls)
  const target = aims.get(outstanding) ?? ""
  rows.add({ name, unit: "calls/s", target }, of, calls / seconds)
  if (outstanding !== 1) return
  rows.add({ name, unit: "µs p50", target: "<= 200; <= 0.91 NATS" }, of, p50Ms * 1_000)
  rows.add({ name, unit: "µs p99", target: "<= 800; <= NATS" }, of, p99Ms * 1_000)
}

/** A handler is killed while it holds a call: how long until the caller knows. */
async function benchLost(): Promise<void> {
  const rows = new Rows()
  const cases = [
    { contender: "quartet", times: 30, timeoutMs: 30_000 },
    { contender: "quartet-tcp", times: 30, timeoutMs: 30_000 },
    { contender: "moleculer", times: 10, timeoutMs: 20_000 },
    { contender: "nats", times: 1, timeoutMs: 4_000 },
    { contender: "moleculer-nats", times: 1, timeoutMs: 20_000 },
  ] as const
  for (const { contender, times, timeoutMs } of cases) {
    if (!isThere(contender)) continue
    const took: number[] = []
    let error: string | undefined
    for (let time = 0; time < times; time++) {
      const stand = await standOf(contender, "never")
      const held = new Promise<void>((resolve) => {
        stand.handler.onHeld = resolve
      })
      const answered = stand.caller.ask({ do: "lose", timeoutMs })
      await Promise.race([held, answered.then(({ error }) => Promise.reject(new Error(error)))])
      const killed = process.hrtime.bigint()
      stand.handler.kill()
      const report = await answered
      took.push(Number(BigInt(report.at ?? 0) - killed) / 1e6)
      error = report.error
      await end(stand)
    }
    console.log(`${contender}: ${error}`)
    const name = "handler killed -9, caller knows"
    const target = "<= Moleculer"
    rows.add({ name, unit: "ms p50", target: `${target}; <= 5` }, contender, quantile(took, 0.5))
    rows.add({ name, unit: "ms p99", target: `${target}; <= 20` }, contender, quantile(took, 0.99))
  }
  await give(rows.all)
}

/** Emits to a hundred connections in four processes. */
async function benchEmits(): Promise<void> {
  const rows = new Rows()
  const stands: { contender: Contender; router: Router; all: Program[]; speaker: Program }[] = []
  for (const contender of ["quartet", "nats", "redis"] as const) {
    if (!isThere(contender)) continue
    const router = await startRouter(contender, values.profile)
    const speech = speechOf[contender]
    const all: Program[] = []
    for (let at = 0; at < 4; at++) {
      const program = await programAt(router, speech, `program-${at}`)
      await program.ask({ do: "listen", speech, place: router.place, connections: 25 })
      all.push(program)
    }
    stands.push({ contender, router, all, speaker: await programAt(router, speech, "speaker") })
  }
  for (let run = 0; run <= runs; run++) {
    for (const { contender, router, speaker } of stands) {
      const before = router.cpuMs
      const { calls = 0, seconds = 1 } = await speaker.ask({
        do: "emit",
        listeners: 4,
        seconds: runSeconds,
      })
      if (run === 0) continue
      const name = "emits of 128 B to 100 connections"
      const cpuUs = ((router.cpuMs - before) * 10) / calls
      rows.add({ name, unit: "µs CPU of the router/delivery" }, contender, cpuUs)
      const target = ">= 150,000; >= 0.8 NATS, 1.0 Redis"
      rows.add({ name, unit: "deliveries/s", target }, contender, (calls * 100) / seconds)
    }
  }
  await give(rows.all)
  for (const { router, all, speaker } of stands) {
    for (const program of [...all, speaker]) program.kill()
    await router.stop()
  }
}

async function benchMemory(): Promise<void> {
  const router = await startRouter("quartet")
  const before = await router.ask("collect")
  const program = await programAt(router, "compact", "first")
  await program.ask({ do: "idle", place: router.place, connections: 1_000 })
  const after = await router.ask("collect")
  const rows = new Rows()
  const mebibytes = (bytes: number) => bytes / 2 ** 20
  rows.add({ name: "empty", unit: "MiB resident" }, "quartet", mebibytes(before.rssBytes))
  const name = "1,000 idle apps"
  const full = { name, unit: "MiB resident", target: "<= 120" }
  rows.add(full, "quartet", mebibytes(after.rssBytes))
  const each = (after.heapBytes - before.heapBytes) / 1_000 / 1024
  rows.add({ name, unit: "KiB of the heap each" }, "quartet", each)
  await give(rows.all)
  program.kill()
  await router.stop()
}

async function benchMillion(): Promise<void> {
  const stand = await standOf("quartet", "echo")
  await stand.caller.ask({ do: "count", outstanding: 64, calls: 50_000 })
  const before = await stand.router.ask("collect")
  await stand.caller.ask({ do: "count", outstanding: 64, calls: 1_000_000 })
  const after = await stand.router.ask("collect")
  const rows = new Rows()
  const name = "a million calls"
  rows.add({ name, unit: "MiB of the heap before" }, "quartet", before.heapBytes / 2 ** 20)
  const more = (after.heapBytes - before.heapBytes) / 2 ** 20
  rows.add({ name, unit: "MiB of the heap more", target: "<= 5" }, "quartet", more)
  await give(rows.all)
  await end(stand)
}

begin()
if (wants("calls")) await benchCalls()
if (wants("lost")) await benchLost()
if (wants("emits")) await benchEmits()
if (wants("memory")) await benchMemory()
if (wants("million")) await benchMillion()
process.exit()
