/**
 * Questions about the server: what there is, who would get a call and why; and the few acts that only
 * its admin may do.
 *
 * What always holds: nobody sees more of a pool than `read` there allows; asking changes nothing, not
 * even whose turn it is.
 */
import { Refusal } from "../wire/pools-errors.ts"
import type { AdminRequest } from "../wire/pools-shapes.ts"
import type { Apps } from "./apps.ts"
import { choose, hindrance, type Wish } from "./balance.ts"
import type { Blocks } from "./blocks.ts"
import { blockRow, fault, inspected } from "./blocks-shown.ts"
import type { Calls } from "./calls.ts"
import type { Counts } from "./counts.ts"
import type { Result } from "./governing.ts"
import type { Pool } from "./pool.ts"
import { forbidden, type Realm } from "./realm.ts"
import type { Recent } from "./recent.ts"
import type { Session } from "./session.ts"
import type { Registration } from "./trigger.ts"

export interface AdminOptions {
  readonly realm: Realm
  readonly blocks: Blocks
  readonly apps: Apps
  readonly calls: Calls
  readonly recent: Recent
  readonly counts: Counts
  readonly now: () => number
  readonly startedAt: number
  readonly serverVersion: string
  /** Ends a session, because the server's admin says so. */
  readonly expel: (session: Session, sentence: string) => void
  /** Ends the server. */
  readonly shutDown: () => void
  readonly security: (event: string, fact: object) => void
}

const answerLimit = 1_000

export class Admin {
  readonly #options: AdminOptions

  constructor(options: AdminOptions) {
    this.#options = options
  }

  /** Answers. Throws the Refusal that says why not. */
  answer(session: Session, { operation, target, params }: AdminRequest): Result {
    switch (operation) {
      case "list_pools":
        return { pools: this.#seen(session).map((pool) => poolRow(pool)) }
      case "list_apps":
        return { apps: this.#apps(session) }
      case "list_triggers":
        return { triggers: this.#seen(session).flatMap((pool) => triggerRows(pool)) }
      case "list_blocks":
        return { blocks: this.#blocks(session) }
      case "list_calls":
        return { calls: this.#calls(session, params) }
      case "explain":
        return this.#explain(session, named(target, "a trigger"), params)
      case "server_status":
        return this.#status()
      case "inspect_block":
        return this.#inspect(session, named(target, "a block"), params)
      case "disconnect_app":
      case "release_app":
      case "shutdown":
        return this.#govern(session, operation, target)
    }
    throw new Refusal("unknown-type", `there is no operation ${operation.slice(0, 64)}`)
  }

  #seen(session: Session): readonly Pool[] {
    const { realm } = this.#options
    return [...realm.all()].filter((pool) => realm.rightsOf(session, pool).has("read"))
  }

  #blocks(session: Session): readonly Result[] {
    const blocks = this.#seen(session).flatMap((pool) => [...pool.blocks.values()])
    const { care } = this.#options.blocks
    return blocks.slice(0, answerLimit).flatMap((block) => {
      const rows: Result[] = []
      if (block.state === "zeroing") return rows
      care.guarded(block, () => void rows.push(blockRow(block)))
      return rows
    })
  }

  #inspect(session: Session, target: string, params: Readonly<Record<string, unknown>>): Result {
    const named = params["pool"]
    const pool = this.#options.realm.get(typeof named === "string" ? named : "default")
    if (!this.#seen(session).includes(pool)) throw forbidden("read", pool.name)
    const block = pool.blocks.get(target)
    if (block === undefined || block.state === "zeroing") {
      throw new Refusal("no-block", `there is no block ${target.slice(0, 128)}`)
    }
    const { care } = this.#options.blocks
    return care.orReplace(block, () => {
      const why = fault(block)
      const shown = inspected(block, why)
      if (why !== undefined) care.report(block, why, this.#options.now())
      return shown
    })
  }

  #apps(session: Session): readonly Result[] {
    const { realm, apps, now } = this.#options
    const isAdmin = realm.rightsOf(session, realm.system).has("admin")
    const seen = new Set(this.#seen(session).map(({ name }) => name))
    const rows: Result[] = []
    for (const app of apps.all()) {
      const pools = app.remembered.pools.filter((each) => seen.has(each))
      if (!isAdmin && pools.length === 0 && app.id !== session.app?.id) continue
      if (rows.length >= answerLimit) break
      const shared = { app_id: app.id, bound: app.binding.to, pools, last_seen: app.lastSeen }
      if (!app.isLive) rows.push({ ...shared, state: "away" })
      for (const each of app.live.values()) {
        const silentMs = now() - each.heardAt
        const isSilent = each.pingsMissed > 0
        const state = each.draining !== undefined ? "draining" : isSilent ? "silent" : "live"
        rows.push({
          ...shared,
          ...{ instance: each.name, identity: each.proof, state, silent_ms: silentMs },
          ...{ round_trip_ms: each.roundTripMs ?? null, held: each.held.size },
          triggers: [...each.registrations]
            .filter(({ trigger }) => seen.has(trigger.pool.name))
            .map(({ trigger }) => trigger.name),
        })
      }
    }
    return rows
  }

  #calls(session: Session, params: Readonly<Record<string, unknown>>): readonly Result[] {
    const text = (name: string) => {
      const value = params[name]
      return typeof value === "string" ? value : null
    }
    const asked = params["limit"]
    const limit =
      typeof asked === "number" ? Math.min(Math.max(1, Math.floor(asked)), answerLimit) : 100
    const search = {
      ...{ outcome: text("outcome"), trigger: text("trigger"), app: text("app") },
      ...{ trace: text("trace"), limit },
    }
    const seen = new Set(this.#seen(session).map(({ name }) => name))
    return this.#options.recent
      .find(search)
      .filter(({ pool }) => seen.has(pool))
      .map((row) => ({ ...row }))
  }

  #explain(session: Session, target: string, params: Readonly<Record<string, unknown>>): Result {
    const { realm, now } = this.#options
    const text = (name: string) => {
      const value = params[name]
      return typeof value === "string" ? value : undefined
    }
    const pool = realm.get(text("pool") ?? "default")
    const rights = realm.rightsOf(session, pool)
    if (!rights.has("read") && !rights.has("execute")) throw forbidden("read", pool.name)
    const wish: Wish = {
      destination: text("destination"),
      affinity: text("affinity"),
      caller: session.name,
      declined: undefined,
    }
    const trigger = pool.triggers.get(target)
    const registrations = trigger?.registrations ?? []
    const turns = registrations.map(({ turn }) => turn)
    const choice =
      trigger === undefined ? ({ is: "nobody" } as const) : choose(trigger, wish, evenly)
    // Whose turn it is stays as it was.
    for (const [at, each] of registrations.entries()) each.turn = turns[at] ?? 0
    const ttl = params["ttl"]
    const ttlMs = typeof ttl === "number" && ttl >= 0 ? ttl : 30_000
    return {
      ...{ pool: pool.name, trigger: target, policy: trigger?.policy ?? null },
      member: session.memberships.has(pool.name),
      may_execute: rights.has("execute"),
      candidates: registrations.map((each) => candidate(each, wish)),
      outcome: choice.is,
      chosen: choice.is === "to" ? choice.registration.session.name : null,
      queued: trigger?.queue.size ?? 0,
      deadline: now() + ttlMs,
    }
  }

  #status(): Result {
    const { realm, apps, calls, counts, now, startedAt, serverVersion } = this.#options
    const live = [...apps.all()].filter(({ isLive }) => isLive).length
    return {
      ...{ server_version: serverVersion, cluster: "single", uptime_ms: now() - startedAt },
      ...{ pools: realm.size, apps_live: live, apps_known: apps.size },
      calls: {
        in_flight: calls.inFlight,
        rerouted: counts.reroutes,
        outcomes: Object.fromEntries(counts.outcomes),
      },
      emits: { in: counts.emitsIn, out: counts.emitsOut, lost: counts.emitsLost },
      store: apps.state === "well" ? "ok" : "degraded",
    }
  }

  #govern(
    session: Session,
    operation: "disconnect_app" | "release_app" | "shutdown",
    target: string | undefined,
  ): Result {
    const { realm, apps, security } = this.#options
    if (!realm.rightsOf(session, realm.system).has("admin")) throw forbidden("admin", "system")
    if (operation === "shutdown") {
      this.#options.shutDown()
      return {}
    }
    const [id = "", instance] = named(target, "an app").split("#")
    const app = apps.find(id)
    if (app === undefined) throw new Refusal("bad-message", `there is no app ${id}`)
    if (operation === "release_app") {
      apps.release(app)
      security("$sys.security.released", { app: id })
      return { app_id: id }
    }
    const sessions = [...app.live].filter(
      ([number]) => instance === undefined || String(number) === instance,
    )
    for (const [, each] of sessions) this.#options.expel(each, "the server's admin has closed it")
    return { app_id: id, closed: sessions.length }
  }
}

/** The middle of all chances: asking draws nothing. */
const evenly = (length: number) => new Uint8Array(length).fill(0x80)

function poolRow(pool: Pool): Result {
  return {
    name: pool.name,
    type: pool.facts.type,
    ...{ rights: pool.facts.rights, owners: pool.facts.owners },
    ...{ description: pool.facts.description, members: pool.members.size },
    ...{ triggers: pool.triggers.size, retained: pool.retained.size },
  }
}

function triggerRows(pool: Pool): readonly Result[] {
  return [...pool.triggers.values()].slice(0, answerLimit).map((trigger) => ({
    pool: pool.name,
    trigger: trigger.name,
    policy: trigger.policy,
    queued: trigger.queue.size,
    waiting: trigger.waiting.size,
    handlers: trigger.registrations.map((each) => registrationRow(each)),
  }))
}

function registrationRow(each: Registration): Result {
  const { offer, session } = each
  const { version, input, output, description, idempotent, weight } = offer
  return {
    app: session.name,
    ...{ pending: each.pending, queued: each.tied.size, concurrency: each.concurrency },
    round_trip_ms: each.roundTripMs,
    ...{ idempotent: idempotent ?? false, weight: weight ?? 1 },
    ...(version === undefined ? {} : { version }),
    ...(input === undefined ? {} : { input }),
    ...(output === undefined ? {} : { output }),
    ...(description === undefined ? {} : { description }),
  }
}

function candidate(each: Registration, wish: Wish): Result {
  const why = hindrance(each, wish)
  return {
    app: each.session.name,
    ...{ pending: each.pending, queued: each.tied.size, round_trip_ms: each.roundTripMs },
    ...(why === undefined ? {} : { passed_over: why }),
  }
}

/** What a request is about. Throws a Refusal where it does not say so. */
function named(target: string | undefined, what: string): string {
  if (target !== undefined) return target
  const reason = `must name ${what}`
  throw new Refusal("bad-message", `target ${reason}`, { field: "/target", reason })
}
