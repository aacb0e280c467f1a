/**
 * One kind of growing work, as a program of its own: `node bench/growth-loads.ts rooms|editors|
 * documents|connections|calls [--sizes 1,10]`. Gives a row for each size and figure.
 *
 * What always holds: each size has a fresh server, which has served something before anything
 * counts; what the server uses with nothing to do, at that size, is measured first and taken off
 * the cost of a unit, so that a small load is not charged for the clock.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { type Contest, once } from "./contest.ts"
import { documentsOf } from "./crowd.ts"
import { typing } from "./fan-out.ts"
import { Rows } from "./figures.ts"
import { Crowd } from "./operators-loads.ts"
import { memoryEach, Server } from "./operators-servers.ts"
import { begin, give } from "./parts.ts"
import { type Program, programAt, type Router, startRouter } from "./pools-stand.ts"
import { openFilesLimit } from "./present.ts"
import { pinLoad } from "./processes.ts"
import { openSome, once as relayOnce, type Shape, unlimited } from "./relay-load.ts"
import { hocuspocusSpeech, RoomLoad } from "./relay-rooms.ts"
import { SharedLine } from "./shared-lines.ts"
import { Target } from "./target.ts"

const idleMs = 2_000
const unit = {
  idle: "% of a core, idle",
  p50: "ms p50",
  p99: "ms p99",
}
const rows = new Rows()

/** A figure of one size; what is not known, such as memory shared by too few, is left out. */
function note(name: string, figures: Readonly<Record<string, number>>): void {
  for (const [unit, figure] of Object.entries(figures)) {
    if (!Number.isNaN(figure)) rows.add({ name, unit }, "quartet", figure)
  }
}

/** What a server uses with nothing to do: ms of CPU in a second. */
async function idleMsPerSecond(used: () => number | Promise<number>): Promise<number> {
  const before = await used()
  const began = performance.now()
  await sleep(idleMs)
  return ((await used()) - before) / ((performance.now() - began) / 1_000)
}

/** µs of CPU for each of `count`, without what idling takes. */
function net(cpuMs: number, { idle, seconds, count }: Net): number {
  return (Math.max(0, cpuMs - idle * seconds) * 1_000) / count
}

interface Net {
  /** ms of CPU in a second. */
  readonly idle: number
  readonly seconds: number
  readonly count: number
}

/** Sockets that the rooms share: those who write have one, those who read another. */
const pairs = 200
/** Fewer do not tell what one of them takes: of the heap, and of what the kernel has given it. */
const leastForHeap = 100
const leastForRss = 5_000

async function benchRooms(count: number): Promise<void> {
  // A socket is open for a while before the first of its rooms is.
  const limits = { ...unlimited, lingerMs: 100, joinMs: 60_000, rooms: 50_000 }
  const settings = { RELAY_LIMITS: JSON.stringify(limits) }
  const target = await Target.start("quartet", { settings })
  // Twenty changes a second in a room, two thousand in all of them.
  const everyMs = Math.max(50, count / 2)
  const shape = { rooms: count, replicas: 2, writers: 1, changes: 1, bytes: 64, everyMs }
  const warm = { ...shape, rooms: 200, everyMs: 100 }
  const first = await openRooms(target.port, warm, "warm")
  await relayOnce({ target, rooms: first.rooms }, warm, 3)
  await first.close()
  await sleep(1_000)
  const empty = await target.ask("collect")
  const { rooms } = await openRooms(target.port, shape, "room")
  await sleep(500)
  const full = await target.ask("collect")
  const idle = await idleMsPerSecond(async () => (await target.ask("usage")).cpuMs)
  const measured = await relayOnce({ target, rooms }, shape, 5)
  const { cpuUs, deliveries, seconds, p50Ms, p99Ms, loadPercent } = measured
  const each = (bytes: number, least: number) => (count < least ? Number.NaN : bytes / count)
  note(label(count, "room"), {
    "deliveries/s": deliveries / seconds,
    "µs CPU/delivery": net((cpuUs * deliveries) / 1_000, { idle, seconds, count: deliveries }),
    [unit.idle]: idle / 10,
    [unit.p50]: p50Ms,
    [unit.p99]: p99Ms,
    "MiB RSS": full.rssBytes / 2 ** 20,
    "bytes RSS/room": each(full.rssBytes - empty.rssBytes, leastForRss),
    "bytes heap/room": each(full.heapBytes - empty.heapBytes, leastForHeap),
    "% of the load's core": loadPercent,
  })
  await target.stop()
}

/** Rooms over a few sockets, the writer of a room on one and its reader on another. */
async function openRooms(port: number, { rooms: count, replicas, writers }: Shape, name: string) {
  const opening = Array.from({ length: Math.min(pairs, count) }, () =>
    Promise.all([SharedLine.open(port), SharedLine.open(port)]),
  )
  const lines = await Promise.all(opening)
  const rooms = await openSome(count, pairs, (index) => {
    const [writing, reading] = lines[index % lines.length] ?? []
    const room = `${name}-${index}`
    return RoomLoad.open(port, {
      ...{ room, replicas, writers, speech: hocuspocusSpeech },
      open: async (replica, heard) => {
        const line = replica === 0 ? writing : reading
        if (line === undefined) throw new Error("never: there is a pair for each")
        return line.of(room, heard)
      },
    })
  })
  const close = async () => {
    await Promise.all(lines.flat().map((line) => line.close()))
  }
  return { rooms, close }
}

function benchEditors(count: number): Promise<void> {
  const warm = typing(Math.min(count, 50))
  const seconds = count < 50 ? 4 : 2.5
  return benchTyping(label(count, "editor"), warm, { contest: typing(count), seconds })
}

function benchDocuments(count: number): Promise<void> {
  const shape = { documents: count, editors: 3, perSecond: 5 }
  const warm = documentsOf({ ...shape, documents: Math.min(count, 20) })
  return benchTyping(label(count, "document"), warm, { contest: documentsOf(shape), seconds: 5 })
}

interface Typing {
  readonly contest: Contest
  readonly seconds: number
}

async function benchTyping(
  name: string,
  warm: Contest,
  { contest, seconds: long }: Typing,
): Promise<void> {
  const target = await Target.start("quartet")
  await once(target, warm, { id: "warm", seconds: 2 })
  let idle = 0
  const run = await once(
    target,
    {
      open: async (on, id) => {
        const opened = await contest.open(on, id)
        idle = await idleMsPerSecond(async () => (await target.ask("usage")).cpuMs)
        return opened
      },
      load: (opened, seconds) => contest.load(opened, seconds),
    },
    { id: "grown", seconds: long },
  )
  const { cpuMs, seconds, edits, deliveries, p50Ms, p99Ms, loadPercent } = run
  note(name, {
    "edits/s": edits / seconds,
    "µs CPU/edit": net(cpuMs, { idle, seconds, count: edits }),
    "µs CPU/delivery": net(cpuMs, { idle, seconds, count: deliveries }),
    "% of a core": cpuMs / seconds / 10,
    [unit.idle]: idle / 10,
    [unit.p50]: p50Ms,
    [unit.p99]: p99Ms,
    "% of the load's core": loadPercent,
  })
  await target.stop()
}

const talking = 100

async function benchConnections(count: number): Promise<void> {
  const server = await Server.start("quartet")
  const few = await Crowd.open(server, talking, "classic")
  await few.saturate(server)
  few.close()
  await sleep(500)
  const empty = await server.memory()
  const crowd = await Crowd.open(server, count, "classic")
  const memory = memoryEach(empty, await server.memory(), count)
  const idle = await idleMsPerSecond(() => server.cpuMs)
  const perSecond = 5_000
  const {
    cpuUs = 0,
    p50Ms = 0,
    p99Ms = 0,
    loadPercent = 0,
  } = await crowd.pace(server, perSecond, talking)
  note(label(count, "connection"), {
    "bytes heap each": memory.heapBytes,
    "µs CPU/message": Math.max(0, cpuUs - (idle * 1_000) / perSecond),
    [unit.idle]: idle / 10,
    [unit.p50]: p50Ms,
    [unit.p99]: p99Ms,
    "% of the load's core": loadPercent,
  })
  crowd.close()
  await server.stop()
}

/** An app may have so many calls under way; more of them are shared by two. */
const ofOneApp = 8_000

async function benchCalls(count: number): Promise<void> {
  const router = await startRouter("quartet")
  const handler = await programAt(router, "compact", "handler")
  await handler.ask({ do: "handle", how: "echo" })
  const callers: Program[] = []
  for (let at = 0; at * ofOneApp < count; at += 1) {
    callers.push(await programAt(router, "compact", `caller-${at}`))
  }
  await called(router, callers, { count, seconds: 1.5 })
  const idle = await idleMsPerSecond(() => router.cpuMs)
  const { cpuMs, seconds, calls, p50Ms, p99Ms } = await called(router, callers, {
    count,
    seconds: 4,
  })
  note(label(count, "call"), {
    "calls/s": calls / seconds,
    "µs CPU/call": net(cpuMs, { idle, seconds, count: calls }),
    [unit.idle]: idle / 10,
    [unit.p50]: p50Ms,
    [unit.p99]: p99Ms,
  })
  for (const program of [handler, ...callers]) program.kill()
  await router.stop()
}

/** So many calls under way for so long, shared by the callers. */
async function called(
  router: Router,
  callers: readonly Program[],
  { count, seconds }: { readonly count: number; readonly seconds: number },
) {
  const outstanding = count / callers.length
  const before = router.cpuMs
  const reports = await Promise.all(
    callers.map((caller) => caller.ask({ do: "load", outstanding, seconds })),
  )
  const most = (of: (report: (typeof reports)[number]) => number | undefined) =>
    Math.max(...reports.map((report) => of(report) ?? Number.NaN))
  return {
    cpuMs: router.cpuMs - before,
    calls: reports.reduce((sum, { calls = 0 }) => sum + calls, 0),
    seconds: most((report) => report.seconds),
    p50Ms: most(({ p50Ms }) => p50Ms),
    p99Ms: most(({ p99Ms }) => p99Ms),
  }
}

function label(count: number, thing: string): string {
  return `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`
}

/** By the name that is asked for. Each connection is a file at the server and one in this process. */
const loads = new Map([
  [
    "rooms",
    { bench: benchRooms, sizes: [1, 10, 100, 1_000, 10_000, 20_000], files: () => 2 * pairs },
  ],
  [
    "editors",
    { bench: benchEditors, sizes: [1, 10, 50, 100, 250, 500], files: (size: number) => size },
  ],
  [
    "documents",
    { bench: benchDocuments, sizes: [1, 10, 100, 300], files: (size: number) => 3 * size },
  ],
  [
    "connections",
    { bench: benchConnections, sizes: [100, 1_000, 5_000, 10_000], files: (size: number) => size },
  ],
  ["calls", { bench: benchCalls, sizes: [1, 10, 100, 1_000, 10_000], files: () => 0 }],
])

/** What a server has open besides. */
const otherFiles = 300

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { sizes: { type: "string" } },
})
begin()
const load = loads.get(positionals[0] ?? "")
if (load === undefined) {
  console.error(`there are ${[...loads.keys()].join(", ")}`)
  process.exit(2)
}
if (positionals[0] !== "calls") pinLoad()
for (const size of values.sizes?.split(",").map(Number) ?? load.sizes) {
  const files = load.files(size) + otherFiles
  if (files > openFilesLimit()) {
    console.error(
      `${size} are left out: they need ${files} open files, and the limit is ${openFilesLimit()}; raise it with ulimit -n ${files}`,
    )
    continue
  }
  const first = rows.all.length
  await load.bench(size)
  await give(rows.all.slice(first))
}
process.exit()
