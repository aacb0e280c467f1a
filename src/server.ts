/**
 * The server: builds every part, owns the one clock, starts and stops all of it in order.
 *
 * What always holds: nothing listens before everything behind it stands, and nothing is taken
 * down before what stands in front of it is closed. What fails on the way up is taken down again.
 */
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import manifest from "../package.json" with { type: "json" }
import { type CountedBus, createBus } from "./bus/bus.ts"
import type { MemoryHub } from "./bus/memory.ts"
import { type Config, readConfig } from "./config.ts"
import { Log } from "./log.ts"
import { Metrics } from "./metrics.ts"
import { Connections } from "./net/connections.ts"
import { Gate, isLoopback } from "./net/gate.ts"
import { HttpListener } from "./net/http.ts"
import { Turn } from "./net/turn.ts"
import { WebSockets } from "./net/websocket.ts"
import { relayOptions } from "./relay/limits.ts"
import { type Clock, systemClock, Wakings, within } from "./server-clock.ts"
import { healthAnswer, type Standing, statsRoute } from "./server-figures.ts"
import { tlsOf } from "./server-keys.ts"
import { Parts } from "./server-parts.ts"
import { guard, type HttpAnswer, type Undo } from "./service.ts"
import { openStore, type Store } from "./store.ts"
import { DailyCopies } from "./store-daily.ts"

/** What a server may be given instead of its own: tests turn the clock, and let servers share a bus. */
export interface Surroundings {
  readonly clock?: Clock
  readonly hub?: MemoryHub
  readonly log?: Log
}

/** How often everything is ticked that did not ask for it sooner. */
const tickMs = 100
/** A probe that has not come back over the bus by then counts as lost. */
const probeMs = 2_000

const random = (length: number): Uint8Array => randomBytes(length)

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
  readonly #wakings: Wakings
  readonly #parts: Parts
  readonly #http: HttpListener
  /** Probes over the bus that did not come back, in a row. */
  #probeFailures = 0
  #state: Standing["state"] = "new"
  #endTicks: Undo = () => {}

  /** Opens the store and builds all parts. Throws one sentence when something cannot be had. */
  constructor(config: Config, { clock = systemClock, hub, log }: Surroundings) {
    this.#config = config
    this.#clock = clock
    this.#log = log ?? new Log(config.logLevel)
    const [metrics, turn] = [this.#metrics, this.#turn]
    this.#connections = new Connections({ log: this.#log, metrics, turn, random })
    this.#gate = new Gate({
      connections: config.maxConnections,
      connectionsPerAddress: config.maxConnectionsPerAddress,
      trustProxy: config.trustProxy,
      allowedOrigins: config.allowedOrigins,
      hosts: isLoopback(config.host) && config.trustProxy === 0 ? "local" : "any",
    })
    this.#wakings = new Wakings({ clock, turn, log: this.#log })
    const limits = relayOptions(config.relayLimits)
    this.#store = openStore({
      uri: config.sqliteUri,
      syncIntervalMs: config.syncIntervalMs,
      wake: this.#wakings.of("store", (now) => this.#store.tick(now)),
      log: this.#log,
    })
    this.#copies = new DailyCopies({
      uri: config.sqliteUri,
      directory: `${config.dataDir.replace(/\/+$/, "")}/backups`,
      contents: join(config.dataDir, "blocks"),
      log: this.#log,
    })
    const fresh = `server-${clock.now()}-${Buffer.from(random(4)).toString("hex")}`
    const options = {
      server: config.serverId ?? fresh,
      urls: config.redisUrls,
      secret: config.busSecret,
      limits,
      random,
      now: () => clock.now(),
      after: (ms: number, work: () => void) => clock.after(ms, work),
      log: this.#log,
      metrics,
    }
    this.#bus = createBus(options, hub)
    let parts: Parts | undefined
    try {
      parts = this.#createParts()
      this.#parts = parts
      this.#http = this.#createHttp()
    } catch (thrown) {
      void this.#bus.close()
      void parts?.close()
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
      await this.#parts.listen()
      const address = await this.#http.listen(port, host)
      this.#state = "ready"
      const scheme = tls === undefined ? "http" : "https"
      const name = host.includes(":") ? `[${host}]` : host
      const url = `${scheme}://${name}:${address.port}${pathPrefix}`
      const { places } = this.#parts
      const heard = Object.entries(places).filter(([, at]) => at.length > 0)
      const own = Object.fromEntries(heard.map(([part, at]) => [part, at.join(" ")]))
      this.#log.info("listening", { url, database: sqliteUri, parts: parts.join(","), ...own })
      return { port: address.port, url, ...places }
    } catch (thrown) {
      this.#parts.stop()
      await this.#takeDown()
      throw thrown
    }
  }

  /**
   * Stops in order (SV5): newcomers, what is to be saved, connections, HTTP, store. "late" when the
   * deadline came first: what was left is given up then, texts were saved before.
   */
  async stop(): Promise<"done" | "late"> {
    if (this.#state === "stopping" || this.#state === "down") return "done"
    this.#state = "stopping"
    this.#log.info("stopping")
    this.#http.turnAway()
    this.#parts.stopListening()
    this.#parts.stop()
    this.#connections.closeAll("going-away", this.#config.drainSeconds * 1000)
    const how = await within<"done">(
      this.#clock,
      this.#config.shutdownTimeoutSeconds * 1000,
      (resolve) => {
        // HTTP listens until those that were told to go have gone: so a balancer hears from
        // `/ready`, and its clients from a 503, that others are to be asked.
        const gone = this.#connections.whenEmpty().then(() => this.#http.stopListening())
        void gone.then(() => resolve("done"))
      },
    )
    const left = this.#connections.cutAll("going-away")
    await this.#takeDown()
    if (how === "late") this.#log.error("stopped late", { connections: left })
    else this.#log.info("stopped")
    return how
  }

  async #takeDown(): Promise<void> {
    this.#state = "down"
    this.#endTicks()
    this.#wakings.stop()
    this.#parts.end()
    this.#http.close()
    await this.#parts.close()
    await this.#bus.close()
    this.#copies.close()
    this.#store.close()
  }

  #tick(): void {
    const now = this.#clock.now()
    this.#log.tick(now)
    guard(this.#log, "store tick", () => this.#store.tick(now))
    guard(this.#log, "backups tick", () => this.#copies.tick(now))
    this.#parts.tick(now)
    guard(this.#log, "net tick", () => this.#connections.tick(now))
  }

  #createParts(): Parts {
    return new Parts({
      config: this.#config,
      clock: this.#clock,
      wakings: this.#wakings,
      log: this.#log,
      metrics: this.#metrics,
      connections: this.#connections,
      gate: this.#gate,
      store: this.#store,
      bus: this.#bus,
      random,
      version: manifest.version,
      shutDown: () => void this.stop(),
    })
  }

  #createHttp(): HttpListener {
    const { pathPrefix, parts, frameAncestors } = this.#config
    const tls = tlsOf(this.#config)
    const own = { connections: this.#connections, gate: this.#gate, pathPrefix, random }
    return new HttpListener({
      ...own,
      metrics: this.#metrics,
      routes: [...this.#parts.routes, statsRoute(() => this.#parts.stats)],
      sockets: new WebSockets({ ...own, routes: this.#parts.sockets }),
      ...(tls === undefined ? {} : { tls }),
      pageDirectory: join(import.meta.dirname, "../dist/page"),
      page: { panels: panelPaths(parts), parts, frameAncestors },
      health: () => this.#health(),
      isReady: () => this.#state === "ready",
    })
  }

  /** The store could be used last, every part is well, and a probe came back over the bus (SV23). */
  async #health(): Promise<HttpAnswer> {
    const probed = await within<number | "away">(this.#clock, probeMs, (resolve) =>
      this.#bus.probe(resolve),
    )
    const isBack = probed !== "late" && probed !== "away"
    this.#probeFailures = isBack ? 0 : this.#probeFailures + 1
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
      ...this.#parts.health,
    })
  }
}

/** Where the page answers: at its own path, and at that of each part that has a panel and runs. */
function panelPaths(parts: Config["parts"]): readonly string[] {
  return ["", ...(["relay", "operators", "pools"] as const).filter((part) => parts.includes(part))]
}
