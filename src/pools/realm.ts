/**
 * All pools: who made them, who is in them, who may do what.
 *
 * What always holds: `default` and `system` are there and stay; a right that is taken away is gone in
 * the same turn, with all that rested on it; what is stored is on record before anyone is told.
 */
import type { Random } from "../service.ts"
import { Refusal } from "../wire/pools-errors.ts"
import { rights as allRights, type Right } from "../wire/pools-shapes.ts"
import type { Limits } from "./limits.ts"
import {
  type Membership,
  openRights,
  Pool,
  type PoolFacts,
  type ProvenKey,
  provenRights,
  type RightLists,
} from "./pool.ts"
import type { Session } from "./session.ts"
import type { Tables } from "./tables.ts"
import type { SealedPool } from "./trinity.ts"

export interface RealmOptions {
  readonly tables: Tables
  readonly limits: Limits
  readonly random: Random
  readonly now: () => number
  /** A session is no member any more, or may less: what it did by that right ends. */
  readonly narrowed: (membership: Membership) => void
  /** A pool is gone; its members are told next. */
  readonly destroyed: (pool: Pool) => void
  /** Told on `$sys…` to whoever may see the pool. */
  readonly announce: (event: string, about: Pool, fact: object) => void
}

/** What a pool is made with. */
export interface Making {
  readonly type: "local" | "global"
  readonly rights: RightLists | undefined
  readonly owners: readonly string[] | undefined
  readonly description: string
  /** Of an encrypted pool; `store` writes its first record. */
  readonly sealing?: {
    readonly sealed: SealedPool
    readonly rootKey: Uint8Array
    readonly store: () => void
  }
}

const poolIdBytes = 16

export class Realm {
  readonly #options: RealmOptions
  readonly #pools = new Map<string, Pool>()
  // Those that go when they stay empty.
  readonly #passing = new Set<Pool>()
  readonly system: Pool

  constructor(options: RealmOptions) {
    this.#options = options
    for (const facts of options.tables.pools()) this.#pools.set(facts.name, new Pool(facts, "made"))
    this.system = this.#builtIn("system", { read: ["*"] })
    this.#builtIn("default", openRights)
  }

  get size(): number {
    return this.#pools.size
  }

  all(): Iterable<Pool> {
    return this.#pools.values()
  }

  find(name: string): Pool | undefined {
    return this.#pools.get(name)
  }

  /** The pool of this name. Throws a Refusal when there is none. */
  get(name: string): Pool {
    const pool = this.#pools.get(name)
    if (pool === undefined) throw new Refusal("no-pool", `there is no pool ${name}`)
    return pool
  }

  /** What a session may do in a pool, member or not; in an encrypted one by what it has proven there. */
  rightsOf(session: Session, pool: Pool): ReadonlySet<Right> {
    return this.#rightsBy(session, pool, session.memberships.get(pool.name)?.key)
  }

  #rightsBy(session: Session, pool: Pool, key: ProvenKey | undefined): ReadonlySet<Right> {
    if (pool === this.system && session.entrance.admin === "all") return new Set(allRights)
    const rights = pool.rightsOf(session.app?.id ?? "", session.narrowing)
    return pool.sealed === undefined ? rights : provenRights(rights, key)
  }

  /** The membership that an act needs. Throws a Refusal that says what is missing. */
  member(session: Session, name: string, right: Right): Membership {
    const membership = session.memberships.get(name)
    if (membership === undefined) {
      this.get(name)
      throw new Refusal("not-member", `join pool ${name} first`)
    }
    if (!membership.rights.has(right)) throw forbidden(right, name)
    return membership
  }

  /** Makes a pool. Throws a Refusal when its name is taken, or there are too many. */
  create(session: Session, name: string, making: Making): Pool {
    const { limits, random, now } = this.#options
    if (this.#pools.has(name)) throw exists(name)
    this.#checkRoom()
    const owner = session.app?.id ?? ""
    const owned = [...this.#pools.values()].filter(({ facts }) => facts.owners[0] === owner).length
    if (owned >= limits.poolsPerApp) throw limit("poolsPerApp", limits.poolsPerApp)
    const isOpen = session.entrance.auth === "open"
    const { sealing } = making
    const facts: PoolFacts = {
      name,
      id: sealing?.sealed.id ?? random(poolIdBytes),
      ...(sealing === undefined ? {} : { rootKey: sealing.rootKey }),
      type: making.type,
      rights: making.rights ?? (isOpen ? openRights : {}),
      owners: making.owners ?? [owner],
      description: making.description,
      createdAt: now(),
    }
    this.stored(() => this.#options.tables.putPool(facts, now()), sealing?.store)
    const pool = new Pool(facts, "made")
    pool.sealed = sealing?.sealed
    this.#pools.set(name, pool)
    return pool
  }

  /** A pool that an old app names and that is not there. It is not stored. */
  improvise(name: string): Pool {
    this.#checkRoom()
    const { random, now } = this.#options
    const rest = { rights: openRights, owners: [], description: "" }
    const facts: PoolFacts = {
      ...{ name, id: random(poolIdBytes), type: "local", createdAt: now() },
      ...rest,
    }
    const pool = new Pool(facts, "passing")
    this.#pools.set(name, pool)
    this.#passing.add(pool)
    pool.emptySince = now()
    return pool
  }

  /**
   * A session comes in; into an encrypted pool by the key that it has proven. Throws a Refusal when it
   * may do nothing there, or is in too many.
   */
  join(session: Session, pool: Pool, key?: ProvenKey): Membership {
    const known = session.memberships.get(pool.name)
    if (known !== undefined) return known
    const { limits, now } = this.#options
    if (pool.sealed !== undefined && key === undefined) {
      throw new Refusal("forbidden", `pool ${pool.name} is encrypted: join it by a proof of a key`)
    }
    const rights = this.#rightsBy(session, pool, key)
    if (rights.size === 0) throw forbidden("read", pool.name)
    if (session.memberships.size >= limits.poolsPerApp)
      throw limit("poolsPerApp", limits.poolsPerApp)
    const own = key === undefined ? {} : { key }
    const membership: Membership = { pool, session, rights, since: now(), ...own }
    session.memberships.set(pool.name, membership)
    pool.members.set(session, membership)
    pool.emptySince = undefined
    this.#options.announce("$sys.member.joined", pool, { pool: pool.name, app: session.name })
    return membership
  }

  /** A member of an encrypted pool has proven another key, or can rest on one less. */
  prove(membership: Membership, key: ProvenKey): void {
    membership.key = key
    membership.rights = this.rightsOf(membership.session, membership.pool)
    this.#options.narrowed(membership)
  }

  /** A session is no member any more: what it did there ends. */
  leave(membership: Membership): void {
    const { pool, session } = membership
    if (!pool.members.delete(session)) return
    session.memberships.delete(pool.name)
    membership.rights = new Set()
    this.#options.narrowed(membership)
    if (pool.members.size === 0) pool.emptySince = this.#options.now()
    this.#options.announce("$sys.member.left", pool, { pool: pool.name, app: session.name })
  }

  /** New lists. Who may do nothing any more is removed and told. */
  setRights(pool: Pool, rights: RightLists): void {
    const { tables, now } = this.#options
    const facts = { ...pool.facts, rights }
    if (pool.kind === "made") this.stored(() => tables.putPool(facts, now()))
    pool.facts = facts
    for (const membership of [...pool.members.values()]) {
      membership.rights = this.rightsOf(membership.session, pool)
      if (membership.rights.size > 0) this.#options.narrowed(membership)
      else this.remove(membership, "no right is left")
    }
  }

  /** Shows a member out. */
  remove(membership: Membership, reason: string): void {
    const { pool, session } = membership
    this.leave(membership)
    const body = { type: "pool", operation: "removed", pool: pool.name, reason }
    session.send({ kind: "plain", body })
  }

  /**
   * Ends a pool; `forget` removes what else is stored of it. Its calls have been ended before. Throws a
   * Refusal when its row cannot be removed.
   */
  destroy(pool: Pool, forget?: () => void): void {
    if (pool.kind === "made") this.stored(() => this.#options.tables.dropPool(pool.name), forget)
    this.#options.destroyed(pool)
    for (const membership of [...pool.members.values()]) {
      this.leave(membership)
      const body = { type: "pool", operation: "destroyed", pool: pool.name }
      membership.session.send({ kind: "plain", body })
    }
    this.#pools.delete(pool.name)
    this.#passing.delete(pool)
  }

  tick(now: number): void {
    for (const pool of this.#passing) {
      const { emptySince } = pool
      if (emptySince === undefined || pool.blocks.size > 0) continue
      if (now - emptySince < this.#options.limits.emptyPoolMs) continue
      this.#pools.delete(pool.name)
      this.#passing.delete(pool)
    }
  }

  #builtIn(name: string, rights: RightLists): Pool {
    const rest = { owners: [], description: "", createdAt: 0 }
    const facts = { name, id: new Uint8Array(poolIdBytes), type: "local", rights, ...rest } as const
    const pool = new Pool(facts, "built-in")
    this.#pools.set(name, pool)
    return pool
  }

  #checkRoom(): void {
    const { poolLimit } = this.#options.limits
    if (this.#pools.size >= poolLimit) throw limit("poolLimit", poolLimit)
  }

  /** Writes, all of it in one transaction. Throws a Refusal when the store cannot be written. */
  stored(...writes: readonly ((() => void) | undefined)[]): void {
    try {
      this.#options.tables.together(() => {
        for (const write of writes) write?.()
      })
    } catch {
      // The store tells `/health` and its log why; whoever asked only needs to know that it is not done.
      throw new Refusal("unavailable", "the store cannot be written now", { retryAfterMs: 1_000 })
    }
  }
}

export function exists(pool: string): Refusal {
  return new Refusal("pool-exists", `there is a pool ${pool} already`)
}

export function forbidden(right: Right, pool: string): Refusal {
  const detail = { right, pool }
  return new Refusal("forbidden", `this needs the right ${right} in pool ${pool}`, { detail })
}

/** A count that is full. */
export function limit(name: string, value: number): Refusal {
  return new Refusal("limit", `${name}, ${value}, is reached`, { detail: { limit: name, value } })
}
