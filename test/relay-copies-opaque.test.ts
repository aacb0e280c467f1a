/** Copies of opaque rooms, and the shelf in SQLite that all copies lie on. */
import assert from "node:assert/strict"
import { join } from "node:path"
import { test } from "node:test"
import type { Copy } from "../src/relay/copies.ts"
import type { SqliteCopies } from "../src/relay/copies-sqlite.ts"
import { openStore } from "../src/store.ts"
import { copiesIn, copyOf } from "./copy-parts.ts"
import { temporaryDirectory } from "./harness.ts"
import { LfccWorld } from "./lfcc-parts.ts"

const key = "l/notes"
const now = 1_780_000_000_000

function worldWith(copies = copiesIn()) {
  const world = new LfccWorld({}, "editor", copies)
  const kept = async () => {
    const copy = await copyOf(copies, key, world.now)
    return copy && Buffer.from(copy.bytes).toString("base64")
  }
  return { world, copies, kept }
}

/** Comes with content, writes, gives its copy, and leaves. */
async function leaves(world: LfccWorld, snapshot: string, join: object = {}): Promise<void> {
  const ada = await world.joins("ada", { hasSnapshot: true, version: "AQ==", ...join })
  await ada.writes("AQID")
  await world.pass(5_100)
  await ada.answers(snapshot, { version: "Ag==" })
  await world.pass(200)
  await ada.goes("clean")
  await world.pass(6_000)
  assert.equal(world.relay.size, 0)
}

test("RL123 RL124 a snapshot is asked of a holder, and takes the place of the one before", async () => {
  const { world, kept, copies } = worldWith()
  const ada = await world.brings("ada")
  await ada.writes("AQID")
  await world.pass(4_900)
  assert.equal(ada.all("SNAPSHOT_REQUEST").length, 0)
  await world.pass(200)
  await ada.answers("b25l", { version: "Ag==" })
  await world.pass(200)
  assert.equal(await kept(), "b25l")
  assert.deepEqual((await copyOf(copies, key, world.now))?.vector, Uint8Array.of(2))
  await ada.writes("BAUG")
  await world.pass(30_100)
  await ada.answers("dHdv")
  await world.pass(200)
  assert.equal(await kept(), "dHdv")
  // An answer without content takes nothing away.
  await ada.writes("BAUG")
  await world.pass(30_100)
  await ada.answers("")
  await world.pass(200)
  assert.equal(await kept(), "dHdv")
})

test("RL21 RL122 a newcomer alone is given the snapshot, as an answer, with its version", async () => {
  const { world } = worldWith()
  await leaves(world, "b25l")
  const bob = await world.joins("bob")
  await world.pass(200)
  const [given] = bob.all("SNAPSHOT_RESPONSE")
  assert.deepEqual([given?.payload?.["snapshot"], given?.payload?.["version"]], ["b25l", "Ag=="])
  assert.equal(bob.all("SNAPSHOT_RESPONSE").length, 1)
  const eve = await world.joins("eve")
  await world.pass(100)
  await bob.answers("YmV0dGVy")
  assert.deepEqual(
    eve.told.filter((each) => each.startsWith("SNAPSHOT")),
    ["SNAPSHOT YmV0dGVy"],
  )
})

test("RL122 who returns alone with content is sent the copy as a change, before the next one is taken", async () => {
  const { world, kept } = worldWith()
  await leaves(world, "b25l")
  const bob = await world.brings("bob")
  await world.pass(300)
  assert.deepEqual(bob.told, ["server b25l"])
  await world.pass(6_000)
  await bob.answers("Ym90aA==")
  await world.pass(200)
  assert.equal(await kept(), "Ym90aA==")
})

test("RL102 RL122 a sealed copy is neither given to a room that is not sealed nor replaced by it", async () => {
  const { world, kept } = worldWith()
  await leaves(world, "c2VhbGVk", { sealed: true })
  const eve = await world.joins("eve")
  await eve.says("SNAPSHOT_REQUEST")
  await world.pass(6_000)
  assert.equal(eve.told.filter((each) => each === "SNAPSHOT empty").length, 1)
  await eve.writes("AQID")
  await world.pass(60_000)
  assert.equal(await kept(), "c2VhbGVk")
  assert.ok(!eve.told.some((each) => /^ASK|^SNAPSHOT c2/.test(each)), eve.told.join())
  await eve.goes("clean")
  await world.pass(6_000)
  const bob = await world.joins("bob", { sealed: true })
  await bob.says("SNAPSHOT_REQUEST")
  await world.pass(300)
  assert.ok(bob.told.includes("SNAPSHOT c2VhbGVk"))
})

function copyWith(text: string): Copy {
  return { kind: "opaque", bytes: Buffer.from(text), vector: undefined, merges: 0 }
}

async function keep(copies: SqliteCopies, room: string, text: string, at = now): Promise<unknown> {
  return new Promise((resolve) => {
    copies.put(room, copyWith(text), resolve)
    copies.tick(at)
  })
}

async function textOf(copies: SqliteCopies, room: string, at = now): Promise<string | undefined> {
  const copy = await copyOf(copies, room, at)
  return copy && Buffer.from(copy.bytes).toString()
}

test("RL126 beyond their total the copies that were longest not used go", async () => {
  const copies = copiesIn(undefined, { bounds: { copyTotalBytes: 30 } })
  await keep(copies, "l/a", "a".repeat(10), now)
  await keep(copies, "l/b", "b".repeat(10), now + 1)
  await keep(copies, "l/c", "c".repeat(10), now + 2)
  assert.equal(copies.total, 30)
  assert.ok(await textOf(copies, "l/a", now + 3))
  copies.tick(now + 3)
  await keep(copies, "l/d", "d".repeat(5), now + 4)
  assert.equal(copies.total, 25)
  const left = await Promise.all(["l/a", "l/b", "l/c", "l/d"].map((room) => textOf(copies, room)))
  assert.deepEqual(left, ["a".repeat(10), undefined, "c".repeat(10), "d".repeat(5)])
  await keep(copies, "l/a", "short", now + 5)
  assert.equal(copies.total, 20)
})

test("RL126 a copy that was not used for thirty days is deleted", async () => {
  const copies = copiesIn()
  const day = 86_400_000
  await keep(copies, "l/old", "old", now)
  await keep(copies, "l/young", "young", now + 2 * day)
  copies.tick(now + 31 * day)
  assert.equal(await textOf(copies, "l/old"), undefined)
  assert.equal(await textOf(copies, "l/young"), "young")
  assert.equal(copies.total, 5)
})

test("RL126 a copy that waits to be written is what is read, and what is beyond the queue is told so", async () => {
  const copies = copiesIn()
  const told: unknown[] = []
  const large = "x".repeat(40 * 1024 * 1024)
  copies.put("l/a", copyWith(large), (answer) => told.push(answer))
  copies.put("l/b", copyWith(large), (answer) => told.push(answer))
  await Promise.resolve()
  assert.deepEqual(told, ["away"])
  copies.put("l/a", copyWith("newer"), (answer) => told.push(answer))
  await Promise.resolve()
  assert.deepEqual(told, ["away", "away"])
  copies.flush()
  assert.deepEqual(told, ["away", "away", "kept"])
  assert.equal(await textOf(copies, "l/a"), "newer")
})

test("RL126 RELAY_COPY_KEY seals copies: the file shows nothing, and another key opens nothing", async (t) => {
  const uri = join(temporaryDirectory(t), "copies.db")
  const [mine, other] = ["A".repeat(43), "B".repeat(43)]
  const store = openStore({ uri })
  const copies = copiesIn(store, { key: mine })
  await keep(copies, "l/a", "a secret text")
  assert.equal(await textOf(copies, "l/a"), "a secret text")
  const sealed = store.prepare<{ bytes: Uint8Array }>("SELECT bytes FROM relay_copy").get()?.bytes
  assert.ok(sealed && !Buffer.from(sealed).includes("secret"))
  for (const key of [other, undefined]) {
    const wrong = key === undefined ? {} : { key }
    assert.throws(() => copiesIn(store, wrong), /RELAY_COPY_KEY is not the key/)
  }
  // Moved to another room, or changed by a bit, it opens no more.
  store.prepare("UPDATE relay_copy SET room = 'l/b'").run()
  await assert.rejects(copyOf(copies, "l/b", now), /away/)
  store.close()
})

test("RL121 RL127 the table is made only with copies, and a store that fails is told as away", async (t) => {
  const store = openStore({ uri: join(temporaryDirectory(t), "copies.db") })
  const tables = () =>
    store.prepare("SELECT 1 FROM sqlite_schema WHERE name LIKE 'relay_copy%'").all().length
  assert.equal(tables(), 0)
  const copies = copiesIn(store)
  assert.ok(tables() > 0)
  store.prepare("ALTER TABLE relay_copy RENAME TO elsewhere").run()
  assert.equal(await keep(copies, "l/a", "text"), "away")
  await assert.rejects(copyOf(copies, "l/a", now), /away/)
  store.prepare("ALTER TABLE elsewhere RENAME TO relay_copy").run()
  assert.equal(await keep(copies, "l/a", "text"), "kept")
  store.close()
})
