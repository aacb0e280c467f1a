/**
 * JSON of strangers, parsed with a bound on how deep it nests.
 *
 * What always holds: what comes out nests no deeper than the limit, so that whoever walks over it,
 * or writes it again with JSON.stringify, needs a bounded stack, here and at every far end.
 */
import { WireError } from "./error.ts"

/** For messages and presence. What people keep in presence nests to about five. */
export const shallow = 64

/** For the content of documents. Every far end reads that deep with an ordinary stack. */
export const deep = 1_000

const quote = 0x22
const backslash = 0x5c

/**
 * The value that `text` spells, with at most `limitDepth` arrays and objects inside each other.
 *
 * Throws WireError "bad-message". Takes time in the length of `text`, some 30 ms for 16 MB.
 */
export function parseJson(text: string, limitDepth: number): unknown {
  if (isDeeper(text, limitDepth)) {
    throw new WireError("bad-message", `JSON nests at most ${limitDepth} deep here`)
  }
  try {
    return JSON.parse(text)
  } catch {
    // All that JSON.parse throws for is a text that is not JSON.
    throw new WireError("bad-message", "this is not JSON")
  }
}

/** Whether `text` nests deeper than `limitDepth`, as far as its brackets tell. */
export function isDeeper(text: string, limitDepth: number): boolean {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case quote:
        at = endOfString(text, at)
        break
      case 0x5b: // [
      case 0x7b: // {
        depth++
        if (depth > limitDepth) return true
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth--
        break
    }
  }
  return false
}

/** Where the string that begins at `start` has its closing quote, or the end of `text`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end === -1 ? text.length : end
}

function isEscaped(text: string, at: number): boolean {
  let before = at
  while (text.charCodeAt(before - 1) === backslash) before--
  return (at - before) % 2 === 1
}
