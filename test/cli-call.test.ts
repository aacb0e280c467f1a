/** `quartet call`: a program of its own, on a real server, with apps that answer it. */
import assert from "node:assert/strict"
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { text as all } from "node:stream/consumers"
import { type TestContext, test } from "node:test"
import { SignJWT } from "jose"
import { type App, connect } from "../src/client/tcp.ts"
import { eventually, startServer, temporaryDirectory } from "./harness.ts"

const main = join(import.meta.dirname, "../src/main.ts")

function begin(t: TestContext, words: readonly string[]): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [main, "call", ...words], {
    env: { PATH: process.env["PATH"] },
  })
  t.after(() => child.kill("SIGKILL"))
  return child
}

async function ended(child: ChildProcessWithoutNullStreams) {
  const exited = once(child, "exit")
  const [out, err] = await Promise.all([all(child.stdout), all(child.stderr)])
  const [code] = await exited
  return { code: Number(code), out, err }
}

async function call(t: TestContext, words: readonly string[], input = "") {
  const child = begin(t, words)
  child.stdin.end(input)
  return ended(child)
}

/** A server, an app on it, and the words that say where they are. */
async function begun(t: TestContext) {
  const { pools } = await startServer(t, { poolsPort: 0 })
  const url = `tcp://${pools[0]}`
  const enter = async (id: string): Promise<App> => {
    const app = await connect(url).pools({ app: id })
    t.after(() => app.close({ withinMs: 0 }))
    return app
  }
  return { url, enter, app: await enter("ada"), at: ["--url", url] }
}

test("PL170 a result is JSON in one line, whatever is in it", async (t) => {
  const { app, at } = await begun(t)
  await app.handle("same", (input) => input)
  await app.handle("bytes", () => new Uint8Array([0, 255, 10]))
  await app.handle("who", (_, { origin }) => origin)
  const odd = { text: "a\u001b[2J\u202e\u0085\n😀\u{e0001}", list: [1, null, true] }
  const [given, piped, nothing, bytes, who, other] = await Promise.all([
    call(t, ["same", JSON.stringify(odd), ...at]),
    call(t, ["same", "-", ...at], `${JSON.stringify(odd)}\n`),
    call(t, ["same", ...at]),
    call(t, ["bytes", ...at]),
    call(t, ["who", ...at]),
    call(t, ["who", "--app", "eve", ...at]),
  ])
  for (const { code, out, err } of [given, piped]) {
    assert.deepEqual([code, err, JSON.parse(out)], [0, "", odd])
    assert.equal(out.indexOf("\n"), out.length - 1)
    assert.ok(!/[\p{Cf}\x80-\x9f\x1b]/u.test(out), out)
    assert.ok(out.includes("😀"))
  }
  assert.deepEqual([nothing.out, bytes.out], ["null\n", '"AP8K"\n'])
  assert.match(who.out, /^"quartet-call#\d+"\n$/)
  assert.match(other.out, /^"eve#\d+"\n$/)
})

test("PL170 the exit code says how it went, and one line on stderr why", async (t) => {
  const { app, at, enter } = await begun(t)
  await app.handle("poor", () => {
    throw Object.assign(new Error("no money\nat all\u001b[2J"), { code: "E_POOR" })
  })
  await app.handle("slow", () => new Promise(() => {}))
  const brief = await enter("brief")
  await brief.handle("dies", () => {
    setImmediate(() => brief.close({ withinMs: 0 }))
    return new Promise(() => {})
  })
  await app.handle("declines", (_, { unavailable }) => unavailable("not today"))
  const cases: readonly (readonly [number, RegExp, readonly string[]])[] = [
    [1, /^quartet: HANDLER_ERROR E_POOR: no money at all<U\+001B>\[2J\n$/, ["poor"]],
    [3, /^quartet: NO_HANDLER: no handler for nobody\n$/, ["nobody"]],
    [3, /^quartet: NO_HANDLER: /, ["nobody", "--wait", "50ms"]],
    [4, /^quartet: TIMEOUT: .*\n$/, ["slow", "--ttl", "0.1s"]],
    [5, /^quartet: HANDLER_LOST: .* \(it may have run.*\)\n$/, ["dies"]],
    [6, /^quartet: UNAVAILABLE: not today/, ["declines"]],
    [6, /^quartet: NO_POOL: .*\n$/, ["poor", "--pool", "nix"]],
    [3, /^quartet: NO_HANDLER: .*\n$/, ["poor", "--to", "nobody"]],
    [2, /^quartet: what\? .*\n$/, []],
    [2, /^quartet: what is "x" for\?\n$/, ["poor", "1", "x"]],
    [2, /^quartet: that is not JSON: .*\n$/, ["poor", "hello"]],
    [2, /^quartet: --ttl is a time .*\n$/, ["poor", "--ttl", "5"]],
    [
      2,
      /^quartet: Unknown option '--nonsense': --help shows what there is\n$/,
      ["poor", "--nonsense"],
    ],
    [2, /^quartet: not an address: .*\n$/, ["poor", "--url", "nowhere"]],
    [2, /^quartet: ".*" is no app id: .*\n$/, ["poor", "--app", "a b"]],
    [2, /^quartet: .*no such file.*\n$/, ["poor", "--token-file", "/nowhere/token"]],
  ]
  await Promise.all(
    cases.map(async ([code, line, words]) => {
      const own = words.includes("--url") ? words : [...words, ...at]
      const ran = await call(t, own)
      assert.deepEqual([ran.code, ran.out], [code, ""], `${words.join(" ")}: ${ran.err}`)
      assert.match(ran.err, line)
    }),
  )
})

test("PL170 nothing may have run where no server has answered", async (t) => {
  // One that says nothing and goes, and a port that nobody listens on.
  const dumb = createServer((socket) => socket.once("data", () => socket.destroy()))
  dumb.listen(0, "127.0.0.1")
  await once(dumb, "listening")
  const address = dumb.address()
  assert.ok(typeof address === "object" && address !== null)
  const url = `tcp://127.0.0.1:${address.port}`
  const silent = await call(t, ["add", "--url", url])
  dumb.close()
  await once(dumb, "close")
  const nobody = await call(t, ["add", "--url", "tcp://127.0.0.1:1"])
  for (const { code, err } of [silent, nobody]) {
    assert.equal(code, 6)
    assert.match(
      err,
      /^quartet: CONNECTION_LOST: [^()]*(\(ECONNREFUSED\): start the server .* --url)?\n$/,
    )
  }
})

test("PL170 where an id must be proven, the token of a file proves it", async (t) => {
  const secret = "a secret of thirty-two characters!"
  const tokenKey = { kind: "secret", secret } as const
  const { pools } = await startServer(t, { poolsPort: 0, poolsAuth: "required", tokenKey })
  const at = ["--url", `tcp://${pools[0]}`, "--app", "ada"]
  const token = await new SignJWT({ sub: "ada", aud: "quartet" })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(secret))
  const file = join(temporaryDirectory(t), "token")
  writeFileSync(file, `${token}\n`)
  const bare = await call(t, ["add", ...at])
  assert.equal(bare.code, 6)
  assert.match(bare.err, /^quartet: UNAUTHENTICATED: /)
  const proven = await call(t, ["add", "--token-file", file, ...at])
  assert.equal(proven.code, 3, proven.err)
})

test("PL170 a call waits for its handler, goes where it is sent, and runs once for its key", async (t) => {
  const { app, at, enter } = await begun(t)
  const waiting = call(t, ["late", "1", "--wait", "60s", "--ttl", "60s", ...at])
  for (let isWaiting = false; !isWaiting; ) {
    const { triggers } = await app.admin("list_triggers")
    isWaiting = JSON.stringify(triggers).includes('"waiting":1')
  }
  await app.handle("late", (input) => [input, "at last"])
  assert.deepEqual(JSON.parse((await waiting).out), [1, "at last"])
  const bob = await enter("bob")
  let runs = 0
  for (const each of [app, bob]) await each.handle("me", () => [each.id, ++runs])
  const to = await Promise.all(
    ["ada", "bob", "ada", "bob"].map((id) => call(t, ["me", "--to", id, ...at])),
  )
  const names = to.map(({ out }) => JSON.parse(out)[0])
  assert.deepEqual(names, ["ada", "bob", "ada", "bob"])
  const first = await call(t, ["me", "--idempotency-key", "k", ...at])
  const again = await call(t, ["me", "--idempotency-key", "k", ...at])
  assert.deepEqual([first.code, again.out, runs], [0, first.out, 5])
  const other = await call(t, ["me", "7", "--idempotency-key", "k", ...at])
  assert.equal(other.code, 6)
  assert.match(other.err, /IDEMPOTENCY_MISMATCH/)
})

test("PL171 what is streamed is printed a line each, and given up when nobody reads on", async (t) => {
  const { app, at } = await begun(t)
  let over = 0
  await app.handle("count", async function* (to: number) {
    try {
      for (let number = 1; number <= to; number++) yield number
      return "counted"
    } finally {
      over += 1
    }
  })
  const { code, out } = await call(t, ["count", "3", "--stream", ...at])
  assert.deepEqual([code, out], [0, '1\n2\n3\n"counted"\n'])
  const endless = begin(t, ["count", "1000000000", "--stream", ...at])
  await once(endless.stdout, "data")
  endless.stdout.destroy()
  const [gone] = await once(endless, "exit")
  assert.equal(gone, 0)
  await eventually(() => over === 2)
})

test("PL171 Control-C cancels the call, and says that it may have run", async (t) => {
  const { app, at } = await begun(t)
  const reasons: unknown[] = []
  let begunCount = 0
  await app.handle("slow", (_, { signal }) => {
    begunCount += 1
    signal.addEventListener("abort", () => reasons.push(signal.reason.code))
    return new Promise(() => {})
  })
  const child = begin(t, ["slow", ...at])
  await eventually(() => begunCount === 1)
  child.kill("SIGINT")
  const { code, out, err } = await ended(child)
  assert.deepEqual([code, out], [5, ""])
  assert.match(err, /^quartet: CANCELLED: .* \(it may have run\)\n$/)
  await eventually(() => reasons.length === 1)
  assert.deepEqual(reasons, ["CANCELLED"])
})

test("PL172 --explain says who would get it, and calls nobody", async (t) => {
  const { app, at } = await begun(t)
  let runs = 0
  await app.handle("add", () => ++runs, { policy: "least_pending" })
  const [some, none] = await Promise.all([
    call(t, ["add", "1", "--explain", ...at]),
    call(t, ["nobody", "--explain", ...at]),
  ])
  const { policy, chosen, candidates } = JSON.parse(some.out)
  assert.deepEqual([some.code, policy, chosen, candidates.length], [0, "least_pending", "ada", 1])
  assert.deepEqual([none.code, JSON.parse(none.out).outcome, runs], [0, "nobody", 0])
})
