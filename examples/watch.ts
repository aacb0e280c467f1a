/** A terminal watcher: shows a document, anew after each change, and who is in it. */
// node examples/watch.ts http://127.0.0.1:3030/ notes
import { harmless } from "../src/cli/terminal.ts"
import { connect } from "../src/client/client.ts"

const [url = "http://127.0.0.1:3030/", id = "notes"] = process.argv.slice(2)
const text = connect(url).documents.open(id, { readOnly: true })

function show(author: number | undefined): void {
  const by = author === undefined ? undefined : text.editors.get(author)?.name
  const here = [...text.editors.values()].map((editor) => editor.name).join(", ")
  console.log(harmless(`--- revision ${text.revision}${by === undefined ? "" : `, by ${by}`}`))
  console.log(harmless(`${text.text}\n--- here: ${here}`))
}

text.on("change", (change) => show(change.id))
text.on("closed", ({ sentence, comesBack }) => {
  console.log(harmless(`--- ${sentence}${comesBack ? ", trying again" : ""}`))
})
