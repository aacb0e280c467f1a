/**
 * Fetches the kept past of a document, stretch by stretch, oldest first.
 *
 * What always holds: at most `limitRevisions` are fetched, the newest; and a tape has one epoch,
 * so it never joins two lines of history.
 */
import type { Documents, SharedText } from "../../src/client/client.ts"
import { Tape } from "./slider-tape.ts"

/** The server gives no more at once. */
const stretch = 2_000
/** More than this is a week of a busy class, and nobody plays it from its beginning. */
const limitRevisions = 100_000

export type History = Pick<Documents, "history">

/** How far the loading is. */
export interface Progress {
  readonly loaded: number
  readonly whole: number
}

interface Loading {
  readonly history: History
  readonly text: SharedText
  readonly signal: AbortSignal
  readonly onProgress: (progress: Progress) => void
}

/** The whole kept past of `text`. Rejects as `Documents.history` does, and when it is given up. */
export async function loadTape({ history, text, signal, onProgress }: Loading): Promise<Tape> {
  const { id, otp } = text
  const access = otp === undefined ? {} : { otp }
  // What the present is tells what is kept before it.
  const present = await history.history(id, text.revision, { ...access, limit: 1 })
  const from = Math.max(present.first, present.revision - limitRevisions)
  const tape = new Tape(await history.history(id, from, { ...access, limit: stretch }))
  await follow(tape, { history, text, signal, onProgress })
  return tape
}

/** Adds to `tape` what has been done since it ends. "stale": that is another line of history now. */
export async function follow(tape: Tape, loading: Loading): Promise<"there" | "stale"> {
  const { history, text, signal, onProgress } = loading
  const { id, otp } = text
  const access = otp === undefined ? {} : { otp }
  for (;;) {
    signal.throwIfAborted()
    const next = await history.history(id, tape.last, { ...access, limit: stretch })
    signal.throwIfAborted()
    if (next.epoch !== tape.epoch) return "stale"
    tape.add(next)
    onProgress({ loaded: tape.last - tape.first, whole: next.revision - tape.first })
    if (tape.last >= next.revision || next.operations.length === 0) return "there"
  }
}
