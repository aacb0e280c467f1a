/**
 * Asking a Redis once whether it lets us in, for who must know before anything rests on it.
 *
 * What always holds: nothing is left open afterwards. "refused" means that the same login will be
 * refused again; everything else may pass by itself.
 */
import type { Undo } from "../service.ts"
import { sentenceOf } from "./lines.ts"
import { linesTo } from "./redis-cluster.ts"

/** What came of it. `why` is a sentence without secrets. */
export type Knocked =
  | { readonly kind: "open" }
  | { readonly kind: "refused" | "away"; readonly why: string }

/** What Redis says to a login that is none, or has too few rights. */
const refusal = /^(?:WRONGPASS|NOAUTH|NOPERM|ERR .*\bAUTH\b)/

/** Connects to the Redis at `urls`, and leaves. `told` is called once, in a later turn, unless the undo came first. */
export function knockAt(urls: readonly string[], told: (knocked: Knocked) => void): Undo {
  let isOver = false
  const lines = linesTo(urls, { message: () => {}, moved: () => {}, ended: () => {} })
  const tell = (knocked: Knocked) => {
    if (isOver) return
    isOver = true
    lines.close()
    told(knocked)
  }
  lines.open().then(
    () => tell({ kind: "open" }),
    (thrown: unknown) => {
      const why = sentenceOf(thrown)
      tell({ kind: refusal.test(why) ? "refused" : "away", why })
    },
  )
  return () => {
    if (isOver) return
    isOver = true
    lines.close()
  }
}
