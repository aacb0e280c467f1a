/** What docs/protocol/pools.md shows happens as it says there. `UPDATE=1` writes down what happens. */
import assert from "node:assert/strict"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { limits } from "../src/pools/limits.ts"
import { FrameReader } from "../src/wire/frames.ts"
import { poolsCodec } from "../src/wire/pools.ts"
import { adviceOf, numberOf, poolsCodes, wordOf } from "../src/wire/pools-errors.ts"
import { schemas } from "../src/wire/pools-schemas.ts"
import { playedPools } from "./pools-stage.ts"

const path = join(import.meta.dirname, "../docs/protocol/pools.md")
const block = /```transcript\n([\s\S]*?)```/g

test("PL20 PL43 PL78 every conversation of the manual is held as it is written", () => {
  const manual = readFileSync(path, "utf8")
  assert.ok([...manual.matchAll(block)].length >= 5)
  const held = manual.replaceAll(block, (_, written: string) => {
    const [, ...rest] = playedPools(`# manual\n\n${written}`).split("\n\n")
    return `\`\`\`transcript\n${rest.join("\n\n")}\`\`\``
  })
  if (process.env["UPDATE"] === "1") writeFileSync(path, held)
  else assert.equal(held, manual)
})

test("PL1 PL3 every frame of the manual is read", () => {
  const manual = readFileSync(path, "utf8")
  const frames = [...manual.matchAll(/```frame\n([\s\S]*?)```/g)].map(([, text = ""]) => text)
  assert.ok(frames.length >= 3)
  for (const text of frames) {
    const bytes = Buffer.from(text.replaceAll(/\s/g, ""), "hex")
    const [body] = [...new FrameReader(1_024).push(bytes)]
    assert.equal(body?.length, bytes.length - 4)
    assert.notEqual(poolsCodec.decode(body ?? "").kind, "bad")
  }
})

test("PL17 PL26 the manual lists every message, every error and every limit there is", () => {
  const manual = readFileSync(path, "utf8")
  for (const type of Object.keys(schemas)) assert.match(manual, new RegExp(`\`${type}\``), type)
  for (const code of poolsCodes) {
    const row = `| ${numberOf(code)} | ${wordOf(code)} | ${adviceOf(code)} |`
    assert.ok(manual.includes(row), row)
  }
  for (const [name, value] of Object.entries(limits)) {
    assert.ok(manual.includes(`| ${name} | ${value} |`), `| ${name} | ${value} |`)
  }
})
