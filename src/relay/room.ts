/**
 * The replicas of one Yjs document on this server, and what passes between them.
 *
 * What always holds: the room has no content of its own. It keeps who is here, what is known of
 * what they have, and what is on its way. Every message of a replica is decided here; who gets
 * content from whom is newcomers.ts, who is present is presence.ts.
 */
import type { Row } from "../wire/relay.ts"
import { type Ask, Asks } from "./asks.ts"
import { Changes } from "./changes.ts"
import { Content } from "./content.ts"
import { YjsCopy } from "./copies-yjs.ts"
import type { Far } from "./far.ts"
import { Newcomers } from "./newcomers.ts"
import { Occupants, tooBig } from "./occupants.ts"
import { Presence } from "./presence.ts"
import { openFar } from "./reach.ts"
import type { Replica, YjsOutlet } from "./replica.ts"
import type { RoomStanding, RoomWorld } from "./rooms.ts"
import { Seeds } from "./seeds.ts"
import {
  decodeVector,
  emptyUpdate,
  emptyVector,
  encodeVector,
  minimum,
  vectorOf,
} from "./vectors.ts"

/** The vector of who has something, but cannot say what in so many bytes. */
const anything = Uint8Array.of(0)

export class Room {
  readonly #world: RoomWorld
  readonly occupants: Occupants<YjsOutlet>
  readonly #far: Far
  readonly #asks: Asks<YjsOutlet>
  readonly #changes: Changes
  readonly #seeds: Seeds
  readonly #content: Content
  readonly #copy: YjsCopy
  readonly #newcomers: Newcomers
  readonly #presence: Presence

  constructor(world: RoomWorld, now: number) {
    this.#world = world
    const { options, counts } = world
    this.#seeds = new Seeds(options, world)
    this.#content = new Content(options.vectorBytes)
    const ending = {
      remark: () => this.#seeds.remark(),
      close: () => {
        this.#seeds.close()
        this.#far.close()
      },
    }
    this.occupants = new Occupants({ options, counts, ending }, now)
    const { replicas, everyone, traffic } = this.occupants
    this.#asks = new Asks(
      options,
      {
        groupOf: (wish) => this.#newcomers.groupOf(wish),
        suits: (holder, asker) => this.#newcomers.suits(holder, asker),
        put: (holder, ask) => this.#put(holder, ask),
      },
      everyone,
    )
    const parts = { replicas, traffic, asks: this.#asks, content: this.#content }
    const changes = () => this.#changes
    this.#far = openFar(
      {
        ...parts,
        room: world,
        occupants: this.occupants,
        changes,
        newcomers: () => this.#newcomers,
        presence: () => this.#presence,
        outgrow: (ask) => this.#outgrow(ask),
        tell: (text) => this.tell(text),
        serve: (at) => this.#serve(at),
      },
      now,
    )
    this.#copy = new YjsCopy({ ...parts, room: world, changes })
    const far = this.#far
    this.#newcomers = new Newcomers({
      ...parts,
      options,
      counts,
      occupants: this.occupants,
      far,
      seeds: this.#seeds,
      copy: this.#copy,
      marksUnknownUntil: world.marksUnknownUntil,
      pull: (replica, at, beyond) =>
        this.#changes.pull(replica, {
          now: at,
          ...(beyond === undefined ? { purpose: "gap" } : { purpose: "joining", beyond }),
        }),
    })
    this.#changes = new Changes({
      ...parts,
      options,
      counts,
      far,
      filled: (at) => {
        this.#copy.changed(at)
        this.#newcomers.filled(at)
      },
      rouse: () => world.rouse(),
    })
    this.#presence = new Presence(options, counts, {
      before: () => this.#changes.flush(),
      tellFar: (rows) => far.show(rows),
      busNow: () => world.bus.now(),
    })
  }

  get replicas(): ReadonlySet<Replica> {
    return this.occupants.replicas
  }

  get standing(): RoomStanding {
    if (this.occupants.isTooBig) return "too big"
    if (this.isWaiting) return "waiting"
    return this.#content.isThere ? "open" : "blank"
  }

  get isWaiting(): boolean {
    return this.#asks.wishes.some(({ asker }) => asker.standing === "newcomer" && !asker.isFar)
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

  /** Bytes of the vector that is kept of it. */
  get trackedBytes(): number {
    return this.#content.encoded.length
  }

  /** Whether its vector is too long to be kept. */
  get isUntracked(): boolean {
    return this.#content.isUntracked
  }

  /** A replica that was admitted. Throws WireError where there is no place for it. */
  join(replica: Replica, now: number): void {
    this.occupants.check()
    this.occupants.enter(replica)
    this.#presence.join(replica, now)
    this.#world.rouse()
  }

  /** It is gone: it said goodbye, or its line broke. */
  leave(replica: Replica, how: "clean" | "broken", now: number): void {
    this.occupants.leave(replica)
    this.#changes.left(replica)
    this.#presence.leave(replica, how, now)
    const owed = replica.asked.some(({ purpose }) => purpose === "joining" || purpose === "gap")
    this.#asks.left(replica)
    this.#newcomers.lost(replica, now)
    // What it was to tell, another holder may have.
    const holder = owed ? this.#asks.free(now) : undefined
    if (holder !== undefined) this.#changes.pull(holder, { purpose: "gap", now })
    if (this.holders === 1) this.#copy.hasten()
    if (this.replicas.size === 0) this.occupants.vacancy.begin(now)
    this.#serve(now)
  }

  /** "What do you have that I lack?" Throws WireError for bytes that are no vector. */
  step1(replica: Replica, bytes: Uint8Array, now: number): void {
    const { options, counts } = this.#world
    const isLong = bytes.length > options.vectorBytes
    const vector = isLong ? emptyVector : decodeVector(bytes, options.vectorBytes)
    const isNew = replica.standing === "newcomer"
    if (!isNew && !replica.mayStep(options.stepsPerMinute, now)) {
      counts.refused.add("steps")
      if (!options.limitsDryRun) return
    }
    const waits = this.#asks.wants(replica)
    if (isNew && this.occupants.isTooBig) throw tooBig()
    const has = isLong ? anything : vector.size === 0 ? undefined : bytes.slice()
    if (isNew && !waits) this.#changes.compare(replica, vector)
    const hasMore = isNew && !waits && has !== undefined && this.#content.tracked !== undefined
    // Who counts what was not accepted begins to count anew with each Step1 of its own.
    const { isAcknowledged } = replica.outlet
    const isCounting = isAcknowledged && !(waits && this.#asks.isAsked(replica, "joining"))
    if (isCounting && !isNew) this.#changes.recount(replica)
    if (isCounting || (hasMore && replica.mayWrite)) {
      this.#changes.pull(replica, { purpose: "joining", now })
    }
    // Otherwise a second Step1 of who still waits says no more than its first.
    if (waits) return
    if (this.occupants.isTooBig) return replica.outlet.send({ kind: "step2", update: emptyUpdate })
    this.#asks.wish({ asker: replica, has, since: now })
    this.#serve(now)
  }

  /** The answer to the oldest ask put to it; without one, a change like others (RL23). */
  step2(replica: Replica, update: Uint8Array, now: number): void {
    const ask = this.#asks.answered(replica)
    if (ask === undefined) return this.update(replica, update, now)
    const { counts, options } = this.#world
    counts.responses++
    const isLong = update.length > options.answerLimitBytes
    const settle = this.#changes.owedTo(replica)
    if (ask.purpose === "copy") this.#copy.took({ bytes: update, settle }, now)
    else if (ask.purpose !== "content") {
      if (isLong) throw tooBig()
      this.#changes.bring(replica, ask, { update, now })
    } else if (isLong) this.#outgrow(ask)
    else {
      // What the answer holds of others' changes went before it (RL17).
      this.#changes.flush()
      // Roused first: who asked for what turns out to be no answer is served in the next tick.
      this.#world.rouse()
      const isGiven = this.occupants.serves(ask, replica)
      this.#newcomers.answer(replica, ask, { update, now })
      if (isGiven) settle()
    }
    this.#serve(now)
  }

  /** A change. Throws WireError for bytes that are no update, and for too many. */
  update(replica: Replica, update: Uint8Array, now: number): void {
    this.#changes.take(replica, update, now)
  }

  /** A text for the programs at the other ends, here and elsewhere. Who is behind does not get it. */
  say(text: string, replica?: Replica): void {
    if (replica !== undefined) this.#world.counts.localMessages++
    this.#changes.flush()
    this.#far.say(text)
    this.tell(text, replica)
  }

  /** Rows of presence, if it may show any. "echo": it only sent back what it was told, which is free (RL71). */
  awareness(replica: Replica, rows: readonly Row[], now: number): "own" | "echo" {
    const { options, counts } = this.#world
    if (!replica.mayWrite && !options.viewersPresent) {
      counts.presenceRefused.add("viewer")
      return "own"
    }
    const told = this.#presence.receive(replica, rows, now)
    if (told === "own") counts.localMessages++
    this.#world.rouse()
    return told
  }

  /** "Who is here?" */
  queryAwareness(replica: Replica): void {
    this.#presence.query(replica)
  }

  /** It was granted the room and has nothing to put in. */
  declineSeed(replica: Replica, now: number): void {
    this.#seeds.decline(replica)
    this.#serve(now)
  }

  /** From here on it has another role. */
  assign(replica: Replica, role: Replica["role"], now: number): void {
    replica.role = role
    if (replica.standing !== "newcomer") replica.filled()
    if (!replica.mayWrite) {
      this.#asks.retire(replica)
      this.#newcomers.lost(replica, now)
    } else if (replica.standing === "holder" && this.#content.tracked === undefined) {
      // What a viewer has was not followed: now it is asked.
      this.#content.begin(emptyVector, replica)
      this.#changes.pull(replica, { purpose: "gap", now })
    }
    this.#serve(now)
  }

  /** Time-outs. Returns the ms since 1970 of what is due next, or "over" when the room can be forgotten. */
  tick(now: number): number | "over" {
    const { vacancy } = this.occupants
    if (now >= vacancy.endsAt) {
      vacancy.close()
      return "over"
    }
    this.#asks.tick(now)
    if (!this.occupants.isTooBig) this.#newcomers.serve(now)
    return Math.min(
      vacancy.endsAt,
      this.#far.tick(now),
      this.#copy.tick(now),
      this.#asks.dueAfter(now),
      this.#changes.tick(now),
      this.#presence.tick(now),
      this.#seeds.tick(now, this.#content.tracked !== undefined),
      this.#newcomers.outwait(now),
    )
  }

  /** Its copy was deleted. */
  forgetCopy(): void {
    this.#copy.forget()
  }

  /** The server goes: what waits leaves now, and the room ends with its last replica. */
  drain(): void {
    this.#changes.flush()
    this.occupants.vacancy.drain()
  }

  #serve(now: number): void {
    if (!this.occupants.isTooBig) this.#newcomers.serve(now)
    this.#world.rouse()
  }

  /** A text for the programs here: elsewhere it was told by another server. */
  tell(text: string, from?: Replica): void {
    for (const each of this.replicas) {
      if (each === from || each.outlet.behind) continue
      this.#world.counts.delivered++
      each.outlet.stateless(text)
    }
  }

  #put(holder: Replica, { wishes }: Ask<YjsOutlet>): void {
    // What waits leaves first, so that the answer covers all that went before (RL28).
    this.#changes.flush()
    const vectors = wishes.map(({ has }) => vectorOf(has))
    holder.outlet.send({ kind: "step1", vector: encodeVector(minimum(vectors)) })
  }

  /** A holder's answer is beyond the limit: nobody is asked any more, and newcomers are refused (RL92). */
  #outgrow({ wishes }: Ask<YjsOutlet>): void {
    this.occupants.outgrow()
    for (const wish of [...wishes, ...this.#asks.wishes]) {
      const { asker } = wish
      this.#asks.drop(wish)
      if (asker.standing === "newcomer") asker.outlet.close("too-large", tooBig().message)
      else asker.outlet.send({ kind: "step2", update: emptyUpdate })
    }
  }
}
