/**
 * All connections of this server, whatever carries them: their time, their limit together, their end.
 *
 * server.ts makes one, gives it to every listener, and turns its clock. What always holds: all that
 * net does after a while (rests, stalls, pings, time-outs, draining) it does in `tick`.
 */
import type { Log } from "../log.ts"
import type { Metrics } from "../metrics.ts"
import type { Random } from "../service.ts"
import type { Code } from "../wire/error.ts"
import { Intake } from "./intake.ts"
import { Backlog } from "./outbox.ts"
import { Traffic } from "./traffic.ts"
import type { Turn } from "./turn.ts"

/** Unsent bytes that all connections may have together. */
const unsentLimitBytes = 256 * 1024 * 1024

/** What of that limit is given back at once when it is reached, so that it is not reached by each further byte. */
const reliefShare = 1 / 16

/** What all connections need to know of one. */
export interface Member {
  readonly group: string
  /** Its service closes it when the server goes. */
  readonly endsItself?: boolean
  readonly unsent: number
  count(): void
  tick(now: number): void
  close(code: Code): void
  cut(code: Code): void
}

export interface ConnectionsOptions {
  readonly log: Log
  readonly metrics: Metrics
  readonly turn: Turn
  readonly random: Random
  readonly unsentBytes?: number
  /** What all far ends together may have begun to send. */
  readonly begunBytes?: number
}

/** Closing that is spread over a while: in each tick as many groups as are due. */
interface Drain {
  readonly code: Code
  readonly overMs: number
  readonly since: number
  readonly groups: (readonly Member[])[]
  readonly total: number
}

export class Connections {
  readonly log: Log
  readonly turn: Turn
  readonly traffic: Traffic
  readonly backlog: Backlog
  readonly intake: Intake
  readonly #random: Random
  readonly #unsentBytes: number
  readonly #members = new Set<Member>()
  #ids = 0
  #drain: Drain | undefined
  #whenEmpty: (() => void)[] = []
  /** ms since 1970, as of the last tick. */
  now = 0

  constructor(options: ConnectionsOptions) {
    this.log = options.log
    this.turn = options.turn
    this.#random = options.random
    this.#unsentBytes = options.unsentBytes ?? unsentLimitBytes
    this.backlog = new Backlog(this.#unsentBytes, () => this.#relieve())
    this.intake = new Intake(options.begunBytes)
    this.traffic = new Traffic(options.metrics, () => this.backlog.total)
  }

  /** How many there are, those that are being closed among them. */
  get size(): number {
    return this.#members.size
  }

  nextId(): string {
    this.#ids++
    return `c${this.#ids}`
  }

  add(member: Member): void {
    this.#members.add(member)
  }

  remove(member: Member): void {
    this.#members.delete(member)
    if (this.#members.size > 0) return
    const heard = this.#whenEmpty
    this.#whenEmpty = []
    for (const each of heard) each()
  }

  /** It is `now`, in ms since 1970: before the first connection, and every 100 ms. */
  tick(now: number): void {
    this.now = now
    for (const member of this.#members) member.tick(now)
    if (this.backlog.isOver) this.#relieve()
    this.intake.tick()
    this.#closeDue()
  }

  /**
   * Closes all there are, spread over `overMs` in random order, so that they do not all come back
   * in one second; the connections of one place go together. With 0, or none, at once. Those that
   * their service closes itself are left to it.
   */
  closeAll(code: Code, overMs: number): void {
    const ours = [...this.#members].filter(({ endsItself }) => endsItself !== true)
    const byGroup = Map.groupBy(ours, (member) => member.group)
    const groups = this.#shuffled([...byGroup.values()])
    this.#drain = { code, overMs, since: this.now, groups, total: groups.length }
    this.#closeDue()
  }

  /** Gives up on all that are still there; returns how many those were. */
  cutAll(code: Code): number {
    const left = this.#members.size
    for (const member of [...this.#members]) member.cut(code)
    return left
  }

  /** Resolves when no connection is left. */
  whenEmpty(): Promise<void> {
    if (this.#members.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenEmpty.push(resolve))
  }

  #closeDue(): void {
    const drain = this.#drain
    if (drain === undefined) return
    const passed = drain.overMs === 0 ? 1 : Math.min(1, (this.now - drain.since) / drain.overMs)
    // The first goes at once, the last at the end.
    const stays = drain.total - Math.ceil(drain.total * passed) - (passed === 0 ? 1 : 0)
    while (drain.groups.length > Math.max(0, stays)) {
      for (const member of drain.groups.pop() ?? []) member.close(drain.code)
    }
    if (drain.groups.length === 0) this.#drain = undefined
  }

  #shuffled<T>(items: T[]): T[] {
    const chance = new DataView(Uint8Array.from(this.#random(4 * items.length)).buffer)
    const drawn = items.map((item, index) => ({ item, at: chance.getUint32(4 * index) }))
    return drawn.sort((a, b) => a.at - b.at).map(({ item }) => item)
  }

  /** Too much waits in all together: who is furthest behind goes, until there is room again. */
  #relieve(): void {
    for (const member of this.#members) member.count()
    if (!this.backlog.isOver) return
    const furthest = [...this.#members].sort((a, b) => b.unsent - a.unsent)
    for (const member of furthest) {
      if (this.backlog.total <= this.#unsentBytes * (1 - reliefShare)) return
      member.cut("slow")
    }
  }
}
