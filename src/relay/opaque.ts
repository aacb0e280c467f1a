/**
 * The replicas of one document of any kind on this server, and what passes between them.
 *
 * What always holds: bytes are handed on as they came, and never looked into (RL5), so a room works
 * alike for every CRDT and for what is encrypted (RL101). The room has no content of its own. Who
 * is here is opaque-attendance.ts, who gets content from whom opaque-newcomers.ts.
 */
import type { ToOpaque } from "../wire/relay.ts"
import { type Ask, Asks, type Wish } from "./asks.ts"
import { OpaqueCopy } from "./copies-opaque.ts"
import { Occupants, tooBig } from "./occupants.ts"
import { Attendance } from "./opaque-attendance.ts"
import { type Change, Delivery } from "./opaque-delivery.ts"
import type { OpaqueReplica } from "./opaque-fan-out.ts"
import type { OpaqueFar } from "./opaque-far.ts"
import { OpaqueNewcomers } from "./opaque-newcomers.ts"
import { openFar } from "./opaque-reach.ts"
import { Seal } from "./opaque-seal.ts"
import type {
  Arrival,
  Introduction,
  OpaqueRoomWorld,
  OpaqueUpdate,
  Outcome,
  Snapshot,
} from "./opaque-shapes.ts"
import type { OpaqueOutlet } from "./replica.ts"
import type { RoomStanding } from "./rooms.ts"
import { Seeds } from "./seeds.ts"

export class OpaqueRoom {
  readonly #docId: string
  readonly #world: OpaqueRoomWorld
  /** Who is here, and how much they send. */
  readonly occupants: Occupants<OpaqueOutlet>
  readonly #far: OpaqueFar
  readonly #asks: Asks<OpaqueOutlet>
  readonly #delivery: Delivery
  readonly #seeds: Seeds<OpaqueReplica>
  readonly #copy: OpaqueCopy
  readonly #newcomers: OpaqueNewcomers
  readonly #attendance: Attendance
  readonly #seal: Seal
  #now: number

  constructor(docId: string, world: OpaqueRoomWorld, now: number) {
    this.#docId = docId
    this.#world = world
    this.#now = now
    const { options, counts } = world
    this.#seeds = new Seeds<OpaqueReplica>(options, world)
    const ending = {
      remark: () => this.#seeds.remark(),
      close: () => {
        this.#seeds.close()
        this.#far.close()
      },
    }
    this.occupants = new Occupants({ options, counts, ending }, now)
    const { replicas, everyone } = this.occupants
    const manner = {
      groupOf: (wish: Wish<OpaqueOutlet>) => this.#newcomers.groupOf(wish),
      suits: (holder: OpaqueReplica, asker: OpaqueReplica) => this.#newcomers.suits(holder, asker),
      put: (holder: OpaqueReplica, ask: Ask<OpaqueOutlet>) => this.#put(holder, ask),
    }
    this.#asks = new Asks(options, manner, everyone)
    this.#seal = new Seal(counts, replicas)
    this.#delivery = new Delivery({
      ...{ docId, options, counts, replicas },
      far: () => this.#far,
      lack: (from, at) => this.#newcomers.returning.owe(from, at),
    })
    const shared = { docId, room: world, replicas, asks: this.#asks, seal: this.#seal }
    this.#copy = new OpaqueCopy({
      ...shared,
      kind: () => this.#seal.kind,
      flush: () => this.#delivery.flush(),
      ask: (holder, at) => this.#newcomers.ask(holder, "copy", at),
    })
    this.#far = openFar(
      {
        ...shared,
        occupants: this.occupants,
        delivery: this.#delivery,
        copy: this.#copy,
        newcomers: () => this.#newcomers,
        attendance: () => this.#attendance,
        outgrow: () => this.#outgrow(),
        pass: (change, at) => this.#pass(change, at),
        serve: (at) => this.#serve(at),
      },
      now,
    )
    const far = this.#far
    const parts = { asks: this.#asks, seeds: this.#seeds, copy: this.#copy, far }
    const occupants = this.occupants
    this.#newcomers = new OpaqueNewcomers({ docId, options, counts, occupants, ...parts })
    this.#attendance = new Attendance(docId, options, {
      counts,
      lead: () => this.#delivery.flush(),
      tellFar: (names) => far.show(names),
      busNow: () => world.bus.now(),
    })
  }

  get replicas(): ReadonlySet<OpaqueReplica> {
    return this.occupants.replicas
  }

  get standing(): RoomStanding {
    if (this.occupants.isTooBig) return "too big"
    if (this.isWaiting) return "waiting"
    return this.#newcomers.isThere ? "open" : "blank"
  }

  get isWaiting(): boolean {
    return this.#asks.waiting.some(({ asker }) => !asker.isFar)
  }

  /** Whether something is missing that nobody has brought yet. */
  get isDirty(): boolean {
    return this.#far.isDirty
  }

  get holders(): number {
    return this.occupants.holders
  }

  /** Other servers that have the room. */
  get servers(): number {
    return this.#far.servers
  }

  /** A replica that was admitted. Throws WireError where there is no place for it, or its name is another's. */
  join(replica: OpaqueReplica, { senderId, ts, has }: Arrival, now: number): void {
    this.occupants.check()
    this.#attendance.check(senderId, replica)
    this.#now = now
    this.#attendance.enter(replica, { id: senderId, ts })
    this.occupants.enter(replica)
    this.#newcomers.enter(replica, has, now)
    this.#world.rouse()
  }

  /** It is gone: it said goodbye, or its line broke. `ts` is the sender's. */
  leave(
    replica: OpaqueReplica,
    farewell: { readonly how: "clean" | "broken"; readonly ts: number },
    now: number,
  ): void {
    // What it sent before arrives before it is told gone.
    this.#delivery.flush()
    this.occupants.leave(replica)
    this.#delivery.left(replica)
    this.#attendance.leave(replica, farewell, now)
    this.#asks.left(replica)
    this.#newcomers.leave(replica)
    this.#newcomers.lost(replica, now)
    if (this.holders === 1) this.#copy.hasten()
    if (this.replicas.size === 0) this.occupants.vacancy.begin(now)
    this.#serve(now)
  }

  /** It says what it has. Throws WireError "unsupported" where the room is sealed and it is not, or the other way round. */
  introduce(
    replica: OpaqueReplica,
    { hasSnapshot, version, sealed }: Introduction,
    now: number,
  ): void {
    this.#seal.introduce(replica, sealed ?? false)
    this.#now = now
    if (hasSnapshot) this.#newcomers.returns(replica, version, now)
    this.#newcomers.heard(replica, version, now)
    this.#world.rouse()
  }

  /** A change. Throws WireError "unsupported" in a sealed room, from who has not said that it seals. */
  update(replica: OpaqueReplica, { update, ref, ts }: OpaqueUpdate, now: number): Outcome {
    const { counts } = this.#world
    if (!replica.mayWrite) {
      counts.refused.add("role")
      return "forbidden"
    }
    this.#seal.check(replica)
    this.#now = now
    this.#newcomers.heard(replica, undefined, now)
    this.#newcomers.returning.wrote(replica)
    this.#spread(replica, { update, ref, ts })
    counts.acks++
    return "taken"
  }

  /** What it shows of itself, as JSON. `ts` is the sender's. */
  show(
    replica: OpaqueReplica,
    shown: { readonly payload: string; readonly ts: number },
    now: number,
  ): Outcome {
    const { options, counts } = this.#world
    if (!replica.mayWrite && !options.viewersPresent) {
      counts.presenceRefused.add("viewer")
      return "forbidden"
    }
    counts.localMessages++
    this.#now = now
    this.#newcomers.heard(replica, undefined, now)
    const outcome = this.#attendance.show(replica, shown, now)
    this.#world.rouse()
    return outcome === "shown" ? "taken" : outcome
  }

  /** It asks for the content, and says which version it has. */
  request(replica: OpaqueReplica, version: Uint8Array | undefined, now: number): void {
    this.#now = now
    this.#newcomers.heard(replica, version, now)
    this.#newcomers.request(replica, version, now)
    this.#world.rouse()
  }

  /** The answer to the ask of this name, or to the oldest put to it (RL23). */
  answer(
    replica: OpaqueReplica,
    { requestId, ...snapshot }: Snapshot & { readonly requestId: string | undefined },
    now: number,
  ): Outcome {
    const { counts, options } = this.#world
    this.#now = now
    const named = this.#newcomers.askOf(replica, requestId)
    const ask = named && this.#asks.answered(replica, named)
    if (ask === undefined) {
      counts.refused.add(replica.mayWrite ? "unasked" : "role")
      return replica.mayWrite ? "unasked" : "forbidden"
    }
    counts.responses++
    // What the answer holds of others' changes went before it (RL17).
    this.#delivery.flush()
    const settle = this.#delivery.owedTo(replica)
    const isTooLong = snapshot.snapshot.length > options.answerLimitBytes
    // Of a viewer's word nothing follows for those who may write.
    if (ask.purpose === "copy") {
      const { snapshot: bytes, version } = snapshot
      if (replica.mayWrite) this.#copy.took({ bytes, version, settle }, now)
    } else if (isTooLong && replica.mayWrite) this.#outgrow()
    else if (ask.purpose === "content") {
      const answer = isTooLong ? undefined : snapshot
      const isGiven = answer !== undefined && this.occupants.serves(ask, replica)
      this.#newcomers.answer(replica, { ask, answer }, now)
      if (isGiven) settle()
    } else if (replica.mayWrite) {
      this.#newcomers.returning.told(replica)
      this.#spread(replica, { update: snapshot.snapshot, ref: undefined, ts: now }, "answer")
    }
    this.#serve(now)
    return replica.mayWrite || options.viewersAnswer ? "taken" : "forbidden"
  }

  /** From here on it has another role. */
  assign(replica: OpaqueReplica, role: OpaqueReplica["role"], now: number): void {
    replica.role = role
    this.#attendance.assign(replica)
    if (replica.standing !== "newcomer") replica.filled()
    if (!replica.mayWrite) {
      this.#asks.retire(replica)
      this.#newcomers.lost(replica, now)
    }
    this.#serve(now)
  }

  /** Time-outs. Returns the ms since 1970 of what is due next, or "over" when the room can be forgotten. */
  tick(now: number): number | "over" {
    this.#now = now
    const { vacancy } = this.occupants
    if (now >= vacancy.endsAt) {
      vacancy.close()
      return "over"
    }
    this.#asks.tick(now)
    if (!this.occupants.isTooBig) this.#newcomers.serve(now)
    const copyAt = this.#copy.tick(now)
    const newcomersAt = this.#newcomers.tick(now)
    return Math.min(
      copyAt,
      newcomersAt,
      vacancy.endsAt,
      this.#far.tick(now),
      this.#asks.dueAfter(now),
      this.#delivery.tick(now),
      this.#attendance.tick(now),
      this.#seeds.tick(now, this.#newcomers.isThere && this.holders > 0),
    )
  }

  /** Its copy was deleted. */
  forgetCopy(): void {
    this.#copy.forget()
  }

  /** The server goes: what waits leaves now, and the room ends with its last replica. */
  drain(): void {
    this.#delivery.flush()
    this.occupants.vacancy.drain()
  }

  #serve(now: number): void {
    this.#now = now
    if (!this.occupants.isTooBig) this.#newcomers.serve(now)
    this.#world.rouse()
  }

  #put(holder: OpaqueReplica, ask: Ask<OpaqueOutlet>): void {
    // What waits leaves first, so that the answer covers all that went before (RL28).
    this.#delivery.flush()
    this.#newcomers.put(holder, ask, this.#now)
  }

  #spread(from: OpaqueReplica, { update, ref, ts }: OpaqueUpdate, how?: "answer"): void {
    const { counts } = this.#world
    counts.localMessages++
    this.occupants.traffic.edit(this.#now)
    const stamp = { docId: this.#docId, senderId: this.#attendance.nameOf(from), ts }
    const message: ToOpaque = { kind: "update", ...stamp, update }
    const change = { from, message, update, ref }
    this.#pass(how === "answer" ? { ...change, isAnswer: true } : change, this.#now)
  }

  /** A change, from here or elsewhere, on its way to all who are here. */
  #pass(change: Change, now: number): void {
    this.#delivery.add(change, now)
    this.#copy.changed(now)
    this.#newcomers.filled(now)
    this.#world.rouse()
  }

  /** A holder's answer is beyond the limit: nobody is asked any more, and newcomers are refused (RL92). */
  #outgrow(): void {
    this.occupants.outgrow()
    for (const replica of this.occupants.everyone) {
      if (replica.standing === "newcomer") replica.outlet.close("too-large", tooBig().message)
    }
    for (const wish of this.#asks.wishes) this.#asks.drop(wish)
  }
}
