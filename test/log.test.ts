/** What the log promises to whoever reads it at night, and to whoever pays for its disk. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { WebSocket } from "ws"
import { Log } from "../src/log.ts"
import { createServer } from "../src/server.ts"
import { guard } from "../src/service.ts"
import { WireError } from "../src/wire/error.ts"

function logged(): { log: Log; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  return { log: new Log("debug", (line) => lines.push(JSON.parse(line))), lines }
}

test("SV25 an event is one line of JSON with its name, level and time", () => {
  const { log, lines } = logged()
  log.info("listening", { url: "http://127.0.0.1:3030/" })
  assert.equal(lines.length, 1)
  const { time, ...rest } = lines[0] ?? {}
  assert.deepEqual(rest, { level: "info", event: "listening", url: "http://127.0.0.1:3030/" })
  assert.match(String(time), /^\d{4}-\d\d-\d\dT/)
})

test("SV25 an event has ten lines a second, then one that counts the rest", () => {
  const { log, lines } = logged()
  log.tick(1_000)
  for (let n = 0; n < 10_000; n++) log.warn("otp refused")
  log.warn("save failed")
  assert.equal(lines.length, 11)
  log.tick(2_000)
  assert.deepEqual(
    lines.slice(11).map(({ event, left_out }) => ({ event, left_out })),
    [{ event: "otp refused", left_out: 9_990 }],
  )
  for (let n = 0; n < 11; n++) log.warn("otp refused")
  assert.equal(lines.length, 22)
  log.tick(3_000)
  assert.equal(lines.at(-1)?.["left_out"], 1, "one too many is told as well")
})

test("SV25 a level leaves out what is less than it", () => {
  const lines: string[] = []
  const log = new Log("warn", (line) => lines.push(line))
  log.info("listening")
  log.error("save failed")
  assert.equal(lines.length, 1)
})

test("SV14 a fault of ours is logged with its stack and told as internal, a refusal is not logged", () => {
  const { log, lines } = logged()
  const told: WireError[] = []
  const tell = (error: WireError) => told.push(error)
  guard(log, "receive", () => assert.fail("a bug"), tell)
  guard(
    log,
    "receive",
    () => {
      throw new WireError("bad-message", "no")
    },
    tell,
  )
  assert.deepEqual(
    told.map(({ code }) => code),
    ["internal", "bad-message"],
  )
  assert.equal(lines.length, 1)
  assert.match(String(lines[0]?.["stack"]), /a bug/)
  assert.equal(log.faults, 1)
})

test("SV25 DC107 nothing that a far end says or is called stands in the log or the figures", async (t) => {
  const lines: string[] = []
  const log = new Log("debug", (line) => lines.push(line))
  const config = {
    port: 0,
    operatorsPort: 0,
    poolsPort: undefined,
    sqliteUri: ":memory:",
    drainSeconds: 0,
  }
  const server = createServer(config, { log })
  const { port } = await server.start()
  t.after(() => server.stop())
  const editor = new WebSocket(`ws://127.0.0.1:${port}/api/socket/canary-id?otp=canary-token`)
  const says = (message: unknown) => editor.send(JSON.stringify(message))
  editor.on("open", () => {
    says({ ClientInfo: { name: "canary-name", hue: 1 } })
    says({ Edit: { revision: 0, operation: ["canary-text"] } })
    says({ "canary-key": "canary-value" })
  })
  await new Promise((resolve) => editor.on("close", resolve))
  const figures = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  assert.ok(lines.length > 0)
  assert.doesNotMatch(lines.join("\n") + figures, /canary/)
})
