/** Raw rooms of the SDK against real servers, with a CRDT that the relay knows nothing of. */
import assert from "node:assert/strict"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { type TestContext, test } from "node:test"
import { WebSocketServer } from "ws"
import { Presence } from "../src/client/room-presence.ts"
import { eventually, HandClock, lastingPort, type Start, startServer } from "./harness.ts"
import { agree, between, enter, secret, settled, tokenFor } from "./room-parts.ts"

const tokenKey = { kind: "secret", secret } as const

test("RL130 carries any CRDT's bytes both ways, and brings a newcomer up to date", async (t) => {
  const { url } = await startServer(t)
  const ada = enter(t, url, { senderId: "ada" })
  assert.equal(ada.room.state, "connecting")
  ada.write("one", "two")
  await settled(0, ada)
  const bob = enter(t, url, { senderId: "bob" })
  await agree("one two", ada, bob)
  bob.write("three")
  await agree("one two three", ada, bob)
  assert.ok(ada.told.includes("bob: three"))
  await eventually(() => ada.room.unacknowledged + bob.room.unacknowledged === 0)
})

test("RL130 is found below the path that a server has, and rooms are apart", async (t) => {
  const { url } = await startServer(t, { pathPrefix: "/quartet/" })
  const name = "a room/with ? signs # and ä"
  const [ada, bob] = [enter(t, `${url}/quartet`, { name }), enter(t, `${url}/quartet/`, { name })]
  const elsewhere = enter(t, `${url}/quartet/`, { name: "a room" })
  await settled(1, ada, bob)
  ada.write("here")
  await agree("here", bob)
  await settled(0, elsewhere)
  assert.equal(elsewhere.words.size, 0)
})

test("RL130 answers with a difference where the newcomer has a version, else with all", async (t) => {
  const { url } = await startServer(t)
  const ada = enter(t, url, { senderId: "ada", words: ["one", "two"] })
  await settled(0, ada)
  const bob = enter(t, url, { senderId: "bob", words: ["two", "three"] })
  await agree("one two three", ada, bob)
  assert.ok(ada.told.includes("asked by one with three two"))
  assert.ok(bob.told.includes("server: one"), bob.told.join("; "))
  // And what the others lacked is the difference to what the holder said that it has.
  assert.deepEqual(
    ada.told.filter((each) => each.startsWith("bob")),
    ["bob: three"],
  )
  const cleo = enter(t, url, { versions: "without" })
  await agree("one two three", cleo)
  assert.ok([...ada.told, ...bob.told].includes("asked by one with nothing known"))
})

test("RL37 RL130 asks exactly one replica of a new room to fill it", async (t) => {
  const { url } = await startServer(t)
  const replicas = Array.from({ length: 6 }, (_, at) => enter(t, url, { fills: `by-${at}` }))
  await eventually(() => replicas.every(({ words }) => words.size === 1))
  const asked = replicas.filter(({ told }) => told.includes("asked to fill"))
  assert.equal(asked.length, 1)
  const late = enter(t, url, { fills: "late" })
  await agree([...(asked[0]?.words ?? [])].join(" "), late, ...replicas)
})

test("RL131 gives what was written before and between connections, in order", async (t) => {
  const { url } = await startServer(t)
  const line = await between(t, url)
  const [ada, bob] = [enter(t, line.url, { senderId: "ada" }), enter(t, url)]
  await settled(1, ada, bob)
  line.cut()
  await eventually(() => ada.room.state === "connecting")
  ada.write("one", "two", "three")
  bob.write("four")
  assert.equal(ada.room.unacknowledged, 3)
  await agree("one two three four", ada, bob)
  await eventually(() => ada.room.unacknowledged === 0)
  const order = bob.told.filter((each) => each.startsWith("ada: ")).map((each) => each.slice(5))
  assert.deepEqual(order.slice(0, 3), ["one", "two", "three"])
})

test("RL131 gives what it has to a server that was started again", async (t) => {
  const port = await lastingPort()
  const first = await startServer(t, { port })
  const [ada, bob] = [enter(t, first.url), enter(t, first.url)]
  ada.write("one")
  await agree("one", ada, bob)
  const closings: unknown[] = []
  ada.room.on("closed", ({ code, comesBack }) => closings.push([code, comesBack]))
  await first.stop()
  await eventually(() => closings.length > 0)
  assert.deepEqual(closings[0], [1012, true])
  ada.write("two")
  bob.write("three")
  await startServer(t, { port })
  await agree("one two three", ada, bob)
  const cleo = enter(t, first.url)
  await agree("one two three", cleo)
})

test("RL131 keeps 8 MiB for the next return, and beyond that one snapshot", async (t) => {
  const { url } = await startServer(t)
  const line = await between(t, url)
  const ada = enter(t, line.url)
  const bob = enter(t, url)
  await settled(1, ada, bob)
  line.cut()
  await eventually(() => ada.room.state === "connecting")
  const long = "x".repeat(1024 * 1024)
  const words = Array.from({ length: 9 }, (_, at) => `${at}${long}`)
  ada.write(...words)
  assert.equal(ada.room.unacknowledged, 9)
  assert.ok(!ada.told.some((each) => each.startsWith("asked")))
  await agree(words.join(" "), bob)
  // All nine came as one update, made when it was known what bob lacked.
  assert.equal(bob.told.filter((each) => each.startsWith(ada.room.senderId)).length, 1)
  assert.ok(ada.told.includes("asked by one with "))
  await eventually(() => ada.room.unacknowledged === 0)
})

test("RL131 tells how many edits are not acknowledged", async (t) => {
  const { url } = await startServer(t)
  const ada = enter(t, url)
  const counts: number[] = []
  ada.room.on("acknowledged", (left) => counts.push(left))
  ada.write("one", "two")
  assert.equal(ada.room.unacknowledged, 2)
  await eventually(() => counts.length === 2)
  assert.deepEqual(counts, [1, 0])
})

test("RL132 shows who is here and what they show, and again after a return", async (t) => {
  const { url } = await startServer(t)
  const line = await between(t, url)
  const ada = enter(t, line.url, { senderId: "ada" })
  ada.room.present({ at: 1 })
  const bob = enter(t, url, { senderId: "bob" })
  await eventually(() => (bob.room.others.get("ada") as { at?: number } | null)?.at === 1)
  await eventually(() => ada.room.others.has("bob"))
  assert.equal(ada.room.others.get("bob"), null)
  assert.ok(!ada.room.others.has("ada"))
  const seen: unknown[] = []
  bob.room.on("others", (others) => seen.push(others.get("ada")))
  for (let at = 2; at <= 500; at++) ada.room.present({ at })
  await eventually(() => (bob.room.others.get("ada") as { at: number }).at === 500)
  assert.ok(seen.length <= 3, `${seen.length} were told`)
  line.cut()
  await eventually(() => ada.room.state === "connecting")
  assert.equal(ada.room.others.size, 0)
  ada.room.present({ at: 501 })
  await eventually(() => (bob.room.others.get("ada") as { at?: number } | null)?.at === 501)
  await eventually(() => ada.room.others.has("bob"))
  ada.room.present(null)
  await eventually(() => bob.room.others.get("ada") === null)
  ada.room.close()
  await eventually(() => !bob.room.others.has("ada"))
})

test("RL132 what is shown leaves at once, then the last of it each 50 ms", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] })
  const said: object[] = []
  const presence = new Presence({
    self: "ada",
    say: (payload) => said.push(payload),
    changed: () => {},
  })
  presence.joined()
  for (let at = 1; at <= 3; at++) presence.present({ at })
  t.mock.timers.tick(49)
  assert.deepEqual(said, [{ at: 1 }])
  t.mock.timers.tick(1)
  assert.deepEqual(said, [{ at: 1 }, { at: 3 }])
  t.mock.timers.tick(50)
  presence.present(null)
  assert.deepEqual(said.slice(2), [{}])
  presence.parted()
})

test("RL133 a viewer reads, and what it writes reaches nobody", async (t) => {
  const { url } = await startServer(t, { tokenKey })
  const ada = enter(t, url, { token: await tokenFor({ role: "editor" }) })
  ada.write("one")
  await settled(0, ada)
  assert.equal(ada.room.role, "editor")
  const roles: unknown[] = []
  const bob = enter(t, url, { token: () => tokenFor({ sub: "bob", role: "viewer" }) })
  bob.room.on("role", (role) => roles.push(role))
  await agree("one", bob)
  assert.deepEqual(roles, ["viewer"])
  bob.write("forbidden")
  ada.write("two")
  await agree("one two forbidden", bob)
  await agree("one two", ada)
  assert.equal(bob.room.unacknowledged, 1)
})

test("RL133 who was believed to be an editor learns that it is none", async (t) => {
  const { url } = await startServer(t, { relayAnonymous: "viewer" })
  const ada = enter(t, url)
  await eventually(() => ada.room.state === "waiting")
  assert.equal(ada.room.role, undefined)
  ada.write("forbidden")
  await eventually(() => ada.room.role === "viewer")
})

test("RL133 a token stands in no address, and a bad one is told and not tried again", async (t) => {
  const { url } = await startServer(t, { tokenKey })
  const line = await between(t, url)
  const token = await tokenFor({ role: "editor" })
  const ada = enter(t, line.url, { token })
  await settled(0, ada)
  const [request = ""] = Buffer.concat(line.seen).toString("latin1").split("\r\n\r\n")
  assert.match(request, /^GET \/collab\/notes HTTP/)
  assert.ok(request.includes(`bearer.${token}`))
  const bob = enter(t, line.url, { token: "nonsense" })
  const closings: unknown[] = []
  bob.room.on("closed", (ending) => closings.push(ending))
  await eventually(() => bob.room.state === "closed")
  assert.deepEqual(closings, [
    { code: 4401, sentence: "the token cannot be verified", comesBack: false },
  ])
})

/** A server and a client whose time is turned by hand, together. */
async function timed(t: TestContext, config: Start = {}) {
  const clock = new HandClock()
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: clock.now() })
  const { url } = await startServer(t, { ...config, clock })
  const line = await between(t, url)
  const pass = async (ms: number): Promise<void> => {
    for (let at = 0; at < ms; at += 1_000) {
      t.mock.timers.tick(1_000)
      clock.turn(1_000)
      // What one side says in this second the other hears in it.
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return { clock, line, pass }
}

test("RL95 RL133 shows a newer token before the last one ends, and stays", async (t) => {
  const { clock, line, pass } = await timed(t, { tokenKey })
  let asked = 0
  const token = () => {
    asked += 1
    return tokenFor({ role: asked === 1 ? "viewer" : "editor" }, { seconds: 60, now: clock.now() })
  }
  const ada = enter(t, line.url, { token })
  await eventually(() => ada.room.role === "viewer")
  await pass(21_000)
  await eventually(() => ada.room.role === "editor")
  assert.equal(asked, 2)
  // The first one ended a minute after it was made; the second one counts.
  await pass(45_000)
  ada.write("still here")
  await pass(1_000)
  await eventually(() => ada.room.unacknowledged === 0)
  assert.equal(line.lines, 1)
})

test("RL134 a line on which nothing happens is not taken for dead", async (t) => {
  const { line, pass } = await timed(t)
  const ada = enter(t, line.url)
  await eventually(() => ada.room.state === "waiting")
  await pass(300_000)
  assert.equal(ada.room.state, "open")
  assert.equal(line.lines, 1)
})

test("RL133 comes back after an end that may be, and stays away after one that is final", async (t) => {
  const codes = [4399, 4503, 1012, 1013, 4528, 4413]
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" })
  t.after(() => server.close())
  await once(server, "listening")
  server.on("connection", (socket) => socket.close(codes.shift() ?? 1012))
  const { port } = server.address() as AddressInfo // it listens on TCP
  const ada = enter(t, `http://127.0.0.1:${port}`)
  const closings: unknown[] = []
  ada.room.on("closed", ({ code, comesBack }) => closings.push([code, comesBack]))
  await eventually(() => ada.room.state === "closed")
  assert.deepEqual(closings, [
    [4399, true],
    [4503, true],
    [1012, true],
    [1013, true],
    [4528, true],
    [4413, false],
  ])
})

test("RL133 a closed room says and hears nothing more", async (t) => {
  const { url } = await startServer(t)
  const [ada, bob] = [enter(t, url), enter(t, url)]
  await settled(1, ada, bob)
  ada.write("last")
  ada.room.close()
  ada.room.close()
  await agree("last", bob)
  await settled(0, bob)
  ada.write("unheard")
  bob.write("also unheard")
  await eventually(() => bob.room.unacknowledged === 0)
  assert.equal(ada.room.state, "closed")
  assert.deepEqual([...bob.words].sort(), ["also unheard", "last"])
  assert.ok(!ada.words.has("also unheard"))
})
