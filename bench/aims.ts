/**
 * Whether aims were reached: what rows ask for in words, read, and the table of all aims on a page,
 * brought up to date.
 *
 * What always holds: a line of the page says in a comment which rows it hangs on, as
 * `<!-- name: unit -->`, several with ` + ` between them, each with ` / aim / kind ` behind it where
 * those are not the row's own. A line without one, or without figures in this run, stays as it is.
 */
import { columnOf, median, type Row, ratios, short } from "./figures.ts"

/** One thing that is asked: of the figure itself, or of its ratio to somebody's. */
export interface Limit {
  readonly way: "<=" | ">=" | "<" | ">"
  readonly bound: number
  /** As tables call them; undefined for the figure itself. */
  readonly beside: string | undefined
}

/** Reads `>= 80,000; >= 1.8 NATS, 1.5 Moleculer`: a sign holds until the next one. */
export function limitsOf(aim: string): readonly Limit[] {
  return aim.split("; ").flatMap((clause) => {
    const [, way, rest = ""] = /^(<=|>=|<|>) (.*)$/.exec(clause) ?? []
    if (way !== "<=" && way !== ">=" && way !== "<" && way !== ">") return []
    return rest.split(", ").map((each) => {
      const [, number, beside] = /^([\d.,/]*\d)? ?(.*)$/.exec(each) ?? []
      const [over = "1", under = "1"] = (number ?? "1").replaceAll(",", "").split("/")
      const bound = Number(over) / Number(under)
      return { way, bound, beside: beside === "" ? undefined : beside }
    })
  })
}

/** What a limit is held against, and whether it holds; undefined where nobody measured that. */
function held({ way, bound, beside }: Limit, row: Row, kind: string) {
  const own = row.figures.get(kind) ?? []
  const figure = beside === undefined ? median(own) : besideOf(row, own, beside)
  if (Number.isNaN(figure)) return undefined
  const isReached = {
    "<=": figure <= bound,
    ">=": figure >= bound,
    "<": figure < bound,
    ">": figure > bound,
  }[way]
  const seen = beside === undefined ? `${short(figure)} ${row.unit}` : `${short(figure)} ${beside}`
  return { seen, isReached }
}

function besideOf(row: Row, own: readonly number[], beside: string): number {
  const other = [...row.figures].find(([kind]) => columnOf(kind).startsWith(beside))
  return median(ratios(own, other?.[1] ?? []))
}

/** The same lines, with what this run saw in those that hang on rows of it. */
export function refreshed(section: string, rows: readonly Row[]): string {
  return section
    .split("\n")
    .map((line) => refreshedLine(line, rows))
    .join("\n")
}

function refreshedLine(line: string, rows: readonly Row[]): string {
  const keys = /<!-- (.*?) -->/.exec(line)?.[1]
  if (keys === undefined) return line
  const results = keys.split(" + ").flatMap((key) => {
    const [name = "", aim, kind = "quartet"] = key.split(" / ")
    const row = rows.find((each) => `${each.name}: ${each.unit}` === name)
    if (row === undefined) return []
    return limitsOf(aim === undefined || aim === "" ? (row.target ?? "") : aim).flatMap(
      (limit) => held(limit, row, kind) ?? [],
    )
  })
  if (results.length === 0) return line
  const missed = results.filter(({ isReached }) => !isReached)
  // The comment has no bar, so cells are what lies between bars.
  const [, what = "", asked = "", , , why = ""] = line.split("|")
  const seen = results.map((result) => result.seen).join(", ")
  return `|${what}|${asked}| ${seen} | ${verdict(results.length, missed)} |${why}|`
}

function verdict(all: number, missed: readonly { readonly seen: string }[]) {
  if (missed.length === 0) return "reached"
  if (missed.length === all) return "missed"
  return `missed: ${missed.map(({ seen }) => seen).join(", ")}`
}
