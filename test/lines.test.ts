/** Lines, cut at every byte. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { LineReader, overlong } from "../src/wire/lines.ts"

function readAll(reader: LineReader, pieces: readonly Uint8Array[]) {
  return pieces.flatMap((piece) => [...reader.push(piece)])
}

const lines = ["hello", "", "grüße, 👩‍🚀", "  kept  ", "\ttab"]
const stream = Buffer.from(lines.map((line) => `${line}\n`).join(""))

test("SV19 lines come out the same wherever their bytes are cut in two, within a character too", () => {
  for (let at = 0; at <= stream.length; at++) {
    const pieces = [stream.subarray(0, at), stream.subarray(at)]
    assert.deepEqual(readAll(new LineReader(100), pieces), lines, `cut at ${at}`)
  }
})

test("SV19 lines come out the same byte by byte", () => {
  const pieces = [...stream].map((byte) => Uint8Array.of(byte))
  assert.deepEqual(readAll(new LineReader(100), pieces), lines)
})

test("SV19 carriage returns before the newline are left out, and only those", () => {
  for (let at = 0; at <= 12; at++) {
    const bytes = Buffer.from("a\r\nb\rc\r\r\n\r\n")
    const pieces = [bytes.subarray(0, at), bytes.subarray(at)]
    assert.deepEqual(readAll(new LineReader(100), pieces), ["a", "b\rc", ""])
  }
})

test("SV19 a line above the limit is skipped to its end and told in its place, wherever it is cut", () => {
  const bytes = Buffer.from(`before\n${"x".repeat(30)}\nafter\n`)
  for (let at = 0; at <= bytes.length; at++) {
    const pieces = [bytes.subarray(0, at), bytes.subarray(at)]
    assert.deepEqual(readAll(new LineReader(10), pieces), ["before", overlong, "after"])
  }
})

test("SV19 the limit counts the newline", () => {
  const read = (text: string) => readAll(new LineReader(10), [Buffer.from(text)])
  assert.deepEqual(read("123456789\n"), ["123456789"])
  assert.deepEqual(read("1234567890\n"), [overlong])
})

test("SV19 a line without an end keeps no more than the limit", () => {
  const reader = new LineReader(1024)
  const before = process.memoryUsage().arrayBuffers
  const piece = Buffer.alloc(64 * 1024, "x")
  for (let i = 0; i < 200; i++) assert.deepEqual([...reader.push(piece)], [])
  assert.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024)
  assert.deepEqual([...reader.push(Buffer.from("\nnext\n"))], [overlong, "next"])
})

test("SV19 what is no UTF-8 becomes the replacement character", () => {
  const bytes = Buffer.from([0x61, 0xff, 0x62, 0xe2, 0x82, 0x0a])
  assert.deepEqual(readAll(new LineReader(100), [bytes]), ["a\ufffdb\ufffd"])
})

test("SV19 any lines, cut anyhow, come out as they went in", () => {
  const text = fc
    .string({ unit: "grapheme", maxLength: 20 })
    .map((each) => each.replace(/[\r\n]/g, ""))
  const cuts = fc.array(fc.nat(400), { maxLength: 10 })
  fc.assert(
    fc.property(fc.array(text, { maxLength: 6 }), cuts, (sent, at) => {
      const bytes = Buffer.from(sent.map((each) => `${each}\n`).join(""))
      const edges = [0, ...at.filter((each) => each < bytes.length), bytes.length]
      edges.sort((a, b) => a - b)
      const pieces = edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge))
      assert.deepEqual(readAll(new LineReader(1_000), pieces), sent)
    }),
  )
})
