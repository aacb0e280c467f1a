/**
 * Figures of several runs, and the table that shows them beside those of the floor.
 */

/** One line of the table. All runs of one figure, as they were measured. */
export interface Row {
  readonly name: string
  readonly unit: string
  readonly quartet: readonly number[]
  readonly floor?: readonly number[]
  /** What is asked of the ratio, or of the figure, in words. */
  readonly target?: string
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

/** The rows as plain text, in columns. */
export function table(rows: readonly Row[]): string {
  const lines = rows.map(({ name, unit, quartet, floor = [], target = "" }) => [
    name,
    unit,
    spread(quartet),
    spread(floor),
    floor.length === 0 ? "" : short(median(quartet) / median(floor)),
    target,
  ])
  const all = [["", "unit", "Quartet", "floor", "ratio", "target"], ...lines]
  const widths = [0, 1, 2, 3, 4, 5].map((column) =>
    Math.max(...all.map((line) => line[column]?.length ?? 0)),
  )
  return all
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n")
}
