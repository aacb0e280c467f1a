/**
 * The peers' own operations, for editors that keep their text: applied and moved by the package
 * that the server uses, in the order in which its own client does it.
 */
import { createRequire } from "node:module"

/** A row of components as the peer's messages have it. */
export type PeerOperation = readonly (number | string | { readonly d: number })[]

/** How one peer's operations work. */
export interface PeerTexts {
  apply(text: string, operation: PeerOperation): string
  /** `operation` as it is after `accepted`, which the server had before it. */
  move(operation: PeerOperation, accepted: PeerOperation): PeerOperation
}

interface TextUnicode {
  readonly type: {
    apply(text: string, operation: PeerOperation): string
    transform(operation: PeerOperation, other: PeerOperation, side: "left"): PeerOperation
  }
}

interface TextOperation {
  apply(text: string): string
  toJSON(): PeerOperation
}

interface Ot {
  readonly TextOperation: {
    fromJSON(components: PeerOperation): TextOperation
    transform(a: TextOperation, b: TextOperation): readonly [TextOperation, TextOperation]
  }
}

// They have no types of their own, and are not there unless somebody measures.
const load = createRequire(import.meta.url)

/** Throws when bench/peers is not installed. */
export function textsOf(peer: "sharedb" | "ot"): PeerTexts {
  if (peer === "sharedb") {
    const { type }: TextUnicode = load("ot-text-unicode")
    return {
      apply: (text, operation) => type.apply(text, operation),
      move: (operation, accepted) => type.transform(operation, accepted, "left"),
    }
  }
  const { TextOperation }: Ot = load("ot")
  return {
    apply: (text, operation) => TextOperation.fromJSON(operation).apply(text),
    move: (operation, accepted) => {
      const [a, b] = [TextOperation.fromJSON(operation), TextOperation.fromJSON(accepted)]
      return TextOperation.transform(a, b)[0].toJSON()
    },
  }
}
