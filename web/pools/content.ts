/** What a block holds, as it can be read: JSON, text, or bytes with those marked that just changed. Pure. */

/** More of a block is not drawn. */
export const limitDrawn = 4_096
const rowBytes = 16

/** Sixteen bytes. */
export interface HexRow {
  readonly at: string
  /** Two digits for each byte, and whether it is another than before. */
  readonly bytes: readonly { readonly digits: string; readonly isNew: boolean }[]
  readonly text: string
}

/** The text that the bytes spell, indented if it is JSON; undefined where they spell none. */
export function textOf(data: Uint8Array): string | undefined {
  const text = decoded(data)
  if (text === undefined) return undefined
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text // text that is no JSON stands as it is
  }
}

/** The bytes by rows. Without `before` nothing is new. */
export function hexOf(data: Uint8Array, before: Uint8Array | undefined): readonly HexRow[] {
  const rows: HexRow[] = []
  for (let from = 0; from < Math.min(data.length, limitDrawn); from += rowBytes) {
    const row = [...data.subarray(from, from + rowBytes)]
    rows.push({
      at: from.toString(16).padStart(4, "0"),
      bytes: row.map((byte, index) => ({
        digits: byte.toString(16).padStart(2, "0"),
        isNew: before !== undefined && before[from + index] !== byte,
      })),
      text: row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·")).join(""),
    })
  }
  return rows
}

function decoded(data: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(data)
    return /[\u0000-\u0008\u000e-\u001f]/.test(text) ? undefined : text
  } catch {
    return undefined // not UTF-8
  }
}
