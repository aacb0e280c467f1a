/** Documents over restarts: files of other programs, kills, power failures, torn journals, backups. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, existsSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { type TestContext, test } from "node:test"
import { pathToFileURL } from "node:url"
import { visitShelf } from "../src/documents/shelf-sqlite.ts"
import { Operation } from "../src/ot/operation.ts"
import { openStore, type Store } from "../src/store.ts"
import { begin, Draft, folder, opened, rowsIn, start } from "./shelf-world.ts"

/** A file as another program left it. */
function foreign(t: TestContext, sql: string): string {
  const path = join(folder(t), "foreign.db")
  const other = new DatabaseSync(path)
  other.exec(sql)
  other.close()
  return path
}

const rustpad = `CREATE TABLE document (id TEXT PRIMARY KEY, text TEXT NOT NULL, language TEXT);
  INSERT INTO document VALUES ('notes', 'h🎉llo', 'python'), ('empty', '', NULL)`

test("SV28 a file of Rustpad opens as it is, and goes on", (t) => {
  const path = foreign(t, rustpad)
  const { store, shelf } = opened(t, path)
  const loaded = shelf.load("notes")
  assert(loaded !== undefined)
  assert.deepEqual([loaded.text, loaded.language, loaded.otp], ["h🎉llo", "python", undefined])
  assert.deepEqual([loaded.revision, loaded.nextUser, loaded.authors], [1, 0, []])
  assert.equal(shelf.load("empty")?.text, "")
  const entry = {
    document: "notes",
    epoch: loaded.epoch,
    revision: 1,
    user: 0,
    author: undefined,
    operation: Operation.from([5, "!"]),
  }
  shelf.append([entry], start)
  assert.equal(begin(store).shelf.load("notes")?.text, "h🎉llo!")
  // Nothing expires because of the upgrade.
  assert.equal(shelf.expire(Date.now(), 1, new Set()), 0)
})

test("SV28 files of Kolabpad open as they are, with time stamps or without", (t) => {
  const stamps = `, created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    updated_at DATETIME DEFAULT CURRENT_TIMESTAMP`
  for (const columns of ["", stamps]) {
    const sql = `CREATE TABLE document (
        id TEXT PRIMARY KEY, text TEXT NOT NULL, language TEXT, otp TEXT${columns});
      INSERT INTO document (id, text, language, otp) VALUES ('notes', 'hello', 'go', 'secret')`
    const { store, shelf } = opened(t, foreign(t, sql))
    assert.equal(shelf.otp("notes"), "secret")
    assert.equal(shelf.load("notes")?.text, "hello")
    const stamp = "SELECT created_at, updated_at FROM document"
    const row = store.prepare<Record<string, string>>(stamp).get()
    for (const time of Object.values(row ?? {})) assert.match(time, /^\d{4}-\d\d-\d\d /)
  }
})

test("SV28 Rustpad reads and writes the file afterwards, and what it wrote is read", (t) => {
  const path = foreign(t, rustpad)
  const first = openStore({ uri: path })
  begin(first).shelf.markClean()
  first.close()
  const other = new DatabaseSync(path)
  assert.equal(
    other.prepare("SELECT text FROM document WHERE id = 'notes'").get()?.["text"],
    "h🎉llo",
  )
  other.exec("INSERT INTO document (id, text, language) VALUES ('new', 'theirs', 'rust')")
  other.close()
  const { shelf } = opened(t, path)
  const loaded = shelf.load("new")
  assert.deepEqual([loaded?.text, loaded?.language, loaded?.revision], ["theirs", "rust", 1])
})

test("DC59 two files of one origin never share an epoch", (t) => {
  const epochs = [1, 2].map(() => opened(t, foreign(t, rustpad)).shelf.load("notes")?.epoch)
  assert.notEqual(epochs[0], epochs[1])
})

/** Two documents with five edits each, in five rows, and not saved. */
function journaled(t: TestContext): Store {
  const { store, shelf } = opened(t, ":memory:")
  const [torn, whole] = [new Draft(shelf, "torn"), new Draft(shelf, "whole")]
  for (const word of ["1", "2", "3", "4", "5"])
    shelf.append([torn.type(word), whole.type(word)], start)
  return store
}

const damages: Readonly<Record<string, (store: Store) => void>> = {
  "the last row is torn": (store) => change(store, 5, (entries) => entries.slice(0, -9)),
  "the last row is missing": (store) => store.prepare("DELETE FROM journal WHERE id = 5").run(),
  "the last row is no list": (store) => change(store, 5, () => '{"torn":true}'),
  "the last row is null": (store) =>
    store.prepare("UPDATE journal SET entries = 'null' WHERE id = 5").run(),
}

for (const [what, damage] of Object.entries(damages)) {
  test(`DC83 replay ends at the last whole entry: ${what}`, (t) => {
    const store = journaled(t)
    damage(store)
    const { shelf } = begin(store)
    assert.deepEqual(shelf.recovery, { edits: 8, documents: 2 })
    for (const id of ["torn", "whole"]) assert.equal(shelf.load(id)?.text, "1234")
    assert.equal(rowsIn(store, "journal"), 0)
  })
}

const faults: Readonly<Record<string, (entry: unknown[]) => unknown>> = {
  "another text is expected": (entry) => [...entry.slice(0, 6), [7, "x"]],
  "the operation is none": (entry) => [...entry.slice(0, 6), [1.5]],
  "half a surrogate pair": (entry) => [...entry.slice(0, 6), [2, "\ud800"]],
  "a field is missing": (entry) => entry.slice(0, 6),
  "another epoch": ([id, , ...rest]) => [id, "other", ...rest],
  "a revision that is no number": ([id, epoch, , ...rest]) => [id, epoch, "2", ...rest],
  "an author without a number": ([id, epoch, revision, user]) => [
    id,
    epoch,
    revision,
    user,
    "a",
    null,
    [2, "3"],
  ],
  "an entry is missing": () => null,
}

for (const [what, spoil] of Object.entries(faults)) {
  test(`DC83 a torn entry ends its own document, and no other: ${what}`, (t) => {
    const store = journaled(t)
    change(store, 3, (entries) => {
      const [torn, whole] = JSON.parse(entries) as [unknown[], unknown[]]
      return JSON.stringify([spoil(torn), whole])
    })
    const { shelf } = begin(store)
    const torn = shelf.load("torn")
    assert.deepEqual([torn?.text, torn?.revision, torn?.nextUser], ["12", 2, 2])
    assert.equal(shelf.load("whole")?.text, "12345")
    assert.equal(shelf.past("torn", 0, 9)?.length, 2)
    assert.deepEqual(shelf.recovery, { edits: 7, documents: 2 })
  })
}

function change(store: Store, id: number, how: (entries: string) => string): void {
  const select = store.prepare<{ entries: string }>("SELECT entries FROM journal WHERE id = :id")
  const entries = how(select.get({ id })?.entries ?? "")
  store.prepare("UPDATE journal SET entries = :entries WHERE id = :id").run({ id, entries })
}

test("DC83 a recovery that is cut off is run again", (t) => {
  const store = journaled(t)
  const pages = store.prepare<{ page_count: number }>("PRAGMA page_count").get()?.page_count ?? 0
  const { shelf } = opened(t, ":memory:")
  assert.equal(shelf.recovery.edits, 0)
  for (let room = 0; ; room += 1) {
    store.prepare(`PRAGMA max_page_count = ${pages + room}`).get()
    try {
      const found = begin(store).shelf
      assert.equal(found.load("torn")?.text, "12345")
      assert.equal(found.past("whole", 0, 9)?.length, 5)
      break
    } catch (thrown) {
      assert.match(String(thrown), /full/)
    }
  }
})

test("DC83 a long journal is replayed at its rate, in parts", (t) => {
  const { store, shelf } = opened(t, ":memory:")
  const drafts = Array.from({ length: 50 }, (_, index) => new Draft(shelf, `${index}`))
  const edits = 250_000
  for (let done = 0; done < edits; done += 500) {
    const entries = drafts.flatMap((draft) => {
      return Array.from({ length: 10 }, () => append(draft, done))
    })
    shelf.append(entries, start)
  }
  const before = process.cpuUsage()
  const found = begin(store).shelf
  const { user, system } = process.cpuUsage(before)
  assert.deepEqual(found.recovery, { edits, documents: 50 })
  for (const draft of drafts) assert.equal(found.load(draft.id)?.text, draft.text)
  const perSecond = edits / ((user + system) / 1e6)
  t.diagnostic(`${Math.round(perSecond)} entries a second of CPU`)
  // A quarter of what is promised of an idle machine.
  assert(perSecond > 50_000, `${perSecond}`)
})

/** An edit of one character, without the cost of applying it to a whole string each time. */
function append(draft: Draft, seed: number) {
  const length = draft.text.length
  const operation = Operation.onePlace(length, length, String(seed % 10), 1, 0)
  draft.text += operation.inserted
  draft.revision += 1
  const { id: document, epoch, revision } = draft
  return { document, epoch, revision: revision - 1, user: 0, author: undefined, operation }
}

test("DC82 a thousand documents of 10 KB are saved in half a second", (t) => {
  const { shelf } = opened(t, join(folder(t), "quartet.db"))
  const text = "ten letters".repeat(931)
  const drafts = Array.from({ length: 1_000 }, (_, index) => new Draft(shelf, `${index}`))
  const entries = drafts.map((draft) => draft.type(text, "ada"))
  shelf.append(entries, start)
  const before = process.cpuUsage()
  for (let at = 0; at < drafts.length; at += 100) {
    const snapshots = drafts.slice(at, at + 100).map((draft) => draft.snapshot())
    assert.equal(shelf.save(snapshots).size, 0)
  }
  const { user, system } = process.cpuUsage(before)
  t.diagnostic(`${Math.round((user + system) / 1000)} ms of CPU`)
  assert(user + system < 500_000, `${user + system} µs`)
})

/**
 * Types into three documents, as fast as it can, until it is killed; tells each edit once it is
 * acknowledged. Saves now and then, and turns the clock so that syncs and checkpoints go on.
 */
const writer = (path: string, round: number) => `
  import { writeSync } from "node:fs"
  import { openStore } from ${moduleAt("../src/store.ts")}
  import { begin, Draft, start } from ${moduleAt("./shelf-world.ts")}
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
  const { shelf } = begin(store)
  const drafts = ["a", "b", "c"].map((id) => {
    const stored = shelf.load(id)
    return Object.assign(new Draft(shelf, id), stored === undefined ? {} : {
      text: stored.text, epoch: stored.epoch, revision: stored.revision, nextUser: stored.nextUser,
    })
  })
  for (let n = 0; ; n++) {
    const tag = "<${round}." + n + ">"
    const chosen = drafts.filter((_, index) => (n >> index) % 2 === 0)
    shelf.append(chosen.map((draft) => draft.type(tag, "ada")), start + n)
    say(chosen.map((draft) => draft.id).join("") + " " + tag + "\\n")
    if (n % 7 === 6) shelf.save(chosen.map((draft) => draft.snapshot()))
    store.tick(start + n * 1000)
    if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
  }`

function moduleAt(path: string): string {
  return JSON.stringify(pathToFileURL(join(import.meta.dirname, path)).href)
}

test("DC48 kill -9 loses no acknowledged edit and repeats none", async (t) => {
  const path = join(folder(t), "quartet.db")
  const known = new Map([..."abc"].map((id) => [id, ""]))
  const seqs = new Map<string, number>()
  for (let round = 0; round < 6; round += 1) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", writer(path, round)], {
      stdio: ["ignore", "pipe", "inherit"],
    })
    const exited = once(child, "exit") // its locks go with it, a little later than its output
    const enough = 1 + Math.random() * 12_000
    let said = ""
    for await (const chunk of child.stdout) {
      said += chunk
      if (said.length > enough) child.kill("SIGKILL")
    }
    await exited
    const lines = said.split("\n").slice(0, -1)
    t.diagnostic(`killed after ${lines.length} edits`)
    for (const line of lines) {
      const [ids = "", tag = ""] = line.split(" ")
      for (const id of ids) known.set(id, known.get(id) + tag)
    }
    // The very last one may have been journaled and not told any more.
    const unheard = `<${round}.${lines.length}>`
    const store = openStore({ uri: path })
    const { shelf } = begin(store)
    for (const [id, text] of known) {
      const stored = shelf.load(id)
      const found = stored?.text ?? ""
      assert(found === text || found === text + unheard, `${id}: ${text} became ${found}`)
      known.set(id, found)
      // The author's number went with it: what is sent again is not applied again.
      assert.equal(stored?.authors[0]?.seq, stored?.revision)
      assert((seqs.get(id) ?? 0) <= (stored?.revision ?? 0))
      seqs.set(id, stored?.revision ?? 0)
    }
    store.close()
  }
})

test("DC49 a power failure loses nothing that was reported as durable", async (t) => {
  const place = folder(t)
  const path = join(place, "quartet.db")
  const { store, shelf } = opened(t, path)
  const draft = new Draft(shelf, "notes")
  const texts = [""]
  let durable = 0
  let now = start
  for (let round = 1; round <= 60; round += 1) {
    for (let n = 0; n < round % 9; n += 1) {
      shelf.append([draft.type(`<${round}.${n}>`, "ada")], now)
      texts.push(draft.text)
    }
    if (round % 5 === 0) shelf.save([draft.snapshot()])
    if (round % 7 === 0) store.prepare("PRAGMA wal_checkpoint(RESTART)").get()
    // What is on the disk when the sync that begins now is done; later writes are not.
    const covered = draft.revision
    for (const end of ["", "-wal"]) copyFileSync(path + end, join(place, `begun.db${end}`))
    now += 50
    await new Promise<void>((resolve) => {
      shelf.sync(resolve)
      store.tick(now)
    })
    for (const end of ["", "-wal"]) {
      copyFileSync(join(place, `begun.db${end}`), join(place, `disk.db${end}`))
    }
    durable = covered
    if (round % 6 !== 0) continue
    shelf.append([draft.type("<lost>", "ada")], now)
    texts.push(draft.text)
    const disk = openStore({ uri: join(place, "disk.db") })
    const after = begin(disk).shelf.load("notes")
    assert((after?.revision ?? 0) >= durable)
    assert.equal(after?.text, texts[after?.revision ?? 0])
    assert.notEqual(after?.epoch, draft.epoch)
    disk.close()
  }
})

test("DC59 a backup holds what was acknowledged, and begins another epoch", async (t) => {
  const place = folder(t)
  const { store, shelf } = opened(t, join(place, "quartet.db"))
  const draft = new Draft(shelf, "notes")
  shelf.append([draft.type("saved ")], start)
  shelf.save([draft.snapshot()])
  shelf.append([draft.type("journaled")], start)
  shelf.markClean()
  await store.backup(join(place, "backup.db"))
  shelf.append([draft.type(", and more")], start)
  const restored = opened(t, join(place, "backup.db")).shelf.load("notes")
  assert.equal(restored?.text, "saved journaled")
  assert.notEqual(restored?.epoch, draft.epoch)
  store.close()
  assert.equal(opened(t, join(place, "quartet.db")).shelf.load("notes")?.epoch, draft.epoch)
})

test("DC29 another program reads what is journaled, and deletes, beside the server", (t) => {
  const path = join(folder(t), "quartet.db")
  const { shelf } = opened(t, path)
  const draft = new Draft(shelf, "notes")
  shelf.append([draft.type("saved ", "ada")], start)
  shelf.save([draft.snapshot()])
  shelf.append([draft.type("journaled", "bob")], start)
  const visitor = openStore({ uri: path, use: "visit" })
  const visited = visitShelf(visitor)
  assert.equal(visited.load("notes")?.text, "saved journaled")
  assert.equal(visited.load("notes")?.authors.length, 2)
  assert.equal(visited.count(), 1)
  visited.remove("notes")
  visitor.close()
  assert.deepEqual(shelf.missing(["notes"]), ["notes"])
  assert(existsSync(`${path}-wal`))
})

test("SV28 a visitor finds only a file that the server has brought up to date", (t) => {
  const visitor = openStore({ uri: foreign(t, rustpad), use: "visit" })
  assert.throws(() => visitShelf(visitor), /of an older release/)
  visitor.close()
})
