/** Compact frames from the app's side: what one side writes the other reads. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { read, write } from "../src/client/pools-frames.ts"
import { WireError } from "../src/wire/error.ts"
import { poolsCodec } from "../src/wire/pools.ts"
import { compact } from "../src/wire/pools-compact.ts"
import {
  type CompactSaying,
  compactFromApp,
  readCompactToApp,
} from "../src/wire/pools-compact-app.ts"
import { bytesPayload, noPayload } from "../src/wire/pools-payload.ts"
import { type Form, type ToApp, uuidOf } from "../src/wire/pools-shapes.ts"
import { tell } from "../src/wire/pools-told.ts"

const json = bytesPayload(new TextEncoder().encode('{"x":[1,"é"]}'), 1)
const own = bytesPayload(Uint8Array.of(0, 255, 177, 123), 200)
const traced = {
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  tracestate: "a=b",
}
const nonce = new Uint8Array(16).fill(9)

/** One of each kind, with all that it can have and with nothing. */
const sayings: readonly CompactSaying[] = [
  {
    ...{ kind: "trigger", id: 2 ** 53 - 1, pool: "default", trigger: "größe", payload: json },
    ...{
      ttlMs: 1_234,
      flags: new Set(["idempotent", "stream", "detach"]),
      appFlags: ["x-a", "x-b"],
    },
    ...{ destination: "bob#2", affinity: "😀", key: "k", waitMs: 70_000, credit: 1_024 },
    ...{ parent: 77, correlation: "own", nonce, ...traced },
  },
  {
    ...{ kind: "trigger", id: 1, pool: "p", trigger: "t", payload: noPayload, ttlMs: 30_000 },
    ...{ flags: new Set(), appFlags: [] },
  },
  { kind: "response", id: undefined, to: 5, outcome: { is: "done", result: own } },
  {
    ...{ kind: "response", id: undefined, to: 5 },
    outcome: { is: "failed", sentence: "näh", handlerCode: "E1" },
  },
  { kind: "response", id: undefined, to: 5, outcome: { is: "unavailable", sentence: "later" } },
  {
    ...{
      kind: "emit",
      id: 6,
      pool: "p",
      trigger: "a.b",
      payload: own,
      appFlags: ["x-a"],
      ...traced,
    },
    flags: new Set(["exclude_self", "ack", "retain"]),
  },
  { kind: "chunk", to: 7, toward: "handler", seq: 3, payload: json, isLast: false },
  { kind: "chunk", to: 7, toward: "caller", seq: 4, payload: noPayload, isLast: true },
  { kind: "credit", to: 8, toward: "handler", count: 9 },
  { kind: "credit", to: 8, toward: "caller", count: 1 },
  { kind: "cancel", to: 9, mode: "kill" },
  { kind: "cancel", to: 9, mode: "skip" },
  { kind: "pong", id: 10 },
]

test("PL25 what an app writes in either form the server reads as the same", () => {
  for (const saying of sayings) {
    const frame = compactFromApp(saying)
    assert.ok(frame !== undefined, saying.kind)
    assert.deepEqual(poolsCodec.decode(frame), saying, saying.kind)
    const text = write(saying, "json")
    assert.equal(typeof text, "string")
    const again = write(poolsCodec.decode(text) as CompactSaying, "compact") // as it was
    assert.deepEqual(again, frame, saying.kind)
  }
})

const told: readonly ToApp[] = [
  {
    ...{ kind: "call", id: 3, pool: "p", trigger: "größe", payload: json, origin: "ada#2" },
    ...{ proof: "key", attempt: 2, ttlMs: 99, flags: new Set(["stream"]), appFlags: ["x-a"] },
    ...{ destination: "bob", correlation: "own", credit: 16, nonce, ...traced },
  },
  {
    ...{ kind: "call", id: 4, pool: "p", trigger: "t", payload: noPayload, origin: "ada" },
    ...{ proof: "none", attempt: 1, ttlMs: 99, flags: new Set(), appFlags: [] },
  },
  {
    ...{ kind: "emitted", pool: "p", trigger: "a.b", payload: own, origin: "ada", appFlags: [] },
    ...{ seq: 2 ** 40, lost: 7, isRetained: true, ...traced },
  },
  { kind: "answer", to: 5, payload: json, isRepeated: true },
  { kind: "answer", to: 5, payload: noPayload },
  { kind: "chunk", to: 6, toward: "caller", seq: 1, payload: own, isLast: false },
  { kind: "credit", to: 6, toward: "handler", count: 2 },
  { kind: "cancel", to: 7, reason: "deadline" },
]

test("PL25 what the server writes in any form the app reads as the same", () => {
  for (const message of told) {
    const frame = compact(message)
    assert.ok(frame !== undefined, message.kind)
    assert.deepEqual(readCompactToApp(frame), message, message.kind)
    for (const binary of ["none", "mixed"] as const) {
      const form: Form = { binary, version: "1.0", dialect: "plain" }
      const heard = read(tell(message, form) ?? "")
      assert.notEqual(heard.kind, "plain")
      // Payloads are spelled in another way, and mean the same.
      const again = compact(heard as ToApp) // of the same kinds, as was just seen
      assert.deepEqual(again, frame, `${message.kind} ${binary}`)
    }
  }
  const fault = {
    code: "busy",
    sentence: "full",
    retryAfterMs: 5,
    executionUncertain: true,
  } as const
  const frame = compact({ kind: "fault", to: 8, fault })
  assert.partialDeepStrictEqual(readCompactToApp(frame ?? new Uint8Array()), { fault, to: 8 })
  assert.equal(uuidOf(3), "00000000-0000-4000-8000-000000000003")
})

test("PL2 PL143 whatever bytes come, an app reads a message or a frame of no use", () => {
  const frames = told.flatMap((message) => compact(message) ?? [])
  const begun = fc.constantFrom(...frames).chain((frame) =>
    fc.tuple(fc.nat(frame.length - 1), fc.nat(255), fc.nat(frame.length)).map(([at, byte, end]) => {
      const changed = frame.slice(0, end)
      if (at > 0 && at < end) changed[at] = byte
      return changed
    }),
  )
  fc.assert(
    fc.property(fc.oneof(begun, fc.uint8Array({ maxLength: 64 })), (bytes) => {
      const frame = bytes.length === 0 ? Uint8Array.of(0xb1) : bytes
      frame[0] = 0xb1
      try {
        assert.equal(typeof readCompactToApp(frame).kind, "string")
      } catch (thrown) {
        assert.ok(thrown instanceof WireError, String(thrown))
      }
    }),
    { seed: 45_227, numRuns: 3_000 },
  )
})
