/**
 * An opaque room on the other servers, as the room here deals with it.
 *
 * What always holds: changes from elsewhere are never sent back there, and are given in the order
 * in which they were sent (RL17). While no other server has the room nothing of it is published,
 * and nothing kept for others (RL20).
 */
import type { Beacon, ToRoom, ToServer } from "../wire/bus.ts"
import type { FarChange, FarName } from "../wire/bus-opaque.ts"
import type { Ask, Asks } from "./asks.ts"
import type { Counts } from "./counts.ts"
import { FarAsks, type Given } from "./far-asks.ts"
import { opaqueFarOutlet } from "./far-outlets.ts"
import type { Group } from "./group.ts"
import { Link } from "./link.ts"
import type { OpaqueReplica } from "./opaque-fan-out.ts"
import { OpaqueHoles } from "./opaque-holes.ts"
import type { FarAttendance, Snapshot } from "./opaque-shapes.ts"
import type { Fate } from "./owed.ts"
import { isOpen, type Peer } from "./peer.ts"
import type { OpaqueOutlet } from "./replica.ts"
import { Ring, type Rings } from "./ring.ts"

/** What the room gives to its far side. */
export interface OpaqueFarWorld {
  readonly key: string
  readonly group: Group
  readonly counts: Counts
  readonly rings: Rings
  readonly asks: Asks<OpaqueOutlet>
  /** Replicas here, and what stands for other servers. */
  readonly everyone: Set<OpaqueReplica>
  /** How many replicas here could answer an ask. */
  holders(): number
  /** Whether content ever came by. */
  isThere(): boolean
  /** Whether nobody is here. */
  isEmpty(): boolean
  /** Whether its content is beyond what may be exchanged. */
  isTooBig(): boolean
  seal(): Beacon["seal"]
  /** A server says whether the content is sealed, whose room is older than ours, or is not. */
  hearSeal(seal: Beacon["seal"], age: "older" | "younger"): void
  /** A change from elsewhere. */
  bring(change: FarChange, now: number): void
  /** An answer of what stands for a server; undefined for none. */
  answer(
    holder: OpaqueReplica,
    of: { readonly ask: Ask<OpaqueOutlet>; readonly answer: Snapshot | undefined },
    now: number,
  ): void
  /** What a holder elsewhere has, for all who are here. */
  mend(snapshot: Snapshot, now: number): void
  outgrow(): void
  readonly attendance: FarAttendance
  /** ms since 1970. */
  now(): number
  serve(now: number): void
  rouse(): void
}

/** Names are renewed to other servers so often. */
const rollMs = 10_000
/** As the wire has it: opaque rooms have no vectors that could differ. */
const noHash = "0000000000000000"
const nothing = new Uint8Array()

export class OpaqueFar {
  readonly #world: OpaqueFarWorld
  readonly #link: Link
  readonly #ring: Ring
  readonly #holes: OpaqueHoles
  readonly #asks: FarAsks<OpaqueOutlet>
  /** Servers that we have compared notes with. */
  readonly #met = new Set<string>()
  /** The ask that is out for all that a server's holder has. */
  readonly #wholes = new Map<string, number>()
  #askId: number
  #wasOpen = false
  #saidSeal: Beacon["seal"] = "unsaid"
  /** Whether what is here may lack what others wrote while nobody was. */
  #isUnsure = false
  #rollAt: number

  constructor(world: OpaqueFarWorld, now: number) {
    this.#world = world
    this.#rollAt = now + rollMs
    this.#ring = new Ring(world.rings)
    this.#link = this.#openLink(now)
    // Above those of this room before it was forgotten.
    this.#askId = this.#link.epoch
    const link = () => this.#link
    this.#holes = new OpaqueHoles({
      key: world.key,
      origin: world.group.origin,
      ring: this.#ring,
      link,
      isEmpty: () => world.isEmpty(),
      bring: (change) => world.bring(change, this.#world.now()),
      ask: (origin) => this.#askWhole(origin),
      unanswered: (count) => world.counts.resyncs.add("unanswered", count),
      rouse: () => world.rouse(),
    })
    this.#asks = new FarAsks({
      key: world.key,
      asks: world.asks,
      everyone: world.everyone,
      link,
      holders: () => world.holders(),
      isTooBig: () => world.isTooBig(),
      nextId: () => ++this.#askId,
      heads: () => this.#holes.heads,
      sureHeads: () => this.#holes.sureHeads,
      cover: (peer, of) => this.#holes.cover(peer, of, this.#world.now()),
      outlet: opaqueFarOutlet,
      has: (version) => (version.length === 0 ? undefined : version.slice()),
      answer: (holder, ask, content) => {
        const answer = content && snapshotOf(content)
        world.answer(holder, { ask, answer }, this.#world.now())
      },
      outgrow: () => world.outgrow(),
      serve: () => world.serve(this.#world.now()),
      now: () => this.#world.now(),
    })
  }

  get standing(): "opening" | "settled" | "away" {
    return this.#link.standing
  }

  /** Whether some server has a holder of what is in the room. */
  get hasContent(): boolean {
    return this.#link.hasContent
  }

  /** Whether another server is known to have the room. */
  get hasOthers(): boolean {
    return this.servers > 0
  }

  /** Other servers that have the room. */
  get servers(): number {
    return this.#link.peers.size
  }

  /** Whether something is missing that nobody has brought yet. */
  get isDirty(): boolean {
    return this.#holes.isDirty
  }

  /** A change of a replica here that leaves the window. */
  publish({ senderId, ts, update }: FarChange, told?: (fate: Fate) => void): void {
    const change = { senderId, ts, update }
    const seq = this.#link.count({ kind: "change", ...change }, told)
    if (seq > 0) return this.#ring.keep(seq, change, this.#world.now())
    this.#link.skip()
    this.#ring.clear()
  }

  /** Names of replicas here have changed. Others that are met, or reached, later are told all then. */
  show(names: readonly FarName[]): void {
    if (!this.hasOthers || this.#link.standing === "away") return
    this.#link.say({ kind: "names", names })
  }

  /** The first who has the content is back here: it may lack what others wrote meanwhile. */
  compare(): void {
    this.#isUnsure = true
    if (this.hasOthers) this.#link.suspect()
    this.#resolve()
  }

  /** It is `now`. Returns when it wants to be ticked again, in ms since 1970. */
  tick(now: number): number {
    this.#stand()
    this.#asks.tick()
    if (now >= this.#rollAt) this.#sayRoll(now)
    return Math.min(this.#link.tick(now), this.#holes.tick(now), this.#rollAt)
  }

  close(): void {
    this.#link.close()
    this.#ring.clear()
  }

  /** Who has the content, or whether there is any, may have changed here. */
  #stand(): void {
    const holders = this.#world.holders()
    if (holders === 0) this.#asks.refuse()
    // Those that are met later are told then.
    const isOpen = this.hasOthers && holders > 0 && this.#world.isThere()
    const seal = this.#world.seal()
    if (isOpen === this.#wasOpen && seal === this.#saidSeal) return
    this.#wasOpen = isOpen
    this.#saidSeal = seal
    if (this.hasOthers) this.#link.announce()
  }

  /** Says again who is here: whoever lost us forgets it otherwise (RL77). */
  #sayRoll(now: number): void {
    this.#rollAt = now + rollMs
    if (!this.hasOthers || this.#link.standing === "away") return
    this.#link.say({ kind: "roll", names: this.#world.attendance.names() })
  }

  #openLink(now: number): Link {
    const { key, group, attendance, rouse } = this.#world
    return new Link(
      {
        key,
        group,
        counts: this.#world.counts,
        standing: () => ({
          holders: this.#world.isTooBig() ? 0 : this.#world.holders(),
          hash: noHash,
          isBlank: !this.#world.isThere(),
          seal: this.#world.seal(),
        }),
        contents: () => ({ vector: nothing, rows: [], names: attendance.names() }),
        hear: (peer, message, seq) => this.#hear(peer, message, seq),
        suspect: (peer, cause) => {
          this.#world.counts.gaps.add(cause)
          this.#holes.suspect(peer, this.#world.now())
        },
        changed: () => this.#changed(),
        gone: (peer) => this.#gone(peer),
        rouse: () => rouse(),
      },
      now,
    )
  }

  #hear(peer: Peer, message: ToRoom | ToServer, seq: number): void {
    const { attendance, group } = this.#world
    const { origin } = peer
    const now = this.#world.now()
    switch (message.kind) {
      case "change":
        return this.#holes.take(peer, { ...message, seq }, now)
      case "resend":
        return this.#holes.resend(peer, message.holes)
      case "replay":
        this.#world.counts.resyncs.add(message.changes.length === 0 ? "nothing" : "mended")
        for (const { update } of message.changes) this.#world.counts.resyncBytes += update.length
        return this.#holes.replay(peer, message, now)
      case "ask":
        if (message.target === group.origin) this.#asks.ask(peer, message)
        return
      case "answer":
        if (!this.#asks.answer(peer, message)) this.#mend(peer, message)
        return
      case "state":
      case "roll":
        return attendance.hear({ origin, names: message.names, extent: "roll", now })
      case "names":
        return attendance.hear({ origin, names: message.names, extent: "some", now })
      case "open":
      case "beacon":
      case "shut":
      case "update":
      case "message":
      case "resync":
      case "rows":
      case "table":
      case "diff":
        return
    }
  }

  /** What holders elsewhere have is asked for, of one on each server that is known to have any. */
  #resolve(): void {
    if (!this.#isUnsure) return
    const others = this.#othersThan("")
    for (const other of others) this.#holes.owe(other)
    if (others.length > 0 || this.#link.standing === "settled") this.#isUnsure = false
  }

  #changed(): void {
    this.#resolve()
    for (const peer of this.#link.peers.values()) {
      const isOlder = peer.window.epoch < this.#link.epoch
      this.#world.hearSeal(peer.seal, isOlder ? "older" : "younger")
      this.#asks.changed(peer)
      const hasSpoken = peer.vector !== undefined || peer.holders > 0
      if (this.#met.has(peer.origin) || !hasSpoken) continue
      this.#met.add(peer.origin)
      this.#rollAt = this.#world.now()
      this.#world.rouse()
      // Both had content, or thought that there is none, before they knew of each other.
      if (peer.wasOpen && (this.#world.isThere() || this.#world.holders() > 0))
        this.#holes.owe(peer.origin)
    }
    this.#world.serve(this.#world.now())
  }

  #gone(peer: Peer): void {
    const { origin } = peer
    this.#met.delete(origin)
    this.#wholes.delete(origin)
    this.#asks.gone(peer)
    this.#holes.gone(origin, this.#othersThan(origin))
    this.#world.attendance.gone(origin, this.#world.now())
    this.#world.serve(this.#world.now())
  }

  #askWhole(target: string): void {
    const id = this.#wholes.get(target) ?? ++this.#askId
    this.#wholes.set(target, id)
    this.#link.say({ kind: "ask", target, id, isViewer: false, vector: nothing })
  }

  /** What a holder of another server has. Where it has none, others may. */
  #mend(
    peer: Peer,
    { id, outcome, update, version }: ToServer & { readonly kind: "answer" },
  ): void {
    const { origin } = peer
    // One that refused is asked again.
    if (this.#wholes.get(origin) !== id || outcome === "refused") return
    this.#wholes.delete(origin)
    if (!this.#holes.settle(origin)) return
    this.#world.counts.resyncs.add(outcome === "content" ? "mended" : "nothing")
    if (outcome === "content") {
      this.#world.counts.resyncBytes += update.length
      return this.#world.mend(snapshotOf({ update, version }), this.#world.now())
    }
    if (outcome === "too-big") return
    peer.holders = 0
    this.#asks.changed(peer)
    for (const other of this.#othersThan(origin)) this.#holes.owe(other)
  }

  #othersThan(origin: string): readonly string[] {
    return [...this.#link.peers.values()]
      .filter((peer) => peer.origin !== origin && isOpen(peer))
      .map((peer) => peer.origin)
  }
}

function snapshotOf({ update, version }: Given): Snapshot {
  return { snapshot: update, version: version.length === 0 ? undefined : version }
}
