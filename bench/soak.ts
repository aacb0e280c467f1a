/**
 * A long run: `node bench/soak.ts [MINUTES]`, an hour unless told.
 *
 * Thirty documents of five editors under a mixed load, the server's memory every ten seconds, and
 * once a minute the texts of all editors beside the server's. Prints a section in Markdown; lines on
 * stderr tell how it goes meanwhile. Exit code 1 when something was not as it must be.
 */
import { cpus } from "node:os"
import { setTimeout as sleep } from "node:timers/promises"
import { short } from "./figures.ts"
import { SoakWorld } from "./soak-world.ts"
import { Target } from "./target.ts"

const minutes = Number(process.argv[2] ?? 60)
const size = { documents: 30, editors: 5 }
/** What happens in a second. */
const rates = { edits: 100, carets: 10, leaves: 0.5, cuts: 0.5, reads: 1, visits: 0.2 }
const stepMs = 50
const sampleMs = 10_000
/** Slopes are taken after this share of the time: caches and windows fill before. */
const settleShare = 0.25

interface Sample {
  readonly minutes: number
  readonly rssMb: number
  readonly heapMb: number
  /** All garbage was collected just before. */
  readonly isCollected: boolean
}

const target = await Target.start("quartet", {
  core: "any",
  settings: { EDITS_PER_SECOND: "200", MAX_EDITORS: "1000" },
})
const world = await SoakWorld.open(target, size)
const samples: Sample[] = []
const wrong: string[] = []
const began = performance.now()
const before = await target.ask("usage")
let checks = 0

/** Every so often, on average, in steps of one length. */
const due = (perSecond: number) => Math.random() < (perSecond * stepMs) / 1_000

function step(): void {
  for (let edit = 0; edit < (rates.edits * stepMs) / 1_000; edit += 1) world.type()
  if (due(rates.carets)) world.point()
  if (due(rates.leaves)) note(world.swap())
  if (due(rates.cuts)) world.cut()
  if (due(rates.reads)) note(world.read())
  if (due(rates.visits)) note(world.visit())
}

function note(work: Promise<void>): void {
  work.catch((thrown: unknown) => wrong.push(String(thrown)))
}

async function sample(question: "usage" | "collect"): Promise<void> {
  const { rssBytes, heapBytes } = await target.ask(question)
  samples.push({
    minutes: (performance.now() - began) / 60_000,
    rssMb: rssBytes / 1e6,
    heapMb: heapBytes / 1e6,
    isCollected: question === "collect",
  })
}

async function run(): Promise<void> {
  const end = began + minutes * 60_000
  let sampled = began
  let compared = began
  for (let now = began; now < end; now = performance.now()) {
    step()
    if (now - sampled >= sampleMs) {
      sampled = now
      await sample("usage")
    }
    if (now - compared >= 60_000) {
      compared = now
      wrong.push(...(await world.compare()))
      checks += 1
      await sample("collect")
      tell()
    }
    await sleep(Math.max(1, stepMs - (performance.now() - now)))
  }
  wrong.push(...(await world.compare()))
  checks += 1
  await sample("collect")
}

function tell(): void {
  const last = samples.at(-1)
  if (last === undefined) return
  const { edits } = world.counts
  console.error(
    `${last.minutes.toFixed(0)} min: ${edits} edits, rss ${last.rssMb.toFixed(1)} MB, heap ` +
      `${last.heapMb.toFixed(1)} MB, ${wrong.length + world.complaints.length} wrong`,
  )
}

/** MB an hour, by least squares over what comes after everything has filled. */
function slope(points: readonly (readonly [minutes: number, mb: number])[]): number {
  const late = points.filter(([at]) => at >= minutes * settleShare)
  const mean = (of: 0 | 1) => late.reduce((sum, point) => sum + point[of], 0) / late.length
  const [x, y] = [mean(0), mean(1)]
  const over = late.reduce((sum, [at, mb]) => sum + (at - x) * (mb - y), 0)
  return (60 * over) / late.reduce((sum, [at]) => sum + (at - x) ** 2, 0)
}

async function section(): Promise<string> {
  const after = await target.ask("usage")
  const seconds = (performance.now() - began) / 1_000
  const server = (after.cpuMs - before.cpuMs) / seconds / 10
  const { user, system } = process.cpuUsage()
  const load = (user + system) / 1_000 / seconds / 10
  const { edits, carets, leaves, cuts, reads, visits } = world.counts
  const collected = samples.filter(({ isCollected }) => isCollected)
  const shown = collected.filter(({ minutes: at }, index) => {
    const isLast = index === collected.length - 1
    return index === 0 || isLast || Math.round(at) % 5 === 0
  })
  const troubles = target.log.filter(({ level }) => level === "error" || level === "warn").length
  const all = [...wrong, ...world.complaints]
  const late = samples.filter(({ minutes: at }) => at >= minutes * settleShare)
  return [
    `## A long run: ${minutes} minutes`,
    "",
    `\`node bench/soak.ts ${minutes}\`, Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}.`,
    `${size.documents} documents of ${size.editors} editors of the SDK; done in all: ` +
      `${edits.toLocaleString("en")} edits, ${carets.toLocaleString("en")} carets moved, ` +
      `${leaves.toLocaleString("en")} editors gone and others come, ${cuts.toLocaleString("en")} lines ` +
      `cut, ${reads.toLocaleString("en")} texts read over HTTP, ${visits.toLocaleString("en")} short visits.`,
    `Server ${short(server)} % of a core, load ${short(load)} %. Texts compared ${checks} times: ` +
      `${all.length === 0 ? "all the same, nothing lost, nobody refused" : `${all.length} things wrong`}.`,
    `Warnings and errors in the server's log: ${troubles}.`,
    "",
    "| minute | RSS, MB | heap, garbage collected, MB |",
    "|---|---|---|",
    ...shown.map((at) => `| ${at.minutes.toFixed(0)} | ${short(at.rssMb)} | ${short(at.heapMb)} |`),
    "",
    `From minute ${(minutes * settleShare).toFixed(0)} on: RSS ` +
      `${slope(samples.map((at) => [at.minutes, at.rssMb])).toFixed(2)} MB/hour ` +
      `(every ${sampleMs / 1_000} s, ${late.length} samples), heap ` +
      `${slope(collected.map((at) => [at.minutes, at.heapMb])).toFixed(2)} MB/hour (once a minute, ` +
      "garbage collected).",
    ...all.slice(0, 20).map((each) => `- ${each}`),
  ].join("\n")
}

await run()
console.log(await section())
await world.close()
await target.stop()
process.exitCode = wrong.length + world.complaints.length === 0 ? 0 : 1
