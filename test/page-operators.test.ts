/**
 * The operators' panel in Chromium, against a real server; the other person has a plain socket, as
 * with netcat.
 */
import assert from "node:assert/strict"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { test } from "node:test"
import type { Page } from "playwright-core"
import { digestOf, invitationText } from "../src/operators/secret.ts"
import { become, onPage, type Scene, scene, type Visitor } from "./browser.ts"
import { until } from "./net-parts.ts"
import { field, gone, netcat, send, settings, stream } from "./page-operators-parts.ts"

/** A browser's own words on a line that broke, which the page cannot keep from the console. */
const refused = /WebSocket connection to/

const contact = (page: Page, name: string) =>
  page.getByRole("navigation", { name: "Contacts" }).getByRole("button", { name })
const lines = (page: Page) => page.locator(".talk-line")

/** The text of each line of the conversation that is open: who, what, and how it stands. */
const said = (page: Page) => async () =>
  page.evaluate<readonly string[]>(
    `[...document.querySelectorAll(".talk-line")].map((line) =>
      [".talk-name", ".talk-text", ".talk-word"].map((each) =>
        line.querySelector(each)?.textContent ?? "").join("|"))`,
  )

async function signIn({ page }: Visitor, password = "correct horse"): Promise<void> {
  await page.getByLabel("Callsign").fill("ada")
  await page.getByLabel("Password").fill(password)
  await page.keyboard.press("Enter")
}

async function register(visitor: Visitor): Promise<void> {
  await signIn(visitor)
  await visitor.page.getByLabel("The same password").fill("correct horse")
  await visitor.page.keyboard.press("Enter")
  await visitor.page.getByText("Connected").waitFor()
}

async function registered(visit: Scene["visit"]): Promise<Visitor> {
  const ada = await visit("operators")
  await register(ada)
  return ada
}

async function write({ page }: Visitor, name: string, text: string): Promise<void> {
  await page.getByLabel("Write to a callsign").fill(name)
  await page.keyboard.press("Enter")
  await send(page, text)
}

test(
  "OP110 /operators is the panel, says no more in its address, and a reload signs in again",
  onPage,
  scene(async ({ visit }) => {
    const ada = await registered(visit)
    const { page } = ada
    await write(ada, "bob", "hello")
    await lines(page).first().waitFor()
    assert.equal(new URL(page.url()).pathname, "/operators")
    assert.equal(new URL(page.url()).hash + new URL(page.url()).search, "")
    await page.reload()
    await page.getByLabel("Password").waitFor()
    assert.equal(await page.getByLabel("Callsign").inputValue(), "")
    await signIn(ada)
    await page.getByText("Nobody has written yet").waitFor()
  }, settings),
)

test("OP110 where the operators do not run the path leads nowhere", onPage, async (t) => {
  await scene(
    async ({ server, visit }) => {
      assert.equal((await fetch(`${server.url}/operators`)).status, 404)
      const { page } = await visit("#here")
      assert.equal(await page.getByRole("link", { name: "Operators" }).count(), 0)
    },
    { parts: ["documents"] },
  )(t)
})

test(
  "OP111 a callsign nobody has is registered only after its password was typed twice; a wrong one is told",
  onPage,
  scene(async ({ visit }) => {
    const ada = await visit("operators")
    const { page } = ada
    await page.getByLabel("Callsign").fill("-ada")
    await page.getByLabel("Password").fill("x")
    await page.keyboard.press("Enter")
    await page.getByText(/^A callsign has 1 to 32/).waitFor()
    await signIn(ada)
    await page.getByText("Nobody is called ada yet").waitFor()
    await page.getByLabel("The same password").fill("correct house")
    await page.keyboard.press("Enter")
    await page.getByText("That is another password than the first.").waitFor()
    await page.getByRole("button", { name: "Back" }).click()
    await register(ada)
    await page.reload()
    await signIn(ada, "wrong")
    await page.getByText(/The login was refused/).waitFor()
    assert.equal(await page.getByLabel("Callsign").inputValue(), "ada")
    await signIn(ada)
    await page.getByText("Connected").waitFor()
  }, settings),
)

test(
  "OP111 where an invitation is asked for, the callsign it was made for registers with it",
  onPage,
  scene(
    async ({ dataDir, visit }) => {
      const ada = await visit("operators")
      const { page } = ada
      await signIn(ada)
      await page.getByText(/The login was refused/).waitFor()
      const secret = invitationText({ untilMs: Date.now() + 60_000, digest: digestOf("token") })
      const database = new DatabaseSync(join(dataDir, "quartet.db"))
      database.prepare("INSERT INTO operators VALUES ('ada', 'ada', 'ada', 0, ?)").run(secret)
      database.close()
      await page.getByText("I was invited").click()
      await page.getByLabel("Invitation").fill("token")
      await register(ada)
    },
    { ...settings, operatorsRegistration: "invite" },
  ),
)

test(
  "OP112 a sender is who the server says it is, and a text is drawn as a text",
  onPage,
  scene(async ({ t, server, visit }) => {
    const ada = await registered(visit)
    const { page } = ada
    const bob = await netcat(t, server, "bob")
    const texts = [
      "<b>bold</b><img src=x onerror=alert(1)>",
      "\u202edrawkcab &amp; $ from carol 1 2 3 x",
      "one\ncarol: transfer approved\n$ from carol",
    ]
    for (const text of texts) {
      const [first, ...more] = text.split("\n")
      bob.says(more.length === 0 ? `ada ${first}` : `ada $ ${first}`)
      for (const line of more) bob.says(line)
      if (more.length > 0) bob.says("$")
    }
    await contact(page, "bob").click()
    await become(
      texts.map((text) => `bob|${text}|`),
      said(page),
    )
    assert.equal(await page.locator(".talk-text > *").count(), 0, "no element stands in a text")
    assert.equal(await contact(page, "carol").count(), 0)
  }, settings),
)

test(
  "OP113 every message shows how it stands: queued with its place, taken, recalled, refused and why",
  onPage,
  scene(async ({ t, server, visit }) => {
    const ada = await registered(visit)
    const { page } = ada
    const eve = await netcat(t, server, "eve")
    await write(ada, "eve", "live")
    await become(["ada|live|taken"], said(page))
    assert.deepEqual(eve.lines, ["ada: live"])
    await gone(eve)
    await send(page, "first")
    await send(page, "second")
    await become(
      ["ada|live|taken", "ada|first|queued 1/256", "ada|second|queued 2/256"],
      said(page),
    )
    await lines(page).nth(1).getByRole("button", { name: "Recall" }).click()
    await become("ada|first|recalled", async () => (await said(page)())[1] ?? "")
    const again = await netcat(t, server, "eve")
    await become("ada|second|taken", async () => (await said(page)())[2] ?? "")
    await gone(again)
    await send(page, "too late")
    await become("ada|too late|queued 1/256", async () => (await said(page)())[3] ?? "")
    await write(ada, "nemo", "anyone?")
    await become(["ada|anyone?|refused"], said(page))
    await lines(page).getByText("nobody is called nemo").waitFor()
    await lines(page).getByRole("button", { name: "Edit" }).click()
    assert.equal(await field(page).inputValue(), "anyone?")
    // Somebody registers after all.
    await netcat(t, server, "nemo")
    await lines(page).getByRole("button", { name: "Send again" }).click()
    await become(["ada|anyone?|refused", "ada|anyone?|taken"], said(page))
  }, settings),
)

test(
  "OP114 the arrow up in an empty field takes the last waiting message back into it",
  onPage,
  scene(async ({ t, server, visit }) => {
    const ada = await registered(visit)
    const { page } = ada
    const bob = await netcat(t, server, "bob")
    await gone(bob)
    await write(ada, "bob", "one\\n\ntwo")
    await become(["ada|one\\n\ntwo|queued 1/256"], said(page))
    await page.keyboard.press("ArrowUp")
    await become("one\\n\ntwo", () => field(page).inputValue())
    await become(["ada|one\\n\ntwo|recalled"], said(page))
    // Nothing waits any more: the arrow does nothing, and a draft is not touched by it.
    await page.keyboard.press("ArrowUp")
    assert.equal(await field(page).inputValue(), "one\\n\ntwo")
  }, settings),
)

test(
  "OP115 another registration of a callsign is marked, and nothing is sent to it unasked",
  onPage,
  scene(async ({ t, server, visit }) => {
    const ada = await registered(visit)
    const { page } = ada
    const bob = await netcat(t, server, "bob")
    bob.says("ada it is me")
    await contact(page, "bob").click()
    await become(["bob|it is me|"], said(page))
    bob.says("$ die")
    await until(() => bob.isOver)
    const other = await netcat(t, server, "bob")
    // Pinned to whom one knew: the server refuses it.
    await send(page, "the usual place")
    await become("ada|the usual place|refused", async () => (await said(page)())[1] ?? "")
    await page.getByText(/^bob is a new registration: from here on/).waitFor()
    await send(page, "who is it?")
    await page
      .getByRole("alert")
      .getByText(/Nothing was sent yet/)
      .waitFor()
    assert.equal(await lines(page).count(), 2)
    assert.equal(await field(page).inputValue(), "who is it?")
    await page.getByRole("button", { name: "Keep the draft" }).click()
    assert.deepEqual(other.lines, [])
    await page.keyboard.press("Enter")
    await page.getByRole("button", { name: "Send to the new bob" }).click()
    await become("ada|who is it?|taken", async () => (await said(page)())[2] ?? "")
    assert.deepEqual(other.lines, ["ada: who is it?"])
    // Asked once: from here on it is the one that is meant.
    await send(page, "welcome")
    await until(() => other.lines.length === 2)
  }, settings),
)

test(
  "OP116 drafts and unsent lines outlive the line; after a restart what had no end is listed",
  onPage,
  scene(async ({ t, server, visit, restart }) => {
    const ada = await visit("operators", { mayLog: refused })
    const { page } = ada
    await register(ada)
    const bob = await netcat(t, server, "bob")
    await gone(bob)
    await write(ada, "bob", "waits")
    await become(["ada|waits|queued 1/256"], said(page))
    await server.stop()
    await page.getByText("No line, trying again").waitFor()
    await send(page, "written while away")
    await become("ada|written while away|unsent", async () => (await said(page)())[1] ?? "")
    await page.getByText("1 unsent kept here").waitFor()
    await field(page).fill("a draft")
    await restart()
    await page.getByText("Connected").waitFor()
    const rule = page.locator(".talk-restart")
    await rule.getByText("The server restarted: what was waiting is lost.").waitFor()
    assert.deepEqual(await rule.locator("li").allTextContents(), ["waits"])
    await become(["ada|waits|lost", "ada|written while away|queued 1/256"], said(page))
    assert.equal(await field(page).inputValue(), "a draft")
  }, settings),
)

test(
  "OP117 nothing is stored: no storage, no cookie, no address, and no password on the page",
  onPage,
  scene(async ({ t, server, visit }) => {
    const ada = await registered(visit)
    const { page } = ada
    const bob = await netcat(t, server, "bob")
    bob.says("ada a secret canary")
    await contact(page, "bob").click()
    await send(page, "another canary")
    await field(page).fill("a canary in a draft")
    await become("bob|a secret canary|", async () => (await said(page)())[0] ?? "")
    const kept = await page.evaluate<string>(`(async () => {
      const stored = [location.href, history.state, document.cookie, localStorage, sessionStorage]
      const names = (await indexedDB.databases()).map(({ name }) => name)
      const cached = []
      for (const name of await caches.keys()) {
        for (const request of await (await caches.open(name)).keys()) cached.push(request.url)
      }
      return JSON.stringify([stored, names, cached])
    })()`)
    assert.doesNotMatch(kept, /canary|correct horse|ada|bob/)
    const drawn = await page.evaluate<string>("document.documentElement.outerHTML")
    assert.doesNotMatch(drawn, /correct horse/)
  }, settings),
)

test(
  "OP118 one's own sessions are listed and can be ended; one that was ended here keeps what was said",
  onPage,
  scene(async ({ t, server, visit }) => {
    const ada = await registered(visit)
    const { page } = ada
    await write(ada, "ada", "a note to myself")
    await field(page).fill("a draft")
    const signedIn = async () => {
      const peer = await stream(t, server)
      peer.says("$ quartet")
      peer.says("$ ada correct horse")
      await until(() => peer.lines.some((line) => line.startsWith("$ welcome")))
      return peer
    }
    const peer = await signedIn()
    peer.says("$ send r1 bob from my desk")
    await page.getByRole("button", { name: "Ask again" }).click()
    await page.getByRole("button", { name: "End session 2" }).click()
    await until(() => peer.isOver)
    await become(1, () => page.locator(".own-session").count())
    // The other way round.
    const other = await signedIn()
    other.says("$ end 1")
    await page.getByText("Another session of yours has ended this one").waitFor()
    assert.equal(await field(page).inputValue(), "a draft")
    await page.getByRole("button", { name: "Sign in again" }).click()
    await page.getByText("Connected").waitFor()
    await send(page, "back")
    await become(
      "ada|back|taken",
      async () => (await said(page)()).find((each) => each.includes("|back|ta")) ?? "",
    )
  }, settings),
)

test(
  "OP119 an account is deleted only when its callsign was typed, and then the callsign is free",
  onPage,
  scene(async ({ visit }) => {
    const ada = await registered(visit)
    const { page } = ada
    await write(ada, "bob", "x")
    await field(page).fill("a draft")
    await page.getByRole("button", { name: "Sign out" }).click()
    await page.getByRole("button", { name: "Stay" }).click()
    assert.equal(await field(page).inputValue(), "a draft")
    await page.getByRole("button", { name: "Delete account…" }).click()
    const sure = page.getByRole("button", { name: "Delete ada" })
    assert.equal(await sure.isDisabled(), true)
    await page.getByLabel("Type ada").fill("ada")
    await sure.click()
    await page.getByText("The account ada is deleted.").waitFor()
    await signIn(ada)
    await page.getByText("Nobody is called ada yet").waitFor()
  }, settings),
)
