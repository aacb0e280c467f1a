/**
 * The locks of one block: any number that read, or one that writes; who waits is served in order.
 *
 * What always holds: a writer is alone; a fence grows with every grant and no two grants have the
 * same; a lock ends with its lease, its holder's connection, or `unlock`, and the next is served in
 * the same turn. A request to write waits ahead of later ones to read.
 */
import { Refusal } from "../wire/pools-errors.ts"
import { limit } from "./realm.ts"

export type LockMode = "read" | "write" | "exclusive"

/** What a holder is told. */
export interface Grant {
  readonly lock: string
  readonly fence: number
  readonly leaseMs: number
}

export interface LockAsk<Owner> {
  readonly owner: Owner
  readonly mode: LockMode
  readonly leaseMs: number
  /** When waiting ends, ms since 1970. */
  readonly until: number
  readonly granted: (grant: Grant) => void
  /** Nobody gave way in time. */
  readonly refused: (refusal: Refusal) => void
}

interface Held<Owner> {
  readonly owner: Owner
  readonly mode: LockMode
  readonly leaseMs: number
  readonly fence: number
  until: number
}

export class Locks<Owner> {
  readonly #heldLimit: number
  readonly #waitingLimit: number
  readonly #held = new Map<string, Held<Owner>>()
  #waiting: LockAsk<Owner>[] = []
  #fence = 0

  constructor(limits: { readonly locksPerBlock: number; readonly locksWaitingPerBlock: number }) {
    this.#heldLimit = limits.locksPerBlock
    this.#waitingLimit = limits.locksWaitingPerBlock
  }

  /** The fence of the last grant. */
  get fence(): number {
    return this.#fence
  }

  get waiting(): number {
    return this.#waiting.length
  }

  get isIdle(): boolean {
    return this.#held.size + this.#waiting.length === 0
  }

  /** Who holds what. */
  held(): readonly { owner: Owner; mode: LockMode; fence: number; until: number }[] {
    return [...this.#held.values()]
  }

  /** Grants it now, later, or never: exactly one of the two is told. Throws LIMIT when too many wait. */
  ask(ask: LockAsk<Owner>, now: number): void {
    this.#expire(now)
    this.#serve(now)
    if (this.#waiting.length === 0 && this.#isFree(ask.mode)) {
      if (this.#held.size >= this.#heldLimit) throw limit("locksPerBlock", this.#heldLimit)
      return this.#grant(ask, now)
    }
    if (ask.until <= now) throw locked()
    if (this.#waiting.length >= this.#waitingLimit) {
      throw limit("locksWaitingPerBlock", this.#waitingLimit)
    }
    this.#waiting.push(ask)
  }

  /** A lease begins anew. Throws LOCK_LOST for who does not hold it. */
  renew(owner: Owner, lock: string | undefined, now: number): Grant {
    this.tick(now)
    const [name, held] = this.#of(owner, lock)
    held.until = now + held.leaseMs
    return { lock: name, fence: held.fence, leaseMs: held.leaseMs }
  }

  /** Gives it back. Throws LOCK_LOST for who does not hold it. */
  unlock(owner: Owner, lock: string | undefined, now: number): number {
    this.tick(now)
    const [name, held] = this.#of(owner, lock)
    this.#held.delete(name)
    this.#serve(now)
    return held.fence
  }

  /** Its connection ended: its locks are free, its requests gone. */
  left(owner: Owner, now: number): void {
    for (const [name, held] of this.#held) if (held.owner === owner) this.#held.delete(name)
    this.#waiting = this.#waiting.filter((each) => each.owner !== owner)
    this.#serve(now)
  }

  /** It may not write any more: what it holds or waits for to write is free. */
  narrowed(owner: Owner, now: number): void {
    for (const [name, held] of this.#held) {
      if (held.owner === owner && held.mode !== "read") this.#held.delete(name)
    }
    const [lost, kept] = [true, false].map((isLost) =>
      this.#waiting.filter((each) => (each.owner === owner && each.mode !== "read") === isLost),
    )
    this.#waiting = kept ?? []
    for (const each of lost ?? []) each.refused(locked())
    this.#serve(now)
  }

  /** Whether a write with this fence comes from whoever may write now. */
  admits(owner: Owner, fence: number | undefined, rule: "advisory" | "required"): boolean {
    if (fence !== undefined && fence < this.#fence) return false
    if (rule === "advisory") return true
    return [...this.#held.values()].some(
      (held) => held.owner === owner && held.mode !== "read" && held.fence === fence,
    )
  }

  /** Ends leases, and refuses who waited long enough. */
  tick(now: number): void {
    this.#expire(now)
    const late = this.#waiting.filter(({ until }) => until <= now)
    if (late.length > 0) {
      this.#waiting = this.#waiting.filter(({ until }) => until > now)
      for (const each of late) each.refused(locked())
    }
    this.#serve(now)
  }

  /** The block is gone: who waits is told why. */
  end(refusal: Refusal): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#held.clear()
    for (const each of waiting) each.refused(refusal)
  }

  #expire(now: number): void {
    for (const [name, held] of this.#held) if (held.until <= now) this.#held.delete(name)
  }

  #of(owner: Owner, lock: string | undefined): readonly [string, Held<Owner>] {
    for (const [name, held] of this.#held) {
      if (held.owner === owner && (lock === undefined || lock === name)) return [name, held]
    }
    throw new Refusal("lock-lost", "this lock is not held by this connection")
  }

  #isFree(mode: LockMode): boolean {
    if (this.#held.size === 0) return true
    return mode === "read" && [...this.#held.values()].every((held) => held.mode === "read")
  }

  #grant({ owner, mode, leaseMs, granted }: LockAsk<Owner>, now: number): void {
    const fence = ++this.#fence
    const lock = `l${fence}`
    this.#held.set(lock, { owner, mode, leaseMs, fence, until: now + leaseMs })
    granted({ lock, fence, leaseMs })
  }

  #serve(now: number): void {
    for (;;) {
      const [first] = this.#waiting
      if (first === undefined || !this.#isFree(first.mode)) return
      if (this.#held.size >= this.#heldLimit) return
      this.#waiting.shift()
      this.#grant(first, now)
    }
  }
}

function locked(): Refusal {
  return new Refusal("locked", "somebody else holds a lock", { retryAfterMs: 100 })
}
