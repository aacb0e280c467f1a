/** How long a document stays in memory and on the disk: what is use, what is let go of, and when. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { metric, minute, onFile, row, second, type } from "./documents-steps.ts"
import { pad } from "./far-end.ts"

test("DC21 DC77 when the last one leaves what changed is saved at once, and nothing else", (t) => {
  const server = pad(t)
  const a = server.extend("notes", "a")
  const b = server.join("notes")
  type(a, 0, 2)
  b.leaves()
  assert.equal(row(server, "notes")?.revision, 0, "someone is still there")
  a.leaves()
  assert.deepEqual(row(server, "notes"), { text: "xx", revision: 2 })
  server.store.prepare("UPDATE document SET text = 'untouched'").run()
  server.pass(minute)
  server.join("notes").leaves()
  assert.equal(row(server, "notes")?.text, "untouched", "it was not written again")
})

test("DC9 coming, editing, leaving and writing over HTTP are use, reading over HTTP is not", async (t) => {
  const server = pad(t)
  const week = 7 * 24 * 60 * minute
  const usedAt = async () => {
    const { body = "" } = await server.request("GET", "/api/document/notes")
    return Date.parse(JSON.parse(body).expires_at) - week
  }
  const stored = () =>
    server.store.prepare<{ at: number }>("SELECT accessed_at AS at FROM document").get()?.at
  const a = server.extend("notes", "a")
  const uses: readonly [string, () => unknown][] = [
    ["an edit", () => type(a, 0)],
    ["a write", () => server.request("PUT", "/api/text/notes", { body: "xy" })],
    ["one that comes", () => server.extend("notes", "b")],
    ["one that leaves", () => a.leaves()],
  ]
  for (const [what, use] of uses) {
    server.pass(minute)
    await use()
    assert.equal(await usedAt(), server.now, what)
  }
  const last = server.now
  server.pass(minute)
  assert.equal(await server.text("notes"), "xy")
  assert.equal(await usedAt(), last, "a text that is read")
  for (const far of [...server.far]) far.leaves()
  assert.deepEqual([await usedAt(), stored()], [server.now, server.now], "the last one that leaves")
})

test("DC22 a document that was never edited is never stored, and forgotten after a minute", async (t) => {
  const server = pad(t)
  const a = server.join("notes")
  a.says({ SetLanguage: "go" })
  a.leaves()
  assert.equal(server.service.stats().num_documents, 1)
  server.pass(59 * second)
  assert.equal(server.service.stats().num_documents, 1)
  server.pass(second)
  assert.equal(server.service.stats().num_documents, 0)
  assert.equal(row(server, "notes"), undefined)
})

test("DC22 of more than 10,000 never edited documents the oldest are forgotten", (t) => {
  const server = pad(t, { settings: { joinsPerMinute: 1e9 } })
  for (let index = 0; index < 10_003; index += 1) {
    server.join(`doc ${index}`, { address: `192.0.2.${Math.floor(index / 100)}` })
  }
  for (const far of [...server.far]) far.ended = { code: "left", sentence: "" }
  server.turn()
  server.tick()
  assert.equal(server.service.stats().num_documents, 10_000)
  // Whoever comes to one that was forgotten is its first editor again.
  const identity = (id: string) => server.join(id, { address: "192.0.2.200" }).all("Identity")
  assert.deepEqual([identity("doc 3"), identity("doc 2")], [[1], [0]])
})

test("DC7 DC20 joining an idle document reads nothing from the database", (t) => {
  const server = pad(t)
  const a = server.extend("notes", "a")
  type(a, 0, 2)
  a.leaves()
  server.store.prepare("ALTER TABLE document RENAME TO hidden").run()
  const b = server.extend("notes", "b")
  assert.equal((b.all("Welcome")[0] as { text: string }).text, "xx")
  server.store.prepare("ALTER TABLE hidden RENAME TO document").run()
})

test("DC8 a read that fails is told, and never taken for an empty document", (t) => {
  const server = pad(t)
  type(server.extend("notes", "a"), 0)
  server.store.prepare("ALTER TABLE document RENAME TO hidden").run()
  const refusal = server.refusal("cold")
  assert.deepEqual([refusal?.code, refusal?.message], ["unavailable", "store away"])
  server.store.prepare("ALTER TABLE hidden RENAME TO document").run()
  assert.equal(server.refusal("cold"), undefined)
})

test("DC23 DC24 an unused document leaves memory, one with someone in it never does", async (t) => {
  const server = onFile(t, { expiryMs: 60 * minute, cleanupMs: 10 * minute })
  const a = server.extend("left", "a")
  type(a, 0, 3)
  a.leaves()
  type(server.extend("used", "b"), 0, 1)
  server.passHours(3)
  assert.equal(server.service.stats().num_documents, 1)
  assert.equal(server.service.stats().database_size, 2)
  assert.equal(await server.text("left"), "xxx", "R14: with a database it is still there")
  const back = server.extend("left", "a")
  assert.equal((back.all("Welcome")[0] as { text: string }).text, "xxx")
})

test("DC25 idle documents are evicted early when they take too much memory", (t) => {
  const server = pad(t, { settings: { idleBytes: 500_000, textLimit: 100_000 } })
  for (let index = 0; index < 10; index += 1) {
    const a = server.extend(`doc ${index}`, "a")
    a.edits(0, ["x".repeat(20_000)], 1)
    a.leaves()
  }
  server.pass(second)
  const kept = server.service.stats().num_documents
  assert.ok(kept >= 3 && kept <= 6, `${kept}`)
  // Without its table only what is in memory can be joined.
  server.store.prepare("ALTER TABLE document RENAME TO hidden").run()
  const isKept = (index: number) => server.refusal(`doc ${index}`) === undefined
  const found = Array.from({ length: 10 }, (_, index) => isKept(index))
  assert.deepEqual(found, [...Array(10 - kept).fill(false), ...Array(kept).fill(true)])
  server.store.prepare("ALTER TABLE hidden RENAME TO document").run()
})

test("DC25 after ten idle minutes a document keeps only its text, and resuming reads the rest", async (t) => {
  const server = onFile(t)
  const a = server.extend("notes", "a")
  const { epoch } = a.all("Welcome")[0] as { epoch: string }
  type(a, 0, 30)
  a.leaves()
  const before = await metric(server, "quartet_documents_idle_bytes")
  server.pass(10 * minute)
  const after = await metric(server, "quartet_documents_idle_bytes")
  assert.ok(after < before, `${after} < ${before}`)
  const resume = { epoch, revision: 10, seq: null, age: 0, pending: false }
  const b = server.extend("notes", "b", { resume })
  assert.equal((b.all("History")[0] as { operations: [] }).operations.length, 20)
})

test("DC27 unused for RETENTION_DAYS a document is deleted, one in use never", (t) => {
  const server = onFile(t, { retentionDays: 10, expiryMs: 60 * minute })
  const a = server.extend("left", "a")
  type(a, 0)
  a.leaves()
  const used = server.extend("used", "b")
  type(used, 0)
  const { expires_at } = used.all("Welcome")[0] as { expires_at: string }
  assert.equal(Date.parse(expires_at), server.now + 10 * 86_400_000)
  const sql = "SELECT count(*) AS count FROM history WHERE document = 'left'"
  const past = () => server.store.prepare<{ count: number }>(sql).get()?.count
  server.passHours(10 * 24 - 2)
  assert.deepEqual([row(server, "left")?.text, past()], ["x", 1])
  server.passHours(4)
  assert.deepEqual([row(server, "left"), past()], [undefined, 0])
  assert.equal(row(server, "used")?.text, "x")
})

test("DC28 DC29 a document whose row another program deleted is killed, and not written back", async (t) => {
  const server = onFile(t)
  const a = server.extend("notes", "a")
  const b = server.join("notes")
  type(a, 0)
  server.store.prepare("DELETE FROM document").run()
  server.pass(20 * second)
  assert.deepEqual([a.endedWith, b.endedWith], ["deleted", "deleted"])
  server.pass(minute)
  assert.equal(row(server, "notes"), undefined)
  assert.equal(server.service.stats().num_documents, 0)
  const c = server.extend("notes", "a")
  assert.equal((c.all("Welcome")[0] as { fresh: boolean }).fresh, true)
})
