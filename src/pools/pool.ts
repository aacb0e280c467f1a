/**
 * A pool: a namespace of triggers and topics, with its members and their rights.
 *
 * What always holds: names in two pools never meet; a member's rights are worked out when it joins and
 * whenever the lists change, so a call only looks them up.
 */
import { rights as allRights, type Right, type ToldEmit } from "../wire/pools-shapes.ts"
import type { Narrowing, Session } from "./session.ts"
import { Topics } from "./topics.ts"
import type { Trigger } from "./trigger.ts"

/** Who has each right: app ids, or beginnings of them with a star. */
export type RightLists = Readonly<Partial<Record<Right, readonly string[]>>>

/** What of a pool is stored. */
export interface PoolFacts {
  readonly name: string
  /** 16 bytes, drawn when it is made. */
  readonly id: Uint8Array
  readonly type: "local" | "global"
  readonly rights: RightLists
  readonly owners: readonly string[]
  readonly description: string
  readonly createdAt: number
}

export interface Membership {
  readonly pool: Pool
  readonly session: Session
  rights: ReadonlySet<Right>
  readonly since: number
}

/** What everyone may do in a pool that was made without lists where nobody has to prove anything. */
export const openRights: RightLists = {
  read: ["*"],
  write: ["*"],
  execute: ["*"],
  handle: ["*"],
}

export class Pool {
  facts: PoolFacts
  /** "passing": made by a 0.1 handshake, and gone when nobody is in it for a while. */
  readonly kind: "built-in" | "made" | "passing"
  readonly members = new Map<Session, Membership>()
  readonly triggers = new Map<string, Trigger>()
  readonly topics = new Topics()
  /** The last emit of each name that was to be kept. */
  readonly retained = new Map<string, ToldEmit>()
  /** How many emits there were: the number of the last. */
  emitted = 0
  emptySince: number | undefined

  constructor(facts: PoolFacts, kind: Pool["kind"]) {
    this.facts = facts
    this.kind = kind
  }

  get name(): string {
    return this.facts.name
  }

  /** What an app may do here. Owners may everything; a token can only take from that. */
  rightsOf(appId: string, narrowing: Narrowing | undefined): ReadonlySet<Right> {
    const { owners, rights } = this.facts
    const narrowed = (right: Right) =>
      (narrowing?.pools?.includes(this.name) ?? true) &&
      (narrowing?.rights?.includes(right) ?? true)
    const grants = (right: Right) =>
      owners.includes(appId) || (rights[right] ?? []).some((each) => covers(each, appId))
    return new Set(allRights.filter((right) => grants(right) && narrowed(right)))
  }
}

function covers(pattern: string, appId: string): boolean {
  return pattern.endsWith("*") ? appId.startsWith(pattern.slice(0, -1)) : pattern === appId
}
