/** Length-prefixed frames, cut at every byte. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { prefixFraming } from "../src/net/framing.ts"
import { WireError } from "../src/wire/error.ts"
import { FrameReader } from "../src/wire/frames.ts"

/** What `reader` makes of `pieces`, each as text, since a payload may be a view. */
function readAll(reader: FrameReader, pieces: readonly Uint8Array[]): readonly string[] {
  return pieces.flatMap((piece) =>
    [...reader.push(piece)].map((frame) => Buffer.from(frame).toString("latin1")),
  )
}

const texts = ["hello", "", "a", "", "x".repeat(300)]
const stream = Buffer.concat(texts.map((text) => prefixFraming(Buffer.from(text))))

test("SV19 a frame is its length in four bytes, big-endian, and the bytes", () => {
  assert.deepEqual(
    [...prefixFraming(Buffer.from("hello"))],
    [0, 0, 0, 5, 0x68, 0x65, 0x6c, 0x6c, 0x6f],
  )
  assert.deepEqual([...prefixFraming(Buffer.alloc(0))], [0, 0, 0, 0])
})

test("SV19 frames come out the same wherever their bytes are cut in two", () => {
  for (let at = 0; at <= stream.length; at++) {
    const pieces = [stream.subarray(0, at), stream.subarray(at)]
    assert.deepEqual(readAll(new FrameReader(1_000), pieces), texts, `cut at ${at}`)
  }
})

test("SV19 frames come out the same byte by byte", () => {
  const pieces = [...stream].map((byte) => Uint8Array.of(byte))
  assert.deepEqual(readAll(new FrameReader(1_000), pieces), texts)
})

test("SV19 any frames, cut anyhow, come out as they went in", () => {
  const payloads = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 })
  const cuts = fc.array(fc.nat(400), { maxLength: 10 })
  fc.assert(
    fc.property(payloads, cuts, (sent, at) => {
      const bytes = Buffer.concat(sent.map(prefixFraming))
      const edges = [0, ...at.filter((each) => each < bytes.length), bytes.length]
      edges.sort((a, b) => a - b)
      const pieces = edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge))
      const read = readAll(new FrameReader(40), pieces)
      assert.deepEqual(
        read,
        sent.map((each) => Buffer.from(each).toString("latin1")),
      )
    }),
  )
})

test("SV19 a frame above the limit is refused by its length alone, after all before it", () => {
  for (let cut = 0; cut <= 7; cut++) {
    const reader = new FrameReader(10)
    const bytes = Buffer.concat([prefixFraming(Buffer.from("ok")), Buffer.from([0, 0, 0, 11])])
    const seen: string[] = []
    const read = () => {
      for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
        for (const frame of reader.push(piece)) seen.push(Buffer.from(frame).toString())
      }
    }
    const tooLarge = (thrown: unknown) => thrown instanceof WireError && thrown.code === "too-large"
    assert.throws(read, tooLarge)
    assert.deepEqual(seen, ["ok"])
  }
})

test("SV19 a frame at the limit is read", () => {
  const reader = new FrameReader(10)
  assert.deepEqual(readAll(reader, [prefixFraming(Buffer.from("0123456789"))]), ["0123456789"])
})

test("SV19 a length that is only announced costs no memory", () => {
  const before = process.memoryUsage().arrayBuffers
  const readers = Array.from({ length: 64 }, () => new FrameReader(64 * 1024 * 1024))
  for (const reader of readers) {
    assert.deepEqual([...reader.push(Buffer.from([3, 0, 0, 0, 1]))], [])
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024)
})

test("SV19 a frame that was handed out is not written to by what comes after", () => {
  const reader = new FrameReader(1_000)
  const bytes = Buffer.concat([
    prefixFraming(Buffer.from("first")),
    prefixFraming(Buffer.from("other")),
  ])
  const frames = [...bytes].flatMap((byte) => [...reader.push(Uint8Array.of(byte))])
  assert.deepEqual(
    frames.map((frame) => Buffer.from(frame).toString()),
    ["first", "other"],
  )
})
