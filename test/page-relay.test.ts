/**
 * The relay's panel in Chromium, against a real server: notes that several replicas write, some of
 * them programs that know nothing of this page.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import { HocuspocusProvider } from "@hocuspocus/provider"
import type { Page } from "playwright-core"
import { WebsocketProvider } from "y-websocket"
import * as Y from "yjs"
import { become, onPage, scene, type Visitor } from "./browser.ts"

/** A browser's own words on requests that fail, which the page cannot keep from the console. */
const refused = /WebSocket connection to|Failed to load resource/

const replica = (page: Page, which: "first" | "second" = "first") =>
  page.locator(".replica").nth(which === "first" ? 0 : 1)

/** The whole text of a replica, as it is drawn. */
const textOf = (page: Page, which?: "first" | "second") => async () =>
  (await replica(page, which).locator(".cm-line").allTextContents()).join("\n")

const words = (page: Page, which?: "first" | "second") => async () =>
  replica(page, which).locator(".replica-words").textContent()

async function type({ page }: Visitor, text: string, which?: "first" | "second"): Promise<void> {
  await replica(page, which).locator(".cm-content").focus()
  await page.keyboard.press("Control+End")
  await page.keyboard.type(text)
}

const switchOf = (page: Page, name: string) => page.getByRole("switch", { name })
const beside = (page: Page) => page.getByRole("button", { name: "Second replica", exact: true })
const rail = (page: Page, name: string) =>
  page.getByRole("navigation").getByRole("link", { name: new RegExp(name) })

/** A program with an unmodified y-websocket; it ends with the test. */
function program(t: { after(end: () => void): void }, url: string, room: string) {
  const doc = new Y.Doc()
  const line = new WebsocketProvider(`${url.replace("http", "ws")}/yjs`, room, doc)
  t.after(() => {
    line.destroy()
    doc.destroy() // and with it the timer of its awareness
  })
  return { text: doc.getText("note"), awareness: line.awareness }
}

test(
  "RL140 a note has an address: one is made where there is none, and reload, back and forward keep it",
  onPage,
  scene(async ({ visit }) => {
    const { page } = await visit("relay")
    const { pathname, hash } = new URL(page.url())
    assert.equal(pathname, "/relay")
    assert.match(hash, /^#[A-Za-z0-9]{8}$/)
    await become("Connected, nobody else is here", words(page))
    await page.getByRole("button", { name: "New note" }).click()
    await become(false, async () => new URL(page.url()).hash === hash)
    await page.goBack()
    await become(hash, async () => new URL(page.url()).hash)
    await page.reload()
    await become("Connected, nobody else is here", words(page))
    assert.equal(await page.locator("h1").textContent(), `Note in room demo/${hash.slice(1)}`)
  }),
)

test("RL140 where the relay does not run its path leads nowhere", onPage, async (t) => {
  await scene(
    async ({ server, visit }) => {
      assert.equal((await fetch(`${server.url}/relay`)).status, 404)
      const { page } = await visit("#here")
      assert.equal(await rail(page, "Relay").count(), 0)
    },
    { parts: ["documents"] },
  )(t)
})

test(
  "RL140 going to another panel and back keeps line, text and undo of both",
  onPage,
  scene(async ({ visit, enter }) => {
    const ada = await visit("#tides")
    const { page } = ada
    await ada.stands(/^Ready$/)
    await page.keyboard.type("a document")
    await ada.stands(/^Saved at/)
    const sockets: string[] = []
    page.on("websocket", (socket) => sockets.push(new URL(socket.url()).pathname))
    await rail(page, "Relay").click()
    await page.locator(".replica").waitFor()
    assert.match(page.url(), /\/relay#\w{8}$/)
    await become("Connected, nobody else is here", words(page))
    await type(ada, "a note")
    const note = new URL(page.url())
    await become(`${note.hash.slice(1)} · Relay · Quartet`, () => page.title())

    await page.goBack()
    assert.equal(new URL(page.url()).hash, "#tides")
    await become("tides · Quartet", () => page.title())
    const grace = enter("tides", "Grace")
    await become("a document", async () => grace.text)
    grace.replace(0, 0, "Grace saw ")
    const editor = page.locator(".documents .cm-content")
    await editor.filter({ hasText: "Grace saw a document" }).waitFor()
    await editor.focus()
    await page.keyboard.press("Control+z")
    await editor.filter({ hasText: /^Grace saw $/ }).waitFor()

    await rail(page, "Relay").click()
    assert.equal(page.url(), note.href)
    await become("a note", textOf(page))
    assert.deepEqual(sockets, [`/yjs/demo/${note.hash.slice(1)}`], "no line was opened twice")
  }),
)

test(
  "RL141 two pages and an unmodified y-websocket program write one note and see each other",
  onPage,
  scene(async ({ t, visit, server }) => {
    const ada = await visit("relay#wick", { name: "Ada Lovelace", hue: 40 })
    await become("Connected, nobody else is here", words(ada.page))
    await type(ada, "high water ")
    const { text, awareness } = program(t, server.url, "demo/wick")
    awareness.setLocalStateField("user", { name: "Tide gauge" })
    await become("high water ", async () => text.toString())
    const bob = await visit("relay#wick", { name: "Bob" })
    await become("high water ", textOf(bob.page))
    text.insert(text.length, "at six ")
    await become("high water at six ", textOf(bob.page))
    await type(bob, "or seven")
    for (const { page } of [ada, bob]) {
      await become("high water at six or seven", textOf(page))
      await become("In step with 2 others", words(page))
    }
    assert.equal(text.toString(), "high water at six or seven")
    const names = () =>
      [...awareness.getStates().values()].map((state) => String(state["user"]?.name)).sort()
    await become(["Ada Lovelace", "Bob", "Tide gauge"], async () => names())
    const here = ada.page.getByRole("list", { name: "Who is here" })
    await here.getByText("Tide gauge").waitFor({ state: "attached" })
    await ada.page.locator(".cm-remoteName", { hasText: "Bob" }).waitFor({ state: "attached" })
    // What others typed is theirs to undo.
    await ada.page.keyboard.press("Control+z")
    await become("at six or seven", textOf(bob.page))
    await bob.page.close()
    await become("In step with 1 other", words(ada.page))
  }),
)

test(
  "RL142 a second replica opens beside; one sent away and back brings both sides' edits together",
  onPage,
  scene(async ({ visit }) => {
    const ada = await visit("relay#both")
    const { page } = ada
    await become("Connected, nobody else is here", words(page))
    await type(ada, "one")
    await beside(page).click()
    await become("one", textOf(page, "second"))
    await become("In step with 1 other", words(page, "second"))
    await replica(page, "second").getByRole("switch", { name: "Away" }).click()
    await become("Away", words(page, "second"))
    await become("Connected, nobody else is here", words(page))
    await type(ada, " left")
    await type(ada, " right", "second")
    await become("Away, 6 edits kept here", words(page, "second"))
    assert.equal(await textOf(page)(), "one left")
    assert.equal(await textOf(page, "second")(), "one right")
    await replica(page, "second").getByRole("switch", { name: "Away" }).click()
    await become("In step with 1 other", words(page, "second"))
    await become(true, async () => {
      const [left, right] = [await textOf(page)(), await textOf(page, "second")()]
      return left === right && left.includes(" left") && left.includes(" right")
    })
    await page.getByRole("button", { name: "Close the second replica" }).click()
    await become("Connected, nobody else is here", words(page))
    assert.equal(await page.locator(".replica").count(), 1)
  }),
)

test(
  "RL143 an encrypted note takes its text along, opens by its link alone, and is noise on the line",
  onPage,
  scene(async ({ visit }) => {
    const ada = await visit("relay#secret")
    const { page } = ada
    await become("Connected, nobody else is here", words(page))
    await type(ada, "the harbour is ")
    const heard: string[] = []
    page.on("websocket", (socket) => {
      const keep = ({ payload }: { payload: string | Buffer }) => heard.push(payload.toString())
      socket.on("framesent", keep)
      socket.on("framereceived", keep)
    })
    await switchOf(page, "Encrypted").click()
    await become("the harbour is ", textOf(page))
    const { hash } = new URL(page.url())
    assert.match(hash, /^#secret\?key=[\w-]{43}$/)
    await become("Connected, nobody else is here", words(page))
    await type(ada, "closed")
    const bob = await visit(`relay${hash}`)
    await become("the harbour is closed", textOf(bob.page))
    await become("In step with 1 other", words(page))
    await bob.page.locator(".frame", { hasText: "content" }).first().waitFor()
    assert.ok(heard.length > 5)
    assert.doesNotMatch(heard.join(), /harbour|closed/)
    assert.doesNotMatch(await page.locator(".frames-list").innerText(), /harbour|closed/)
    // Off leads to the open note, where nothing of it is; on again, to the same one.
    await switchOf(page, "Encrypted").click()
    await become("#secret", async () => new URL(page.url()).hash)
    await become("", textOf(page))
    await switchOf(page, "Encrypted").click()
    await become("the harbour is closed", textOf(page))
  }),
)

test(
  "RL143 a link whose key is not whole says so, and another key's note is not shown as empty",
  onPage,
  scene(async ({ visit }) => {
    const ada = await visit("relay#mixed")
    await become("Connected, nobody else is here", words(ada.page))
    await type(ada, "mine")
    await switchOf(ada.page, "Encrypted").click()
    await become("Connected, nobody else is here", words(ada.page))
    const other = await visit(`relay#mixed?key=${"A".repeat(43)}`, { mayLog: refused })
    await become("Others here have another key: ask for their link", words(other.page))
    await other.page.goto(new URL("#mixed?key=short", other.page.url()).href)
    await other.page.getByRole("heading", { name: "This link is not whole" }).waitFor()
    await other.page.locator(".relay").getByRole("button", { name: "New note" }).click()
    await become("Connected, nobody else is here", words(other.page))
  }),
)

test(
  "RL145 the programs to paste name this server and this room, and a Hocuspocus app meets the note",
  onPage,
  scene(async ({ t, visit, server }) => {
    const ada = await visit("relay#paste")
    const { page } = ada
    await become("Connected, nobody else is here", words(page))
    const ws = server.url.replace("http", "ws")
    const shown = page.locator(".program-text")
    await shown.getByText(`"${ws}/yjs"`).waitFor()
    await page.getByText("Hocuspocus", { exact: true }).click()
    await page.getByRole("button", { name: "Copy the program" }).click()
    await page.getByText("Program copied").waitFor()
    const copied = await page.evaluate<string>("navigator.clipboard.readText()")
    assert.equal(copied, await shown.locator("pre").textContent())
    const url = /url: "([^"]+)"/.exec(copied)?.[1] ?? assert.fail(copied)
    const name = /name: "([^"]+)"/.exec(copied)?.[1] ?? assert.fail(copied)
    assert.equal(url, `${ws}/hocuspocus`)
    const document = new Y.Doc()
    const line = new HocuspocusProvider({ url, name, document })
    t.after(() => {
      line.destroy()
      line.configuration.websocketProvider.destroy()
      document.destroy()
    })
    await type(ada, "from the page")
    await become("from the page", async () => document.getText("note").toString())
    document.getText("note").insert(0, "back ")
    await become("back from the page", textOf(page))
  }),
)
