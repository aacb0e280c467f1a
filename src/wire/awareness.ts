/**
 * Rows of presence as y-protocols writes them: how many, then id, clock and JSON of each.
 *
 * What always holds: each row that comes out has a state that is JSON of bounded size and depth,
 * or null; memory stays in proportion to the bytes that came.
 *
 *     01 07 03 02 7b 7d          one row: id 7, clock 3, the state {}
 *     01 07 04 04 6e 75 6c 6c    the same one is gone: null
 */
import { WireError } from "./error.ts"
import { parseJson, shallow } from "./json.ts"
import type { Row } from "./relay.ts"
import { Reader, textOf, Writer } from "./varints.ts"

/** What a frame of presence held. */
export interface Rows {
  readonly rows: readonly Row[]
  /** So many more were left out, for their state has more bytes than a row may have. */
  readonly tooLarge: number
}

/**
 * Reads the rows in `bytes`, to their end. Whoever calls has checked how many bytes that are.
 *
 * `rowBytes` bounds the state of one row. Throws WireError "bad-message" for everything that is
 * not rows: cut, longer than it says, not JSON, too deep.
 */
export function decodeRows(bytes: Uint8Array, rowBytes: number): Rows {
  const reader = new Reader(bytes)
  const rows: Row[] = []
  let tooLarge = 0
  for (let left = reader.uint(); left > 0; left--) {
    const id = reader.uint()
    const clock = reader.uint()
    const state = reader.bytes()
    if (state.length > rowBytes) tooLarge++
    else rows.push({ id, clock, state: stateOf(textOf(state)) })
  }
  if (reader.left > 0) throw new WireError("bad-message", "bytes follow the last row of presence")
  return { rows, tooLarge }
}

/** Writes `rows`. */
export function encodeRows(rows: readonly Row[]): Uint8Array {
  const writer = new Writer().uint(rows.length)
  for (const { id, clock, state } of rows)
    writer
      .uint(id)
      .uint(clock)
      .text(state ?? "null")
  return writer.finish()
}

function stateOf(json: string): string | null {
  return parseJson(json, shallow) === null ? null : json
}
