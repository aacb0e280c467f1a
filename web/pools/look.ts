/**
 * What there is on the server, looked up while somebody looks: every 2 s, and at once when the server
 * tells that something has changed.
 *
 * What always holds: nothing is asked for while the panel or the window is hidden; one look is under
 * way at a time; what was seen stays until the next answer.
 */
import type { OpenApp } from "../../src/client/pools-app.ts"
import { type Fields, isFields, numberIn } from "../../src/client/pools-frames.ts"
import { Cell, type Undo } from "../cell.ts"
import { openPart } from "../panels.ts"
import { type BlockRow, blocksOf } from "./block-rows.ts"
import { CallLog } from "./log.ts"
import type { Known } from "./measure.ts"
import {
  type AppRow,
  appsOf,
  callsOf,
  type PoolRow,
  poolsOf,
  type TriggerRow,
  triggersOf,
} from "./rows.ts"
import { pageId } from "./way-in.ts"

const lookMs = 2_000
/** Changes that come together are looked at together. */
const gatherMs = 150
const limitSamples = 60

/** Everything, as one look saw it. */
export interface Seen {
  readonly apps: readonly AppRow[]
  readonly pools: readonly PoolRow[]
  readonly triggers: readonly TriggerRow[]
  readonly blocks: readonly BlockRow[]
  readonly calls: Known
  readonly inFlight: number
  /** Calls under way at each look, the newest last: of all, and of each trigger by `flightKey`. */
  readonly flights: ReadonlyMap<string, readonly number[]>
  readonly version: string
  readonly upSinceMs: number
}

export class Look {
  /** Undefined until the first look. */
  readonly seen = new Cell<Seen | undefined>(undefined)
  /** Why the last look failed; empty when it did not. */
  readonly problem = new Cell("")
  readonly app: OpenApp
  readonly #log = new CallLog()
  /** What the server's clock is ahead of this one. */
  #aheadMs: number | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #isLooking = false

  constructor(app: OpenApp) {
    this.app = app
  }

  /** Looks from now on, until it is undone. */
  watch(): Undo {
    const look = (): void => this.#soon(0)
    look()
    const forget = openPart.watch(look)
    document.addEventListener("visibilitychange", look)
    const undos = [
      this.#listen("$sys.app.*", "system"),
      this.#listen("$sys.trigger.*", "default"),
      this.#listen("$sys.member.*", "default"),
    ]
    return () => {
      forget()
      document.removeEventListener("visibilitychange", look)
      clearTimeout(this.#timer)
      this.#timer = undefined
      for (const undo of undos) void undo.then((each) => each?.())
    }
  }

  /** Looks now: something was done here. */
  now(): void {
    this.#soon(gatherMs)
  }

  /** What this page reckons the server's clock shows, in ms since 1970. */
  serverNow(): number {
    return Date.now() + (this.#aheadMs ?? 0)
  }

  // Where this page may not listen, the looks alone must do.
  #listen(pattern: string, pool: string): Promise<(() => Promise<void>) | undefined> {
    return this.app.on(pattern, () => this.now(), { pool }).catch(() => undefined)
  }

  #soon(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      if (openPart.value !== "pools" || document.hidden) return
      void this.#look()
    }, ms)
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      await this.#ask()
      this.problem.value = ""
    } catch (thrown) {
      this.problem.value = thrown instanceof Error ? thrown.message : String(thrown)
    }
    this.#isLooking = false
    this.#soon(lookMs)
  }

  async #ask(): Promise<void> {
    const { app } = this
    await this.#setClock()
    const limit = this.#log.asks
    const [apps, pools, triggers, blocks, calls, status] = await Promise.all([
      app.admin("list_apps"),
      app.admin("list_pools"),
      app.admin("list_triggers"),
      app.admin("list_blocks"),
      app.admin("list_calls", { params: { limit } }),
      app.admin("server_status"),
    ])
    const now = this.serverNow()
    this.#log.take(callsOf(calls), now)
    const rows = triggersOf(triggers)
    const inFlight = flightsIn(status)
    const flights = new Map([["", inFlight]])
    for (const row of rows) flights.set(flightKey(row), pendingOf(row))
    const before = this.seen.value?.flights
    this.seen.value = {
      apps: appsOf(apps),
      pools: poolsOf(pools),
      triggers: rows,
      blocks: blocksOf(blocks),
      calls: this.#log.known(now),
      inFlight,
      flights: new Map(
        [...flights].map(([key, now]) => [
          key,
          [...(before?.get(key) ?? []), now].slice(-limitSamples),
        ]),
      ),
      version: String(status["server_version"] ?? ""),
      upSinceMs: numberIn(status, "uptime_ms") ?? 0,
    }
  }

  /** Calls tell when they were settled: by the server's clock, which may be another. */
  async #setClock(): Promise<void> {
    if (this.#aheadMs !== undefined) return
    const pool = this.app.rights.keys().next().value ?? "default"
    const params = { pool, ttl: 0 }
    // Where nothing may be asked of this pool, the page's own clock has to do.
    const answer = await this.app.admin("explain", { target: "clock", params }).catch(() => ({}))
    const theirs = numberIn(answer, "deadline")
    this.#aheadMs = theirs === undefined ? 0 : theirs - Date.now()
  }
}

/** What a trigger's calls under way are found by. */
export function flightKey({ pool, name }: Pick<TriggerRow, "pool" | "name">): string {
  return `${pool} ${name}`
}

/** Calls that a trigger's handlers work on now. */
export function pendingOf({ handlers }: TriggerRow): number {
  return handlers.reduce((sum, each) => sum + each.pending, 0)
}

/** Whether anything but pages like this one is or was there. */
export function isEmpty({ apps, triggers, blocks }: Seen): boolean {
  const isOther = ({ id }: AppRow): boolean => id !== pageId
  return !apps.some(isOther) && triggers.length === 0 && blocks.length === 0
}

function flightsIn(status: Fields): number {
  const { calls } = status
  return isFields(calls) ? (numberIn(calls, "in_flight") ?? 0) : 0
}
