/** What the README has a newcomer do with documents, the relay and operators, done with a real server. */
import assert from "node:assert/strict"
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { connect as dial } from "node:net"
import { join } from "node:path"
import { text as all } from "node:stream/consumers"
import { type TestContext, test } from "node:test"
import { WebsocketProvider } from "y-websocket"
import * as Y from "yjs"
import { connect } from "../src/client/client.ts"
import { eventually, startServer, temporaryDirectory } from "./harness.ts"

const root = join(import.meta.dirname, "..")
const readme = readFileSync(join(root, "README.md"), "utf8")

/** What stands below a heading, up to the next. */
function section(name: string): string {
  const [, text] = new RegExp(`^## ${name}\\n([\\s\\S]*?)^## `, "m").exec(readme) ?? []
  return text ?? assert.fail(`no section is called ${name}`)
}

/** The block of code of a section that is marked as `language`; "" for one without a mark. */
function code(name: string, language: string): string {
  const blocks = section(name).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)
  const found = [...blocks].find(([, mark]) => mark === language)
  return found?.[2] ?? assert.fail(`${name} has no block of ${language}`)
}

/** Runs the program of a file in a folder that stands for the checkout. */
function run(t: TestContext, folder: string, file: string): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [file], { cwd: folder })
  t.after(() => child.kill("SIGKILL"))
  return child
}

test("DC151 the README's program answers in the text, and its commands read and write it", async (t) => {
  const { url } = await startServer(t)
  const folder = temporaryDirectory(t)
  const program = code("Documents", "ts")
  assert.ok(program.includes("http://127.0.0.1:3030/"))
  const placed = program.replace("http://127.0.0.1:3030", url).replace("./src/", `${root}/src/`)
  writeFileSync(join(folder, "echo.ts"), placed)
  run(t, folder, "echo.ts")
  const notes = connect(url).documents.open("notes")
  t.after(() => notes.close())
  await eventually(() => notes.editors.size > 0)
  notes.replace(0, 0, "ping\n")
  await eventually(() => notes.text === "ping\npong\n")

  const lines = code("Documents", "").trimEnd().split("\n")
  assert.equal(lines.length, 4)
  const [print = "", , append = "", curl = ""] = lines.map((line) =>
    line
      .replace(/\s+#.*$/, "")
      .replace(
        /npm run -s quartet --(.*)$/,
        `'${process.execPath}' '${join(root, "src/main.ts")}'$1 --url ${url}`,
      )
      .replace("http://127.0.0.1:3030", url),
  )
  const typed = async (line: string): Promise<string> => {
    const child = spawn("sh", ["-c", line], { cwd: folder })
    const [out, [status]] = await Promise.all([all(child.stdout), once(child, "close")])
    assert.equal(status, 0, line)
    return out
  }
  assert.equal(await typed(print), "ping\npong\n")
  await typed(append)
  await eventually(() => /^ping\npong\n\S.*\n$/.test(notes.text))
  const [, address = ""] = /^curl (\S+)$/.exec(curl) ?? []
  assert.equal(await (await fetch(address)).text(), notes.text)
})

test("RL150 the README's program brings an app on y-websocket into a room", async (t) => {
  const { ws } = await startServer(t)
  const folder = temporaryDirectory(t)
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
  const program = code("Relay", "js")
  assert.ok(program.includes('"ws://127.0.0.1:3030/yjs", "demo/tides"'))
  writeFileSync(join(folder, "tides.mjs"), program.replace("ws://127.0.0.1:3030", ws))
  run(t, folder, "tides.mjs")
  const doc = new Y.Doc()
  const line = new WebsocketProvider(`${ws}/yjs`, "demo/tides", doc)
  t.after(() => {
    line.destroy()
    doc.destroy()
  })
  await eventually(() => doc.getText("note").toString() === "High water at 06:12")
})

test("OP123 what the README has two people type registers them, and reaches the other", async (t) => {
  const { operators } = await startServer(t, { operatorsPort: 0 })
  const [host = "", port] = (operators[0] ?? "").split(":")
  const rows = code("Operators", "").trimEnd().split("\n")
  const [dialled, ...typed] = rows.map((row) => row.split(/ {3,}/))
  assert.deepEqual(dialled, ["nc 127.0.0.1 9696", "nc 127.0.0.1 9696"])
  const heard = ["", ""]
  const [ada, bob] = [0, 1].map((who) => {
    const socket = dial({ host, port: Number(port) })
    t.after(() => socket.destroy())
    socket.on("error", () => {}) // the server may go first
    socket.on("data", (bytes) => {
      heard[who] += String(bytes)
    })
    return socket
  })
  const [message = "", shown = ""] = typed.at(-1) ?? []
  for (const [left, right] of typed.slice(0, -1)) {
    ada?.write(`${left}\n`)
    bob?.write(`${right}\n`)
  }
  // Nothing answers a registration: bob has his when what he writes to himself comes.
  bob?.write("bob marker\n")
  await eventually(() => heard[1] === "bob: marker\n")
  ada?.write(`${message}\n`)
  await eventually(() => heard[1] === `bob: marker\n${shown}\n`)
  assert.equal(heard[0], "")
})

test("SV46 every file and every section that the README leads to is there", () => {
  const links = [...readme.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"/g)].map(
    ([, link, picture]) => link ?? picture ?? "",
  )
  assert.ok(links.length > 20)
  for (const link of links) {
    const [file = "", anchor] = link.split("#")
    const path = join(root, file === "" ? "README.md" : file)
    assert.ok(existsSync(path), link)
    if (anchor === undefined) continue
    const headings = readFileSync(path, "utf8").matchAll(/^#+ (.*)$/gm)
    const anchors = [...headings].map(([, text = ""]) =>
      text
        .toLowerCase()
        .replace(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    )
    assert.ok(anchors.includes(anchor), link)
  }
})
