/** The SDK of pools against the real server, in this process. */
import assert from "node:assert/strict"
import { readFileSync, writeFileSync } from "node:fs"
import { createServer as createRelay, connect as dial, type Socket } from "node:net"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { SignJWT } from "jose"
import {
  type App,
  type AppOptions,
  connect as connectSocket,
  keyFromSeed,
  PoolsError,
} from "../src/client/pools.ts"
import { connect } from "../src/client/tcp.ts"
import { selfSigned } from "./certificate.ts"
import { eventually, lastingPort, type Start, startServer, temporaryDirectory } from "./harness.ts"

/** A server, and apps of it over TCP that are closed with the test. */
async function world(t: TestContext, config: Start = {}) {
  const started = await startServer(t, { poolsPort: 0, ...config })
  const address = `tcp://${started.pools[0]}`
  const join = (app: string, options: Partial<AppOptions> = {}) =>
    closing(t, connect(address).pools({ app, ...options }))
  return { ...started, address, join }
}

async function closing(t: TestContext, connecting: Promise<App>): Promise<App> {
  const app = await connecting
  t.after(() => app.close({ withinMs: 0 }))
  return app
}

function failing(promise: Promise<unknown>): Promise<PoolsError> {
  return promise.then(
    (value) => assert.fail(`it gave ${JSON.stringify(value)}`),
    (thrown: unknown) => {
      assert.ok(thrown instanceof PoolsError, String(thrown))
      return thrown
    },
  )
}

test("PL4 PL25 payloads of every kind pass both ways as they are", async (t) => {
  const { join, url } = await world(t)
  const bob = await join("bob")
  await bob.handle("echo", (input) => input)
  const page = await closing(t, connectSocket(url).pools({ app: "page" }))
  const all = Uint8Array.from({ length: 256 }, (_, at) => at)
  for (const ada of [page, await join("ada")]) {
    for (const value of [null, 0, "é€😀", [1, { a: [] }], { "": false }, all, new Uint8Array(0)]) {
      assert.deepEqual(await ada.call("echo", value), value)
    }
    assert.equal(await ada.call("echo"), undefined)
    assert.equal(await ada.call("echo", "plain", { contentType: "text" }), "plain")
    const big = new Uint8Array(1_000_000).fill(7)
    assert.deepEqual(await ada.call("echo", big, { contentType: "app:200" }), big)
  }
  await assert.rejects(page.call("echo", 1n), TypeError)
  await assert.rejects(page.call("echo", "x", { contentType: "app:1" }), TypeError)
})

test("PL14 one connection carries pools, calls, streams and emits of an app", async (t) => {
  const { pools, join } = await world(t)
  const bob = await join("bob")
  await bob.handle("count", async function* () {
    for (let at = 0; at < 40; at++) yield at
  })
  const [host = "", port] = (pools[0] ?? "").split(":")
  let connections = 0
  const sockets = new Set<Socket>()
  const relay = createRelay((socket) => {
    connections += 1
    const onward = dial(Number(port), host)
    sockets.add(socket).add(onward)
    socket.on("error", () => {})
    onward.on("error", () => {})
    socket.pipe(onward).pipe(socket)
  }).listen(0, "127.0.0.1")
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    relay.close()
  })
  await eventually(() => relay.address() !== null)
  const place = relay.address()
  const through = typeof place === "object" && place !== null ? place.port : 0
  const ada = await closing(t, connect(`127.0.0.1:${through}`).pools({ app: "ada" }))
  await ada.pool("vip").create()
  await ada.pool("vip").join()
  await ada.on("news", () => {}, { pool: "vip" })
  assert.deepEqual(await ada.emit("news", 1, { pool: "vip", ack: true }), { reached: 1, lost: 0 })
  const listed = async (credit: number) => {
    const all: unknown[] = []
    for await (const value of ada.stream("count", null, { credit })) all.push(value)
    return all
  }
  const streams = [1, 2, 3].map(listed)
  for (const all of await Promise.all(streams)) assert.equal(all.length, 40)
  assert.equal(connections, 1)
})

test("PL6 PL1 an app comes over TLS, and over a unix socket", async (t) => {
  const path = join(temporaryDirectory(t), "pools.sock")
  const local = await startServer(t, { poolsSocket: path })
  assert.deepEqual(local.pools, [path])
  const root = await closing(t, connect(`unix:${path}`).pools({ app: "root" }))
  assert.partialDeepStrictEqual(await root.admin("server_status"), { cluster: "single" })
  const pki = selfSigned()
  if (pki === undefined) return t.diagnostic("openssl is missing: TLS is not tried")
  const folder = temporaryDirectory(t)
  const files = { cert: `${folder}/cert`, key: `${folder}/key` }
  writeFileSync(files.cert, pki.cert)
  writeFileSync(files.key, pki.key)
  const { pools } = await startServer(t, { poolsPort: 0, tls: files })
  const tls = { ca: readFileSync(files.cert, "utf8") }
  const ada = await closing(t, connect(`tls://${pools[0]}`, { tls }).pools({ app: "ada" }))
  assert.equal(ada.state, "ready")
  // Without its authority nobody is believed; without TLS nobody is heard.
  const stranger = await failing(connect(`tls://${pools[0]}`).pools({ app: "eve" }))
  assert.equal(stranger.code, "CONNECTION_LOST")
  assert.equal((await failing(connect(`tcp://${pools[0]}`).pools({ app: "eve" }))).retry, "idem")
})

test("PL29 PL32 PL34 a key binds an id, and takes it over from whoever has it", async (t) => {
  const { join } = await world(t)
  const key = await keyFromSeed(new Uint8Array(32).fill(7))
  const first = await join("ada", { key })
  const eve = await failing(join("ada", { key: await keyFromSeed(new Uint8Array(32).fill(8)) }))
  assert.equal(eve.code, "UNAUTHENTICATED")
  assert.equal((await failing(join("ada"))).code, "UNAUTHENTICATED")
  const second = await join("ada", { key })
  await eventually(() => first.state === "closed")
  const why = await failing(first.call("x"))
  assert.deepEqual([why.code, why.retry], ["REPLACED", "stay"])
  await second.handle("who", (_, { identity, origin }) => ({ identity, origin }))
  const bob = await join("bob")
  assert.deepEqual(await bob.call("who"), { identity: "none", origin: "bob" })
})

test("PL30 a token proves an id, and is asked for by name", async (t) => {
  const secret = "0123456789abcdef0123456789abcdef"
  const tokenKey = { kind: "secret", secret } as const
  const { join } = await world(t, { poolsAuth: "required", tokenKey })
  const key = new TextEncoder().encode(secret)
  const token = () =>
    new SignJWT({ sub: "ada", aud: "quartet" })
      .setProtectedHeader({ alg: "HS256" })
      .setExpirationTime("1h")
      .sign(key)
  const ada = await join("ada", { token })
  await ada.handle("me", (_, { identity }) => identity)
  assert.equal(await ada.call("me"), "token")
  assert.equal((await failing(join("eve", { token }))).code, "UNAUTHENTICATED")
  assert.equal((await failing(join("eve"))).retry, "stay")
})

test("PL67 an app's own triggers run without the server, with the same deadline, cancel and errors", async (t) => {
  const { join, server } = await world(t)
  const ada = await join("ada")
  const given = { list: [1] }
  let seen: unknown
  await ada.handle("keep", (input) => {
    seen = input
    return input
  })
  const result = await ada.call("keep", given)
  assert.deepEqual(result, given)
  assert.notEqual(seen, given)
  assert.notEqual(result, seen)
  await ada.handle("bad", () => {
    throw Object.assign(new Error("no"), { code: "E_OWN" })
  })
  const bad = await failing(ada.call("bad"))
  assert.deepEqual([bad.code, bad.message, bad.handlerCode], ["HANDLER_ERROR", "no", "E_OWN"])
  const signals: AbortSignal[] = []
  await ada.handle("slow", (_, { signal }) => {
    signals.push(signal)
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
  })
  const late = await failing(ada.call("slow", null, { ttlMs: 20 }))
  assert.deepEqual([late.code, late.executionUncertain], ["TIMEOUT", true])
  const stopping = new AbortController()
  const calling = ada.call("slow", null, { signal: stopping.signal })
  await eventually(() => signals.length === 2)
  stopping.abort()
  assert.equal((await failing(calling)).code, "CANCELLED")
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true, true],
  )
  // A time that is longer than any timer does not end at once.
  await ada.handle("soon", () => new Promise((resolve) => setTimeout(() => resolve("done"), 20)))
  assert.equal(await ada.call("soon", null, { ttlMs: 2 ** 31 }), "done")
  // The server has seen none of them; with `shortCircuit: false` it sees all.
  const calls = async (app: App) => (await app.admin("server_status"))["calls"]
  assert.partialDeepStrictEqual(await calls(ada), { outcomes: {} })
  const far = await join("far", { shortCircuit: false })
  await far.handle("echo", (input) => input)
  assert.equal(await far.call("echo", 5), 5)
  assert.partialDeepStrictEqual(await calls(far), { outcomes: { answered: 1 } })
  assert.ok(server !== undefined)
})

test("PL59 PL70 a call that is a part of another has its time and trace, and ends with it", async (t) => {
  const { join } = await world(t)
  const [ada, bob, cid] = [await join("ada"), await join("bob"), await join("cid")]
  const seen: { deadline: number; traceparent: string | undefined; signal: AbortSignal }[] = []
  await cid.handle("inner", (_, { deadline, traceparent, signal }) => {
    seen.push({ deadline, traceparent, signal })
    return new Promise((resolve) => signal.addEventListener("abort", () => resolve("stopped")))
  })
  const inner: Promise<PoolsError>[] = []
  await bob.handle("outer", (_, call) => {
    inner.push(failing(call.call("inner", null, { ttlMs: 600_000 })))
    return new Promise((resolve) => call.signal.addEventListener("abort", () => resolve("stopped")))
  })
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
  const stopping = new AbortController()
  const { signal } = stopping
  const before = Date.now()
  const calling = ada.call("outer", null, { ttlMs: 20_000, signal, traceparent })
  const work = await eventually(() => seen[0])
  assert.equal(work.traceparent, traceparent)
  const leftMs = work.deadline - before
  assert.ok(leftMs > 0 && leftMs < 300_000, `${leftMs} ms are left`)
  stopping.abort()
  assert.equal((await failing(calling)).code, "CANCELLED")
  assert.equal((await inner[0])?.code, "CANCELLED")
  await eventually(() => work.signal.aborted)
})

test("PL65 a caller that does not read stops its handler, which goes on when it reads", async (t) => {
  const { join } = await world(t)
  const [ada, bob] = [await join("ada"), await join("bob")]
  let made = 0
  let isOver = false
  await bob.handle("numbers", async function* () {
    try {
      for (;;) yield ++made
    } finally {
      isOver = true
    }
  })
  await bob.handle("echo", (input) => input)
  const values = ada.stream<number>("numbers", null, { credit: 4 })[Symbol.asyncIterator]()
  assert.deepEqual(await values.next(), { done: false, value: 1 })
  // Nobody else is held up, and what was made beyond the credit is one that waits to be sent.
  for (let at = 0; at < 20; at++) assert.equal(await ada.call("echo", at), at)
  assert.ok(made <= 6, `${made} were made`)
  for (let at = 2; at <= 100; at++) assert.equal((await values.next()).value, at)
  // Who leaves the loop ends the call.
  await values.return?.()
  await eventually(() => isOver)
})

test("PL84 PL85 PL91 what belongs to no call is told, and a pool tells when one is out of it", async (t) => {
  const { join } = await world(t)
  const faults: string[] = []
  const onFault = ({ code }: PoolsError, about: string) => void faults.push(`${code} ${about}`)
  const [ada, bob] = [await join("ada", { onFault }), await join("bob")]
  assert.equal(await ada.emit("lost.one", 1, { pool: "absent" }), undefined)
  await eventually(() => faults.length === 1)
  assert.match(faults[0] ?? "", /^NO_POOL/)
  await bob.pool("club").create({ rights: { read: ["*"], write: ["*"] } })
  assert.deepEqual(await ada.pool("club").join(), ["read", "write"])
  assert.equal(ada.rights.get("club")?.length, 2)
  const heard: unknown[] = []
  const undo = await ada.on("news", (payload) => heard.push(payload), { pool: "club" })
  const told = { pool: "club", ack: true } as const
  assert.deepEqual(await ada.emit("news", 1, { ...told, excludeSelf: true }), {
    reached: 0,
    lost: 0,
  })
  assert.deepEqual(await ada.emit("news", 2, told), { reached: 1, lost: 0 })
  const members = await ada.pool("club").members()
  assert.deepEqual(
    members.map(({ app, state }) => [app, state]),
    [["ada", "live"]],
  )
  const events: string[] = []
  ada.pool("club").watch(({ event }) => events.push(event))
  assert.equal((await failing(bob.pool("club").destroy())).code, "POOL_IN_USE")
  await bob.pool("club").destroy("force")
  await eventually(() => events.length === 1)
  assert.deepEqual(events, ["destroyed"])
  assert.equal(ada.rights.has("club"), false)
  await undo()
  assert.deepEqual(heard, [2])
})

test("PL39 PL40 a handler is replaced and taken back; listeners share what is subscribed once", async (t) => {
  const { join } = await world(t)
  const [ada, bob] = [await join("ada"), await join("bob")]
  const first = await bob.handle("v", () => 1)
  const second = await bob.handle("v", () => 2, { version: "2", input: { type: "null" } })
  assert.equal(await ada.call("v"), 2)
  // The first was replaced: there is nothing of it to take back.
  await first()
  assert.equal(await ada.call("v"), 2)
  const { triggers } = await ada.admin("list_triggers")
  assert.match(JSON.stringify(triggers), /"app":"bob".*"version":"2"/)
  await second()
  assert.equal((await failing(ada.call("v"))).code, "NO_HANDLER")
  const heard: string[] = []
  const one = await ada.on("a.>", () => heard.push("one"))
  const two = await ada.on("a.>", () => heard.push("two"))
  await bob.emit("a.b", 1, { ack: true })
  await eventually(() => heard.length === 2)
  await one()
  assert.deepEqual(await bob.emit("a.b", 1, { ack: true }), { reached: 1, lost: 0 })
  await eventually(() => heard.length === 3)
  assert.deepEqual(heard, ["one", "two", "two"])
  await two()
  assert.deepEqual(await bob.emit("a.b", 1, { ack: true }), { reached: 0, lost: 0 })
})

test("PL141 PL140 after a restart of the server all that held holds again", async (t) => {
  const port = await lastingPort()
  const { join, stop } = await world(t, { poolsPort: port })
  const [ada, bob] = [await join("ada"), await join("bob")]
  await bob.handle("echo", (input) => input)
  const heard: unknown[] = []
  await ada.on("log.*", (payload) => heard.push(payload))
  const states: string[] = []
  ada.watch((state) => states.push(state))
  await stop()
  await eventually(() => ada.state === "away" && bob.state === "away")
  // Asked for while there is no server: it waits, inside its time.
  const waiting = ada.call("echo", "patient", { ttlMs: 300_000, waitMs: 300_000 })
  await startServer(t, { poolsPort: port })
  assert.equal(await waiting, "patient")
  await bob.emit("log.web", "again", { ack: true })
  await eventually(() => heard.length === 1)
  assert.deepEqual([heard, states.at(-1)], [["again"], "ready"])
  assert.ok(states.includes("away"))
})
