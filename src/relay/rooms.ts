/**
 * The rooms of one kind by name, and their time.
 *
 * What always holds: a room is here while somebody is in it and for `lingerMs` after; only rooms in
 * which something is due are looked at; a fault of ours in one room is no other's.
 */
import type { Bus } from "../bus/bus.ts"
import type { Log } from "../log.ts"
import { guard, type Wake } from "../service.ts"
import type { Revocation } from "./access.ts"
import { Agenda } from "./agenda.ts"
import type { CopyShelf } from "./copies.ts"
import type { Counts } from "./counts.ts"
import type { Group } from "./group.ts"
import type { RelayOptions } from "./limits.ts"
import type { Outlet, Replica } from "./replica.ts"

/** What a room of either kind is made with. */
export interface RoomWorld {
  /** Names the room, and its kind, on the bus. */
  readonly key: string
  readonly bus: Bus
  readonly group: Group
  readonly options: RelayOptions
  readonly counts: Counts
  readonly copies: CopyShelf
  /** Until then every room counts as one that had content a moment ago. */
  readonly marksUnknownUntil: number
  /** Something may be due: time is wanted. */
  rouse(): void
}

/** How a room stands, in the words of the page and the admin API. */
export type RoomStanding = "blank" | "open" | "waiting" | "too big"

/** A room, as its name and its time concern it. */
interface Timed<O extends Outlet<never>> {
  readonly replicas: ReadonlySet<Replica<O>>
  /** Returns the ms since 1970 of what is due next, or "over" when the room can be forgotten. */
  tick(now: number): number | "over"
}

/** A room in which a fault of ours showed is looked at again after so long. */
const faultMs = 1_000

export class Rooms<R extends Timed<O>, O extends Outlet<never>> {
  readonly #log: Log
  readonly #byName = new Map<string, R>()
  readonly #names = new Map<R, string>()
  readonly #agenda: Agenda<R>

  constructor({ log, wake }: { readonly log: Log; readonly wake: Wake }) {
    this.#log = log
    this.#agenda = new Agenda(wake)
  }

  get all(): ReadonlyMap<string, R> {
    return this.#byName
  }

  /** Makes a room; `make` is given what rouses it. */
  open(name: string, make: (rouse: () => void) => R): R {
    const rouse = () => this.#agenda.rouse(room)
    const room: R = make(rouse)
    this.#byName.set(name, room)
    this.#names.set(room, name)
    // Nobody may get in after all: then it ends like others.
    rouse()
    return room
  }

  tick(now: number): void {
    this.#agenda.tick(now, (room) => {
      let dueAt = now + faultMs
      guard(this.#log, "relay room", () => {
        dueAt = this.#look(room, now)
      })
      return dueAt
    })
  }

  /** The replicas that a revocation concerns, each with its room. Who is closed meanwhile is not among them. */
  *revoked({ subject, room: only, at }: Revocation): Iterable<readonly [R, Replica<O>]> {
    for (const [name, room] of this.#byName) {
      if (only !== undefined && only !== name) continue
      for (const replica of room.replicas) {
        const isNewer = replica.since !== undefined && replica.since > at
        if (replica.subject === subject && !isNewer) yield [room, replica]
      }
    }
  }

  /** Closes all who are in rooms of which `isDenied` says so (RL92). */
  deny(isDenied: (name: string) => boolean): void {
    for (const [name, room] of this.#byName) {
      if (!isDenied(name)) continue
      for (const { outlet } of room.replicas) outlet.close("forbidden", "this room is closed")
    }
  }

  #look(room: R, now: number): number {
    const due = room.tick(now)
    if (due !== "over") return due
    const name = this.#names.get(room)
    this.#names.delete(room)
    if (name !== undefined) this.#byName.delete(name)
    return Number.POSITIVE_INFINITY
  }
}
