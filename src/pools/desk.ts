/**
 * What apps ask most: calls, emits, and changes of what they handle and hear.
 *
 * What always holds: who asks is a member with the right for it, and below its rate; a refusal comes
 * before the first change.
 */
import { Refusal } from "../wire/pools-errors.ts"
import type { Registering as Asked, Emit, Start, Subscribing } from "../wire/pools-shapes.ts"
import type { Apps } from "./apps.ts"
import type { Blocks } from "./blocks.ts"
import type { Calls } from "./calls.ts"
import type { Emits } from "./emits.ts"
import type { Payloads } from "./encrypted-payloads.ts"
import type { Limits } from "./limits.ts"
import type { Realm } from "./realm.ts"
import type { Registering } from "./registering.ts"
import type { Session } from "./session.ts"
import { Trigger } from "./trigger.ts"

export interface DeskOptions {
  readonly limits: Limits
  readonly realm: Realm
  readonly apps: Apps
  readonly calls: Calls
  readonly emits: Emits
  readonly registering: Registering
  readonly payloads: Payloads
  readonly blocks: Blocks
  readonly isDraining: () => boolean
}

export class Desk {
  readonly #options: DeskOptions

  constructor(options: DeskOptions) {
    this.#options = options
  }

  /** A call begins. Throws the Refusal that is its one answer. */
  start(session: Session, start: Start): void {
    const { realm, calls, isDraining } = this.#options
    if (isDraining()) throw new Refusal("draining", "the server is going")
    const membership = realm.member(session, start.pool, "execute")
    const { pool } = membership
    if (start.block !== undefined) this.#options.blocks.references.look(session, start.block)
    if (start.key !== undefined && start.flags.has("stream")) {
      const reason = "must not stand beside the flag stream: chunks are not kept"
      throw new Refusal("bad-message", reason, { field: "/idempotency_key", reason })
    }
    this.#options.payloads.checkStart(membership, start)
    const trigger = pool.triggers.get(start.trigger) ?? new Trigger(pool, start.trigger)
    calls.start(session, trigger, start)
  }

  /** An emit goes out. Throws the Refusal that says where it could not go. */
  emit(session: Session, emit: Emit): void {
    const { realm, emits } = this.#options
    const membership = realm.member(session, emit.pool, "write")
    const { pool } = membership
    if (pool === realm.system || emit.trigger.startsWith("$sys.")) {
      throw new Refusal("forbidden", `only the server emits ${emit.trigger} there`)
    }
    this.#options.payloads.checkEmit(membership, emit)
    const reached = emits.publish(session, pool, emit)
    if (emit.flags.has("ack") && emit.id !== undefined) session.answer(emit.id, { ...reached })
  }

  /** An app handles more, or less, in one pool. */
  register(session: Session, { kind, id, pool: name, triggers }: Asked): void {
    const { realm, apps, registering } = this.#options
    const membership = realm.member(session, name, "handle")
    const { pool } = membership
    const names = triggers.map((each) => each.name)
    if (kind === "register") {
      registering.check(pool, triggers)
      this.#options.payloads.checkOffers(membership, triggers)
    }
    session.answer(id, { pool: name, triggers: names })
    if (kind === "register") registering.register(membership, triggers)
    else registering.unregister(session, pool, names)
    apps.remember(session, session.app?.remembered.metadata)
  }

  /** An app listens to more, or less, in one pool. */
  subscribe(session: Session, { kind, id, pool: name, topics }: Subscribing): void {
    const { realm, apps, registering } = this.#options
    const membership = realm.member(session, name, "read")
    if (kind === "subscribe") registering.checkTopics(session, topics)
    // Before what is retained: who subscribes hears first that it may.
    session.answer(id, { pool: name, topics: topics.map(({ pattern }) => pattern) })
    if (kind === "subscribe") registering.subscribe(membership, topics)
    else registering.unsubscribe(session, membership.pool, topics)
    apps.remember(session, session.app?.remembered.metadata)
  }
}

/** Counts a request against its connection's rate. Throws BUSY above it. */
export function spend(session: Session, limits: Limits): void {
  const { localMessagesPerSecond, remoteMessagesPerSecond } = limits
  const isLocal = session.entrance.place === "local"
  const perSecond = isLocal ? localMessagesPerSecond : remoteMessagesPerSecond
  const { rate } = session
  const now = session.heardAt
  rate.level = Math.min(perSecond, rate.level + ((now - rate.at) * perSecond) / 1_000)
  rate.at = now
  if (rate.level < 1) {
    const retryAfterMs = Math.ceil(((1 - rate.level) * 1_000) / perSecond)
    const limit = isLocal ? "localMessagesPerSecond" : "remoteMessagesPerSecond"
    throw new Refusal("busy", `${limit}, ${perSecond}, is reached`, { retryAfterMs })
  }
  rate.level--
}
