/** The operators' panel for everybody: keys, fingers, screen readers, small windows, long conversations, and below a path. */
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import type { Page } from "playwright-core"
import { OperatorsSession } from "../src/client/operators.ts"
import type { OpenLine, Outgoing } from "../src/client/operators-shapes.ts"
import { escaped } from "../src/wire/operators.ts"
import { Talks } from "../web/operators/talks.ts"
import { markOf, spanOf, timeOf } from "../web/operators/words.ts"
import { become, onPage, scene } from "./browser.ts"
import type { Started } from "./harness.ts"
import { until } from "./net-parts.ts"
import { field, gone, netcat, send, settings } from "./page-operators-parts.ts"
import { sideways, tooSmall } from "./page-reach-parts.ts"

const last = (page: Page) => async () =>
  page.locator(".talk-line").last().locator(".talk-text, .talk-word").allTextContents()

/** Signs in as ada, who is new, by keys alone. */
async function register(page: Page): Promise<void> {
  await page.getByLabel("Callsign").waitFor()
  await page.keyboard.type("ada")
  await page.keyboard.press("Tab")
  await page.keyboard.type("correct horse")
  await page.keyboard.press("Enter")
  await page.getByLabel("The same password").waitFor()
  await page.keyboard.type("correct horse")
  await page.keyboard.press("Enter")
  await page.getByText("Connected").waitFor()
}

test("OP113 each state of a message has one word, and what went wrong a sentence", () => {
  const message: Outgoing = {
    ...({ ref: "r", target: "bob", text: "x", id: undefined, generation: undefined } as const),
    ...({ state: "unsent", place: undefined, reason: undefined, lost: undefined } as const),
    accepted: new Promise(() => {}),
    ended: new Promise(() => {}),
    recall: async () => false,
  }
  const said = (parts: Partial<Outgoing>, line: "ready" | "away" = "ready") => {
    const { word, detail } = markOf({ ...message, ...parts }, line)
    return [word, detail]
  }
  assert.deepEqual(said({}), ["sending", ""])
  assert.equal(said({}, "away")[0], "unsent")
  assert.equal(said({ state: "waiting", place: { place: 3, limit: 256 } })[0], "queued 3/256")
  assert.equal(said({ state: "waiting" })[0], "queued")
  assert.deepEqual(said({ state: "handed" }), ["sent", ""])
  assert.deepEqual(said({ state: "taken" }), ["taken", ""])
  assert.deepEqual(said({ state: "expired" }), ["expired", "bob did not come for it in time"])
  assert.deepEqual(said({ state: "dropped" }), ["dropped", "the account bob is gone"])
  assert.equal(said({ state: "recalled" })[0], "recalled")
  assert.deepEqual(said({ state: "unknown", lost: "waiting" }), ["lost", "it was waiting for bob"])
  const reasons =
    "bad-line login-first login name busy slow nobody changed empty too-long full share gone"
  const sentences = reasons.split(" ").map((reason) => {
    // Every reason of the protocol's list, which split() knows as words only.
    const of = { state: "refused", reason: reason as NonNullable<Outgoing["reason"]> } as const
    const [word, sentence] = said(of)
    assert.equal(word, "refused")
    return sentence
  })
  assert.ok(sentences.every((each) => each !== undefined && each.length > 8))
  assert.equal(new Set(sentences).size, 11, "three of them mean: not signed in")
})

test("OP113 how long a message waited is told in its largest unit", () => {
  assert.deepEqual([0, 94, 600, 7_200, 600_000].map(spanOf), [
    "0 s",
    "94 s",
    "10 min",
    "2 h",
    "7 d",
  ])
  assert.match(timeOf(0), /^\d\d:\d\d$/)
})

/** A far end that says one thing after another, for as long as it is asked to. */
function crowded(says: readonly string[]): OpenLine {
  return (owner) => {
    const line = {
      send(said: string) {
        if (said === "$ quartet") owner.heard("$ hello quartet/1 epoch=e registration=open")
        if (said !== "$ ada x") return true
        owner.heard("$ welcome ada 00000001 1 0")
        for (const each of says) owner.heard(each)
        return true
      },
      settle() {},
      rejoin() {},
      close() {},
    }
    queueMicrotask(() => owner.opened())
    return line
  }
}

test("OP121 500 lines of one contact and 2,000 in all stay in view, the oldest go first", async () => {
  const id = (count: number) =>
    [...count.toString(26).padStart(10, "0")]
      .map((digit) => "abcdefghijklmnopqrstuvwxyz"[Number.parseInt(digit, 26)])
      .join("")
  const heard: string[] = []
  for (let count = 0; count < 600 * 5; count++) {
    const sender = `op${Math.floor(count / 600)}`
    heard.push(`$ from ${sender} 0000000a ${id(count)} 0 ${escaped(`text ${count}`)}`)
  }
  const operators = new OperatorsSession(crowded(heard), { callsign: "ada", password: () => "x" })
  const talks = new Talks(operators)
  await until(() => talks.unread === heard.length)
  const sizes = talks.contacts.map(({ entries }) => entries.length)
  assert.deepEqual(sizes, [0, 500, 500, 500, 500])
  const [, second] = talks.contacts
  const [first] = second?.entries ?? []
  assert.ok(first?.kind === "theirs")
  assert.equal(first.message.text, "text 700")
  assert.equal(second?.dropped, 100)
  talks.stop()
})

test(
  "OP120 everything is done by keys: choose, write, go to the next unread, recall, come back to the field",
  onPage,
  scene(async ({ t, server, visit }) => {
    const { page } = await visit("operators")
    await register(page)
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+k")
    await page.keyboard.type("bob")
    await page.getByRole("option", { name: "Write to bob" }).waitFor()
    await page.keyboard.press("Enter")
    await field(page).waitFor()
    await page.keyboard.type("one")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("two")
    await page.keyboard.press("Enter")
    await become(["one\ntwo", "refused"], last(page))
    const eve = await netcat(t, server, "eve")
    const joe = await netcat(t, server, "joe")
    eve.says("ada from eve")
    await become("(1) bob · Operators · Quartet", () => page.title())
    joe.says("ada from joe")
    await become("(2) bob · Operators · Quartet", () => page.title())
    await page
      .locator("[data-announcements]")
      .getByText(/eve: from eve/)
      .waitFor({ state: "attached" })
    await page.keyboard.press("Alt+ArrowDown")
    await become(["from eve"], last(page))
    await page.getByText("Not read yet").waitFor()
    await page.keyboard.press("Alt+ArrowDown")
    await become(["from joe"], last(page))
    await become("joe · Operators · Quartet", () => page.title())
    // A slash at the beginning chooses; one in a text is a slash.
    await page.keyboard.press("/")
    await page.keyboard.type("eve")
    await page.keyboard.press("Enter")
    await become(["from eve"], last(page))
    await page.keyboard.press("/")
    await page.keyboard.press("Escape")
    await page.keyboard.type("and/or")
    assert.equal(await field(page).inputValue(), "and/or")
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Enter")
    await become(["and/or", "taken"], last(page))
    await page.keyboard.press("/")
    await page.keyboard.type("/etc")
    await page.keyboard.press("Enter")
    await become("/etc", () => field(page).inputValue())
  }, settings),
)

test(
  "OP120 a message that comes while another panel is open is told by a dot, and is unread until seen",
  onPage,
  scene(async ({ t, server, visit }) => {
    const { page } = await visit("operators")
    await register(page)
    const eve = await netcat(t, server, "eve")
    eve.says("ada one")
    await page.getByRole("button", { name: /^eve/ }).click()
    await become(["one"], last(page))
    await page.getByRole("link", { name: "Documents" }).click()
    eve.says("ada two")
    await page.getByRole("link", { name: /^Operators.*something new/ }).click()
    await become(["two"], last(page))
    await page.getByText("Not read yet").waitFor()
    assert.equal(await page.getByRole("link", { name: /something new/ }).count(), 0)
  }, settings),
)

test(
  "OP113 a text above the limits stays in the field and is told by how much",
  onPage,
  scene(async ({ visit }) => {
    const { page } = await visit("operators")
    await register(page)
    await page.getByLabel("Write to a callsign").fill("bob")
    await page.keyboard.press("Enter")
    await field(page).fill("é".repeat(8_193))
    await page.keyboard.press("Enter")
    await page.getByText("16,386 bytes: 2 too many for one message.").waitFor()
    assert.equal(await page.locator(".talk-line").count(), 0)
    await field(page).fill("\n".repeat(200))
    await page.keyboard.press("Enter")
    await page.getByText("201 lines: 1 too many for one message.").waitFor()
  }, settings),
)

test(
  "OP122 works below a path, with nothing asked for beside it",
  onPage,
  scene(
    async ({ visit }) => {
      const { page } = await visit("operators")
      const asked: string[] = []
      page.on("request", (request) => asked.push(new URL(request.url()).pathname))
      page.on("websocket", (socket) => asked.push(new URL(socket.url()).pathname))
      await page.reload()
      await register(page)
      assert.equal(new URL(page.url()).pathname, "/pads/operators")
      assert.ok(asked.includes("/pads/operators"))
      for (const path of asked) assert.ok(path.startsWith("/pads/"), path)
    },
    { ...settings, pathPrefix: "/pads/" },
  ),
)

/** A conversation with something of everything in it, with somebody whose callsign is as long as can be. */
async function talk(t: TestContext, server: Started, page: Page): Promise<void> {
  const name = "bob-".repeat(8)
  const bob = await netcat(t, server, name)
  bob.says(`ada ${"long".repeat(100)}`)
  await page.getByRole("button", { name: /^bob-/ }).click()
  await become(["long".repeat(100)], last(page))
  bob.says("$ die")
  await until(() => bob.isOver)
  await send(page, "refused")
  await become(["refused", "refused"], last(page))
  const other = await netcat(t, server, name)
  other.says("ada it is me")
  await become(["it is me"], last(page))
  await send(page, "who?")
  await page.getByRole("button", { name: /^Send to the new/ }).click()
  await become(["who?", "taken"], last(page))
  await gone(other)
  await send(page, "gone?")
  await become(["gone?", "queued 1/256"], last(page))
}

for (const theme of ["light", "dark"] as const) {
  test(
    `OP122 axe finds nothing serious in the panel, ${theme}`,
    onPage,
    scene(async ({ t, server, visit }) => {
      const { page, serious } = await visit("operators", { theme })
      assert.deepEqual(await serious(), [], "the way in")
      await register(page)
      assert.deepEqual(await serious(), [], "nobody yet")
      await talk(t, server, page)
      assert.deepEqual(await serious(), [], "a conversation")
      await page.getByRole("button", { name: "Delete account…" }).click()
      assert.deepEqual(await serious(), [], "the question")
    }, settings),
  )
}

for (const width of [320, 360, 768, 1920]) {
  test(
    `OP122 at ${width} px nothing is cut off, and on a phone all is large enough for a finger`,
    onPage,
    scene(async ({ t, server, visit }) => {
      const isPhone = width < 640
      const { page } = await visit("operators", { width, height: 700, touch: isPhone })
      const look = async (what: string) => {
        assert.deepEqual(await page.evaluate(sideways), [], what)
        if (isPhone) assert.deepEqual(await page.evaluate(tooSmall), [], what)
      }
      await look("the way in")
      await register(page)
      await look("nobody yet")
      await talk(t, server, page)
      await look("a conversation")
      const side = page.getByRole("button", { name: "Sessions", exact: true })
      if ((await side.getAttribute("aria-expanded")) === "false") await side.click()
      await page.getByText(/^Answered/).waitFor()
      await look("the side")
    }, settings),
  )
}
