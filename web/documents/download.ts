/** The text as a file, named after the document and its language (DC133). */
import type { SharedText } from "../../src/client/client.ts"

/** Some file systems take no longer names. */
const limitName = 80

/** Has the browser save the text as it is shown now. */
export async function download(text: SharedText): Promise<void> {
  const file = new Blob([text.text], { type: "text/plain;charset=utf-8" })
  const address = URL.createObjectURL(file)
  const link = document.createElement("a")
  link.href = address
  link.download = await fileName(text)
  link.click()
  // The browser has taken hold of the file by the next turn.
  setTimeout(() => URL.revokeObjectURL(address), 0)
}

async function fileName({ id, language }: SharedText): Promise<string> {
  // An id may be anything: what a file's name may not hold becomes a hyphen.
  const name = id.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[.-]+/, "") || "document"
  const kept = name.slice(0, limitName)
  if (language === undefined) return `${kept}.txt`
  const { extensionFor } = await import("./languages.ts")
  return `${kept}.${extensionFor(language)}`
}
