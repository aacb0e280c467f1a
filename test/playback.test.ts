/** The past of a document over HTTP: its text at any revision that is kept, and what came after. */
import assert from "node:assert/strict"
import { join } from "node:path"
import { test } from "node:test"
import fc from "fast-check"
import { Documents } from "../src/documents/documents.ts"
import { documentRoutes } from "../src/documents/routes.ts"
import { openShelf } from "../src/documents/shelf-sqlite.ts"
import { Log } from "../src/log.ts"
import { Metrics } from "../src/metrics.ts"
import { type Component, Operation } from "../src/ot/operation.ts"
import { openStore } from "../src/store.ts"
import { folder, type Pad, pad, start } from "./far-end.ts"

/** An answer of the route. */
interface Played {
  readonly epoch: string
  readonly revision: number
  readonly first: number
  readonly from: number
  readonly text: string
  readonly operations: readonly { id: number; at: number; operation: Component[] }[]
  readonly authors: Readonly<Record<string, { name: string; hue: number }>>
}

type Asking = Pick<Pad, "request">

async function play(server: Asking, query = ""): Promise<Played> {
  const { status, body = "" } = await server.request("GET", `/api/document/notes/history${query}`)
  assert.equal(status, 200, body)
  return JSON.parse(body)
}

/** The text at `from` with all operations after it. */
function played({ text, operations }: Played): string {
  return operations.reduce((before, { operation }) => Operation.from(operation).apply(before), text)
}

test("DC97 gives the text at a revision, and what came after with author and time", async (t) => {
  const server = pad(t)
  const ada = server.extend("notes", "ada", { name: "Ada", hue: 180 })
  ada.edits(0, ["hello"], 1)
  server.pass(1_000)
  const bob = server.join("notes")
  bob.says({ ClientInfo: { name: "Bob", hue: 7 } })
  bob.edits(1, [5, " 🎉"])
  await server.request("PATCH", "/api/text/notes", { body: '{"append":"!"}' })
  const all = await play(server, "?from=0")
  const { epoch } = ada.all("Welcome")[0] as { epoch: string }
  assert.deepEqual(all, {
    epoch,
    revision: 3,
    first: 0,
    from: 0,
    text: "",
    operations: [
      { id: 0, at: start, operation: ["hello"] },
      { id: 1, at: start + 1_000, operation: [5, " 🎉"] },
      { id: 2, at: start + 1_000, operation: [7, "!"] },
    ],
    authors: { 0: { name: "Ada", hue: 180 }, 1: { name: "Bob", hue: 7 } },
  })
  const some = await play(server, "?from=1&limit=1")
  assert.deepEqual(
    [some.from, some.text, some.operations],
    [1, "hello", all.operations.slice(1, 2)],
  )
  assert.deepEqual(Object.keys(some.authors), ["1"])
  const end = await play(server, "?from=3")
  assert.deepEqual([end.text, end.operations], ["hello 🎉!", []])
})

test("DC97 without from it begins with the oldest that is kept", async (t) => {
  const server = pad(t)
  assert.deepEqual(await play(server), {
    epoch: "new",
    revision: 0,
    first: 0,
    from: 0,
    text: "",
    operations: [],
    authors: {},
  })
  server.join("notes").edits(0, ["x"])
  assert.equal((await play(server)).from, 0)
})

test("DC97 what is no number, too many or ahead is 400, and the sentence says why", async (t) => {
  const server = pad(t)
  server.join("notes").edits(0, ["x"])
  const cases: readonly (readonly [string, string])[] = [
    ["?from=-1", "from is a whole number from 0 to 9007199254740991"],
    ["?from=1.5", "from is a whole number from 0 to 9007199254740991"],
    ["?from=", "from is a whole number from 0 to 9007199254740991"],
    ["?from=0&limit=0", "limit is a whole number from 1 to 2000"],
    ["?from=0&limit=2001", "limit is a whole number from 1 to 2000"],
    ["?from=2", "from is ahead: the text is at revision 1"],
  ]
  for (const [query, sentence] of cases) {
    const { status, body } = await server.request("GET", `/api/document/notes/history${query}`)
    assert.deepEqual([status, body], [400, sentence], query)
  }
  const posted = await server.request("POST", "/api/document/notes/history")
  assert.deepEqual([posted.status, posted.headers?.["allow"]], [405, "GET, HEAD"])
})

test("DC97 a protected document shows its past only to who has the OTP", async (t) => {
  const uri = join(folder(t), "pad.db")
  const before = pad(t, { uri })
  before.join("notes").edits(0, ["x"])
  before.stop()
  const server = pad(t, { uri })
  server.store.prepare("UPDATE document SET otp = 'right'").run()
  const path = "/api/document/notes/history"
  assert.equal((await server.request("GET", path)).status, 401)
  assert.equal((await server.request("GET", `${path}?otp=right`)).status, 200)
})

test("DC97 the past is there after a restart, and asking loads nothing into memory", async (t) => {
  const uri = join(folder(t), "pad.db")
  const before = pad(t, { uri })
  const ada = before.extend("notes", "ada", { name: "Ada", hue: 1 })
  for (let n = 0; n < 30; n += 1) ada.edits(n, n === 0 ? ["a"] : [n, "a"], n + 1)
  before.stop()
  const server = pad(t, { uri })
  const { text, operations, authors, revision } = await play(server, "?from=10&limit=5")
  assert.deepEqual([text, operations.length, revision], ["a".repeat(10), 5, 30])
  assert.deepEqual(authors, { 0: { name: "Ada", hue: 1 } })
  assert.equal(server.service.stats().num_documents, 0)
})

test("DC97 answers are bounded in bytes too, and carry one operation in any case", async (t) => {
  const server = pad(t, { settings: { textLimit: 4_000_000 } })
  for (let n = 0; n < 3; n += 1) {
    await server.request("PUT", "/api/text/notes", { body: `${n}`.repeat(400_000) })
  }
  assert.equal((await play(server, "?from=0")).operations.length, 1)
  assert.equal((await play(server, "?from=2")).operations.length, 1)
})

/** A server that keeps so many bytes of the past. */
function keeping(
  playbackBytes: number,
  windowOperations = 10,
): Asking & { readonly save: () => void } {
  const store = openStore({ uri: ":memory:" })
  const shelf = openShelf(store, { random: (length) => new Uint8Array(length), playbackBytes })
  const log = new Log("silent")
  const service = new Documents({
    shelf,
    log,
    metrics: new Metrics(),
    random: (length) => new Uint8Array(length),
    wake: () => {},
    settings: { windowOperations },
  })
  let now = start
  let asked = 0
  service.tick(now)
  const routes = documentRoutes(service)
  return {
    request(method, path, { body = "" } = {}) {
      const route = routes.find(({ prefix }) => path.startsWith(prefix))
      const [rest = "", query = ""] = path.slice(route?.prefix.length).split("?")
      asked += 1
      const more = { headers: new Map(), cookies: new Map(), address: `${asked}` }
      const bytes = new TextEncoder().encode(body)
      const request = {
        method,
        path: rest,
        query: new Map(new URLSearchParams(query)),
        body: bytes,
      }
      return new Promise((resolve) => route?.answer({ ...request, ...more }, resolve))
    },
    // A document that nobody has open is saved in the next tick.
    save: () => {
      now += 100
      service.tick(now)
    },
  }
}

test("DC97 with PLAYBACK_KB=0 there is no past: 410", async () => {
  const server = keeping(0)
  await server.request("PUT", "/api/text/notes", { body: "text" })
  for (const query of ["", "?from=0", "?from=1"]) {
    const { status, body } = await server.request("GET", `/api/document/notes/history${query}`)
    assert.deepEqual([status, body], [410, "no longer kept"])
  }
})

test("DC97 what is kept plays back exactly, whatever was saved and dropped; the rest is 410", async () => {
  const write = fc.record({
    size: fc.integer({ min: 1, max: 400 }),
    at: fc.nat(1_000),
    saves: fc.boolean(),
  })
  const writes = fc.array(write, { minLength: 1, maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(writes, fc.integer({ min: 1, max: 6_000 }), async (all, bytes) => {
      const server = keeping(bytes, 3)
      const texts = [""]
      for (const { size, at, saves } of all) {
        const before = texts.at(-1) ?? ""
        const place = at % (before.length + 1)
        const text = `${before.slice(0, place)}${"x".repeat(size)}${before.slice(place + 3)}`
        if (text === before) continue
        texts.push(text)
        await server.request("PUT", "/api/text/notes", { body: text })
        if (saves) server.save()
      }
      const { first } = await play(server)
      for (const [from, text] of texts.entries()) {
        const path = `/api/document/notes/history?from=${from}`
        const { status, body = "" } = await server.request("GET", path)
        if (status === 410) {
          assert.ok(from < first, `${from} is gone, and ${first} is called the first`)
          continue
        }
        const answer: Played = JSON.parse(body)
        assert.equal(answer.text, text)
        assert.equal(played(answer), texts.at(-1))
      }
    }),
    { numRuns: 150 },
  )
})
