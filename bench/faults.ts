/**
 * What becomes of rooms on three servers while something fails: `node bench/faults.ts [--only NAME]`.
 *
 * Each fault meets a Redis, three servers and twelve y-websocket clients of its own. Writes
 * docs/faults.md when all faults were run; prints the rows else. Exit code 1 when something was not
 * as it must be.
 */
import { setMaxListeners } from "node:events"
import { writeFileSync } from "node:fs"
import { loadavg } from "node:os"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { parseArgs } from "node:util"
import {
  benchWorld,
  type Fault,
  forgotten,
  frozen,
  linesKilled,
  type Outcome,
  redisHung,
  redisKilled,
  rolling,
  serverHung,
  serverKilled,
  strike,
} from "../test/relay-server-faults.ts"
import { ServersWorld } from "../test/relay-servers-parts.ts"
import { short } from "./figures.ts"

const noQueue = { RELAY_LIMITS: JSON.stringify({ busQueueMessages: 0, busQueueBytes: 0 }) }

const faults: readonly Fault[] = [
  {
    name: "redis-2s",
    what: "Redis killed, started empty after 2 s",
    after: "write",
    ...redisKilled(2_000),
  },
  {
    name: "redis-5s",
    what: "Redis killed, started empty after 5 s",
    after: "write",
    ...redisKilled(5_000),
  },
  {
    name: "redis-2s-no-queue",
    what: "Redis killed, started empty after 2 s; nothing is queued meanwhile",
    environment: noQueue,
    after: "write",
    ...redisKilled(2_000),
  },
  {
    name: "redis-2s-no-queue-quiet",
    what: "the same, and nobody writes after the first second of it",
    environment: noQueue,
    after: "rest",
    ...redisKilled(2_000),
  },
  {
    name: "subscribers",
    what: "Redis cuts all connections that listen",
    after: "write",
    ...linesKilled("pubsub"),
  },
  {
    name: "publishers",
    what: "Redis cuts all connections that publish",
    after: "write",
    ...linesKilled("normal"),
  },
  {
    name: "frozen",
    what: "connections to Redis carry nothing more, and look open",
    after: "write",
    ...frozen,
  },
  {
    name: "forgotten",
    what: "Redis forgets who listens in the room, and tells nobody",
    after: "write",
    ...forgotten,
  },
  { name: "redis-hung", what: "Redis hangs for 3 s", after: "write", ...redisHung(3_000) },
  { name: "server-hung", what: "a server hangs for 3 s", after: "write", ...serverHung(3_000) },
  {
    name: "server-killed",
    what: "a server is killed, its clients come to another",
    after: "write",
    ...serverKilled(2_000),
  },
  {
    name: "rolling",
    what: "all servers restarted, one at a time",
    environment: { DRAIN_SECONDS: "1" },
    after: "write",
    ...rolling,
  },
]

/** Whatever a world starts ends with its fault. */
async function within<T>(work: (t: TestContext) => Promise<T>): Promise<T> {
  const ends: (() => unknown)[] = []
  const t = { after: (end: () => unknown) => ends.push(end) } as unknown as TestContext // no more of it is used
  try {
    return await work(t)
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`

function rowOf({ what }: Fault, outcome: Outcome): string {
  const { edits, againMs, caughtUpMs, equalMs, medianMs, nearMs, longestMs } = outcome
  const { illMs, wellMs } = outcome
  const cells = [
    what,
    String(edits),
    outcome.wrongs.length === 0 ? "yes" : `no: ${outcome.wrongs.join("; ")}`,
    seconds(againMs),
    seconds(caughtUpMs),
    seconds(equalMs),
    `${medianMs} ms`,
    seconds(longestMs),
    seconds(nearMs),
    illMs === 0 ? "never" : seconds(illMs),
    seconds(wellMs),
    String(outcome.dropped),
    String(outcome.suspicions),
    `${short(outcome.repairBytes / 1_000)} KB`,
  ]
  return `| ${cells.join(" | ")} |`
}

const head = [
  "fault",
  "edits",
  "one document, nothing lost, nothing twice",
  "connected again",
  "caught up",
  "equal",
  "edit, median",
  "edit, longest",
  "the same, on one server",
  "said to be ill",
  "well again",
  "not queued",
  "found missing",
  "repair",
]

function page(rows: readonly string[]): string {
  return `# Faults

What becomes of rooms on several servers while something fails. For those who run more than one server, or change the relay.

\`\`\`
node bench/faults.ts                   all of it, and this page anew: about four minutes
node bench/faults.ts --only redis-2s   one fault: ${faults.map(({ name }) => name).join(", ")}
\`\`\`

It needs \`redis-server\`. Each fault gets a Redis of its own, three server processes and twelve unmodified y-websocket clients, four on each server, in one room. Together they make about 250 edits a second, each with a marker of its own, while the fault lasts and for a second behind it. Then all clients must have the same document with nothing pending in it, every marker in it once, and see each other. \`/health\` of each server is read every 250 ms: it must say so while nothing is delivered, and be well again within 2 s.

| ${head.join(" | ")} |
|${head.map(() => "---").join("|")}|
${rows.join("\n")}

- *connected again*: from the fault's end until all servers that had lost Redis had it back. A server tries after 100 ms, then after twice as long, up to 5 s.
- *caught up*: from then until every client had everything written before.
- *equal*: from the last edit until all clients were equal.
- *edit*: from its writing until the last of the twelve clients had it, edits during the fault too.
- *said to be ill*: from the first answer of some server that was not well to the last one. What is cut and made anew within 250 ms may show in none; \`0.0 s\` is one answer, or several at once. *well again* is counted from when they were connected again.
- *not queued*: messages for other servers that found no place in the queue, or may not have arrived. *found missing*: how often a server saw that it may lack something. *repair*: what servers sent each other because something was missing.

Servers, clients and Redis shared 2 cores, with other work at times (load average at the beginning: ${short(loadAtFirst)}). Times have a step of 20 ms.

What is promised for each failure is told in [operating.md](operating.md).
`
}

const loadAtFirst = loadavg()[0] ?? 0
// Each client listens for the end of this process.
setMaxListeners(0, process)
const { values } = parseArgs({ options: { only: { type: "string", multiple: true } } })
const chosen = faults.filter(({ name }) => values.only?.includes(name) ?? true)
const rows: string[] = []
let isWrong = chosen.length === 0
for (const fault of chosen) {
  const { environment = {}, lines = "straight" } = fault
  const outcome = await within(async (t) =>
    strike(await ServersWorld.open(t, { ...benchWorld, environment, lines }), fault),
  )
  isWrong ||= outcome.wrongs.length > 0
  rows.push(rowOf(fault, outcome))
  process.stderr.write(`${fault.name}: ${JSON.stringify(outcome)}\n`)
}
if (chosen.length === faults.length) {
  writeFileSync(join(import.meta.dirname, "../docs/faults.md"), page(rows))
} else process.stdout.write(`${rows.join("\n")}\n`)
process.exit(isWrong ? 1 : 0)
