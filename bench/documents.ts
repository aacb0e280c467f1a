/**
 * The benchmarks of the documents part: `node bench/documents.ts [TRACE.json.gz …] [--readers N]
 * [--only NAME] [--runs N] [--profile DIRECTORY] [--brief]`.
 *
 * The server runs as a process of its own on one core, the load in this one on another. What always
 * holds: the journal is on, rates are off, every load ends with the same text on the server and at
 * those who kept it, and every figure of the floor (floor.ts) is of the same load in the same run.
 * Without traces two small ones are invented. bench/README.md tells how to read the figures.
 */
import { basename } from "node:path"
import { parseArgs } from "node:util"
import {
  type Bench,
  type Contest,
  editsPerSecond,
  hold,
  note,
  perDelivery,
  perEdit,
} from "./contest.ts"
import { benchCrowd, benchDocuments } from "./crowd.ts"
import { benchEcho, benchReaders, benchTyping } from "./fan-out.ts"
import { benchJoins } from "./joins.ts"
import { benchJournal, benchRestart } from "./journal.ts"
import { begin, give } from "./parts.ts"
import { hasPeers } from "./present.ts"
import { pinLoad } from "./processes.ts"
import { benchReconnect } from "./reconnect.ts"
import { checkReplay, openReplay, replay } from "./replay.ts"
import { benchCliff, benchMemory } from "./sizes.ts"
import { type DocumentsRival, peers } from "./target.ts"
import { inventConcurrent, inventSequential, plan, readTrace, type Trace } from "./trace.ts"

/** B6: recorded sessions, an edit for each transaction. */
async function benchReplay(bench: Bench): Promise<void> {
  for (const [name, trace] of bench.traces) {
    const planned = plan(trace)
    const contest: Contest = {
      open: async (target, id) => [
        await openReplay(target, planned, { id: `${name}-${id}`, readers: bench.readers }),
      ],
      load: async ([room]) => (room === undefined ? 0 : replay(room, planned)),
      check: (room) => checkReplay(room, planned),
    }
    // The peers would put some inserts at one place the other way round than the plan has them.
    const results = await hold(bench, contest, { rivals: ["floor"] })
    const row = { name: `B6 ${name}, ${bench.readers} readers` }
    note(bench, results, {
      ...{ ...row, unit: "edits/s", target: ">= 0.6 floor" },
      of: editsPerSecond,
    })
    note(bench, results, { ...row, unit: "µs CPU/edit", target: "", of: perEdit })
    note(bench, results, { ...row, unit: "µs CPU/delivery", target: "", of: perDelivery })
    note(bench, results, {
      ...{ ...row, unit: "bytes down/edit and editor", target: "<= 90" },
      of: ({ bytes, deliveries }) => bytes / deliveries,
    })
    note(bench, results, { ...row, unit: "ms p50 delivery", target: "", of: ({ p50Ms }) => p50Ms })
    note(bench, results, { ...row, unit: "ms p99 delivery", target: "", of: ({ p99Ms }) => p99Ms })
  }
}

/** By the name that `--only` takes. */
const workloads = new Map([
  ["replay", benchReplay],
  ["echo", benchEcho],
  ["readers", benchReaders],
  ["typing", benchTyping],
  ["crowd", benchCrowd],
  ["documents", benchDocuments],
  ["cliff", benchCliff],
  ["memory", benchMemory],
  ["joins", benchJoins],
  ["journal", benchJournal],
  ["restart", benchRestart],
  ["reconnect", benchReconnect],
])

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    readers: { type: "string", default: "9" },
    runs: { type: "string", default: "3" },
    only: { type: "string", multiple: true },
    profile: { type: "string" },
    brief: { type: "boolean", default: false },
  },
})
const chosen = values.only ?? [...workloads.keys()]
const unknown = chosen.filter((name) => !workloads.has(name))
if (unknown.length > 0) {
  console.error(`no benchmark ${unknown.join(", ")}: there are ${[...workloads.keys()].join(", ")}`)
  process.exit(2)
}

const floor: readonly DocumentsRival[] = ["floor"]

const bench: Bench = {
  runs: Number(values.runs),
  readers: Number(values.readers),
  rivals: hasPeers ? [...floor, ...peers] : floor,
  traces: tracesOf(positionals),
  profile: values.profile,
  extent: values.brief ? "brief" : "whole",
  rows: [],
}
begin()
console.log(pinLoad() ? "a core each" : "cores not chosen")
for (const name of chosen) {
  const start = performance.now()
  const first = bench.rows.length
  try {
    await workloads.get(name)?.(bench)
  } catch (thrown) {
    // The others are worth having all the same.
    console.error(`${name} failed:`, thrown)
    process.exitCode = 1
  }
  await give(bench.rows.slice(first))
  console.log(`${name}: ${((performance.now() - start) / 1_000).toFixed(1)} s`)
}

function tracesOf(paths: readonly string[]): ReadonlyMap<string, Trace> {
  if (paths.length > 0) {
    return new Map(paths.map((path) => [basename(path, ".json.gz"), readTrace(path)]))
  }
  return new Map([
    ["one-writer", inventSequential(10_000)],
    ["two-writers", inventConcurrent(10_000)],
  ])
}
