/** Blocks over the socket: made, attached to, read, written, told about, sealed. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { Buffers, KeptHere } from "../src/memory.ts"
import { openStore } from "../src/store.ts"
import { base64, blockStage, refused, result, sent, textOf } from "./blocks-parts.ts"
import { Sea } from "./pools-parts.ts"

test("PL95 a block is made, all of it, and its name is taken", () => {
  const { ada, bob, as } = blockStage()
  const made = result(as(ada, "create", { size: 100 }))
  assert.equal(made["size"], 100)
  assert.equal(made["generation"], 0)
  assert.match(String(as(bob, "create", { size: 5 })["error"]), /already exists/)
  refused(as(bob, "attach", { block_id: "none" }), "NO_BLOCK")
})

test("PL95 what has no room is NO_SPACE, with nothing left behind", () => {
  const { ada, sea, as } = blockStage({ limits: { shmLimitBytes: 100_000 } })
  const { detail } = refused(as(ada, "create", { size: 50_000 }), "NO_SPACE") as { detail: object }
  assert.deepEqual(detail, { asked: 4096 + 4 * 53248, free: 100_000 })
  result(as(ada, "create", { size: 1_000 }))
  assert.equal(sea.service.blocks.making.used, 8192)
  result(as(ada, "destroy"))
  assert.equal(sea.service.blocks.making.used, 0)
})

test("PL98 what is written is read, whole, by whoever is attached", () => {
  const { ada, bob, as } = blockStage()
  result(as(ada, "create", { size: 100 }))
  refused(as(bob, "read"), "NO_BLOCK")
  result(as(bob, "attach", { mode: "read" }))
  assert.equal(result(as(bob, "read"))["generation"], 0)
  assert.deepEqual(result(as(ada, "write", { data: base64("hello") })), {
    generation: 1,
    length: 5,
  })
  assert.equal(textOf(as(bob, "read")), "hello")
  refused(as(bob, "write", { data: base64("x") }), "FORBIDDEN")
  refused(as(bob, "read", { offset: 99, length: 2 }), "OUT_OF_RANGE")
})

test("PL99 a write patches, or is the whole, on a condition if it has one", () => {
  const { ada, as } = blockStage()
  result(as(ada, "create", { size: 10 }))
  as(ada, "write", { data: base64("hello") })
  as(ada, "write", { data: base64("J"), offset: 0 })
  assert.equal(textOf(as(ada, "read")), "Jello")
  as(ada, "write", { data: base64("new"), whole: true })
  assert.equal(textOf(as(ada, "read")), "new")
  const { detail } = refused(as(ada, "write", { data: base64("x"), if_generation: 1 }), "CONFLICT")
  assert.deepEqual(detail, { newest: 3 })
  refused(as(ada, "write", { data: base64("12345678901") }), "OUT_OF_RANGE")
  assert.equal(textOf(as(ada, "read", { generation: 2 })), "Jello")
  for (let turn = 0; turn < 3; turn++) as(ada, "write", { data: base64("y") })
  refused(as(ada, "read", { generation: 2 }), "GENERATION_GONE")
})

test("PL101 one writes alone until it lets go; many write by turns", () => {
  const { sea, ada, bob, as } = blockStage()
  const made = result(as(ada, "create", { size: 10 }))
  refused(as(bob, "attach", { mode: "write" }), "WRITER_EXISTS")
  result(as(ada, "detach"))
  const fence = result(as(bob, "attach", { mode: "write" }))["fence"]
  assert.ok(Number(fence) > Number(made["fence"]))
  refused(as(ada, "attach", { mode: "write" }), "WRITER_EXISTS")
  bob.leaves()
  result(as(ada, "attach", { mode: "write" }))
  const many = { block_id: "many" }
  result(as(ada, "create", { size: 10, writers: "many", ...many }))
  const cid = sea.app("cid")
  result(as(cid, "attach", { mode: "write", ...many }))
  result(as(cid, "write", { data: base64("c"), ...many }))
  result(as(ada, "write", { data: base64("a"), ...many }))
  assert.equal(textOf(as(cid, "read", many)), "a")
})

test("PL107 a subscriber hears of the newest generation once a turn, with how many it missed", () => {
  const { sea, ada, bob, as } = blockStage()
  result(as(ada, "create", { size: 10 }))
  result(as(bob, "attach", { mode: "read" }))
  assert.deepEqual(result(as(bob, "subscribe", { data: true })), { generation: 0 })
  bob.news()
  for (const text of ["one", "two", "three"])
    sent(ada, "write", { data: base64(text), whole: true })
  sea.pass(0)
  sea.service.tick(sea.now)
  const heard = bob.news()
  assert.deepEqual(heard, [
    {
      ...{ type: "memory", operation: "notify", block_id: "b", pool: "default", attachment: 2 },
      ...{ generation: 3, length: 5, writer: "ada", lost: 2, data: base64("three") },
      content_type: "bytes",
    },
  ])
  bob.behind = true
  as(ada, "write", { data: base64("four") })
  sea.pass(100)
  assert.deepEqual(bob.news(), [])
  bob.behind = false
  sea.pass(100)
  const [told] = bob.news()
  assert.deepEqual([told?.["generation"], told?.["lost"]], [4, undefined])
  result(as(bob, "unsubscribe"))
  bob.news()
  as(ada, "write", { data: base64("five") })
  sea.pass(100)
  assert.deepEqual(bob.news(), [])
})

test("PL108 an app tells subscribers something of its own, up to a bound", () => {
  const { ada, bob, as } = blockStage()
  result(as(ada, "create", { size: 10 }))
  result(as(bob, "attach"))
  result(as(bob, "subscribe"))
  bob.news()
  result(as(ada, "notify", { payload: { hello: 1 } }))
  const [told] = bob.news()
  assert.deepEqual(told?.["payload"], { hello: 1 })
  assert.equal(told?.["writer"], "ada")
  refused(as(ada, "notify", { payload: "x".repeat(5_000) }), "TOO_LARGE")
  assert.deepEqual(bob.news(), [])
})

test("PL110 a pinned generation stays readable until it is let go, and a full block says PINNED", () => {
  const { sea, ada, bob, as } = blockStage()
  result(as(ada, "create", { size: 10, slots: 2 }))
  result(as(bob, "attach"))
  as(ada, "write", { data: base64("kept"), whole: true })
  assert.deepEqual(result(as(bob, "pin")), { generation: 1, slot: 1, length: 4 })
  as(ada, "write", { data: base64("next"), whole: true })
  ada.news()
  const none = sent(ada, "write", { data: base64("none"), whole: true })
  sea.pass(0)
  assert.equal(ada.news().length, 0)
  sea.pass(100)
  refused(ada.answerTo(none), "PINNED")
  assert.equal(textOf(as(bob, "read", { generation: 1 })), "kept")
  // One that waits goes on as soon as there is a slot, and those behind it in their order.
  const ids = ["wait", "then"].map((text) => {
    return sent(ada, "write", { data: base64(text), whole: true })
  })
  result(as(bob, "unpin"))
  sea.pass(50)
  assert.deepEqual(
    ids.map((id) => result(ada.answerTo(id))["generation"]),
    [3, 4],
  )
  assert.equal(textOf(as(bob, "read")), "then")
  refused(as(bob, "read", { generation: 1 }), "GENERATION_GONE")
})

test("PL110 the pins of an app that has gone are gone too", () => {
  const { ada, bob, as } = blockStage()
  result(as(ada, "create", { size: 10, slots: 2 }))
  result(as(bob, "attach"))
  as(ada, "write", { data: base64("one"), whole: true })
  result(as(bob, "pin"))
  as(ada, "write", { data: base64("two"), whole: true })
  bob.leaves()
  result(as(ada, "write", { data: base64("three"), whole: true }))
})

test("PL111 a sealed block is read for ever and never written", () => {
  const { ada, bob, as } = blockStage()
  result(as(ada, "create", { size: 10 }))
  result(as(bob, "attach"))
  as(ada, "write", { data: base64("abc") })
  bob.news()
  const sealed = result(as(ada, "seal"))
  assert.equal(sealed["sha256"], "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0")
  assert.equal(bob.news()[0]?.["event"], "sealed")
  refused(as(ada, "write", { data: base64("x") }), "BLOCK_SEALED")
  refused(as(ada, "seal"), "BLOCK_SEALED")
  assert.equal(textOf(as(bob, "read")), "abc")
  const cid = as(bob, "attach", { mode: "write" })
  refused(cid, "BLOCK_SEALED")
})

test("PL111 a block that is filled first is its maker's alone until it is sealed", () => {
  const { ada, bob, as } = blockStage()
  result(as(ada, "create", { size: 100_000, filling: true }))
  refused(as(bob, "attach"), "FORBIDDEN")
  result(as(ada, "write", { data: base64("hello") }))
  result(as(ada, "write", { data: base64(" all"), offset: 5 }))
  refused(as(ada, "read"), "FORBIDDEN")
  result(as(ada, "seal", { length: 9 }))
  result(as(bob, "attach"))
  assert.equal(textOf(as(bob, "read")), "hello all")
})

test("PL112 a ring brings every consumer every record in order, or is full", () => {
  const { sea, ada, bob, as } = blockStage()
  const cid = sea.app("cid")
  result(as(ada, "create", { size: 4096, ring: "block" }))
  for (const each of [bob, cid]) assert.ok("cell" in result(as(each, "attach", { mode: "read" })))
  refused(as(bob, "read"), "GENERATION_GONE")
  let sentOff = 0
  for (; ; sentOff++) {
    const answer = as(ada, "write", { data: base64(`${sentOff}`.padEnd(500, ".")) })
    if (answer["status"] === "success") continue
    refused(answer, "RING_FULL")
    break
  }
  assert.ok(sentOff >= 7)
  for (const each of [bob, cid]) {
    for (let number = 0; number < sentOff; number++) {
      assert.equal(textOf(as(each, "read")), `${number}`.padEnd(500, "."))
    }
  }
  refused(as(ada, "write", { data: base64("x".repeat(513)) }), "OUT_OF_RANGE")
})

test("PL112 a consumer that holds the producer up for too long is detached and told", () => {
  const { sea, ada, bob, as } = blockStage()
  result(as(ada, "create", { size: 4096, ring: "block" }))
  result(as(bob, "attach", { mode: "read" }))
  const data = base64("x".repeat(496))
  for (let turn = 0; turn < 8; turn++) result(as(ada, "write", { data }))
  refused(as(ada, "write", { data }), "RING_FULL")
  bob.news()
  sea.pass(5_200)
  assert.equal(bob.news().at(-1)?.["event"], "detached")
  result(as(ada, "write", { data }))
  refused(as(bob, "read"), "NO_BLOCK")
})

test("PL113 a ring that overwrites never waits", () => {
  const { ada, bob, as } = blockStage()
  result(as(ada, "create", { size: 4096, ring: "overwrite" }))
  result(as(bob, "attach", { mode: "read" }))
  for (let turn = 0; turn < 40; turn++) result(as(ada, "write", { data: base64("x".repeat(400)) }))
  refused(as(bob, "read"), "GENERATION_GONE")
  result(as(ada, "write", { data: base64("now") }))
  assert.equal(textOf(as(bob, "read")), "now")
})

test("PL117 a block's own lists narrow those of its pool", () => {
  const { sea, ada, bob, as } = blockStage()
  result(as(ada, "create", { size: 10, permissions: { write: ["ada"], read: ["ada", "b*"] } }))
  result(as(bob, "attach", { mode: "read" }))
  refused(as(bob, "attach", { mode: "write" }), "FORBIDDEN")
  refused(as(bob, "destroy"), "FORBIDDEN")
  refused(as(sea.app("cid"), "attach"), "FORBIDDEN")
})

test("PL38 a right that is taken away takes the attachment with it", () => {
  const { sea, ada, bob, as } = blockStage()
  ada.says({
    type: "pool",
    id: "p",
    operation: "create",
    pool: "p",
    rights: { write: ["bob"], read: ["bob"] },
  })
  ada.says({ type: "pool", id: "j", operation: "join", pool: "p" })
  bob.says({ type: "pool", id: "j", operation: "join", pool: "p" })
  result(as(bob, "create", { size: 10, pool: "p" }))
  ada.says({ type: "pool", id: "s", operation: "set_rights", pool: "p", rights: { read: ["bob"] } })
  sea.pass(0)
  assert.equal(bob.all("memory")[0]?.["event"], "retired")
  refused(as(bob, "write", { data: base64("x"), pool: "p" }), "NO_BLOCK")
  result(as(bob, "attach", { pool: "p" }))
})

test("PL90 a block of the same name in two pools is two blocks, and without a pool has to be told apart", () => {
  const { ada, as } = blockStage()
  ada.says({ type: "pool", id: "p", operation: "create", pool: "p" })
  ada.says({ type: "pool", id: "j", operation: "join", pool: "p" })
  result(as(ada, "create", { size: 10, pool: "default" }))
  result(as(ada, "create", { size: 20, pool: "p" }))
  assert.equal(refused(as(ada, "read"), "BAD_MESSAGE")["field"], "/pool")
  result(as(ada, "write", { data: base64("x"), pool: "p" }))
  assert.equal(textOf(as(ada, "read", { pool: "default" })), "")
  ada.says({ type: "pool", id: "d", operation: "destroy", pool: "p", force: true })
  result(as(ada, "read"))
})

test("PL94 blocks of a pool, attachments of an app and sizes have bounds that are named", () => {
  const limits = { blocksPerPool: 2, attachmentsPerApp: 2, blockLimitBytes: 1_000 }
  const { ada, bob, as } = blockStage({ limits })
  const { detail } = refused(as(ada, "create", { size: 1_001 }), "TOO_LARGE")
  assert.deepEqual(detail, { limit: "blockLimitBytes", value: 1_000 })
  result(as(ada, "create", { size: 10 }))
  result(as(bob, "create", { size: 10, block_id: "c" }))
  const full = refused(as(ada, "create", { size: 10, block_id: "d" }), "LIMIT")
  assert.deepEqual(full["detail"], { limit: "blocksPerPool", value: 2 })
  result(as(ada, "attach", { block_id: "c" }))
  const many = blockStage({ limits: { attachmentsPerApp: 1 } })
  result(many.as(many.ada, "create", { size: 10 }))
  refused(many.as(many.ada, "create", { size: 10, block_id: "c" }), "LIMIT")
  const fresh = blockStage()
  for (const size of [0, -1, 1.5])
    refused(fresh.as(fresh.ada, "create", { size, block_id: "e" }), "BAD_MESSAGE")
  refused(fresh.as(fresh.ada, "create", { size: 10, slots: 3 }), "BAD_MESSAGE")
  refused(fresh.as(fresh.ada, "create", { size: 5_000, ring: "block" }), "BAD_MESSAGE")
})

test("PL96 ids are texts of 1 to 128 bytes without control characters", () => {
  const { ada, as } = blockStage()
  for (const block_id of ["", "a\nb", "\u007f", "ä".repeat(65)]) {
    refused(as(ada, "create", { size: 1, block_id }), "BAD_MESSAGE")
  }
  for (const block_id of ["../../etc/passwd", "ä".repeat(64), "a b/c"]) {
    result(as(ada, "create", { size: 1, block_id }))
  }
})

test("PL119 a block that nobody is attached to goes after a while, and those of a destroyed pool", () => {
  const { sea, ada, bob, as } = blockStage({ limits: { blockIdleMs: 1_000 } })
  result(as(ada, "create", { size: 10 }))
  sea.pass(5_000)
  result(as(bob, "attach"))
  result(as(ada, "detach"))
  sea.pass(5_000)
  result(as(bob, "detach"))
  sea.pass(900)
  result(as(bob, "attach"))
  result(as(bob, "detach"))
  sea.pass(1_300)
  refused(as(bob, "attach"), "NO_BLOCK")
  assert.equal(sea.service.blocks.making.used, 0)
})

test("PL118 a durable block is there again after a restart, with a higher generation", () => {
  const [store, kept] = [openStore({ uri: ":memory:" }), new KeptHere()]
  const { sea, ada, as } = blockStage({ store, memory: new Buffers(2 ** 30, kept) })
  result(as(ada, "create", { size: 10, durable: true }))
  result(as(ada, "create", { size: 10, durable: true, block_id: "sealed" }))
  result(as(ada, "create", { size: 10, block_id: "passing" }))
  for (const block_id of ["b", "sealed", "passing"])
    as(ada, "write", { data: base64("kept"), block_id })
  result(as(ada, "seal", { block_id: "sealed" }))
  sea.pass(2_100)
  // What came after the last save is lost with kill -9, what came before is not.
  as(ada, "write", { data: base64("late") })
  const next = blockStage({ store, memory: new Buffers(2 ** 30, kept), now: sea.now + 1_000 })
  result(next.as(next.bob, "attach"))
  const read = next.as(next.bob, "read")
  assert.equal(textOf(read), "kept")
  assert.ok(Number(result(read)["generation"]) > 1)
  refused(next.as(next.bob, "attach", { block_id: "passing" }), "NO_BLOCK")
  result(next.as(next.bob, "attach", { block_id: "sealed" }))
  assert.equal(textOf(next.as(next.bob, "read", { block_id: "sealed" })), "kept")
  refused(next.as(next.bob, "attach", { block_id: "sealed", mode: "write" }), "BLOCK_SEALED")
  // At a stop all is saved.
  result(next.as(next.bob, "attach", { mode: "write" }))
  next.as(next.bob, "write", { data: base64("last"), whole: true })
  next.sea.service.end()
  const third = blockStage({ store, memory: new Buffers(2 ** 30, kept), now: sea.now + 9_000 })
  result(third.as(third.bob, "attach"))
  assert.equal(textOf(third.as(third.bob, "read")), "last")
  result(third.as(third.bob, "destroy"))
  assert.equal(
    blockStage({ store, memory: new Buffers(2 ** 30, kept) }).sea.service.blocks.kept.blocks,
    1,
  )
})

test("PL147 health writes a block and reads it back", () => {
  const sea = new Sea()
  assert.equal(sea.service.health().blocks, "ok")
  const full = new Sea({ limits: { shmLimitBytes: 1 } })
  assert.deepEqual(
    { ...full.service.health() },
    { ok: false, store: "ok", calls: "ok", blocks: "down" },
  )
})

test("PL145 figures and lists tell of blocks and locks", async () => {
  const { sea, ada, bob, as } = blockStage()
  result(as(ada, "create", { size: 10 }))
  result(as(ada, "lock", { mode: "write" }))
  sent(bob, "lock", { mode: "read" })
  const text = await sea.metrics.text()
  assert.match(text, /quartet_pools_blocks 1\n/)
  assert.match(text, /quartet_pools_block_bytes 8192\n/)
  assert.match(text, /quartet_pools_locks_held 1\n/)
  assert.match(text, /quartet_pools_locks_waiting 1\n/)
  bob.says({ type: "admin", id: "l", operation: "list_blocks" })
  const blocks = result(bob.answerTo("l"))["blocks"] as readonly Record<string, unknown>[]
  assert.equal(blocks[0]?.["writer"], "ada")
  assert.match(JSON.stringify(blocks[0]?.["lock"]), /"app":"ada","mode":"write","fence":1/)
  bob.says({ type: "admin", id: "i", operation: "inspect_block", target: "b" })
  const seen = result(bob.answerTo("i"))
  assert.equal(seen["integrity"], "ok")
  assert.equal((seen["slot_records"] as unknown[]).length, 4)
})
