/**
 * `quartet edit`: a document in the terminal. Prints it, follows its changes, or appends to it.
 *
 * What always holds: the text goes to standard output and nothing else does, so it can be piped;
 * what `--append` read is on the server when the command ends with 0.
 */
import { createInterface } from "node:readline"
import { connect, type SharedText } from "../client/client.ts"
import { type Command, fail, readOptions } from "./command.ts"
import { print } from "./terminal.ts"

const help = `usage: quartet edit ID [--url URL] [--otp OTP] [--follow] [--append]

Prints the document ID.

  --url URL    the server (http://127.0.0.1:3030/)
  --otp OTP    the OTP of a protected document
  --follow     keep printing: text that is added at the end as it is, other changes
               as the lines they touched, "[12] new text of line 12"
  --append     add standard input at the end of the document, line by line`

/** After so many lines the server is waited for: standard input may be endless. */
const limitUnacknowledged = 1_000

export const edit: Command = async (words) => {
  const read = readOptions(words, {
    url: { type: "string", default: "http://127.0.0.1:3030/" },
    otp: { type: "string" },
    follow: { type: "boolean", default: false },
    append: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  })
  if (typeof read === "string") return fail(read, 2)
  const { url, otp, follow, append } = read.values
  if (read.values.help) {
    process.stdout.write(`${help}\n`)
    return 0
  }
  const [id, ...more] = read.positionals
  if (id === undefined) return fail("which document? quartet edit ID", 2)
  if (more.length > 0) return fail(`what is "${more[0]}" for?`, 2)
  const access = otp === undefined ? {} : { otp }
  try {
    const { documents } = connect(url)
    if (!follow && !append) {
      print((await documents.read(id, access)).text)
      return 0
    }
    const text = documents.open(id, { ...access, readOnly: !append })
    return await run(text, { follow, append })
  } catch (thrown) {
    return fail(thrown instanceof Error ? sentenceOf(thrown, url) : String(thrown))
  }
}

async function run(text: SharedText, wish: { follow: boolean; append: boolean }): Promise<number> {
  // The first signal leaves in order, with what was typed acknowledged; a second one ends at once.
  process.once("SIGINT", () => void text.close())
  // Who read us is gone, as `| head` is when it has enough: nothing is left to print for.
  process.stdout.once("error", () => void text.close())
  text.on("closed", ({ sentence, comesBack }) => {
    if (comesBack) process.stderr.write(`quartet: ${sentence}; trying again\n`)
  })
  // Listening comes before joining: the first change is the text itself.
  if (wish.follow) follow(text)
  const ended = end(text)
  await text.whenReady().catch(() => {}) // closed before: `ended` says how
  if (wish.append && text.state !== "closed") {
    const refused = refusal(text)
    const appended = append(text).then(() => "done" as const)
    const outcome = await Promise.race([appended, refused, ended])
    if (outcome !== "done") {
      await text.close()
      return fail(outcome)
    }
    if (!wish.follow) await text.close()
  }
  const sentence = await ended
  return sentence === closedByUs ? 0 : fail(sentence)
}

const closedByUs = "closed by this program"

/** Resolves with the sentence that ended it for good. */
function end(text: SharedText): Promise<string> {
  return new Promise((resolve) => {
    text.on("closed", ({ sentence, comesBack }) => {
      if (!comesBack) resolve(sentence)
    })
  })
}

function refusal(text: SharedText): Promise<string> {
  return new Promise((resolve) => {
    text.on("refused", ({ sentence }) => resolve(sentence))
  })
}

async function append(text: SharedText): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const { text: before } = text
    const start = before === "" || before.endsWith("\n") ? "" : "\n"
    text.replace(before.length, before.length, `${start}${line}\n`)
    if (text.unacknowledged >= limitUnacknowledged) await text.whenSaved()
  }
  await text.whenSaved()
}

function follow(text: SharedText): void {
  let shown = ""
  text.on("change", () => {
    const before = shown
    shown = text.text
    if (shown.startsWith(before)) return print(shown.slice(before.length))
    const touched = touchedLines(before, shown).map(([at, line]) => `[${at}] ${line}\n`)
    print(`${before.endsWith("\n") ? "" : "\n"}${touched.join("")}`)
  })
}

/** The lines of `after`, by number from 1, in which something differs from `before`. */
function touchedLines(before: string, after: string): readonly (readonly [number, string])[] {
  const old = before.split("\n")
  const lines = after.split("\n")
  const shorter = Math.min(old.length, lines.length)
  let start = 0
  while (start < shorter && old[start] === lines[start]) start += 1
  let end = 0
  while (end < shorter - start && old.at(-1 - end) === lines.at(-1 - end)) end += 1
  // Where only whole lines went, the line that is now in their place is shown.
  const last = Math.max(lines.length - end, Math.min(start + 1, lines.length))
  return lines.slice(start, last).map((line, index) => [start + index + 1, line] as const)
}

/** What `fetch` says of a server that is not there names no server. */
function sentenceOf(error: Error, url: string): string {
  if (error.message !== "fetch failed") return error.message
  return `no server answers at ${url}: start it with "quartet serve", or name its address with --url`
}
