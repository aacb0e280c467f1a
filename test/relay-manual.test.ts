/** Every byte example in docs/protocol/relay.md is decoded and encoded as it says there. */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { Compile } from "typebox/compile"
import {
  addressed,
  hocuspocusCodec,
  type ToAddress,
  type ToHocuspocus,
} from "../src/wire/hocuspocus.ts"
import { lfccCodec } from "../src/wire/lfcc.ts"
import { fromReplica, toReplica } from "../src/wire/lfcc-schemas.ts"
import { type ToYjs, yjsCodec } from "../src/wire/yjs.ts"

const manual = readFileSync(join(import.meta.dirname, "../docs/protocol/relay.md"), "utf8")
const limits = { presenceFrameBytes: 65_536, presenceRowBytes: 16_384, statelessBytes: 65_536 }
const yjs = yjsCodec(limits)
const hocuspocus = hocuspocusCodec(limits)
const lfcc = lfccCodec(limits)

/** The lines of all blocks of one language. */
function examples(language: string): readonly string[] {
  const blocks = [...manual.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, "g"))]
  const lines = blocks.flatMap(([, text = ""]) => text.split("\n").filter((line) => line !== ""))
  assert.ok(lines.length > 0, language)
  return lines
}

/** `> 00 01 = message` in its three parts. */
function partsOf(line: string) {
  const [, way, hex, said] = /^([<>]) ?([0-9a-f ]*?) ?= (.*)$/.exec(line) ?? []
  assert.ok(way && hex !== undefined && said, line)
  return { way, bytes: bytesOf(hex), hex, said }
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"))
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString("hex")
    .replace(/..(?!$)/g, "$& ")
}

const byteFields = new Set(["vector", "update", "bytes"])

/** Messages as the manual writes them: bytes in hexadecimal. */
function written(messages: readonly unknown[]): string {
  const text = (message: unknown) =>
    JSON.stringify(message, (_, value) => (value instanceof Uint8Array ? hexOf(value) : value))
  return messages.map(text).join(",")
}

/** The message that the manual writes so. */
function messageOf(text: string): unknown {
  return JSON.parse(text, (key, value) =>
    byteFields.has(key) && typeof value === "string" ? bytesOf(value) : value,
  )
}

test("RL128 the manual's examples of the Yjs dialect are what the codec reads and writes", () => {
  for (const line of examples("yjs")) {
    const { way, bytes, hex, said } = partsOf(line)
    if (way === ">") assert.equal(written(yjs.decode(bytes)), said, line)
    else assert.equal(hexOf(yjs.encode(messageOf(said) as ToYjs)), hex, line) // else encode would throw
  }
})

test("RL128 the manual's examples of the Hocuspocus dialect are what the codec reads and writes", () => {
  for (const line of examples("hocuspocus")) {
    const { way, bytes, hex, said } = partsOf(line)
    const [, address, message = ""] = /^(?:(\w+) )?(.*)$/.exec(said) ?? []
    if (way === ">") {
      const read = hocuspocus.decode(bytes)
      const text =
        read.kind === "frame" ? `${read.address} ${written(read.messages)}` : written([read])
      assert.equal(text, said, line)
    } else {
      const sent = messageOf(message)
      const frame =
        address === undefined ? (sent as ToHocuspocus) : addressed(address, sent as ToAddress) // likewise
      assert.equal(hexOf(hocuspocus.encode(frame)), hex, line)
    }
  }
})

test("RL128 the manual's frames of the LFCC dialect are as the schemas and the codec say", () => {
  const schemas = (table: object) =>
    new Map(Object.entries(table).map(([type, schema]) => [type, Compile(schema)]))
  const [from, to] = [schemas(fromReplica), schemas(toReplica)]
  const seen = { from: new Set<string>(), to: new Set<string>() }
  for (const line of examples("lfcc")) {
    const [way, text] = [line[0], line.slice(2)]
    const frame = JSON.parse(text) as { readonly type: string } // the schemas say the rest
    const frames = lfcc.decode(text).frames.map(({ kind }) => kind)
    if (way === "!") assert.deepEqual(frames, ["unreadable"], line)
    else if (way === ">") {
      assert.ok(from.get(frame.type)?.Check(frame), line)
      assert.deepEqual(frames, ["frame"], line)
      seen.from.add(frame.type)
    } else {
      assert.ok(to.get(frame.type)?.Check(frame), line)
      seen.to.add(frame.type)
    }
  }
  assert.deepEqual([...seen.from].sort(), [...from.keys()].sort())
  assert.deepEqual([...seen.to].sort(), [...to.keys()].sort())
})

test("RL128 the manual's binary update is read", () => {
  for (const line of examples("binary")) {
    const [frame] = lfcc.decode(bytesOf(line.slice(2))).frames
    assert.ok(frame?.kind === "frame" && frame.message.kind === "update", JSON.stringify(frame))
    assert.equal(hexOf(frame.message.update), "01 02 03")
    assert.equal(frame.form, "binary")
  }
})
