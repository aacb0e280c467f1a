/**
 * The parts that run, out of those that PARTS names, as one: built, ticked, stopped and asked
 * together. To add a part, or to take one out, is a method here and a file beside this one.
 *
 * What always holds: a part is built here and nowhere else; what is thrown in a tick or a stop of
 * one reaches no other; and a part that cannot be built leaves none of those before it open.
 */
import type { CountedBus } from "./bus/bus.ts"
import type { Config } from "./config.ts"
import type { Log } from "./log.ts"
import type { Metrics } from "./metrics.ts"
import type { Connections } from "./net/connections.ts"
import type { Gate } from "./net/gate.ts"
import type { WebSocketRoute } from "./net/route.ts"
import type { Clock, Wakings } from "./server-clock.ts"
import { createDocuments, type DocumentsPart } from "./server-documents.ts"
import type { RelayHealth } from "./server-figures.ts"
import { identifyBy, poolsTlsOf } from "./server-keys.ts"
import { createOperators, type OperatorsPart } from "./server-operators.ts"
import { createPools, type PoolsPart } from "./server-pools.ts"
import { createRelay, type RelayPart } from "./server-relay.ts"
import { guard, type HttpRoute, type Random, type Service } from "./service.ts"
import type { Store } from "./store.ts"
import type { Identify } from "./tokens.ts"

/** What parts are built from. */
export interface PartsGround {
  readonly config: Config
  readonly clock: Clock
  readonly wakings: Wakings
  readonly log: Log
  readonly metrics: Metrics
  readonly connections: Connections
  readonly gate: Gate
  readonly store: Store
  readonly bus: CountedBus
  readonly random: Random
  readonly version: string
  /** Ends the server, because an admin asked for that. */
  readonly shutDown: () => void
}

/** One that runs: something to tick, to stop, and to ask how it is. */
interface Running {
  readonly name: string
  /** "none": `/health` does not name it. */
  readonly figures?: "none"
  readonly service: Pick<Service<never, never>, "tick" | "stop"> & {
    health(): { readonly ok: boolean }
  }
}

/** How the parts are, for `/health`. */
export interface PartsHealth {
  readonly relay: RelayHealth | undefined
  readonly services: Readonly<Record<string, { readonly ok: boolean }>>
}

export class Parts {
  readonly #ground: PartsGround
  /** One for all, so that keys which are fetched are fetched once. Undefined without a key. */
  #identify: Identify | undefined
  readonly #running: Running[] = []
  readonly #sockets: WebSocketRoute<unknown, unknown>[] = []
  readonly #routes: HttpRoute[] = []
  #documents: DocumentsPart | undefined
  #relay: RelayPart | undefined
  #operators: OperatorsPart | undefined
  #pools: PoolsPart | undefined

  /** Builds those that `ground.config` names. Throws one sentence when one of them cannot be had. */
  constructor(ground: PartsGround) {
    this.#ground = ground
    const { config, clock } = ground
    try {
      // Only these two take tokens: where neither runs the key is not looked at.
      if (config.parts.some((part) => part === "relay" || part === "pools")) {
        this.#identify = identifyBy(config, () => clock.now())
      }
      if (config.parts.includes("documents")) this.#addDocuments()
      if (config.parts.includes("relay")) this.#addRelay()
      if (config.parts.includes("operators")) this.#addOperators()
      if (config.parts.includes("pools")) this.#addPools()
    } catch (thrown) {
      void this.close()
      throw thrown
    }
  }

  /** What they answer over WebSocket. */
  get sockets(): readonly WebSocketRoute<unknown, unknown>[] {
    return this.#sockets
  }

  /** What they answer over HTTP. */
  get routes(): readonly HttpRoute[] {
    return this.#routes
  }

  /** Where those with listeners of their own can be reached, once they listen. */
  get places(): { readonly operators: readonly string[]; readonly pools: readonly string[] } {
    return { operators: this.#operators?.places ?? [], pools: this.#pools?.places ?? [] }
  }

  /** Rejects with one sentence when a listener cannot be had. */
  async listen(): Promise<void> {
    await this.#operators?.listen()
    await this.#pools?.listen()
  }

  /** Takes no one new where they have listeners of their own. */
  stopListening(): void {
    this.#operators?.stopListening()
    this.#pools?.stopListening()
  }

  tick(now: number): void {
    for (const { name, service } of this.#running) {
      guard(this.#ground.log, `${name} tick`, () => service.tick(now))
    }
  }

  /** The server is going: what is to be saved is saved. */
  stop(): void {
    for (const { name, service } of this.#running) {
      guard(this.#ground.log, `${name} stop`, () => service.stop())
    }
  }

  /** When all connections are closed: gives back what they hold besides the store. */
  end(): void {
    this.#operators?.stopListening()
    this.#pools?.end()
  }

  /** Ends what they have open to other machines. After `stop`. */
  async close(): Promise<void> {
    await this.#relay?.close()
  }

  get health(): PartsHealth {
    const told = this.#running.filter(({ figures }) => figures !== "none")
    return {
      relay: this.#relay?.service.health(),
      services: Object.fromEntries(told.map(({ name, service }) => [name, service.health()])),
    }
  }

  /** For `/api/stats`. */
  get stats(): object {
    return { ...this.#documents?.service.stats(), ...this.#relay?.stats() }
  }

  #addDocuments(): void {
    const { wakings } = this.#ground
    const part: DocumentsPart = createDocuments({
      ...this.#ground,
      wake: wakings.of("documents", (now) => part.service.tick(now)),
    })
    this.#documents = part
    this.#running.push({ name: "documents", service: part.service })
    this.#sockets.push(part.route)
    this.#routes.push(...part.httpRoutes)
  }

  #addRelay(): void {
    const { wakings, clock } = this.#ground
    const part: RelayPart = createRelay({
      ...this.#ground,
      wake: wakings.of("relay", (now) => part.service.tick(now)),
      after: (ms, work) => clock.after(ms, work),
      identify: this.#identify,
      now: clock.now(),
    })
    this.#relay = part
    this.#running.push({ name: "relay", service: part.service })
    this.#sockets.push(...part.routes)
    this.#routes.push(...part.httpRoutes)
  }

  #addOperators(): void {
    const part = createOperators({ ...this.#ground, now: this.#ground.clock.now() })
    this.#operators = part
    this.#running.push({ name: "operators", service: part.service, figures: "none" })
    this.#sockets.push(part.route)
  }

  #addPools(): void {
    const { config, wakings, clock } = this.#ground
    const part: PoolsPart = createPools({
      ...this.#ground,
      wake: wakings.of("pools", (now) => part.service.tick(now)),
      identify: this.#identify,
      now: () => clock.now(),
      tls: poolsTlsOf(config),
    })
    this.#pools = part
    this.#running.push({ name: "pools", service: part.service })
    this.#sockets.push(part.route)
    this.#routes.push(...part.httpRoutes)
  }
}
