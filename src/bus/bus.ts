/**
 * How servers reach each other: the contract.
 *
 * What always holds: nothing may rest on the bus. It carries bytes at most once, in order per
 * channel and sender, and may lose any message at any time; who needs more repairs it above.
 */
import type { Log } from "../log.ts"
import type { Metrics } from "../metrics.ts"
import type { Answer, Random, Undo } from "../service.ts"
import { type Knocked, knockAt } from "./knock.ts"
import type { After } from "./lines.ts"
import { measureBus } from "./measures.ts"
import { MemoryHub } from "./memory.ts"
import {
  type Pem,
  type Reconnect,
  type RedisPlace,
  type TlsChoice,
  usualReconnect,
  waitOf,
} from "./place.ts"
import { RedisBus } from "./redis.ts"
import { RedisDepot } from "./redis-depot.ts"
import { Seal } from "./seal.ts"

export {
  type Knocked,
  knockAt,
  type Pem,
  type Reconnect,
  type RedisPlace,
  type TlsChoice,
  usualReconnect,
  waitOf,
}

/** That `value` holds `name`. The fence is greater than that of any holder before. */
export interface Claim {
  readonly name: string
  readonly value: string
  readonly fence: number
}

/** Carries bytes between servers. Over Redis, or in memory; alone it is complete. */
export interface Bus {
  readonly server: string
  readonly state: "ready" | "away"
  /** ms since 1970 on the clock all servers share. */
  now(): number
  /**
   * Waits while the bus is away, up to a limit. `data` begins with format, kind and a zero, in whose
   * place the bus puts flags of its own. `heard` gets the number of servers that had it, ourselves too.
   */
  publish(channel: string, data: Uint8Array, heard?: Answer<number>): void
  /** Returns its undo. Our own messages may come back to us. `confirmed` comes when the bus has the subscription. */
  subscribe(channel: string, listener: (data: Uint8Array) => void, confirmed?: () => void): Undo
  /** Something may have been missed: on one channel, or (undefined) on all. */
  onGap(listener: (channel: string | undefined) => void): Undo
  /** Takes `name` unless someone holds it; the answer is the claim that stands. */
  claim(name: string, value: string, forMs: number, answer: Answer<Claim>): void
  /** Prolongs a claim, or gives it up with 0; the answer is whether it still stood. */
  renew(claim: Claim, forMs: number, answer: Answer<boolean>): void
  /** Keeps a few bytes for a time; with a claim, only if that still stands, so who is late changes nothing. */
  put(key: string, data: Uint8Array, forMs: number, claim?: Claim): void
  get(key: string, answer: Answer<Uint8Array | undefined>): void
  /** The ms a message to ourselves took, through the bus and back. */
  probe(answer: Answer<number>): void
  /** What looks open does not deliver: makes the connections anew. */
  reconnect(): void
  close(): Promise<void>
}

/** What a bus is made with. */
export interface BusOptions {
  /** Who we are on the bus; no other server has this name. */
  readonly server: string
  /** ms since 1970. */
  readonly now: () => number
  readonly log: Log
}

/** What may wait, and what may travel in one piece. */
export interface BusLimits {
  /** While Redis is away, or slow. Beyond it the oldest is lost, and told as a gap. */
  readonly busQueueMessages: number
  readonly busQueueBytes: number
  /** A longer message travels as a key that lives for half a minute. */
  readonly parcelBytes: number
}

/** What a bus has done since it began, and what it has. Probes are not counted. */
export interface BusFigures {
  /** Whether there is a Redis to connect to. */
  readonly isConfigured: boolean
  /** "error": the last try failed. */
  readonly connection: "disconnected" | "connecting" | "connected" | "error"
  readonly published: number
  /** Our own too, where they come back to us. */
  readonly received: number
  readonly dropped: number
  /** Without the keyed hash that was asked for, or with a wrong one. */
  readonly forged: number
  readonly reconnects: number
  /** Channels of rooms that Redis has confirmed. */
  readonly subscriptions: number
  readonly queuedMessages: number
  readonly queuedBytes: number
  /** ms since 1970; 0 for never. */
  readonly lastPublishAt: number
  readonly lastReceiveAt: number
}

/** A bus that says what it has done. */
export interface CountedBus extends Bus {
  readonly figures: BusFigures
}

/** Bytes kept in Redis for a time, apart from what servers tell each other. Every answer comes in a later turn. */
export interface Depot {
  /** Looks bytes up, which are kept `forMs` from now on. */
  get(key: string, forMs: number, answer: Answer<Uint8Array | undefined>): void
  /** Keeps bytes for so long while `claim` stands; the answer is whether it did. */
  put(entry: DepotEntry, claim: Claim, answer: Answer<boolean>): void
  /** The answer is whether there was something. */
  remove(key: string, answer: Answer<boolean>): void
  /** Takes or prolongs a claim; the answer is the one that stands. */
  turn(wish: TurnWish, answer: Answer<Claim>): void
  /** Gives a claim up. */
  yield(claim: Claim): void
  /** Resolves when what is under way is done, after 2 s at the latest. */
  close(): Promise<void>
}

/** A claim that is wished for. "seize": from whoever holds it, whose puts are refused from then on. */
export interface TurnWish {
  readonly name: string
  readonly value: string
  readonly forMs: number
  readonly how: "wait" | "seize"
}

/** What is put into a depot. */
export interface DepotEntry {
  readonly key: string
  readonly data: Uint8Array
  readonly forMs: number
}

/** What reaches other processes over Redis. */
export interface RedisReach extends RedisPlace {
  /** With it every message carries a keyed hash. */
  readonly secret: string | undefined
  readonly limits: BusLimits
  readonly random: Random
  readonly after: After
}

/** What reaches other processes. Without `urls` only what shares a hub is reached. */
export interface Reach extends RedisReach {
  readonly metrics: Metrics
}

/** Makes a bus over Redis whose figures nobody scrapes. Does not wait for a connection. */
export function createRedisBus(
  options: BusOptions & RedisReach & { readonly reconnect: Reconnect },
): CountedBus {
  const { secret, prefix } = options
  return new RedisBus({ ...options, seal: new Seal(secret, prefix), probed: () => {} })
}

/** Opens a depot in the Redis at `urls`, with connections of its own. Does not wait for them. */
export function openDepot(options: Pick<BusOptions & RedisReach, "log" | "urls" | "after">): Depot {
  return new RedisDepot(options)
}

/**
 * Makes the bus of this server: over Redis where it is said where that is, else in memory, where
 * several servers of one process may share a hub. Does not wait for a connection.
 */
export function createBus(options: BusOptions & Reach, hub = new MemoryHub()): CountedBus {
  const { urls, secret, metrics } = options
  const probed = metrics.histogram(
    "quartet_redis_probe_seconds",
    "How long a message to ourselves took over Redis and back",
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1],
  )
  const bus =
    urls.length === 0
      ? hub.join(options)
      : new RedisBus({ ...options, seal: new Seal(secret, options.prefix), probed })
  measureBus(metrics, bus)
  return bus
}
