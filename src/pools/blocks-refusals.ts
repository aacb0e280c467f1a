/** Why something about a block is refused: what its file says, as a reason for people. */
import { Damaged } from "../wire/layout.ts"
import { Refusal } from "../wire/pools-errors.ts"
import type { Wrote } from "../wire/slots-shapes.ts"
import type { Block } from "./blocks-block.ts"

/** The file says that it is something else than the server made it. */
export function changed(block: Block, is: "sealed" | "retired" | "lock-lost"): Error {
  if (block.state === "live" || (block.state === "sealed" && is === "retired")) {
    return new Damaged("its state or its fence was changed from outside")
  }
  return refusalOf({ is })
}

/** No frame holds it. */
export function tooLarge(frameLimitBytes: number): Refusal {
  const sentence = `an answer has at most frameLimitBytes, ${frameLimitBytes}: read it in pieces`
  const detail = { limit: "frameLimitBytes", value: frameLimitBytes }
  return new Refusal("too-large", sentence, { field: "/length", detail })
}

/** What came of a write that wrote nothing. */
export function refusalOf(wrote: Exclude<Wrote, { is: "written" }>): Refusal {
  switch (wrote.is) {
    case "conflict":
      return new Refusal("conflict", `the newest generation is ${wrote.newest}`, {
        detail: { newest: wrote.newest },
      })
    case "sealed":
      return new Refusal("block-sealed", "the block is sealed")
    case "retired":
      return new Refusal("block-retired", "attach again")
    case "pinned":
      return new Refusal("pinned", "every other slot is pinned", { retryAfterMs: 100 })
    case "lock-lost":
      return new Refusal("lock-lost", "somebody else writes now")
    case "too-long":
      return new Refusal("out-of-range", "the write ends beyond the block")
  }
}

/** Throws OUT_OF_RANGE for what is not inside the block. */
export function checkRange(block: Block, offset: number, length: number): void {
  const { capacity } = block.facts.header
  if (offset + length <= capacity) return
  const sentence = `offset ${offset} and length ${length} go beyond the capacity, ${capacity}`
  throw new Refusal("out-of-range", sentence, { detail: { capacity } })
}

/** A field is not there, or is not what it must be. */
export function missing(field: string, reason: string): Refusal {
  return new Refusal("bad-message", reason, { field, reason })
}
