/** Pools over real sockets: frames over TCP and a unix socket, messages over WebSocket. */
import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { connect as connectTls } from "node:tls"
import { WebSocket } from "ws"
import { prefixFraming } from "../src/net/framing.ts"
import { StreamListener } from "../src/net/tcp.ts"
import { FrameReader } from "../src/wire/frames.ts"
import { eventually, startServer, temporaryDirectory } from "./harness.ts"
import { Echo, EchoCodec, limits, partsOf } from "./net-parts.ts"
import { FramedApp } from "./pools-app.ts"

type Heard = Record<string, unknown>

async function socketApp(t: TestContext, url: string) {
  const socket = new WebSocket(`${url}/pools`)
  t.after(() => socket.terminate())
  const heard: Heard[] = []
  socket.on("message", (data, isBinary) => {
    heard.push(isBinary ? { frame: data } : JSON.parse(String(data)))
  })
  await once(socket, "open")
  const hears = (type: string) => eventually(() => heard.find((each) => each["type"] === type))
  return { socket, heard, hears, says: (message: object) => socket.send(JSON.stringify(message)) }
}

/** An authority that is its own server, and the certificate of the app `ada` by it. */
function makePki(t: TestContext) {
  const folder = temporaryDirectory(t)
  const at = (name: string) => join(folder, name)
  const openssl = (...words: string[]) => execFileSync("openssl", words, { stdio: "pipe" })
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
  const subject = ["-subj", "/CN=localhost"]
  openssl(
    "req",
    "-x509",
    ...curve,
    ...subject,
    "-days",
    "2",
    "-keyout",
    at("key"),
    "-out",
    at("cert"),
  )
  openssl("req", "-new", ...curve, "-subj", "/CN=ada", "-keyout", at("app-key"), "-out", at("csr"))
  writeFileSync(at("ext"), "subjectAltName=URI:urn:quartet:app:ada\n")
  openssl(
    ...["x509", "-req", "-in", at("csr"), "-CA", at("cert"), "-CAkey", at("key"), "-days", "2"],
    ...["-set_serial", "7", "-extfile", at("ext"), "-out", at("app-cert")],
  )
  return { cert: at("cert"), key: at("key"), appCert: at("app-cert"), appKey: at("app-key") }
}

test("PL1 PL13 a call goes from a page on WebSocket to an app on TCP and back", async (t) => {
  const { pools, ws } = await startServer(t, { poolsPort: 0 })
  const adder = new FramedApp(t, pools[0] ?? "")
  await adder.shakesHands("adder", { triggers: ["add"] })
  const page = await socketApp(t, ws)
  page.says({ type: "handshake", id: "h", app_id: "page", protocol_version: "1.0" })
  await page.hears("handshake_ack")
  page.says({ type: "trigger", id: "1", trigger: "add", payload: { x: 1, y: 2 } })
  const call = await adder.hears("trigger")
  assert.partialDeepStrictEqual(call, { trigger: "add", payload: { x: 1, y: 2 }, origin: "page" })
  adder.says({ type: "response", correlation_id: call["id"], status: "success", result: 3 })
  const answer = await page.hears("response")
  assert.partialDeepStrictEqual(answer, { correlation_id: "1", status: "success", result: 3 })
})

test("PL1 PL31 a unix socket is for this machine, and who comes by it governs the server", async (t) => {
  const path = join(temporaryDirectory(t), "pools.sock")
  const { pools } = await startServer(t, { poolsSocket: path })
  assert.deepEqual(pools, [path])
  const root = new FramedApp(t, path)
  await root.shakesHands("root", { pools: ["default", "system"] })
  const ada = new FramedApp(t, path)
  await ada.shakesHands("ada")
  root.says({ type: "admin", id: "1", operation: "disconnect_app", target: "ada" })
  assert.partialDeepStrictEqual(await root.hears("response"), { result: { closed: 1 } })
  assert.partialDeepStrictEqual(await ada.hears("error"), { error_code: "REPLACED", close: "stay" })
  await eventually(() => ada.isOver)
})

test("PL2 PL5 a frame too long is refused before a byte of it is kept", async (t) => {
  const { pools } = await startServer(t, { poolsPort: 0 })
  const length = (bytes: number) => {
    const prefix = Buffer.alloc(4)
    prefix.writeUInt32BE(bytes)
    return prefix
  }
  const early = new FramedApp(t, pools[0] ?? "")
  early.socket.write(length(70_000))
  assert.partialDeepStrictEqual(await early.hears("error"), { error_code: "LIMIT", close: "conn" })
  const app = new FramedApp(t, pools[0] ?? "")
  await app.shakesHands("ada")
  app.socket.write(length(70_000))
  app.socket.write(Buffer.concat([Buffer.alloc(70_000, 0x20), length(17 * 1024 * 1024)]))
  await eventually(() => app.isOver)
  const codes = app.heard.filter(({ type }) => type === "error").map((each) => each["error_code"])
  assert.deepEqual(codes, ["BAD_MESSAGE", "BAD_FRAME"])
  const empty = new FramedApp(t, pools[0] ?? "")
  empty.socket.write(length(0))
  assert.partialDeepStrictEqual(await empty.hears("error"), {
    error_code: "BAD_FRAME",
    close: "stay",
  })
})

test("PL11 what one turn brings for one app leaves in one piece, in the form that it chose", async (t) => {
  const { pools, ws } = await startServer(t, { poolsPort: 0 })
  const bob = await socketApp(t, ws)
  bob.says({
    ...{ type: "handshake", id: "h", app_id: "bob", protocol_version: "1.0", topics: ["t"] },
    features: ["compact"],
  })
  await bob.hears("handshake_ack")
  const ada = new FramedApp(t, pools[0] ?? "")
  await ada.shakesHands("ada")
  const emits = Array.from({ length: 50 }, (_, at) =>
    prefixFraming(Buffer.from(JSON.stringify({ type: "emit", trigger: "t", payload: at }))),
  )
  ada.socket.write(Buffer.concat(emits))
  await eventually(() => bob.heard.length === 51)
  assert.ok(bob.heard.slice(1).every(({ frame }) => (frame as Uint8Array)[0] === 0xb1))
})

test("PL17 serves the schemas that it runs", async (t) => {
  const { url } = await startServer(t, {})
  const response = await fetch(`${url}/schemas/pools.json`)
  assert.match(response.headers.get("content-type") ?? "", /schema\+json/)
  const { $defs } = (await response.json()) as { $defs: Record<string, { required: string[] }> }
  assert.deepEqual($defs["trigger"]?.required, ["id", "trigger"])
})

test("PL6 PL7 over TLS an app is who its certificate says, and without one nobody", async (t) => {
  const pki = makePki(t)
  const { pools } = await startServer(t, {
    ...{ poolsPort: 0, tls: { cert: pki.cert, key: pki.key }, poolsTlsCa: pki.cert },
  })
  const [host = "", port] = (pools[0] ?? "").split(":")
  const plain = new FramedApp(t, pools[0] ?? "")
  plain.says({ type: "handshake", id: "h", app_id: "ada" })
  await eventually(() => plain.isOver)
  assert.deepEqual(plain.heard, [])
  const shakes = async (app_id: string, certificate: object) => {
    const socket = connectTls({
      ...{ host, port: Number(port), rejectUnauthorized: false, ...certificate },
    })
    t.after(() => socket.destroy())
    const heard: Heard[] = []
    const reader = new FrameReader(1024 * 1024)
    let isOver = false
    socket.on("error", () => {})
    socket.on("close", () => {
      isOver = true
    })
    socket.on("data", (chunk: Buffer) => {
      for (const frame of reader.push(chunk)) heard.push(JSON.parse(Buffer.from(frame).toString()))
    })
    const hello = { type: "handshake", id: "h", app_id, protocol_version: "1.0" }
    socket.write(prefixFraming(Buffer.from(JSON.stringify(hello))))
    await eventually(() => heard.length > 0 || isOver)
    return heard[0]
  }
  const own = { cert: readFileSync(pki.appCert), key: readFileSync(pki.appKey) }
  assert.partialDeepStrictEqual(await shakes("ada", own), { type: "handshake_ack" })
  assert.partialDeepStrictEqual(await shakes("eve", own), { error_code: "UNAUTHENTICATED" })
  assert.equal(await shakes("ada", {}), undefined)
})

test("PL14 one connection carries all pools, calls, streams and emits of its app", async (t) => {
  const { url, pools } = await startServer(t, { poolsPort: 0 })
  const ada = new FramedApp(t, pools[0] ?? "")
  await ada.shakesHands("ada", { triggers: ["work"] })
  ada.says({ type: "pool", id: "1", operation: "create", pool: "mine" })
  ada.says({ type: "pool", id: "2", operation: "join", pool: "mine" })
  ada.says({ type: "register", id: "3", pool: "mine", triggers: ["work"] })
  ada.says({ type: "subscribe", id: "4", pool: "mine", topics: ["news"] })
  ada.says({ type: "emit", id: "5", pool: "mine", trigger: "news", flags: ["ack"], payload: 1 })
  ada.says({ type: "trigger", id: "6", trigger: "work", flags: ["stream"] })
  ada.says({ type: "trigger", id: "7", pool: "mine", trigger: "work" })
  const calls = await eventually(() => {
    const found = ada.heard.filter(({ type }) => type === "trigger")
    return found.length === 2 && found
  })
  const [streamed, plain] = calls.map((call) => call["id"])
  ada.says({ type: "chunk", correlation_id: streamed, to: "caller", seq: 0, payload: "part" })
  for (const id of [plain, streamed]) {
    ada.says({ type: "response", correlation_id: id, status: "success", result: "done" })
  }
  for (const id of ["1", "2", "3", "4", "5"]) {
    assert.partialDeepStrictEqual(await ada.answerTo(id), { status: "success" })
  }
  assert.partialDeepStrictEqual(await ada.answerTo("7"), { result: "done" })
  const of6 = () => ada.heard.filter((each) => each["correlation_id"] === "6")
  await eventually(() => of6().length === 2)
  assert.deepEqual(
    of6().map(({ type }) => type),
    ["chunk", "response"],
  )
  assert.partialDeepStrictEqual(await ada.hears("emit"), { trigger: "news", payload: 1 })
  const metrics = await (await fetch(`${url}/metrics`)).text()
  assert.match(metrics, /^quartet_pools_sessions 1$/m)
})

test("PL13 a page of another origin is refused before the upgrade, and nothing is compressed", async (t) => {
  const { ws } = await startServer(t, {})
  const foreign = new WebSocket(`${ws}/pools`, { origin: "https://evil.example" })
  const [response] = await once(foreign, "unexpected-response").then(([, answer]) => [answer])
  assert.equal(response.statusCode, 403)
  const page = await socketApp(t, ws)
  assert.equal(page.socket.extensions, "")
})

test("PL12 whoever does not read is closed, and nobody else notices", async (t) => {
  const { pools } = await startServer(t, { poolsPort: 0 })
  const bob = new FramedApp(t, pools[0] ?? "")
  await bob.shakesHands("bob", { triggers: ["work"] })
  const deaf = new FramedApp(t, pools[0] ?? "")
  await deaf.shakesHands("deaf")
  const cid = new FramedApp(t, pools[0] ?? "")
  await cid.shakesHands("cid")
  deaf.socket.pause()
  const result = "x".repeat(2 * 1024 * 1024)
  const answer = (call: Heard) =>
    bob.says({ type: "response", correlation_id: call["id"], status: "success", result })
  const calls = () => bob.heard.filter(({ type }) => type === "trigger")
  for (let at = 0; at < 40; at++) deaf.says({ type: "trigger", id: `${at}`, trigger: "work" })
  await eventually(() => calls().length === 40)
  for (const call of calls()) answer(call)
  // Its open calls are cancelled when it is gone.
  await eventually(() => bob.heard.some(({ type }) => type === "cancel") || deaf.isOver)
  cid.says({ type: "trigger", id: "1", trigger: "work" })
  const call = await eventually(() => calls()[40])
  bob.says({ type: "response", correlation_id: call["id"], status: "success", result: "still" })
  assert.partialDeepStrictEqual(await cid.hears("response"), { result: "still" })
  bob.says({ type: "admin", id: "a", operation: "list_apps" })
  const listed = await bob.hears("response")
  assert.match(JSON.stringify(listed), /"app_id":"deaf"[^}]*"state":"away"/)
})

test("PL5 begun frames of all connections together have a limit", async (t) => {
  const { connections, gate } = partsOf()
  const service = new Echo()
  const ingress = { limitBytes: 100_000, bytes: 0 }
  const route = {
    name: "echo",
    framing: "prefixed" as const,
    ...{ service, codec: new EchoCodec() },
  }
  const listener = new StreamListener({ route: { ...route, limits, ingress }, connections, gate })
  const place = await listener.listen({ host: "127.0.0.1", port: 0 })
  t.after(() => listener.stopListening())
  const begun = Buffer.alloc(64_004)
  begun.writeUInt32BE(80_000)
  const first = new FramedApp(t, place)
  first.socket.write(begun)
  await eventually(() => ingress.bytes === 64_004)
  const second = new FramedApp(t, place)
  second.socket.on("data", () => {})
  second.socket.write(begun)
  await eventually(() => second.isOver)
  assert.equal(first.isOver, false)
  await eventually(() => ingress.bytes === 64_004)
  first.socket.destroy()
  await eventually(() => ingress.bytes === 0)
})

test("PL69 a server that is stopped lets its calls end first", async (t) => {
  const { pools, server } = await startServer(t, { poolsPort: 0 })
  const bob = new FramedApp(t, pools[0] ?? "")
  await bob.shakesHands("bob", { triggers: ["work"] })
  const ada = new FramedApp(t, pools[0] ?? "")
  await ada.shakesHands("ada")
  ada.says({ type: "trigger", id: "1", trigger: "work" })
  const call = await bob.hears("trigger")
  const stopped = server.stop()
  await ada.hears("drain")
  bob.says({ type: "response", correlation_id: call["id"], status: "success", result: "in time" })
  assert.partialDeepStrictEqual(await ada.hears("response"), { result: "in time" })
  assert.partialDeepStrictEqual(await ada.hears("error"), {
    error_code: "GOING_AWAY",
    close: "conn",
  })
  assert.equal(await stopped, "done")
})
