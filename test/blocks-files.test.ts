/** Blocks that programs of this machine map: what they are told, and what becomes of their writers. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { test } from "node:test"
import { at, headerOf, lowWord, MemoryArea, seqOf, states } from "../src/wire/layout.ts"
import { Slots } from "../src/wire/slots.ts"
import {
  base64,
  blockStage,
  filesIn,
  folder,
  refused,
  result,
  sent,
  startedAt,
  textOf,
} from "./blocks-parts.ts"
import type { Heard } from "./pools-parts.ts"

/** A file as a program that maps it would see it; `put` stores what it has changed. */
function mapped(answer: Heard) {
  const path = String(answer["path"])
  const bytes = new Uint8Array(readFileSync(path))
  const header = headerOf(bytes.subarray(0, 64), bytes.length)
  if (typeof header === "string") throw new Error(header)
  const area = new MemoryArea(bytes.buffer)
  return {
    area,
    header,
    slots: new Slots(area, header),
    put: () => writeFileSync(path, bytes, { flag: "r+" }),
  }
}

test("PL97 a local app is told where the files are and how to know them, and may map", (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const { sea, ada, bob, as } = blockStage({ memory })
  const shm = ada.ack["shm"] as Record<string, string>
  const probe = readFileSync(`${shm["dir"]}/probe`)
  assert.equal(probe.toString("base64url"), shm["probe"])
  assert.equal(sea.app("far", {}, { place: "remote" }).ack["shm"], undefined)
  const made = result(as(ada, "create", { size: 100, via: "map", pin: true }))
  assert.equal(made["via"], "map")
  assert.equal(made["file_bytes"], statSync(String(made["path"])).size)
  assert.equal(made["cell"], 0)
  // What a program writes into the file is what the socket reads.
  const own = mapped(made)
  assert.equal(
    Buffer.from(own.header.uuid).toString("hex"),
    String(made["uuid"]).replaceAll("-", ""),
  )
  const writer = Number(made["attachment"])
  const fence = Number(made["fence"])
  const data = new TextEncoder().encode("mapped")
  own.slots.write({ offset: "whole", data, writer, fence, time: 5 })
  own.put()
  result(as(bob, "attach"))
  result(as(bob, "subscribe"))
  bob.news()
  assert.equal(textOf(as(bob, "read")), "mapped")
  assert.equal(mapped(made).area.load(at.subscribers), 1)
  own.slots.write({ offset: "whole", data: data.subarray(0, 3), writer, fence, time: 6 })
  own.area.store(at.subscribers, 1)
  own.put()
  result(as(ada, "notify", { generation: 2, length: 3 }))
  sea.service.tick(sea.now)
  const told = bob.all("memory")[0]
  assert.deepEqual([told?.["generation"], told?.["length"], told?.["writer"]], [2, 3, "ada"])
  const away = sea.app("away", {}, { place: "remote" })
  assert.equal(result(as(away, "attach", { via: "map" }))["path"], undefined)
  // Where nothing can be mapped the same request is answered with the socket.
  const plain = blockStage()
  assert.equal(plain.ada.ack["shm"], undefined)
  assert.equal(result(plain.as(plain.ada, "create", { size: 1, via: "map" }))["via"], "socket")
})

test("PL110 a reader that maps pins through the server, and the writer in the file sees it", (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const { ada, bob, as } = blockStage({ memory })
  const made = result(as(ada, "create", { size: 10, slots: 2, via: "map" }))
  as(ada, "write", { data: base64("kept"), whole: true })
  result(as(bob, "attach", { via: "map" }))
  result(as(bob, "pin"))
  as(ada, "write", { data: base64("next"), whole: true })
  const { slots } = mapped(made)
  const writing = { offset: "whole", data: new Uint8Array(1), writer: 1, time: 0 } as const
  assert.deepEqual(slots.write({ ...writing, fence: Number(made["fence"]) }), { is: "pinned" })
  bob.leaves()
  const after = mapped(made)
  assert.equal(after.area.load(at.pinners), 0)
  assert.equal(after.slots.write({ ...writing, fence: Number(made["fence"]) }).is, "written")
})

test("PL100 a mapped writer that was killed leaves its file, and the next one writes there", async (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const { ada, bob, as } = blockStage({ memory })
  const child = spawn("sleep", ["60"])
  t.after(() => child.kill("SIGKILL"))
  const pid = child.pid ?? 0
  const program = { pid, started: startedAt(pid) }
  const made = result(as(ada, "create", { size: 10, via: "map", ...program }))
  as(ada, "write", { data: base64("kept") })
  // It dies in the middle of generation 2.
  const own = mapped(made)
  own.area.store(at.records + 64 * 2, seqOf(lowWord(2)) | 1)
  own.put()
  child.kill("SIGKILL")
  await once(child, "exit")
  ada.leaves()
  const again = result(as(bob, "attach", { mode: "write", via: "map" }))
  assert.equal(again["path"], made["path"])
  assert.ok(Number(again["fence"]) > Number(made["fence"]))
  assert.equal(textOf(as(bob, "read")), "kept")
  assert.deepEqual(result(as(bob, "write", { data: base64("then") })), { generation: 2, length: 4 })
})

test("PL120 the header says which process writes, and when that began", (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const { ada, as } = blockStage({ memory })
  const { pid } = process
  const started = startedAt(pid)
  const made = result(as(ada, "create", { size: 10, via: "map", pid, started }))
  const header = readFileSync(String(made["path"]))
  assert.equal(header.readUInt32LE(204), pid)
  assert.equal(header.readBigUInt64LE(208), BigInt(started))
  result(as(ada, "detach"))
  const later = readFileSync(String(made["path"]))
  assert.deepEqual([later.readUInt32LE(204), later.readBigUInt64LE(208)], [0, 0n])
})

test("PL102 a mapped writer that may be alive is overruled by another file", (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const { sea, ada, bob, as } = blockStage({ memory })
  const me = { pid: process.pid, started: startedAt(process.pid) }
  const made = result(as(ada, "create", { size: 10, via: "map", ...me }))
  result(as(bob, "attach", { via: "map" }))
  as(ada, "write", { data: base64("kept") })
  const late = mapped(made)
  ada.leaves()
  refused(as(bob, "attach", { mode: "write" }), "WRITER_EXISTS")
  bob.news()
  sea.pass(100)
  const [replaced] = bob.news()
  assert.equal(replaced?.["event"], "replaced")
  assert.equal(replaced?.["edition"], 2)
  assert.notEqual(replaced?.["path"], made["path"])
  assert.equal(existsSync(String(made["path"])), false)
  // Whatever the old writer still stores goes nowhere.
  late.area.store(at.latest, 99)
  const read = as(bob, "read")
  assert.equal(textOf(read), "kept")
  assert.ok(Number(result(read)["generation"]) > 1)
  result(as(bob, "attach", { mode: "write" }))
})

test("PL101 a writer by turns that sits on the word is overruled, and who waited writes", (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const { sea, ada, bob, as } = blockStage({ memory })
  const made = result(as(ada, "create", { size: 10, writers: "many", via: "map" }))
  result(as(bob, "attach", { mode: "write" }))
  const stuck = mapped(made)
  assert.equal(stuck.slots.acquire(Number(made["attachment"])), "taken")
  stuck.put()
  const id = sent(bob, "write", { data: base64("waits") })
  sea.pass(4_900)
  assert.equal(bob.all("response").filter((each) => each["correlation_id"] === id).length, 0)
  assert.equal(mapped(made).area.load(at.wanted), 1)
  sea.pass(300)
  assert.deepEqual(result(bob.answerTo(id)), { generation: 1, length: 5 })
  assert.equal(ada.all("memory")[0]?.["event"], "detached")
  // And where the word is given back in time the write goes on, in the same file.
  const again = result(as(ada, "attach", { mode: "write", via: "map" }))
  const own = mapped(again)
  own.slots.acquire(Number(again["attachment"]))
  own.put()
  const next = sent(bob, "write", { data: base64("goes") })
  sea.pass(100)
  const freed = mapped(again)
  freed.slots.release()
  freed.put()
  sea.pass(100)
  assert.equal(result(bob.answerTo(next))["length"], 5)
  assert.equal(mapped(again).area.load(at.wanted), 0)
})

test("PL101 who waited for the word and left keeps nobody waiting", (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const { sea, ada, bob, as } = blockStage({ memory })
  const made = result(as(ada, "create", { size: 10, writers: "many", via: "map" }))
  result(as(bob, "attach", { mode: "write" }))
  const own = mapped(made)
  own.slots.acquire(Number(made["attachment"]))
  own.put()
  sent(bob, "write", { data: base64("waits") })
  assert.equal(mapped(made).area.load(at.wanted), 1)
  bob.leaves()
  assert.equal(mapped(made).area.load(at.wanted), 0)
  sea.pass(6_000)
  assert.equal(ada.all("memory").length, 0)
})

test("PL114 a file that is cut short or filled is reported and replaced, and the server goes on", (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const { sea, ada, bob, as } = blockStage({ memory })
  for (const spoil of [
    (path: string) => truncateSync(path, 10),
    (path: string) => writeFileSync(path, Buffer.alloc(statSync(path).size, 0xff)),
  ]) {
    const made = result(as(ada, "create", { size: 10, via: "map" }))
    result(as(bob, "attach"))
    as(ada, "write", { data: base64("lost") })
    spoil(String(made["path"]))
    bob.news()
    refused(as(bob, "read"), "INTEGRITY")
    const events = bob.all("memory").map((each) => each["event"])
    assert.deepEqual(events, ["integrity", "replaced"])
    // Its content is lost, its generations go on.
    assert.equal(result(as(bob, "read"))["generation"], 2)
    result(as(ada, "write", { data: base64("anew"), whole: true }))
    assert.equal(textOf(as(bob, "read")), "anew")
    result(as(ada, "destroy"))
  }
  assert.deepEqual(sea.faults, [])
})

test("PL116 damage that nobody reads is found by looking, at once on inspect_block", async (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const { sea, ada, as } = blockStage({ memory, limits: { heartbeatMs: 1e9 } })
  const made = result(as(ada, "create", { size: 1_000, checksum: true, via: "map" }))
  as(ada, "write", { data: base64("hello") })
  const spoil = (answer: Heard, place: number) => {
    const own = mapped(answer)
    own.area.put(place, new Uint8Array([7]))
    own.put()
  }
  spoil(made, mapped(made).slots.addressOf(1))
  sea.pass(59_000)
  assert.equal(ada.all("memory").length, 0)
  sea.pass(1_200)
  assert.deepEqual(
    ada.all("memory").map((each) => each["event"]),
    ["integrity", "replaced"],
  )
  assert.match(await sea.metrics.text(), /quartet_pools_blocks_damaged_total 1\n/)
  assert.ok(sea.log.some((line) => line["event"] === "a block was damaged from outside"))
  const [, replaced = {}] = ada.all("memory")
  writeFileSync(String(replaced["path"]), Buffer.alloc(64), { flag: "r+" })
  ada.says({ type: "admin", id: "i", operation: "inspect_block", target: "b" })
  assert.equal(result(ada.answerTo("i"))["integrity"], "it does not begin with QTB1")
  assert.equal(ada.all("memory").length, 4)
})

test("PL111 a sealed block is another file that nobody may write, and the old one is retired", (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const { ada, bob, as } = blockStage({ memory })
  result(as(ada, "create", { size: 100, via: "map" }))
  as(ada, "write", { data: base64("abc") })
  result(as(ada, "seal"))
  const sealed = result(as(bob, "attach", { via: "map" }))
  assert.equal(statSync(String(sealed["path"])).mode & 0o777, 0o400)
  const own = mapped(sealed)
  assert.equal(own.area.load(at.state), states.sealed)
  assert.equal(own.header.slots, 1)
  const taken = own.slots.read()
  assert.equal(taken.is === "content" && new TextDecoder().decode(taken.data), "abc")
})

test("PL74 a payload in a block is a reference to who has it mapped, and comes along to all others", (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const { sea, ada, as } = blockStage({ memory })
  const near = sea.app("near", { triggers: ["near"] })
  const far = sea.app("far", { triggers: ["far"] })
  const { uuid } = result(as(ada, "create", { size: 100 }))
  as(ada, "write", { data: base64("hello block") })
  result(as(near, "attach", { via: "map" }))
  near.news()
  const block_ref = { block: uuid, generation: 1, offset: 6, length: 5 }
  ada.says({ type: "trigger", id: "1", trigger: "near", block_ref })
  ada.says({ type: "trigger", id: "2", trigger: "far", block_ref })
  assert.deepEqual(near.news()[0]?.["block_ref"], block_ref)
  const [told] = far.news()
  assert.deepEqual([told?.["payload"], told?.["content_type"]], [base64("block"), "bytes"])
  assert.equal(told?.["block_ref"], undefined)
  // An answer's bytes come along too.
  far.says({ type: "response", correlation_id: told?.["id"], status: "success", block_ref })
  assert.equal(ada.answerTo("2")["result"], base64("block"))
  ada.says({ type: "trigger", id: "3", trigger: "far", block_ref })
  far.says({
    type: "response",
    correlation_id: far.news().at(-1)?.["id"],
    status: "success",
    block_ref,
  })
  assert.equal(ada.answerTo("3")["result"], base64("block"))
  for (let turn = 0; turn < 4; turn++) as(ada, "write", { data: base64("x") })
  ada.says({ type: "trigger", id: "4", trigger: "near", block_ref })
  refused(ada.answerTo("4"), "GENERATION_GONE")
  const other = { ...block_ref, block: "00000000-0000-4000-8000-000000000001" }
  ada.says({ type: "trigger", id: "5", trigger: "near", block_ref: other })
  refused(ada.answerTo("5"), "NO_BLOCK")
})

test("PL74 a call that waited too long for its handler says that its payload is gone", () => {
  const { sea, ada, as } = blockStage()
  const { uuid } = result(as(ada, "create", { size: 100 }))
  as(ada, "write", { data: base64("hello") })
  const block_ref = { block: uuid, generation: 1 }
  ada.says({ type: "trigger", id: "1", trigger: "late", wait_ms: 5_000, block_ref })
  for (let turn = 0; turn < 4; turn++) as(ada, "write", { data: base64("x") })
  const late = sea.app("late", { triggers: ["late"] })
  assert.deepEqual(late.news(), [])
  refused(ada.answerTo("1"), "GENERATION_GONE")
  assert.deepEqual(sea.faults, [])
})
