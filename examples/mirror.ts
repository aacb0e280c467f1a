/** A two-way mirror: a file follows a document, and the document follows the file. */
// node examples/mirror.ts http://127.0.0.1:3030/ notes ./notes.txt
import { existsSync, readFileSync, watch, writeFileSync } from "node:fs"
import { basename, dirname } from "node:path"
import { connect } from "../src/client/client.ts"
import { diff } from "../src/ot/diff.ts"
import { transform } from "../src/ot/operation.ts"

const [url = "http://127.0.0.1:3030/", id = "notes", file = "notes.txt"] = process.argv.slice(2)
const text = connect(url, {
  name: `mirror of ${basename(file)}`,
}).documents.open(id)
let agreed: string | undefined // what both were when they were last alike

/** Takes over what changed on either side since then; changes of both sides are merged. */
function meet(): void {
  if (text.state === "connecting" || text.state === "closed") return
  const stored = existsSync(file) ? readFileSync(file, "utf8") : (agreed ?? "")
  // At first the document counts, unless there is nothing in it.
  agreed ??= text.text === "" ? "" : stored
  const [mine] = transform(diff(agreed, stored), diff(agreed, text.text))
  if (!mine.isNoop) text.edit(mine)
  agreed = text.text
  if (agreed !== stored || !existsSync(file)) writeFileSync(file, agreed)
}

text.on("change", ({ by }) => {
  if (by !== "me") meet()
})
text.on("state", () => {
  if (agreed === undefined) meet()
})
// The folder, since many editors put a new file in the place of the old one.
watch(dirname(file), (_event, name) => {
  if (name === basename(file)) meet()
})
