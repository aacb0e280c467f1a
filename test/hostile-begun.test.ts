/** Far ends that begin what they never end, and pages that come under a name which is not ours. */
import assert from "node:assert/strict"
import { test } from "node:test"
import type { HttpRoute } from "../src/service.ts"
import { eventually, startServer } from "./harness.ts"
import { frame, handshake, type Net, Peer, until, Wire, withNet } from "./net-parts.ts"

/** Nobody reaches its end. */
const upload: HttpRoute = {
  prefix: "/upload",
  bodyBytes: 1_000_000,
  answer: (_, reply) => reply({ status: 200, body: "done" }),
}

const proxied = { gate: { trustProxy: 1 }, http: { routes: [upload] } }

/** One from `address` that has begun a message of so many bytes; the last of them never comes. */
async function halfMessage(net: Net, address: string, bytes: number): Promise<Wire> {
  const wire = await Wire.to(net.port)
  wire.socket.write(handshake("/echo/a", [`X-Forwarded-For: ${address}`]))
  await until(() => wire.text.startsWith("HTTP/1.1 101 "))
  const begun = begunBytes(net)
  wire.socket.write(frame(1, "x".repeat(bytes)).subarray(0, -1))
  await until(() => begunBytes(net) >= begun + bytes)
  return wire
}

/** One from `address` that has begun a body. */
async function halfBody(net: Net, address: string, bytes: number): Promise<Wire> {
  const wire = await Wire.to(net.port)
  const begun = begunBytes(net)
  const lines = ["PUT /upload HTTP/1.1", "Host: a", `X-Forwarded-For: ${address}`]
  wire.socket.write([...lines, `Content-Length: ${bytes + 1}`, "", "x".repeat(bytes)].join("\r\n"))
  await until(() => begunBytes(net) >= begun + bytes)
  return wire
}

function begunBytes({ connections }: Net): number {
  return connections.intake.begunBytes
}

test("SV39 of the address that has begun most the longest goes, and no other", async () => {
  await withNet({ ...proxied, begunBytes: 1_000_000 }, async (net) => {
    const honest = await halfMessage(net, "9.9.9.9", 450_000)
    const many = [
      await halfMessage(net, "6.6.6.6", 100_000),
      await halfMessage(net, "6.6.6.6", 200_000),
      await halfBody(net, "6.6.6.6", 220_000),
    ]
    net.after(100)
    assert.ok(begunBytes(net) > 900_000, "all fits")
    const last = await halfMessage(net, "6.6.6.6", 150_000)
    net.after(100)
    const [, , longest] = many
    assert.match((await longest?.all()) ?? "", /^HTTP\/1\.1 503 [\s\S]*Retry-After: 5/i)
    assert.ok(begunBytes(net) > 890_000)
    await halfMessage(net, "6.6.6.6", 210_000)
    net.after(100)
    await until(() => begunBytes(net) < 1_000_000)
    assert.deepEqual(
      [honest, last, ...many].map(({ isOver }) => isOver),
      [false, false, false, false, true],
    )
    assert.equal(net.connections.traffic.closes("too-many"), 1)
  })
})

test("SV39 what is whole, given up or left is not counted any more", async () => {
  await withNet({ ...proxied, begunBytes: 1_000_000 }, async (net) => {
    const half = await halfMessage(net, "6.6.6.6", 500_000)
    half.socket.write("x")
    await until(() => begunBytes(net) === 0)
    // Pings amid a message are no part of it, and do not hide it.
    half.socket.write(frame(1, "x".repeat(300_000), "more"))
    for (let at = 0; at < 100; at++) half.socket.write(frame(9, "y".repeat(100)))
    await until(() => begunBytes(net) >= 300_000)
    half.socket.write(frame(9, "z"))
    await until(() => half.bytes.includes("z"))
    assert.ok(begunBytes(net) < 301_000, `${begunBytes(net)}`)
    assert.ok(begunBytes(net) >= 300_000)
    half.socket.destroy()
    await until(() => begunBytes(net) === 0)
    const body = await halfBody(net, "6.6.6.6", 500_000)
    body.socket.write("x")
    await until(() => body.text.endsWith("done"))
    assert.equal(begunBytes(net), 0)
    const gone = await halfBody(net, "6.6.6.6", 500_000)
    gone.socket.destroy()
    await until(() => begunBytes(net) === 0)
  })
})

test("SV41 requests of one socket are looked at one by one, and a long line of them cuts it off", async () => {
  const asked: (() => void)[] = []
  const slow: HttpRoute = {
    prefix: "/slow",
    bodyBytes: 0,
    answer: (_, reply) => asked.push(() => reply({ status: 200, body: "done" })),
  }
  await withNet({ http: { routes: [slow] } }, async (net) => {
    const line = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
    const wire = await Wire.to(net.port)
    wire.socket.write(line.repeat(3))
    for (let at = 1; at <= 3; at++) {
      await until(() => asked.length > 0)
      await fetch(`http://127.0.0.1:${net.port}/ready`)
      assert.equal(asked.length, 1, "the next waits for this answer")
      asked.pop()?.()
      await until(() => wire.text.split("done").length === at + 1)
    }
    wire.socket.write(line.repeat(150))
    await until(() => wire.isOver)
    assert.equal(asked.length, 1)
    assert.equal(net.log.faults, 0)
  })
})

test("SV39 answers that are not read are counted, and the reader that holds most is cut off", async () => {
  const big: HttpRoute = {
    prefix: "/big",
    bodyBytes: 0,
    answer: (_, reply) => reply({ status: 200, body: "x".repeat(32 * 1024 * 1024) }),
  }
  await withNet({ begunBytes: 40_000_000, http: { routes: [big] } }, async (net) => {
    const unread = async () => {
      const wire = await Wire.to(net.port)
      wire.socket.pause()
      const before = begunBytes(net)
      wire.socket.write("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
      await until(() => begunBytes(net) > before + 16 * 1024 * 1024)
      return wire
    }
    const wires = [await unread()]
    net.after(100)
    assert.ok(begunBytes(net) > 16 * 1024 * 1024, "one may")
    wires.push(await unread(), await unread())
    net.after(100)
    await until(() => begunBytes(net) <= 40_000_000)
    for (const { socket } of wires) socket.destroy()
    await until(() => begunBytes(net) === 0)
  })
})

test("PL5 over a WebSocket nothing long is taken before the handshake, whole or begun", async (t) => {
  const server = await startServer(t)
  const long = JSON.stringify({ type: "ping", id: "1", padding: "x".repeat(70_000) })
  const whole = new Peer(`${server.ws}/pools`)
  await whole.settled()
  whole.socket.send(long)
  assert.equal((await whole.ended()).code, 1013)
  const told = /at most 65536 bytes before the handshake".*"error_code":"LIMIT"/
  assert.match(whole.heard.join(), told)
  const begun = await Wire.to(Number(new URL(server.url).port))
  begun.socket.write(handshake("/pools"))
  begun.socket.write(frame(1, "x".repeat(200_000)).subarray(0, -1))
  await eventually(() => told.test(begun.text))
  begun.socket.destroy()
  const app = new Peer(`${server.ws}/pools`)
  await app.settled()
  const hello = { type: "handshake", id: "h", app_id: "ada", protocol_version: "1.0" }
  app.socket.send(JSON.stringify(hello))
  await eventually(() => app.heard.some((each) => each.includes("handshake_ack")))
  app.socket.send(long)
  app.socket.send(JSON.stringify({ type: "admin", id: "a", operation: "list_apps" }))
  await eventually(() => app.heard.some((each) => each.includes('"correlation_id":"a"')))
  app.socket.terminate()
})

/** Every way in, and whether it may be asked for under this name. */
async function reached(url: string, host: string): Promise<readonly boolean[]> {
  const port = Number(new URL(url).port)
  const paths = ["/api/socket/a", "/yjs/a", "/hocuspocus/", "/collab/a", "/operators", "/pools"]
  const asks = [
    ...paths.map((path) => handshake(path, [`Origin: http://${host}`])),
    ...["GET /api/text/a", "PUT /api/text/a", "GET /api/relay/rooms", "GET /api/stats"].map(
      (line) => `${line} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n`,
    ),
  ]
  return Promise.all(
    asks.map(async (bytes) => {
      const wire = await Wire.to(port)
      wire.socket.write(bytes.replace("Host: 127.0.0.1", `Host: ${host}`))
      await eventually(() => wire.text.includes("\r\n\r\n"))
      wire.socket.destroy()
      return !wire.text.startsWith("HTTP/1.1 403 ")
    }),
  )
}

test("SV40 on loopback a page under a name that is pointed here reaches no part", async (t) => {
  const server = await startServer(t, { allowedOrigins: ["https://pad.example"] })
  const { port } = new URL(server.url)
  for (const host of ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example"]) {
    const all = await reached(server.url, `${host}:${port}`)
    assert.ok(!all.includes(true), `${host}: ${all}`)
  }
  for (const host of [
    "localhost",
    "127.0.0.1",
    "[::1]",
    "192.168.1.7",
    "tower",
    "a.onion",
    "pad.example",
  ]) {
    const all = await reached(server.url, `${host}:${port}`)
    assert.ok(!all.includes(false), `${host}: ${all}`)
  }
  for (const path of ["health", "ready", "metrics"]) {
    const wire = await Wire.to(Number(port))
    wire.socket.write(`GET /${path} HTTP/1.1\r\nHost: monitor.example\r\nConnection: close\r\n\r\n`)
    await eventually(() => wire.isOver)
    assert.match(wire.text, /^HTTP\/1\.1 (200|503) /, path)
  }
})

test("SV40 behind a proxy, or with another HOST, the server goes by any name", async (t) => {
  for (const settings of [{ trustProxy: 1 }, { host: "0.0.0.0", relayAnonymous: "off" as const }]) {
    const { url } = await startServer(t, settings)
    const wire = await Wire.to(Number(new URL(url).port))
    wire.socket.write("GET /api/stats HTTP/1.1\r\nHost: pad.example\r\nConnection: close\r\n\r\n")
    await eventually(() => wire.isOver)
    assert.match(wire.text, /^HTTP\/1\.1 200 /)
  }
})
