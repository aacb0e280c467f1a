/** The files of deploy/ and the manual: that they name what exists, and that Redis takes what is advised to it. */
import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { variables } from "../src/config.ts"
import { startServer } from "./harness.ts"
import { noRedis, startRedis } from "./redis-parts.ts"

const root = join(import.meta.dirname, "..")
const read = (name: string) => readFileSync(join(root, name), "utf8")

/** What is set there besides our settings. */
const foreign = ["POD_NAME", "NODE_ENV", "NODE_COMPILE_CACHE"]

test("SV1 the files of deploy/ set only what is a setting", () => {
  const patterns: Readonly<Record<string, RegExp>> = {
    "compose.yaml": /^\s+([A-Z][A-Z_]+): /gm,
    "kubernetes.yaml": /name: ([A-Z][A-Z_]+)\b|from-literal=([A-Z_]+)=/g,
    "quartet.service": /^Environment=([A-Z_]+)=/gm,
    "quartet-operators.service": /(?<=^Environment=.*)\b([A-Z_]+)=/gm,
    torrc: /\b([A-Z][A-Z_]+)=/g,
    Dockerfile: /\b([A-Z][A-Z_]+)=/g,
  }
  for (const [file, pattern] of Object.entries(patterns)) {
    const names = [...read(`deploy/${file}`).matchAll(pattern)].map((found) => found[1] ?? found[2])
    assert.ok(names.length > 0, file)
    const known: readonly string[] = [...variables, ...foreign]
    assert.deepEqual(
      names.filter((name) => !known.includes(name ?? "")),
      [],
      file,
    )
  }
  // The manual names each of them.
  for (const file of readdirSync(join(root, "deploy")).filter((name) => !name.includes("ocker"))) {
    assert.ok(read("docs/operating.md").includes(file), file)
  }
})

test("SV24 every figure that the manual names is told, with that label", async (t) => {
  const { url } = await startServer(t)
  const told = await (await fetch(`${url}/metrics`)).text()
  const figures = new Set([...told.matchAll(/^# TYPE (\w+)/gm)].map(([, name = ""]) => name))
  const named = [...read("docs/operating.md").matchAll(/\b(quartet_\w+\w)(?:\{(\w+)|…)?/g)]
  const alarms = named.filter(([whole, name = ""]) => !whole.endsWith("…") && !name.endsWith("_"))
  assert.ok(alarms.length > 25, `${alarms.length}`)
  for (const [, name = "", label] of alarms) {
    assert.ok(figures.has(name), name)
    const labels = [...told.matchAll(new RegExp(`^${name}\\{(\\w+)=`, "gm"))].map((each) => each[1])
    // One that has counted nothing yet shows none.
    if (label !== undefined && labels.length > 0)
      assert.ok(labels.includes(label), `${name} ${label}`)
  }
  // Tables that give the beginning of a name once.
  for (const [, prefix, table = ""] of read("docs/operating.md").matchAll(
    /^\| figure, after `(quartet_\w+_)` .*\n\|---\|---\|\n((?:\|.*\n)+)/gm,
  )) {
    for (const row of table.trim().split("\n")) {
      const cell = row.split("|")[1] ?? ""
      const names = [...cell.matchAll(/`(\w+)(?:\{\w+\})?`/g)].map(([, name]) => `${prefix}${name}`)
      assert.ok(names.length > 0, row)
      assert.deepEqual(
        names.filter((name) => !figures.has(name)),
        [],
      )
    }
  }
})

test("SV1 the manual leads to each of its sections, and names none twice", () => {
  const manual = read("docs/operating.md")
  const headings = [...manual.matchAll(/^#{2,} (.*)$/gm)].map(([, heading = ""]) => {
    return heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-")
  })
  assert.equal(new Set(headings).size, headings.length)
  const links = [...manual.matchAll(/\]\(#([^)]*)\)/g)].map(([, link = ""]) => link)
  assert.deepEqual(
    links.filter((link) => !headings.includes(link)),
    [],
  )
  const sections = [...manual.matchAll(/^## (.*)$/gm)].map(([, heading = ""]) => heading)
  const contents = /^\[Install\].*$/m.exec(manual)?.[0] ?? ""
  const named = sections.map((each) => each.toLowerCase().replaceAll(" ", "-"))
  assert.deepEqual(
    named.filter((name) => !contents.includes(`(#${name})`)),
    [],
  )
})

test("RL68 Redis takes the settings that the manual advises, and evicts nothing", {
  skip: noRedis,
}, async (t) => {
  const settings = (text: string) => text.split("\n").filter((line) => /^[a-z]/.test(line))
  const [, advised = ""] = /```\n(maxmemory [\s\S]*?)```/.exec(read("docs/operating.md")) ?? []
  const lines = settings(read("deploy/redis.conf"))
  assert.deepEqual(settings(advised), lines)
  const words = lines.flatMap((line) => {
    const [name = "", ...values] = line.split(" ")
    return [`--${name}`, values.join(" ").replace('""', "")]
  })
  const redis = await startRedis(t, ...words)
  const policy = await redis.run("CONFIG", "GET", "maxmemory-policy")
  assert.deepEqual({ ...(policy as object) }, { "maxmemory-policy": "noeviction" })
})
