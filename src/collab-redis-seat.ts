/**
 * One relay on a bus over Redis.
 *
 * What always holds: its subscriptions and ears outlive its connections, so a bus that was
 * disconnected and connected again carries all of them, and tells that something may have been
 * missed. While it has no connections it is "away".
 */
import type { Bus, BusFigures, BusOptions, Claim, CountedBus } from "./bus/bus.ts"
import type { Answer, Undo } from "./service.ts"

/** What of a bus programs see. */
export type RedisFigures = Omit<
  BusFigures,
  "isConfigured" | "forged" | "queuedMessages" | "queuedBytes"
>

export const nothingDone: RedisFigures = {
  connection: "disconnected",
  published: 0,
  received: 0,
  dropped: 0,
  reconnects: 0,
  subscriptions: 0,
  lastPublishAt: 0,
  lastReceiveAt: 0,
}

/** What two have done, with the connection of the second. */
export function added(one: RedisFigures, two: RedisFigures): RedisFigures {
  return {
    connection: two.connection,
    published: one.published + two.published,
    received: one.received + two.received,
    dropped: one.dropped + two.dropped,
    reconnects: one.reconnects + two.reconnects,
    subscriptions: one.subscriptions + two.subscriptions,
    lastPublishAt: Math.max(one.lastPublishAt, two.lastPublishAt),
    lastReceiveAt: Math.max(one.lastReceiveAt, two.lastReceiveAt),
  }
}

/** What a seat is made with. */
export interface SeatParts {
  readonly options: BusOptions
  /** Connects anew. */
  readonly connect: () => CountedBus
  /** The relay has given it up; this is what it has done. */
  readonly left: (figures: RedisFigures) => void
}

interface Ear {
  readonly channel: string
  readonly listener: (data: Uint8Array) => void
  readonly confirmed: () => void
  forget: Undo
}

export class RedisSeat implements Bus {
  readonly #parts: SeatParts
  #bus: CountedBus | undefined
  #isClosed = false
  #past = nothingDone
  #dropped = 0
  readonly #ears = new Set<Ear>()
  readonly #gapEars = new Set<{ readonly listener: (channel: string | undefined) => void }>()
  readonly #waiting = new Set<{ readonly resolve: () => void }>()

  constructor(parts: SeatParts) {
    this.#parts = parts
  }

  get server(): string {
    return this.#parts.options.server
  }

  get state(): "ready" | "away" {
    return this.#bus?.state ?? "away"
  }

  get figures(): RedisFigures {
    const own = { ...nothingDone, dropped: this.#dropped }
    return [this.#past, this.#bus?.figures ?? nothingDone].reduce(added, own)
  }

  /** Connects, unless it is at it. Does not wait. */
  open(): void {
    if (this.#bus !== undefined || this.#isClosed) return
    const bus = this.#parts.connect()
    this.#bus = bus
    bus.onGap((channel) => {
      if (this.#bus !== bus) return
      if (bus.state === "ready") this.#settle()
      for (const ear of [...this.#gapEars]) if (this.#gapEars.has(ear)) ear.listener(channel)
    })
    for (const ear of this.#ears) this.#attach(ear, bus)
  }

  /** Calls `resolve` once it is ready, or is given up. */
  whenReady(resolve: () => void): Undo {
    const wish = { resolve }
    this.#waiting.add(wish)
    if (this.state === "ready" || this.#isClosed) queueMicrotask(() => this.#settle())
    return () => this.#waiting.delete(wish)
  }

  /** Closes its connections; it may be opened again. */
  async shut(): Promise<void> {
    const bus = this.#bus
    this.#bus = undefined
    if (bus === undefined) return
    await bus.close()
    this.#past = added(this.#past, { ...nothingDone, ...bus.figures, subscriptions: 0 })
  }

  now(): number {
    return this.#bus?.now() ?? this.#parts.options.now()
  }

  publish(channel: string, data: Uint8Array, heard: Answer<number> = () => {}): void {
    const bus = this.#reach(heard)
    if (bus === undefined) this.#dropped++
    else bus.publish(channel, data, heard)
  }

  subscribe(channel: string, listener: (data: Uint8Array) => void, confirmed = () => {}): Undo {
    let isConfirmed = false
    const told = () => {
      if (!isConfirmed) confirmed()
      isConfirmed = true
    }
    const ear: Ear = { channel, listener, confirmed: told, forget: () => {} }
    this.#ears.add(ear)
    if (this.#bus !== undefined) this.#attach(ear, this.#bus)
    return () => {
      if (this.#ears.delete(ear)) ear.forget()
    }
  }

  onGap(listener: (channel: string | undefined) => void): Undo {
    const ear = { listener }
    this.#gapEars.add(ear)
    return () => this.#gapEars.delete(ear)
  }

  claim(name: string, value: string, forMs: number, answer: Answer<Claim>): void {
    this.#reach(answer)?.claim(name, value, forMs, answer)
  }

  renew(claim: Claim, forMs: number, answer: Answer<boolean>): void {
    this.#reach(answer)?.renew(claim, forMs, answer)
  }

  put(key: string, data: Uint8Array, forMs: number, claim?: Claim): void {
    this.#bus?.put(key, data, forMs, claim)
  }

  get(key: string, answer: Answer<Uint8Array | undefined>): void {
    this.#reach(answer)?.get(key, answer)
  }

  probe(answer: Answer<number>): void {
    this.#reach(answer)?.probe(answer)
  }

  reconnect(): void {
    this.#bus?.reconnect()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.shut()
    this.#settle()
    this.#parts.left(this.figures)
  }

  #attach(ear: Ear, bus: CountedBus): void {
    ear.forget = bus.subscribe(
      ear.channel,
      (data) => this.#bus === bus && ear.listener(data),
      ear.confirmed,
    )
  }

  #settle(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const { resolve } of waiting) resolve()
  }

  /** The bus; without one "away" is answered in a later turn. */
  #reach<T>(answer: Answer<T>): CountedBus | undefined {
    if (this.#bus === undefined) queueMicrotask(() => answer("away"))
    return this.#bus
  }
}
