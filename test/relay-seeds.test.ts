/** New rooms: who may fill one, who waits, and what becomes of two histories under one name. */
import assert from "node:assert/strict"
import { test } from "node:test"
import * as Y from "yjs"
import type { RelayOptions } from "../src/relay/limits.ts"
import { authored, identity, RelayWorld, typed, type YjsEnd } from "./relay-parts.ts"

const viewer = identity({ subject: "vic", role: "viewer" })
const granted = '{"kind":"seed","granted":true}'
const notGranted = '{"kind":"seed","granted":false}'
const noticing = { features: "notice" } as const

function worldWith(limits: Partial<RelayOptions>): RelayWorld {
  return new RelayWorld({ limits })
}

/** What it was told of seeds and content, and how often it was asked. */
function heardBy(end: YjsEnd): readonly string[] {
  return end.news().filter((said) => /^(step|update)|seed/.test(said))
}

test("RL37 of many who come to a new room at once exactly one may fill it", async () => {
  const world = new RelayWorld()
  const ends = Array.from({ length: 20 }, () => world.comes(noticing))
  for (const end of ends) end.step1(new Y.Doc())
  await world.pass(3_000)
  const told = ends.map((end) => heardBy(end).filter((said) => said !== "step1 {}"))
  assert.equal(told.filter((said) => said.includes(granted)).length, 1)
  assert.equal(world.relay.counts.seedGrants, 1)
})

test("RL33 what is tracked of a new room starts as the vector of who comes with content", async () => {
  const world = new RelayWorld()
  const first = await world.joins(authored(1, "hello"))
  assert.deepEqual(heardBy(first), ["step2"])
  await world.joins(new Y.Doc(), { identity: viewer })
  // Who comes with more is asked for what lies beyond it, and for nothing else.
  const second = await world.joins(authored(2, "x"))
  assert.equal(second.told[0], "step1 {1:5}")
})

test("RL37 no viewer may fill a new room", async () => {
  const world = new RelayWorld()
  const looking = await world.joins(new Y.Doc(), { ...noticing, identity: viewer })
  const editor = await world.joins(new Y.Doc(), noticing)
  assert.deepEqual(heardBy(looking), [])
  assert.deepEqual(heardBy(editor), ["step2", granted])
})

test("RL38 who comes after the grant waits for what it puts in, and is given that", async () => {
  const world = new RelayWorld()
  const [first, second] = [await world.joins(new Y.Doc()), await world.joins(new Y.Doc(), noticing)]
  await world.pass(900)
  assert.deepEqual(heardBy(second), [])
  const doc = authored(1, "template")
  first.update(Y.encodeStateAsUpdate(doc))
  assert.deepEqual(heardBy(first), ["step2", "step1 {}"])
  first.step2(doc)
  assert.deepEqual(heardBy(second), ["update template", "step2 template"])
})

test("RL38 who waited long enough is told that it is empty, without the grant", async () => {
  const world = new RelayWorld()
  await world.joins(new Y.Doc())
  const second = await world.joins(new Y.Doc(), noticing)
  await world.pass(1_100)
  assert.deepEqual(heardBy(second), ["step2", notGranted])
  assert.equal(world.relay.counts.seedGrants, 1)
})

test("RL38 nobody waits for who says that it has nothing to put in, or where the wait is off", async () => {
  const world = new RelayWorld()
  const first = await world.joins(new Y.Doc(), noticing)
  const second = await world.joins(new Y.Doc(), noticing)
  first.notes({ kind: "seed", declined: true })
  await world.pass(20)
  assert.deepEqual(heardBy(second), ["step2", notGranted])

  const hurried = worldWith({ seedHoldMs: 0 })
  await hurried.joins(new Y.Doc())
  const next = await hurried.joins(new Y.Doc(), noticing)
  assert.deepEqual(heardBy(next), ["step2", notGranted])
})

test("RL39 the grant of who leaves a blank room passes to who waited longest and hears of it", async () => {
  const world = new RelayWorld()
  const first = await world.joins(new Y.Doc(), noticing)
  await world.joins(new Y.Doc())
  const ends = [await world.joins(new Y.Doc(), noticing), await world.joins(new Y.Doc(), noticing)]
  await world.pass(1_500)
  for (const end of ends) assert.deepEqual(heardBy(end), ["step2", notGranted])
  await first.goes("broken")
  assert.deepEqual(ends.map(heardBy), [[granted], []])
})

test("RL39 without one who hears of it the grant passes to the next newcomer", async () => {
  const world = new RelayWorld()
  const first = await world.joins(new Y.Doc())
  await world.joins(new Y.Doc())
  await world.pass(1_500)
  await first.goes("broken")
  const next = await world.joins(new Y.Doc(), noticing)
  assert.deepEqual(heardBy(next), ["step2", granted])
})

test("RL39 a newcomer that waits for the grantee is granted the room when that one goes", async () => {
  const world = new RelayWorld()
  const first = await world.joins(new Y.Doc())
  const second = await world.joins(new Y.Doc(), noticing)
  await first.goes("broken")
  await world.pass(20)
  assert.deepEqual(heardBy(second), ["step2", granted])
})

test("RL40 who comes to a room that had content a moment ago waits, and may not fill it", async () => {
  const world = new RelayWorld()
  const doc = authored(1, "kept")
  const holder = await world.begins(doc)
  await holder.goes("broken")
  const newcomer = await world.joins(new Y.Doc(), noticing)
  await world.pass(4_800)
  assert.deepEqual(heardBy(newcomer), [])
  const back = await world.joins(doc)
  assert.equal(back.news().at(-1), "step1 {}")
  back.step2(doc)
  assert.ok(heardBy(newcomer).includes("step2 kept"))
  assert.equal(world.relay.counts.seedGrants, 1)
})

test("RL40 a mark is left by a room that is forgotten, too, and ends after a minute", async () => {
  const world = new RelayWorld()
  const holder = await world.begins(authored(1, "kept"))
  await world.pass(45_000)
  await holder.goes("broken")
  await world.pass(6_000)
  assert.equal(world.relay.rooms.size, 0)
  const newcomer = await world.joins(new Y.Doc(), noticing)
  await world.pass(5_200)
  assert.deepEqual(heardBy(newcomer), ["step2", notGranted])
  await newcomer.goes("clean")
  await world.pass(61_000)
  const next = await world.joins(new Y.Doc(), noticing)
  assert.deepEqual(heardBy(next), ["step2", granted])
})

test("RL40 as long as a server cannot know which rooms are new, none is", async () => {
  const world = new RelayWorld({ unknownForMs: 5_000 })
  const first = await world.joins(new Y.Doc(), noticing)
  await world.pass(4_800)
  assert.deepEqual(heardBy(first), [])
  await world.pass(400)
  assert.deepEqual(heardBy(first), ["step2", granted])
})

test("RL40 a blank room that nobody filled leaves no mark", async () => {
  const world = new RelayWorld()
  const first = await world.joins(new Y.Doc())
  await first.goes("clean")
  await world.pass(6_000)
  const next = await world.joins(new Y.Doc(), noticing)
  assert.deepEqual(heardBy(next), ["step2", granted])
})

test("RL41 another history under the same name is counted, told, and left to the CRDT", async () => {
  const world = new RelayWorld()
  const holder = await world.begins(authored(1, "one"))
  const other = authored(2, "two")
  const end = await world.joins(other, noticing)
  assert.equal(world.relay.counts.divergences, 1)
  assert.deepEqual(end.news(), ['{"kind":"room","state":"divergent"}', "step1 {1:3}"])
  end.step2(other)
  await world.pass(100)
  assert.ok(holder.told.includes("update two"))
  const kin = authored(3, "kin")
  Y.applyUpdate(kin, Y.encodeStateAsUpdate(authored(1, "one")))
  await world.joins(kin, noticing)
  await world.joins(new Y.Doc(), noticing)
  assert.equal(world.relay.counts.divergences, 1)
})

test("RL41 another history is refused where it was chosen so", async () => {
  const world = worldWith({ divergent: "refuse" })
  const holder = await world.begins(authored(1, "one"))
  const end = await world.joins(authored(2, "two"))
  assert.equal(end.code, "diverged")
  assert.equal(holder.code, undefined)
})

test("RL44 who sends a change after a hole is asked for what is missing, once", async () => {
  const world = new RelayWorld()
  const doc = authored(1, "abc")
  const holder = await world.begins(doc)
  const other = await world.joins(doc)
  holder.step2(doc, Y.encodeStateVector(doc))
  other.step2(Uint8Array.of(0, 0))
  for (const end of [holder, other]) end.take()
  typed(doc, "lost")
  const late = typed(doc, "!")
  holder.update(late)
  assert.deepEqual(holder.news(), ["step1 {1:3}"])
  holder.update(typed(doc, "?"))
  assert.deepEqual(holder.news(), [])
  await world.pass(100)
  assert.deepEqual(other.news(), ["update pending", "update pending"])
  holder.step2(doc, Uint8Array.of(1, 1, 3))
  await world.pass(100)
  assert.deepEqual(
    other.news().map((said) => said.split(" ")[0]),
    ["update"],
  )
  const newcomer = await world.joins(authored(5, "5"))
  assert.equal(newcomer.news().at(-1), "step1 {1:9}")
})

test("RL49 an answer that brings nothing new is not sent on", async () => {
  const world = new RelayWorld()
  const doc = authored(1, "abc")
  const holder = await world.begins(doc)
  doc.getText("t").delete(0, 1)
  const deletion = Y.encodeStateAsUpdate(doc, Y.encodeStateVector(doc))
  for (const [expected, answer] of [
    [[], Uint8Array.of(0, 0)],
    [["update"], deletion],
    [[], deletion],
  ] as const) {
    const copy = authored(2)
    Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc))
    const back = await world.joins(copy)
    holder.step2(Uint8Array.of(0, 0))
    holder.take()
    back.step2(answer)
    await world.pass(100)
    assert.deepEqual(
      holder.heard.map(({ kind }) => kind),
      expected,
    )
    await back.goes("clean")
  }
})
