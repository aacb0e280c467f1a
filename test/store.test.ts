/** The SQLite file: who may have it, what it holds, what a failing disk does. */
import assert from "node:assert/strict"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { test } from "node:test"
import { pathToFileURL } from "node:url"
import { openStore, type Store } from "../src/store.ts"
import { folder, pragma, root, synced, words } from "./store-words.ts"

/** A program that opens the store and ends. */
const opener = (path: string) =>
  `import(${JSON.stringify(pathToFileURL(join(root, "src/store.ts")).href)}).then(
    ({ openStore }) => openStore({ uri: ${JSON.stringify(path)} }).close())`

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)

test("SV4 a second process is refused in one sentence, and let in once the first is killed", async (t) => {
  const path = join(folder(t), "quartet.db")
  const program = `
    import { openStore } from ${JSON.stringify(pathToFileURL(join(root, "src/store.ts")).href)}
    openStore({ uri: ${JSON.stringify(path)} })
    process.stdout.write("open")
    setInterval(() => {}, 1000)`
  const holder = spawn(process.execPath, ["--input-type=module", "-e", program])
  t.after(() => holder.kill("SIGKILL"))
  await once(holder.stdout, "data")
  assert.throws(() => openStore({ uri: path }), {
    message: `the database ${path} cannot be opened: it is in use by another process, and only one may have it: end that one, or set another DATA_DIR`,
  })
  holder.kill("SIGKILL")
  await once(holder, "exit")
  openStore({ uri: path }).close()
})

test("SV4 a file has one owner in one process too, whatever name it goes by", (t) => {
  const place = folder(t)
  const path = join(place, "quartet.db")
  const first = openStore({ uri: path })
  symlinkSync(path, join(place, "alias.db"))
  symlinkSync(place, join(place, "alias"))
  for (const name of ["quartet.db", "alias.db", "alias/quartet.db"]) {
    assert.throws(() => openStore({ uri: join(place, name) }), /in use by another process/)
  }
  // The tries have not cost us the lock.
  assert.throws(() => execFileSync(process.execPath, ["-e", opener(path)], { stdio: "pipe" }))
  first.close()
  first.close()
  execFileSync(process.execPath, ["-e", opener(path)])
  openStore({ uri: join(place, "alias.db") }).close()
})

test("SV4 a visitor works beside the owner, and makes no file", async (t) => {
  const place = folder(t)
  const path = join(place, "quartet.db")
  assert.throws(() => openStore({ uri: path, use: "visit" }), /there is no such file/)
  assert.deepEqual(readdirSync(place), [])
  const { store, write, read } = words(t, { uri: path })
  write("owner")
  const visitor = openStore({ uri: path, use: "visit" })
  visitor.prepare("INSERT INTO word (text) VALUES ('visitor')").run()
  await synced(visitor)
  await visitor.backup(join(place, "copy.db"))
  visitor.close()
  assert.deepEqual(read(), ["owner", "visitor"])
  store.close()
})

test("SV1 a database is named by a path, a file: URI or :memory:", (t) => {
  const place = folder(t)
  const at = (uri: string) => openStore({ uri })
  for (const uri of [":memory:", "file::memory:", "file:any?mode=memory"]) {
    const store = at(uri)
    assert.equal(store.durable, false)
    store.close()
  }
  const named = [
    [join(place, "plain.db"), "plain.db"],
    [`file:${place}/short.db`, "short.db"],
    [`file://${place}/long.db?mode=rwc`, "long.db"],
    [`file://localhost${place}/with%20space.db`, "with space.db"],
  ] as const
  for (const [uri, name] of named) {
    const store = at(uri)
    assert.equal(store.durable, true)
    assert(existsSync(join(place, name)), uri)
    store.close()
  }
  for (const uri of [
    "postgres://host/x",
    "file:x?vfs=none",
    "file:x?mode=ro",
    "file:%zz",
    "file:",
  ]) {
    assert.throws(() => at(uri), /^Error: the database "/, uri)
  }
})

test("SV28 steps run once, in order, each owner's for itself", (t) => {
  const path = join(folder(t), "quartet.db")
  const ran: string[] = []
  const step = (name: string) => (store: Store) => {
    ran.push(name)
    store.prepare(`CREATE TABLE ${name} (id INTEGER)`).run()
  }
  const first = openStore({ uri: path })
  first.migrate("tea", [step("green")])
  first.migrate("tea", [step("green")])
  first.close()
  const second = openStore({ uri: path })
  second.migrate("coffee", ["CREATE TABLE bean (id INTEGER); CREATE TABLE cup (id INTEGER)"])
  second.migrate("tea", [step("green"), step("black"), step("white")])
  assert.deepEqual(ran, ["green", "black", "white"])
  assert.deepEqual(second.prepare("SELECT * FROM bean, cup, white").all(), [])
  second.close()
})

test("SV28 steps run all or none", (t) => {
  const store = openStore({ uri: join(folder(t), "quartet.db") })
  t.after(() => store.close())
  const steps = ["CREATE TABLE green (id INTEGER)", "CREATE TABLE green (id INTEGER)"]
  assert.throws(() => store.migrate("tea", steps), /already exists/)
  assert.throws(() => store.prepare("SELECT * FROM green"), /no such table/)
  store.migrate("tea", steps.slice(1))
  assert.equal(store.healthy, true)
})

test("SV28 a file of a newer release is refused and left as it is", (t) => {
  const path = join(folder(t), "quartet.db")
  const steps = ["CREATE TABLE green (id INTEGER)", "CREATE TABLE black (id INTEGER)"]
  const newer = openStore({ uri: path })
  newer.migrate("tea", steps)
  newer.close()
  const before = readFileSync(path)
  const older = openStore({ uri: path })
  assert.throws(() => older.migrate("tea", steps.slice(1)), {
    message: `the database ${path} is of a newer release than this program; nothing was changed`,
  })
  older.close()
  assert.deepEqual(readFileSync(path), before)
})

test("SV28 a visitor brings no table up to date", (t) => {
  const { store } = words(t)
  const path = store.prepare<{ file: string }>("PRAGMA database_list").get()?.file ?? ""
  const visitor = openStore({ uri: path, use: "visit" })
  visitor.migrate("words", ["seen already"])
  assert.throws(() => visitor.migrate("words", ["seen already", "new"]), /of an older release/)
  visitor.close()
})

test("SV27 a transaction is kept whole or not at all", (t) => {
  const { store, write, read } = words(t, { uri: ":memory:" })
  const failing = () =>
    store.transaction(() => {
      write("half")
      throw new Error("the other half")
    })
  assert.throws(failing, /the other half/)
  assert.deepEqual(read(), [])
  assert.equal(
    store.transaction(() => {
      write("one", "two")
      assert.throws(() => store.transaction(() => {}), /never/)
      return 7
    }),
    7,
  )
  assert.deepEqual(read(), ["one", "two"])
})

test("SV29 a full disk refuses writes, goes on reading, and is noticed when it has room again", (t) => {
  const { store, write, read } = words(t)
  store.tick(1_000)
  write("one")
  const pages = Number(pragma(store, "page_count"))
  pragma(store, `max_page_count = ${pages + 2}`)
  const large = "x".repeat(20_000)
  assert.throws(() => write(large), /full/)
  assert.equal(store.healthy, false)
  assert.throws(() => store.transaction(() => write("small", large)), /full/)
  assert.deepEqual(read(), ["one"])
  // A write in a transaction that is taken back has not succeeded.
  const undone = () =>
    store.transaction(() => {
      write("small")
      throw new Error("undone")
    })
  assert.throws(undone, /undone/)
  assert.equal(store.healthy, false)
  pragma(store, `max_page_count = ${pages + 100}`)
  write(large)
  assert.equal(store.healthy, true)
})

test("SV29 a store that cannot be written to tries again by itself", (t) => {
  const { store, write, read } = words(t)
  store.tick(1_000)
  const pages = Number(pragma(store, "page_count"))
  pragma(store, `max_page_count = ${pages}`)
  assert.throws(() => write("x".repeat(20_000)), /full/)
  pragma(store, "query_only = 1") // no write succeeds
  store.tick(2_000)
  assert.equal(store.healthy, false)
  pragma(store, "query_only = 0")
  store.tick(2_500) // not yet
  assert.equal(store.healthy, false)
  store.tick(3_000)
  assert.equal(store.healthy, true)
  assert.deepEqual(read(), [])
})

test("SV29 a fault of a statement says nothing of the disk", (t) => {
  const { store } = words(t, { uri: ":memory:" })
  const insert = store.prepare("INSERT INTO word (id, text) VALUES (:id, :text)")
  insert.run({ id: 1, text: "one" })
  assert.throws(() => insert.run({ id: 1, text: "again" }), /UNIQUE/)
  assert.throws(() => insert.run({ id: 2, text: null }), /NOT NULL/)
  assert.throws(() => insert.run({ other: 2 }), /other/)
  assert.equal(store.healthy, true)
})

test("SV29 a read that fails throws, and is no missing row", (t) => {
  const path = join(folder(t), "quartet.db")
  const { store, write } = words(t, { uri: path })
  store.transaction(() => {
    for (let index = 0; index < 1_500; index += 1) write("x".repeat(4_000))
  })
  store.close()
  const again = openStore({ uri: path })
  t.after(() => again.close())
  // More than SQLite keeps in memory. Another process overwrites the pages of the open file: here its descriptors would cost our locks.
  const zeros = `dd if=/dev/zero of="$1" bs=4096 seek=2 count=1400 conv=notrunc status=none`
  execFileSync("sh", ["-c", zeros, "sh", path])
  const select = again.prepare<{ text: string }>("SELECT text FROM word WHERE id = :id")
  assert.throws(() => select.get({ id: 100 }), /malformed/)
  assert.equal(again.healthy, false)
  assert.equal(again.prepare("SELECT 1 AS one WHERE 1 = 2").get(), undefined)
})

test("SV29 a damaged file ends the start in one sentence, and is left as it is", (t) => {
  const place = folder(t)
  const path = join(place, "quartet.db")
  const { store, write } = words(t, { uri: path })
  store.transaction(() => {
    for (let index = 0; index < 200; index += 1) write("x".repeat(4_000))
  })
  store.close()
  const whole = readFileSync(path)
  const damages: Readonly<Record<string, Buffer>> = {
    "another kind of file": Buffer.from("no database at all, ".repeat(500)),
    "a page of zeros": Buffer.from(whole).fill(0, 4096 * 3, 4096 * 5),
    "a torn end": whole.subarray(0, 4096 * 50),
  }
  for (const [what, bytes] of Object.entries(damages)) {
    writeFileSync(path, bytes)
    const sentence = new RegExp(`^Error: the database ${path} is damaged: [^\\n]+$`)
    assert.throws(() => openStore({ uri: path }), sentence, what)
    assert.deepEqual(readFileSync(path), bytes, what)
  }
  writeFileSync(path, whole)
  openStore({ uri: path }).close()
})

test("SV3 a place where no file can be is told in one sentence", (t) => {
  const place = folder(t)
  writeFileSync(join(place, "file"), "")
  mkdirSync(join(place, "folder.db"))
  for (const name of ["file/quartet.db", "folder.db"]) {
    const sentence = new RegExp(`^Error: the database ${join(place, name)} [^\\n]+$`)
    assert.throws(() => openStore({ uri: join(place, name) }), sentence)
  }
})

test("SV30 folder and files are ours alone, those of an earlier run too", async (t) => {
  const place = join(folder(t), "data", "deep")
  const path = join(place, "quartet.db")
  const { store, write } = words(t, { uri: path })
  write("one")
  assert.equal(mode(place), "700")
  assert.equal(mode(join(place, "..")), "700")
  const files = readdirSync(place)
  assert.deepEqual(files.sort(), [
    "quartet.db",
    "quartet.db-lock",
    "quartet.db-shm",
    "quartet.db-wal",
  ])
  await store.backup(join(place, "copy.db"))
  for (const file of readdirSync(place)) assert.equal(mode(join(place, file)), "600", file)
  store.close()
  execFileSync("chmod", ["644", path])
  openStore({ uri: path }).close()
  assert.equal(mode(path), "600")
})

test("SV30 a backup is whole and consistent while the store is written", async (t) => {
  for (const uri of [":memory:", join(folder(t), "quartet.db")]) {
    const { store, write } = words(t, { uri })
    store.tick(1_000)
    const pair = (text: string) => store.transaction(() => write(text, text))
    for (let index = 0; index < 3_000; index += 1) pair("x".repeat(1_000))
    const path = join(folder(t), "copy.db")
    let isDone = false
    const done = store.backup(path).finally(() => {
      isDone = true
    })
    let written = 0
    while (!isDone) {
      pair("later")
      written += 1
      await new Promise((resolve) => setImmediate(resolve))
    }
    await done
    assert(written > 0)
    const copy = new DatabaseSync(path)
    const count = Number(copy.prepare("SELECT count(*) AS n FROM word").get()?.["n"])
    assert(count >= 6_000 && count % 2 === 0, `${count} rows`)
    assert.equal(copy.prepare("PRAGMA integrity_check").get()?.["integrity_check"], "ok")
    copy.close()
    assert.deepEqual(readdirSync(join(path, "..")), ["copy.db"])
  }
})

test("SV30 a backup never replaces a file, and one that failed leaves none", async (t) => {
  const { store, write } = words(t)
  write("one")
  const place = folder(t)
  writeFileSync(join(place, "here.db"), "mine")
  await assert.rejects(store.backup(join(place, "here.db")), /there is a file at .* already/)
  assert.equal(readFileSync(join(place, "here.db"), "utf8"), "mine")
  await assert.rejects(store.backup(join(place, "no/where.db")), /no such file/)
  const pending = store.backup(join(place, "late.db"))
  store.close()
  await assert.rejects(pending, /closed/)
  assert.deepEqual(readdirSync(place), ["here.db"])
})

test("SV30 a backup says that it was not left in order", async (t) => {
  const { store } = words(t)
  store.migrate("documents", [
    "CREATE TABLE documents_state (generation TEXT, clean INTEGER)",
    "INSERT INTO documents_state VALUES ('g', 1)",
  ])
  const path = join(folder(t), "copy.db")
  await store.backup(path)
  const copy = new DatabaseSync(path)
  assert.equal(copy.prepare("SELECT clean FROM documents_state").get()?.["clean"], 0)
  copy.close()
})
