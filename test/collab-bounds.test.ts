/** What a relay in somebody else's program bears of its far ends, and where it ends. */
import assert from "node:assert/strict"
import { once } from "node:events"
import { connect } from "node:net"
import { test } from "node:test"
import { SignJWT } from "jose"
import { WebSocket } from "ws"
import { StatelessCollabRelay } from "../src/collab.ts"
import { Program, Strange } from "./collab-parts.ts"
import { eventually, HandClock } from "./harness.ts"

test("RL89 lives on when a socket throws, or says what is no WebSocket at all", async (t) => {
  const program = await Program.start(t)
  const ada = await program.joins("/notes?as=ada", { hasSnapshot: true })
  const bob = await program.joins("/notes?as=bob")
  const throwing = new Strange()
  program.relay.handleConnection(throwing, "notes", "eve")
  throwing.send = () => {
    throw new Error("not today")
  }
  const { port } = program.server.address() as { port: number } // it listens on TCP
  const socket = connect(port, "127.0.0.1")
  socket.write(
    "GET /notes?as=raw HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  )
  await eventually(() => ada.all("JOIN").some(({ senderId }) => senderId === "raw"))
  socket.write(Uint8Array.of(0xff, 0xff, 0xff, 0xff))
  await once(socket.resume(), "close")
  ada.writes("AQ==")
  await eventually(() => bob.updates.length === 1)
  const names = () => program.relay.getDocumentConnections("notes").map(({ senderId }) => senderId)
  await program.passes(() => names().length === 2)
  assert.deepEqual(names(), ["ada", "bob"])
})

test("RL86 closes who takes nothing, and slows nobody else", async (t) => {
  const limits = { sendQueueBytes: 64 * 1024, bytesPerSecond: 0, roomBytesPerSecond: 0 }
  const program = await Program.start(t, { limits })
  const ada = await program.joins("/notes?as=ada", { hasSnapshot: true })
  const bob = await program.joins("/notes?as=bob")
  const deaf = await program.joins("/notes?as=deaf")
  deaf.socket.pause()
  const long = Buffer.alloc(1024 * 1024).toString("base64")
  let sent = 0
  while (program.relay.getMetrics().activeConnections === 3) {
    ada.writes(long)
    sent++
    const wanted = sent
    await program.passes(() => bob.updates.length === wanted)
    if (program.ends[2]?.readyState !== WebSocket.OPEN) break
    assert.ok(sent < 100, "it was never closed")
  }
  deaf.socket.resume()
  assert.equal((await program.passes(() => deaf.ended)).code, 4528)
  assert.equal(bob.ended, undefined)
  assert.ok(program.relay.getMetrics().backpressureEvents > 0)
})

test("RL86 closes who takes nothing for ten seconds, and not who is given one long message", () => {
  const clock = new HandClock()
  const relay = new StatelessCollabRelay({}, clock)
  const [ada, slow] = [new Strange(), new Strange()]
  for (const [end, name] of [
    [ada, "ada"],
    [slow, "slow"],
  ] as const) {
    relay.handleConnection(end, "notes", name)
  }
  const stamp = { docId: "notes", senderId: "me", ts: 1 }
  const update = { type: "CRDT_UPDATE", ...stamp, bytesB64: Buffer.alloc(9e6).toString("base64") }
  relay.handleMessage(ada, JSON.stringify(update))
  slow.bufferedAmount = 12e6
  relay.handleMessage(ada, JSON.stringify({ type: "PRESENCE", ...stamp, payload: {} }))
  relay.handleMessage(ada, JSON.stringify({ ...update, bytesB64: "AQ==" }))
  clock.turn(12_000)
  assert.equal(slow.closed, undefined)
  // It all left; what is there now is short, and stays.
  slow.bufferedAmount = 0
  clock.turn(200)
  slow.bufferedAmount = 300_000
  clock.turn(9_900)
  assert.equal(slow.closed, undefined)
  clock.turn(300)
  assert.equal(slow.closed, 4528)
})

test("RL86 closes at once whom more waits for than 8 MiB and its longest frame", () => {
  const relay = new StatelessCollabRelay({}, new HandClock())
  const [ada, slow] = [new Strange(), new Strange()]
  relay.handleConnection(ada, "notes", "ada")
  relay.handleConnection(slow, "notes", "slow")
  const stamp = { docId: "notes", senderId: "me", ts: 1 }
  const writes = (bytesB64: string) =>
    relay.handleMessage(ada, JSON.stringify({ type: "CRDT_UPDATE", ...stamp, bytesB64 }))
  slow.bufferedAmount = 1
  writes(Buffer.alloc(1e6).toString("base64"))
  const longest = slow.said.at(-1)?.length ?? 0
  assert.ok(longest > 1e6)
  slow.bufferedAmount = 8 * 1024 * 1024 + longest
  for (let n = 0; n < 50; n++) writes("AQ==")
  assert.equal(slow.closed, undefined)
  slow.bufferedAmount += 1
  for (let n = 0; n < 50; n++) writes("AQ==")
  assert.equal(slow.closed, 4528)
})

test("RL87, RL88 slows who is too fast, loses no change, and keeps the last presence", async (t) => {
  const limits = { messagesPerSecond: 100, messagesBurst: 10 }
  const program = await Program.start(t, { limits })
  const ada = await program.joins("/notes?as=ada", { hasSnapshot: true })
  const bob = await program.joins("/notes?as=bob")
  const sent = Array.from({ length: 200 }, (_, n) => Buffer.from([n]).toString("base64"))
  for (const bytes of sent) ada.writes(bytes)
  for (let n = 0; n < 50; n++) ada.says("PRESENCE", { payload: { n } })
  await program.passes(() => bob.all("PRESENCE").at(-1)?.payload?.["n"] === 49)
  assert.deepEqual(bob.updates, sent)
  assert.ok(bob.all("PRESENCE").length < 50)
  assert.equal((await ada.first("ERROR"))["code"], "RATE_LIMITED")
  assert.ok(program.relay.getMetrics().rateLimitedMessages > 0)
  assert.equal(ada.ended, undefined)
})

test("RL83, RL94 keeps what comes before a token has been looked at, in order, up to a limit", async () => {
  const clock = new HandClock()
  const secret = "a secret of at least thirty-two bytes"
  const claims = { sub: "ada", aud: "quartet", docId: "notes", role: "editor" }
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256" })
    .setIssuedAt(clock.now() / 1_000)
    .setExpirationTime(clock.now() / 1_000 + 60)
    .sign(new TextEncoder().encode(secret))
  const limits = { earlyMessages: 3 }
  const relay = new StatelessCollabRelay({ jwtSecret: secret, limits }, clock)
  const [bob, ada, nobody, hasty] = [new Strange(), new Strange(), new Strange(), new Strange()]
  relay.handleConnection(bob, "notes", "bob", { role: "viewer" })
  relay.handleConnection(ada, "notes", "ada", { token })
  relay.handleConnection(nobody, "notes", "nobody")
  relay.handleConnection(hasty, "notes", "hasty", { token })
  const update = { type: "CRDT_UPDATE", docId: "notes", senderId: "me", ts: 1 }
  for (const bytesB64 of ["AQ==", "Ag=="]) {
    relay.handleMessage(ada, JSON.stringify({ ...update, bytesB64 }))
  }
  for (let n = 0; n < 4; n++) relay.handleMessage(hasty, JSON.stringify(update))
  assert.equal(hasty.closed, 4508)
  assert.match(nobody.said[0] ?? "", /"UNAUTHORIZED"/)
  assert.equal(nobody.closed, 4401)
  assert.ok(!bob.said.some((each) => each.includes("AQ==")))
  await eventually(() => bob.said.some((each) => each.includes("AQ==")))
  clock.turn(100)
  const bytes = bob.said.map((each) => /"bytesB64":"(.*?)"/.exec(each)?.[1])
  assert.deepEqual(
    bytes.filter((each) => each !== undefined),
    ["AQ==", "Ag=="],
  )
  clock.turn(61_000)
  assert.match(ada.said.at(-1) ?? "", /INVALID_TOKEN.*the token has expired/)
  assert.equal(ada.closed, 4401)
})
