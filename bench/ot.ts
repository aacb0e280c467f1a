/**
 * The speed of operations, in process and without sockets: `node bench/ot.ts [trace.json.gz]`.
 *
 * Three figures: two operations of one place moved over each other, two of several places, and
 * whole edits: typed into a Pending, moved and accepted by a History, heard by both writers. The
 * edits are those of a recorded session of two writers (a concurrent file of the collection
 * josephg/editing-traces), or of a small one invented here. Finding out who types what after
 * hearing what is done beforehand, by ot-trace.ts, and not timed.
 */
import { arch, cpus } from "node:os"
import { Operation, transform } from "../src/ot/operation.ts"
import { invent, planFile, replay, type Step } from "./ot-trace.ts"

/** Runs of each figure; the first ones compile. */
const rounds = 7
const operations = 4_096

/** Prints the median of the later rounds, and their spread. `work` does `count` things. */
function measure(what: string, count: number, work: () => void): number {
  const rates: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now()
    work()
    const seconds = (performance.now() - start) / 1_000
    if (round >= 2) rates.push(count / seconds)
  }
  rates.sort((a, b) => a - b)
  const median = rates[rates.length >> 1] ?? 0
  const show = (rate: number) => Math.round(rate).toLocaleString("en")
  const spread = `${show(rates[0] ?? 0)} to ${show(rates.at(-1) ?? 0)}`
  console.log(`${what.padEnd(44)} ${show(median).padStart(12)}/s  (${spread})`)
  return median
}

/** Moves each of one row over one of another, here and there. */
function measureTransforms(what: string, row: (index: number) => Operation): void {
  const ours = Array.from({ length: operations }, (_, index) => row(index * 2))
  const theirs = Array.from({ length: operations }, (_, index) => row(index * 14 + 1))
  const times = 250
  let check = 0
  measure(what, operations * times, () => {
    for (let time = 0; time < times; time += 1) {
      for (let index = 0; index < operations; index += 1) {
        const a = ours[index]
        const b = theirs[(index * 31 + time) % operations]
        if (a === undefined || b === undefined) throw new Error("never: both rows are full")
        // Adding up what comes out, so that no engine may leave the work undone.
        check += transform(a, b)[0].targetLength
      }
    }
  })
  if (check === 0) throw new Error("never: nothing was moved")
}

const length = 10_000

// A key press or a deleted character somewhere in a text of 10,000.
function onePlace(index: number): Operation {
  const place = (index * 7_919) % (length - 10)
  return index % 5 === 0
    ? Operation.from([place, -1, length - place - 1])
    : Operation.from([place, "x", length - place])
}

// Something replaced in two places: six components.
function twoPlaces(index: number): Operation {
  const place = (index * 7_919) % (length / 2)
  return Operation.from([place, "xy", -1, 4_000, "z", -2, length - place - 4_003])
}

function measureEdits(what: string, steps: readonly Step[], end: string | undefined): void {
  const edits = steps.filter((step) => step.kind === "type").length
  let texts: readonly string[] = []
  measure(what, edits, () => {
    texts = replay(steps)
  })
  if (new Set(texts).size !== 1) throw new Error("the texts of server and writers differ")
  if (end !== undefined && texts[0] !== end) throw new Error("the end is not the recorded one")
}

console.log(`node ${process.version}, ${cpus()[0]?.model ?? "a processor"}, ${arch()}`)
measureTransforms("transforms of one place", onePlace)
measureTransforms("transforms of several places", twoPlaces)
const [path] = process.argv.slice(2)
if (path === undefined) {
  measureEdits("edits of an invented session, two writers", invent(20_000), undefined)
} else {
  const { steps, end } = planFile(path)
  measureEdits(`edits of ${path.split("/").at(-1)}`, steps, end)
}
