/** The codecs of the relay's dialects: what goes in comes out, and nothing from outside breaks them. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { decodeRows, encodeRows } from "../src/wire/awareness.ts"
import { WireError } from "../src/wire/error.ts"
import { addressed, documentOf, hocuspocusCodec, type ToAddress } from "../src/wire/hocuspocus.ts"
import { lfccCodec } from "../src/wire/lfcc.ts"
import { formed } from "../src/wire/lfcc-told.ts"
import { isRoomName, type ToYjsReplica } from "../src/wire/relay.ts"
import { Reader, Writer } from "../src/wire/varints.ts"
import { type ToYjs, yjsCodec } from "../src/wire/yjs.ts"
import { bytes, damaged, kinds, plain, rows, tape, text, told } from "./relay-arbitraries.ts"

const limits = { presenceFrameBytes: 65_536, presenceRowBytes: 16_384, statelessBytes: 65_536 }
const yjs = yjsCodec(limits)
const hocuspocus = hocuspocusCodec(limits)
const lfcc = lfccCodec(limits)

/** What every replica of a Yjs room can say, too. */
function shared(): fc.Arbitrary<Exclude<ToYjsReplica, { kind: "denied" }>> {
  return fc.oneof(
    fc.record({ kind: fc.constant("step1" as const), vector: bytes() }),
    fc.record({ kind: fc.constant("step2" as const), update: bytes() }),
    fc.record({ kind: fc.constant("update" as const), update: bytes() }),
    fc.record({ kind: fc.constant("awareness" as const), rows: rows() }),
  )
}

/** Decodes a frame of any dialect, and all that follows from damaging it. */
function survives(decode: (frame: Uint8Array) => unknown, frame: Uint8Array): void {
  for (let end = 0; end < frame.length; end++) decode(frame.subarray(0, end))
}

test("RL89 numbers, texts and bytes come back as they were written", () => {
  const item = fc.oneof(
    fc.maxSafeNat().map((value) => ["uint", value] as const),
    fc.nat({ max: 300 }).map((value) => ["uint", value] as const),
    text().map((value) => ["text", value] as const),
    bytes().map((value) => ["bytes", value] as const),
  )
  fc.assert(
    fc.property(fc.array(item), (items) => {
      const writer = new Writer()
      for (const [kind, value] of items) {
        if (kind === "uint") writer.uint(value)
        else if (kind === "text") writer.text(value)
        else writer.bytes(value)
      }
      const reader = new Reader(writer.finish())
      for (const [kind, value] of items) {
        const read =
          kind === "uint" ? reader.uint() : kind === "text" ? reader.text(1e6) : reader.bytes()
        assert.deepEqual(read, value)
      }
      assert.equal(reader.left, 0)
    }),
  )
})

test("RL89 refuses numbers and texts that are cut or too long, without reading on", () => {
  const read = (...given: number[]) => new Reader(Uint8Array.from(given))
  assert.equal(read(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f).uint(), Number.MAX_SAFE_INTEGER)
  for (const [reader, sentence] of [
    [read(), /end before/],
    [read(0x80), /end before/],
    [read(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x10), /above 2\^53/],
    [read(...Array(9).fill(0x80), 0), /above 2\^53/],
    [read(...Array(1_000).fill(0x80), 1), /above 2\^53/],
    [read(...Array(1_000).fill(0xff)), /end before/],
  ] as const) {
    assert.throws(() => reader.uint(), {
      name: "WireError",
      code: "bad-message",
      message: sentence,
    })
  }
  assert.throws(() => read(5, 1, 2).bytes(), { code: "bad-message" })
  assert.throws(() => read(2, 0xc3, 0x28).text(9), { code: "bad-message", message: /UTF-8/ })
  assert.throws(() => read(2, 0x68, 0x69).text(1), {
    code: "bad-message",
    message: /at most 1 bytes/,
  })
})

test("RL128 rows of presence come back as they were, and not when they are cut", () => {
  fc.assert(
    fc.property(rows(), (each) => {
      const encoded = encodeRows(each)
      assert.deepEqual(decodeRows(encoded, limits.presenceRowBytes), { rows: each, tooLarge: 0 })
      for (let end = 0; end < encoded.length; end++) {
        assert.throws(
          () => decodeRows(encoded.subarray(0, end), limits.presenceRowBytes),
          WireError,
        )
      }
    }),
  )
})

test("RL89 refuses rows that are not JSON, nest too deep, or are followed by more", () => {
  const row = (state: string) => new Writer().uint(1).uint(7).uint(0).text(state).finish()
  const decode = (given: Uint8Array) => decodeRows(given, 1e6).rows.map(({ state }) => state)
  assert.deepEqual(decode(row(" null ")), [null])
  assert.deepEqual(decode(row(`${"[".repeat(64)}${"]".repeat(64)}`)).length, 1)
  assert.deepEqual(decode(row(JSON.stringify("[".repeat(100)))).length, 1)
  assert.deepEqual(decode(row(String.raw`{"a\\":"\"[[["}`)).length, 1)
  for (const state of ["", "{", "nul", "[".repeat(65) + "]".repeat(65), "[".repeat(500_000)]) {
    assert.throws(() => decode(row(state)), { code: "bad-message" }, state.slice(0, 80))
  }
  assert.throws(() => decode(Uint8Array.from([...row("{}"), 0])), { code: "bad-message" })
})

test("RL90 leaves out rows that are too large, and keeps the others", () => {
  const large = JSON.stringify("é".repeat(limits.presenceRowBytes / 2))
  const messages = yjs.decode(
    yjs.encode({
      kind: "awareness",
      rows: [
        { id: 1, clock: 1, state: "{}" },
        { id: 2, clock: 1, state: large },
      ],
    }),
  )
  assert.deepEqual(kinds(messages), ["awareness", "oversize"])
  assert.deepEqual(messages[0], { kind: "awareness", rows: [{ id: 1, clock: 1, state: "{}" }] })
})

test("RL90 leaves out presence and stateless texts that are too large, and reads what follows", () => {
  const row = { clock: 1, state: JSON.stringify("x".repeat(16_000)) }
  const frame = yjs.encode({
    kind: "awareness",
    rows: [1, 2, 3, 4, 5].map((id) => ({ id, ...row })),
  })
  assert.deepEqual(kinds(yjs.decode(Uint8Array.from([...frame, 3]))), [
    "oversize",
    "query-awareness",
  ])
  const stateless = (length: number) =>
    hocuspocus.decode(
      hocuspocus.encode(addressed("notes", { kind: "stateless", text: "x".repeat(length) })),
    )
  const [fits, not] = [stateless(65_536), stateless(65_537)]
  assert.deepEqual(kinds(fits.kind === "frame" ? fits.messages : []), ["stateless"])
  assert.deepEqual(kinds(not.kind === "frame" ? not.messages : []), ["oversize"])
  const payload = { note: "é".repeat(8_300) }
  const presence = { type: "PRESENCE", docId: "notes", senderId: "ada", ts: 1, payload }
  const { frames } = lfcc.decode(JSON.stringify(presence))
  assert.deepEqual(
    frames.map((each) => each.kind === "frame" && each.message.kind),
    ["oversize"],
  )
})

test("RL128 messages of a Yjs room come back in both dialects as they were sent", () => {
  fc.assert(
    fc.property(fc.array(shared(), { minLength: 1, maxLength: 5 }), text(), (messages, address) => {
      const frame = Buffer.concat(messages.map((each) => yjs.encode(each)))
      assert.deepEqual(plain(yjs.decode(frame)), plain(messages))
      for (const message of messages) {
        const back = hocuspocus.decode(hocuspocus.encode(addressed(address, message)))
        assert.deepEqual(plain(back), plain({ kind: "frame", address, messages: [message] }))
      }
    }),
  )
})

test("RL89 tells what can't be read as unreadable, after what came before it", () => {
  const begun = [...yjs.encode({ kind: "update", update: Uint8Array.of(0, 0) })]
  for (const rest of [[0], [0, 3], [4], [0, 2, 5, 1], [121, 2, 0x7b, 0x7d], [1, 1, 1], [0x80]]) {
    assert.deepEqual(kinds(yjs.decode(Uint8Array.from([...begun, ...rest]))), [
      "update",
      "unreadable",
    ])
  }
  assert.deepEqual(kinds(yjs.decode(new Uint8Array(0))), ["unreadable"])
  assert.deepEqual(kinds(yjs.decode("text")), ["unreadable"])
  assert.equal(hocuspocus.decode("text").kind, "unreadable")
  assert.equal(hocuspocus.decode(new Uint8Array(0)).kind, "unreadable")
  assert.deepEqual(kinds(lfcc.decode(new Uint8Array(0)).frames), ["unreadable"])
  assert.deepEqual(kinds(yjs.decode(Uint8Array.of(102, ...Array(1025).fill(1)))), ["unreadable"])
})

test("RL89 nothing from outside makes a codec throw", () => {
  const decoders = [yjs.decode, hocuspocus.decode, lfcc.decode]
  const all = (frame: Uint8Array | string) => {
    for (const decode of decoders) decode(frame)
  }
  fc.assert(fc.property(bytes(), all), { numRuns: 2_000 })
  fc.assert(fc.property(fc.string({ unit: "binary" }), all), { numRuns: 500 })
  fc.assert(fc.property(fc.json(), all), { numRuns: 500 })
  fc.assert(
    fc.property(shared(), told(), tape(3), (message, opaque, damage) => {
      const frames = [
        yjs.encode(message),
        hocuspocus.encode(addressed("notes", message)),
        Buffer.from(lfcc.encode(formed("binary", opaque))),
      ]
      for (const [index, frame] of frames.entries()) {
        survives(decoders[index]!, frame)
        decoders[index]!(damaged(frame, damage))
      }
      const json = String(lfcc.encode(formed("top", opaque)))
      for (let end = 0; end < json.length; end++) {
        assert.deepEqual(kinds(lfcc.decode(json.slice(0, end)).frames), ["unreadable"])
      }
    }),
    { numRuns: 100 },
  )
  for (const deep of ["[".repeat(4_000_000), '{"a":'.repeat(2_000_000)]) all(deep)
})

test("RL89 a sync or awareness message that is cut at any byte is unreadable", () => {
  fc.assert(
    fc.property(shared(), (message) => {
      const frame = yjs.encode(message)
      for (let end = 0; end < frame.length; end++) {
        assert.deepEqual(kinds(yjs.decode(frame.subarray(0, end))), ["unreadable"])
      }
      const inner = hocuspocus.encode(addressed("notes", message))
      for (let end = 6; end < inner.length; end++) {
        const cut = hocuspocus.decode(inner.subarray(0, end))
        assert.deepEqual(cut.kind === "frame" && kinds(cut.messages), ["unreadable"])
      }
    }),
  )
})

test("RL107 one message to replicas of one address is one object, encoded once", () => {
  const message: ToAddress = { kind: "update", update: Uint8Array.of(1, 2, 3) }
  const first = addressed("notes", message)
  assert.equal(addressed("notes", message), first)
  const other = addressed("notes\0session", message)
  assert.ok(first.kind === "addressed" && other.kind === "addressed" && other.body === first.body)
  const [a, b] = [hocuspocus.encode(first), hocuspocus.encode(other)]
  assert.deepEqual(a.subarray(1 + 5), b.subarray(1 + 13))
  assert.deepEqual(a.subarray(1 + 5), yjs.encode(message))
  assert.notEqual(addressed("notes", { ...message }), first)
})

test("RL128 an address is kept as it came, and its document stands before the zero", () => {
  fc.assert(
    fc.property(text(), text(), (name, session) => {
      const document = name.replaceAll("\0", "")
      const address = `${document}\0${session}`
      const frame = new Writer().text(address).uint(3).finish()
      const read = hocuspocus.decode(frame)
      assert.equal(read.kind === "frame" && read.address, address)
      assert.equal(documentOf(address), document)
      assert.equal(documentOf(document), document)
    }),
  )
  assert.equal(
    hocuspocus.decode(new Writer().text("x".repeat(386)).uint(3).finish()).kind,
    "unreadable",
  )
})

test("RL128 why a socket is refused has the form of its dialect, where it has one", () => {
  const forbidden = new WireError("forbidden", "not your room")
  const told = yjs.refuse(forbidden)
  assert.deepEqual(told && [...yjs.encode(told)].slice(0, 3), [2, 0, 13])
  assert.equal(yjs.refuse(new WireError("slow", "too slow")), undefined)
  assert.equal(hocuspocus.refuse(), undefined)
  const large = JSON.parse(String(lfcc.encode(lfcc.refuse(new WireError("too-large", "16 MB")))))
  assert.equal(large.code, "QUOTA_EXCEEDED")
  assert.deepEqual(large.payload, { code: "QUOTA_EXCEEDED", message: "16 MB" })
})

test("RL128 a room's name is 1 to 256 bytes without control characters", () => {
  for (const name of ["notes", "a/b c", "😀".repeat(64), "x".repeat(256)])
    assert.ok(isRoomName(name))
  for (const name of ["", "x".repeat(257), "é".repeat(129), "a\0b", "a\nb", "\u0085", "\ud800"]) {
    assert.equal(isRoomName(name), false, JSON.stringify(name))
  }
})

test("RL128 notices are JSON behind their kind, both ways", () => {
  const notice: ToYjs = { kind: "notice", notice: { kind: "seed", granted: true } }
  assert.deepEqual(
    [...yjs.encode(notice)],
    [121, 30, ...Buffer.from('{"kind":"seed","granted":true}')],
  )
  const say = (json: string) => yjs.decode(new Writer().uint(121).text(json).finish())
  assert.deepEqual(say('{"kind":"token","token":"t"}'), [{ kind: "token", token: "t" }])
  assert.deepEqual(say('{"kind":"seed","declined":true}'), [{ kind: "seed-declined" }])
  for (const json of ["{}", "null", "[]", '{"kind":"seed"}', '{"kind":"token","token":1}', "{"]) {
    assert.deepEqual(kinds(say(json)), ["unreadable"], json)
  }
})
