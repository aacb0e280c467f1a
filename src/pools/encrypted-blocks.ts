/**
 * Blocks of encrypted pools: who may attach, and what may be written over a socket.
 *
 * What always holds: what a block holds is one envelope, sealed for this block and for the generation
 * that it becomes, and its epochs never go back. What is written through a mapping the server does
 * not see: readers refuse what is none.
 */
import { Refusal } from "../wire/pools-errors.ts"
import type { MemoryRequest } from "../wire/pools-memory.ts"
import type { Block } from "./blocks-block.ts"
import { uuidBytes } from "./blocks-creating.ts"
import type { Payloads } from "./encrypted-payloads.ts"
import { mayAttach } from "./encrypted-proofs.ts"
import type { Membership, Pool } from "./pool.ts"
import type { Session } from "./session.ts"
import { stale, wrong } from "./trinity.ts"

export class SealedBlocks {
  readonly #payloads: Payloads
  /** The newest epoch written into a block since the start. */
  readonly #epochs = new WeakMap<Block, number>()

  constructor(payloads: Payloads) {
    this.#payloads = payloads
  }

  /** A block that is to be made. Throws a Refusal for kinds that hold more than one envelope. */
  checkCreate(pool: Pool, { fields }: MemoryRequest): void {
    if (pool.sealed === undefined) return
    const { ring, filling, initial } = fields
    if (ring !== undefined || filling === true) {
      const sentence = "rings, and blocks that are filled, are not available in encrypted pools"
      throw new Refusal("unavailable", sentence)
    }
    if (initial === "zeros") throw wrong("/initial", "must be empty: zeros are no envelope")
  }

  /** Somebody attaches. Throws the Refusal that names the key it has to prove. */
  checkAttach(session: Session, block: Block, { fields }: MemoryRequest): void {
    const membership = memberOf(session, block)
    const writes = fields.mode === "write" || fields.mode === "exclusive"
    if (membership !== undefined) mayAttach(membership, writes ? "write" : "read")
  }

  /** Something is written, or told with a notice, over a socket. Throws a Refusal. */
  check(session: Session, block: Block, request: MemoryRequest): void {
    const membership = memberOf(session, block)
    if (membership === undefined) return
    const { operation, data, fields } = request
    if (operation === "notify" && fields.payload !== undefined) {
      throw new Refusal("not-encrypted", "notices carry no payload in an encrypted pool")
    }
    if (operation !== "write" || data === undefined) return
    if (fields.whole !== true) {
      throw wrong("/whole", "must be true: an envelope is written as a whole")
    }
    const envelope = this.#payloads.checkBlock(membership, uuidBytes(block.facts.uuid), data)
    if (envelope === undefined) return
    const { epoch, generation } = envelope
    if (fields.if_generation !== generation - 1) {
      throw wrong("/if_generation", `must be ${generation - 1}, since ${generation} was sealed`)
    }
    const newest = this.#epochs.get(block) ?? 0
    if (epoch < newest) throw stale(epoch, newest)
    this.#epochs.set(block, epoch)
  }
}

/** Undefined where nothing is encrypted. */
function memberOf(session: Session, { pool }: Block): Membership | undefined {
  if (pool.sealed === undefined) return undefined
  const membership = session.memberships.get(pool.name)
  if (membership === undefined) throw new Refusal("not-member", `join pool ${pool.name} first`)
  return membership
}
