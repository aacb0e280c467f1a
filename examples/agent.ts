/** An agent that edits by HTTP: it keeps a table of contents up to date while people type. */
// node examples/agent.ts http://127.0.0.1:3030/ notes
import { connect } from "../src/client/client.ts"

const [url = "http://127.0.0.1:3030/", id = "notes"] = process.argv.slice(2)
const { documents } = connect(url)
// What stands between these two lines is the agent's.
const place = /(?<=^<!-- contents -->\n)[\s\S]*?(?=^<!-- end -->$)/m
let known = ""

function contents(text: string): string {
  const headings = text.replace(place, "").matchAll(/^(#+) (.+)$/gm)
  const lines = [...headings].map(([, marks = "", title]) => {
    return `${"  ".repeat(marks.length - 1)}- ${title}\n`
  })
  return lines.join("")
}

async function look(): Promise<void> {
  const { text, etag } = await documents.read(id)
  if (etag === known) return
  known = etag
  const wanted = text.replace(place, () => contents(text))
  // The server takes the difference to the text we have read: what was typed since then stays.
  if (wanted !== text) await documents.replace(id, wanted, { ifMatch: etag })
}

for (;;) {
  await look().catch((error: Error) => console.error(error.message))
  await new Promise((resolve) => setTimeout(resolve, 500))
}
