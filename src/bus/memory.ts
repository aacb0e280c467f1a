/**
 * The bus in memory: a hub that several servers of one process may join.
 *
 * What always holds: every answer and every message comes in a later microtask, never within the
 * call, in the order of the calls, and what a server asked before it left is answered "away". There
 * are no timers: time is the clock with which a server joined.
 */
import { type Answer, guard, type Undo } from "../service.ts"
import type { BusFigures, BusOptions, Claim, CountedBus } from "./bus.ts"
import { Claims } from "./claims.ts"

/** What may be published in one turn before it is delivered. Beyond it the oldest is lost, and told as a gap. */
const queueMessages = 10_000
const queueBytes = 8 * 1024 * 1024

/** An object for each listener, so that one function may listen twice. */
interface Ear<T> {
  readonly listener: (heard: T) => void
}

/** On its way through a hub. */
export interface Message {
  readonly from: Member
  readonly channel: string
  readonly data: Uint8Array
  readonly heard: Answer<number>
}

// Nothing leaves this process, so there is nothing to count.
const none: BusFigures = {
  isConfigured: false,
  connection: "disconnected",
  published: 0,
  received: 0,
  dropped: 0,
  forged: 0,
  reconnects: 0,
  subscriptions: 0,
  queuedMessages: 0,
  queuedBytes: 0,
  lastPublishAt: 0,
  lastReceiveAt: 0,
}

/** Where the servers of one process meet. Lives as long as they do. */
export class MemoryHub {
  readonly claims = new Claims()
  readonly #members = new Set<Member>()
  #queue: Message[] = []
  #queuedBytes = 0

  /** A bus for one more server, whose name none of the others has. */
  join(options: BusOptions): CountedBus {
    const member = new Member(this, options)
    this.#members.add(member)
    return member
  }

  leave(member: Member): void {
    this.#members.delete(member)
  }

  /** Tells all servers that something may have been missed, on `channel` or (undefined) on all. Tests call it too. */
  gap(channel: string | undefined): void {
    queueMicrotask(() => {
      for (const member of [...this.#members]) member.missed(channel)
    })
  }

  publish(message: Message): void {
    if (this.#queue.length === 0) queueMicrotask(() => this.#deliver())
    this.#queue.push(message)
    this.#queuedBytes += message.data.length
    while (this.#queue.length > queueMessages || this.#queuedBytes > queueBytes) {
      const lost = this.#queue.shift()
      if (lost === undefined) return
      this.#queuedBytes -= lost.data.length
      this.gap(lost.channel)
      lost.from.answer("away", lost.heard)
    }
  }

  /** Brings `message` to one server; whether that one listened. A test lets it fail. */
  protected carry(message: Message, to: Member): boolean {
    return to.hear(message)
  }

  #deliver(): void {
    const messages = this.#queue
    this.#queue = []
    this.#queuedBytes = 0
    for (const message of messages) {
      const heard = [...this.#members].filter((member) => this.carry(message, member))
      message.from.answer(heard.length, message.heard)
    }
  }
}

/** The bus of one server of a hub. */
export class Member implements CountedBus {
  readonly figures = none
  readonly server: string
  state: "ready" | "away" = "ready"
  readonly #hub: MemoryHub
  readonly #options: BusOptions
  readonly #earsByChannel = new Map<string, Set<Ear<Uint8Array>>>()
  readonly #gapEars = new Set<Ear<string | undefined>>()

  constructor(hub: MemoryHub, options: BusOptions) {
    this.server = options.server
    this.#hub = hub
    this.#options = options
  }

  now(): number {
    return this.#options.now()
  }

  publish(channel: string, data: Uint8Array, heard: Answer<number> = () => {}): void {
    if (this.state === "ready") this.#hub.publish({ from: this, channel, data, heard })
    else this.answer("away", heard)
  }

  subscribe(channel: string, listener: (data: Uint8Array) => void, confirmed = () => {}): Undo {
    const ears = this.#earsByChannel.get(channel) ?? new Set()
    if (this.state === "ready") this.#earsByChannel.set(channel, ears)
    const ear = { listener }
    ears.add(ear)
    queueMicrotask(() => {
      if (this.state === "ready" && ears.has(ear)) this.#tell(confirmed)
    })
    return () => {
      ears.delete(ear)
      // A later subscription may have made a new set.
      const isLast = ears.size === 0 && this.#earsByChannel.get(channel) === ears
      if (isLast) this.#earsByChannel.delete(channel)
    }
  }

  onGap(listener: (channel: string | undefined) => void): Undo {
    const ear = { listener }
    this.#gapEars.add(ear)
    return () => this.#gapEars.delete(ear)
  }

  claim(name: string, value: string, forMs: number, answer: Answer<Claim>): void {
    this.#ask(() => this.#hub.claims.take(name, value, forMs, this.now()), answer)
  }

  renew(claim: Claim, forMs: number, answer: Answer<boolean>): void {
    this.#ask(() => this.#hub.claims.renew(claim, forMs, this.now()), answer)
  }

  put(key: string, data: Uint8Array, forMs: number, claim?: Claim): void {
    const kept = { until: this.now() + forMs, claim, data }
    if (this.state === "ready") this.#hub.claims.put(key, kept, this.now())
  }

  get(key: string, answer: Answer<Uint8Array | undefined>): void {
    this.#ask(() => this.#hub.claims.get(key, this.now()), answer)
  }

  probe(answer: Answer<number>): void {
    const asked = this.now()
    const took = (at: number | "away") => answer(at === "away" ? at : this.now() - at)
    this.#ask(() => asked, took)
  }

  // There is nothing between us that could break.
  reconnect(): void {}

  async close(): Promise<void> {
    this.state = "away"
    this.#hub.leave(this)
    this.#earsByChannel.clear()
    this.#gapEars.clear()
  }

  /** Hands a message to whoever listens, unless it is our own; whether anybody listens here. */
  hear({ from, channel, data }: Message): boolean {
    const ears = this.#earsByChannel.get(channel)
    if (ears !== undefined && from !== this) this.#tellAll(ears, data)
    return ears !== undefined
  }

  missed(channel: string | undefined): void {
    this.#tellAll(this.#gapEars, channel)
  }

  /** Gives `value` to who asked, later, or "away" if we have left by then. */
  answer<T>(value: T | "away", answer: Answer<T>): void {
    queueMicrotask(() => this.#tell(() => answer(this.state === "ready" ? value : "away")))
  }

  // What is asked is decided now, in the order of the calls.
  #ask<T>(decide: () => T | "away", answer: Answer<T>): void {
    this.answer(this.state === "ready" ? decide() : "away", answer)
  }

  #tellAll<T>(ears: ReadonlySet<Ear<T>>, heard: T): void {
    // One listener may end another while it hears.
    for (const ear of [...ears]) if (ears.has(ear)) this.#tell(() => ear.listener(heard))
  }

  #tell(work: () => void): void {
    guard(this.#options.log, "bus", work)
  }
}
