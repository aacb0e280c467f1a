/**
 * A whole server with all of its parts, and strangers who mean harm before any part hears of them:
 * half requests, floods, paths, headers, pages of elsewhere, JSON that is no data. What each part
 * does with a bad message stands in its own tests.
 */
import assert from "node:assert/strict"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { WebSocket } from "ws"
import { connect } from "../src/client/client.ts"
import { eventually, type Start, type Started, startServer } from "./harness.ts"
import { frame, handshake, Wire } from "./net-parts.ts"

const root = join(import.meta.dirname, "..")

/** Where each part's WebSocket is. */
const sockets = ["/api/socket/a", "/yjs/a", "/hocuspocus/", "/collab/a", "/operators", "/pools"]

const portOf = ({ url }: Started) => Number(new URL(url).port)

/** What the server says to these bytes, up to its end of the connection. */
async function ask(server: Started, bytes: string | Buffer): Promise<string> {
  const wire = await Wire.to(portOf(server))
  wire.socket.write(bytes)
  await eventually(() => wire.isOver)
  return wire.text
}

/** A request that ends its connection. */
function request(target: string, headers: readonly string[] = []): string {
  return [`${target} HTTP/1.1`, "Host: 127.0.0.1", "Connection: close", ...headers, "\r\n"].join(
    "\r\n",
  )
}

/** Two editors, and a proof that each still hears the other. */
async function honest(t: TestContext, server: Started) {
  const come = () => {
    const text = connect(server.url).documents.open("apart")
    t.after(() => text.close())
    return text
  }
  const [ada, bob] = [come(), come()]
  await eventually(() => ada.state === "synchronized" && bob.state === "synchronized")
  let said = 0
  return async () => {
    ada.replace(0, ada.text.length, `number ${++said}`)
    await eventually(() => bob.text === `number ${said}`)
  }
}

test("SV20 who sends a request drop by drop, or none, is cut off, and others are served meanwhile", {
  timeout: 300_000,
}, async (t) => {
  const server = await startServer(t)
  const stillWell = await honest(t, server)
  const slow = {
    "the request line": "GET /".padEnd(10_000, "a"),
    headers: `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(10_000)}`,
    "an upgrade": handshake("/api/socket/a").replace("Sec-WebSocket-Key", "X".repeat(10_000)),
    "a second request": `${request("GET /ready").replace("close", "keep-alive")}GET /${"a".repeat(9_999)}`,
  }
  const wires = await Promise.all(
    Object.values(slow).map(async (bytes) => {
      const wire = await Wire.to(portOf(server))
      let at = 100
      wire.socket.write(bytes.slice(0, at))
      const drops = setInterval(() => wire.socket.write(bytes.slice(at, ++at)), 100)
      wire.socket.on("close", () => clearInterval(drops))
      t.after(() => clearInterval(drops))
      return wire
    }),
  )
  const silent = await Wire.to(portOf(server))
  t.after(() => silent.socket.destroy())
  while (!wires.every(({ isOver }) => isOver)) await stillWell()
  for (const wire of wires) assert.match(wire.text, /HTTP\/1\.1 408 /)
  await eventually(() => silent.isOver)
})

test("SV20 SV15 who ends its half is answered, and an editor that does so has left", async (t) => {
  const server = await startServer(t)
  const whole = await Wire.to(portOf(server))
  whole.socket.end(request("GET /ready").replace("Connection: close\r\n", ""))
  await eventually(() => whole.isOver)
  assert.match(whole.text, /ready$/)
  const ada = new WebSocket(`${server.ws}/api/socket/notes`)
  t.after(() => ada.terminate())
  const heard: string[] = []
  ada.on("message", (data) => heard.push(String(data)))
  await eventually(() => heard.length > 0)
  const half = await Wire.to(portOf(server))
  half.socket.write(handshake("/api/socket/notes"))
  half.socket.write(frame(1, '{"ClientInfo":{"name":"half","hue":1}}'))
  await eventually(() => heard.some((each) => each.includes("half")))
  half.socket.end()
  await eventually(() => heard.at(-1) === '{"UserInfo":{"id":1}}')
})

test("SV16 a flood up to the limits is turned away, costs others nothing, and leaves nothing", async (t) => {
  const server = await startServer(t, { maxConnections: 12 })
  const stillWell = await honest(t, server)
  const flood: Wire[] = []
  const open = () => flood.filter(({ isOver }) => !isOver)
  for (let round = 0; round < 6; round++) {
    const wires = await Promise.all(Array.from({ length: 20 }, () => Wire.to(portOf(server))))
    for (const [at, wire] of wires.entries()) {
      if (at % 2 === 0) wire.socket.write(handshake("/api/socket/flood"))
    }
    flood.push(...wires)
    await stillWell()
  }
  await eventually(() => open().length <= 2 * 12)
  const isIn = ({ text }: Wire) => text.startsWith("HTTP/1.1 101 ")
  await eventually(() => flood.filter(isIn).length >= 8)
  assert.ok(open().filter(isIn).length <= 12 - 2)
  await stillWell()
  for (const { socket } of flood) socket.destroy()
  // Everybody has left: there is room again for as many.
  const metrics = async () => (await fetch(`${server.url}/metrics`)).text()
  let figures = ""
  while (!/quartet_net_connections(\{[^}]*\})? 2\n/.test(figures)) {
    figures = await metrics().catch(() => "") // until there is room for its socket
  }
  for (let left = 10; left > 0; left--) {
    const wire = await Wire.to(portOf(server))
    t.after(() => wire.socket.destroy())
    wire.socket.write(handshake("/api/socket/after"))
    await eventually(() => wire.text.includes("\r\n\r\n"))
    assert.ok(isIn(wire), wire.text)
  }
  await stillWell()
})

test("SV21 no spelling of a path leads out of the page's files", async (t) => {
  const server = await startServer(t)
  const dots = ["..", "%2e%2e", "%2E.", "%252e%252e", "..%00", "%c0%ae%c0%ae", "%uff0e%uff0e"]
  const slashes = ["/", "%2f", "%5c", "\\", "%252f", "//", "/./", "%c0%af"]
  const ends = ["package.json", "etc/passwd", "src/main.ts", "proc/self/environ"]
  const paths = dots.flatMap((dot) =>
    slashes.flatMap((slash) => {
      const up = `${dot}${slash}`.repeat(6)
      return ends.flatMap((end) => [`/${up}${end}`, `/assets/${up}${end}`])
    }),
  )
  const whole = [
    "/package.json",
    "/index.html/..",
    "//etc/passwd",
    "/C:/windows",
    "/assets/",
    "/.git",
  ]
  const wire = await Wire.to(portOf(server))
  for (const path of [...paths, ...whole]) {
    wire.socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    const end = /\r\n\r\n(?:not found|bad request)$/
    await eventually(() => end.test(wire.text) || wire.text.startsWith("HTTP/1.1 200"))
    assert.match(wire.text, /^HTTP\/1\.1 (?:404 Not Found|400 Bad Request)\r\n/, path)
    wire.bytes = Buffer.alloc(0)
  }
  wire.socket.destroy()
})

test("SV19 SV18 more header lines than are looked at are refused, so that none is pushed out", async (t) => {
  const server = await startServer(t, { trustProxy: 1 })
  const junk = Array.from({ length: 100 }, (_, at) => `A${at}: 1`)
  const last = "X-Forwarded-For: 192.0.2.1"
  // From this machine one may look without a token; nobody comes to be of it by many headers.
  assert.match(await ask(server, request("GET /api/relay/rooms", [last])), /^HTTP\/1\.1 401 /)
  assert.match(
    await ask(server, request("GET /api/relay/rooms", [...junk, last])),
    /^HTTP\/1\.1 431 /,
  )
  const upgrade = await ask(server, handshake("/api/socket/a", [...junk, last]))
  assert.match(upgrade, /^HTTP\/1\.1 400 [\s\S]*too many header lines$/)
})

test("SV19 SV20 headers without end and lengths that contradict each other are refused", async (t) => {
  const server = await startServer(t)
  const stillWell = await honest(t, server)
  const both = ["Content-Length: 4", "Transfer-Encoding: chunked"]
  const put = "PUT /api/text/a"
  const bad = [
    request("GET /", [`X: ${"x".repeat(40_000)}`]),
    request("GET /", Array<string>(9_000).fill("X: 1")),
    request(`GET /${"a".repeat(40_000)}`),
    handshake("/api/socket/a", [`Cookie: ${"a=b; ".repeat(9_000)}`]),
    `${request(put, both)}0\r\n\r\n`,
    `${request(put, ["Content-Length: 4", "Content-Length: 5"])}abcde`,
    `${request(put, ["Content-Length: -1"])}x`,
    `${request(put, ["Transfer-Encoding: chunked"])}fffffffffffffffff\r\nx`,
    request("GET /", [" folded: 1"]),
    request("GET /", ["X\0: 1"]),
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  ]
  for (const each of bad) {
    assert.match(await ask(server, each), /^HTTP\/1\.1 4(00|13|31|14) /, each.slice(0, 80))
    await stillWell()
  }
})

/** Every path that is answered without anyone's proof, and what may be asked there. */
const readable = ["/", "/operators", "/relay", "/pools", "/client.js", "/worker.js", "/nothing"]
const answers = [
  "/health",
  "/ready",
  "/metrics",
  "/api/stats",
  "/api/text/a",
  "/schemas/pools.json",
]

test("SV21 SV17 every page and every answer says what it may do, and none admits other pages", async (t) => {
  const server = await startServer(t)
  const headers = { origin: "https://elsewhere.example" }
  for (const path of [...readable, ...answers]) {
    const { headers: told, status } = await fetch(`${server.url}${path}`, { headers })
    assert.equal(told.get("x-content-type-options"), "nosniff", path)
    assert.equal(told.get("referrer-policy"), "no-referrer", path)
    assert.equal(told.get("access-control-allow-origin"), null, path)
    if (!readable.includes(path) || status !== 200) continue
    const policy = told.get("content-security-policy") ?? ""
    assert.match(policy, /^default-src 'none'; /, path)
    assert.match(policy, /base-uri 'none'; form-action 'none'; frame-ancestors 'self'$/, path)
    assert.ok(!/unsafe|\*|https?:/.test(policy), path)
  }
})

test("SV17 SV36 a page of elsewhere opens no socket and writes nothing, whichever part it tries", async (t) => {
  const server = await startServer(t)
  const origins = ["https://elsewhere.example", "null", "http://127.0.0.1.elsewhere.example", "x"]
  for (const origin of origins) {
    for (const path of sockets) {
      const answer = await ask(server, handshake(path, [`Origin: ${origin}`]))
      assert.match(answer, /^HTTP\/1\.1 403 /, `${path} from ${origin}`)
    }
    for (const path of ["/api/text/a", "/api/document/a/protect", "/api/relay/deny"]) {
      for (const method of ["PUT", "POST", "PATCH", "DELETE"]) {
        const { status } = await fetch(`${server.url}${path}`, { method, headers: { origin } })
        assert.equal(status, 403, `${method} ${path} from ${origin}`)
      }
    }
  }
  assert.equal(await (await fetch(`${server.url}/api/text/a`)).text(), "")
})

test("SV10 SV19 compression is not agreed on by any part, and a compressed frame ends its connection", async (t) => {
  const server = await startServer(t)
  for (const path of sockets) {
    const offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    const wire = await Wire.to(portOf(server))
    wire.socket.write(handshake(path, [offer]))
    await eventually(() => wire.text.includes("\r\n\r\n"))
    assert.match(wire.text, /^HTTP\/1\.1 101 /, path)
    assert.ok(!/sec-websocket-extensions/i.test(wire.text), path)
    const bomb = frame(1, Buffer.alloc(100))
    bomb[0] = 0xc1 // the bit that says it is compressed
    wire.socket.write(bomb)
    await eventually(() => wire.isOver)
  }
})

test("DC105 RL89 PL15 JSON that names prototypes or nests without end changes no object of ours", async (t) => {
  const server = await startServer(t, { relayLimits: { joinMs: 60_000 } } satisfies Start)
  const stillWell = await honest(t, server)
  const before = Reflect.ownKeys(Object.prototype).length
  const evil = '{"polluted":1,"isAdmin":true}'
  const bombs = [
    `{"__proto__":${evil}}`,
    `{"constructor":{"prototype":${evil}}}`,
    `{"Edit":{"__proto__":${evil},"revision":0,"operation":["x"]}}`,
    `{"ClientInfo":{"name":"a","hue":1,"__proto__":${evil}}}`,
    `{"type":"JOIN","docId":"a","senderId":"e","ts":1,"payload":{"__proto__":${evil}}}`,
    `{"type":"PRESENCE","docId":"a","senderId":"e","ts":1,"payload":{"constructor":{"prototype":${evil}}}}`,
    `{"type":"handshake","id":"1","app_id":"__proto__","metadata":{"__proto__":${evil}}}`,
    `{"append":"x","__proto__":${evil}}`,
    "[".repeat(200_000),
    `{"a":`.repeat(100_000),
    `{"type":"PRESENCE","docId":"a","senderId":"e","ts":1,"payload":${"[".repeat(50_000)}${"]".repeat(50_000)}}`,
    `{"Edit":{"revision":1e400,"operation":[${"9".repeat(5_000)}]}}`,
  ]
  for (const path of sockets) {
    for (const bomb of bombs) {
      const wire = await Wire.to(portOf(server))
      wire.socket.write(handshake(path))
      wire.socket.write(frame(1, bomb))
      // A pong shows that what came before it was looked at; or it is closed for it.
      wire.socket.write(frame(9, "seen"))
      await eventually(() => wire.isOver || /seen|\x88/.test(wire.bytes.toString("latin1")))
      wire.socket.destroy()
    }
  }
  for (const bomb of bombs) {
    await fetch(`${server.url}/api/text/a`, { method: "PATCH", body: bomb })
    await fetch(`${server.url}/api/document/a/protect`, { method: "POST", body: bomb })
  }
  assert.equal(Reflect.ownKeys(Object.prototype).length, before)
  assert.ok(!("polluted" in {}))
  const metrics = await (await fetch(`${server.url}/metrics`)).text()
  assert.match(metrics, /quartet_net_closes_total\{code="internal"\} 0\n/)
  await stillWell()
})

/** Lines of the server that compare something called a secret with `===`, or not at all in constant time. */
function plainComparisons(): readonly string[] {
  const names = "otp|[tT]oken|[sS]ecret|[pP]assword|resume|[cC]ookie|[dD]igest"
  const compared = new RegExp(
    `\\b(?:${names})\\b\\)?\\s*[!=]==\\s|[!=]==\\s*[\\w.]*\\b(?:${names})\\b`,
  )
  const harmless =
    /[!=]==\s*(?:undefined|null|"|\d)|typeof|\.kind ===|(?:undefined|null|"\w*") [!=]==/
  const folders = ["documents", "relay", "operators", "pools", "net", "bus"]
  return folders.flatMap((folder) =>
    readdirSync(join(root, "src", folder), { recursive: true, encoding: "utf8" })
      .map((name) => join(root, "src", folder, name))
      .filter((file) => statSync(file).isFile())
      .flatMap((file) => readFileSync(file, "utf8").split("\n"))
      .filter((line) => compared.test(line) && !harmless.test(line)),
  )
}

test("DC6 OP46 PL34 RL103 RL57 secrets are compared in constant time, and with nothing else", () => {
  assert.deepEqual(plainComparisons(), [])
  const homes = ["documents/access", "operators/secret", "pools/keys", "relay/routes", "bus/seal"]
  for (const home of homes) {
    const text = readFileSync(join(root, "src", `${home}.ts`), "utf8")
    assert.match(text, /return .*timingSafeEqual\(|if \(!timingSafeEqual\(/, home)
  }
})
