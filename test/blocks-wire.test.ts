/** Messages about blocks in every form: JSON, mixed, compact, and what protocol 0.1 says. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { poolsCodec } from "../src/wire/pools.ts"
import { noPayload } from "../src/wire/pools-payload.ts"
import type { ToApp } from "../src/wire/pools-shapes.ts"
import { firstForm, tell } from "../src/wire/pools-told.ts"
import { base64, blockStage, refused, result, sent, textOf } from "./blocks-parts.ts"
import { type End, Sea } from "./pools-parts.ts"

/** Bytes out of hexadecimal digits, without the length in front. */
function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"))
}

function mixed(header: object, raw: Uint8Array): Uint8Array {
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(json.length)
  return new Uint8Array(Buffer.concat([Buffer.from([0]), length, json, raw]))
}

const hello = new TextEncoder().encode("hello")

test("PL4 the same write reads the same from a compact, a mixed and a JSON frame", () => {
  const compact = poolsCodec.decode(
    bytes(`b1 04 00 03 00 00 00 00 00 00 00 02 04 00 00 00 00 00 00 07 00 00 00 00 00 00 00 00
           00 00 00 05 00 00 68 65 6c 6c 6f`),
  )
  assert.deepEqual(compact, {
    ...{ kind: "memory", id: 2, operation: "write", data: hello, contentType: 3 },
    block: { by: "attachment", attachment: 7 },
    fields: { offset: 0 },
  })
  const said = mixed(
    { type: "memory", id: "2", operation: "write", block_id: "b1", offset: 0, size: 5 },
    hello,
  )
  const raw = poolsCodec.decode(said)
  assert.ok(raw.kind === "memory" && raw.data !== undefined)
  assert.deepEqual(
    [raw.id, new Uint8Array(raw.data), raw.block],
    [...[2, hello, { by: "id", pool: undefined, id: "b1" }]],
  )
  const json = {
    type: "memory",
    id: "2",
    operation: "write",
    block_id: "b1",
    offset: 0,
    data: "aGVsbG8=",
  }
  const text = poolsCodec.decode(JSON.stringify(json))
  assert.ok(text.kind === "memory" && text.data !== undefined)
  assert.deepEqual(new Uint8Array(text.data), hello)
  // A binary frame of protocol 0.1, which says so with its type.
  const old = mixed(
    { type: "binary_frame", id: "2", operation: "write", block_id: "b1", size: 5 },
    hello,
  )
  assert.equal(poolsCodec.decode(old).kind, "memory")
})

test("PL4 every byte goes through a block as it is, in each form", () => {
  const sea = new Sea()
  const [json, raw, compact] = [
    sea.app("json"),
    sea.app("raw", { features: ["mixed"] }),
    sea.app("compact", { features: ["compact"] }),
  ]
  const make = {
    type: "memory",
    id: "c",
    operation: "create",
    block_id: "b",
    size: 256,
    writers: "many",
  }
  json.says(make)
  const numbers = new Map<End, number>()
  for (const each of [json, raw, compact]) {
    each.says({ type: "memory", id: "a", operation: "attach", block_id: "b", mode: "write" })
    numbers.set(each, Number(result(each.answerTo("a"))["attachment"]))
    each.news()
  }
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
  const writes = new Map<End, () => void>([
    [
      json,
      () =>
        json.says({
          type: "memory",
          id: "9",
          operation: "write",
          block_id: "b",
          data: base64url(all),
        }),
    ],
    [
      raw,
      () =>
        raw.utters(
          mixed({ type: "memory", id: "9", operation: "write", block_id: "b", size: 256 }, all),
        ),
    ],
    [compact, () => compact.utters(compactWrite(numbers.get(compact) ?? 0, all))],
  ])
  for (const [end, write] of writes) {
    json.says({ type: "memory", operation: "write", block_id: "b", whole: true, data: "" })
    write()
    json.news()
    json.says({ type: "memory", id: "10", operation: "read", block_id: "b" })
    assert.equal(result(json.answerTo("10"))["data"], Buffer.from(all).toString("base64"))
    raw.says({ type: "memory", id: "10", operation: "read", block_id: "b" })
    const frame = raw.frames.at(-1)
    assert.ok(
      frame instanceof Uint8Array && Buffer.from(frame.subarray(-256)).equals(Buffer.from(all)),
    )
    compact.utters(compactRead(numbers.get(compact) ?? 0))
    const short = compact.frames.at(-1)
    assert.ok(short instanceof Uint8Array && short[0] === 0xb1 && short[1] === 2)
    assert.deepEqual(short.subarray(-256), all)
    for (const each of [json, raw, compact]) each.news()
    assert.ok(end.isOpen)
  }
})

function base64url(data: Uint8Array): string {
  return Buffer.from(data).toString("base64url")
}

function compactRead(attachment: number): Uint8Array {
  const frame = Buffer.alloc(34)
  frame.set([0xb1, 4])
  frame[11] = 10
  frame[12] = 3
  frame.writeUInt32BE(attachment, 16)
  return new Uint8Array(frame)
}

function compactWrite(attachment: number, data: Uint8Array): Uint8Array {
  const frame = Buffer.concat([compactRead(attachment), data])
  frame[3] = 3
  frame[11] = 9
  frame[12] = 4
  frame.writeUInt32BE(data.length, 28)
  return new Uint8Array(frame)
}

test("PL107 a notice in a compact frame has the reader's attachment, generation, writer and content", () => {
  const notice: ToApp = {
    ...{ kind: "notice", pool: "p", blockId: "b", attachment: 7, generation: 3, length: 5 },
    ...{ writer: "ada", lost: 2, content: { data: hello, contentType: 3 } },
  }
  const frame = tell(notice, { ...firstForm, binary: "compact", version: "1.0" })
  assert.ok(frame instanceof Uint8Array)
  assert.deepEqual(
    frame,
    bytes(`b1 04 00 03 00 00 00 00 00 00 00 00 08 00 00 00 00 00 00 07 00 00 00 00 00 00 00 00
           00 00 00 05 00 18 01 00 03 61 64 61 12 00 08 00 00 00 00 00 00 00 03 14 00 04 00 00 00 02
           68 65 6c 6c 6f`),
  )
})

test("PL15 no frame about blocks is a fault of ours, whatever its bytes", () => {
  const { sea, ada, as } = blockStage({ limits: { badMessageLimit: 1e9 } })
  result(as(ada, "create", { size: 100 }))
  const words = [
    "create",
    "attach",
    "read",
    "write",
    "lock",
    "unlock",
    "seal",
    "pin",
    "notify",
    "subscribe",
  ]
  const value = fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.constant(null), fc.double())
  const names = [
    "size",
    "offset",
    "length",
    "generation",
    "data",
    "mode",
    "fence",
    "timeout",
    "attachment",
    "slots",
  ]
  fc.assert(
    fc.property(
      fc.constantFrom(...words),
      fc.dictionary(fc.constantFrom(...names), value),
      fc.uint8Array({ maxLength: 40 }),
      (operation, fields, junk) => {
        ada.says({ type: "memory", id: "x", operation, block_id: "b", ...fields })
        ada.utters(new Uint8Array([0xb1, 4, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9, ...junk]))
        ada.news()
        assert.deepEqual(sea.faults, [])
      },
    ),
    { seed: 5, numRuns: 500 },
  )
})

test("PL23 an app of protocol 0.1 makes, attaches to, reads and writes blocks", () => {
  const sea = new Sea()
  const old = sea.come()
  old.says({ type: "handshake", id: "h", app_id: "old", pools: ["default"], triggers: [] })
  sea.turn()
  old.news()
  // Its create writes the type of the block over its own.
  old.says({ type: "shared", id: "1", operation: "create", block_id: "b", size: 16, metadata: {} })
  assert.equal(result(old.answerTo("1"))["size"], 16)
  old.says({ type: "shared", id: "2", operation: "create", block_id: "b", size: 16 })
  assert.match(String(old.answerTo("2")["error"]), /already exists/)
  old.says({ type: "memory", id: "3", operation: "attach", block_id: "b", mode: "write" })
  result(old.answerTo("3"))
  old.says({
    type: "memory",
    id: "4",
    operation: "write",
    block_id: "b",
    data: base64("hello"),
    offset: 0,
  })
  result(old.answerTo("4"))
  // Its blocks begin as zeros.
  old.says({ type: "memory", id: "5", operation: "read", block_id: "b", offset: 0, length: null })
  assert.equal(textOf(old.answerTo("5")), `hello${"\0".repeat(11)}`)
  old.says({ type: "memory", id: "6", operation: "read", block_id: "none" })
  assert.equal(old.answerTo("6")["error_code"], "NOT_FOUND")
  old.says({ type: "memory", id: "7", operation: "read", block_id: "b", offset: 17 })
  assert.equal(old.answerTo("7")["error_code"], "VALIDATION_ERROR")
})

test("PL20 an unknown operation, and one without its block, is refused by name", () => {
  const { ada, as } = blockStage()
  result(as(ada, "create", { size: 1 }))
  refused(as(ada, "explode"), "UNKNOWN_TYPE")
  ada.says({ type: "memory", id: "n", operation: "read" })
  assert.equal(refused(ada.answerTo("n"), "BAD_MESSAGE")["field"], "/block_id")
  sent(ada, "read", { attachment: 99, block_id: undefined })
  refused(ada.heard.at(-1) ?? {}, "NO_BLOCK")
})

test("PL74 a reference is 40 bytes in a compact frame, and comes out of one as it went in", () => {
  const block = {
    uuid: "00010203-0405-0607-0809-0a0b0c0d0e0f",
    generation: 2 ** 40 + 5,
    offset: 6,
    length: 7,
  }
  const extra = `00 0102030405060708090a0b0c0d0e0f 0000010000000005 0000000000000006 0000000000000007`
  const frame = bytes(
    `b1 01 00 00 00 00 00 00 00 00 00 01 00 00 75 30 01 70 03 61 64 64 00 2b 0c 00 28 ${extra}`,
  )
  const read = poolsCodec.decode(frame)
  assert.deepEqual(read.kind === "trigger" && read.block, block)
  const none = new Set<string>()
  const told: ToApp = {
    ...{ kind: "call", id: 1, pool: "p", trigger: "add", payload: noPayload, origin: "o", block },
    ...{ proof: "none", attempt: 1, ttlMs: 30_000, flags: none, appFlags: [] },
  }
  const compact = tell(told, { ...firstForm, binary: "compact", version: "1.0" })
  assert.ok(compact instanceof Uint8Array)
  assert.ok(Buffer.from(compact).includes(Buffer.from(bytes(`0c 00 28 ${extra}`))))
})
