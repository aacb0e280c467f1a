/**
 * Pools: calls and emits between processes. The folder's door.
 *
 * One message comes in, is looked at where it stands, and is answered at most once. What always
 * holds: whoever has not shaken hands reaches nothing but the handshake; a refusal answers one
 * request and leaves all else as it was; a connection that ends takes all that was its own with it,
 * in the same turn. Longer than usual: the switch over all messages, and the wiring, stand here.
 */
import type { Log } from "../log.ts"
import type { Memory } from "../memory.ts"
import type { Metrics } from "../metrics.ts"
import type { Connection, Random, Service, Wake } from "../service.ts"
import type { Store } from "../store.ts"
import { WireError } from "../wire/error.ts"
import { type Fault, Refusal } from "../wire/pools-errors.ts"
import type { FromApp } from "../wire/pools-shapes.ts"
import { Admin } from "./admin.ts"
import { Admission } from "./admission.ts"
import { Apps } from "./apps.ts"
import { Blocks } from "./blocks.ts"
import { BlocksProbe, blockHealth } from "./blocks-probe.ts"
import type { DamagedContents } from "./blocks-restored.ts"
import { Calls } from "./calls.ts"
import { Counts } from "./counts.ts"
import { Desk, spend } from "./desk.ts"
import { Emits } from "./emits.ts"
import { Encrypted } from "./encrypted.ts"
import { Payloads } from "./encrypted-payloads.ts"
import type { Bindings } from "./encrypted-proofs.ts"
import { type Ask, Entry, refuseEntry } from "./entry.ts"
import { Governing, membersOf } from "./governing.ts"
import { limits as defaults, type Limits } from "./limits.ts"
import { measure, measureBlocks } from "./measures.ts"
import type { Pool } from "./pool.ts"
import { Probe } from "./probe.ts"
import { Pulse } from "./pulse.ts"
import { Realm } from "./realm.ts"
import { Recent } from "./recent.ts"
import { Registering } from "./registering.ts"
import { idOf, isUsed } from "./requests.ts"
import { type Entrance, Session } from "./session.ts"
import { Streams } from "./streams.ts"
import { Tables } from "./tables.ts"
import { Trail } from "./trail.ts"
import { TrinityTables } from "./trinity-tables.ts"

export interface PoolsOptions {
  readonly store: Store
  /** Where blocks lie. */
  readonly memory: Memory
  /** For recent calls: always in memory. */
  readonly recentStore: Store
  readonly log: Log
  readonly metrics: Metrics
  readonly random: Random
  readonly wake: Wake
  /** ms since 1970, finer than the tick: a call's time is measured by it. */
  readonly now: () => number
  /** Undefined without a key for tokens. */
  readonly ask: Ask | undefined
  readonly serverVersion: string
  /** How long calls may take to end once the server stops, in ms. */
  readonly drainMs: number
  /** Ends the server, as its admin may ask. */
  readonly shutDown: () => void
  readonly limits?: Partial<Limits>
  /** Whether proofs of keys must be bound to a TLS connection; "asked" unless told. */
  readonly bindings?: Bindings
  /** Durable blocks whose contents are damaged; "refuse" unless told. */
  readonly damagedBlocks?: DamagedContents
}

/** One way in: the service as a listener sees it. */
export type PoolsEntrance = Service<FromApp, Uint8Array | string>

export type { Ask } from "./entry.ts"
export type { Entrance } from "./session.ts"

type Far = Connection<Uint8Array | string>

const sessionKeyBytes = 16

export class Pools {
  readonly #options: PoolsOptions
  readonly limits: Limits
  readonly counts = new Counts()
  readonly calls: Calls
  readonly #emits: Emits
  readonly #streams: Streams
  readonly #apps: Apps
  readonly #realm: Realm
  readonly #registering: Registering
  readonly #entry: Entry
  readonly #encrypted: Encrypted
  readonly #payloads: Payloads
  readonly #governing: Governing
  readonly #admin: Admin
  readonly #pulse: Pulse
  readonly #desk: Desk
  readonly blocks: Blocks
  readonly #probe: Probe
  readonly #blocksProbe: BlocksProbe
  readonly #trail: Trail
  readonly #sessions = new Map<Far, Session>()
  #unshaken = 0
  #state: "serving" | "draining" = "serving"

  constructor(options: PoolsOptions) {
    this.#options = options
    const { random, now, log, metrics, serverVersion } = options
    const limits = { ...defaults, ...options.limits }
    this.limits = limits
    const { counts } = this
    const wakeSoon = () => options.wake(10)
    const tables = new Tables(options.store)
    this.#apps = new Apps({ tables, limits, log })
    this.#trail = new Trail(log)
    const recent = new Recent(options.recentStore, limits.recentCalls)
    this.calls = new Calls({
      ...{ limits, counts, random, now, wakeSoon, trail: this.#trail },
      away: (trigger) => this.#apps.awayFrom(trigger),
      settled: (settled) => {
        took(settled.at - settled.call.startedAt)
        recent.add(settled)
        this.#trail.settled(settled)
      },
      drained: (session) => this.#drained(session),
      refer: (session, start) => this.blocks.references.refer(session, start),
    })
    const { calls } = this
    const took = measure(metrics, { counts, calls, sessions: () => this.size })
    this.#streams = new Streams(calls, limits, counts)
    const slow: Fault = { code: "slow", sentence: "it would rather be closed than miss an emit" }
    this.#emits = new Emits({ limits, counts, wakeSoon, expel: (each) => this.#end(each, slow) })
    const emits = this.#emits
    const announce = (event: string, about: Pool, fact: object) => this.#tell(event, about, fact)
    this.#registering = new Registering({ limits, calls, emits, announce })
    const registering = this.#registering
    this.#realm = new Realm({
      ...{ tables, limits, random, now, announce },
      narrowed: (membership) => {
        registering.narrowed(membership)
        this.blocks.narrowed(membership)
      },
      destroyed: (pool) => this.blocks.destroyed(pool),
    })
    const [realm, apps] = [this.#realm, this.#apps]
    const { memory, store, wake } = options
    const damaged = options.damagedBlocks ?? "refuse"
    this.blocks = new Blocks({ memory, store, limits, realm, log, random, now, wake, damaged })
    const { blocks } = this
    measureBlocks(metrics, blocks, memory)
    const admission = new Admission({
      ...{ limits, apps, realm, registering, serverVersion, place: memory.place },
      announce: (event, fact) => this.#tell(event, realm.system, fact),
    })
    const security = (event: string, fact: object) => this.#secure(event, realm.system, fact)
    this.#entry = new Entry({
      ...{ limits, apps, random, now, log, counts, security, ask: options.ask },
      end: (session, fault) => this.#end(session, fault),
      admit: (session, app, handshake) => {
        admission.admit(session, app, handshake)
        this.#unshaken--
      },
    })
    const changed = (session: Session) =>
      this.#apps.remember(session, session.app?.remembered.metadata)
    this.#encrypted = new Encrypted({
      ...{ limits, realm, random, now, membersOf, tables: new TrinityTables(options.store) },
      bindings: options.bindings ?? "asked",
      security: (event, pool, fact) => this.#secure(`$sys.security.${event}`, pool, fact),
    })
    const encrypted = this.#encrypted
    this.#payloads = new Payloads(now)
    const payloads = this.#payloads
    this.#governing = new Governing({ realm, calls, encrypted, changed })
    this.#admin = new Admin({
      ...{ realm, blocks, apps, calls, recent, counts, now, serverVersion, security },
      startedAt: now(),
      expel: (session, sentence) => this.#end(session, { code: "replaced", sentence }),
      shutDown: options.shutDown,
    })
    const isDraining = () => this.#state === "draining"
    this.#desk = new Desk({
      limits,
      blocks,
      realm,
      apps,
      calls,
      emits,
      registering,
      payloads,
      isDraining,
    })
    this.#probe = new Probe(calls)
    this.#blocksProbe = new BlocksProbe(blocks.making)
    this.#pulse = new Pulse({ limits, end: (session, fault) => this.#end(session, fault) })
  }

  /** Connections that have shaken hands. */
  get size(): number {
    return this.#sessions.size - this.#unshaken
  }

  /** How much is kept for strangers, in pieces: what tests hold against the limits. */
  get kept() {
    return {
      ...{ sessions: this.#sessions.size, unshaken: this.#unshaken, pools: this.#realm.size },
      ...{ calls: this.calls.inFlight, keys: this.calls.keys, bytes: this.calls.hands.keptBytes },
      triggers: [...this.#realm.all()].reduce((sum, { triggers }) => sum + triggers.size, 0),
      unwritten: this.#apps.unwritten,
    }
  }

  /** Whether a connection is an app already. */
  hasShakenHands(connection: Connection<unknown>): boolean {
    return this.#sessions.get(connection)?.isReady ?? false
  }

  /** Whether all of this part works: the store can be written, and a call inside the server comes back. */
  health() {
    const isWell = this.#apps.state === "well"
    const works = this.#state === "draining" || this.#probe.works()
    const store = isWell ? "ok" : "degraded"
    const blocks = blockHealth(this.blocks, this.#blocksProbe)
    const ok = isWell && works && blocks === "ok"
    return { ok, store, calls: works ? "ok" : "down", blocks }
  }

  /** A way in, for a listener whose far ends may do what `entrance` says. Only `tick` and `stop` are the whole's. */
  entrance(entrance: Entrance): PoolsEntrance {
    return {
      open: (connection) => this.#open(connection, entrance),
      receive: (connection, message) => this.#receive(connection, message),
      close: (connection) => this.#close(connection),
      tick: (now) => this.tick(now),
      stop: () => this.stop(),
    }
  }

  tick(now: number): void {
    this.calls.tick(now)
    this.#emits.tick()
    this.#entry.tick(now)
    this.#realm.tick(now)
    this.blocks.tick(now)
    this.#encrypted.tick(now)
    this.#pulse.tick(this.#sessions.values(), now)
    this.#apps.tick(now)
    if (this.#state === "draining") this.#closeIdle()
  }

  /** Takes no new call. Who has none open is closed, the others when theirs are done. */
  stop(): void {
    if (this.#state === "draining") return
    this.#state = "draining"
    const body = { type: "drain", within_ms: this.#options.drainMs }
    for (const session of this.#sessions.values()) {
      if (session.isReady && session.isModern) session.send({ kind: "plain", body })
    }
    this.#closeIdle()
    this.#apps.tick(this.#options.now())
  }

  /** Behind `stop`, when all connections are closed: durable blocks are saved, their memory given back. */
  end(): void {
    this.blocks.stop()
  }

  #open(connection: Far, entrance: Entrance): void {
    if (this.#state === "draining") throw new WireError("going-away", "the server is going")
    const { unshakenLimit, localMessagesPerSecond, remoteMessagesPerSecond } = this.limits
    if (this.#unshaken >= unshakenLimit) {
      const sentence = `unshakenLimit, ${unshakenLimit} connections without a handshake, is reached`
      throw new WireError("too-many", sentence)
    }
    const { random, now } = this.#options
    const burst = entrance.place === "local" ? localMessagesPerSecond : remoteMessagesPerSecond
    const key = random(sessionKeyBytes)
    const session = new Session({ connection, entrance, key, now: now(), burst })
    this.#sessions.set(connection, session)
    this.#unshaken++
  }

  #receive(connection: Far, message: FromApp): void {
    const session = this.#sessions.get(connection)
    // It was ended a moment ago, and its socket had read on.
    if (session === undefined || session.isGone) return
    session.heardAt = this.#options.now()
    try {
      this.#hear(session, message)
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown
      this.#refuse(session, message, thrown.fault)
    }
  }

  #close(connection: Far): void {
    const session = this.#sessions.get(connection)
    this.#sessions.delete(connection)
    if (session !== undefined) this.#leave(session)
  }

  #hear(session: Session, message: FromApp): void {
    if (message.kind !== "bad") session.badMessages = 0
    switch (message.kind) {
      case "bad":
        throw new Refusal(message.fault.code, message.fault.sentence, message.fault)
      case "handshake":
        return this.#entry.begin(session, message)
      case "auth":
        return this.#entry.prove(session, message.signature)
      case "ping":
        return session.send({ kind: "pong", id: message.id, form: message.form })
    }
    if (!session.isReady) throw new Refusal("not-ready", "shake hands first")
    this.#entry.heard(session)
    if ("id" in message && isUsed(session, message)) {
      throw new Refusal("duplicate-id", "a call with this id waits for its answer")
    }
    switch (message.kind) {
      case "pong":
        return this.#pulse.heard(session, this.#options.now())
      case "trigger":
        spend(session, this.limits)
        return this.#desk.start(session, message)
      case "response":
        this.#payloads.checkAnswer(session, message)
        return this.calls.answer(session, this.blocks.references.inlined(session, message))
      case "emit":
        spend(session, this.limits)
        return this.#desk.emit(session, message)
      case "chunk":
        this.#payloads.checkChunk(session, message)
        return this.#streams.chunk(session, message)
      case "credit":
        return this.#streams.credit(session, message)
      case "cancel":
        return this.calls.cancel(session, message.to, message.mode)
      case "drain":
        session.draining ??= { id: message.id }
        return this.calls.hands.draining(session)
      case "memory":
        spend(session, this.limits)
        return this.blocks.receive(session, message)
    }
    spend(session, this.limits)
    switch (message.kind) {
      case "register":
      case "unregister":
        return this.#desk.register(session, message)
      case "subscribe":
      case "unsubscribe":
        return this.#desk.subscribe(session, message)
      case "pool":
        return session.answer(message.id, this.#governing.answer(session, message))
      case "admin":
        return session.answer(message.id, this.#admin.answer(session, message))
    }
  }

  #refuse(session: Session, message: FromApp, fault: Fault): void {
    this.counts.refused(fault.code)
    const id = idOf(message)
    this.#trail.refused(session, id, fault.code)
    if (message.kind === "handshake" && !session.isReady)
      return refuseEntry(session, message, fault)
    const { stage } = session
    if (message.kind === "auth" && stage.is === "asking") {
      return refuseEntry(session, stage.handshake, fault)
    }
    if (fault.code === "bad-frame") return session.end(fault, id)
    if (message.kind === "bad" && ++session.badMessages >= this.limits.badMessageLimit) {
      return session.end(fault, id)
    }
    session.refuse(id, fault)
  }

  /** A handler that wanted to go holds nothing more. */
  #drained(session: Session): void {
    const id = session.draining?.id
    session.draining = { id: undefined }
    if (id !== undefined) session.answer(id, {})
  }

  /** Ends a session at once: what its socket still brings has no effect. */
  #end(session: Session, fault: Fault): void {
    if (session.isGone) return
    session.end(fault)
    this.#leave(session)
  }

  #leave(session: Session): void {
    if (session.isGone) return
    const wasReady = session.isReady
    session.stage = { is: "gone" }
    if (!wasReady) this.#unshaken--
    this.calls.left(session)
    this.blocks.left(session)
    for (const membership of [...session.memberships.values()]) this.#realm.leave(membership)
    this.#emits.left(session)
    this.#apps.left(session, this.#options.now())
    this.#entry.left(session)
    if (wasReady) this.#tell("$sys.app.away", this.#realm.system, { app: session.name })
  }

  /** While the server goes: whoever waits for nothing and holds nothing is closed. */
  #closeIdle(): void {
    const goingAway: Fault = { code: "going-away", sentence: "the server is going" }
    for (const session of this.#sessions.values()) {
      if (!session.isGone && session.calls.size + session.held.size === 0) {
        this.#end(session, goingAway)
      }
    }
  }

  /** The server's own emits: to those who may see the pool they are about. */
  #tell(event: string, about: Pool, fact: object): void {
    this.#emits.announce(this.#realm.system, event, fact, (session) =>
      this.#realm.rightsOf(session, about).has("read"),
    )
  }

  /** What happened to keys or ids: to those who govern the server, or the pool it is about. */
  #secure(event: string, about: Pool, fact: object): void {
    this.counts.secured(event.slice(event.lastIndexOf(".") + 1))
    const { system } = this.#realm
    this.#emits.announce(system, event, fact, (session) =>
      [system, about].some((pool) => this.#realm.rightsOf(session, pool).has("admin")),
    )
  }
}
