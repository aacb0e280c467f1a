/**
 * What apps ask about pools: to make one, come in, go, see who is there, say who may do what.
 *
 * What always holds: what needs a right is refused by its name; into an encrypted pool nobody comes
 * without a proof.
 */
import { encode64Url } from "../wire/base64.ts"
import { Refusal } from "../wire/pools-errors.ts"
import { rights as allRights, type PoolRequest, type Right } from "../wire/pools-shapes.ts"
import type { Calls } from "./calls.ts"
import type { Encrypted } from "./encrypted.ts"
import type { Pool, RightLists } from "./pool.ts"
import { exists, forbidden, type Realm } from "./realm.ts"
import type { Session } from "./session.ts"

/** Operations of pools whose content the server cannot read. */
const sealedOperations = new Set(["prove", "epochs", "add_epoch", "add_certificate", "revoke"])
/** Entries of one list. */
const listLimit = 1_000

export type Result = Readonly<Record<string, unknown>>

export class Governing {
  readonly #realm: Realm
  readonly #calls: Calls
  readonly #encrypted: Encrypted
  /** What a session has registered has changed. */
  readonly #changed: (session: Session) => void

  constructor(options: {
    readonly realm: Realm
    readonly calls: Calls
    readonly encrypted: Encrypted
    readonly changed: (session: Session) => void
  }) {
    this.#realm = options.realm
    this.#calls = options.calls
    this.#encrypted = options.encrypted
    this.#changed = options.changed
  }

  /** Does it. Throws the Refusal that says why not. */
  answer(session: Session, request: PoolRequest): Result {
    const { operation, pool: name } = request
    switch (operation) {
      case "create":
        return this.#create(session, request)
      case "destroy":
        return this.#destroy(session, this.#realm.get(name), request)
      case "join": {
        const pool = this.#realm.get(name)
        if (pool.sealed !== undefined) return this.#encrypted.join(session, pool, request)
        const membership = this.#realm.join(session, pool)
        this.#changed(session)
        const members = membersOf(membership.pool)
        return { pool: name, rights: [...membership.rights], members }
      }
      case "leave": {
        const membership = session.memberships.get(name)
        if (membership === undefined) throw new Refusal("not-member", `not in pool ${name}`)
        this.#realm.leave(membership)
        this.#changed(session)
        return { pool: name }
      }
      case "members": {
        const pool = this.#realm.get(name)
        this.#need(session, pool, "read")
        return { pool: name, members: membersOf(pool) }
      }
      case "set_rights": {
        const pool = this.#realm.get(name)
        this.#need(session, pool, "admin")
        this.#realm.setRights(pool, listsOf(request.fields["rights"]) ?? {})
        return { pool: name, rights: pool.facts.rights }
      }
    }
    if (sealedOperations.has(operation)) {
      const result = this.#encrypted.answer(session, this.#realm.get(name), request)
      if (operation === "prove") this.#changed(session)
      return result
    }
    throw new Refusal("unknown-type", `pools have no operation ${operation.slice(0, 64)}`)
  }

  #create(session: Session, request: PoolRequest): Result {
    const { pool: name, fields } = request
    const { pool_type: asked = "local", owners, description = "", rights } = fields
    const isEncrypted = fields["encrypted"] === true || asked === "encrypted"
    const type = asked === "encrypted" ? "local" : asked
    if (type !== "local" && type !== "global") {
      const reason = "must be local, global or encrypted"
      throw new Refusal("bad-message", reason, { field: "/pool_type", reason })
    }
    if (name.startsWith("$")) throw new Refusal("forbidden", `${name} is the server's`)
    if (this.#realm.find(name) !== undefined) throw exists(name)
    const sealing = isEncrypted ? { sealing: this.#encrypted.making(request, name) } : {}
    const pool = this.#realm.create(session, name, {
      ...{ type, ...sealing },
      rights: listsOf(rights),
      // The schema has looked at both.
      owners: Array.isArray(owners) && owners.length > 0 ? owners.map(String) : undefined,
      description: typeof description === "string" ? description : "",
    })
    const id = encode64Url(pool.facts.id)
    return {
      pool: name,
      pool_id: id,
      pool_type: type,
      ...(isEncrypted ? { encrypted: true, epoch: pool.sealed?.epoch } : {}),
      rights: pool.facts.rights,
      owners: pool.facts.owners,
    }
  }

  #destroy(session: Session, pool: Pool, { fields }: PoolRequest): Result {
    if (pool.kind === "built-in") throw new Refusal("forbidden", `pool ${pool.name} stays`)
    this.#need(session, pool, "admin")
    const others = [...pool.members.keys()].filter((each) => each !== session)
    if (others.length > 0 && fields["force"] !== true) {
      throw new Refusal("pool-in-use", `pool ${pool.name} has ${others.length} other members`, {
        detail: { members: others.length },
      })
    }
    const fault = { code: "no-pool", sentence: `pool ${pool.name} was destroyed` } as const
    for (const trigger of [...pool.triggers.values()]) this.#calls.dissolve(trigger, fault)
    this.#realm.destroy(pool, () => this.#encrypted.forget(pool))
    return { pool: pool.name }
  }

  #need(session: Session, pool: Pool, right: Right): void {
    if (!this.#realm.rightsOf(session, pool).has(right)) throw forbidden(right, pool.name)
  }
}

/** Who is in a pool, as its members are told. */
export function membersOf(pool: Pool): readonly Result[] {
  return [...pool.members.values()].map(({ session, since }) => ({
    app_id: session.name,
    identity: session.proof,
    state: session.draining === undefined ? "live" : "draining",
    since,
  }))
}

/** The lists of a request; undefined when it has none. Throws a Refusal for what is none. */
function listsOf(value: unknown): RightLists | undefined {
  if (value === undefined) return undefined
  if (typeof value !== "object" || value === null) throw wrongLists("/rights")
  const lists: Partial<Record<Right, readonly string[]>> = {}
  for (const [name, list] of Object.entries(value)) {
    const right = allRights.find((each) => each === name)
    if (right === undefined) throw wrongLists(`/rights/${name.slice(0, 64)}`)
    const isList =
      Array.isArray(list) &&
      list.length <= listLimit &&
      list.every((each) => typeof each === "string" && /^[A-Za-z0-9._-]{0,128}\*?$/.test(each))
    if (!isList) throw wrongLists(`/rights/${name}`)
    lists[right] = list.map(String)
  }
  return lists
}

function wrongLists(field: string): Refusal {
  const reason = `must be a list of app ids, or beginnings of them with a star, at most ${listLimit}`
  return new Refusal("bad-message", reason, { field, reason })
}
