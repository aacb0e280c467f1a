/**
 * The whole bench in less than ten minutes: `npm run bench`. Runs a brief form of each program, one
 * after the other and each in a process of its own, prints one table, and writes it and the state of
 * all aims into docs/measurements.md.
 *
 * What always holds: what is not installed is named and left out; a part that fails or takes too
 * long costs its own rows only; after ten minutes it ends with what it has.
 */
import { parseArgs } from "node:util"
import { refreshed } from "./aims.ts"
import { columnOf, isOurs, markdown, median, type Row, ratios, short, spread } from "./figures.ts"
import { circumstances, rewriteOn, writeOn } from "./pages.ts"
import { type Part, run } from "./parts.ts"
import { loadAverages, missing } from "./present.ts"

// Together just less than ten minutes; what one leaves over, the next may use.
const parts: readonly Part[] = [
  {
    name: "documents",
    file: "documents.ts",
    words: ["--brief", "--runs", "2", "--only", "readers", "--only", "echo", "--only", "typing"],
    limitSeconds: 170,
  },
  {
    name: "relay",
    file: "relay.ts",
    words: [
      ...["--brief", "--runs", "2", "--only", "fan-out"],
      ...["--replicas", "2", "--replicas", "100", "--replicas", "1000"],
    ],
    limitSeconds: 140,
  },
  {
    name: "operators",
    file: "operators.ts",
    words: ["--rounds", "2", "--only", "logins", "--only", "routed"],
    limitSeconds: 90,
  },
  {
    name: "pools",
    file: "pools.ts",
    words: ["--brief", "--runs", "2", "--only", "calls", "--only", "emits"],
    limitSeconds: 100,
  },
  { name: "python", file: "python.ts", words: [], limitSeconds: 25 },
  { name: "blocks", file: "blocks.ts", words: ["--runs", "1"], limitSeconds: 60 },
]

/** Rows that tell of the bench itself, or of parts of another row. */
const asides = ["% of the load's core", "messages/delivery", "ms p50"]
/** The least that can be done; the relay has another one beside it, which its own clients know. */
const floors = ["floor", "bare", "relay-framed", "hash", "mapping"]

/** A row of the one table for each form of Quartet that has figures in it. */
function linesOf(part: string, { name, unit, figures }: Row): readonly (readonly string[])[] {
  const others = [...figures].filter(([kind, all]) => !isOurs(kind) && all.length > 0)
  const floor = others.find(([kind]) => floors.includes(kind))
  const peers = others.filter((each) => each !== floor)
  return [...figures.keys()].filter(isOurs).map((kind) => {
    const own = figures.get(kind) ?? []
    const by = (all: readonly number[]) => short(median(ratios(own, all)))
    return [
      part,
      kind === "quartet" ? name : `${name} (${columnOf(kind)})`,
      unit,
      spread(own),
      floor === undefined ? "" : short(median(floor[1])),
      floor === undefined ? "" : by(floor[1]),
      peers
        .map(([peer, all]) => `${by(all)} x ${columnOf(peer)} (${short(median(all))})`)
        .join(", "),
    ]
  })
}

const head = ["", "what", "unit", "Quartet", "floor", "/ floor", "Quartet by the others (theirs)"]

const { values } = parseArgs({ options: { only: { type: "string", multiple: true } } })
const began = performance.now()
const heading = circumstances("npm run bench")
const absent = missing()
for (const line of absent) console.error(`MISSING: ${line}`)
const rows: Row[] = []
const lines: (readonly string[])[] = []
const failures: string[] = []
let spare = 0
for (const part of parts) {
  if (!(values.only?.includes(part.name) ?? true)) continue
  spare += part.limitSeconds
  const outcome = await run({ ...part, limitSeconds: Math.floor(spare) })
  spare = Math.max(0, spare - outcome.seconds)
  rows.push(...outcome.rows)
  const shown = outcome.rows.filter(({ unit }) => !asides.includes(unit))
  lines.push(...shown.flatMap((row) => linesOf(part.name, row)))
  if (outcome.failure !== undefined) failures.push(outcome.failure)
  console.error(`${part.name}: ${outcome.seconds.toFixed(0)} s, load averages ${loadAverages()}`)
}
const minutes = ((performance.now() - began) / 60_000).toFixed(1)
const notes = [
  ...absent.map((line) => `Not compared: ${line}.`),
  ...failures.map((why) => `Not whole: ${why}.`),
]
const page = [
  `${heading} It took ${minutes} minutes; load averages at the end: ${loadAverages()}.`,
  ...notes,
  markdown(head, lines),
].join("\n\n")
console.log(`\n${page}`)
if (values.only === undefined) {
  writeOn("measurements.md", "bench", page)
  rewriteOn("measurements.md", "aims", (section) => refreshed(section, rows))
}
