/**
 * The opaque rooms of this server by name, and one replica's place in one of them.
 *
 * What always holds: they are apart from the Yjs rooms, so that `notes` here and `notes` there are
 * two rooms (RL7); a room is here while somebody is in it and for `lingerMs` after.
 */
import type { Bus } from "../bus/bus.ts"
import type { Log } from "../log.ts"
import { guard, type Role, type Wake } from "../service.ts"
import type { Revocation } from "./access.ts"
import { Agenda } from "./agenda.ts"
import type { CopyShelf } from "./copies.ts"
import type { Counts } from "./counts.ts"
import type { Group } from "./group.ts"
import type { RelayOptions } from "./limits.ts"
import { OpaqueRoom } from "./opaque.ts"
import type { OpaqueReplica } from "./opaque-fan-out.ts"
import type { Arrival, Introduction, Outcome } from "./opaque-shapes.ts"
import { type OpaqueOutlet, Replica, type Who } from "./replica.ts"
import { Rings } from "./ring.ts"

/** What opaque rooms need of their relay. */
export interface OpaqueWorld {
  readonly bus: Bus
  readonly group: Group
  readonly log: Log
  readonly wake: Wake
  readonly options: RelayOptions
  readonly counts: Counts
  readonly copies: CopyShelf
  readonly marksUnknownUntil: number
  /** ms since 1970, as of the last tick. */
  readonly now: () => number
  /** Throws a WireError where the server has as many rooms as it may have. */
  readonly checkPlace: () => void
}

/** A room in which a fault of ours showed is looked at again after so long. */
const faultMs = 1_000

export class OpaqueRooms {
  readonly #world: OpaqueWorld
  readonly #rooms = new Map<string, OpaqueRoom>()
  readonly #names = new Map<OpaqueRoom, string>()
  readonly #agenda: Agenda<OpaqueRoom>
  readonly #rings: Rings

  constructor(world: OpaqueWorld) {
    this.#world = world
    this.#agenda = new Agenda(world.wake)
    this.#rings = new Rings(world.options)
  }

  get all(): ReadonlyMap<string, OpaqueRoom> {
    return this.#rooms
  }

  /** Brings a replica into its room, which is made if it is not there. Throws a WireError where there is no place. */
  enter(
    name: string,
    who: Who,
    { outlet, ...arrival }: Arrival & { readonly outlet: OpaqueOutlet },
  ): OpaqueMembership {
    const { now } = this.#world
    const room = this.#rooms.get(name) ?? this.#open(name)
    const replica = new Replica(outlet, who, now())
    room.join(replica, arrival, now())
    return new OpaqueMembership({ room, replica, name, now })
  }

  tick(now: number): void {
    this.#rings.tick(now)
    this.#agenda.tick(now, (room) => {
      // A fault of ours in one room is no other's.
      let dueAt = now + faultMs
      guard(this.#world.log, "relay room", () => {
        dueAt = this.#look(room, now)
      })
      return dueAt
    })
  }

  /** Closes the replicas of a user, or gives them another role (RL99). */
  revoke({ subject, room: only, role, at }: Revocation): void {
    for (const [name, room] of this.#rooms) {
      if (only !== undefined && only !== name) continue
      for (const replica of room.replicas) {
        if (replica.subject !== subject) continue
        if (replica.since !== undefined && replica.since > at) continue
        if (role !== undefined) room.assign(replica, role, this.#world.now())
        else replica.outlet.close("forbidden", "the access was revoked")
      }
    }
  }

  /** Closes all who are in rooms of which `isDenied` says so (RL92). */
  deny(isDenied: (name: string) => boolean): void {
    for (const [name, room] of this.#rooms) {
      if (!isDenied(name)) continue
      for (const { outlet } of room.replicas) outlet.close("forbidden", "this room is closed")
    }
  }

  #look(room: OpaqueRoom, now: number): number {
    const due = room.tick(now)
    if (due !== "over") return due
    this.#forget(room)
    return Number.POSITIVE_INFINITY
  }

  #open(name: string): OpaqueRoom {
    const { now, checkPlace } = this.#world
    checkPlace()
    const rouse = () => this.#agenda.rouse(room)
    const world = { ...this.#world, key: `l/${name}`, rings: this.#rings, rouse }
    const room: OpaqueRoom = new OpaqueRoom(name, world, now())
    this.#rooms.set(name, room)
    this.#names.set(room, name)
    rouse()
    return room
  }

  #forget(room: OpaqueRoom): void {
    const name = this.#names.get(room)
    this.#names.delete(room)
    if (name !== undefined) this.#rooms.delete(name)
  }
}

/** One replica's place in its room: what its dialect calls with what it hears. */
export class OpaqueMembership {
  readonly name: string
  readonly replica: OpaqueReplica
  readonly #room: OpaqueRoom
  readonly #now: () => number

  constructor(of: {
    readonly name: string
    readonly replica: OpaqueReplica
    readonly room: OpaqueRoom
    readonly now: () => number
  }) {
    this.name = of.name
    this.replica = of.replica
    this.#room = of.room
    this.#now = of.now
  }

  introduce(introduction: Introduction): void {
    this.#room.introduce(this.replica, introduction, this.#now())
  }

  update(update: Parameters<OpaqueRoom["update"]>[1]): Outcome {
    return this.#room.update(this.replica, update, this.#now())
  }

  show(shown: Parameters<OpaqueRoom["show"]>[1]): Outcome {
    return this.#room.show(this.replica, shown, this.#now())
  }

  request(version: Uint8Array | undefined): void {
    this.#room.request(this.replica, version, this.#now())
  }

  answer(answer: Parameters<OpaqueRoom["answer"]>[1]): Outcome {
    return this.#room.answer(this.replica, answer, this.#now())
  }

  /** It sent so many bytes. Returns the ms for which it is not read then, since its room is over its rate (RL91). */
  charge(bytes: number): number {
    return this.#room.charge(this.replica, bytes, this.#now())
  }

  /** Whether it was asked for something that it has not answered: an answer is free of its rate. */
  get isAsked(): boolean {
    return this.replica.asked.length > 0
  }

  /** A newer token of the same subject says another role. */
  assign(role: Role): void {
    if (role !== this.replica.role) this.#room.assign(this.replica, role, this.#now())
  }

  /** `ts` is the sender's; undefined where it said nothing. */
  leave(how: "clean" | "broken", ts: number | undefined): void {
    const now = this.#now()
    this.#room.leave(this.replica, { how, ts: ts ?? now }, now)
  }
}
