/** What somebody finds who writes a client from docs/protocol/pools.md alone: answers, fields, limits. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { base64, blockStage, refused, result, sent } from "./blocks-parts.ts"
import { Sea } from "./pools-parts.ts"

const stream = { type: "trigger", trigger: "work", flags: ["stream"] }

test("PL15 a reason says what was expected and what came, and never the content of a text", () => {
  const eve = new Sea().app("eve")
  const told = (message: object) => {
    eve.says({ type: "trigger", id: "1", trigger: "x", ...message })
    const [{ error, field, reason } = {}] = eve.news()
    assert.equal(error, `${String(field).slice(1)} ${reason}`)
    return [field, reason]
  }
  assert.deepEqual(told({ trigger: 5 }), ["/trigger", "must be string, not 5"])
  assert.deepEqual(told({ trigger: undefined }), ["/trigger", "is missing"])
  assert.deepEqual(told({ ttl: "soon" }), ["/ttl", "must be integer, not a string of 4 characters"])
  assert.deepEqual(told({ ttl: -1 }), ["/ttl", "must be >= 0, not -1"])
  assert.deepEqual(told({ flags: {} }), ["/flags", "must be array, not an object"])
  assert.deepEqual(told({ flags: ["x-a", null] }), ["/flags/1", "must be string, not null"])
  assert.deepEqual(told({ pool: [1, 2] }), ["/pool", "must be string, not an array of 2"])
})

test("PL15 an answer whose result is not what its content type says is told with that field", () => {
  const sea = new Sea()
  const [ada, bob] = [sea.app("ada"), sea.app("bob", { triggers: ["work"] })]
  ada.says({ type: "trigger", id: "1", trigger: "work" })
  const answer = { type: "response", id: "r", correlation_id: bob.heard[0]?.["id"] }
  bob.says({ ...answer, status: "success", content_type: "bytes", result: "*" })
  assert.partialDeepStrictEqual(bob.answerTo("r"), { error_code: "BAD_MESSAGE", field: "/result" })
})

test("PL15 an explanation or an inspection of nothing is told that its target is missing", () => {
  const ada = new Sea().app("ada")
  for (const operation of ["explain", "inspect_block"]) {
    ada.says({ type: "admin", id: operation, operation })
    const about = { error_code: "BAD_MESSAGE", field: "/target" }
    assert.partialDeepStrictEqual(ada.answerTo(operation), about)
  }
})

test("PL84 an emit that asks how many it reached needs an id to be told by", () => {
  const ada = new Sea().app("ada")
  ada.says({ type: "emit", trigger: "x", flags: ["ack"] })
  assert.partialDeepStrictEqual(ada.heard, [{ error_code: "BAD_MESSAGE", field: "/id" }])
})

test("PL52 a failure without a word is told as one, in plain letters", () => {
  const sea = new Sea()
  const [ada, bob] = [sea.app("ada"), sea.app("bob", { triggers: ["work"] })]
  ada.says({ type: "trigger", id: "1", trigger: "work" })
  bob.says({ type: "response", correlation_id: bob.heard[0]?.["id"], status: "error" })
  assert.deepEqual(ada.answerTo("1"), {
    ...{ type: "response", correlation_id: "1", status: "error", error: "failed" },
  })
})

test("PL55 a destination that does not handle it is named", () => {
  const sea = new Sea()
  const ada = sea.app("ada")
  sea.app("bob", { triggers: ["work"] })
  ada.says({ type: "trigger", id: "1", trigger: "work", destination: "cy" })
  assert.partialDeepStrictEqual(ada.answerTo("1"), {
    ...{ error_code: "NO_HANDLER", error: "no handler for work at cy" },
  })
})

test("PL21 the id of a lock that waits is not free, and is once that is answered", () => {
  const { sea, ada, bob, as } = blockStage()
  result(as(ada, "create", { size: 10 }))
  const { lock_id } = result(as(ada, "lock", { mode: "write" }))
  const waits = sent(bob, "lock", { mode: "read", timeout: 1_000 })
  for (const _ of ["once", "and again"]) {
    bob.says({ type: "memory", id: waits, operation: "attach", block_id: "b" })
    refused(bob.answerTo(waits), "DUPLICATE_ID")
    bob.news()
  }
  result(as(ada, "unlock", { lock_id }))
  result(bob.answerTo(waits))
  bob.news()
  for (const operation of ["attach", "read", "nothing", "read"]) {
    bob.says({ type: "memory", id: waits, operation, block_id: "b" })
    sea.pass(0)
    assert.notEqual(bob.answerTo(waits)["error_code"], "DUPLICATE_ID", operation)
    bob.news()
  }
})

test("PL25 PL64 a chunk of chunkLimitBytes passes in JSON, whatever stands around it, and one byte more ends the call", () => {
  const limit = 4_096
  const sea = new Sea({ limits: { chunkLimitBytes: limit } })
  const [ada, bob] = [sea.app("ada"), sea.app("bob", { triggers: ["work"] })]
  const chunkOf = (payload: unknown) => {
    ada.news()
    ada.says({ ...stream, id: "1" })
    const piece = { type: "chunk", correlation_id: bob.heard.at(-1)?.["id"], to: "caller", seq: 0 }
    bob.says({ ...piece, payload })
    const [heard] = ada.news()
    ada.says({ type: "cancel", correlation_id: "1" })
    return heard?.["error_code"] ?? heard?.["payload"]
  }
  // A text in JSON has its two quotes.
  const full = "x".repeat(limit - 2)
  assert.equal(chunkOf(full), full)
  assert.equal(chunkOf(`${full}x`), "TOO_LARGE")
  const wide = "é".repeat(limit / 2 - 1)
  assert.equal(chunkOf(wide), wide)
  assert.equal(chunkOf(`${wide}é`), "TOO_LARGE")
})

test("PL4 a compact write that does not have the bytes it announces is refused", () => {
  const { ada, as } = blockStage()
  const { attachment } = result(as(ada, "create", { size: 10 }))
  const write = (length: number) => {
    const frame = Buffer.from(
      "b104000300000000000000630400000000000000000000000000000000000000000068656c6c6f",
      "hex",
    )
    frame.writeUInt32BE(Number(attachment), 16)
    frame.writeUInt32BE(length, 28)
    ada.utters(new Uint8Array(frame))
    return ada.heard.pop()
  }
  assert.partialDeepStrictEqual(write(9), { error_code: "BAD_MESSAGE", correlation_id: "99" })
  assert.partialDeepStrictEqual(write(5), { result: { generation: 1, length: 5 } })
})

test("PL98 a generation that is not there yet is not called overwritten", () => {
  const { ada, as } = blockStage()
  result(as(ada, "create", { size: 10 }))
  result(as(ada, "write", { data: base64("a") }))
  const about = { error: "generation 9 has not been written yet", detail: { newest: 1 } }
  const read = refused(as(ada, "read", { generation: 9 }), "GENERATION_GONE")
  assert.partialDeepStrictEqual(read, about)
})

test("PL113 the time of a ring's record is not the number of those that were lost", () => {
  const { ada, bob, as } = blockStage()
  const ring = { block_id: "r" }
  result(as(ada, "create", { ...ring, size: 4_096, ring: "overwrite" }))
  result(as(bob, "attach", { ...ring, mode: "read" }))
  const data = base64("x".repeat(500))
  result(as(ada, "write", { ...ring, data }))
  result(as(bob, "read", ring))
  for (let n = 0; n < 30; n++) result(as(ada, "write", { ...ring, data }))
  // It was lapped: it goes on with what comes next.
  refused(as(bob, "read", ring), "GENERATION_GONE")
  result(as(ada, "write", { ...ring, data }))
  const { generation, lost, time } = result(as(bob, "read", ring))
  assert.deepEqual({ generation, lost, time }, { generation: 31, lost: 30, time: 0 })
})
