/**
 * The opaque rooms of this server by name.
 *
 * What always holds: they are apart from the Yjs rooms, so that `notes` here and `notes` there are
 * two rooms (RL7); a room is here while somebody is in it and for `lingerMs` after.
 */
import type { Bus } from "../bus/bus.ts"
import type { Log } from "../log.ts"
import type { Wake } from "../service.ts"
import type { Revocation } from "./access.ts"
import type { CopyShelf } from "./copies.ts"
import type { Counts } from "./counts.ts"
import type { Group } from "./group.ts"
import type { RelayOptions } from "./limits.ts"
import { OpaqueRoom } from "./opaque.ts"
import { OpaqueMembership } from "./opaque-membership.ts"
import type { Arrival } from "./opaque-shapes.ts"
import { type OpaqueOutlet, Replica, type Who } from "./replica.ts"
import { Rings } from "./ring.ts"
import { Rooms } from "./rooms.ts"

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

export class OpaqueRooms {
  readonly #world: OpaqueWorld
  readonly #rooms: Rooms<OpaqueRoom, OpaqueOutlet>
  readonly #rings: Rings

  constructor(world: OpaqueWorld) {
    this.#world = world
    this.#rooms = new Rooms(world)
    this.#rings = new Rings(world.options)
  }

  get all(): ReadonlyMap<string, OpaqueRoom> {
    return this.#rooms.all
  }

  /** Brings a replica into its room, which is made if it is not there. Throws a WireError where there is no place. */
  enter(
    name: string,
    who: Who,
    { outlet, ...arrival }: Arrival & { readonly outlet: OpaqueOutlet },
  ): OpaqueMembership {
    const { now } = this.#world
    const room = this.all.get(name) ?? this.#open(name)
    const replica = new Replica(outlet, who, now())
    room.join(replica, arrival, now())
    return new OpaqueMembership({ room, replica, name, now })
  }

  tick(now: number): void {
    this.#rings.tick(now)
    this.#rooms.tick(now)
  }

  /** Closes the replicas of a user, or gives them another role (RL99). */
  revoke(revocation: Revocation): void {
    const { role } = revocation
    for (const [room, replica] of this.#rooms.revoked(revocation)) {
      if (role === undefined) replica.outlet.close("forbidden", "the access was revoked")
      else room.assign(replica, role, this.#world.now())
    }
  }

  /** Closes all who are in rooms of which `isDenied` says so (RL92). */
  deny(isDenied: (name: string) => boolean): void {
    this.#rooms.deny(isDenied)
  }

  #open(name: string): OpaqueRoom {
    const { now, checkPlace } = this.#world
    checkPlace()
    const parts = { ...this.#world, key: `l/${name}`, rings: this.#rings }
    return this.#rooms.open(name, (rouse) => new OpaqueRoom(name, { ...parts, rouse }, now()))
  }
}
