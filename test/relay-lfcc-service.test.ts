/** The LFCC dialect: who is who, what is refused in which words, and the same over real sockets. */
import assert from "node:assert/strict"
import { once } from "node:events"
import { type TestContext, test } from "node:test"
import { SignJWT } from "jose"
import { WebSocket } from "ws"
import { Writer } from "../src/wire/varints.ts"
import { eventually, HandClock, type Started, startServer } from "./harness.ts"
import { type Frame, type LfccEnd, LfccWorld } from "./lfcc-parts.ts"

const identity = {
  subject: "ada",
  role: "editor",
  places: ["notes"],
  rights: undefined,
  since: undefined,
  until: 1_800_000_000_000,
} as const

function errors(end: LfccEnd): readonly unknown[] {
  return end.all("ERROR").map((frame) => frame["code"])
}

test("RL19 refuses a frame of another document or sender, and relays its own ids only", async () => {
  const world = new LfccWorld()
  const [ada, bob] = [await world.brings("ada"), await world.joins("bob")]
  bob.take()
  await ada.writes("AQ==", { senderId: "bob" })
  await ada.writes("AQ==", { docId: "other" })
  assert.deepEqual(errors(ada), ["PERMISSION_DENIED", "PERMISSION_DENIED"])
  assert.deepEqual(bob.take(), [])
  assert.equal(ada.code, undefined)
})

test("RL19 lets a client call itself otherwise than its host does, but always the same", async () => {
  const world = new LfccWorld()
  const bob = await world.brings("bob")
  const ada = await world.comes("mine", { params: { sender: "client-1" } })
  assert.equal(bob.told.at(-1), "JOIN client-1")
  await ada.writes("AQ==")
  assert.equal(bob.told.at(-1), "client-1 AQ==")
  await ada.writes("Ag==", { senderId: "client-1" })
  assert.deepEqual(errors(ada), ["PERMISSION_DENIED"])
  assert.equal(bob.told.at(-1), "client-1 AQ==")
})

test("RL12 takes the sender from the first frame where nothing else says it", async () => {
  const world = new LfccWorld()
  const bob = await world.brings("bob")
  const eve = await world.comes("eve", { sender: "unsaid" })
  assert.deepEqual(bob.told, [])
  await eve.says("JOIN", { ts: 5 })
  assert.equal(bob.told[0], "JOIN eve")
  assert.equal(bob.heard[0]?.["ts"], 5)
  const nobody = await world.comes("")
  assert.equal(nobody.code, "bad-message")
})

test("RL69 refuses a senderId that another user bears in the room", async () => {
  const world = new LfccWorld()
  const ada = await world.joins("ada", {}, { identity })
  const thief = await world.comes("ada", { identity: { ...identity, subject: "eve" } })
  assert.deepEqual(errors(thief), ["PERMISSION_DENIED"])
  assert.equal(thief.code, "forbidden")
  const nameless = await world.comes("ada")
  assert.equal(nameless.code, "forbidden")
  assert.equal((await world.comes("ada", { identity })).code, undefined)
  assert.equal(ada.code, undefined)
})

test("RL84 closes who has joined nothing in time", async () => {
  const world = new LfccWorld()
  const left = await world.joins("ada")
  await left.says("LEAVE")
  await left.writes("AQ==")
  assert.deepEqual(errors(left), ["UNKNOWN"])
  await world.pass(5_000)
  await left.says("JOIN")
  await world.pass(15_000)
  assert.equal(left.code, undefined)
  await left.says("LEAVE")
  await world.pass(10_010)
  assert.equal(left.code, "timed-out")
})

test("RL97 refuses what a viewer writes or answers, in an ERROR, and relays nothing", async () => {
  const world = new LfccWorld()
  const bob = await world.brings("bob")
  const viewer = await world.brings("vic", {
    identity: { ...identity, subject: "vic", role: "viewer" },
  })
  bob.take()
  await viewer.writes("AQ==", { ref: 1 })
  const payload = { snapshot: "AQ==", isBase64: true }
  await viewer.says("SNAPSHOT_RESPONSE", { payload })
  assert.deepEqual(errors(viewer), ["PERMISSION_DENIED", "PERMISSION_DENIED"])
  await viewer.says("PRESENCE", { payload: {} })
  assert.deepEqual(bob.told, ["PRESENCE vic"])
  await bob.writes("AQ==")
  assert.equal(viewer.told.at(-1), "bob AQ==")
  const eve = await world.joins("eve")
  assert.deepEqual(viewer.all("SNAPSHOT_REQUEST"), [])
  assert.equal(eve.code, undefined)
})

test("RL35 leaves who comes to a room of viewers waiting, and asks no viewer", async () => {
  const world = new LfccWorld()
  const viewer = await world.brings("vic", { identity: { ...identity, role: "viewer" } })
  const other = await world.joins(
    "una",
    {},
    { identity: { ...identity, subject: "una", role: "viewer" } },
  )
  await other.says("SNAPSHOT_REQUEST")
  await world.pass(40_000)
  assert.deepEqual(viewer.all("SNAPSHOT_REQUEST"), [])
  assert.deepEqual(other.all("SNAPSHOT_RESPONSE"), [])
  assert.equal(other.code, undefined)
  assert.equal(world.relay.waiting, 1)
})

test("RL87 says once a second that a sender is too fast, and when it is heard again", async () => {
  const world = new LfccWorld({ messagesPerSecond: 10, messagesBurst: 5 })
  const [ada, bob] = [await world.brings("ada"), await world.joins("bob")]
  await world.pass(1_000)
  bob.take()
  for (let n = 0; n < 8; n++) await ada.writes("AQ==")
  await world.pass(20)
  assert.equal(bob.all("CRDT_UPDATE").length, 8)
  const [told, ...more] = ada.all("ERROR")
  assert.deepEqual(more, [])
  assert.equal(told?.["code"], "RATE_LIMITED")
  assert.ok(Number(told?.payload?.["retryAfterMs"]) > 0)
  assert.equal(ada.held, 1)
  await world.pass(1_000)
  assert.equal(ada.held, 0)
  for (let n = 0; n < 9; n++) await ada.writes("AQ==")
  assert.deepEqual(errors(ada), ["RATE_LIMITED", "RATE_LIMITED"])
})

test("RL87 counts answers to asks in no rate", async () => {
  const world = new LfccWorld({ bytesPerSecond: 10, bytesBurst: 10 })
  const ada = await world.brings("ada")
  const bob = await world.joins("bob")
  await ada.answers(Buffer.alloc(1_000).toString("base64"))
  assert.equal(ada.held, 0)
  assert.equal(bob.all("SNAPSHOT_RESPONSE").length, 1)
})

test("RL89 answers what it cannot read with an ERROR, and closes at the tenth in ten seconds", async () => {
  const world = new LfccWorld()
  const [ada, bob] = [await world.brings("ada"), await world.joins("bob")]
  bob.take()
  for (let n = 0; n < 9; n++) await ada.utters(n % 2 === 0 ? "{" : Uint8Array.of(200, 1))
  assert.deepEqual(new Set(errors(ada)), new Set(["UNKNOWN"]))
  assert.equal(ada.code, undefined)
  await ada.utters("[]")
  assert.equal(ada.code, "bad-message")
  assert.deepEqual(bob.take(), [])
  const read = ada.frame("CRDT_UPDATE", { bytesB64: "AQ==" })
  await bob.utters(
    JSON.stringify({ ...bob.frame("BATCH"), messages: [{}, { ...read, senderId: "bob" }] }),
  )
  assert.deepEqual(errors(bob), ["UNKNOWN"])
})

test("RL90 refuses a change over the limit, and drops presence over its own", async () => {
  const world = new LfccWorld({ frameLimitBytes: 8 })
  const [ada, bob] = [await world.brings("ada"), await world.joins("bob")]
  bob.take()
  await ada.says("PRESENCE", { payload: { long: "x".repeat(20_000) } })
  assert.deepEqual(errors(ada), ["QUOTA_EXCEEDED"])
  assert.equal(ada.code, undefined)
  await ada.writes(Buffer.alloc(9).toString("base64"))
  assert.deepEqual(errors(ada), ["QUOTA_EXCEEDED", "QUOTA_EXCEEDED"])
  assert.equal(ada.code, "too-large")
  assert.deepEqual(bob.take(), [])
  assert.equal(bob.code, undefined)
})

test("RL95 takes a newer token of the same user, and its role, and closes for another", async () => {
  const world = new LfccWorld()
  const bob = await world.brings("bob")
  const ada = await world.joins("ada", {}, { identity: { ...identity, role: "viewer" } })
  world.identities.set("newer", { ...identity, until: identity.until + 1 })
  world.identities.set("other", { ...identity, subject: "eve" })
  await ada.writes("AQ==")
  assert.deepEqual(errors(ada), ["PERMISSION_DENIED"])
  await ada.says("AUTH", { token: "newer" })
  assert.equal(ada.identity?.until, identity.until + 1)
  assert.equal(ada.held, 0)
  await ada.writes("AQ==")
  assert.equal(bob.told.at(-1), "ada AQ==")
  await ada.says("AUTH", { token: "other" })
  assert.equal(ada.code, "forbidden")
  const again = await world.joins("ada", {}, { identity })
  await again.says("AUTH", { token: "bad" })
  assert.deepEqual(errors(again), ["INVALID_TOKEN"])
  assert.equal(again.code, "unauthenticated")
})

test("RL99 closes a revoked user, or gives it another role", async () => {
  const world = new LfccWorld()
  const ada = await world.joins("ada", {}, { identity })
  world.relay.revoke("ada", "notes", "viewer")
  await ada.writes("AQ==")
  assert.deepEqual(errors(ada), ["PERMISSION_DENIED"])
  world.relay.revoke("ada", undefined, undefined)
  assert.equal(ada.code, "forbidden")
  const other = await world.joins("bob")
  world.relay.deny("no*", "on")
  assert.equal(other.code, "forbidden")
})

test("RL120 acknowledges a change when all here have been given it", async () => {
  const world = new LfccWorld()
  const ada = await world.joins("ada", { features: ["ack"], hasSnapshot: true })
  const bob = await world.joins("bob")
  await ada.writes("AQ==", { ref: "one" })
  await bob.writes("AQ==", { ref: "not asked for" })
  await ada.writes("Ag==", { ref: 2 })
  assert.deepEqual(
    ada.told.filter((each) => each.startsWith("ACK")),
    ["ACK one"],
  )
  await world.pass(20)
  assert.deepEqual(
    ada.told.filter((each) => each.startsWith("ACK")),
    ["ACK one", "ACK 2"],
  )
  assert.ok(bob.told.includes("ada Ag=="))
  assert.ok(!bob.told.some((each) => each.startsWith("ACK")))
})

test("RL128 tells each replica updates in the form in which it sends its own", async () => {
  const world = new LfccWorld()
  const ada = await world.brings("ada")
  const inner = await world.joins("bob")
  await inner.says("CRDT_UPDATE", { payload: { bytesB64: "CQ==" } })
  const binary = await world.joins("eve", { features: ["binary"] })
  await world.pass(100)
  for (const end of [inner, binary]) end.take()
  await ada.writes("AQID")
  const stamp = { type: "CRDT_UPDATE", docId: "notes", senderId: "ada", ts: 7 }
  assert.deepEqual(inner.take(), [{ ...stamp, payload: { bytesB64: "AQID" } }])
  assert.deepEqual(binary.take(), [stamp])
  assert.deepEqual(binary.bytes.at(-1), Uint8Array.of(1, 2, 3))
  const head = JSON.stringify(binary.frame("CRDT_UPDATE"))
  await binary.utters(new Writer().text(head).raw(Uint8Array.of(4, 5)).finish())
  await world.pass(20)
  assert.equal(inner.told.at(-1), "eve BAU=")
})

/** A client over a real socket. */
class Client {
  readonly heard: Frame[] = []
  readonly socket: WebSocket
  ended: { readonly code: number; readonly reason: string } | undefined

  constructor(t: TestContext, url: string) {
    this.socket = new WebSocket(url)
    this.socket.on("message", (data: Buffer) => this.heard.push(JSON.parse(data.toString())))
    this.socket.on("close", (code, reason) => {
      this.ended = { code, reason: reason.toString() }
    })
    t.after(() => this.socket.terminate())
  }

  says(frame: object): void {
    this.socket.send(JSON.stringify({ docId: "notes", ts: 1, ...frame }))
  }

  get opened() {
    return this.socket.readyState === WebSocket.OPEN ? undefined : once(this.socket, "open")
  }

  first(type: string): Promise<Frame> {
    return eventually(() => this.heard.find((each) => each.type === type))
  }
}

async function connected(t: TestContext, { ws }: Started, path: string): Promise<Client> {
  const client = new Client(t, ws + path)
  await client.opened
  return client
}

test("RL7, RL128 is reached by path or query, and gives a newcomer the content over sockets", async (t) => {
  const server = await startServer(t)
  const ada = await connected(t, server, "/collab/notes?senderId=ada&hasSnapshot=1")
  const bob = await connected(t, server, "/collab?docId=notes")
  bob.says({ type: "JOIN", senderId: "bob" })
  const { payload } = await ada.first("SNAPSHOT_REQUEST")
  ada.says({
    type: "SNAPSHOT_RESPONSE",
    senderId: "ada",
    payload: { requestId: payload?.["requestId"], snapshot: "AQID", isBase64: true },
  })
  assert.equal((await bob.first("SNAPSHOT_RESPONSE")).payload?.["snapshot"], "AQID")
  bob.says({ type: "CRDT_UPDATE", senderId: "bob", bytesB64: "BAU=" })
  assert.equal((await ada.first("CRDT_UPDATE"))["bytesB64"], "BAU=")
  bob.socket.close(1000)
  assert.equal((await ada.first("LEAVE")).senderId, "bob")
  const nowhere = await connected(t, server, "/collab/")
  const { code } = await eventually(() => nowhere.ended)
  assert.equal(code, 4400)
})

test("RL94 lets in by token only, and says why not before it closes", async (t) => {
  const secret = "a secret of at least thirty-two bytes"
  const clock = new HandClock()
  const server = await startServer(t, { tokenKey: { kind: "secret", secret }, clock })
  const signed = (claims: object, from = secret) =>
    new SignJWT({ sub: "ada", aud: "quartet", docId: "notes", role: "editor", ...claims })
      .setProtectedHeader({ alg: "HS256" })
      .setIssuedAt(clock.now() / 1_000)
      .setExpirationTime(clock.now() / 1_000 + 60)
      .sign(new TextEncoder().encode(from))
  const refused = async (token: string | undefined) => {
    const query = token === undefined ? "" : `?token=${token}`
    const client = new Client(t, `${server.ws}/collab/notes${query}`)
    const ended = await eventually(() => client.ended)
    return [client.heard[0]?.["code"], ended.code]
  }
  assert.deepEqual(await refused(undefined), ["UNAUTHORIZED", 4401])
  assert.deepEqual(await refused(""), ["UNAUTHORIZED", 4401])
  assert.deepEqual(await refused(await signed({}, secret.toUpperCase())), ["INVALID_TOKEN", 4401])
  assert.deepEqual(await refused(await signed({ docId: "other" })), ["PERMISSION_DENIED", 4403])
  const ada = await connected(
    t,
    server,
    `/collab/notes?senderId=ada&features=ack&token=${await signed({})}`,
  )
  ada.says({ type: "CRDT_UPDATE", senderId: "ada", bytesB64: "AQ==", ref: 1 })
  await ada.first("ACK")
  const yjs = new WebSocket(`${server.ws}/yjs/notes`, [`bearer.${await signed({})}`])
  t.after(() => yjs.terminate())
  const heard: string[] = []
  yjs.on("message", (data: Buffer) => heard.push(data.toString("latin1")))
  await once(yjs, "open")
  const closed = once(yjs, "close")
  clock.turn(61_000)
  assert.equal((await eventually(() => ada.ended)).code, 4401)
  assert.equal(ada.heard.at(-1)?.["code"], "INVALID_TOKEN")
  assert.equal((await closed)[0], 4401)
  assert.equal(heard.at(-1), "\x02\x00\x15the token has expired")
})

test("RL90 refuses a message that is beyond all limits, and costs nobody else anything", async (t) => {
  const relayLimits = { answerLimitBytes: 1_000, frameLimitBytes: 500 }
  const server = await startServer(t, { relayLimits })
  const ada = await connected(t, server, "/collab/notes?senderId=ada&hasSnapshot=1")
  const bob = await connected(t, server, "/collab/notes?senderId=bob")
  ada.says({ type: "CRDT_UPDATE", senderId: "ada", bytesB64: Buffer.alloc(501).toString("base64") })
  assert.equal((await ada.first("ERROR"))["code"], "QUOTA_EXCEEDED")
  assert.equal((await eventually(() => ada.ended)).code, 4413)
  assert.equal((await bob.first("LEAVE")).senderId, "ada")
  const eve = await connected(t, server, "/collab/notes?senderId=eve")
  eve.socket.send("x".repeat(600_000))
  assert.equal((await eve.first("ERROR"))["code"], "QUOTA_EXCEEDED")
  assert.equal((await eventually(() => eve.ended)).code, 4413)
  assert.equal(bob.ended, undefined)
})

test("RL86 lets a newcomer take content that is longer than what may wait, while others write", async (t) => {
  const relayLimits = { sendQueueBytes: 100_000, bytesPerSecond: 0, roomBytesPerSecond: 0 }
  const server = await startServer(t, { relayLimits })
  const ada = await connected(t, server, "/collab/notes?senderId=ada&hasSnapshot=1")
  const bob = await connected(t, server, "/collab/notes?senderId=bob")
  bob.says({ type: "JOIN", senderId: "bob" })
  const { payload } = await ada.first("SNAPSHOT_REQUEST")
  const snapshot = Buffer.alloc(12 * 1024 * 1024).toString("base64")
  const answer = { requestId: payload?.["requestId"], snapshot, isBase64: true }
  ada.says({ type: "SNAPSHOT_RESPONSE", senderId: "ada", payload: answer })
  for (let n = 0; n < 20; n++) ada.says({ type: "CRDT_UPDATE", senderId: "ada", bytesB64: "AQ==" })
  await eventually(
    () => bob.ended ?? bob.heard.filter((each) => each.type === "CRDT_UPDATE").length === 20,
  )
  assert.equal(bob.ended, undefined)
  assert.equal((await bob.first("SNAPSHOT_RESPONSE")).payload?.["snapshot"], snapshot)
})

test("RL113 counts in its figures what was seen here", async (t) => {
  const server = await startServer(t)
  const ada = await connected(t, server, "/collab/notes?senderId=ada&hasSnapshot=1&features=ack")
  const bob = await connected(t, server, "/collab/notes?senderId=bob")
  // Its first word: from then on it owes nobody what it has.
  ada.says({ type: "JOIN", senderId: "ada" })
  bob.says({ type: "JOIN", senderId: "bob" })
  await ada.first("SNAPSHOT_REQUEST")
  const payload = { snapshot: "AQID", isBase64: true }
  ada.says({ type: "SNAPSHOT_RESPONSE", senderId: "ada", payload })
  ada.says({ type: "CRDT_UPDATE", senderId: "ada", bytesB64: "AQ==", ref: 1 })
  ada.says({ type: "PRESENCE", senderId: "ada", payload: {} })
  ada.says({ type: "SMILE", senderId: "ada" })
  ada.says({ type: "SNAPSHOT_RESPONSE", senderId: "ada", payload })
  bob.says({ type: "PRESENCE", senderId: "ada", payload: {} })
  await Promise.all([ada.first("ERROR"), bob.first("PRESENCE"), bob.first("ERROR")])
  const text = await (await fetch(`${server.url}/metrics`)).text()
  const figure = (name: string) =>
    Number(
      text
        .split("\n")
        .find((line) => line.startsWith(`quartet_relay_${name} `))
        ?.split(" ")[1],
    )
  const expected = {
    'connections{dialect="lfcc"}': 2,
    'active_documents{kind="opaque"}': 1,
    'active_documents{kind="yjs"}': 0,
    local_messages_total: 2,
    // JOIN to each of the other; to bob the content, a change and presence.
    delivered_messages_total: 5,
    snapshot_responses_total: 1,
    'snapshot_requests_total{source="local"}': 1,
    acks_total: 1,
    'bad_frames_total{dialect="lfcc"}': 1,
    'refused_total{cause="unasked"}': 1,
    'refused_total{cause="foreign"}': 1,
    batch_size_count: 1,
    rooms_waiting: 0,
  }
  const names = Object.keys(expected)
  assert.deepEqual(Object.fromEntries(names.map((name) => [name, figure(name)])), expected)
})
