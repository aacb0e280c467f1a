/**
 * `quartet backup` beside a server that is at work: what comes back of a copy is what there was at
 * one moment, whole; and a copy that was cut off is not there.
 */
import assert from "node:assert/strict"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { Log } from "../src/log.ts"
import { KeptFiles } from "../src/memory-kept.ts"
import { openStore, type Store } from "../src/store.ts"
import { copyWhole } from "../src/store-contents.ts"
import { DailyCopies } from "../src/store-daily.ts"
import { Bell } from "./fault-parts.ts"
import { eventually, launch, startServer, temporaryDirectory } from "./harness.ts"
import { FramedApp, type Told } from "./pools-app.ts"
import { RawEditor } from "./raw-editor.ts"

const main = join(import.meta.dirname, "../src/main.ts")

/** Begins `quartet backup` as a program of its own. */
function begin(t: TestContext, dataDir: string, copy: string) {
  const child = spawn(process.execPath, [main, "backup", copy, "--data-dir", dataDir])
  t.after(() => child.kill("SIGKILL"))
  const said: string[] = []
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()))
  return { child, said, ended: once(child, "close") }
}

async function backup(t: TestContext, dataDir: string, copy: string) {
  const { said, ended } = begin(t, dataDir, copy)
  const [code] = await ended
  return { code, said: said.join("") }
}

async function asks(app: FramedApp, id: string, fields: object): Promise<Told> {
  app.says({ type: "memory", id, block_id: "b", ...fields })
  const answer = await app.answerTo(id)
  assert.equal(answer["status"], "success", JSON.stringify(answer))
  return answer["result"] as Told // an object, where the answer is a success
}

/** Puts a copy in the place of a database, as the manual says. Gives the data directory. */
function putBack(t: TestContext, copy: string): string {
  const dataDir = temporaryDirectory(t)
  copyFileSync(copy, join(dataDir, "quartet.db"))
  if (existsSync(`${copy}-blocks`))
    cpSync(`${copy}-blocks`, join(dataDir, "blocks"), { recursive: true })
  return dataDir
}

/** `n` and all before it, each in a line, the newest first. */
function countdown(n: number): string {
  return Array.from({ length: n + 1 }, (_, at) => `${n - at}\n`).join("")
}

/** Types numbers into two documents in turn, and writes each into a block, until told to end. */
async function busy(t: TestContext, server: { readonly url: string }, pools: string) {
  const bell = new Bell()
  const editors = ["first", "second"].map((id) => new RawEditor({ url: server.url, id, bell }))
  for (const editor of editors) editor.come()
  await bell.until("both are here", () => editors.every(({ isHere }) => isHere))
  const app = new FramedApp(t, pools)
  await app.shakesHands("ada")
  await asks(app, "create", { operation: "create", size: 4_000, durable: true })
  const work = {
    isOver: false,
    /** The newest number that is acknowledged in both, and the one that is being typed. */
    told: -1,
    sent: -1,
    done: Promise.resolve(),
  }
  const types = async () => {
    for (let n = 0; !work.isOver; n++) {
      work.sent = n
      for (const editor of editors) {
        editor.type(`${n}\n`)
        await bell.until("it is acknowledged", () => editor.flight === undefined)
      }
      const data = Buffer.from(String(n).padStart(10, "0").repeat(400)).toString("base64")
      await asks(app, `write-${n}`, { operation: "write", data })
      work.told = n
    }
  }
  work.done = types()
  return work
}

test("SV30 PL138 each backup that is made while editors type is what there was at one moment, whole", async (t) => {
  const dataDir = temporaryDirectory(t)
  const pools = join(dataDir, "pools")
  const server = await launch(t, {
    ...{ DATA_DIR: dataDir, POOLS_SOCKET: pools, BLOCKS_DIR: "off" },
    ...{ EDITS_PER_SECOND: "0", SYNC_INTERVAL_MS: "5" },
  })
  const work = await busy(t, server, pools)
  await eventually(() => existsSync(join(dataDir, "blocks")) && work.told > 20)
  const copies = temporaryDirectory(t)
  const made: { readonly copy: string; readonly least: number; readonly most: number }[] = []
  for (const name of ["one", "two", "three"]) {
    const copy = join(copies, `${name}.db`)
    const least = work.told
    assert.deepEqual(await backup(t, dataDir, copy), { code: 0, said: "" })
    made.push({ copy, least, most: work.sent })
  }
  work.isOver = true
  await work.done
  await server.end("SIGKILL")
  const names = made.flatMap(({ copy }) => [copy, `${copy}-blocks`]).toSorted()
  const found = readdirSync(copies).map((name) => join(copies, name))
  assert.deepEqual(found.toSorted(), names)

  for (const { copy, least, most } of made) {
    const restored = putBack(t, copy)
    const place = join(restored, "pools")
    const database = join(restored, "quartet.db")
    const again = await startServer(t, {
      dataDir: restored,
      sqliteUri: database,
      poolsSocket: place,
    })
    const text = async (id: string) => (await fetch(`${again.url}/api/text/${id}`)).text()
    const [first, second] = await Promise.all([text("first"), text("second")])
    const [n, m] = [Number.parseInt(first, 10), Number.parseInt(second, 10)]
    assert.deepEqual([first, second], [countdown(n), countdown(m)])
    // Of one moment: the second gets each number after the first.
    assert.ok(n - m === 0 || n - m === 1, `${n} and ${m}`)
    assert.ok(least <= m && n <= most, `${m} and ${n}, between ${least} and ${most}`)
    const app = new FramedApp(t, place)
    await app.shakesHands("bob")
    await asks(app, "1", { operation: "attach", mode: "read" })
    const read = await asks(app, "2", { operation: "read" })
    const content = Buffer.from(String(read["data"]), "base64").toString()
    assert.equal(content, content.slice(0, 10).repeat(400))
    assert.ok(Number(content.slice(0, 10)) <= most)
  }
})

/** A store that names durable blocks, and their contents. */
function withBlocks(t: TestContext, names: readonly string[]) {
  const dataDir = temporaryDirectory(t)
  const store = openStore({ uri: join(dataDir, "quartet.db") })
  t.after(() => store.close())
  const contents = join(dataDir, "blocks")
  const kept = new KeptFiles(contents)
  store.migrate("test", ["CREATE TABLE pools_block (uuid TEXT, generation INTEGER) STRICT"])
  for (const uuid of names) {
    store.prepare("INSERT INTO pools_block VALUES (:uuid, 1)").run({ uuid })
    kept.put(uuid, { generation: 1, contentType: 0, data: Buffer.from(uuid) })
  }
  return { dataDir, store, contents, kept }
}

function namesIn(copy: string): readonly string[] {
  const store = openStore({ uri: copy, use: "visit" })
  const rows = store.prepare<{ uuid: string }>("SELECT uuid FROM pools_block").all()
  store.close()
  return rows.map(({ uuid }) => uuid)
}

test("PL138 a block that is destroyed while the backup is made is in neither part of it", async (t) => {
  const { dataDir, store, contents, kept } = withBlocks(t, ["gone", "stays"])
  const destroying: Store = {
    prepare: (sql) => store.prepare(sql),
    async backup(path: string, without?: readonly string[]) {
      await store.backup(path, without)
      store.prepare("DELETE FROM pools_block WHERE uuid = 'gone'").run()
      kept.drop("gone")
    },
  } as Store // what a copy asks of it
  const copy = join(dataDir, "copy.db")
  await copyWhole({ store: destroying, copy, contents, without: [] })
  assert.deepEqual(namesIn(copy), ["stays"])
  assert.deepEqual(readdirSync(`${copy}-blocks`), ["stays"])
  assert.deepEqual(
    readdirSync(dataDir)
      .filter((name) => name.startsWith("copy"))
      .toSorted(),
    ["copy.db", "copy.db-blocks"],
  )
})

test("PL138 a backup that is cut off before its contents are there has no name, and the next is whole", async (t) => {
  const { dataDir, contents } = withBlocks(t, ["a", "b"])
  const copy = join(dataDir, "copy.db")
  // A content whose reading does not end.
  const [slow, whole] = [join(contents, "b"), join(dataDir, "b")]
  renameSync(slow, whole)
  execFileSync("mkfifo", [slow])
  const { child, ended } = begin(t, dataDir, copy)
  await eventually(() => existsSync(`${copy}.new-blocks`))
  child.kill("SIGKILL")
  await ended
  assert.deepEqual([existsSync(copy), existsSync(`${copy}-blocks`)], [false, false])
  rmSync(slow)
  renameSync(whole, slow)
  assert.deepEqual(await backup(t, dataDir, copy), { code: 0, said: "" })
  assert.deepEqual(readdirSync(`${copy}-blocks`).toSorted(), ["a", "b"])
  assert.deepEqual(
    readdirSync(dataDir)
      .filter((name) => name.startsWith("copy"))
      .toSorted(),
    ["copy.db", "copy.db-blocks"],
  )
  // Nor is a folder of contents replaced.
  rmSync(copy)
  const refused = await backup(t, dataDir, copy)
  assert.equal(refused.code, 1)
  assert.match(refused.said, /there is a file at \S+copy\.db-blocks already/)
})

test("PL138 what copies that were cut off have left goes with the next day's copy", async (t) => {
  const { dataDir, contents } = withBlocks(t, ["a"])
  const directory = join(dataDir, "backups")
  const left = "daily-20260101T000000Z.db"
  mkdirSync(join(directory, `${left}.new-blocks`), { recursive: true })
  mkdirSync(join(directory, `${left}-blocks`))
  for (const end of [".new", ".new.part", ".part"]) writeFileSync(join(directory, left + end), "")
  writeFileSync(join(directory, "mine.db"), "")
  const told: Record<string, unknown>[] = []
  const log = new Log("info", (line) => told.push(JSON.parse(line)))
  const uri = join(dataDir, "quartet.db")
  const copies = new DailyCopies({ uri, directory, contents, log })
  t.after(() => copies.close())
  const began = Date.parse("2026-01-02T00:00:00Z")
  copies.tick(began)
  copies.tick(began + 3_600_000)
  assert.equal((await eventually(() => told[0]))["event"], "daily backup made")
  const made = "daily-20260102T010000Z.db"
  assert.deepEqual(readdirSync(directory).toSorted(), [made, `${made}-blocks`, "mine.db"])
})
