/** Blocks of encrypted pools with the SDK: sealed for their block and generation, over the connection. */
import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { join as joinPath } from "node:path"
import { test } from "node:test"
import { Keyring } from "../src/client/keys.ts"
import {
  admit,
  between,
  failing,
  fast,
  found,
  type Message,
  naming,
  world,
} from "./client-encrypted-parts.ts"
import { eventually, temporaryDirectory } from "./harness.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (data: Uint8Array) => new TextDecoder().decode(data)

test("PL125 PL123 a block of an encrypted pool is one envelope for each generation, and its file shows none of it", async (t) => {
  const blocksDir = temporaryDirectory(t)
  const { join } = await world(t, { blocksDir })
  const bob = await join("bob")
  const owner = await found(bob)
  const ada = await join("ada")
  await admit(owner, ada)
  const made = await owner.block.create("note", 1_000, { writers: "many" })
  assert.equal(made.capacity, 1_000)
  assert.deepEqual((await made.read()).data, new Uint8Array(0))
  const whole = await made.write(bytes("a kitten"), { contentType: "text" })
  assert.deepEqual(whole, { generation: 1, length: 8 })
  const other = await ada.pool("vault").block.attach("note", { mode: "write" })
  const notices: number[] = []
  await other.subscribe(({ generation, length }) => notices.push(generation, length))
  const read = await other.read()
  assert.deepEqual([text(read.data), read.generation, read.contentType], ["a kitten", 1, "text"])
  assert.equal(text((await other.read({ offset: 2, length: 3 })).data), "kit")
  // Whoever is faster has the generation; the other seals anew for the next.
  const writing = Array.from({ length: 10 }, (_, at) =>
    Promise.all([made.write(bytes(`bob ${at}`)), other.write(bytes(`ada ${at}`))]),
  )
  await Promise.all(writing)
  assert.equal((await made.read()).generation, 21)
  await eventually(() => notices.includes(21))
  assert.equal(notices.at(-1), 5)
  const conflict = await failing(other.write(bytes("x"), { ifGeneration: 3 }))
  assert.equal(conflict.code, "CONFLICT")
  assert.equal((await made.write(bytes("the kitten"), { ifGeneration: 21 })).generation, 22)
  const files = readdirSync(blocksDir, { recursive: true, withFileTypes: true })
  const contents = files
    .filter((each) => each.isFile())
    .map((each) => readFileSync(joinPath(each.parentPath, each.name), "latin1"))
  assert.ok(contents.some((content) => content.includes("QTE1")))
  assert.ok(!contents.some((content) => content.includes("kitten")))
  await other.detach()
  await made.destroy()
})

test("PL126 content of another block, an older one or an open one is refused as INTEGRITY", async (t) => {
  const { join, address } = await world(t, { blocksDir: temporaryDirectory(t) })
  const spy = await between(t, address)
  const bob = await join("bob")
  const owner = await found(bob)
  const ada = await join("ada", { at: spy.address })
  await admit(owner, ada)
  const [one, two] = [await owner.block.create("one", 100), await owner.block.create("two", 100)]
  await one.write(bytes("first"))
  await two.write(bytes("second"))
  const told: Message[] = []
  const isContent = ({ result }: Message) =>
    typeof result === "object" && result !== null && "data" in result
  spy.toApp = (message) => {
    if (isContent(message)) told.push(message)
    return [message]
  }
  const { block } = ada.pool("vault")
  const [near, far] = [await block.attach("one"), await block.attach("two")]
  assert.equal(text((await near.read()).data), "first")
  assert.equal(text((await far.read()).data), "second")
  await one.write(bytes("newer"))
  assert.equal(text((await near.read()).data), "newer")
  assert.equal(told.length, 3)
  for (const result of [
    told[0]?.["result"],
    told[1]?.["result"],
    { data: "b3Blbg", generation: 3 },
  ]) {
    spy.toApp = (message) => (isContent(message) ? [{ ...message, result }] : [message])
    assert.equal((await failing(near.read())).code, "INTEGRITY")
  }
  spy.toApp = (message) => [message]
  assert.equal(text((await near.read()).data), "newer")
})

test("PL129 who comes in a later epoch reads blocks that were sealed before, and nothing goes open", async (t) => {
  const { join } = await world(t, { blocksDir: temporaryDirectory(t) })
  const bob = await join("bob")
  const owner = await found(bob)
  const block = await owner.block.create("old", 100)
  await block.write(bytes("of the first epoch"))
  await owner.keys.rotate(naming())
  await owner.keys.rotate(naming())
  const ada = await join("ada")
  await ada.pool("vault").join(await Keyring.from(owner.keys.lend("shard"), fast))
  assert.equal(ada.pool("vault").keys.epoch, 3)
  const there = await ada.pool("vault").block.attach("old")
  assert.equal(text((await there.read()).data), "of the first epoch")
  assert.equal(
    (await failing(ada.pool("vault").block.attach("old", { mode: "write" }))).code,
    "FORBIDDEN",
  )
  await block.write(bytes("of the third"))
  assert.equal(text((await there.read()).data), "of the third")
  const refused = [
    ...[block.write(bytes("x"), { offset: 3 }), block.pin(), block.notify("kitten")],
    ...[owner.block.ring("r", 4_096), owner.block.create("f", 64, { filling: true })],
    block.subscribe(() => {}, { data: true }),
  ]
  const codes = await Promise.all(refused.map(failing))
  assert.deepEqual(new Set(codes.map(({ code }) => code)), new Set(["UNAVAILABLE"]))
  assert.throws(() => block.put(bytes("x")), { code: "NOT_LOCAL" })
})
