/** What docs/client.md shows of Yjs and of switching is run: its programs, and its addresses. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { HocuspocusProvider } from "@hocuspocus/provider"
import { build, type Rolldown } from "vite"
import { WebSocket as Client } from "ws"
import { WebsocketProvider as Theirs } from "y-websocket"
import * as Y from "yjs"
import { RoomKey } from "../src/client/client.ts"
import { type WebsocketOptions, WebsocketProvider } from "../src/client/yjs.ts"
import { eventually, type Started, startServer, temporaryDirectory } from "./harness.ts"
import { secret, tokenFor } from "./room-parts.ts"

const root = join(import.meta.dirname, "..")
const manual = readFileSync(join(root, "docs/client.md"), "utf8")

/** The block of the manual that has these words. */
function block(words: string): string {
  const found = [...manual.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code)
  const [code, ...more] = found.filter((each) => each.includes(words))
  assert.ok(code !== undefined && more.length === 0, `one block has ${words}`)
  return code
}

/** Runs a block as a program of its own, through a bundler; gives what it has said. */
async function run(t: TestContext, code: string): Promise<() => string> {
  const directory = temporaryDirectory(t)
  const entry = join(directory, "entry.ts")
  writeFileSync(entry, code)
  const alias = {
    "quartet/client/yjs": join(root, "src/client/yjs.ts"),
    "quartet/client": join(root, "src/client/client.ts"),
    yjs: join(root, "node_modules/yjs"),
  }
  const outputs = await build({
    root,
    mode: "client",
    logLevel: "silent",
    resolve: { alias },
    build: { write: false, lib: { entry, formats: ["es"] } },
  })
  const [output] = outputs as Rolldown.RolldownOutput[] // one format, not watched
  writeFileSync(join(directory, "program.mjs"), output?.output[0].code ?? "")
  const child = spawn(process.execPath, [join(directory, "program.mjs")])
  t.after(() => child.kill("SIGKILL"))
  let said = ""
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data) => {
      said += String(data)
    })
  }
  return () => said
}

/** Another replica, gone when the test ends. */
function replica(t: TestContext, server: Started, room: string, options: WebsocketOptions) {
  const doc = new Y.Doc()
  const line = new WebsocketProvider(`${server.ws}/yjs`, room, doc, { disableBc: true, ...options })
  t.after(() => {
    line.destroy()
    line.awareness.destroy()
  })
  return { doc, line }
}

test("RL129 DC147 the manual's Yjs document is filled once, shared, and acknowledged", async (t) => {
  const server = await startServer(t, { tokenKey: { kind: "secret", secret } })
  const claims = { role: "editor", docId: "shopping" }
  const tokens = createServer((_request, response) => {
    void tokenFor(claims).then((token) => response.end(token))
  })
  t.after(() => tokens.close())
  tokens.listen(0, "127.0.0.1")
  await once(tokens, "listening")
  const { port } = tokens.address() as AddressInfo // it listens on TCP
  const code = block("shopping")
    .replaceAll("ws://127.0.0.1:3030", server.ws)
    .replaceAll("https://app.example.org", `http://127.0.0.1:${port}`)
  const said = await run(t, code)
  await eventually(() => said().includes("it is open\n"))
  const { doc, line } = replica(t, server, "shopping", { token: await tokenFor(claims) })
  const list = doc.getArray("list")
  await eventually(() => list.length === 1)
  await eventually(() =>
    [...line.awareness.getStates().values()].some(({ user }) => user?.name === "Ada"),
  )
  list.push(["milk"])
  await eventually(() => said().includes("\nbread, milk\n"))
  for (const words of ["it is open\n", "bread\n", "1 to be sent\n", "0 to be sent\n"]) {
    assert.ok(said().includes(words), `"${words}" is not in\n${said()}`)
  }
})

test("RL129 RL135 the manual's diary is opened by its password", async (t) => {
  const server = await startServer(t)
  const said = await run(t, block("diary").replaceAll("ws://127.0.0.1:3030", server.ws))
  const key = RoomKey.fromPassword("correct horse battery staple")
  const { doc } = replica(t, server, "diary", { key })
  const today = doc.getText("today")
  await eventually(() => today.toString() === "dear diary")
  today.insert(10, ", hello")
  await eventually(() => said() === "dear diary\ndear diary, hello\n")
})

test("RL128 RL129 each client comes to the address that the manual gives it", async (t) => {
  const { ws } = await startServer(t)
  const table = manual.slice(manual.indexOf("| y-websocket at"))
  const [yjs, hocuspocus, lfcc] = [...table.matchAll(/`[^`]*?(wss:\/\/host\/[^`"]*)"?`/g)].map(
    ([, address = ""]) => address.replace("wss://host", ws),
  )
  const docs = [new Y.Doc(), new Y.Doc(), new Y.Doc()] as const
  const theirs = new Theirs(yjs ?? "", "notes", docs[0], { disableBc: true })
  const line = new WebsocketProvider(yjs ?? "", "notes", docs[1], { disableBc: true })
  const provider = new HocuspocusProvider({
    url: hocuspocus ?? "",
    name: "notes",
    document: docs[2],
  })
  t.after(() => {
    theirs.destroy()
    line.destroy()
    provider.destroy()
    for (const { awareness } of [theirs, line]) awareness.destroy()
  })
  for (const [at, doc] of docs.entries()) doc.getMap("map").set(`${at}`, at)
  await eventually(() => docs.every((doc) => doc.getMap("map").size === 3))
  const socket = new Client(`${lfcc}notes`)
  t.after(() => socket.terminate())
  await once(socket, "open")
  const frame = { docId: "notes", senderId: "ada", ts: 1 }
  socket.send(JSON.stringify({ type: "JOIN", ...frame }))
  socket.send(JSON.stringify({ type: "SNAPSHOT_REQUEST", ...frame }))
  const [data] = await once(socket, "message")
  assert.equal(JSON.parse(String(data)).payload.empty, true)
})
