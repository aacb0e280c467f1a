/** Every transcript says what is true. `UPDATE=1` writes down what is; the diff is the review. */
import assert from "node:assert/strict"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { played } from "./transcript.ts"

const root = join(import.meta.dirname, "transcripts/documents")
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".txt"),
)

for (const file of files.sort()) {
  const path = join(root, file)
  const written = readFileSync(path, "utf8")
  const [title = ""] = written.split("\n")
  test(title.replace(/^# /, ""), async () => {
    const transcript = await played(written)
    if (process.env["UPDATE"] === "1") writeFileSync(path, transcript)
    else assert.equal(transcript, written)
  })
}
