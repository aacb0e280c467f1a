/**
 * Who is in an opaque room, under which name, and what each shows of itself.
 *
 * What always holds: a name belongs to one user, who may be here with several replicas. The others
 * are told JOIN with the first of them and LEAVE with the last (RL12, RL13); a name whose line broke
 * stays for `presenceGraceMs`, so that a reconnect is neither (RL76). Of each name the last state is
 * kept, for those who come and those who are behind.
 */

import type { Role } from "../service.ts"
import { WireError } from "../wire/error.ts"
import type { ToOpaque } from "../wire/relay.ts"
import type { Counts } from "./counts.ts"
import { fanOut, type OpaqueReplica, type Told } from "./opaque-fan-out.ts"

export interface AttendanceLimits {
  readonly presenceRowsPerRoom: number
  readonly presenceWindowMs: number
  readonly presenceGraceMs: number
}

/** What it needs of its room. */
export interface AttendanceWorld {
  readonly counts: Counts
  /** What a replica changed arrives before what it shows afterwards (RL17): changes that wait leave now. */
  lead(): void
}

/** A name, and who bears it. */
interface Sender {
  readonly id: string
  readonly subject: string | undefined
  role: Role
  /** Of its JOIN, in the sender's own ms. */
  readonly ts: number
  readonly replicas: Set<OpaqueReplica>
  shown: Shown | undefined
  /** Set when its last line broke: it leaves then, unless it comes back. */
  orphanedUntil: number | undefined
}

/** The last PRESENCE of a name. */
interface Shown {
  readonly by: OpaqueReplica
  readonly message: ToOpaque
}

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
  readonly #changed = new Set<Sender>()
  /** When the open window ends, in ms since 1970; 0 while none is open. */
  #windowUntil = 0
  /** Names of which a state is kept. */
  #rows = 0

  constructor(docId: string, limits: AttendanceLimits, world: AttendanceWorld) {
    this.#docId = docId
    this.#limits = limits
    this.#world = world
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
    throw new WireError("forbidden", "this senderId is taken by another in this room")
  }

  /** It is here as `id`, and is told who else is (RL18). `ts` is the sender's. */
  enter(replica: OpaqueReplica, { id, ts }: { readonly id: string; readonly ts: number }): void {
    const { subject, role } = replica
    const known = this.#senders.get(id)
    if (known !== undefined && !isSame(known, replica)) this.#end(known, ts)
    if (known === undefined) this.#makeRoom(ts)
    const sender = this.#senders.get(id) ?? {
      id,
      subject,
      role,
      ts,
      replicas: new Set(),
      shown: undefined,
      orphanedUntil: undefined,
    }
    this.#giveTable(replica, sender)
    if (!this.#senders.has(id)) {
      this.#senders.set(id, sender)
      this.#tell({ from: undefined, message: this.#joinOf(sender) })
    }
    sender.replicas.add(replica)
    sender.orphanedUntil = undefined
    this.#guests.set(replica, { sender, missed: new Set() })
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
    if (how === "clean") this.#end(sender, ts)
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
      if (this.#rows >= this.#limits.presenceRowsPerRoom) return "full"
      this.#rows++
    }
    const stamp = { docId: this.#docId, senderId: sender.id, ts }
    sender.shown = { by: replica, message: { kind: "presence", ...stamp, payload } }
    this.#changed.add(sender)
    if (this.#windowUntil > 0) return "shown"
    this.#windowUntil = now + this.#limits.presenceWindowMs
    this.#flush(now)
    return "shown"
  }

  /** It has another role now, which those who come are told. */
  assign(replica: OpaqueReplica): void {
    const sender = this.#guests.get(replica)?.sender
    if (sender !== undefined) sender.role = replica.role
  }

  /** Windows and graces. Returns the ms since 1970 of what is due next. */
  tick(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const sender of this.#senders.values()) {
      if (sender.orphanedUntil === undefined) continue
      if (sender.orphanedUntil <= now) this.#end(sender, now)
      else next = Math.min(next, sender.orphanedUntil)
    }
    if (this.#windowUntil > 0 && this.#windowUntil <= now) {
      this.#windowUntil = this.#changed.size > 0 ? now + this.#limits.presenceWindowMs : 0
      this.#flush(now)
    }
    if (this.#windowUntil > 0) next = Math.min(next, this.#windowUntil)
    return Math.min(next, this.#catchUp(now))
  }

  /** Everyone is told that a name is gone. */
  #end(sender: Sender, ts: number): void {
    this.#senders.delete(sender.id)
    this.#changed.delete(sender)
    if (sender.shown !== undefined) this.#rows--
    for (const { missed } of this.#guests.values()) missed.delete(sender)
    const stamp = { docId: this.#docId, senderId: sender.id, ts }
    this.#tell({ from: undefined, message: { kind: "leave", ...stamp } })
  }

  /** Above the limit the orphan that has waited longest leaves before its time. */
  #makeRoom(ts: number): void {
    if (this.#senders.size < this.#limits.presenceRowsPerRoom) return
    for (const sender of this.#senders.values()) {
      if (sender.orphanedUntil !== undefined) return this.#end(sender, ts)
    }
  }

  #joinOf({ id, ts, role }: Sender): ToOpaque {
    return { kind: "join", docId: this.#docId, senderId: id, ts, role }
  }

  #giveTable(replica: OpaqueReplica, self: Sender): void {
    const told: Told[] = []
    for (const sender of this.#senders.values()) {
      if (sender === self) continue
      told.push({ from: undefined, message: this.#joinOf(sender) })
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

  #flush(now: number): void {
    if (this.#changed.size === 0) return
    this.#world.lead()
    const told: Told[] = []
    for (const { shown } of this.#changed) {
      if (shown !== undefined) told.push({ from: shown.by, message: shown.message })
    }
    const current: OpaqueReplica[] = []
    for (const [replica, { missed }] of this.#guests) {
      if (!replica.outlet.behind) {
        current.push(replica)
        continue
      }
      for (const sender of this.#changed) missed.add(sender)
      this.#world.counts.backpressure.add("coalesced")
    }
    this.#changed.clear()
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

/** Whether both are one user or, without tokens, may be. */
function isSame(
  sender: Pick<Sender, "subject" | "role">,
  { subject, role }: Pick<OpaqueReplica, "subject" | "role">,
): boolean {
  return sender.subject === subject && (subject !== undefined || sender.role === role)
}
