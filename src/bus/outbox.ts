/**
 * What is on its way to Redis, and what waits for its turn.
 *
 * What always holds: messages leave in the order in which they were given; at most so many are
 * under way, and what waits is bounded by number and bytes: beyond it the oldest is lost, and told.
 */
import type { Answer } from "../service.ts"
import type { BusLimits } from "./bus.ts"

export interface Message {
  readonly channel: string
  readonly data: Uint8Array
  readonly heard: Answer<number>
}

export interface OutboxWorld {
  /** Resolves with how many heard it; rejects when it may not have arrived. */
  send(message: Message): Promise<number>
  /** It was dropped, or may not have arrived. */
  lost(message: Message): void
}

export type OutboxLimits = Pick<BusLimits, "busQueueMessages" | "busQueueBytes">

/** Sent and not answered. More wait here than in the library, which knows no oldest. */
const underWayMessages = 1_000
const underWayBytes = 4 * 1024 * 1024

export class Outbox {
  readonly #limits: OutboxLimits
  readonly #world: OutboxWorld
  readonly #waiting: Message[] = []
  /** Where the oldest that waits lies: before it all have left. */
  #first = 0
  #bytes = 0
  #sent = 0
  #sentBytes = 0
  #isOpen = false
  #whenSent: (() => void)[] = []

  constructor(limits: OutboxLimits, world: OutboxWorld) {
    this.#limits = limits
    this.#world = world
  }

  /** How many wait, besides those under way. */
  get messages(): number {
    return this.#waiting.length - this.#first
  }

  get bytes(): number {
    return this.#bytes
  }

  add(message: Message): void {
    this.#waiting.push(message)
    this.#bytes += message.data.length
    this.#pump()
    const { busQueueMessages, busQueueBytes } = this.#limits
    while (this.messages > busQueueMessages || this.#bytes > busQueueBytes) {
      const lost = this.#shift()
      if (lost === undefined) return
      this.#world.lost(lost)
    }
  }

  /** Redis is there: what waits leaves, that for `first` before all else. */
  begin(first: string): void {
    this.#isOpen = true
    const waiting = this.#waiting.splice(0).slice(this.#first)
    this.#first = 0
    const isFirst = ({ channel }: Message) => channel === first
    this.#waiting.push(...waiting.filter(isFirst), ...waiting.filter((each) => !isFirst(each)))
    this.#pump()
  }

  /** Redis is away: what comes waits. */
  end(): void {
    this.#isOpen = false
  }

  /** Resolves when nothing is under way, and nothing waits that could leave. */
  async whenSent(): Promise<void> {
    if (this.#sent === 0) return
    await new Promise<void>((resolve) => this.#whenSent.push(resolve))
  }

  /** What waits is lost. */
  drop(): void {
    for (let message = this.#shift(); message !== undefined; message = this.#shift()) {
      this.#world.lost(message)
    }
  }

  #pump(): void {
    while (this.#isOpen && this.#sent < underWayMessages && this.#sentBytes < underWayBytes) {
      const message = this.#shift()
      if (message === undefined) return
      this.#dispatch(message)
    }
  }

  #dispatch(message: Message): void {
    const { length } = message.data
    this.#sent++
    this.#sentBytes += length
    const done = () => {
      this.#sent--
      this.#sentBytes -= length
      if (this.#sent === 0) for (const resolve of this.#whenSent.splice(0)) resolve()
      this.#pump()
    }
    this.#world.send(message).then(
      (count) => {
        message.heard(count)
        done()
      },
      () => {
        this.#world.lost(message)
        done()
      },
    )
  }

  #shift(): Message | undefined {
    const message = this.#waiting[this.#first]
    if (message === undefined) return undefined
    this.#first++
    this.#bytes -= message.data.length
    if (this.#first > 1_000 || this.#first === this.#waiting.length) {
      this.#waiting.splice(0, this.#first)
      this.#first = 0
    }
    return message
  }
}
