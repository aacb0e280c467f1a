/** Protocol 0.1 as its example program speaks it, and the second spelling of its manual. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { poolsCodec } from "../src/wire/pools.ts"
import { type End, Sea } from "./pools-parts.ts"

const uuid = (at: number) => `11111111-2222-4333-8444-${String(at).padStart(12, "0")}`

/** A handshake as the example client of 0.1 sends it. */
function old(sea: Sea, app_id: string, fields: object = {}): End {
  const end = sea.come()
  end.says({
    ...{ type: "handshake", id: uuid(1), timestamp: 1, protocol_version: "0.1.0", app_id },
    ...{ pools: ["default"], triggers: [], metadata: {}, ...fields },
  })
  return end
}

function oldCall(end: End, id: string, trigger: string, fields: object = {}): void {
  end.says({
    ...{ type: "trigger", id, timestamp: 1, protocol_version: "0.1.0", trigger, payload: { a: 1 } },
    ...{ origin: "whoever", pool: "default", ttl: 30_000, ...fields },
  })
}

test("PL23 an old program shakes hands, calls and is called, and hears only what it knows", () => {
  const sea = new Sea()
  const bob = old(sea, "bob", { triggers: ["echo", "fail"], pools: ["made-here", "default"] })
  assert.deepEqual(bob.heard, [
    {
      ...{ type: "handshake_ack", correlation_id: uuid(1), status: "success" },
      assigned: {
        ...{ app_id: "bob", pools: ["made-here", "default"], triggers: ["echo", "fail"] },
        rehydrated: false,
      },
      server_version: "1.2.3",
    },
  ])
  const ada = old(sea, "ada")
  oldCall(ada, uuid(2), "echo")
  const [told] = bob.all("trigger")
  assert.match(
    String(told?.["id"]),
    /^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  )
  // Its example mixes both spellings in its answers.
  bob.says({
    ...{ type: "response", id: uuid(3), in_reply_to: told?.["id"], status: "success" },
    response: { a: 1 },
  })
  assert.partialDeepStrictEqual(ada.answerTo(uuid(2)), { type: "response", result: { a: 1 } })
  oldCall(ada, uuid(4), "fail")
  const failing = bob.all("trigger").at(-1)
  bob.says({
    type: "response",
    id: uuid(5),
    in_reply_to: failing?.["id"],
    status: "error",
    error: "no",
  })
  // It takes every response for a success, so a failure is an error.
  assert.partialDeepStrictEqual(ada.answerTo(uuid(4)), {
    type: "error",
    error: "no",
    error_code: "HANDLER_ERROR",
  })
  oldCall(ada, uuid(6), "nothing")
  assert.partialDeepStrictEqual(ada.answerTo(uuid(6)), { error_code: "NOT_FOUND" })
  oldCall(ada, uuid(7), "echo", { ttl: 100 })
  sea.pass(100_000)
  assert.partialDeepStrictEqual(ada.answerTo(uuid(7)), { error_code: "TIMEOUT" })
  assert.deepEqual(bob.all("cancel"), [])
  assert.deepEqual(bob.all("ping"), [])
})

test("PL23 old emits say process and data, and an empty handshake gets back what was registered", () => {
  const sea = new Sea()
  old(sea, "bob", { triggers: ["log"] }).leaves()
  const bob = old(sea, "bob")
  assert.partialDeepStrictEqual(bob.heard, [{ assigned: { triggers: ["log"], rehydrated: true } }])
  const ada = old(sea, "ada")
  ada.says({ type: "emit", id: uuid(2), pool: "default", process: "log", data: 1, origin: "x" })
  assert.partialDeepStrictEqual(bob.all("emit"), [{ trigger: "log", payload: 1, origin: "ada" }])
})

test("PL23 a block request is known by its operation, whatever type it wrote over its own", () => {
  const sea = new Sea()
  const ada = old(sea, "ada")
  const create = { id: uuid(2), operation: "create", block_id: "b", size: 10, type: "shared" }
  ada.says({ ...create, pool: "default", permissions: {} })
  ada.says({ ...create, id: uuid(3), operation: "read", type: "memory", offset: 0, length: null })
  assert.partialDeepStrictEqual(ada.answerTo(uuid(2)), { result: { size: 10, mode: "write" } })
  // Its blocks begin as zeros.
  assert.partialDeepStrictEqual(ada.answerTo(uuid(3)), { result: { data: "AAAAAAAAAAAAAA==" } })
})

test("PL24 the second spelling is understood, and spoken back to whoever shook hands in it", () => {
  const sea = new Sea()
  const bob = sea.come()
  bob.says({ action: "handshake", id: "h", app_id: "bob", triggers: ["echo"], meta: { a: 1 } })
  assert.partialDeepStrictEqual(bob.heard, [
    { action: "handshake_ack", in_reply_to: "h", status: "ok" },
  ])
  const ada = sea.app("ada")
  ada.says({ type: "trigger", id: "1", trigger: "echo", payload: 7 })
  const told = bob.heard.at(-1)
  assert.partialDeepStrictEqual(told, {
    action: "trigger",
    process: "echo",
    data: 7,
    origin: "ada",
  })
  bob.says({ action: "response", in_reply_to: told?.["id"], status: "ok", response: 8 })
  assert.partialDeepStrictEqual(ada.answerTo("1"), { status: "success", result: 8 })
  bob.says({ action: "trigger", id: "2", process: "nothing", data: 1, origin: { app: "x" } })
  assert.partialDeepStrictEqual(bob.heard.at(-1), {
    ...{ action: "error", in_reply_to: "2", error_code: "NOT_FOUND" },
  })
})

test("PL24 where both spellings stand in one message the first counts", () => {
  const message = { type: "emit", trigger: "a", process: "b", payload: 1, data: 2 }
  const read = poolsCodec.decode(JSON.stringify(message))
  assert.partialDeepStrictEqual(read, { kind: "emit", trigger: "a", payload: { value: 1 } })
})
