/**
 * Where a text stops being what it should be: asked only when it was refused, so it may take its
 * time. Offsets are bytes of UTF-8.
 */

const encoder = new TextEncoder()

/** Offset of the first byte that cannot stand in UTF-8; the length when there is none. */
export function firstBadByte(bytes: Uint8Array): number {
  // The longest beginning that reads well, where a character may still be begun.
  let good = 0
  let bad = bytes.length
  while (good < bad) {
    const middle = Math.ceil((good + bad) / 2)
    if (reads(bytes.subarray(0, middle))) good = middle
    else bad = middle - 1
  }
  return good
}

function reads(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}

const token =
  /[ \t\n\r]+|"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[[\]{},:]/y

/** What may come next in JSON. */
type Expected = "value" | "first" | "key" | "firstKey" | "colon" | "more" | "nothing"

/** Byte offset at which `text` stops being JSON; its length when something is missing at its end. */
export function firstBadJson(text: string): number {
  const open: ("[" | "{")[] = []
  let expected: Expected = "value"
  let at = 0
  while (at < text.length) {
    token.lastIndex = at
    const found = token.exec(text)?.[0]
    if (found === undefined) break
    if (!/^[ \t\n\r]/.test(found)) {
      const next = after(found, expected, open)
      if (next === undefined) break
      expected = next
    }
    at += found.length
  }
  return encoder.encode(text.slice(0, at)).length
}

/** What may follow `found`; undefined when it may not stand there. */
function after(found: string, expected: Expected, open: ("[" | "{")[]): Expected | undefined {
  const isValue = expected === "value" || expected === "first"
  switch (found) {
    case "[":
    case "{":
      if (!isValue) return undefined
      open.push(found)
      return found === "[" ? "first" : "firstKey"
    case "]":
    case "}": {
      const own = found === "]" ? "[" : "{"
      const isEmpty = expected === (own === "[" ? "first" : "firstKey")
      if (open.at(-1) !== own || !(isEmpty || expected === "more")) return undefined
      open.pop()
      return open.length === 0 ? "nothing" : "more"
    }
    case ",":
      if (expected !== "more") return undefined
      return open.at(-1) === "[" ? "value" : "key"
    case ":":
      return expected === "colon" ? "value" : undefined
  }
  if (expected === "key" || expected === "firstKey") return found[0] === '"' ? "colon" : undefined
  if (!isValue) return undefined
  return open.length === 0 ? "nothing" : "more"
}
