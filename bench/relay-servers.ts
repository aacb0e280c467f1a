/**
 * The relay over two servers: `node bench/relay-servers.ts [--only across|resync] [--rooms 10000]`.
 *
 * What a change takes from a replica on one server to one on the other; and what it costs to look
 * after many quiet rooms once Redis was away. Prints rows for docs/measurements.md.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync } from "node:fs"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { freePort, Redis } from "../test/redis-parts.ts"
import { quantile, short } from "./figures.ts"
import { RoomLoad, yjsSpeech } from "./relay-rooms.ts"
import { Target } from "./target.ts"

const turnMs = 20
const measureMs = 10_000
// The second replica of a blank room is told so after a second.
const openAtOnce = 250

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    rooms: { type: "string", default: "10000" },
    // In a process of its own: rooms that are opened, written in once, and left alone.
    quiet: { type: "string" },
  },
})
/** So many rooms a process opens: it has two sockets for each. */
const roomsEach = 2_500

async function startServers(redis: Redis): Promise<readonly [Target, Target]> {
  const settings = {
    PARTS: "relay",
    REDIS_URL: redis.url,
    RELAY_ANONYMOUS: "editor",
    MAX_CONNECTIONS: "50000",
    RELAY_LIMITS: JSON.stringify({ rooms: 50_000, messagesPerSecond: 0, bytesPerSecond: 0 }),
  }
  const start = () => Target.start("quartet", { settings, core: "any" })
  return [await start(), await start()]
}

interface Opening {
  /** The number of the first room. */
  readonly first?: number
  readonly opened?: (rooms: readonly RoomLoad[]) => Promise<void>
}

/** Rooms of two, a replica on each server; `opened` is done with some of them before the next are opened. */
async function openRooms(
  count: number,
  ports: readonly [number, number],
  { first = 0, opened = async () => {} }: Opening = {},
): Promise<RoomLoad[]> {
  const rooms: RoomLoad[] = []
  while (rooms.length < count) {
    const next = Array.from({ length: Math.min(openAtOnce, count - rooms.length) }, (_, index) =>
      RoomLoad.open(ports[0], {
        room: `room-${first + rooms.length + index}`,
        replicas: 2,
        writers: 1,
        speech: yjsSpeech,
        lastPort: ports[1],
      }),
    )
    const some = await Promise.all(next)
    await opened(some)
    rooms.push(...some)
  }
  return rooms
}

/** The sum of a figure of both servers. */
async function figure(servers: readonly Target[], name: string): Promise<number> {
  let sum = 0
  for (const { port } of servers) {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    for (const line of text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))) {
      sum += Number(line[1])
    }
  }
  return sum
}

async function cpuOf(servers: readonly Target[]): Promise<number> {
  const used = await Promise.all(servers.map((server) => server.ask("usage")))
  return used.reduce((sum, { cpuMs }) => sum + cpuMs, 0)
}

/** So many changes a second from one server to the other. */
async function across(servers: readonly [Target, Target], perSecond: number): Promise<void> {
  const rooms = await openRooms(250, [servers[0].port, servers[1].port])
  const write = async (ms: number) => {
    let owed = 0
    let next = 0
    let last = performance.now()
    for (const end = last + ms; last < end; ) {
      await sleep(turnMs)
      const now = performance.now()
      owed += ((now - last) * perSecond) / 1_000
      last = now
      for (; owed >= 1; owed--) rooms[next++ % rooms.length]?.write(0, { changes: 1, bytes: 64 })
    }
    await Promise.all(rooms.map((room) => room.settled()))
  }
  await write(2_000)
  for (const room of rooms) room.reset()
  const cpu = await cpuOf(servers)
  const began = performance.now()
  await write(measureMs)
  const ms = performance.now() - began
  const cpuMs = (await cpuOf(servers)) - cpu
  const took = rooms.flatMap(({ latencies }) => latencies)
  const cells = [
    `${perSecond} edits a second, 250 rooms`,
    short(loadavg()[0] ?? 0),
    short((took.length * 1_000) / ms),
    short(quantile(took, 0.5)),
    short(quantile(took, 0.99)),
    short((cpuMs * 1_000) / took.length),
  ]
  process.stdout.write(`| ${cells.join(" | ")} |\n`)
  await Promise.all(rooms.map((room) => room.close()))
}

/** Quiet rooms, as a process of their own opens them and says so. */
async function openQuiet([first, count, one, two]: readonly number[]): Promise<void> {
  const opened = async (rooms: readonly RoomLoad[]) => {
    for (const room of rooms) room.write(0, { changes: 1, bytes: 64 })
    await Promise.all(rooms.map((room) => room.settled()))
  }
  await openRooms(count ?? 0, [one ?? 0, two ?? 0], { first: first ?? 0, opened })
  process.send?.("open")
}

/** Opens `count` quiet rooms, some after the others. */
async function quietRooms(
  count: number,
  ports: readonly [number, number],
): Promise<readonly ChildProcess[]> {
  const openers: ChildProcess[] = []
  for (let first = 0; first < count; first += roomsEach) {
    const some = [first, Math.min(roomsEach, count - first), ...ports]
    const opener = fork(import.meta.filename, ["--quiet", some.join(",")])
    openers.push(opener)
    const ended = once(opener, "exit").then(() => {
      throw new Error(`the rooms from ${first} on were not opened`)
    })
    await Promise.race([once(opener, "message"), ended])
  }
  return openers
}

const healthy = async ({ port }: Target) => (await fetch(`http://127.0.0.1:${port}/health`)).ok

/** Redis is killed for 2 s under rooms in which nobody writes. */
async function resync(servers: readonly [Target, Target], redis: Redis): Promise<void> {
  const count = Number(values.rooms)
  const openers = await quietRooms(count, [servers[0].port, servers[1].port])
  // Beacons of what was written come twice, and are over: then the rooms are quiet.
  await sleep(40_000)
  const names = [
    "quartet_redis_messages_published_total",
    "quartet_relay_gaps_total",
    "quartet_relay_resync_bytes_total",
    "quartet_relay_snapshot_responses_total",
  ]
  const read = () => Promise.all(names.map((name) => figure(servers, name)))
  const before = await read()
  const cpu = await cpuOf(servers)
  await redis.kill()
  await sleep(2_000)
  await redis.start()
  const began = performance.now()
  let dirtyAt = began
  let wellAt = 0
  for (let looks = 1; performance.now() - began < 20_000; looks++) {
    await sleep(100)
    if (wellAt === 0 && (await Promise.all(servers.map(healthy))).every(Boolean)) {
      wellAt = performance.now()
    }
    // To look costs the servers something, too.
    if (looks % 5 === 0 && (await figure(servers, "quartet_relay_rooms_dirty")) > 0) {
      dirtyAt = performance.now()
    }
  }
  const last = await read()
  const cells = [
    `${count} quiet rooms`,
    short(loadavg()[0] ?? 0),
    short(wellAt - began),
    short(dirtyAt - began),
    ...last.map((value, at) => short(value - (before[at] ?? 0))),
    short((await cpuOf(servers)) - cpu),
  ]
  process.stdout.write(`| ${cells.join(" | ")} |\n`)
  for (const opener of openers) opener.kill()
}

if (values.quiet !== undefined) {
  await openQuiet(values.quiet.split(",").map(Number))
  await once(process, "disconnect")
  process.exit()
}

const redis = new Redis(await freePort(), mkdtempSync(join(tmpdir(), "quartet-bench-")), [])
await redis.start()
try {
  if (values.only !== "resync") {
    process.stdout.write(
      "| | load average | edits a second | p50, ms | p99, ms | µs CPU of both servers an edit |\n|---|---|---|---|---|---|\n",
    )
    const servers = await startServers(redis)
    for (const perSecond of [1_000, 5_000]) await across(servers, perSecond)
    await Promise.all(servers.map((server) => server.kill()))
  }
  if (values.only !== "across") {
    process.stdout.write(
      "| | load average | well after, ms | nothing left to look after, ms | messages on the bus | found missing | repair, bytes | answers of replicas | ms CPU of both servers |\n|---|---|---|---|---|---|---|---|---|\n",
    )
    const servers = await startServers(redis)
    await resync(servers, redis)
    await Promise.all(servers.map((server) => server.kill()))
  }
} finally {
  await redis.kill()
}
process.exit()
