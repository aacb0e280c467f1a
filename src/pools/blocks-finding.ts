/** Which block, attachment or pool a request about a block means. */
import { Refusal } from "../wire/pools-errors.ts"
import type { MemoryRequest } from "../wire/pools-memory.ts"
import type { Attachment, Block } from "./blocks-block.ts"
import { type Grants, noBlock } from "./blocks-grants.ts"
import { missing } from "./blocks-refusals.ts"
import type { Pool } from "./pool.ts"
import type { Realm } from "./realm.ts"
import type { Session } from "./session.ts"

export class Finding {
  readonly #realm: Realm
  readonly #grants: Grants

  constructor(realm: Realm, grants: Grants) {
    this.#realm = realm
    this.#grants = grants
  }

  /** Who asks, as attached to a block. Throws NO_BLOCK. */
  attachment(session: Session, block: Block, { block: named }: MemoryRequest): Attachment {
    if (named.by === "attachment") return this.#grants.get(session, named.attachment)
    const own = this.#grants.of(session, block)
    // Of a ring it may have two: what writes comes first.
    const found = own.find(({ mode }) => mode === "write") ?? own[0]
    if (found === undefined) throw new Refusal("no-block", `attach to block ${block.name} first`)
    return found
  }

  /** The block that a request names. Throws NO_BLOCK, and NOT_MEMBER for a pool that is not the session's. */
  block(session: Session, request: MemoryRequest): Block {
    const { block: named } = request
    if (named.by === "attachment") return this.#grants.get(session, named.attachment).block
    if (named.pool !== undefined) {
      const pool = this.#realm.get(named.pool)
      if (!session.memberships.has(pool.name)) {
        throw new Refusal("not-member", `join pool ${pool.name} first`)
      }
      const block = pool.blocks.get(named.id)
      if (block === undefined) throw noBlock(named.id)
      return block
    }
    const found = [...session.memberships.values()].flatMap(({ pool }) => {
      return pool.blocks.get(named.id) ?? []
    })
    const [block, other] = found
    if (block === undefined) throw noBlock(named.id)
    if (other !== undefined) throw missing("/pool", "must be named: several have such a block")
    return block
  }

  /** Where a block is to be made. Throws a Refusal where the session may not. */
  poolFor(session: Session, { block }: MemoryRequest): Pool {
    const named = block.by === "id" ? block.pool : undefined
    const [only] = session.memberships.keys()
    const name = named ?? (session.memberships.has("default") ? "default" : (only ?? "default"))
    return this.#realm.member(session, name, "write").pool
  }
}
