/**
 * The bus of other people's relays under LFCC's names: one in memory, for relays of one process, or
 * one over Redis.
 *
 * What always holds: it may be given to several relays; each is a server of its own on it. Before
 * `connect` and after `disconnect` it answers "away" and carries nothing, and what is asked of it
 * then is never an error.
 */
import type { Bus, BusOptions, Claim } from "./bus/bus.ts"
import { MemoryHub } from "./bus/memory.ts"
import { type RedisBusChoice, RedisMessageBus } from "./collab-redis.ts"
import type { Answer, Undo } from "./service.ts"

export type ConnectionState = "disconnected" | "connecting" | "connected" | "error"

/** What a bus has done. Timestamps are ms since 1970; undefined for what was never done. */
export interface MessageBusMetrics {
  readonly connectionState: ConnectionState
  readonly messagesPublished: number
  readonly messagesReceived: number
  readonly messagesDropped: number
  readonly activeSubscriptions: number
  readonly reconnectionAttempts: number
  readonly lastPublishTimestamp: number | undefined
  readonly lastReceiveTimestamp: number | undefined
}

/** How a bus reaches beyond this process. */
export interface Reach {
  readonly configured: boolean
  readonly connected: boolean
  readonly activeSubscriptions: number
}

/** How relays reach each other. One may be given to several relays. */
export interface MessageBus {
  /** Resolves when it is connected for the first time. */
  connect(): Promise<void>
  disconnect(): Promise<void>
  isConnected(): boolean
  getConnectionState(): ConnectionState
  getMetrics(): MessageBusMetrics
}

/** Channels of documents. */
const ofDocuments = /^lfcc:(doc|yjs):/

class InMemoryMessageBus implements MessageBus {
  readonly counts = { published: 0, received: 0, dropped: 0, subscriptions: 0, attempts: 0 }
  lastPublished: number | undefined
  lastReceived: number | undefined
  readonly serverId: string | undefined
  readonly #hub = new MemoryHub()
  #state: ConnectionState = "disconnected"
  #wasConnected = false

  constructor(serverId: string | undefined) {
    this.serverId = serverId
  }

  async connect(): Promise<void> {
    if (this.#state === "connected") return
    this.#state = "connected"
    // What was said since it was disconnected was heard by nobody.
    if (this.#wasConnected) this.#hub.gap(undefined)
    this.#wasConnected = true
  }

  async disconnect(): Promise<void> {
    this.#state = "disconnected"
  }

  isConnected(): boolean {
    return this.#state === "connected"
  }

  getConnectionState(): ConnectionState {
    return this.#state
  }

  getMetrics(): MessageBusMetrics {
    const { published, received, dropped, subscriptions, attempts } = this.counts
    return {
      connectionState: this.#state,
      messagesPublished: published,
      messagesReceived: received,
      messagesDropped: dropped,
      activeSubscriptions: subscriptions,
      reconnectionAttempts: attempts,
      lastPublishTimestamp: this.lastPublished,
      lastReceiveTimestamp: this.lastReceived,
    }
  }

  get reach(): Reach {
    const { subscriptions } = this.counts
    return { configured: false, connected: false, activeSubscriptions: subscriptions }
  }

  join(options: BusOptions): Bus {
    return new Joined(this, this.#hub.join(options))
  }
}

/** Makes a bus for relays of this process. `serverId` names a relay on it that is given no name of its own. */
export function createInMemoryMessageBus(options: { readonly serverId?: string } = {}): MessageBus {
  for (const name of Object.keys(options)) {
    if (name !== "serverId") throw new Error(`${name}: there is no such option of a bus in memory`)
  }
  return new InMemoryMessageBus(options.serverId)
}

/**
 * Makes a bus over Redis, for relays of any number of processes. Does not connect yet. Rejects with
 * one sentence for an option that there is not, or a value that is none.
 */
export async function createRedisAdapter(options: RedisBusChoice): Promise<MessageBus> {
  return new RedisMessageBus(options)
}

/** The name that a bus was made with. */
export function serverIdOf(bus: MessageBus): string | undefined {
  return isOurs(bus) ? bus.serverId : undefined
}

/** How a bus reaches beyond this process: one in memory does not. */
export function reachOf(bus: MessageBus): Reach {
  if (isOurs(bus)) return bus.reach
  throw unknownBus()
}

/** How often a relay on a bus is to see whether it delivers; undefined for as often as usual. */
export function probeMsOf(bus: MessageBus): number | undefined {
  return bus instanceof RedisMessageBus ? bus.probeMs : undefined
}

/** One more server on a bus. Throws one sentence for a bus that was not made here. */
export function joinBus(bus: MessageBus, options: BusOptions): Bus {
  if (isOurs(bus)) return bus.join(options)
  throw unknownBus()
}

function isOurs(bus: MessageBus): bus is InMemoryMessageBus | RedisMessageBus {
  return bus instanceof InMemoryMessageBus || bus instanceof RedisMessageBus
}

function unknownBus(): Error {
  return new Error(
    "redisAdapter: is not a bus that createInMemoryMessageBus or createRedisAdapter made",
  )
}

/** One server of a bus: counts, and is away while the bus is. */
class Joined implements Bus {
  readonly #owner: InMemoryMessageBus
  readonly #bus: Bus

  constructor(owner: InMemoryMessageBus, bus: Bus) {
    this.#owner = owner
    this.#bus = bus
  }

  get server(): string {
    return this.#bus.server
  }

  get state(): "ready" | "away" {
    return this.#owner.isConnected() ? this.#bus.state : "away"
  }

  now(): number {
    return this.#bus.now()
  }

  publish(channel: string, data: Uint8Array, heard: Answer<number> = () => {}): void {
    if (this.#isAway(heard)) {
      this.#owner.counts.dropped++
      return
    }
    this.#owner.counts.published++
    this.#owner.lastPublished = this.now()
    this.#bus.publish(channel, data, heard)
  }

  subscribe(channel: string, listener: (data: Uint8Array) => void, confirmed?: () => void): Undo {
    const { counts } = this.#owner
    // What servers say to each other is of no document.
    const weight = ofDocuments.test(channel) ? 1 : 0
    counts.subscriptions += weight
    const hear = (data: Uint8Array) => {
      if (this.state === "away") return
      counts.received++
      this.#owner.lastReceived = this.now()
      listener(data)
    }
    const forget = this.#bus.subscribe(channel, hear, confirmed)
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      counts.subscriptions -= weight
      forget()
    }
  }

  onGap(listener: (channel: string | undefined) => void): Undo {
    return this.#bus.onGap(listener)
  }

  claim(name: string, value: string, forMs: number, answer: Answer<Claim>): void {
    if (!this.#isAway(answer)) this.#bus.claim(name, value, forMs, answer)
  }

  renew(claim: Claim, forMs: number, answer: Answer<boolean>): void {
    if (!this.#isAway(answer)) this.#bus.renew(claim, forMs, answer)
  }

  put(key: string, data: Uint8Array, forMs: number, claim?: Claim): void {
    if (this.state === "ready") this.#bus.put(key, data, forMs, claim)
  }

  get(key: string, answer: Answer<Uint8Array | undefined>): void {
    if (!this.#isAway(answer)) this.#bus.get(key, answer)
  }

  probe(answer: Answer<number>): void {
    if (!this.#isAway(answer)) this.#bus.probe(answer)
  }

  reconnect(): void {
    this.#bus.reconnect()
  }

  close(): Promise<void> {
    return this.#bus.close()
  }

  /** Answers "away" in a later turn while the bus is. */
  #isAway<T>(answer: Answer<T>): boolean {
    if (this.state === "ready") return false
    queueMicrotask(() => answer("away"))
    return true
  }
}
