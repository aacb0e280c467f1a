/**
 * Between the two ways of counting text: UTF-16 units, as JavaScript strings do, and Unicode
 * code points, as every length and position on the wire does (DC33).
 *
 * What always holds: an index given out never lies between the two halves of a surrogate pair.
 * A lone half counts as one code point, as it does for `String.prototype.codePointAt`.
 */

/** Above this many units a search for astral characters pays: in a Latin-1 string it ends at once. */
const longUnits = 64

const highHalf = /[\ud800-\udbff]/

const dirt = /\0/g

/** The number of code points in `text`. Takes time in its length, unless the engine holds it as Latin-1. */
export function codePointCount(text: string): number {
  const units = text.length
  if (units > longUnits && !highHalf.test(text)) return units
  let count = units
  for (let index = 1; index < units; index += 1) {
    if (isPairAt(text, index - 1)) {
      count -= 1
      index += 1
    }
  }
  return count
}

/**
 * The UTF-16 index that lies `count` code points after the index `from`.
 *
 * Gives `text.length` when fewer code points are left. `from` must not lie inside a pair.
 * Takes time in `count`; who knows that the text is all BMP adds instead.
 */
export function utf16Index(text: string, count: number, from = 0): number {
  const units = text.length
  let index = from
  for (let left = count; left > 0 && index < units; left -= 1) {
    index += isPairAt(text, index) ? 2 : 1
  }
  return index
}

/**
 * The code point position of the UTF-16 index `index`. An index inside a surrogate pair counts
 * as the one before the pair, one past the end as the end. Takes time in `index`.
 */
export function codePointIndex(text: string, index: number): number {
  const end = Math.min(index, text.length)
  let position = 0
  for (let at = 0; at < end; position += 1) {
    at += isPairAt(text, at) ? 2 : 1
    if (at > end) return position
  }
  return position
}

/** Whether `text` may stand in a document: well-formed, and without U+0000 (DC43). */
export function isClean(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0")
}

/** `text` as it may stand in a document: lone halves become U+FFFD, U+0000 goes (DC145). */
export function cleaned(text: string): string {
  return isClean(text) ? text : text.toWellFormed().replace(dirt, "")
}

/** Whether a surrogate pair begins at the UTF-16 index `index`. */
export function isPairAt(text: string, index: number): boolean {
  return (
    (text.charCodeAt(index) & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00
  )
}
