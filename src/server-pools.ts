/**
 * Pools as the server has them: their listeners, who has to prove an id on which of them, and their
 * limits for net.
 *
 * What always holds: where strangers could come in, an app proves its id unless POOLS_AUTH says
 * otherwise, and that is a warning at the start.
 */
import type { Config } from "./config.ts"
import type { Log } from "./log.ts"
import { KeptHere, type Memory } from "./memory.ts"
import { openMemory } from "./memory-files.ts"
import { KeptFiles } from "./memory-kept.ts"
import type { Metrics } from "./metrics.ts"
import type { Connections } from "./net/connections.ts"
import { type Gate, isLoopback } from "./net/gate.ts"
import type { Ingress, Limits, StreamRoute, WebSocketRoute } from "./net/route.ts"
import { type Place, StreamListener } from "./net/tcp.ts"
import { type Ask, type Entrance, Pools, type PoolsOptions } from "./pools/pools.ts"
import { Listeners } from "./server-listeners.ts"
import { type Connection, guard, type HttpRoute, type Random, type Wake } from "./service.ts"
import { openStore, type Store } from "./store.ts"
import type { Identify } from "./tokens.ts"
import { WireError } from "./wire/error.ts"
import { poolsCodec } from "./wire/pools.ts"
import { schemasText } from "./wire/pools-schemas.ts"

/** What pools are built from. */
export interface PoolsGround {
  readonly config: Config
  readonly store: Store
  readonly log: Log
  readonly metrics: Metrics
  readonly connections: Connections
  readonly gate: Gate
  readonly random: Random
  readonly wake: Wake
  /** Undefined without a key: then no token is looked at. */
  readonly identify: Identify | undefined
  /** ms since 1970. */
  readonly now: () => number
  readonly version: string
  /** Certificate, key and the authority that apps' certificates are of, as PEM. */
  readonly tls: { readonly cert: string; readonly key: string; readonly ca?: string } | undefined
  /** Ends the server, because its admin asked for that. */
  readonly shutDown: () => void
}

/** Pools, wired: what ticks, what WebSockets reach, and their own listeners. */
export interface PoolsPart {
  readonly service: Pools
  readonly route: WebSocketRoute<unknown, unknown>
  readonly httpRoutes: readonly HttpRoute[]
  /** Where it listens: `127.0.0.1:45227`, and the path of a unix socket. */
  readonly places: readonly string[]
  /** Rejects with one sentence when one of its listeners cannot be had. */
  listen(): Promise<void>
  /** Takes no one new, and removes its unix socket. */
  stopListening(): void
  /** When all connections are closed: durable blocks are saved, the memory is given back. */
  end(): void
}

/** Builds it. Throws one sentence when its tables are of a later release. */
export function createPools(ground: PoolsGround): PoolsPart {
  const { config, store, log, metrics, random, now, wake, identify, version } = ground
  const recentStore = openStore({ uri: ":memory:" })
  const isStored = config.sqliteUri !== ":memory:"
  const kept = isStored ? new KeptFiles(`${config.dataDir}/blocks`) : new KeptHere()
  const { blocksDir: dir, blocksGroup: group } = config
  const memory = openMemory({ dir, group, kept, random, log, now })
  const service = servedWith(memory, {
    ...{ memory, store, recentStore, log, metrics, random, now, wake },
    ask: identify === undefined ? undefined : asking(identify, log),
    serverVersion: version,
    drainMs: config.shutdownTimeoutSeconds * 1_000,
    shutDown: ground.shutDown,
    bindings: config.poolsRequireBinding === true ? "required" : "asked",
    damagedBlocks: config.blocksDamaged ?? "refuse",
  })
  const ingress: Ingress = { limitBytes: service.limits.ingressBudgetBytes, bytes: 0 }
  const { host, poolsPort: port, poolsSocket: path } = config
  const listeners = new Listeners(
    { host, port, path },
    (place) => listenerAt(place, { ground, service, ingress }),
    { log, event: "pools listen" },
  )
  return {
    service,
    places: listeners.places,
    route: socketRoute(config, service),
    httpRoutes: [schemasRoute()],
    async listen() {
      if (config.poolsAuth === "open" && !isLoopback(config.host)) {
        log.warn("anyone who reaches the pools may claim an app id", { host: config.host })
      }
      await listeners.listen()
    },
    stopListening: () => void listeners.stop(),
    end() {
      listeners.stop()
      guard(log, "pools end", () => service.end())
    },
  }
}

/** The service; where it cannot begin its memory is given back. */
function servedWith(memory: Memory, options: PoolsOptions): Pools {
  try {
    return new Pools(options)
  } catch (thrown) {
    memory.close()
    throw thrown
  }
}

function listenerAt(
  place: Place,
  of: { readonly ground: PoolsGround; readonly service: Pools; readonly ingress: Ingress },
): StreamListener {
  const { config, connections, gate, tls } = of.ground
  const entrance = entranceOf(config, "path" in place ? "unix socket" : "TCP")
  const route: StreamRoute<unknown, unknown> = {
    ...{ name: "pools", framing: "prefixed", ends: "itself" },
    service: of.service.entrance(entrance),
    codec: poolsCodec,
    limits: netLimits(config, of.service, entrance),
    ingress: of.ingress,
    frameBytes: frameBytesOf(of.service),
  }
  const own = "path" in place || tls === undefined ? {} : { tls }
  return new StreamListener({ route, connections, gate, ...own })
}

function socketRoute(config: Config, service: Pools): WebSocketRoute<unknown, unknown> {
  const entrance = entranceOf(config, "WebSocket")
  return {
    ...{ name: "pools", prefix: "/pools/", ends: "itself" },
    service: service.entrance(entrance),
    codec: poolsCodec,
    frameBytes: frameBytesOf(service),
    limits: {
      ...netLimits(config, service, entrance),
      heartbeatMs: config.wsHeartbeatIntervalSeconds * 1_000,
    },
    opens: "after",
    origins: "own",
    query: [],
    protocols: () => undefined,
  }
}

/** Before its handshake a connection says little (PL5). */
function frameBytesOf(service: Pools): (connection: Connection<unknown>) => number {
  const { frameLimitBytes, earlyFrameLimitBytes } = service.limits
  return (connection) =>
    service.hasShakenHands(connection) ? frameLimitBytes : earlyFrameLimitBytes
}

/** What a way in asks of those who come by it. */
function entranceOf(config: Config, by: "TCP" | "unix socket" | "WebSocket"): Entrance {
  const isHere = isLoopback(config.host)
  const isProxied = by === "WebSocket" && config.trustProxy > 0
  const isSafe = by === "unix socket" || (isHere && !isProxied)
  return {
    auth: config.poolsAuth ?? (isSafe ? "open" : "required"),
    place: by === "unix socket" || (by === "TCP" && isHere) ? "local" : "remote",
    admin: by === "unix socket" ? "all" : "none",
  }
}

// Messages are counted by the service, which answers BUSY: only bytes make net stop reading.
function netLimits(config: Config, service: Pools, { place }: Entrance): Limits {
  const { limits } = service
  const bytes = place === "local" ? limits.localBytesPerSecond : limits.remoteBytesPerSecond
  return {
    messageBytes: limits.frameLimitBytes,
    messagesPerSecond: 0,
    messagesBurst: 0,
    bytesPerSecond: bytes,
    bytesBurst: bytes,
    behindBytes: limits.behindBytes,
    slowBytes: limits.sendLimitBytes,
    stalledMs: config.wsWriteTimeoutSeconds * 1_000,
    offers: 1,
    heartbeatMs: 0,
    silenceMs: 0,
  }
}

function asking(identify: Identify, log: Log): Ask {
  return (token, answer) => {
    identify(token).then(
      (identity) => guard(log, "pools token", () => answer(identity)),
      (thrown: unknown) => {
        guard(log, "pools token", () => answer(thrown instanceof WireError ? thrown : "away"))
      },
    )
  }
}

/** The schemas that this server runs. */
function schemasRoute(): HttpRoute {
  const body = schemasText()
  return {
    prefix: "/schemas/pools.json",
    bodyBytes: 0,
    answer({ method, path }, reply) {
      if (path !== "") return reply({ status: 404, body: "not found" })
      if (method !== "GET" && method !== "HEAD") {
        return reply({ status: 405, headers: { allow: "GET, HEAD" }, body: "method not allowed" })
      }
      reply({ status: 200, headers: { "content-type": "application/schema+json" }, body })
    },
  }
}
