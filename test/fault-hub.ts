/**
 * A bus that fails as buses do: it drops, doubles, delays and reorders messages, and cuts servers
 * off from each other. Everything is drawn from a seed; time is turned by hand.
 */
import { type Member, MemoryHub, type Message } from "../src/bus/memory.ts"

/** What goes wrong, as shares of messages, and how late one may come, in ms. */
export interface Faults {
  readonly drop: number
  readonly duplicate: number
  readonly delay: number
  readonly delayMs: number
}

export const noFaults: Faults = { drop: 0, duplicate: 0, delay: 0, delayMs: 0 }

/** Numbers from 0 to 1 that are the same for the same seed. Source: mulberry32. */
export function drawing(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Late {
  readonly at: number
  readonly work: () => void
}

export class FaultHub extends MemoryHub {
  faults: Faults = noFaults
  /** In which part of a cut network a server is; all are in one where none is named. */
  readonly parts = new Map<string, number>()
  /** Of a server, a channel on which it hears nothing, as if it had not subscribed. */
  readonly deaf = new Map<string, string>()
  /** Messages that came to a hub, by channel. */
  readonly #published = new Map<string, number>()
  /** Told of each message that a server publishes. */
  observe: (channel: string) => void = () => {}
  readonly #draw: () => number
  #late: Late[] = []
  #now = 0

  constructor(draw: () => number) {
    super()
    this.#draw = draw
  }

  /** It is `now`: what is late by then comes. */
  turn(now: number): void {
    this.#now = now
    const due = this.#late.filter(({ at }) => at <= now)
    this.#late = this.#late.filter(({ at }) => at > now)
    for (const { work } of due) work()
  }

  /** How many messages were published on `channel`. */
  carriedBy(channel: string): number {
    return this.#published.get(channel) ?? 0
  }

  override publish(message: Message): void {
    this.#published.set(message.channel, this.carriedBy(message.channel) + 1)
    super.publish(message)
  }

  protected override carry(message: Message, to: Member): boolean {
    const { from } = message
    if (this.deaf.get(to.server) === message.channel) return false
    if (from === to) {
      this.observe(message.channel)
      return super.carry(message, to)
    }
    if (this.parts.get(from.server) !== this.parts.get(to.server)) return false
    const { drop, duplicate, delay, delayMs } = this.faults
    // Whoever published counts it as heard: that is how messages are lost without an error.
    if (this.#draw() < drop) return true
    if (this.#draw() < duplicate) to.hear(message)
    if (this.#draw() >= delay) return super.carry(message, to)
    this.#late.push({ at: this.#now + this.#draw() * delayMs, work: () => to.hear(message) })
    return true
  }
}
