/** What the tests of saving and of a document's life have between them: typing, time, and a look at rows. */
import { join as joinPath } from "node:path"
import type { TestContext } from "node:test"
import { type FarEnd, folder, type Pad, pad } from "./far-end.ts"

export const second = 1_000
export const minute = 60 * second

/** A pad on a file of its own. */
export function onFile(t: TestContext, settings = {}): Pad {
  return pad(t, { uri: joinPath(folder(t), "pad.db"), settings })
}

/** What the row of a document holds; undefined without one. */
export function row(server: Pad, id: string): { text: string; revision: number } | undefined {
  const sql = "SELECT text, revision FROM document WHERE id = :id"
  const found = server.store.prepare<{ text: string; revision: number }>(sql).get({ id })
  return found && { ...found }
}

/** Types `times` characters at the end, a message each. */
export function type(far: FarEnd, from: number, times = 1): void {
  for (let at = from; at < from + times; at += 1) {
    far.edits(at, at === 0 ? ["x"] : [at, "x"], at + 1)
  }
}

/** The present value of a figure without a label. */
export async function metric(server: Pad, name: string): Promise<number> {
  const text = await server.metrics.text()
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1])
}
