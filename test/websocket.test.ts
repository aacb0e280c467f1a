/** WebSockets: upgrades, what a far end came for, cookies, refusals, limits and heartbeats. */
import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { test } from "node:test"
import { connect as connectTls } from "node:tls"
import { WebSocket } from "ws"
import { WebSockets } from "../src/net/websocket.ts"
import type { Identity } from "../src/service.ts"
import { WireError } from "../src/wire/error.ts"
import { selfSigned } from "./certificate.ts"
import {
  aTurn,
  deafPeer,
  Echo,
  EchoCodec,
  frame,
  handshake,
  identityOf,
  limits,
  type Net,
  Peer,
  partsOf,
  until,
  Wire,
  withNet,
} from "./net-parts.ts"

/** What a server says to these bytes, up to its end of the connection. */
async function ask(net: Net, bytes: string | Buffer): Promise<string> {
  const wire = await Wire.to(net.port)
  wire.socket.write(bytes)
  return await wire.all()
}

test("SV26 a far end brings its path, decoded, and the query its route names", async () => {
  const route = { query: ["otp", "dialect"] }
  await withNet({ route, pathPrefix: "/quartet/" }, async (net) => {
    const path = `echo/notes%2Fa/%C3%BC..%2F?otp=x%26y&secret=1&otp=second&dialect=`
    await new Peer(net.url + path).settled()
    assert.deepEqual(Object.fromEntries(net.service.last.params), {
      path: "notes/a/ü../",
      address: "127.0.0.1",
      protocols: "",
      otp: "x&y",
      dialect: "",
    })
    await new Peer(`${net.url}echo`).settled()
    assert.equal(net.service.last.params.get("path"), "")
    const outside = await new Peer(`ws://127.0.0.1:${net.port}/echo/a`).settled()
    assert.equal(outside.refusal?.status, 404)
  })
})

test("SV22 malformed percent-encoding and what is too long are 400 before anyone is asked", async () => {
  await withNet({ route: { query: ["otp"] } }, async (net) => {
    for (const path of ["%", "%zz", "%ff", "a".repeat(5_000), `a?otp=${"b".repeat(5_000)}`]) {
      const answer = await ask(net, handshake(`/echo/${path}`))
      assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/)
    }
    assert.equal(net.service.opened.length, 0)
    assert.equal(net.gate.size, 0)
  })
})

test("DC3 a refusal before the handshake is a plain HTTP answer with the sentence, and leaves nothing behind", async () => {
  await withNet({}, async (net) => {
    net.service.onOpen = () => {
      throw new WireError("unauthenticated", "Invalid or missing OTP")
    }
    const peer = await new Peer(`${net.url}echo/a`).settled()
    assert.equal(peer.refusal?.status, 401)
    assert.equal(peer.refusal?.body, "Invalid or missing OTP")
    assert.equal(peer.refusal?.headers["x-content-type-options"], "nosniff")
    assert.equal(peer.refusal?.headers["cache-control"], "no-store")
    assert.equal(peer.refusal?.headers["retry-after"], undefined)
    assert.equal(net.gate.size, 0)
    assert.equal(net.connections.size, 0)
    assert.equal(net.connections.traffic.refusals("unauthenticated"), 1)
    assert.equal(net.service.closed.length, 0)
  })
})

test("DC104 a refusal for now says after how long to try again", async () => {
  await withNet({}, async (net) => {
    for (const [code, status, wait] of [
      ["too-many", 503, "5"],
      ["flooding", 429, "60"],
    ] as const) {
      net.service.onOpen = () => {
        throw new WireError(code, "not now")
      }
      const peer = await new Peer(`${net.url}echo/a`).settled()
      assert.equal(peer.refusal?.status, status)
      assert.equal(peer.refusal?.headers["retry-after"], wait)
    }
  })
})

test("SV14 a fault of ours while opening is 500 without a word about its inside", async () => {
  await withNet({}, async (net) => {
    net.service.onOpen = () => {
      throw new Error("our bug")
    }
    const peer = await new Peer(`${net.url}echo/a`).settled()
    assert.equal(peer.refusal?.status, 500)
    assert.doesNotMatch(peer.refusal?.body ?? "", /our bug/)
    assert.equal(net.log.faults, 1)
  })
})

test("SV15 a route that opens after the handshake says its refusal in the protocol and closes with the code", async () => {
  await withNet({ route: { opens: "after" } }, async (net) => {
    net.service.onOpen = (connection) => {
      connection.send("hello")
      throw new WireError("not-found", "no such room")
    }
    const peer = new Peer(`${net.url}echo/a`)
    assert.deepEqual(await peer.ended(), { code: 4404, reason: "no such room" })
    assert.deepEqual(peer.heard, ["hello", "refused not-found: no such room"])
    assert.equal(net.service.closed.length, 0)
  })
})

test("SV20 a bad handshake is refused, and what was opened for it is closed", async () => {
  await withNet({}, async (net) => {
    const bad = handshake("/echo/a").replace("Sec-WebSocket-Key: ", "Sec-WebSocket-Key: x")
    const answer = await ask(net, bad)
    assert.match(answer, /^HTTP\/1\.1 400 /)
    assert.match(answer, /nosniff/)
    await until(() => net.service.closed.length === net.service.opened.length)
    assert.equal(net.gate.size, 0)
    assert.equal(net.connections.size, 0)
  })
})

test("SV17 DC16 a page of another origin is 403 before the upgrade, an allowed one and a program are served", async () => {
  const gate = { allowedOrigins: ["https://notes.example"] }
  await withNet({ gate }, async (net) => {
    const dial = (origin?: string) =>
      new Peer(`${net.url}echo/a`, [], origin === undefined ? {} : { origin }).settled()
    const foreign = await dial("https://evil.example")
    assert.equal(foreign.refusal?.status, 403)
    assert.equal(foreign.refusal?.body, "origin not allowed")
    assert.equal(net.service.opened.length, 0)
    for (const origin of [undefined, `http://127.0.0.1:${net.port}`, "https://notes.example"]) {
      assert.equal((await dial(origin)).refusal, undefined)
    }
  })
})

test("SV16 one connection too many is 503 before a byte of it is decoded", async () => {
  await withNet({ gate: { connections: 1 } }, async (net) => {
    const first = await new Peer(`${net.url}echo/a`).settled()
    const second = await new Peer(`${net.url}echo/a`).settled()
    assert.equal(second.refusal?.status, 503)
    assert.equal(net.service.opened.length, 1)
    first.socket.close()
    await until(() => net.gate.size === 0)
    const third = await new Peer(`${net.url}echo/a`).settled()
    assert.equal(third.refusal, undefined)
  })
})

test("SV5 while stopping an upgrade is sent away with 503", async () => {
  await withNet({}, async (net) => {
    const wire = await Wire.to(net.port)
    wire.socket.write("GET /ready HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(() => wire.text.endsWith("ready"))
    net.sockets.stopListening()
    wire.socket.write(handshake("/echo/a"))
    const answer = await wire.all()
    assert.match(answer, /HTTP\/1\.1 503 [\s\S]*Retry-After: 5[\s\S]*stopping$/)
  })
})

test("SV22 an upgrade to something else is a request like others", async () => {
  await withNet({}, async (net) => {
    const wire = await Wire.to(net.port)
    wire.socket.write(
      "GET /ready HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n",
    )
    assert.match(await wire.all(), /^HTTP\/1\.1 200 OK/)
  })
})

test("DC13 the route agrees on one of the subprotocols that were offered, or on none", async () => {
  const protocols = (offered: readonly string[]) => offered.find((each) => each === "quartet-1")
  await withNet({ route: { protocols } }, async (net) => {
    const peer = await new Peer(`${net.url}echo/a`, ["otp.secret", "quartet-1"]).settled()
    assert.equal(peer.socket.protocol, "quartet-1")
    assert.equal(net.service.last.params.get("protocol"), "quartet-1")
    assert.equal(net.service.last.params.get("protocols"), "otp.secret,quartet-1")
    const wire = await Wire.to(net.port)
    wire.socket.write(handshake("/echo/a", ["Sec-WebSocket-Protocol: other"]))
    await until(() => wire.text.includes("\r\n\r\n"))
    assert.match(wire.text, /^HTTP\/1\.1 101 /)
    assert.doesNotMatch(wire.text, /sec-websocket-protocol/i)
    assert.equal(net.service.last.params.has("protocol"), false)
    wire.socket.destroy()
  })
})

const cookie = { name: "quartet_editor", path: "/api/" }

/** What is set by an answer: the header, and the value in it. */
function setBy(peer: Peer): { header: string; value: string } {
  const header = `${peer.headers["set-cookie"]}`
  return { header, value: /=([^;]*)/.exec(header)?.[1] ?? "" }
}

test("DC86 every handshake answer sets the route's cookie, drawn where none came, else the one that came", async () => {
  await withNet({ route: { cookie }, pathPrefix: "/q/" }, async (net) => {
    const first = await new Peer(`${net.url}echo/a`).settled()
    const { header, value } = setBy(first)
    assert.match(header, /^quartet_editor=[\w-]{22}; Path=\/q\/api\/; HttpOnly; SameSite=Strict$/)
    assert.equal(net.service.last.params.get("cookie"), value)
    const brought = { headers: { cookie: `a=b; quartet_editor=${value}; c=d` } }
    const again = await new Peer(`${net.url}echo/a`, [], brought).settled()
    assert.equal(setBy(again).value, value)
    assert.equal(net.service.last.params.get("cookie"), value)
    const other = await new Peer(`${net.url}echo/a`).settled()
    assert.notEqual(setBy(other).value, value)
    const forged = { headers: { cookie: "quartet_editor=guess; x" } }
    const replaced = await new Peer(`${net.url}echo/a`, [], forged).settled()
    assert.match(setBy(replaced).value, /^[\w-]{22}$/)
  })
})

test("DC86 the cookie of another origin is ignored, and its visit does not replace ours", async () => {
  const gate = { allowedOrigins: ["https://notes.example"] }
  await withNet({ route: { cookie }, gate }, async (net) => {
    const value = "A".repeat(22)
    const options = {
      origin: "https://notes.example",
      headers: { cookie: `${cookie.name}=${value}` },
    }
    const peer = await new Peer(`${net.url}echo/a`, [], options).settled()
    assert.match(net.service.last.params.get("cookie") ?? "", /^[\w-]{22}$/)
    assert.notEqual(net.service.last.params.get("cookie"), value)
    assert.equal(peer.headers["set-cookie"], undefined)
  })
})

test("DC86 over TLS, ours or a trusted proxy's, the cookie is Secure", async () => {
  await withNet({ route: { cookie }, gate: { trustProxy: 1 } }, async (net) => {
    const options = { headers: { "x-forwarded-proto": "https" } }
    const peer = await new Peer(`${net.url}echo/a`, [], options).settled()
    assert.match(setBy(peer).header, /; Secure$/)
    const plain = await new Peer(`${net.url}echo/a`).settled()
    assert.doesNotMatch(setBy(plain).header, /Secure/)
  })
})

const tls = selfSigned()

test("DC86 SV8 over TLS everything is as without, with a Secure cookie", {
  skip: tls === undefined && "openssl is missing: no certificate for TLS",
}, async () => {
  await withNet({ route: { cookie }, http: tls === undefined ? {} : { tls } }, async (net) => {
    const url = `wss://127.0.0.1:${net.port}/echo/a`
    const peer = await new Peer(url, [], { rejectUnauthorized: false }).settled()
    assert.match(setBy(peer).header, /; Secure$/)
    await peer.roundTrip("x".repeat(300_000))
    // Stalls are seen through TLS as well.
    peer.socket.pause()
    for (let i = 0; i < 200 && !net.service.last.behind; i++) {
      net.service.last.send("y".repeat(256 * 1024))
      await aTurn()
    }
    while (net.connections.traffic.unsentBytes < 1024 * 1024) {
      net.service.last.send("y".repeat(256 * 1024))
      await aTurn()
    }
    net.after(20_000, 100)
    await until(() => net.service.closed.length === 1)
    assert.equal(net.connections.traffic.closes("slow"), 1)
    peer.socket.terminate()
  })
})

test("SV8 over TLS a far end that takes a part of one big write is not stalled", {
  skip: tls === undefined && "openssl is missing: no certificate for TLS",
}, async () => {
  const bounds = { slowBytes: 64 * 1024 * 1024 }
  const http = tls === undefined ? {} : { tls }
  await withNet({ limits: bounds, http }, async (net) => {
    const socket = connectTls({ port: net.port, rejectUnauthorized: false })
    const wire = new Wire(socket)
    socket.write(handshake("/echo/slow"))
    await until(() => wire.text.includes("\r\n\r\n"))
    socket.pause()
    net.service.last.send("y".repeat(24 * 1024 * 1024))
    for (let i = 0; i < 4; i++) {
      const read = wire.bytes.length
      socket.resume()
      await until(() => wire.bytes.length >= read + 3 * 1024 * 1024)
      socket.pause()
      net.after(6_000)
    }
    assert.equal(net.service.closed.length, 0)
    assert.equal(net.service.last.behind, true)
    socket.destroy()
  })
})

test("SV16 a route may ask who a token is; a bad one is 401, and no token is nobody", async () => {
  const ada = identityOf("ada", 1_500_000)
  const route = {
    identify: async (token: string) => {
      if (token !== "good") throw new WireError("unauthenticated", "bad token")
      return ada
    },
  }
  await withNet({ route, gate: { connectionsPerAddress: 2 } }, async (net) => {
    const dial = (query: string, headers = {}) =>
      new Peer(`${net.url}echo/a${query}`, [], { headers }).settled()
    assert.equal((await dial("?token=bad")).refusal?.status, 401)
    await dial("")
    assert.equal(net.service.last.identity, undefined)
    const peer = await dial("?token=good")
    assert.equal(net.service.last.identity, ada)
    await dial("", { authorization: "Bearer good" })
    assert.equal(net.service.last.identity, ada)
    assert.equal((await dial("?token=good")).refusal?.status, 503)
    net.after(500_000)
    assert.equal((await peer.ended()).code, 4401)
    assert.equal(net.service.closed.length, 2)
  })
})

test("SV36 a route may admit pages of this machine, or of anywhere", async () => {
  const statusOf = async (origins: "own" | "local" | "any", origin: string) => {
    let status: number | undefined
    await withNet({ route: { origins } }, async (net) => {
      const peer = await new Peer(`${net.url}echo/a`, [], { headers: { origin } }).settled()
      status = peer.refusal?.status
    })
    return status
  }
  const pages = ["http://localhost:5173", "http://127.0.0.1:8080", "http://[::1]:80"]
  for (const page of pages) {
    assert.equal(await statusOf("own", page), 403)
    assert.equal(await statusOf("local", page), undefined)
    assert.equal(await statusOf("any", page), undefined)
  }
  for (const page of ["https://evil.example", "http://127.0.0.1.evil.example", "null"]) {
    assert.equal(await statusOf("own", page), 403)
    assert.equal(await statusOf("local", page), 403)
  }
  assert.equal(await statusOf("any", "https://app.example"), undefined)
})

test("SV35 a route that opens after the handshake tells there what is wrong with a token", async () => {
  const bad = new WireError("unauthenticated", "the token has expired")
  const route = {
    opens: "after" as const,
    protocols: (offered: readonly string[]) => offered.find((each) => each.startsWith("bearer.")),
    identify: async (token: string) => {
      if (token !== "good") throw bad
      return identityOf("ada", 1_500_000)
    },
  }
  await withNet({ route }, async (net) => {
    const dial = (protocols: string[]) => new Peer(`${net.url}echo/a`, protocols).settled()
    const end = await (await dial(["bearer.old"])).ended()
    assert.deepEqual([end.code, end.reason], [4401, "the token has expired"])
    assert.equal(net.service.opened.length, 0)
    const peer = await dial(["bearer.good"])
    await peer.roundTrip("mark")
    // A newer token of the same subject counts from when it is there.
    net.service.last.renew(identityOf("ada", 2_500_000))
    net.after(500_000)
    await peer.roundTrip("still here")
    net.after(1_000_000)
    assert.equal((await peer.ended()).code, 4401)
    assert.deepEqual(net.service.closed, net.service.opened)
  })
})

test("SV16 a far end that goes while its token is checked leaves nothing behind", async () => {
  let answer = (_: Identity) => {}
  const identify = () =>
    new Promise<Identity>((resolve) => {
      answer = resolve
    })
  await withNet({ route: { identify } }, async (net) => {
    const wire = await Wire.to(net.port)
    wire.socket.write(handshake("/echo/a?token=slow"))
    const other = await new Peer(`${net.url}echo/b`).settled()
    wire.socket.resetAndDestroy()
    await until(() => wire.isOver)
    await other.roundTrip("mark")
    answer(identityOf("ada"))
    await other.roundTrip("mark again")
    assert.equal(net.service.opened.length, 1)
    assert.equal(net.gate.size, 1)
  })
})

test("SV19 DC40 a message above the limit is refused as too-large, above twice that with 1009", async () => {
  await withNet({ limits: { messageBytes: 1_000 } }, async (net) => {
    const fits = await new Peer(`${net.url}echo/a`).settled()
    await fits.roundTrip("x".repeat(1_000))
    const over = await new Peer(`${net.url}echo/a`).settled()
    over.socket.send("x".repeat(1_001))
    assert.equal((await over.ended()).code, 4413)
    const far = await new Peer(`${net.url}echo/a`).settled()
    far.socket.send("x".repeat(2_001))
    assert.equal((await far.ended()).code, 1009)
    await until(() => net.service.closed.length === 2)
    assert.equal(net.connections.traffic.closes("too-large"), 2)
    assert.deepEqual(net.service.heard, ["x".repeat(1_000)])
  })
})

test("SV19 a binary frame reaches the codec as bytes, a text in fragments as one", async () => {
  await withNet({}, async (net) => {
    const peer = await new Peer(`${net.url}echo/a`).settled()
    peer.socket.send(Buffer.from("bytes"))
    peer.socket.send("grü", { fin: false })
    peer.socket.send("ße", { fin: true })
    await until(() => peer.heard.length === 2)
    assert.deepEqual(peer.heard, ["bytes", "grüße"])
  })
})

test("SV20 what is no WebSocket protocol ends that connection and nothing else", async () => {
  const broken: Readonly<Record<string, Buffer>> = {
    "reserved bits": Buffer.from([0xf1, 0x80, 0, 0, 0, 0]),
    "unknown opcode": frame(3, "x"),
    "unmasked frame": Buffer.from([0x81, 0x01, 0x78]),
    "long ping": frame(9, "x".repeat(126)),
    "text that is no UTF-8": frame(1, Buffer.from([0xff, 0xfe])),
    "close code that is none": frame(8, Buffer.from([0x00, 0x01])),
    "continuation of nothing": frame(0, "x"),
    "huge length": Buffer.from([0x81, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    "too many fragments": Buffer.concat([
      frame(1, "x", "more"),
      ...Array.from({ length: 20_000 }, () => frame(0, "x", "more")),
    ]),
    garbage: randomBytes(2_000),
  }
  await withNet({}, async (net) => {
    const peer = await new Peer(`${net.url}echo/a`).settled()
    for (const [what, bytes] of Object.entries(broken)) {
      const wire = await deafPeer(net)
      wire.socket.resume()
      wire.socket.write(bytes)
      await until(() => net.connections.size === 2 || net.service.closed.length > 0)
      await until(() => net.service.closed.includes(net.service.last))
      await peer.roundTrip(what)
      // 1008 is final for some clients; we never say it.
      assert.equal(wire.bytes.includes(Buffer.from([0x88, 0x02, 0x03, 0xf0])), false, what)
      wire.socket.destroy()
    }
  })
})

test("SV20 DC102 a socket is pinged, and closed as timed-out when the last ping went unanswered", async () => {
  await withNet({ limits: { heartbeatMs: 60_000 } }, async (net) => {
    const deaf = await deafPeer(net)
    const peer = await new Peer(`${net.url}echo/a`).settled()
    net.after(59_900)
    assert.equal(peer.pings, 0)
    net.after(100)
    await until(() => peer.pings === 1)
    await peer.roundTrip("the pong came before this")
    net.after(59_900, 100)
    assert.equal(net.service.closed.length, 0)
    net.after(100)
    await until(() => net.service.closed.length === 1)
    assert.equal(net.connections.traffic.closes("timed-out"), 1)
    await until(() => peer.pings === 2)
    deaf.socket.destroy()
  })
})

test("SV20 DC102 a socket from which nothing comes is closed as timed-out; pongs are something", async () => {
  await withNet({ limits: { silenceMs: 100_000, heartbeatMs: 60_000 } }, async (net) => {
    const peer = await new Peer(`${net.url}echo/a`).settled()
    for (let i = 1; i <= 5; i++) {
      net.after(60_000)
      await until(() => peer.pings === i)
      await peer.roundTrip(`${i}`)
    }
    assert.equal(net.service.closed.length, 0)
  })
  await withNet({ limits: { silenceMs: 100_000 } }, async (net) => {
    const peer = await new Peer(`${net.url}echo/a`).settled()
    net.after(99_900)
    assert.equal(net.service.closed.length, 0)
    net.after(100)
    assert.equal((await peer.ended()).code, 4508)
  })
})

test("SV11 a far end that is not read is not taken for silent", async () => {
  const bounds = { silenceMs: 60_000, heartbeatMs: 60_000, messagesPerSecond: 1, messagesBurst: 1 }
  await withNet({ limits: bounds }, async (net) => {
    const wire = await deafPeer(net)
    // One chunk for 70 s: longer unread than silence or a pong may take, then read again.
    wire.socket.write(Buffer.concat(Array.from({ length: 70 }, (_, i) => frame(1, `${i}`))))
    await until(() => net.service.heard.length > 0)
    net.after(100_000, 100)
    assert.equal(net.service.heard.length, 70)
    await aTurn()
    assert.equal(net.service.closed.length, 0)
    wire.socket.destroy()
  })
})

test("SV20 a flood of pings costs the far end its connection or its pace, never our memory", async () => {
  await withNet({ limits: { messagesPerSecond: 100, messagesBurst: 100 } }, async (net) => {
    const wire = await deafPeer(net)
    const pings = Buffer.concat(Array.from({ length: 10_000 }, () => frame(9, "x".repeat(100))))
    wire.socket.write(pings)
    const peer = await new Peer(`${net.url}echo/a`).settled()
    await peer.roundTrip("still here")
    assert.ok(net.connections.traffic.unsentBytes < 1024 * 1024)
    wire.socket.destroy()
  })
})

test("SV15 several routes stand side by side, the longest prefix first", async () => {
  const { connections, gate } = partsOf()
  const routeAt = (prefix: string) => ({
    name: prefix,
    prefix,
    opens: "before" as const,
    origins: "own" as const,
    query: [],
    protocols: () => undefined,
    service: new Echo(),
    codec: new EchoCodec(),
    limits,
  })
  const routes = [routeAt("/a/"), routeAt("/a/b/")]
  const options = { routes, connections, gate, pathPrefix: "/", random: randomBytes }
  assert.deepEqual(new WebSockets(options).prefixes, ["/a/b/", "/a/"])
})

test("SV10 compression is off, since it would break framing once", async () => {
  await withNet({}, async (net) => {
    const options = { perMessageDeflate: true }
    const peer = await new Peer(`${net.url}echo/a`, [], options).settled()
    assert.equal(peer.socket.extensions, "")
    assert.equal(peer.socket.readyState, WebSocket.OPEN)
  })
})
