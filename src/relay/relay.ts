/**
 * The relay: rooms by name, who enters them, and their time. The door of this folder.
 *
 * What always holds: a room is here while somebody is in it and for `lingerMs` after; only rooms in
 * which something is due are looked at, so ten thousand quiet ones cost a tick nothing. The dialects
 * (yjs.ts, hocuspocus.ts, lfcc.ts) are the services that sockets reach; this is what they share.
 */
import type { Bus } from "../bus/bus.ts"
import type { Log } from "../log.ts"
import { type Answer, guard, type Identity, type Random, type Role, type Wake } from "../service.ts"
import type { Act } from "../wire/bus-acts.ts"
import { WireError } from "../wire/error.ts"
import { isRoomName } from "../wire/relay.ts"
import { Access, type Anonymous, type Revocation } from "./access.ts"
import { Acts } from "./acts.ts"
import { Agenda } from "./agenda.ts"
import { type CopyShelf, noCopies } from "./copies.ts"
import { Counts } from "./counts.ts"
import { Group } from "./group.ts"
import type { RelayOptions } from "./limits.ts"
import { Membership } from "./membership.ts"
import type { OpaqueRoom } from "./opaque.ts"
import { OpaqueRooms } from "./opaque-rooms.ts"
import { Replica, type Who, type YjsOutlet } from "./replica.ts"
import { Room } from "./room.ts"

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
  /** Until then, in ms since 1970, it is not known which rooms had content a moment ago. */
  readonly marksUnknownUntil: number
}

/** Looks a token up: who it is, or why not; nobody where the server has no key. Answers once, in a later turn. */
export type AskIdentity = (
  token: string,
  answer: (found: Identity | WireError | undefined) => void,
) => void

/** A room as the page and the admin API show it. */
export interface RoomView {
  readonly name: string
  readonly kind: "yjs" | "opaque"
  readonly replicas: number
  readonly holders: number
  readonly state: string
  readonly trackedBytes: number
}

/** A room in which a fault of ours showed is looked at again after so long. */
const faultMs = 1_000

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
  readonly #rooms = new Map<string, Room>()
  readonly #agenda: Agenda<Room>
  readonly #names = new Map<Room, string>()
  #now = 0
  #isStopping = false

  constructor(parts: RelayParts) {
    this.#parts = parts
    this.#copies = parts.copies ?? noCopies
    this.options = parts.options
    this.random = parts.random
    this.access = new Access(parts.anonymous, parts.denied)
    this.#agenda = new Agenda(parts.wake)
    this.group = new Group({
      ...parts,
      counts: this.counts,
      resyncRoomsPerSecond: parts.options.resyncRoomsPerSecond,
      rouse: () => parts.wake(10),
      act: (act) => this.#acts.hear(act),
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
    return this.#rooms
  }

  /** How many rooms there are, of both kinds. */
  get size(): number {
    return this.#rooms.size + this.opaque.all.size
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
    for (const room of this.#rooms.values()) if (room.isUntracked) count++
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
    const room = this.#rooms.get(name) ?? this.#open(name)
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
    this.#agenda.tick(now, (room) => {
      // A fault of ours in one room is no other's: it is looked at again, and so are they.
      let dueAt = now + faultMs
      guard(this.#parts.log, "relay room", () => {
        dueAt = this.#look(room, now)
      })
      return dueAt
    })
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

  /** At most `limit` of the rooms that are `wanted`, as the page and the admin API show them. */
  view(limit: number, wanted: (name: string) => boolean): readonly RoomView[] {
    const views: RoomView[] = []
    for (const [name, room] of this.#rooms) {
      if (views.length >= limit) break
      if (!wanted(name)) continue
      views.push({
        name,
        kind: "yjs",
        replicas: room.replicas.size,
        holders: room.holders,
        state: room.standing,
        trackedBytes: room.trackedBytes,
      })
    }
    for (const [name, { replicas, holders, standing }] of this.opaque.all) {
      if (views.length >= limit) break
      if (!wanted(name)) continue
      const state = { holders, state: standing, trackedBytes: 0 }
      views.push({ name, kind: "opaque", replicas: replicas.size, ...state })
    }
    return views
  }

  /** A text for the programs in a room, from whoever runs the server. */
  tell(room: string, text: string): void {
    this.#rooms.get(room)?.say(text)
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

  #apply(act: Act): void {
    if (act.kind === "revoke") return this.#revoke(act)
    this.access.deny(act.pattern, act.kind === "deny" ? "on" : "off")
    if (act.kind === "allow") return
    this.opaque.deny((name) => this.access.isDenied(name))
    for (const [name, room] of this.#rooms) {
      if (!this.access.isDenied(name)) continue
      for (const { outlet } of room.replicas) outlet.close("forbidden", "this room is closed")
    }
  }

  #revoke(revocation: Revocation): void {
    const { room } = revocation
    this.access.revoke(revocation)
    this.opaque.revoke(revocation)
    for (const [name, each] of this.#rooms) {
      if (room === undefined || room === name) this.#revokeIn(each, revocation)
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
    this.#rooms.get(name)?.forgetCopy()
    this.opaque.all.get(name)?.forgetCopy()
  }

  #revokeIn(room: Room, { subject, role, at }: Revocation): void {
    for (const replica of room.replicas) {
      if (replica.subject !== subject) continue
      if (replica.since !== undefined && replica.since > at) continue
      if (role === undefined) replica.outlet.close("forbidden", "the access was revoked")
      else {
        room.assign(replica, role, this.#now)
        replica.outlet.notice({ kind: "role", role })
      }
    }
  }

  #look(room: Room, now: number): number {
    const due = room.tick(now)
    if (due !== "over") return due
    this.#forget(room)
    return Number.POSITIVE_INFINITY
  }

  #open(name: string): Room {
    const { options, bus, marksUnknownUntil } = this.#parts
    this.#checkPlace()
    const room: Room = new Room(
      {
        key: `y/${name}`,
        bus,
        group: this.group,
        options,
        counts: this.counts,
        copies: this.#copies,
        marksUnknownUntil,
        rouse: () => this.#agenda.rouse(room),
      },
      this.#now,
    )
    this.#rooms.set(name, room)
    this.#names.set(room, name)
    // Nobody may get in after all: then it ends like others.
    this.#agenda.rouse(room)
    return room
  }

  #all(): readonly (Room | OpaqueRoom)[] {
    return [...this.#rooms.values(), ...this.opaque.all.values()]
  }

  #checkPlace(): void {
    const { rooms, limitsDryRun } = this.options
    if (this.size < rooms) return
    this.counts.refused.add("full")
    if (limitsDryRun) return
    throw new WireError("too-many", `there are ${rooms} rooms on this server already`)
  }

  #forget(room: Room): void {
    const name = this.#names.get(room)
    this.#names.delete(room)
    if (name !== undefined) this.#rooms.delete(name)
  }
}
