/** The page in Chromium, against a real server: several people in one document. */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import type { Page } from "playwright-core"
import { connect } from "../src/client/client.ts"
import { become, onPage, scene } from "./browser.ts"

/** A browser's own words on requests that fail, which the page cannot keep from the console. */
const lineLost = /WebSocket connection to|Failed to load resource/

/** The id that the page wrote into its address. */
function idOf(page: Page): string {
  return new URL(page.url()).hash.slice(1).split("?")[0] ?? ""
}

const share = (page: Page) => page.getByRole("button", { name: "Share", exact: true })
const dialog = (page: Page) => page.getByRole("dialog")
const drawerButton = (page: Page) => page.locator(".top-line [aria-expanded]")

test(
  "DC120 without an id one is made and written to the address, and reload, back and forward keep it",
  onPage,
  scene(async ({ visit }) => {
    const ada = await visit("")
    const first = idOf(ada.page)
    assert.match(first, /^[A-Za-z0-9]{8}$/)
    await ada.stands(/^Ready$/)
    await ada.page.keyboard.type("one")
    await ada.stands(/^Saved at/)
    await ada.page.reload()
    await ada.shows("one")
    await ada.page.getByRole("button", { name: "New document" }).click()
    await ada.shows("")
    // A socket that is left before it stands is told on the console by the browser itself.
    await ada.stands(/^Ready$/)
    assert.notEqual(idOf(ada.page), first)
    await ada.page.goBack()
    await ada.shows("one")
    await ada.stands(/^(Ready|Saved)/)
    assert.equal(idOf(ada.page), first)
    await ada.page.goForward()
    await ada.shows("")
    await ada.stands(/^Ready$/)
  }),
)

test(
  "DC120 a document with an OTP asks for it, says when it is wrong, and carries it in the address",
  onPage,
  scene(async ({ visit }) => {
    const ada = await visit("#secret")
    await ada.stands(/^Ready$/)
    await ada.page.keyboard.type("for our eyes")
    await ada.stands(/^Saved at/)
    await share(ada.page).click()
    await ada.page.getByRole("switch").click()
    await ada.page.getByText("It carries the OTP").waitFor()
    const { hash } = new URL(ada.page.url())
    const otp = /^#secret\?otp=([\w-]{12})$/.exec(hash)?.[1] ?? assert.fail(hash)
    const link = await ada.page.getByLabel("Link to this document").inputValue()
    assert.equal(link, ada.page.url())

    const bob = await visit("#secret", { mayLog: lineLost })
    await bob.page.getByText("Who sent you here has it").waitFor()
    const field = bob.page.getByLabel("OTP", { exact: true })
    await field.fill("wrongwrong12")
    await field.press("Enter")
    await bob.page.getByText("is not the right one").waitFor()
    await field.fill(otp)
    await field.press("Enter")
    await bob.shows("for our eyes")
    assert.equal(new URL(bob.page.url()).hash, hash)

    const carol = await visit(hash)
    await carol.shows("for our eyes")

    // Taken away again: then everybody's address is the plain one.
    await ada.page.getByRole("switch").click()
    await become("#secret", async () => new URL(bob.page.url()).hash)
    const dave = await visit("#secret")
    await dave.shows("for our eyes")
  }),
)

test(
  "DC13 two people type at once and end with the same text, which the server has too",
  onPage,
  scene(async ({ visit, server }) => {
    const ada = await visit("#both")
    const bob = await visit("#both")
    await Promise.all([ada.stands(/^Ready$/), bob.stands(/^Ready$/)])
    await ada.page.keyboard.type("top\n\nend")
    await bob.shows("top\n\nend")
    await bob.page.keyboard.press("Control+End")
    await ada.page.keyboard.press("Control+Home")
    await Promise.all([
      ada.page.keyboard.type("ada says é🎉 "),
      bob.page.keyboard.type(" and bob says 👩‍🚀 too"),
    ])
    const text = "ada says é🎉 top\n\nend and bob says 👩‍🚀 too"
    await Promise.all([ada.shows(text), bob.shows(text)])
    const { documents } = connect(server.url)
    await become(text, async () => (await documents.read("both")).text)
  }),
)

test(
  "DC125 DC130 what is typed while the server is gone is kept, merged when it is back, and undone alone",
  onPage,
  scene(async ({ visit, server, restart }) => {
    const ada = await visit("#away", { mayLog: lineLost })
    const bob = await visit("#away", { mayLog: lineLost })
    await Promise.all([ada.stands(/^Ready$/), bob.stands(/^Ready$/)])
    await ada.page.keyboard.type("kept")
    await ada.stands(/^Saved at revision \d+$/)
    await bob.shows("kept")
    await server.stop()
    await ada.stands(/^Reconnecting in \d+ s ·$/)
    await ada.page.keyboard.press("Control+Home")
    await ada.page.keyboard.type("ada ")
    await ada.stands(/^Offline, 4 changes kept here · again in \d+ s ·$/)
    await bob.page.keyboard.press("Control+End")
    await bob.page.keyboard.type(" bob")

    await restart()
    // At once or not at all: it goes as soon as the page comes back by itself.
    await ada.page.evaluate("document.querySelector('.state-act')?.click()")
    await Promise.all([ada.shows("ada kept bob"), bob.shows("ada kept bob")])
    await Promise.all([ada.stands(/^Saved at/), bob.stands(/^Saved at/)])

    // The history has outlived the line, and holds one's own edits only.
    await ada.page.keyboard.press("Control+z")
    await Promise.all([ada.shows("kept bob"), bob.shows("kept bob")])
    await ada.page.keyboard.press("Control+y")
    await bob.shows("ada kept bob")
    await bob.page.keyboard.press("Control+z")
    await ada.shows("ada kept")
  }),
)

test(
  "DC125 what the server has not acknowledged outlives a look at another document",
  onPage,
  scene(async ({ visit, server, restart }) => {
    const ada = await visit("#first", { mayLog: lineLost })
    await ada.stands(/^Ready$/)
    await ada.page.keyboard.type("told, ")
    await ada.stands(/^Saved at/)
    await server.stop()
    await ada.stands(/^Reconnecting/)
    await ada.page.keyboard.press("Control+End")
    await ada.page.keyboard.type("untold")
    await ada.stands(/^Offline, 6 changes/)
    await ada.page.getByRole("button", { name: "New document" }).click()
    await ada.shows("")
    await ada.page.goBack()
    await ada.shows("told, untold")
    await ada.stands(/^Offline, 6 changes/)
    await ada.page.goForward()
    await ada.shows("")
    await restart()
    // Without anybody looking at it, it is sent when the server is back.
    const { documents } = connect(server.url)
    await become("told, untold", async () => (await documents.read("first")).text)
  }),
)

test(
  "DC125 a text is there again after the server was restarted",
  onPage,
  scene(async ({ visit, server, restart }) => {
    const ada = await visit("#lasting", { mayLog: lineLost })
    await ada.stands(/^Ready$/)
    await ada.page.keyboard.type("still here")
    await ada.stands(/^Saved at/)
    await server.stop()
    await ada.stands(/^Reconnecting/)
    await restart()
    const bob = await visit("#lasting")
    await bob.shows("still here")
    await ada.stands(/^Saved at/)
    await ada.page.keyboard.type("!")
    await bob.shows("still here!")
  }),
)

test(
  "DC122 a language is found by a few letters, its grammar is loaded, and everybody has it",
  onPage,
  scene(async ({ visit }) => {
    const ada = await visit("#code")
    const bob = await visit("#code")
    await Promise.all([ada.stands(/^Ready$/), bob.stands(/^Ready$/)])
    const loaded: string[] = []
    bob.page.on("request", (request) => loaded.push(request.url()))
    await ada.page.keyboard.type("def greet(name): pass")
    await ada.page.getByRole("button", { name: "Language: Plain text" }).click()
    await dialog(ada.page).getByRole("option", { name: "Plain text" }).waitFor()
    await ada.page.keyboard.type("pyth")
    await ada.page.keyboard.press("Enter")
    for (const { page } of [ada, bob]) {
      await page.getByRole("button", { name: "Language: Python" }).waitFor()
      await page.locator(".tok-keyword", { hasText: "def" }).waitFor()
    }
    assert.ok(loaded.length > 0, "the grammar came when it was first used")
    const carol = await visit("#code")
    await carol.page.getByRole("button", { name: "Language: Python" }).waitFor()

    await bob.page.getByRole("button", { name: "Language: Python" }).click()
    await dialog(bob.page).getByRole("option", { name: "Plain text" }).click()
    await ada.page.getByRole("button", { name: "Language: Plain text" }).waitFor()
    await become(0, () => ada.page.locator(".tok-keyword").count())
  }),
)

test(
  "DC123 another's caret has their colour and name, a click goes there, a second follows until one types",
  onPage,
  scene(async ({ visit, enter }) => {
    const lines = Array.from({ length: 300 }, (_, index) => `line ${index + 1}`).join("\n")
    const grace = enter("long", "Grace", 268)
    await become("synchronized", async () => grace.state)
    grace.replace(0, 0, lines)
    const ada = await visit("#long", { name: "Ada", hue: 24 })
    await ada.page.locator(".cm-line", { hasText: "line 12" }).first().waitFor()

    const at = (line: number): number => lines.indexOf(`line ${line}\n`)
    grace.setCursors({ cursors: [at(3)], selections: [[at(2), at(3)]] })
    const caret = ada.page.locator(".cm-remoteCaret")
    await caret.waitFor()
    assert.equal(await caret.locator(".cm-remoteName").textContent(), "Grace")
    assert.match((await caret.getAttribute("style")) ?? "", /--remote-hue: 268;/)
    await ada.page.locator(".cm-remoteSelection").first().waitFor()

    grace.setCursors({ cursors: [at(250)], selections: [] })
    await become(0, () => caret.count())
    const disc = ada.page.getByRole("button", { name: "Go to Grace", exact: true })
    await disc.hover()
    await become("visible", () => ada.page.evaluate<string>(hint))
    assert.equal(await disc.count(), 1, "what stands beside it on hover is no part of its name")
    await disc.click()
    await ada.page.locator(".cm-line", { hasText: "line 250" }).waitFor()
    assert.equal(await ada.page.locator(".follow-edge").count(), 0)
    await disc.click()
    await ada.page.getByText("Following Grace").waitFor()
    grace.setCursors({ cursors: [at(100)], selections: [] })
    await ada.page.locator(".cm-line", { hasText: "line 100" }).waitFor()

    // Typing, scrolling and Escape each end it.
    await ada.page.locator(".cm-content").focus()
    await ada.page.keyboard.type("x")
    await become(0, () => ada.page.locator(".follow-edge").count())
    for (const stop of [
      () => ada.page.keyboard.press("Escape"),
      () => ada.page.mouse.wheel(0, 200),
      async () => {
        await ada.page.mouse.move(70, 300) // over the line numbers
        await ada.page.mouse.wheel(0, 200)
      },
    ]) {
      await disc.click()
      await disc.click()
      await ada.page.getByText("Following Grace").waitFor()
      await ada.page.locator(".cm-content").focus()
      await ada.page.locator(".cm-scroller").hover()
      await stop()
      await become(0, () => ada.page.locator(".follow-edge").count())
    }
    await grace.close()
    await become(0, () => disc.count())
  }),
)

test(
  "DC124 a name and a colour are told when done, not key by key, and kept",
  onPage,
  scene(async ({ visit }) => {
    const ada = await visit("#names", { name: "Ada", hue: 24 })
    const bob = await visit("#names")
    await bob.page.getByRole("button", { name: "Go to Ada", exact: true }).waitFor()
    const told: string[] = []
    await drawerButton(bob.page).click()
    const field = bob.page.getByLabel("Your name")
    assert.match(await field.inputValue(), /^Anonymous [A-Z]/)
    const names = async () => {
      const others = ada.page.getByRole("button", { name: /^Go to / })
      const label = await others.first().locator(".unseen").textContent()
      if (label !== null && told.at(-1) !== label) told.push(label)
      return label
    }
    await names()
    await field.selectText()
    await bob.page.keyboard.type("Bob the Builder")
    await field.press("Enter")
    await become("Go to Bob the Builder", names)
    assert.equal(told.length, 2, `from the first name to the last: ${told}`)

    // The keys of a slider: one colour when the hand is off it.
    await bob.page.getByLabel("Your colour").fill("200")
    const disc = ada.page.getByRole("button", { name: "Go to Bob the Builder" })
    await become("--hue: 200;", () => disc.getAttribute("style"))
    await bob.page.reload()
    await drawerButton(bob.page).click()
    assert.equal(await field.inputValue(), "Bob the Builder")
    await become("--hue: 200;", () => disc.getAttribute("style"))
  }),
)

test(
  "DC127 a paste above the limit is taken out again and handed back, and everything else goes on",
  onPage,
  scene(
    async ({ visit }) => {
      const ada = await visit("#small")
      const bob = await visit("#small")
      await ada.stands(/^Ready$/)
      await ada.page.keyboard.type("before ")
      const pasted = "too much ".repeat(1_000)
      await ada.page.evaluate(`navigator.clipboard.writeText(${JSON.stringify(pasted)})`)
      await ada.page.keyboard.press("Control+v")
      const notice = ada.page.locator(".notice", { hasText: "was taken out again" })
      await notice.waitFor()
      assert.match(
        (await notice.textContent()) ?? "",
        /9[,.]?007 characters; 1[,.]?024 is the limit/,
      )
      await ada.shows("before ")
      await ada.page.keyboard.type("after")
      await bob.shows("before after")
      await ada.page.evaluate("navigator.clipboard.writeText('')")
      await notice.getByRole("button", { name: "Copy" }).click()
      await become<unknown>(pasted, () => ada.page.evaluate("navigator.clipboard.readText()"))
      await become(0, () => notice.count())
      await ada.stands(/^Saved at/)
    },
    { maxDocumentSizeKb: 1 },
  ),
)

test(
  "DC130 undo and redo touch one's own edits only",
  onPage,
  scene(async ({ visit }) => {
    const ada = await visit("#undo")
    const bob = await visit("#undo")
    await Promise.all([ada.stands(/^Ready$/), bob.stands(/^Ready$/)])
    await ada.page.keyboard.type("ada")
    await bob.shows("ada")
    await bob.page.keyboard.press("Control+End")
    await bob.page.keyboard.type(" bob")
    await ada.shows("ada bob")
    await ada.page.keyboard.press("Control+z")
    await bob.shows(" bob")
    await ada.page.keyboard.press("Control+z")
    await ada.page.keyboard.type("!")
    await Promise.all([ada.shows("! bob"), bob.shows("! bob")])
    await bob.page.keyboard.press("Control+z")
    await ada.shows("!")
  }),
)

test(
  "DC133 Ctrl-S downloads the text, named after the document and its language",
  onPage,
  scene(async ({ visit }) => {
    const ada = await visit("#notes%20of%2Fada")
    await ada.stands(/^Ready$/)
    await ada.page.keyboard.type("print('é🎉')")
    const save = async () => {
      const download = ada.page.waitForEvent("download")
      await ada.page.keyboard.press("Control+s")
      return download
    }
    const plain = await save()
    assert.equal(plain.suggestedFilename(), "notes-of-ada.txt")
    assert.equal(readFileSync(await plain.path(), "utf8"), "print('é🎉')")
    await ada.page.getByRole("button", { name: "Language: Plain text" }).click()
    await dialog(ada.page).getByRole("option", { name: "Python", exact: true }).click()
    await ada.page.getByRole("button", { name: "Language: Python" }).waitFor()
    assert.equal((await save()).suggestedFilename(), "notes-of-ada.py")
  }),
)

test(
  "DC135 while an input method composes, others' edits wait and half a word is told nobody",
  onPage,
  scene(async ({ visit, enter }) => {
    const ada = await visit("#compose")
    await ada.stands(/^Ready$/)
    await ada.page.keyboard.type("a")
    const bob = enter("compose", "Bob")
    await become("a", async () => bob.text)
    const keyboard = await ada.page.context().newCDPSession(ada.page)
    const compose = (text: string) =>
      keyboard.send("Input.imeSetComposition", {
        text,
        selectionStart: text.length,
        selectionEnd: text.length,
      })
    await compose("に")
    await ada.shows("aに")
    bob.replace(0, 0, "bob ")
    await bob.whenSaved()
    await compose("にほ")
    await ada.shows("aにほ")
    assert.equal(bob.text, "bob a", "nothing of the half word has come here")
    await keyboard.send("Input.insertText", { text: "日本" })
    await ada.shows("bob a日本")
    await become("bob a日本", async () => bob.text)
  }),
)

test(
  "DC136 a paste's line endings become LF, and a lone CR from elsewhere stays a character",
  onPage,
  scene(async ({ visit, enter }) => {
    const mac = enter("lines", "Mac")
    const ada = await visit("#lines")
    await ada.stands(/^Ready$/)
    await ada.page.evaluate("navigator.clipboard.writeText('one\\r\\ntwo\\rthree\\n')")
    await ada.page.keyboard.press("Control+v")
    await become("one\ntwo\nthree\n", async () => mac.text)
    mac.replace(0, 0, "zero\r")
    await ada.page.locator(".cm-specialChar").waitFor()
    await ada.page.keyboard.type("!")
    await become("zero\rone\ntwo\nthree\n!", async () => mac.text)
  }),
)

/** Whether the hint of what the mouse is over can be seen. */
const hint = `
  getComputedStyle(document.querySelector(".disc:hover"), "::after").visibility
`
