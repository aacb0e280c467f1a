/**
 * The bus over Redis for other people's relays, under LFCC's names.
 *
 * What always holds: each relay on it has connections of its own, which its `shutdown` closes;
 * before a relay has it nothing stays open. `connect` resolves once Redis has let everyone in, tries
 * for ever while Redis is away, and rejects where a login is refused. Afterwards connections are
 * made anew by themselves.
 */
import { randomBytes } from "node:crypto"
import {
  type Bus,
  type BusOptions,
  createRedisBus,
  type Knocked,
  knockAt,
  waitOf,
} from "./bus/bus.ts"
import type { ConnectionState, MessageBus, MessageBusMetrics, Reach } from "./collab-bus.ts"
import { systemClock } from "./collab-clock.ts"
import { type RedisBusChoice, type RedisSettings, settingsOf } from "./collab-redis-options.ts"
import { added, nothingDone, RedisSeat } from "./collab-redis-seat.ts"
import { relayDefaults } from "./relay/limits.ts"
import type { Undo } from "./service.ts"

export type { RedisBusChoice }

const after = (ms: number, work: () => void): Undo => systemClock.after(ms, work)

export class RedisMessageBus implements MessageBus {
  readonly serverId: string | undefined
  readonly #settings: RedisSettings
  readonly #seats = new Set<RedisSeat>()
  /** What seats that were given up have done. */
  #past = nothingDone
  /** "error": the last try failed. */
  #state: "disconnected" | "connecting" | "error" | "open" = "disconnected"
  #attempts = 0
  /** Those that wait in `connect`, each with what ends its waiting. */
  readonly #waiting = new Set<() => void>()
  #life = 0

  /** Throws one sentence for an option that there is not, or a value that is none. */
  constructor(choice: RedisBusChoice) {
    this.#settings = settingsOf(choice)
    this.serverId = choice.serverId
  }

  async connect(): Promise<void> {
    if (this.#state === "disconnected") this.#state = "connecting"
    const life = this.#life
    // Whoever is let in twice was let in.
    if (this.#state !== "open") await this.#knock(life)
    this.#state = "open"
    for (const seat of this.#seats) seat.open()
    for (const seat of [...this.#seats]) {
      await this.#within<undefined>((resolve) => seat.whenReady(() => resolve(undefined)))
      this.#check(life)
    }
  }

  async disconnect(): Promise<void> {
    this.#life++
    this.#state = "disconnected"
    for (const end of [...this.#waiting]) end()
    await Promise.all([...this.#seats].map((seat) => seat.shut()))
  }

  isConnected(): boolean {
    return this.getConnectionState() === "connected"
  }

  getConnectionState(): ConnectionState {
    if (this.#state !== "open") return this.#state
    const states = [...this.#seats].map(({ figures }) => figures.connection)
    return states.find((each) => each !== "connected") ?? "connected"
  }

  getMetrics(): MessageBusMetrics {
    const done = [...this.#seats].map(({ figures }) => figures).reduce(added, this.#past)
    return {
      connectionState: this.getConnectionState(),
      messagesPublished: done.published,
      messagesReceived: done.received,
      messagesDropped: done.dropped,
      activeSubscriptions: done.subscriptions,
      reconnectionAttempts: this.#attempts + done.reconnects,
      lastPublishTimestamp: done.lastPublishAt || undefined,
      lastReceiveTimestamp: done.lastReceiveAt || undefined,
    }
  }

  get probeMs(): number | undefined {
    return this.#settings.probeMs
  }

  get reach(): Reach {
    const activeSubscriptions = this.getMetrics().activeSubscriptions
    return { configured: true, connected: this.isConnected(), activeSubscriptions }
  }

  join(options: BusOptions): Bus {
    const { place, reconnect, secret, queueMessages, queueBytes } = this.#settings
    const { parcelBytes } = relayDefaults
    const limits = { busQueueMessages: queueMessages, busQueueBytes: queueBytes, parcelBytes }
    const seat: RedisSeat = new RedisSeat({
      options,
      connect: () =>
        createRedisBus({
          ...options,
          ...place,
          reconnect,
          secret,
          limits,
          random: (length) => randomBytes(length),
          after,
        }),
      left: (figures) => {
        this.#seats.delete(seat)
        this.#past = added(this.#past, figures)
      },
    })
    this.#seats.add(seat)
    if (this.#state === "open") seat.open()
    return seat
  }

  /** Asks until Redis lets us in. Throws where it refuses, or where `disconnect` came first. */
  async #knock(life: number): Promise<void> {
    const { place, reconnect } = this.#settings
    for (let tries = 0; ; tries++) {
      const found = await this.#within<Knocked>((resolve) => knockAt({ ...place, after }, resolve))
      this.#check(life)
      if (found === undefined || found.kind === "open") return
      this.#attempts++
      if (found.kind !== "away") {
        this.#state = "disconnected"
        const what = found.kind === "refused" ? "Redis refuses the login" : "tls: cannot be used"
        throw new Error(`${what}: ${found.why}`)
      }
      this.#state = "error"
      const waitMs = waitOf(reconnect, tries, randomBytes(1)[0] ?? 0)
      await this.#within<undefined>((resolve) => after(waitMs, () => resolve(undefined)))
      this.#check(life)
    }
  }

  /** What `ask` resolves with; undefined where `disconnect` came first. */
  #within<T>(ask: (resolve: (value: T) => void) => Undo): Promise<T | undefined> {
    return new Promise((resolve) => {
      const end = (value?: T) => {
        this.#waiting.delete(stop)
        resolve(value)
      }
      const stop = () => {
        undo()
        end()
      }
      this.#waiting.add(stop)
      const undo = ask(end)
    })
  }

  #check(life: number): void {
    if (life !== this.#life) throw new Error("it was disconnected before it was connected")
  }
}
