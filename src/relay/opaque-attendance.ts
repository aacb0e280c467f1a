/**
 * Who is in an opaque room, under which name, and what each shows of itself.
 *
 * What always holds: a name belongs to one user, who may be here and elsewhere with several replicas.
 * The others are told JOIN with the first of them and LEAVE with the last (RL12, RL13); a name whose
 * line broke, or whose server died, stays for `presenceGraceMs`, so that a reconnect is neither
 * (RL76). Of each name the last state is kept, for those who come and those who are behind.
 */
import type { FarName } from "../wire/bus-opaque.ts"
import { WireError } from "../wire/error.ts"
import { fanOut, type OpaqueReplica, type Told } from "./opaque-fan-out.ts"
import {
  type AttendanceLimits,
  type AttendanceWorld,
  farNameOf,
  isBorne,
  isSame,
  joinOf,
  newSender,
  type Sender,
} from "./opaque-senders.ts"
import type { FarNames } from "./opaque-shapes.ts"
import { Versions } from "./opaque-versions.ts"
import { PresenceWindow } from "./presence-window.ts"

/** Places at a server that does not renew them go. */
const farMs = 30_000

/** A replica, as it is known here. */
interface Guest {
  readonly sender: Sender
  /** Names whose state changed while it was behind; it gets their latest. */
  readonly missed: Set<Sender>
}

export class Attendance {
  readonly #docId: string
  readonly #limits: AttendanceLimits
  readonly #world: AttendanceWorld
  readonly #senders = new Map<string, Sender>()
  readonly #guests = new Map<OpaqueReplica, Guest>()
  readonly #window: PresenceWindow<Sender>
  /** Names of which a state is kept. */
  #rows = 0
  readonly #versions: Versions
  /** When each server last spoke of its names, in ms since 1970. */
  readonly #heardAt = new Map<string, number>()

  constructor(docId: string, limits: AttendanceLimits, world: AttendanceWorld) {
    this.#docId = docId
    this.#limits = limits
    this.#world = world
    this.#window = new PresenceWindow(limits.presenceWindowMs)
    this.#versions = new Versions(() => world.busNow())
  }

  /** The name under which `replica` is here. */
  nameOf(replica: OpaqueReplica): string {
    return this.#guests.get(replica)?.sender.id ?? ""
  }

  /** Throws WireError "forbidden" where the name `id` is another user's, who is here. */
  check(id: string, { subject, role }: Pick<OpaqueReplica, "subject" | "role">): void {
    const sender = this.#senders.get(id)
    if (sender === undefined || sender.orphanedUntil !== undefined) return
    if (isSame(sender, { subject, role })) return
    throw new WireError(
      "forbidden",
      "this senderId is taken by another in this room: choose another one",
    )
  }

  /** It is here as `id`, and is told who else is (RL18). `ts` is the sender's. */
  enter(replica: OpaqueReplica, { id, ts }: { readonly id: string; readonly ts: number }): void {
    const { subject, role } = replica
    const known = this.#senders.get(id)
    if (known !== undefined && !isSame(known, replica)) this.#end(known, ts)
    if (known === undefined) this.#makeRoom(ts)
    const sender = this.#senders.get(id) ?? newSender({ id, subject, role, ts })
    this.#giveTable(replica, sender)
    if (!this.#senders.has(id)) {
      this.#senders.set(id, sender)
      this.#tell({ from: undefined, message: joinOf(this.#docId, sender) })
    }
    sender.replicas.add(replica)
    sender.orphanedUntil = undefined
    this.#guests.set(replica, { sender, missed: new Set() })
    if (sender.version === 0) this.#tellPlace(sender)
  }

  /** It is gone: its name leaves at once if it said goodbye, after a grace if its line broke. `ts` is the sender's. */
  leave(
    replica: OpaqueReplica,
    { how, ts }: { readonly how: "clean" | "broken"; readonly ts: number },
    now: number,
  ): void {
    const guest = this.#guests.get(replica)
    if (guest === undefined) return
    const { sender } = guest
    this.#guests.delete(replica)
    sender.replicas.delete(replica)
    if (sender.replicas.size > 0) return
    if (sender.places.size > 0) this.#tellGone(sender, ts)
    else if (how === "clean") this.#end(sender, ts)
    else sender.orphanedUntil = now + this.#limits.presenceGraceMs
  }

  /** What it shows now; `payload` is JSON. "full": of so many names as may be, a state is kept already. */
  show(
    replica: OpaqueReplica,
    { payload, ts }: { readonly payload: string; readonly ts: number },
    now: number,
  ): "shown" | "full" {
    const sender = this.#guests.get(replica)?.sender
    if (sender === undefined) return "shown"
    if (sender.shown === undefined) {
      if (this.#rows >= this.#limits.presenceRowsPerRoom && this.#refuse()) return "full"
      this.#rows++
    }
    const stamp = { docId: this.#docId, senderId: sender.id, ts }
    const message = { kind: "presence", ...stamp, payload } as const
    sender.version = this.#versions.next()
    sender.shown = { by: replica, version: sender.version, message }
    this.#window.change(sender)
    this.#flushSoon(now)
    return "shown"
  }

  /** It has another role now, which those who come are told. */
  assign(replica: OpaqueReplica): void {
    const sender = this.#guests.get(replica)?.sender
    if (sender === undefined) return
    sender.role = replica.role
    this.#tellPlace(sender)
  }

  /** All names that have a place here, for other servers. */
  farNames(): readonly FarName[] {
    return [...this.#senders.values()].filter(({ version }) => version > 0).map(farNameOf)
  }

  /** What another server says of who is there. */
  hearFar({ origin, names, extent, now }: FarNames): void {
    this.#heardAt.set(origin, now)
    for (const name of names) this.#takeFar(origin, name)
    if (extent === "roll") {
      const there = new Set(names.map(({ id }) => id))
      for (const sender of this.#senders.values()) {
        if (!there.has(sender.id)) this.#leavePlace(sender, { origin, ts: now })
      }
    }
    this.#flushSoon(now)
  }

  /** A server is gone: who was there may come back here, or elsewhere. */
  loseFar(origin: string, now: number): void {
    this.#heardAt.delete(origin)
    for (const sender of this.#senders.values()) {
      if (!sender.places.delete(origin) || isBorne(sender)) continue
      sender.orphanedUntil = now + this.#limits.presenceGraceMs
    }
  }

  /** Windows and graces. Returns the ms since 1970 of what is due next. */
  tick(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const [origin, at] of this.#heardAt) {
      if (at + farMs <= now) this.loseFar(origin, now)
      else next = Math.min(next, at + farMs)
    }
    for (const sender of this.#senders.values()) {
      if (sender.orphanedUntil === undefined) continue
      if (sender.orphanedUntil <= now) this.#end(sender, now)
      else next = Math.min(next, sender.orphanedUntil)
    }
    this.#flush(this.#window.tick(now), now)
    return Math.min(next, this.#window.dueAt, this.#catchUp(now))
  }

  /** Everyone is told that a name is gone. */
  #end(sender: Sender, ts: number): void {
    this.#senders.delete(sender.id)
    this.#window.drop(sender)
    if (sender.shown !== undefined) this.#rows--
    for (const { missed } of this.#guests.values()) missed.delete(sender)
    const stamp = { docId: this.#docId, senderId: sender.id, ts }
    this.#tell({ from: undefined, message: { kind: "leave", ...stamp } })
    this.#tellGone(sender, ts)
  }

  #takeFar(origin: string, name: FarName): void {
    const { id, role, ts, version, state } = name
    const known = this.#senders.get(id)
    if (version <= (known?.places.get(origin) ?? this.#versions.last(origin, id))) return
    this.#versions.hear(version)
    if (state === "gone") {
      this.#versions.bury({ origin, id, version })
      if (known !== undefined) this.#leavePlace(known, { origin, ts })
      return
    }
    const sender = this.#senderOf(name)
    if (sender === undefined) return
    sender.places.set(origin, version)
    sender.orphanedUntil = undefined
    if (sender.replicas.size === 0) {
      // Its line broke here, and it is there now.
      this.#tellGone(sender, ts)
      sender.role = role
    }
    this.#showFar(sender, name)
  }

  /** The name that another server speaks of; undefined where it is another's, or one too many. */
  #senderOf({ id, subject: user, role, ts }: FarName): Sender | undefined {
    const subject = user === "" ? undefined : user
    const known = this.#senders.get(id)
    if (known !== undefined && isSame(known, { subject, role })) return known
    if (known !== undefined && isBorne(known)) {
      this.#world.counts.presenceRefused.add("claim")
      return undefined
    }
    if (known !== undefined) this.#end(known, ts)
    this.#makeRoom(ts)
    if (this.#senders.size >= this.#limits.presenceRowsPerRoom && this.#refuse()) return undefined
    const sender = newSender({ id, subject, role, ts })
    this.#senders.set(id, sender)
    this.#tell({ from: undefined, message: joinOf(this.#docId, sender) })
    return sender
  }

  #showFar(sender: Sender, { id, shown }: FarName): void {
    if (shown === undefined || shown.version <= (sender.shown?.version ?? 0)) return
    if (sender.shown === undefined) {
      const { presenceRowsPerRoom, limitsDryRun } = this.#limits
      if (this.#rows >= presenceRowsPerRoom && !limitsDryRun) return
      this.#rows++
    }
    const { version, ts, payload } = shown
    const stamp = { docId: this.#docId, senderId: id, ts }
    sender.shown = { by: undefined, version, message: { kind: "presence", ...stamp, payload } }
    this.#window.change(sender)
  }

  /** It is no longer at this server. With its last place it leaves. */
  #leavePlace(sender: Sender, { origin, ts }: { readonly origin: string; readonly ts: number }) {
    if (sender.places.delete(origin) && !isBorne(sender)) this.#end(sender, ts)
  }

  #tellPlace(sender: Sender): void {
    sender.version = this.#versions.next()
    this.#world.tellFar([farNameOf(sender)])
  }

  /** Its place here is no more. */
  #tellGone(sender: Sender, ts: number): void {
    if (sender.version === 0) return
    const version = this.#versions.next()
    this.#world.tellFar([{ ...farNameOf(sender), ts, version, state: "gone", shown: undefined }])
    sender.version = 0
  }

  /** Whether one too many is left out: in a dry run it is only counted. */
  #refuse(): boolean {
    this.#world.counts.presenceRefused.add("rows")
    return !this.#limits.limitsDryRun
  }

  /** Above the limit the orphan that has waited longest leaves before its time. */
  #makeRoom(ts: number): void {
    const { presenceRowsPerRoom, limitsDryRun } = this.#limits
    if (this.#senders.size < presenceRowsPerRoom || limitsDryRun) return
    for (const sender of this.#senders.values()) {
      if (sender.orphanedUntil !== undefined) return this.#end(sender, ts)
    }
  }

  #giveTable(replica: OpaqueReplica, self: Sender): void {
    const told: Told[] = []
    for (const sender of this.#senders.values()) {
      if (sender === self) continue
      told.push({ from: undefined, message: joinOf(this.#docId, sender) })
      if (sender.shown !== undefined) told.push({ from: undefined, message: sender.shown.message })
    }
    this.#give(told, [replica], self.ts)
  }

  #tell(told: Told): void {
    this.#give([told], this.#guests.keys(), told.message.ts)
  }

  #give(told: readonly Told[], replicas: Iterable<OpaqueReplica>, ts: number): void {
    this.#world.counts.delivered += fanOut(told, replicas, { docId: this.#docId, ts })
  }

  #flushSoon(now: number): void {
    this.#flush(this.#window.open(now), now)
  }

  #flush(changed: ReadonlySet<Sender>, now: number): void {
    if (changed.size === 0) return
    this.#world.lead()
    const told: Told[] = []
    for (const { shown } of changed) {
      if (shown !== undefined) told.push({ from: shown.by, message: shown.message })
    }
    const own = [...changed].filter(({ shown }) => shown?.by !== undefined)
    if (own.length > 0) this.#world.tellFar(own.map(farNameOf))
    const current: OpaqueReplica[] = []
    for (const [replica, { missed }] of this.#guests) {
      if (!replica.outlet.behind) {
        current.push(replica)
        continue
      }
      for (const sender of changed) missed.add(sender)
      this.#world.counts.backpressure.add("coalesced")
    }
    this.#give(told, current, now)
  }

  /** Who was behind and has drained gets the latest of what it missed. Returns when to look again. */
  #catchUp(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const [replica, { missed }] of this.#guests) {
      if (missed.size === 0) continue
      if (replica.outlet.behind) {
        next = now + this.#limits.presenceWindowMs
        continue
      }
      const told = [...missed].flatMap(({ shown }) =>
        shown === undefined ? [] : [{ from: shown.by, message: shown.message }],
      )
      missed.clear()
      this.#give(told, [replica], now)
    }
    return next
  }
}
