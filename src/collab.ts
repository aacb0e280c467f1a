/**
 * The relay inside somebody else's Node program, under the names of LFCC's document: that program
 * owns the WebSocket server, and hands over sockets and what they say.
 *
 * What always holds: what is behind these names is the same relay as a server's, with its rules and
 * its limits; nothing behind this file knows them. It keeps no document, and its timers keep no
 * program running.
 */
import { randomBytes } from "node:crypto"
import type { Bus } from "./bus/bus.ts"
import {
  createInMemoryMessageBus,
  createRedisAdapter,
  joinBus,
  type MessageBus,
  type MessageBusMetrics,
  probeMsOf,
  reachOf,
  serverIdOf,
} from "./collab-bus.ts"
import { type Clock, systemClock } from "./collab-clock.ts"
import type { CollabHealth, CollabMetrics, DocumentConnection } from "./collab-figures.ts"
import { type AnyLine, Dialect, Line, type LineWorld, type SocketLike } from "./collab-line.ts"
import { drawn, extractDocId, generateClientId, generateServerId } from "./collab-names.ts"
import {
  checkVisit,
  identitiesOf,
  type RelayChoice,
  settingsOf,
  type Visit,
} from "./collab-options.ts"
import type { RedisBusChoice } from "./collab-redis.ts"
import { Log } from "./log.ts"
import { LfccDialect } from "./relay/lfcc.ts"
import { Relay } from "./relay/relay.ts"
import { YjsDialect } from "./relay/yjs.ts"
import { guard, type Undo, type Wake } from "./service.ts"
import { lfccCodec, lfccMessageBytes } from "./wire/lfcc.ts"
import { yjsCodec } from "./wire/yjs.ts"

export {
  type Clock,
  type CollabHealth,
  type CollabMetrics,
  createInMemoryMessageBus,
  createRedisAdapter,
  type DocumentConnection,
  extractDocId,
  generateClientId,
  generateServerId,
  type MessageBus,
  type MessageBusMetrics,
  type RedisBusChoice,
  type RelayChoice,
  type SocketLike,
  type Visit,
}

const tickMs = 100
const fineTickMs = 10
/** So long a shutdown waits for far ends to answer the closing. */
const closingMs = 5_000

/**
 * A relay for the sockets of a program:
 *
 *     const relay = new StatelessCollabRelay()
 *     await relay.initialize()
 *     relay.handleConnection(ws, docId, senderId)   // and then, for this ws:
 *     relay.handleMessage(ws, data.toString())
 *     relay.handleDisconnection(ws)
 */
export class StatelessCollabRelay {
  readonly #serverId: string
  readonly #messageBus: MessageBus
  readonly #ownsBus: boolean
  readonly #bus: Bus
  readonly #clock: Clock
  readonly #log = new Log("error")
  readonly #relay: Relay
  readonly #identities: ReturnType<typeof identitiesOf>
  readonly #lfcc: LfccDialect
  readonly #yjs: YjsDialect
  readonly #lines = new Map<SocketLike, { readonly line: AnyLine } & DocumentConnection>()
  /** Those that were here: a late word of theirs is no fault of the program. */
  readonly #former = new WeakSet<SocketLike>()
  readonly #openLfcc: (of: Opening) => AnyLine
  readonly #openYjs: (of: Opening) => AnyLine
  readonly #features: string
  readonly #queue: (() => void)[] = []
  #isAtWork = false
  #isWoken = false
  #state: "starting" | "running" | "draining" = "starting"
  #endTicks: Undo | undefined
  #slowed = 0
  #drawn = 0

  /** Throws one sentence that names an option it does not know, or a value that is none. A test gives a `clock`. */
  constructor(options: RelayChoice = {}, clock: Clock = systemClock) {
    this.#clock = clock
    const settings = settingsOf(options)
    const { redisAdapter } = options
    this.#ownsBus = redisAdapter === undefined
    this.#messageBus = redisAdapter ?? createInMemoryMessageBus()
    this.#serverId = options.serverId ?? serverIdOf(this.#messageBus) ?? generateServerId()
    this.#identities = identitiesOf(options, () => clock.now())
    this.#bus = joinBus(this.#messageBus, {
      // Two relays may be given one name; on the bus each is itself.
      server: `${this.#serverId}/${drawn()}`,
      now: () => clock.now(),
      log: this.#log,
    })
    const ask = this.#identities.ask
    const { options: limits, hasBackPressure } = settings
    const relay = new Relay({
      bus: this.#bus,
      log: this.#log,
      random: (length) => randomBytes(length),
      wake: this.#wake,
      options: limits,
      anonymous: "off",
      denied: [],
      probeMs: probeMsOf(this.#messageBus),
      // What was here a moment ago, before a restart, may be on its way back (RL40).
      marksUnknownUntil: clock.now() + limits.orphanHoldMs,
    })
    this.#relay = relay
    this.#lfcc = new LfccDialect(relay, ask)
    this.#yjs = new YjsDialect(relay, ask)
    const { answerLimitBytes } = limits
    const world: LineWorld = {
      options: limits,
      log: this.#log,
      hasBackPressure,
      run: (work) => this.#run(work),
      slowed: () => {
        this.#slowed++
      },
    }
    // An answer above its limit ends its room's exchange, not its holder: refused is only what is longer.
    const longest = 2 * answerLimitBytes
    const lfcc = new Dialect(this.#lfcc, lfccCodec(limits), lfccMessageBytes(longest))
    const yjs = new Dialect(this.#yjs, yjsCodec(limits), longest)
    this.#openLfcc = (of) => this.#opened(new Line(lfcc, world, of), of.visit)
    this.#openYjs = (of) => this.#opened(new Line(yjs, world, of), of.visit)
    this.#features = settings.features
    relay.tick(clock.now())
  }

  /** Connects its bus. Time passes for it from here on, or from its first connection. */
  async initialize(): Promise<void> {
    await this.#messageBus.connect()
    if (this.#state === "starting") this.#state = "running"
    this.#start()
  }

  /** Gives out what waits, sends everyone away to come back elsewhere, and ends. Twice is harmless. */
  async shutdown(): Promise<void> {
    if (this.#state === "draining") return
    this.#start()
    this.#state = "draining"
    this.#run(() => this.#relay.stop())
    for (const { line } of [...this.#lines.values()]) line.close("going-away", "the server stops")
    const until = this.#clock.now() + closingMs
    while (this.#lines.size > 0 && this.#clock.now() < until) {
      await new Promise<void>((resolve) => this.#clock.after(fineTickMs, resolve))
    }
    this.#run(() => {
      for (const { line } of [...this.#lines.values()]) line.gone(undefined)
    })
    this.#endTicks?.()
    await this.#bus.close()
    if (this.#ownsBus) await this.#messageBus.disconnect()
  }

  /**
   * A far end has come. What is relayed of it bears `senderId`, whatever it calls itself. Its role
   * is that of its token; without one `options.role`, else the relay's default.
   */
  handleConnection(ws: SocketLike, docId: string, senderId: string, options: Visit = {}): void {
    if (this.#lines.has(ws)) throw new Error("this ws was given already")
    checkVisit(options)
    const { dialect = "lfcc", hasSnapshot = false } = options
    this.#start()
    this.#drawn++
    const params = new Map([
      ["path", docId],
      ["sender", senderId],
      ["hasSnapshot", hasSnapshot ? "1" : ""],
      ["features", this.#features],
    ])
    const ended = () => {
      this.#lines.delete(ws)
      this.#former.add(ws)
    }
    const visit = { ...options, senderId }
    const opening = { id: `${this.#drawn}`, socket: ws, params, ended, visit }
    const line = dialect === "yjs" ? this.#openYjs(opening) : this.#openLfcc(opening)
    this.#lines.set(ws, { line, docId, senderId, dialect, joinedAt: this.#clock.now() })
    ws.on?.("close", (code) => this.#run(() => line.gone(code)))
    // Nobody may be listening for it, and then it would end the program. "close" follows.
    ws.on?.("error", () => {})
  }

  /** What a far end said: a text as it came, or bytes. Throws only for a ws that was never given. */
  handleMessage(ws: SocketLike, data: string | Uint8Array): void {
    const known = this.#lines.get(ws)
    if (known === undefined) {
      if (this.#former.has(ws)) return
      throw new Error("this ws was never given to handleConnection")
    }
    const message = known.dialect === "lfcc" ? textIn(data) : data
    this.#run(() => known.line.take(message))
  }

  /** A far end is gone. Also after a close of ours; twice is harmless. */
  handleDisconnection(ws: SocketLike): void {
    const known = this.#lines.get(ws)
    if (known !== undefined) this.#run(() => known.line.gone(undefined))
  }

  getMetrics(): CollabMetrics {
    const { counts } = this.#relay
    return {
      activeConnections: this.#lines.size,
      activeDocuments: this.#relay.size,
      localMessages: counts.localMessages,
      remoteMessages: counts.remoteMessages,
      snapshotRequests: counts.requests.sum,
      snapshotResponses: counts.responses,
      rateLimitedMessages: counts.rateLimited,
      backpressureEvents: this.#slowed + counts.backpressure.sum,
      redis: this.#messageBus.getMetrics(),
    }
  }

  getHealth(): CollabHealth {
    const status = this.#status
    const { connections, documents, waiting } = this.#relay.health()
    return {
      ok: status === "healthy",
      status,
      serverId: this.#serverId,
      redis: reachOf(this.#messageBus),
      connections,
      documents,
      rooms: { waiting, untracked: this.#relay.untracked },
    }
  }

  getServerId(): string {
    return this.#serverId
  }

  /** Who is connected for a document, the longest first. */
  getDocumentConnections(docId: string): readonly DocumentConnection[] {
    return [...this.#lines.values()]
      .filter((each) => each.docId === docId)
      .map(({ line: _, ...connection }) => connection)
  }

  /** Documents for which somebody is connected. */
  getActiveDocuments(): readonly string[] {
    return [...new Set([...this.#lines.values()].map(({ docId }) => docId))]
  }

  /** Opened at once, or when its token has been looked at; what it says meanwhile waits. */
  #opened<In, Out>(line: Line<In, Out>, visit: Opening["visit"]): AnyLine {
    const identity = this.#identities.of(visit)
    if (visit.token === undefined) {
      this.#run(() => line.open(identity))
      return line
    }
    this.#identities.ask(visit.token, (found) =>
      this.#run(() => {
        if (found instanceof Error) line.refuse(found)
        else line.open(found ?? identity)
      }),
    )
    return line
  }

  get #status(): CollabHealth["status"] {
    if (this.#state !== "running") return this.#state
    return this.#messageBus.isConnected() ? "healthy" : "degraded"
  }

  #start(): void {
    if (this.#endTicks !== undefined) return
    this.#tick()
    this.#endTicks = this.#clock.every(tickMs, () => {
      this.#tick()
      this.#run(() => {
        const now = this.#clock.now()
        for (const { line } of [...this.#lines.values()]) line.tick(now)
      })
    })
  }

  #tick(): void {
    this.#run(() => {
      const now = this.#clock.now()
      this.#log.tick(now)
      this.#relay.tick(now)
      this.#lfcc.tick(now)
      this.#yjs.tick(now)
    })
  }

  readonly #wake: Wake = (withinMs) => {
    if (this.#isWoken) return
    this.#isWoken = true
    const ticked = () => {
      this.#isWoken = false
      this.#tick()
    }
    if (withinMs === 0) queueMicrotask(ticked)
    else this.#clock.after(fineTickMs, ticked)
  }

  // A program's own `send` may come back with a message at once: it waits until this one is done.
  #run(work: () => void): void {
    this.#queue.push(work)
    if (this.#isAtWork) return
    this.#isAtWork = true
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      guard(this.#log, "collab", next)
    }
    this.#isAtWork = false
  }
}

interface Opening {
  readonly id: string
  readonly socket: SocketLike
  readonly params: ReadonlyMap<string, string>
  readonly ended: () => void
  readonly visit: Visit & { readonly senderId: string }
}

/**
 * The text in bytes that begin as a text does. Programs hand on both kinds of message as bytes: one
 * with bytes behind its JSON begins with a length, so that `{` comes second, or later.
 */
function textIn(data: string | Uint8Array): string | Uint8Array {
  if (typeof data === "string") return data
  const brace = 0x7b
  const isText = data[0] === brace && data[1] !== brace
  return isText ? Buffer.from(data.buffer, data.byteOffset, data.length).toString() : data
}
