/** The SDK's shared text against a real server: what its user sees, through thick and thin. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { connect, Operation } from "../src/client/client.ts"
import {
  agree,
  databaseFile,
  isSynchronized,
  next,
  open,
  restartable,
  until,
} from "./client-parts.ts"
import { startServer } from "./harness.ts"

test("DC13 shows what others type, and them what is typed here", async (t) => {
  const server = await startServer(t)
  const ada = open(t, server, "notes", { name: "Ada", hue: 180 })
  assert.equal(ada.state, "connecting")
  assert.equal(ada.role, undefined)
  ada.replace(0, 0, "hello 😀") // before there is a server to tell
  await until([ada], () => isSynchronized(ada))
  const bob = open(t, server, "notes", { name: "Bob", hue: 20 })
  assert.equal(await agree(ada, bob), "hello 😀")
  bob.replace(6, 8, "world")
  ada.replace(0, 5, "bye")
  assert.equal(await agree(ada, bob), "bye world")
  assert.equal(ada.role, "full")
  assert.notEqual(ada.me, bob.me)
  assert.deepEqual(
    [...bob.editors.values()].map(({ name, hue }) => [name, hue]),
    [...ada.editors.values()].map(({ name, hue }) => [name, hue]),
  )
})

test("DC13 tells every change, and together they make the text", async (t) => {
  const server = await startServer(t)
  const texts = [open(t, server, "notes"), open(t, server, "notes"), open(t, server, "notes")]
  const told = texts.map(() => "")
  const kinds = new Set<string>()
  for (const [index, text] of texts.entries()) {
    text.on("change", ({ operation, by }) => {
      told[index] = operation.apply(told[index] ?? "")
      assert.equal(told[index], text.text)
      kinds.add(by)
    })
  }
  for (let round = 0; round < 30; round += 1) {
    for (const [index, text] of texts.entries()) {
      const at = (round * 7 + index) % (text.text.length + 1)
      text.replace(at, at + (round % 3), `${index}é😀`.slice(0, 1 + (round % 4)))
    }
    if (round % 10 === 0) await agree(...texts)
  }
  const agreed = await agree(...texts)
  assert.deepEqual(told, [agreed, agreed, agreed])
  assert.deepEqual([...kinds].sort(), ["me", "others"])
})

test("DC143 draws a client key for each open text, and shows it to nobody", async (t) => {
  const server = await startServer(t)
  const one = open(t, server, "notes")
  const other = open(t, server, "notes")
  await until([one, other], () => isSynchronized(one, other))
  assert.match(one.record.client, /^[\w-]{22}$/)
  assert.notEqual(one.record.client, other.record.client)
  assert.doesNotMatch(JSON.stringify([...other.editors]), new RegExp(one.record.client))
})

test("DC45 DC144 the older of two connections with one key is closed for good", async (t) => {
  const server = await startServer(t)
  const first = open(t, server, "notes")
  await until([first], () => isSynchronized(first))
  const closed = next(first, "closed")
  const second = open(t, server, "notes", { record: first.record })
  const { code, comesBack } = await closed
  assert.deepEqual({ code, comesBack }, { code: 4409, comesBack: false })
  assert.equal(first.state, "closed")
  await until([second], () => isSynchronized(second))
  assert.equal(second.me, first.me)
})

test("DC144 DC48 comes back after a restart with what was typed meanwhile, once", async (t) => {
  const server = await restartable(t, { sqliteUri: databaseFile(t) })
  const ada = open(t, server, "notes")
  const bob = open(t, server, "notes")
  ada.replace(0, 0, "one two three")
  await agree(ada, bob)
  const gone = Promise.all([next(ada, "closed"), next(bob, "closed")])
  await server.stop()
  for (const { comesBack } of await gone) assert.equal(comesBack, true)
  assert.equal(ada.state, "resuming")
  ada.replace(0, 3, "ONE")
  bob.replace(13, 13, "!")
  assert.equal(ada.unacknowledged, 1)
  await server.start()
  ada.hurry()
  bob.hurry()
  assert.equal(await agree(ada, bob), "ONE two three!")
  assert.equal(ada.unacknowledged, 0)
})

test("DC144 a record goes on where another text was left, with what was pending", async (t) => {
  const server = await restartable(t, { sqliteUri: databaseFile(t) })
  const before = open(t, server, "notes")
  before.replace(0, 0, "kept")
  await until([before], () => isSynchronized(before))
  await server.stop()
  before.replace(4, 4, " and more")
  const record = JSON.parse(JSON.stringify(before.record))
  await before.close()
  await server.start()
  const after = open(t, server, "notes", { record })
  assert.equal(after.text, "kept and more") // before anything was heard
  const witness = open(t, server, "notes")
  assert.equal(await agree(after, witness), "kept and more")
})

test("DC145 lone surrogates become U+FFFD and NUL goes, in the text shown too", async (t) => {
  const server = await startServer(t)
  const ada = open(t, server, "notes")
  const bob = open(t, server, "notes")
  ada.replace(0, 0, "a\ud83db\0c\ude00")
  assert.equal(ada.text, "a\ufffdbc\ufffd")
  assert.equal(await agree(ada, bob), "a\ufffdbc\ufffd")
  const told: Operation[] = []
  ada.on("change", ({ operation }) => told.push(operation))
  ada.edit(Operation.from(["x\0y", 5]))
  assert.deepEqual(told, [Operation.from(["xy", 5])])
  assert.equal(await agree(ada, bob), "xya\ufffdbc\ufffd")
})

test("DC145 replaces the whole of a character that an index cuts through", async (t) => {
  const server = await startServer(t)
  const text = open(t, server, "notes")
  const cut = (from: number, to: number, insert: string) => {
    text.replace(0, text.text.length, "a😀b")
    text.replace(from, to, insert)
    return text.text
  }
  assert.equal(cut(2, 3, ""), "ab")
  assert.equal(cut(1, 2, ""), "ab")
  assert.equal(cut(2, 2, "x"), "axb")
  assert.equal(cut(1, 3, "x"), "axb")
  assert.equal(cut(0, 2, "x"), "xb")
  assert.equal(cut(-5, 99, "x"), "x")
  await until([text], () => isSynchronized(text))
})

test("DC127 what is above the limit is handed back at once, and nothing else is lost", async (t) => {
  const server = await startServer(t, { maxDocumentSizeKb: 1 })
  const text = open(t, server, "notes")
  text.replace(0, 0, "kept")
  await until([text], () => isSynchronized(text))
  assert.equal(text.limit, 1_024)
  const changes: string[] = []
  text.on("change", ({ by }) => changes.push(by))
  const refused = next(text, "refused")
  text.replace(2, 2, "x".repeat(5_000_000)) // above any frame, too
  const { code, inserted, sentence } = await refused
  assert.equal(code, "too-large")
  assert.equal(inserted.length, 5_000_000)
  assert.equal(sentence, "The text would have 5,000,004 characters; 1,024 is the limit.")
  assert.deepEqual(changes, ["me", "rollback"])
  assert.equal(text.text, "kept")
  text.replace(4, 4, "!")
  const witness = open(t, server, "notes")
  assert.equal(await agree(text, witness), "kept!")
})

test("DC127 what was pasted before the limit was known is handed back, and the line lives", async (t) => {
  const server = await startServer(t, { maxDocumentSizeKb: 1 })
  const text = open(t, server, "notes")
  const refused = next(text, "refused")
  text.replace(0, 0, "x".repeat(1_000_000))
  assert.equal((await refused).code, "too-large")
  await until([text], () => isSynchronized(text))
  assert.equal(text.text, "")
  text.replace(0, 0, "short")
  const witness = open(t, server, "notes")
  assert.equal(await agree(text, witness), "short")
})

test("DC60 an edit that only the server can refuse is rolled back, and later ones stand", async (t) => {
  const server = await startServer(t, { maxDocumentSizeKb: 1 })
  const ada = open(t, server, "notes")
  const bob = open(t, server, "notes")
  await until([ada, bob], () => isSynchronized(ada, bob))
  const refused = Promise.race([next(ada, "refused"), next(bob, "refused")])
  // Either fits alone. What each types behind it waits, and is not lost with it.
  ada.replace(0, 0, "a".repeat(600))
  bob.replace(0, 0, "b".repeat(600))
  ada.replace(0, 0, "[ada]")
  bob.replace(0, 0, "[bob]")
  const { code, inserted, sentence } = await refused
  assert.equal(code, "too-large")
  assert.match(inserted, /^(a{600}|b{600})$/)
  assert.notEqual(sentence, "")
  const text = await agree(ada, bob)
  assert.equal(text.length, 610)
  assert.match(text, /\[ada\]/)
  assert.match(text, /\[bob\]/)
})

test("DC69 knows where others are, from what they type and from what they say", async (t) => {
  const server = await startServer(t)
  const ada = open(t, server, "notes", { name: "Ada", hue: 1 })
  const bob = open(t, server, "notes", { name: "Bob", hue: 2 })
  await until([ada, bob], () => isSynchronized(ada, bob) && ada.editors.size === 2)
  const bobs = () => ada.editors.get(bob.me ?? -1)
  bob.edit(Operation.from(["hello world"]))
  await until([ada], () => bobs()?.cursors[0] === 11)
  // Not where typing would leave it, so it is said.
  bob.edit(Operation.from([5, ",", 6]), {
    cursors: [1, 9],
    selections: [[1, 3]],
  })
  await until([ada], () => bobs()?.cursors.length === 2)
  assert.deepEqual(bobs()?.cursors, [1, 9])
  assert.deepEqual(bobs()?.selections, [[1, 3]])
  // It stays left of what is typed exactly there, and moves with what is typed before it.
  ada.edit(Operation.from([1, "__", 11]))
  assert.deepEqual(bobs()?.cursors, [1, 11])
  await agree(ada, bob)
  bob.setCursors({ cursors: [4], selections: [] })
  await until([ada], () => bobs()?.cursors[0] === 4)
  assert.deepEqual(bobs()?.selections, [])
})

test("DC69 a newcomer is shown where others are", async (t) => {
  const server = await startServer(t)
  const ada = open(t, server, "notes", { name: "Ada", hue: 1 })
  ada.edit(Operation.from(["hello"]), { cursors: [2], selections: [[2, 4]] })
  await ada.whenSaved()
  const bob = open(t, server, "notes", { name: "Bob", hue: 2 })
  await until([bob], () => isSynchronized(bob))
  assert.deepEqual(bob.editors.get(ada.me ?? -1), {
    id: ada.me,
    name: "Ada",
    hue: 1,
    cursors: [2],
    selections: [[2, 4]],
  })
})

test("DC65 whoever leaves is not listed any more", async (t) => {
  const server = await startServer(t)
  const ada = open(t, server, "notes", { name: "Ada", hue: 1 })
  const bob = open(t, server, "notes", { name: "Bob", hue: 2 })
  await until([ada], () => ada.editors.size === 2)
  await bob.close()
  await until([ada], () => ada.editors.size === 1)
  assert.deepEqual(
    [...ada.editors.values()].map((editor) => editor.name),
    ["Ada"],
  )
})

test("DC62 DC64 language and names reach everybody, also when wished for while away", async (t) => {
  const server = await startServer(t)
  const ada = open(t, server, "notes", { name: "Ada", hue: 1 })
  ada.setLanguage("python")
  ada.setName("Ada L.", 300)
  const bob = open(t, server, "notes")
  await until([ada, bob], () => ada.language === "python" && bob.language === "python")
  await until([bob], () => bob.editors.get(ada.me ?? -1)?.name === "Ada L.")
  assert.equal(bob.editors.get(ada.me ?? -1)?.hue, 300)
  bob.setLanguage("rust")
  bob.setName("Bob", 7)
  await until([ada], () => ada.language === "rust" && ada.editors.get(bob.me ?? -1)?.name === "Bob")
  const refused = next(bob, "refused")
  bob.setLanguage("no such\nlanguage")
  const { code, inserted } = await refused
  assert.deepEqual({ code, inserted }, { code: "bad-message", inserted: "" })
})

test("DC144 whenReady waits for the server's text, anew after a lost line, and not for ever", async (t) => {
  const server = await restartable(t, { sqliteUri: databaseFile(t) })
  await connect(server.url).documents.append("notes", "here already")
  const text = open(t, server, "notes")
  assert.equal(text.text, "")
  await text.whenReady()
  assert.equal(text.text, "here already")
  await text.whenReady() // at once

  await server.stop()
  await until([text], () => text.state === "resuming")
  let isReady = false
  const again = text.whenReady().then(() => {
    isReady = true
  })
  text.replace(0, 0, "not ")
  await new Promise(setImmediate)
  assert.equal(isReady, false)
  await server.start()
  text.hurry()
  await again
  assert.equal(text.text, "not here already")

  const closing = open(t, server, "~AAAAAAAAAAAAAAAAAAAAAA")
  const refused = { message: "this text was closed: Unknown or expired link" }
  await assert.rejects(closing.whenReady(), refused)
  await assert.rejects(closing.whenReady(), refused)
})

test("DC50 whenSaved waits for the disk, and in memory mode for the acknowledgement", async (t) => {
  const server = await startServer(t, { sqliteUri: databaseFile(t) })
  const onDisk = open(t, server, "notes")
  const saved = onDisk.whenSaved()
  onDisk.replace(0, 0, "one")
  const revision = await onDisk.whenSaved()
  assert.equal(revision, 1)
  assert.ok(onDisk.saved >= 1)
  assert.equal(onDisk.durable, true)
  assert.ok((await saved) <= 1)
  const inMemory = open(t, await startServer(t), "notes")
  inMemory.replace(0, 0, "one")
  assert.equal(await inMemory.whenSaved(), 1)
  assert.equal(inMemory.durable, false)
  assert.equal(inMemory.unacknowledged, 0)
})

test("DC84 DC85 DC86 protects a document, and comes back to it with the new OTP", async (t) => {
  const server = await restartable(t, { sqliteUri: databaseFile(t) })
  const ada = open(t, server, "notes", { name: "Ada", hue: 1 })
  const bob = open(t, server, "notes")
  await assert.rejects(ada.protect(), { message: "not connected" })
  ada.replace(0, 0, "secret")
  await agree(ada, bob)
  const otp = await ada.protect()
  assert.match(otp, /^[\w-]{12}$/)
  await until([ada, bob], () => ada.protected === true && bob.otp === otp)
  const stranger = open(t, server, "notes")
  assert.equal((await next(stranger, "closed")).code, 4401)
  const guest = open(t, server, "notes", { otp })
  assert.equal(await agree(ada, guest), "secret")
  assert.equal((await connect(server.url).documents.read("notes", { otp })).text, "secret")

  await server.stop()
  bob.replace(6, 6, "!")
  await server.start()
  for (const text of [ada, bob, guest]) text.hurry()
  assert.equal(await agree(ada, bob, guest), "secret!")

  await bob.unprotect()
  await until([ada, bob], () => ada.protected === false && ada.otp === undefined)
  const free = open(t, server, "notes")
  assert.equal(await agree(ada, free), "secret!")
})

test("DC87 in memory mode protect rejects with the server's sentence", async (t) => {
  const text = open(t, await startServer(t), "notes")
  await until([text], () => isSynchronized(text))
  await assert.rejects(text.protect(), {
    message: "database not enabled",
    cause: 503,
  })
})

test("DC93 reads a text without opening it, to the last byte", async (t) => {
  const server = await startServer(t)
  const { documents } = connect(`${server.url}/`)
  const unknown = await documents.read("nothing here")
  assert.equal(unknown.text, "")
  const text = open(t, server, "a/b")
  text.replace(0, 0, "\ufeffgrüße 😀\r\n")
  await text.whenSaved()
  const { text: read, revision, etag } = await documents.read("a/b")
  assert.equal(read, "\ufeffgrüße 😀\r\n")
  assert.equal(revision, 1)
  assert.match(etag, /^"[^"]+\.1"$/)
})

test("DC91 a text that was opened to be read is not edited", async (t) => {
  const server = await startServer(t)
  const text = open(t, server, "notes", { readOnly: true })
  await until([text], () => isSynchronized(text))
  assert.equal(text.role, "read")
  const refused = next(text, "refused")
  text.replace(0, 0, "no")
  assert.deepEqual(await refused, {
    code: "read-only",
    inserted: "no",
    sentence: "This text is read-only.",
  })
  assert.equal(text.text, "")
  assert.equal(text.revision, 0)
})

test("DC144 close lets pending edits arrive, then the text is closed for good", async (t) => {
  const server = await startServer(t)
  const ada = open(t, server, "notes")
  const bob = open(t, server, "notes")
  await until([ada, bob], () => isSynchronized(ada, bob))
  const closed = next(ada, "closed")
  ada.replace(0, 0, "last words")
  await ada.close()
  assert.equal((await closed).comesBack, false)
  assert.equal(ada.state, "closed")
  assert.throws(() => ada.replace(0, 0, "x"), /closed/)
  await until([bob], () => bob.text === "last words")
  await ada.close()
})

test("DC144 an edit that does not fit the text is refused before anything happens", async (t) => {
  const text = open(t, await startServer(t), "notes")
  text.replace(0, 0, "abc")
  assert.throws(() => text.edit(Operation.from([5, "x"])), RangeError)
  assert.equal(text.text, "abc")
  await until([text], () => isSynchronized(text))
})

test("DC144 a listener that edits is heard after what it answers, and one that throws stops nobody", async (t) => {
  const server = await startServer(t)
  const ada = open(t, server, "notes")
  const bob = open(t, server, "notes")
  await until([ada, bob], () => isSynchronized(ada, bob))
  const heard: string[] = []
  ada.on("change", ({ by }) => {
    if (by === "others") ada.replace(0, 0, "> ")
  })
  ada.on("change", ({ by }) => heard.push(by))
  bob.replace(0, 0, "ping")
  assert.equal(await agree(ada, bob), "> ping")
  assert.deepEqual(heard, ["others", "me"])
  const forget = ada.on("change", () => assert.fail("nobody listens any more"))
  forget()
  bob.replace(0, 0, "!")
  assert.equal(await agree(ada, bob), "> !> ping")
  assert.equal(heard.length, 4)
})
