/** Pools told as transcripts: what apps send, and what each of them then hears. */
import assert from "node:assert/strict"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { playedPools } from "./pools-stage.ts"

const folder = join(import.meta.dirname, "transcripts/pools")

for (const file of readdirSync(folder).sort()) {
  const path = join(folder, file)
  const written = readFileSync(path, "utf8")
  const [title = ""] = written.split("\n")
  const name = `${title.replace(/^# /, "")} (${file})`
  test(name, () => {
    const heard = playedPools(written)
    if (process.env["UPDATE"] === "1") writeFileSync(path, heard)
    else assert.equal(heard, written)
  })
}
