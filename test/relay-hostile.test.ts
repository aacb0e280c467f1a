/** Far ends that mean harm, or hang, on a real server: whoever else is there notices nothing. */
import assert from "node:assert/strict"
import { once } from "node:events"
import { connect } from "node:net"
import { type TestContext, test } from "node:test"
import fc from "fast-check"
import { WebSocket } from "ws"
import * as Y from "yjs"
import { Writer } from "../src/wire/varints.ts"
import { eventually, type Started, startServer } from "./harness.ts"
import { libraries, type Person, seenBy, textOf, write } from "./relay-libraries.ts"

/** Two honest ones, and a proof that they still hear each other. */
async function honest(t: TestContext, server: Started) {
  const pair = [libraries[0]!.come(t, server.ws), libraries[2]!.come(t, server.ws)] as const // there are four
  const [one, other] = pair
  one.awareness.setLocalStateField("name", "one")
  other.awareness.setLocalStateField("name", "other")
  await eventually(() => one.isSynced)
  write(one, "start ")
  await eventually(() => other.isSynced && textOf(other) === "start ")
  await eventually(() => seenBy(one).includes("other") && seenBy(other).includes("one"))
  let count = 0
  const stillWell = async () => {
    const mark = `mark ${count++} `
    write(one, mark)
    await eventually(() => textOf(other).includes(mark))
    write(other, "back ")
    await eventually(() => textOf(one) === textOf(other))
    assert.deepEqual([seenBy(one).includes("other"), seenBy(other).includes("one")], [true, true])
  }
  return { one, other, stillWell }
}

/** A socket that says what it is told to. */
async function stranger(server: Started, path = "/yjs/notes") {
  const socket = new WebSocket(`${server.ws}${path}`)
  socket.on("error", () => {})
  const ended = new Promise<number>((resolve) => socket.on("close", resolve))
  const heard: Uint8Array[] = []
  socket.on("message", (data: Buffer) => heard.push(data))
  await once(socket, "open")
  return { socket, ended, heard }
}

const sync = (kind: number, bytes: Uint8Array) =>
  new Writer().uint(0).uint(kind).bytes(bytes).finish()
const emptyStep1 = sync(0, Uint8Array.of(0))

/** Limits under which nobody rests for what it wrote. */
const unhurried = { bytesPerSecond: 0, messagesPerSecond: 0, roomBytesPerSecond: 0 }

/** As Hocuspocus has it: under an address, after a token. */
const addressed = (body: Uint8Array) => new Writer().text("notes").raw(body).finish()
const token = addressed(new Writer().uint(2).uint(0).text("").finish())

/** An update whose first struct is a Skip: what it builds on is missing. */
function withHole(client: number): Uint8Array {
  const doc = new Y.Doc()
  doc.clientID = client
  const updates: Uint8Array[] = []
  doc.on("update", (update: Uint8Array) => updates.push(update))
  for (const letter of "abc") doc.getText("t").insert(doc.getText("t").length, letter)
  return Y.mergeUpdates([updates[0]!, updates[2]!]) // three were made
}

test("RL89 garbage in both dialects ends at most the line it came on", async (t) => {
  const server = await startServer(t)
  const { stillWell } = await honest(t, server)
  const real = [
    emptyStep1,
    sync(2, Y.encodeStateAsUpdate(libraries[0]!.come(t, server.ws).doc)),
    sync(2, withHole(7)),
    Uint8Array.of(1, 3, 1, 9, 0),
    Uint8Array.of(0, 2, 0xff, 0xff, 0xff, 0xff, 0x0f),
    Uint8Array.of(0, 2, 9, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0, 0, 0),
    new Writer()
      .uint(1)
      .bytes(new Writer().uint(2 ** 40).finish())
      .finish(),
    new Writer().uint(121).text("[".repeat(9_000)).finish(),
  ]
  const frames = fc.sample(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.tuple(fc.constantFrom(...real), fc.nat(40)).map(([frame, end]) => frame.subarray(0, end)),
      fc.tuple(fc.constantFrom(...real), fc.nat(40), fc.nat(255)).map(([frame, at, byte]) => {
        const damaged = frame.slice()
        if (at < damaged.length) damaged[at] = byte
        return damaged
      }),
    ),
    { numRuns: 600, seed: 89 },
  )
  const lines = new Map<string, Awaited<ReturnType<typeof stranger>>>()
  for (const [n, frame] of [new Uint8Array(0), Uint8Array.of(0), ...frames].entries()) {
    const path = n % 2 === 0 ? "/yjs/notes" : "/hocuspocus"
    let line = lines.get(path)
    if (line === undefined || line.socket.readyState !== WebSocket.OPEN) {
      line = await stranger(server, path)
      lines.set(path, line)
      if (n % 2 === 1) line.socket.send(token)
    }
    line.socket.send(n % 2 === 1 && n % 3 > 0 ? addressed(frame) : frame)
    if (n % 50 === 0) {
      line.socket.send("text for binary")
      await stillWell()
    }
  }
  await stillWell()
  const { status } = await fetch(`${server.url}/health`)
  assert.equal(status, 200)
  const metrics = await (await fetch(`${server.url}/metrics`)).text()
  assert.match(metrics, /quartet_relay_bad_frames_total\{dialect="yjs"\} [1-9]/)
  assert.match(metrics, /quartet_net_closes_total\{code="internal"\} 0\n/)
})

test("RL89 the tenth bad frame closes with 4400 in both dialects, and no other line", async (t) => {
  const server = await startServer(t)
  const { stillWell } = await honest(t, server)
  for (const path of ["/yjs/notes", "/hocuspocus"]) {
    const { socket, ended } = await stranger(server, path)
    for (let n = 0; n < 10; n++) socket.send(n % 2 === 0 ? Uint8Array.of(0x80) : "text")
    assert.equal(await ended, 4400)
  }
  await stillWell()
})

test("RL90 a change one byte over the limit is refused with its number, one below arrives", async (t) => {
  const server = await startServer(t, { relayLimits: { frameLimitBytes: 100_000 } })
  const { one, stillWell } = await honest(t, server)
  const doc = new Y.Doc()
  doc.getText("t").insert(0, "x".repeat(99_900))
  const fits = Y.encodeStateAsUpdate(doc)
  const room = 100_000 - fits.length
  const { socket, ended } = await stranger(server)
  socket.send(sync(2, fits))
  await eventually(() => textOf(one).length > 99_000)
  const other = new Y.Doc()
  other.clientID = doc.clientID + 1
  other.getText("t").insert(0, "x".repeat(99_901 + room))
  socket.send(sync(2, Y.encodeStateAsUpdate(other)))
  assert.equal(await ended, 4413)
  await stillWell()
})

test("RL86 an update of ten megabytes reaches the others, and who joins after it", async (t) => {
  const server = await startServer(t, {
    relayLimits: { ...unhurried, sendQueueBytes: 100_000 },
  })
  const { one, other, stillWell } = await honest(t, server)
  one.doc.getMap("big").set("it", new Uint8Array(10 * 1024 * 1024).fill(7))
  const size = ({ doc }: Person) => (doc.getMap("big").get("it") as Uint8Array | undefined)?.length // set above
  await eventually(() => size(other) === 10 * 1024 * 1024)
  const joining = libraries[1]!.come(t, server.ws) // there are four
  // Meanwhile others write: what it is sent is its answer, and more.
  while (!joining.isSynced) {
    write(one, ".")
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(size(joining), 10 * 1024 * 1024)
  assert.equal(joining.closedWith, undefined)

  const slow = await stranger(server)
  slow.socket.pause()
  slow.socket.send(emptyStep1)
  for (let n = 0; n < 10; n++) await stillWell()
  assert.equal(slow.heard.length, 0)
  slow.socket.resume()
  await eventually(() => slow.heard.some((frame) => frame.length > 10 * 1024 * 1024))
  const before = slow.heard.length
  await stillWell()
  await eventually(() => slow.heard.length > before)
  assert.equal(slow.socket.readyState, WebSocket.OPEN)
})

/** Somebody in the room who never reads; and whether he was closed as slow. */
async function deafEnd(t: TestContext, server: Started): Promise<() => Promise<boolean>> {
  const { port } = new URL(server.url)
  const deaf = connect(Number(port), "127.0.0.1")
  t.after(() => deaf.destroy())
  deaf.write(
    `GET /yjs/notes HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\n` +
      "Upgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  )
  await once(deaf, "readable")
  assert.match(String(deaf.read()), /^HTTP\/1.1 101 /)
  return async () =>
    /closes_total\{code="slow"\} [1-9]/.test(await (await fetch(`${server.url}/metrics`)).text())
}

test("RL86 who never reads is closed when 8 MiB wait for it, and the others are not slowed", async (t) => {
  const server = await startServer(t, { relayLimits: { ...unhurried, stalledMs: 600_000 } })
  const { one, stillWell } = await honest(t, server)
  const isClosed = await deafEnd(t, server)
  const before = process.memoryUsage.rss()
  let sent = 0
  while (!(await isClosed())) {
    sent += 1024 * 1024
    // What the kernel holds counts for nobody: it is no more than a few MiB.
    assert.ok(sent < 40 * 1024 * 1024, `${sent} bytes wait for it`)
    one.doc.getMap("big").set("it", new Uint8Array(1024 * 1024))
    await stillWell()
  }
  assert.ok(sent > 8 * 1024 * 1024)
  assert.ok(process.memoryUsage.rss() - before < 300 * 1024 * 1024)
})

test("RL86 who takes nothing for `stalledMs` is closed, however much may wait", async (t) => {
  const server = await startServer(t, {
    relayLimits: { ...unhurried, sendQueueBytes: 1024 ** 3, stalledMs: 1_000 },
  })
  const { one, stillWell } = await honest(t, server)
  const isClosed = await deafEnd(t, server)
  for (let n = 0; n < 16; n++) {
    one.doc.getMap("big").set("it", new Uint8Array(1024 * 1024))
    await stillWell()
  }
  while (!(await isClosed())) await stillWell()
})

test("RL26 a holder that never answers, or late, costs a newcomer some seconds and no one else anything", async (t) => {
  const server = await startServer(t, { relayLimits: { askMs: 300 } })
  // The hanging one is here first, so it is asked first.
  const hanging = await stranger(server)
  hanging.socket.send(emptyStep1)
  await eventually(() => hanging.heard.length > 0)
  const { one, stillWell } = await honest(t, server)
  const newcomer = libraries[1]!.come(t, server.ws) // there are four
  await eventually(() => newcomer.isSynced)
  assert.equal(textOf(newcomer), textOf(one))
  const doc = new Y.Doc()
  doc.getText("t").insert(0, "late ")
  for (let n = 0; n < 5; n++) hanging.socket.send(sync(1, Y.encodeStateAsUpdate(doc)))
  await eventually(() => textOf(newcomer).includes("late "))
  await stillWell()
})

test("RL44 an update with a hole harms nobody: no one else has anything pending in its own text", async (t) => {
  const server = await startServer(t)
  const { one, other, stillWell } = await honest(t, server)
  const { socket, heard } = await stranger(server)
  socket.send(sync(2, withHole(77)))
  // Its sender is asked for what is missing.
  await eventually(() => heard.some((frame) => frame[0] === 0 && frame[1] === 0))
  write(one, "after ")
  await eventually(() => other.doc.getText("t").toString().includes("after "))
  const whole = new Y.Doc()
  whole.clientID = 77
  whole.getText("t").insert(0, "a")
  whole.getText("t").insert(1, "b")
  whole.getText("t").insert(2, "c")
  socket.send(sync(1, Y.encodeStateAsUpdate(whole)))
  await eventually(() => textOf(one).includes("abc") && textOf(other).includes("abc"))
  await stillWell()
})

test("RL70 who shows the client id of another changes nothing of that one's presence", async (t) => {
  const server = await startServer(t)
  const { one, other, stillWell } = await honest(t, server)
  const { socket } = await stranger(server)
  const state = JSON.stringify({ name: "forged" })
  const row = (id: number, clock: number, text: string) =>
    new Writer()
      .uint(1)
      .bytes(new Writer().uint(1).uint(id).uint(clock).text(text).finish())
      .finish()
  socket.send(row(4_242, 1, JSON.stringify({ name: "itself" })))
  for (let n = 0; n < 20; n++) {
    socket.send(row(one.doc.clientID, 2 ** 40 + n, state))
    socket.send(row(one.doc.clientID, 2 ** 41 + n, "null"))
  }
  await eventually(() => seenBy(other).includes("itself"))
  await stillWell()
  assert.deepEqual(seenBy(other), ["itself", "one"])
})

test("RL84 RL91 thousands who join and leave at once leave nothing behind", async (t) => {
  const server = await startServer(t)
  const { stillWell } = await honest(t, server)
  for (let round = 0; round < 10; round++) {
    const lines = await Promise.all(Array.from({ length: 60 }, () => stranger(server)))
    for (const [n, { socket }] of lines.entries()) {
      socket.send(emptyStep1)
      if (n % 2 === 0) socket.terminate()
      else socket.close()
    }
    await Promise.all(lines.map(({ ended }) => ended))
  }
  await stillWell()
  const metrics = await (await fetch(`${server.url}/metrics`)).text()
  assert.match(metrics, /quartet_relay_connections\{dialect="yjs"\} 1\n/)
})
