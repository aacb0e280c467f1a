/** The life of a document, who may reach it, and how a crowd is served: on the real service and shelf. */
import assert from "node:assert/strict"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { type FarEnd, folder, type Pad, pad } from "./far-end.ts"

const second = 1_000

function onFile(t: TestContext): { server: Pad; uri: string } {
  const uri = join(folder(t), "pad.db")
  return { server: pad(t, { uri }), uri }
}

/** Sets an OTP as the page does, with the cookie of the handshake. */
async function protect(server: Pad, editor: { user: number; cookie: string }): Promise<string> {
  const request = server.request("POST", "/api/document/notes/protect", {
    cookies: { quartet_editor: editor.cookie },
    body: JSON.stringify({ user_id: editor.user, user_name: "Ada" }),
  })
  await server.durable()
  const { status, body = "" } = await request
  assert.equal(status, 200, body)
  return (JSON.parse(body) as { otp: string }).otp
}

/** Makes every read of the database throw, as a broken disk would. */
function breakReads(server: Pad): void {
  server.store.prepare("ALTER TABLE document RENAME TO away").run()
}

test("DC18 DC19 DC20 a document is saved while someone is in it, and costs nothing when idle", (t) => {
  const { server } = onFile(t)
  const rows = () =>
    server.store.prepare<{ revision: number }>("SELECT revision FROM document").all()
  const saved = () => rows()[0]?.revision
  const a = server.join("notes")
  const b = server.join("notes")
  a.edits(0, ["x"])
  server.pass(45 * second)
  assert.equal(saved(), 1, "hot: saved when typing has stopped")
  a.leaves()
  b.edits(1, [1, "y"])
  server.pass(second)
  assert.equal(saved(), 1, "still hot, by the one who is left")
  b.leaves()
  assert.equal(saved(), 2, "idle: saved when the last one left")
  const changes = server.store.prepare<{ n: number }>("SELECT total_changes() AS n")
  const before = changes.get()?.n
  server.pass(600 * second)
  assert.equal(changes.get()?.n, before, "idle: nothing is written any more")
  const c = server.join("notes")
  assert.equal(c.all("History").length, 1)
})

test("DC4 of a document in memory the OTP is compared in memory", async (t) => {
  const { server } = onFile(t)
  const cookie = "c".repeat(22)
  server.join("notes", { cookie })
  const otp = await protect(server, { user: 0, cookie })
  breakReads(server)
  assert.equal(server.refusal("notes")?.code, "unauthenticated")
  assert.equal(server.refusal("notes", { otp: "wrong" })?.code, "unauthenticated")
  assert.equal(server.refusal("notes", { otp }), undefined)
})

test("DC88 DC84 DC85 K5 K7 an OTP leaves those who are here, and is asked for at the next join", async (t) => {
  const { server } = onFile(t)
  const cookie = "c".repeat(22)
  const a = server.join("notes", { cookie })
  const b = server.join("notes")
  a.edits(0, ["x"])
  const otp = await protect(server, { user: 0, cookie })
  const told = { otp, user_id: 0, user_name: "Ada" }
  for (const far of [a, b]) {
    assert.deepEqual(far.all("OTP"), [told])
    assert.equal(far.ended, undefined)
  }
  b.edits(1, [1, "y"])
  assert.equal(a.all("History").length, 2, "b goes on without it")
  assert.equal(server.refusal("notes")?.code, "unauthenticated")
  assert.equal(server.refusal("notes", { otp: `${otp}x` })?.code, "unauthenticated")
  assert.equal(server.refusal("notes", { otp }), undefined)
  assert.equal(server.refusal("notes", { protocols: [`otp.${otp}`] }), undefined)
  const removal = (asked: string) =>
    server.request("DELETE", "/api/document/notes/protect", {
      cookies: { quartet_editor: cookie },
      body: JSON.stringify({ user_id: 0, user_name: "Ada", otp: asked }),
    })
  assert.deepEqual(await removal("wrong"), { status: 403, body: "Forbidden: invalid OTP" })
  const removed = removal(otp)
  await server.durable()
  assert.equal((await removed).status, 204)
  assert.deepEqual(b.all("OTP").at(-1), { otp: null, user_id: 0, user_name: "Ada" })
  assert.equal(server.refusal("notes"), undefined)
})

test("DC5 DC3 K6 of a cold document only the OTP is read, and whoever is refused leaves nothing", async (t) => {
  const { server, uri } = onFile(t)
  const cookie = "c".repeat(22)
  const a = server.join("notes", { cookie })
  a.edits(0, ["x"])
  const otp = await protect(server, { user: 0, cookie })
  server.stop()
  const again = pad(t, { uri })
  for (let n = 0; n < 1_000; n++) {
    const refused = again.refusal("notes", { address: `198.51.100.${n % 250}` })
    assert.equal(refused?.message, "Invalid or missing OTP")
  }
  assert.equal(again.service.health().documents, 0)
  const lines = again.log.filter(({ event }) => event === "otp refused")
  assert.ok(lines.length > 0 && lines.length <= 20)
  assert.doesNotMatch(JSON.stringify(lines), /notes/)
  assert.equal(again.refusal("notes", { otp }), undefined)
})

test("DC86 DC85 protecting wants the proof of being connected, not just a user id", async (t) => {
  const { server } = onFile(t)
  const cookie = "c".repeat(22)
  server.join("notes", { cookie })
  const other = server.extend("notes", "b", {}, { cookie: "d".repeat(22) })
  const ask = (user_id: number, more: Parameters<Pad["request"]>[2]) =>
    server.request("POST", "/api/document/notes/protect", {
      body: JSON.stringify({ user_id, user_name: "Ada" }),
      ...more,
    })
  const stranger = { status: 403, body: "Forbidden: not connected to document" }
  assert.deepEqual(await ask(0, {}), stranger)
  assert.deepEqual(await ask(0, { cookies: { quartet_editor: "d".repeat(22) } }), stranger)
  assert.deepEqual(await ask(7, { cookies: { quartet_editor: cookie } }), stranger)
  const { secret } = other.all("Welcome")[0] as { secret: string }
  assert.deepEqual(await ask(0, { headers: { authorization: `Bearer ${secret}` } }), stranger)
  const own = ask(1, { headers: { authorization: `Bearer ${secret}` } })
  await server.durable()
  assert.equal((await own).status, 200)
})

test("DC87 K12 in memory mode nothing can be protected", async (t) => {
  const server = pad(t)
  const cookie = "c".repeat(22)
  server.join("notes", { cookie })
  const answer = await server.request("POST", "/api/document/notes/protect", {
    cookies: { quartet_editor: cookie },
    body: JSON.stringify({ user_id: 0, user_name: "Ada" }),
  })
  assert.deepEqual(answer, { status: 503, body: "database not enabled" })
})

test("DC53 a crowded document gathers its edits, one with few editors tells each at once", (t) => {
  const server = pad(t, { settings: { joinsPerMinute: 1e9 } })
  const crowd: FarEnd[] = []
  for (let n = 0; n < 250; n++) crowd.push(server.join("crowd"))
  const [writer] = crowd
  const few = server.join("few")
  assert.ok(writer)
  const heard = () => writer.all("History").length
  writer.edits(0, ["x"])
  assert.equal(heard(), 1, "after a pause an edit is told at once")
  writer.edits(1, [1, "y"])
  writer.edits(2, [2, "z"])
  few.edits(0, ["x"])
  few.edits(1, [1, "y"])
  assert.equal(few.all("History").length, 2, "nobody else waits")
  assert.equal(heard(), 1, "the next ones are gathered")
  server.pass(10)
  assert.equal(heard(), 1)
  server.pass(10)
  assert.equal(heard(), 2, "for 20 ms with 250 editors")
  const last = writer.all("History").at(-1) as { start: number; operations: unknown[] }
  assert.deepEqual([last.start, last.operations.length], [1, 2])
  assert.equal(new Set(crowd.map(({ sent }) => sent.at(-1))).size, 1, "one object for all")
})
