/** What the SDK asks for over HTTP: a text written without opening it, its past, links, keeping. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { connect } from "../src/client/client.ts"
import { agree, databaseFile, isSynchronized, next, open, until } from "./client-parts.ts"
import { startServer } from "./harness.ts"

test("DC94 DC95 replaces a text and appends to it, and nobody who types is disturbed", async (t) => {
  const server = await startServer(t)
  const { documents } = connect(server.url)
  const ada = open(t, server, "a/b c?#%", { name: "Ada" })
  ada.replace(0, 0, "one\ntwo\n")
  await until([ada], () => isSynchronized(ada))
  const { etag } = await documents.read("a/b c?#%")
  ada.replace(3, 3, "!")
  await until([ada], () => isSynchronized(ada))
  const revision = await documents.replace("a/b c?#%", "one\n2 😀\n", { ifMatch: etag })
  assert.equal(revision, 3)
  assert.equal(await documents.append("a/b c?#%", "\ufeffthree\n"), 4)
  await until([ada], () => ada.revision === 4)
  assert.equal(ada.text, "one!\n2 😀\n\ufeffthree\n")
})

test("DC96 what is said twice under one name is done once", async (t) => {
  const { documents } = connect((await startServer(t)).url)
  const first = await documents.append("notes", "line\n", { once: "42" })
  await documents.append("notes", "more\n")
  assert.equal(await documents.append("notes", "line\n", { once: "42" }), first)
  assert.equal((await documents.read("notes")).text, "line\nmore\n")
})

test("DC94 DC95 a refused write rejects with the server's sentence and status", async (t) => {
  const server = await startServer(t, { sqliteUri: databaseFile(t) })
  const { documents } = connect(server.url)
  const ada = open(t, server, "notes")
  await until([ada], () => isSynchronized(ada))
  const otp = await ada.protect()
  const unauthorized = { cause: 401, message: "Invalid or missing OTP" }
  await assert.rejects(documents.append("notes", "x"), unauthorized)
  await assert.rejects(documents.replace("notes", "x", { otp: "wrong" }), unauthorized)
  await assert.rejects(documents.history("notes", 0), unauthorized)
  await documents.append("notes", "x", { otp })
  await assert.rejects(documents.replace("notes", "y", { otp, ifMatch: '"other.7"' }), {
    cause: 412,
  })
  await assert.rejects(documents.history("notes", 99, { otp }), { cause: 400 })
  await assert.rejects(documents.append("~nobody-knows-this-link", "x"), { cause: 401 })
})

test("DC97 plays back who did what, and when", async (t) => {
  const server = await startServer(t, { sqliteUri: databaseFile(t) })
  const { documents } = connect(server.url)
  const ada = open(t, server, "notes", { name: "Ada", hue: 180 })
  for (const word of ["one ", "two ", "three"]) {
    ada.replace(ada.text.length, ada.text.length, word)
    await until([ada], () => isSynchronized(ada))
  }
  const past = await documents.history("notes", 1, { limit: 1 })
  assert.equal(past.text, "one ")
  assert.deepEqual([past.first, past.from, past.revision], [0, 1, 3])
  const [only, ...more] = past.operations
  assert.deepEqual(more, [])
  assert.equal(only?.operation.apply(past.text), "one two ")
  assert.ok(Math.abs(Date.now() - (only?.at.getTime() ?? 0)) < 60_000)
  assert.deepEqual(past.authors.get(only?.id ?? -1), { name: "Ada", hue: 180 })
})

test("DC89 DC90 makes links, lists them, and ends them and who came by them", async (t) => {
  const server = await startServer(t, { sqliteUri: databaseFile(t) })
  const { documents } = connect(server.url)
  const ada = open(t, server, "notes")
  ada.replace(0, 0, "for all")
  await until([ada], () => isSynchronized(ada))
  const made = await ada.link("read", { hours: 2, label: "the class" })
  const other = await ada.link("edit")
  assert.match(made.link, /^~[\w-]{22}$/)
  assert.ok(Math.abs((made.expiresAt?.getTime() ?? 0) - Date.now() - 7_200_000) < 60_000)
  const links = (await ada.links()).toSorted((a, b) => b.label.localeCompare(a.label))
  assert.deepEqual(
    links.map(({ createdAt: _, ...link }) => link),
    [
      { ref: made.ref, role: "read", label: "the class", expiresAt: made.expiresAt },
      { ref: other.ref, role: "edit", label: "", expiresAt: undefined },
    ],
  )
  assert.ok(links.every(({ createdAt }) => Math.abs(Date.now() - createdAt.getTime()) < 60_000))

  const guest = open(t, server, made.link)
  assert.equal(await agree(guest), "for all")
  assert.equal(guest.role, "read")
  assert.equal((await documents.read(made.link)).text, "for all")
  await assert.rejects(documents.append(made.link, "x"), { cause: 403 })
  await assert.rejects(guest.link("edit"), { cause: 403 })
  const closed = next(guest, "closed")
  await ada.revoke(made.ref)
  assert.deepEqual([(await closed).code, guest.state], [4403, "closed"])
  await assert.rejects(ada.revoke(made.ref), { cause: 404 })
  assert.equal((await ada.links()).length, 1)
})

test("DC27 says for how long a document is kept", async (t) => {
  const server = await startServer(t, { sqliteUri: databaseFile(t) })
  const ada = open(t, server, "notes")
  ada.replace(0, 0, "x")
  await until([ada], () => isSynchronized(ada))
  assert.equal(ada.expiresAt, undefined)
  const told = next(ada, "access")
  const until3 = await ada.keep(3)
  await told
  assert.ok(Math.abs((until3?.getTime() ?? 0) - Date.now() - 3 * 86_400_000) < 60_000)
  assert.deepEqual(ada.expiresAt, until3)
  assert.equal(await ada.keep(null), undefined)
  await assert.rejects(ada.keep(0), { cause: 400 })
})

test("DC86 without a connection nothing is asked for", async (t) => {
  const server = await startServer(t)
  const ada = open(t, server, "notes")
  await assert.rejects(ada.links(), /not connected/)
})
