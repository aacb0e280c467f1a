/**
 * Figures of several runs, and the table that shows those of Quartet beside those of the others.
 */
import { type Kind, kinds, nameOf, rivals } from "./target.ts"

/** One line of the table. */
export interface Row {
  readonly name: string
  readonly unit: string
  /** All runs of one figure, as they were measured, by server. */
  readonly figures: ReadonlyMap<Kind, readonly number[]>
  /** What is asked of the ratio, or of the figure, in words. */
  readonly target?: string
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

/** The rows as a table in Markdown, with the ratios to every rival that has figures in it. */
export function table(rows: readonly Row[]): string {
  const shown = kinds.filter((kind) => rows.some(({ figures }) => hasAny(figures.get(kind))))
  const compared = rivals.filter((rival) => shown.includes(rival))
  const head = [
    ...["", "unit"],
    ...shown.map((kind) => nameOf[kind]),
    ...compared.map((rival) => `/ ${nameOf[rival]}`),
    "aim",
  ]
  const lines = rows.map(({ name, unit, figures, target = "" }) => [
    ...[name, unit],
    ...shown.map((kind) => spread(figures.get(kind) ?? [])),
    ...compared.map((rival) =>
      spread(ratios(figures.get("quartet") ?? [], figures.get(rival) ?? [])),
    ),
    target,
  ])
  const all = [head, head.map(() => "-"), ...lines]
  const widths = head.map((_, at) => Math.max(...all.map((line) => line[at]?.length ?? 0)))
  const written = all.map((line, index) =>
    line.map((cell, at) => cell.padEnd(widths[at] ?? 0, index === 1 ? "-" : " ")),
  )
  return written.map((line) => `| ${line.join(" | ")} |`).join("\n")
}

function hasAny(figures: readonly number[] | undefined): boolean {
  return figures !== undefined && figures.length > 0
}
