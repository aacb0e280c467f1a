/** The server as a process: its start, its stop, and what it tells about itself. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { WebSocket } from "ws"
import type { Config } from "../src/config.ts"
import { createServer } from "../src/server.ts"
import { eventually, fleet, HandClock, launch, startServer, temporaryDirectory } from "./harness.ts"

const main = join(import.meta.dirname, "../src/main.ts")

/** Runs `quartet …` to its end; resolves with its exit code and what it said. */
async function run(words: readonly string[], environment: Record<string, string> = {}) {
  const env = { PATH: process.env["PATH"], OPERATORS_PORT: "0", POOLS_PORT: "0", ...environment }
  const child = spawn(process.execPath, [main, ...words], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  })
  const said = { out: "", err: "" }
  child.stdout.on("data", (chunk) => (said.out += chunk))
  child.stderr.on("data", (chunk) => (said.err += chunk))
  const [code] = await once(child, "close")
  return { code, ...said }
}

test("SV3 the server says where it listens, in one line, once it does", async (t) => {
  const launched = await launch(t, { DATA_DIR: temporaryDirectory(t) })
  const lines = launched.log.filter((line) => line["event"] === "listening")
  assert.equal(lines.length, 1)
  assert.match(String(lines[0]?.["url"]), /^http:\/\/127\.0\.0\.1:\d+\/$/)
  assert.equal((await fetch(`${launched.url}/ready`)).status, 200)
})

test("SV3 a start that fails says why in one sentence and ends with 1", async (t) => {
  const taken = await launch(t, { DATA_DIR: temporaryDirectory(t) })
  const port = new URL(taken.url).port
  for (const setting of ["PORT", "OPERATORS_PORT", "POOLS_PORT"]) {
    const environment = { PORT: "0", SQLITE_URI: ":memory:", LOG_LEVEL: "error" }
    const second = await run(["serve"], { ...environment, [setting]: port })
    assert.equal(second.code, 1)
    const said = `quartet: ${setting}: cannot listen at 127.0.0.1:${port}: another program listens`
    assert.match(second.err, new RegExp(`^${said}.*\n$`))
  }
})

test("SV3 a folder that cannot be written, and an address of elsewhere, are named by their settings", async (t) => {
  const place = temporaryDirectory(t)
  writeFileSync(join(place, "file"), "")
  const quiet = { LOG_LEVEL: "error" }
  const [nowhere, foreign] = await Promise.all([
    run(["serve", "--port", "0"], { ...quiet, DATA_DIR: join(place, "file/data") }),
    run(["serve", "--port", "0", "--parts", "documents", "--host", "192.0.2.1"], {
      ...quiet,
      SQLITE_URI: ":memory:",
    }),
  ])
  assert.equal(nowhere.code, 1)
  assert.match(nowhere.err, /^quartet: the database .*; set DATA_DIR to a folder .*\n$/)
  assert.equal(foreign.code, 1)
  assert.match(foreign.err, /^quartet: HOST: cannot listen at 192\.0\.2\.1: .*\n$/)
})

test("SV3 a key or certificate that cannot be read is named by its setting and its file", () => {
  const gone = "/nowhere/quartet.pem"
  const cases: readonly (readonly [Partial<Config>, string])[] = [
    [{ tls: { cert: gone, key: gone } }, "TLS_CERT"],
    [{ tls: { cert: main, key: gone } }, "TLS_KEY"],
    [{ tls: { cert: main, key: main }, poolsTlsCa: gone }, "POOLS_TLS_CA"],
    [{ tokenKey: { kind: "file", path: gone } }, "JWT_PUBLIC_KEY"],
  ]
  for (const [config, setting] of cases) {
    const start = () => createServer({ sqliteUri: ":memory:", logLevel: "silent", ...config })
    assert.throws(start, new RegExp(`^Error: ${setting}: .*${gone}`))
  }
  const unused = { tokenKey: { kind: "file", path: gone } } as const
  const documents = { sqliteUri: ":memory:", logLevel: "silent", parts: ["documents"] } as const
  assert.doesNotThrow(() => createServer({ ...documents, ...unused }), "no part takes tokens")
})

test("SV2 bad settings stop the start, all told at once", async () => {
  const { code, err } = await run(["serve", "--port", "x"], { EXPIRY_DAYS: "never" })
  assert.equal(code, 1)
  assert.match(err, /PORT: "x" is not a whole number/)
  assert.match(err, /EXPIRY_DAYS: "never" is not a number/)
})

test("SV1 a flag that does not exist is refused", async () => {
  const { code, err } = await run(["serve", "--prot", "3030"])
  assert.equal(code, 2)
  assert.equal(err, "quartet: Unknown option '--prot': --help shows what there is\n")
})

test("SV4 a second process on one database is refused, and a killed one leaves no lock", async (t) => {
  const directory = temporaryDirectory(t)
  const first = await launch(t, { DATA_DIR: directory })
  const second = await run(["serve", "--port", "0"], { DATA_DIR: directory })
  assert.equal(second.code, 1)
  assert.match(second.err, /in use/)
  await first.end("SIGKILL")
  const third = await launch(t, { DATA_DIR: directory })
  assert.equal((await fetch(`${third.url}/ready`)).status, 200)
})

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`SV5 ${signal} ends the process with 0 after its connections were told`, async (t) => {
    const launched = await launch(t, { DATA_DIR: temporaryDirectory(t) })
    const editor = new WebSocket(`${launched.ws}/api/socket/notes`)
    await once(editor, "open")
    const closed = once(editor, "close")
    assert.equal(await launched.end(signal), 0)
    assert.equal((await closed)[0], 1012)
    assert.ok(launched.log.some((line) => line["event"] === "stopped"))
  })
}

test("SV6 what does not end before the deadline is logged and ends the process with 1", async (t) => {
  const launched = await launch(t, {
    DATA_DIR: temporaryDirectory(t),
    SHUTDOWN_TIMEOUT_SECONDS: "0.3",
  })
  // A far end that never answers the closing: its socket reads nothing more.
  const editor = new WebSocket(`${launched.ws}/api/socket/notes`)
  await once(editor, "open")
  editor.pause()
  assert.equal(await launched.end("SIGTERM"), 1)
  assert.ok(launched.log.some((line) => line["event"] === "stopped late"))
})

test("SV7 a second signal ends the process at once", async (t) => {
  const launched = await launch(t, {
    DATA_DIR: temporaryDirectory(t),
    SHUTDOWN_TIMEOUT_SECONDS: "600",
    DRAIN_SECONDS: "500",
  })
  const editors = [1, 2].map((n) => new WebSocket(`${launched.ws}/api/socket/notes${n}`))
  await Promise.all(editors.map((editor) => once(editor, "open")))
  launched.process.kill("SIGTERM")
  await eventually(() => launched.log.some((line) => line["event"] === "stopping"))
  assert.equal(await launched.end("SIGTERM"), 1)
})

test("SV5 newcomers are turned away while the server stops", async (t) => {
  const clock = new HandClock()
  const { server, url, ws } = await startServer(t, { clock, drainSeconds: 5 })
  const editors = [1, 2, 3].map((n) => new WebSocket(`${ws}/api/socket/n${n}`))
  await Promise.all(editors.map((editor) => once(editor, "open")))
  const kept = await fetch(`${url}/ready`)
  assert.equal(kept.status, 200)
  const closed = editors.map((editor) => once(editor, "close"))
  const stopped = server.stop()
  // Each on a socket of its own, as a balancer asks.
  const asked = async (path: string) => {
    const answer = await fetch(`${url}${path}`, { headers: { connection: "close" } })
    return [answer.status, await answer.text()]
  }
  assert.deepEqual(await asked("/ready"), [503, "not ready"])
  assert.deepEqual(await asked("/api/text/n1"), [200, ""])
  const newcomer = new WebSocket(`${ws}/api/socket/n1`)
  newcomer.on("error", () => {})
  const [, answer] = await once(newcomer, "unexpected-response")
  assert.deepEqual([answer.statusCode, answer.headers["retry-after"]], [503, "5"])
  clock.turn(5_000)
  for (const each of closed) assert.equal((await each)[0], 1012)
  assert.equal(await stopped, "done")
  // With the last connection the listener goes.
  await assert.rejects(asked("/ready"))
})

test("SV23 health is the truth about store and bus, end to end", async (t) => {
  const { url } = await startServer(t)
  const answer = await fetch(`${url}/health`)
  assert.equal(answer.status, 200)
  const health = (await answer.json()) as Record<string, unknown>
  assert.equal(health["ok"], true)
  assert.equal(health["status"], "healthy")
  assert.deepEqual(health["store"], { ok: true })
})

test("SV31 several servers of one bus all reach each other", async (t) => {
  const servers = await fleet(t, 3)
  for (const { url } of servers) assert.equal((await fetch(`${url}/health`)).status, 200)
})

test("SV24 figures are told by name, without any name that a far end chose", async (t) => {
  const { url, ws } = await startServer(t)
  const editor = new WebSocket(`${ws}/api/socket/secret-plans`)
  const [identity] = await once(editor, "message")
  assert.equal(String(identity), '{"Identity":0}')
  const text = await (await fetch(`${url}/metrics`)).text()
  assert.match(text, /^quartet_net_connections\{service="documents"\} 1$/m)
  assert.match(text, /^quartet_net_messages_out_total\{service="documents"\} 1$/m)
  assert.doesNotMatch(text, /secret-plans/)
  editor.terminate()
})

test("SV26 everything lies below BASE_PATH", async (t) => {
  const { url, ws } = await startServer(t, { pathPrefix: "/pad/" })
  assert.equal((await fetch(`${url}/pad/ready`)).status, 200)
  assert.equal((await fetch(`${url}/ready`)).status, 404)
  const page = await fetch(`${url}/pad/`)
  assert.equal(page.status, 200)
  assert.match(await page.text(), /<title>/)
  const editor = new WebSocket(`${ws}/pad/api/socket/notes`)
  await once(editor, "message")
  editor.terminate()
})
