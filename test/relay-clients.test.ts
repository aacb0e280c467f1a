/**
 * Unmodified clients against a bare WebSocket server: what they send, our codecs read; what our
 * codecs write, they understand. No relay yet: the test itself answers.
 */
import assert from "node:assert/strict"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { type TestContext, test } from "node:test"
import { HocuspocusProvider } from "@hocuspocus/provider"
import { HocuspocusProvider as HocuspocusProvider3 } from "hocuspocus-provider-3"
import { type WebSocket, WebSocketServer } from "ws"
import type { Awareness } from "y-protocols/awareness"
import { WebsocketProvider } from "y-websocket"
import { WebsocketProvider as WebsocketProvider2 } from "y-websocket-2"
import * as Y from "yjs"
import { spansOf } from "../src/relay/spans.ts"
import {
  addressed,
  documentOf,
  type FromHocuspocus,
  hocuspocusCodec,
  type ToAddress,
} from "../src/wire/hocuspocus.ts"
import type { FromYjs } from "../src/wire/relay.ts"
import { type ToYjs, yjsCodec } from "../src/wire/yjs.ts"
import { eventually } from "./harness.ts"

const limits = { presenceFrameBytes: 65_536, presenceRowBytes: 16_384, statelessBytes: 65_536 }
const yjs = yjsCodec(limits)
const hocuspocus = hocuspocusCodec(limits)

/** The server's end of the one socket that comes, with all that was said on it, decoded. */
class Line<In, Out> {
  readonly url: string
  readonly heard: In[] = []
  readonly #server: WebSocketServer
  readonly #codec: { decode(frame: Uint8Array): In; encode(message: Out): Uint8Array }
  #socket: WebSocket | undefined

  constructor(t: TestContext, server: WebSocketServer, codec: Line<In, Out>["codec"]) {
    this.#server = server
    this.#codec = codec
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on TCP
    server.on("connection", (socket) => {
      this.#socket = socket
      socket.on("message", (data: Buffer, isBinary) => {
        assert.ok(isBinary)
        this.heard.push(codec.decode(data))
      })
    })
    t.after(() => this.#close())
  }

  get codec() {
    return this.#codec
  }

  say(message: Out): void {
    this.raw(this.#codec.encode(message))
  }

  raw(frame: Uint8Array): void {
    this.#socket?.send(frame)
  }

  #close(): void {
    for (const socket of this.#server.clients) socket.terminate()
    this.#server.close()
  }
}

async function lineFor<In, Out>(
  t: TestContext,
  codec: Line<In, Out>["codec"],
): Promise<Line<In, Out>> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" })
  await once(server, "listening")
  return new Line(t, server, codec)
}

/** Waits for the first message of `kind`, and takes it out. */
async function next<Kind extends FromYjs["kind"]>(
  messages: () => readonly FromYjs[],
  kind: Kind,
): Promise<Extract<FromYjs, { kind: Kind }>> {
  const found = await eventually(() => messages().find((each) => each.kind === kind))
  return found as Extract<FromYjs, { kind: Kind }> // just found by its kind
}

function documentWith(text: string): Y.Doc {
  const doc = new Y.Doc()
  doc.getText("t").insert(0, text)
  return doc
}

/** Another's row, as the relay would send it. */
const other = { id: 4_000_000_000, clock: 9, state: '{"user":{"name":"Ada"}}' }

function stateOfOther(awareness: Awareness | null | undefined): unknown {
  return awareness?.getStates().get(other.id)
}

for (const [name, make] of [
  [
    "y-websocket 3",
    (url: string, doc: Y.Doc) => new WebsocketProvider(url, "notes", doc, { disableBc: true }),
  ],
  [
    "y-websocket 2",
    (url: string, doc: Y.Doc) => new WebsocketProvider2(url, "notes", doc, { disableBc: true }),
  ],
] as const) {
  test(`RL128 ${name} and the Yjs dialect understand each other`, async (t) => {
    const line = await lineFor<readonly FromYjs[], ToYjs>(t, yjs)
    const doc = documentWith("mine")
    const client = make(line.url, doc)
    t.after(() => {
      client.destroy()
      doc.destroy() // and with it the timer of its awareness
    })
    const messages = () => line.heard.flat()

    const { vector } = await next(messages, "step1")
    assert.deepEqual(vector, Y.encodeStateVector(doc))
    const { rows } = await next(messages, "awareness")
    assert.deepEqual(rows, [{ id: doc.clientID, clock: 0, state: "{}" }])

    line.say({ kind: "step1", vector: Uint8Array.of(0) })
    const { update } = await next(messages, "step2")
    assert.deepEqual(Uint8Array.from(update), Y.encodeStateAsUpdate(doc))
    assert.deepEqual(spansOf(update), [{ client: doc.clientID, from: 0, to: 4 }])

    assert.equal(client.synced, false)
    line.say({ kind: "step2", update: Y.encodeStateAsUpdate(documentWith("theirs ")) })
    await eventually(() => client.synced)
    line.say({ kind: "update", update: Y.encodeStateAsUpdate(documentWith("more ")) })
    await eventually(() => /more/.test(doc.getText("t").toString()))
    assert.match(doc.getText("t").toString(), /theirs/)

    doc.getText("t").insert(0, "typed ")
    const typed = await next(messages, "update")
    assert.deepEqual(spansOf(typed.update), [{ client: doc.clientID, from: 4, to: 10 }])

    line.say({ kind: "awareness", rows: [other] })
    await eventually(() => stateOfOther(client.awareness))
    assert.deepEqual(stateOfOther(client.awareness), JSON.parse(other.state))
    line.say({ kind: "awareness", rows: [{ ...other, clock: 10, state: null }] })
    await eventually(() => stateOfOther(client.awareness) === undefined)
    assert.ok(!messages().some(({ kind }) => kind === "unreadable" || kind === "oversize"))
  })
}

/** What both versions of the provider have, and the test uses. */
interface Provider {
  readonly document: Y.Doc
  readonly awareness: Awareness | null | undefined
  readonly synced: boolean
  readonly unsyncedChanges: number
  sendStateless(payload: string): void
  destroy(): void
}

interface Events {
  readonly onAuthenticated: ({ scope }: { scope: string }) => void
  readonly onAuthenticationFailed: ({ reason }: { reason: string }) => void
  readonly onStateless: ({ payload }: { payload: string }) => void
  readonly onClose: ({ event }: { event: { reason: string } }) => void
}

type Make = (url: string, document: Y.Doc, events: Events) => Provider

const providers: readonly (readonly [name: string, make: Make, address: RegExp])[] = [
  [
    "Hocuspocus provider 4",
    (url, document, events) =>
      new HocuspocusProvider({ url, document, name: "notes", token: "secret", ...events }),
    /^notes$/,
  ],
  [
    "Hocuspocus provider 4 with sessions",
    (url, document, events) =>
      new HocuspocusProvider({
        url,
        document,
        name: "notes",
        token: "secret",
        sessionAwareness: true,
        ...events,
      }),
    /^notes\0\w+$/,
  ],
  [
    "Hocuspocus provider 3",
    (url, document, events) =>
      new HocuspocusProvider3({ url, document, name: "notes", token: "secret", ...events }),
    /^notes$/,
  ],
]

for (const [name, make, addresses] of providers) {
  test(`RL128 ${name} and the Hocuspocus dialect understand each other`, async (t) => {
    const line = await lineFor<FromHocuspocus, ReturnType<typeof addressed>>(t, hocuspocus)
    const told: string[] = []
    const doc = documentWith("mine")
    const client = make(line.url, doc, {
      onAuthenticated: ({ scope }) => told.push(scope),
      onAuthenticationFailed: ({ reason }) => told.push(reason),
      onStateless: ({ payload }) => told.push(payload),
      onClose: ({ event }) => told.push(event.reason),
    })
    t.after(() => client.destroy())
    const frames = () => line.heard.flatMap((each) => (each.kind === "frame" ? [each] : []))
    const messages = () => frames().flatMap((each) => each.messages)

    assert.equal((await next(messages, "token")).token, "secret")
    const { address } = frames()[0]!
    assert.match(address, addresses)
    assert.equal(documentOf(address), "notes")
    const say = (message: ToAddress) => line.say(addressed(address, message))

    assert.deepEqual((await next(messages, "step1")).vector, Y.encodeStateVector(doc))
    const { rows } = await next(messages, "awareness")
    assert.deepEqual(rows, [{ id: doc.clientID, clock: 0, state: "{}" }])
    for (const scope of ["read-write", "readonly"] as const) {
      say({ kind: "scope", scope })
      await eventually(() => told.includes(scope))
    }

    say({ kind: "step1", vector: Uint8Array.of(0) })
    assert.deepEqual(
      Uint8Array.from((await next(messages, "step2")).update),
      Y.encodeStateAsUpdate(doc),
    )
    say({ kind: "step2", update: Y.encodeStateAsUpdate(documentWith("theirs ")) })
    await eventually(() => client.synced && /theirs/.test(doc.getText("t").toString()))
    assert.equal(client.unsyncedChanges, 1)
    say({ kind: "sync-status", status: "accepted" })
    await eventually(() => client.unsyncedChanges === 0)

    doc.getText("t").insert(0, "typed ")
    const { update } = await next(messages, "update")
    assert.deepEqual(spansOf(update), [{ client: doc.clientID, from: 4, to: 10 }])
    say({ kind: "sync-status", status: "refused" })
    say({ kind: "stateless", text: "hello" })
    await eventually(() => told.includes("hello"))
    assert.equal(client.unsyncedChanges, 1)

    client.sendStateless("from here")
    assert.equal((await next(messages, "stateless")).text, "from here")
    say({ kind: "awareness", rows: [other] })
    await eventually(() => stateOfOther(client.awareness))
    const tokens = () => messages().filter(({ kind }) => kind === "token")
    say({ kind: "token-wanted" })
    await eventually(() => tokens().length === 2)
    say({ kind: "denied", reason: "not your room" })
    await eventually(() => told.includes("not your room"))
    say({ kind: "closed", reason: "put out" })
    await eventually(() => told.includes("put out"))

    client.destroy()
    await next(messages, "leave")
    assert.ok(frames().every((each) => each.address === address))
    assert.ok(!messages().some(({ kind }) => kind === "unreadable" || kind === "oversize"))
  })
}

test("RL128 a ping of the Hocuspocus dialect has no address, and a pong answers it", async (t) => {
  const line = await lineFor<FromHocuspocus, ReturnType<typeof addressed>>(t, hocuspocus)
  const client = new HocuspocusProvider({ url: line.url, name: "notes", token: "secret" })
  t.after(() => client.destroy())
  await eventually(() => line.heard.length > 0)
  line.raw(Uint8Array.of(9))
  await eventually(() => line.heard.some(({ kind }) => kind === "pong"))
  assert.deepEqual(hocuspocus.decode(Uint8Array.of(9)), { kind: "ping" })
  assert.deepEqual(hocuspocus.encode({ kind: "pong" }), Uint8Array.of(10))
})
