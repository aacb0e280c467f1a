/**
 * What an opaque room missed of the changes of other servers, and how it gets it.
 *
 * What always holds: a missing change is asked for by its number at once, then after 250 ms and at
 * doubled intervals, and what came after it waits for it, for `holdMs` at most, so changes are given
 * in their order (RL17). What its server has no more is made up for by what a holder of that server
 * has (RL52).
 */
import type { ToServer } from "../wire/bus.ts"
import type { FarChange, Head, Hole } from "../wire/bus-opaque.ts"
import type { Link } from "./link.ts"
import type { Peer } from "./peer.ts"
import { Repair } from "./repair.ts"
import type { Ring } from "./ring.ts"
import { Sequence } from "./sequence.ts"
import { emptyVector } from "./vectors.ts"

/** What it needs of the room's far side. */
export interface HoleWorld {
  /** Names the room. */
  readonly key: string
  /** This server. */
  readonly origin: string
  readonly ring: Ring
  link(): Link
  /** Whether nobody is here. */
  isEmpty(): boolean
  /** A change in its order. */
  bring(change: FarChange): void
  /** Asks a server for all that one of its holders has. */
  ask(origin: string): void
  /** So many servers have to be asked once more. */
  unanswered(count: number): void
  rouse(): void
}

/** What came after a hole waits so long for it. */
const holdMs = 2_000

export class OpaqueHoles {
  readonly #world: HoleWorld
  readonly #sequences = new Map<string, Sequence<FarChange>>()
  /** Servers that are asked for changes by number. */
  readonly #resends = new Repair()
  /** Servers that are asked for all that a holder has. */
  readonly #wholes = new Repair()

  constructor(world: HoleWorld) {
    this.#world = world
  }

  /** Whether something is missing that nobody has brought yet. */
  get isDirty(): boolean {
    return this.#resends.isDirty || this.#wholes.isDirty
  }

  /** A change has come. */
  take(peer: Peer, { seq, ...change }: FarChange & { readonly seq: number }, now: number): void {
    const sequence = this.#sequenceOf(peer)
    if (sequence.hear(seq, now)) return this.#giveUp(peer.origin, sequence)
    this.#bring(sequence.take(seq, change, now))
    this.#look(peer.origin, sequence)
  }

  /** Something of this server is missing, up to the last that is known of it. */
  suspect(peer: Peer, now: number): void {
    const sequence = this.#sequenceOf(peer)
    if (sequence.hear(peer.window.last, now)) return this.#giveUp(peer.origin, sequence)
    this.#look(peer.origin, sequence)
  }

  /** What a server still has of what was asked for. */
  replay(peer: Peer, replay: ToServer & { readonly kind: "replay" }, now: number): void {
    const sequence = this.#sequenceOf(peer)
    if (sequence.epoch !== replay.epoch) return
    for (const { seq, senderId, ts, update } of replay.changes) {
      this.#bring(sequence.take(seq, { senderId, ts, update }, now))
    }
    const { items, isLossy } = sequence.lose(replay.from, replay.to, now)
    this.#bring(items)
    if (isLossy) this.owe(peer.origin)
    this.#look(peer.origin, sequence)
  }

  /** A server asks for what it missed. */
  resend(peer: Peer, holes: readonly Hole[]): void {
    const { key: room, origin, ring } = this.#world
    const link = this.#world.link()
    for (const { origin: of, epoch, from, to } of holes) {
      if (of !== origin || epoch !== link.epoch) continue
      const changes = ring.between(from, to)
      link.tell(peer, { kind: "replay", room, epoch, from, to, changes })
    }
  }

  /** Up to where changes of each server, this one too, were given to those who are here. */
  get heads(): readonly Head[] {
    const { peers, epoch, lastSeq } = this.#world.link()
    const others = [...peers.values()].map((peer) => {
      const { epoch, given: seq } = this.#sequenceOf(peer)
      return { origin: peer.origin, epoch, seq }
    })
    return [{ origin: this.#world.origin, epoch, seq: lastSeq }, ...others]
  }

  /** The same, where all of it is in what holders here have: what is still asked for is not. */
  get sureHeads(): readonly Head[] {
    return this.heads.filter(({ origin }) => !this.#wholes.owes(origin))
  }

  /**
   * Content came from `peer`, with what lies up to `theirs` of each server. What was given out up to
   * `ours`, before anybody here had content, is missing here where it is not in there.
   */
  cover(
    peer: Peer,
    { ours, theirs }: { readonly ours: readonly Head[]; readonly theirs: readonly Head[] },
    now: number,
  ): void {
    const covered = new Map(theirs.map((head) => [head.origin, head]))
    for (const { origin, epoch, seq } of ours) {
      const sequence = this.#sequences.get(origin)
      const head = covered.get(origin)
      if (origin === peer.origin || seq === 0) continue
      if (head !== undefined && head.epoch > epoch) continue
      const last = head?.epoch === epoch ? head.seq : 0
      if (origin === this.#world.origin) {
        this.#bring(this.#world.ring.between(last + 1, seq))
        continue
      }
      if (sequence?.epoch !== epoch) continue
      if (head === undefined || sequence.reopen(last + 1, seq, now)) this.owe(origin)
      this.#look(origin, sequence)
    }
  }

  /** What a holder of this server has is wanted. */
  owe(origin: string): void {
    if (this.#world.isEmpty()) return
    this.#wholes.owe(origin)
    this.#world.rouse()
  }

  /** It has told, or has nothing to tell. Whether it was asked. */
  settle(origin: string): boolean {
    return this.#wholes.settle(origin)
  }

  /** A server has the room no longer. What it owed, others may have. */
  gone(origin: string, others: Iterable<string>): void {
    const sequence = this.#sequences.get(origin)
    this.#sequences.delete(origin)
    const isWhole = sequence?.isWhole !== false
    if (sequence !== undefined) this.#bring(sequence.giveUp())
    this.#resends.settle(origin)
    const owed = this.#wholes.settle(origin)
    if (isWhole && !owed) return
    for (const other of others) this.owe(other)
  }

  /** It is `now`. Returns when to look again. */
  tick(now: number): number {
    if (this.#world.isEmpty()) this.#wholes.clear()
    let next = Number.POSITIVE_INFINITY
    for (const sequence of this.#sequences.values()) {
      const { missingSince } = sequence
      if (missingSince === undefined) continue
      if (missingSince + holdMs <= now) this.#bring(sequence.release(now))
      next = Math.min(next, (sequence.missingSince ?? now) + holdMs)
    }
    const asked = this.#resends.due(now, emptyVector, [])
    const holes = asked.flatMap((origin) => this.#holesOf(origin))
    if (holes.length > 0) this.#world.link().say({ kind: "resend", holes })
    const wholes = this.#wholes.due(now, emptyVector, [])
    for (const origin of wholes) this.#world.ask(origin)
    if (asked.length > 0) this.#world.unanswered(this.#resends.unanswered)
    if (wholes.length > 0) this.#world.unanswered(this.#wholes.unanswered)
    return Math.min(next, this.#resends.askAt, this.#wholes.askAt)
  }

  #holesOf(origin: string): readonly Hole[] {
    const sequence = this.#sequences.get(origin)
    if (sequence === undefined) return []
    return sequence.holes.map((hole) => ({ origin, epoch: sequence.epoch, ...hole }))
  }

  #sequenceOf({ origin, since, window }: Peer): Sequence<FarChange> {
    const known = this.#sequences.get(origin)
    if (known?.epoch === window.epoch) return known
    if (known !== undefined && !known.isWhole) this.#giveUp(origin, known)
    const last = window.epoch === since.epoch ? since.seq : 0
    const sequence = new Sequence<FarChange>(window.epoch, last)
    this.#sequences.set(origin, sequence)
    return sequence
  }

  #look(origin: string, { isWhole }: Sequence<FarChange>): void {
    if (isWhole) this.#resends.settle(origin)
    else this.#resends.owe(origin)
    if (!isWhole) this.#world.rouse()
  }

  #giveUp(origin: string, sequence: Sequence<FarChange>): void {
    this.#bring(sequence.giveUp())
    this.#resends.settle(origin)
    this.owe(origin)
  }

  #bring(changes: readonly FarChange[]): void {
    for (const change of changes) this.#world.bring(change)
  }
}
