/**
 * What went through net, as plain numbers. The hot path adds to them; metrics.ts reads them when scraped.
 *
 * What always holds: each list of counts is as long as a list of ours (routes, codes), never as
 * anything that strangers name.
 */
import type { Metrics } from "../metrics.ts"
import { type Code, codes } from "../wire/error.ts"

/** Counts of one route since the start; `open` is what there is now. */
export interface Counts {
  open: number
  messagesIn: number
  messagesOut: number
  bytesIn: number
  bytesOut: number
  offersDropped: number
}

/** Counts that nobody has added to. */
export function noCounts(): Counts {
  const messages = { messagesIn: 0, messagesOut: 0, offersDropped: 0 }
  return { open: 0, bytesIn: 0, bytesOut: 0, ...messages }
}

/** Why a connection ended: one of our codes, or the far end left by itself. */
export type Ending = Code | "left"

export class Traffic {
  readonly #byRoute = new Map<string, Counts>()
  readonly #closes = new Map<Ending, number>([...codes, "left" as const].map((code) => [code, 0]))
  readonly #refusals = new Map<Code, number>(codes.map((code) => [code, 0]))
  readonly #unsent: () => number

  /** `unsent` reads the bytes that wait in all connections. */
  constructor(metrics: Metrics, unsent: () => number) {
    this.#unsent = unsent
    const counter = (what: string, help: string, key: keyof Counts) =>
      metrics.counter(`quartet_net_${what}_total`, help, () => this.#each(key), "service")
    metrics.gauge("quartet_net_connections", "Open.", () => this.#each("open"), "service")
    counter("messages_in", "Messages that came in.", "messagesIn")
    counter("messages_out", "Messages that were sent.", "messagesOut")
    counter("in_bytes", "Bytes of messages that came in.", "bytesIn")
    counter("out_bytes", "Bytes of frames that were sent.", "bytesOut")
    counter("offers_dropped", "Offers that made room for others.", "offersDropped")
    const closes = "Connections that ended, by code, or because the far end left."
    metrics.counter("quartet_net_closes_total", closes, () => this.#closes, "code")
    const refusals = "Connections refused before they were open, by code."
    metrics.counter("quartet_net_refusals_total", refusals, () => this.#refusals, "code")
    metrics.gauge("quartet_net_unsent_bytes", "Bytes that wait in all connections.", this.#unsent)
  }

  /** Bytes that wait in all connections together. */
  get unsentBytes(): number {
    return this.#unsent()
  }

  /** The counts of the route with this name; two routes of one name share them. */
  of(name: string): Counts {
    const known = this.#byRoute.get(name)
    if (known !== undefined) return known
    const counts = noCounts()
    this.#byRoute.set(name, counts)
    return counts
  }

  /** How many connections ended this way. */
  closes(ending: Ending): number {
    return this.#closes.get(ending) ?? 0
  }

  /** How many were refused with `code`. */
  refusals(code: Code): number {
    return this.#refusals.get(code) ?? 0
  }

  closed(ending: Ending): void {
    this.#closes.set(ending, this.closes(ending) + 1)
  }

  refused(code: Code): void {
    this.#refusals.set(code, this.refusals(code) + 1)
  }

  #each(key: keyof Counts): ReadonlyMap<string, number> {
    return new Map([...this.#byRoute].map(([name, counts]) => [name, counts[key]]))
  }
}
