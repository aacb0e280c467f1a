/**
 * The relay: rooms by name, who enters them, and their time. The door of this folder.
 *
 * What always holds: a room is here while somebody is in it and for `lingerMs` after; only rooms in
 * which something is due are looked at, so ten thousand quiet ones cost a tick nothing. The dialects
 * (yjs.ts, hocuspocus.ts, lfcc.ts) are the services that sockets reach; this is what they share.
 */
import type { Bus } from "../bus/bus.ts"
import type { Log } from "../log.ts"
import type { Answer, Identity, Random, Role, Wake } from "../service.ts"
import type { Act, Ruling } from "../wire/bus-acts.ts"
import { WireError } from "../wire/error.ts"
import { isRoomName } from "../wire/relay.ts"
import { Access, type Anonymous, type Revocation } from "./access.ts"
import { Acts } from "./acts.ts"
import { type CopyShelf, noCopies } from "./copies.ts"
import { Counts } from "./counts.ts"
import { Group } from "./group.ts"
import type { RelayOptions } from "./limits.ts"
import { Membership } from "./membership.ts"
import type { OpaqueRoom } from "./opaque.ts"
import { OpaqueRooms } from "./opaque-rooms.ts"
import { Replica, type Who, type YjsOutlet } from "./replica.ts"
import { Room } from "./room.ts"
import { Rooms } from "./rooms.ts"
import type { Rates } from "./traffic.ts"

/** What a relay is made with. */
export interface RelayParts {
  readonly bus: Bus
  readonly log: Log
  readonly random: Random
  readonly wake: Wake
  readonly options: RelayOptions
  readonly anonymous: Anonymous
  /** Patterns of rooms that are closed to everyone. */
  readonly denied: readonly string[]
  /** Where copies are kept; left out, nowhere. */
  readonly copies?: CopyShelf
  /** Between two messages to ourselves, which show whether the bus delivers; left out, 2 s. */
  readonly probeMs?: number | undefined
  /** Until then, in ms since 1970, it is not known which rooms had content a moment ago. */
  readonly marksUnknownUntil: number
}

/** Looks a token up: who it is, or why not; nobody where the server has no key. Answers once, in a later turn. */
export type AskIdentity = (
  token: string,
  answer: (found: Identity | WireError | undefined) => void,
) => void

/** A room as the page and the admin API show it. */
export interface RoomView extends Rates {
  readonly name: string
  readonly kind: "yjs" | "opaque"
  readonly replicas: number
  readonly holders: number
  /** How many replicas have each role. */
  readonly roles: Readonly<Record<Role, number>>
  /** Other servers that have the room. */
  readonly servers: number
  readonly state: string
  readonly trackedBytes: number
}

export class Relay {
  readonly counts = new Counts()
  readonly access: Access
  /** The rooms of documents of other kinds than Yjs. */
  readonly opaque: OpaqueRooms
  readonly options: RelayOptions
  readonly random: Random
  /** The servers that share our bus. */
  readonly group: Group
  readonly #acts: Acts
  readonly #parts: RelayParts
  readonly #copies: CopyShelf
  readonly #rooms: Rooms<Room, YjsOutlet>
  #now = 0
  #isStopping = false

  constructor(parts: RelayParts) {
    this.#parts = parts
    this.#copies = parts.copies ?? noCopies
    this.options = parts.options
    this.random = parts.random
    this.access = new Access(parts.anonymous, parts.denied)
    this.#rooms = new Rooms(parts)
    this.group = new Group({
      ...parts,
      counts: this.counts,
      resyncRoomsPerSecond: parts.options.resyncRoomsPerSecond,
      rouse: () => parts.wake(10),
      act: (act) => this.#heard(act),
    })
    const { group } = this
    this.#acts = new Acts({ bus: parts.bus, group, apply: (act) => this.#apply(act) })
    this.opaque = new OpaqueRooms({
      ...parts,
      group,
      copies: this.#copies,
      counts: this.counts,
      now: () => this.#now,
      checkPlace: () => this.#checkPlace(),
    })
  }

  /** ms since 1970, as of the last tick. */
  get now(): number {
    return this.#now
  }

  get rooms(): ReadonlyMap<string, Room> {
    return this.#rooms.all
  }

  /** How many rooms there are, of both kinds. */
  get size(): number {
    return this.rooms.size + this.opaque.all.size
  }

  /** Rooms in which somebody waits for content. */
  get waiting(): number {
    let count = 0
    for (const room of this.#all()) if (room.isWaiting) count++
    return count
  }

  /** Rooms whose vector is too long to be kept. */
  get untracked(): number {
    let count = 0
    for (const room of this.rooms.values()) if (room.isUntracked) count++
    return count
  }

  /** Rooms in which something is missing that nobody has brought yet, or may be. */
  get dirty(): number {
    let count = this.group.suspected
    for (const room of this.#all()) if (room.isDirty) count++
    return count
  }

  /** How many replicas there are in all rooms. */
  get replicas(): number {
    let count = 0
    for (const { replicas } of this.#all()) count += replicas.size
    return count
  }

  /** Who `identity` is in the room called `name`. Throws a WireError for a bad name, too. */
  admit(identity: Identity | undefined, name: string): Who {
    if (!isRoomName(name)) {
      throw new WireError(
        "bad-message",
        "a room's name has 1 to 256 bytes of UTF-8 and no control characters",
      )
    }
    if (this.#isStopping) throw new WireError("going-away", "stopping")
    try {
      return this.access.admit(identity, name)
    } catch (thrown) {
      this.counts.refused.add(this.access.isDenied(name) ? "denied" : "token")
      throw thrown
    }
  }

  /** Brings a replica into its room, which is made if it is not there. Throws a WireError where there is no place. */
  enter(name: string, who: Who, outlet: YjsOutlet): Membership {
    const room = this.rooms.get(name) ?? this.#open(name)
    const replica = new Replica(outlet, who, this.#now)
    room.join(replica, this.#now)
    return new Membership({ relay: this, room, replica, name })
  }

  /** It is `now`, in ms since 1970. */
  tick(now: number): void {
    this.#now = now
    this.group.tick(now)
    this.#acts.tick()
    this.opaque.tick(now)
    this.#rooms.tick(now)
  }

  stop(): void {
    this.#isStopping = true
    for (const room of this.#all()) room.drain()
    this.group.drain()
  }

  /** How it is: by the count of its replicas, its rooms, and those of them in which somebody waits. */
  health() {
    return {
      ok: !this.#isStopping,
      connections: this.replicas,
      documents: this.size,
      dirty: this.dirty,
      waiting: this.waiting,
      untracked: this.untracked,
    }
  }

  /** At most `limit` of the rooms that are `wanted`, the fullest first, as the page and the admin API show them. */
  view(limit: number, wanted: (name: string) => boolean): readonly RoomView[] {
    const found: { readonly name: string; readonly room: Room | OpaqueRoom }[] = []
    for (const rooms of [this.rooms, this.opaque.all]) {
      for (const [name, room] of rooms) if (wanted(name)) found.push({ name, room })
    }
    found.sort((one, other) => other.room.replicas.size - one.room.replicas.size)
    return found.slice(0, limit).map(({ name, room }) => ({
      name,
      kind: room instanceof Room ? "yjs" : "opaque",
      replicas: room.replicas.size,
      holders: room.holders,
      roles: room.occupants.roles,
      servers: room.servers,
      ...room.occupants.traffic.rates(this.#now),
      state: room.standing,
      trackedBytes: room instanceof Room ? room.trackedBytes : 0,
    }))
  }

  /** A text for the programs in a room, from whoever runs the server; on all servers, also where nobody is in it here. */
  tell(room: string, text: string): void {
    const here = this.rooms.get(room)
    if (here !== undefined) return here.say(text)
    this.group.announce({ kind: "tell", room, text, at: this.#parts.bus.now() })
  }

  /** Closes, or gives another role to, all replicas of a user, and refuses its older tokens; on all servers (RL99). */
  revoke(subject: string, room: string | undefined, role: Role | undefined): void {
    this.#acts.do({ kind: "revoke", subject, room, role, at: this.#parts.bus.now() })
  }

  /** Closes rooms to everyone at once, or opens them again; on all servers (RL92). */
  deny(pattern: string, how: "on" | "off"): void {
    const kind = how === "on" ? "deny" : "allow"
    this.#acts.do({ kind, pattern, at: this.#parts.bus.now() })
  }

  #heard(act: Act): void {
    if (act.kind === "tell") this.rooms.get(act.room)?.tell(act.text)
    else this.#acts.hear(act)
  }

  #apply(act: Ruling): void {
    if (act.kind === "revoke") return this.#revoke(act)
    this.access.deny(act.pattern, act.kind === "deny" ? "on" : "off")
    if (act.kind === "allow") return
    const isDenied = (name: string) => this.access.isDenied(name)
    this.opaque.deny(isDenied)
    this.#rooms.deny(isDenied)
  }

  #revoke(revocation: Revocation): void {
    const { role } = revocation
    this.access.revoke(revocation)
    this.opaque.revoke(revocation)
    for (const [room, replica] of this.#rooms.revoked(revocation)) {
      if (role === undefined) replica.outlet.close("forbidden", "the access was revoked")
      else {
        room.assign(replica, role, this.#now)
        replica.outlet.notice({ kind: "role", role })
      }
    }
  }

  /** Deletes the copies of a room, of both kinds. Answers whether there were any, "away" where one could not be deleted. */
  deleteCopy(name: string, answer: Answer<boolean>): void {
    const answers: (boolean | "away")[] = []
    for (const key of [`y/${name}`, `l/${name}`]) {
      this.#copies.remove(key, (wasThere) => {
        if (answers.push(wasThere) < 2) return
        answer(answers.includes("away") ? "away" : answers.includes(true))
      })
    }
    this.rooms.get(name)?.forgetCopy()
    this.opaque.all.get(name)?.forgetCopy()
  }

  #open(name: string): Room {
    const { options, bus, marksUnknownUntil } = this.#parts
    this.#checkPlace()
    const { group, counts } = this
    const shared = { bus, group, options, counts, copies: this.#copies, marksUnknownUntil }
    const key = `y/${name}`
    return this.#rooms.open(name, (rouse) => new Room({ ...shared, key, rouse }, this.#now))
  }

  #all(): readonly (Room | OpaqueRoom)[] {
    return [...this.rooms.values(), ...this.opaque.all.values()]
  }

  #checkPlace(): void {
    const { rooms, limitsDryRun } = this.options
    if (this.size < rooms) return
    this.counts.refused.add("full")
    if (limitsDryRun) return
    throw new WireError("too-many", `this server has its ${rooms} rooms already: try again later`)
  }
}
