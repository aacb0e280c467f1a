/**
 * Asking a Redis once whether it lets us in, for who must know before anything rests on it.
 *
 * What always holds: nothing is left open afterwards. "refused" means that the same login will be
 * refused again, "unusable" that what TLS was given is none; "away" may pass by itself.
 */
import type { Undo } from "../service.ts"
import { type After, openMs, sentenceOf } from "./lines.ts"
import type { RedisPlace } from "./place.ts"
import { linesTo } from "./redis-cluster.ts"

/** What came of it. `why` is a sentence without secrets. */
export type Knocked =
  | { readonly kind: "open" }
  | { readonly kind: "refused" | "unusable" | "away"; readonly why: string }

/** What Redis says to a login that is none, or has too few rights. */
const refusal = /^(?:WRONGPASS|NOAUTH|NOPERM|ERR .*\bAUTH\b)/

/** Connects to the Redis at `place`, and leaves. `told` is called once, in a later turn and within 15 s, unless the undo came first. */
export function knockAt(
  place: RedisPlace & { readonly after: After },
  told: (knocked: Knocked) => void,
): Undo {
  let isOver = false
  const lines = linesTo(place, { message: () => {}, moved: () => {}, ended: () => {} })
  const tell = (knocked: Knocked) => {
    if (isOver) return
    isOver = true
    callOff()
    lines.close()
    told(knocked)
  }
  const callOff = place.after(openMs, () => tell({ kind: "away", why: "it does not answer" }))
  lines.open().then(
    () => tell({ kind: "open" }),
    (thrown: unknown) => {
      const why = sentenceOf(thrown)
      if (isUnreadable(thrown)) tell({ kind: "unusable", why })
      else tell({ kind: refusal.test(why) ? "refused" : "away", why })
    },
  )
  return () => {
    if (isOver) return
    isOver = true
    callOff()
    lines.close()
  }
}

/** Whether it is what OpenSSL says of a certificate or a key, before a line is open. */
function isUnreadable(thrown: unknown): boolean {
  return thrown instanceof Error && String(Object(thrown).code).startsWith("ERR_OSSL_")
}
