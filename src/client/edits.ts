/**
 * Operations as edits of a shared text: made from string indexes, made clean, put together.
 *
 * What always holds: what comes out can be sent. It has no half of a surrogate pair and no NUL in
 * what it inserts, and cuts through no pair (DC145).
 */
import { cleaned, codePointCount, codePointIndex, isClean, isPairAt } from "../ot/codepoints.ts"
import { insertedBy } from "../ot/draft.ts"
import type { Show } from "../ot/effects.ts"
import { composeAll, Operation } from "../ot/operation.ts"

/**
 * Puts `insert` in the place of what lies between two string indexes of `text`; indexes outside of
 * it are moved to its ends. A pair that they cut through goes as a whole. Takes time in the text.
 */
export function replacement(
  text: string,
  { from, to, insert }: { readonly from: number; readonly to: number; readonly insert: string },
): Operation {
  const start = Math.max(0, Math.min(from, to))
  const end = Math.min(text.length, Math.max(from, to))
  const kept = codePointIndex(text, start)
  // In code points counted from the start an index inside of a pair is before it: so one more goes.
  const cutsPair = end > 0 && isPairAt(text, end - 1)
  const deleted = Math.max(0, codePointIndex(text, end) + (cutsPair ? 1 : 0) - kept)
  return Operation.from([kept, cleaned(insert), -deleted, codePointCount(text) - kept - deleted])
}

/** `operation` without NUL in what it inserts; the very same where there is none. */
export function withoutNul(operation: Operation): Operation {
  if (isClean(insertedBy(operation))) return operation
  const row = operation.components.map((one) => (typeof one === "string" ? cleaned(one) : one))
  return Operation.from(row)
}

/**
 * Several changes in a row as one; there must be at least one. It has an author where all have the
 * same, and is by "others" where they differ in kind.
 */
export function together(shows: readonly Show[]): Omit<Show, "kind"> {
  const operation = composeAll(shows.map((show) => show.operation))
  const [{ by, id } = { by: "others" as const, id: undefined }, ...more] = shows
  const isOneKind = more.every((show) => show.by === by)
  const isOneAuthor = id !== undefined && more.every((show) => show.id === id)
  return { operation, by: isOneKind ? by : "others", ...(isOneAuthor ? { id } : {}) }
}
