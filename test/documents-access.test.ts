/** Who may come to a document, how often, and who may protect it. */
import assert from "node:assert/strict"
import { join as joinPath } from "node:path"
import { type TestContext, test } from "node:test"
import { type Asked, type FarEnd, folder, type Pad, pad } from "./far-end.ts"

function onFile(t: TestContext, settings = {}): Pad {
  return pad(t, { uri: joinPath(folder(t), "pad.db"), settings })
}

function secretOf(far: FarEnd): string {
  return (far.all("Welcome")[0] as { secret: string }).secret
}

/** What a request to set or remove an OTP brings. */
function by(user: number, more: Partial<Asked> & { otp?: string } = {}): Partial<Asked> {
  const { otp, ...rest } = more
  const body = { user_id: user, user_name: "Pat", ...(otp === undefined ? {} : { otp }) }
  return { ...rest, body: JSON.stringify(body) }
}

/** The answer to one that waits for the disk. */
async function settled<T>(server: Pad, answer: Promise<T>): Promise<T> {
  await server.durable()
  return answer
}

/** Protects `id` by a plain editor that then leaves, and gives the OTP. */
async function protect(server: Pad, id: string): Promise<string> {
  const owner = server.join(id, { cookie: "c".repeat(22), address: "192.0.2.99" })
  const [identity] = owner.all("Identity")
  const cookies = { quartet_editor: "c".repeat(22) }
  const path = `/api/document/${id}/protect`
  const asked = server.request("POST", path, by(Number(identity), { cookies }))
  const { body = "" } = await settled(server, asked)
  owner.leaves()
  return JSON.parse(body).otp
}

test("DC1 DC2 an id is 1 to 128 code points without controls, and nothing else", (t) => {
  const server = pad(t)
  const why = (id: string) => {
    const refusal = server.refusal(id)
    return refusal && `${refusal.code}: ${refusal.message}`
  }
  assert.equal(why(""), "bad-message: document ID required", "K13")
  for (const bad of [
    "x".repeat(129),
    "a\nb",
    "a\u0000",
    "\u0085",
    "\ud83c",
    "~link",
    "🎉".repeat(129),
  ]) {
    assert.equal(why(bad), "bad-message: bad document ID")
  }
  for (const good of [
    "a",
    "x".repeat(128),
    "🎉".repeat(128),
    "a/b c?d#e",
    "__proto__",
    "..",
    "é",
  ]) {
    assert.equal(why(good), undefined)
  }
})

test("DC2 ids are compared exactly", async (t) => {
  const server = pad(t)
  server.join("é").edits(0, ["composed"])
  server.join("É").edits(0, ["large"])
  server.join("e\u0301").edits(0, ["decomposed"])
  assert.equal(await server.text("é"), "composed")
  assert.equal(await server.text("e\u0301"), "decomposed")
})

test("DC3 DC4 DC6 K5 a protected document is reached with its OTP only, also when cold", async (t) => {
  const uri = joinPath(folder(t), "pad.db")
  const server = pad(t, { uri })
  const otp = await protect(server, "notes")
  assert.match(otp, /^[\w-]{12}$/)
  // One of its characters only: an OTP without a small letter is its own upper case.
  const oneOff = `${otp[0] === "A" ? "B" : "A"}${otp.slice(1)}`
  const check = (at: Pad) => {
    for (const wrong of [undefined, "", "wrong", `${otp}x`, otp.slice(1), oneOff]) {
      const refusal = at.refusal("notes", wrong === undefined ? {} : { otp: wrong })
      assert.deepEqual(
        [refusal?.code, refusal?.message],
        ["unauthenticated", "Invalid or missing OTP"],
      )
    }
    assert.equal(at.refusal("notes", { otp }), undefined, "as a query parameter")
    assert.equal(at.refusal("notes", { protocols: [`otp.${otp}`] }), undefined)
    const both = ["quartet-documents-1", `otp.${otp}`]
    assert.equal(at.refusal("notes", { protocols: both }), undefined, "as a subprotocol")
  }
  check(server)
  assert.equal(server.service.stats().num_documents, 1)
  // In memory it is compared in memory: no table is looked at.
  server.store.prepare("ALTER TABLE document RENAME TO hidden").run()
  assert.equal(server.refusal("notes", { otp: "wrong" })?.code, "unauthenticated", "DC4")
  assert.equal(server.refusal("notes", { otp }), undefined)
  server.store.prepare("ALTER TABLE hidden RENAME TO document").run()
  server.stop()
  check(pad(t, { uri }))
})

test("DC5 a thousand refused attempts on cold documents leave none in memory", async (t) => {
  const uri = joinPath(folder(t), "pad.db")
  const before = pad(t, { uri, settings: { joinsPerMinute: 1e9 } })
  for (let index = 0; index < 1_000; index += 1) {
    before.join(`doc ${index}`, { address: `192.0.2.${index % 250}` }).edits(0, ["secret"])
  }
  before.stop()
  const server = pad(t, { uri })
  server.store.prepare("UPDATE document SET otp = 'x'").run()
  // Nothing but the OTP is read: a text that cannot be read is no obstacle.
  server.store.prepare("ALTER TABLE author RENAME TO hidden").run()
  for (let index = 0; index < 1_000; index += 1) {
    const refusal = server.refusal(`doc ${index}`, { address: `198.51.100.${index}`, otp: "wrong" })
    assert.equal(refusal?.code, "unauthenticated")
  }
  assert.equal(server.service.stats().num_documents, 0)
})

test("DC3 DC107 refusals are logged ten times a second, without token or id", async (t) => {
  const server = onFile(t)
  const otp = await protect(server, "my-secret-id")
  const before = server.log.length
  for (let index = 0; index < 50; index += 1) {
    server.refusal("my-secret-id", { address: `198.51.100.${index}`, otp: "my-wrong-token" })
  }
  const lines = server.log.slice(before).filter(({ event }) => event === "otp refused")
  assert.equal(lines.length, 10)
  const all = JSON.stringify(server.log) + (await server.metrics.text())
  for (const word of ["my-secret-id", "my-wrong-token", otp]) assert.ok(!all.includes(word))
})

test("DC107 neither log nor metrics hold a text, a name, a client key or a cookie", async (t) => {
  const server = onFile(t)
  const x = server.extend(
    "id-word",
    "key-word-key-wor",
    { name: "name-word", hue: 1 },
    { cookie: "cookie-word" },
  )
  x.edits(0, ["text-word"], 1)
  x.utters("{broken-word")
  x.says({ SetLanguage: "language-word" })
  server.store.prepare("ALTER TABLE journal RENAME TO hidden").run()
  x.edits(1, ["more-word", 9], 2)
  server.pass(5_000)
  server.service.stop()
  assert.ok(server.log.length > 0)
  const all = JSON.stringify(server.log) + (await server.metrics.text())
  assert.doesNotMatch(all, /-word/)
})

test("DC17 at MAX_EDITORS a further one is refused, joined or not", (t) => {
  const server = pad(t, { settings: { editorLimit: 3 } })
  const first = server.join("notes")
  server.join("notes", { protocols: ["quartet-documents-1"] })
  server.extend("notes", "x")
  const refusal = server.refusal("notes")
  assert.deepEqual([refusal?.code, refusal?.message], ["too-many", "too many editors"])
  assert.equal(server.refusal("other"), undefined)
  first.leaves()
  assert.equal(server.refusal("notes"), undefined)
})

test("DC104 an address has so many joins, wrong tokens and new documents in a minute", async (t) => {
  const server = onFile(t, { joinsPerMinute: 20 })
  const otp = await protect(server, "locked")
  server.pass(60_000)
  const why = (id: string, address: string, otp?: string) =>
    server.refusal(id, { address, ...(otp === undefined ? {} : { otp }) })?.code
  for (let count = 0; count < 20; count += 1) assert.equal(why("open", "a"), undefined)
  assert.equal(why("open", "a"), "flooding")
  assert.equal(why("open", "b"), undefined, "another address")
  for (let count = 0; count < 10; count += 1)
    assert.equal(why("locked", "c", "x"), "unauthenticated")
  assert.equal(why("locked", "c", otp), "flooding", "also with the right one")
  assert.equal(why("open", "c"), undefined, "nothing else is refused")
  for (let count = 0; count < 15; count += 1) assert.equal(why("locked", "d"), "unauthenticated")
  assert.equal(why("locked", "d", otp), undefined, "a missing token is no try")
  server.pass(60_000)
  assert.equal(why("open", "a"), undefined)
  assert.equal(why("locked", "c", otp), undefined)
})

test("DC104 an address makes 120 new documents in a minute", (t) => {
  const server = pad(t)
  for (let count = 0; count < 120; count += 1)
    assert.equal(server.refusal(`new ${count}`), undefined)
  assert.equal(server.refusal("one more")?.code, "flooding")
  assert.equal(server.service.stats().num_documents, 120)
  assert.equal(server.refusal("new 1"), undefined, "those that are there")
})

test("DC104 an address sends 120 writing requests in a minute", async (t) => {
  const server = onFile(t)
  const status = async () => (await server.request("POST", "/api/document/x/protect", by(0))).status
  for (let count = 0; count < 120; count += 1) assert.equal(await status(), 403)
  assert.equal(await status(), 429)
})

test("DC84 DC86 K5 protecting answers the OTP when it is durable, and tells every editor", async (t) => {
  const server = onFile(t)
  const x = server.extend("notes", "x", { name: "Ada", hue: 1 })
  const a = server.join("notes")
  const rust = server.join("notes", { dialect: "rustpad" })
  x.edits(0, ["hello"], 1)
  for (const far of [x, a, rust]) far.news()
  const headers = { authorization: `Bearer ${secretOf(x)}` }
  const asked = server.request("POST", "/api/document/notes/protect", by(0, { headers }))
  const sql = "SELECT text, otp, revision FROM document"
  const row = server.store.prepare<{ text: string; otp: string; revision: number }>(sql).get()
  const waits = Symbol("waits")
  assert.equal(await Promise.race([asked, Promise.resolve(waits)]), waits, "not yet on the disk")
  const { status, body = "" } = await settled(server, asked)
  const { otp } = JSON.parse(body)
  assert.equal(status, 200)
  assert.deepEqual({ ...row }, { text: "hello", otp, revision: 1 }, "the whole row, at once")
  const told = { OTP: { otp, user_id: 0, user_name: "Ada" } }
  assert.deepEqual(a.news(), [told])
  const heard = x.news().filter((message) => !("Saved" in message))
  assert.deepEqual(heard, [told, { Access: { protected: true, expires_at: null } }])
  assert.deepEqual(rust.news(), [], "that shape has no word for it")
  const y = server.extend("notes", "y", {}, { otp })
  const welcome = y.all("Welcome")[0] as { protected: boolean; otp: string }
  assert.deepEqual([welcome.protected, welcome.otp], [true, otp])
})

test("DC86 only an open editor of that document proves it, by secret or by cookie", async (t) => {
  const server = onFile(t)
  const x = server.extend("notes", "x", {}, { cookie: "x".repeat(22) })
  const other = server.extend("other", "x", {}, { cookie: "o".repeat(22) })
  const statusOf = async (claim: Partial<Asked>) => {
    const { status, body } = await server.request("POST", "/api/document/notes/protect", claim)
    return [status, body]
  }
  const stranger = [403, "Forbidden: not connected to document"]
  const bearer = (secret: string) => ({ headers: { authorization: `Bearer ${secret}` } })
  assert.deepEqual(await statusOf(by(0)), stranger, "a user id alone can be guessed")
  assert.deepEqual(await statusOf(by(1, bearer(secretOf(x)))), stranger)
  assert.deepEqual(await statusOf(by(0, bearer(secretOf(other)))), stranger)
  assert.deepEqual(await statusOf(by(0, { cookies: { quartet_editor: "o".repeat(22) } })), stranger)
  assert.deepEqual(await statusOf(by(0, bearer(""))), stranger)
  const good = statusOf(by(0, { cookies: { quartet_editor: "x".repeat(22) } }))
  assert.equal((await settled(server, good))[0], 200)
  x.leaves()
  assert.deepEqual(await statusOf(by(0, bearer(secretOf(x)))), stranger, "it has gone")
})

test("DC85 DC88 K6 K7 the OTP goes with the right one only, and whoever is there stays", async (t) => {
  const server = onFile(t)
  const cookies = { quartet_editor: "c".repeat(22) }
  const a = server.join("notes", { cookie: "c".repeat(22) })
  a.says({ ClientInfo: { name: "Alice", hue: 1 } })
  const b = server.extend("notes", "b")
  const path = "/api/document/notes/protect"
  const open = await server.request("DELETE", path, by(0, { cookies, otp: "x" }))
  assert.deepEqual([open.status, open.body], [400, "document is not OTP-protected"])
  const first = await settled(server, server.request("POST", path, by(0, { cookies })))
  const again = await settled(server, server.request("POST", path, by(0, { cookies })))
  const [old, otp] = [first, again].map(({ body = "" }) => JSON.parse(body).otp)
  assert.notEqual(old, otp, "a new one each time")
  assert.equal(a.endedWith, undefined, "DC88")
  for (const wrong of [old, "wrong"]) {
    const { status, body } = await server.request("DELETE", path, by(0, { cookies, otp: wrong }))
    assert.deepEqual([status, body], [403, "Forbidden: invalid OTP"])
  }
  assert.equal(server.refusal("notes")?.code, "unauthenticated")
  const removed = await settled(server, server.request("DELETE", path, by(0, { cookies, otp })))
  assert.deepEqual([removed.status, removed.body], [204, undefined])
  assert.deepEqual(a.heard.at(-1), { OTP: { otp: null, user_id: 0, user_name: "Alice" } })
  assert.deepEqual(b.all("Access").at(-1), { protected: false, expires_at: null })
  assert.equal(server.refusal("notes"), undefined)
})

test("DC85 DC104 a wrong OTP that would remove one counts like any wrong token", async (t) => {
  const server = onFile(t)
  const otp = await protect(server, "notes")
  const cookies = { quartet_editor: "c".repeat(22) }
  const address = "192.0.2.7"
  const far = server.join("notes", { cookie: "c".repeat(22), otp, address })
  const asked = by(Number(far.all("Identity")[0]), { cookies, otp: "wrong", address })
  for (let tries = 1; tries <= 10; tries += 1) {
    assert.equal(server.refusal("notes", { otp, address }), undefined, `after ${tries - 1}`)
    await server.request("DELETE", "/api/document/notes/protect", asked)
  }
  assert.equal(server.refusal("notes", { otp, address })?.code, "flooding")
  assert.equal(server.refusal("notes", { otp }), undefined, "another address")
})

test("DC76 DC84 after an OTP change the saver rests for two seconds", async (t) => {
  const server = onFile(t)
  const a = server.join("notes", { cookie: "c".repeat(22) })
  const cookies = { quartet_editor: "c".repeat(22) }
  const asked = server.request("POST", "/api/document/notes/protect", by(0, { cookies }))
  await settled(server, asked)
  assert.equal(a.endedWith, undefined)
  assert.equal(server.service.stats().database_size, 1, "stored although never edited")
})

test("DC87 K12 in memory mode nothing is protected", async (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  const headers = { authorization: `Bearer ${secretOf(x)}` }
  for (const method of ["POST", "DELETE"]) {
    const claim = by(0, { headers, otp: "x" })
    const { status, body } = await server.request(method, "/api/document/notes/protect", claim)
    assert.deepEqual([status, body], [503, "database not enabled"])
  }
})

test("DC84 an OTP that cannot be written is refused, and the old one stands", async (t) => {
  const server = onFile(t)
  const otp = await protect(server, "notes")
  const x = server.extend("notes", "x", {}, { otp })
  server.store
    .prepare("CREATE TRIGGER full BEFORE UPDATE ON document BEGIN SELECT raise(ABORT, 'no'); END")
    .run()
  const headers = { authorization: `Bearer ${secretOf(x)}` }
  const claim = by(Number((x.all("Welcome")[0] as { id: number }).id), { headers })
  const { status, body } = await server.request("POST", "/api/document/notes/protect", claim)
  assert.deepEqual([status, body], [503, "store away"])
  assert.equal(server.refusal("notes", { otp }), undefined)
  assert.deepEqual(x.all("OTP"), [])
})

test("DC22 DC23 a protected document that was never edited is kept, and cold again after expiry", async (t) => {
  const server = onFile(t, { expiryMs: 3_600_000, cleanupMs: 600_000 })
  const otp = await protect(server, "notes")
  server.passHours(3)
  assert.equal(server.service.stats().num_documents, 0)
  assert.equal(server.refusal("notes")?.code, "unauthenticated", "K6")
  assert.equal(server.refusal("notes", { otp }), undefined)
})
