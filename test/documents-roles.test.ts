/** What each role may do, and for how long a document is kept for those who say so. */
import assert from "node:assert/strict"
import { join as joinPath } from "node:path"
import { type TestContext, test } from "node:test"
import { folder, type Pad, pad } from "./far-end.ts"
import { Owner, welcomed } from "./owner.ts"

const hour = 3_600_000
const day = 24 * hour

function onFile(t: TestContext, settings = {}): Pad {
  return pad(t, { uri: joinPath(folder(t), "pad.db"), settings })
}

test("DC91 a role is told, and OTP and its changes to the full one only", async (t) => {
  const server = onFile(t)
  const owner = new Owner(server, "notes")
  const links = { edit: await owner.link(), read: await owner.link({ role: "read" }) }
  const { body = "" } = await owner.asks("POST", "protect", { user_name: "Ada" })
  const { otp } = JSON.parse(body)
  for (const [role, { link }] of Object.entries(links)) {
    const guest = server.extend(link, `g-${role}`)
    const plain = server.join(link)
    const { otp: toldOtp, role: toldRole } = welcomed(guest)
    assert.deepEqual([toldRole, toldOtp], [role, undefined])
    const { body = "" } = await server.request("GET", `/api/document/${link}`)
    assert.partialDeepStrictEqual(JSON.parse(body), { role, protected: true })
    await owner.asks("POST", "protect", { user_name: "Ada" })
    assert.deepEqual([guest.all("OTP"), plain.all("OTP")], [[], []])
    assert.deepEqual(guest.all("Access"), [{ protected: true, expires_at: null }])
  }
  assert.equal(owner.far.all("OTP").length, 3)
  assert.equal(owner.far.endedWith, undefined)
  assert.equal(server.refusal("notes", { otp })?.code, "unauthenticated", "it was changed since")
})

test("DC92 an editor that may only read changes nothing, and may say who and where it is", async (t) => {
  const server = onFile(t)
  const owner = new Owner(server, "notes")
  owner.far.edits(0, ["hello"], 1)
  const { link } = await owner.link({ role: "read" })
  const r = server.extend(link, "r")
  r.news()
  const refused = { code: "read-only", message: "this link lets you read only", revision: 1 }
  r.edits(1, [5, "!"], 1)
  r.says({ SetLanguage: "go" })
  assert.deepEqual(r.news(), [
    { Error: { ...refused, seq: 1, retry: false } },
    { Error: { ...refused, retry: false } },
  ])
  for (let count = 2; count < 40; count += 1) r.edits(1, [5, "!"], count)
  assert.equal(r.endedWith, undefined, "it is no fault")
  r.says({ ClientInfo: { name: "Rosa", hue: 3 } })
  r.says({ CursorData: { cursors: [2], selections: [], revision: 1 } })
  server.pass(100)
  assert.deepEqual(owner.far.all("UserInfo").at(-1), { id: 1, info: { name: "Rosa", hue: 3 } })
  assert.equal(owner.far.all("Cursors").length, 1)
  for (const message of [{ Edit: { revision: 1, operation: [5] } }, { SetLanguage: "go" }]) {
    const plain = server.join(link)
    plain.says(message)
    assert.equal(plain.endedWith, "forbidden")
  }
  const { body = "" } = await server.request("GET", "/api/document/notes")
  assert.partialDeepStrictEqual(JSON.parse(body), { revision: 1, language: null })
  const edit = server.extend((await owner.link()).link, "e")
  edit.edits(1, [5, "!"], 1)
  edit.says({ SetLanguage: "go" })
  assert.equal(await server.text("notes"), "hello!")
  assert.deepEqual(owner.far.all("Language").length, 1)
})

test("DC27 editors say for how long a document is kept, whatever the server's days are", async (t) => {
  const uri = joinPath(folder(t), "pad.db")
  const before = pad(t, { uri, settings: { retentionDays: 10 } })
  const owners = ["short", "long", "back"].map((id) => new Owner(before, id))
  const [short, long, back] = owners
  const link = await short?.link({ role: "read", expires_in_hours: 2 * 24 })
  before.tick()
  const guest = before.extend(link?.link ?? "", "guest")
  assert.equal(welcomed(guest).expires_at, link?.expires_at)
  const used = before.now
  const answered = await short?.asks("PUT", "retention", { days: 1 })
  const ends = (days: number) => new Date(used + days * day).toISOString()
  assert.deepEqual([answered?.status, answered?.body], [200, `{"expires_at":"${ends(1)}"}`])
  assert.deepEqual(short?.far.all("Access"), [{ protected: false, expires_at: ends(1) }])
  assert.deepEqual(guest.all("Access"), [{ protected: false, expires_at: ends(1) }])
  await short?.asks("PUT", "retention", { days: 5 })
  assert.equal(short?.far.all("Access").length, 2)
  const linkEnds = welcomed(guest).expires_at
  assert.deepEqual(guest.all("Access").at(-1), { protected: false, expires_at: linkEnds })
  await long?.asks("PUT", "retention", { days: 3_650 })
  await back?.asks("PUT", "retention", { days: 1 })
  await back?.asks("PUT", "retention", { days: null })
  for (const owner of owners) owner.far.edits(0, [owner.id], 1)
  before.stop()
  const now = before.now + 7 * day
  const server = pad(t, { uri, now, settings: { retentionDays: 10, expiryMs: hour } })
  server.passHours(1.1)
  const texts = async () => Promise.all(owners.map(({ id }) => server.text(id)))
  assert.deepEqual(await texts(), ["", "long", "back"])
  server.passHours(24 * 4)
  assert.deepEqual(await texts(), ["", "long", ""])
})

test("DC27 a number of days is 1 to 3,650, and needs a database", async (t) => {
  const server = onFile(t)
  const owner = new Owner(server, "notes")
  for (const days of [0, 3_651, 1.5, "7", undefined]) {
    const { status, body } = await owner.asks("PUT", "retention", { days })
    const sentence = 'expected {"user_id":3,"days":1 to 3650 or null}'
    assert.deepEqual([status, body], [400, sentence])
  }
  const never = await owner.asks("PUT", "retention", { days: null })
  assert.deepEqual([never.status, never.body], [200, '{"expires_at":null}'])
  const inMemory = new Owner(pad(t), "notes")
  const { status, body } = await inMemory.asks("PUT", "retention", { days: 7 })
  assert.deepEqual([status, body], [503, "database not enabled"])
})
