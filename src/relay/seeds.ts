/**
 * Who may fill a new room: exactly one replica in the whole group.
 *
 * What always holds: a grant rests on a claim of the room's name on the bus, so of several servers
 * one has it; it is held back while the room is marked as one that had content a moment ago
 * (RL40), and it ends with the first content. Answers of the bus come in a later turn: whoever
 * asked looks again then.
 */
import type { Bus, Claim } from "../bus/bus.ts"
import type { Group } from "./group.ts"
import type { Replica } from "./replica.ts"

export interface SeedLimits {
  readonly seedHoldMs: number
  readonly markMs: number
  readonly snapshotMs: number
}

/** What seeds need of their room. */
export interface SeedWorld {
  readonly bus: Bus
  /** Whose claims are ours: servers may bear one name, by mistake. */
  readonly group: Pick<Group, "origin">
  /** Names the room on the bus. */
  readonly key: string
  /** Until then every room counts as marked: what was marked before this server began is not known. */
  readonly marksUnknownUntil: number
  /** Something was answered: look again. */
  rouse(): void
}

type Mark = "unknown" | "asked" | "marked" | "unmarked"

type Grant<R> =
  | { readonly state: "none" }
  | { readonly state: "asked" }
  /** Claimed for this server; `to` is who may fill it now. */
  | {
      readonly state: "held"
      readonly claim: Claim
      readonly to: R | undefined
      readonly at: number
    }
  /** Somebody elsewhere has it, or nobody can tell. */
  | { readonly state: "elsewhere"; readonly until: number }

const claimMs = 10_000
const claimRenewMs = 5_000
/** A mark ends by itself: who still waits looks again after so long. */
const markAgainMs = 5_000

/** `R` is what the room calls a replica. */
export class Seeds<R extends object = Replica> {
  readonly #limits: SeedLimits
  readonly #world: SeedWorld
  #mark: Mark = "unknown"
  #markAgainAt = 0
  #grant: Grant<R> = { state: "none" }
  #renewAt = Number.POSITIVE_INFINITY
  #markAt = 0
  #isOver = false

  constructor(limits: SeedLimits, world: SeedWorld) {
    this.#limits = limits
    this.#world = world
  }

  /** Whether the room had content a moment ago; "unknown" until the bus has answered. */
  marked(now: number): "marked" | "unmarked" | "unknown" {
    if (now < this.#world.marksUnknownUntil) return "marked"
    if (this.#mark === "unmarked") return "unmarked"
    if (this.#mark === "marked" && now < this.#markAgainAt) return "marked"
    if (this.#mark !== "asked") {
      this.#mark = "asked"
      this.#markAgainAt = now + markAgainMs
      this.#world.bus.get(this.#markKey, (found) => {
        this.#mark = found === undefined || found === "away" ? "unmarked" : "marked"
        this.#world.rouse()
      })
    }
    return "unknown"
  }

  /**
   * Whether `replica` may fill the room. "wait": somebody else may, or the answer is under way;
   * "no": nobody is granted it any more.
   */
  ask(replica: R, now: number): "yes" | "wait" | "no" {
    const grant = this.#grant
    switch (grant.state) {
      case "none":
        this.#claim(now)
        return "wait"
      case "asked":
        return "wait"
      case "elsewhere":
        return now < grant.until ? "wait" : "no"
      case "held": {
        if (grant.to !== undefined) return now < grant.at + this.#limits.seedHoldMs ? "wait" : "no"
        this.#grant = { ...grant, to: replica, at: now }
        return "yes"
      }
    }
  }

  /** The one who was granted the room and is here. */
  get grantee(): R | undefined {
    return this.#grant.state === "held" ? this.#grant.to : undefined
  }

  /** Until when others wait for the grantee: Infinity until that is known, and in the past without one. */
  get heldUntil(): number {
    const grant = this.#grant
    if (grant.state === "elsewhere") return grant.until
    if (grant.state === "held") return grant.at + this.#limits.seedHoldMs
    return grant.state === "asked" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
  }

  /** It was granted, and whoever had it went before the room had content: the next may have it (RL39). */
  get isFree(): boolean {
    return this.#grant.state === "held" && this.#grant.to === undefined
  }

  /** It has nothing to put in: nobody waits for it any longer. */
  decline(replica: R): void {
    if (this.#grant.state !== "held" || this.#grant.to !== replica) return
    this.#grant = { ...this.#grant, at: Number.NEGATIVE_INFINITY }
  }

  /** It went, or may no longer write: the next may have it (RL39). */
  left(replica: R): void {
    if (this.#grant.state !== "held" || this.#grant.to !== replica) return
    this.#grant = { ...this.#grant, to: undefined }
  }

  /** The room has content: there is nothing to begin, and a mark says so to others. */
  filled(now: number): void {
    if (!this.#isOver && this.#grant.state === "held") {
      this.#world.bus.renew(this.#grant.claim, 0, () => {})
      this.#grant = { state: "elsewhere", until: now }
    }
    this.#isOver = true
    this.#renewAt = Number.POSITIVE_INFINITY
  }

  /** Renews the claim of a blank room, or the mark of one with content. Returns when to look again. */
  tick(now: number, hasHolders: boolean): number {
    if (this.#isOver) {
      if (!hasHolders) return Number.POSITIVE_INFINITY
      if (this.#markAt <= now) {
        this.#markAt = now + this.#limits.markMs / 2
        this.remark()
      }
      return this.#markAt
    }
    const grant = this.#grant
    if (grant.state !== "held") return Number.POSITIVE_INFINITY
    if (this.#renewAt <= now) {
      this.#renewAt = now + claimRenewMs
      this.#world.bus.renew(grant.claim, claimMs, (stood) => {
        const held = this.#grant
        if (stood !== false || held.state !== "held" || held.claim !== grant.claim) return
        // It ended unseen, as by a sleep of this machine. Nobody here has it: ask again.
        if (held.to === undefined) this.#grant = { state: "none" }
        else this.#grant = { state: "elsewhere", until: this.#world.bus.now() }
        this.#world.rouse()
      })
    }
    return this.#renewAt
  }

  /** The room leaves from here: those who bring its content elsewhere have all the time of a mark (RL40). */
  remark(): void {
    if (!this.#isOver) return
    this.#world.bus.put(this.#markKey, new Uint8Array(1), this.#limits.markMs)
  }

  /** The room is forgotten: whoever opens it next may have it. */
  close(): void {
    if (this.#grant.state === "held" && !this.#isOver) {
      this.#world.bus.renew(this.#grant.claim, 0, () => {})
    }
    this.#grant = { state: "elsewhere", until: 0 }
  }

  #claim(now: number): void {
    const { bus, key, rouse } = this.#world
    const { origin } = this.#world.group
    this.#grant = { state: "asked" }
    bus.claim(`lfcc:seed:${key}`, origin, claimMs, (claim) => {
      if (this.#grant.state !== "asked") {
        if (claim !== "away" && claim.value === origin) bus.renew(claim, 0, () => {})
        return
      }
      if (claim === "away") {
        this.#grant = { state: "elsewhere", until: now + this.#limits.snapshotMs }
      } else if (claim.value === origin) {
        this.#grant = { state: "held", claim, to: undefined, at: now }
        this.#renewAt = now + claimRenewMs
      } else {
        this.#grant = { state: "elsewhere", until: now + this.#limits.seedHoldMs }
      }
      rouse()
    })
  }

  get #markKey(): string {
    return `lfcc:mark:${this.#world.key}`
  }
}
