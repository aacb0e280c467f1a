/** The page in Chromium without a server: what is kept in the browser, and what comes of it after. */
import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { test } from "node:test"
import type { Page } from "playwright-core"
import { connect } from "../src/client/client.ts"
import { Page as Pages } from "../src/net/page.ts"
import { become, onPage, open, scene } from "./browser.ts"
import { lastingPort, launch, startServer, temporaryDirectory } from "./harness.ts"

/** A browser's own words on requests that fail, which the page cannot keep from the console. */
const lineLost = /WebSocket connection to|Failed to load resource/

/** So soon after the last key it is kept. */
const keptMs = 500

/** Waits until the page itself is kept: until then no tab opens without a server. */
async function isKept(page: Page): Promise<void> {
  await become(true, () => page.evaluate<boolean>("navigator.serviceWorker.controller !== null"))
}

/** Has the page try to connect now. */
async function hurry(page: Page): Promise<void> {
  await page.evaluate("document.querySelector('.state-act')?.click()")
}

test(
  "DC126 what was typed without a server outlives the tab, and is merged once when both are back",
  onPage,
  scene(async ({ visit, enter, server, restart }) => {
    const ada = await visit("#kept", { mayLog: lineLost })
    const bob = enter("kept", "Bob")
    await ada.stands(/^Ready$/)
    await ada.page.keyboard.type("<start>")
    await ada.stands(/^Saved at/)
    await isKept(ada.page)
    await server.stop()
    await ada.stands(/^Reconnecting in/)
    await ada.page.keyboard.press("Control+End")
    await ada.page.keyboard.type(" <ada>")
    bob.replace(0, 0, "<bob> ")
    await ada.stands(/^Offline, 6 changes kept here · again in \d+ s ·$/)
    // Nobody asks whether one really wants to leave: there is nothing to lose.
    await ada.page.waitForTimeout(keptMs)
    await ada.page.close({ runBeforeUnload: true })
    await become(true, async () => ada.page.isClosed())

    // There is no server: page and text come from this browser.
    const later = await ada.again("#kept")
    await later.shows("<start> <ada>")
    await later.stands(/^Offline, \d changes? kept here/)
    await later.page.keyboard.press("Control+End")
    await later.page.keyboard.type(" <later>")
    await restart()
    await hurry(later.page)
    bob.hurry()
    await later.shows("<bob> <start> <ada> <later>")
    await later.stands(/^Saved at/)
    const { documents } = connect(server.url)
    await become("<bob> <start> <ada> <later>", async () => (await documents.read("kept")).text)
  }),
)

test("DC126 a killed server and a crashed tab lose no mark and repeat none", onPage, async (t) => {
  const directory = temporaryDirectory(t)
  const port = `${await lastingPort()}`
  const first = await launch(t, { DATA_DIR: directory, PORT: port })
  const address = `http://127.0.0.1:${port}/#killed`
  const ada = await open(address, { mayLog: lineLost })
  t.after(() => ada.page.context().close())
  await ada.stands(/^Ready$/)
  await isKept(ada.page)
  const marks = Array.from({ length: 40 }, (_, index) => `<${index}>`)
  // In the middle of it, with an edit on its way.
  for (const [index, mark] of marks.entries()) {
    if (index === 20) void first.end("SIGKILL")
    await ada.page.keyboard.type(mark)
  }
  await ada.stands(/^Offline, \d+ changes? kept here/)
  await ada.page.waitForTimeout(keptMs)
  // Not closed but gone: nothing can be put away at the last moment.
  const crashed = ada.page.waitForEvent("crash")
  const devtools = await ada.page.context().newCDPSession(ada.page)
  void devtools.send("Page.crash").catch(() => {})
  await crashed
  await ada.page.close()

  const second = await launch(t, { DATA_DIR: directory, PORT: port })
  const later = await ada.again("#killed")
  await later.shows(marks.join(""))
  await later.stands(/^Saved at/)
  const { documents } = connect(second.url)
  await become(marks.join(""), async () => (await documents.read("killed")).text)
  assert.deepEqual([...(await ada.faults()), ...(await later.faults())], [])
})

test(
  "DC126 a known document opens without a server, below a path, under the page's policy",
  onPage,
  scene(
    async ({ visit, enter, server }) => {
      const mayLog = new RegExp(`${lineLost.source}|Applying inline style`)
      const grace = enter("below", "Grace")
      grace.setLanguage("python")
      await become("python", async () => grace.language)
      const ada = await visit("#below", { mayLog })
      await ada.stands(/^Ready$/)
      await ada.page.keyboard.type("def down: pass")
      await ada.page.locator(".tok-keyword", { hasText: "def" }).waitFor()
      await ada.stands(/^Saved at/)
      await isKept(ada.page)
      await ada.page.waitForTimeout(keptMs)
      // What the first page loaded before there was anything to keep it is kept too.
      await become(true, async () => {
        const addresses = await ada.page.evaluate<string[]>(storedAddresses)
        return addresses.some((address) => address.includes("/assets/languages-"))
      })
      const stored = await ada.page.evaluate<string[]>(storedAddresses)
      const page = `${server.url}/pads/of/ada/`
      assert.ok(stored.includes(page), "the page itself is kept")
      for (const address of stored) assert.ok(address.startsWith(page), address)
      assert.deepEqual(
        stored.filter((address) => address.includes("/api/")),
        [],
      )
      await server.stop()
      const later = await ada.again("#below")
      await later.shows("def down: pass")
      await later.stands(/^Reconnecting in/)
      // What is loaded on use is kept too.
      await later.page.keyboard.press("Control+f")
      await later.page.getByLabel("Find", { exact: true }).waitFor()
      // The kept page came with its own policy: a style that names no nonce is not let in.
      const isStyled = await later.page.evaluate(unnamedStyle)
      assert.equal(isStyled, false)
    },
    { pathPrefix: "/pads/of/ada/" },
  ),
)

test(
  "DC126 a newer page is there at once, told to open tabs, and kept in its turn",
  onPage,
  async (t) => {
    let isAway = false
    let pages: Pages | undefined = new Pages(built("old"), options)
    const server = createServer(async (request, response) => {
      const path = new URL(request.url ?? "", "http://x").pathname.slice(1)
      const nonce = crypto.randomUUID()
      const answer = await pages?.answer(path, { nonce, accepts: "", has: "" })
      if (pages === undefined) return void response.destroy()
      if (isAway) return void response.writeHead(502).end()
      response.writeHead(answer === undefined ? 404 : 200, answer?.headers).end(answer?.body)
    })
    server.listen(0, "127.0.0.1")
    t.after(() => server.close())
    await new Promise((resolve) => server.once("listening", resolve))
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/#here` // TCP: never a path
    const ada = await open(address, { mayLog: lineLost })
    t.after(() => ada.page.context().close())
    await isKept(ada.page)
    assert.equal(await ada.page.evaluate(mainScript), "old")

    pages = new Pages(built("new"), options)
    const next = await ada.again("#here")
    assert.equal(await next.page.evaluate(mainScript), "new")
    await ada.page.getByText("There is a newer version of this page").waitFor()
    assert.equal(await ada.page.evaluate(mainScript), "old", "nothing reloads by itself")
    assert.equal(await next.page.getByText("There is a newer version of this page").count(), 0)

    // Before the server stands something that does not reach it.
    isAway = true
    const kept = await ada.again("#here")
    assert.equal(await kept.page.evaluate(mainScript), "new")

    pages = undefined
    server.closeAllConnections()
    const offline = await ada.again("#here")
    assert.equal(await offline.page.evaluate(mainScript), "new")
    await ada.page.getByRole("button", { name: "Reload" }).click()
    await become("new", () => ada.page.evaluate(mainScript).catch(() => "reloading"))
    for (const one of [ada, next, offline]) assert.deepEqual(await one.faults(), [])
  },
)

test(
  "DC125 the browser asks before a page goes whose edits it could not keep",
  onPage,
  scene(async ({ visit, server, restart }) => {
    const ada = await visit("#unkept", { mayLog: lineLost })
    await ada.page.addInitScript(noDatabase)
    await ada.page.reload()
    await ada.stands(/^Ready$/)
    await server.stop()
    await ada.stands(/^Reconnecting/)
    await ada.page.locator(".cm-content").focus()
    await ada.page.keyboard.type("four")
    await ada.stands(/^Offline, 4 changes only in this tab/)
    const asked = ada.page.waitForEvent("dialog")
    await ada.page.close({ runBeforeUnload: true })
    const question = await asked
    assert.equal(question.type(), "beforeunload")
    await question.dismiss()
    await restart()
    await hurry(ada.page)
    await ada.stands(/^Saved at/)
  }),
)

for (const keeps of ["a browser that keeps texts", "a browser that keeps nothing"]) {
  test(
    `DC126 DC125 an OTP that was set meanwhile costs no edit: ${keeps}`,
    onPage,
    scene(async ({ t, visit, server, dataDir, restart }) => {
      const ada = await visit("#locked", { mayLog: lineLost })
      if (keeps === "a browser that keeps nothing") {
        await ada.page.addInitScript(noDatabase)
        await ada.page.reload()
      }
      await ada.stands(/^Ready$/)
      await server.stop()
      await ada.stands(/^Reconnecting/)
      await ada.page.keyboard.type("mine ")
      await ada.stands(/^Offline, 5 changes/)
      // Where Ada does not look: so she comes back to a document that is locked already.
      const elsewhere = await startServer(t, { dataDir, sqliteUri: join(dataDir, "quartet.db") })
      const bob = connect(elsewhere.url).documents.open("locked", { name: "Bob", hue: 200 })
      await become("synchronized", async () => bob.state)
      bob.replace(0, 0, "theirs")
      const otp = await bob.protect()
      await bob.whenSaved()
      await bob.close()
      await elsewhere.stop()
      await restart()
      await hurry(ada.page)
      const asked = ada.page.getByRole("dialog", { name: "This document asks for an OTP" })
      await asked.getByText("What you typed stays here").waitFor()
      if (keeps === "a browser that keeps nothing") {
        const question = ada.page.waitForEvent("dialog")
        await ada.page.close({ runBeforeUnload: true })
        await (await question).dismiss()
      }
      // The question stays, however often one presses Escape.
      for (const key of ["Escape", "Escape", "Escape"]) await ada.page.keyboard.press(key)
      await asked.getByLabel("OTP").focus()
      await ada.page.keyboard.type("wrong")
      await ada.page.keyboard.press("Enter")
      await asked.getByText("is not the right one").waitFor()
      await asked.getByText("What you typed stays here").waitFor()
      await asked.getByLabel("OTP").fill(otp)
      await ada.page.keyboard.press("Enter")
      await ada.shows("mine theirs")
      await ada.stands(/^Saved at/)
      // Once it is there, nothing is left to ask about.
      await ada.page.close({ runBeforeUnload: true })
      await become(true, async () => ada.page.isClosed())
    }),
  )
}

const options = { panels: [""], parts: ["documents"], frameAncestors: "'self'" }

/** The built page, its main script under a name that says which it is. */
function built(name: "old" | "new") {
  const root = join(import.meta.dirname, "../dist/page")
  const files = new Map<string, { bytes: Uint8Array<ArrayBuffer>; etag: string }>()
  const index = readFileSync(join(root, "index.html"), "utf8")
  const main = /assets\/(index-[\w-]+)\.js/.exec(index)?.[1] ?? assert.fail("one main script")
  const renamed = (text: string) => text.replaceAll(main, `${main}-${name}`)
  for (const file of readdirSync(root, { recursive: true, encoding: "utf8" })) {
    if (!file.includes(".")) continue
    const bytes = readFileSync(join(root, file))
    const isText = /\.(?:js|html)$/.test(file)
    const content = isText ? Buffer.from(renamed(bytes.toString())) : bytes
    files.set(renamed(file), { bytes: new Uint8Array(content), etag: `"${name}"` })
  }
  const worker = files.get("worker.js") ?? assert.fail("there is a worker")
  // Each build has a name of its own, by which its files are kept.
  const named = Buffer.from(worker.bytes)
    .toString()
    .replace(/\b[0-9a-f]{12}\b/, `build-${name}`)
  files.set("worker.js", { bytes: new Uint8Array(Buffer.from(named)), etag: `"${name}"` })
  return files
}

// These run in the page. As text, because the tests know no types of a browser.

const noDatabase = "Object.defineProperty(window, 'indexedDB', { value: undefined })"

const mainScript = `document.querySelector("script[src]").src.match(/-(old|new)\\.js$/)[1]`

const storedAddresses = `(async () => {
  const found = []
  for (const name of await caches.keys()) {
    for (const request of await (await caches.open(name)).keys()) found.push(request.url)
  }
  return found
})()`

const unnamedStyle = `(() => {
  const style = document.createElement("style")
  style.textContent = "body { outline: 7px solid }"
  const isLetIn = new Promise((resolve) => {
    addEventListener("securitypolicyviolation", (event) => {
      watched.violations.length = 0 // this one was wanted
      resolve(false)
    }, { once: true })
    setTimeout(() => resolve(true), 5_000)
  })
  document.head.append(style)
  return isLetIn
})()`
