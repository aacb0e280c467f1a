/** Programs that write a text over HTTP, while others type. */
import assert from "node:assert/strict"
import { join } from "node:path"
import { test } from "node:test"
import type { Component } from "../src/ot/operation.ts"
import type { HttpAnswer } from "../src/service.ts"
import { type Asked, type FarEnd, folder, type Pad, pad } from "./far-end.ts"
import { startServer } from "./harness.ts"
import { fillDisk } from "./shelf-world.ts"

const path = "/api/text/notes"

function put(server: Pad, body: string, headers = {}, more: Partial<Asked> = {}) {
  return server.request("PUT", path, { body, headers, ...more })
}

function patch(server: Pad, body: object, headers = {}) {
  return server.request("PATCH", path, { body: JSON.stringify(body), headers })
}

async function etag(server: Pad): Promise<string> {
  return (await server.request("GET", path)).headers?.["etag"] ?? ""
}

function revisionOf({ status, body = "" }: HttpAnswer): number {
  assert.equal(status, 200, body)
  return JSON.parse(body).revision
}

/** The texts of the operations that a far end was told, with their authors. */
function told(far: FarEnd): readonly unknown[] {
  return far.all("History").flatMap((history) => (history as { operations: unknown[] }).operations)
}

test("DC94 makes the text equal to the body by the smallest edit, and says where that led", async (t) => {
  const server = pad(t)
  const ada = server.extend("notes", "ada")
  ada.edits(0, ["one\ntwo 🎉\nthree\n"], 1)
  const answer = await put(server, "one\n2 🎉\nthree\nfour\n")
  assert.equal(revisionOf(answer), 2)
  assert.equal(answer.headers?.["etag"], await etag(server))
  assert.equal(await server.text("notes"), "one\n2 🎉\nthree\nfour\n")
  assert.deepEqual(told(ada).at(-1), { id: 1, operation: [4, "2", -3, 8, "\nfour", 1] })
  assert.deepEqual(ada.all("UserCursor").length + ada.all("UserInfo").length, 0)
})

test("DC94 cursors and what others type at the same time stay", async (t) => {
  const server = pad(t)
  const ada = server.extend("notes", "ada")
  const bob = server.extend("notes", "bob")
  ada.edits(0, ["head\nbody\n"], 1)
  ada.says({ CursorData: { cursors: [9], selections: [[5, 9]], revision: 1 } })
  await put(server, "HEAD\nbody\n")
  // Bob did not know of it yet.
  bob.edits(1, [9, "!", 1], 1)
  assert.equal(await server.text("notes"), "HEAD\nbody!\n")
  const cid = server.extend("notes", "cid")
  const { users } = cid.all("Welcome")[0] as { users: { id: number; cursors: number[] }[] }
  assert.deepEqual(users.find(({ id }) => id === 0)?.cursors, [9])
  assert.deepEqual(users.map(({ id }) => id).sort(), [0, 1], "the program has no cursor")
})

test("DC94 with If-Match of an older revision the difference is merged with what came since", async (t) => {
  const server = pad(t)
  const ada = server.extend("notes", "ada")
  ada.edits(0, ["- [ ] milk\n- [ ] eggs\n"], 1)
  const known = await etag(server)
  ada.edits(1, [22, "- [ ] tea\n"], 2)
  const answer = await put(server, "- [x] milk\n- [ ] eggs\n", { "if-match": known })
  assert.equal(revisionOf(answer), 3)
  assert.equal(await server.text("notes"), "- [x] milk\n- [ ] eggs\n- [ ] tea\n")
  const weak = await put(server, "same", { "if-match": `"other.1", W/${await etag(server)}` })
  assert.equal(revisionOf(weak), 4)
  assert.equal(await server.text("notes"), "same")
  await put(server, "any", { "if-match": "*" })
  assert.equal(await server.text("notes"), "any")
})

test("DC94 a revision that memory has let go of is still merged, from the disk", async (t) => {
  const server = pad(t, {
    uri: join(folder(t), "pad.db"),
    settings: { windowOperations: 5 },
  })
  const ada = server.extend("notes", "ada")
  for (let n = 0; n < 20; n += 1)
    ada.edits(n, [n, "abcdefghijklmnopqrst"[n] ?? ""].slice(+(n < 1)), n + 1)
  const { epoch } = ada.all("Welcome")[0] as { epoch: string }
  ada.leaves()
  const answer = await put(server, "ABC", { "if-match": `"${epoch}.3"` })
  assert.equal(revisionOf(answer), 21)
  assert.equal(await server.text("notes"), "ABCdefghijklmnopqrst")
})

test("DC94 If-Match of what cannot be reached is 412, and nothing changes", async (t) => {
  const server = pad(t)
  const ada = server.extend("notes", "ada")
  ada.edits(0, ["text"], 1)
  const { epoch } = ada.all("Welcome")[0] as { epoch: string }
  for (const mark of [`"${epoch}.2"`, '"other.1"', `"${epoch}"`, "nonsense", "", `${epoch}.1`]) {
    const { status } = await put(server, "x", { "if-match": mark })
    assert.equal(status, 412, mark)
  }
  const stale = await patch(server, { append: "x" }, { "if-match": `"${epoch}.0"` })
  assert.equal(stale.status, 412)
  assert.equal(await server.text("notes"), "text")
  assert.equal(revisionOf(await patch(server, { append: "!" }, { "if-match": `"${epoch}.1"` })), 2)
})

test("DC94 who read an unknown document as empty merges with what was begun since", async (t) => {
  const server = pad(t)
  const known = await etag(server)
  assert.equal(known, '"new.0"')
  server.join("notes").edits(0, ["theirs"])
  await put(server, "mine, ", { "if-match": known })
  assert.equal(await server.text("notes"), "mine, theirs")
})

test("DC95 append adds at the end, and find replaces the first or all", async (t) => {
  const server = pad(t)
  assert.equal(revisionOf(await patch(server, { append: "a 😀 b" })), 1)
  assert.equal(revisionOf(await patch(server, { append: "\r\nc\rd" })), 2)
  assert.equal(await server.text("notes"), "a 😀 b\nc\nd")
  const ada = server.extend("notes", "ada")
  await patch(server, { find: "😀 b\r\nc", replace: "😀 B\nc" })
  assert.equal(await server.text("notes"), "a 😀 B\nc\nd")
  assert.deepEqual(told(ada).at(-1), { id: 3, operation: [4, "B", -1, 4] })
  await patch(server, { find: "\n", replace: " - ", all: true })
  assert.equal(await server.text("notes"), "a 😀 B - c - d")
  await patch(server, { find: " - ", replace: "" })
  assert.equal(await server.text("notes"), "a 😀 Bc - d")
  await patch(server, { find: " - ", replace: "\r\n\r" })
  assert.equal(await server.text("notes"), "a 😀 Bc\n\nd", "DC43")
  const absent = await patch(server, { find: "x", replace: "y" })
  assert.deepEqual([absent.status, absent.body], [409, "text not found"])
})

test("DC95 an operation is moved over what came since its revision", async (t) => {
  const server = pad(t, { settings: { windowOperations: 3 } })
  const ada = server.join("notes")
  ada.edits(0, ["world"])
  ada.edits(1, [5, "!"])
  const answer = await patch(server, { revision: 1, operation: ["hello ", 5] })
  assert.equal(revisionOf(answer), 3)
  assert.equal(await server.text("notes"), "hello world!")
  const ahead = await patch(server, { revision: 9, operation: ["x"] })
  assert.deepEqual([ahead.status, ahead.body], [409, "stale revision"])
  const misfit = await patch(server, { revision: 1, operation: ["x", 6] })
  assert.deepEqual(
    [misfit.status, misfit.body],
    [400, "the operation covers 6 code points, the text at 1 has 5"],
  )
})

test("DC95 what is none of the three is 400, and the sentence says what is", async (t) => {
  const server = pad(t)
  const bad: readonly (readonly [string, RegExp])[] = [
    ["", /not a JSON object/],
    ["null", /not a JSON object/],
    ["{}", /one of the fields append, find, operation/],
    ['{"append":"a","find":"b","replace":"c"}', /one of the fields/],
    ['{"append":1}', /looks like \{"append":"text"\}/],
    ['{"find":"","replace":"c"}', /not empty/],
    ['{"find":"a"}', /looks like/],
    ['{"find":"a","replace":"c","all":1}', /looks like/],
    ['{"operation":["x"]}', /looks like \{"revision":412/],
    ['{"revision":-1,"operation":["x"]}', /looks like/],
    ['{"revision":0,"operation":["\\ud83d"]}', /half of a surrogate pair/],
    ['{"append":"\\ud83d"}', /half of a surrogate pair/],
    ['{"append":"a\\u0000"}', /U\+0000/],
    ['{"find":"\\ude00","replace":"x"}', /half of a surrogate pair/],
    [`{"revision":0,"operation":[${"1,".repeat(20_000)}1]}`, /looks like/],
  ]
  await patch(server, { append: "😀" })
  for (const [body, sentence] of bad) {
    const answer = await server.request("PATCH", path, {
      body,
      address: `192.0.2.${body.length % 250}`,
    })
    assert.equal(answer.status, 400, body.slice(0, 80))
    assert.match(answer.body ?? "", sentence)
  }
  assert.equal(await server.text("notes"), "😀")
})

test("DC95 a replacement at very many places becomes one, and never more than memory holds", async (t) => {
  const server = pad(t, { settings: { textLimit: 40_000 } })
  await put(server, "ab".repeat(15_000))
  const ada = server.extend("notes", "ada")
  await patch(server, { find: "a", replace: "c", all: true })
  assert.equal(await server.text("notes"), "cb".repeat(15_000))
  const [last] = told(ada).slice(-1) as { operation: Component[] }[]
  assert.equal(last?.operation.length, 2)
  const huge = await patch(server, { find: "c", replace: "x".repeat(30_000), all: true })
  assert.equal(huge.status, 413)
  assert.match(huge.body ?? "", /450,015,000 characters; 40,000 is the limit/)
})

test("DC94 a text above the limit is 413 with both numbers, unless it was so before", async (t) => {
  const uri = join(folder(t), "pad.db")
  const before = pad(t, { uri, settings: { textLimit: 100 } })
  await put(before, "x".repeat(100))
  before.stop()
  const server = pad(t, { uri, settings: { textLimit: 10 } })
  const longer = await put(server, "y".repeat(101))
  assert.equal(longer.status, 413)
  assert.match(longer.body ?? "", /101 characters; 100 is the limit/)
  assert.equal((await patch(server, { append: "z" })).status, 413)
  assert.equal((await put(server, "y".repeat(99))).status, 200)
  assert.equal(await server.text("notes"), "y".repeat(99))
})

test("DC96 a write that comes again under its name is answered like the first", async (t) => {
  const server = pad(t)
  const once = { "idempotency-key": "log-1" }
  const first = await patch(server, { append: "line\n" }, once)
  await patch(server, { append: "other\n" })
  assert.deepEqual(await patch(server, { append: "line\n" }, once), first)
  assert.deepEqual(await put(server, "all of it", once), first)
  assert.equal(await server.text("notes"), "line\nother\n")
  assert.equal(revisionOf(await patch(server, { append: "!" }, { "idempotency-key": "log-2" })), 3)
})

test("DC96 a name outlives kill -9, also of a write that changed nothing", async (t) => {
  const uri = join(folder(t), "pad.db")
  const before = pad(t, { uri })
  const names = ["a", "b", "c"].map((name) => ({ "idempotency-key": name }))
  await put(before, "text", names[0])
  await put(before, "text", names[1])
  await put(before, "more text", names[2])
  before.close()
  const server = pad(t, { uri })
  for (const [index, name] of names.entries()) {
    const again = await put(server, "text", name)
    assert.equal(revisionOf(again), index + 1)
  }
  assert.equal(await server.text("notes"), "more text")
  assert.equal(revisionOf(await put(server, "text")), 4)
})

test("DC96 a refused write takes no name, and a name has 1 to 64 characters", async (t) => {
  const server = pad(t)
  const once = { "idempotency-key": "x".repeat(64) }
  assert.equal((await patch(server, { find: "a", replace: "b" }, once)).status, 409)
  await put(server, "a")
  assert.equal((await patch(server, { find: "a", replace: "b" }, once)).status, 200)
  for (const key of ["", "x".repeat(65)]) {
    assert.equal((await put(server, "c", { "idempotency-key": key })).status, 400)
  }
  assert.equal(await server.text("notes"), "b")
})

test("DC47 DC94 a write is answered once it is journaled: kill -9 loses none", async (t) => {
  const uri = join(folder(t), "pad.db")
  const before = pad(t, { uri })
  await put(before, "one\n")
  await patch(before, { append: "two\n" })
  before.close()
  const server = pad(t, { uri })
  assert.equal(await server.text("notes"), "one\ntwo\n")
})

test("DC51 DC94 what cannot be journaled is 503, and sent again under its name is done once", async (t) => {
  const server = pad(t, { uri: join(folder(t), "pad.db") })
  await put(server, "text\n")
  server.pass(200)
  const release = fillDisk(server.store)
  const once = { "idempotency-key": "k" }
  const line = { append: "x".repeat(200_000) }
  const refused = await patch(server, line, once)
  assert.deepEqual([refused.status, refused.body], [503, "store away"])
  assert.equal((await patch(server, line, once)).status, 503)
  assert.equal((await put(server, "other")).status, 503, "nothing more is taken")
  release()
  server.pass(3_000)
  assert.equal(revisionOf(await patch(server, line, once)), 2)
  assert.equal((await server.text("notes")).length, 200_005)
})

test("DC9 DC18 DC94 a document that nobody has open is loaded, edited, saved and idle", async (t) => {
  const uri = join(folder(t), "pad.db")
  const before = pad(t, { uri })
  before.join("notes").edits(0, ["cold"])
  before.stop()
  const server = pad(t, { uri, now: before.now + 1_000 })
  await patch(server, { append: "!" })
  await patch(server, { append: "!" })
  server.pass(200)
  const row = server.store.prepare<{ text: string; accessed_at: number }>(
    "SELECT text, accessed_at FROM document",
  )
  assert.deepEqual({ ...row.get() }, { text: "cold!!", accessed_at: before.now + 1_000 })
  assert.deepEqual(server.service.health(), { ok: true, documents: 1, editors: 0 })
  server.passHours(24 * 8)
  assert.equal(server.service.health().documents, 0)
  assert.equal(await server.text("notes"), "cold!!")
})

test("DC29 DC94 a write to a document that another program has deleted begins it anew", async (t) => {
  const server = pad(t, { uri: join(folder(t), "pad.db") })
  const ada = server.extend("notes", "ada")
  ada.edits(0, ["old"], 1)
  const known = await etag(server)
  server.store.prepare("DELETE FROM document").run()
  assert.equal(revisionOf(await patch(server, { append: "new" })), 1)
  server.pass(10_000)
  assert.equal(ada.endedWith, "deleted")
  assert.equal(await server.text("notes"), "new")
  assert.notEqual(await etag(server), known)
})

test("DC10 each write has an author of its own, whom nobody was or will be", async (t) => {
  const server = pad(t)
  const ada = server.extend("notes", "ada")
  await put(server, "a")
  await put(server, "b")
  const bob = server.extend("notes", "bob")
  assert.match(await server.metrics.text(), /edits_total\{outcome="accepted"\} 2/)
  const ids = (told(ada) as { id: number }[]).map(({ id }) => id)
  assert.deepEqual(ids, [1, 2])
  assert.equal((bob.all("Welcome")[0] as { id: number }).id, 3)
})

test("DC104 one address writes 120 times a minute, and others go on", async (t) => {
  const server = pad(t)
  for (let n = 0; n < 120; n += 1) assert.equal((await put(server, `${n}`)).status, 200)
  const flooding = await put(server, "x")
  assert.equal(flooding.status, 429)
  assert.equal((await put(server, "y", {}, { address: "192.0.2.2" })).status, 200)
  server.pass(60_000)
  assert.equal((await put(server, "z")).status, 200)
})

test("DC93 DC94 a protected document is written with its OTP only", async (t) => {
  const uri = join(folder(t), "pad.db")
  const before = pad(t, { uri })
  before.join("notes").edits(0, ["x"])
  before.stop()
  const server = pad(t, { uri })
  server.store.prepare("UPDATE document SET otp = 'right'").run()
  assert.equal((await put(server, "y")).status, 401)
  assert.equal((await put(server, "y", { authorization: "Bearer right" })).status, 200)
})

test("DC91 DC94 a link for reading writes nothing, one for editing does", async (t) => {
  const server = pad(t, { uri: join(folder(t), "pad.db") })
  const ada = server.extend("notes", "ada")
  ada.edits(0, ["x"], 1)
  const { secret } = ada.all("Welcome")[0] as { secret: string }
  const headers = { authorization: `Bearer ${secret}` }
  const linkFor = (role: string) => {
    const asked = { headers, body: JSON.stringify({ user_id: 0, role }) }
    const made = server.request("POST", "/api/document/notes/links", asked)
    return server.durable().then(async () => JSON.parse((await made).body ?? "").link)
  }
  const [reading, editing] = [await linkFor("read"), await linkFor("edit")]
  const refused = await server.request("PUT", `/api/text/${reading}`, { body: "y" })
  assert.deepEqual([refused.status, refused.body], [403, "this link lets you read only"])
  const append = { body: '{"append":"!"}' }
  assert.equal((await server.request("PATCH", `/api/text/${reading}`, append)).status, 403)
  assert.equal(revisionOf(await server.request("PATCH", `/api/text/${editing}`, append)), 2)
  assert.equal(await server.text(reading), "x!")
  const past = await server.request("GET", `/api/document/${reading}/history?from=1`)
  assert.equal(JSON.parse(past.body ?? "").text, "x")
})

test("DC16 DC22 DC94 over the wire: bytes, sizes, origins, and no trace of what was refused", async (t) => {
  const { url } = await startServer(t, { maxDocumentSizeKb: 1 })
  const ask = (body: Uint8Array<ArrayBuffer> | string, headers = {}) =>
    fetch(`${url}${path}`, { method: "PUT", body, headers })
  const cases: readonly (readonly [Uint8Array<ArrayBuffer> | string, number, RegExp])[] = [
    [Uint8Array.of(0x61, 0xff), 400, /not UTF-8/],
    ["a\0b", 400, /U\+0000/],
    ["x".repeat(1_025), 413, /1,025 characters; 1,024 is the limit/],
    ["x".repeat(70_000), 413, /at most 69632 bytes, this one has 70000/],
  ]
  for (const [body, status, sentence] of cases) {
    const answer = await ask(body)
    assert.equal(answer.status, status)
    assert.match(await answer.text(), sentence)
  }
  const foreign = await ask("x", { origin: "https://evil.example" })
  assert.equal(foreign.status, 403)
  assert.equal(await (await fetch(`${url}${path}`)).text(), "")
  const bom = "\ufeffa\r\nb\rc\n"
  assert.equal((await ask(bom)).status, 200)
  const read = await fetch(`${url}${path}`)
  assert.deepEqual(
    new Uint8Array(await read.arrayBuffer()),
    new TextEncoder().encode("\ufeffa\nb\nc\n"),
  )
})

test("DC81 DC94 a server that stops takes nothing more", async (t) => {
  const server = pad(t)
  await put(server, "x")
  server.service.stop()
  const { status, body } = await put(server, "y")
  assert.deepEqual([status, body], [503, "stopping"])
})
