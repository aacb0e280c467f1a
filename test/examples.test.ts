/** The programs that the documentation shows, and the terminal's own, run against a real server. */
import assert from "node:assert/strict"
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { harmless } from "../src/cli/terminal.ts"
import { connect, type SharedText } from "../src/client/client.ts"
import { startServer, temporaryDirectory } from "./harness.ts"

const root = join(import.meta.dirname, "..")

/** A program in a process of its own, and what it has printed. It is ended with the test. */
class Program {
  readonly process: ChildProcessWithoutNullStreams
  readonly ended: Promise<number | null>
  out = ""
  err = ""

  constructor(t: TestContext, file: string, ...words: string[]) {
    this.process = spawn(process.execPath, [join(root, file), ...words])
    this.process.stdout.on("data", (data) => {
      this.out += String(data)
    })
    this.process.stderr.on("data", (data) => {
      this.err += String(data)
    })
    this.ended = once(this.process, "close").then(([code]) => code as number | null)
    t.after(() => this.process.kill("SIGKILL"))
  }

  /** Resolves when what it has printed matches. */
  async prints(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.out)) await once(this.process.stdout, "data")
  }
}

function open(t: TestContext, url: string, id: string, name?: string): SharedText {
  const text = connect(url).documents.open(id, name === undefined ? {} : { name })
  t.after(() => text.close())
  return text
}

async function shows(text: SharedText, wanted: string): Promise<void> {
  if (text.text === wanted) return
  await new Promise<void>((resolve) => {
    const forget = text.on("change", () => {
      if (text.text !== wanted) return
      forget()
      resolve()
    })
  })
}

test("DC147 the examples have at most 40 lines", () => {
  const found = readdirSync(join(root, "examples"), { recursive: true, encoding: "utf8" })
  const files = found.filter((file) => /\.(ts|html|py)$/.test(file))
  assert.ok(files.length >= 4)
  for (const file of files) {
    const lines = readFileSync(join(root, "examples", file), "utf8")
      .trimEnd()
      .split("\n").length
    assert.ok(lines <= 40, `${file} has ${lines}`)
  }
})

test("DC147 a terminal watcher shows each change and who made it", async (t) => {
  const { url } = await startServer(t)
  const watcher = new Program(t, "examples/watch.ts", url, "notes")
  const text = open(t, url, "notes", "Ada")
  text.replace(0, 0, "first line\u001b[2J")
  await watcher.prints(/first line/)
  await text.whenSaved()
  text.replace(0, 0, "zeroth, ")
  await watcher.prints(/--- revision 2, by Ada\nzeroth, first line\ufffd\[2J\n--- here: .*Ada/)
})

test("DC147 a bot answers at the end of the text", async (t) => {
  const { url } = await startServer(t)
  const text = open(t, url, "notes")
  text.replace(0, 0, "some words here\n/count\n")
  await text.whenSaved()
  new Program(t, "examples/bot.ts", url, "notes")
  await new Promise<void>((resolve) => {
    text.on("editors", () => {
      if ([...text.editors.values()].some(({ name }) => name === "Counting bot")) resolve()
    })
  })
  text.replace(0, 0, "/count\n")
  await shows(text, "/count\nsome words here\n/count\n\n3 words\n")
})

test("DC147 a file and a document follow each other", async (t) => {
  const { url } = await startServer(t)
  const file = join(temporaryDirectory(t), "notes.txt")
  const text = open(t, url, "notes")
  text.replace(0, 0, "from the document\n")
  await text.whenSaved()
  const mirror = new Program(t, "examples/mirror.ts", url, "notes", file)
  await new Promise<void>((resolve) => {
    text.on("editors", () => {
      if ([...text.editors.values()].some(({ name }) => name === "mirror of notes.txt")) resolve()
    })
  })
  const holds = async (wanted: string) => {
    while (!existsSync(file) || readFileSync(file, "utf8") !== wanted) {
      assert.equal(mirror.process.exitCode, null, mirror.err)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await holds("from the document\n")
  text.replace(0, 0, "more ")
  await holds("more from the document\n")
  writeFileSync(file, "more from the document\nand the file\n")
  await shows(text, "more from the document\nand the file\n")
  // Before its directory goes: it would write into that once more.
  mirror.process.kill("SIGKILL")
  await mirror.ended
})

test("DC94 DC147 an agent edits by HTTP while someone types, whom it does not disturb", async (t) => {
  const { url } = await startServer(t)
  const text = open(t, url, "notes")
  const disturbed: unknown[] = []
  text.on("refused", (refusal) => disturbed.push(refusal))
  text.on("lost", (loss) => disturbed.push(loss))
  text.replace(0, 0, "<!-- contents -->\n<!-- end -->\n# First\n")
  await text.whenSaved()
  let typed = ""
  const type = async (more: string) => {
    for (const letter of more) {
      text.replace(text.text.length, text.text.length, letter)
      typed += letter
      await text.whenSaved()
    }
  }
  new Program(t, "examples/agent.ts", url, "notes")
  const has = async (contents: string) => {
    while (!text.text.startsWith(`<!-- contents -->\n${contents}<!-- end -->\n`)) await type("a 😀")
  }
  await has("- First\n")
  await type("\n## Second\n")
  await has("- First\n  - Second\n")
  const end = "<!-- end -->\n# First\n"
  assert.equal(text.text, `<!-- contents -->\n- First\n  - Second\n${end}${typed}`)
  assert.deepEqual(disturbed, [])
})

test("DC147 quartet edit prints a text as it is", async (t) => {
  const { url } = await startServer(t)
  const text = open(t, url, "notes")
  text.replace(0, 0, "línea 😀\nno newline at the end")
  await text.whenSaved()
  const program = new Program(t, "src/main.ts", "edit", "notes", "--url", url)
  assert.equal(await program.ended, 0)
  assert.equal(program.out, "línea 😀\nno newline at the end")
  assert.equal(program.err, "")
})

test("DC147 quartet edit --follow keeps printing what changes", async (t) => {
  const { url } = await startServer(t)
  const text = open(t, url, "notes")
  text.replace(0, 0, "one\ntwo\nthree\n")
  await text.whenSaved()
  const program = new Program(t, "src/main.ts", "edit", "notes", "--follow", "--url", url)
  await program.prints(/three\n$/)
  text.replace(14, 14, "four\n")
  await program.prints(/three\nfour\n$/)
  text.replace(4, 7, "TWO\nand a half")
  await program.prints(/four\n\[2\] TWO\n\[3\] and a half\n$/)
  program.process.kill("SIGINT")
  assert.equal(await program.ended, 0)
})

test("DC147 quartet edit --append adds standard input line by line", async (t) => {
  const { url } = await startServer(t)
  const text = open(t, url, "log")
  text.replace(0, 0, "no newline yet")
  await text.whenSaved()
  const program = new Program(t, "src/main.ts", "edit", "log", "--append", "--url", url)
  program.process.stdin.end("first\nsecond 😀\nthird without an end")
  assert.equal(await program.ended, 0, program.err)
  await shows(text, "no newline yet\nfirst\nsecond 😀\nthird without an end\n")
})

test("DC147 quartet edit says in one sentence why it cannot", async (t) => {
  const { url } = await startServer(t)
  const wrong: readonly (readonly [string[], number, RegExp])[] = [
    [[], 2, /which document/],
    [["a", "b"], 2, /what is "b" for/],
    [["a", "--nonsense"], 2, /nonsense/],
    [["x".repeat(200), "--url", url], 1, /bad document ID/],
    [["x".repeat(200), "--append", "--url", url], 1, /bad document ID/],
    [["a", "--url", "http://127.0.0.1:9"], 1, /no server answers.*"quartet serve".*--url/],
    [["a", "--url", "nonsense"], 1, /not a server's address: nonsense: .*http:\/\//],
    [["a", "--url", "localhost:3030"], 1, /not a server's address: .*http:\/\//],
  ]
  await Promise.all(
    wrong.map(async ([words, code, sentence]) => {
      const program = new Program(t, "src/main.ts", "edit", ...words)
      assert.equal(await program.ended, code)
      assert.match(program.err, sentence)
      assert.equal(program.out, "")
    }),
  )
})

test("DC147 nothing that a terminal obeys is printed on one", () => {
  assert.equal(
    harmless("a\u001b[31mb\u0007\r\u009bc\u202ed"),
    "a\ufffd[31mb\ufffd\ufffd\ufffdc\ufffdd",
  )
  assert.equal(harmless("tab\tand\nline é 😀 ע"), "tab\tand\nline é 😀 ע")
})
