/**
 * The operators as the server has them: their listeners, their limits for net, and the thread pool
 * that hashes passwords.
 *
 * What always holds: nothing of this part is counted or logged but its listeners and faults of ours;
 * it opens no connection; what breaks an invariant, or damages the file, ends the process.
 */
import { argon2 } from "node:crypto"
import { availableParallelism } from "node:os"
import type { Config } from "./config.ts"
import type { Log } from "./log.ts"
import type { Connections } from "./net/connections.ts"
import { type Gate, isLoopback } from "./net/gate.ts"
import type { Limits, WebSocketRoute } from "./net/route.ts"
import { StreamListener } from "./net/tcp.ts"
import { Operators } from "./operators/operators.ts"
import type { Derive } from "./operators/passwords.ts"
import { type Cost, costOf, leastCost } from "./operators/secret.ts"
import { Listeners } from "./server-listeners.ts"
import { guard, type Random } from "./service.ts"
import type { Store } from "./store.ts"
import { lineBytes, operatorsCodec, operatorsSocketCodec } from "./wire/operators.ts"

/** What the operators are built from. */
export interface OperatorsGround {
  readonly config: Config
  readonly store: Store
  readonly log: Log
  readonly connections: Connections
  readonly gate: Gate
  readonly random: Random
  /** ms since 1970. */
  readonly now: number
}

/** The operators, wired: what ticks, what WebSockets reach, and their own listeners. */
export interface OperatorsPart {
  readonly service: Operators
  readonly route: WebSocketRoute<unknown, unknown>
  /** Where it listens: `127.0.0.1:9696`, and the path of a unix socket. */
  readonly places: readonly string[]
  /** Rejects with one sentence when one of its listeners cannot be had. */
  listen(): Promise<void>
  /** Takes no one new, and removes its unix socket. */
  stopListening(): void
}

const dayMs = 86_400_000
const epochBytes = 8
/** From so many cores up, two hashes run at a time: the rest is for routing. */
const coresForTwo = 4

/** Builds it. Throws one sentence when a password's hash would cost too little. */
export function createOperators(ground: OperatorsGround): OperatorsPart {
  const { config, store, log, random, now, connections, gate } = ground
  const service = new Operators({
    store,
    log,
    random,
    derive: deriving(log),
    cost: costFor(config, store),
    hashConcurrency: availableParallelism() < coresForTwo ? 1 : 2,
    registration: config.operatorsRegistration,
    epoch: Buffer.from(random(epochBytes)).toString("hex"),
    broken: (thrown) => endProcess(log, thrown),
    limits: {
      connections: config.operatorsConnections,
      messagesPerSecond: config.operatorsRate,
      expiryMs: config.operatorsExpiryDays * dayMs,
    },
    now,
  })
  const limits = operatorsLimits(config)
  const lines = {
    ...({ name: "operators", figures: "none", framing: "lines" } as const),
    ...{ service, codec: operatorsCodec, limits, overlong: new Uint8Array(0) },
  }
  const preface = config.operatorsCircuits === "on" ? "circuit" : "none"
  const { host, operatorsPort: port, operatorsSocket: path } = config
  const listeners = new Listeners(
    { host, port, path },
    (place) => {
      const own = "path" in place ? ({ preface } as const) : {}
      return new StreamListener({ route: lines, connections, gate, ...own })
    },
    { log, event: "operators listen" },
  )
  return {
    service,
    places: listeners.places,
    route: socketRoute(service, limits),
    async listen() {
      if (config.operatorsRegistration === "open" && !isLoopback(config.host)) {
        log.warn("anyone who reaches the operators may register", { host: config.host })
      }
      await listeners.listen()
    },
    stopListening() {
      for (const at of listeners.stop()) log.info("operators stop listening", { at })
    },
  }
}

function socketRoute(service: Operators, limits: Limits): WebSocketRoute<unknown, unknown> {
  return {
    name: "operators",
    figures: "none",
    prefix: "/operators/",
    service,
    codec: operatorsSocketCodec,
    // A line above its limit is told so; only a message twice as long ends the connection.
    limits: { ...limits, messageBytes: 2 * limits.messageBytes },
    opens: "after",
    origins: "own",
    query: [],
    protocols: () => undefined,
  }
}

// Messages are counted by the service: only it knows which lines are some.
function operatorsLimits(config: Config): Limits {
  return {
    messageBytes: lineBytes,
    messagesPerSecond: 0,
    messagesBurst: 0,
    bytesPerSecond: config.operatorsRate === 0 ? 0 : 10_240,
    bytesBurst: 32_768,
    behindBytes: 0,
    slowBytes: 524_288,
    stalledMs: 60_000,
    offers: 1,
    heartbeatMs: 0,
    silenceMs: 0,
    // A program that waits for more input leaves its half open: the server must be gone within 2 s.
    closingMs: 1_000,
  }
}

function costFor(config: Config, store: Store): Cost {
  const cost = costOf(config.operatorsHash)
  if (cost === undefined) {
    throw new Error(`OPERATORS_HASH: "${config.operatorsHash}" cannot be had`)
  }
  const isLess = cost.memory < leastCost.memory || cost.passes < leastCost.passes
  if (isLess && store.durable) {
    throw new Error(
      `OPERATORS_HASH: "${config.operatorsHash}" is less than m=${leastCost.memory},t=${leastCost.passes},p=1, which is for a database in memory only`,
    )
  }
  return cost
}

/** In Node's thread pool, so that lines are read meanwhile. */
function deriving(log: Log): Derive {
  return ({ password, salt, cost, tagBytes }, answer) => {
    const options = {
      message: password,
      nonce: salt,
      memory: cost.memory,
      passes: cost.passes,
      parallelism: cost.lanes,
      tagLength: tagBytes,
    }
    const told = (tag: Uint8Array | "away") => guard(log, "operators hash", () => answer(tag))
    try {
      argon2("argon2id", options, (problem, tag) => told(problem === null ? tag : "away"))
    } catch {
      // It throws for a cost it does not take, which only a row written by hand can ask for.
      queueMicrotask(() => told("away"))
    }
  }
}

/** Logged, and then thrown where nobody catches it: memory is lost, and who runs the server restarts it. */
function endProcess(log: Log, thrown: unknown): void {
  log.error("operators broken", { stack: thrown instanceof Error ? thrown.stack : undefined })
  queueMicrotask(() => {
    throw thrown
  })
}
