/**
 * Parts of pages in docs/ that programs of the bench write themselves. What always holds: a part
 * lies between two comments with its name, and nothing outside of them is touched.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { commit, loadAverages, machine, versions } from "./present.ts"

/** Puts `text` between the marks of `name` on docs/`page`. Throws when the marks are not there. */
export function writeOn(page: string, name: string, text: string): void {
  rewriteOn(page, name, () => `\n\n${text}\n\n`)
}

/** The same, made of what stands there. */
export function rewriteOn(page: string, name: string, rewrite: (text: string) => string): void {
  const file = join(import.meta.dirname, "../docs", page)
  const all = readFileSync(file, "utf8")
  const [from, to] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`]
  const [begin, end] = [all.indexOf(from), all.indexOf(to)]
  if (begin < 0 || end < begin) throw new Error(`docs/${page} has no ${from} with ${to} behind it`)
  const first = begin + from.length
  writeFileSync(file, all.slice(0, first) + rewrite(all.slice(first, end)) + all.slice(end))
}

/** Where and when figures were taken, in a sentence or two; made before the first of them. */
export function circumstances(command: string): string {
  const date = new Date().toISOString().slice(0, 10)
  const of = commit()
  const source = of === "" ? "" : `, at commit ${of}`
  return `\`${command}\` on ${date}${source}: ${machine()}. Load averages of 1, 5 and 15 minutes at the start: ${loadAverages()}. Beside: ${versions()}.`
}
