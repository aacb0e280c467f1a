/** Everything that docs/client.md shows is run: as a program, as a page, and through a bundler. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { after, type TestContext, test } from "node:test"
import { type Browser, chromium, type Page } from "playwright-core"
import { build, type InlineConfig, type Rolldown } from "vite"
import { become, onPage } from "./browser.ts"
import { agree, databaseFile, open, until } from "./client-parts.ts"
import { type Started, startServer, temporaryDirectory } from "./harness.ts"
import { findChromium } from "./needs.ts"

const root = join(import.meta.dirname, "..")
const manual = readFileSync(join(root, "docs/client.md"), "utf8")

let browser: Browser | undefined
after(() => browser?.close())

/** The blocks of the manual in this language, in order. */
function blocks(language: string): readonly string[] {
  const found = manual.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)
  return [...found].flatMap(([, name, code = ""]) => (name === language ? [code] : []))
}

async function bundle(entry: string, config: InlineConfig = {}): Promise<string> {
  const lib = { entry, formats: ["es" as const] }
  const options = { root, mode: "client", logLevel: "silent" as const, ...config }
  const outputs = await build({ ...options, build: { write: false, lib } })
  const [output] = outputs as Rolldown.RolldownOutput[] // one format, not watched
  return output?.output[0].code ?? ""
}

/** A program of the manual with all that it imports. */
function bundled(t: TestContext, code: string): Promise<string> {
  const entry = join(temporaryDirectory(t), "page.ts")
  writeFileSync(entry, code)
  const alias = {
    "quartet/client/codemirror": join(root, "src/client/codemirror.ts"),
    "quartet/client/yjs": join(root, "src/client/yjs.ts"),
    "quartet/client": join(root, "src/client/client.ts"),
    "@codemirror": join(root, "node_modules/@codemirror"),
    yjs: join(root, "node_modules/yjs"),
  }
  return bundle(entry, { resolve: { alias } })
}

/** Opens `html` as a page of the server's, with `files` beside it. */
async function show(
  t: TestContext,
  { url }: Started,
  files: Readonly<Record<string, string>>,
): Promise<Page> {
  browser ??= await chromium.launch({
    executablePath: findChromium() ?? "",
    // A page that comes from nowhere may open no WebSocket to this machine otherwise.
    args: [
      "--no-sandbox",
      "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
    ],
  })
  const context = await browser.newContext()
  t.after(() => context.close())
  for (const [name, body] of Object.entries(files)) {
    const contentType = name.endsWith(".js") ? "text/javascript" : "text/html"
    await context.route(`${url}/${name}`, (route) => route.fulfill({ body, contentType }))
  }
  const page = await context.newPage()
  await page.goto(`${url}/page.html`)
  return page
}

test("DC147 the manual's program runs as it stands", async (t) => {
  const server = await startServer(t, { sqliteUri: databaseFile(t) })
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, "client.js"), await bundle("src/client/client.ts"))
  writeFileSync(join(directory, "package.json"), '{"type":"module"}')
  const program = blocks("js").join("\n").replaceAll("http://127.0.0.1:3030", server.url)
  writeFileSync(join(directory, "notes.mjs"), program)
  const child = spawn(process.execPath, [join(directory, "notes.mjs")])
  t.after(() => child.kill("SIGKILL"))
  let out = ""
  child.stdout.on("data", (data) => {
    out += String(data)
  })
  child.stderr.on("data", (data) => {
    out += String(data)
  })
  const [code] = await once(child, "close")
  assert.equal(code, 0, out)
  // What the others' connections say comes when it comes.
  const lines = out.trimEnd().split("\n")
  const said = (line: string) => assert.ok(lines.includes(line), `"${line}" is not in\n${out}`)
  said("me: hello")
  said("1")
  said("Hello world")
  said("Bob [ 5 ] [ [ 0, 5 ] ]")
  said("Goodbye world")
  said("a line from a script")
  said('true Ada "hello"')
  said('true a program "Goodbye world\\na line from a script"')
  said("read 1")
  assert.ok(
    lines.some((line) => line.startsWith("4403 ")),
    out,
  )
  assert.ok(
    lines.some((line) => line.startsWith("401 ")),
    out,
  )
  said("The text would have 300,034 characters; 262,144 is the limit. 300000")
  said("[ 'apple', 'pear' ] 0")
  said("greeting is open")
  said("others: Map(1) { 'ada' => { name: 'Ada', at: 'apple' } }")
  said("opened: [ 'hidden' ]")
})

// Runs in the page: whether its database has a record yet. As text, since tests know no DOM.
const hasRecord = `new Promise((resolve) => {
  const opening = indexedDB.open("quartet")
  opening.onsuccess = () => {
    const counting = opening.result.transaction("records").objectStore("records").count()
    counting.onsuccess = () => {
      opening.result.close()
      resolve(counting.result === 1)
    }
  }
})`

test("DC147 the manual's page keeps a text in the browser", onPage, async (t) => {
  const server = await startServer(t)
  const text = open(t, server, "notes")
  text.replace(0, 0, "for the page")
  await agree(text)
  const [html = ""] = blocks("html")
  const sdk = await bundle("src/client/client.ts")
  const page = await show(t, server, { "page.html": html, "client.js": sdk })
  const shows = `document.querySelector("textarea").value === "for the page"`
  await page.waitForFunction(shows)
  await become(true, () => page.evaluate<boolean>(hasRecord))
  await server.stop()
  await page.reload()
  await page.waitForFunction(shows)
})

test("DC146 DC147 the manual's CodeMirror view is bound to the text", onPage, async (t) => {
  const server = await startServer(t)
  const [code = ""] = blocks("ts")
  const script = await bundled(t, code)
  const page = await show(t, server, {
    "page.html": '<!doctype html><body><script type="module" src="./page.js"></script>',
    "page.js": script,
  })
  await page.locator(".cm-content").click()
  await page.keyboard.type("typed")
  const text = open(t, server, "notes")
  await until([text], () => text.text === "typed")
  text.replace(5, 5, " by two")
  await page.getByText("typed by two").waitFor()
  await page.keyboard.press("Control+z")
  await until([text], () => text.text === " by two")
})
