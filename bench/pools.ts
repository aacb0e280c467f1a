/**
 * The benchmark of pools: `node bench/pools.ts [--only calls|lost|emits|memory|million] [--runs N]
 * [--profile DIRECTORY]`.
 *
 * Caller, router and handler are processes of their own with one connection each. What always holds:
 * all contenders take their turns within a round, so that what else the machine does strikes all
 * alike; the first round does not count; the router's CPU time holds better than calls a second.
 */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { loadavg } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { median, quantile, ratios, short, spread } from "./figures.ts"
import type { Report } from "./pools-peer.ts"
import {
  type Contender,
  hasPeers,
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

/** Figures of one name, by contender, in the order of the rounds. */
type Figures = Map<Contender, number[]>

const rivals = hasPeers ? (["nats", "moleculer", "moleculer-nats"] as const) : []
const calling = (["quartet", "quartet-json", "quartet-tcp", "bare", ...rivals] as const).filter(
  (each) =>
    values.beside === undefined || each.startsWith("quartet") || values.beside.includes(each),
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

function add(figures: Map<string, Figures>, row: string, [of, figure]: [Contender, number]): void {
  const own = figures.get(row) ?? new Map()
  figures.set(row, own)
  own.set(of, [...(own.get(of) ?? []), figure])
}

const tables: string[] = []

/** A table: a row for each name, a column for each contender, and the ratio of Quartet's first to each rival. */
function print(title: string, figures: ReadonlyMap<string, Figures>): void {
  const named = [...figures].map(([row, own]) => {
    const cells = [...own].map(([of, all]) => `${of} ${spread(all)}`)
    const first = own.get("quartet") ?? []
    const beside = [...own]
      .filter(([of]) => !of.startsWith("quartet"))
      .map(([of, all]) => `${short(median(ratios(first, all)))} x ${of}`)
    return `| ${row} | ${cells.join("; ")} | ${first.length === 0 ? "" : beside.join("; ")} |`
  })
  const load = loadavg()
    .map((each) => each.toFixed(1))
    .join(" ")
  tables.push(
    `${title} (load average ${load})\n\n| | figures | Quartet compact by the others |\n|-|-|-|\n${named.join("\n")}`,
  )
  console.log(`\n${tables.at(-1)}`)
}

async function benchCalls(): Promise<void> {
  const stands: Stand[] = []
  for (const contender of calling) stands.push(await standOf(contender, "echo"))
  const figures = new Map<string, Figures>()
  for (let run = 0; run <= runs; run++) {
    for (const stand of stands) {
      for (const outstanding of [64, 512, 1]) {
        const seconds = run === 0 ? 1 : runSeconds
        const before = stand.router.cpuMs
        const report = await stand.caller.ask({ do: "load", outstanding, seconds })
        const cpuMs = stand.router.cpuMs - before
        if (run > 0) noteLoad(figures, stand.contender, { outstanding, cpuMs, report })
      }
      if (run === 0 || stand.contender === "bare") continue
      const { p50Ms = Number.NaN } = await stand.caller.ask({ do: "absent", calls: 500 })
      add(figures, "no handler: p50 µs", [stand.contender, p50Ms * 1_000])
    }
  }
  print("Calls of 64 B of JSON", figures)
  await Promise.all(stands.map(end))
}

function noteLoad(
  figures: Map<string, Figures>,
  of: Contender,
  {
    outstanding,
    cpuMs,
    report,
  }: { readonly outstanding: number; readonly cpuMs: number; readonly report: Report },
): void {
  const { calls = 0, seconds = 1, p50Ms = Number.NaN, p99Ms = Number.NaN } = report
  add(figures, `${outstanding} outstanding: calls/s`, [of, calls / seconds])
  if (of !== "moleculer") {
    add(figures, `${outstanding} outstanding: µs CPU of the router/call`, [
      of,
      (cpuMs * 1_000) / calls,
    ])
  }
  if (outstanding !== 1) return
  add(figures, "1 outstanding: p50 µs", [of, p50Ms * 1_000])
  add(figures, "1 outstanding: p99 µs", [of, p99Ms * 1_000])
}

/** A handler is killed while it holds a call: how long until the caller knows. */
async function benchLost(): Promise<void> {
  const figures = new Map<string, Figures>()
  const cases = [
    { contender: "quartet", times: 30, timeoutMs: 30_000 },
    { contender: "quartet-tcp", times: 30, timeoutMs: 30_000 },
    ...(hasPeers
      ? ([
          { contender: "moleculer", times: 10, timeoutMs: 20_000 },
          { contender: "nats", times: 1, timeoutMs: 4_000 },
          { contender: "moleculer-nats", times: 1, timeoutMs: 20_000 },
        ] as const)
      : []),
  ] as const
  for (const { contender, times, timeoutMs } of cases) {
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
    add(figures, "handler killed -9, caller knows: p50 ms", [contender, quantile(took, 0.5)])
    add(figures, "handler killed -9, caller knows: p99 ms", [contender, quantile(took, 0.99)])
  }
  print("A handler that is killed", figures)
}

/** Emits to a hundred connections in four processes. */
async function benchEmits(): Promise<void> {
  const figures = new Map<string, Figures>()
  const stands: { contender: Contender; router: Router; all: Program[]; speaker: Program }[] = []
  for (const contender of ["quartet", ...(hasPeers ? (["nats", "redis"] as const) : [])] as const) {
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
      add(figures, "deliveries/s", [contender, (calls * 100) / seconds])
      add(figures, "µs CPU of the router/delivery", [
        contender,
        ((router.cpuMs - before) * 10) / calls,
      ])
    }
  }
  print("Emits of 128 B to 100 connections in 4 processes", figures)
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
  const figures = new Map<string, Figures>()
  add(figures, "empty: MiB resident", ["quartet", before.rssBytes / 2 ** 20])
  add(figures, "1,000 idle apps: MiB resident", ["quartet", after.rssBytes / 2 ** 20])
  add(figures, "of the heap for each: KiB", [
    "quartet",
    (after.heapBytes - before.heapBytes) / 1_000 / 1024,
  ])
  print("Memory", figures)
  program.kill()
  await router.stop()
}

async function benchMillion(): Promise<void> {
  const stand = await standOf("quartet", "echo")
  await stand.caller.ask({ do: "count", outstanding: 64, calls: 50_000 })
  const before = await stand.router.ask("collect")
  await stand.caller.ask({ do: "count", outstanding: 64, calls: 1_000_000 })
  const after = await stand.router.ask("collect")
  const figures = new Map<string, Figures>()
  add(figures, "heap before: MiB", ["quartet", before.heapBytes / 2 ** 20])
  add(figures, "more after a million calls: MiB", [
    "quartet",
    (after.heapBytes - before.heapBytes) / 2 ** 20,
  ])
  print("A million calls", figures)
  await end(stand)
}

function versions(): string {
  const of = (program: string) => {
    try {
      return execFileSync(program, ["--version"], { encoding: "utf8" }).trim()
    } catch {
      return `no ${program}`
    }
  }
  const packages = hasPeers
    ? ["@nats-io/transport-node", "moleculer", "redis"].map((name) => {
        const file = join(import.meta.dirname, "peers/node_modules", name, "package.json")
        return `${name} ${JSON.parse(readFileSync(file, "utf8")).version}`
      })
    : ["no peers"]
  return [`Node ${process.version}`, of("nats-server"), of("redis-server"), ...packages].join("; ")
}

console.log(versions())
if (wants("calls")) await benchCalls()
if (wants("lost")) await benchLost()
if (wants("emits")) await benchEmits()
if (wants("memory")) await benchMemory()
if (wants("million")) await benchMillion()
process.exit()
