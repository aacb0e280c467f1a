/**
 * Whether the content of an opaque room is sealed, and who said so of itself.
 *
 * What always holds: the first replica that may write says it for the room (RL102); who says
 * otherwise afterwards is refused.
 */
import { WireError } from "../wire/error.ts"
import type { Counts } from "./counts.ts"
import type { OpaqueReplica } from "./opaque-fan-out.ts"

export class Seal {
  readonly #counts: Counts
  /** Who has said of itself whether its content is sealed. */
  readonly #introduced = new WeakSet<OpaqueReplica>()
  #isSealed: boolean | undefined

  constructor(counts: Counts) {
    this.#counts = counts
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
      const sentence = sealed ? "the content of this room is not sealed" : "this room is sealed"
      throw new WireError("unsupported", sentence)
    }
    this.#introduced.add(replica)
  }

  /** It sends a change: whoever has not said is taken for one that does not seal. */
  check(replica: OpaqueReplica): void {
    if (!this.#introduced.has(replica)) this.introduce(replica, false)
  }
}
