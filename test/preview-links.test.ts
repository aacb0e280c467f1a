/** Where links in a stranger's Markdown may lead: drawn at random around what would be harmful. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { bareUrl, reachOf, slugOf, unescaped } from "../web/documents/preview-links.ts"

const here = "http://pad.example:3030/#notes?otp=secretsecret"

test("DC132 no address in a text leads anywhere but to a page, whatever is put before it", () => {
  const evil = [
    "javascript:x",
    "data:text/html,x",
    "vbscript:x",
    "blob:http://a/b",
    "file:///x",
    "about:blank",
    "ftp://a/",
  ]
  const noise = fc.constantFrom(
    "",
    " ",
    "\t",
    "\n",
    "\u0000",
    "\u0001",
    "\u00a0",
    "\ufeff",
    "/",
    "\\",
  )
  const insertable = fc.constantFrom("", "\t", "\n", "\r", "\u0000")
  fc.assert(
    fc.property(
      fc.constantFrom(...evil),
      noise,
      insertable,
      fc.nat(12),
      (address, before, inside, at) => {
        const url = before + address.slice(0, at) + inside + address.slice(at)
        for (const each of [url, unescaped(url), bareUrl(url)]) {
          const reach = reachOf(each, here)
          if (reach === undefined || reach.to === "heading") continue
          const { protocol } = new URL(reach.href)
          assert.ok(
            ["http:", "https:", "mailto:"].includes(protocol),
            `${JSON.stringify(url)}: ${protocol}`,
          )
          assert.equal(
            reach.isOurs,
            new URL(reach.href).origin === new URL(here).origin && protocol === "http:",
          )
          assert.ok(!reach.href.includes("secretsecret"), "the OTP goes nowhere")
        }
      },
    ),
    { numRuns: 5_000 },
  )
  fc.assert(
    fc.property(fc.string(), (url) => {
      const reach = reachOf(url, here)
      return reach?.to !== "page" || /^(https?|mailto):/.test(reach.href)
    }),
    { numRuns: 5_000 },
  )
  assert.equal(reachOf("", here), undefined)
  assert.deepEqual(reachOf("#a%20b", here), { to: "heading", slug: "a b" })
  assert.equal(
    unescaped("&#0; &#xD800; &#x110000; \\[ &lt; &unknown; \\a"),
    "\ufffd \ufffd \ufffd [ < &unknown; \\a",
  )
  assert.equal(slugOf("  What's *new*, 2nd — Ärger? "), "whats-new-2nd--ärger")
})
