/** The page in Chromium: a file becomes the text, as one edit, or is refused with the reason. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import type { FileChooser } from "playwright-core"
import { linesOf, textOf, tooLarge } from "../web/documents/file-text.ts"
import { become, onPage, scene, type Visitor } from "./browser.ts"

interface Given {
  readonly name: string
  readonly content: string | Uint8Array
}

/** Answers each question for a file by the one that was given last. */
function disk({ page }: Visitor): (file: Given) => void {
  let file: Given | undefined
  // For as long as the page is there: to begin with it takes the browser a moment.
  page.on("filechooser", (chooser: FileChooser) => {
    assert.ok(file, "a file was given before")
    const buffer = Buffer.from(file.content)
    void chooser.setFiles({ name: file.name, mimeType: "", buffer })
  })
  return (given) => {
    file = given
  }
}

/** Drops files on the text. */
async function drop({ page }: Visitor, files: readonly Given[]): Promise<void> {
  const plain = files.map(({ name, content }) => ({ name, bytes: [...Buffer.from(content)] }))
  await page.evaluate(`(${dropped})(${JSON.stringify(plain)})`)
}

// As text, because the tests know no types of a browser.
const dropped = `(files) => {
  const dataTransfer = new DataTransfer()
  for (const { name, bytes } of files) {
    dataTransfer.items.add(new File([new Uint8Array(bytes)], name))
  }
  const target = document.querySelector(".cm-content")
  for (const type of ["dragenter", "dragover", "drop"]) {
    const event = new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer })
    if (target.dispatchEvent(event) && type === "drop") throw new Error("the page would be gone")
  }
}`

const utf8 = new TextEncoder()

test("DC133 DC136 a file's text is what it holds, with LF at the end of each line", () => {
  const anyText = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0"))
  fc.assert(
    fc.property(anyText, (text) => {
      const found = textOf("any", utf8.encode(text), 10_000)
      const expected = text.replace(/^\uFEFF/, "").replace(/\r\n|\r/g, "\n")
      assert.deepEqual(found, { kind: "text", text: expected })
    }),
  )
  const wide = Uint8Array.from([0xff, 0xfe, 0x61, 0x00, 0x0d, 0x00, 0x0a, 0x00])
  assert.deepEqual(textOf("wide.txt", wide, 10), { kind: "text", text: "a\n" })
  assert.deepEqual(["", "a", "a\n", "a\nb", "\n"].map(linesOf), [0, 1, 1, 2, 1])
})

test("DC133 what is no text or too large is refused, with the reason and the numbers", () => {
  const sentenceOf = (bytes: Uint8Array, limit: number) => {
    const found = textOf("it", bytes, limit)
    return found.kind === "refused" ? found.sentence : ""
  }
  const png = Uint8Array.from([0x89, 0x50, 0x4e, 0x47])
  assert.equal(sentenceOf(png, 10), "it is not a text file: its 4 bytes are not UTF-8 or UTF-16.")
  const nul = utf8.encode("ab\0c")
  assert.equal(sentenceOf(nul, 10), "it is not a text file: there is a zero byte at character 3.")
  const long = "it is too large: 1,201 characters, 1 more than the 1,200 that a text here may have."
  assert.equal(sentenceOf(utf8.encode("🎉".repeat(1_201)), 1_200), long)
  assert.equal(sentenceOf(utf8.encode("🎉".repeat(1_200)), 1_200), "")
  assert.equal(tooLarge({ name: "it", size: 4 * 1_200 + 3 }, 1_200), undefined)
  const size = { name: "it", size: 7_340_000 }
  const huge = "it is too large: 7.3 MB, and a text here has at most 1,200 characters."
  assert.equal(tooLarge(size, 1_200), huge)
})

test(
  "DC133 DC122 a chosen file becomes the text as one edit, in the language of its ending",
  onPage,
  scene(async ({ visit, enter }) => {
    const ada = await visit("#file")
    const give = disk(ada)
    const bob = enter("file", "Bob")
    await ada.stands(/^Ready$/)
    await become("synchronized", async () => bob.state)
    const program = "def one():\r\n    return 1\r\n\r\n".repeat(5)
    const text = program.replaceAll("\r\n", "\n")
    give({ name: "one.py", content: program })
    await ada.page.getByRole("button", { name: "Open a file" }).click()
    await become(text, async () => bob.text)
    assert.equal(bob.revision, 1)
    await become("python", async () => bob.language)
    await ada.page.getByText("one.py is in the text: 15 lines").waitFor()

    // Ten lines or more are not replaced without a question.
    const question = ada.page.getByRole("dialog", { name: "Replace the text?" })
    const other = { name: "other.rs", content: "fn main() {}\n" }
    give(other)
    await ada.page.keyboard.press("Control+o")
    await question.getByText("Replace 15 lines?").waitFor()
    assert.deepEqual(await ada.serious(), [])
    await question.getByRole("button", { name: "Cancel" }).click()
    assert.equal(bob.text, text)
    await command(ada, "upload")
    await question.getByRole("button", { name: "Replace", exact: true }).click()
    await become("fn main() {}\n", async () => bob.text)
    assert.equal(bob.revision, 2)
    assert.equal(bob.language, "python", "it has had a language before")
    await ada.page.keyboard.press("Control+z")
    await become(text, async () => bob.text)

    await ada.page.keyboard.press("Control+o")
    await question.getByRole("button", { name: "Open as a new document" }).click()
    await ada.shows("fn main() {}\n")
    await ada.page.getByRole("button", { name: "Language: Rust" }).waitFor()
    assert.equal(bob.text, text)
  }),
)

test(
  "DC133 one dropped file becomes the text, two are refused, and what is no text changes nothing",
  onPage,
  scene(
    async ({ visit, enter }) => {
      const ada = await visit("#drop")
      const bob = enter("drop", "Bob")
      await ada.stands(/^Ready$/)
      await become("synchronized", async () => bob.state)
      await drop(ada, [{ name: "notes.md", content: "# Notes\n" }])
      await ada.shows("# Notes\n")
      await become("# Notes\n", async () => bob.text)
      assert.equal(bob.revision, 1)
      await become("markdown", async () => bob.language)

      await drop(
        ada,
        ["one.txt", "two.txt"].map((name) => ({ name, content: name })),
      )
      await ada.page.getByText("One file at a time: 2 were dropped").waitFor()
      await drop(ada, [{ name: "photo.png", content: Uint8Array.from([0x89, 0x50, 0, 1]) }])
      const refused = ada.page.locator(".notice[data-stays=true]")
      await refused.getByText("photo.png is not a text file").waitFor()
      await drop(ada, [{ name: "novel.txt", content: "x".repeat(1_100) }])
      await refused.getByText("1,100 characters, 76 more than the 1,024").waitFor()
      await drop(ada, [{ name: "library.txt", content: "x".repeat(5_000) }])
      await refused.getByText("library.txt is too large: 5 KB").waitFor()
      await ada.page.getByRole("button", { name: "Close" }).click()
      await ada.shows("# Notes\n")
      assert.equal(bob.revision, 1)
    },
    { maxDocumentSizeKb: 1 },
  ),
)

test(
  "DC133 the question fits a phone, and every button is large enough for a finger",
  onPage,
  scene(async ({ visit }) => {
    const ada = await visit("#phone", { width: 360, height: 740, touch: true })
    await ada.stands(/^Ready$/)
    await ada.page.keyboard.insertText("line\n".repeat(12))
    await drop(ada, [{ name: "other.txt", content: "other" }])
    const question = ada.page.getByRole("dialog", { name: "Replace the text?" })
    await question.waitFor()
    for (const button of await question.getByRole("button").all()) {
      const box = await button.boundingBox()
      assert.ok(box !== null && box.height >= 44 && box.x >= 0 && box.x + box.width <= 360)
    }
    await question.getByRole("button", { name: "Replace", exact: true }).tap()
    await ada.shows("other")
  }),
)

test(
  "DC127 a paste above the limit can be had as a new document",
  onPage,
  scene(
    async ({ visit }) => {
      const ada = await visit("#full")
      await ada.stands(/^Ready$/)
      await ada.page.keyboard.type("already here ")
      const pasted = "0123456789".repeat(102)
      await ada.page.evaluate(`navigator.clipboard.writeText("${pasted}")`)
      await ada.page.keyboard.press("Control+v")
      const notice = ada.page.locator(".notice", { hasText: "was taken out again" })
      await notice.getByText("1,033 characters; 1,024 is the limit").waitFor()
      await notice.getByRole("button", { name: "Upload as a new document" }).click()
      await ada.shows(pasted)
      await ada.stands(/^Saved at/)
      await ada.page.goBack()
      await ada.shows("already here ")
    },
    { maxDocumentSizeKb: 1 },
  ),
)

/** Opens the palette, finds one command by `words`, and runs it. */
async function command({ page }: Visitor, words: string): Promise<void> {
  await page.keyboard.press("Control+k")
  await page.getByRole("combobox").fill(words)
  await page.keyboard.press("Enter")
}
