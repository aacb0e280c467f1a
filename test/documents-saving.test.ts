/** When documents are written down, what survives, and what is told of it. */
import assert from "node:assert/strict"
import { join as joinPath } from "node:path"
import { test } from "node:test"
import { isDue, type SavingState } from "../src/documents/saving.ts"
import { checksum } from "../src/wire/checksum.ts"
import { metric, minute, onFile, row, second, type } from "./documents-steps.ts"
import { type FarEnd, folder, type Pad, pad } from "./far-end.ts"

const quiet: SavingState = {
  revision: 1,
  savedRevision: 0,
  unsavedBytes: 100,
  savedAt: 0,
  editedAt: 0,
  protectedAt: Number.NEGATIVE_INFINITY,
}

test("DC73 DC74 DC75 DC76 DC77 a document is due by these numbers and no others", () => {
  assert.equal(isDue(quiet, 30 * second - 1), false)
  assert.equal(isDue(quiet, 30 * second), true, "DC73: nobody types")
  const busy = { ...quiet, editedAt: 10 * minute }
  assert.equal(isDue({ ...busy, savedAt: 5 * minute + 1 }, 10 * minute), false)
  assert.equal(isDue({ ...busy, savedAt: 5 * minute }, 10 * minute), true, "DC74: however busy")
  const justSaved = { ...busy, savedAt: 10 * minute }
  assert.equal(isDue({ ...justSaved, revision: 4_999 }, 10 * minute), false)
  assert.equal(isDue({ ...justSaved, revision: 5_000 }, 10 * minute), true, "DC75")
  assert.equal(isDue({ ...justSaved, unsavedBytes: 1_048_576 }, 10 * minute), true, "DC75")
  const critical = { ...quiet, protectedAt: 40 * second }
  assert.equal(isDue(critical, 42 * second - 1), false, "DC76")
  assert.equal(isDue(critical, 42 * second), true)
  assert.equal(isDue({ ...quiet, savedRevision: 1 }, 10 * minute), false, "DC77")
})

test("DC72 DC73 a document is looked at every ten seconds and saved when typing has stopped", (t) => {
  const server = pad(t)
  const a = server.extend("notes", "a")
  type(a, 0, 3)
  assert.deepEqual(row(server, "notes"), { text: "", revision: 0 }, "the journal has it")
  server.pass(29 * second)
  assert.deepEqual(row(server, "notes")?.revision, 0)
  server.pass(12 * second)
  assert.deepEqual(row(server, "notes"), { text: "xxx", revision: 3 })
  const rows = server.store
    .prepare<{ count: number }>("SELECT count(*) AS count FROM journal")
    .get()
  assert.equal(rows?.count, 0, "DC78: and the journal lets go of it")
})

test("DC74 DC78 one that is typed in all the time is saved every five minutes", async (t) => {
  const server = pad(t)
  const editors = Array.from({ length: 100 }, (_, index) => server.extend(`doc ${index}`, "a"))
  let at = 0
  for (let passed = 0; passed < 21; passed += 1) {
    for (let step = 0; step < 3; step += 1) {
      for (const editor of editors) type(editor, at)
      at += 1
      server.pass(20 * second)
    }
  }
  const count = await metric(server, "quartet_documents_saves_total")
  assert.ok(count >= 400 && count <= 500, `${count} saves of 100 documents in 21 minutes`)
})

test("DC78 a save in the middle of a gathering leaves nothing in the journal for ever", (t) => {
  const server = pad(t, { settings: { joinsPerMinute: 1e9 } })
  const crowd = Array.from({ length: 500 }, (_, index) => {
    return server.extend("notes", `e${index}`, {}, { address: `192.0.2.${index % 250}` })
  })
  const a = crowd[0] as FarEnd
  for (let at = 0; at < 15; at += 1) {
    type(a, at)
    server.pass(at === 14 ? 20 * second - 30 : 20 * second)
  }
  type(a, 15)
  server.pass(20)
  // It waits for the next flush, and five minutes after the start the document is due.
  type(a, 16)
  server.pass(10)
  server.pass(5 * minute)
  assert.equal(row(server, "notes")?.revision, 17)
  const rows = server.store
    .prepare<{ count: number }>("SELECT count(*) AS count FROM journal")
    .get()
  assert.equal(rows?.count, 0)
})

test("DC80 a save that finds another line of history is not forced", (t) => {
  const server = onFile(t)
  const a = server.extend("notes", "a")
  type(a, 0)
  server.store.prepare("UPDATE document SET epoch = 'other', text = 'theirs'").run()
  server.pass(minute)
  assert.equal(a.endedWith, "unavailable")
  assert.equal(row(server, "notes")?.text, "theirs")
})

test("DC47 DC48 whatever was seen by anyone survives a kill, once", async (t) => {
  const uri = joinPath(folder(t), "pad.db")
  const server = pad(t, { uri })
  const a = server.extend("notes", "a")
  const b = server.join("notes")
  type(a, 0, 5)
  a.speaks(JSON.stringify({ Edit: { revision: 5, operation: [5, "unseen"], seq: 9 } }))
  assert.equal(b.all("History").length, 5)
  server.close()
  const again = pad(t, { uri })
  assert.equal(await again.text("notes"), "xxxxx")
  const back = again.extend("notes", "a")
  assert.equal((back.all("Welcome")[0] as { applied: number }).applied, 5)
})

test("DC50 Saved comes when the disk has it, at once for the last edit, else once a second", async (t) => {
  const server = onFile(t)
  const a = server.extend("notes", "a")
  const plain = server.join("notes")
  assert.equal((a.all("Welcome")[0] as { durable: boolean }).durable, true)
  type(a, 0)
  assert.deepEqual(a.all("Saved"), [])
  await server.durable()
  const saved = () => (a.all("Saved") as { revision: number }[]).map(({ revision }) => revision)
  assert.deepEqual(saved(), [1])
  type(a, 1, 2)
  await server.durable()
  assert.deepEqual(saved(), [1, 3])
  assert.equal((server.extend("notes", "b").all("Welcome")[0] as { saved: number }).saved, 3)
  assert.deepEqual(plain.all("Saved"), [])
})

test("DC50 in memory mode nothing is ever called saved", (t) => {
  const server = pad(t)
  const a = server.extend("notes", "a")
  type(a, 0)
  server.pass(minute)
  assert.deepEqual(a.all("Saved"), [])
  assert.equal((a.all("Welcome")[0] as { durable: boolean }).durable, false)
})

test("DC61 at most every 30 s Saved carries the checksum of the text", async (t) => {
  const server = onFile(t)
  const a = server.extend("notes", "a")
  const last = async () => {
    await server.durable()
    return a.all("Saved").at(-1)
  }
  a.edits(0, ["grüße 🎉"], 1)
  assert.deepEqual(await last(), { revision: 1, checksum: checksum("grüße 🎉") })
  a.edits(1, [7, "!"], 2)
  assert.deepEqual(await last(), { revision: 2 })
  server.pass(30 * second)
  a.edits(2, [-8], 3)
  assert.deepEqual(await last(), { revision: 3, checksum: checksum("") })
})

test("DC61 the checksum is the usual CRC-32 of the text's UTF-8", () => {
  assert.equal(checksum("123456789"), "cbf43926")
  assert.equal(checksum(""), "00000000")
  assert.equal(checksum("ü"), checksum("\u00fc"))
  assert.notEqual(checksum("ü"), checksum("u\u0308"))
})

test("DC51 with a full disk editing goes on in memory, is told, and is saved when there is room", async (t) => {
  const uri = joinPath(folder(t), "pad.db")
  const server = pad(t, { uri, settings: { textLimit: 1_000_000 } })
  const a = server.extend("notes", "a")
  const b = server.extend("notes", "b")
  const plain = server.join("notes")
  type(a, 0, 2)
  await server.durable()
  const called = a.all("Saved").length
  fill(server)
  a.edits(2, [2, "y".repeat(100_000)], 3)
  const error = {
    code: "unavailable",
    message: "The server cannot write to its disk: what is typed now is kept in memory only.",
    revision: 2,
    retry: true,
  }
  for (const far of [a, b]) assert.deepEqual(far.all("Error"), [error])
  assert.equal(plain.endedWith, undefined)
  for (const far of [a, b, plain]) assert.equal(far.all("History").length, 3, "all see it")
  b.edits(3, ["b", 100_002], 1)
  assert.equal(a.all("History").length, 4)
  server.pass(5 * second)
  assert.equal(server.service.health().ok, false, "three failures in a row")
  assert.deepEqual(server.extend("notes", "c").all("Error"), [error], "whoever joins is told")
  // A document that begins now is in the same state; its row was never made.
  server.extend("new", "d").edits(0, ["begun"], 1)
  assert.equal(a.all("Saved").length, called, "nothing of it is called saved")
  assert.equal((await server.text("notes")).length, 100_003, "reads go on")
  assert.equal(a.all("Error").length, 1, "told once")

  empty(server)
  server.pass(2 * second)
  await server.durable()
  assert.deepEqual((a.all("Saved").at(-1) as { revision: number }).revision, 4)
  assert.equal(server.service.health().ok, true)
  type(server.extend("new", "d"), 0)
  server.close()
  const again = pad(t, { uri })
  assert.equal((await again.text("notes")).length, 100_003)
  assert.equal(await again.text("new"), "begun")
})

test("DC51 DC59 a stop with edits in memory only is not called clean", (t) => {
  const uri = joinPath(folder(t), "pad.db")
  const server = pad(t, { uri, settings: { textLimit: 1_000_000 } })
  const a = server.extend("notes", "a")
  type(a, 0)
  const { epoch } = a.all("Welcome")[0] as { epoch: string }
  fill(server)
  a.edits(1, [1, "y".repeat(200_000)], 2)
  assert.equal(a.all("History").length, 2)
  server.stop()
  const again = pad(t, { uri })
  const welcome = again.extend("notes", "a").all("Welcome")[0] as { epoch: string; text: string }
  assert.notEqual(welcome.epoch, epoch, "who saw what is lost starts from the text")
  assert.equal(welcome.text, "x")
})

test("DC79 saves of one tick are bounded and go on in the next", (t) => {
  const server = pad(t)
  for (let index = 0; index < 100; index += 1) type(server.extend(`doc ${index}`, "a"), 0)
  const unsaved = () => {
    const sql = "SELECT count(*) AS count FROM document WHERE revision = 0"
    return server.store.prepare<{ count: number }>(sql).get()?.count
  }
  const counts = new Set<number | undefined>()
  for (let passed = 0; passed < 600; passed += 1) {
    server.pass(100)
    counts.add(unsaved())
  }
  assert.deepEqual([...counts], [100, 68, 36, 4, 0])
})

test("DC79 one row that cannot be saved starves no other, and is tried again", (t) => {
  const server = pad(t)
  for (const id of ["bad", "good"]) type(server.extend(id, "a"), 0)
  server.store
    .prepare(`CREATE TRIGGER refuse BEFORE UPDATE ON document WHEN new.id = 'bad'
      BEGIN SELECT raise(ABORT, 'no'); END`)
    .run()
  server.pass(minute)
  assert.deepEqual([row(server, "bad")?.text, row(server, "good")?.text], ["", "x"])
  assert.ok(server.log.some(({ event }) => event === "save failed"))
  server.store.prepare("DROP TRIGGER refuse").run()
  server.pass(2 * second)
  assert.equal(row(server, "bad")?.text, "x")
})

test("DC81 a stop journals, tells and saves all there is, and takes nothing more", async (t) => {
  const uri = joinPath(folder(t), "pad.db")
  const server = pad(t, { uri })
  const a = server.extend("notes", "a")
  const b = server.join("notes")
  server.join("untouched")
  type(server.extend("other", "c"), 0)
  a.speaks(JSON.stringify({ Edit: { revision: 0, operation: ["last"], seq: 1 } }))
  server.service.stop()
  for (const far of [a, b]) assert.equal(far.all("History").length, 1)
  assert.deepEqual([row(server, "notes")?.text, row(server, "other")?.text], ["last", "x"])
  const told = server.log.find(({ event }) => event === "documents flushed")
  assert.deepEqual([told?.["flushed"], told?.["skipped"], told?.["failed"]], [2, 1, 0])
  a.edits(1, [4, "!"], 2)
  server.pass(second)
  assert.equal(b.all("History").length, 1)
  assert.equal(server.refusal("notes")?.message, "stopping")
  assert.equal(a.endedWith, undefined, "they are closed by whoever stops the server")
})

test("DC82 a thousand documents of 10 KB are flushed in under half a second", (t) => {
  const server = onFile(t, { joinsPerMinute: 1e9 })
  const text = "x".repeat(10_240)
  for (let index = 0; index < 1_000; index += 1) {
    const far = server.join(`doc ${index}`, { address: `192.0.2.${index % 250}` })
    far.edits(0, [text])
  }
  const before = process.cpuUsage()
  server.service.stop()
  const ms = process.cpuUsage(before).user / 1_000
  assert.equal(row(server, "doc 999")?.text, text)
  // Twice the promise: the machine that runs the tests is shared.
  assert.ok(ms < 1_000, `${ms} ms`)
})

test("DC109 with a thousand idle documents a tick costs next to nothing", (t) => {
  const server = onFile(t, { joinsPerMinute: 1e9 })
  for (let index = 0; index < 1_000; index += 1) {
    const far = server.join(`doc ${index}`, { address: `192.0.2.${index % 250}` })
    far.edits(0, ["x"])
    far.leaves()
  }
  server.pass(second)
  const before = process.cpuUsage()
  server.pass(60 * second)
  const ms = process.cpuUsage(before).user / 1_000 / 600
  assert.ok(ms < 0.5, `${ms} ms a tick`) // the promise is 0.1; the machine that runs the tests is shared
})

test("DC62 of a stored document each change of language is stored, twice a second at most", (t) => {
  const server = pad(t)
  const language = () => {
    const sql = "SELECT language FROM document WHERE id = 'notes'"
    return server.store.prepare<{ language: string | null }>(sql).get()?.language
  }
  const a = server.join("notes")
  a.says({ SetLanguage: "go" })
  assert.equal(language(), undefined, "not stored")
  a.edits(0, ["x"])
  assert.equal(language(), "go", "with its row")
  server.pass(second)
  a.edits(1, [-1])
  a.says({ SetLanguage: "c" })
  assert.equal(language(), "c", "also while the text is empty")
  a.says({ SetLanguage: "python" })
  assert.equal(language(), "c")
  server.pass(500)
  assert.equal(language(), "python")
  a.says({ SetLanguage: "rust" })
  a.leaves()
  assert.equal(language(), "rust", "nothing is left to write when the last one leaves")
})

// From here on the database may not grow: what SQLite says then is what it says of a full disk.
function fill({ store }: Pad): void {
  const pages = store.prepare<{ page_count: number }>("PRAGMA page_count").get()?.page_count
  store.prepare(`PRAGMA max_page_count = ${pages}`).get()
}

function empty({ store }: Pad): void {
  store.prepare("PRAGMA max_page_count = 1000000").get()
}
