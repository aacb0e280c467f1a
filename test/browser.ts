/**
 * Chromium for tests of the page: one for a test file, and for every visitor a window of their own
 * with an own storage. What a page must never do is watched from its first request to its last:
 * say something on the console, ask another origin, break its policy, or let what one looks at jump.
 */
import assert from "node:assert/strict"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { after, type TestContext } from "node:test"
import { fileURLToPath } from "node:url"
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core"
import { connect, type SharedText } from "../src/client/client.ts"
import {
  lastingPort,
  type Start,
  type Started,
  startServer,
  temporaryDirectory,
} from "./harness.ts"
import { findChromium } from "./needs.ts"

const root = join(import.meta.dirname, "..")
const executablePath = findChromium()
const skip =
  executablePath === undefined && "Chromium is not installed: the page is not tested at all"
if (skip !== false) process.stderr.write(`*** SKIPPED: ${skip}\n`)

/** The options of every test that needs Chromium: skipped with the reason where there is none. */
export const onPage = { skip, timeout: 120_000 }

/** A page that takes longer to come to what is waited for has a fault. */
const patienceMs = 30_000

/** More than this in all, and the eye loses its place. */
const limitShift = 0.02

const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8")

interface Violation {
  readonly id: string
  readonly impact: string
  readonly nodes: readonly { readonly html: string }[]
}

/** What the page itself notices: see `watchers`. */
interface Watched {
  readonly violations: readonly string[]
  readonly shift: number
}

const switches = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
]

/** How a visitor comes. */
export interface VisitorOptions {
  readonly name?: string
  readonly hue?: number
  readonly width?: number
  readonly height?: number
  readonly theme?: "light" | "dark"
  /** A finger instead of a mouse. */
  readonly touch?: boolean
  /** What this page may say on the console: a browser itself tells of each request that failed. */
  readonly mayLog?: RegExp
  /** Others type so much above what one looks at that it has to move. */
  readonly mayMove?: "by others"
}

/** Somebody who has the page open. */
export interface Visitor {
  readonly page: Page
  /** Waits until the whole text, as the page draws it, is this one. */
  shows(text: string): Promise<void>
  /** Waits until the line that says how the document stands matches. */
  stands(words: RegExp): Promise<void>
  /** Everything the page did that it must not do. */
  faults(): Promise<readonly string[]>
  /** What axe-core finds serious or critical in the page as it is now. */
  serious(): Promise<readonly string[]>
  /** Opens `hash` in another tab of the same browser: what the page keeps there is there. */
  again(hash: string): Promise<Visitor>
}

/** A server, and whoever comes to it. */
export interface Scene {
  readonly t: TestContext
  readonly server: Started
  /** Where it keeps its database. */
  readonly dataDir: string
  /** Opens the page at `hash`, as somebody new. */
  visit(hash: string, options?: VisitorOptions): Promise<Visitor>
  /** Opens a document as somebody who has no page. */
  enter(id: string, name: string, hue?: number): SharedText
  /** The server again, after it was stopped: on the same port, with the same database. */
  restart(): Promise<void>
}

let browser: Browser | undefined
after(() => browser?.close())

/**
 * The body of a test with a server that keeps its documents in a file, unless `settings` say
 * otherwise. When `run` is over every visitor's page must have been quiet.
 */
export function scene(
  run: (scene: Scene) => Promise<void>,
  settings: Start = {},
): (t: TestContext) => Promise<void> {
  return async (t) => {
    assertBuilt()
    const dataDir = temporaryDirectory(t)
    const sqliteUri = join(dataDir, "quartet.db")
    const start = (more: Start) => startServer(t, { dataDir, sqliteUri, ...settings, ...more })
    const port = await lastingPort()
    let server = await start({ port })
    const visitors: Visitor[] = []
    const visit: Scene["visit"] = async (hash, options = {}) => {
      const address = `${server.url}${settings.pathPrefix ?? "/"}`
      return watchAgain(await open(address + hash, options))
    }
    const watchAgain = (visitor: Visitor): Visitor => {
      visitors.push(visitor)
      return { ...visitor, again: async (hash) => watchAgain(await visitor.again(hash)) }
    }
    const texts: SharedText[] = []
    const enter: Scene["enter"] = (id, name, hue = 268) => {
      const { documents } = connect(server.url + (settings.pathPrefix ?? "/"))
      const text = documents.open(id, { name, hue })
      texts.push(text)
      return text
    }
    const restart = async () => {
      server = await start({ port })
    }
    try {
      await run({ t, server, dataDir, visit, enter, restart })
      for (const visitor of visitors) assert.deepEqual(await visitor.faults(), [])
    } finally {
      for (const text of texts) void text.close()
      for (const { page } of visitors) await page.context().close()
    }
  }
}

/** Opens the page at a whole address, as somebody new. Who calls this closes the context, and asks for the faults. */
export async function open(address: string, options: VisitorOptions = {}): Promise<Visitor> {
  const { width = 1280, height = 800, theme = "light", touch = false } = options
  browser ??= await chromium.launch({ executablePath: executablePath ?? "", args: switches })
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    hasTouch: touch,
    isMobile: touch,
    permissions: ["clipboard-read", "clipboard-write"],
    reducedMotion: "reduce",
  })
  const { name, hue } = options
  if (name !== undefined || hue !== undefined) {
    const self = JSON.stringify({ name: name ?? "Somebody", hue: hue ?? 0 })
    // Once only: what the page keeps itself must survive a reload.
    await context.addInitScript(
      `localStorage.getItem("quartet.self") ?? localStorage.setItem("quartet.self", ${JSON.stringify(self)})`,
    )
  }
  await context.addInitScript(watchers)
  return look(context, address, options)
}

async function look(
  context: BrowserContext,
  address: string,
  options: VisitorOptions,
): Promise<Visitor> {
  const page = await context.newPage()
  page.setDefaultTimeout(patienceMs)
  const faults: string[] = []
  const origin = new URL(address).origin
  page.on("console", (message) => {
    const text = message.text()
    // What a browser says of a line that is let go before it stands: one may leave a room at once.
    if (text.endsWith("WebSocket is closed before the connection is established.")) return
    if (options.mayLog?.test(text) !== true) faults.push(`console: ${text}`)
  })
  page.on("pageerror", (error) => faults.push(`error: ${error.stack ?? error.message}`))
  page.on("request", (request) => {
    const { protocol, origin: asked } = new URL(request.url())
    if (asked !== origin && protocol !== "blob:") faults.push(`request: ${request.url()}`)
  })
  await page.goto(address)
  await page.locator(".cm-content, .way-in, .tree, .pools-ask").first().waitFor()
  return {
    page,
    shows: (text) => become(text, () => page.evaluate<string>(shownText)),
    stands: (words) =>
      patiently(
        () => page.locator(".state-words").textContent(),
        (line) => assert.match(line ?? "", words),
      ),
    serious: async () => {
      await page.evaluate(axe)
      const found = await page.evaluate<{ violations: readonly Violation[] }>(
        "axe.run({ resultTypes: ['violations'] })",
      )
      return found.violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`)
    },
    again: (hash) => look(context, new URL(hash, address).href, options),
    faults: async () => {
      if (page.isClosed()) return faults // what it had to say until then
      const watched = await page.evaluate<Watched>("watched")
      const isStill = watched.shift <= limitShift || options.mayMove !== undefined
      const shift = isStill ? [] : [`layout shift of ${watched.shift}`]
      return [...faults, ...watched.violations, ...shift]
    },
  }
}

/** Waits until `look` gives `expected`; fails with what it gave last. */
export function become<T>(expected: T, look: () => Promise<T>): Promise<void> {
  return patiently(look, (seen) => assert.deepEqual(seen, expected))
}

/** Looks until what is seen can be asserted; fails as the last assertion did. */
async function patiently<T>(look: () => Promise<T>, check: (seen: T) => void): Promise<void> {
  const deadline = performance.now() + patienceMs
  for (;;) {
    const seen = await look()
    try {
      return check(seen)
    } catch (different) {
      if (performance.now() > deadline) throw different
    }
    // The server lives in this process too: it must have its turn.
    await new Promise((resolve) => setImmediate(resolve))
  }
}

// These run in the page. As text, because the tests know no types of a browser.
const watchers = `
  window.watched = { violations: [], shift: 0 }
  addEventListener("securitypolicyviolation", (event) => {
    watched.violations.push("policy: " + event.violatedDirective + " " + event.blockedURI)
  })
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) watched.shift += entry.value
  }).observe({ type: "layout-shift", buffered: true })
`
const shownText = `
  [...document.querySelectorAll(".cm-content > .cm-line")].map((line) => line.textContent).join("\\n")
`

/** A page built from older sources would be tested in place of the ones at hand. */
function assertBuilt(): void {
  const built =
    statSync(join(root, "dist/page/index.html"), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const newer = ["web", "src/client", "src/ot"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .map((file) => join(folder, file))
      .filter((file) => statSync(join(root, file)).mtimeMs > built),
  )
  assert.deepEqual(newer, [], "the page was built before these changed: run `npm run prepare`")
}
