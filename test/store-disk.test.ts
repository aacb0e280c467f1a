/** What of the store survives a kill and a power failure, and what is done beside the loop. */
import assert from "node:assert/strict"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { open } from "node:fs/promises"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { test } from "node:test"
import { pathToFileURL } from "node:url"
import { openStore, type Store } from "../src/store.ts"
import { folder, pragma, root, synced, words } from "./store-words.ts"

test("SV27 what was committed survives a kill", async (t) => {
  const path = join(folder(t), "quartet.db")
  const program = `
    import { writeSync } from "node:fs"
    import { openStore } from ${JSON.stringify(pathToFileURL(join(root, "src/store.ts")).href)}
    // A pipe that is full says so instead of waiting.
    const say = (text) => {
      for (;;) {
        try {
          return writeSync(1, text)
        } catch (thrown) {
          if (thrown.code !== "EAGAIN") throw thrown
        }
      }
    }
    const store = openStore({ uri: ${JSON.stringify(path)} })
    store.migrate("words", ["CREATE TABLE word (id INTEGER PRIMARY KEY)"])
    store.tick(1)
    const insert = store.prepare("INSERT INTO word VALUES (:id)")
    for (let id = 1; ; id++) {
      insert.run({ id })
      say(id + "\\n")
    }`
  const child = spawn(process.execPath, ["--input-type=module", "-e", program])
  const exited = once(child, "exit") // its locks go with it, a little later than its output
  let said = ""
  for await (const chunk of child.stdout) {
    said += chunk
    if (said.length > 20_000) child.kill("SIGKILL")
  }
  await exited
  const committed = Number(said.slice(0, said.lastIndexOf("\n")).split("\n").at(-1))
  assert(committed > 1_000)
  const store = openStore({ uri: path })
  const rows = store.prepare<{ count: number }>("SELECT count(*) AS count FROM word").get()?.count
  assert(rows === committed || rows === committed + 1, `${rows} of ${committed}`)
  store.close()
})

test("SV27 commits wait for the disk until the first tick, and always with no interval", (t) => {
  const full = 2
  const normal = 1
  const { store } = words(t)
  assert.equal(pragma(store, "synchronous"), full)
  store.tick(1_000)
  assert.equal(pragma(store, "synchronous"), normal)
  assert.equal(pragma(store, "journal_mode"), "wal")
  assert.equal(pragma(store, "secure_delete"), 1)
  const careful = words(t, { syncIntervalMs: 0 }).store
  careful.tick(1_000)
  assert.equal(pragma(careful, "synchronous"), full)
})

test("SV27 a sync is answered in a later turn, in memory too", async (t) => {
  for (const uri of [":memory:", join(folder(t), "quartet.db")]) {
    const { store, write } = words(t, { uri })
    store.tick(1_000)
    write("one")
    let answered = false
    const answer = new Promise<void>((resolve) => {
      store.sync(() => {
        answered = true
        resolve()
      })
    })
    assert.equal(answered, false)
    store.tick(1_050)
    await answer
  }
})

test("DC49 syncs come no oftener than their interval, and somebody is asked for the tick", async (t) => {
  const woken: number[] = []
  const { store, write } = words(t, { syncIntervalMs: 50, wake: (ms) => woken.push(ms) })
  store.tick(1_000)
  write("one")
  assert.deepEqual(woken, [10])
  store.tick(1_050)
  await synced(store)
  write("two")
  let answered = false
  store.sync(() => {
    answered = true
  })
  store.tick(1_099)
  // Time enough for a sync that was begun: three of another file.
  const marker = await open(join(folder(t), "marker"), "w")
  for (const word of ["a", "b", "c"]) {
    await marker.write(word)
    await marker.datasync()
  }
  await marker.close()
  assert.equal(answered, false)
  assert.equal(woken.at(-1), 10)
  store.tick(1_100)
  await synced(store)
  assert.equal(answered, true)
})

test("SV27 a sync says nothing of what was committed after it began", async (t) => {
  const { store, write } = words(t)
  store.tick(1_000)
  write("one")
  const answers: string[] = []
  const first = new Promise<void>((resolve) => {
    store.sync(() => {
      answers.push("first")
      resolve()
    })
  })
  store.tick(1_050)
  write("two")
  store.sync(() => answers.push("second"))
  await first
  assert.deepEqual(answers, ["first"])
  store.tick(1_100)
  await synced(store)
  assert.deepEqual(answers, ["first", "second"])
})

test("DC49 what was committed is synced though nobody asks", async (t) => {
  const { store, write } = words(t)
  store.tick(1_000)
  write("one")
  store.tick(1_050)
  // Were that sync not under way, this one could not be answered without a further tick.
  await synced(store)
})

test("SV27 what a sync covered is in the files as they were when it began", async (t) => {
  const place = folder(t)
  const path = join(place, "quartet.db")
  const { store, write } = words(t, { uri: path })
  store.tick(1_000)
  for (let round = 1; round <= 20; round += 1) {
    write(...Array.from({ length: round * 10 }, (_, index) => `${round}.${index}`))
    // The disk as a power failure would leave it right after this sync: nothing later is on it.
    for (const end of ["", "-wal"]) copyFileSync(path + end, join(place, `copy.db${end}`))
    store.tick(1_000 + round * 50)
    await synced(store)
  }
  const copy = openStore({ uri: join(place, "copy.db") })
  const rows = copy.prepare<{ count: number }>("SELECT count(*) AS count FROM word").get()?.count
  assert.equal(rows, (10 * 20 * 21) / 2)
  copy.close()
})

test("SV27 the log is checkpointed beside the loop and begins anew", async (t) => {
  const place = folder(t)
  const path = join(place, "quartet.db")
  const { store, write, read } = words(t, { uri: path })
  const wal = () => statSync(`${path}-wal`).size
  store.tick(1_000)
  const page = "x".repeat(4_000)
  for (let index = 0; index < 2_000; index += 1) write(page)
  assert(wal() > 8_000_000)
  const before = statSync(path).size
  store.tick(1_100) // long before it is time, because the log is long
  await store.backup(join(place, "after.db")) // the thread does one after the other
  assert(statSync(path).size > before + 8_000_000)
  write("last")
  assert(wal() <= 4 * 1024 * 1024, `${wal()} bytes`)
  assert.equal(read().length, 2_001)
})

test("SV27 the log begins anew though it is being written all the time", async (t) => {
  const path = join(folder(t), "quartet.db")
  const { store, write } = words(t, { uri: path })
  const page = "x".repeat(4_000)
  const other = await open(join(folder(t), "other"), "w")
  let size = 0
  let written = 0
  // The log grows until a checkpoint lets it begin anew, whatever is written meanwhile.
  for (let now = 1_000; ; now += 10) {
    store.tick(now)
    for (let index = 0; index < 10; index += 1) write(page)
    written += 10
    await other.datasync()
    const before = size
    size = statSync(`${path}-wal`).size
    if (size < before) break
    assert(written < 50_000, `${size} bytes after ${written} pages`)
  }
  await other.close()
})

test("SV27 a store that was closed holds no descriptor", async (t) => {
  if (process.platform !== "linux") return t.skip("descriptors are looked up in /proc")
  const count = () => readdirSync("/proc/self/fd").length
  const before = count()
  for (const sync of ["none", "waiting", "under way"]) {
    const { store, write } = words(t)
    store.tick(1_000)
    write("one")
    if (sync === "waiting") store.sync(() => {})
    if (sync === "under way") store.tick(1_050)
    store.close()
  }
  const marker = await open(join(folder(t), "marker"), "w")
  for (let tries = 0; count() > before + 1 && tries < 1_000; tries += 1) await marker.datasync()
  await marker.close()
  assert.equal(count(), before)
})

test("SV27 a sync that failed is made up for by a checkpoint, and said until then", async (t) => {
  if (process.platform !== "linux") return t.skip("descriptors are looked up in /proc")
  const { store, write } = words(t)
  store.tick(1_000)
  write("one")
  replaceLog("/dev/null") // a device that cannot be synced
  let answered = false
  const answer = new Promise<void>((resolve) => {
    store.sync(() => {
      answered = true
      resolve()
    })
  })
  store.tick(1_050)
  const marker = await open(join(folder(t), "marker"), "w")
  while (store.healthy) await marker.datasync()
  // It would succeed now; but what the first one lost is not written by a second.
  replaceLog(join(folder(t), "sound"))
  store.tick(1_100)
  for (let tries = 0; tries < 3; tries += 1) await marker.datasync()
  await marker.close()
  assert.equal(answered, false)
  assert.equal(store.healthy, false)
  store.tick(4_000)
  await answer
  assert.equal(store.healthy, true)
})

/** Puts another file in the place of the store's own descriptor of its log. */
function replaceLog(path: string): void {
  const wanted = logDescriptor()
  writeFileSync(path, "", { flag: "a" })
  closeSync(wanted)
  const others: number[] = []
  for (;;) {
    const fd = openSync(path, "r")
    if (fd === wanted) break
    others.push(fd)
  }
  for (const fd of others) closeSync(fd)
  replaced = wanted
}

/** The descriptor that was replaced last. */
let replaced: number | undefined

function logDescriptor(): number {
  const logs = readdirSync("/proc/self/fd").filter((fd) => {
    const path = `/proc/self/fd/${fd}`
    return existsSync(path) && readlinkSync(path).endsWith("-wal") && isReadOnly(fd)
  })
  const found = Number(logs[0] ?? replaced)
  assert(Number.isInteger(found))
  return found
}

function isReadOnly(fd: string): boolean {
  const flags = /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "2"
  return (Number.parseInt(flags, 8) & 3) === 0
}

test("SV27 the thread is found in what is published too", async (t) => {
  const place = folder(t)
  symlinkSync(join(root, "node_modules"), join(place, "node_modules"))
  writeFileSync(join(place, "package.json"), '{"type":"module"}')
  const settings = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: { noEmit: false, outDir: join(place, "dist"), rootDir: join(root, "src") },
    files: ["store.ts", "store-worker.ts"].map((file) => join(root, "src", file)),
    include: [],
  }
  writeFileSync(join(place, "tsconfig.json"), JSON.stringify(settings))
  execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", place], { stdio: "inherit" })
  const compiled = await import(pathToFileURL(join(place, "dist/store.js")).href)
  const store: Store = compiled.openStore({ uri: join(place, "quartet.db") })
  store.prepare("CREATE TABLE word (id INTEGER)").run()
  await store.backup(join(place, "copy.db"))
  store.close()
  const copy = new DatabaseSync(join(place, "copy.db"))
  assert.deepEqual(copy.prepare("SELECT * FROM word").all(), [])
  copy.close()
})
