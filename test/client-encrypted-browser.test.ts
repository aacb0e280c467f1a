/** Encrypted pools in Chromium, with the modules that a server gives out, and a program on Node. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { Keyring } from "../src/client/keys.ts"
import { barePage } from "./bare-page.ts"
import { onPage } from "./browser.ts"
import { found, vault, world } from "./client-encrypted-parts.ts"

test("PL122 PL125 a page and a program talk in an encrypted pool", onPage, async (t) => {
  const { url, join } = await world(t)
  const bob = await join("bob")
  const owner = await found(bob)
  await bob.handle("reverse", (bytes: Uint8Array) => bytes.toReversed(), vault)
  const ring = await Keyring.from(owner.keys.lend("shard"))
  await owner.keys.certify(ring.writerKey)
  const page = await barePage(url)
  const kept = Object.entries(ring.keys).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? [...value] : value,
  ])
  const told = await page.evaluate<unknown>(`(async () => {
    const { connect } = await import("./client-pools.js")
    const { Keyring } = await import("./client-keys.js")
    const kept = ${JSON.stringify(kept)}.map(([name, value]) => [
      name, Array.isArray(value) ? new Uint8Array(value) : value,
    ])
    const app = await connect(location.origin).pools({ app: "page" })
    const vault = { pool: "vault" }
    await app.pool("vault").join(await Keyring.from(Object.fromEntries(kept)))
    await app.handle("title", () => document.title, vault)
    const bytes = await app.call("reverse", Uint8Array.of(1, 2, 255), vault)
    return [...bytes]
  })()`)
  assert.deepEqual(told, [255, 2, 1])
  assert.equal(await bob.call("title", null, vault), "app")
})
