/**
 * What may fail around servers that share rooms, done to a world of real processes, and what must
 * be true of it afterwards.
 */
import { setTimeout as sleep } from "node:timers/promises"
import {
  type HealthSample,
  type ServersWorld,
  until,
  type WorldStart,
} from "./relay-servers-parts.ts"

/** A fault, and how health is to show it. */
export interface Fault {
  readonly name: string
  /** One sentence. */
  readonly what: string
  /** Further variables of every server. */
  readonly environment?: Readonly<Record<string, string>>
  readonly lines?: "straight" | "spoilt"
  /** Whether the clients write on behind the fault, or stop before its end. */
  readonly after: "write" | "rest"
  /** Whether all servers lose their connections to Redis by it. */
  readonly cuts?: "all"
  /** Which servers must say that they are ill, and how soon after its beginning, in ms. */
  readonly ill: { readonly servers: "all" | "none"; readonly withinMs: number }
  /** Does it. Resolves when it is over. */
  strike(world: ServersWorld): Promise<void>
}

/** What came of a fault. */
export interface Outcome {
  readonly wrongs: readonly string[]
  /** ms from when all servers were connected again until every client had every marker written before. */
  readonly caughtUpMs: number
  /** ms from the last edit until all clients had the same. */
  readonly equalMs: number
  /** The longest that a marker took to the last client, in ms. */
  readonly longestMs: number
  readonly medianMs: number
  /** The longest to the last client on the writer's own server, in ms. */
  readonly nearMs: number
  /** ms from the fault's end until all servers that had lost it were connected to Redis again. */
  readonly againMs: number
  readonly edits: number
  /** ms in which some server said that it is ill. */
  readonly illMs: number
  /** ms from then until all servers said that they are well. */
  readonly wellMs: number
  /** Times that something was seen to be missing between servers. */
  readonly suspicions: number
  readonly repairBytes: number
  readonly dropped: number
}

const healMs = 30_000
/** Health is true again so soon, and is looked at so often. */
const wellMs = 2_000
const looksMs = 250
const calmMs = 1_000

/** Redis is killed and comes back empty. */
export function redisKilled(ms: number): Pick<Fault, "strike" | "ill" | "cuts"> {
  return {
    cuts: "all",
    ill: { servers: "all", withinMs: 1_000 },
    async strike({ redis }) {
      await redis.kill()
      await sleep(ms)
      await redis.start()
    },
  }
}

/** Redis ends all connections of one kind. */
export function linesKilled(type: "pubsub" | "normal"): Pick<Fault, "strike" | "ill"> {
  return {
    ill: { servers: "none", withinMs: 0 },
    async strike({ redis }) {
      await redis.run("CLIENT", "KILL", "TYPE", type)
    },
  }
}

/** Redis answers nothing and closes nothing. */
export function redisHung(ms: number): Pick<Fault, "strike" | "ill"> {
  return {
    // A probe goes out every 2 s, and is missed after another.
    ill: { servers: "all", withinMs: 3_400 },
    async strike({ redis }) {
      redis.signal("SIGSTOP")
      await sleep(ms)
      redis.signal("SIGCONT")
    },
  }
}

/** Every connection to Redis carries nothing more, and looks open. New ones do carry. */
export const frozen: Pick<Fault, "strike" | "ill" | "lines" | "cuts"> = {
  lines: "spoilt",
  cuts: "all",
  ill: { servers: "all", withinMs: 3_400 },
  async strike(world) {
    const since = Date.now()
    world.line.freeze()
    await until(() => world.readySince(since) !== undefined, healMs)
  },
}

/** Redis forgets that anybody listens in the room; every connection stays. */
export const forgotten: Pick<Fault, "strike" | "ill" | "lines"> = {
  lines: "spoilt",
  ill: { servers: "none", withinMs: 0 },
  async strike({ line }) {
    line.forget("lfcc:yjs:notes")
  },
}

/** The last server does nothing and closes nothing. */
export function serverHung(ms: number): Pick<Fault, "strike" | "ill"> {
  return {
    ill: { servers: "none", withinMs: 0 },
    async strike({ servers }) {
      const server = servers.at(-1)?.process
      server?.kill("SIGSTOP")
      await sleep(ms)
      server?.kill("SIGCONT")
    },
  }
}

/** The last server is gone at once; its clients come to the others, and it comes back. */
export function serverKilled(ms: number): Pick<Fault, "strike" | "ill"> {
  return {
    ill: { servers: "none", withinMs: 0 },
    async strike(world) {
      const last = world.servers.length - 1
      await world.servers[last]?.end("SIGKILL")
      world.send(last, 0)
      await sleep(ms)
      await world.launch(last)
    },
  }
}

/** All servers are restarted, one at a time, as one does to change something. */
export const rolling: Pick<Fault, "strike" | "ill"> = {
  ill: { servers: "none", withinMs: 0 },
  async strike(world) {
    for (const [place, server] of [...world.servers.entries()]) {
      world.send(place, (place + world.servers.length - 1) % world.servers.length)
      await server.end("SIGTERM")
      await world.launch(place)
      await until(() => world.isInStep, healMs)
    }
  },
}

/** Strikes `world`, waits until it has healed, and says what came of it. */
export async function strike(world: ServersWorld, fault: Fault): Promise<Outcome> {
  world.write()
  await sleep(calmMs)
  const before = await figures(world)
  world.delays.length = 0
  world.nearDelays.length = 0
  const began = Date.now()
  const struck = fault.strike(world)
  if (fault.after === "rest") {
    await sleep(calmMs)
    world.rest()
  }
  await struck
  const ended = Date.now()
  if (fault.cuts === "all") await until(() => world.readySince(began) !== undefined, healMs)
  const again = Math.max(ended, world.readySince(began) ?? 0)
  const old = new Set(world.underWay)
  const didCatchUp = await until(() => world.underWay.every((marker) => !old.has(marker)), healMs)
  const caughtUpMs = Date.now() - again
  const isWell = await until(() => world.isWellSince(again), again + wellMs + looksMs - Date.now())
  if (fault.after === "write") await sleep(calmMs)
  world.rest()
  const rested = Date.now()
  await until(() => world.isInStep && world.underWay.length === 0, healMs)
  await until(() => world.wrongs().length === 0, Math.max(calmMs, rested + healMs - Date.now()))
  const equalMs = Date.now() - rested
  const wrongs = [...world.wrongs(), ...healthWrongs({ world, fault }, began, ended)]
  if (!didCatchUp) wrongs.push(`not everything was everywhere ${healMs} ms later`)
  if (!isWell) wrongs.push(`not every server was well ${wellMs} ms later`)
  if (!(await until(() => world.unseen().length === 0, healMs))) wrongs.push(...world.unseen())
  const after = await figures(world)
  const times = [...world.delays].sort((one, other) => one - other)
  return {
    wrongs,
    againMs: again - ended,
    caughtUpMs,
    equalMs,
    edits: times.length,
    medianMs: times[times.length >> 1] ?? 0,
    longestMs: times.at(-1) ?? 0,
    nearMs: Math.max(0, ...world.nearDelays),
    ...illness(world.health, began, again),
    // A server that was started anew counts from nothing.
    suspicions: Math.max(0, after.suspicions - before.suspicions),
    repairBytes: Math.max(0, after.repairBytes - before.repairBytes),
    dropped: Math.max(0, after.dropped - before.dropped),
  }
}

async function figures(world: ServersWorld) {
  return {
    suspicions: await world.figure("quartet_relay_gaps_total"),
    repairBytes: await world.figure("quartet_relay_resync_bytes_total"),
    dropped: await world.figure("quartet_redis_messages_dropped_total"),
  }
}

/** From the first sample that was ill to the last one, and when all were well again. */
function illness(samples: readonly HealthSample[], began: number, again: number) {
  const ill = samples.filter(({ at, says }) => at >= began && says === "ill")
  const last = ill.at(-1)?.at ?? 0
  return {
    illMs: last - (ill[0]?.at ?? last),
    wellMs: Math.max(0, last - again),
  }
}

/** Which servers said that they were well while nothing was delivered. */
function healthWrongs(
  { world, fault }: { readonly world: ServersWorld; readonly fault: Fault },
  began: number,
  ended: number,
): readonly string[] {
  const { servers, withinMs } = fault.ill
  if (servers === "none") return []
  return [...world.servers.keys()].flatMap((place) => {
    const own = world.health.filter(({ server, at }) => server === place && at >= began)
    const first = own.find(({ says }) => says === "ill")?.at ?? Number.POSITIVE_INFINITY
    const isLate = first > began + withinMs + looksMs
    // A connection that is made anew ends the illness before the last server has its own.
    const due = own.filter(({ at }) => at >= began + withinMs && at <= ended)
    const isHidden = fault.lines !== "spoilt" && due.some(({ says }) => says === "well")
    return isLate || isHidden ? [`server ${place + 1} said that it was well meanwhile`] : []
  })
}

/** How the worlds of the bench are: three servers, twelve clients. */
export const benchWorld: WorldStart = { servers: 3, clients: 12, editsPerSecond: 250 }
