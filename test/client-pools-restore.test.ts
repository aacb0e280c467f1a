/** What the SDK of pools does when not all can be restored: the far end is scripted. */
import assert from "node:assert/strict"
import { test } from "node:test"
import type { PoolsError } from "../src/client/pools.ts"
import { connect } from "../src/client/tcp.ts"
import { ScriptedServer } from "./conformance-server.ts"
import { eventually } from "./harness.ts"

test("PL141 what the server refuses after a return is told and forgotten, the rest holds", async (t) => {
  const server = await ScriptedServer.start(t, "TCP")
  const says = async (...lines: readonly string[]) => {
    for (const line of lines) {
      const [verb = ""] = line.split(" ")
      assert.ok(await server.does(verb, line.slice(verb.length + 1)), line)
    }
  }
  const faults: string[] = []
  const onFault = ({ code }: PoolsError, about: string) => void faults.push(`${code}: ${about}`)
  const connecting = connect(server.address).pools({ app: "ada", onFault })
  await says("accept", "welcome {}")
  const ada = await connecting
  t.after(() => ada.close({ withinMs: 0 }))
  const ok = (id: string) => `< {"type":"response","correlation_id":"${id}","status":"success"}`
  const handling = ada.handle("pay", () => 1, { policy: "first" })
  await says('> {"type":"register","id":"$1"}', ok("$1"))
  const listening = ada.on("log", () => {})
  await says('> {"type":"subscribe","id":"$2"}', ok("$2"))
  await Promise.all([handling, listening])

  await says("cut", "accept", "welcome {}", '> {"type":"register","id":"$3"}')
  await says('> {"type":"subscribe","id":"$4"}', ok("$4"))
  const refusal = '"status":"error","error":"pay has another policy","error_code":"POLICY_CONFLICT"'
  await says(`< {"type":"error","correlation_id":"$3",${refusal}}`)
  await eventually(() => ada.state === "ready")
  assert.deepEqual(faults, ["POLICY_CONFLICT: trigger default pay"])

  // What only has to wait is asked for by the next connection.
  await says("cut", "accept", "welcome {}", '> {"type":"subscribe","id":"$5"}')
  const busy = '"status":"error","error":"too fast","error_code":"BUSY","retry_after_ms":1'
  await says(`< {"type":"error","correlation_id":"$5",${busy}}`)
  await says("accept", "welcome {}", '> {"type":"subscribe","id":"$6"}', ok("$6"))
  await eventually(() => ada.state === "ready")
  assert.equal(faults.length, 1)
})

test("PL68 an app that drains while it is away asks for nothing when it is back", async (t) => {
  const server = await ScriptedServer.start(t, "TCP")
  const connecting = connect(server.address).pools({ app: "ada" })
  await server.does("accept", "")
  await server.does("welcome", "{}")
  const ada = await connecting
  t.after(() => ada.close({ withinMs: 0 }))
  const listening = ada.on("log", () => {})
  await server.does(">", '{"type":"subscribe","id":"$1"}')
  await server.does("<", '{"type":"response","correlation_id":"$1","status":"success"}')
  await listening
  await server.does("cut", "")
  await eventually(() => ada.state === "away")
  await ada.drain()
  await server.does("accept", "")
  await server.does("welcome", "{}")
  await server.does("quiet", "")
  await eventually(() => ada.state === "draining")
})
