/**
 * The binding in a stranger's hands: the page that docs/codemirror.md prints, made as it says there
 * from what a server gives out and from CodeMirror's own package, and opened from another origin.
 */
import assert from "node:assert/strict"
import { copyFileSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { fileURLToPath } from "node:url"
import { chromium, type Page } from "playwright-core"
import { build } from "vite"
import { become, onPage } from "./browser.ts"
import { startServer, temporaryDirectory } from "./harness.ts"
import { findChromium } from "./needs.ts"

const root = join(import.meta.dirname, "..")
const example = join(root, "examples/codemirror.html")

/** An HTTP server for the files in `directory`, on an origin of its own. */
async function serveFiles(t: TestContext, directory: string): Promise<string> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://here")
    const file = join(directory, pathname === "/" ? "index.html" : pathname)
    const type = file.endsWith(".js") ? "text/javascript" : "text/html"
    if (!existsSync(file)) return response.writeHead(204).end() // favicon.ico
    response.writeHead(200, { "content-type": type }).end(readFileSync(file))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on a port
}

/** Makes the page in `folder` as the documentation says, with the two files of the server at `url`. */
async function makePage(folder: string, url: string): Promise<void> {
  copyFileSync(example, join(folder, "index.html"))
  for (const file of ["client.js", "codemirror.js"]) {
    const response = await fetch(`${url}/${file}`)
    assert.equal(response.status, 200, `${file}: was the page built?`)
    writeFileSync(join(folder, file), await response.text())
  }
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
  await build({ root: folder, base: "./", configFile: false, logLevel: "silent" })
}

const shown = (page: Page) =>
  page.evaluate<string>(
    `[...document.querySelectorAll(".cm-content > .cm-line")].map((line) => line.textContent).join("\\n")`,
  )

test(
  "DC147 the CodeMirror page of the documentation works with a bundle and an origin of its own",
  onPage,
  async (t) => {
    const folder = temporaryDirectory(t)
    const origin = await serveFiles(t, join(folder, "dist"))
    const { url } = await startServer(t, { allowedOrigins: [origin] })
    await makePage(folder, url)
    const executablePath = findChromium() ?? ""
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] })
    t.after(() => browser.close())
    const said: string[] = []
    const open = async () => {
      const page = await browser.newPage()
      page.on("console", (message) => said.push(message.text()))
      page.on("pageerror", (error) => said.push(error.message))
      await page.goto(`${origin}/?server=${encodeURIComponent(`${url}/`)}`)
      await page.getByText("synchronized").waitFor()
      return page
    }
    const [ada, bob] = [await open(), await open()]
    await ada.locator(".cm-content").focus()
    await ada.keyboard.type("one 🎉\ntwo")
    await become("one 🎉\ntwo", () => shown(bob))
    await bob.locator(".cm-content").focus()
    await bob.keyboard.press("Control+Home")
    await bob.keyboard.type("zero ")
    await become("zero one 🎉\ntwo", () => shown(ada))
    await ada.locator(".cm-remoteCaret").waitFor()
    // Undo takes back one's own edits only.
    for (let step = 0; step < 10; step += 1) await ada.keyboard.press("Control+z")
    await become("zero ", () => shown(bob))
    assert.deepEqual(said, [])
  },
)

test("DC147 what the documentation prints is the page that is tested", () => {
  const printed = readFileSync(join(root, "docs/codemirror.md"), "utf8")
  assert.ok(printed.includes(`\n\`\`\`html\n${readFileSync(example, "utf8")}\`\`\`\n`))
})

test("DC147 the package has the SDK and its binding by name, of one make", async () => {
  const named = ["quartet/client", "quartet/client/codemirror"]
  const [sdk = "", binding = ""] = named.map((name) => fileURLToPath(import.meta.resolve(name)))
  const { connect, Operation } = await import(sdk)
  const { sharedText } = await import(binding)
  assert.equal(typeof connect, "function")
  assert.equal(typeof sharedText, "function")
  // A second copy of its class would be no operation to the SDK.
  assert.equal(typeof Operation.from, "function")
  assert.match(readFileSync(binding, "utf8"), /from\s*"\.\/client\.js"/)
  const imports = readFileSync(binding, "utf8").matchAll(/\bfrom\s*"([^"]+)"/g)
  assert.deepEqual(
    [...imports].map((match) => match[1]),
    ["@codemirror/state", "@codemirror/view", "./client.js"],
  )
})
