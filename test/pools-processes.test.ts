/** Pools whose handlers, and whose server, are processes of their own: killed in mid-call, and used for long. */
import assert from "node:assert/strict"
import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { type TestContext, test } from "node:test"
import { promisify } from "node:util"
import { eventually, launch, temporaryDirectory } from "./harness.ts"
import { FramedApp } from "./pools-app.ts"

/** What is left on the heap after many calls, at most. */
const leftBytes = 5 * 1024 * 1024
/** A million takes a minute on a slow machine: POOLS_CALLS says how many. */
const calls = process.env["POOLS_CALLS"] ?? "200000"

/** A server in a process of its own, and the path of its unix socket. */
async function serverAt(t: TestContext) {
  const directory = temporaryDirectory(t)
  const path = join(directory, "pools.sock")
  const server = await launch(t, { DATA_DIR: directory, POOLS_SOCKET: path })
  return { server, path }
}

/** A handler of `work` in a process of its own, and the lines that it has said. */
async function handlerAt(
  t: TestContext,
  place: string,
  [name, how]: [name: string, how: "keeps" | "answers"],
) {
  const program = join(import.meta.dirname, "pools-handler.ts")
  const child = spawn(process.execPath, [program, place, name, how], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  t.after(() => child.kill("SIGKILL"))
  const lines: string[] = []
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line))
  await eventually(() => lines.includes("ready"))
  return { child, lines }
}

test("PL45 PL63 a handler killed in mid-call is known to be lost, and what may run twice runs elsewhere", async (t) => {
  const { path } = await serverAt(t)
  const first = await handlerAt(t, path, ["first", "keeps"])
  const ada = new FramedApp(t, path)
  await ada.shakesHands("ada")
  const ttl = 600_000
  const call = (id: string, more: object) =>
    ada.says({ type: "trigger", id, trigger: "work", payload: id, ttl, ...more })
  call("plain", {})
  call("flagged", { flags: ["idempotent"] })
  call("keyed", { idempotency_key: "k" })
  await eventually(() => first.lines.length === 4)
  const second = await handlerAt(t, path, ["second", "answers"])
  const since = performance.now()
  first.child.kill("SIGKILL")
  const lost = await ada.answerTo("plain")
  t.diagnostic(`known ${(performance.now() - since).toFixed(1)} ms after kill -9`)
  assert.partialDeepStrictEqual(lost, { error_code: "HANDLER_LOST", execution_uncertain: true })
  for (const id of ["flagged", "keyed"]) {
    assert.partialDeepStrictEqual(await ada.answerTo(id), { status: "success", result: "second" })
  }
  assert.deepEqual(second.lines.toSorted(), [
    'got "flagged" attempt 2',
    'got "keyed" attempt 2',
    "ready",
  ])
  assert.equal(ada.heard.filter((each) => each["correlation_id"] !== "h").length, 3)
  // Its key is remembered: what ran elsewhere is not run once more.
  ada.says({
    ...{ type: "trigger", id: "again", trigger: "work", payload: "keyed", ttl },
    idempotency_key: "k",
  })
  assert.partialDeepStrictEqual(await ada.answerTo("again"), { result: "second", repeated: true })
  assert.equal(second.lines.length, 3)
})

test("PL50 PL45 a caller killed in mid-call has its calls cancelled", async (t) => {
  const { path } = await serverAt(t)
  const bob = new FramedApp(t, path)
  await bob.shakesHands("bob", { triggers: ["work"] })
  const program = `
    const { connect } = require("node:net")
    const socket = connect(${JSON.stringify(path)})
    const says = (message) => {
      const body = Buffer.from(JSON.stringify(message))
      const prefix = Buffer.alloc(4)
      prefix.writeUInt32BE(body.length)
      socket.write(Buffer.concat([prefix, body]))
    }
    says({ type: "handshake", id: "h", app_id: "ada", protocol_version: "1.0" })
    socket.once("data", () => says({ type: "trigger", id: "1", trigger: "work", ttl: 600000 }))`
  const child = spawn(process.execPath, ["-e", program], { stdio: "inherit" })
  t.after(() => child.kill("SIGKILL"))
  const call = await bob.hears("trigger")
  const exited = once(child, "exit")
  child.kill("SIGKILL")
  await exited
  const cancel = await bob.hears("cancel")
  assert.partialDeepStrictEqual(cancel, { correlation_id: call["id"], reason: "caller" })
})

test(`PL72 after ${calls} calls over sockets nothing of them is left`, async (t) => {
  const path = join(temporaryDirectory(t), "pools.sock")
  const program = join(import.meta.dirname, "pools-many.ts")
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--expose-gc", program, path, calls],
    { timeout: 500_000 },
  )
  const { before, after, inFlight, calls: made } = JSON.parse(stdout)
  assert.equal(made, Number(calls) + 20_000)
  assert.equal(inFlight, "0")
  const more = after - before
  t.diagnostic(`${(more / 1024).toFixed(0)} KiB more than before`)
  assert.ok(more < leftBytes, `${more} bytes more than before`)
})
