/** Durable blocks as they are kept: copied, taken back, refused when damaged, and gone when they are gone. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { Buffers, KeptHere } from "../src/memory.ts"
import { createServer } from "../src/server.ts"
import { openStore } from "../src/store.ts"
import { base64, blockStage, filesIn, folder, refused, result, textOf } from "./blocks-parts.ts"
import { eventually, startServer, temporaryDirectory } from "./harness.ts"
import { FramedApp, type Told } from "./pools-app.ts"

async function asks(app: FramedApp, id: string, fields: object): Promise<Told> {
  app.says({ type: "memory", id, block_id: "b", ...fields })
  const answer = await app.answerTo(id)
  assert.equal(answer["status"], "success", JSON.stringify(answer))
  return answer["result"] as Told // an object, where the answer is a success
}

/** The settings of a server with one place for all that it keeps. */
function settingsIn(dataDir: string) {
  return { dataDir, sqliteUri: join(dataDir, "quartet.db"), poolsSocket: join(dataDir, "pools") }
}

async function backup(dataDir: string, copy: string) {
  const main = join(import.meta.dirname, "../src/main.ts")
  const child = spawn(process.execPath, [main, "backup", copy, "--data-dir", dataDir])
  let said = ""
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString()
  })
  const [code] = await once(child, "close")
  return { code, said }
}

/** A server with a durable block that is saved, and the file of its content. */
async function world(t: TestContext) {
  const dataDir = temporaryDirectory(t)
  const server = await startServer(t, settingsIn(dataDir))
  const app = new FramedApp(t, join(dataDir, "pools"))
  await app.shakesHands("ada")
  await asks(app, "1", { operation: "create", size: 100, durable: true })
  const wrote = await asks(app, "2", { operation: "write", data: "a2VwdA==" })
  const kept = join(dataDir, "blocks")
  const names = () => (existsSync(kept) ? readdirSync(kept) : [])
  const name = await eventually(() => names().find((each) => !each.endsWith(".part")))
  return { dataDir, server, app, wrote, content: join(kept, name), name }
}

function spoil(path: string): void {
  const bytes = readFileSync(path)
  bytes[70 % bytes.length] = (bytes[70 % bytes.length] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

test("PL118 a backup has the contents of durable blocks, and a server starts on it", async (t) => {
  const { dataDir, wrote, name, content } = await world(t)
  const copy = join(temporaryDirectory(t), "copy.db")
  assert.deepEqual(await backup(dataDir, copy), { code: 0, said: "" })
  assert.deepEqual(readdirSync(`${copy}-blocks`), [name])
  const restored = temporaryDirectory(t)
  cpSync(copy, join(restored, "quartet.db"))
  cpSync(`${copy}-blocks`, join(restored, "blocks"), { recursive: true })
  const second = await startServer(t, settingsIn(restored))
  const bob = new FramedApp(t, join(restored, "pools"))
  await bob.shakesHands("bob")
  await asks(bob, "1", { operation: "attach", mode: "read" })
  const read = await asks(bob, "2", { operation: "read" })
  assert.equal(read["data"], "a2VwdA==")
  assert.ok(Number(read["generation"]) > Number(wrote["generation"]))
  await second.stop()
  // A content that is not what was saved is named, and nothing starts on it.
  const file = join(restored, "blocks", name)
  spoil(file)
  const start = async (blocksDamaged: "refuse" | "leave") => {
    const places = { port: 0, operatorsPort: undefined, poolsPort: undefined, blocksDir: undefined }
    const logLevel = "silent" as const
    const server = createServer({ ...places, ...settingsIn(restored), logLevel, blocksDamaged })
    t.after(() => server.stop())
    await server.start()
    return server
  }
  await assert.rejects(start("refuse"), (thrown: Error) => thrown.message.includes(file))
  const third = await start("leave")
  const cid = new FramedApp(t, join(restored, "pools"))
  await cid.shakesHands("cid")
  cid.says({ type: "memory", id: "1", operation: "attach", block_id: "b", mode: "read" })
  assert.equal((await cid.answerTo("1"))["error_code"], "NO_BLOCK")
  await third.stop()
  // Nor is a backup made of one, and what there is of it goes.
  spoil(content)
  const failed = await backup(dataDir, `${copy}2`)
  assert.equal(failed.code, 1)
  assert.ok(failed.said.includes(content), failed.said)
  assert.deepEqual([existsSync(`${copy}2`), existsSync(`${copy}2-blocks`)], [false, false])
})

test("PL119 PL118 what is stored of a destroyed pool's blocks goes, also when the store failed then", () => {
  const kept = new KeptHere()
  const store = openStore({ uri: ":memory:" })
  const { sea, ada, as } = blockStage({ store, memory: new Buffers(1e6, kept) })
  const pool = "passing"
  ada.says({ type: "pool", id: "1", operation: "create", pool })
  ada.says({ type: "pool", id: "2", operation: "join", pool })
  const { uuid } = result(as(ada, "create", { pool, size: 10, durable: true }))
  result(as(ada, "write", { pool, data: base64("x") }))
  sea.pass(3_000)
  assert.ok(kept.get(String(uuid)) !== undefined)
  const rows = () => store.prepare("SELECT * FROM pools_block").all().length
  // A row that cannot be removed for a while.
  store
    .prepare(
      "CREATE TRIGGER stuck BEFORE DELETE ON pools_block BEGIN SELECT RAISE(FAIL, 'stuck'); END",
    )
    .run()
  ada.says({ type: "pool", id: "3", operation: "destroy", pool, force: true })
  assert.equal(ada.answerTo("3")["status"], "success", JSON.stringify(ada.answerTo("3")))
  sea.pass(200)
  assert.deepEqual([rows(), sea.service.kept.pools, sea.service.blocks.kept.blocks], [1, 2, 0])
  store.prepare("DROP TRIGGER stuck").run()
  sea.pass(200)
  assert.equal(rows(), 0)
  assert.equal(kept.get(String(uuid)), undefined)
  assert.deepEqual(sea.faults, [])
})

test("PL118 a content that was to go when the server died goes at the next start", (t) => {
  class Stubborn extends KeptHere {
    override drop(): void {
      throw new Error("the disk is gone")
    }
  }
  const kept = new Stubborn()
  const store = openStore({ uri: ":memory:" })
  const memory = filesIn(folder(t), { kept })
  t.after(() => memory.close())
  const { sea, ada, as } = blockStage({ store, memory })
  const { uuid } = result(as(ada, "create", { size: 10, durable: true }))
  result(as(ada, "write", { data: base64("x") }))
  sea.pass(3_000)
  result(as(ada, "destroy"))
  const content = kept.get(String(uuid))
  assert.ok(content !== undefined)
  const later = new KeptHere()
  later.put(String(uuid), content)
  const next = blockStage({ store, memory: new Buffers(1e6, later) })
  assert.equal(later.get(String(uuid)), undefined)
  refused(next.as(next.ada, "attach"), "NO_BLOCK")
  assert.deepEqual(store.prepare("SELECT * FROM pools_block_gone").all(), [])
})

test("PL128 members of a group read, and write what is for all to write", (t) => {
  const gid = process.getgid?.() ?? 0
  const dir = join(folder(t), "blocks")
  const memory = filesIn(dir, { gid })
  t.after(() => memory.close())
  const { ada, bob, as } = blockStage({ memory })
  const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)
  const own = memory.place?.dir ?? ""
  assert.deepEqual([mode(dir), mode(own), mode(join(own, "probe"))], ["750", "750", "640"])
  assert.equal(mode(join(own, "instance.lock")), "600")
  const open = result(as(ada, "create", { size: 10, via: "map" }))
  const permissions = { write: ["ada"] }
  const narrow = result(as(ada, "create", { block_id: "n", size: 10, via: "map", permissions }))
  assert.deepEqual([mode(String(open["path"])), mode(String(narrow["path"]))], ["660", "640"])
  assert.equal(statSync(String(open["path"])).gid, gid)
  result(as(ada, "write", { data: base64("x") }))
  result(as(ada, "seal"))
  const sealed = result(as(bob, "attach", { via: "map" }))
  assert.equal(mode(String(sealed["path"])), "440")
  assert.equal(textOf(as(bob, "read")), "x")
})
