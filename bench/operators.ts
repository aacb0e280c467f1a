/**
 * The benchmarks of the operators: `node bench/operators.ts [--only NAME] [--rounds N]
 * [--sessions N] [--profile DIRECTORY]`.
 *
 * Quartet, the floor and Mosquitto take turns, each a process of its own on the first core, with the
 * same far ends on the second one. What always holds: each round of each contender has a fresh
 * server; a ratio is that of two figures of one round; what did not arrive whole is no figure.
 */
import { parseArgs } from "node:util"
import { Rows } from "./figures.ts"
import type { Dialect } from "./operators-far.ts"
import { idleSockets } from "./operators-idle.ts"
import { Crowd, type Figures } from "./operators-loads.ts"
import * as moments from "./operators-moments.ts"
import {
  type Contender,
  contenders,
  memoryEach,
  mosquitto,
  quick,
  roomy,
  Server,
  type ServerOptions,
  shipped,
} from "./operators-servers.ts"
import { begin, give } from "./parts.ts"
import { pinLoad } from "./processes.ts"

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    rounds: { type: "string", default: "3" },
    sessions: { type: "string", default: "10000" },
    profile: { type: "string" },
  },
})
const rounds = Number(values.rounds)
const sessions = Number(values.sessions)
const many = sessions.toLocaleString("en")

/** One load, and who bears it in which dialect. */
interface Case {
  readonly name: string
  readonly dialects: Partial<Readonly<Record<Contender, Dialect>>>
  readonly options?: Partial<Readonly<Record<Contender, ServerOptions>>>
  readonly run: (server: Server, dialect: Dialect) => Promise<Figures>
  /** What is measured in the same round without a server, and what it is called. */
  readonly alone?: { readonly kind: string; readonly run: () => Promise<Figures> }
  readonly rows: readonly Named[]
}

/** One of the figures of a case, as a row. */
interface Named {
  readonly figure: string
  readonly name: string
  readonly unit: string
  readonly aim?: string
}

const classic = { quartet: "classic", floor: "classic", mosquitto: "mqtt0" } as const
const answered = { quartet: "extended", mosquitto: "mqtt1" } as const
const alone = { quartet: "extended" } as const
const weight = (name: string, aim: string): readonly Named[] => [
  { figure: "rssBytes", name, unit: "bytes of RSS each", aim },
  { figure: "heapBytes", name, unit: "bytes of heap each", aim },
]
const delays = (name: string): readonly Named[] => [
  { figure: "p50Ms", name, unit: "ms p50" },
  { figure: "p99Ms", name, unit: "ms p99" },
  { figure: "loadPercent", name, unit: "% of the load's core" },
]

async function saturated(server: Server, dialect: Dialect): Promise<Figures> {
  const crowd = await Crowd.open(server, 100, dialect)
  const figures = await crowd.saturate(server)
  crowd.close()
  return figures
}

/** Opened, and weighed while all are silent; then at a pace. */
function paced(perSecond: number): Case["run"] {
  return async (server, dialect) => {
    // What is made once, whatever comes after it, is made before anything is counted.
    const few = await Crowd.open(server, 100, dialect)
    await few.saturate(server)
    few.close()
    const empty = await server.memory()
    const crowd = await Crowd.open(server, sessions, dialect)
    const memory = memoryEach(empty, await server.memory(), sessions)
    const figures = await crowd.pace(server, perSecond)
    crowd.close()
    return { ...figures, ...memory }
  }
}

const costly = { ...roomy, SQLITE_URI: ":memory:" }
const widely = { BENCH_OPERATORS: quick.BENCH_OPERATORS, SQLITE_URI: ":memory:" }

const routed = "100 sessions"
const acknowledged = "100 sessions, acknowledged"
const busy = `${many} sessions, 20,000/s`
const busyAcknowledged = `${many} sessions, 10,000/s, acknowledged`
const cases: readonly Case[] = [
  {
    name: "routed",
    dialects: classic,
    run: saturated,
    rows: [
      { figure: "perSecond", name: routed, unit: "routed/s", aim: ">= 60,000; >= 0.8 Mosquitto" },
      { figure: "cpuUs", name: routed, unit: "µs CPU/message", aim: "<= 12; <= 1.5 Mosquitto" },
      ...delays(routed),
    ],
  },
  {
    name: "acknowledged",
    dialects: answered,
    run: saturated,
    rows: [
      {
        ...{ figure: "perSecond", name: acknowledged, unit: "routed/s" },
        aim: ">= 25,000; >= 0.5 Mosquitto",
      },
      { figure: "cpuUs", name: acknowledged, unit: "µs CPU/message" },
      ...delays(acknowledged),
    ],
  },
  {
    name: "many",
    dialects: classic,
    run: paced(20_000),
    rows: [
      ...weight(`${many} idle sessions, TCP`, "<= 8,192"),
      { figure: "cpuUs", name: busy, unit: "µs CPU/message", aim: "<= 30; <= 1.5 Mosquitto" },
      { figure: "perSecond", name: busy, unit: "routed/s" },
      ...delays(busy),
    ],
  },
  {
    name: "many-acknowledged",
    dialects: answered,
    run: paced(10_000),
    rows: [
      ...weight(`${many} idle sessions, TCP, extended`, "<= 8,192"),
      {
        figure: "cpuUs",
        name: busyAcknowledged,
        unit: "µs CPU/message",
        aim: "<= 60; <= 2.5 Mosquitto",
      },
      { figure: "perSecond", name: busyAcknowledged, unit: "routed/s" },
      ...delays(busyAcknowledged),
    ],
  },
  {
    name: "idle-websocket",
    dialects: { quartet: "classic" },
    run: (server) => idleSockets(server, sessions),
    rows: weight(`${many} idle sessions, WebSocket`, "<= 24,576"),
  },
  {
    name: "logins",
    dialects: { quartet: "extended", mosquitto: "mqtt0" },
    options: {
      quartet: { settings: costly },
      mosquitto: { passwords: moments.loginCallsigns },
    },
    run: moments.logins,
    alone: { kind: "hash", run: async () => ({ ...(await moments.hashesAlone()) }) },
    rows: [
      { figure: "cpuMs", name: "logins", unit: "ms CPU each" },
      { figure: "perSecond", name: "logins", unit: "logins/s", aim: ">= 0.9 hash alone" },
      { figure: "p99Ms", name: "a message meanwhile", unit: "ms p99", aim: "<= 20" },
    ],
  },
  {
    name: "fan-in",
    dialects: alone,
    run: moments.fanInAbsent,
    rows: [
      { figure: "allMs", name: "100 x 40 to one absent", unit: "ms, all", aim: "<= 200" },
      { figure: "stallMs", name: "100 x 40 to one absent", unit: "ms, longest", aim: "<= 20" },
    ],
  },
  {
    name: "fan-in-live",
    dialects: classic,
    run: moments.fanInLive,
    rows: [
      {
        ...{ figure: "perSecond", name: "100 x 40 to one session", unit: "routed/s" },
        aim: ">= 0.8 Mosquitto",
      },
      { figure: "p99Ms", name: "100 x 40 to one session", unit: "ms p99", aim: "<= 50" },
    ],
  },
  {
    name: "mailbox",
    dialects: alone,
    run: moments.handOver,
    rows: [{ figure: "ms", name: "256 waiting, handed over", unit: "ms", aim: "<= 20" }],
  },
  {
    name: "flood",
    dialects: { quartet: "classic" },
    options: { quartet: { settings: { ...shipped, ...widely } } },
    run: moments.flood,
    rows: [
      { figure: "p99Ms", name: "a message beside a flood", unit: "ms p99", aim: "< 20" },
      { figure: "quietP99Ms", name: "the same without the flood", unit: "ms p99" },
    ],
  },
  {
    name: "flood-unpaced",
    dialects: { quartet: "classic" },
    options: { quartet: { settings: costly } },
    run: moments.flood,
    rows: [{ figure: "p99Ms", name: "the same, rates off", unit: "ms p99" }],
  },
  {
    name: "start",
    dialects: classic,
    options: { quartet: { settings: shipped } },
    run: async ({ startMs }) => ({ startMs }),
    rows: [
      { figure: "startMs", name: "start to `listening`, on a file", unit: "ms", aim: "<= 1,000" },
    ],
  },
]

/** All contenders in turn, as often as asked; a number a round. */
async function held({ dialects, options, run, alone, name, rows }: Case): Promise<Rows> {
  const results = new Rows()
  const add = (kind: string, figures: Figures) => {
    for (const { figure, aim = "", ...row } of rows) {
      const value = figures[figure] ?? Number.NaN
      if (!Number.isNaN(value)) results.add({ ...row, target: aim }, kind, value)
    }
  }
  const present = contenders.filter((kind) => kind !== "mosquitto" || mosquitto !== undefined)
  for (let round = 0; round < rounds; round += 1) {
    for (const kind of present) {
      const dialect = dialects[kind]
      if (dialect === undefined) continue
      const server = await Server.start(kind, { profile: values.profile, ...options?.[kind] })
      try {
        add(kind, await run(server, dialect))
      } catch (thrown) {
        // What another cannot do is worth a line; what Quartet cannot do ends it.
        if (kind === "quartet") throw thrown
        console.error(`${kind} gave up on ${name}:`, thrown)
      } finally {
        await server.stop()
      }
    }
    if (alone !== undefined) add(alone.kind, await alone.run())
  }
  return results
}

begin()
pinLoad()
for (const one of cases) {
  if (values.only?.includes(one.name) ?? true) await give((await held(one)).all)
}
process.exit()
