/**
 * Payloads given by reference to a block: mapped by a handler of this machine, brought along for any
 * other.
 *
 * What always holds: who refers may read the block; what its handler gets is the generation that was
 * referred to, or the call says that it is gone.
 */
import { Damaged, lowWord, seqOf } from "../wire/layout.ts"
import { type Fault, Refusal } from "../wire/pools-errors.ts"
import { bytesPayload } from "../wire/pools-payload.ts"
import type { Answer, BlockRef, Start } from "../wire/pools-shapes.ts"
import type { Block } from "./blocks-block.ts"
import { type Grants, mayUse } from "./blocks-grants.ts"
import type { Session } from "./session.ts"

export class References {
  readonly #grants: Grants
  readonly #all: () => Iterable<Block>
  readonly #frameLimitBytes: number

  constructor(
    grants: Grants,
    of: { readonly all: () => Iterable<Block>; readonly frameLimitBytes: number },
  ) {
    this.#grants = grants
    this.#all = of.all
    this.#frameLimitBytes = of.frameLimitBytes
  }

  /** Whether a session may refer to this now. Throws the Refusal that says why not. */
  look(session: Session, ref: BlockRef): void {
    mayUse(session, this.#find(ref), "read")
    this.#there(ref)
  }

  // Without reading it: it may be long.
  #there(ref: BlockRef): void {
    try {
      const { slots } = this.#find(ref).edition
      const { generation, seq } = slots.recordOf(lowWord(ref.generation))
      if (generation === ref.generation && seq === seqOf(lowWord(generation))) return
    } catch (thrown) {
      // Whoever asks for the block next finds out, and replaces it.
      if (!(thrown instanceof Damaged)) throw thrown
    }
    throw gone(ref)
  }

  /** A call as this handler gets it: with the reference if it has the block mapped, else with the bytes. */
  refer(session: Session, start: Start): Start | Fault {
    const { block: ref, ...rest } = start
    if (ref === undefined) return start
    try {
      const isMapped = this.#grants.of(session, this.#find(ref)).some(({ via }) => via === "map")
      if (!isMapped) return { ...rest, payload: this.#bytes(ref) }
      this.#there(ref)
      return start
    } catch (thrown) {
      if (thrown instanceof Refusal) return thrown.fault
      throw thrown
    }
  }

  /** An answer, with the bytes that it refers to; where they are gone, a failure of its handler. */
  inlined(session: Session, answer: Answer): Answer {
    const { outcome } = answer
    if (outcome.is !== "done" || outcome.block === undefined) return answer
    try {
      mayUse(session, this.#find(outcome.block), "read")
      return { ...answer, outcome: { is: "done", result: this.#bytes(outcome.block) } }
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown
      const { sentence } = thrown.fault
      return { ...answer, outcome: { is: "failed", sentence, handlerCode: "GENERATION_GONE" } }
    }
  }

  #find({ uuid }: BlockRef): Block {
    for (const block of this.#all()) {
      if (block.facts.uuid === uuid && !block.isRing && block.state !== "zeroing") return block
    }
    throw new Refusal("no-block", `there is no block with the uuid ${uuid}`)
  }

  #bytes(ref: BlockRef) {
    const { generation, offset, length } = ref
    const { header, slots } = this.#find(ref).edition
    // A payload is as long as a frame may be, whatever is referred to.
    const most = Math.min(header.capacity, this.#frameLimitBytes + 1)
    const part = { length: Math.min(length === 0 ? most : length, most) }
    try {
      const taken = slots.read({ generation, offset, ...part })
      if (taken.is === "content" && taken.data.length > this.#frameLimitBytes) {
        const sentence = `only who has the block mapped takes more than ${this.#frameLimitBytes} bytes`
        throw new Refusal("too-large", sentence, { detail: { limit: "frameLimitBytes" } })
      }
      if (taken.is === "content") return bytesPayload(taken.data, taken.of.contentType)
    } catch (thrown) {
      // Whoever asks for the block next finds out, and replaces it.
      if (!(thrown instanceof Damaged)) throw thrown
    }
    throw gone(ref)
  }
}

function gone({ generation }: BlockRef): Refusal {
  const sentence = `generation ${generation} of the block has been overwritten`
  return new Refusal("generation-gone", sentence)
}
