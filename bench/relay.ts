/**
 * The benchmarks of the relay: `node bench/relay.ts [--only fan-out|rooms] [--replicas N]
 * [--runs N] [--rooms N] [--beside NAME] [--brief] [--profile DIRECTORY]`.
 *
 * The server runs as a process of its own on one core, the replicas in this one on another. What
 * always holds: every contender gets the same load at the same pace in the same run, whether it
 * keeps up or not; the main figure is the server's CPU time for each delivery, which is one change
 * that one other replica gets, however many of them a message holds.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import type { Row } from "./figures.ts"
import { begin, give } from "./parts.ts"
import { hasPeers } from "./present.ts"
import { pinLoad } from "./processes.ts"
import { type Measured, once, openSome, type Shape, type Stage, unlimited } from "./relay-load.ts"
import { hocuspocusSpeech, RoomLoad, type Speech, yjsSpeech } from "./relay-rooms.ts"
import { nameOf, type RelayKind, relays, Target } from "./target.ts"

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    runs: { type: "string", default: "3" },
    rooms: { type: "string", default: "2500" },
    replicas: { type: "string", multiple: true },
    brief: { type: "boolean", default: false },
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

/** A contender with its rooms. */
interface Contender extends Stage {
  readonly target: Target<RelayKind>
}

const warmSeconds = 2
const runSeconds = 2
/** Rooms that are opened at once. */
const opening = 20

const start = { settings: { RELAY_LIMITS: JSON.stringify(unlimited) } }

function startOf(kind: RelayKind): Promise<Target<RelayKind>> {
  return Target.start(kind, kind === "quartet" ? { ...start, profile: values.profile } : {})
}

function openRooms(target: Target<RelayKind>, shape: Shape): Promise<readonly RoomLoad[]> {
  const { rooms, replicas, writers } = shape
  const speech = speechOf(target.kind)
  return openSome(rooms, opening, (index) =>
    RoomLoad.open(target.port, { room: `room-${index}`, replicas, writers, speech }),
  )
}

/** All contenders with their rooms, by turns. */
async function benchFanOut(shape: Shape): Promise<void> {
  const targets: Target<RelayKind>[] = []
  const results = new Map<RelayKind, Measured[]>(contenders.map((kind) => [kind, []]))
  try {
    for (const kind of contenders) targets.push(await startOf(kind))
    const stages: Contender[] = []
    for (const target of targets) stages.push({ target, rooms: await openRooms(target, shape) })
    await takeTurns(stages, shape, results)
    for (const { rooms } of stages) await Promise.all(rooms.map((room) => room.close()))
  } finally {
    await Promise.all(targets.map((target) => target.stop()))
  }
  await note(shape, results)
}

async function takeTurns(
  stages: readonly Contender[],
  shape: Shape,
  results: ReadonlyMap<RelayKind, Measured[]>,
): Promise<void> {
  const failed = new Set<Contender>()
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

async function note(
  shape: Shape,
  results: ReadonlyMap<RelayKind, readonly Measured[]>,
): Promise<void> {
  const rows: Row[] = []
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
  row("µs CPU/delivery", ({ cpuUs }) => cpuUs, aim)
  row("ms p50", ({ p50Ms }) => p50Ms)
  row("ms p99", ({ p99Ms }) => p99Ms, "< 10")
  row("messages/delivery", ({ messages }) => messages)
  row("% of the load's core", ({ loadPercent }) => loadPercent)
  await give(rows)
}

/** Many small rooms: what idle connections cost, and then a change a second in each room. */
async function benchRooms(): Promise<void> {
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
  await note(shape, results)
  const name = `${(manyRooms * 2).toLocaleString("en")} idle connections, rooms of 2`
  const target = "<= 12,288; <= 1.5 floor; <= 0.5 the others"
  await give([
    { name, unit: "bytes RSS each", figures: memory, target },
    { name, unit: "bytes heap each", figures: heap },
  ])
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

begin()
console.error(pinLoad() ? "server and load on a core each" : "not pinned")
const wants = (name: string) => values.only === undefined || values.only === name
const chosen = shapes.filter(
  ({ replicas }, index) =>
    (values.replicas?.includes(String(replicas)) ?? true) &&
    // Of each size the first one.
    (!values.brief || shapes.findIndex((shape) => shape.replicas === replicas) === index),
)
if (wants("fan-out")) for (const shape of chosen) await benchFanOut(shape)
if (wants("rooms")) await benchRooms()
