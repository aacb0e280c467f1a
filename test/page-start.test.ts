/** The page as a whole: a start that fails, the way through all panels by keys, back and reload. */
import assert from "node:assert/strict"
import { test } from "node:test"
import type { Page } from "playwright-core"
import { become, onPage, scene } from "./browser.ts"

/** A browser's own words on requests that fail, which the page cannot keep from the console. */
const refused = /WebSocket connection to|Failed to load resource|ERR_CONNECTION_REFUSED/

const settings = { operatorsPort: 0, poolsPort: 0 } as const

/** What stands in each panel once it is drawn. */
const drawn = {
  "": ".documents .cm-content",
  relay: ".replica .cm-content",
  operators: ".way-in",
  pools: ".tree",
} as const

const parts = Object.entries(drawn)

const shown = (page: Page, selector: string) => page.locator(selector).first().waitFor()

test(
  "DC152 a page that cannot start says which browsers it is for; one that starts never shows it",
  onPage,
  scene(async ({ server, visit }) => {
    const { page } = await visit("#start")
    assert.equal(await page.locator(".unstarted").count(), 0)
    const context = await page.context().browser()?.newContext({ serviceWorkers: "block" })
    assert.ok(context !== undefined)
    const other = await context.newPage()
    await other.route("**/assets/*.js", (route) => route.abort())
    await other.goto(server.url)
    const words = other.locator(".unstarted")
    // As it begins, however late we look.
    await other.evaluate(
      "document.getAnimations().forEach((each) => { each.pause(); each.currentTime = 0 })",
    )
    assert.equal(await words.isVisible(), false, "it may still start")
    await other.evaluate("document.getAnimations().forEach((each) => each.finish())")
    await words.filter({ hasText: "It needs a browser of 2024 or later" }).waitFor()
    const box = await words.boundingBox()
    assert.ok(box !== null && box.width > 300, "it stands beside nothing")
    await context.close()
  }),
)

test(
  "DC137 Tab alone leads from the first link of each panel through it, and what has the focus is seen",
  onPage,
  scene(async ({ visit }) => {
    const { page } = await visit("#keys")
    for (const [path, selector] of parts) {
      await page.goto(new URL(`/${path}#keys`, page.url()).href)
      await shown(page, selector)
      await page.evaluate("document.activeElement.blur()")
      const seen = new Set<string>()
      for (let count = 0; count < 12; count += 1) {
        await page.keyboard.press("Tab")
        const focus = await page.evaluate<{ name: string; isSeen: boolean }>(focused)
        assert.ok(focus.isSeen, `${path}: nothing shows that ${focus.name} has the focus`)
        seen.add(focus.name)
        // An editor takes Tab; Escape lets go of it.
        await page.keyboard.press("Escape")
      }
      assert.ok(seen.size >= 6, `${path}: ${[...seen].join("; ")}`)
    }
  }, settings),
)

test(
  "DC125 RL144 OP116 PL160 each panel outlives its server, and reloads into what it was",
  onPage,
  scene(async ({ server, visit, restart }) => {
    const { page } = await visit("#there", { mayLog: refused })
    for (const [path, selector] of parts.slice(1)) {
      await page
        .getByRole("navigation")
        .getByRole("link", { name: new RegExp(path, "i") })
        .click()
      await shown(page, selector)
    }
    const paths = ["/pools", "/operators", "/relay", "/"]
    for (const path of paths) {
      await become(path, async () => new URL(page.url()).pathname)
      await shown(page, drawn[path.slice(1) as keyof typeof drawn]) // one of the above
      if (path !== "/") await page.goBack()
    }
    await page.goForward()
    await become("/relay", async () => new URL(page.url()).pathname)
    await server.stop()
    await restart()
    await page.getByText("Connected, nobody else is here").first().waitFor()
    for (const path of paths) {
      await page.goto(new URL(path, page.url()).href)
      await page.reload()
      await shown(page, drawn[path.slice(1) as keyof typeof drawn]) // one of the above
    }
  }, settings),
)

/** What has the focus, and whether an outline of it or close by shows that. It runs in the page. */
const focused = `(() => {
  const element = document.activeElement
  const marks = (each) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(each)
    return outlineStyle !== "none" && parseFloat(outlineWidth) > 0
  }
  const around = [element.parentElement, element.closest("label")].filter((each) => each !== null)
  const near = [element, ...element.querySelectorAll("*"), ...around]
  const isEditor = element.matches(".cm-content") && document.querySelector(".cm-cursor") !== null
  const name = element.getAttribute("aria-label") ?? element.textContent.trim().slice(0, 40)
  const isSeen = element === document.body || isEditor || near.some(marks)
  return { name: element.tagName + " " + name, isSeen }
})()`
