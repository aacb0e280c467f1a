/**
 * The preview of Markdown in Chromium: that it reads as it should, and that hostile Markdown does
 * nothing. Every page is watched for requests, for its policy and for its console (test/browser.ts).
 */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { fileURLToPath } from "node:url"
import type { Page } from "playwright-core"
import { become, onPage, type Scene, scene, type Visitor, type VisitorOptions } from "./browser.ts"

const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8")
const index = fileURLToPath(new URL("../dist/page/index.html", import.meta.url))

/** A visitor who looks at the preview of `markdown`. */
async function reads(
  { visit, enter }: Scene,
  markdown: string,
  options: VisitorOptions = {},
): Promise<Visitor & { readonly grace: ReturnType<Scene["enter"]> }> {
  const grace = enter("notes", "Grace")
  await become("synchronized", async () => grace.state)
  grace.setLanguage("markdown")
  if (markdown !== "") grace.replace(0, 0, markdown)
  await grace.whenSaved()
  const visitor = await visit("#notes", options)
  await visitor.page.getByRole("button", { name: "Preview" }).click()
  await visitor.page.locator(".preview-piece").first().waitFor()
  return { ...visitor, grace }
}

const sheet = (page: Page) => page.locator(".preview-sheet")

/** What is drawn, as HTML without the frames of the pieces and without attributes that say nothing here. */
function drawn(page: Page): Promise<string> {
  return page.evaluate<string>(`(() => {
    const copy = document.querySelector(".preview-sheet").cloneNode(true)
    for (const one of copy.querySelectorAll("*")) {
      for (const name of ["tabindex", "data-at", "target", "rel", "type"]) one.removeAttribute(name)
    }
    return [...copy.children].map((piece) => piece.innerHTML).join("\\n")
  })()`)
}

const ordinary = `# One *and* \`two\`

A **bold** word, ~~struck~~, H~2~O, x^2^, \\*no\\* &amp; &copy; &#8212; &nope;
and a line  
broken. <https://a.example/> www.b.example c@d.example

Setext
---

> quoted
> [label] and [words][Label] and [none]

1. first
2. second
   - inner
7. [ ] task

- [x] done

| a | b | c |
|---|:-:|--:|
| 1 | | *3* |
| 4 |

\`\`\`
<b> & code
\`\`\`

    indented

***

[label]: <https://e.example/?a=1&amp;b> "A title"
`

const ordinaryDrawn = [
  "<h1>One <em>and</em> <code>two</code></h1>",
  "<p>A <strong>bold</strong> word, <del>struck</del>, H<sub>2</sub>O, x<sup>2</sup>, *no* &amp; © — &amp;nope;\n" +
    'and a line<br>broken. <a href="https://a.example/">https://a.example/</a> ' +
    '<a href="https://www.b.example/">www.b.example</a> <a href="mailto:c@d.example">c@d.example</a></p>',
  "<h2>Setext</h2>",
  '<blockquote><p>quoted\n <a href="https://e.example/?a=1&amp;b" title="A title">label</a> and ' +
    '<a href="https://e.example/?a=1&amp;b" title="A title">words</a> and [none]</p></blockquote>',
  "<ol><li><p>first</p></li><li><p>second</p><ul><li><p>inner</p></li></ul></li>" +
    '<li class="preview-task"><p><input aria-label="task"> task</p></li></ol>',
  '<ul><li class="preview-task"><p><input checked="" aria-label="done"> done</p></li></ul>',
  '<div class="preview-wide"><table><thead><tr><th>a</th><th class="preview-middle">b</th><th class="preview-end">c</th></tr></thead>' +
    '<tbody><tr><td>1</td><td class="preview-middle"></td><td class="preview-end"><em>3</em></td></tr>' +
    '<tr><td>4</td><td class="preview-middle"></td><td class="preview-end"></td></tr></tbody></table></div>',
  "<pre><code>&lt;b&gt; &amp; code</code></pre>",
  "<pre><code>indented</code></pre>",
  "<hr>",
].join("\n")

test(
  "DC132 Markdown is drawn beside the text as it reads, and follows every change",
  onPage,
  scene(async (at) => {
    const { page, grace } = await reads(at, ordinary)
    await become(ordinaryDrawn, () => drawn(page))
    // One word more draws one piece anew: the others are the same elements as before.
    await page.evaluate(`window.before = [...document.querySelectorAll(".preview-piece")]`)
    const place = grace.text.indexOf("Setext")
    grace.replace(place, place, "A ")
    await become(1, () => sheet(page).locator("h2", { hasText: "A Setext" }).count())
    const same = await page.evaluate<number>(
      `[...document.querySelectorAll(".preview-piece")].filter((one) => before.includes(one)).length`,
    )
    assert.equal(same, 9)
    // A definition that changes reaches who names it.
    grace.replace(grace.text.indexOf("e.example"), grace.text.indexOf("e.example") + 1, "f")
    await page.locator('.preview a[href^="https://f.example"]').first().waitFor()
    grace.replace(0, grace.text.length, "")
    await become("", () => drawn(page))
    await page.locator(".cm-content").focus()
    await page.keyboard.type("# typed")
    await become("<h1>typed</h1>", () => drawn(page))
    await page.getByRole("button", { name: "Preview" }).click()
    await become(0, () => page.locator(".preview").count())
  }),
)

test(
  "DC132 code is coloured by its own grammar, also inside a quotation",
  onPage,
  scene(async (at) => {
    const { page } = await reads(
      at,
      "> ```js\n> const a = `b\n> c`\n> ```\n\n```python\ndef f(): pass\n```\n",
    )
    const code = page.locator(".preview code")
    await code.nth(0).locator(".tok-keyword", { hasText: "const" }).waitFor()
    await code.nth(1).locator(".tok-keyword", { hasText: "def" }).waitFor()
    assert.equal(await code.nth(0).textContent(), "const a = `b\nc`")
    assert.equal(await code.nth(1).textContent(), "def f(): pass")
  }),
)

/** The page's own mark: the one image that a server surely has. */
const mark = /href="(\.\/assets\/mark-[^"]+)"/.exec(readFileSync(index, "utf8"))?.[1] ?? ""

const hostile = `<script>window.hacked = 1</script>

<img src=x onerror="window.hacked = 2"><svg onload="window.hacked = 3">

words <b onclick="window.hacked = 4">b</b> <!-- quiet --> <?php ?> <style>*{display:none}</style>

[a](javascript:window.hacked=5) [b](JaVaScRiPt:window.hacked=6) [c](<java
script:window.hacked=7>) [d](data:text/html,<script>window.hacked=8</script>)
[e](&#106;avascript&colon;window.hacked=9) [f](vbscript:x) [g](blob:http://pad.example/notes) [h](file:///etc/passwd)
[i](\\javascript:window.hacked=10) [j][evil] <javascript:window.hacked=11> [k](\u0001javascript:x)

![one](https://other.example/pixel.png) ![](//other.example/pixel.png) ![two](data:image/svg+xml,<svg/>)
![three](javascript:x) ![four](blob:http://pad.example/notes) ![ours](MARK "title") [![in](https://other.example/i.png)](https://other.example/)

<iframe src="https://other.example/"></iframe>

<div id="editor-keys" class="cm-content" style="position:fixed;inset:0">over all</div>

# editor-keys

[evil]: javascript:window.hacked=12
`

test(
  "DC132 DC140 hostile Markdown does nothing: HTML is text, no script, no request, no address but a page's",
  onPage,
  scene(async (at) => {
    const { page } = await reads(at, hostile.replace("MARK", mark))
    await sheet(page).locator("h1").waitFor()
    const names = await page.evaluate<string[]>(
      `[...new Set([...document.querySelectorAll(".preview *")].map((one) => one.localName))].sort()`,
    )
    assert.deepEqual(names, ["a", "div", "h1", "img", "p", "pre", "span"])
    const attributes = await page.evaluate<string[]>(
      `[...new Set([...document.querySelectorAll(".preview-piece *")].flatMap((one) => one.getAttributeNames()))].sort()`,
    )
    assert.deepEqual(attributes, [
      "alt",
      "class",
      "href",
      "loading",
      "rel",
      "src",
      "target",
      "title",
    ])
    const reached = await page.evaluate<string[]>(
      `[...document.querySelectorAll(".preview a")].map((one) => [one.href, one.rel, one.target].join(" "))`,
    )
    const own = new URL("/", page.url()).href
    // What is no scheme any more is a path here: a page that is not found.
    const expected = [
      `${own}javascript&colon;window.hacked=9`,
      `${own}javascript:window.hacked=10`,
      "https://other.example/pixel.png",
      "http://other.example/pixel.png",
      "https://other.example/",
      "https://other.example/i.png",
    ]
    assert.deepEqual(
      reached,
      expected.map((href) => `${href} noopener noreferrer nofollow _blank`),
    )
    const images = await page.evaluate<string[]>(
      `[...document.querySelectorAll(".preview img")].map((one) => one.src)`,
    )
    assert.deepEqual(images, [new URL(mark, page.url()).href])
    const words = await sheet(page).innerText()
    for (const part of [
      "<script>window.hacked = 1</script>",
      '<img src=x onerror="window.hacked = 2">',
      '<b onclick="window.hacked = 4">',
      "<!-- quiet -->",
      "<style>",
      '<iframe src="https://other.example/"></iframe>',
      '<div id="editor-keys"',
    ]) {
      assert.ok(words.includes(part), part)
    }
    // Everything in it is pressed once.
    await page.evaluate(`
      for (const one of document.querySelectorAll(".preview *")) {
        if (one.localName !== "a") one.click()
      }
    `)
    assert.equal(await page.evaluate("window.hacked"), undefined)
    assert.match(await page.locator("#editor-keys").innerText(), /leaves the editor/)
  }),
)

test(
  "DC132 a link to a heading goes there in the preview and leaves the address and the editor alone",
  onPage,
  scene(async (at) => {
    const filler = "Some words that fill a line of the text.\n\n".repeat(60)
    const { page } = await reads(
      at,
      `[down](#the-end-1) [top](#)\n\n# The end\n\n${filler}## The **end**\n\n${filler}`,
    )
    const address = page.url()
    await page.getByRole("link", { name: "down" }).click()
    const second = sheet(page).locator("h2")
    const top = () =>
      page.evaluate<number>(`
      document.querySelector(".preview h2").getBoundingClientRect().top -
        document.querySelector(".preview").getBoundingClientRect().top
    `)
    await become(true, async () => Math.abs(await top()) < 60)
    assert.ok(await second.isVisible())
    assert.equal(page.url(), address)
    assert.equal(await page.evaluate("history.length"), 2)
    assert.equal(await page.evaluate(`document.querySelector(".cm-scroller").scrollTop`), 0)
  }),
)

test(
  "DC132 a task is ticked in the preview as an edit that everybody sees",
  onPage,
  scene(async (at) => {
    const { page, grace } = await reads(at, "# To do\n\n- [ ] first\n- [x] second\n")
    const first = page.getByRole("checkbox", { name: "first" })
    await first.focus()
    await page.keyboard.press("Space")
    await become("# To do\n\n- [x] first\n- [x] second\n", async () => grace.text)
    await become(true, () => page.getByRole("checkbox", { name: "first" }).isChecked())
    assert.equal(await page.evaluate("document.activeElement.ariaLabel"), "first")
    await page.getByRole("checkbox", { name: "second" }).click()
    await become("# To do\n\n- [x] first\n- [ ] second\n", async () => grace.text)
  }),
)

test(
  "DC132 the preview goes where the editor goes",
  onPage,
  scene(async (at) => {
    const text = Array.from(
      { length: 140 }, // fewer than 1,000 lines: numbers of four digits need a wider gutter
      (_, index) => `## Part ${index}\n\nWords of part ${index}.\n\n- a\n- b\n`,
    )
    const { page } = await reads(at, text.join("\n"))
    await page.locator(".cm-content").focus()
    await page.keyboard.press("Control+Alt+g")
    await page.keyboard.type("491") // ## Part 70
    await page.keyboard.press("Enter")
    const seen = (heading: string) => () =>
      page.evaluate<boolean>(`[...document.querySelectorAll(".preview h2")].some((one) => {
        const pane = document.querySelector(".preview").getBoundingClientRect()
        const { top, bottom } = one.getBoundingClientRect()
        return one.textContent.trim() === ${JSON.stringify(heading)} && top >= pane.top && bottom <= pane.bottom
      })`)
    await become(true, seen("Part 70"))
    await page.keyboard.type("x")
    await sheet(page).locator("p", { hasText: "x## Part 70" }).waitFor()
    await page.keyboard.press("Control+Home")
    await become(0, () => page.evaluate<number>(`document.querySelector(".preview").scrollTop`))
    await page.keyboard.press("Control+End")
    await become(true, seen("Part 139"))
  }),
)

for (const [width, height, theme] of [
  [1280, 800, "light"],
  [360, 740, "dark"],
] as const) {
  test(
    `DC132 DC137 an automatic check finds nothing in a preview at ${width} px, ${theme}`,
    onPage,
    scene(async (at) => {
      const wide = `\n\`\`\`js\n${"const a = 1 ".repeat(20)}\n\`\`\`\n\n|${" wide words |".repeat(20)}\n|${"-|".repeat(20)}\n`
      const { page } = await reads(at, ordinary + wide, {
        width,
        height,
        theme,
        touch: width < 640,
      })
      await page.locator(".preview .tok-keyword").first().waitFor()
      await page.evaluate(axe)
      const found = await page.evaluate<{
        violations: { id: string; nodes: { html: string }[] }[]
      }>("axe.run({ resultTypes: ['violations'] })")
      assert.deepEqual(
        found.violations.map(
          ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`,
        ),
        [],
      )
    }),
  )
}

test(
  "DC132 DC138 on a phone the preview stands in the place of the text, and a switch leads back",
  onPage,
  scene(async (at) => {
    const { page } = await reads(at, ordinary, { width: 360, height: 640, touch: true })
    const pane = await page.locator(".preview").boundingBox()
    const text = await page.locator(".pane").boundingBox()
    assert.deepEqual(pane, text)
    // What lies beneath is reached by nothing.
    assert.equal(await page.locator(".pane").getAttribute("inert"), "")
    const wide = await page.evaluate<number>("document.documentElement.scrollWidth")
    assert.equal(wide, 360)
    const button = page.getByRole("button", { name: "Back to the text" })
    const box = await button.boundingBox()
    assert.ok(box !== null && box.width >= 44 && box.height >= 44)
    await button.tap()
    await become(0, () => page.locator(".preview").count())
    await page.getByRole("button", { name: "Preview" }).tap()
    await page.locator(".preview h1").waitFor()
    // A document opens with its text, to be typed in.
    await page.reload()
    await page.locator(".tok-heading").first().waitFor()
    assert.equal(await page.locator(".preview").count(), 0)
  }),
)

test(
  "DC132 Markdown that nests, repeats and runs on without end is bounded, and typing goes on",
  onPage,
  scene(
    async (at) => {
      const { page, grace } = await reads(at, "# begin\n", { mayMove: "by others" })
      const long = 60_000
      const hostile: readonly (readonly [what: string, text: string])[] = [
        ["quotations", `${">".repeat(2_000)} deep\n`],
        [
          "lists",
          Array.from({ length: 300 }, (_, depth) => `${" ".repeat(depth * 2)}- x`).join("\n"),
        ],
        ["emphasis", `${"*a **b ".repeat(long / 8)}\n`],
        ["brackets", `${"[".repeat(5_000)}x${"](y)".repeat(5_000)}\n`],
        ["paragraphs", "x\n\n".repeat(long / 3)],
        ["items", "- x\n".repeat(long / 4)],
        [
          "cells",
          `|${"a|".repeat(300)}\n|${"-|".repeat(300)}\n${`|${"b|".repeat(300)}\n`.repeat(90)}`,
        ],
        ["code", `\`\`\`js\n${"f(1);".repeat(long / 5)}\n\`\`\`\n`],
        ["definitions", Array.from({ length: 3_000 }, (_, at) => `[l${at}]: /x\n`).join("")],
      ]
      for (const [what, text] of hostile) {
        grace.replace(0, grace.text.length, `# ${what}\n\n${text}\n`)
        await sheet(page).locator("h1", { hasText: what }).waitFor()
        const [elements, depth] = await page.evaluate<[number, number]>(`(() => {
        const all = [...document.querySelectorAll(".preview *")]
        const depthOf = (one) => one === null ? 0 : 1 + depthOf(one.parentElement)
        return [all.length, all.reduce((most, one) => Math.max(most, depthOf(one)), 0)]
      })()`)
        assert.ok(elements <= 40_000, `${what}: ${elements} elements`)
        assert.ok(depth <= 100, `${what}: ${depth} deep`)
      }
      grace.replace(0, grace.text.length, "# end\n")
      await sheet(page).locator("h1", { hasText: "end" }).waitFor()
    },
    { maxDocumentSizeKb: 256 },
  ),
)
