/**
 * The server: builds every part, owns the one clock, starts and stops all of it in order.
 *
 * What always holds: nothing listens before everything behind it stands, and nothing is taken
 * down before what stands in front of it is closed. What fails on the way up is taken down again.
 * Longer than usual because each part is wired here and nowhere else: to add one, or to take one
 * out, is a method and its limits.
 */
import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import manifest from "../package.json" with { type: "json" }
import { type CountedBus, createBus } from "./bus/bus.ts"
import type { MemoryHub } from "./bus/memory.ts"
import { type Config, readConfig } from "./config.ts"
import { Log } from "./log.ts"
import { Metrics } from "./metrics.ts"
import { Connections } from "./net/connections.ts"
import { Gate } from "./net/gate.ts"
import { HttpListener } from "./net/http.ts"
import type { WebSocketRoute } from "./net/route.ts"
import { Turn } from "./net/turn.ts"
import { WebSockets } from "./net/websocket.ts"
import { relayOptions } from "./relay/limits.ts"
import { createDocuments, type DocumentsPart } from "./server-documents.ts"
import { healthAnswer, statsRoute } from "./server-figures.ts"
import { createOperators, type OperatorsPart } from "./server-operators.ts"
import { createPools, type PoolsPart } from "./server-pools.ts"
import { createRelay, type RelayPart } from "./server-relay.ts"
import {
  guard,
  type HttpAnswer,
  type HttpRoute,
  type Service,
  type Undo,
  type Wake,
} from "./service.ts"
import { openStore, type Store } from "./store.ts"
import { DailyCopies } from "./store-daily.ts"
import { createTokens, type Identify, type TokenKey } from "./tokens.ts"

/** Where time comes from. A test turns it by hand. */
export interface Clock {
  /** ms since 1970. */
  now(): number
  /** Calls `tick` every `ms`; returns its end. */
  every(ms: number, tick: () => void): Undo
  /** Calls `tick` once, after `ms`; returns what calls it off. */
  after(ms: number, tick: () => void): Undo
}

/** What a server may be given instead of its own: tests turn the clock, and let servers share a bus. */
export interface Surroundings {
  readonly clock?: Clock
  readonly hub?: MemoryHub
  readonly log?: Log
}

/** How often everything is ticked that did not ask for it sooner. */
const tickMs = 100
/** The finer clock, while a service asks for it. */
const fineTickMs = 10
/** A probe that has not come back over the bus by then counts as lost. */
const probeMs = 2_000

const systemClock: Clock = {
  now: () => Date.now(),
  every(ms, tick) {
    const timer = setInterval(tick, ms)
    return () => clearInterval(timer)
  },
  after(ms, tick) {
    const timer = setTimeout(tick, ms)
    return () => clearTimeout(timer)
  },
}

const random = (length: number): Uint8Array => randomBytes(length)

/** A part that runs, as the server sees it: something to tick, to stop, and to ask how it is. */
interface Part {
  readonly name: string
  /** "none": `/health` does not name it. */
  readonly figures?: "none"
  readonly service: Pick<Service<never, never>, "tick" | "stop"> & {
    health(): { readonly ok: boolean }
  }
}

/** Where a started server listens. */
export interface Listening {
  /** Of HTTP, WebSocket and page. */
  readonly port: number
  readonly url: string
  /** Of the operators' lines: `127.0.0.1:9696`, and the path of a unix socket. */
  readonly operators: readonly string[]
  /** Of the pools' frames: `127.0.0.1:45227`, and the path of a unix socket. */
  readonly pools: readonly string[]
}

/** A server that is not started yet. What `config` leaves out takes its default. */
export function createServer(
  config: Partial<Config> = {},
  surroundings: Surroundings = {},
): Server {
  // The database lies in the data directory, wherever that is.
  const { dataDir } = config
  const defaults = readConfig(dataDir === undefined ? {} : { DATA_DIR: dataDir })
  return new Server({ ...defaults, ...config }, surroundings)
}

export class Server {
  readonly #config: Config
  readonly #clock: Clock
  readonly #log: Log
  readonly #metrics = new Metrics()
  readonly #turn = new Turn()
  readonly #connections: Connections
  readonly #gate: Gate
  readonly #store: Store
  readonly #copies: DailyCopies
  readonly #bus: CountedBus
  readonly #parts: Part[] = []
  readonly #socketRoutes: WebSocketRoute<unknown, unknown>[] = []
  readonly #httpRoutes: HttpRoute[] = []
  readonly #http: HttpListener
  #documents: DocumentsPart | undefined
  #relay: RelayPart | undefined
  #operators: OperatorsPart | undefined
  #pools: PoolsPart | undefined
  /** Probes over the bus that did not come back, in a row. */
  #probeFailures = 0
  /** "down": nothing stands any more, and a wake that was still under way finds nothing to tick. */
  #state: "new" | "ready" | "stopping" | "down" = "new"
  #endTicks: Undo = () => {}

  /** Opens the store and builds all parts. Throws one sentence when something cannot be had. */
  constructor(config: Config, { clock = systemClock, hub, log }: Surroundings) {
    this.#config = config
    this.#clock = clock
    this.#log = log ?? new Log(config.logLevel)
    const { metrics, turn } = { metrics: this.#metrics, turn: this.#turn }
    this.#connections = new Connections({ log: this.#log, metrics, turn, random })
    this.#gate = new Gate({
      connections: config.maxConnections,
      connectionsPerAddress: config.maxConnectionsPerAddress,
      trustProxy: config.trustProxy,
      allowedOrigins: config.allowedOrigins,
    })
    const limits = relayOptions(config.relayLimits)
    const wakeStore = this.#waker("store", (now) => this.#store.tick(now))
    this.#store = openStore({
      uri: config.sqliteUri,
      syncIntervalMs: config.syncIntervalMs,
      wake: wakeStore,
      log: this.#log,
    })
    const directory = `${config.dataDir.replace(/\/+$/, "")}/backups`
    this.#copies = new DailyCopies({
      ...{ uri: config.sqliteUri, directory, log: this.#log },
      contents: join(config.dataDir, "blocks"),
    })
    const server =
      config.serverId ?? `server-${clock.now()}-${Buffer.from(random(4)).toString("hex")}`
    const reach = {
      urls: config.redisUrls,
      secret: config.busSecret,
      limits,
      random,
      after: (ms: number, work: () => void) => clock.after(ms, work),
      metrics,
    }
    this.#bus = createBus({ server, now: () => clock.now(), log: this.#log, ...reach }, hub)
    try {
      if (config.parts.includes("documents")) this.#addDocuments()
      if (config.parts.includes("relay")) this.#addRelay()
      if (config.parts.includes("operators")) this.#addOperators()
      if (config.parts.includes("pools")) this.#addPools()
      this.#httpRoutes.push(statsRoute(() => this.#stats()))
      this.#http = this.#createHttp()
    } catch (thrown) {
      void this.#bus.close()
      void this.#relay?.close()
      this.#store.close()
      throw thrown
    }
  }

  /** Begins to tick and to listen. Rejects with one sentence when it cannot; nothing stays behind then. */
  async start(): Promise<Listening> {
    const { host, port, pathPrefix, tls, sqliteUri, parts } = this.#config
    this.#tick()
    this.#endTicks = this.#clock.every(tickMs, () => this.#tick())
    try {
      // Before HTTP, so that the server says it listens only when all of it does.
      await this.#operators?.listen()
      await this.#pools?.listen()
      const address = await this.#http.listen(port, host)
      this.#state = "ready"
      const scheme = tls === undefined ? "http" : "https"
      const name = host.includes(":") ? `[${host}]` : host
      const url = `${scheme}://${name}:${address.port}${pathPrefix}`
      const lines = this.#operators?.places ?? []
      const operators = lines.length === 0 ? {} : { operators: lines.join(" ") }
      const pools = this.#pools?.places ?? []
      const framed = pools.length === 0 ? {} : { pools: pools.join(" ") }
      const told = { url, database: sqliteUri, parts: parts.join(",") }
      this.#log.info("listening", { ...told, ...operators, ...framed })
      return { port: address.port, url, operators: lines, pools }
    } catch (thrown) {
      for (const { service } of this.#parts) service.stop()
      await this.#takeDown()
      throw thrown
    }
  }

  /**
   * Stops in order (SV5): newcomers, what is to be saved, connections, store. "late" when the
   * deadline came first: what was left is given up then, texts were saved before.
   */
  async stop(): Promise<"done" | "late"> {
    if (this.#state === "stopping" || this.#state === "down") return "done"
    this.#state = "stopping"
    this.#log.info("stopping")
    const answered = this.#http.stopListening()
    this.#operators?.stopListening()
    this.#pools?.stopListening()
    for (const { name, service } of this.#parts) {
      guard(this.#log, `${name} stop`, () => service.stop())
    }
    this.#connections.closeAll("going-away", this.#config.drainSeconds * 1000)
    const how = await this.#within<"done">(
      this.#config.shutdownTimeoutSeconds * 1000,
      (resolve) => {
        // Those that were told to go, and answers that were under way.
        const gone = this.#connections.whenEmpty().then(() => answered)
        void gone.then(() => resolve("done"))
      },
    )
    const left = this.#connections.cutAll("going-away")
    await this.#takeDown()
    if (how === "late") this.#log.error("stopped late", { connections: left })
    else this.#log.info("stopped")
    return how
  }

  /** What `ask` resolves with, or "late" when that takes longer than `ms`. */
  async #within<T>(ms: number, ask: (resolve: (value: T) => void) => void): Promise<T | "late"> {
    let callOff: Undo = () => {}
    const answer = await new Promise<T | "late">((resolve) => {
      callOff = this.#clock.after(ms, () => resolve("late"))
      ask(resolve)
    })
    callOff()
    return answer
  }

  async #takeDown(): Promise<void> {
    this.#state = "down"
    this.#endTicks()
    this.#operators?.stopListening()
    this.#pools?.end()
    this.#http.close()
    await this.#relay?.close()
    await this.#bus.close()
    this.#copies.close()
    this.#store.close()
  }

  #tick(): void {
    const now = this.#clock.now()
    this.#log.tick(now)
    guard(this.#log, "store tick", () => this.#store.tick(now))
    guard(this.#log, "backups tick", () => this.#copies.tick(now))
    for (const { name, service } of this.#parts) {
      guard(this.#log, `${name} tick`, () => service.tick(now))
    }
    guard(this.#log, "net tick", () => this.#connections.tick(now))
  }

  /** What wakes one part sooner than the steady tick does: at the end of this turn, or within 10 ms. */
  #waker(name: string, tick: (now: number) => void): Wake {
    let isDue = false
    const ticked = () => {
      if (this.#state === "down") return
      guard(this.#log, `${name} tick`, () => tick(this.#clock.now()))
    }
    return (withinMs) => {
      if (withinMs === 0) return this.#turn.atEnd(ticked)
      if (isDue) return
      isDue = true
      this.#clock.after(fineTickMs, () => {
        isDue = false
        // At the end of the turn, so that what it writes leaves with everything else.
        this.#turn.atEnd(ticked)
      })
    }
  }

  #addDocuments(): void {
    const part: DocumentsPart = createDocuments({
      config: this.#config,
      store: this.#store,
      log: this.#log,
      metrics: this.#metrics,
      random,
      wake: this.#waker("documents", (now) => part.service.tick(now)),
      version: manifest.version,
    })
    this.#documents = part
    this.#parts.push({ name: "documents", service: part.service })
    this.#socketRoutes.push(part.route)
    this.#httpRoutes.push(...part.httpRoutes)
  }

  #addRelay(): void {
    const config = this.#config
    const part: RelayPart = createRelay({
      config,
      bus: this.#bus,
      log: this.#log,
      metrics: this.#metrics,
      random,
      wake: this.#waker("relay", (now) => part.service.tick(now)),
      after: (ms, work) => this.#clock.after(ms, work),
      identify: this.#identify,
      store: this.#store,
      now: this.#clock.now(),
    })
    this.#relay = part
    this.#parts.push({ name: "relay", service: part.service })
    this.#socketRoutes.push(...part.routes)
    this.#httpRoutes.push(...part.httpRoutes)
  }

  #addOperators(): void {
    const part: OperatorsPart = createOperators({
      config: this.#config,
      store: this.#store,
      log: this.#log,
      connections: this.#connections,
      gate: this.#gate,
      random,
      now: this.#clock.now(),
    })
    this.#operators = part
    this.#parts.push({ name: "operators", service: part.service, figures: "none" })
    this.#socketRoutes.push(part.route)
  }

  #addPools(): void {
    const config = this.#config
    const { tls, poolsTlsCa } = config
    const ca = poolsTlsCa === undefined ? {} : { ca: readPem(poolsTlsCa) }
    const part: PoolsPart = createPools({
      config,
      store: this.#store,
      log: this.#log,
      metrics: this.#metrics,
      connections: this.#connections,
      gate: this.#gate,
      random,
      wake: this.#waker("pools", (now) => part.service.tick(now)),
      identify: this.#identify,
      now: () => this.#clock.now(),
      version: manifest.version,
      tls: tls && { cert: readPem(tls.cert), key: readPem(tls.key), ...ca },
      shutDown: () => void this.stop(),
    })
    this.#pools = part
    this.#parts.push({ name: "pools", service: part.service })
    this.#socketRoutes.push(part.route)
    this.#httpRoutes.push(...part.httpRoutes)
  }

  get #identify(): Identify | undefined {
    const { tokenKey, jwtAudience: audience, jwtIssuer: issuer } = this.#config
    return createTokens({ key: keyFrom(tokenKey), audience, issuer, now: () => this.#clock.now() })
  }

  #createHttp(): HttpListener {
    const { pathPrefix, parts, frameAncestors, tls } = this.#config
    const own = { connections: this.#connections, gate: this.#gate, pathPrefix, random }
    return new HttpListener({
      ...own,
      metrics: this.#metrics,
      routes: this.#httpRoutes,
      sockets: new WebSockets({ ...own, routes: this.#socketRoutes }),
      ...(tls === undefined ? {} : { tls: { cert: readPem(tls.cert), key: readPem(tls.key) } }),
      pageDirectory: join(import.meta.dirname, "../dist/page"),
      page: { panels: panelPaths(parts), parts, frameAncestors },
      health: () => this.#health(),
      isReady: () => this.#state === "ready",
    })
  }

  /** The store could be used last, every part is well, and a probe came back over the bus (SV23). */
  async #health(): Promise<HttpAnswer> {
    const probed = await this.#within<number | "away">(probeMs, (resolve) =>
      this.#bus.probe(resolve),
    )
    const isBack = probed !== "late" && probed !== "away"
    this.#probeFailures = isBack ? 0 : this.#probeFailures + 1
    const services = Object.fromEntries(
      this.#parts
        .filter(({ figures }) => figures !== "none")
        .map(({ name, service }) => [name, service.health()]),
    )
    return healthAnswer({
      state: this.#state,
      server: this.#bus.server,
      isStoreWell: this.#store.healthy,
      // It went out because of this very question, so its age is nothing.
      probe: {
        ok: isBack,
        roundTripMs: isBack ? probed : undefined,
        ageMs: 0,
        failures: this.#probeFailures,
      },
      bus: this.#bus.figures,
      relay: this.#relay?.service.health(),
      services,
    })
  }

  /** Of the parts that run. */
  #stats(): object {
    return { ...this.#documents?.service.stats(), ...this.#relay?.stats() }
  }
}

/** Where the page answers: at its own path, and at that of each part that has a panel and runs. */
function panelPaths(parts: Config["parts"]): readonly string[] {
  return ["", ...(["relay", "operators", "pools"] as const).filter((part) => parts.includes(part))]
}

function keyFrom(place: Config["tokenKey"]): TokenKey | undefined {
  if (place?.kind !== "file") return place
  return { kind: "public", text: readPem(place.path) }
}

function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8")
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown)
    throw new Error(`a certificate or its key cannot be read: ${why}`)
  }
}
