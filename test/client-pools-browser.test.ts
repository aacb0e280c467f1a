/** The module of pools that a server gives out, in Chromium. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { connect } from "../src/client/tcp.ts"
import { barePage } from "./bare-page.ts"
import { onPage } from "./browser.ts"
import { startServer } from "./harness.ts"

test(
  "PL13 PL25 PL29 a page calls a program and is called by it, with the module that the server gives out",
  onPage,
  async (t) => {
    const { url, pools } = await startServer(t, { poolsPort: 0 })
    const bob = await connect(`tcp://${pools[0]}`).pools({ app: "bob" })
    t.after(() => bob.close({ withinMs: 0 }))
    await bob.handle("add", ({ x, y }: { x: number; y: number }) => x + y)
    await bob.handle("reverse", (bytes: Uint8Array) => bytes.toReversed())
    const page = await barePage(url)
    const told = await page.evaluate<unknown>(`(async () => {
    const { connect, keyFromSeed } = await import("./client-pools.js")
    const key = await keyFromSeed(new Uint8Array(32).fill(5))
    const app = await connect(location.origin).pools({ app: "page", key })
    await app.handle("title", () => document.title)
    window.app = app
    const bytes = await app.call("reverse", Uint8Array.of(1, 2, 255))
    return [await app.call("add", { x: 1, y: 2 }), [...bytes], app.state]
  })()`)
    assert.deepEqual(told, [3, [255, 2, 1], "ready"])
    assert.equal(await bob.call("title"), "app")
    const { apps } = await bob.admin("list_apps")
    assert.match(JSON.stringify(apps), /"app_id":"page","bound":"key"/)
    await page.close()
    // The end of its socket is noticed when it is.
    while ((await bob.explain("title")).candidates.length > 0);
    const gone = await bob.call("title").catch((error: { code: string }) => error.code)
    assert.equal(gone, "NO_HANDLER")
  },
)
