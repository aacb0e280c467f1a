/**
 * A pool: a namespace of triggers and topics, with its members and their rights.
 *
 * What always holds: names in two pools never meet; a member's rights are worked out when it joins and
 * whenever the lists change, so a call only looks them up.
 */
import { rights as allRights, type Right, type ToldEmit } from "../wire/pools-shapes.ts"
import type { Grade } from "../wire/trinity.ts"
import type { Block } from "./blocks-block.ts"
import type { Narrowing, Session } from "./session.ts"
import { Topics } from "./topics.ts"
import type { Trigger } from "./trigger.ts"
import type { SealedPool } from "./trinity.ts"

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
  /** The owner's public key, of an encrypted pool. */
  readonly rootKey?: Uint8Array
}

/** What a member of an encrypted pool has proven. */
export interface ProvenKey {
  readonly epoch: number
  /** Of that epoch. */
  readonly grades: ReadonlySet<KeyGrade>
  /**
   * Its writer key, and the epoch in which it proved that: the one before, too, until its grace is over,
   * so that what is under way is answered while keys change.
   */
  readonly writer: { readonly key: Uint8Array; readonly epoch: number } | undefined
}

/** The three keys; a writer is proven besides. */
export type KeyGrade = Exclude<Grade, "writer">

export interface Membership {
  readonly pool: Pool
  readonly session: Session
  /** Of an encrypted pool only. */
  key?: ProvenKey
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
  /** By id. */
  readonly blocks = new Map<string, Block>()
  /** The last emit of each name that was to be kept. */
  readonly retained = new Map<string, ToldEmit>()
  /** How many emits there were: the number of the last. */
  emitted = 0
  emptySince: number | undefined
  /** What of it is encrypted; undefined where nothing is. */
  sealed: SealedPool | undefined

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

/** What of its rights a member of an encrypted pool may use, by what it has proven. */
export function provenRights(
  rights: ReadonlySet<Right>,
  key: ProvenKey | undefined,
): ReadonlySet<Right> {
  // Governing needs no key: what is signed is signed by the root.
  if (key === undefined) return new Set([...rights].filter((right) => right === "admin"))
  return new Set([...rights].filter((right) => right !== "write" || mayWrite(key)))
}

/** Whether a writer key, or the key that certifies writers, was proven. */
export function mayWrite(key: ProvenKey | undefined): boolean {
  return key !== undefined && (key.writer !== undefined || key.grades.has("seal"))
}

/** Whether an entry of a list, an id or a beginning with a star, is of this app. */
export function covers(pattern: string, appId: string): boolean {
  return pattern.endsWith("*") ? appId.startsWith(pattern.slice(0, -1)) : pattern === appId
}
