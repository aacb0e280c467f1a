/** HTTP: routes, the page with its headers, and requests that are late, large or wrong. */
import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import type { HttpAnswer, HttpRequest, HttpRoute } from "../src/service.ts"
import { WireError } from "../src/wire/error.ts"
import { handshake, type Net, type NetOptions, until, Wire, withNet } from "./net-parts.ts"

/** A route that keeps what it is asked and answers as told. */
class Desk implements HttpRoute {
  readonly prefix: string
  readonly bodyBytes = 1_000
  readonly asked: HttpRequest[] = []
  reply: (request: HttpRequest, reply: (answer: HttpAnswer) => void) => void = (_, reply) =>
    reply({ status: 200, body: "done" })

  constructor(prefix = "/api/desk/") {
    this.prefix = prefix
  }

  answer(request: HttpRequest, reply: (answer: HttpAnswer) => void): void {
    this.asked.push(request)
    this.reply(request, reply)
  }
}

async function withDesk(
  options: NetOptions,
  work: (net: Net, desk: Desk, at: string) => Promise<void>,
): Promise<void> {
  const desk = new Desk()
  await withNet({ ...options, http: { routes: [desk], ...options.http } }, (net) =>
    work(net, desk, `http://127.0.0.1:${net.port}${options.pathPrefix ?? "/"}`),
  )
}

/** A built page of a few files; `work` gets the address of its server. */
async function withPage(
  options: NetOptions,
  work: (net: Net, at: string) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "quartet-page-"))
  try {
    mkdirSync(join(directory, "assets"))
    const index = '<meta content="__NONCE__"><meta content="__PARTS__"><script src="./a.js">'
    writeFileSync(join(directory, "index.html"), index)
    writeFileSync(join(directory, "client.js"), `export const big = "${"x".repeat(5_000)}"`)
    writeFileSync(join(directory, "assets", "main-3f2a.js"), "let a")
    symlinkSync("/etc/hostname", join(directory, "link.txt"))
    const http = { pageDirectory: directory, ...options.http }
    await withNet({ ...options, http }, (net) =>
      work(net, `http://127.0.0.1:${net.port}${options.pathPrefix ?? "/"}`),
    )
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** What the server says to these bytes, up to its end of the connection. */
async function ask(net: Net, text: string): Promise<string> {
  const wire = await Wire.to(net.port)
  wire.socket.write(text)
  return await wire.all()
}

test("SV26 a route gets what a request asks for, whole, its path still percent-encoded", async () => {
  await withDesk({ pathPrefix: "/q/" }, async (_, desk, at) => {
    const answer = await fetch(`${at}api/desk/a%2Fb/%C3%BC?x=1&y=a%26b&x=2`, {
      method: "PUT",
      body: "grüße",
      headers: { "X-Thing": "Yes", cookie: "one=1; two=2; one=3" },
    })
    assert.equal(answer.status, 200)
    assert.equal(await answer.text(), "done")
    const [request] = desk.asked
    assert.equal(request?.method, "PUT")
    assert.equal(request?.path, "a%2Fb/%C3%BC")
    assert.deepEqual(Object.fromEntries(request?.query ?? []), { x: "1", y: "a&b" })
    assert.equal(request?.headers.get("x-thing"), "Yes")
    assert.deepEqual(Object.fromEntries(request?.cookies ?? []), { one: "1", two: "2" })
    assert.equal(request?.address, "127.0.0.1")
    assert.equal(Buffer.from(request?.body ?? []).toString(), "grüße")
    const { port } = new URL(at)
    assert.equal((await fetch(`http://127.0.0.1:${port}/api/desk/a`)).status, 404)
  })
})

test("SV26 a path is not normalised: dots and whole addresses stay what they are", async () => {
  await withDesk({}, async (net, desk) => {
    for (const target of ["/api/desk/../x", "/api/desk/%2e%2e/x", "http://a/api/desk/whole?q"]) {
      await ask(net, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    }
    assert.deepEqual(
      desk.asked.map(({ path }) => path).sort(),
      ["%2e%2e/x", "../x", "whole"].sort(),
    )
  })
})

test("SV22 a route without a slash at its end is one path", async () => {
  const stats = new Desk("/api/stats")
  await withNet({ http: { routes: [stats] } }, async (net) => {
    const status = async (path: string) =>
      (await fetch(`http://127.0.0.1:${net.port}${path}`)).status
    assert.equal(await status("/api/stats?x=1"), 200)
    assert.equal(stats.asked[0]?.path, "")
    for (const path of ["/api/stats/", "/api/stats/a", "/api/statsa", "/api"]) {
      assert.equal(await status(path), 404, path)
    }
  })
})

test("SV22 an answer is plain text that is not kept, unless the route says otherwise", async () => {
  await withDesk({}, async (_, desk, at) => {
    const plain = await fetch(`${at}api/desk/a`)
    assert.equal(plain.headers.get("content-type"), "text/plain; charset=utf-8")
    assert.equal(plain.headers.get("cache-control"), "no-store")
    assert.equal(plain.headers.get("x-content-type-options"), "nosniff")
    assert.equal(plain.headers.get("referrer-policy"), "no-referrer")
    desk.reply = (_, reply) =>
      setImmediate(() =>
        reply({
          status: 201,
          headers: { "Content-Type": "application/json", "Cache-Control": "no-cache", ETag: '"1"' },
          body: "{}",
        }),
      )
    const json = await fetch(`${at}api/desk/a`)
    assert.equal(json.status, 201)
    assert.equal(json.headers.get("content-type"), "application/json")
    assert.equal(json.headers.get("cache-control"), "no-cache")
    assert.equal(json.headers.get("etag"), '"1"')
    desk.reply = (_, reply) => reply({ status: 204 })
    const empty = await fetch(`${at}api/desk/a`, { method: "DELETE" })
    assert.equal(empty.status, 204)
    assert.equal(await empty.text(), "")
  })
})

test("SV22 HEAD is answered like GET without the body", async () => {
  await withDesk({}, async (net, desk) => {
    const answer = await ask(
      net,
      "HEAD /api/desk/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
    assert.match(answer, /content-length: 4/i)
    assert.ok(answer.endsWith("\r\n\r\n"))
    assert.equal(desk.asked[0]?.method, "HEAD")
  })
})

test("SV22 a body above its limit is 413 and never seen, whether its length is told or not", async () => {
  await withDesk({}, async (net, desk, at) => {
    const fits = await fetch(`${at}api/desk/a`, { method: "PUT", body: "x".repeat(1_000) })
    assert.equal(fits.status, 200)
    const told = await fetch(`${at}api/desk/a`, { method: "PUT", body: "x".repeat(1_001) })
    assert.equal(told.status, 413)
    const chunk = `3e8\r\n${"x".repeat(1_000)}\r\n`
    const untold = await ask(
      net,
      `PUT /api/desk/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}${chunk}`,
    )
    assert.match(untold, /^HTTP\/1\.1 413 /)
    assert.equal(desk.asked.length, 1)
  })
})

test("SV22 half a body is no request", async () => {
  await withDesk({}, async (net, desk, at) => {
    const wire = await Wire.to(net.port)
    wire.socket.write("PUT /api/desk/a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
    await fetch(`${at}api/desk/mark`)
    wire.socket.destroy()
    await until(() => wire.isOver)
    await fetch(`${at}api/desk/mark`)
    assert.deepEqual(
      desk.asked.map(({ path }) => path),
      ["mark", "mark"],
    )
    assert.equal(net.log.faults, 0)
  })
})

test("SV22 a fault of ours is 500 without a word about its inside, and is logged", async () => {
  await withDesk({}, async (net, desk, at) => {
    desk.reply = () => {
      throw new Error("our bug")
    }
    const fault = await fetch(`${at}api/desk/a`)
    assert.equal(fault.status, 500)
    assert.equal(await fault.text(), "internal error")
    desk.reply = (_, reply) => reply({ status: 200, headers: { etag: "two\nlines" }, body: "x" })
    const badHeader = await fetch(`${at}api/desk/a`)
    assert.equal(badHeader.status, 500)
    assert.equal(await badHeader.text(), "internal error")
    assert.equal(net.log.faults, 2)
    desk.reply = () => {
      throw new WireError("flooding", "too many tries")
    }
    const refused = await fetch(`${at}api/desk/a`)
    assert.equal(refused.status, 429)
    assert.equal(await refused.text(), "too many tries")
  })
})

test("SV17 DC16 a page of another origin may read and not write, and its cookie is ignored", async () => {
  await withDesk({}, async (_, desk, at) => {
    const headers = { origin: "https://evil.example", cookie: "quartet_editor=stolen" }
    for (const method of ["PUT", "POST", "PATCH", "DELETE"]) {
      const refused = await fetch(`${at}api/desk/a`, { method, headers })
      assert.equal(refused.status, 403)
      assert.equal(await refused.text(), "origin not allowed")
    }
    assert.equal(desk.asked.length, 0)
    const read = await fetch(`${at}api/desk/a`, { headers })
    assert.equal(read.status, 200)
    assert.equal(read.headers.get("access-control-allow-origin"), null)
    assert.equal(desk.asked[0]?.cookies.size, 0)
    const own = { origin: new URL(at).origin, cookie: "quartet_editor=mine" }
    await fetch(`${at}api/desk/a`, { method: "PUT", headers: own })
    assert.equal(desk.asked[1]?.cookies.get("quartet_editor"), "mine")
  })
})

test("SV18 a route is told the address that the trusted proxy names", async () => {
  await withDesk({ gate: { trustProxy: 1 } }, async (_, desk, at) => {
    await fetch(`${at}api/desk/a`, { headers: { "x-forwarded-for": "6.6.6.6, 203.0.113.7" } })
    assert.equal(desk.asked[0]?.address, "203.0.113.7")
  })
})

test("SV22 an unknown path is 404, another method 405 with Allow, a GET of a WebSocket path 426", async () => {
  await withPage({}, async (_, at) => {
    const status = async (path: string, method = "GET") => {
      const answer = await fetch(at + path, { method })
      return [answer.status, answer.headers.get("allow"), await answer.text()]
    }
    assert.deepEqual(await status("nowhere"), [404, null, "not found"])
    assert.deepEqual(await status("nowhere", "POST"), [404, null, "not found"])
    assert.deepEqual(await status("", "POST"), [405, "GET, HEAD", "method not allowed"])
    assert.deepEqual(await status("client.js", "PUT"), [405, "GET, HEAD", "method not allowed"])
    assert.deepEqual(await status("health", "DELETE"), [405, "GET, HEAD", "method not allowed"])
    assert.deepEqual(await status("echo/notes"), [426, null, "expected a WebSocket"])
    assert.deepEqual(await status("echo/notes", "POST"), [405, "GET", "method not allowed"])
  })
})

test("SV23 SV24 health, readiness and metrics have their paths below the base path", async () => {
  let isReady = true
  const http = {
    isReady: () => isReady,
    health: async () => ({
      status: 503,
      headers: { "content-type": "application/json" },
      body: "{}",
    }),
  }
  await withPage({ http, pathPrefix: "/q/" }, async (_, at) => {
    const health = await fetch(`${at}health`)
    assert.equal(health.status, 503)
    assert.equal(health.headers.get("content-type"), "application/json")
    assert.equal((await fetch(`${at}ready`)).status, 200)
    isReady = false
    assert.equal((await fetch(`${at}ready`)).status, 503)
    assert.match(await (await fetch(`${at}metrics`)).text(), /quartet_net_connections/)
  })
})

test("SV21 DC140 the page has the policy, a fresh nonce each time, and knows the parts that run", async () => {
  const page = { panels: ["", "pools"], parts: ["documents", "relay"], frameAncestors: "'none'" }
  await withPage({ http: { page } }, async (_, at) => {
    const nonces = new Set<string>()
    for (const path of ["", "pools", "index.html", "", ""]) {
      const answer = await fetch(at + path)
      const text = await answer.text()
      const nonce = /content="([^"]*)"/.exec(text)?.[1] ?? ""
      assert.equal(Buffer.from(nonce, "base64").length, 16)
      assert.match(text, /content="documents,relay"/)
      assert.equal(
        answer.headers.get("content-security-policy"),
        `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; ` +
          "connect-src 'self'; img-src 'self' data: blob:; font-src 'self'; worker-src 'self'; " +
          "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      )
      assert.equal(answer.headers.get("content-type"), "text/html; charset=utf-8")
      assert.equal(answer.headers.get("cache-control"), "no-cache")
      assert.equal(answer.headers.get("x-content-type-options"), "nosniff")
      assert.equal(answer.headers.get("referrer-policy"), "no-referrer")
      nonces.add(nonce)
    }
    assert.equal(nonces.size, 5)
    assert.equal((await fetch(`${at}relay`)).status, 404)
  })
})

test("SV22 a panel may have the path of its part's WebSocket: a GET is the page, below it 426", async () => {
  const page = { panels: ["", "echo"], parts: ["echo"], frameAncestors: "'self'" }
  await withPage({ http: { page } }, async (net, at) => {
    assert.equal((await fetch(`${at}echo`)).status, 200)
    assert.equal((await fetch(`${at}echo/a`)).status, 426)
    const wire = await Wire.to(net.port)
    wire.socket.write(handshake("/echo"))
    await until(() => wire.text.startsWith("HTTP/1.1 101 "))
    wire.socket.destroy()
  })
})

test("SV21 hashed files may be kept for ever, others are asked for anew and not sent twice", async () => {
  await withPage({}, async (_, at) => {
    const asset = await fetch(`${at}assets/main-3f2a.js`)
    assert.equal(asset.headers.get("cache-control"), "public, max-age=31536000, immutable")
    assert.equal(asset.headers.get("content-type"), "text/javascript; charset=utf-8")
    assert.equal(await asset.text(), "let a")
    const client = await fetch(`${at}client.js`)
    assert.equal(client.headers.get("cache-control"), "no-cache")
    assert.equal(client.headers.get("content-encoding"), "gzip")
    assert.match(await client.text(), /^export const big = "x{5000}"$/)
    const whole = await fetch(`${at}client.js`, { headers: { "accept-encoding": "identity" } })
    assert.equal(whole.headers.get("content-encoding"), null)
    assert.match(await whole.text(), /^export const big = "x{5000}"$/)
    const etag = client.headers.get("etag") ?? ""
    const again = await fetch(`${at}client.js`, { headers: { "if-none-match": etag } })
    assert.equal(again.status, 304)
  })
})

test("SV21 nothing outside the page's directory is served, whatever the path says", async () => {
  await withPage({}, async (net) => {
    const paths = ["/../../etc/passwd", "/assets/../../../etc/passwd", "/%2e%2e/etc/passwd"]
    for (const path of [
      ...paths,
      "/link.txt",
      "/assets",
      "/assets/",
      "//etc/passwd",
      "/__proto__",
    ]) {
      const answer = await ask(net, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
      assert.match(answer, /^HTTP\/1\.1 404 /, path)
    }
  })
})

test("SV21 without a built page its paths are 404 and say how to build it, and the rest works", async () => {
  await withDesk({}, async (_, __, at) => {
    const page = await fetch(at)
    assert.equal(page.status, 404)
    assert.match(await page.text(), /^the page is not built: run "npm run prepare"/)
    assert.equal(await (await fetch(`${at}client.js`)).text(), "not found")
    assert.equal((await fetch(`${at}health`)).status, 200)
  })
})

test("SV5 while stopping, a request that is being answered is answered, and then the socket ends", async () => {
  await withDesk({}, async (net, desk) => {
    let reply = (_: HttpAnswer) => {}
    desk.reply = (_, answer) => {
      reply = answer
    }
    const wire = await Wire.to(net.port)
    wire.socket.write("GET /api/desk/a HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(() => desk.asked.length === 1)
    const closed = net.http.stopListening()
    reply({ status: 200, body: "the answer" })
    assert.match(await wire.all(), /the answer$/)
    await closed
  })
})

test("SV20 what is no HTTP is 400 and closed; headers are bounded", async () => {
  await withDesk({}, async (net) => {
    assert.match(await ask(net, "nonsense\r\n\r\n"), /^HTTP\/1\.1 400 /)
    assert.match(await ask(net, "GET / HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 400 /)
    const long = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(20_000)}\r\n\r\n`
    assert.match(await ask(net, long), /^HTTP\/1\.1 431 /)
    assert.match(
      await ask(net, "GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n"),
      /^HTTP\/1\.1 400 /,
    )
    assert.equal(net.log.faults, 0)
  })
})

test("SV20 sockets that say nothing are bounded in number", async () => {
  await withDesk({ gate: { connections: 2 } }, async (net) => {
    const wires = []
    for (let i = 0; i < 4; i++) wires.push(await Wire.to(net.port))
    const fifth = await Wire.to(net.port)
    await until(() => fifth.isOver)
    wires[0]?.socket.write("GET /ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert.match((await wires[0]?.all()) ?? "", /200 OK/)
    for (const wire of wires) wire.socket.destroy()
  })
})
