/**
 * Pools: calls and emits between processes. The folder's door.
 *
 * One message comes in, is looked at where it stands (`hearing.ts`), and is answered at most once.
 * What always holds: a connection that ends takes all that was its own with it, in the same turn;
 * who is told of what, and of whose keys, is decided by rights at that moment.
 */
import type { Connection, Service } from "../service.ts"
import { WireError } from "../wire/error.ts"
import type { Fault } from "../wire/pools-errors.ts"
import type { FromApp } from "../wire/pools-shapes.ts"
import { Admin } from "./admin.ts"
import { Admission } from "./admission.ts"
import { Apps } from "./apps.ts"
import { Blocks } from "./blocks.ts"
import { BlocksProbe, blockHealth } from "./blocks-probe.ts"
import { Calls } from "./calls.ts"
import { Counts } from "./counts.ts"
import { Desk } from "./desk.ts"
import { Emits } from "./emits.ts"
import { Encrypted } from "./encrypted.ts"
import { Payloads } from "./encrypted-payloads.ts"
import { Entry } from "./entry.ts"
import { Governing, membersOf } from "./governing.ts"
import { Hearing } from "./hearing.ts"
import { limits as defaults, type Limits } from "./limits.ts"
import { measure, measureBlocks } from "./measures.ts"
import type { PoolsOptions } from "./options.ts"
import type { Pool } from "./pool.ts"
import { Probe } from "./probe.ts"
import { Pulse } from "./pulse.ts"
import { Realm } from "./realm.ts"
import { Recent } from "./recent.ts"
import { Registering } from "./registering.ts"
import { Replies } from "./replies.ts"
import { type Entrance, Session } from "./session.ts"
import { Streams } from "./streams.ts"
import { Tables } from "./tables.ts"
import { Trail } from "./trail.ts"
import { TrinityTables } from "./trinity-tables.ts"

/** One way in: the service as a listener sees it. */
export type PoolsEntrance = Service<FromApp, Uint8Array | string>

export type { Ask } from "./entry.ts"
export type { PoolsOptions } from "./options.ts"
export type { Entrance } from "./session.ts"

type Far = Connection<Uint8Array | string>

const sessionKeyBytes = 16

export class Pools {
  readonly #options: PoolsOptions
  readonly limits: Limits
  readonly counts = new Counts()
  readonly calls: Calls
  readonly #emits: Emits
  readonly #apps: Apps
  readonly #realm: Realm
  readonly #registering: Registering
  readonly #entry: Entry
  readonly #encrypted: Encrypted
  readonly #pulse: Pulse
  readonly blocks: Blocks
  readonly #hearing: Hearing
  readonly #probe: Probe
  readonly #blocksProbe: BlocksProbe
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
    const trail = new Trail(log)
    const recent = new Recent(options.recentStore, limits.recentCalls)
    this.calls = new Calls({
      ...{ limits, counts, random, now, wakeSoon, trail },
      away: (trigger) => this.#apps.awayFrom(trigger),
      settled: (settled) => {
        took(settled.at - settled.call.startedAt)
        recent.add(settled)
        trail.settled(settled)
      },
      drained: (session) => this.#drained(session),
      refer: (session, start) => this.blocks.references.refer(session, start),
    })
    const { calls } = this
    const took = measure(metrics, { counts, calls, sessions: () => this.size })
    const streams = new Streams(calls, limits, counts)
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
    const payloads = new Payloads(now)
    const { references } = blocks
    const replies = new Replies({ payloads, calls, streams, references })
    const governing = new Governing({ realm, calls, encrypted, changed })
    const admin = new Admin({
      ...{ realm, blocks, apps, calls, recent, counts, now, serverVersion, security },
      startedAt: now(),
      expel: (session, sentence) => this.#end(session, { code: "replaced", sentence }),
      shutDown: options.shutDown,
    })
    const isDraining = () => this.#state === "draining"
    const desk = new Desk({
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
    const [entry, pulse] = [this.#entry, this.#pulse]
    this.#hearing = new Hearing({
      ...{ entry, pulse, desk, replies, streams, calls, blocks, governing, admin },
      ...{ counts, trail, limits, now },
    })
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
    for (const session of this.#sessions.values()) session.renewMaps()
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
    this.#hearing.hear(session, message)
  }

  #close(connection: Far): void {
    const session = this.#sessions.get(connection)
    this.#sessions.delete(connection)
    if (session !== undefined) this.#leave(session)
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
