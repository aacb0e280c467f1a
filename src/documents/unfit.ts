/**
 * Why an edit cannot be moved to the present text, in words that its author can act on.
 *
 * What always holds: revisions are named as the author numbers them; a plain editor's differ from
 * ours by the document's offset (DC55).
 */
import type { Moved } from "../ot/history.ts"

/** What was wanted, with its revision in our numbers. */
export interface Unfit {
  readonly revision: number
  readonly baseLength: number
  /** The document's revision, in our numbers. */
  readonly head: number
  /** What the author's numbers have more than ours. */
  readonly offset: number
}

/** The sentence for an edit of which `moved` came. */
export function whyUnfit(moved: Exclude<Moved, { kind: "moved" }>, unfit: Unfit): string {
  const { revision, baseLength, head, offset } = unfit
  const named = revision + offset
  if (moved.kind === "misfit") {
    return `the operation covers ${baseLength} code points, the text at ${named} has ${moved.length}`
  }
  const how = revision > head ? "ahead" : "too far back"
  return `revision ${named} is ${how}: the text is at ${head + offset}`
}
