/** The wire of pools: three forms that mean the same, cut anywhere, and whatever strangers send. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { prefixFraming } from "../src/net/framing.ts"
import { FrameReader } from "../src/wire/frames.ts"
import { poolsCodec } from "../src/wire/pools.ts"
import { readCompact } from "../src/wire/pools-compact-reader.ts"
import { bytesOf, bytesPayload, noPayload, valuePayload } from "../src/wire/pools-payload.ts"
import type { Form, FromApp, ToApp } from "../src/wire/pools-shapes.ts"
import { firstBadJson } from "../src/wire/pools-text.ts"
import { tell } from "../src/wire/pools-told.ts"

const decode = (frame: Uint8Array | string) => poolsCodec.decode(frame)
const json = (message: object) => decode(JSON.stringify(message))
const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ""), "hex")
const compactForm: Form = { binary: "compact", version: "1.0", dialect: "plain" }
const none = new Set<string>()

/** A message without the frame that its payload is a view of. */
function flat(message: FromApp): object {
  if (!("payload" in message)) return message
  return { ...message, payload: Buffer.from(bytesOf(message.payload)).toString() }
}

const examples = {
  trigger: `00 00 00 3d 7b 22 74 79 70 65 22 3a 22 74 72 69 67 67 65 72 22 2c 22 69 64 22 3a 22 31 22 2c 22
    74 72 69 67 67 65 72 22 3a 22 61 64 64 22 2c 22 70 61 79 6c 6f 61 64 22 3a 7b 22 78 22 3a 31 7d 7d`,
  compactTrigger: `00 00 00 25 b1 01 00 01 00 00 00 00 00 00 00 01 00 00 75 30 07 64 65 66 61 75 6c 74 03 61
    64 64 00 00 7b 22 78 22 3a 31 7d`,
  told: `00 00 00 2b b1 01 00 01 00 00 00 00 00 00 00 09 00 00 75 2e 07 64 65 66 61 75 6c 74 03 61 64 64
    00 06 01 00 03 61 64 61 7b 22 78 22 3a 31 7d`,
  answer: `00 00 00 1b b1 02 00 01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 7b 22 73 75 6d 22 3a 32 7d`,
  noOne: `00 00 00 27 b1 02 00 00 00 00 00 00 00 00 00 01 02 00 00 1e 00 15 0e 00 12 6e 6f 20 68 61 6e 64
    6c 65 72 20 66 6f 72 20 61 64 64`,
  emit: `00 00 00 20 b1 03 00 02 00 00 00 00 00 00 00 00 07 64 65 66 61 75 6c 74 07 6c 6f 67 2e 77 65 62
    00 00 68 69`,
  write: `00 00 00 27 b1 04 00 03 00 00 00 00 00 00 00 02 04 00 00 00 00 00 00 07 00 00 00 00 00 00 00 00
    00 00 00 05 00 00 68 65 6c 6c 6f`,
  credit: "00 00 00 10 b1 06 00 00 00 00 00 00 00 00 00 01 00 00 00 10",
}

/** The frame behind its length. */
function body(text: string): Uint8Array {
  const [frame] = [...new FrameReader(1_024).push(hex(text))]
  return frame ?? assert.fail("no frame")
}

test("PL1 PL25 reads the examples, and the same call out of JSON and compact", () => {
  const call = { kind: "trigger", id: 1, pool: "default", trigger: "add", ttlMs: 30_000 }
  assert.partialDeepStrictEqual(flat(decode(body(examples.trigger))), {
    ...call,
    payload: '{"x":1}',
  })
  assert.deepEqual(
    flat(decode(body(examples.compactTrigger))),
    flat(decode(body(examples.trigger))),
  )
  const emit = { kind: "emit", id: undefined, trigger: "log.web", payload: "hi" }
  assert.partialDeepStrictEqual(flat(decode(body(examples.emit))), emit)
  const write = { kind: "memory", id: 2, operation: "write" }
  assert.partialDeepStrictEqual(decode(body(examples.write)), write)
  assert.deepEqual(decode(body(examples.credit)), {
    kind: "credit",
    to: 1,
    toward: "caller",
    count: 16,
  })
})

test("PL1 writes the examples to the byte", () => {
  const told = (message: ToApp) => {
    const frame = tell(message, compactForm)
    return frame instanceof Uint8Array ? prefixFraming(frame) : assert.fail("not compact")
  }
  const payload = valuePayload({ x: 1 }, 7)
  const call: ToApp = {
    ...{ kind: "call", id: 9, pool: "default", trigger: "add", payload, origin: "ada" },
    ...{ proof: "none", attempt: 1, ttlMs: 29_998, flags: none, appFlags: [] },
  }
  assert.deepEqual(Buffer.from(told(call)), hex(examples.told))
  const answer: ToApp = { kind: "answer", to: 1, payload: valuePayload({ sum: 2 }, 9) }
  assert.deepEqual(Buffer.from(told(answer)), hex(examples.answer))
  const fault = { code: "no-handler", sentence: "no handler for add" } as const
  assert.deepEqual(Buffer.from(told({ kind: "fault", to: 1, fault })), hex(examples.noOne))
})

test("PL1 a compact frame stays as it is while others are written", () => {
  const answer = (to: number): ToApp => {
    // Of all lengths around those that have memory of their own.
    const payload = bytesPayload(new Uint8Array((to * 37) % 1_500).fill(to), 3)
    return { kind: "answer", to, payload }
  }
  const written = Array.from({ length: 400 }, (_, to) => {
    const frame = tell(answer(to), compactForm)
    if (!(frame instanceof Uint8Array)) return assert.fail("not compact")
    return { frame, before: Buffer.from(frame) }
  })
  for (const { frame, before } of written) assert.deepEqual(Buffer.from(frame), before)
})

test("PL1 gives the same frames cut or joined at any byte", () => {
  const stream = Buffer.concat(Object.values(examples).map(hex))
  const whole = [...new FrameReader(1_024).push(stream)].map((frame) => Buffer.from(frame))
  assert.equal(whole.length, 8)
  for (let cut = 0; cut <= stream.length; cut++) {
    const reader = new FrameReader(1_024)
    const first = [...reader.push(stream.subarray(0, cut))].map((frame) => Buffer.from(frame))
    const rest = [...reader.push(stream.subarray(cut))].map((frame) => Buffer.from(frame))
    assert.deepEqual([...first, ...rest], whole)
  }
})

test("PL2 PL3 a frame of nothing, or of no known form, is BAD_FRAME", () => {
  for (const frame of [hex(""), hex("01"), hex("ff00"), hex("00"), hex("00 00 00 00 09 7b 7d")]) {
    assert.partialDeepStrictEqual(decode(frame), { kind: "bad", fault: { code: "bad-frame" } })
  }
})

test("PL3 PL4 a mixed frame has JSON in front and bytes behind it, each byte as it was", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, at) => at)
  const mixed = (header: object) => {
    const text = Buffer.from(JSON.stringify(header))
    const length = Buffer.alloc(4)
    length.writeUInt32BE(text.length)
    return Buffer.concat([Buffer.of(0), length, text, bytes])
  }
  const emit = { type: "emit", trigger: "raw" }
  const read = decode(mixed({ ...emit, size: 256 }))
  assert.ok(read.kind === "emit")
  assert.deepEqual(Buffer.from(bytesOf(read.payload)), Buffer.from(bytes))
  assert.partialDeepStrictEqual(decode(mixed({ ...emit, size: 255 })), {
    fault: { field: "/size" },
  })
  const told = { kind: "answer", to: 1, payload: bytesPayload(bytes, 3) } as const
  const frame = tell(told, { ...compactForm, binary: "mixed" })
  assert.ok(frame instanceof Uint8Array && frame[0] === 0)
  const length = Buffer.from(frame).readUInt32BE(1)
  assert.deepEqual(JSON.parse(Buffer.from(frame.subarray(5, 5 + length)).toString()), {
    ...{
      type: "response",
      correlation_id: "1",
      status: "success",
      content_type: "bytes",
      size: 256,
    },
  })
  assert.deepEqual(Buffer.from(frame.subarray(5 + length)), Buffer.from(bytes))
  // Whoever reads JSON alone gets base64.
  const asText = tell(told, { ...compactForm, binary: "none" })
  const { result } = JSON.parse(String(asText))
  assert.deepEqual(Buffer.from(result, "base64"), Buffer.from(bytes))
})

test("PL15 names the field that is wrong, what was expected, and the request", () => {
  const handshake = { type: "handshake", id: "h", app_id: "ada" }
  const cases: [object, string][] = [
    [{ ...handshake, triggers: ["a", "b", { name: "" }] }, "/triggers/2/name"],
    [{ ...handshake, app_id: "a b" }, "/app_id"],
    [{ type: "handshake", id: "h" }, "/app_id"],
    [{ type: "trigger", id: "h", trigger: "a", ttl: -1 }, "/ttl"],
    [{ type: "trigger", id: "h", trigger: "a", flags: ["odd"] }, "/flags/0"],
    [{ type: "trigger", id: "h", trigger: "é".repeat(128) }, "/trigger"],
    [{ type: "trigger", id: "h", trigger: "a", content_type: "bytes", payload: "*" }, "/payload"],
  ]
  for (const [message, field] of cases) {
    const read = json(message)
    assert.ok(read.kind === "bad", JSON.stringify(message))
    const { code, field: told, reason } = read.fault
    assert.deepEqual({ id: read.id, code, told }, { id: "h", code: "bad-message", told: field })
    assert.ok((reason?.length ?? 0) > 0)
  }
  assert.deepEqual(json({ type: 5 }).kind, "bad")
})

test("PL22 tells an unknown type apart, ignores unknown fields and takes flags of the apps' own", () => {
  assert.partialDeepStrictEqual(json({ type: "dance", id: "1" }), {
    id: 1,
    fault: { code: "unknown-type" },
  })
  const read = json({ type: "trigger", id: "1", trigger: "a", odd: 1, flags: ["x-mine"] })
  assert.partialDeepStrictEqual(read, { kind: "trigger", appFlags: ["x-mine"] })
  assert.ok(!("odd" in read))
  const flagged = Buffer.from(body(examples.credit))
  flagged[2] = 1
  assert.partialDeepStrictEqual(decode(flagged), { kind: "bad", fault: { code: "bad-message" } })
})

test("PL16 tells at which byte a text stops being UTF-8, or JSON", () => {
  const offset = (frame: Uint8Array | string) => {
    const read = decode(frame)
    assert.ok(read.kind === "bad")
    return read.fault.detail
  }
  assert.deepEqual(offset(Buffer.concat([Buffer.from('{"a":"é'), Buffer.of(0xff)])), { offset: 8 })
  assert.deepEqual(offset('{"é":x}'), { offset: 6 })
  assert.deepEqual(offset('{"a":1,}'), { offset: 7 })
  assert.deepEqual(offset('{"a":1'), { offset: 6 })
  const wrong = fc.string().filter((text) => {
    try {
      JSON.parse(text)
      return false
    } catch {
      return true
    }
  })
  fc.assert(fc.property(wrong, (text) => firstBadJson(text) <= Buffer.byteLength(text)))
  fc.assert(
    fc.property(fc.json(), (text) => assert.equal(firstBadJson(text), Buffer.byteLength(text))),
  )
})

test("PL2 PL143 whatever comes is a message or a refusal, never a fault of ours", () => {
  const bodies = Object.values(examples).map((each) => body(each))
  const mutated = fc
    .tuple(
      fc.constantFrom(...bodies),
      fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 4 }),
    )
    .map(([frame, changes]) => {
      const copy = Uint8Array.from(frame)
      for (const [at, byte] of changes) if (at < copy.length) copy[at] = byte
      return copy
    })
  const cut = fc
    .tuple(fc.constantFrom(...bodies), fc.nat(60))
    .map(([frame, length]) => frame.subarray(0, length))
  const marked = fc
    .tuple(fc.constantFrom(0, 0x7b, 0xb1), fc.uint8Array({ maxLength: 64 }))
    .map(([mark, rest]) => Uint8Array.from([mark, ...rest]))
  fc.assert(
    fc.property(fc.oneof(mutated, cut, marked, fc.uint8Array({ maxLength: 64 })), (frame) => {
      assert.equal(typeof decode(frame).kind, "string")
    }),
    { numRuns: 50_000 },
  )
})

const name = fc.stringMatching(/^[a-z.é]{1,20}$/)
const extras = fc.record(
  {
    destination: fc.stringMatching(/^[a-z]{1,8}$/),
    affinity: fc.stringMatching(/^[a-z ]{1,8}$/),
    idempotency_key: fc.stringMatching(/^[a-zé]{1,8}$/),
    wait_ms: fc.nat(60_000),
    credit: fc.nat(1_000),
    correlation_id: fc.stringMatching(/^[a-z]{1,8}$/),
    traceparent: fc.constant("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    tracestate: fc.constant("a=1,b=2"),
    flags: fc.constant(["idempotent", "stream", "x-mine"]),
  },
  { requiredKeys: [] },
)

test("PL25 every call means the same in JSON and in a compact frame", () => {
  fc.assert(
    fc.property(name, fc.jsonValue(), extras, (trigger, payload, more) => {
      const read = json({ type: "trigger", id: "7", trigger, payload, ...more })
      assert.deepEqual(flat(readCompact(compactOf({ trigger, payload, more }))), flat(read))
    }),
  )
})

/** A call as a compact frame, written as the manual says. */
function compactOf(call: { trigger: string; payload: unknown; more: Record<string, unknown> }) {
  const { trigger, payload, more } = call
  const number = (value: number, bytes: number) => {
    const buffer = Buffer.alloc(8)
    buffer.writeBigUInt64BE(BigInt(value))
    return buffer.subarray(8 - bytes)
  }
  const text = (value: string) => Buffer.from(value)
  const named = (value: string) => Buffer.concat([number(text(value).length, 1), text(value)])
  const extra = (tag: number, value: Buffer) =>
    Buffer.concat([number(tag, 1), number(value.length, 2), value])
  const tags: Record<string, [number, (value: never) => Buffer]> = {
    destination: [2, text],
    affinity: [3, text],
    idempotency_key: [4, text],
    traceparent: [5, (value: string) => Buffer.from(value.replaceAll("-", ""), "hex")],
    tracestate: [6, text],
    credit: [8, (value: number) => number(value, 2)],
    wait_ms: [9, (value: number) => number(value, 4)],
    correlation_id: [22, text],
    flags: [25, () => text("x-mine")],
  }
  const written = Buffer.concat(
    Object.entries(more).map(([field, value]) => {
      const [tag, write] = tags[field] ?? assert.fail(field)
      return extra(tag, write(value as never)) // the table writes just what stands under its name
    }),
  )
  const flags = "flags" in more ? 3 : 0
  const head = Buffer.concat([Buffer.of(0xb1, 1, flags, 1), number(7, 8), number(30_000, 4)])
  const content = text(JSON.stringify(payload))
  return Buffer.concat([
    head,
    named("default"),
    named(trigger),
    number(written.length, 2),
    written,
    content,
  ])
}

test("PL4 what is no JSON or no text after all reaches a reader of JSON as bytes", () => {
  const plain: Form = { binary: "none", version: "1.0", dialect: "plain" }
  const told = (type: number) => {
    const payload = bytesPayload(Buffer.from('1,"x":2'), type)
    return JSON.parse(String(tell({ kind: "answer", to: 1, payload }, plain)))
  }
  assert.partialDeepStrictEqual(told(1), { content_type: "bytes", result: btoa('1,"x":2') })
  assert.partialDeepStrictEqual(told(2), { content_type: "text", result: '1,"x":2' })
  assert.partialDeepStrictEqual(told(130), { content_type: "app:130" })
  const nothing = JSON.parse(String(tell({ kind: "answer", to: 1, payload: noPayload }, plain)))
  assert.ok(!("result" in nothing))
})

test("PL22 a compact frame names nothing twice, and skips only what is new to it", () => {
  const head = `b1 01 00 01 00 00 00 00 00 00 00 01 00 00 75 30 07 64 65 66 61 75 6c 74 03 61 64 64`
  const reads = (extras: string) => decode(hex(head + extras))
  const affinity = "03 00 01 61"
  assert.equal(reads(`00 04 ${affinity}`).kind, "trigger")
  assert.equal(reads(`00 04 c8 00 01 61`).kind, "trigger")
  for (const extras of [
    `00 08 ${affinity} ${affinity}`,
    "00 04 64 00 01 61",
    "00 09 03 00 01 61",
  ]) {
    assert.partialDeepStrictEqual(reads(extras), {
      kind: "bad",
      id: 1,
      fault: { code: "bad-message" },
    })
  }
})
