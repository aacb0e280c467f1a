/** Rules and tests agree: each rule has a test, and each test's rule exists. */
import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"

const root = join(import.meta.dirname, "..")

/** Source of all tests and transcripts, by path. */
function sources(): ReadonlyMap<string, string> {
  const files = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
  const kept = files.filter((file) => file.endsWith(".test.ts") || file.endsWith(".txt"))
  return new Map(kept.map((file) => [file, readFileSync(join(root, "test", file), "utf8")]))
}

/** Rule numbers that stand at the beginning of a test's name or a transcript's first line. */
function named(source: string): readonly string[] {
  const names = source.matchAll(/(?:\btest\(\s*["'`]|^# )((?:(?:SV|DC|OP|PL|RL)\d+[\s,]+)+)/gm)
  return [...names].flatMap((match) => match[1]?.match(/[A-Z]{2}\d+/g) ?? [])
}

const rules = new Set(
  [...readFileSync(join(root, "docs/rules.md"), "utf8").matchAll(/^- \*\*([A-Z]{2}\d+)\*\*/gm)].map(
    (match) => match[1] as string, // the pattern has one group, and it matched
  ),
)

test("SV34 every rule is named by a test", () => {
  const tested = new Set([...sources().values()].flatMap(named))
  assert.deepEqual(
    [...rules].filter((rule) => !tested.has(rule)),
    [],
  )
})

test("SV34 every rule that a test names stands in docs/rules.md", () => {
  const unknown = [...sources()].flatMap(([file, source]) =>
    named(source).flatMap((rule) => (rules.has(rule) ? [] : [`${file}: ${rule}`])),
  )
  assert.deepEqual(unknown, [])
})

test("SV34 every test begins with the rule that it proves", () => {
  const nameless = [...sources()].flatMap(([file, source]) =>
    // Not `t.test`, a part of one that has a name; and a name that is a transcript's first line stands there.
    [...source.matchAll(/(?<!\.)\btest\(\s*["'`](?!\$\{title\})([^"'`]*)/g)].flatMap((match) =>
      /^(SV|DC|OP|PL|RL)\d+/.test(match[1] ?? "") ? [] : [`${file}: ${match[1]}`],
    ),
  )
  for (const [file, source] of sources()) {
    if (file.endsWith(".txt")) assert.match(source, /^# (SV|DC|OP|PL|RL)\d+/, file)
  }
  assert.deepEqual(nameless, [])
})
