/**
 * What one core carries, reckoned from what a unit costs (growth-loads.ts): a table for those who
 * run the server. What always holds: a figure that was not measured leaves its line out.
 */
import { markdown, median, type Row, short } from "./figures.ts"

/** Of a core: what is left is for peaks, joins, saving and the rest of the machine. */
const share = 0.7
const available = share * 1_000_000
/** A person who types goes at this pace, and says something this often. */
const keystrokes = 5
const sentenceSeconds = 10

type Measured = ReadonlyMap<string, readonly Row[]>

/** The figure of a size; NaN when it is not there. */
function figureOf(rows: readonly Row[], name: string, unit: string): number {
  const row = rows.find((each) => each.name === name && each.unit === unit)
  return median(row?.figures.get("quartet") ?? [])
}

/** The last size that has this figure. */
function lastOf(rows: readonly Row[], unit: string): { name: string; figure: number } {
  const row = rows.findLast((each) => each.unit === unit)
  return { name: row?.name ?? "", figure: median(row?.figures.get("quartet") ?? []) }
}

/** Two digits that count: the rest would say more than was measured. */
function about(value: number): string {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1)
  return (Math.floor(value / step) * step).toLocaleString("en")
}

function kib(bytes: number): string {
  return `${short(bytes / 1_024)} KiB`
}

/** The table, in Markdown, with how it was derived. */
export function capacity(measured: Measured): string {
  const lines = [
    ...editors(measured.get("editors") ?? []),
    ...documents(measured.get("documents") ?? []),
    ...rooms(measured.get("rooms") ?? []),
    ...operators(measured.get("connections") ?? []),
    ...calls(measured.get("calls") ?? []),
  ]
  const table = markdown(["what", "one core carries", "memory", "from"], lines)
  return [
    `Reckoned from [measurements.md](measurements.md#as-the-work-grows): ${share * 100} % of a core by what a unit costs at the size that is named, each line with the core to itself. Halve it for a core that is shared, and watch the figures below.`,
    table,
  ].join("\n\n")
}

function editors(rows: readonly Row[]): readonly (readonly string[])[] {
  const { name, figure } = lastOf(rows, "% of a core")
  const cost = figureOf(rows, name, "µs CPU/edit")
  const late = figureOf(rows, name, "ms p99")
  return known([
    [
      figure,
      "editors of one document who all type 5 characters a second",
      `${name} at ${short(figure)} % of a core, p99 ${short(late)} ms`,
      "30 KiB each at most",
      `${short(cost)} µs an edit`,
    ],
  ])
}

function documents(rows: readonly Row[]): readonly (readonly string[])[] {
  const { name, figure } = lastOf(rows, "µs CPU/edit")
  return known([
    [
      figure,
      "editors who all type, three to a document",
      about(available / (figure * keystrokes)),
      "30 KiB each at most, 4 KiB and its text for a document",
      `${short(figure)} µs an edit with ${name}`,
    ],
  ])
}

function rooms(rows: readonly Row[]): readonly (readonly string[])[] {
  const { name, figure: heap } = lastOf(rows, "bytes heap/room")
  const figure = figureOf(rows, name, "µs CPU/delivery")
  return known([
    [
      figure,
      "rooms of two replicas, a change a second in each",
      about(available / figure),
      `${kib(heap)} a room, sockets not counted`,
      `${short(figure)} µs a delivery with ${name}`,
    ],
    [
      figure,
      "changes that reach one other replica each, a second",
      about(available / figure),
      "",
      "the same; in large rooms a delivery costs less",
    ],
  ])
}

function operators(rows: readonly Row[]): readonly (readonly string[])[] {
  const { name, figure } = lastOf(rows, "µs CPU/message")
  const heap = lastOf(rows, "bytes heap each")
  return known([
    [
      figure,
      `operators who each say something every ${sentenceSeconds} s`,
      about((available / figure) * sentenceSeconds),
      `${kib(heap.figure)} of heap each`,
      `${short(figure)} µs a message with ${name} open; OPERATORS_CONNECTIONS and MAX_CONNECTIONS are lower`,
    ],
  ])
}

function calls(rows: readonly Row[]): readonly (readonly string[])[] {
  return ["1 call", "100 calls"].flatMap((name) => {
    const cost = figureOf(rows, name, "µs CPU/call")
    const seen = figureOf(rows, name, "calls/s")
    return known([
      [
        cost,
        `calls a second, ${name} under way`,
        about(available / cost),
        "what is under way only",
        `${short(cost)} µs a call; ${short(seen)}/s were seen with caller and handler on the same cores`,
      ],
    ])
  })
}

/** Lines without the figure that they hang on, where it is there. */
function known(
  lines: readonly (readonly [figure: number, ...cells: string[]])[],
): readonly (readonly string[])[] {
  return lines.filter(([figure]) => !Number.isNaN(figure)).map(([, ...cells]) => cells)
}
