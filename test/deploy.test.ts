/** The files of deploy/: that they name what exists, and that Redis takes what is advised to it. */
import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { variables } from "../src/config.ts"
import { noRedis, startRedis } from "./redis-parts.ts"

const root = join(import.meta.dirname, "..")
const read = (name: string) => readFileSync(join(root, name), "utf8")

/** What is set there besides our settings. */
const foreign = ["POD_NAME", "NODE_ENV"]

test("SV1 the files of deploy/ set only what is a setting", () => {
  const patterns: Readonly<Record<string, RegExp>> = {
    "compose.yaml": /^\s+([A-Z][A-Z_]+): /gm,
    "kubernetes.yaml": /name: ([A-Z][A-Z_]+)\b|from-literal=([A-Z_]+)=/g,
    "quartet.service": /^Environment=([A-Z_]+)=/gm,
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
