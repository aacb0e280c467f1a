/**
 * Figures of several runs, and the tables that show those of Quartet beside those of the others.
 */
import { nameOf } from "./target.ts"

/** One line of a table. */
export interface Row {
  readonly name: string
  readonly unit: string
  /** All runs of one figure, as they were measured, by who was measured. */
  readonly figures: ReadonlyMap<string, readonly number[]>
  /** What is asked of the ratio, or of the figure, in words. */
  readonly target?: string
}

/** Who is measured beside the documents and the relay, as tables call them. */
const names: Readonly<Record<string, string>> = {
  ...nameOf,
  "quartet-json": "Quartet, JSON",
  "quartet-tcp": "Quartet, TCP",
  bare: "floor",
  hash: "hash alone",
  mapping: "bare mapping",
  nats: "NATS",
  moleculer: "Moleculer",
  "moleculer-nats": "Moleculer over NATS",
  redis: "Redis",
  mosquitto: "Mosquitto",
}

/** As tables call it; the word itself where they have no other. */
export function columnOf(kind: string): string {
  return names[kind] ?? kind
}

/** Figures that come one at a time. What always holds: rows stand in the order of their first one. */
export class Rows {
  readonly #rows = new Map<string, Row & { readonly figures: Map<string, number[]> }>()

  get all(): readonly Row[] {
    return [...this.#rows.values()]
  }

  /** One more figure of `kind`. */
  add(row: Omit<Row, "figures">, kind: string, figure: number): void {
    const key = `${row.name}: ${row.unit}`
    const own = this.#rows.get(key) ?? { ...row, figures: new Map() }
    this.#rows.set(key, own)
    own.figures.set(kind, [...(own.figures.get(kind) ?? []), figure])
  }
}

/** A line with figures of Quartet alone. */
export function rowOf(name: string, unit: string, quartet: readonly number[], target = ""): Row {
  return { name, unit, figures: new Map([["quartet", quartet]]), target }
}

/** The middle one of `values`; of an even number the upper middle one. NaN of none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The value below which the share `q` of `values` lies. NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

/** A number with three digits that count, and thousands set apart. */
export function short(value: number): string {
  const size = Math.abs(value)
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3
  return value.toLocaleString("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  })
}

/** The median, and after it the lowest and the highest of several. */
export function spread(values: readonly number[]): string {
  if (values.length === 0) return ""
  const middle = short(median(values))
  if (values.length === 1) return middle
  return `${middle} (${short(Math.min(...values))}..${short(Math.max(...values))})`
}

/** Quartet's figures by those of another: of each run by the other's of the same turn. */
export function ratios(quartet: readonly number[], other: readonly number[]): readonly number[] {
  const turns = Math.min(quartet.length, other.length)
  return quartet.slice(0, turns).map((figure, turn) => figure / (other[turn] ?? Number.NaN))
}

/** The rows as a table in Markdown, with the ratios to everyone else who has figures in it. */
export function table(rows: readonly Row[]): string {
  const shown = kindsOf(rows)
  const compared = shown.filter((kind) => !isOurs(kind))
  const head = [
    ...["", "unit"],
    ...shown.map(columnOf),
    ...compared.map((kind) => `/ ${columnOf(kind)}`),
    "aim",
  ]
  const lines = rows.map(({ name, unit, figures, target = "" }) => [
    ...[name, unit],
    ...shown.map((kind) => spread(figures.get(kind) ?? [])),
    ...compared.map((kind) =>
      spread(ratios(figures.get("quartet") ?? [], figures.get(kind) ?? [])),
    ),
    target,
  ])
  return markdown(head, lines)
}

/** Whether it is Quartet, in whatever form. */
export function isOurs(kind: string): boolean {
  return kind.startsWith("quartet")
}

/** A table in Markdown, its columns as wide as their widest cell. */
export function markdown(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const all = [head, head.map(() => "-"), ...lines]
  const widths = head.map((_, at) => Math.max(...all.map((line) => line[at]?.length ?? 0)))
  const written = all.map((line, index) =>
    head.map((_, at) => (line[at] ?? "").padEnd(widths[at] ?? 0, index === 1 ? "-" : " ")),
  )
  return written.map((line) => `| ${line.join(" | ")} |`).join("\n")
}

// Those with figures, Quartet's first, the others in the order in which they come.
function kindsOf(rows: readonly Row[]): readonly string[] {
  const some = rows.flatMap(({ figures }) =>
    [...figures].filter(([, all]) => all.length > 0).map(([kind]) => kind),
  )
  const each = [...new Set(some)]
  return [...each.filter(isOurs), ...each.filter((kind) => !isOurs(kind))]
}
