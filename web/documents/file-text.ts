/**
 * What a file holds, as a text that a document can take; or why not, in a sentence (DC133).
 *
 * What always holds: a text has LF at the end of each line and neither half of a surrogate pair
 * nor NUL; nothing is left out or changed but line endings and a byte order mark.
 */

/** A file's text, or the reason why it is not taken. */
export type FileText =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "refused"; readonly sentence: string }

/** The server's own limit, until a server has said another. */
export const usualLimit = 256 * 1_024
/** A code point takes so many bytes at most, and a mark at the beginning up to three. */
const bytesPerPoint = 4
const markBytes = 3

/** Why a file of so many bytes cannot fit, whatever is in it; undefined if it may. */
export function tooLarge(
  { name, size }: { readonly name: string; readonly size: number },
  limit: number,
): string | undefined {
  if (size <= limit * bytesPerPoint + markBytes) return undefined
  return `${name} is too large: ${sizeWords(size)}, and a text here has at most ${count(limit)} characters.`
}

/** The text in `bytes`, for a document that takes `limit` code points. */
export function textOf(name: string, bytes: Uint8Array, limit: number): FileText {
  const found = decoded(bytes)
  if (found === undefined) {
    const what = `${name} is not a text file`
    return refused(`${what}: its ${sizeWords(bytes.length)} are not UTF-8 or UTF-16.`)
  }
  const nul = found.indexOf("\0")
  if (nul >= 0) {
    return refused(
      `${name} is not a text file: there is a zero byte at character ${count(nul + 1)}.`,
    )
  }
  const text = found.replace(/\r\n?/g, "\n")
  let length = 0
  for (const _ of text) length += 1
  if (length <= limit) return { kind: "text", text }
  return refused(
    `${name} is too large: ${count(length)} characters, ${count(length - limit)} more than the ${count(limit)} that a text here may have.`,
  )
}

/** How many lines a text has: none if it is empty. */
export function linesOf(text: string): number {
  if (text === "") return 0
  const breaks = text.split("\n").length - 1
  return text.endsWith("\n") ? breaks : breaks + 1
}

/** A number as it is read. */
export function count(number: number): string {
  return number.toLocaleString("en")
}

function decoded(bytes: Uint8Array): string | undefined {
  const [first, second] = bytes
  const isWide = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
  const encoding = isWide ? (first === 0xff ? "utf-16le" : "utf-16be") : "utf-8"
  try {
    // Half a surrogate pair is as fatal to it as a byte that means nothing.
    return new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function refused(sentence: string): FileText {
  return { kind: "refused", sentence }
}

function sizeWords(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`
  if (bytes < 1_000_000) return `${Math.round(bytes / 1_000)} KB`
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}
