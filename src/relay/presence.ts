/**
 * Who is present in a room of Yjs replicas: the rows of awareness, each with an owner.
 *
 * What always holds: a row belongs to the replica that introduced or claimed it, and only its
 * changes are relayed (RL69). The relay numbers what it sends itself, and a row's numbers only
 * rise (RL72), so a client that comes back is never ignored as old. Nobody is sent a row that it
 * introduced itself (RL73): with a raised number it would overwrite its own state.
 */
import type { FarRow } from "../wire/bus.ts"
import type { Awareness, Row } from "../wire/relay.ts"
import type { Counts } from "./counts.ts"
import { dropOldest, Guest } from "./guest.ts"
import { farRowOf, type Ghost, type Line, rowOf, whoOf } from "./presence-lines.ts"
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
/** Rows that are gone must not come back by an echo: for so long, and so many of them. */
const ghostMs = 5 * 60_000
const ghostLimit = 10_000
/** Numbers are raised to the ms since then. */
const lifted = Date.UTC(2026, 0, 1)
/** No client was ever sent a number so far ahead: whoever shows one is not followed. */
const aheadMs = 24 * 60 * 60_000

export class Presence {
  readonly #limits: PresenceLimits
  readonly #counts: Counts
  readonly #lines = new Map<number, Line>()
  readonly #guests = new Map<Replica, Guest>()
  readonly #ghosts = new Map<number, Ghost>()
  readonly #changed = new Set<number>()
  #lift = 0
  /** The highest number that was sent. */
  #highest = 0
  /** When the open window ends; 0 while none is open. */
  #windowUntil = 0
  /** When rows that were only renewed are told at the latest. */
  #companyUntil = Number.POSITIVE_INFINITY
  readonly #renewed = new Set<number>()
  /** Rows of replicas here that are gone, and were not told to other servers. */
  readonly #left: FarRow[] = []
  readonly #world: PresenceWorld

  constructor(limits: PresenceLimits, counts: Counts, world: PresenceWorld) {
    this.#limits = limits
    this.#counts = counts
    this.#world = world
  }

  join(replica: Replica, now: number): void {
    // Above what was sent, too: it may come back before the clock has moved.
    this.#lift = Math.max(this.#lift, this.#highest + 1, now - lifted)
    this.#guests.set(replica, new Guest(replica, this.#counts, now + tableMs))
  }

  /** Its rows go: at once if it said goodbye, after a grace if its line broke (RL76). */
  leave(replica: Replica, how: "clean" | "broken", now: number): void {
    const guest = this.#guests.get(replica)
    this.#guests.delete(replica)
    for (const id of guest?.introduced ?? []) {
      const line = this.#lines.get(id)
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
    for (const line of this.#lines.values()) {
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
    for (const guest of this.#guests.values()) {
      if (guest.catchUp(this.#latest) === "behind") {
        next = Math.min(next, now + this.#limits.presenceWindowMs)
      }
      if (guest.tableDueAt === undefined) continue
      if (guest.tableDueAt <= now) this.#giveTable(guest)
      else next = Math.min(next, guest.tableDueAt)
    }
    if (this.#companyUntil <= now) {
      for (const id of this.#renewed) this.#changed.add(id)
    }
    if (this.#windowUntil <= now) {
      this.#windowUntil = this.#changed.size > 0 ? now + this.#limits.presenceWindowMs : 0
      if (this.#changed.size > 0) this.#flush()
    }
    if (this.#windowUntil > 0) next = Math.min(next, this.#windowUntil)
    return Math.min(next, this.#companyUntil)
  }

  /** All rows of replicas here, for other servers. */
  farRows(): readonly FarRow[] {
    return [...this.#lines.values()]
      .filter(({ owner, isBlank }) => owner instanceof Replica && !isBlank)
      .map(farRowOf)
  }

  /** What another server says (RL76, RL77). The row of whoever came last to own it counts. */
  hearFar({ origin, rows, isTable, now }: FarTold): void {
    for (const row of rows) this.#takeFar(origin, row, now)
    if (isTable) {
      const there = new Set(rows.map(({ id }) => id))
      for (const line of this.#lines.values()) {
        if (line.owner === origin && !there.has(line.id)) this.#remove(line, now)
      }
    }
    this.#flushSoon(now)
  }

  /** A server is gone: who was there may come back here. */
  loseFar(origin: string, now: number): void {
    for (const line of this.#lines.values()) {
      if (line.owner === origin) line.orphanedUntil = now + this.#limits.presenceGraceMs
    }
  }

  #takeFar(origin: string, { id, owner: who, version, state }: FarRow, now: number): void {
    const line = this.#lines.get(id)
    if (line === undefined) {
      if (state === null) return
      if (this.#lines.size >= this.#limits.presenceRowsPerRoom && this.#refuse("rows")) return
      this.#ghosts.delete(id)
      const clock = this.#highest
      const of = { id, owner: origin, who, version, state, clock, heardAt: now }
      this.#lines.set(id, { ...of, ownClock: 0, orphanedUntil: undefined, isBlank: false })
      this.#changed.add(id)
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
    this.#changed.add(id)
  }

  #take(
    guest: Guest,
    row: Row,
    { isClaim, now }: { readonly isClaim: boolean; readonly now: number },
  ): "own" | "echo" {
    const { id, clock, state } = row
    const { replica } = guest
    const line = this.#lines.get(id)
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
    const isFollowed = clock < Math.max(0, now - lifted) + aheadMs
    // What comes next must not look older to it (RL74).
    if (isAhead && isFollowed) this.#lift = Math.max(this.#lift, clock + 1)
    if (state === null) {
      // Browser tabs tell each other false leaves (RL75).
      if (!line.isBlank && guest.mayBeCorrected(line.id, now)) {
        line.clock = this.#nextFor(line)
        guest.tell({ kind: "awareness", rows: [rowOf(line)] })
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
    const ghost = this.#ghosts.get(id)
    const isItsOwn = isClaim || guest.hasWithdrawn(id)
    // It was sent this row, and sends it back after its end.
    if (ghost !== undefined && !isItsOwn && ghost.at >= replica.joinedAt) return "echo"
    const { idsPerConnection, presenceRowsPerRoom } = this.#limits
    if (guest.introduced.size >= idsPerConnection && this.#refuse("ids")) return "own"
    if (this.#lines.size >= presenceRowsPerRoom && this.#refuse("rows")) return "own"
    this.#ghosts.delete(id)
    this.#lines.set(id, {
      id,
      owner: replica,
      who: whoOf(replica),
      version: this.#world.busNow(),
      state,
      // Whoever saw it before saw no higher number.
      clock: this.#highest,
      ownClock: clock,
      heardAt: now,
      orphanedUntil: undefined,
      isBlank: clock === 0 && state === "{}",
    })
    guest.introduced.add(id)
    if (clock > 0 || state !== "{}") this.#changed.add(id)
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
    guest.introduced.add(line.id)
  }

  #change(line: Line, { clock, state }: Row, now: number): void {
    if (clock < line.ownClock) return
    line.ownClock = clock
    line.heardAt = now
    if (state === null) return this.#remove(line, now)
    if (state === line.state) {
      if (line.isBlank) return
      this.#renewed.add(line.id)
      this.#companyUntil = Math.min(this.#companyUntil, now + companyMs)
      return
    }
    line.state = state
    line.isBlank = false
    this.#changed.add(line.id)
  }

  #renew(line: Line, now: number): void {
    line.heardAt = now
    this.#renewed.add(line.id)
    this.#companyUntil = Math.min(this.#companyUntil, now)
  }

  #remove(line: Line, now: number): void {
    const { id, owner, isBlank } = line
    this.#lines.delete(id)
    this.#renewed.delete(id)
    if (owner instanceof Replica) {
      this.#guests.get(owner)?.introduced.delete(id)
      if (!isBlank) this.#left.push({ ...farRowOf(line), state: null })
    }
    const clock = isBlank ? line.clock : this.#nextFor(line)
    this.#ghosts.delete(id)
    this.#ghosts.set(id, { clock, at: now })
    dropOldest(this.#ghosts, ghostLimit)
    for (const [each, { at }] of this.#ghosts) {
      if (at > now - ghostMs) break
      this.#ghosts.delete(each)
    }
    if (!isBlank) this.#changed.add(id)
  }

  /** The number under which a row is sent next. */
  #nextFor({ clock }: Line): number {
    const next = Math.max(clock + 1, this.#lift)
    this.#highest = Math.max(this.#highest, next)
    return next
  }

  #giveTable(guest: Guest): void {
    guest.tableDueAt = undefined
    const rows: Row[] = []
    for (const line of this.#lines.values()) {
      if (line.isBlank || guest.introduced.has(line.id)) continue
      line.clock = Math.max(line.clock, this.#lift)
      this.#highest = Math.max(this.#highest, line.clock)
      rows.push(rowOf(line))
    }
    guest.tell({ kind: "awareness", rows })
  }

  /** The first change after a quiet window leaves at once, and opens the next (RL79). */
  #flushSoon(now: number): void {
    if (this.#changed.size === 0 || this.#windowUntil > 0) return
    this.#windowUntil = now + this.#limits.presenceWindowMs
    this.#flush()
  }

  /** Tells all that changed: the same message to everyone who introduced none of it. */
  #flush(): void {
    const ids = new Set([...this.#changed, ...this.#renewed])
    this.#changed.clear()
    this.#renewed.clear()
    this.#companyUntil = Number.POSITIVE_INFINITY
    const rows: Row[] = []
    for (const id of ids) {
      const row = this.#next(id)
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
      const line = this.#lines.get(id)
      if (line?.owner instanceof Replica && !line.isBlank) rows.push(farRowOf(line))
    }
    if (rows.length > 0) this.#world.tellFar(rows)
  }

  /** The row under the number it is sent with next; without a state where it is gone. */
  #next(id: number): Row | undefined {
    const line = this.#lines.get(id)
    if (line !== undefined && !line.isBlank) line.clock = this.#nextFor(line)
    return this.#latest(id)
  }

  readonly #latest = (id: number): Row | undefined => {
    const line = this.#lines.get(id)
    if (line !== undefined) return line.isBlank ? undefined : rowOf(line)
    const ghost = this.#ghosts.get(id)
    return ghost && { id, clock: ghost.clock, state: null }
  }
}
