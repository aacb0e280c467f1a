/** The relay's panel for everybody: keys, fingers, screen readers, tokens, what runs below a path, and what it weighs. */
import assert from "node:assert/strict"
import { createHmac } from "node:crypto"
import { test } from "node:test"
import type { Page } from "playwright-core"
import { fieldOf, selfIn } from "../web/relay/fields.ts"
import { healthOf, roomsOf, wordsOfBus } from "../web/relay/figures-read.ts"
import { type Facts, standingOf } from "../web/relay/standing.ts"
import { become, onPage, scene } from "./browser.ts"
import { sideways, tooSmall } from "./page-reach-parts.ts"

/** A browser's own words on requests that fail, which the page cannot keep from the console. */
const refused = /WebSocket connection to|Failed to load resource/
const secret = "a secret of at least thirty-two bytes"

const words = (page: Page) => async () => page.locator(".replica-words").first().textContent()

/** A JWT of this server's key. */
function jwt(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
  const exp = Math.floor(Date.now() / 1_000) + 3_600
  const signed = `${part({ alg: "HS256" })}.${part({ sub: "ada", aud: "quartet", exp, iat: exp - 3_600, ...claims })}`
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`
}

const calm: Facts = {
  state: "open",
  isAway: false,
  hasBeenIn: true,
  unacknowledged: 0,
  isSlow: false,
  isForeign: false,
  others: 0,
  reason: "",
}

test("RL144 one line says how a replica stands, in every state", () => {
  const line = (facts: Partial<Facts>) => standingOf({ ...calm, ...facts }).words
  assert.equal(line({ state: "connecting", hasBeenIn: false }), "Connecting")
  assert.equal(line({}), "Connected, nobody else is here")
  assert.equal(line({ others: 1 }), "In step with 1 other")
  assert.equal(line({ others: 7, unacknowledged: 1 }), "In step with 7 others")
  assert.equal(line({ others: 7, unacknowledged: 1, isSlow: true }), "Sending")
  assert.equal(line({ isAway: true, state: "closed" }), "Away")
  assert.equal(line({ isAway: true, unacknowledged: 1 }), "Away, 1 edit kept here")
  assert.equal(line({ state: "connecting", unacknowledged: 2 }), "Reconnecting, 2 edits kept here")
  assert.equal(line({ state: "waiting" }), "Waiting for those who have the text")
  assert.equal(line({ state: "outage" }), "Other servers are out of reach; here all goes on")
  assert.match(line({ state: "divergent" }), /doubled/)
  assert.match(line({ isForeign: true }), /another key/)
  assert.equal(line({ state: "closed", reason: "this room is closed" }), "This room is closed")
})

test("RL144 what others show of themselves is taken as it is meant, whatever it is", () => {
  assert.deepEqual(selfIn({ user: { name: "Ada", hue: 40 } }, 1), { name: "Ada", hue: 40 })
  for (const state of [null, {}, { user: 7 }, { user: { name: " ", hue: 999 } }]) {
    assert.deepEqual(selfIn(state, 2), { name: "Somebody", hue: 274 })
  }
  assert.equal(fieldOf("text", "length"), undefined)
})

test("RL147 health is told in words: alone, with others, and with the bus away", () => {
  const body = { status: "healthy", connections: 3, documents: 2, rooms: { waiting: 1, dirty: 4 } }
  const alone = healthOf({ ...body, redis: { configured: false }, probe: { ok: true } })
  assert.deepEqual(alone, {
    status: "healthy",
    bus: "alone",
    replicas: 3,
    rooms: 2,
    waiting: 1,
    dirty: 4,
    queue: 0,
  })
  assert.match(wordsOfBus("alone"), /works alone/)
  const redis = { configured: true }
  assert.equal(healthOf({ redis, probe: { ok: true } }).bus, "connected")
  assert.equal(healthOf({ redis, probe: { ok: false } }).bus, "away")
  assert.match(wordsOfBus("away"), /Rooms here go on/)
  assert.deepEqual(healthOf("nothing").status, "unknown")
})

test("RL146 rooms are listed with the fullest first", () => {
  const room = { kind: "yjs", holders: 1, state: "open" }
  const seen = roomsOf({
    rooms: [
      { ...room, name: "b", replicas: 1 },
      { ...room, name: "a", replicas: 1 },
      { ...room, name: "full", replicas: 9 },
    ],
    total: 12,
  })
  assert.ok(seen.state === "listed" && seen.total === 12)
  assert.deepEqual(
    seen.rooms.map(({ name }) => name),
    ["full", "a", "b"],
  )
})

test(
  "RL146 RL147 who is on the machine itself sees its rooms and its figures",
  onPage,
  scene(async ({ visit }) => {
    const { page } = await visit("relay#tides")
    const row = page.getByRole("row", { name: /demo\/tides/ })
    await row.filter({ hasText: "blank" }).waitFor()
    await page.getByText("This server works alone").waitFor()
    await page.locator(".curve path").first().waitFor({ state: "attached" })
    assert.match((await page.locator(".curve-name").first().textContent()) ?? "", /\d \/s$/)
  }),
)

test(
  "RL148 where tokens are asked for the panel asks too, and keeps them nowhere",
  onPage,
  scene(
    async ({ visit }) => {
      const { page } = await visit("relay#guarded", { mayLog: refused })
      const field = page.getByLabel("Token for this room")
      await field.fill("two words")
      await field.press("Enter")
      await page.getByText("A token has letters").waitFor()
      const token = jwt({ room: "demo/*", role: "editor" })
      await field.fill(token)
      await field.press("Enter")
      await become("Connected, nobody else is here", words(page))
      await page.getByText("{ params: { token } }").waitFor()
      const admin = page.getByLabel("Admin's token")
      await admin.fill(token)
      await admin.press("Enter")
      await page.getByText("The server refused: the token's role is not admin.").waitFor()
      await admin.fill(jwt({ role: "admin" }))
      await admin.press("Enter")
      await page.getByRole("row", { name: /demo\/guarded/ }).waitFor()
      const kept = await page.evaluate<string>(
        "JSON.stringify([location.href, document.cookie, localStorage, sessionStorage, document.documentElement.outerHTML])",
      )
      assert.ok(!kept.includes(token.slice(-20)))
      await page.reload()
      await page.getByLabel("Token for this room").waitFor()
    },
    { tokenKey: { kind: "secret", secret } },
  ),
)

test(
  "RL149 works below a path, with nothing asked for beside it",
  onPage,
  scene(
    async ({ visit }) => {
      const { page } = await visit("relay#deep")
      const asked: string[] = []
      page.on("request", (request) => asked.push(new URL(request.url()).pathname))
      page.on("websocket", (socket) => asked.push(new URL(socket.url()).pathname))
      await page.reload()
      await become("Connected, nobody else is here", words(page))
      await page.getByText("This server works alone").waitFor()
      await page.getByRole("link", { name: "Documents" }).click()
      await become(true, async () => new URL(page.url()).pathname === "/pads/")
      await page.goBack()
      assert.equal(new URL(page.url()).pathname, "/pads/relay")
      assert.ok(asked.length > 5)
      for (const path of asked) assert.ok(path.startsWith("/pads/"), path)
    },
    { pathPrefix: "/pads/" },
  ),
)

for (const theme of ["light", "dark"] as const) {
  test(
    `RL149 axe finds nothing serious in the panel, ${theme}`,
    onPage,
    scene(async ({ visit }) => {
      const { page, serious } = await visit("relay#axe", { theme })
      await become("Connected, nobody else is here", words(page))
      await page.getByRole("row", { name: /demo\/axe/ }).waitFor()
      assert.deepEqual(await serious(), [], "an empty note")
      await page.locator(".cm-content").focus()
      await page.keyboard.type("something")
      await page.getByRole("button", { name: "Second replica", exact: true }).click()
      await page.locator(".replica").nth(1).getByText("In step").waitFor()
      await page.getByRole("button", { name: /What the server sees/ }).click()
      assert.deepEqual(await serious(), [], "two replicas and the frames")
      await page.getByRole("switch", { name: "Encrypted" }).click()
      await page.getByRole("switch", { name: "Encrypted", checked: true }).waitFor()
      assert.deepEqual(await serious(), [], "an encrypted note")
      await page.keyboard.press("Control+k")
      await page.getByRole("combobox").fill("second replica")
      await page.keyboard.press("Enter")
      await page.locator(".replica").nth(1).waitFor()
    }),
  )
}

for (const width of [320, 360, 768, 1920]) {
  test(
    `RL149 at ${width} px nothing is cut off, and on a phone all is large enough for a finger`,
    onPage,
    scene(async ({ visit }) => {
      const isPhone = width < 640
      const size = { width, height: 700, touch: isPhone }
      const { page } = await visit(`relay#${"a-long-name-".repeat(6)}`, size)
      await become("Connected, nobody else is here", words(page))
      await page.getByRole("row", { name: /demo/ }).first().waitFor()
      await page.getByRole("button", { name: "Second replica", exact: true }).click()
      await page.locator(".replica").nth(1).waitFor()
      assert.deepEqual(await page.evaluate(sideways), [])
      if (isPhone) assert.deepEqual(await page.evaluate(tooSmall), [])
    }),
  )
}
