/** Every transcript of the operators says what is true over each carrier. `UPDATE=1` writes down what is. */
import assert from "node:assert/strict"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { carriers, played } from "./operators-stage.ts"

const root = join(import.meta.dirname, "transcripts/operators")
const files = readdirSync(root).filter((file) => file.endsWith(".txt"))

for (const file of files.sort()) {
  const path = join(root, file)
  const [first = ""] = readFileSync(path, "utf8").split("\n")
  const title = first.replace(/^# /, "")
  for (const carrier of carriers) {
    const name = `${title} (${carrier})`
    test(name, async () => {
      const written = readFileSync(path, "utf8")
      const transcript = await played(written, carrier)
      if (process.env["UPDATE"] === "1") writeFileSync(path, transcript)
      else assert.equal(transcript, written)
    })
  }
}
