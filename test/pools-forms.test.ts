/** Every message of pools in every form that can say it, there and back: the same comes out. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { read, write } from "../src/client/pools-frames.ts"
import { poolsCodec } from "../src/wire/pools.ts"
import type { CompactSaying } from "../src/wire/pools-compact-app.ts"
import { bytesOf, bytesPayload, noPayload, type Payload } from "../src/wire/pools-payload.ts"
import type { Form, ToApp } from "../src/wire/pools-shapes.ts"
import { tell } from "../src/wire/pools-told.ts"
import { messages, mixedFrame } from "./pools-corpus.ts"

const json: Form = { binary: "none", version: "1.0", dialect: "plain" }
const mixed: Form = { ...json, binary: "mixed" }
const compact: Form = { ...json, binary: "compact" }

const text = fc.stringMatching(/^[a-zé😀 ]{1,12}$/u)
const word = fc.stringMatching(/^[a-z0-9.-]{1,12}$/)
const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
const payload: fc.Arbitrary<Payload> = fc.oneof(
  fc.constant(noPayload),
  fc.jsonValue().map((value) => bytesPayload(Buffer.from(JSON.stringify(value)), 1)),
  text.map((value) => bytesPayload(Buffer.from(value), 2)),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => bytesPayload(bytes, 3)),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => bytesPayload(bytes, 200)),
)
const trace = fc.record(
  {
    traceparent: fc.constant("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    tracestate: fc.constant("a=1,b=2"),
  },
  { requiredKeys: [] },
)
const appFlags = fc.constantFrom([], ["x-mine"], ["x-a", "x-b"])
const startFlags = fc.subarray(["idempotent", "stream", "detach"]).map((flags) => new Set(flags))
const emitFlags = fc.subarray(["ack", "retain", "exclude_self"]).map((flags) => new Set(flags))
/** Of a call that the server gave to a handler: twelve hex digits of a UUID. */
const givenId = fc.integer({ min: 1, max: 0xffff_ffff_ffff })
const kind = <const Name extends string>(name: Name) => fc.constant(name)
const outcome = fc.oneof(
  fc.record({ is: kind("done"), result: payload }),
  fc.record({ is: kind("unavailable"), sentence: text }),
  fc.record(
    { is: kind("failed"), sentence: text, handlerCode: word },
    { requiredKeys: ["is", "sentence"] },
  ),
)

/** What an app says that all forms can say. */
const saying: fc.Arbitrary<CompactSaying> = fc.oneof(
  fc
    .tuple(
      fc.record({
        kind: kind("trigger"),
        id,
        pool: word,
        trigger: text.map((each) => `t${each.trim()}`.replaceAll(" ", "")),
        payload,
      }),
      fc.record({ ttlMs: fc.nat(0xffff_ffff), flags: startFlags, appFlags }),
      fc.record(
        {
          ...{ destination: word, affinity: text, key: text, correlation: word },
          ...{ waitMs: fc.nat(60_000), credit: fc.nat(0xffff), parent: givenId },
          nonce: fc.uint8Array({ minLength: 16, maxLength: 16 }),
        },
        { requiredKeys: [] },
      ),
      trace,
    )
    .map(([head, flags, more, traced]) => ({ ...head, ...flags, ...more, ...traced })),
  fc.record({ kind: kind("response"), id: fc.constant(undefined), to: givenId, outcome }),
  fc
    .tuple(
      fc.record({ kind: kind("emit"), pool: word, trigger: word, payload, appFlags }),
      emitFlags,
      id,
      trace,
    )
    .map(([emit, flags, number, traced]) => {
      return { ...emit, flags, id: flags.has("ack") ? number : undefined, ...traced }
    }),
  fc.record({
    ...{ kind: kind("chunk"), to: givenId, toward: fc.constantFrom("caller", "handler") },
    ...{ seq: fc.nat(0xffff_ffff), payload, isLast: fc.boolean() },
  }),
  fc.record({
    ...{ kind: kind("credit"), to: givenId, toward: fc.constantFrom("caller", "handler") },
    count: fc.integer({ min: 1, max: 0xffff_ffff }),
  }),
  fc.record({ kind: kind("cancel"), to: id, mode: fc.constantFrom("kill", "skip", "killnowait") }),
  fc.record({ kind: kind("pong"), id }),
)

/** What the server says that all forms can say. */
const told: fc.Arbitrary<ToApp> = fc.oneof(
  fc
    .tuple(
      fc.record({
        kind: kind("call"),
        id: givenId,
        pool: word,
        trigger: word,
        payload,
        origin: word,
      }),
      fc.record({
        ...{ proof: fc.constantFrom("none", "key", "token", "certificate") },
        ...{ attempt: fc.integer({ min: 1, max: 3 }), ttlMs: fc.nat(600_000) },
        ...{ flags: startFlags, appFlags },
      }),
      fc.record(
        {
          ...{ destination: word, correlation: word, credit: fc.nat(1_024) },
          nonce: fc.uint8Array({ minLength: 16, maxLength: 16 }),
        },
        { requiredKeys: [] },
      ),
      trace,
    )
    .map(([head, flags, more, traced]) => ({ ...head, ...flags, ...more, ...traced })),
  fc
    .tuple(
      fc.record({
        kind: kind("emitted"),
        pool: word,
        trigger: word,
        payload,
        origin: word,
        appFlags,
        seq: id,
      }),
      fc.record(
        { lost: fc.integer({ min: 1, max: 1_000 }), isRetained: fc.constant(true as const) },
        { requiredKeys: [] },
      ),
      trace,
    )
    .map(([emit, more, traced]) => ({ ...emit, ...more, ...traced })),
  fc.record(
    { kind: kind("answer"), to: id, payload, isRepeated: fc.constant(true as const) },
    { requiredKeys: ["kind", "to", "payload"] },
  ),
  fc.record({
    ...{ kind: kind("chunk"), to: id, toward: kind("caller"), seq: fc.nat(1_000_000), payload },
    isLast: fc.boolean(),
  }),
  fc.record({
    kind: kind("credit"),
    to: fc.integer({ min: 1, max: 0xffff }),
    toward: kind("handler"),
    count: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({
    ...{ kind: kind("cancel"), to: fc.integer({ min: 1, max: 0xffff }) },
    reason: fc.constantFrom("caller", "deadline", "lost", "parent"),
  }),
  fc.record({
    ...{ kind: kind("fault"), to: id },
    fault: fc.record(
      {
        ...{
          code: fc.constantFrom("no-handler", "busy", "timeout"),
          sentence: text,
        },
        ...{ retryAfterMs: fc.nat(60_000), executionUncertain: fc.constant(true as const) },
      },
      { requiredKeys: ["code", "sentence"] },
    ),
  }),
)

/** With payloads as their kind and bytes, and nothing that is undefined. */
function flat(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString("hex")}`
  if (value instanceof Set) return [...value].toSorted()
  if (Array.isArray(value) || typeof value !== "object" || value === null) return value
  if ("as" in value) {
    const one = value as Payload // payloads alone have this field
    const bytes = Buffer.from(bytesOf(one))
    return [one.type, one.type === 1 ? JSON.parse(bytes.toString()) : bytes.toString("hex")]
  }
  const fields = Object.entries(value).filter(([name, each]) => {
    return each !== undefined && name !== "word" && name !== "close"
  })
  return Object.fromEntries(fields.map(([name, each]) => [name, flat(each)]))
}

test("PL25 PL4 what an app says means the same in JSON, mixed and compact frames", () => {
  fc.assert(
    fc.property(saying, (message) => {
      const spelled = write(message, "json")
      const plain = poolsCodec.decode(spelled)
      assert.notEqual(plain.kind, "bad", JSON.stringify(plain))
      const packed = write(message, "compact")
      assert.equal(typeof packed, "object", "a compact frame")
      assert.deepEqual(flat(poolsCodec.decode(packed)), flat(plain))
      const own = payloadOf(message)
      if (own === undefined || own.type === 0) return
      const { payload: _, result: __, ...header } = JSON.parse(String(spelled))
      const content_type = header.content_type ?? "json"
      const frame = mixedFrame({ ...header, content_type }, bytesOf(own))
      assert.deepEqual(flat(poolsCodec.decode(frame)), flat(plain))
    }),
    { numRuns: 1_000 },
  )
})

function payloadOf(message: CompactSaying): Payload | undefined {
  if ("payload" in message) return message.payload
  if (message.kind !== "response" || message.outcome.is !== "done") return undefined
  return message.outcome.result
}

test("PL25 PL4 what the server says means the same in JSON, mixed and compact frames", () => {
  fc.assert(
    fc.property(told, (message) => {
      const [plain, parted, packed] = [json, mixed, compact].map((form) => {
        return flat(read(tell(message, form) ?? assert.fail("every 1.0 app is told")))
      })
      assert.deepEqual(packed, plain)
      assert.deepEqual(parted, plain)
    }),
    { numRuns: 1_000 },
  )
})

test("PL25 what only JSON says is the same with nothing behind it", () => {
  const withPayload = ["trigger", "emit", "chunk", "response", "memory"]
  const others = messages.filter(({ type = "response" }) => !withPayload.includes(String(type)))
  assert.ok(others.length > 20, `${others.length}`)
  for (const message of others) {
    const plain = poolsCodec.decode(JSON.stringify({ ...message, size: 0 }))
    assert.deepEqual(poolsCodec.decode(mixedFrame(message, new Uint8Array(0))), plain)
    assert.deepEqual(
      poolsCodec.decode(Buffer.from(` ${JSON.stringify({ ...message, size: 0 })}`)),
      plain,
    )
  }
})
