/**
 * One suite over y-websocket's class and over the SDK's, which has its interface, with and without
 * encryption: what an app sees must be the same, so that an import can be swapped.
 */
import assert from "node:assert/strict"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { type TestContext, test } from "node:test"
import { SignJWT } from "jose"
import { WebSocket as OtherSocket, WebSocketServer } from "ws"
import { WebsocketProvider as Theirs } from "y-websocket"
import * as Y from "yjs"
import { RoomKey } from "../src/client/sealed.ts"
import { WebsocketProvider as Ours, type WebsocketOptions } from "../src/client/yjs.ts"
import { eventually, lastingPort, startServer } from "./harness.ts"

/** A class of the suite: how one of it is made. */
interface Contender {
  readonly name: string
  make(url: string, room: string, doc: Y.Doc, options: WebsocketOptions): Ours
}

const key = RoomKey.random()
const theirs: Contender = {
  name: "y-websocket's class",
  // What both have is what the suite asks for; the compiler cannot know that of two classes.
  make: (url, room, doc, options) =>
    new Theirs(url, room, doc, options as object) as unknown as Ours,
}
const ours: Contender = {
  name: "the SDK's class",
  make: (url, room, doc, options) => new Ours(url, room, doc, options),
}
const sealed: Contender = {
  name: "the SDK's class with a key",
  make: (url, room, doc, options) => new Ours(url, room, doc, { ...options, key }),
}
const both = [theirs, ours]
const all = [...both, sealed]

/** One that is gone when the test ends, with what it was told. Tabs do not meet unless asked to. */
function join(t: TestContext, of: Contender, url: string, options: WebsocketOptions = {}) {
  const doc = new Y.Doc()
  const shared = { disableBc: true, maxBackoffTime: 300, ...options, connect: false }
  const line = of.make(url, "notes", doc, shared)
  const told: unknown[] = []
  line.on("status", ({ status }) => told.push(status))
  line.on("sync", (isSynced) => told.push(isSynced ? "synced" : "not synced"))
  line.on("connection-close", (closing) => told.push(closing === null ? "null" : closing.code))
  line.on("closed", ({ code }) => told.push(`closed ${code}`))
  t.after(() => {
    line.destroy()
    line.awareness.destroy()
  })
  if (options.connect !== false) line.connect()
  return { doc, line, told, text: doc.getText("text") }
}

type Joined = ReturnType<typeof join>

async function agree(text: string, ...joined: readonly Joined[]): Promise<void> {
  await eventually(() => joined.every((each) => each.text.toString() === text))
}

function synced(...joined: readonly Joined[]): Promise<true> {
  return eventually(() => joined.every(({ line }) => line.synced))
}

/** A bare server; `hears` gets each socket. */
async function bareServer(t: TestContext, hears: (socket: OtherSocket, offered: string) => void) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" })
  await once(server, "listening")
  server.on("connection", (socket, request) => {
    hears(socket, request.headers["sec-websocket-protocol"] ?? "")
  })
  t.after(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on TCP
}

const secret = "a secret of at least thirty-two bytes"

function tokenFor(claims: Record<string, unknown>, seconds = 3_600): Promise<string> {
  const now = Math.floor(Date.now() / 1_000)
  const whole = { sub: "ada", aud: "quartet", docId: "notes", iat: now, exp: now + seconds }
  const signer = new SignJWT({ ...whole, ...claims }).setProtectedHeader({ alg: "HS256" })
  return signer.sign(new TextEncoder().encode(secret))
}

for (const of of all) {
  test(`RL129 ${of.name} syncs, says so, and carries edits both ways`, async (t) => {
    const { ws } = await startServer(t)
    const ada = join(t, of, `${ws}/yjs/`)
    ada.text.insert(0, "hello")
    await synced(ada)
    assert.deepEqual(ada.told, ["connecting", "connected", "synced"])
    assert.ok(ada.line.wsconnected && !ada.line.wsconnecting && ada.line.shouldConnect)
    assert.equal(ada.line.roomname, "notes")
    assert.equal(ada.line.doc, ada.doc)
    const bob = join(t, of, `${ws}/yjs`)
    await agree("hello", bob)
    bob.text.insert(5, " world")
    await agree("hello world", ada, bob)
  })

  test(`RL129 ${of.name} gives what was written while it was away`, async (t) => {
    const { ws } = await startServer(t)
    const [ada, bob] = [join(t, of, `${ws}/yjs`), join(t, of, `${ws}/yjs`)]
    ada.text.insert(0, "one ")
    await agree("one ", ada, bob)
    ada.told.length = 0
    ada.line.disconnect()
    assert.deepEqual(ada.told, ["null", "not synced", "disconnected"])
    assert.ok(!ada.line.shouldConnect && !ada.line.wsconnected && !ada.line.synced)
    ada.text.insert(4, "two ")
    bob.text.insert(0, "zero ")
    ada.line.connect()
    await agree("zero one two ", ada, bob)
  })

  test(`RL81 RL129 ${of.name} shows who is here, who goes, and who is back`, async (t) => {
    const { ws } = await startServer(t)
    const [ada, bob] = [join(t, of, `${ws}/yjs`), join(t, of, `${ws}/yjs`)]
    const sees = (who: Joined, whom: Joined) =>
      who.line.awareness.getStates().get(whom.doc.clientID)?.["user"]
    ada.line.awareness.setLocalState({ user: "ada" })
    bob.line.awareness.setLocalState({ user: "bob" })
    await eventually(() => sees(ada, bob) === "bob" && sees(bob, ada) === "ada")
    ada.line.disconnect()
    await eventually(() => sees(bob, ada) === undefined)
    assert.equal(sees(ada, bob), undefined)
    ada.line.connect()
    await eventually(() => sees(ada, bob) === "bob")
    // It is gone to itself, too, until it says something of itself again.
    ada.line.awareness.setLocalState({ user: "ada again" })
    await eventually(() => sees(bob, ada) === "ada again")
    ada.line.destroy()
    await eventually(() => sees(bob, ada) === undefined)
  })

  test(`RL129 ${of.name} comes back to a server that was started again`, async (t) => {
    const port = await lastingPort()
    const first = await startServer(t, { port })
    const [ada, bob] = [join(t, of, `${first.ws}/yjs`), join(t, of, `${first.ws}/yjs`)]
    ada.text.insert(0, "one ")
    await agree("one ", ada, bob)
    await first.stop()
    await eventually(() => !ada.line.wsconnected && !bob.line.wsconnected)
    assert.ok(ada.told.includes("disconnected"), "it was told")
    assert.ok(ada.told.includes(1012), "with the code")
    ada.text.insert(4, "two ")
    bob.text.insert(0, "zero ")
    await startServer(t, { port })
    await agree("zero one two ", ada, bob)
    await synced(ada, bob)
  })

  test(`RL129 ${of.name} stays away where the server says so, until it is asked`, async (t) => {
    const { ws } = await startServer(t, { tokenKey: { kind: "secret", secret } })
    const ada = join(t, of, `${ws}/yjs`, { params: { token: "nonsense" } })
    await eventually(() => ada.told.includes("closed 4401"))
    assert.ok(!ada.line.shouldConnect)
    ada.line.params = { token: await tokenFor({ role: "editor" }) }
    ada.line.connect()
    await synced(ada)
  })
}

for (const of of both) {
  test(`RL129 ${of.name} puts its params into the address as they are at each try`, async (t) => {
    const ada = join(t, of, "ws://127.0.0.1:9/yjs//", { connect: false, params: { a: "x y&" } })
    assert.equal(ada.line.url, "ws://127.0.0.1:9/yjs/notes?a=x%20y%26")
    ada.line.params = {}
    assert.equal(ada.line.url, "ws://127.0.0.1:9/yjs/notes")
    assert.deepEqual(ada.told, [])
    assert.ok(!ada.line.shouldConnect && !ada.line.wsconnecting)
  })

  test(`RL129 ${of.name} stays away at 4400 to 4499 and comes back from all else`, async (t) => {
    const codes = [4399, 4500, 1012, 1009, 4499]
    const url = await bareServer(t, (socket) => socket.close(codes.shift(), "for a reason"))
    const closings: unknown[] = []
    const ada = join(t, of, url)
    ada.line.on("closed", (closing) => closings.push(closing))
    await eventually(() => closings.length > 0)
    assert.deepEqual(closings, [{ code: 4499, reason: "for a reason" }])
    assert.deepEqual(codes, [])
    assert.deepEqual(
      ada.told.filter((each) => typeof each === "number"),
      [4399, 4500, 1012, 1009, 4499],
    )
  })

  test(`RL129 ${of.name} asks shouldReconnect, and this one knows better`, async (t) => {
    const codes = [4400, 4401, 1000]
    const url = await bareServer(t, (socket) => socket.close(codes.shift()))
    const asked: number[] = []
    const shouldReconnect = ({ code }: { readonly code: number }) => {
      asked.push(code)
      return code !== 1000
    }
    const ada = join(t, of, url, { shouldReconnect })
    await eventually(() => ada.told.includes("closed 1000"))
    assert.deepEqual(asked, [4400, 4401, 1000])
  })

  test(`RL129 ${of.name} asks anew each resyncInterval`, async (t) => {
    let questions = 0
    const url = await bareServer(t, (socket) =>
      socket.on("message", (data: Buffer) => {
        if (data[0] === 0 && data[1] === 0) questions += 1
      }),
    )
    join(t, of, url, { resyncInterval: 20 })
    await eventually(() => questions >= 3)
  })

  test(`RL129 ${of.name} offers its protocols, and takes another WebSocket`, async (t) => {
    const offers: string[] = []
    const url = await bareServer(t, (_socket, offered) => offers.push(offered))
    const made: unknown[] = []
    class Counted extends OtherSocket {
      constructor(...words: ConstructorParameters<typeof OtherSocket>) {
        super(...words)
        made.push(words[0])
      }
    }
    // Node's and ws's classes do the same, which their types do not say.
    const WebSocketPolyfill = Counted as unknown as typeof WebSocket
    join(t, of, url, { protocols: ["one", "two"], WebSocketPolyfill })
    await eventually(() => offers.length > 0)
    assert.equal(offers[0], "one,two")
    assert.equal(made.length, 1)
  })

  test(`RL129 ${of.name} tells a failed try and goes on trying`, async (t) => {
    const ada = join(t, of, "ws://127.0.0.1:9")
    let failures = 0
    ada.line.on("connection-error", () => {
      failures += 1
    })
    await eventually(() => failures >= 2)
    ada.line.destroy()
    const before = ada.told.length
    ada.text.insert(0, "unheard")
    assert.equal(ada.told.length, before)
  })
}

for (const [first, second] of [
  [theirs, theirs],
  [ours, ours],
  [theirs, ours],
  [ours, theirs],
] as const) {
  test(`RL129 tabs meet without a server: ${first.name} and ${second.name}`, async (t) => {
    const [ada, bob] = [first, second].map((of) =>
      join(t, of, "ws://127.0.0.1:9/yjs", { disableBc: false }),
    ) as [Joined, Joined] // of two come two
    const deaf = join(t, second, "ws://127.0.0.1:9/yjs")
    ada.text.insert(0, "hello")
    ada.line.awareness.setLocalState({ user: "ada" })
    await agree("hello", ada, bob)
    const seen = () => bob.line.awareness.getStates().get(ada.doc.clientID)
    await eventually(() => seen()?.["user"] === "ada")
    ada.line.disconnect()
    // Two of theirs talk each other out of a leave.
    if (first !== second || first === ours) await eventually(() => seen() === undefined)
    ada.text.insert(5, " you")
    ada.line.connect()
    await agree("hello you", ada, bob)
    assert.equal(deaf.text.toString(), "")
  })
}
