/** Small messages that would cost much: what is counted is how the work grows, not how long it takes. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { decode64 } from "../src/wire/base64.ts"
import { WireError } from "../src/wire/error.ts"
import { poolsCodec } from "../src/wire/pools.ts"

/** ms of our own work that `work` takes. */
function cpuOf(work: () => void): number {
  const before = process.cpuUsage()
  work()
  return process.cpuUsage(before).user / 1_000
}

test("PL15 bytes in base64 cost what they are long, wherever their padding stands", () => {
  const padded = `${"=".repeat(1_000_000)}x`
  // Looked at from each sign anew it would be minutes.
  const cost = cpuOf(() => {
    assert.equal(decode64(padded), undefined)
    const message = { type: "trigger", id: "1", trigger: "t", content_type: "bytes" }
    const told = () => poolsCodec.decode(JSON.stringify({ ...message, payload: padded }))
    try {
      told()
    } catch (thrown) {
      assert.ok(thrown instanceof WireError)
    }
  })
  assert.ok(cost < 10_000, `${cost} ms`)
  assert.deepEqual([...(decode64("AAE=") ?? [])], [0, 1])
  assert.deepEqual([...(decode64("AAE====") ?? [])], [0, 1])
  assert.deepEqual([...(decode64("====") ?? [9])], [])
  assert.equal(decode64("AA=E"), undefined)
})
