/** `quartet documents` and `quartet backup`: programs of their own, on the file of a real server. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { text as all } from "node:stream/consumers"
import { type TestContext, test } from "node:test"
import { connect } from "../src/client/client.ts"
import { openStore } from "../src/store.ts"
import { HandClock, type Started, startServer, temporaryDirectory } from "./harness.ts"

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs `quartet` on the database of `dataDir`. */
async function quartet(dataDir: string, ...words: string[]): Promise<Ran> {
  const main = join(import.meta.dirname, "../src/main.ts")
  const env = { PATH: process.env["PATH"], DATA_DIR: dataDir }
  const child = spawn(process.execPath, [main, ...words], { env })
  const exited = once(child, "exit")
  const [out, err] = await Promise.all([all(child.stdout), all(child.stderr)])
  const [code] = await exited
  return { code, out, err }
}

async function put(server: Started, id: string, text: string): Promise<string> {
  const address = `${server.url}/api/text/${encodeURIComponent(id)}`
  const answer = await fetch(address, { method: "PUT", body: text })
  assert.equal(answer.status, 200)
  return answer.headers.get("etag") ?? ""
}

/** A server on a file of its own, under a clock that stands: nothing is saved unless it is turned. */
async function begun(t: TestContext) {
  const dataDir = temporaryDirectory(t)
  const clock = new HandClock()
  const server = await startServer(t, { dataDir, sqliteUri: join(dataDir, "quartet.db"), clock })
  return { dataDir, clock, server }
}

test("DC99 what is stored is listed, shown and exported beside the server", async (t) => {
  const { dataDir, clock, server } = await begun(t)
  await put(server, "notes/α", "größe\n😀\n")
  await put(server, "other", "x")
  clock.turn(100)
  await put(server, "other", "journaled only")
  const store = openStore({ uri: join(dataDir, "quartet.db"), use: "visit" })
  store
    .prepare("UPDATE document SET otp = 'secretsecret', language = 'go' WHERE id = 'other'")
    .run()
  store.close()
  const [list, show, exported] = await Promise.all([
    quartet(dataDir, "documents", "list"),
    quartet(dataDir, "documents", "show", "other"),
    quartet(dataDir, "documents", "export", "other"),
  ])
  const when = "2023-11-14 22:13"
  assert.deepEqual(list, {
    code: 0,
    out: `        1         8  ${when}       notes/α\n        1         1  ${when}  otp  other\n`,
    err: "",
  })
  assert.deepEqual(show, {
    code: 0,
    out: [
      "id          other",
      "revision    2",
      "characters  14",
      "language    go",
      "protected   yes",
      "links       0",
      `last used   ${when}`,
      "kept until  it is deleted",
      "history     from revision 0",
      "",
    ].join("\n"),
    err: "",
  })
  assert.deepEqual(exported, { code: 0, out: "journaled only", err: "" })
})

test("DC99 a text is exported to a file, and never over another", async (t) => {
  const { dataDir, server } = await begun(t)
  await put(server, "notes", "größe\n")
  const file = join(dataDir, "notes.txt")
  assert.equal((await quartet(dataDir, "documents", "export", "notes", file)).code, 0)
  assert.equal(readFileSync(file, "utf8"), "größe\n")
  const again = await quartet(dataDir, "documents", "export", "notes", file)
  assert.deepEqual([again.code, again.err], [1, `quartet: there is a file at ${file} already\n`])
})

test("DC99 DC29 who has a deleted document open is told so, and it is not written back", async (t) => {
  const { dataDir, clock, server } = await begun(t)
  const text = connect(server.url).documents.open("notes")
  t.after(() => text.close())
  const typed = new Promise<void>((resolve) => {
    text.on("state", (state) => {
      if (state === "synchronized" && text.revision === 1) resolve()
    })
  })
  text.replace(0, 0, "typed")
  await typed
  await put(server, "other", "stays")
  const { code, out, err } = await quartet(
    dataDir,
    "documents",
    "delete",
    "notes",
    "nothing",
    "notes",
  )
  assert.deepEqual([code, out], [1, "deleted notes\n"])
  assert.match(err, /there is no document "nothing"/)
  const closed = new Promise<number>((resolve) => text.on("closed", (why) => resolve(why.code)))
  clock.turn(11_000)
  assert.equal(await closed, 4410)
  await server.stop()
  const { out: left } = await quartet(dataDir, "documents", "list")
  assert.match(left, /^ +1 +5 .*other\n$/)
})

test("DC99 DC27 what is unused for too long is expired while no server runs", async (t) => {
  const { dataDir, server } = await begun(t)
  for (const id of ["old", "given", "older"]) await put(server, id, id)
  const busy = await quartet(dataDir, "documents", "expire", "--days", "1")
  assert.equal(busy.code, 1)
  assert.match(busy.err, /in use by another process/)
  await server.stop()
  const store = openStore({ uri: join(dataDir, "quartet.db"), use: "visit" })
  store.prepare("UPDATE document SET retention_days = 3650 WHERE id = 'given'").run()
  store.prepare("UPDATE document SET accessed_at = :now WHERE id = 'old'").run({ now: Date.now() })
  store.close()
  const never = await quartet(dataDir, "documents", "expire")
  assert.equal(never.out, "0 deleted, 3 left\n")
  const { code, out } = await quartet(dataDir, "documents", "expire", "--days", "1")
  assert.deepEqual([code, out], [0, "1 deleted, 2 left\n"])
  const { out: left } = await quartet(dataDir, "documents", "list")
  assert.match(left, /given\n.*old\n$/)
})

test("DC99 misuse ends with 2 and failure with 1, each with one sentence", async (t) => {
  const dataDir = temporaryDirectory(t)
  const cases: readonly (readonly [string[], number, RegExp])[] = [
    [["documents"], 2, /which one\? .*list\|show\|export\|delete\|expire\n$/],
    [["documents", "move"], 2, /which one/],
    [["documents", "show"], 2, /which document/],
    [["documents", "delete"], 2, /which document/],
    [["documents", "list", "x"], 2, /what is "x" for/],
    [["documents", "list", "--days", "1"], 2, /--days/],
    [["documents", "expire", "--days", "x"], 2, /--days/],
    [["documents", "list", "--nonsense"], 2, /nonsense/],
    [["documents", "list"], 1, /there is no such file/],
    [["documents", "expire"], 1, /there is no such file/],
    [["documents", "list", "--sqlite-uri", ":memory:"], 1, /in the memory of its server/],
    [["backup"], 2, /where to/],
    [["backup", "a", "b"], 2, /what is "b" for/],
    [["backup", join(dataDir, "copy.db")], 1, /there is no such file/],
    [["backup", join(dataDir, "none/copy.db")], 1, /there is no directory/],
  ]
  await Promise.all(
    cases.map(async ([words, code, sentence]) => {
      const ran = await quartet(dataDir, ...words)
      assert.deepEqual([ran.code, ran.out], [code, ""], words.join(" "))
      assert.match(ran.err, sentence)
      assert.equal(ran.err.trim().split("\n").length, 1)
    }),
  )
  assert.deepEqual(readdirSync(dataDir), [], "nothing is made where nothing was")
})

test("DC99 no route lists documents", async (t) => {
  const { server } = await begun(t)
  await put(server, "hidden-name", "x")
  for (const path of ["", "document", "document/", "text", "text/", "documents", "stats"]) {
    const body = await (await fetch(`${server.url}/api/${path}`)).text()
    assert.doesNotMatch(body, /hidden-name/, path)
  }
})

test("SV30 DC59 a backup is made while the server runs, and a server on it begins new epochs", async (t) => {
  const { dataDir, server } = await begun(t)
  const before = await put(server, "notes", "one\n")
  const copies = join(dataDir, "copies")
  mkdirSync(copies)
  const file = join(copies, "copy.db")
  assert.deepEqual(await quartet(dataDir, "backup", file), { code: 0, out: `${file}\n`, err: "" })
  await put(server, "notes", "one\ntwo\n")
  const again = await quartet(dataDir, "backup", file)
  assert.deepEqual([again.code, again.err], [1, `quartet: there is a file at ${file} already\n`])
  const named = await quartet(dataDir, "backup", copies)
  assert.match(named.out, /copies\/quartet-\d{8}T\d{6}Z\.db\n$/)
  for (const copy of [file, named.out.trim()]) assert.equal(statSync(copy).mode & 0o777, 0o600)
  // Stopped in order: the file itself goes on in its epoch, the copy does not.
  await server.stop()
  const restored = join(temporaryDirectory(t), "quartet.db")
  copyFileSync(file, restored)
  const [same, other] = await Promise.all([
    startServer(t, { sqliteUri: join(dataDir, "quartet.db") }),
    startServer(t, { sqliteUri: restored }),
  ])
  const [kept, gone] = await Promise.all(
    [same, other].map((each) => fetch(`${each.url}/api/text/notes`)),
  )
  const epochOf = (etag: string | null | undefined) => etag?.replace(/\.\d+"$/, "")
  assert.equal(await kept?.text(), "one\ntwo\n")
  assert.equal(await gone?.text(), "one\n")
  assert.equal(epochOf(kept?.headers.get("etag")), epochOf(before))
  assert.notEqual(epochOf(gone?.headers.get("etag")), epochOf(before))
})
