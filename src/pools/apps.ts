/**
 * All apps that the server knows: live, and away but remembered.
 *
 * What always holds: what is bound, or was registered, is written in batches, one transaction a tick;
 * when the store cannot be written the changes wait here, one for each app, and are tried again. An
 * app that is bound to nothing and stays away is forgotten after a while.
 */
import type { Log } from "../log.ts"
import { Refusal } from "../wire/pools-errors.ts"
import { App, nothingRemembered, type Remembered } from "./app.ts"
import type { Limits } from "./limits.ts"
import type { Session } from "./session.ts"
import type { Tables } from "./tables.ts"
import type { Trigger } from "./trigger.ts"

/** How often the long forgotten are looked for. */
const sweepMs = 60_000

export class Apps {
  readonly #tables: Tables
  readonly #limits: Limits
  readonly #log: Log
  readonly #byId = new Map<string, App>()
  // Who of those that are away handled a trigger, by pool and trigger.
  readonly #away = new Map<string, Set<App>>()
  readonly #changed = new Set<App>()
  readonly #gone = new Set<string>()
  #sweptAt = 0
  /** "failing": the last write did not succeed. */
  state: "well" | "failing" = "well"

  constructor(options: { readonly tables: Tables; readonly limits: Limits; readonly log: Log }) {
    this.#tables = options.tables
    this.#limits = options.limits
    this.#log = options.log
    for (const app of this.#tables.apps()) {
      this.#byId.set(app.id, app)
      this.#index(app, "add")
    }
  }

  get size(): number {
    return this.#byId.size
  }

  /** Changes that wait to be written. */
  get unwritten(): number {
    return this.#changed.size + this.#gone.size
  }

  all(): Iterable<App> {
    return this.#byId.values()
  }

  find(id: string): App | undefined {
    return this.#byId.get(id)
  }

  /** Ids of apps that handled it and are away: some of them, to tell a caller. */
  awayFrom(trigger: Trigger): readonly string[] {
    const apps = this.#away.get(placeOf(trigger.pool.name, trigger.name)) ?? []
    return [...apps].slice(0, 16).map(({ id }) => id)
  }

  /** An app that is not known yet. Throws a Refusal when too many bound ones are remembered. */
  add(app: App): void {
    if (this.#byId.size >= this.#limits.appLimit) this.#forgetOldest()
    this.#byId.set(app.id, app)
    this.#gone.delete(app.id)
  }

  /** A session speaks for an app from now on. */
  live(app: App, instance: number, session: Session): void {
    this.#index(app, "remove")
    app.live.set(instance, session)
    this.changed(app)
  }

  /** A session has ended. What it had registered is remembered. */
  left(session: Session, now: number): void {
    const { app } = session
    if (app === undefined) return
    for (const [instance, each] of app.live) if (each === session) app.live.delete(instance)
    app.lastSeen = now
    if (!app.isLive) this.#index(app, "add")
    this.changed(app)
  }

  /** What a session has registered, as it is now. */
  remember(session: Session, metadata: unknown): void {
    const { app } = session
    if (app === undefined || session.isGone) return
    const remembered: Remembered = {
      pools: [...session.memberships.keys()],
      triggers: [...session.registrations].map(({ offer, trigger }) => {
        return { ...offer, pool: trigger.pool.name }
      }),
      topics: [...session.subscriptions].map(({ offer, pool }) => ({ ...offer, pool })),
      metadata,
    }
    app.remembered = remembered
    this.changed(app)
  }

  /** It is written with the next batch. */
  changed(app: App): void {
    this.#changed.add(app)
  }

  /** Writes what has changed at once: a binding counts when it is on record. Throws a Refusal when it cannot be. */
  writeNow(app: App): void {
    this.#changed.add(app)
    if (!this.#write()) {
      throw new Refusal("unavailable", "the store cannot be written now", { retryAfterMs: 1_000 })
    }
  }

  /** Unbinds an app, and forgets it when it is away. */
  release(app: App): void {
    app.binding = { to: "none" }
    if (app.isLive) {
      this.changed(app)
      return
    }
    this.#forget(app)
  }

  tick(now: number): void {
    if (now - this.#sweptAt >= sweepMs) {
      this.#sweptAt = now
      for (const app of this.#byId.values()) {
        const isOver = now - app.lastSeen >= this.#limits.appMemoryMs
        if (isOver && !app.isLive && app.binding.to === "none") this.#forget(app)
      }
    }
    if (this.unwritten > 0) this.#write()
  }

  #write(): boolean {
    try {
      this.#tables.writeApps(this.#changed, this.#gone)
    } catch (thrown) {
      // What could not be written waits: calls and emits need none of it.
      if (this.state === "well") this.#log.warn("pools cannot be written", { why: String(thrown) })
      this.state = "failing"
      return false
    }
    if (this.state === "failing") this.#log.info("pools are written again")
    this.state = "well"
    this.#changed.clear()
    this.#gone.clear()
    return true
  }

  #forget(app: App): void {
    this.#index(app, "remove")
    this.#byId.delete(app.id)
    this.#changed.delete(app)
    this.#gone.add(app.id)
  }

  #forgetOldest(): void {
    let oldest: App | undefined
    for (const app of this.#byId.values()) {
      if (app.isLive || app.binding.to !== "none") continue
      if (oldest === undefined || app.lastSeen < oldest.lastSeen) oldest = app
    }
    if (oldest !== undefined) return this.#forget(oldest)
    const sentence = `appLimit, ${this.#limits.appLimit}, is reached`
    throw new Refusal("limit", sentence, { detail: { limit: "appLimit" } })
  }

  #index(app: App, what: "add" | "remove"): void {
    for (const { pool, name } of app.remembered.triggers) {
      const place = placeOf(pool, name)
      const apps = this.#away.get(place)
      if (what === "add") {
        if (apps === undefined) this.#away.set(place, new Set([app]))
        else apps.add(app)
      } else if (apps?.delete(app) && apps.size === 0) {
        this.#away.delete(place)
      }
    }
  }
}

/** A fresh app, of which nothing is stored. */
export function newApp(id: string, now: number): App {
  const app = new App(id, now)
  app.remembered = nothingRemembered
  return app
}

function placeOf(pool: string, trigger: string): string {
  return `${pool}\0${trigger}`
}
