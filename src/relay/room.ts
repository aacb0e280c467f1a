/**
 * The replicas of one Yjs document on this server, and what passes between them.
 *
 * What always holds: the room has no content of its own. It keeps who is here, what is known of
 * what they have, and what is on its way. Every message of a replica is decided here; who gets
 * content from whom is newcomers.ts, who is present is presence.ts.
 */
import type { Bus } from "../bus/bus.ts"
import { WireError } from "../wire/error.ts"
import type { Row } from "../wire/relay.ts"
import { type Ask, Asks } from "./asks.ts"
import { Shares } from "./budget.ts"
import { Changes } from "./changes.ts"
import { Content } from "./content.ts"
import type { Copy, CopyShelf } from "./copies.ts"
import { RoomCopy } from "./copies-room.ts"
import type { Counts } from "./counts.ts"
import { Far } from "./far.ts"
import type { Group } from "./group.ts"
import type { RelayOptions } from "./limits.ts"
import { groupOf, Newcomers } from "./newcomers.ts"
import { Presence } from "./presence.ts"
import type { Replica, YjsOutlet } from "./replica.ts"
import { Seeds } from "./seeds.ts"
import { spansOf } from "./spans.ts"
import { Vacancy } from "./vacancy.ts"
import { decodeVector, emptyUpdate, emptyVector, encodeVector, minimum } from "./vectors.ts"

/** What a room is made with. */
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

/** The vector of who has something, but cannot say what in so many bytes. */
const anything = Uint8Array.of(0)

/** How a room stands, in the words of the page and the admin API. */
export type RoomStanding = "blank" | "open" | "waiting" | "too big"

export class Room {
  readonly #world: RoomWorld
  readonly #replicas = new Set<Replica>()
  /** Those here, and what stands for other servers. */
  readonly #everyone = new Set<Replica>()
  readonly #far: Far
  readonly #asks: Asks<YjsOutlet>
  readonly #changes: Changes
  readonly #seeds: Seeds
  readonly #content: Content
  readonly #copy: RoomCopy
  readonly #newcomers: Newcomers
  readonly #presence: Presence
  readonly #shares: Shares<Replica>
  #isTooBig = false
  readonly #vacancy: Vacancy

  constructor(world: RoomWorld, now: number) {
    this.#world = world
    const { options, counts } = world
    const suits = (holder: Replica, asker: Replica) => this.#suits(holder, asker)
    const [replicas, everyone] = [this.#replicas, this.#everyone]
    this.#asks = new Asks(
      options,
      { groupOf: groupOf(options), suits, put: (holder, ask) => this.#put(holder, ask) },
      everyone,
    )
    this.#seeds = new Seeds(options, world)
    this.#content = new Content(options.vectorBytes)
    this.#far = this.#openFar(now)
    const far = this.#far
    this.#vacancy = new Vacancy(options.lingerMs, { seeds: this.#seeds, far }, now)
    this.#copy = new RoomCopy({
      key: world.key,
      shelf: world.copies,
      options,
      counts,
      kind: () => "yjs",
      ask: (beyond, at) => this.#askForCopy(beyond, at),
      bring: (copy) => this.#bring(copy),
      rouse: () => world.rouse(),
    })
    this.#newcomers = new Newcomers({
      options,
      counts,
      replicas,
      everyone,
      far,
      asks: this.#asks,
      seeds: this.#seeds,
      content: this.#content,
      copy: this.#copy,
      marksUnknownUntil: world.marksUnknownUntil,
      suits,
      pull: (replica, at, beyond) =>
        this.#changes.pull(replica, {
          now: at,
          ...(beyond === undefined ? { purpose: "gap" } : { purpose: "joining", beyond }),
        }),
    })
    this.#changes = new Changes({
      options,
      counts,
      replicas,
      asks: this.#asks,
      content: this.#content,
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
    const { roomBytesPerSecond } = options
    this.#shares = new Shares({ perSecond: roomBytesPerSecond, burst: roomBytesPerSecond }, now)
  }

  get replicas(): ReadonlySet<Replica> {
    return this.#replicas
  }

  get standing(): RoomStanding {
    if (this.#isTooBig) return "too big"
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
    return this.#newcomers.holders
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
    const { replicasPerRoom, limitsDryRun } = this.#world.options
    if (this.#isTooBig) throw tooBig()
    if (this.#replicas.size >= replicasPerRoom) {
      this.#world.counts.refused.add("full")
      if (!limitsDryRun)
        throw new WireError("too-many", `${replicasPerRoom} replicas are in this room`)
    }
    this.#replicas.add(replica)
    this.#everyone.add(replica)
    this.#vacancy.end()
    this.#presence.join(replica, now)
    this.#world.rouse()
  }

  /** It is gone: it said goodbye, or its line broke. */
  leave(replica: Replica, how: "clean" | "broken", now: number): void {
    this.#replicas.delete(replica)
    this.#everyone.delete(replica)
    this.#shares.forget(replica)
    this.#presence.leave(replica, how, now)
    const owed = replica.asked.some(({ purpose }) => purpose === "joining" || purpose === "gap")
    this.#asks.left(replica)
    this.#newcomers.lost(replica, now)
    // What it was to tell, another holder may have.
    const holder = owed ? this.#asks.free(now) : undefined
    if (holder !== undefined) this.#changes.pull(holder, { purpose: "gap", now })
    if (this.holders === 1) this.#copy.hasten()
    if (this.#replicas.size === 0) this.#vacancy.begin(now)
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
    if (isNew && this.#isTooBig) throw tooBig()
    const has = isLong ? anything : vector.size === 0 ? undefined : bytes.slice()
    if (isNew && !waits) this.#changes.compare(replica, vector)
    const hasMore = isNew && !waits && has !== undefined && this.#content.tracked !== undefined
    // Who counts what was not accepted begins to count anew with each Step1 of its own.
    const { isAcknowledged } = replica.outlet
    const isCounting = isAcknowledged && !(waits && this.#asks.isAsked(replica, "joining"))
    if (isCounting || (hasMore && replica.mayWrite)) {
      this.#changes.pull(replica, { purpose: "joining", now })
    }
    // Otherwise a second Step1 of who still waits says no more than its first.
    if (waits) return
    if (this.#isTooBig) return replica.outlet.send({ kind: "step2", update: emptyUpdate })
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
    if (ask.purpose === "copy") this.#copy.took(update, undefined, now)
    else if (ask.purpose !== "content") {
      if (isLong) throw tooBig()
      this.#changes.bring(replica, ask, { update, now })
    } else if (isLong) this.#outgrow(ask)
    else {
      // What the answer holds of others' changes went before it (RL17).
      this.#changes.flush()
      // Roused first: who asked for what turns out to be no answer is served in the next tick.
      this.#world.rouse()
      this.#newcomers.answer(replica, ask, { update, now })
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
    this.#tell(text, replica)
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

  /** It sent so many bytes. Returns the ms for which it is not read then, since the room is over its rate (RL91). */
  charge(replica: Replica, bytes: number, now: number): number {
    return this.#shares.spend(replica, bytes, now)
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
    const { endsAt } = this.#vacancy
    if (now >= endsAt) {
      this.#vacancy.close()
      return "over"
    }
    this.#asks.tick(now)
    if (!this.#isTooBig) this.#newcomers.serve(now)
    return Math.min(
      endsAt,
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
    this.#vacancy.drain()
  }

  #serve(now: number): void {
    if (!this.#isTooBig) this.#newcomers.serve(now)
    this.#world.rouse()
  }

  #openFar(now: number): Far {
    const { key, group, counts, options, rouse } = this.#world
    return new Far(
      {
        key,
        group,
        counts,
        vectorBytes: options.vectorBytes,
        asks: this.#asks,
        content: this.#content,
        everyone: this.#everyone,
        holders: () => this.holders,
        isEmpty: () => this.#replicas.size === 0,
        isTooBig: () => this.#isTooBig,
        bring: (update, at) => this.#changes.hear(update, at),
        answer: (holder, ask, of) => {
          this.#changes.flush()
          this.#newcomers.answer(holder, ask, of)
        },
        outgrow: (ask) => this.#outgrow(ask),
        text: (text) => this.#tell(text),
        presence: {
          rows: () => this.#presence.farRows(),
          hear: (of) => this.#presence.hearFar(of),
          gone: (origin, at) => this.#presence.loseFar(origin, at),
        },
        serve: (at) => this.#serve(at),
        rouse,
      },
      now,
    )
  }

  #tell(text: string, from?: Replica): void {
    for (const each of this.#replicas) {
      if (each === from || each.outlet.behind) continue
      this.#world.counts.delivered++
      each.outlet.stateless(text)
    }
  }

  #suits(holder: Replica, asker: Replica): boolean {
    if (holder.isFar && asker.isFar) return false
    if (holder.standing === "holder") return true
    const { viewersAnswer } = this.#world.options
    return holder.standing === "reader" && viewersAnswer && !asker.mayWrite
  }

  #put(holder: Replica, { wishes }: Ask<YjsOutlet>): void {
    // What waits leaves first, so that the answer covers all that went before (RL28).
    this.#changes.flush()
    const vectors = wishes.map(({ has }) => this.#newcomers.vectorOf(has))
    holder.outlet.send({ kind: "step1", vector: encodeVector(minimum(vectors)) })
  }

  #askForCopy(beyond: Uint8Array | undefined, now: number): boolean {
    const holder = this.#asks.free(now)
    if (holder === undefined) return false
    this.#changes.flush()
    this.#asks.note(holder, "copy", now)
    holder.outlet.send({ kind: "step1", vector: beyond ?? encodeVector(emptyVector) })
    return true
  }

  /** What only the copy had reaches everyone here. */
  #bring({ bytes }: Copy): void {
    this.#changes.flush()
    this.#content.add(spansOf(bytes), this)
    for (const { outlet } of this.#replicas) {
      this.#world.counts.delivered++
      outlet.send({ kind: "update", update: bytes })
    }
  }

  /** A holder's answer is beyond the limit: nobody is asked any more, and newcomers are refused (RL92). */
  #outgrow({ wishes }: Ask<YjsOutlet>): void {
    this.#isTooBig = true
    this.#world.counts.refused.add("too-big")
    for (const wish of [...wishes, ...this.#asks.wishes]) {
      const { asker } = wish
      this.#asks.drop(wish)
      if (asker.standing === "newcomer") asker.outlet.close("too-large", tooBig().message)
      else asker.outlet.send({ kind: "step2", update: emptyUpdate })
    }
  }
}

function tooBig(): WireError {
  return new WireError("too-large", "this document is too big to be shared")
}
