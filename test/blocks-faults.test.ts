/**
 * What may become of blocks' memory: full, cut, filled, scribbled over by a program that maps it,
 * somebody else's, gone with a server that was killed. The server goes on, and says what was lost.
 */
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { KeptHere } from "../src/memory.ts"
import { at } from "../src/wire/layout.ts"
import { consumerAt } from "../src/wire/ring.ts"
import {
  base64,
  blockStage,
  filesIn,
  folder,
  refused,
  result,
  sent,
  textOf,
} from "./blocks-parts.ts"
import { eventually, launch, temporaryDirectory } from "./harness.ts"
import { FramedApp, type Told } from "./pools-app.ts"
import type { Heard } from "./pools-parts.ts"

/** Runs the command behind it where a small file system of memory lies at a path; undefined where none can. */
function withSmallMemory(t: TestContext, dir: string, size: string): string[] | undefined {
  const script = `mount -t tmpfs -o size=${size} tmpfs "$0" && exec "$@"`
  const within = ["unshare", "-rm", "sh", "-c", script, dir]
  const [program = "", ...words] = within
  if (spawnSync(program, [...words, "true"]).status === 0) return within
  t.skip("no user namespace with mounts here: unshare -rm and mount are needed")
  return undefined
}

async function asks(app: FramedApp, id: string, fields: object): Promise<Told> {
  app.says({ type: "memory", id, block_id: "b", ...fields })
  return app.answerTo(id)
}

/** Nobody is asked whether he is still there. */
const quiet = { heartbeatMs: 1e9 }

function resultOf(answer: Told): Told {
  assert.equal(answer["status"], "success", JSON.stringify(answer))
  return answer["result"] as Told // an object, where the answer is a success
}

/** Overwrites a piece of a block's file. */
function spoil(made: Heard, place: number, ...words: number[]): void {
  const path = String(made["path"])
  const bytes = readFileSync(path)
  for (const [index, word] of words.entries()) bytes.writeUInt32LE(word >>> 0, place + 4 * index)
  writeFileSync(path, bytes, { flag: "r+" })
}

test("PL95 with its memory full a server refuses a block, leaves nothing behind and goes on", async (t) => {
  const [dataDir, blocksDir] = [temporaryDirectory(t), temporaryDirectory(t)]
  const within = withSmallMemory(t, blocksDir, "24m")
  if (within === undefined) return
  const path = join(dataDir, "pools")
  const server = await launch(
    t,
    { DATA_DIR: dataDir, BLOCKS_DIR: blocksDir, POOLS_SOCKET: path },
    within,
  )
  const app = new FramedApp(t, path)
  await app.shakesHands("ada")
  // Its own memory, as that process sees it.
  const seen = `/proc/${server.process.pid}/root${blocksDir}`
  const files = () =>
    readdirSync(seen, { recursive: true }).filter((each) => /\.\d+$/.test(`${each}`))
  resultOf(await asks(app, "1", { operation: "create", block_id: "first", size: 1_000 }))
  // Filled between what was said to be free and the last piece of the file.
  app.says({ type: "memory", id: "2", operation: "create", block_id: "b", size: 2 ** 20, slots: 8 })
  await eventually(
    () => files().length === 2 || app.heard.some((each) => each["correlation_id"] === "2"),
  )
  const fill = (name: string) =>
    assert.throws(() => writeFileSync(join(seen, name), Buffer.alloc(24 * 2 ** 20)), /ENOSPC/)
  fill("other")
  // Whichever of the two came first: if the block did not, what it had is free again.
  await app.answerTo("2")
  fill("more")
  const full = await asks(app, "3", { operation: "create", block_id: "c", size: 100_000 })
  assert.equal(full["error_code"], "NO_SPACE", JSON.stringify(full))
  const before = files().length
  for (const name of ["other", "more"]) rmSync(join(seen, name))
  resultOf(await asks(app, "4", { operation: "create", block_id: "c", size: 100_000 }))
  assert.equal(files().length, before + 1)
  resultOf(await asks(app, "5", { operation: "write", block_id: "first", data: "aGk=" }))
})

test("PL95 a file that could not be filled to its end is gone, and its name is free", (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const { sea, ada, bob, as } = blockStage({ memory })
  const id = sent(ada, "create", { size: 2 ** 21 })
  const [file = ""] = readdirSync(memory.place?.dir ?? "").filter((each) => each.endsWith(".1"))
  refused(as(bob, "attach"), "NO_BLOCK")
  refused(as(bob, "destroy"), "NO_BLOCK")
  assert.equal(existsSync(join(memory.place?.dir ?? "", file)), true)
  sea.pass(200)
  result(ada.answerTo(id))
  // Whoever has as many attachments as it may leaves no file of a block that it cannot attach to.
  const small = blockStage({ memory, seed: 2, limits: { attachmentsPerApp: 1 } })
  result(small.as(small.ada, "create", { size: 10 }))
  const used = small.sea.service.blocks.making.used
  refused(small.as(small.ada, "create", { block_id: "c", size: 10, durable: true }), "LIMIT")
  assert.equal(small.sea.service.blocks.making.used, used)
  result(small.as(small.bob, "create", { block_id: "c", size: 10 }))
})

test("PL95 what many ask for at once is filled by 4 MiB a turn", (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const { sea, ada } = blockStage({ memory })
  const size = 2 ** 20 - 4096
  for (let each = 0; each < 6; each++) sent(ada, "create", { block_id: `b${each}`, size })
  const filled = () =>
    readdirSync(memory.place?.dir ?? "")
      .filter((each) => each.endsWith(".1"))
      .reduce((sum, each) => sum + statSync(join(memory.place?.dir ?? "", each)).size, 0)
  for (let turn = 1; turn <= 6; turn++) {
    assert.ok(filled() <= turn * 2 ** 22, `${filled()} after ${turn} turns`)
    sea.pass(100)
  }
  sea.pass(1_000)
  assert.equal(ada.all("response").length, 6)
})

test("PL114 a ring, a durable and a sealed block that are cut short are told about and come back", (t) => {
  const kept = new KeptHere()
  const memory = filesIn(folder(t), { kept })
  t.after(() => memory.close())
  const { sea, ada, bob, as } = blockStage({ memory, limits: quiet })
  const cut = (answer: Heard) => truncateSync(String(answer["path"]), 10)
  // Found by a tick, with somebody waiting to be told of a generation.
  const ring = { block_id: "ring" }
  const made = result(as(ada, "create", { ...ring, size: 4096, ring: "block", via: "map" }))
  result(as(bob, "attach", ring))
  result(as(bob, "subscribe", ring))
  result(as(ada, "write", { ...ring, data: base64("lost") }))
  cut(made)
  sea.pass(61_000)
  assert.deepEqual(
    bob.all("memory").map((each) => each["event"]),
    ["integrity", "replaced"],
  )
  result(as(ada, "write", { ...ring, data: base64("anew") }))
  assert.equal(textOf(as(bob, "read", ring)), "anew")
  // What was saved of a durable block comes back, not nothing.
  const durable = { block_id: "durable" }
  const lasting = result(as(ada, "create", { ...durable, size: 100, durable: true, via: "map" }))
  result(as(ada, "write", { ...durable, data: base64("saved") }))
  sea.pass(3_000)
  cut(lasting)
  refused(as(ada, "read", durable), "INTEGRITY")
  assert.equal(textOf(as(ada, "read", durable)), "saved")
  sea.pass(3_000)
  assert.equal(new TextDecoder().decode(kept.get(String(lasting["uuid"]))?.data), "saved")
  // One that is sealed is what was sealed, or nothing.
  const sealed = { block_id: "sealed" }
  result(as(ada, "create", { ...sealed, size: 100, via: "map" }))
  result(as(ada, "write", { ...sealed, data: base64("true") }))
  result(as(ada, "seal", sealed))
  const last = result(as(bob, "attach", { ...sealed, via: "map" }))
  spoil(last, at.data, 0x21212121)
  spoil(last, at.state, 0)
  sea.pass(61_000)
  refused(as(bob, "read", sealed), "NO_BLOCK")
  assert.deepEqual(sea.faults, [])
})

test("PL114 PL98 a file emptied and filled up again is no block whose generations went back", (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const { sea, ada, as } = blockStage({ memory })
  const made = result(as(ada, "create", { size: 100, via: "map" }))
  for (const text of ["one", "two"]) as(ada, "write", { data: base64(text), whole: true })
  const path = String(made["path"])
  const { size } = statSync(path)
  truncateSync(path, 0)
  truncateSync(path, size)
  refused(as(ada, "read"), "INTEGRITY")
  assert.equal(result(as(ada, "read"))["generation"], 3)
  assert.deepEqual(sea.faults, [])
})

/** What a program that maps a block may store into it, and what of that is a reason to replace it. */
const scribbles: Readonly<Record<string, readonly [place: number, ...words: number[]]>> = {
  retired: [at.state, 2],
  sealed: [at.state, 3],
  "another fence": [at.fence, 77],
  "no length that fits": [at.records + 64 * 2 + 4, 0xffff_fff0],
  "a generation without end": [at.records + 64 * 2 + 8, 2, 0x7fff_ffff],
  "a generation beyond the last": [at.records + 64 * 2 + 8, 2, 0x0010_0000],
  "a slot being written for ever": [at.records + 64 * 2, 5],
  "another newest": [at.latest, 0xdead_beef],
  "every cell pinned": [at.pinners, 1, ...Array.from({ length: 2 }, () => 0)],
  "the header": [0, 0, 0, 0, 0, 0, 0, 0, 0],
  "fewer slots": [at.slots, 2],
}

for (const [name, [place, ...words]] of Object.entries(scribbles)) {
  test(`PL114 scribbled over with ${name} a block is repaired or ends, and the server goes on`, (t) => {
    const memory = filesIn(folder(t))
    t.after(() => memory.close())
    const { sea, ada, bob, as } = blockStage({ memory, limits: quiet })
    const made = result(as(ada, "create", { size: 100, via: "map" }))
    result(as(bob, "attach"))
    result(as(bob, "subscribe", { data: true }))
    for (const text of ["one", "two"]) as(ada, "write", { data: base64(text), whole: true })
    spoil(made, place, ...words)
    for (const operation of ["read", "pin", "unpin", "subscribe"]) sent(bob, operation)
    sea.pass(0)
    assert.deepEqual(sea.faults, [])
    as(ada, "write", { data: base64("x"), offset: 1 })
    as(ada, "notify")
    sea.pass(61_000)
    // Whatever it was, it is over: the block works again, or is gone and can be made anew.
    if (as(ada, "write", { data: base64("new"), whole: true })["status"] !== "success") {
      as(ada, "destroy")
      result(as(ada, "create", { size: 100 }))
      result(as(ada, "write", { data: base64("new"), whole: true }))
      result(as(bob, "attach"))
    }
    assert.equal(textOf(as(bob, "read")), "new")
    assert.deepEqual(sea.faults, [])
  })
}

/** The same of rings. A consumer's line begins at `consumerAt(0)`. */
const ringScribbles: Readonly<Record<string, readonly [place: number, ...words: number[]]>> = {
  "a tail far ahead": [at.latest, 0x7fff_ffff, 0x7fff_ffff],
  "padding without end": [at.data, 0x8000_0000, 0, 0, 0, 0x8000_0000, 0, 0, 0],
  "a record beyond all bounds": [at.data, 0x7fff_ffff],
  "records that never meet the tail": [at.data, 17, 3, 0, 0, 0, 0, 0, 0],
  "a cursor far behind": [consumerAt(0), 0x8000_0000],
  retired: [at.state, 2],
}

for (const [name, [place, ...words]] of Object.entries(ringScribbles)) {
  for (const ring of ["block", "overwrite"]) {
    test(`PL114 a ring in mode ${ring} scribbled over with ${name} ends no turn of the server`, (t) => {
      const memory = filesIn(folder(t))
      t.after(() => memory.close())
      const { sea, ada, bob, as } = blockStage({ memory, limits: quiet })
      const made = result(as(ada, "create", { size: 4096, ring, via: "map" }))
      result(as(bob, "attach"))
      for (const text of ["one", "two"]) result(as(ada, "write", { data: base64(text) }))
      spoil(made, place, ...words)
      // Another producer, that has to find the last record's number.
      as(ada, "detach")
      as(ada, "attach", { mode: "write" })
      for (let turn = 0; turn < 4; turn++) {
        as(bob, "read")
        as(ada, "write", { data: base64("more") })
      }
      sea.pass(61_000)
      result(as(ada, "create", { block_id: "other", size: 10 }))
      assert.deepEqual(sea.faults, [])
    })
  }
}

test("PL114 a ring whose records never meet its tail, or are longer than they may be, is INTEGRITY", (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const { sea, ada, bob, as } = blockStage({ memory, limits: quiet })
  const make = () => result(as(ada, "create", { size: 4096, ring: "block", via: "map" }))
  const records = Array.from({ length: 256 }, () => [16, 3, 0, 7]).flat()
  const made = make()
  spoil(made, at.data, ...records)
  spoil(made, at.latest, 5, 5)
  refused(as(ada, "write", { data: base64("more") }), "INTEGRITY")
  result(as(ada, "destroy"))
  const other = make()
  result(as(bob, "attach"))
  spoil(other, at.data, 600, 3, 0, 7)
  spoil(other, at.latest, 40, 40)
  refused(as(bob, "read"), "INTEGRITY")
  assert.deepEqual(sea.faults, [])
})

test("PL114 a block that is damaged again and again is not replaced without end", (t) => {
  const memory = filesIn(folder(t))
  t.after(() => memory.close())
  const { sea, ada, as } = blockStage({ memory })
  let made = result(as(ada, "create", { size: 100, via: "map" }))
  let damages = 0
  for (; damages < 20; damages++) {
    truncateSync(String(made["path"]), 1)
    refused(as(ada, "read"), "INTEGRITY")
    const again = as(ada, "attach", { mode: "write", via: "map" })
    if (again["status"] !== "success") break
    made = result(again)
  }
  assert.equal(damages + 1, 8)
  assert.equal(ada.all("memory").at(-1)?.["event"], "retired")
  assert.equal(sea.service.blocks.making.used, 0)
})

test("PL103 PL101 locks that are held and writes that wait have bounds", () => {
  const { ada, bob, as } = blockStage({ limits: { locksPerBlock: 2, writesWaitingBytes: 10 } })
  result(as(ada, "create", { size: 100, slots: 2 }))
  result(as(ada, "lock", { mode: "read" }))
  result(as(ada, "lock", { mode: "read" }))
  assert.deepEqual(refused(as(ada, "lock", { mode: "read" }), "LIMIT")["detail"], {
    limit: "locksPerBlock",
    value: 2,
  })
  as(ada, "write", { data: base64("one"), whole: true })
  result(as(bob, "attach"))
  result(as(bob, "pin"))
  as(ada, "write", { data: base64("two"), whole: true })
  sent(ada, "write", { data: base64("waits"), whole: true })
  assert.match(
    String(refused(as(ada, "write", { data: base64("too many") }), "BUSY")["error"]),
    /writesWaitingBytes/,
  )
})

test("PL94 there are so many blocks in all, and a ring's or a sealed block's answer fits into a frame", () => {
  const limits = { blockLimit: 2, frameLimitBytes: 70_000 }
  const { ada, as } = blockStage({ limits })
  result(as(ada, "create", { size: 100_000 }))
  result(as(ada, "create", { block_id: "c", size: 1 }))
  const full = refused(as(ada, "create", { block_id: "d", size: 1 }), "LIMIT")
  assert.deepEqual(full["detail"], { limit: "blockLimit", value: 2 })
  result(as(ada, "write", { data: base64("x"), offset: 80_000 }))
  refused(as(ada, "read"), "TOO_LARGE")
  assert.equal(result(as(ada, "read", { offset: 79_999, length: 2 }))["length"], 2)
})

test("PL128 a folder that is another's is passed by for the one that was used before", (t) => {
  const [place, elsewhere] = [folder(t), folder(t)]
  const dir = join(place, "blocks")
  symlinkSync(elsewhere, dir)
  const lines: Record<string, unknown>[] = []
  const first = filesIn(dir, { lines })
  const { dir: used = "" } = first.place ?? {}
  first.close()
  const second = filesIn(dir, { lines })
  t.after(() => second.close())
  assert.deepEqual(readdirSync(elsewhere), [])
  assert.equal(join(second.place?.dir ?? "", ".."), join(used, ".."))
  assert.equal(readdirSync(place).length, 2)
  assert.ok(
    lines.every(
      (line) => line["event"] === "the folder for blocks is not ours, another one is used",
    ),
  )
})

test("PL115 PL118 servers that start at once live side by side, and one killed leaves what is durable", async (t) => {
  const blocksDir = temporaryDirectory(t)
  const places = [temporaryDirectory(t), temporaryDirectory(t)]
  const settings = places.map((dir) => ({
    ...{ DATA_DIR: dir, BLOCKS_DIR: blocksDir, POOLS_SOCKET: join(dir, "pools") },
  }))
  const servers = await Promise.all(settings.map((each) => launch(t, each)))
  assert.equal(readdirSync(blocksDir).length, 2)
  const [mine, other] = settings
  assert.ok(mine !== undefined && other !== undefined)
  const app = new FramedApp(t, mine.POOLS_SOCKET)
  await app.shakesHands("ada")
  resultOf(await asks(app, "1", { operation: "create", size: 100, durable: true }))
  resultOf(await asks(app, "2", { operation: "create", block_id: "passing", size: 100 }))
  const neighbour = new FramedApp(t, other.POOLS_SOCKET)
  await neighbour.shakesHands("bob")
  resultOf(await asks(neighbour, "1", { operation: "create", size: 100 }))
  const wrote = resultOf(await asks(app, "3", { operation: "write", data: "a2VwdA==" }))
  const kept = join(mine.DATA_DIR, "blocks")
  await eventually(
    () => existsSync(kept) && readdirSync(kept).some((each) => !each.endsWith(".part")),
  )
  await servers[0]?.end("SIGKILL")
  await eventually(() => app.isOver)
  assert.equal(readdirSync(blocksDir).length, 2)
  await launch(t, mine)
  assert.equal(readdirSync(blocksDir).length, 2)
  const again = new FramedApp(t, mine.POOLS_SOCKET)
  await again.shakesHands("ada")
  assert.equal((await asks(again, "1", { operation: "read" }))["error_code"], "NO_BLOCK")
  assert.equal(
    (await asks(again, "2", { operation: "attach", block_id: "passing" }))["error_code"],
    "NO_BLOCK",
  )
  resultOf(await asks(again, "3", { operation: "attach", mode: "read" }))
  const read = resultOf(await asks(again, "4", { operation: "read" }))
  assert.equal(read["data"], "a2VwdA==")
  assert.ok(Number(read["generation"]) > Number(wrote["generation"]))
  // The neighbour has noticed nothing.
  resultOf(await asks(neighbour, "2", { operation: "write", data: "aGk=" }))
})

test("PL121 without memory to map everything goes over the socket", async (t) => {
  const dataDir = temporaryDirectory(t)
  const within = withSmallMemory(t, "/dev", "1m")
  if (within === undefined) return
  const path = join(dataDir, "pools")
  const server = await launch(t, { DATA_DIR: dataDir, POOLS_SOCKET: path }, within)
  const app = new FramedApp(t, path)
  assert.equal((await app.shakesHands("ada"))["shm"], undefined)
  const made = resultOf(await asks(app, "1", { operation: "create", size: 100, via: "map" }))
  assert.deepEqual([made["via"], made["path"]], ["socket", undefined])
  resultOf(await asks(app, "2", { operation: "write", data: "aGk=" }))
  assert.equal(resultOf(await asks(app, "3", { operation: "read" }))["data"], "aGk=")
  assert.match(await (await fetch(`${server.url}/health`)).text(), /"blocks":"ok"/)
})
