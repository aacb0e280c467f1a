/**
 * Pools: calls and emits between processes. The folder's door.
 *
 * One message comes in, is looked at where it stands, and is answered at most once. What always
 * holds: whoever has not shaken hands reaches nothing but the handshake; a refusal answers one
 * request and leaves all else as it was; a connection that ends takes all that was its own with it,
 * in the same turn. Longer than usual: the switch over all messages, and the wiring, stand here.
 */
import type { Log } from "../log.ts"
import type { Metrics } from "../metrics.ts"
import type { Connection, Random, Service, Wake } from "../service.ts"
import type { Store } from "../store.ts"
import { WireError } from "../wire/error.ts"
import { type Fault, Refusal } from "../wire/pools-errors.ts"
import type { FromApp } from "../wire/pools-shapes.ts"
import { Admin } from "./admin.ts"
import { Admission } from "./admission.ts"
import { Apps } from "./apps.ts"
import { Calls } from "./calls.ts"
import { Counts } from "./counts.ts"
import { Desk, spend } from "./desk.ts"
import { Emits } from "./emits.ts"
import { type Ask, Entry, refuseEntry } from "./entry.ts"
import { Governing } from "./governing.ts"
import { limits as defaults, type Limits } from "./limits.ts"
import { measure } from "./measures.ts"
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

export interface PoolsOptions {
  readonly store: Store
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
  readonly #governing: Governing
  readonly #admin: Admin
  readonly #pulse: Pulse
  readonly #desk: Desk
  readonly #probe: Probe
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
    const recent = new Recent(options.recentStore, limits.recentCalls)
    this.calls = new Calls({
      ...{ limits, counts, random, now, wakeSoon },
      away: (trigger) => this.#apps.awayFrom(trigger),
      settled: (settled) => {
        took(settled.at - settled.call.startedAt)
        recent.add(settled)
      },
      drained: (session) => this.#drained(session),
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
      narrowed: (membership) => registering.narrowed(membership),
    })
    const [realm, apps] = [this.#realm, this.#apps]
    const admission = new Admission({
      ...{ limits, apps, realm, registering, serverVersion },
      announce: (event, fact) => this.#tell(event, realm.system, fact),
    })
    const security = (event: string, fact: object) => this.#tell(event, "admins", fact)
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
    this.#governing = new Governing({ realm, calls, changed })
    this.#admin = new Admin({
      ...{ realm, apps, calls, recent, counts, now, serverVersion, security },
      startedAt: now(),
      expel: (session, sentence) => this.#end(session, { code: "replaced", sentence }),
      shutDown: options.shutDown,
    })
    const isDraining = () => this.#state === "draining"
    this.#desk = new Desk({ limits, realm, apps, calls, emits, registering, isDraining })
    this.#probe = new Probe(calls)
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
  health(): { readonly ok: boolean; readonly store: "ok" | "degraded"; readonly calls: string } {
    const isWell = this.#apps.state === "well"
    const works = this.#state === "draining" || this.#probe.works()
    const store = isWell ? "ok" : "degraded"
    return { ok: isWell && works, store, calls: works ? "ok" : "down" }
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
        return this.calls.answer(session, message)
      case "emit":
        spend(session, this.limits)
        return this.#desk.emit(session, message)
      case "chunk":
        return this.#streams.chunk(session, message)
      case "credit":
        return this.#streams.credit(session, message)
      case "cancel":
        return this.calls.cancel(session, message.to, message.mode)
      case "drain":
        session.draining ??= { id: message.id }
        return this.calls.hands.draining(session)
      case "memory":
        throw new Refusal("unavailable", "blocks are not available here")
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

  /** The server's own emits: to those who may see the pool they are about, or to admins alone. */
  #tell(event: string, about: Pool | "admins", fact: object): void {
    const { system } = this.#realm
    this.#emits.announce(system, event, fact, (session) => {
      const rights = this.#realm.rightsOf(session, about === "admins" ? system : about)
      return rights.has(about === "admins" ? "admin" : "read")
    })
  }
}
