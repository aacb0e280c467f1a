/** The history in Chromium: played back, read line by line, and brought back while others write. */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { fileURLToPath } from "node:url"
import type { Page } from "playwright-core"
import { Operation, type SharedText } from "../src/client/client.ts"
import { become, onPage, scene, type Visitor } from "./browser.ts"

const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8")

const past = (page: Page) => page.getByRole("region", { name: "History" })
const slider = (page: Page) => past(page).getByRole("slider", { name: "Revision" })
const revision = (page: Page) => slider(page).inputValue().then(Number)
const pastText = (page: Page) => page.evaluate<string>(shownPast)

/** Types `pieces` in turn, each as an edit of its own that the server has before the next. */
async function types(text: SharedText, pieces: readonly string[]): Promise<void> {
  await become("synchronized", async () => text.state)
  for (const piece of pieces) {
    text.replace(text.text.length, text.text.length, piece)
    await become("synchronized", async () => text.state)
  }
  await text.whenSaved()
}

async function openPast({ page }: Visitor): Promise<void> {
  await page.keyboard.press("Control+k")
  await page.getByRole("combobox").fill("history")
  await page.keyboard.press("Enter")
  // It takes keys once it has the focus, which comes a moment after it is drawn.
  await slider(page).and(page.locator(":focus")).waitFor()
}

test(
  "DC134 plays the kept history with its colours, and says who wrote each line and when",
  onPage,
  scene(async ({ visit, enter }) => {
    const grace = enter("film", "Grace Hopper", 268)
    await types(grace, ["// tides\n", "const high = 3\n"])
    grace.setLanguage("javascript")
    const alan = enter("film", "Alan Turing", 150)
    await types(alan, ["let low = 1\n", "\n"])
    alan.replace(0, 8, "// both")
    await alan.whenSaved()
    const ada = await visit("#film")
    const { page } = ada
    await ada.shows("// both\nconst high = 3\nlet low = 1\n\n")
    await openPast(ada)
    await become("// both\nconst high = 3\nlet low = 1\n\n", () => pastText(page))
    await past(page).locator(".tok-keyword").first().waitFor()
    const who = () => page.evaluate<string[]>(whoWrote)
    const alanGraceAlan = ["Alan Turing 150", "Grace Hopper 268", "Alan Turing 150", " 150", " 150"]
    await become(alanGraceAlan, who)
    assert.equal(await revision(page), 5)
    // By keyboard, from its beginning to its end; each step is said with its time.
    await page.keyboard.press("Home")
    await become("", () => pastText(page))
    await past(page).getByText("The beginning").waitFor()
    await page.keyboard.press("ArrowRight")
    await become("// tides\n", () => pastText(page))
    await become(["Grace Hopper 268", " 268"], who)
    const said = (await slider(page).getAttribute("aria-valuetext")) ?? ""
    assert.match(said, /^Today, \d\d:\d\d:\d\d, Grace Hopper, revision 1 of 5$/)
    await page.keyboard.press("End")
    await become(5, () => revision(page))
    await page.keyboard.press("ArrowLeft")
    await become("// tides\nconst high = 3\nlet low = 1\n\n", () => pastText(page))
    // Space plays from where it stands, and from the beginning once at the end.
    await page.keyboard.press(" ")
    await become(5, () => revision(page))
    await past(page).getByRole("button", { name: "Play" }).waitFor()
    await page.evaluate("window.seen = []")
    await page.evaluate(watchPast)
    await page.keyboard.press(" ")
    await become(5, () => revision(page))
    const seen = await page.evaluate<string[]>("seen")
    assert.ok(seen.includes("// tides\nconst high = 3\n"), JSON.stringify(seen))
    await page.keyboard.press("Escape")
    await become(0, () => past(page).count())
    await become(true, () =>
      page.evaluate<boolean>("document.activeElement.matches('.cm-content')"),
    )
  }),
)

test(
  "DC134 what others write meanwhile is added, and who stands at the end goes with it",
  onPage,
  scene(async ({ visit, enter }) => {
    const grace = enter("grow", "Grace")
    await types(grace, ["one\n"])
    const ada = await visit("#grow")
    await ada.shows("one\n")
    await openPast(ada)
    await types(grace, ["two\n"])
    await become(2, () => revision(ada.page))
    await become("one\ntwo\n", () => pastText(ada.page))
    await ada.page.keyboard.press("Home")
    await types(grace, ["three\n"])
    await become("3", async () => slider(ada.page).getAttribute("max"))
    assert.equal(await revision(ada.page), 0)
  }),
)

test(
  "DC134 restoring is an edit of what is different: who types meanwhile loses nothing, and undo takes it back",
  onPage,
  scene(async ({ visit, enter }) => {
    const grace = enter("back", "Grace")
    const lines = Array.from({ length: 30 }, (_, index) => `line ${index + 1}\n`)
    await types(grace, [lines.join(""), "end: "])
    const before = grace.text
    grace.replace(0, lines.slice(0, 12).join("").length, "gone\n")
    await types(grace, [])
    const ada = await visit("#back")
    const { page } = ada
    await page.locator(".cm-line", { hasText: "gone" }).waitFor()
    await openPast(ada)
    await page.keyboard.press("ArrowLeft")
    await become(true, async () => (await pastText(page)).startsWith("line 1\n"))

    const keeps: number[] = []
    const bob = enter("back", "Bob")
    await types(bob, [])
    bob.on("change", ({ operation: { components } }) =>
      keeps.push(Math.max(...components.map((each) => (typeof each === "number" ? each : 0)))),
    )
    let typed = ""
    const typing = new AbortController()
    const busy = (async () => {
      while (!typing.signal.aborted) {
        typed += String(typed.length % 10)
        grace.replace(grace.text.length, grace.text.length, typed.at(-1) ?? "")
        await new Promise((resolve) => setImmediate(resolve))
        await become("synchronized", async () => grace.state)
      }
    })()
    await page.getByRole("button", { name: "Restore this" }).click()
    await become(0, () => past(page).count())
    await become(true, async () => grace.text.startsWith("line 1\nline 2\n"))
    typing.abort()
    await busy
    await become(grace.text, async () => bob.text)
    // What stood there when it was restored is as it was; what was typed from then on has stayed.
    const since = bob.text.slice(before.length)
    assert.equal(bob.text, before + since)
    assert.ok(since.length > 0 && typed.endsWith(since), since)
    await page.locator(".cm-content").focus()
    await page.keyboard.press("Control+z")
    // What she typed before and after meets at one place again, in either order.
    const undone = `gone\n${lines.slice(12).join("")}end: `
    const letters = (text: string) => [...text].toSorted().join("")
    await become(undone + letters(typed), async () => {
      const { text } = bob
      return text.slice(0, undone.length) + letters(text.slice(undone.length))
    })
    const untouched = lines.slice(12).join("").length
    assert.ok(Math.min(...keeps) >= untouched, "what is equal was left alone")

    // Ten lines that go are asked for.
    await openPast(ada)
    await page.keyboard.press("Home")
    await page.getByRole("button", { name: "Restore this" }).click()
    await page.getByText(/20 lines of what is there now are replaced/).waitFor()
    await page.getByRole("button", { name: "Cancel" }).click()
    assert.ok(bob.text.startsWith(undone))
    await page.getByRole("button", { name: "Restore this" }).click()
    await page.getByRole("button", { name: "Restore", exact: true }).click()
    await become("", async () => bob.text)
    await ada.shows("")
  }),
)

test(
  "DC134 who may only read sees the history, and cannot restore",
  onPage,
  scene(async ({ visit, enter }) => {
    const grace = enter("closed", "Grace")
    await types(grace, ["one\n", "two\n"])
    const bob = await visit(`#${(await grace.link("read")).link}`)
    await bob.shows("one\ntwo\n")
    await openPast(bob)
    await bob.page.keyboard.press("ArrowLeft")
    await become("one\n", () => pastText(bob.page))
    assert.equal(await bob.page.getByRole("button", { name: "Restore this" }).count(), 0)
  }),
)

test(
  "DC134 where no history is kept the page says so",
  onPage,
  scene(
    async ({ visit }) => {
      // The browser itself tells of an answer that is no success.
      const { page, ...ada } = await visit("#none", { mayLog: /Failed to load resource/ })
      await ada.stands(/^Ready$/)
      await page.keyboard.press("Control+k")
      await page.getByRole("combobox").fill("history")
      await page.keyboard.press("Enter")
      await page.getByText("This server keeps no history").waitFor()
      await page.getByRole("button", { name: "Back to the text" }).click()
      await page.keyboard.type("here")
      await ada.shows("here")
    },
    { playbackKb: 0 },
  ),
)

test(
  "DC134 two thousand changes of a text of 100 KB are gone through smoothly",
  onPage,
  scene(
    async ({ visit, enter }) => {
      const grace = enter("long", "Grace")
      const line = `const words = "some code, 🎉 and ${"x".repeat(40)}"\n`
      await types(grace, [line.repeat(1_500)])
      grace.setLanguage("javascript")
      let { length } = [...grace.text]
      for (let index = 0; index < 2_000; index += 1) {
        const place = (index * 7_919) % 90_000
        const gone = index % 3 === 0 ? 2 : 0
        grace.edit(Operation.from([place, "new", -gone, length - place - gone]))
        length += 3 - gone
        await become("synchronized", async () => grace.state)
      }
      await grace.whenSaved()
      const { page, ...ada } = await visit("#long", { mayMove: "by others" })
      await page.locator(".tok-keyword").first().waitFor()
      await openPast({ page, ...ada })
      const last = await revision(page)
      assert.equal(last, 2_001)
      // What the page's own thread computes: the machine is not ours alone.
      const devtools = await page.context().newCDPSession(page)
      await devtools.send("Performance.enable", { timeDomain: "threadTicks" })
      const computedMs = async () => {
        const { metrics } = await devtools.send("Performance.getMetrics")
        const task = metrics.find(({ name }) => name === "TaskDuration")
        return 1_000 * (task?.value ?? assert.fail("the browser measures its tasks"))
      }
      const stepsMs: number[] = []
      for (let round = 0; round < 3; round += 1) {
        const before = await computedMs()
        const steps = await page.evaluate<number>(scrub)
        stepsMs.push(((await computedMs()) - before) / steps)
      }
      assert.ok(Math.min(...stepsMs) <= 4 * 16, `${stepsMs} ms for a step`)
    },
    { editsPerSecond: 0 },
  ),
)

for (const [width, theme] of [
  [1280, "light"],
  [360, "dark"],
] as const) {
  test(
    `DC134 the history is accessible, and fits, at ${width} px, ${theme}`,
    onPage,
    scene(async ({ visit, enter }) => {
      const isPhone = width < 640
      const grace = enter("seen", "Grace Hopper of the United States Navy", 268)
      await types(grace, ["const one = 1\n", `// ${"long ".repeat(40)}\n`])
      grace.setLanguage("javascript")
      const ada = await visit("#seen", { width, height: 740, theme, touch: isPhone })
      const { page } = ada
      await page.locator(".tok-keyword").first().waitFor()
      await openPast(ada)
      await past(page).locator(".tok-keyword").first().waitFor()
      await page.keyboard.press("ArrowLeft")
      await page.evaluate(axe)
      const { violations } = await page.evaluate<{ violations: { id: string; impact: string }[] }>(
        "axe.run({ resultTypes: ['violations'] })",
      )
      assert.deepEqual(
        violations.filter(({ impact }) => /serious|critical/.test(impact)),
        [],
      )
      assert.deepEqual(await page.evaluate(sideways), [])
      if (isPhone) assert.deepEqual(await page.evaluate(tooSmall), [])
    }),
  )
}

// These run in the page. As text, because the tests know no types of a browser.
const shownPast = `
  [...document.querySelectorAll(".past .cm-line")].map((line) => line.textContent).join("\\n")
`
/** The author of each line, with the hue: the name where it stands, nothing where it goes on. */
const whoWrote = `
  [...document.querySelectorAll(".past .cm-who .cm-gutterElement .who")].map((who) =>
    (who.querySelector(".who-name")?.textContent ?? "") + " " + who.style.getPropertyValue("--hue"))
`
const watchPast = `
  new MutationObserver(() => seen.push(${shownPast.trim()}))
    .observe(document.querySelector(".past .cm-content"), { childList: true, subtree: true, characterData: true })
`
/** Moves the slider there and back, a step for each frame that is drawn; gives how many steps. */
const scrub = `(async () => {
  const input = document.querySelector(".past input[type=range]")
  const [first, last] = [Number(input.min), Number(input.max)]
  const steps = 100
  for (let step = 1; step <= steps; step += 1) {
    const part = 1 - Math.abs(1 - 2 * step / steps)
    input.value = String(Math.round(first + part * (last - first)))
    input.dispatchEvent(new InputEvent("input", { bubbles: true }))
    await new Promise((resolve) => requestAnimationFrame(resolve))
  }
  return steps
})()`
const sideways = `[...document.querySelectorAll(".past-bar, .past-bar :is(div, p, p > *, button, input)")]
  .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5)
  .map((element) => element.outerHTML.slice(0, 100))`
const tooSmall = `[...document.querySelectorAll(".past-bar :is(button, input)")]
  .filter((element) => element.getBoundingClientRect().height < 44)
  .map((element) => element.outerHTML.slice(0, 100))`
