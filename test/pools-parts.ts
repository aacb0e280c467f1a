/**
 * Pools with far ends that are arrays, for tests: the real service, codec and tables, a clock that is
 * turned by hand and chance from a seed. Whatever a far end hears was bytes in between.
 */
import { Log } from "../src/log.ts"
import { Buffers, type Memory } from "../src/memory.ts"
import { Metrics } from "../src/metrics.ts"
import type { Limits } from "../src/pools/limits.ts"
import { type Ask, type Entrance, Pools, type PoolsEntrance } from "../src/pools/pools.ts"
import { type Connection, guard, type Identity } from "../src/service.ts"
import { openStore, type Store } from "../src/store.ts"
import { type Code, WireError } from "../src/wire/error.ts"
import { poolsCodec } from "../src/wire/pools.ts"
import { seeded } from "./operators-stage.ts"

/** When the tests take place, ms since 1970. */
export const start = 1_700_000_000_000

/** A message as a far end reads it. */
export type Heard = Readonly<Record<string, unknown>>

export interface SeaOptions {
  readonly store?: Store
  readonly memory?: Memory
  readonly limits?: Partial<Limits>
  readonly ask?: Ask
  readonly seed?: number
  readonly now?: number
}

/** What a far end brings when it comes. */
export interface Arrival {
  readonly auth?: Entrance["auth"]
  readonly place?: Entrance["place"]
  readonly admin?: Entrance["admin"]
  readonly params?: Readonly<Record<string, string>>
}

/** The service, and all that the server would be to it. */
export class Sea {
  readonly store: Store
  readonly service: Pools
  readonly metrics = new Metrics()
  readonly log: Record<string, unknown>[] = []
  readonly faults: unknown[] = []
  /** Told of all that anyone hears, in order. */
  onHeard: (end: End, message: Heard) => void = () => {}
  now: number
  readonly #log: Log
  readonly #ends = new Set<End>()
  ids = 0

  constructor(options: SeaOptions = {}) {
    this.now = options.now ?? start
    this.store = options.store ?? openStore({ uri: ":memory:" })
    this.#log = new Log("debug", (line) => {
      const entry = JSON.parse(line)
      this.log.push(entry)
      if (entry.event === "internal error") this.faults.push(entry.stack)
    })
    this.service = new Pools({
      store: this.store,
      memory: options.memory ?? new Buffers(1024 * 1024 * 1024),
      recentStore: openStore({ uri: ":memory:" }),
      log: this.#log,
      metrics: this.metrics,
      random: seeded(options.seed ?? 1),
      wake: () => {},
      now: () => this.now,
      ask: options.ask,
      serverVersion: "1.2.3",
      drainMs: 10_000,
      shutDown: () => {},
      limits: options.limits ?? {},
    })
    this.service.tick(this.now)
  }

  /** Somebody connects. Throws the WireError that refuses it. */
  come(arrival: Arrival = {}): End {
    const { auth = "open", place = "local", admin = "none", params = {} } = arrival
    const entrance = this.service.entrance({ auth, place, admin })
    const end = new End(this, entrance, params)
    entrance.open(end)
    this.#ends.add(end)
    return end
  }

  /** An app that has shaken hands; `fields` add to its handshake. What it heard of that stands in `ack`. */
  app(app_id: string, fields: object = {}, arrival: Arrival = {}): End {
    const end = this.come(arrival)
    end.says({ type: "handshake", id: "h", app_id, protocol_version: "1.0", ...fields })
    this.turn()
    const [ack] = end.heard.splice(0, 1)
    if (ack?.["type"] !== "handshake_ack") {
      throw new Error(`${app_id} was refused: ${JSON.stringify(ack)}`)
    }
    end.ack = ack
    return end
  }

  /** The turn of the event loop is over: who was closed is told to the service. */
  turn(): void {
    for (const end of this.#ends) {
      if (end.isOpen || end.isTold) continue
      end.isTold = true
      this.#ends.delete(end)
      this.guard("close", () => end.entrance.close(end))
    }
  }

  /** Lets `ms` pass, with a tick every 100 ms and at the end. */
  pass(ms: number): void {
    this.turn()
    const until = this.now + ms
    while (this.now < until) {
      this.now = Math.min(until, this.now + 100)
      this.guard("tick", () => this.service.tick(this.now))
      this.turn()
    }
  }

  /** Lets a long time pass, with a tick every minute. */
  leap(ms: number): void {
    const until = this.now + ms
    while (this.now < until) {
      this.now = Math.min(until, this.now + 60_000)
      this.guard("tick", () => this.service.tick(this.now))
      this.turn()
    }
  }

  /** As net guards it: a fault of ours closes the connection, and is kept here. */
  guard(what: string, work: () => void, end?: End): void {
    guard(this.#log, what, work, (error) => end?.close(error.code, error.message))
  }
}

/** A far end. */
export class End implements Connection<Uint8Array | string> {
  readonly id: string
  readonly params: ReadonlyMap<string, string>
  readonly entrance: PoolsEntrance
  readonly heard: Heard[] = []
  /** Frames as they were sent. */
  readonly frames: (Uint8Array | string)[] = []
  identity: Identity | undefined
  /** How its handshake was acknowledged. */
  ack: Heard = {}
  behind = false
  isOpen = true
  isTold = false
  saidGoodbye = false
  ended: { readonly code: Code | "left"; readonly sentence: string } | undefined
  readonly #sea: Sea

  constructor(sea: Sea, entrance: PoolsEntrance, params: Readonly<Record<string, string>>) {
    this.#sea = sea
    this.id = `c${++sea.ids}`
    this.entrance = entrance
    this.params = new Map(Object.entries(params))
  }

  /** It says a message of JSON. */
  says(message: object): void {
    this.utters(JSON.stringify(message))
  }

  /** It sends one frame. */
  utters(frame: Uint8Array | string): void {
    if (!this.isOpen) return
    const receive = () => this.entrance.receive(this, poolsCodec.decode(frame))
    this.#sea.guard("receive", receive, this)
  }

  /** Its socket ends. */
  leaves(): void {
    this.isOpen = false
    this.ended ??= { code: "left", sentence: "" }
    this.#sea.turn()
  }

  /** What it heard since it was last asked. */
  news(): readonly Heard[] {
    return this.heard.splice(0)
  }

  /** All that it has heard of one type. */
  all(type: string): readonly Heard[] {
    return this.heard.filter((each) => each["type"] === type)
  }

  /** The one answer to a request of its own; throws when there is none, or more than one. */
  answerTo(id: string): Heard {
    const found = this.heard.filter(
      (each) =>
        each["correlation_id"] === id && each["type"] !== "chunk" && each["type"] !== "credit",
    )
    if (found.length !== 1) throw new Error(`${found.length} answers to ${id}`)
    return found[0] ?? {}
  }

  /** Answers a call that it was given. */
  answers(call: Heard, result: unknown): void {
    this.says({ type: "response", correlation_id: call["id"], status: "success", result })
  }

  send(frame: Uint8Array | string): void {
    if (!this.isOpen) return
    this.frames.push(frame)
    const message = typeof frame === "string" ? JSON.parse(frame) : { type: "bytes", bytes: frame }
    this.heard.push(message)
    this.#sea.onHeard(this, message)
  }

  offer(): boolean {
    throw new Error("never: pools offer nothing")
  }

  hold(): () => void {
    return () => {}
  }

  renew(identity: Identity): void {
    this.identity = identity
  }

  close(code: Code, sentence = ""): void {
    if (!this.isOpen) return
    const told = sentence === "" ? undefined : poolsCodec.refuse(new WireError(code, sentence))
    if (told !== undefined) this.send(told)
    this.isOpen = false
    this.ended = { code, sentence }
  }
}
