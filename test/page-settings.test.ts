/** How the text is shown and with whose keys, in Chromium: what is chosen holds, and is kept. */
import assert from "node:assert/strict"
import { test } from "node:test"
import type { Page } from "playwright-core"
import { become, onPage, scene, type Visitor } from "./browser.ts"

const drawerButton = (page: Page) => page.locator(".top-line [aria-expanded]")
const toggle = (page: Page, name: string) => page.getByRole("switch", { name })
const vimRow = (page: Page) => page.locator(".cm-vim-panel")

/** Opens the palette, finds one command by `words`, and runs it. */
async function command({ page }: Visitor, words: string): Promise<void> {
  await page.keyboard.press("Control+k")
  await page.getByRole("combobox").fill(words)
  await page.keyboard.press("Enter")
}

/** Waits until Vim says that it is in `mode`. */
function mode({ page }: Visitor, name: string): Promise<void> {
  return become(`--${name}--`, async () => (await vimRow(page).textContent()) ?? "")
}

/** The page in Vim mode with `text` in the document and the caret at its begin. */
async function inVim(visitor: Visitor, text: string): Promise<void> {
  await visitor.stands(/^Ready$/)
  await visitor.page.keyboard.type(text)
  await command(visitor, "vim keys")
  await mode(visitor, "NORMAL")
  await visitor.page.keyboard.type("gg0")
}

test(
  "DC131 tab width, Vim keys and the whole screen are chosen in the drawer and kept",
  onPage,
  scene(async ({ visit, enter }) => {
    const ada = await visit("#settings")
    const { page } = ada
    await ada.stands(/^Ready$/)
    enter("settings", "Grace").replace(0, 0, "\tx\n")
    await ada.shows("\tx\n")
    const tab = () =>
      page.evaluate<string>(`getComputedStyle(document.querySelector(".cm-content")).tabSize`)
    assert.equal(await tab(), "2")
    await drawerButton(page).click()
    for (const width of ["3", "4"]) {
      await page.getByRole("button", { name: "Wider tabs" }).click()
      await become(width, tab)
    }
    await toggle(page, "Vim keys").click()
    await vimRow(page).waitFor()
    await toggle(page, "Full screen").click()
    await become(0, () => page.locator(".rail:visible").count())
    const isFull = () => page.evaluate<boolean>("document.fullscreenElement !== null")
    await become(true, isFull)

    // A browser leaves its full screen when it loads a page anew; what was chosen is kept.
    await page.reload()
    await vimRow(page).waitFor()
    await become("4", tab)
    await become(0, () => page.locator(".rail:visible").count())
    await drawerButton(page).click()
    assert.equal(await toggle(page, "Full screen").isChecked(), true)
    assert.equal(await toggle(page, "Vim keys").isChecked(), true)
    await toggle(page, "Full screen").click()
    await toggle(page, "Vim keys").click()
    await page.locator(".rail:visible").waitFor()
    await become(0, () => vimRow(page).count())

    // One step of indentation is as wide as a tab.
    await page.locator(".cm-content").focus()
    await page.keyboard.press("Control+End")
    await page.keyboard.press("Tab")
    await ada.shows("\tx\n    ")
  }),
)

test(
  "DC131 the palette has the same settings, and who leaves full screen by the browser has the rail back",
  onPage,
  scene(async ({ visit }) => {
    const ada = await visit("#palette")
    const { page } = ada
    await ada.stands(/^Ready$/)
    await command(ada, "full screen")
    await become(0, () => page.locator(".rail:visible").count())
    await become(true, () => page.evaluate<boolean>("document.fullscreenElement !== null"))
    await page.evaluate("document.exitFullscreen()")
    await page.locator(".rail:visible").waitFor()

    await command(ada, "wrap long lines")
    await page.locator(".cm-lineWrapping").waitFor()
    await command(ada, "wider tabs")
    await command(ada, "larger text")
    await become<unknown>("15px", () =>
      page.evaluate(`getComputedStyle(document.querySelector(".cm-scroller")).fontSize`),
    )
    await command(ada, "light theme")
    await page.locator("html[data-theme=light]").waitFor()
    await command(ada, "vim keys")
    await vimRow(page).waitFor()
    const kept = await page.evaluate<string[]>(
      `["wrap", "tab-width", "font-size", "theme", "keys", "screen"].map((key) => localStorage["quartet." + key])`,
    )
    assert.deepEqual(kept, ["on", "3", "15", "light", "vim", "shared"])
  }),
)

test(
  "DC131 with Vim's keys :w says that all is saved, and edits go to the others",
  onPage,
  scene(async ({ visit }) => {
    const ada = await visit("#vim")
    const bob = await visit("#vim")
    await inVim(ada, "one\ntwo\nthree")
    await ada.stands(/^Saved at revision \d+$/)
    await ada.page.keyboard.type(":w")
    await ada.page.keyboard.press("Enter")
    await ada.page.getByText(/^Saved already: Saved at revision \d+$/).waitFor()
    await ada.page.keyboard.type("jdd")
    await bob.shows("one\nthree")
    await ada.page.keyboard.type("p")
    await bob.shows("one\nthree\ntwo")
    await ada.page.keyboard.type("/one")
    await ada.page.keyboard.press("Enter")
    await ada.page.keyboard.type("cwnine")
    await ada.page.keyboard.press("Escape")
    await bob.shows("nine\nthree\ntwo")
  }),
)

test(
  "DC131 what others do leaves Vim in its mode, and out of what it repeats and selects",
  onPage,
  scene(async ({ visit, enter }) => {
    const ada = await visit("#mode")
    const grace = enter("mode", "Grace")
    await inVim(ada, "one\ntwo\nthree")
    await become("one\ntwo\nthree", async () => grace.text)
    const { keyboard } = ada.page

    await keyboard.type("ia")
    await mode(ada, "INSERT")
    grace.replace(0, 0, "grace\n")
    await ada.shows("grace\naone\ntwo\nthree")
    await mode(ada, "INSERT")
    await keyboard.type("b")
    await keyboard.press("Escape")
    await keyboard.type("j0.")
    await ada.shows("grace\nabone\nabtwo\nthree")

    // A selection stays on its words, and grows from there.
    await keyboard.type("0vl")
    await mode(ada, "VISUAL")
    grace.replace(0, 6, "")
    grace.replace(0, 0, "x\ny\nz\n")
    await ada.shows("x\ny\nz\nabone\nabtwo\nthree")
    await mode(ada, "VISUAL")
    await keyboard.type("ld")
    await ada.shows("x\ny\nz\nabone\nwo\nthree")
    await mode(ada, "NORMAL")
  }),
)

test(
  "DC130 DC131 Vim's u and Ctrl-R touch one's own edits only",
  onPage,
  scene(async ({ visit, enter }) => {
    const ada = await visit("#undo")
    const grace = enter("undo", "Grace")
    await inVim(ada, "one\ntwo")
    await ada.page.keyboard.type("dd")
    await ada.shows("two")
    await become("two", async () => grace.text)
    grace.replace(3, 3, "\nthree")
    await ada.shows("two\nthree")
    await ada.page.keyboard.type("u")
    await ada.shows("one\ntwo\nthree")
    await ada.page.keyboard.press("Control+r")
    await ada.shows("two\nthree")
  }),
)

test(
  "DC131 DC137 with Vim's keys, too, Escape, then Tab, leaves the editor",
  onPage,
  scene(async ({ visit }) => {
    const ada = await visit("#leave")
    const { page } = ada
    await inVim(ada, "text")
    const isInside = () => page.evaluate<boolean>(`document.activeElement.matches(".cm-content")`)
    await page.keyboard.type("A more")
    await mode(ada, "INSERT")
    await page.keyboard.press("Escape")
    await mode(ada, "NORMAL")
    assert.equal(await page.getByText("Tab now leaves the editor").count(), 0)
    await page.keyboard.press("Escape")
    await page.getByText("Tab now leaves the editor").waitFor()
    await page.keyboard.press("Shift+Tab")
    await become(false, isInside)
    await page.locator(".cm-content").focus()
    await page.keyboard.type("i")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Tab")
    await become(false, isInside)
    await ada.shows("text more")
  }),
)
