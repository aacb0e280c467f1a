/**
 * A replica as presence knows it: what it introduced, and how it is told of others.
 *
 * What always holds: it is sent no row that it introduced; while it is behind nothing is sent, and
 * afterwards the latest of what it missed; so many rows as it was sent it may send back for free.
 * What most never need is made when it is needed: of ten thousand who are idle it would be megabytes.
 */
import type { Awareness, Row } from "../wire/relay.ts"
import type { Counts } from "./counts.ts"
import { dropOldest } from "./oldest.ts"
import type { Replica } from "./replica.ts"

const correctionMs = 1_000
/** Of each the oldest makes room. */
const correctionLimit = 1_000
const withdrawnLimit = 100
/** More rows than that nobody sends back. */
const echoLimit = 10_000

const none: ReadonlySet<number> = new Set()

export class Guest {
  readonly replica: Replica
  /** When it gets the table; undefined once it was given it. */
  tableDueAt: number | undefined
  hasSpoken = false
  readonly #counts: Counts
  #introduced: Set<number> | undefined
  /** Rows that it introduced and took back: it may show them again. */
  #withdrawn: Set<number> | undefined
  /** Rows that changed while it was behind. */
  #missed: Set<number> | undefined
  /** When it was told that a row is not gone, the oldest first. */
  #correctedAt: Map<number, number> | undefined
  #echoes = 0

  constructor(replica: Replica, counts: Counts, tableDueAt: number) {
    this.replica = replica
    this.#counts = counts
    this.tableDueAt = tableDueAt
  }

  /** The rows that are its own. */
  get introduced(): ReadonlySet<number> {
    return this.#introduced ?? none
  }

  introduce(id: number): void {
    this.#introduced ??= new Set()
    this.#introduced.add(id)
  }

  /** A row of its own is gone. */
  forget(id: number): void {
    this.#introduced?.delete(id)
  }

  /** Tells what it did not introduce of `all`, which is one message for everybody. */
  tell(all: Awareness): void {
    const { rows } = all
    if (this.replica.outlet.behind) {
      this.#missed ??= new Set()
      for (const { id } of rows) this.#missed.add(id)
      this.#counts.backpressure.add("coalesced")
      return
    }
    const { introduced } = this
    const isAlike = introduced.size === 0 || !rows.some(({ id }) => introduced.has(id))
    const own = isAlike ? rows : rows.filter(({ id }) => !introduced.has(id))
    if (own.length > 0) this.#send(isAlike ? all : { kind: "awareness", rows: own })
  }

  /** Tells the latest of what it missed, if it has drained; "behind" if it has not. */
  catchUp(latest: (id: number) => Row | undefined): "behind" | "done" {
    if (this.#missed === undefined) return "done"
    if (this.replica.outlet.behind) return "behind"
    const rows = [...this.#missed].map(latest).filter((row) => row !== undefined)
    this.#missed = undefined
    this.tell({ kind: "awareness", rows })
    return "done"
  }

  /** Whether it may be told that this row is not gone: at most once a second (RL75). */
  mayBeCorrected(id: number, now: number): boolean {
    this.#correctedAt ??= new Map()
    const last = this.#correctedAt.get(id) ?? Number.NEGATIVE_INFINITY
    if (now - last < correctionMs) return false
    this.#correctedAt.delete(id)
    this.#correctedAt.set(id, now)
    dropOldest(this.#correctedAt, correctionLimit)
    return true
  }

  /** It took back a row of its own. */
  withdrew(id: number): void {
    this.#withdrawn ??= new Set()
    this.#withdrawn.add(id)
    dropOldest(this.#withdrawn, withdrawnLimit)
  }

  hasWithdrawn(id: number): boolean {
    return this.#withdrawn?.has(id) === true
  }

  /** Whether it may send back so many rows for free; counts them then (RL71). */
  mayEcho(rows: number): boolean {
    if (this.#echoes < rows) return false
    this.#echoes -= rows
    return true
  }

  #send(message: Awareness): void {
    this.#echoes = Math.min(echoLimit, this.#echoes + message.rows.length)
    this.#counts.delivered++
    this.replica.outlet.send(message)
  }
}
