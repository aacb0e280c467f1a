/** What the built page weighs, compressed as the server sends it. */
import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { gzipSync } from "node:zlib"

const page = join(import.meta.dirname, "../dist/page")
const assets = join(page, "assets")

/** The files that `source` has loaded at once, by name: those its own imports name. */
function importsOf(source: string): readonly string[] {
  const statements = source.matchAll(/(?:\bfrom|\bimport)\s*["'`]\.\/([\w.-]+\.js)["'`]/g)
  return [...statements].map((match) => match[1] ?? "")
}

/** The files that `source` has loaded later. */
function laterImportsOf(source: string): readonly string[] {
  const calls = source.matchAll(/\bimport\(\s*["'`]\.\/([\w.-]+\.js)["'`]\s*\)/g)
  return [...calls].map((match) => match[1] ?? "")
}

const sources = new Map(
  readdirSync(assets)
    .filter((file) => file.endsWith(".js"))
    .map((file) => [file, readFileSync(join(assets, file), "utf8")]),
)

/** Everything that comes with `file`. */
function closure(file: string, known = new Set<string>()): ReadonlySet<string> {
  if (known.has(file)) return known
  known.add(file)
  for (const next of importsOf(sources.get(file) ?? "")) closure(next, known)
  return known
}

function weigh(files: Iterable<string>): number {
  return [...files].reduce((sum, file) => sum + gzipSync(sources.get(file) ?? "").length, 0)
}

function mainScript(): string {
  const index = readFileSync(join(page, "index.html"), "utf8")
  const main = /src="\.\/assets\/([\w.-]+\.js)"/.exec(index)?.[1]
  assert.ok(main !== undefined, "index.html names one script")
  return main
}

test("DC141 the first load is at most 150 KB of script and 12 KB of style", () => {
  const script = weigh(closure(mainScript()))
  assert.ok(script <= 150_000, `${script} bytes of script`)
  const index = readFileSync(join(page, "index.html"), "utf8")
  const styles = [...index.matchAll(/href="\.\/assets\/([\w.-]+\.css)"/g)].map(
    ([, file]) => `${file}`,
  )
  const style = styles.reduce(
    (sum, file) => sum + gzipSync(readFileSync(join(assets, file))).length,
    0,
  )
  assert.ok(style > 0 && style <= 12_000, `${style} bytes of style`)
})

test("DC141 no grammar, nor anything else that is loaded on use, is above 90 KB", () => {
  const first = closure(mainScript())
  let count = 0
  for (const [file, source] of sources) {
    // What asks for it is there already, with all that came along.
    const there = new Set([...first, ...closure(file)])
    for (const later of laterImportsOf(source)) {
      const bytes = weigh([...closure(later)].filter((each) => !there.has(each)))
      assert.ok(bytes <= 90_000, `${later} brings ${bytes} bytes`)
      count += 1
    }
  }
  assert.ok(count > 100, "the grammars are loaded on use")
})

/** The one file whose name begins so. */
function chunkOf(name: string): string {
  const named = new RegExp(`^${name}-[\\w-]{8}\\.js$`)
  const [file, ...more] = [...sources.keys()].filter((each) => named.test(each))
  assert.ok(file !== undefined && more.length === 0, `one file is called ${name}`)
  return file
}

for (const [what, chunk, limit] of [
  // The searching is a part of its own, which Vim's keys use.
  ["Vim's keys", "vim", 45_000],
  ["the preview of Markdown", "preview-view", 20_000],
  ["the share sheet", "share", 20_000],
  ["the QR code", "share-code", 20_000],
  ["the history", "slider", 20_000],
  ["the relay's panel, with Yjs", "room", 60_000],
  ["the operators' panel", "talk", 20_000],
  // A third of it is the SDK, with blocks and keys.
  ["PL169 the pools' panel, with its SDK", "board", 50_000],
] as const) {
  test(`DC141 ${what}: loaded on use, and at most ${limit / 1_000} KB`, () => {
    const first = closure(mainScript())
    assert.ok(!first.has(chunkOf(chunk)), "it comes with the first load")
    const there = new Set([...first, ...closure(chunkOf("search"))])
    const bytes = weigh([...closure(chunkOf(chunk))].filter((each) => !there.has(each)))
    assert.ok(bytes > 1_000 && bytes <= limit, `${bytes} bytes`)
  })
}

test("DC140 nothing in the page names another origin to load from", () => {
  const index = readFileSync(join(page, "index.html"), "utf8")
  assert.doesNotMatch(index, /(?:src|href)="(?!\.\/)/)
  assert.doesNotMatch(index, /<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=/)
  for (const file of readdirSync(assets).filter((file) => file.endsWith(".css"))) {
    assert.doesNotMatch(readFileSync(join(assets, file), "utf8"), /url\(|@import/)
  }
})
