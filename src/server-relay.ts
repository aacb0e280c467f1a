/**
 * The relay as the server has it: its dialects as routes, its limits for net, and who may come
 * without a token.
 */
import { type CountedBus, type Depot, openDepot } from "./bus/bus.ts"
import type { Config } from "./config.ts"
import type { Log } from "./log.ts"
import type { Metrics } from "./metrics.ts"
import { isLoopback } from "./net/gate.ts"
import type { Limits, WebSocketRoute } from "./net/route.ts"
import type { Anonymous } from "./relay/access.ts"
import { RedisCopies } from "./relay/copies-redis.ts"
import { Seal } from "./relay/copies-seal.ts"
import { SqliteCopies } from "./relay/copies-sqlite.ts"
import { HocuspocusDialect } from "./relay/hocuspocus.ts"
import { LfccDialect } from "./relay/lfcc.ts"
import { type RelayOptions, relayOptions } from "./relay/limits.ts"
import { measure } from "./relay/measures.ts"
import { Relay } from "./relay/relay.ts"
import { relayRoutes } from "./relay/routes.ts"
import { Traces } from "./relay/traces.ts"
import { YjsDialect } from "./relay/yjs.ts"
import type { RelayHealth } from "./server-figures.ts"
import {
  guard,
  type HttpRoute,
  type Random,
  type Service,
  type Undo,
  type Wake,
} from "./service.ts"
import type { Store } from "./store.ts"
import { askingBy, type Identify } from "./tokens.ts"
import { hocuspocusCodec } from "./wire/hocuspocus.ts"
import { lfccCodec, lfccMessageBytes } from "./wire/lfcc.ts"
import { yjsCodec } from "./wire/yjs.ts"

/** What the relay is built from. */
export interface RelayGround {
  readonly config: Config
  readonly bus: CountedBus
  readonly log: Log
  readonly metrics: Metrics
  readonly random: Random
  readonly wake: Wake
  /** Calls `work` once, after so many ms; returns what calls it off. */
  readonly after: (ms: number, work: () => void) => Undo
  /** Undefined without a key: then no token is looked at. */
  readonly identify: Identify | undefined
  readonly store: Store
  /** ms since 1970. */
  readonly now: number
}

/** The relay, wired: what ticks, and what sockets reach. */
export interface RelayPart {
  readonly relay: Relay
  readonly service: Pick<Service<never, never>, "tick" | "stop"> & { health(): RelayHealth }
  /** Of `/api/stats`. */
  stats(): Readonly<Record<string, string | number>>
  readonly routes: readonly WebSocketRoute<unknown, unknown>[]
  readonly httpRoutes: readonly HttpRoute[]
  /** Ends what it has open to Redis besides the bus. After `stop`. */
  close(): Promise<void>
}

const minuteMs = 60_000

/** Builds it. Throws one sentence for limits that are none, or where strangers would come in unasked (RL100). */
export function createRelay(ground: RelayGround): RelayPart {
  const { config, identify, bus, log, metrics, random, wake } = ground
  const options = relayOptions(config.relayLimits)
  const anonymous = anonymousOf(config, identify)
  const traces = new Traces(ground.store)
  const marksUnknownUntil = heldUntil(traces, ground.now, options)
  const denied = config.relayDeny
  const depot = depotOf(ground)
  const copies = copiesOf(ground, options, depot)
  const parts = { bus, log, random, wake, options, anonymous, denied, marksUnknownUntil }
  const relay = new Relay({ ...parts, ...(copies && { copies }) })
  const ask = askingBy(identify)
  const yjs = new YjsDialect(relay, ask)
  const hocuspocus = new HocuspocusDialect(relay, ask)
  const lfcc = new LfccDialect(relay, ask)
  const dialects = { yjs, hocuspocus, lfcc }
  measure(metrics, { relay, dialects })
  const shared = {
    limits: relayLimits(config, options),
    opens: "after" as const,
    origins: originsOf(config, anonymous),
    protocols: agreed,
    ...(identify === undefined ? {} : { identify }),
  }
  let tracedAt = 0
  // Often enough to be believed, seldom enough to cost nothing; at the end in any case.
  const leaveTrace = (now: number) => {
    if (relay.size === 0 || now - tracedAt < options.markMs / 2) return
    tracedAt = Math.min(now, relay.now)
    guard(log, "relay trace", () => traces.touch(relay.now))
  }
  return {
    relay,
    close: async () => depot?.close(),
    service: {
      tick(now) {
        copies?.tick(now)
        relay.tick(now)
        leaveTrace(now)
        for (const dialect of Object.values(dialects)) dialect.tick(now)
      },
      stop() {
        relay.stop()
        copies?.flush()
        leaveTrace(Number.POSITIVE_INFINITY)
      },
      health: () => relay.health(),
    },
    stats: () => ({
      "redis.connection_state": bus.figures.connection,
      "relay.remote_messages": relay.counts.remoteMessages,
      "relay.snapshot_requests": relay.counts.requests.sum,
      "relay.active_documents": relay.size,
    }),
    httpRoutes: relayRoutes({
      relay,
      identify: ask,
      adminToken: config.relayAdminToken,
      isOpenHere: anonymous !== "off",
      log,
    }),
    routes: [
      {
        name: "yjs",
        prefix: "/yjs/",
        service: yjs,
        codec: yjsCodec(options),
        query: ["features"],
        ...shared,
      },
      {
        name: "hocuspocus",
        prefix: "/hocuspocus/",
        service: hocuspocus,
        codec: hocuspocusCodec(options),
        query: [],
        ...shared,
      },
      {
        name: "lfcc",
        prefix: "/collab/",
        service: lfcc,
        codec: lfccCodec(options),
        query: ["docId", "senderId", "hasSnapshot", "features"],
        ...shared,
        limits: { ...shared.limits, messageBytes: lfccMessageBytes(2 * options.answerLimitBytes) },
      },
    ],
  }
}

/** The Redis that keeps copies, where they are kept in one. */
function depotOf({ config, log, after }: RelayGround): Depot | undefined {
  const { relayCopies, relayCopiesUrls, redisUrls } = config
  if (relayCopies !== "redis") return undefined
  const urls = relayCopiesUrls.length > 0 ? relayCopiesUrls : redisUrls
  if (urls.length === 0) throw new Error("copies in Redis need REDIS_URL, or RELAY_COPIES_URL")
  return openDepot({ urls, log, after })
}

/** Copies in the server's own file or in Redis, where they were asked for. Throws one sentence where another key sealed the file's. */
function copiesOf(
  { config, store, log, wake, random }: RelayGround,
  bounds: RelayOptions,
  depot: Depot | undefined,
): SqliteCopies | RedisCopies | undefined {
  const { relayCopies, relayCopyKey } = config
  const seal = relayCopyKey === undefined ? undefined : new Seal(relayCopyKey, random)
  if (depot !== undefined) {
    return new RedisCopies({ depot, log, random, copyMs: bounds.copyMs, seal })
  }
  if (relayCopies === "off") return undefined
  return new SqliteCopies({ store, log, wake, bounds, seal })
}

/** A server that had rooms a moment ago waits for them to come back before anyone fills one anew (RL40). */
function heldUntil(traces: Traces, now: number, { markMs, orphanHoldMs }: RelayOptions): number {
  const { aliveAt } = traces
  return aliveAt !== undefined && now - aliveAt < markMs ? now + orphanHoldMs : 0
}

/** What those without a token are: as it was set; else nobody where tokens are checked, and editors on this machine. */
function anonymousOf(config: Config, identify: Identify | undefined): Anonymous {
  if (config.relayAnonymous !== undefined) return config.relayAnonymous
  if (identify !== undefined) return "off"
  if (isLoopback(config.host)) return "editor"
  throw new Error(
    "the relay would be open to strangers: set JWT_SECRET, JWT_PUBLIC_KEY or JWT_JWKS_URL, or say RELAY_ANONYMOUS=off, viewer or editor",
  )
}

/** No cookie counts here: where everyone brings a token, a foreign page gains nothing by connecting. */
function originsOf({ allowedOrigins }: Config, anonymous: Anonymous): "own" | "local" | "any" {
  if (allowedOrigins.length > 0) return "own"
  return anonymous === "off" ? "any" : "local"
}

/** The entry that brought the token, since browsers want one of what they offered. */
function agreed(offered: readonly string[]): string | undefined {
  return offered.find((each) => each.startsWith("bearer."))
}

// Rates are the relay's own (RL87): answers to asks are free of them.
function relayLimits(config: Config, options: RelayOptions): Limits {
  return {
    // An answer above its limit ends its room's exchange, not its holder: net refuses longer ones only.
    messageBytes: 2 * options.answerLimitBytes,
    messagesPerSecond: 0,
    messagesBurst: 0,
    bytesPerSecond: 0,
    bytesBurst: 0,
    behindBytes: options.behindBytes,
    slowBytes: options.sendQueueBytes,
    stalledMs: options.stalledMs,
    offers: config.broadcastBufferSize,
    heartbeatMs: config.wsHeartbeatIntervalSeconds * 1000,
    silenceMs: config.wsReadTimeoutMinutes * minuteMs,
  }
}
