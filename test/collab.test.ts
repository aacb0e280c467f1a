/** A relay inside somebody else's program, with a WebSocket server of its own. */
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { WebSocket } from "ws"
import { WebsocketProvider } from "y-websocket"
import * as Y from "yjs"
import {
  createInMemoryMessageBus,
  extractDocId,
  generateClientId,
  generateServerId,
  StatelessCollabRelay,
} from "../src/collab.ts"
import { Client, Program, Strange } from "./collab-parts.ts"
import { eventually, HandClock } from "./harness.ts"

test("RL116 names servers and far ends, and finds the document in a request", () => {
  assert.match(generateServerId(), /^server-\d{13}-[0-9a-f]{8}$/)
  assert.notEqual(generateClientId(), generateClientId())
  for (const [url, docId] of [
    ["/?docId=notes", "notes"],
    ["/collab?docId=a%2Fb", "a/b"],
    ["/collab/a%20b?token=t", "a b"],
    ["/collab", ""],
    ["/notes", "notes"],
    ["/collab/%ff", ""],
    [undefined, ""],
  ] as const) {
    assert.equal(extractDocId({ url }), docId)
  }
})

test("RL116 refuses options that there are not, each by its name", () => {
  const wrong = {
    enableBatchin: true,
    serverId: 7,
    jwtSecret: "short",
    defaultRole: "boss",
  } as object // what no TypeScript would let through
  assert.throws(() => new StatelessCollabRelay(wrong), {
    message:
      "enableBatchin: there is no such option\nserverId: is not of type string\n" +
      "defaultRole: is not one of viewer, editor, admin\njwtSecret: must have at least 32 bytes",
  })
  assert.throws(() => new StatelessCollabRelay({ limits: { rooms: -1 } }), /rooms: -1/)
  const sayings: readonly (readonly [
    ConstructorParameters<typeof StatelessCollabRelay>[0],
    RegExp,
  ])[] = [
    [{ snapshotRequestTimeoutMs: -5 }, /^snapshotRequestTimeoutMs: is not a whole number/],
    [{ jwks: "http://keys.example/jwks.json" }, /^jwks: is not an https address/],
    [{ jwks: "keys" }, /^jwks: is not an https address/],
  ]
  for (const [choice, message] of sayings) {
    assert.throws(() => new StatelessCollabRelay(choice), { message })
  }
  const relay = new StatelessCollabRelay({}, new HandClock())
  const misspelt = { hasSnapsht: true } as object // as above
  assert.throws(() => relay.handleConnection(new Strange(), "notes", "ada", misspelt), {
    message: "hasSnapsht: there is no such option of a connection",
  })
  const strange = { redisUrl: "redis://localhost" } as object // of another kind of bus
  assert.throws(() => createInMemoryMessageBus(strange), /redisUrl: there is no such option/)
})

test("RL116 gives a bus in memory that connects, counts, and names relays without a name", async (t) => {
  const bus = createInMemoryMessageBus({ serverId: "server-7" })
  const relay = new StatelessCollabRelay({ redisAdapter: bus }, new HandClock())
  assert.equal(relay.getServerId(), "server-7")
  assert.deepEqual([bus.isConnected(), bus.getConnectionState()], [false, "disconnected"])
  await relay.initialize()
  t.after(() => relay.shutdown())
  assert.deepEqual([bus.isConnected(), bus.getConnectionState()], [true, "connected"])
  assert.deepEqual(bus.getMetrics(), {
    connectionState: "connected",
    messagesPublished: 0,
    messagesReceived: 0,
    messagesDropped: 0,
    activeSubscriptions: 0,
    reconnectionAttempts: 0,
    lastPublishTimestamp: undefined,
    lastReceiveTimestamp: undefined,
  })
  await bus.disconnect()
  assert.equal(bus.getConnectionState(), "disconnected")
})

test("RL117 carries joins, changes, presence and content between sockets of another's server", async (t) => {
  const program = await Program.start(t)
  const ada = await program.joins("/?docId=notes&as=ada", { hasSnapshot: true })
  const bob = await program.joins("/?docId=notes&as=bob")
  assert.equal((await ada.first("JOIN")).senderId, "bob")
  const { payload } = await program.passes(() => ada.all("SNAPSHOT_REQUEST")[0])
  const { requestId } = payload ?? {}
  ada.says("SNAPSHOT_RESPONSE", { payload: { requestId, snapshot: "AQID", isBase64: true } })
  assert.equal((await bob.first("SNAPSHOT_RESPONSE")).payload?.["snapshot"], "AQID")
  bob.writes("BAU=")
  assert.equal((await ada.first("CRDT_UPDATE"))["bytesB64"], "BAU=")
  // What is relayed bears the name that the program gave, whatever a client calls itself.
  assert.equal((await ada.first("CRDT_UPDATE")).senderId, "bob")
  bob.says("PRESENCE", { payload: { status: "idle" } })
  assert.deepEqual((await ada.first("PRESENCE")).payload, { status: "idle" })
  bob.socket.close(1000)
  assert.equal((await ada.first("LEAVE")).senderId, "bob")
})

test("RL76, RL117 tells a broken line from a goodbye by the socket's own word", async (t) => {
  const program = await Program.start(t)
  const ada = await program.joins("/notes?as=ada", { hasSnapshot: true })
  const bob = await program.joins("/notes?as=bob")
  const before = program.clock.now()
  bob.socket.terminate()
  await eventually(() => program.relay.getMetrics().activeConnections === 1)
  assert.deepEqual(ada.all("LEAVE"), [])
  await program.passes(() => ada.all("LEAVE")[0])
  assert.ok(program.clock.now() - before >= 2_000)
})

/** An unmodified client with this document. */
function connects(t: TestContext, program: Program, doc: Y.Doc): void {
  const options = { disableBc: true, WebSocketPolyfill: WebSocket as never } // theirs is the browser's type
  const provider = new WebsocketProvider(`${program.url}/collab`, "notes", doc, options)
  t.after(() => {
    provider.destroy()
    // Its awareness keeps a timer as long as there is the document.
    doc.destroy()
  })
}

test("RL117 carries Yjs between unmodified clients", async (t) => {
  const program = await Program.start(t, {}, () => ({ dialect: "yjs" }))
  const [one, two] = [new Y.Doc(), new Y.Doc()]
  one.getText("t").insert(0, "hello")
  for (const doc of [one, two]) connects(t, program, doc)
  await program.passes(() => two.getText("t").toString() === "hello")
  two.getText("t").insert(5, " world")
  await program.passes(() => one.getText("t").toString() === "hello world")
})

test("RL117 throws only for a socket that was never given, and hears an end twice", async () => {
  const clock = new HandClock()
  const relay = new StatelessCollabRelay({}, clock)
  await relay.initialize()
  const [one, two] = [new Strange(), new Strange()]
  assert.throws(() => relay.handleMessage(one, "{}"), /never given/)
  relay.handleDisconnection(one)
  relay.handleConnection(one, "notes", "ada")
  assert.throws(() => relay.handleConnection(one, "notes", "ada"), /given already/)
  const boss = { role: "boss" } as object // what no TypeScript would let through
  assert.throws(() => relay.handleConnection(two, "notes", "bob", boss), /role: is not one of/)
  relay.handleConnection(two, "notes", "bob")
  relay.handleMessage(one, Uint8Array.of(255))
  assert.match(one.said.at(-1) ?? "", /"UNKNOWN"/)
  relay.handleDisconnection(two)
  relay.handleDisconnection(two)
  relay.handleMessage(two, "{}")
  await eventually(() => one.said.some((each) => each.includes('"LEAVE"')))
  assert.deepEqual(relay.getDocumentConnections("notes"), [
    { docId: "notes", senderId: "ada", dialect: "lfcc", joinedAt: clock.now() },
  ])
  assert.deepEqual(relay.getActiveDocuments(), ["notes"])
  const stopped = relay.shutdown()
  clock.turn(200)
  await stopped
  assert.equal(one.closed, 1012)
})

test("RL6, RL37 lets one far end of two relays on one bus fill a new room", async (t) => {
  const bus = createInMemoryMessageBus()
  const one = await Program.start(t, { redisAdapter: bus, serverId: "server-1" })
  const two = await Program.start(t, { redisAdapter: bus, serverId: "server-2" })
  const asks = async (program: Program) => {
    const client = await program.joins("/notes", { features: ["seed"] })
    client.says("SNAPSHOT_REQUEST")
    return client
  }
  const [ada, bob] = [await asks(one), await asks(two)]
  const answered = (client: Client) => client.all("SNAPSHOT_RESPONSE")[0]?.payload
  const answers = await one.passes(() => {
    two.clock.turn(10)
    const both = [answered(ada), answered(bob)]
    return both.every((each) => each !== undefined) && both
  })
  // Which of the two is nobody's promise.
  assert.deepEqual(answers.filter((each) => each?.["seed"] === true).length, 1)
})

test("RL6, RL117 carries joins, content, changes and presence between two relays on one bus", async (t) => {
  const bus = createInMemoryMessageBus()
  const one = await Program.start(t, { redisAdapter: bus, serverId: "server-1" })
  const two = await Program.start(t, { redisAdapter: bus, serverId: "server-2" })
  // Time passes in both at once.
  const passes = <T>(look: () => T | undefined | false) =>
    one.passes(() => {
      two.clock.turn(10)
      return look()
    })
  const ada = await one.joins("/notes?as=ada", { hasSnapshot: true })
  const bob = await two.joins("/notes?as=bob")
  ada.serves("AQID")
  const answer = await passes(() => bob.all("SNAPSHOT_RESPONSE")[0])
  assert.equal(answer.payload?.["snapshot"], "AQID")
  assert.deepEqual(
    [ada.all("JOIN"), bob.all("JOIN")].map((all) => all.map(({ senderId }) => senderId)),
    [["bob"], ["ada"]],
  )
  bob.writes("BAU=")
  const change = await passes(() => ada.all("CRDT_UPDATE")[0])
  assert.deepEqual([change["bytesB64"], change.senderId], ["BAU=", "bob"])
  bob.says("PRESENCE", { payload: { status: "idle" } })
  assert.deepEqual((await passes(() => ada.all("PRESENCE")[0])).payload, { status: "idle" })
  bob.socket.close(1000)
  assert.equal((await passes(() => ada.all("LEAVE")[0])).senderId, "bob")
  assert.ok(bus.getMetrics().messagesPublished > 0)
})

test("RL6, RL117 carries Yjs between two relays on one bus", async (t) => {
  const bus = createInMemoryMessageBus()
  const yjs = () => ({ dialect: "yjs" }) as const
  const one = await Program.start(t, { redisAdapter: bus, serverId: "server-1" }, yjs)
  const two = await Program.start(t, { redisAdapter: bus, serverId: "server-2" }, yjs)
  const [left, right] = [new Y.Doc(), new Y.Doc()]
  left.getText("t").insert(0, "hello")
  connects(t, one, left)
  connects(t, two, right)
  await one.passes(() => {
    two.clock.turn(10)
    return right.getText("t").toString() === "hello"
  })
})

test("RL40 lets nobody fill a room in the first five seconds of a program", async () => {
  const clock = new HandClock()
  const began = clock.now()
  const relay = new StatelessCollabRelay({}, clock)
  await relay.initialize()
  const ada = new Strange()
  relay.handleConnection(ada, "notes", "ada")
  const stamp = { docId: "notes", senderId: "ada", ts: 1 }
  const payload = { features: ["seed"] }
  relay.handleMessage(ada, JSON.stringify({ type: "JOIN", ...stamp, payload }))
  relay.handleMessage(ada, JSON.stringify({ type: "SNAPSHOT_REQUEST", ...stamp }))
  clock.turn(4_900)
  assert.equal(ada.said.length, 0)
  const answer = await eventually(() => {
    clock.turn(10)
    return ada.said[0]
  })
  assert.ok(answer.includes('"seed":true'))
  assert.ok(clock.now() - began >= 5_000)
})

test("RL111 says how it is, and never well when it is not", async (t) => {
  const bus = createInMemoryMessageBus()
  const clock = new HandClock()
  const relay = new StatelessCollabRelay({ redisAdapter: bus, serverId: "server-1" }, clock)
  const standing = () => {
    const { ok, status } = relay.getHealth()
    return [ok, status]
  }
  assert.deepEqual(standing(), [false, "starting"])
  await relay.initialize()
  relay.handleConnection(new Strange(), "notes", "ada")
  assert.deepEqual(relay.getHealth(), {
    ok: true,
    status: "healthy",
    serverId: "server-1",
    redis: { configured: false, connected: false, activeSubscriptions: 1 },
    connections: 1,
    documents: 1,
    rooms: { waiting: 0, untracked: 0 },
  })
  await bus.disconnect()
  assert.deepEqual(standing(), [false, "degraded"])
  await bus.connect()
  assert.deepEqual(standing(), [true, "healthy"])
  const stopped = relay.shutdown()
  t.after(() => stopped)
  assert.deepEqual(standing(), [false, "draining"])
  clock.turn(5_100)
  await stopped
})

test("RL113 counts what a program sees itself", async (t) => {
  const program = await Program.start(t)
  const ada = await program.joins("/notes?as=ada", { hasSnapshot: true })
  const bob = await program.joins("/notes?as=bob")
  await program.passes(() => ada.all("SNAPSHOT_REQUEST")[0])
  ada.says("SNAPSHOT_RESPONSE", { payload: { snapshot: "AQID", isBase64: true } })
  ada.writes("AQ==")
  ada.says("PRESENCE", { payload: {} })
  await eventually(() => bob.all("PRESENCE")[0])
  const { redis, ...metrics } = program.relay.getMetrics()
  assert.deepEqual(metrics, {
    activeConnections: 2,
    activeDocuments: 1,
    localMessages: 2,
    remoteMessages: 0,
    snapshotRequests: 1,
    snapshotResponses: 1,
    rateLimitedMessages: 0,
    backpressureEvents: 0,
  })
  assert.equal(redis.connectionState, "connected")
})

test("RL104 gives batches to all where the program says so, and to none where it forbids", async (t) => {
  const batching = await Program.start(t, { enableBatching: true })
  const single = await Program.start(t, { enableBatching: false })
  for (const [program, frames] of [
    [batching, ["CRDT_UPDATE", "BATCH"]],
    [single, ["CRDT_UPDATE", "CRDT_UPDATE", "CRDT_UPDATE"]],
  ] as const) {
    const ada = await program.joins("/notes?as=ada", { hasSnapshot: true })
    const bob = await program.joins("/notes?as=bob")
    for (const bytes of ["AQ==", "Ag==", "Aw=="]) ada.writes(bytes)
    // Without batches they come with no time passing at all.
    if (program === single) await eventually(() => bob.updates.length === 3)
    else await program.passes(() => bob.updates.length === 3)
    const types = bob.heard.map(({ type }) => type).filter((type) => /UPDATE|BATCH/.test(type))
    assert.deepEqual(types, frames)
  }
})

test("RL114 gives out what waits, sends everyone elsewhere, and takes nobody more", async (t) => {
  const program = await Program.start(t)
  const ada = await program.joins("/notes?as=ada", { hasSnapshot: true })
  const bob = await program.joins("/notes?as=bob")
  ada.writes("AQ==")
  ada.writes("Ag==")
  await eventually(() => program.relay.getMetrics().localMessages === 2)
  await program.stops()
  await eventually(() => ada.ended !== undefined && bob.ended !== undefined)
  assert.deepEqual([ada.ended?.code, bob.ended?.code], [1012, 1012])
  assert.deepEqual(bob.updates, ["AQ==", "Ag=="])
  await program.relay.shutdown()
  const late = new Client(t, `${program.url}/notes?as=late`)
  assert.equal((await eventually(() => late.ended)).code, 1012)
})
