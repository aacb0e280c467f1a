/**
 * The benchmarks of the relay: `node bench/relay.ts [--only fan-out|rooms] [--replicas N]
 * [--runs N] [--rooms N] [--beside NAME] [--profile DIRECTORY]`.
 *
 * The server runs as a process of its own on one core, the replicas in this one on another. What
 * always holds: every contender gets the same load at the same pace in the same run, whether it
 * keeps up or not; the main figure is the server's CPU time for each delivery, which is one change
 * that one other replica gets, however many of them a message holds.
 */
import { readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { median, quantile, type Row, table } from "./figures.ts"
import { hocuspocusSpeech, RoomLoad, type Speech, yjsSpeech } from "./relay-rooms.ts"
import { hasPeers, nameOf, pinLoad, type RelayKind, relays, Target } from "./target.ts"

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    runs: { type: "string", default: "3" },
    rooms: { type: "string", default: "2500" },
    replicas: { type: "string" },
    beside: { type: "string", multiple: true },
    profile: { type: "string" },
  },
})
const runs = Number(values.runs)
const manyRooms = Number(values.rooms)

const beside = relays.filter(
  (kind) =>
    (hasPeers || (kind !== "y-websocket" && kind !== "hocuspocus")) &&
    (values.beside === undefined || values.beside.includes(kind)),
)
const contenders: readonly RelayKind[] = ["quartet", ...beside]

/** What its clients speak: of the others each has one dialect, the floors none. */
function speechOf(kind: RelayKind): Speech {
  return kind === "hocuspocus" ? hocuspocusSpeech : yjsSpeech
}

/** Some rooms, and how each of their writers writes. */
interface Shape {
  readonly rooms: number
  readonly replicas: number
  /** In each room. */
  readonly writers: number
  /** In one write. */
  readonly changes: number
  readonly bytes: number
  /** From one write of a writer to its next one. */
  readonly everyMs: number
}

interface Measured {
  readonly cpuUs: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly messages: number
  /** Of the load's own core: near 100 it is what was measured. */
  readonly loadPercent: number
}

/** A contender with its rooms. */
interface Stage {
  readonly target: Target<RelayKind>
  readonly rooms: readonly RoomLoad[]
}

const warmSeconds = 2
const runSeconds = 2
/** Rooms that are opened at once. */
const opening = 20

/** Rates would measure themselves; and nobody need wait for somebody who has the content. */
const start = {
  settings: {
    RELAY_LIMITS: JSON.stringify({
      messagesPerSecond: 0,
      bytesPerSecond: 0,
      roomBytesPerSecond: 0,
      seedHoldMs: 0,
    }),
  },
}

function startOf(kind: RelayKind): Promise<Target<RelayKind>> {
  return Target.start(kind, kind === "quartet" ? { ...start, profile: values.profile } : {})
}

async function openRooms(target: Target<RelayKind>, shape: Shape): Promise<readonly RoomLoad[]> {
  const { rooms, replicas, writers } = shape
  const speech = speechOf(target.kind)
  const opened: RoomLoad[] = []
  for (let first = 0; first < rooms; first += opening) {
    const some = Array.from({ length: Math.min(opening, rooms - first) }, (_, index) =>
      RoomLoad.open(target.port, { room: `room-${first + index}`, replicas, writers, speech }),
    )
    opened.push(...(await Promise.all(some)))
  }
  return opened
}

/** Writes for so long, each writer at its own moments; resolves when all has arrived. */
async function write(rooms: readonly RoomLoad[], shape: Shape, seconds: number): Promise<void> {
  const turns = Array.from({ length: shape.writers }, (_, writer) => writer).flatMap((writer) =>
    rooms.map((room) => ({ room, writer })),
  )
  const perMs = turns.length / shape.everyMs
  const total = Math.floor(seconds * 1_000 * perMs)
  const began = performance.now()
  for (let written = 0; written < total; ) {
    const due = Math.min(total, Math.floor((performance.now() - began) * perMs))
    for (; written < due; written += 1) {
      // Writers by turns, so that each has its time between two writes.
      const turn = turns[written % turns.length]
      turn?.room.write(turn.writer, shape)
    }
    await sleep(1)
  }
  await Promise.all(rooms.map((room) => room.settled()))
}

async function once({ target, rooms }: Stage, shape: Shape, seconds: number): Promise<Measured> {
  for (const room of rooms) room.reset()
  const before = await target.ask("restart")
  const own = process.cpuUsage()
  const began = performance.now()
  await write(rooms, shape, seconds)
  const elapsedMs = performance.now() - began
  const { user, system } = process.cpuUsage(own)
  const after = await target.ask("usage")
  const latencies = rooms.flatMap((room) => room.latencies)
  const deliveries = sum(rooms, ({ sent }) => sent) * (shape.replicas - 1)
  return {
    cpuUs: ((after.cpuMs - before.cpuMs) * 1_000) / deliveries,
    p50Ms: median(latencies),
    p99Ms: quantile(latencies, 0.99),
    messages: sum(rooms, ({ messages }) => messages) / deliveries,
    loadPercent: (user + system) / elapsedMs / 10,
  }
}

/** All contenders with their rooms, by turns. */
async function benchFanOut(rows: Row[], shape: Shape): Promise<void> {
  const targets: Target<RelayKind>[] = []
  const results = new Map<RelayKind, Measured[]>(contenders.map((kind) => [kind, []]))
  try {
    for (const kind of contenders) targets.push(await startOf(kind))
    const stages: Stage[] = []
    for (const target of targets) stages.push({ target, rooms: await openRooms(target, shape) })
    await takeTurns(stages, shape, results)
    for (const { rooms } of stages) await Promise.all(rooms.map((room) => room.close()))
  } finally {
    await Promise.all(targets.map((target) => target.stop()))
  }
  note(rows, shape, results)
}

async function takeTurns(
  stages: readonly Stage[],
  shape: Shape,
  results: ReadonlyMap<RelayKind, Measured[]>,
): Promise<void> {
  const failed = new Set<Stage>()
  for (let run = 0; run <= runs; run += 1) {
    for (const stage of stages) {
      if (failed.has(stage)) continue
      const { kind } = stage.target
      try {
        const measured = await once(stage, shape, run === 0 ? warmSeconds : runSeconds)
        if (run > 0) results.get(kind)?.push(measured)
      } catch (thrown) {
        // What another cannot do is worth a line; what Quartet cannot do ends it.
        if (kind === "quartet") throw thrown
        console.error(`${nameOf[kind]} gave up:`, thrown)
        failed.add(stage)
      }
    }
  }
}

function note(
  rows: Row[],
  shape: Shape,
  results: ReadonlyMap<RelayKind, readonly Measured[]>,
): void {
  const { rooms, replicas, writers, changes, bytes } = shape
  const many = rooms === 1 ? "1 room" : `${rooms.toLocaleString("en")} rooms`
  const name = `${many} of ${replicas}, ${writers} writing, ${changes} a turn, ${bytes} B`
  const aim =
    replicas < 100
      ? "<= 2 framed"
      : "<= 1.2 framed, 0.5 @y/websocket-server, 0.33 @hocuspocus/server"
  const row = (unit: string, of: (measured: Measured) => number, target = "") => {
    const figures = new Map([...results].map(([kind, all]) => [kind, all.map(of)]))
    rows.push({ name, unit, target, figures })
  }
  const first = rows.length
  row("µs CPU/delivery", ({ cpuUs }) => cpuUs, aim)
  row("ms p50", ({ p50Ms }) => p50Ms)
  row("ms p99", ({ p99Ms }) => p99Ms, "< 10")
  row("messages/delivery", ({ messages }) => messages)
  row("% of the load's core", ({ loadPercent }) => loadPercent)
  tell(rows.slice(first))
}

/** Many small rooms: what idle connections cost, and then a change a second in each room. */
async function benchRooms(rows: Row[]): Promise<void> {
  const shape = { rooms: manyRooms, replicas: 2, writers: 1, changes: 1, bytes: 64, everyMs: 1_000 }
  const memory = new Map<RelayKind, number[]>()
  const heap = new Map<RelayKind, number[]>()
  const results = new Map<RelayKind, Measured[]>()
  for (const kind of contenders) {
    const target = await startOf(kind)
    try {
      // What is made once, whatever comes after it, is made before anything is counted.
      const few = await openRooms(target, { ...shape, rooms: 100 })
      await Promise.all(few.map((room) => room.close()))
      await sleep(1_000)
      const empty = await target.ask("collect")
      const rooms = await openRooms(target, shape)
      await sleep(1_000)
      const full = await target.ask("collect")
      memory.set(kind, [(full.rssBytes - empty.rssBytes) / (manyRooms * 2)])
      heap.set(kind, [(full.heapBytes - empty.heapBytes) / (manyRooms * 2)])
      const measured: Measured[] = []
      for (let run = 0; run <= runs; run += 1) {
        const one = await once({ target, rooms }, shape, runSeconds)
        if (run > 0) measured.push(one)
      }
      results.set(kind, measured)
      await Promise.all(rooms.map((room) => room.close()))
    } finally {
      await target.stop()
    }
  }
  note(rows, shape, results)
  const name = `${(manyRooms * 2).toLocaleString("en")} idle connections, rooms of 2`
  const target = "<= 12,288; <= 1.5 floor; <= 0.5 the others"
  rows.push({ name, unit: "bytes RSS each", figures: memory, target })
  rows.push({ name, unit: "bytes heap each", figures: heap, target: "" })
  tell(rows.slice(-2))
}

function tell(rows: readonly Row[]): void {
  const load = readFileSync("/proc/loadavg", "utf8").trim()
  console.error(`load average ${load}\n${table(rows)}\n`)
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0)
}

// A thousand replicas in most, and about twenty thousand deliveries a second where rooms are large.
const shapes: readonly Shape[] = [
  { rooms: 500, replicas: 2, writers: 1, changes: 1, bytes: 64, everyMs: 200 },
  { rooms: 100, replicas: 10, writers: 1, changes: 1, bytes: 64, everyMs: 100 },
  { rooms: 10, replicas: 100, writers: 1, changes: 1, bytes: 64, everyMs: 50 },
  { rooms: 10, replicas: 100, writers: 1, changes: 1, bytes: 1_024, everyMs: 50 },
  { rooms: 10, replicas: 100, writers: 1, changes: 10, bytes: 64, everyMs: 500 },
  { rooms: 2, replicas: 100, writers: 10, changes: 1, bytes: 64, everyMs: 100 },
  { rooms: 1, replicas: 1_000, writers: 1, changes: 1, bytes: 64, everyMs: 50 },
  { rooms: 1, replicas: 1_000, writers: 1, changes: 1, bytes: 1_024, everyMs: 50 },
  { rooms: 1, replicas: 1_000, writers: 1, changes: 10, bytes: 64, everyMs: 500 },
]

const isPinned = pinLoad()
console.error(
  `Node ${process.version}, ${isPinned ? "server and load on a core each" : "not pinned"}`,
)
if (!hasPeers) {
  const missing = `${nameOf["y-websocket"]} and ${nameOf.hocuspocus}`
  console.error(`MISSING: ${missing} are not measured; to have them: npm ci --prefix bench/peers`)
}
const rows: Row[] = []
const wants = (name: string) => values.only === undefined || values.only === name
const chosen = shapes.filter(
  ({ replicas }) => values.replicas === undefined || Number(values.replicas) === replicas,
)
if (wants("fan-out")) for (const shape of chosen) await benchFanOut(rows, shape)
if (wants("rooms")) await benchRooms(rows)
console.log(table(rows))
