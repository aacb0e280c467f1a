/**
 * Who listens on which channel, and which of them Redis has confirmed.
 *
 * What always holds: a channel is subscribed while somebody listens on it; it counts as heard only
 * when Redis has confirmed it in this life of the connections (RL62); what is asked for in one turn
 * is subscribed together.
 */
import type { Undo } from "../service.ts"

/** The connection, as subscriptions need it. Each rejects when it is over. */
export interface Wire {
  subscribe(channels: readonly string[]): Promise<void>
  unsubscribe(channel: string): Promise<void>
}

export interface SubscriptionWorld {
  /** Runs what a listener does, so that a fault of one is no other's. */
  tell(work: () => void): void
  /** Redis may not have told what passed on this channel. */
  missed(channel: string): void
  /** The connection refused. */
  failed(thrown: unknown): void
}

interface Ear {
  readonly listener: (data: Uint8Array) => void
}

export class Subscriptions {
  readonly #world: SubscriptionWorld
  readonly #earsByChannel = new Map<string, Set<Ear>>()
  readonly #confirmed = new Set<string>()
  /** Asked for in this life, and not confirmed yet. */
  readonly #asked = new Set<string>()
  /** Those who wait for a confirmation. */
  readonly #waiting = new Map<string, Set<() => void>>()
  #wire: Wire | undefined
  #isAsking = false

  constructor(world: SubscriptionWorld) {
    this.#world = world
  }

  /** What Redis has confirmed. */
  get confirmed(): ReadonlySet<string> {
    return this.#confirmed
  }

  /** Returns its undo. `confirmed` is called in a later turn, once. */
  add(channel: string, listener: (data: Uint8Array) => void, confirmed: () => void): Undo {
    const ears = this.#earsByChannel.get(channel) ?? new Set()
    this.#earsByChannel.set(channel, ears)
    const ear = { listener }
    ears.add(ear)
    const told = () => {
      if (ears.has(ear)) this.#world.tell(confirmed)
    }
    if (this.#confirmed.has(channel)) queueMicrotask(told)
    else {
      const waiting = this.#waiting.get(channel) ?? new Set()
      this.#waiting.set(channel, waiting.add(told))
      this.#askSoon()
    }
    return () => {
      ears.delete(ear)
      this.#waiting.get(channel)?.delete(told)
      if (ears.size > 0 || this.#earsByChannel.get(channel) !== ears) return
      this.#earsByChannel.delete(channel)
      this.#waiting.delete(channel)
      if (this.#confirmed.delete(channel)) this.#wire?.unsubscribe(channel).catch(ignore)
    }
  }

  /** Hands a message to whoever listens. */
  deliver(channel: string, data: Uint8Array): void {
    const ears = this.#earsByChannel.get(channel)
    if (ears === undefined) return
    // One listener may end another while it hears.
    for (const ear of [...ears]) {
      if (ears.has(ear)) this.#world.tell(() => ear.listener(data))
    }
  }

  /** A new life of the connections. Resolves when all that is wanted by now is subscribed; `begin` tells it. */
  async prepare(wire: Wire): Promise<readonly string[]> {
    const channels = [...this.#earsByChannel.keys()]
    await wire.subscribe(channels)
    return channels
  }

  begin(wire: Wire, channels: readonly string[]): void {
    this.#wire = wire
    this.#confirm(channels)
    this.#askSoon()
  }

  /** The life is over: nothing is heard. */
  end(): void {
    this.#wire = undefined
    this.#confirmed.clear()
    this.#asked.clear()
  }

  /** Redis has not what it had confirmed: nobody listens there (RL63), or it is served elsewhere. */
  renew(channel: string): void {
    const wire = this.#wire
    if (wire === undefined || !this.#confirmed.delete(channel)) return
    this.#asked.add(channel)
    // Taken back first: what is subscribed already would not be asked for again.
    const again = wire.unsubscribe(channel).then(() => wire.subscribe([channel]))
    this.#settle(wire, again, () => {
      this.#confirm([channel])
      if (this.#confirmed.has(channel)) this.#world.missed(channel)
    })
  }

  /** Subscribes to all that is asked for in this turn. */
  #askSoon(): void {
    if (this.#isAsking || this.#wire === undefined) return
    this.#isAsking = true
    queueMicrotask(() => {
      this.#isAsking = false
      const wire = this.#wire
      const isNew = (channel: string) => !this.#confirmed.has(channel) && !this.#asked.has(channel)
      const channels = [...this.#waiting.keys()].filter(isNew)
      if (wire === undefined || channels.length === 0) return
      for (const channel of channels) this.#asked.add(channel)
      this.#settle(wire, wire.subscribe(channels), () => this.#confirm(channels))
    })
  }

  #settle(wire: Wire, asked: Promise<void>, done: () => void): void {
    const isOurs = () => this.#wire === wire
    asked.then(
      () => isOurs() && done(),
      (thrown: unknown) => isOurs() && this.#world.failed(thrown),
    )
  }

  #confirm(channels: readonly string[]): void {
    for (const channel of channels) {
      this.#asked.delete(channel)
      // Nobody listens any more: to Redis we would count as one who does.
      if (!this.#earsByChannel.has(channel)) {
        this.#wire?.unsubscribe(channel).catch(ignore)
        continue
      }
      this.#confirmed.add(channel)
      const waiting = this.#waiting.get(channel)
      this.#waiting.delete(channel)
      for (const told of waiting ?? []) told()
    }
  }
}

// A message that comes all the same is told to no one.
function ignore(): void {}
