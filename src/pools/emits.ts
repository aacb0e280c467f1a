/**
 * Emits: from one app to all who listen, in the order sent, one copy for each connection.
 *
 * What always holds: who listens in a group gets an emit once for all of the group; a subscriber that
 * falls behind holds up nobody; a retained emit is the last of its name.
 */
import { Refusal } from "../wire/pools-errors.ts"
import {
  bytesOf,
  kept,
  noPayload,
  type Payload,
  spelled,
  valuePayload,
} from "../wire/pools-payload.ts"
import type { Emit, ToldEmit, TopicOffer } from "../wire/pools-shapes.ts"
import { Copies } from "../wire/pools-told.ts"
import { Backlog } from "./backlog.ts"
import type { Counts } from "./counts.ts"
import { isEmptyEnvelope } from "./encrypted-payloads.ts"
import type { Limits } from "./limits.ts"
import type { Pool } from "./pool.ts"
import type { Session } from "./session.ts"
import { matches, type Subscription, tokensOf } from "./topics.ts"

export interface EmitsOptions {
  readonly limits: Limits
  readonly counts: Counts
  /** Asks for a tick within 10 ms. */
  readonly wakeSoon: () => void
  /** Ends a session that would rather be closed than miss an emit. */
  readonly expel: (session: Session) => void
}

/** How many an emit reached, and how many of those before it made room. */
export interface Reached {
  readonly reached: number
  readonly lost: number
}

export class Emits {
  readonly #options: EmitsOptions
  readonly #limits: Limits
  readonly #counts: Counts
  // Those for whom something waits.
  readonly #behind = new Set<Session>()

  constructor(options: EmitsOptions) {
    this.#options = options
    this.#limits = options.limits
    this.#counts = options.counts
  }

  /** An app emits. Throws a Refusal when it may not be retained. */
  publish(sender: Session, pool: Pool, emit: Emit): Reached {
    const { traceparent, tracestate, trigger, payload, appFlags } = emit
    if (emit.flags.has("retain")) this.#checkRetained(pool, trigger, payload)
    const told: ToldEmit = {
      ...{ kind: "emitted", pool: pool.name, trigger, payload, appFlags },
      origin: sender.name,
      seq: ++pool.emitted,
      ...(traceparent === undefined ? {} : { traceparent }),
      ...(tracestate === undefined ? {} : { tracestate }),
    }
    if (emit.flags.has("retain")) retain(pool, told)
    this.#counts.emitsIn++
    const except = emit.flags.has("exclude_self") ? sender : undefined
    return this.#deliver(pool, told, (session) => session !== except)
  }

  /** The server itself emits, in the pool that is its own, to those who may know of it. */
  announce(
    system: Pool,
    event: string,
    fact: object,
    mayHear: (session: Session) => boolean,
  ): void {
    if (system.topics.size === 0) return
    const told: ToldEmit = {
      ...{ kind: "emitted", pool: system.name, trigger: event, appFlags: [] },
      payload: valuePayload(fact, 0),
      origin: "",
      seq: ++system.emitted,
    }
    this.#deliver(system, told, mayHear)
  }

  /** A session listens from now on. What is retained comes first. Throws a Refusal for a pattern that is none. */
  subscribe(session: Session, pool: Pool, offer: TopicOffer): Subscription {
    const tokens = tokensOf(offer.pattern)
    const subscription: Subscription = { session, pool: pool.name, offer, tokens }
    session.subscriptions.add(subscription)
    pool.topics.add(subscription)
    for (const [name, told] of pool.retained) {
      if (!matches(tokens, name)) continue
      this.#give(session, subscription, { told: { ...told, isRetained: true } })
    }
    return subscription
  }

  unsubscribe(pool: Pool | undefined, subscription: Subscription): void {
    const { session } = subscription
    pool?.topics.remove(subscription)
    session.subscriptions.delete(subscription)
    session.backlog?.forget(subscription)
  }

  /** A connection has ended. */
  left(session: Session): void {
    this.#behind.delete(session)
  }

  /** Sends what may leave by now. */
  tick(): void {
    for (const session of this.#behind) {
      this.#counts.emitsOut += session.backlog?.flush() ?? 0
      if ((session.backlog?.size ?? 0) === 0) this.#behind.delete(session)
    }
    if (this.#behind.size > 0) this.#options.wakeSoon()
  }

  #deliver(pool: Pool, told: ToldEmit, mayHear: (session: Session) => boolean): Reached {
    const hearers = new Map<Session, Subscription | undefined>()
    const groups = new Map<string, Subscription[]>()
    for (const { session } of pool.triggers.get(told.trigger)?.registrations ?? []) {
      if (mayHear(session)) hearers.set(session, undefined)
    }
    for (const subscription of pool.topics.match(told.trigger)) {
      const { session, offer } = subscription
      if (!mayHear(session)) continue
      if (offer.group === undefined) {
        if (!hearers.has(session)) hearers.set(session, subscription)
        continue
      }
      const members = groups.get(offer.group)
      if (members === undefined) groups.set(offer.group, [subscription])
      else members.push(subscription)
    }
    for (const members of groups.values()) {
      // In turn, as far as their number stays the same.
      const chosen = members[told.seq % members.length]
      if (chosen !== undefined && !hearers.has(chosen.session)) hearers.set(chosen.session, chosen)
    }
    const copies = new Copies(told)
    let lost = 0
    for (const [session, by] of hearers) lost += this.#give(session, by, { told, copies })
    this.#counts.emitsLost += lost
    return { reached: hearers.size, lost }
  }

  /** Sends, or lets it wait; gives how many were lost by that. */
  #give(
    session: Session,
    by: Subscription | undefined,
    { told, copies }: { readonly told: ToldEmit; readonly copies?: Copies },
  ): number {
    const { backlog } = session
    const isFree = !session.connection.behind && (backlog?.size ?? 0) === 0
    if (isFree) {
      this.#counts.emitsOut++
      if (backlog !== undefined && backlog.lost > 0) backlog.send(told)
      else session.sendCopy(copies ?? new Copies(told))
      return 0
    }
    session.backlog ??= new Backlog(session, this.#limits)
    const lost = session.backlog.push({ ...told, payload: kept(told.payload) }, by)
    if (lost === "full") {
      this.#options.expel(session)
      return 1
    }
    this.#behind.add(session)
    this.#options.wakeSoon()
    return lost
  }

  #checkRetained(pool: Pool, name: string, payload: Payload): void {
    const { retainedBytes, retainedPerPool } = this.#limits
    if (bytesOf(payload).length > retainedBytes) {
      throw new Refusal(
        "too-large",
        `a retained emit holds at most retainedBytes, ${retainedBytes}`,
      )
    }
    if (isEmpty(pool, payload) || pool.retained.has(name) || pool.retained.size < retainedPerPool)
      return
    const sentence = `a pool keeps at most retainedPerPool, ${retainedPerPool}`
    throw new Refusal("limit", sentence, { detail: { limit: "retainedPerPool" } })
  }
}

function retain(pool: Pool, told: ToldEmit): void {
  if (isEmpty(pool, told.payload)) pool.retained.delete(told.trigger)
  else pool.retained.set(told.trigger, { ...told, payload: kept(told.payload) })
}

function isEmpty(pool: Pool, payload: Payload): boolean {
  if (payload === noPayload || isEmptyEnvelope(pool, payload)) return true
  const { value } = spelled(payload)
  return value === undefined || value === null || value === ""
}
