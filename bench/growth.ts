/**
 * What a unit costs as the work grows: `node bench/growth.ts [--only rooms|editors|documents|
 * connections|calls] [--brief]`, less than ten minutes. Prints a table for each kind of work, and writes them into
 * docs/measurements.md, and what one core carries into docs/operating.md.
 *
 * What always holds: each kind is a process of its own (growth-loads.ts); pages are written only by
 * a run of all kinds and sizes, that of operating only when all of them came to their end.
 */
import { parseArgs } from "node:util"
import { capacity } from "./capacity.ts"
import { markdown, median, type Row, short } from "./figures.ts"
import { circumstances, writeOn } from "./pages.ts"
import { type Part, run } from "./parts.ts"
import { loadAverages, openFilesLimit } from "./present.ts"

const file = "growth-loads.ts"
const kinds = [
  {
    name: "rooms",
    limitSeconds: 170,
    brief: "1,100",
    about:
      "Rooms of the relay with two replicas each: one writes, the other reads, 64 B. Twenty changes a second in a room, two thousand in all from 100 rooms on. The replicas share at most 400 sockets in the Hocuspocus dialect, so that what grows is rooms; connections have their own table. With few rooms each change is a turn of its own; with many, several share one.",
  },
  {
    name: "editors",
    limitSeconds: 100,
    brief: "1,50",
    about:
      "Editors of one document, extended ones, each typing five characters a second at random places; the journal is on. An edit goes to all, so its cost grows with the editors; a delivery's may not.",
  },
  {
    name: "documents",
    limitSeconds: 90,
    brief: "1,10",
    about: "Documents of three editors, each of whom types five characters a second.",
  },
  {
    name: "connections",
    limitSeconds: 120,
    brief: "100,1000",
    about:
      "Sessions of operators over TCP, of which 100 talk: 5,000 messages of 80 B a second among them.",
  },
  {
    name: "calls",
    limitSeconds: 85,
    brief: "1,100",
    about:
      "Calls under way between one caller and one handler over a unix socket, in compact frames; the next when one has its answer. One app may have 8,192 under way, so two callers share 10,000. Caller, router and handler share the two cores.",
  },
] as const

/** A line for each size, a column for each figure. */
function pivot(rows: readonly Row[]): string {
  const units = [...new Set(rows.map(({ unit }) => unit))]
  const names = [...new Set(rows.map(({ name }) => name))]
  const cell = (name: string, unit: string) => {
    const row = rows.find((each) => each.name === name && each.unit === unit)
    return row === undefined ? "" : short(median(row.figures.get("quartet") ?? []))
  }
  return markdown(
    ["", ...units],
    names.map((name) => [name, ...units.map((unit) => cell(name, unit))]),
  )
}

/** How the cost of the last size stands to that of the first one that is not lost in the clock. */
function verdict(rows: readonly Row[]): string {
  const costs = rows.filter(({ unit }) => /^µs CPU\/(delivery|message|call)$/.test(unit))
  const known = costs.map(({ name, figures }) => ({
    name,
    cost: median(figures.get("quartet") ?? []),
  }))
  const least = known.reduce(
    (low, each) => (each.cost < low.cost ? each : low),
    known[0] ?? nothing,
  )
  const last = known.at(-1) ?? nothing
  return `Cheapest at ${least.name} (${short(least.cost)} µs); ${last.name} cost ${short(last.cost / least.cost)} times that.`
}

const nothing = { name: "nothing", cost: Number.NaN }

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    brief: { type: "boolean", default: false },
  },
})
const began = performance.now()
const heading = circumstances("node bench/growth.ts")
const needed = 10_300
const limit = openFilesLimit()
const files =
  limit < needed
    ? `10,000 connections were left out: they need ${needed} open files in each process, and the limit here is ${limit} (\`ulimit -n ${needed}\`).`
    : `The largest size opens ${needed.toLocaleString("en")} files in the server and as many in the load; the limit here was ${limit.toLocaleString("en")} (\`ulimit -n\`).`
const tables: string[] = []
const all = new Map<string, readonly Row[]>()
// What one kind leaves over of its time, the next may use.
let spare = 0
let isWhole = true
for (const { name, limitSeconds, brief, about } of kinds) {
  if (!(values.only?.includes(name) ?? true)) continue
  const part: Part = {
    ...{ name, file, limitSeconds },
    words: [name, ...(values.brief ? ["--sizes", brief] : [])],
  }
  spare += limitSeconds
  const { rows, seconds, failure } = await run({ ...part, limitSeconds: Math.floor(spare) })
  spare = Math.max(0, spare - seconds)
  isWhole &&= failure === undefined
  all.set(name, rows)
  const why = failure === undefined ? [] : [`Not whole: ${failure}.`]
  tables.push([`### ${title(name)}`, about, pivot(rows), verdict(rows), ...why].join("\n\n"))
  console.error(`${name}: ${seconds.toFixed(0)} s, load averages ${loadAverages()}`)
}
const minutes = ((performance.now() - began) / 60_000).toFixed(1)
const page = [
  `${heading} It took ${minutes} minutes. ${files} Each size has a fresh server; what the server uses at that size with nothing to do is a column of its own, and is taken off what a unit costs.`,
  ...tables,
].join("\n\n")
console.log(`\n${page}\n\n${capacity(all)}`)
if (values.only === undefined && !values.brief) {
  writeOn("measurements.md", "growth", page)
  if (isWhole) writeOn("operating.md", "capacity", capacity(all))
}

function title(name: string): string {
  return `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`
}
