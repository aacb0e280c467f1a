/** A bot that appends: to each line "/count" it answers at the end how many words there are. */
// node examples/bot.ts http://127.0.0.1:3030/ notes
import { connect } from "../src/client/client.ts"

const [url = "http://127.0.0.1:3030/", id = "notes"] = process.argv.slice(2)
const text = connect(url, { name: "Counting bot", hue: 60 }).documents.open(id)
let answered: number | undefined

function questions(): number {
  return text.text.match(/^\/count$/gm)?.length ?? 0
}

function answer(): void {
  const asked = questions()
  // What was asked before we came has been answered, by us or by nobody.
  if (answered !== undefined && asked > answered) {
    const words = text.text.split(/\s+/).filter((word) => /^\w/.test(word)).length
    text.replace(text.text.length, text.text.length, `\n${words} words\n`)
  }
  answered = asked
}

text.on("state", (state) => {
  if (state === "synchronized") answer()
})
text.on("change", ({ by }) => {
  if (by === "others" && answered !== undefined) answer()
})
