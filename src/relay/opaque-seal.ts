/**
 * Whether the content of an opaque room is sealed, and who said so of itself.
 *
 * What always holds: the first replica that may write says it for the room (RL102); who says
 * otherwise afterwards is refused. Of two servers on which replicas said it before either heard of
 * the other, the one that has the room longer is right; those who said otherwise here are closed.
 */
import type { Beacon } from "../wire/bus.ts"
import { WireError } from "../wire/error.ts"
import type { Counts } from "./counts.ts"
import type { OpaqueReplica } from "./opaque-fan-out.ts"

export class Seal {
  readonly #counts: Counts
  readonly #replicas: ReadonlySet<OpaqueReplica>
  /** What each has said of itself. */
  readonly #said = new WeakMap<OpaqueReplica, boolean>()
  #isSealed: boolean | undefined

  constructor(counts: Counts, replicas: ReadonlySet<OpaqueReplica>) {
    this.#counts = counts
    this.#replicas = replicas
  }

  /** Of what kind the content is; undefined until somebody who may write has said. */
  get kind(): "opaque" | "sealed" | undefined {
    if (this.#isSealed === undefined) return undefined
    return this.#isSealed ? "sealed" : "opaque"
  }

  /** It says whether its content is sealed. Throws WireError "unsupported" where the room's is otherwise. */
  introduce(replica: OpaqueReplica, sealed: boolean): void {
    if (this.#isSealed === undefined && replica.mayWrite) this.#isSealed = sealed
    if (this.#isSealed !== undefined && this.#isSealed !== sealed) {
      this.#counts.refused.add("sealed")
      throw new WireError("unsupported", sentenceFor(sealed))
    }
    this.#said.set(replica, sealed)
  }

  /** Another server says of what kind the content is. */
  hear(seal: Beacon["seal"], age: "older" | "younger"): void {
    const isSealed = seal === "sealed"
    if (seal === "unsaid" || this.#isSealed === isSealed) return
    if (this.#isSealed !== undefined && age === "younger") return
    this.#isSealed = isSealed
    for (const replica of this.#replicas) {
      if (this.#said.get(replica) !== !isSealed) continue
      this.#counts.refused.add("sealed")
      replica.outlet.close("unsupported", sentenceFor(!isSealed))
    }
  }

  /** It sends a change: whoever has not said is taken for one that does not seal. */
  check(replica: OpaqueReplica): void {
    if (!this.#said.has(replica)) this.introduce(replica, false)
  }
}

/** What is told to one whose content is sealed, or is not, where the room's is otherwise. */
function sentenceFor(sealed: boolean): string {
  return sealed ? "the content of this room is not sealed" : "this room is sealed"
}
