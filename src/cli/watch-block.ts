/**
 * The generations of a block, a line each.
 *
 * What always holds: it is attached to read; what only holders of keys may read is not shown.
 */
import type { BlockNotice } from "../client/blocks-shapes.ts"
import type { Pool } from "../client/tcp.ts"

const shownBytes = 32
/** With this content begins that only holders of keys can read. */
const sealedMark = "QTE1"

/** Resolves when it is told of. Rejects when there is no such block, or it may not be read. */
export async function followBlock(
  pool: Pool,
  id: string,
  say: (line: string) => void,
): Promise<void> {
  const block = await pool.block.attach(id, { mode: "read", map: "off" })
  await block.subscribe((notice) => say(`block ${id} ${lineOf(notice)}`), { data: true })
}

function lineOf({
  event,
  payload,
  generation,
  length,
  writer,
  lost,
  data,
  contentType,
}: BlockNotice): string {
  if (event !== undefined) return event
  const by = writer === "" ? "" : ` by ${writer}`
  if (payload !== undefined) return `notice${by} ${JSON.stringify(payload)}`
  const before = lost > 0 ? ` (${lost} lost before it)` : ""
  const content = data === undefined ? "" : `: ${firstBytes(data, contentType)}`
  return `generation ${generation}, ${length} bytes${by}${content}${before}`
}

/** Text in quotes, all else in hex. */
function firstBytes(data: Uint8Array, contentType: string | undefined): string {
  const first = Buffer.from(data.subarray(0, shownBytes))
  if (first.toString("latin1").startsWith(sealedMark)) return "encrypted"
  const more = data.length > shownBytes ? "…" : ""
  const isText = contentType === "text" || contentType === "json"
  return `${isText ? JSON.stringify(first.toString("utf8")) : first.toString("hex")}${more}`
}
