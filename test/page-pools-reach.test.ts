/** The pools' panel for everybody: what it reckons, tokens, keys, fingers, screen readers, and below a path. */
import assert from "node:assert/strict"
import { createHmac } from "node:crypto"
import { type TestContext, test } from "node:test"
import type { Page } from "playwright-core"
import { type AppOptions, connect } from "../src/client/pools.ts"
import { exampleOf, formOf, payloadOf } from "../web/pools/form.ts"
import { CallLog, limitAnswer } from "../web/pools/log.ts"
import { measure, ratesOf } from "../web/pools/measure.ts"
import { appsOf, type CallRow, triggersOf } from "../web/pools/rows.ts"
import { bytes, codeOf, milliseconds, perSecond, span } from "../web/pools/words.ts"
import { become, onPage, scene } from "./browser.ts"
import { sideways, tooSmall } from "./page-reach-parts.ts"

/** A browser's own words on requests that fail, which the page cannot keep from the console. */
const refused = /WebSocket connection to|Failed to load resource/
const secret = "a secret of at least thirty-two bytes"

const tree = (page: Page) => page.getByRole("navigation", { name: "Apps, triggers and blocks" })

/** A JWT of this server's key. */
function jwt(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
  const exp = Math.floor(Date.now() / 1_000) + 3_600
  const body = { aud: "quartet", exp, iat: exp - 3_600, ...claims }
  const signed = `${part({ alg: "HS256" })}.${part(body)}`
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`
}

/** Two apps, three triggers, calls that are answered and that fail: something of everything. */
async function crowd(
  t: TestContext,
  url: string,
  options: Partial<AppOptions> = {},
): Promise<void> {
  const name = "an-app-with-a-long-name.".repeat(3)
  for (const app of ["ada", name]) {
    const one = await connect(url).pools({ app, shortCircuit: false, ...options })
    t.after(() => one.close({ withinMs: 0 }))
    const input = {
      type: "object",
      properties: { width: { type: "integer" }, on: { type: "boolean" } },
    }
    await one.handle("resize", () => 1, { input, description: "Scales an image to a width." })
    await one.handle("a.trigger.with.a.long.name.".repeat(3), () => 1)
    for (let count = 0; count < 3; count++) await one.call("resize", count)
    await one.call("missing").catch(() => {})
  }
}

const calls = (from: number, to: number, at: (count: number) => number): CallRow[] =>
  Array.from({ length: to - from }, (_, index) => {
    const count = to - index
    const shared = { pool: "default", trigger: "t", caller: "c", handler: "h", attempt: 1 }
    const row = { ...shared, outcome: "answered", ms: count, trace: undefined }
    return { ...row, id: String(count), settled: at(count) }
  })

test("PL162 the figures are of the last minute: rate, the middle, the slowest hundredth, failures, shares", () => {
  const now = 1_000_000
  const answered = calls(0, 100, (count) => now - count * 100)
  const old = calls(100, 130, () => now - 61_000)
  const failed = calls(130, 136, () => now - 10).map((call, at) => ({
    ...call,
    outcome: at < 4 ? "timeout" : "busy",
    handler: at < 4 ? "other" : undefined,
  }))
  const all = [...failed, ...answered, ...old]
  const last = measure({ calls: all, since: Number.NEGATIVE_INFINITY, now })
  assert.deepEqual([last.count, last.spanMs], [106, 60_000])
  assert.deepEqual([last.p50, last.p99], [51, 100])
  assert.deepEqual(last.failures, [
    ["timeout", 4],
    ["busy", 2],
  ])
  assert.deepEqual(
    [...last.shares],
    [
      ["other", 4 / 104],
      ["h", 100 / 104],
    ],
  )
  assert.ok(Math.abs(last.perSecond - 106 / 60) < 1e-9)
  // Where only ten seconds are known the rate is of these.
  assert.equal(measure({ calls: answered, since: now - 10_000, now }).perSecond, 9.9)
  assert.equal(measure({ calls: [], since: 0, now }).p50, undefined)
})

test("PL162 a curve is two minutes in pieces of 2 s, of which the newest is whole", () => {
  const now = 1_000_999
  const settled = [1_000_500, 999_999, 999_000, 998_000, 882_000, 879_999, 100]
  const rates = ratesOf({
    calls: calls(0, settled.length, (count) => settled[settled.length - count] ?? 0),
    since: 0,
    now,
  })
  assert.equal(rates.length, 60)
  // The piece from 1,000,000 on has only begun.
  assert.deepEqual(rates.slice(-2), [0, 1.5])
  assert.equal(rates.reduce((sum, each) => sum + each, 0) * 2, 4)
})

test("PL162 calls are gathered look by look: none twice, none missing since the time it tells", () => {
  const log = new CallLog()
  const at = (count: number) => 1_000_000 + count * 10
  assert.equal(log.asks, limitAnswer)
  log.take(calls(0, 3, at), at(3))
  assert.deepEqual([log.known(at(3)).calls.length, log.known(at(3)).since], [3, -Infinity])
  const asked = log.asks
  assert.ok(asked < limitAnswer)
  log.take(calls(0, 6, at), at(6))
  assert.deepEqual(
    log.known(at(6)).calls.map(({ id }) => Number(id)),
    [6, 5, 4, 3, 2, 1],
  )
  // So many that the answer does not reach back to the known ones: all that is had is asked for.
  log.take(calls(3_000, 3_000 + asked, at), at(3_200))
  assert.equal(log.asks, limitAnswer)
  assert.equal(log.known(at(3_200)).calls.length, 6)
  log.take(calls(2_300, 2_300 + limitAnswer, at), at(3_300))
  assert.equal(log.known(at(3_300)).calls.length, limitAnswer)
  assert.equal(log.known(at(3_300)).since, at(2_301), "before that some are missing")
  // What is older than two minutes goes.
  log.take(calls(3_290, 3_310, at), at(3_300) + 119_000)
  assert.ok(log.known(0).calls.every(({ settled }) => settled > at(3_300) - 1_000))
})

test("PL163 a form is made of a flat schema only, and its payload has the schema's types", () => {
  const properties = {
    name: { type: "string" },
    count: { type: "number" },
    on: { type: "boolean" },
  }
  const fields = formOf({ type: "object", properties, required: ["count"] }) ?? assert.fail()
  assert.deepEqual(
    fields.map(({ name, kind, isRequired }) => [name, kind, isRequired]),
    [
      ["name", "text", false],
      ["count", "number", true],
      ["on", "switch", false],
    ],
  )
  assert.deepEqual(payloadOf(fields, { count: "1.5" }), { payload: { count: 1.5, on: false } })
  assert.deepEqual(payloadOf(fields, { name: "x", count: "0", on: "true" }), {
    payload: { name: "x", count: 0, on: true },
  })
  assert.deepEqual(payloadOf(fields, {}), { problem: "count is a number." })
  assert.deepEqual(payloadOf(fields, { count: "1e999" }), { problem: "count is a number." })
  for (const schema of [
    undefined,
    true,
    { type: "string" },
    { type: "object" },
    { type: "object", properties: {} },
    { type: "object", properties: { deep: { type: "object" } } },
    { type: "object", properties: { odd: 7 } },
  ]) {
    assert.equal(formOf(schema), undefined, JSON.stringify(schema))
  }
  const deep = { type: "object", properties: { list: { type: "array" }, deep: { properties: {} } } }
  assert.deepEqual(JSON.parse(exampleOf(deep)), { list: [], deep: null })
  assert.equal(exampleOf(undefined), "")
})

test("PL161 what a server of another release leaves out is none, and nothing breaks", () => {
  assert.deepEqual(appsOf({}), [])
  assert.deepEqual(appsOf({ apps: [{ app_id: "a", state: "away" }, null, 7] }), [
    { id: "a", bound: "none", pools: [], lastSeen: 0, instances: [] },
  ])
  const [trigger] = triggersOf({ triggers: [{ trigger: "t", handlers: [{}] }] })
  assert.deepEqual([trigger?.name, trigger?.handlers.length, trigger?.input], ["t", 1, undefined])
})

test("PL162 figures are told in the unit that fits", () => {
  assert.deepEqual([0, 1.25, 42, 1_234, 120_000].map(milliseconds), [
    ...["under 1 ms", "1.3 ms", "42 ms", "1.2 s", "2 min"],
  ])
  assert.deepEqual([0, 0.05, 1.25, 1_234].map(perSecond), [
    ...["0 /s", "under 0.1 /s", "1.3 /s", "1,234 /s"],
  ])
  assert.deepEqual([10, 4_096, 1_500_000].map(bytes), ["10 B", "4 KiB", "1.4 MiB"])
  assert.deepEqual([9_400, 600_000, 10_800_000, 864_000_000].map(span), [
    ...["9 s", "10 min", "3 h", "10 d"],
  ])
  assert.deepEqual(["answered", "handler-error"].map(codeOf), ["answered", "HANDLER_ERROR"])
})

test(
  "PL167 where apps prove their ids the panel asks for a token, and keeps it nowhere",
  onPage,
  scene(
    async ({ t, server, visit }) => {
      const { page } = await visit("pools", { mayLog: refused })
      const field = page.getByLabel("Token")
      const enter = async (token: string) => {
        await field.fill(token)
        await field.press("Enter")
      }
      await enter("two words")
      await page.getByText("This is no token that names an app.").waitFor()
      await enter(`${jwt({ sub: "looker" })}x`)
      const problem = page.locator(".pools-small[data-bad='true']")
      await problem.filter({ hasNotText: "no token that names an app" }).waitFor()
      const token = jwt({ sub: "looker" })
      await enter(token)
      await tree(page)
        .getByRole("link", { name: "looker" })
        .filter({ hasText: "this page" })
        .waitFor()
      const kept = await page.evaluate<string>(
        "JSON.stringify([location.href, document.cookie, localStorage, sessionStorage, document.documentElement.outerHTML])",
      )
      assert.ok(!kept.includes(token.slice(-20)))
      const ada = await connect(server.url).pools({ app: "ada", token: jwt({ sub: "ada" }) })
      t.after(() => ada.close({ withinMs: 0 }))
      await page.reload()
      await field.waitFor()
    },
    { tokenKey: { kind: "secret", secret }, poolsAuth: "required" },
  ),
)

test(
  "PL169 all is done by keys: through the tree by arrows, to a trigger by the palette, and a call",
  onPage,
  scene(async ({ t, server, visit }) => {
    const { page } = await visit("pools")
    await crowd(t, server.url)
    await tree(page).getByRole("link", { name: "resize" }).waitFor()
    await tree(page).getByRole("link", { name: "Whole server" }).focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await become("ada", () => page.locator(".pane-head h2").textContent())
    await page.keyboard.press("Control+k")
    await page.getByRole("combobox").fill("resize")
    await page
      .getByRole("option", { name: /resize/ })
      .first()
      .waitFor()
    await page.keyboard.press("Enter")
    await become("resize", () => page.locator(".pane-head h2").textContent())
    await page.getByLabel(/^width/).focus()
    await page.keyboard.type("7")
    await page.keyboard.press("Enter")
    await become("1", () => page.getByRole("region", { name: "Result" }).textContent())
    await page.getByRole("button", { name: "Connect an app" }).focus()
    await page.keyboard.press("Enter")
    const sheet = page.getByRole("dialog", { name: "Connect an app" })
    await sheet.getByRole("button", { name: "Done" }).waitFor()
    await page.keyboard.press("Escape")
    await sheet.waitFor({ state: "hidden" })
  }),
)

test(
  "PL169 works below a path, with nothing asked for beside it",
  onPage,
  scene(
    async ({ t, server, visit }) => {
      await crowd(t, `${server.url}/pads/`)
      const { page } = await visit("pools")
      const asked: string[] = []
      page.on("request", (request) => asked.push(new URL(request.url()).pathname))
      page.on("websocket", (socket) => asked.push(new URL(socket.url()).pathname))
      await page.reload()
      await tree(page).getByRole("link", { name: "ada" }).waitFor()
      assert.equal(new URL(page.url()).pathname, "/pads/pools")
      assert.ok(asked.includes("/pads/pools"))
      for (const path of asked) assert.ok(path.startsWith("/pads/"), path)
      await page.getByRole("link", { name: "Documents" }).click()
      await page.locator(".cm-content").waitFor()
      assert.ok(new URL(page.url()).pathname === "/pads/")
      const ada = await connect(`${server.url}/pads/`).pools({ app: "late" })
      t.after(() => ada.close({ withinMs: 0 }))
      await page.getByRole("link", { name: "Pools" }).click()
      await tree(page).getByRole("link", { name: "late" }).waitFor()
    },
    { pathPrefix: "/pads/" },
  ),
)

for (const theme of ["light", "dark"] as const) {
  test(
    `PL169 axe finds nothing serious in the panel, ${theme}`,
    onPage,
    scene(async ({ t, server, visit }) => {
      const { page, serious } = await visit("pools", { theme })
      await page.getByRole("heading", { name: "Nobody is here yet" }).waitFor()
      assert.deepEqual(await serious(), [], "nobody yet")
      await crowd(t, server.url)
      await page.locator(".calls tbody tr").nth(3).waitFor()
      assert.deepEqual(await serious(), [], "the whole server")
      await tree(page).getByRole("link", { name: "resize" }).click()
      await page.locator(".explained li").first().waitFor()
      await page.getByLabel(/^width/).fill("7")
      await page.getByRole("button", { name: "Call", exact: true }).click()
      await page.getByRole("region", { name: "Result" }).waitFor()
      assert.deepEqual(await serious(), [], "a trigger")
      await tree(page).getByRole("link", { name: "ada" }).click()
      await page.getByRole("cell", { name: "ada" }).first().waitFor()
      assert.deepEqual(await serious(), [], "an app")
      await tree(page).getByRole("link", { name: "default" }).click()
      await page.getByText("Who may do what").waitFor()
      assert.deepEqual(await serious(), [], "a pool")
      await page.getByRole("button", { name: "Connect an app" }).click()
      await page.getByRole("dialog").getByRole("button", { name: "Done" }).waitFor()
      assert.deepEqual(await serious(), [], "the sheet")
    }),
  )
}

for (const width of [320, 360, 768, 1920]) {
  test(
    `PL169 at ${width} px nothing is cut off, and on a phone all is large enough for a finger`,
    onPage,
    scene(async ({ t, server, visit }) => {
      const isPhone = width < 640
      // On a phone what goes on stands under the tree, which grows with each app that comes.
      const may = isPhone ? ({ mayMove: "by others" } as const) : {}
      const { page } = await visit("pools", { width, height: 700, touch: isPhone, ...may })
      const look = async (what: string) => {
        assert.deepEqual(await page.evaluate(sideways), [], what)
        if (isPhone) assert.deepEqual(await page.evaluate(tooSmall), [], what)
      }
      await page.getByRole("heading", { name: "Nobody is here yet" }).waitFor()
      await look("nobody yet")
      await crowd(t, server.url)
      await page.locator(".calls tbody tr").nth(3).waitFor()
      await look("the whole server")
      await tree(page).getByRole("link", { name: "resize" }).click()
      await page.locator(".explained li").first().waitFor()
      await look("a trigger")
      await page.goto(`${server.url}/pools#default/app/ada`)
      await page.getByRole("cell", { name: "ada" }).first().waitFor()
      await look("an app")
      if (isPhone) {
        await page.getByRole("button", { name: "Back to the whole server" }).click()
        await tree(page).waitFor()
      }
    }),
  )
}
