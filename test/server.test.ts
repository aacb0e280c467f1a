/** The server as a process: its start, its stop, and what it tells about itself. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { test } from "node:test"
import { WebSocket } from "ws"
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
  const second = await run(["serve", "--port", port], { SQLITE_URI: ":memory:" })
  assert.equal(second.code, 1)
  assert.match(second.err, new RegExp(`^quartet: .*${port}.*\n$`))
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
  assert.match(err, /--prot/)
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
  await assert.rejects(fetch(`${url}/ready`, { headers: { connection: "close" } }))
  clock.turn(5_000)
  for (const each of closed) assert.equal((await each)[0], 1012)
  assert.equal(await stopped, "done")
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
