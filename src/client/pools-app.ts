/**
 * An app on the pools of a server, put together: one connection, and what goes over it.
 *
 * What always holds: everything of an app goes over one connection; after a return its memberships,
 * registrations and subscriptions hold again before any call leaves; once it is closed nothing more
 * happens. Blocks and keys, where there are any, stand on `ground` like all other parts.
 */
import { Blocks } from "./blocks.ts"
import type { LoadMapper } from "./blocks-mapping.ts"
import { Listeners } from "./listeners.ts"
import { Calls, type Wanted } from "./pools-calls.ts"
import { Emits } from "./pools-emits.ts"
import { explainBody, explanationOf } from "./pools-explain.ts"
import { asPoolsError, errorOf, fault } from "./pools-faults.ts"
import { type Fields, type Hearing, present, textIn } from "./pools-frames.ts"
import { Ground } from "./pools-ground.ts"
import { longestMs, mayRunHere, proofOf, runHere } from "./pools-here.ts"
import { Link, type OpenWire, type Welcome } from "./pools-link.ts"
import { keyOf, OpenPool } from "./pools-pool.ts"
import type {
  AdminOptions,
  App,
  AppOptions,
  AppState,
  CallOptions,
  EmitOptions,
  Explanation,
  HandleOptions,
  Emit as Heard,
  OnOptions,
  Pool,
  PoolEvent,
  PoolsError,
  Reached,
  Stream,
  Undo,
  Work,
} from "./pools-shapes.ts"
import { starting } from "./pools-starting.ts"
import { Works } from "./pools-works.ts"

const drainMs = 10_000

interface Events {
  readonly state: (state: AppState, why: PoolsError | undefined) => void
  readonly pool: (pool: string, event: PoolEvent) => void
}

/** Connects. Rejects with PoolsError, or with the reason of `options.signal`. */
export async function connectApp(
  open: OpenWire,
  options: AppOptions,
  loadMapper?: LoadMapper,
): Promise<App> {
  if (!/^[A-Za-z0-9._-]{1,128}$/.test(options.app)) {
    const shape = "letters, digits, dots, dashes and underscores, 128 at most"
    throw new TypeError(`"${options.app}" is no app id: ${shape}`)
  }
  options.signal?.throwIfAborted()
  const app = new OpenApp(open, options, loadMapper)
  await app.started
  return app
}

export class OpenApp implements App {
  readonly id: string
  /** Resolves with the first acknowledgement. */
  readonly started: Promise<void>
  /** For parts that live elsewhere. */
  readonly ground: Ground
  readonly #options: AppOptions
  readonly #link: Link
  readonly #listeners = new Listeners<Events>()
  readonly #calls: Calls
  readonly #works: Works
  readonly #emits: Emits
  readonly #blocks: Blocks
  readonly #pools = new Map<string, Pool>()
  readonly #rights = new Map<string, readonly string[]>()
  #limits: ReadonlyMap<string, number> = new Map()
  #state: AppState = "connecting"
  /** "leaving": it has asked the server for no more calls. */
  #will: "staying" | "leaving" = "staying"

  constructor(open: OpenWire, options: AppOptions, loadMapper?: LoadMapper) {
    this.id = options.app
    this.#options = options
    this.#link = new Link(open, options, {
      welcomed: (welcome) => this.#onWelcome(welcome),
      heard: (message) => {
        if (this.ground.seals.hear(message) === "other") this.#hear(message)
      },
      lost: (why) => this.#onLost(why),
      ended: (why) => this.#end(why),
    })
    this.ground = new Ground(this.#link)
    this.#calls = new Calls(this.ground)
    this.#emits = new Emits(this.ground)
    this.#works = new Works({
      say: (message, pool) => this.ground.say(message, pool),
      call: (wanted) => this.#begin(wanted),
      stream: (wanted) => this.#calls.stream(wanted),
    })
    this.#blocks = new Blocks(this.ground, options.map === "off" ? undefined : loadMapper)
    this.ground.seals.serve({
      appId: this.id,
      hear: (message) => this.#hear(message),
      told: (error, about) => this.#options.onFault?.(error, about),
      breakInput: (call, error) => this.#works.breakInput(call, error),
    })
    this.started = this.#start()
  }

  get state(): AppState {
    return this.#state
  }

  get rights(): ReadonlyMap<string, readonly string[]> {
    return this.#rights
  }

  get limits(): ReadonlyMap<string, number> {
    return this.#limits
  }

  async handle<I, O>(
    trigger: string,
    work: Work<I, O>,
    options: HandleOptions = {},
  ): Promise<Undo> {
    const { pool = "default", ...about } = options
    const key = `trigger ${pool} ${trigger}`
    const offer = present({ name: trigger, ...about })
    const triggers = [Object.keys(offer).length === 1 ? trigger : offer]
    // What it takes and gives is the program's word.
    const own = work as Work
    const before = this.#works.get(pool, trigger)
    // Before it is said: a call may come with the answer.
    this.#works.set(pool, trigger, own)
    const { requests, seals } = this.ground
    const unmark = seals.mark(key, about.plain === true ? "plain" : "sealed")
    try {
      const body = { type: "register", pool, triggers }
      await requests.hold(key, { rank: "later", body })
    } catch (thrown) {
      unmark()
      if (before === undefined) this.#works.delete(pool, trigger)
      else this.#works.set(pool, trigger, before)
      throw thrown
    }
    return async () => {
      // Another has replaced it since, or it was undone.
      if (this.#works.get(pool, trigger) !== own) return
      this.#works.delete(pool, trigger)
      if (!requests.holds(key)) return
      await requests.release(key, { type: "unregister", pool, triggers: [trigger] })
    }
  }

  call<O>(trigger: string, payload?: unknown, options: CallOptions = {}): Promise<O> {
    // The type of the result is the caller's word.
    return this.#begin({ trigger, payload, options, parent: undefined }) as Promise<O>
  }

  stream<O>(trigger: string, payload?: unknown, options: CallOptions = {}): Stream<O> {
    return this.#calls.stream<O>({ trigger, payload, options, parent: undefined })
  }

  emit(name: string, payload?: unknown, options: EmitOptions = {}): Promise<Reached | undefined> {
    return this.#emits.emit(name, payload, options)
  }

  on<T>(
    pattern: string,
    listener: (payload: T, emit: Heard) => void,
    options: OnOptions = {},
  ): Promise<Undo> {
    // What is emitted under a name is the program's word.
    return this.#emits.on(pattern, (payload, emit) => listener(payload as T, emit), options)
  }

  pool(name: string): Pool {
    const known = this.#pools.get(name)
    if (known !== undefined) return known
    const pool = new OpenPool(name, {
      ground: this.ground,
      blocks: this.#blocks,
      membership: (each, how, rights) => this.#membership(each, how, rights),
      onPool: (listener) => this.#listeners.on("pool", listener),
    })
    this.#pools.set(name, pool)
    return pool
  }

  async explain(trigger: string, options: CallOptions = {}): Promise<Explanation> {
    return explanationOf(await this.ground.requests.ask(explainBody(trigger, options)))
  }

  admin(operation: string, options: AdminOptions = {}): Promise<Fields> {
    return this.ground.requests.ask(present({ type: "admin", operation, ...options }))
  }

  async drain(): Promise<void> {
    if (this.#state === "closed") return
    this.#will = "leaving"
    if (this.#state === "ready") this.#become("draining", undefined)
    // Without a connection it holds nothing, and it will ask for nothing when one is back.
    if (this.#link.isReady) await this.ground.requests.askNow({ type: "drain" })
  }

  async close({ withinMs = drainMs }: { readonly withinMs?: number } = {}): Promise<void> {
    if (this.#state === "closed") return
    if (this.#link.isReady) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, Math.min(withinMs, longestMs))
      // Lost meanwhile, or never allowed: it goes all the same.
      await Promise.race([promise, this.drain().catch(() => {})])
      clearTimeout(timer)
    }
    this.#end(fault("connection-lost", "this app was closed", { executionUncertain: false }))
  }

  watch(listener: Events["state"]): () => void {
    return this.#listeners.on("state", listener)
  }

  #start(): Promise<void> {
    return starting({
      signal: this.#options.signal,
      watch: (listener) => this.watch(listener),
      begin: () => this.#link.start(),
      giveUp: (why) => this.#end(why),
    })
  }

  async #begin(wanted: Wanted): Promise<unknown> {
    const { trigger, options } = wanted
    const { pool = "default" } = options
    const work = this.#works.get(pool, trigger)
    const isHere = work !== undefined && this.ground.requests.holds(`trigger ${pool} ${trigger}`)
    const mayBe = this.#options.shortCircuit !== false && this.#will === "staying"
    if (isHere && mayBe && mayRunHere(wanted)) {
      const caller = { origin: this.id, proof: proofOf(this.#options) }
      return runHere(this.#works, { ...wanted, work }, caller)
    }
    return this.#calls.call(wanted)
  }

  #onWelcome(welcome: Welcome): void {
    this.ground.welcome = welcome
    for (const [pool, given] of welcome.rights) this.#rights.set(pool, given)
    this.#limits = welcome.limits
    if (this.#will === "leaving") return this.#open()
    const { requests } = this.ground
    const told = (error: PoolsError, about: string) => this.#options.onFault?.(error, about)
    requests.restore(told).then(
      () => this.#open(),
      // Lost again is told by the link; anything else would leave this app half of what it was.
      (thrown: unknown) => this.#link.drop(asPoolsError(thrown)),
    )
  }

  #open(): void {
    if (!this.#link.isReady || this.#state === "closed") return
    this.#become(this.#will === "leaving" ? "draining" : "ready", undefined)
    this.ground.gate.open()
  }

  #hear(message: Hearing): void {
    if (this.#works.hear(message) === "taken") return
    if (this.#calls.hear(message) === "taken") return
    if (this.ground.requests.hear(message) === "taken") return
    if (this.#emits.hear(message) === "taken" || this.#blocks.hear(message) === "taken") return
    if (message.kind === "fault") {
      const name = typeof message.to === "number" ? this.#emits.takeName(message.to) : undefined
      // An answer to a call that was given up comes here too: nobody waits for that.
      if (name === undefined && message.to !== null) return
      const error = errorOf(message.fault, message.word)
      return this.#options.onFault?.(error, name === undefined ? "" : `emit ${name}`)
    }
    if (message.kind !== "plain") return
    const { body } = message
    if (body["type"] === "drain") return this.#onServerDrain()
    if (body["type"] === "pool") this.#onPool(body)
  }

  /** The server stops: what is under way may end, all else waits for the next connection. */
  #onServerDrain(): void {
    this.ground.gate.shut()
    this.#become("draining", fault("going-away", "the server stops"))
  }

  #onPool(body: Fields): void {
    const pool = textIn(body, "pool") ?? ""
    const { operation } = body
    if (operation !== "destroyed" && operation !== "removed") return
    this.#membership(pool, "out", [])
    this.#listeners.tell("pool", pool, { event: operation, reason: textIn(body, "reason") })
  }

  /** What rested on a membership ends with it. */
  #membership(pool: string, how: "in" | "out", rights: readonly string[]): void {
    if (how === "in") return void this.#rights.set(pool, rights)
    this.#rights.delete(pool)
    this.#link.leave(pool)
    this.ground.requests.forget(keyOf(pool))
    for (const trigger of this.#works.leave(pool)) {
      this.ground.requests.forget(`trigger ${pool} ${trigger}`)
    }
    this.#emits.leave(pool)
    this.#blocks.leave(pool)
  }

  #onLost(why: PoolsError): void {
    this.ground.gate.shut()
    this.ground.seals.lost()
    this.#blocks.lost(why)
    // First what was called: calls that are parts of lost ones are lost as well, not cancelled.
    this.#calls.lost(why)
    this.#works.lost(why)
    this.ground.requests.lost(why)
    this.#become("away", why)
  }

  #end(why: PoolsError): void {
    if (this.#state === "closed") return
    this.#link.close()
    this.ground.gate.end(why)
    this.ground.seals.lost()
    this.#blocks.end(why)
    this.#calls.end(why)
    this.#works.lost(why)
    this.ground.requests.lost(why)
    this.#become("closed", why)
  }

  #become(state: AppState, why: PoolsError | undefined): void {
    if (this.#state === state) return
    this.#state = state
    this.#listeners.tell("state", state, why)
  }
}
