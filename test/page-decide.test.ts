/** The page in Chromium when the server has another text, none, or no place for this visitor any more. */
import assert from "node:assert/strict"
import { cpSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import fc from "fast-check"
import { connect } from "../src/client/client.ts"
import { compareLines } from "../web/documents/compared.ts"
import { become, onPage, scene, type Visitor } from "./browser.ts"

/** A browser's own words on requests that fail, which the page cannot keep from the console. */
const lineLost = /WebSocket connection to|Failed to load resource/
/** The text under a dialog becomes the server's. */
const visitor = { mayLog: lineLost, mayMove: "by others" } as const

/** Takes the whole content of one directory for that of another. */
function replaceFiles(directory: string, from: string): void {
  for (const file of readdirSync(directory)) rmSync(join(directory, file), { recursive: true })
  cpSync(from, directory, { recursive: true })
}

async function hurry({ page }: Visitor): Promise<void> {
  await page.evaluate("document.querySelector('.state-act')?.click()")
}

const lineText = fc.array(fc.constantFrom("", "a", "b", "c", "a b 🎉"), { maxLength: 12 })

test("DC128 a comparison has every line of both texts in order, and no more of them apart than need be", () => {
  fc.assert(
    fc.property(lineText, lineText, (mine, server) => {
      const stretches = compareLines(mine.join("\n"), server.join("\n"))
      const side = (of: "mine" | "server") =>
        stretches.flatMap((one) => (one.kind === "same" ? one.lines : one[of])).join("\n")
      assert.equal(side("mine"), mine.join("\n"))
      assert.equal(side("server"), server.join("\n"))
      for (const [index, { kind }] of stretches.entries()) {
        assert.notEqual(kind, stretches[index + 1]?.kind)
      }
    }),
  )
  assert.deepEqual(compareLines("a\nb\nc\nd", "a\nx\nc\nd\ne"), [
    { kind: "same", lines: ["a"] },
    { kind: "other", mine: ["b"], server: ["x"] },
    { kind: "same", lines: ["c", "d"] },
    { kind: "other", mine: [], server: ["e"] },
  ])
})

for (const width of [1280, 360]) {
  test(
    `DC128 after a restored backup both texts stand side by side until one is chosen (${width} px)`,
    onPage,
    scene(async ({ visit, t, server, restart, dataDir }) => {
      const backup = `${dataDir}-backup`
      t.after(() => rmSync(backup, { recursive: true, force: true }))
      const ada = await visit("#backup", { ...visitor, width })
      await ada.stands(/^Ready$/)
      await ada.page.keyboard.type("first\nsecond")
      await ada.stands(/^Saved at/)
      cpSync(dataDir, backup, { recursive: true })
      await ada.page.keyboard.type(" and more\nthird")
      await ada.stands(/^Saved at/)
      const mine = "first\nsecond and more\nthird"
      await server.stop()
      replaceFiles(dataDir, backup)
      await restart()
      await hurry(ada)

      const dialog = ada.page.getByRole("dialog", { name: "Two versions of this text" })
      await dialog.waitFor()
      assert.deepEqual(await ada.serious(), [])
      await become("and more", async () =>
        (await dialog.locator("mark").first().textContent())?.trim(),
      )
      await dialog.getByRole("button", { name: "Copy: Yours" }).click()
      await become<unknown>(mine, () => ada.page.evaluate("navigator.clipboard.readText()"))
      const [box, scrolls] = await Promise.all([
        dialog.boundingBox(),
        ada.page.evaluate<boolean>("document.documentElement.scrollWidth > innerWidth"),
      ])
      assert.ok(box !== null && box.x >= 0 && box.x + box.width <= width && !scrolls)

      // Put off, it stays; and it outlives the tab.
      await ada.page.keyboard.press("Escape")
      await ada.page.getByText("wait for you to choose").waitFor()
      await ada.shows("first\nsecond")
      await ada.page.getByRole("button", { name: "Choose…" }).click()
      await dialog.waitFor()
      await ada.page.close()
      const later = await ada.again("#backup")
      await later.page.getByRole("button", { name: "Use mine" }).click()
      await later.shows(mine)
      await later.stands(/^Saved at/)
      await later.page.reload()
      await later.shows(mine)
      assert.equal(await later.page.getByRole("dialog").count(), 0)
    }),
  )
}

test(
  "DC128 the server's text is used, or one's own opened as a new document",
  onPage,
  scene(async ({ visit, t, server, restart, dataDir }) => {
    const backup = `${dataDir}-backup`
    t.after(() => rmSync(backup, { recursive: true, force: true }))
    const ada = await visit("#one", visitor)
    const bob = await visit("#two", visitor)
    for (const one of [ada, bob]) {
      await one.stands(/^Ready$/)
      await one.page.keyboard.type("old")
      await one.stands(/^Saved at/)
    }
    cpSync(dataDir, backup, { recursive: true })
    for (const one of [ada, bob]) {
      await one.page.keyboard.type(" and new")
      await one.stands(/^Saved at/)
    }
    await server.stop()
    replaceFiles(dataDir, backup)
    await restart()
    await Promise.all([hurry(ada), hurry(bob)])
    await ada.page.getByRole("button", { name: "Use the server's" }).click()
    await ada.shows("old")
    await bob.page.getByRole("button", { name: "Open mine as a new document" }).click()
    await bob.shows("old and new")
    assert.match(new URL(bob.page.url()).hash, /^#\w{8}$/)
    await bob.page.goBack()
    await bob.shows("old")
    assert.equal(await bob.page.getByRole("dialog").count(), 0)
  }),
)

test(
  "DC128 where the server has nothing any more the page asks: restore this text, or start empty",
  onPage,
  scene(async ({ visit, server, restart, dataDir }) => {
    const ada = await visit("#gone", visitor)
    const bob = await visit("#lost", { ...visitor, width: 360 })
    for (const one of [ada, bob]) {
      await one.stands(/^Ready$/)
      await one.page.keyboard.type("all that was here")
      await one.stands(/^Saved at/)
    }
    await server.stop()
    for (const file of readdirSync(dataDir)) rmSync(join(dataDir, file), { recursive: true })
    await restart()
    await Promise.all([hurry(ada), hurry(bob)])
    for (const one of [ada, bob]) {
      await one.page.getByRole("dialog", { name: "The server no longer has" }).waitFor()
      await one.stands(/^Kept here only$/)
      assert.deepEqual(await one.serious(), [])
      await one.shows("all that was here")
    }
    // Nothing is sent before it is chosen, and a reload asks again.
    const { documents } = connect(server.url)
    assert.equal((await documents.read("gone")).text, "")
    await ada.page.reload()
    await ada.page.getByRole("button", { name: "Restore this text" }).click()
    await ada.stands(/^Saved at/)
    await become("all that was here", async () => (await documents.read("gone")).text)
    await bob.page.getByRole("button", { name: "Start empty" }).click()
    await bob.shows("")
    await bob.stands(/^Ready$/)
  }),
)

test(
  "DC92 DC125 a read link shows the text, says so, and offers nothing that would be refused",
  onPage,
  scene(async ({ visit, enter }) => {
    const grace = enter("source", "Grace")
    await become("synchronized", async () => grace.state)
    grace.replace(0, 0, "to be read")
    await grace.whenSaved()
    const { link, ref } = await grace.link("read")
    const ada = await visit(`#${link}`, visitor)
    await ada.shows("to be read")
    await ada.stands(/^Read-only$/)
    const { page } = ada
    await page.locator(".cm-content").focus()
    await page.keyboard.type("x")
    assert.equal(await page.locator(".cm-content").getAttribute("contenteditable"), "false")
    assert.equal(await page.getByRole("button", { name: /^Language/ }).count(), 0)
    await page.keyboard.press("Control+k")
    await page.getByRole("option", { name: "Download" }).waitFor()
    for (const name of ["Undo", "Upload a file…", "Change language…", "Move lines up"]) {
      assert.equal(await page.getByRole("option", { name, exact: true }).count(), 0, name)
    }
    await page.keyboard.press("Escape")
    assert.deepEqual(await ada.serious(), [])
    // What others write arrives.
    grace.replace(0, 0, "still ")
    await ada.shows("still to be read")

    await grace.revoke(ref)
    const ended = page.getByRole("dialog", { name: "This link has ended" })
    await ended.waitFor()
    assert.deepEqual(await ada.serious(), [])
    await ended.getByRole("button", { name: "Copy the text" }).click()
    await become<unknown>("still to be read", () => page.evaluate("navigator.clipboard.readText()"))
    await page.reload()
    await ended.getByText("Ask whoever sent it to you").waitFor()
    await ended.getByRole("button", { name: "New document" }).click()
    await ada.stands(/^Ready$/)
  }),
)
