/** What the log tells of calls. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { Sea } from "./pools-parts.ts"

const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
const traceparent = `00-${trace}-00f067aa0ba902b7-01`
const uuid = (id: number) => `00000000-0000-4000-8000-${id.toString(16).padStart(12, "0")}`

test("PL146 a call is followed through the log by its ids, from caller to handler and to its end", () => {
  const sea = new Sea()
  const ada = sea.app("ada")
  const bob = sea.app("bob", { triggers: [{ name: "work", idempotent: true }] })
  const cid = sea.app("cid", { triggers: [{ name: "work", idempotent: true }] })
  ada.says({
    ...{ type: "trigger", id: "a-1", trigger: "work", correlation_id: "order-7", traceparent },
    destination: "bob",
  })
  const ids = { connection: ada.id, call: "a-1", correlation: "order-7", trace }
  const lines = () => sea.log.filter(({ event }) => String(event).startsWith("call "))
  const given = { ...ids, handler: bob.id, given: uuid(1), attempt: 1 }
  assert.partialDeepStrictEqual(lines(), [{ level: "debug", event: "call handed over", ...given }])
  sea.pass(40)
  bob.answers(bob.all("trigger")[0] ?? assert.fail(), 1)
  assert.partialDeepStrictEqual(lines()[1], {
    ...{ event: "call settled", ...ids, outcome: "answered", ms: 40 },
  })
  sea.log.length = 0
  // Lost by one handler and given to another: both are told.
  ada.says({ type: "trigger", id: "a-2", trigger: "work", traceparent })
  const [first, other] = bob.all("trigger").length > 1 ? [bob, cid] : [cid, bob]
  first.leaves()
  const again = other.all("trigger").at(-1) ?? assert.fail("it was not given to the other one")
  assert.partialDeepStrictEqual(lines(), [
    { event: "call handed over", call: "a-2", handler: first.id, attempt: 1 },
    {
      ...{ event: "call handed over", call: "a-2", trace, handler: other.id, attempt: 2 },
      given: again["id"],
    },
  ])
  ada.says({ type: "trigger", id: "a-3", trigger: "work", pool: "nowhere" })
  const refused = sea.log.find(({ event }) => event === "request refused")
  assert.partialDeepStrictEqual(refused, { connection: ada.id, call: "a-3", code: "no-pool" })
})

test("PL146 no payload, name, metadata, token or key is logged", () => {
  const sea = new Sea()
  const secret = "s3cret-words"
  const ada = sea.app(`ada-${secret}`, {
    metadata: { secret },
    triggers: [`work-${secret}`],
    topics: [`topic-${secret}`],
    token: undefined,
  })
  const eve = sea.come()
  eve.says({ type: "handshake", id: "h", app_id: "eve", protocol_version: "1.0", token: secret })
  const call = { type: "trigger", trigger: `work-${secret}`, payload: { secret } }
  ada.says({ ...call, id: "1", idempotency_key: secret, affinity: secret })
  const told = ada.all("trigger")[0] ?? assert.fail("it was given no call")
  ada.answers(told, { secret })
  ada.says({ ...call, id: "2", tracestate: `a=${secret}` })
  ada.says({ type: "response", correlation_id: uuid(2), status: "error", error: secret })
  ada.says({ type: "emit", trigger: `topic-${secret}`, payload: secret })
  ada.says({ type: "pool", id: "3", operation: "create", pool: `pool-${secret}` })
  ada.says({ type: secret, id: "4" })
  ada.utters(`{"secret": "${secret}`)
  sea.pass(1_000)
  ada.leaves()
  assert.ok(sea.log.length >= 5)
  assert.doesNotMatch(JSON.stringify(sea.log), new RegExp(secret))
})
