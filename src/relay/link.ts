/**
 * A room's line to the same room on other servers: who has it, what each has sent, how it stands.
 *
 * What always holds: each counted message is taken once; one that is missing is noticed by the next
 * one, or by a beacon, and told as a suspicion of its server. A server that is alone in a room says
 * OPEN, and a beacon now and then, and nothing else (RL20). A frame that names a server which has
 * not said how it stands makes us ask.
 */
import type { Undo } from "../service.ts"
import type { Beacon, Envelope, ToRoom, ToServer } from "../wire/bus.ts"
import type { Counts } from "./counts.ts"
import type { Group, Member } from "./group.ts"
import { type Fate, fateOf } from "./owed.ts"
import { isOpen, newPeer, type Peer } from "./peer.ts"

/** What a link needs of its room. */
export interface LinkWorld {
  /** Names the room, and its kind. */
  readonly key: string
  readonly group: Group
  readonly counts: Counts
  /** How the room stands here. */
  standing(): Omit<Beacon, "lastSeq">
  /** What STATE adds to it. */
  contents(): Pick<ToServer & { kind: "state" }, "vector" | "rows" | "names">
  /** A message that was not heard before, and its number, which is 0 where it is not counted. */
  hear(peer: Peer, message: ToRoom | ToServer, seq: number): void
  /** Something of this server is missing here, is news, or differs though nothing is under way. */
  suspect(peer: Peer, cause: Suspicion): void
  /** How others stand has changed. */
  changed(): void
  /** A server has the room no longer. */
  gone(peer: Peer): void
  rouse(): void
}

type Counted = ToRoom & { readonly kind: "update" | "message" | "change" }

export type Suspicion = "hole" | "news" | "difference"

const stateMs = 500
const statesAsked = 3
/** A room in which something was counted says so often how it stands, every room now and then. */
const beaconMs = 5_000
const countMs = 30_000
const quietMs = 3_000
const peerLimit = 1_000

export class Link implements Member {
  readonly peers = new Map<string, Peer>()
  activeAt: number
  readonly #world: LinkWorld
  /** Of what we count here. */
  readonly epoch: number
  readonly #end: Undo
  #now: number
  #lastSeq = 0
  #isConfirmed = false
  /** What the bus answers from here on is of no room. */
  #isOver = false
  /** How many servers had our last OPEN, besides us; undefined before that is known. */
  #receivers: number | undefined
  /** Those of them that have said how they stand since. */
  readonly #stated = new Set<string>()
  #opens = 0
  #openedAt = Number.NEGATIVE_INFINITY
  #pressedAt = Number.NEGATIVE_INFINITY
  #openAgainAt = Number.POSITIVE_INFINITY
  #beaconAt: number
  /** So many more beacons soon, since something was counted. */
  #beaconsDue = 0

  constructor(world: LinkWorld, now: number) {
    this.#world = world
    this.#now = now
    this.activeAt = now
    this.epoch = world.group.nextEpoch()
    this.#beaconAt = now + countMs
    this.#end = world.group.join(world.key, this)
  }

  /** "opening": what others have is not known yet. "away": nothing reaches them. */
  get standing(): "opening" | "settled" | "away" {
    const { standing } = this.#world.group
    if (standing === "away") return "away"
    if (standing === "unsure" || !this.#isConfirmed || this.#receivers === undefined)
      return "opening"
    return this.#stated.size >= this.#receivers ? "settled" : "opening"
  }

  /** Whether some server has a holder of what is in the room. */
  get hasContent(): boolean {
    for (const peer of this.peers.values()) if (isOpen(peer)) return true
    return false
  }

  /** Nobody else has the room, as far as the bus counts. */
  get isAlone(): boolean {
    return this.#receivers === 0 && this.peers.size === 0
  }

  /** The number of what was counted here last. */
  get lastSeq(): number {
    return this.#lastSeq
  }

  /** Says what who misses it will notice, and what became of it. Returns its number; 0 where nobody is there. */
  count(message: Counted, told: (fate: Fate) => void = () => {}): number {
    if (this.isAlone) told("lost")
    if (this.isAlone) return 0
    this.#lastSeq++
    this.activeAt = this.#now
    this.#beaconsDue = 2
    this.#beaconAt = Math.min(this.#beaconAt, this.#now + beaconMs)
    this.#publish(message, this.#lastSeq, (count) => {
      this.#counted(count)
      told(fateOf(count, this.peers))
    })
    return this.#lastSeq
  }

  /** Something was to be counted that nobody is there to hear: whoever was out of reach will miss it. */
  skip(): void {
    this.#lastSeq++
  }

  /** Says something that may be lost: while nothing reaches the others, it is. */
  say(message: ToRoom): void {
    if (this.#world.group.standing !== "away") this.#publish(message, 0)
  }

  tell(peer: Peer, message: ToServer): void {
    this.#world.group.tell(peer.origin, message)
  }

  /** How the room stands has changed in a way that others wait for. */
  announce(): void {
    if (!this.isAlone) this.#sayBeacon()
  }

  /** It is `now`. Returns when it wants to be ticked again, in ms since 1970. */
  tick(now: number): number {
    this.#now = now
    if (this.#openAgainAt <= now) this.#open()
    if (this.#beaconAt <= now) {
      this.#beaconsDue = Math.max(0, this.#beaconsDue - 1)
      this.#sayBeacon()
      this.#beaconAt = now + (this.#beaconsDue > 0 ? beaconMs : countMs)
    }
    return Math.min(this.#openAgainAt, this.#beaconAt)
  }

  /** The room ends here. */
  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    if (!this.isAlone) this.say({ kind: "shut" })
    this.#end()
  }

  confirmed(): void {
    this.#isConfirmed = true
    this.#openAnew()
  }

  suspect(): void {
    if (this.#isConfirmed) this.#openAnew()
  }

  lost(origin: string): void {
    const peer = this.peers.get(origin)
    this.#stated.delete(origin)
    if (peer === undefined) return
    this.peers.delete(origin)
    this.#world.gone(peer)
    if (this.#receivers !== undefined) this.#openAnew()
  }

  hear({ header, message }: Envelope): void {
    const { origin, epoch, seq } = header
    switch (message.kind) {
      case "shut":
        return this.lost(origin)
      case "state":
        return this.#learn(origin, message)
      case "open": {
        const peer = this.#meet(origin, epoch, message)
        if (peer === undefined) return
        this.#tellState(peer)
        // Who has nothing asks for all of it: there is nothing to compare.
        if (message.holders === 0) peer.isMet = true
        return this.#stand(peer, epoch, message)
      }
      case "beacon": {
        const peer = this.#meet(origin, epoch, message)
        if (peer === undefined) return
        if (!peer.isMet) return this.#openAnew()
        return this.#stand(peer, epoch, message)
      }
      case "update":
      case "message":
      case "change":
        return this.#take(origin, { epoch, seq, message })
      case "hello":
      case "control":
        return
      default: {
        const peer = this.peers.get(origin)
        if (peer !== undefined) this.#world.hear(peer, message, 0)
      }
    }
  }

  #take(
    origin: string,
    { epoch, seq, message }: { epoch: number; seq: number; message: ToRoom },
  ): void {
    let peer = this.peers.get(origin)
    if (peer === undefined) {
      if (this.peers.size >= peerLimit) return
      // What came before this one we may lack: it says so in its STATE.
      peer = newPeer(origin, { epoch, seq: seq - 1 }, "open")
      this.peers.set(origin, peer)
      this.#openAnew()
    }
    const arrival = peer.window.take(epoch, seq)
    if (arrival === "seen") {
      this.#world.counts.duplicates++
      return
    }
    this.activeAt = this.#now
    this.#world.hear(peer, message, seq)
    if (arrival === "hole") this.#world.suspect(peer, "hole")
  }

  /** A server that has the room, too. */
  #meet(origin: string, epoch: number, beacon: Beacon): Peer | undefined {
    const known = this.peers.get(origin)
    if (known !== undefined) return known
    if (this.peers.size >= peerLimit) return undefined
    const since = { epoch, seq: beacon.lastSeq }
    const peer = newPeer(origin, since, isOpen(beacon) ? "open" : "blank")
    this.peers.set(origin, peer)
    // A room that was alone had nothing due.
    this.#world.rouse()
    return peer
  }

  /** It says how it stands. */
  #stand(peer: Peer, epoch: number, beacon: Beacon): void {
    const { holders, isBlank, hash, seal, lastSeq } = beacon
    const wasOpen = isOpen(peer)
    const isNewSeal = seal !== peer.seal
    const isMissing = peer.window.hear(epoch, lastSeq) === "missing"
    peer.holders = holders
    peer.isBlank = isBlank
    peer.seal = seal
    peer.hash = hash
    const here = this.#world.standing()
    const isOther = isOpen(peer) && hash !== here.hash
    if (isMissing) this.#world.suspect(peer, "hole")
    else if (isOther && here.isBlank) this.#world.suspect(peer, "news")
    else if (isOther && this.#now - this.activeAt >= quietMs)
      this.#world.suspect(peer, "difference")
    if (isNewSeal || wasOpen !== isOpen(peer)) this.#world.changed()
  }

  #learn(origin: string, message: ToServer & { readonly kind: "state" }): void {
    const peer = this.#meet(origin, message.epoch, message)
    if (peer === undefined) return
    this.#stated.add(origin)
    // Of deletions a vector says nothing: those who meet with content exchange it once.
    const isNew = !peer.isMet
    peer.isMet = true
    peer.vector = message.vector
    peer.holders = message.holders
    peer.isBlank = message.isBlank
    peer.seal = message.seal
    peer.hash = message.hash
    const isMissing = peer.window.hear(message.epoch, message.lastSeq) === "missing"
    this.#world.hear(peer, message, 0)
    if (isMissing) this.#world.suspect(peer, "hole")
    else if (message.holders > 0 && (isNew || message.hash !== this.#world.standing().hash)) {
      this.#world.suspect(peer, "news")
    }
    this.#world.changed()
  }

  #tellState(peer: Peer): void {
    const beacon = { ...this.#world.standing(), lastSeq: this.#lastSeq }
    const room = this.#world.key
    const epoch = this.epoch
    this.tell(peer, { kind: "state", room, epoch, ...beacon, ...this.#world.contents() })
  }

  /** Somebody has the room and does not hear what is said there: told apart, it asks for what it missed. */
  #press(): void {
    if (this.#now < this.#pressedAt + beaconMs) return
    this.#pressedAt = this.#now
    for (const peer of this.peers.values()) this.#tellState(peer)
  }

  /** Asks all again how they stand: at once, or when the last asking is over. */
  #openAnew(): void {
    this.#opens = 0
    if (this.#now < this.#openedAt + stateMs) {
      this.#openAgainAt = this.#openedAt + stateMs
      return this.#world.rouse()
    }
    this.#stated.clear()
    this.#open()
  }

  #open(): void {
    this.#opens++
    this.#openedAt = this.#now
    this.#openAgainAt = this.#opens < statesAsked ? this.#now + stateMs : Number.POSITIVE_INFINITY
    const message: ToRoom = { kind: "open", ...this.#world.standing(), lastSeq: this.#lastSeq }
    this.#publish(message, 0, (count) => {
      if (this.#isOver) return
      this.#receivers = count === "away" ? undefined : Math.max(0, count - 1)
      if (this.#stated.size >= (this.#receivers ?? 0)) this.#openAgainAt = Number.POSITIVE_INFINITY
      this.#world.changed()
    })
    this.#world.rouse()
  }

  #sayBeacon(): void {
    this.say({ kind: "beacon", ...this.#world.standing(), lastSeq: this.#lastSeq })
  }

  #publish(
    message: ToRoom,
    seq: number,
    heard: (count: number | "away") => void = (count) => this.#counted(count),
  ): void {
    this.#world.group.publish(this.#world.key, { message, epoch: this.epoch, seq }, heard)
  }

  /** So many servers had a message of ours. */
  #counted(count: number | "away"): void {
    if (this.#isOver || count === "away" || this.#receivers === undefined) return
    const others = Math.max(0, count - 1)
    const wasAlone = this.isAlone
    this.#receivers = others
    if (others < this.peers.size) this.#press()
    // Somebody we know did not have it, or somebody we do not know did.
    if (others < this.peers.size || (wasAlone && others > 0)) this.#openAnew()
  }
}
