/**
 * Every limit of the operators by name, and how often something may happen: token buckets over `now`.
 *
 * What always holds: time is what the last tick said; a bucket never holds more than its burst; and
 * buckets by a stranger's key are bounded in number, the one used longest ago is forgotten first.
 */
import { gotIds, lineBytes, textBytes, textLines } from "../wire/operators.ts"

/** Sizes in bytes, times in ms, all else in pieces. */
export const limits = {
  lineBytes,
  textBytes,
  textLines,
  gotIds,
  mailboxMessages: 256,
  mailboxBytes: 262_144,
  /** Of one mailbox, for one sender. */
  mailboxShareMessages: 64,
  mailboxShareBytes: 65_536,
  /** Of all mailboxes, for one sender. */
  senderWaitingMessages: 256,
  senderWaitingBytes: 1_048_576,
  /** Of all mailboxes together. */
  mailboxesBytes: 67_108_864,
  /** What a message takes besides its text. */
  messageBytes: 64,
  expiryMs: 604_800_000,
  refsPerCallsign: 256,
  sessionsPerCallsign: 5,
  connections: 1_024,
  /** Connections that have not logged in. */
  strangers: 64,
  connectionsPerCircuit: 4,
  strangerMs: 300_000,
  strangerLines: 16,
  failuresPerConnection: 5,
  failuresPerCircuit: 10,
  failuresPerCallsign: 30,
  /** In which so many failures of a circuit, or registrations, may be. */
  windowMs: 600_000,
  /** After which a callsign may fail once more. */
  failureRefillMs: 20_000,
  failureKeys: 10_000,
  circuitKeys: 10_000,
  hashWaiting: 64,
  hashWaitingPerCircuit: 2,
  /** For which an invitation is good. */
  inviteMs: 604_800_000,
  registrations: 30,
  registrationsPerCircuit: 1,
  accounts: 1_000,
  messagesPerSecond: 2,
  messageBurst: 5,
  pingMs: 30_000,
  quietMs: 150_000,
} as const

export type Limits = { readonly [Name in keyof typeof limits]: number }

/** What a bucket holds: `burst` at most, one more after each `refillMs`. */
export interface Rate {
  readonly burst: number
  readonly refillMs: number
}

/** One bucket. It starts full. */
export class Bucket {
  readonly #rate: Rate
  #level: number
  #at: number

  constructor(rate: Rate, now: number) {
    this.#rate = rate
    this.#level = rate.burst
    this.#at = now
  }

  /** ms until there is one to take; 0 when there is. */
  waitMs(now: number): number {
    this.#refill(now)
    // A hair's breadth is what adding fractions loses.
    return this.#level >= 1 - 1e-9 ? 0 : (1 - this.#level) * this.#rate.refillMs
  }

  /** Takes one, if there is one. */
  take(now: number): boolean {
    if (this.waitMs(now) > 0) return false
    this.#level -= 1
    return true
  }

  isFull(now: number): boolean {
    this.#refill(now)
    return this.#level >= this.#rate.burst
  }

  #refill(now: number): void {
    const passed = Math.max(0, now - this.#at)
    this.#at = now
    this.#level = Math.min(this.#rate.burst, this.#level + passed / this.#rate.refillMs)
  }
}

/** A bucket for each key. A full one need not be kept. */
export class Buckets {
  readonly #rate: Rate
  readonly #limit: number
  // In the order of their last use, the oldest first.
  readonly #byKey = new Map<string, Bucket>()

  /** Keeps at most `limit` keys. */
  constructor(rate: Rate, limit: number) {
    this.#rate = rate
    this.#limit = limit
  }

  get size(): number {
    return this.#byKey.size
  }

  /** As of a bucket; a key that is undefined has no limit. */
  waitMs(key: string | undefined, now: number): number {
    return key === undefined ? 0 : (this.#byKey.get(key)?.waitMs(now) ?? 0)
  }

  take(key: string | undefined, now: number): void {
    if (key === undefined) return
    const bucket = this.#byKey.get(key) ?? new Bucket(this.#rate, now)
    bucket.take(now)
    this.#byKey.delete(key)
    this.#byKey.set(key, bucket)
    if (this.#byKey.size <= this.#limit) return
    const [oldest] = this.#byKey.keys()
    if (oldest !== undefined) this.#byKey.delete(oldest)
  }

  /** Forgets those that are full again, the oldest first. */
  tick(now: number): void {
    for (const [key, bucket] of this.#byKey) {
      if (!bucket.isFull(now)) return
      this.#byKey.delete(key)
    }
  }
}

/** How often logins may fail and callsigns be registered. */
export class Tries {
  readonly #failuresByCircuit: Buckets
  readonly #failuresByCallsign: Buckets
  readonly #registrationsByCircuit: Buckets
  readonly #registrations: Bucket

  constructor(limits: Limits, now: number) {
    const within = (burst: number) => ({ burst, refillMs: limits.windowMs / burst })
    const { failureKeys, circuitKeys, failuresPerCallsign: burst } = limits
    this.#failuresByCircuit = new Buckets(within(limits.failuresPerCircuit), circuitKeys)
    this.#failuresByCallsign = new Buckets({ burst, refillMs: limits.failureRefillMs }, failureKeys)
    this.#registrationsByCircuit = new Buckets(within(limits.registrationsPerCircuit), circuitKeys)
    this.#registrations = new Bucket(within(limits.registrations), now)
  }

  /** ms until a login may be tried again. */
  loginWaitMs(of: { circuit: string | undefined; callsign: string }, now: number): number {
    const byCircuit = this.#failuresByCircuit.waitMs(of.circuit, now)
    return Math.max(byCircuit, this.#failuresByCallsign.waitMs(of.callsign, now))
  }

  failed(of: { circuit: string | undefined; callsign: string }, now: number): void {
    this.#failuresByCircuit.take(of.circuit, now)
    this.#failuresByCallsign.take(of.callsign, now)
  }

  /** ms until somebody may be registered again. */
  registrationWaitMs(circuit: string | undefined, now: number): number {
    const inAll = this.#registrations.waitMs(now)
    return Math.max(inAll, this.#registrationsByCircuit.waitMs(circuit, now))
  }

  registered(circuit: string | undefined, now: number): void {
    this.#registrations.take(now)
    this.#registrationsByCircuit.take(circuit, now)
  }

  tick(now: number): void {
    this.#failuresByCircuit.tick(now)
    this.#failuresByCallsign.tick(now)
    this.#registrationsByCircuit.tick(now)
  }
}
