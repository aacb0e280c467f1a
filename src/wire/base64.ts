/**
 * Bytes as base64, in the plain alphabet and in that of URLs. Runs in browsers and in Node.
 *
 * What always holds: what `encode64` wrote `decode64` reads back; a text with any other character,
 * or of a length that no bytes give, is not read at all.
 */

/** How many bytes become characters in one call: more would not fit on the stack. */
const pieceBytes = 8 * 1024

/** `bytes` in the plain alphabet, with padding. */
export function encode64(bytes: Uint8Array): string {
  let letters = ""
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    letters += String.fromCharCode(...bytes.subarray(at, at + pieceBytes))
  }
  return btoa(letters)
}

/** `bytes` in the alphabet of URLs, without padding. */
export function encode64Url(bytes: Uint8Array): string {
  return encode64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")
}

/** The bytes that `text` spells, in either alphabet, with or without padding; undefined when it spells none. */
export function decode64(text: string): Uint8Array | undefined {
  const plain = unpadded(text).replaceAll("-", "+").replaceAll("_", "/")
  if (plain.length % 4 === 1 || !/^[A-Za-z0-9+/]*$/.test(plain)) return undefined
  const letters = atob(plain)
  const bytes = new Uint8Array(letters.length)
  for (let at = 0; at < letters.length; at++) bytes[at] = letters.charCodeAt(at)
  return bytes
}

/** `text` without the padding at its end: by hand, since a pattern would look anew from each sign. */
function unpadded(text: string): string {
  let end = text.length
  while (text[end - 1] === "=") end--
  return text.slice(0, end)
}
