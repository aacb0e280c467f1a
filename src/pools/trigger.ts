/**
 * A trigger of one pool: who can handle it, and what waits for them.
 *
 * What always holds: all its registrations have one policy; registrations stand in the order in which
 * they came; a handler's `pending` is the number of calls it holds, and never above its concurrency.
 */
import type { Offer, Policy } from "../wire/pools-shapes.ts"
import type { Call } from "./call.ts"
import type { Pool } from "./pool.ts"
import { CallQueue } from "./queue.ts"
import type { Session } from "./session.ts"

export class Registration {
  readonly session: Session
  readonly trigger: Trigger
  readonly offer: Offer
  readonly concurrency: number
  readonly queueLimit: number
  readonly weight: number
  readonly isIdempotent: boolean
  /** Calls that only this one may take. */
  readonly tied = new CallQueue()
  pending = 0
  /** Smoothed time from call to answer, in ms; 0 before the first. */
  roundTripMs = 0
  /** Of the smooth weighted round. */
  turn = 0
  isOver = false

  constructor(
    trigger: Trigger,
    session: Session,
    options: {
      readonly offer: Offer
      readonly concurrency: number
      readonly queue: number
    },
  ) {
    const { offer } = options
    this.session = session
    this.trigger = trigger
    this.offer = offer
    this.concurrency = offer.concurrency ?? options.concurrency
    this.queueLimit = offer.queue ?? options.queue
    this.weight = offer.weight ?? 1
    this.isIdempotent = offer.idempotent ?? false
  }

  /** Whether it takes no new calls any more. */
  get isLeaving(): boolean {
    return this.isOver || this.session.draining !== undefined
  }

  /** Whether it could take one more call at once. */
  get hasRoom(): boolean {
    return !this.isLeaving && this.pending < this.concurrency && !this.session.connection.behind
  }
}

export class Trigger {
  readonly pool: Pool
  readonly name: string
  policy: Policy = "round_robin"
  readonly registrations: Registration[] = []
  /** Calls that any of them may take. */
  readonly queue = new CallQueue()
  /** Calls that wait for somebody to register. */
  readonly waiting = new Set<Call>()

  constructor(pool: Pool, name: string) {
    this.pool = pool
    this.name = name
  }

  /** Whether nothing is left of it. */
  get isIdle(): boolean {
    return this.registrations.length + this.waiting.size + this.queue.size === 0
  }

  /** How many may wait for any of its handlers. */
  get queueLimit(): number {
    return this.registrations.reduce((sum, each) => sum + each.queueLimit, 0)
  }

  of(session: Session): Registration | undefined {
    return this.registrations.find((each) => each.session === session)
  }
}
