/**
 * What an app handles and listens to: taken together or not at all.
 *
 * What always holds: everything is checked before the first change, so a refused list changes nothing;
 * a trigger of a pool has one policy, and one registration of a session.
 */
import { Refusal } from "../wire/pools-errors.ts"
import type { Offer, TopicOffer } from "../wire/pools-shapes.ts"
import type { Calls } from "./calls.ts"
import type { Emits } from "./emits.ts"
import type { Limits } from "./limits.ts"
import type { Membership, Pool } from "./pool.ts"
import { forbidden, limit } from "./realm.ts"
import type { Session } from "./session.ts"
import { tokensOf } from "./topics.ts"
import { Registration, Trigger } from "./trigger.ts"

export interface RegisteringOptions {
  readonly limits: Limits
  readonly calls: Calls
  readonly emits: Emits
  readonly announce: (event: string, about: Pool, fact: object) => void
}

export class Registering {
  readonly #options: RegisteringOptions

  constructor(options: RegisteringOptions) {
    this.#options = options
  }

  /** Whether these could be registered in a pool. Throws the Refusal that says why not. */
  check(pool: Pool, offers: readonly Offer[]): void {
    const { limits } = this.#options
    const policies = new Map<string, string>()
    for (const [at, { name, policy, ...rest }] of offers.entries()) {
      const field = `/triggers/${at}`
      if (name.startsWith("$sys.")) throw new Refusal("forbidden", `${name} is the server's`)
      const trigger = pool.triggers.get(name)
      const others = trigger?.registrations.length ?? 0
      const asked = policy ?? "round_robin"
      const known = others > 0 ? trigger?.policy : policies.get(name)
      if (known !== undefined && known !== asked) {
        const sentence = `${name} has the policy ${known}`
        throw new Refusal("policy-conflict", sentence, { field, detail: { policy: known } })
      }
      policies.set(name, asked)
      if (JSON.stringify(rest).length > limits.metadataLimitBytes) {
        const sentence = `a trigger's schemas hold at most metadataLimitBytes, ${limits.metadataLimitBytes}`
        throw new Refusal("too-large", sentence, { field })
      }
    }
    if (pool.triggers.size + policies.size > limits.triggersPerPool) {
      throw limit("triggersPerPool", limits.triggersPerPool)
    }
  }

  /** Registers them. What the session handled under the same name before is replaced. */
  register({ pool, session }: Membership, offers: readonly Offer[]): void {
    const { limits, calls, announce } = this.#options
    for (const offer of offers) {
      const trigger = pool.triggers.get(offer.name) ?? new Trigger(pool, offer.name)
      const before = trigger.of(session)
      if (before !== undefined) calls.hands.unregistered(before)
      pool.triggers.set(offer.name, trigger)
      if (trigger.registrations.length === 0) trigger.policy = offer.policy ?? "round_robin"
      const { concurrency, queue } = limits
      const registration = new Registration(trigger, session, { offer, concurrency, queue })
      trigger.registrations.push(registration)
      session.registrations.add(registration)
      if (before !== undefined) inherit(before, registration)
      const fact = { pool: pool.name, trigger: offer.name, app: session.name }
      announce("$sys.trigger.added", pool, fact)
      calls.hands.registered(registration)
    }
  }

  unregister(session: Session, pool: Pool, names: readonly string[]): void {
    for (const name of names) {
      const registration = pool.triggers.get(name)?.of(session)
      if (registration !== undefined) this.drop(registration)
    }
  }

  /** Ends one registration. */
  drop(registration: Registration): void {
    const { trigger, session } = registration
    this.#options.calls.hands.unregistered(registration)
    const fact = { pool: trigger.pool.name, trigger: trigger.name, app: session.name }
    this.#options.announce("$sys.trigger.removed", trigger.pool, fact)
  }

  /** Whether these could be listened to. Throws the Refusal that says why not. */
  checkTopics(session: Session, topics: readonly TopicOffer[]): void {
    for (const { pattern } of topics) tokensOf(pattern)
    const { subscriptionsPerApp } = this.#options.limits
    if (session.subscriptions.size + topics.length > subscriptionsPerApp) {
      throw limit("subscriptionsPerApp", subscriptionsPerApp)
    }
  }

  subscribe({ pool, session }: Membership, topics: readonly TopicOffer[]): void {
    for (const topic of topics) {
      const known = find(session, pool, topic)
      if (known !== undefined) this.#options.emits.unsubscribe(pool, known)
      this.#options.emits.subscribe(session, pool, topic)
    }
  }

  unsubscribe(session: Session, pool: Pool, topics: readonly TopicOffer[]): void {
    for (const topic of topics) {
      const known = find(session, pool, topic)
      if (known !== undefined) this.#options.emits.unsubscribe(pool, known)
    }
  }

  /** A membership has ended or may less: what rested on its rights ends. */
  narrowed({ pool, session, rights }: Membership): void {
    if (!rights.has("handle")) {
      for (const each of [...session.registrations]) if (each.trigger.pool === pool) this.drop(each)
    }
    if (rights.has("read")) return
    for (const each of [...session.subscriptions]) {
      if (each.pool === pool.name) this.#options.emits.unsubscribe(pool, each)
    }
  }
}

/** What is needed to register in a pool, and to listen there. Throws a Refusal. */
export function mayRegister(
  pool: Pool,
  rights: ReadonlySet<string>,
  what: {
    readonly triggers: number
    readonly topics: number
  },
): void {
  if (what.triggers > 0 && !rights.has("handle")) throw forbidden("handle", pool.name)
  if (what.topics > 0 && !rights.has("read")) throw forbidden("read", pool.name)
}

/** What the session holds already fills places of its new registration. */
function inherit(before: Registration, registration: Registration): void {
  for (const held of before.session.held.values()) {
    if (held.registration === before) held.registration = registration
  }
  registration.pending = before.pending
}

function find(session: Session, pool: Pool, { pattern, group }: TopicOffer) {
  return [...session.subscriptions].find(
    (each) =>
      each.pool === pool.name && each.offer.pattern === pattern && each.offer.group === group,
  )
}
