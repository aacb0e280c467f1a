/**
 * Who is present in a room of Yjs replicas: the rows of awareness, each with an owner.
 *
 * What always holds: a row belongs to the replica that introduced or claimed it, and only its
 * changes are relayed (RL69). Nobody is sent a row that it introduced itself (RL73): with a number
 * of ours, which are in presence-table.ts, it would overwrite its own state.
 */
import type { FarRow } from "../wire/bus.ts"
import type { Awareness, Row } from "../wire/relay.ts"
import type { Counts } from "./counts.ts"
import { Guest } from "./guest.ts"
import { farRowOf, type Line, whoOf } from "./presence-lines.ts"
import { PresenceTable } from "./presence-table.ts"
import { PresenceWindow } from "./presence-window.ts"
import { Replica } from "./replica.ts"

export interface PresenceLimits {
  readonly presenceRowsPerRoom: number
  readonly presenceWindowMs: number
  readonly presenceGraceMs: number
  readonly idsPerConnection: number
  readonly limitsDryRun: boolean
}

/** How presence reaches beyond its room. */
export interface PresenceWorld {
  /** Called before rows are told: what was sent before them must not come after (RL17). */
  before(): void
  /** Rows of replicas here, for other servers. */
  tellFar(rows: readonly FarRow[]): void
  /** ms of bus time. */
  busNow(): number
}

/** What another server says of who is there. A table is all that it has. */
export interface FarTold {
  readonly origin: string
  readonly rows: readonly FarRow[]
  readonly isTable: boolean
  readonly now: number
}

/** A newcomer that has not spoken of itself gets the table after so long. */
const tableMs = 100
/** A row whose owner is connected but silent is renewed for it. */
const renewMs = 20_000
/** Rows of a server that does not renew them go. */
const farMs = 30_000
/** A renewal that changes nothing waits so long for company. */
const companyMs = 5_000
export class Presence {
  readonly #limits: PresenceLimits
  readonly #counts: Counts
  readonly #table = new PresenceTable()
  readonly #guests = new Map<Replica, Guest>()
  readonly #window: PresenceWindow<number>
  /** Rows of replicas here that are gone, and were not told to other servers. */
  readonly #left: FarRow[] = []
  readonly #world: PresenceWorld

  constructor(limits: PresenceLimits, counts: Counts, world: PresenceWorld) {
    this.#limits = limits
    this.#counts = counts
    this.#world = world
    this.#window = new PresenceWindow(limits.presenceWindowMs)
  }

  join(replica: Replica, now: number): void {
    this.#table.welcome(now)
    this.#guests.set(replica, new Guest(replica, this.#counts, now + tableMs))
  }

  /** Its rows go: at once if it said goodbye, after a grace if its line broke (RL76). */
  leave(replica: Replica, how: "clean" | "broken", now: number): void {
    const guest = this.#guests.get(replica)
    this.#guests.delete(replica)
    for (const id of guest?.introduced ?? []) {
      const line = this.#table.get(id)
      if (line?.owner !== replica) continue
      if (how === "clean") this.#remove(line, now)
      else line.orphanedUntil = now + this.#limits.presenceGraceMs
    }
    this.#flushSoon(now)
  }

  /** A frame of awareness from `replica`. "echo" where it holds nothing but what it was told itself (RL71). */
  receive(replica: Replica, rows: readonly Row[], now: number): "own" | "echo" {
    const guest = this.#guests.get(replica)
    if (guest === undefined) return "own"
    const isClaim = !guest.hasSpoken && rows.length === 1
    let echoes = 0
    for (const row of rows) {
      if (this.#take(guest, row, { isClaim, now }) === "echo") echoes++
    }
    guest.hasSpoken = true
    if (guest.tableDueAt !== undefined) this.#giveTable(guest)
    this.#flushSoon(now)
    return echoes === rows.length && guest.mayEcho(echoes) ? "echo" : "own"
  }

  /** "Who is here?": answered with all rows but its own. */
  query(replica: Replica): void {
    const guest = this.#guests.get(replica)
    if (guest !== undefined) this.#giveTable(guest)
  }

  /** Windows, tables, graces and renewals. Returns the ms since 1970 of what is due next. */
  tick(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const line of this.#table.lines) {
      if (line.orphanedUntil !== undefined) {
        if (line.orphanedUntil <= now) this.#remove(line, now)
        else next = Math.min(next, line.orphanedUntil)
      } else if (!line.isBlank) {
        const dueAt = line.heardAt + (line.owner instanceof Replica ? renewMs : farMs)
        if (dueAt > now) next = Math.min(next, dueAt)
        else if (line.owner instanceof Replica) this.#renew(line, now)
        else this.#remove(line, now)
      }
    }
    const latest = (id: number) => this.#table.latest(id)
    for (const guest of this.#guests.values()) {
      if (guest.catchUp(latest) === "behind") {
        next = Math.min(next, now + this.#limits.presenceWindowMs)
      }
      if (guest.tableDueAt === undefined) continue
      if (guest.tableDueAt <= now) this.#giveTable(guest)
      else next = Math.min(next, guest.tableDueAt)
    }
    this.#flush(this.#window.tick(now))
    return Math.min(next, this.#window.dueAt)
  }

  /** All rows of replicas here, for other servers. */
  farRows(): readonly FarRow[] {
    return [...this.#table.lines]
      .filter(({ owner, isBlank }) => owner instanceof Replica && !isBlank)
      .map(farRowOf)
  }

  /** What another server says (RL76, RL77). The row of whoever came last to own it counts. */
  hearFar({ origin, rows, isTable, now }: FarTold): void {
    for (const row of rows) this.#takeFar(origin, row, now)
    if (isTable) {
      const there = new Set(rows.map(({ id }) => id))
      for (const line of this.#table.lines) {
        if (line.owner === origin && !there.has(line.id)) this.#remove(line, now)
      }
    }
    this.#flushSoon(now)
  }

  /** A server is gone: who was there may come back here. */
  loseFar(origin: string, now: number): void {
    for (const line of this.#table.lines) {
      if (line.owner === origin) line.orphanedUntil = now + this.#limits.presenceGraceMs
    }
  }

  #takeFar(origin: string, { id, owner: who, version, state }: FarRow, now: number): void {
    const line = this.#table.get(id)
    if (line === undefined) {
      if (state === null) return
      if (this.#table.size >= this.#limits.presenceRowsPerRoom && this.#refuse("rows")) return
      const of = { id, owner: origin, who, version, state, heardAt: now }
      this.#table.add({ ...of, ownClock: 0, orphanedUntil: undefined, isBlank: false })
      this.#window.change(id)
      return
    }
    if (line.owner !== origin) {
      // Its owner is the one of whom it is later said that it came.
      if (state === null || version <= line.version) return
      if (line.who !== who) return this.#counts.presenceRefused.add("claim")
      line.owner = origin
    } else if (version < line.version) return
    line.version = version
    line.heardAt = now
    line.orphanedUntil = undefined
    if (state === null) return this.#remove(line, now)
    if (state === line.state && !line.isBlank) return
    line.state = state
    line.isBlank = false
    this.#window.change(id)
  }

  #take(
    guest: Guest,
    row: Row,
    { isClaim, now }: { readonly isClaim: boolean; readonly now: number },
  ): "own" | "echo" {
    const { id, clock, state } = row
    const { replica } = guest
    const line = this.#table.get(id)
    if (line === undefined) {
      return state === null ? "own" : this.#introduce(guest, row, { state, isClaim, now })
    }
    if (line.owner === replica) {
      if (state === null) guest.withdrew(id)
      this.#change(line, row, now)
    } else if (!isClaim || state === null) return this.#hearForeign(guest, row, { line, now })
    else if (line.who !== whoOf(replica)) this.#counts.presenceRefused.add("claim")
    else {
      this.#own(line, guest)
      // It counts anew where its client began anew.
      line.ownClock = clock
      this.#change(line, row, now)
    }
    return "own"
  }

  /** A row of somebody else. Most clients send back what they hear (RL71). */
  #hearForeign(
    guest: Guest,
    { clock, state }: Row,
    { line, now }: { readonly line: Line; readonly now: number },
  ): "own" | "echo" {
    const isAhead = clock > line.clock
    if (isAhead) this.#table.follow(clock, now)
    if (state === null) {
      // Browser tabs tell each other false leaves (RL75).
      if (!line.isBlank && guest.mayBeCorrected(line.id, now)) {
        guest.tell({ kind: "awareness", rows: [this.#table.renumbered(line)] })
      }
      return "own"
    }
    if (!isAhead || state === line.state) return "echo"
    this.#counts.presenceRefused.add("foreign")
    return "own"
  }

  #introduce(
    guest: Guest,
    { id, clock }: Row,
    { state, isClaim, now }: { state: string; isClaim: boolean; now: number },
  ): "own" | "echo" {
    const { replica } = guest
    const goneAt = this.#table.goneAt(id)
    const isItsOwn = isClaim || guest.hasWithdrawn(id)
    // It was sent this row, and sends it back after its end.
    if (goneAt !== undefined && !isItsOwn && goneAt >= replica.joinedAt) return "echo"
    const { idsPerConnection, presenceRowsPerRoom } = this.#limits
    if (guest.introduced.size >= idsPerConnection && this.#refuse("ids")) return "own"
    if (this.#table.size >= presenceRowsPerRoom && this.#refuse("rows")) return "own"
    this.#table.add({
      id,
      owner: replica,
      who: whoOf(replica),
      version: this.#world.busNow(),
      state,
      ownClock: clock,
      heardAt: now,
      orphanedUntil: undefined,
      isBlank: clock === 0 && state === "{}",
    })
    guest.introduce(id)
    if (clock > 0 || state !== "{}") this.#window.change(id)
    return "own"
  }

  /** Whether that is done: in a dry run it is only counted. */
  #refuse(cause: "ids" | "rows"): boolean {
    this.#counts.presenceRefused.add(cause)
    return !this.#limits.limitsDryRun
  }

  /** It is `replica`'s from here on. Who owned it before is not sent it either. */
  #own(line: Line, guest: Guest): void {
    line.owner = guest.replica
    line.version = Math.max(this.#world.busNow(), line.version + 1)
    line.orphanedUntil = undefined
    guest.introduce(line.id)
  }

  #change(line: Line, { clock, state }: Row, now: number): void {
    if (clock < line.ownClock) return
    line.ownClock = clock
    line.heardAt = now
    if (state === null) return this.#remove(line, now)
    if (state === line.state) {
      if (line.isBlank) return
      return this.#window.renew(line.id, now + companyMs)
    }
    line.state = state
    line.isBlank = false
    this.#window.change(line.id)
  }

  #renew(line: Line, now: number): void {
    line.heardAt = now
    this.#window.renew(line.id, now)
  }

  #remove(line: Line, now: number): void {
    const { id, owner, isBlank } = line
    this.#window.drop(id)
    if (owner instanceof Replica) {
      this.#guests.get(owner)?.forget(id)
      if (!isBlank) this.#left.push({ ...farRowOf(line), state: null })
    }
    this.#table.remove(line, now)
    if (!isBlank) this.#window.change(id)
  }

  #giveTable(guest: Guest): void {
    guest.tableDueAt = undefined
    const rows: Row[] = []
    for (const line of this.#table.lines) {
      if (line.isBlank || guest.introduced.has(line.id)) continue
      rows.push(this.#table.introduced(line))
    }
    guest.tell({ kind: "awareness", rows })
  }

  #flushSoon(now: number): void {
    this.#flush(this.#window.open(now))
  }

  /** Tells what changed: the same message to everyone who introduced none of it. */
  #flush(ids: ReadonlySet<number>): void {
    if (ids.size === 0) return
    const rows: Row[] = []
    for (const id of ids) {
      const row = this.#table.next(id)
      if (row !== undefined) rows.push(row)
    }
    this.#tellFar(ids)
    if (rows.length === 0) return
    this.#world.before()
    const all: Awareness = { kind: "awareness", rows }
    // Who has not had the table gets it all with it.
    for (const guest of this.#guests.values()) if (guest.tableDueAt === undefined) guest.tell(all)
  }

  /** What of these rows is of replicas here, and who of them is gone. */
  #tellFar(ids: ReadonlySet<number>): void {
    const rows = this.#left.splice(0)
    for (const id of ids) {
      const line = this.#table.get(id)
      if (line?.owner instanceof Replica && !line.isBlank) rows.push(farRowOf(line))
    }
    if (rows.length > 0) this.#world.tellFar(rows)
  }
}
