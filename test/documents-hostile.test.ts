/** What strangers may send, and what it costs: the codec, and the service behind it. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { documentsCodec, limitComponents } from "../src/wire/documents.ts"
import { clientKey, type FarEnd, Pad, pad } from "./far-end.ts"

type Decoded = ReturnType<typeof documentsCodec.decode>

function decode(frame: string | Uint8Array): Decoded {
  return documentsCodec.decode(frame)
}

/** What a frame was taken for; of an unreadable one its code. */
function kindOf(frame: string | Uint8Array): string {
  const message = decode(frame)
  return message.kind === "unreadable" ? message.code : message.kind
}

function edit(operation: unknown, more: object = {}): string {
  return JSON.stringify({ Edit: { revision: 0, operation, ...more } })
}

const client = clientKey("x")

const unreadable: readonly (readonly [why: string, frame: string | Uint8Array])[] = [
  ["nothing", ""],
  ["no JSON", "{"],
  ["two values", "{}{}"],
  ["no object", "5"],
  ["null", "null"],
  ["an array", "[]"],
  ["no key", "{}"],
  ["two keys", '{"SetLanguage":"go","ClientInfo":{"name":"a","hue":1}}'],
  ["an unknown key", '{"Greeting":"hello"}'],
  ["a key of every object", '{"constructor":{}}'],
  ["a prototype", '{"__proto__":{"Edit":1}}'],
  ["a prototype beside a key", '{"SetLanguage":"go","__proto__":{}}'],
  ["a key that the server says", '{"Identity":0}'],
  ["binary", new TextEncoder().encode('{"SetLanguage":"go"}')],
  ["no body", '{"Edit":null}'],
  ["no operation", '{"Edit":{"revision":0}}'],
  ["an operation that is none", edit("hello")],
  ["nested arrays", edit([[["a"]]])],
  ["a fraction", edit([1.5])],
  ["a number beyond all", edit([1e300])],
  ["a number that is not exact", edit([2 ** 53])],
  ["null among components", edit([null])],
  ["an object among components", edit([{ length: 1 }])],
  ["a negative revision", '{"Edit":{"revision":-1,"operation":[]}}'],
  ["half a revision", '{"Edit":{"revision":0.5,"operation":[]}}'],
  ["a huge revision", '{"Edit":{"revision":1e300,"operation":[]}}'],
  ["a revision in words", '{"Edit":{"revision":"0","operation":[]}}'],
  ["number 0", edit([], { seq: 0 })],
  ["a negative number", edit([], { seq: -1 })],
  ["a huge number", edit([], { seq: 2 ** 53 })],
  ["a caret before the text", edit([], { cursors: [-1] })],
  ["a selection of three", edit([], { selections: [[1, 2, 3]] })],
  ["a language with a script in it", '{"SetLanguage":"<script>"}'],
  ["an empty language", '{"SetLanguage":""}'],
  ["a long language", JSON.stringify({ SetLanguage: "x".repeat(65) })],
  ["a hue that is none", '{"ClientInfo":{"name":"a","hue":-1}}'],
  ["a huge hue", '{"ClientInfo":{"name":"a","hue":4294967296}}'],
  ["a name that is none", '{"ClientInfo":{"name":5,"hue":1}}'],
  ["a caret beyond all", '{"CursorData":{"cursors":[4294967296],"selections":[]}}'],
  ["no selections", '{"CursorData":{"cursors":[]}}'],
  ["a short client key", '{"Join":{"client":"abc"}}'],
  ["a client key with a space", '{"Join":{"client":"aaaaaaaaaaaaaaaaaaaaa "}}'],
  [
    "a negative age",
    JSON.stringify({
      Join: { client, resume: { epoch: "", revision: 0, seq: 1, age: -1, pending: true } },
    }),
  ],
  ["half a resume", JSON.stringify({ Join: { client, resume: { epoch: "x" } } })],
]

test("DC105 whatever is not one known message of its form is bad-message", () => {
  for (const [why, frame] of unreadable) assert.equal(kindOf(frame), "bad-message", why)
})

test("DC105 fields that nobody knows are ignored, and never merged into anything", () => {
  const frame = `{"Edit":{"revision":0,"operation":["a"],"more":1,"__proto__":{"seq":7},"constructor":1}}`
  const message = decode(frame)
  assert.equal(message.kind, "edit")
  assert.equal(message.kind === "edit" && message.seq, undefined)
  assert.equal(({} as { seq?: unknown }).seq, undefined)
  assert.equal(kindOf('{"SetLanguage":"go"}'), "language")
  assert.equal(kindOf(edit([-0, 0, "", 3])), "edit", "nothing is left of these in normal form")
})

test("DC41 DC43 an operation that is none is bad-operation, and its number is told", () => {
  for (const operation of [
    ["a\u0000b"],
    ["\ud83c"],
    ["\udf89", 1, "\ud83c"],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [-Number.MAX_SAFE_INTEGER, -1],
    Array.from({ length: limitComponents + 1 }, () => 1),
    Array.from({ length: 1_000_000 }, () => ({ deep: [] })),
  ]) {
    const message = decode(edit(operation, { seq: 12 }))
    assert.ok(message.kind === "unreadable")
    assert.deepEqual([message.code, message.seq], ["bad-operation", 12])
  }
  const most = Array.from({ length: limitComponents }, (_, index) => (index % 2 === 0 ? 1 : "a"))
  assert.equal(kindOf(edit(most)), "edit")
})

test("DC105 DC43 no frame makes the codec throw or give more than its types say", () => {
  const key = fc.constantFrom(
    "Edit",
    "Join",
    "SetLanguage",
    "ClientInfo",
    "CursorData",
    "__proto__",
  )
  const frame = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.json(),
    fc.tuple(key, fc.jsonValue()).map(([name, value]) => `{"${name}":${JSON.stringify(value)}}`),
    fc
      .record({
        revision: fc.oneof(fc.nat(), fc.double(), fc.constant("0")),
        operation: fc.array(fc.oneof(fc.integer(), fc.double(), fc.string({ unit: "binary" }))),
        seq: fc.oneof(fc.integer(), fc.double()),
        cursors: fc.array(fc.oneof(fc.integer(), fc.nat())),
      })
      .map((body) => JSON.stringify({ Edit: body })),
  )
  fc.assert(
    fc.property(frame, (text) => {
      const message = decode(text)
      if (message.kind !== "edit") return
      assert.ok(Number.isSafeInteger(message.revision) && message.revision >= 0)
      assert.ok(message.seq === undefined || message.seq > 0)
      assert.ok(message.operation.baseLength >= 0 && message.operation.targetLength >= 0)
      const components = JSON.stringify(message.operation)
      assert.ok(!components.includes("\\u0000") && components.isWellFormed())
    }),
    { numRuns: 20_000 },
  )
  fc.assert(fc.property(fc.uint8Array(), (bytes) => kindOf(bytes) === "bad-message"))
})

test("DC105 an edit is read as it was written", () => {
  const component = fc.oneof(
    fc.integer({ min: 1, max: 1_000 }),
    fc.integer({ min: -1_000, max: -1 }),
    fc.string({ unit: "grapheme", minLength: 1 }).map((text) => text.replaceAll("\0", "0")),
  )
  fc.assert(
    fc.property(fc.array(component), fc.nat(), (operation, revision) => {
      const first = decode(JSON.stringify({ Edit: { revision, operation } }))
      assert.ok(first.kind === "edit")
      const { components } = first.operation
      const again = decode(JSON.stringify({ Edit: { revision, operation: components } }))
      assert.ok(again.kind === "edit" && again.operation.equals(first.operation), "DC31")
    }),
    { numRuns: 5_000 },
  )
})

/** Says `frame` `times` times to a fresh editor, and gives the ms of CPU that took; bystanders are checked. */
function flood(say: (far: FarEnd, turn: number) => void, times: number): number {
  const server = new Pad()
  const bystander = server.extend("notes", "bystander")
  bystander.edits(0, ["0123456789"], 1)
  const far = server.join("notes")
  const before = process.cpuUsage()
  for (let turn = 0; turn < times; turn += 1) {
    say(far, turn)
    if (turn % 10 === 0) server.pass(10)
  }
  const ms = process.cpuUsage(before).user / 1_000
  server.pass(100)
  const { length } = bystander.all("History")
  bystander.edits(revisionOf(bystander), [10, "!"], 2)
  assert.ok(bystander.all("History").length > length, "the bystander goes on")
  server.close()
  return ms
}

function revisionOf(far: FarEnd): number {
  const [last] = far.all("History").slice(-1) as [{ start: number; operations: [] }]
  return last.start + last.operations.length
}

test("DC42 DC70 DC71 floods of what is dear cost a bounded time each", () => {
  const wide = Array.from({ length: 9_000 }, () => ["", 0]).flat()
  const costs = {
    "bad JSON": flood((far) => far.utters("["), 1),
    "components that are nothing": flood((far, turn) => {
      far.utters(edit([...wide, 10], { revision: turn + 1 }))
    }, 20),
    "deep nesting": flood((far) => far.utters("[".repeat(10_000) + "]".repeat(10_000)), 1),
    cursors: flood((far, turn) => {
      const cursors = Array.from({ length: 5_000 }, (_, index) => index + turn)
      far.says({ CursorData: { cursors, selections: cursors.map((at) => [at, at]) } })
    }, 100),
    names: flood((far) => far.says({ ClientInfo: { name: "\u202e".repeat(100_000), hue: 1 } }), 50),
  }
  for (const [what, ms] of Object.entries(costs)) assert.ok(ms < 2_000, `${what}: ${ms} ms`)
})

test("DC42 an edit that would cost too much to move is stale before it is moved", (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  const y = server.extend("notes", "y")
  x.edits(0, ["0123456789".repeat(2_000)], 1)
  for (let seq = 2; seq <= 1_500; seq += 1) x.edits(seq - 1, [20_000 + seq - 2, "x"], seq)
  const operation = Array.from({ length: 9_999 }, () => [1, "y"]).flat()
  const before = process.cpuUsage()
  y.edits(1, [...operation, 10_001], 1)
  const ms = process.cpuUsage(before).user / 1_000
  const [error] = y.all("Error") as [{ code: string; retry: boolean }]
  assert.deepEqual([error.code, error.retry], ["stale-revision", true])
  assert.ok(ms < 400, `${ms} ms`)
})

test("DC43 half a surrogate pair in two edits never meets", (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  x.edits(0, ["\ud83c"], 1)
  x.edits(0, ["\udf89"], 2)
  const codes = (x.all("Error") as { code: string }[]).map(({ code }) => code)
  assert.deepEqual(codes, ["bad-operation", "bad-operation"])
  assert.equal(x.all("History").length, 0)
})

test("DC43 a carriage return is a code point like any other", async (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  x.edits(0, ["a\r\nb\rc"], 1)
  x.edits(1, [1, -1, 4], 2)
  assert.equal(await server.text("notes"), "a\nb\rc")
})
