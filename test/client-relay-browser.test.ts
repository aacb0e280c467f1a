/**
 * The modules that a server gives out, in Chromium: rooms of `/client.js` and Yjs documents of
 * `/client-yjs.js`, which takes the page's own Yjs. And what they weigh.
 */
import assert from "node:assert/strict"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { after, type TestContext, test } from "node:test"
import { gzipSync } from "node:zlib"
import { type Browser, chromium, type Page } from "playwright-core"
import { build, type Rolldown } from "vite"
import { onPage } from "./browser.ts"
import { type Started, startServer, temporaryDirectory } from "./harness.ts"
import { findChromium } from "./needs.ts"

const root = join(import.meta.dirname, "..")

/** A page that comes from nowhere may open no WebSocket to this machine otherwise. */
const localSockets =
  "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets"

let browser: Browser | undefined
after(() => browser?.close())

/** These lines as one module, with all that they name. */
async function built(t: TestContext, lines: string): Promise<string> {
  const entry = join(temporaryDirectory(t), "entry.ts")
  writeFileSync(entry, lines)
  const outputs = await build({
    root,
    mode: "client",
    logLevel: "silent",
    build: { write: false, lib: { entry, formats: ["es"] } },
  })
  const [output] = outputs as Rolldown.RolldownOutput[] // one format, not watched
  return output?.output[0].code ?? ""
}

/** Opens a page of the server's that has its own Yjs, with a storage of its own. */
async function visit(t: TestContext, { url }: Started, yjs: string): Promise<Page> {
  browser ??= await chromium.launch({
    executablePath: findChromium() ?? "",
    args: ["--no-sandbox", "--disable-gpu", localSockets],
  })
  const context = await browser.newContext()
  t.after(() => context.close())
  const body = `<!doctype html><title>replica</title>
    <script type="importmap">{"imports": {"yjs": "./yjs.js"}}</script>`
  await context.route(`${url}/replica`, (route) =>
    route.fulfill({ body, contentType: "text/html" }),
  )
  await context.route(`${url}/yjs.js`, (route) =>
    route.fulfill({ body: yjs, contentType: "text/javascript" }),
  )
  const page = await context.newPage()
  await page.goto(`${url}/replica`)
  return page
}

/** Waits until an expression holds in the page. */
async function holds(page: Page, expression: string): Promise<void> {
  await page.waitForFunction(expression, undefined, { timeout: 60_000 })
}

test("RL130 RL129 RL135 the built modules share rooms between browsers", onPage, async (t) => {
  const server = await startServer(t)
  const yjs = await built(t, `export * from ${JSON.stringify(join(root, "node_modules/yjs"))}`)
  const [first, second] = [await visit(t, server, yjs), await visit(t, server, yjs)]
  const enter = (key: string) => `(async () => {
    const { connect, RoomKey } = await import("./client.js")
    const { WebsocketProvider } = await import("./client-yjs.js")
    const Y = await import("yjs")
    window.words = new Set()
    const toWords = (bytes) => JSON.parse(new TextDecoder().decode(bytes))
    window.bytesOf = (words) => new TextEncoder().encode(JSON.stringify([...words]))
    window.room = connect(location.origin).relay.room("words", {
      receive: (update) => toWords(update).forEach((word) => words.add(word)),
      snapshot: () => bytesOf(words),
    })
    window.key = ${key}
    const address = location.origin.replace("http", "ws") + "/yjs"
    const join = (name, options) => {
      const doc = new Y.Doc()
      const line = new WebsocketProvider(address, name, doc, options)
      return { doc, line, text: doc.getText("text") }
    }
    window.open = join("notes", {})
    window.sealed = join("secrets", { key })
    return key.toText()
  })()`
  const key = await first.evaluate<string>(enter("RoomKey.random()"))
  await second.evaluate(enter(`RoomKey.fromText("${key}")`))
  await first.evaluate(`words.add("apple"); room.send(bytesOf(["apple"])); room.present({ at: 1 })`)
  await first.evaluate(`open.text.insert(0, "seen"); sealed.text.insert(0, "hidden")`)
  await first.evaluate(`sealed.line.awareness.setLocalState({ user: "ada" })`)
  await holds(second, `words.has("apple") && [...room.others.values()].some((it) => it?.at === 1)`)
  await holds(second, `open.text.toString() === "seen" && sealed.text.toString() === "hidden"`)
  await holds(
    second,
    `[...sealed.line.awareness.getStates().values()].some(({ user }) => user === "ada")`,
  )
  await second.evaluate(`open.text.insert(4, " again"); sealed.text.insert(6, " again")`)
  await holds(first, `open.text.toString() === "seen again"`)
  await holds(first, `sealed.text.toString() === "hidden again"`)
  await holds(second, `open.line.unacknowledged + sealed.line.unacknowledged === 0`)
})

test("RL136 rooms and keys are at most 6 KB of /client.js, and /client-yjs.js at most 12 KB", async (t) => {
  const lines = ["relay", "sealed"].map(
    (name) => `export * from ${JSON.stringify(join(root, "src/client", `${name}.ts`))}`,
  )
  const part = gzipSync(await built(t, lines.join("\n")), { level: 9 }).length
  assert.ok(part > 1_000 && part <= 6_000, `${part} bytes of rooms`)
  const yjs = readFileSync(join(root, "dist/page/client-yjs.js"))
  const whole = gzipSync(yjs, { level: 9 }).length
  assert.ok(whole > 1_000 && whole <= 12_000, `${whole} bytes of Yjs`)
  // One Yjs only: that of the page.
  const imports = [...String(yjs).matchAll(/\bfrom\s*["']([^"']+)["']/g)].map(([, from]) => from)
  assert.deepEqual(imports, ["yjs"])
})
