/**
 * What a server answers when it is asked what there is, read field by field: a server of another
 * release may say less, and then less is shown. Pure.
 */
import { type Fields, isFields, listIn, numberIn, textIn } from "../../src/client/pools-frames.ts"

/** One connection of an app. */
export interface Instance {
  readonly name: string
  /** "live", "silent", "draining". */
  readonly state: string
  /** How it has proved its id; "none". */
  readonly identity: string
  readonly silentMs: number
  readonly roundTripMs: number | undefined
  /** Calls that it works on. */
  readonly held: number
  readonly triggers: readonly string[]
}

/** An app that is there, or that the server remembers. */
export interface AppRow {
  readonly id: string
  readonly bound: string
  readonly pools: readonly string[]
  /** ms since 1970, by the server's clock. */
  readonly lastSeen: number
  /** None while it is away. */
  readonly instances: readonly Instance[]
}

export interface PoolRow {
  readonly name: string
  readonly type: string
  readonly description: string
  readonly owners: readonly string[]
  /** Who may do what: by right, ids and prefixes. */
  readonly rights: readonly (readonly [right: string, who: readonly string[]])[]
  readonly members: number
  readonly retained: number
  /** Of an encrypted one, where the server says it. */
  readonly epoch: number | undefined
}

export interface TakerRow {
  readonly app: string
  readonly pending: number
  readonly queued: number
  readonly concurrency: number
  readonly roundTripMs: number | undefined
  readonly weight: number
}

export interface TriggerRow {
  readonly pool: string
  readonly name: string
  readonly policy: string
  readonly queued: number
  readonly handlers: readonly TakerRow[]
  readonly description: string
  readonly version: string
  /** A JSON Schema, or nothing. */
  readonly input: unknown
  readonly isIdempotent: boolean
}

/** A call that is settled. */
export interface CallRow {
  readonly id: string
  /** ms since 1970, by the server's clock. */
  readonly settled: number
  readonly trigger: string
  readonly pool: string
  readonly caller: string
  readonly handler: string | undefined
  /** "answered", or an error in small letters. */
  readonly outcome: string
  readonly ms: number
  readonly attempt: number
  readonly trace: string | undefined
}

export function appsOf(answer: Fields): readonly AppRow[] {
  const apps = new Map<string, AppRow>()
  for (const row of rowsIn(answer, "apps")) {
    const id = textIn(row, "app_id") ?? ""
    const instance = textIn(row, "instance")
    const instances = instance === undefined ? [] : [instanceOf(row, instance)]
    apps.set(id, {
      id,
      bound: textIn(row, "bound") ?? "none",
      pools: listIn(row, "pools"),
      lastSeen: numberIn(row, "last_seen") ?? 0,
      instances: [...(apps.get(id)?.instances ?? []), ...instances],
    })
  }
  return [...apps.values()].sort((one, other) => order(one.id, other.id))
}

export function poolsOf(answer: Fields): readonly PoolRow[] {
  const pools = rowsIn(answer, "pools").map((row) => {
    const { rights } = row
    return {
      name: textIn(row, "name") ?? "",
      type: textIn(row, "type") ?? "",
      description: textIn(row, "description") ?? "",
      owners: listIn(row, "owners"),
      rights: isFields(rights)
        ? Object.keys(rights).map((right) => [right, listIn(rights, right)] as const)
        : [],
      members: numberIn(row, "members") ?? 0,
      retained: numberIn(row, "retained") ?? 0,
      epoch: numberIn(row, "epoch"),
    }
  })
  // What one works with first; the server's own last.
  const rank = ({ name }: PoolRow): number => ["default", name, "system"].indexOf(name)
  return pools.sort((one, other) => rank(one) - rank(other) || order(one.name, other.name))
}

export function triggersOf(answer: Fields): readonly TriggerRow[] {
  const triggers = rowsIn(answer, "triggers").map((row) => {
    const offers = rowsIn(row, "handlers")
    const said = (name: string): string =>
      offers.map((offer) => textIn(offer, name)).find((each) => each !== undefined) ?? ""
    return {
      pool: textIn(row, "pool") ?? "",
      name: textIn(row, "trigger") ?? "",
      policy: textIn(row, "policy") ?? "",
      queued: numberIn(row, "queued") ?? 0,
      handlers: offers.map(takerOf),
      description: said("description"),
      version: said("version"),
      input: offers.find((offer) => offer["input"] !== undefined)?.["input"],
      isIdempotent: offers.some((offer) => offer["idempotent"] === true),
    }
  })
  return triggers.sort((one, other) => order(one.name, other.name))
}

export function callsOf(answer: Fields): readonly CallRow[] {
  return rowsIn(answer, "calls").map((row) => ({
    id: textIn(row, "call") ?? "",
    settled: numberIn(row, "settled") ?? 0,
    trigger: textIn(row, "trigger") ?? "",
    pool: textIn(row, "pool") ?? "",
    caller: textIn(row, "caller") ?? "",
    handler: textIn(row, "handler"),
    outcome: textIn(row, "outcome") ?? "",
    ms: numberIn(row, "ms") ?? 0,
    attempt: numberIn(row, "attempt") ?? 1,
    trace: textIn(row, "trace"),
  }))
}

/** The rows of a list in an answer; none where there is no list. */
export function rowsIn(answer: Fields, name: string): readonly Fields[] {
  const rows = answer[name]
  return Array.isArray(rows) ? rows.filter(isFields) : []
}

export function order(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

function instanceOf(row: Fields, name: string): Instance {
  return {
    name,
    state: textIn(row, "state") ?? "live",
    identity: textIn(row, "identity") ?? "none",
    silentMs: numberIn(row, "silent_ms") ?? 0,
    roundTripMs: numberIn(row, "round_trip_ms"),
    held: numberIn(row, "held") ?? 0,
    triggers: listIn(row, "triggers"),
  }
}

function takerOf(row: Fields): TakerRow {
  return {
    app: textIn(row, "app") ?? "",
    pending: numberIn(row, "pending") ?? 0,
    queued: numberIn(row, "queued") ?? 0,
    concurrency: numberIn(row, "concurrency") ?? 0,
    roundTripMs: numberIn(row, "round_trip_ms"),
    weight: numberIn(row, "weight") ?? 1,
  }
}
