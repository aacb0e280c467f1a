/**
 * The SDK in Chromium: what it keeps in IndexedDB, and how tabs share that. And what it weighs.
 *
 * The pages are empty ones that come from the test itself, so they also open while no server runs.
 */
import assert from "node:assert/strict"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { after, type TestContext, test } from "node:test"
import { gzipSync } from "node:zlib"
import { type Browser, chromium, type Page } from "playwright-core"
import { build, type Rolldown } from "vite"
import { onPage } from "./browser.ts"
import { agree, databaseFile, isSynchronized, open, restartable, until } from "./client-parts.ts"
import { temporaryDirectory } from "./harness.ts"
import { findChromium } from "./needs.ts"

const root = join(import.meta.dirname, "..")

/**
 * A page that comes from nowhere may open no WebSocket to this machine, unless one says so: to
 * Chromium it could be any page of the web.
 */
const localSockets =
  "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets"

let browser: Browser | undefined
after(() => browser?.close())

/** The SDK as `/client.js` has it, or another source file as a module of its own. */
async function built(entry = join(root, "src/client/client.ts")): Promise<string> {
  const outputs = await build({
    root,
    mode: "client",
    logLevel: "silent",
    build: { write: false, lib: { entry, formats: ["es"] } },
  })
  const [output] = outputs as Rolldown.RolldownOutput[] // one format, not watched
  const chunk = output?.output[0]
  assert.ok(chunk !== undefined && output?.output.length === 1, "one module with nothing beside it")
  return chunk.code
}

/** Opens empty pages of the server's origin that share one storage, each with the SDK in `sdk`. */
async function tabs(t: TestContext, { url }: { readonly url: string }) {
  const [code] = await Promise.all([
    built(),
    (async () => {
      browser ??= await chromium.launch({
        executablePath: findChromium() ?? "",
        args: ["--no-sandbox", "--disable-gpu", localSockets],
      })
    })(),
  ])
  const context = await browser?.newContext()
  assert.ok(context)
  t.after(() => context.close())
  await context.route(`${url}/sdk.js`, (route) =>
    route.fulfill({ body: code, contentType: "text/javascript" }),
  )
  await context.route(`${url}/tab`, (route) =>
    route.fulfill({ body: "<!doctype html><title>tab</title>", contentType: "text/html" }),
  )
  return async (): Promise<Page> => {
    const page = await context.newPage()
    await page.goto(`${url}/tab`)
    return page
  }
}

/** Opens the document in the page as `text`, kept in its IndexedDB. */
async function enter(page: Page): Promise<void> {
  await page.evaluate(`(async () => {
    const sdk = await import("/sdk.js")
    window.sdk = sdk
    window.text = sdk.connect(location.origin).documents.open("notes", { store: sdk.indexedDbStore() })
  })()`)
}

/** Waits until an expression holds in the page. */
async function holds(page: Page, expression: string): Promise<void> {
  await page.waitForFunction(expression, undefined, { timeout: 60_000 })
}

test("DC126 edits made offline outlive the tab, in IndexedDB", onPage, async (t) => {
  const server = await restartable(t, { sqliteUri: databaseFile(t) })
  const tab = await tabs(t, server)
  const first = await tab()
  await enter(first)
  await first.evaluate(`text.replace(0, 0, "kept 😀")`)
  await holds(first, `text.state === "synchronized"`)
  await server.stop()
  await first.evaluate(`text.replace(7, 7, " and more")`)
  await holds(first, `text.kept === "kept"`)
  assert.equal(await first.evaluate("text.unacknowledged"), 1)
  await first.close()

  const second = await tab()
  await enter(second)
  await holds(second, `text.text === "kept 😀 and more"`)
  await server.start()
  await second.evaluate("text.hurry()")
  const witness = open(t, server, "notes")
  await until([witness], () => witness.text === "kept 😀 and more")
  await holds(second, `text.state === "synchronized" && text.kept === "kept"`)
})

test("DC126 what was typed right before a page goes away is kept, too", onPage, async (t) => {
  const server = await restartable(t, { sqliteUri: databaseFile(t) })
  const page = await (await tabs(t, server))()
  await enter(page)
  await page.evaluate(`text.replace(0, 0, "early")`)
  await holds(page, `text.state === "synchronized"`)
  await server.stop()
  // Nothing else is being written: a write in the queue would be lost with the page.
  await page.evaluate(`new Promise((resolve) => {
    const opening = indexedDB.open("quartet")
    const look = () => {
      const store = opening.result.transaction("records", "readwrite").objectStore("records")
      const getting = store.getAll()
      getting.onsuccess = () => (getting.result[0]?.record.confirmed === "early" ? resolve() : look())
    }
    opening.onsuccess = look
  })`)
  await Promise.all([
    page.waitForNavigation(),
    page.evaluate(`{ text.replace(0, 0, "late and "); location.reload() }`),
  ])
  await enter(page)
  await holds(page, `text.text === "late and early"`)
})

test(
  "DC143 a duplicated tab has a key of its own, and leaves the first's alone",
  onPage,
  async (t) => {
    const server = await restartable(t, { sqliteUri: databaseFile(t) })
    const tab = await tabs(t, server)
    const first = await tab()
    await enter(first)
    await first.evaluate(`text.replace(0, 0, "shared")`)
    await holds(first, `text.state === "synchronized" && text.kept === "kept"`)
    const second = await tab()
    await enter(second)
    await holds(second, `text.state === "synchronized" && text.text === "shared"`)
    assert.equal(await second.evaluate("text.kept"), "off")
    assert.equal(await first.evaluate("text.state"), "synchronized")
    const key = await first.evaluate<string>("text.record.client")
    assert.notEqual(await second.evaluate("text.record.client"), key)

    // A page that is loaded anew goes on under its own key, though a second one waits for its place.
    await server.stop()
    await first.evaluate(`text.replace(6, 6, " mine")`)
    await holds(first, `text.kept === "kept"`)
    await first.reload()
    await enter(first)
    await holds(first, `text.text === "shared mine"`)
    assert.equal(await first.evaluate("text.record.client"), key)
    await server.start()
    await second.evaluate("text.hurry()")
    await first.evaluate("text.hurry()")
    await holds(second, `text.text === "shared mine"`)

    await holds(first, `text.state === "synchronized"`)
    await first.evaluate("text.close()")
    await holds(second, `text.kept === "kept"`)
    const witness = open(t, server, "notes")
    await until([witness], () => isSynchronized(witness))
    assert.equal(await agree(witness), "shared mine")
  },
)

test(
  "DC126 100 records are kept, those with something pending first, and none for ever",
  onPage,
  async (t) => {
    const server = await restartable(t)
    const page = await (await tabs(t, server))()
    const left = await page.evaluate<string[]>(`(async () => {
    const { indexedDbStore } = await import("/sdk.js")
    const store = indexedDbStore("full")
    const now = Date.now()
    const day = 86_400_000
    const plain = { client: "k", seq: 0, acknowledged: 0, epoch: "e", revision: 1, confirmed: "x" }
    const save = (id, age, buffer) => store.save({ ...plain, id, at: now - age, buffer })
    await save("pending, old", 300 * day, ["y"])
    await save("pending, too old", 366 * day, ["y"])
    await save("idle, old", 29 * day)
    await save("idle, too old", 31 * day)
    for (let n = 1; n <= 98; n += 1) await save("idle " + n, n)
    await save("removed", 0)
    await store.remove("removed")
    await save("newest", 0)
    const names = ["pending, old", "pending, too old", "idle, old", "idle, too old", "idle 1", "idle 98", "removed", "newest"]
    await store.load("anything")
    const found = await Promise.all(names.map((name) => indexedDbStore("full").load(name)))
    return names.filter((_, at) => found[at]?.confirmed === "x")
  })()`)
    assert.deepEqual(left, ["pending, old", "idle 1", "idle 98", "newest"])
  },
)

test("DC141 the documents part is at most 14.5 KB, and 1 KB more with the store", async (t) => {
  const entry = join(temporaryDirectory(t), "documents.ts")
  const values = {
    Documents: "client/documents",
    Routes: "client/routes",
    Operation: "ot/operation",
  }
  const lines = Object.entries(values).map(
    ([name, file]) => `export { ${name} } from "${join(root, "src", file)}.ts"`,
  )
  writeFileSync(entry, lines.join("\n"))
  const part = gzipSync(await built(entry), { level: 9 }).length
  const store = gzipSync(await built(join(root, "src/client/offline.ts")), { level: 9 }).length
  assert.ok(part <= 14_500, `${part} bytes`)
  assert.ok(store <= 1_000, `${store} bytes of store`)
})
