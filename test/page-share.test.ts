/**
 * The share sheet in Chromium: what is made in one browser is opened in another, which keeps
 * nothing of the first.
 */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { fileURLToPath } from "node:url"
import type { Page } from "playwright-core"
import { encode } from "uqr"
import type { Clock } from "../src/server-clock.ts"
import { become, onPage, scene, type Visitor } from "./browser.ts"

const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8")
const hourMs = 3_600_000
const dayMs = 24 * hourMs

const sheet = (page: Page) => page.getByRole("dialog", { name: "Share this document" })
const openSheet = (page: Page) => page.getByRole("button", { name: "Share", exact: true }).click()

/** A closed socket shows up in the browser's own log. */
const lineLost = /WebSocket|Failed to load resource/

interface Wish {
  readonly gift: "Edit" | "Read only"
  readonly ends?: string
  readonly label?: string
}

/** Makes a link in the open sheet, and gives what to put after the page's address. */
async function makeLink({ page }: Visitor, { gift, ends, label }: Wish): Promise<string> {
  // What stands above may grow while the pointer is on its way: then it is chosen by the next click.
  await become(true, async () => {
    await sheet(page).getByText(gift, { exact: true }).click()
    return sheet(page).getByRole("radio", { name: gift, exact: true }).isChecked()
  })
  if (ends !== undefined) await sheet(page).getByLabel("Ends").selectOption(ends)
  if (label !== undefined) await sheet(page).getByLabel("For whom").fill(label)
  await sheet(page).getByRole("button", { name: "Make link" }).click()
  const link = new URL(await sheet(page).getByLabel("The new link").inputValue())
  assert.match(link.hash, /^#~[\w-]{22}$/)
  assert.equal(link.origin, new URL(page.url()).origin)
  return link.hash
}

/** Everything that `page` is told by the server from now on, in one text. */
function overhear(page: Page): () => Promise<string> {
  const heard: Promise<string>[] = []
  page.on("websocket", (socket) =>
    socket.on("framereceived", ({ payload }) => heard.push(Promise.resolve(`${payload}`))),
  )
  page.on("response", (response) => heard.push(response.text().catch(() => "")))
  return async () => (await Promise.all(heard)).join("\n")
}

test(
  "DC129 who came by a link reads 'Shared with you' where the id would stand",
  onPage,
  scene(async ({ visit }) => {
    const ada = await visit("#harbour-7391")
    await ada.stands(/^Ready$/)
    await openSheet(ada.page)
    const link = await makeLink(ada, { gift: "Read only" })
    const { page, ...bob } = await visit(link)
    await bob.stands(/^Read-only$/)
    assert.equal(await page.locator("h1").textContent(), "Shared with you")
    await become("Shared with you · Quartet", () => page.title())
  }),
)

test(
  "DC129 a read-only link opens without the OTP, gives no id away, and ends when it is revoked",
  onPage,
  scene(async ({ visit }) => {
    const ada = await visit("#harbour-7391", { name: "Ada" })
    await ada.stands(/^Ready$/)
    await ada.page.keyboard.type("for the reviewers")
    await ada.stands(/^Saved at/)
    await openSheet(ada.page)
    await sheet(ada.page).getByRole("switch").click()
    await ada.page.getByText("It carries the OTP").waitFor()
    const hash = await makeLink(ada, { gift: "Read only", label: "Reviewers" })
    await sheet(ada.page).getByText("ends in 7 days").waitFor()

    const bob = await visit(hash, { mayLog: lineLost })
    const heard = overhear(bob.page)
    await bob.page.reload()
    await bob.shows("for the reviewers")
    await bob.page.keyboard.type("x")
    await bob.shows("for the reviewers")
    // What he sees goes on.
    await ada.page.keyboard.press("Escape")
    await ada.page.locator(".cm-content").focus()
    await ada.page.keyboard.press("Control+End")
    await ada.page.keyboard.type("!")
    await bob.shows("for the reviewers!")
    await openSheet(bob.page)
    assert.equal(
      await sheet(bob.page).getByLabel("Link to this document").inputValue(),
      bob.page.url(),
    )
    await sheet(bob.page).getByText("can read along and change nothing").waitFor()
    for (const absent of ["switch", "radio", "combobox"] as const) {
      assert.equal(await sheet(bob.page).getByRole(absent).count(), 0, absent)
    }
    await bob.page.keyboard.press("Escape")
    const shown = [bob.page.url(), await bob.page.title(), await bob.page.content()]
    const kept = await bob.page.evaluate<string>("JSON.stringify([localStorage, sessionStorage])")
    const all = [...shown, kept, await heard()].join("\n")
    assert.ok(all.includes("for the reviewers"), "this would find it")
    assert.ok(!all.includes("harbour-7391"), "the id is told to nobody who came by a link")

    await openSheet(ada.page)
    await sheet(ada.page).getByRole("button", { name: "Revoke: Reviewers" }).click()
    await sheet(ada.page).getByText("Who came by it is put out at once.").waitFor()
    await sheet(ada.page).getByRole("button", { name: "Revoke it now: Reviewers" }).click()
    await bob.stands(/revoked/i)
    await become(0, () => sheet(ada.page).locator(".link-row").count())
    await bob.shows("for the reviewers!")

    // Who comes by it now is told so, and is not asked for an OTP.
    const carol = await visit(hash, { mayLog: lineLost })
    await carol.page.getByRole("heading", { name: "This link has ended" }).waitFor()
    assert.equal(await carol.page.getByLabel("OTP", { exact: true }).count(), 0)
  }),
)

/** The machine's clock, which a test may put forward. */
class Ahead implements Clock {
  ms = 0

  now(): number {
    return Date.now() + this.ms
  }

  every(ms: number, tick: () => void): () => void {
    const timer = setInterval(tick, ms)
    return () => clearInterval(timer)
  }

  after(ms: number, tick: () => void): () => void {
    const timer = setTimeout(tick, ms)
    return () => clearTimeout(timer)
  }
}

const clock = new Ahead()

test(
  "DC129 an edit link lets write until it ends, and several are told apart in the list",
  onPage,
  scene(
    async ({ visit }) => {
      const ada = await visit("#tides", { mayLog: lineLost })
      await ada.stands(/^Ready$/)
      await openSheet(ada.page)
      const short = await makeLink(ada, { gift: "Edit", ends: "In an hour", label: "Class" })
      await sheet(ada.page).getByRole("button", { name: "Make another" }).click()
      await makeLink(ada, { gift: "Edit", ends: "When it is revoked" })
      const rows = sheet(ada.page).locator(".link-row")
      await become(2, () => rows.count())
      assert.match(
        await rows.nth(0).innerText(),
        /^Made on \d+ \w+ at [\d:]+\s+Can edit, until revoked/,
      )
      assert.match(await rows.nth(1).innerText(), /^Class\s+Can edit, ends in (?:60|59) minutes/)
      const bob = await visit(short, { mayLog: lineLost })
      await bob.stands(/^Ready$/)
      await bob.page.keyboard.type("by a link")
      await ada.shows("by a link")
      await openSheet(bob.page)
      await sheet(bob.page)
        .getByText(/can read and write\. It ends on \d/)
        .waitFor()
      await bob.page.keyboard.press("Escape")
      clock.ms = hourMs + 1_000
      await bob.stands(/expired/i)
      await bob.page.getByRole("heading", { name: "This link has ended" }).waitFor()
      await ada.page.keyboard.press("Escape")
      await openSheet(ada.page)
      await become(1, () => rows.count())
    },
    { clock, wsReadTimeoutMinutes: 600, wsHeartbeatIntervalSeconds: 0 },
  ),
)

test(
  "DC129 the QR code is that of the link beside it, and is loaded when it is asked for",
  onPage,
  scene(async ({ visit }) => {
    const { page, ...ada } = await visit("#tides")
    await ada.stands(/^Ready$/)
    const asked: string[] = []
    page.on("request", (request) => asked.push(request.url()))
    await openSheet(page)
    await sheet(page).getByRole("button", { name: "Copy", exact: true }).click()
    await sheet(page).getByRole("button", { name: "Copied" }).waitFor()
    assert.equal(await page.evaluate("navigator.clipboard.readText()"), page.url())
    assert.ok(!asked.some((url) => url.includes("share-code")))
    await sheet(page).getByRole("button", { name: "QR code" }).click()
    const drawn = sheet(page).getByRole("img", { name: "QR code of the link" })
    const whole = await modules(drawn)
    assert.deepEqual(whole, encode(page.url(), { ecc: "M", border: 0 }).data)
    assert.ok(asked.some((url) => url.includes("share-code")))
    const hash = await makeLink({ page, ...ada }, { gift: "Read only" })
    const link = new URL(hash, page.url()).href
    await become(encode(link, { ecc: "M", border: 0 }).data, () => modules(drawn))
  }),
)

/** Which modules of a code are dark: read back from the path that draws them. */
async function modules(drawn: ReturnType<Page["getByRole"]>): Promise<boolean[][]> {
  const size = Number((await drawn.getAttribute("viewBox"))?.split(" ")[2])
  const path = (await drawn.locator("path").getAttribute("d")) ?? ""
  const rows = Array.from({ length: size }, () => Array<boolean>(size).fill(false))
  for (const [, x, y, width] of path.matchAll(/M(\d+) (\d+)h(\d+)v1H\d+z/g)) {
    rows[Number(y)]?.fill(true, Number(x), Number(x) + Number(width))
  }
  return rows
}

test(
  "DC129 how long a document is kept is chosen, and said with the date",
  onPage,
  scene(async ({ visit, server }) => {
    const { page, ...ada } = await visit("#tides")
    await ada.stands(/^Ready$/)
    await page.keyboard.type("high water")
    await ada.stands(/^Saved at/)
    await openSheet(page)
    const choice = sheet(page).getByLabel("Kept after the last visit")
    const chosen = () => choice.inputValue()
    assert.equal(await chosen(), "For ever")
    await sheet(page).getByText("It is never deleted by itself.").waitFor()
    await choice.selectOption("30 days")
    const expires = async (): Promise<string | null> => {
      const answer = await fetch(`${server.url}/api/document/tides`)
      const { expires_at }: { readonly expires_at: string | null } = await answer.json()
      return expires_at
    }
    await become(true, async () => (await expires()) !== null)
    const at = Date.parse((await expires()) ?? "")
    assert.ok(Math.abs(at - Date.now() - 30 * dayMs) < hourMs)
    const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "long" }).format(at)
    await sheet(page).getByText(`It is deleted on ${day} unless`).waitFor()
    await page.keyboard.press("Escape")
    await openSheet(page)
    assert.equal(await chosen(), "30 days")
    await choice.selectOption("For ever")
    await sheet(page).getByText("It is never deleted by itself.").waitFor()
    assert.equal(await expires(), null)
  }),
)

test(
  "DC129 where nothing is kept on a disk, what cannot be done says why",
  onPage,
  scene(
    async ({ visit }) => {
      const { page, ...ada } = await visit("#tides")
      await ada.stands(/^Ready$/)
      await openSheet(page)
      await sheet(page).getByText("a restart would drop the OTP").waitFor()
      await sheet(page).getByText("in memory only: it goes when the server stops").waitFor()
      assert.equal(await sheet(page).getByRole("switch").isDisabled(), true)
      assert.equal(await sheet(page).getByLabel("Kept after the last visit").isDisabled(), true)
      const bob = await visit(await makeLink({ page, ...ada }, { gift: "Read only" }))
      await page.keyboard.press("Escape")
      await page.locator(".cm-content").focus()
      await page.keyboard.type("seen")
      await bob.shows("seen")
    },
    { sqliteUri: ":memory:" },
  ),
)

test(
  "DC129 what a link is to be, is made, copied and revoked by keyboard alone",
  onPage,
  scene(async ({ visit }) => {
    const { page, ...ada } = await visit("#tides")
    await ada.stands(/^Ready$/)
    await page.keyboard.press("Control+k")
    await page.getByRole("combobox").fill("share")
    await page.keyboard.press("Enter")
    await sheet(page).waitFor()
    const reach = async (name: RegExp): Promise<void> => {
      for (let tabs = 0; tabs < 20; tabs += 1) {
        if (name.test(await page.evaluate<string>(focused))) return
        await page.keyboard.press("Tab")
      }
      assert.fail(`${name} is not reached by Tab`)
    }
    await reach(/^Full access$/)
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowRight")
    await reach(/^Ends/)
    await page.keyboard.press("ArrowDown")
    await reach(/^For whom/)
    await page.keyboard.type("By hand")
    await page.keyboard.press("Enter")
    await become("The new link", () => page.evaluate<string>(focused))
    await reach(/^Copy$/)
    await page.keyboard.press("Enter")
    await sheet(page).getByRole("button", { name: "Copied" }).waitFor()
    await reach(/^Revoke: By hand/)
    await page.keyboard.press("Enter")
    await become("Revoke it now: By hand", () => page.evaluate<string>(focused))
    await page.keyboard.press("Enter")
    await become(0, () => sheet(page).locator(".link-row").count())
    await become("Share", () => page.evaluate<string>(focused))
    await page.keyboard.press("Escape")
    await become(0, () => sheet(page).count())
  }),
)

for (const [width, theme] of [
  [1280, "dark"],
  [360, "light"],
] as const) {
  test(
    `DC129 the whole sheet is accessible, and fits, at ${width} px, ${theme}`,
    onPage,
    scene(async ({ visit }) => {
      const isPhone = width < 640
      const ada = await visit("#tides", { width, height: 740, theme, touch: isPhone })
      const { page } = ada
      await ada.stands(/^Ready$/)
      const look = async (what: string) => {
        await page.evaluate(axe)
        const { violations } = await page.evaluate<{
          violations: { id: string; impact: string }[]
        }>("axe.run({ resultTypes: ['violations'] })")
        const serious = violations.filter(({ impact }) => /serious|critical/.test(impact))
        assert.deepEqual(serious, [], what)
        assert.deepEqual(await page.evaluate(sideways), [], `${what}: too wide`)
        if (isPhone) assert.deepEqual(await page.evaluate(tooSmall), [], `${what}: too small`)
      }
      await openSheet(page)
      await look("the link")
      await sheet(page).getByText("Read only", { exact: true }).click()
      await look("the form")
      await makeLink(ada, {
        gift: "Read only",
        label: "A label that is longer than most are, and goes on",
      })
      await sheet(page).getByRole("button", { name: "QR code" }).click()
      await sheet(page).getByRole("img", { name: "QR code of the link" }).waitFor()
      await look("the made link")
      await sheet(page)
        .getByRole("button", { name: /^Revoke:/ })
        .click()
      await look("the question")
    }),
  )
}

// These run in the page. As text, because the tests know no types of a browser.
const focused = `(() => {
  const { activeElement: element } = document
  const label = element.labels?.[0]?.textContent
  return (element.getAttribute("aria-label") ?? label ?? element.textContent).trim()
})()`
const sideways = `[...document.querySelectorAll("dialog[open], dialog[open] *")]
  .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5)
  .map((element) => element.outerHTML.slice(0, 100))`
const tooSmall = `[...document.querySelectorAll("dialog[open] :is(button, select, input)")]
  .map((element) => element.closest("label.row, label.segment") ?? element)
  .filter((element) => element.getBoundingClientRect().height < 44)
  .map((element) => element.outerHTML.slice(0, 100))`
