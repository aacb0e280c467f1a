/**
 * The pools' panel in Chromium, against a real server: apps that come and go, triggers that are
 * called by them and from the page, blocks of shared memory. The apps are on the SDK, like any.
 */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import type { Page } from "playwright-core"
import { type App, type AppOptions, connect } from "../src/client/pools.ts"
import { become, onPage, scene } from "./browser.ts"
import { eventually, temporaryDirectory } from "./harness.ts"
import { FramedApp } from "./pools-app.ts"

/** An app on the SDK; it ends with the test. */
async function arrive(t: TestContext, url: string, options: AppOptions): Promise<App> {
  const app = await connect(url).pools({ shortCircuit: false, ...options })
  t.after(() => app.close({ withinMs: 0 }))
  return app
}

const tree = (page: Page) => page.getByRole("navigation", { name: "Apps, triggers and blocks" })
const inTree = (page: Page, name: string) => tree(page).getByRole("link", { name })
const heading = (page: Page) => page.locator(".pane-head h2")
const figure = (page: Page, name: string) =>
  page.locator(".tile", { has: page.locator(".tile-name", { hasText: name }) })
const part = (page: Page, name: string) => page.getByRole("region", { name, exact: true })
const hash = (page: Page) => async () => new URL(page.url()).hash

test("PL13 a plain GET of the WebSocket's path is the page, with its policy, at any base path", async (t) => {
  for (const pathPrefix of ["/", "/deep/er/"]) {
    await scene(
      async ({ server }) => {
        const answer = await fetch(`${server.url}${pathPrefix}pools`)
        assert.equal(answer.status, 200)
        assert.match(answer.headers.get("content-type") ?? "", /^text\/html/)
        assert.match(answer.headers.get("content-security-policy") ?? "", /default-src 'none'/)
        assert.match(await answer.text(), /<div id="page">/)
        const app = await connect(`${server.url}${pathPrefix}`).pools({ app: "ada" })
        assert.equal(app.state, "ready", "the same path upgrades")
        await app.close({ withinMs: 0 })
        assert.equal((await fetch(`${server.url}${pathPrefix}pools/more`)).status, 426)
      },
      { pathPrefix },
    )(t)
  }
})

test(
  "PL160 where pools do not run their path leads nowhere, and the rail has no such part",
  onPage,
  async (t) => {
    await scene(
      async ({ server, visit }) => {
        assert.equal((await fetch(`${server.url}/pools`)).status, 404)
        const { page } = await visit("#here")
        assert.equal(await page.getByRole("link", { name: "Pools" }).count(), 0)
      },
      { parts: ["documents"] },
    )(t)
  },
)

test(
  "PL160 what is chosen stands in the fragment: reload, back, forward and the rail keep it",
  onPage,
  scene(async ({ t, server, visit }) => {
    const ada = await arrive(t, server.url, { app: "ada" })
    await ada.handle("a/b?c", () => 1)
    const { page } = await visit("pools")
    await inTree(page, "a/b?c").click()
    await become("a/b?c", () => heading(page).textContent())
    assert.equal(await hash(page)(), "#default/trigger/a/b%3Fc")
    await become("a/b?c · Pools · Quartet", () => page.title())
    await inTree(page, "ada").click()
    await become("ada", () => heading(page).textContent())
    await page.goBack()
    await become("a/b?c", () => heading(page).textContent())
    await page.reload()
    await become("a/b?c", () => heading(page).textContent())
    await page.goForward()
    await become("ada", () => heading(page).textContent())
    await page.getByRole("link", { name: "Documents" }).click()
    await page.locator(".cm-content").waitFor()
    await page.getByRole("link", { name: "Pools" }).click()
    await become("#default/app/ada", hash(page))
    await inTree(page, "Whole server").click()
    await become("", hash(page))
    await page.goto(`${server.url}/pools#default/trigger/nothing`)
    await page.getByText("It is not there now").waitFor()
  }),
)

test(
  "PL161 apps, their state and what they handle come and go as they do, and are told to a screen reader",
  onPage,
  scene(async ({ t, server, visit }) => {
    const { page } = await visit("pools")
    await page.getByRole("heading", { name: "Nobody is here yet" }).waitFor()
    const ada = await arrive(t, server.url, { app: "ada", instances: true })
    await inTree(page, "ada").waitFor()
    await ada.handle("greet", () => "hello")
    await inTree(page, "greet").filter({ hasText: "1 handler" }).waitFor()
    const more = await arrive(t, server.url, { app: "ada", instances: true })
    await inTree(page, "ada").filter({ hasText: "2 live" }).waitFor()
    await page
      .locator("[data-announcements]")
      .getByText(/ada came/)
      .waitFor({ state: "attached" })
    await inTree(page, "ada").click()
    for (const name of ["ada#1", "ada#2"]) await page.getByRole("cell", { name }).waitFor()
    await part(page, "What it is in").getByRole("link", { name: "greet" }).waitFor()
    await more.close({ withinMs: 0 })
    await become(1, () => page.getByRole("cell", { name: /^ada#/ }).count())
    await ada.close({ withinMs: 0 })
    await inTree(page, "ada").filter({ hasText: "away" }).waitFor()
    await page.getByText(/It was last seen \d+ s ago/).waitFor()
    await become(0, () => inTree(page, "greet").count())
  }),
)

test(
  "PL162 a trigger shows what goes on: rate, times, failures by code, handlers with share and load",
  onPage,
  scene(async ({ t, server, visit }) => {
    const ada = await arrive(t, server.url, { app: "ada" })
    const bob = await arrive(t, server.url, { app: "bob" })
    const held = Promise.withResolvers<void>()
    t.after(() => held.resolve())
    for (const app of [ada, bob]) {
      await app.handle(
        "work",
        async (what: string) => {
          if (what === "hold") await held.promise
          if (what === "fail") throw new Error("it broke")
          return what
        },
        { description: "Does what it is told.", version: "3.1", policy: "first", concurrency: 7 },
      )
    }
    for (let count = 0; count < 12; count++) await bob.call("work", "do")
    for (let count = 0; count < 3; count++) await bob.call("work", "fail").catch(() => {})
    void bob.call("work", "hold").catch(() => {})
    const { page } = await visit("pools#default/trigger/work")
    await page.getByText("Does what it is told. Version 3.1. first: the first that came").waitFor()
    await figure(page, "Calls").getByText("15 in the last minute").waitFor()
    await figure(page, "Failed").getByText("mostly HANDLER_ERROR").waitFor()
    assert.equal(await figure(page, "Failed").locator("b").textContent(), "3")
    assert.match((await figure(page, "Half within").textContent()) ?? "", /99 of 100 within .*ms/)
    assert.equal(await figure(page, "In flight").locator("b").textContent(), "1")
    const row = part(page, "Handlers").getByRole("row", { name: /^ada/ })
    assert.match((await row.textContent()) ?? "", /100 %1 of 7/)
    held.resolve()
    await become("0", () => figure(page, "In flight").locator("b").textContent())
    await figure(page, "Calls").getByText("16 in the last minute").waitFor()
    await figure(page, "Calls").locator(".tile-line").waitFor({ state: "attached" })
  }),
)

test(
  "PL163 the form is made from the schema, says first who would get the call and why, and calls on a click",
  onPage,
  scene(async ({ t, server, visit }) => {
    const calls: unknown[] = []
    const ada = await arrive(t, server.url, { app: "ada" })
    const bob = await arrive(t, server.url, { app: "bob" })
    const input = {
      type: "object",
      required: ["width"],
      properties: {
        width: { type: "integer", description: "In px" },
        format: { enum: ["avif", "png"] },
        sharpen: { type: "boolean" },
      },
    }
    for (const app of [ada, bob]) {
      const work = (payload: unknown) => {
        calls.push([app.id, payload])
        return { by: app.id }
      }
      await app.handle("resize", work, { input, policy: "first" })
    }
    const { page } = await visit("pools#default/trigger/resize")
    const who = part(page, "Who would get it")
    await who.getByText("ada would get it: the first that came").waitFor()
    await who
      .getByRole("listitem")
      .filter({ hasText: /ada.*chosen/ })
      .waitFor()
    await who
      .getByRole("listitem")
      .filter({ hasText: /bob.*it stands by/ })
      .waitFor()
    const press = () => page.getByRole("button", { name: "Call", exact: true }).click()
    await press()
    await page.getByText("width is a whole number.").waitFor()
    await page.getByLabel(/^width/).fill("640")
    await page.getByLabel(/^format/).selectOption("png")
    await page.getByRole("switch", { name: /^sharpen/ }).click()
    assert.deepEqual(calls, [], "nothing is called before it is said")
    await press()
    await become('{\n  "by": "ada"\n}', () => part(page, "Result").textContent())
    assert.deepEqual(calls, [["ada", { width: 640, format: "png", sharpen: true }]])
    await page.getByRole("combobox", { name: /^Handler/ }).selectOption("bob")
    await who.getByText("bob would get it").waitFor()
    await who
      .getByRole("listitem")
      .filter({ hasText: /ada.*another app is asked for/ })
      .waitFor()
    await page.getByText("JSON", { exact: true }).click()
    await page.getByLabel("Payload, as JSON").fill("{")
    await press()
    await page.getByText(/^This is not JSON/).waitFor()
    await page.getByLabel("Payload, as JSON").fill("[1]")
    await press()
    await become('{\n  "by": "bob"\n}', () => part(page, "Result").textContent())
    assert.deepEqual(calls.at(-1), ["bob", [1]])
  }),
)

test(
  "PL163 an error is told with its code and what to do; a call can be given up, and its handler hears of it",
  onPage,
  scene(async ({ t, server, visit }) => {
    const ada = await arrive(t, server.url, { app: "ada" })
    const ended: string[] = []
    await ada.handle("break", () => {
      throw Object.assign(new Error("no ink left"), { code: "E_INK" })
    })
    await ada.handle("wait", (_, { signal }) => {
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          ended.push(String(Reflect.get(signal.reason, "code")))
          resolve(1)
        })
      })
    })
    const { page } = await visit("pools#default/trigger/break")
    await page.getByText("ada would get it").waitFor()
    await page.getByRole("button", { name: "Call", exact: true }).click()
    const answer = page.locator(".answer")
    await answer.getByText("no ink left").waitFor()
    assert.match((await answer.textContent()) ?? "", /HANDLER_ERRORE_INK.*would not help/)
    await inTree(page, "wait").click()
    await become("wait", () => heading(page).textContent())
    await page.getByRole("button", { name: "Call", exact: true }).click()
    await page.getByRole("button", { name: "Give up" }).click()
    await answer.getByText(/^CANCELLED$/).waitFor()
    await eventually(() => (ended.length > 0 ? ended : undefined))
    assert.deepEqual(ended, ["CANCELLED"])
  }),
)

test(
  "PL163 in a pool that the page is not in, it joins for the call and leaves again",
  onPage,
  scene(async ({ t, server, visit }) => {
    const ada = await arrive(t, server.url, { app: "ada" })
    await ada.pool("vip").create()
    await ada.pool("vip").join()
    await ada.handle("greet", (name: string) => `hello ${name}`, { pool: "vip" })
    const { page } = await visit("pools#vip/trigger/greet")
    await page.getByText("this page joins the pool for the call").waitFor()
    await page.getByLabel("Payload, as JSON").fill('"you"')
    await page.getByRole("button", { name: "Call", exact: true }).click()
    await become('"hello you"', () => part(page, "Result").textContent())
    const members = async () => (await ada.pool("vip").members()).map(({ app }) => app)
    await become(["ada"], members)
  }),
)

test(
  "PL164 recent calls are listed with the newest first, and by trigger, app, trace and outcome",
  onPage,
  scene(async ({ t, server, visit }) => {
    const ada = await arrive(t, server.url, { app: "ada" })
    const bob = await arrive(t, server.url, { app: "bob" })
    await ada.handle("good", () => 1)
    const trace = "0123456789abcdef0123456789abcdef"
    await bob.call("good", 1, { traceparent: `00-${trace}-0123456789abcdef-01` })
    await bob.call("missing").catch(() => {})
    await ada.call("good")
    const { page } = await visit("pools")
    const rows = part(page, "Recent calls").locator("tbody tr")
    const triggers = () => rows.locator("td:nth-child(2)").allTextContents()
    await become(["good", "missing", "good"], triggers)
    await page.getByLabel("Calls that ended as").selectOption("no-handler")
    await become(["missing"], triggers)
    await page.getByLabel("Calls that ended as").selectOption("")
    await page.getByLabel("Calls of the trace id").fill(trace.slice(4, 12))
    await become(["bob"], () => rows.locator("td:nth-child(3)").allTextContents())
    await page.getByLabel("Calls of the trace id").fill("")
    await page.getByLabel("Calls of the trigger").fill("missing")
    await become(["missing"], triggers)
    await page.getByLabel("Calls of the trigger").fill("")
    await page.getByLabel("Calls of the app").fill("nobody")
    await page.getByText("No call like this is remembered.").waitFor()
  }),
)

test(
  "PL165 blocks are listed with size, generation, writer, attachments, lock and who waits",
  onPage,
  scene(
    async ({ t, server, visit }) => {
      const ada = new FramedApp(t, server.pools[0] ?? "")
      await ada.shakesHands("ada")
      const memory = async (id: string, fields: object) => {
        ada.says({ type: "memory", id, block_id: "frame", pool: "default", ...fields })
        assert.equal((await ada.answerTo(id))["status"], "success")
      }
      await memory("1", { operation: "create", size: 4_096, slots: 4 })
      await memory("2", { operation: "attach", mode: "write", via: "socket" })
      const data = Buffer.from("high water").toString("base64")
      await memory("3", { operation: "write", data, whole: true })
      await memory("4", { operation: "lock", mode: "exclusive", lease_ms: 600_000 })
      const { page } = await visit("pools")
      await inTree(page, "frame").filter({ hasText: "4 KiB" }).click()
      await become("frame", () => heading(page).textContent())
      assert.equal(await hash(page)(), "#default/block/frame")
      const told = (name: string) => () => figure(page, name).locator("b").textContent()
      await become("10 B", told("Content"))
      await become("1", told("Generation"))
      const standing = part(page, "Who has it")
      await standing.getByText(/exclusive, fence \d+, its lease ends in/).waitFor()
      await standing.locator(".slot[data-newest='true']", { hasText: "1 · 10 B" }).waitFor()
      await part(page, "Attached")
        .getByRole("row", { name: /ada write its connection/ })
        .waitFor()
      await memory("5", { operation: "write", data: `${data}`, whole: true })
      await become("2", told("Generation"))
      await page.getByRole("button", { name: "Show the content" }).click()
      const content = part(page, "Content of the block")
      await become("high water", () => content.textContent())
      await page.getByText("Bytes", { exact: true }).click()
      await content.getByText(/68 69 67 68 .*high water/).waitFor()
      const tide = Buffer.from("high tides").toString("base64")
      await memory("6", { operation: "write", data: tide, whole: true })
      await become([" 74", " 69", " 64", " 73"], () =>
        content.locator("[data-new='true']").allTextContents(),
      )
      const attached = part(page, "Attached").getByRole("row", { name: /quartet-page#1 read/ })
      await attached.waitFor()
      await inTree(page, "ada").click()
      await page.goBack()
      await become(0, () => attached.count())
    },
    { poolsPort: 0 },
  ),
)

test(
  "PL166 a pool shows its members, its owners, and who may do what",
  onPage,
  scene(async ({ t, server, visit }) => {
    const ada = await arrive(t, server.url, { app: "ada" })
    await ada.pool("vip").create({
      description: "For a few.",
      rights: { read: ["*"], execute: ["team-*", "bob"] },
    })
    await ada.pool("vip").join()
    const { page } = await visit("pools#vip")
    await page.getByText("For a few.").waitFor()
    const rights = part(page, "Who may do what")
    await rights.getByText("team-*, bob").waitFor()
    await rights.getByText("everyone").waitFor()
    assert.match((await rights.textContent()) ?? "", /owned byada/)
    await part(page, "Members")
      .getByRole("row", { name: /^ada live/ })
      .waitFor()
    await ada.pool("vip").leave()
    await page.getByText("Nobody is in it").waitFor()
  }),
)

test(
  "PL168 an empty panel says what to do, and the app to paste runs as it is and makes it come alive",
  onPage,
  scene(async ({ t, server, visit }) => {
    const { page } = await visit("pools")
    await page.getByRole("heading", { name: "Nobody is here yet" }).waitFor()
    await page.getByText("Python", { exact: true }).click()
    await page.getByText("with quartet.connect(").waitFor()
    await page.getByText("Node", { exact: true }).click()
    await page.getByRole("button", { name: "Copy the app" }).click()
    await page.getByText("The app copied").waitFor()
    const program = await page.evaluate<string>("navigator.clipboard.readText()")
    const sdk = /curl -O (\S+)/.exec(program)?.[1] ?? assert.fail(program)
    assert.equal(sdk, `${server.url}/client-pools.js`)
    const folder = temporaryDirectory(t)
    writeFileSync(join(folder, "client-pools.js"), await (await fetch(sdk)).text())
    writeFileSync(join(folder, "greeter.mjs"), program)
    const child = spawn(process.execPath, ["greeter.mjs"], { cwd: folder, stdio: "inherit" })
    t.after(() => child.kill("SIGKILL"))
    await inTree(page, "greeter").waitFor()
    await inTree(page, "greet").filter({ hasText: "handler" }).click()
    await figure(page, "Calls")
      .getByText(/^ ?[1-9]\d* in the last/)
      .waitFor()
    await page.getByLabel(/^name/).fill("reader")
    await page.getByRole("button", { name: "Call", exact: true }).click()
    await become('"Hello, reader"', () => part(page, "Result").textContent())
  }),
)
