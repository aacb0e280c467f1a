/** Copies of Yjs rooms: when they are taken, who is given one, and what they never do. */
import assert from "node:assert/strict"
import { test } from "node:test"
import * as Y from "yjs"
import { lackedOf } from "../src/relay/copies-merge.ts"
import {
  BreakableCopies,
  copiesIn,
  copyOf,
  documentWith,
  Live,
  live,
  textIn,
  textOf,
} from "./copy-parts.ts"
import { RelayWorld, type WorldOptions } from "./relay-parts.ts"

const key = "y/notes"

function worldWith(options: WorldOptions = {}) {
  const copies = copiesIn()
  const world = new RelayWorld({ copies, ...options })
  const kept = async () => textIn(await copyOf(copies, key, world.now))
  return { world, copies, kept }
}

/** Fills a room and leaves it: what is left is its copy. */
async function leaves(world: RelayWorld, text: string): Promise<Y.Doc> {
  const ada = await Live.comes(world)
  await live(world, 100, ada)
  ada.types(text)
  await live(world, 40_000, ada)
  await ada.end.goes("clean")
  await live(world, 6_000)
  assert.equal(world.relay.size, 0)
  return ada.doc
}

test("RL123 takes a copy when a room has been quiet for five seconds", async () => {
  const { world, kept } = worldWith()
  const ada = await Live.comes(world)
  const bob = await Live.comes(world)
  await live(world, 2_000, ada, bob)
  ada.types("one ")
  for (let i = 0; i < 4; i++) {
    await live(world, 3_000, ada, bob)
    ada.types("more ")
    assert.equal(await kept(), undefined)
  }
  await live(world, 4_800, ada, bob)
  assert.equal(await kept(), undefined)
  await live(world, 600, ada, bob)
  assert.equal(await kept(), textOf(ada.doc))
})

test("RL123 takes a copy of a room that is never quiet, too", async () => {
  const { world, kept } = worldWith()
  const ada = await Live.comes(world)
  await live(world, 100, ada)
  for (let i = 0; i < 70; i++) {
    ada.types(`${i} `)
    await live(world, 1_000, ada)
  }
  assert.match((await kept()) ?? "", /^0 1 2 .* 55 /)
})

test("RL123 takes copies at most every thirty seconds, and at once when one holder is left", async () => {
  const { world, kept } = worldWith()
  const ada = await Live.comes(world)
  const bob = await Live.comes(world)
  await live(world, 100, ada, bob)
  ada.types("one")
  await live(world, 6_000, ada, bob)
  ada.types(" two")
  await live(world, 20_000, ada, bob)
  assert.equal(await kept(), "one")
  await live(world, 11_000, ada, bob)
  assert.equal(await kept(), "one two")
  ada.types(" three")
  await live(world, 300, ada, bob)
  await ada.end.goes("clean")
  await live(world, 300, bob)
  assert.equal(await kept(), "one two three")
})

test("RL123 RL121 asks a holder for a copy only when it is asked nothing else, and never without copies", async () => {
  const { world } = worldWith()
  const ada = await Live.comes(world)
  await live(world, 100, ada)
  const bob = await Live.comes(world)
  await live(world, 1_500, ada, bob)
  ada.types("one")
  ada.answers = "never"
  await live(world, 4_800, ada, bob)
  const before = [ada.asked.length, bob.asked.length]
  const eve = await Live.comes(world)
  await live(world, 1_500, ada, bob)
  assert.equal(ada.asked.length, (before[0] ?? 0) + 1, "the newcomer's ask")
  assert.equal(
    bob.asked.length,
    before[1],
    "although it was quiet for five seconds, and bob is free",
  )
  await eve.end.goes("clean")
  await live(world, 3_000, ada, bob)
  assert.equal(bob.asked.length, (before[1] ?? 0) + 1)
  const without = new RelayWorld()
  const ida = await Live.comes(without)
  await live(without, 100, ida)
  ida.types("one")
  const asked = ida.asked.length
  await live(without, 120_000, ida)
  assert.equal(ida.asked.length, asked)
})

test("RL124 asks for what the copy lacks, and merges it", async () => {
  const { world, kept, copies } = worldWith()
  const ada = await Live.comes(world)
  await live(world, 100, ada)
  ada.types("one")
  await live(world, 6_000, ada)
  assert.equal(ada.asked.at(-1)?.size, 0)
  ada.types(" two")
  await live(world, 40_000, ada)
  assert.deepEqual(ada.asked.at(-1), new Map([[ada.doc.clientID, 3]]))
  assert.equal(await kept(), "one two")
  // A deletion moves no clock, and is in the next copy all the same.
  ada.doc.getText("t").delete(0, 4)
  await live(world, 40_000, ada)
  assert.equal(await kept(), "two")
  assert.equal((await copyOf(copies, key, world.now))?.merges, 2)
})

test("RL124 takes every fiftieth copy, and a large one, whole", async () => {
  const { world, kept, copies } = worldWith({ limits: { copyQuietMs: 100, copyRestMs: 100 } })
  const ada = await Live.comes(world)
  await live(world, 100, ada)
  for (let i = 0; i < 50; i++) {
    ada.types("x")
    await live(world, 700, ada)
  }
  assert.equal(await kept(), "x".repeat(50))
  assert.equal((await copyOf(copies, key, world.now))?.merges, 49)
  ada.types("y")
  await live(world, 700, ada)
  assert.equal(ada.asked.at(-1)?.size, 0)
  assert.equal((await copyOf(copies, key, world.now))?.merges, 0)
  ada.types("z".repeat(300_000))
  await live(world, 700, ada)
  ada.types("!")
  await live(world, 700, ada)
  assert.equal(ada.asked.at(-1)?.size, 0)
  assert.match((await kept()) ?? "", /z!$/)
})

test("RL21 RL125 a newcomer alone gets the copy as it is, and is synced and the holder then", async () => {
  const { world, copies } = worldWith()
  await leaves(world, "kept for you")
  const copy = await copyOf(copies, key, world.now)
  const bob = world.comes()
  bob.step1(new Y.Doc())
  await world.pass(100)
  const given = bob.heard.find(({ kind }) => kind === "step2")
  assert.ok(given?.kind === "step2" && copy !== undefined)
  assert.deepEqual(Buffer.from(given.update), Buffer.from(copy.bytes))
  assert.equal(world.relay.rooms.get("notes")?.holders, 1)
  assert.equal(world.relay.counts.requests.counts.get("copy"), 1)
  assert.equal(world.relay.counts.seedGrants, 1, "that of the first life")
})

test("RL125 RL122 who comes with something of its own gets what it lacks, and is asked for the rest", async () => {
  const { world, kept } = worldWith()
  const mine = await leaves(world, "old")
  const both = new Y.Doc()
  Y.applyUpdate(both, Y.encodeStateAsUpdate(mine))
  both.getText("t").insert(3, " offline")
  const ada = await Live.comes(world, both)
  const eve = await Live.comes(world)
  await live(world, 300, ada, eve)
  assert.deepEqual(ada.asked[0], new Map([[mine.clientID, 3]]))
  assert.equal(textOf(eve.doc), "old offline")
  await live(world, 6_000, ada, eve)
  assert.equal(await kept(), "old offline")
})

test("RL125 of a copy up to 256 KiB only what is lacked is given, of a longer one the whole", () => {
  const limit = 256 * 1024
  for (const length of [10, limit - 100, limit + 1]) {
    const doc = documentWith("x".repeat(length))
    const vector = new Map([[doc.clientID, length]])
    const bytes = Y.encodeStateAsUpdate(doc)
    const copy = { kind: "yjs", bytes, vector: Y.encodeStateVector(doc), merges: 0 } as const
    assert.equal(lackedOf(copy, new Map()), bytes)
    if (length > limit) assert.equal(lackedOf(copy, vector), bytes)
    else assert.deepEqual(lackedOf(copy, vector), Uint8Array.of(0, 0))
  }
})

test("RL122 a copy merges into what two returning replicas bring, and nothing of any of them is lost", async () => {
  const { world, kept } = worldWith()
  await leaves(world, "in the copy")
  const ada = await Live.comes(world, documentWith("ada's"))
  const bob = await Live.comes(world, documentWith("bob's"))
  await live(world, 500, ada, bob)
  for (const part of [/in the copy/, /ada's/, /bob's/]) assert.match(textOf(ada.doc), part)
  assert.equal(textOf(bob.doc), textOf(ada.doc))
  await live(world, 6_000, ada, bob)
  assert.equal(await kept(), textOf(ada.doc))
})

test("RL122 gives no copy while a holder answers, and as a change only while holders are silent", async () => {
  const { world } = worldWith()
  const ada = await Live.comes(world)
  await live(world, 100, ada)
  ada.types("one")
  await live(world, 6_000, ada)
  ada.types(" two")
  const bob = await Live.comes(world)
  await live(world, 300, ada, bob)
  assert.equal(textOf(bob.doc), "one two")
  assert.equal(world.relay.counts.copies.counts.get("given"), undefined)
  ada.answers = bob.answers = "never"
  const eve = await Live.comes(world)
  await live(world, 9_900, ada, bob, eve)
  assert.equal(textOf(eve.doc), "")
  await live(world, 300, ada, bob, eve)
  assert.equal(textOf(eve.doc), "one")
  assert.equal(eve.isSynced, false)
})

test("RL122 a whole copy of a holder that lacks something takes nothing from the copy", async () => {
  const { world, kept, copies } = worldWith()
  await leaves(world, "a".repeat(300_000))
  const shelf = new BreakableCopies(copies)
  const again = new RelayWorld({ copies: shelf })
  again.now = world.now
  shelf.isBroken = true
  const bob = await Live.comes(again, documentWith("bob's"))
  await live(again, 300, bob)
  assert.ok(bob.isSynced, "live traffic waits for no store")
  shelf.isBroken = false
  await live(again, 10_000, bob)
  assert.match(textOf(bob.doc), /a{1000}/, "the copy has reached it as a change")
  await live(again, 40_000, bob)
  assert.equal(await kept(), textOf(bob.doc))
})

test("RL122 a holder that did not take up what it was given takes nothing from the copy", async () => {
  const { world, kept } = worldWith()
  await leaves(world, "a".repeat(300_000))
  const careless = world.comes()
  careless.step1(new Y.Doc())
  await world.pass(200)
  const doc = documentWith("all that it has")
  careless.update(Y.encodeStateAsUpdate(doc))
  for (let i = 0; i < 60; i++) {
    await world.pass(1_000)
    for (const message of careless.take()) {
      if (message.kind === "step1") careless.step2(doc, message.vector)
    }
  }
  assert.equal((await kept())?.length, 300_000)
})

test("RL35 RL21 viewers alone are given the copy, and an editor after them too", async () => {
  const { world } = worldWith({ anonymous: "off" })
  const editor = { subject: "ada", role: "editor", places: ["*"] } as const
  const rest = { rights: undefined, since: 1, until: Number.MAX_SAFE_INTEGER }
  const visit = { identity: { ...editor, ...rest } }
  const ada = await Live.comes(world, new Y.Doc(), visit)
  await live(world, 100, ada)
  ada.types("look")
  await live(world, 6_000, ada)
  await ada.end.goes("clean")
  await live(world, 6_000)
  const viewer = { identity: { ...editor, ...rest, role: "viewer" as const } }
  const seen = [await Live.comes(world, new Y.Doc(), viewer)]
  await live(world, 200, ...seen)
  seen.push(await Live.comes(world, new Y.Doc(), visit))
  await live(world, 200, ...seen)
  assert.deepEqual(
    seen.map(({ doc, isSynced }) => [textOf(doc), isSynced]),
    [
      ["look", true],
      ["look", true],
    ],
  )
})

test("RL126 does not copy a room above its limit, and counts it", async () => {
  const { world, kept } = worldWith({ limits: { copyBytes: 1_000 } })
  const ada = await Live.comes(world)
  await live(world, 100, ada)
  ada.types("x".repeat(900))
  await live(world, 40_000, ada)
  ada.types("y".repeat(200))
  await live(world, 120_000, ada)
  assert.equal((await kept())?.length, 900)
  assert.equal(world.relay.counts.copies.counts.get("too-big"), 1)
  assert.equal(ada.end.code, undefined)
})

test("RL126 does not copy a room that was above its limit from the start", async () => {
  const { world, kept } = worldWith({ limits: { copyBytes: 1_000 } })
  const ada = await Live.comes(world)
  await live(world, 100, ada)
  ada.types("x".repeat(1_100))
  await live(world, 40_000, ada)
  assert.equal(await kept(), undefined)
  assert.equal(world.relay.counts.copies.counts.get("too-big"), 1)
})

test("RL126 an admin's deletion is not undone until something changes", async () => {
  const { world, kept } = worldWith()
  const ada = await Live.comes(world)
  await live(world, 100, ada)
  ada.types("one")
  await live(world, 6_000, ada)
  const deletes = () =>
    new Promise((resolve: (answer: boolean | "away") => void) => {
      world.relay.deleteCopy("notes", resolve)
    })
  assert.deepEqual([await deletes(), await deletes()], [true, false])
  await live(world, 60_000, ada)
  assert.equal(await kept(), undefined)
  ada.types(" two")
  await live(world, 10_000, ada)
  assert.equal(await kept(), "one two")
})

test("RL127 while copies cannot be read an empty newcomer waits, changes flow, and the copy comes with the store", async () => {
  const { world: first, copies } = worldWith()
  await leaves(first, "precious")
  const shelf = new BreakableCopies(copies)
  shelf.isBroken = true
  const world = new RelayWorld({ copies: shelf })
  world.now = first.now
  const ada = await Live.comes(world)
  const bob = await Live.comes(world)
  await live(world, 12_000, ada, bob)
  assert.deepEqual([ada.isSynced, bob.isSynced], [false, false])
  ada.types("live")
  await live(world, 100, ada, bob)
  assert.equal(textOf(bob.doc), "live")
  shelf.isBroken = false
  await live(world, 3_000, ada, bob)
  assert.deepEqual([ada.isSynced, bob.isSynced], [true, true])
  assert.match(textOf(ada.doc), /precious/)
  assert.match(textOf(ada.doc), /live/)
  assert.equal(textOf(bob.doc), textOf(ada.doc))
})

test("RL127 who waited for a store that never answers is told to come back, or goes on without", async () => {
  const broken = () => {
    const shelf = new BreakableCopies(copiesIn())
    shelf.isBroken = true
    return shelf
  }
  const world = new RelayWorld({ copies: broken() })
  const ada = await Live.comes(world)
  await live(world, 29_000, ada)
  assert.equal(ada.end.code, undefined)
  await live(world, 2_000, ada)
  assert.equal(ada.end.code, "unavailable")
  const other = new RelayWorld({ copies: broken(), limits: { copiesRequired: false } })
  const bob = await Live.comes(other)
  await live(other, 9_800, bob)
  assert.equal(bob.isSynced, false)
  await live(other, 2_000, bob)
  assert.equal(bob.isSynced, true)
})
