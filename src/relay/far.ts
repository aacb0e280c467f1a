/**
 * A Yjs room on the other servers, as the room here deals with it.
 *
 * What always holds: changes from elsewhere are never sent back there. A difference between servers
 * is mended by an exchange of one holder's answer (RL46).
 */
import type { FarRow, ToRoom, ToServer } from "../wire/bus.ts"
import type { Ask, Asks } from "./asks.ts"
import type { Content } from "./content.ts"
import type { Counts } from "./counts.ts"
import type { Spread } from "./fan-out.ts"
import { FarAsks } from "./far-asks.ts"
import { yjsFarOutlet } from "./far-outlets.ts"
import type { Group } from "./group.ts"
import { Link, type Suspicion } from "./link.ts"
import { type Fate, gathered } from "./owed.ts"
import type { Peer } from "./peer.ts"
import type { FarTold } from "./presence.ts"
import { Repair } from "./repair.ts"
import type { Replica, YjsOutlet } from "./replica.ts"
import type { Span } from "./spans.ts"
import { emptyVector, mergeUpdates, minimum, type Vector, vectorOf } from "./vectors.ts"

/** What the room gives to its far side. */
export interface FarWorld {
  readonly key: string
  readonly group: Group
  readonly counts: Counts
  readonly asks: Asks<YjsOutlet>
  readonly content: Content
  /** Replicas here, and what stands for other servers. */
  readonly everyone: Set<Replica>
  /** How many replicas here could answer an ask. */
  holders(): number
  /** Whether nobody is here. */
  isEmpty(): boolean
  /** Whether its content is beyond what may be exchanged. */
  isTooBig(): boolean
  /** A change from elsewhere. Throws WireError for bytes that are none. */
  bring(update: Uint8Array, now: number): void
  /** An answer to an ask of ours. */
  answer(
    holder: Replica,
    ask: Ask<YjsOutlet>,
    of: { readonly update: Uint8Array; readonly now: number },
  ): void
  /** Another server says that its content is beyond what may be exchanged. */
  outgrow(ask: Ask<YjsOutlet>): void
  text(text: string): void
  readonly presence: FarPresence
  /** Look who can be served now. */
  serve(now: number): void
  rouse(): void
}

/** Presence, as servers exchange it. */
export interface FarPresence {
  rows(): readonly FarRow[]
  hear(of: FarTold): void
  gone(origin: string, now: number): void
}

const nothing = new Uint8Array()
/** Rows are renewed to other servers so often. */
const tableMs = 10_000

export class Far {
  readonly #world: FarWorld
  readonly #link: Link
  readonly #repair = new Repair()
  readonly #asks: FarAsks<YjsOutlet>
  #now: number
  #wasOpen = false
  /** Infinity while nobody is there to be told. */
  #tableAt: number

  constructor(world: FarWorld, now: number) {
    this.#world = world
    this.#now = now
    this.#tableAt = now + tableMs
    this.#link = new Link(
      {
        key: world.key,
        group: world.group,
        counts: world.counts,
        standing: () => this.#standing(),
        contents: () => ({ vector: world.content.encoded, rows: world.presence.rows(), names: [] }),
        hear: (peer, message) => this.#hear(peer, message),
        suspect: (peer, cause) => this.#suspect(peer, cause),
        changed: () => this.#changed(),
        gone: (peer) => this.#gone(peer),
        rouse: () => world.rouse(),
      },
      now,
    )
    this.#asks = this.#openAsks()
  }

  get standing(): "opening" | "settled" | "away" {
    return this.#link.standing
  }

  /** Whether some server has a holder of what is in the room. */
  get hasContent(): boolean {
    return this.#link.hasContent
  }

  /** Whether something is missing that nobody has brought yet. */
  get isDirty(): boolean {
    return this.#repair.isDirty
  }

  /** Other servers that have the room. */
  get servers(): number {
    return this.#link.peers.size
  }

  /** What all servers with holders have, as they said last: whoever brings what is beyond it helps one of them. */
  get vector(): Vector {
    const vectors: Vector[] = []
    for (const { holders, vector } of this.#link.peers.values()) {
      if (holders > 0) vectors.push(vectorOf(vector))
    }
    return minimum(vectors)
  }

  /** Changes that leave the window. Those from elsewhere are not sent back there. `told`: whether holders elsewhere have all of them. */
  publish(changes: readonly Spread[], told: (fate: Fate) => void = () => {}): void {
    if (this.#link.isAlone) return told("lost")
    const own = changes.filter(({ from }) => from !== undefined)
    if (own.length > 1 && own.every(({ isMergeable }) => isMergeable)) {
      const update = mergeUpdates(own.map((change) => change.update))
      this.#link.count({ kind: "update", update }, told)
      return
    }
    const each = gathered(own.length, told)
    for (const { update } of own) this.#link.count({ kind: "update", update }, each)
  }

  /** A text for the programs in the room. */
  say(text: string): void {
    this.#link.count({ kind: "message", text })
  }

  /** Rows of replicas here have changed. While nothing reaches the others they are not kept: they are told anew. */
  show(rows: readonly FarRow[]): void {
    if (!this.#link.isAlone && this.#link.standing !== "away")
      this.#link.say({ kind: "rows", rows })
  }

  /** A change came of which something before it is missing. */
  want(spans: readonly Span[]): void {
    this.#repair.want(spans, this.#world.content.tracked ?? emptyVector)
    this.#world.rouse()
  }

  /**
   * Whoever has come to have the content may lack what passed here before it came, and who gave it
   * may lack what passed there: each server is asked once.
   */
  doubt(): void {
    for (const { origin } of this.#link.peers.values()) this.#repair.owe(origin)
    this.#world.rouse()
  }

  /** Who has the content, or whether there is any, may have changed here. */
  stand(): void {
    const { content } = this.#world
    const holders = this.#world.holders()
    if (holders === 0) this.#asks.refuse()
    if (this.#world.isEmpty()) this.#repair.clear()
    const isOpen = holders > 0 && content.isThere
    if (isOpen === this.#wasOpen) return
    this.#wasOpen = isOpen
    this.#link.announce()
  }

  /** It is `now`. Returns when it wants to be ticked again, in ms since 1970. */
  tick(now: number): number {
    this.#now = now
    this.#asks.tick()
    const { tracked } = this.#world.content
    if (this.#link.isAlone) this.#tableAt = Number.POSITIVE_INFINITY
    else if (this.#tableAt === Number.POSITIVE_INFINITY) this.#tableAt = now + tableMs
    else if (now >= this.#tableAt) this.#sayTable(now)
    if (tracked === undefined) return Math.min(this.#link.tick(now), this.#tableAt)
    const from = this.#repair.due(now, tracked, this.#link.peers.keys())
    if (from.length > 0) this.#world.counts.resyncs.add("unanswered", this.#repair.unanswered)
    const { serial } = this.#repair
    if (from.length > 0) {
      const { encoded: vector } = this.#world.content
      this.#link.say({ kind: "resync", serial, vector, from })
    }
    return Math.min(this.#link.tick(now), this.#repair.askAt, this.#tableAt)
  }

  close(): void {
    this.#link.close()
  }

  /** Says again who is here: whoever lost us forgets it otherwise (RL77). */
  #sayTable(now: number): void {
    this.#tableAt = now + tableMs
    if (this.#link.standing === "away") return
    this.#link.say({ kind: "table", rows: this.#world.presence.rows() })
  }

  #standing() {
    const { content } = this.#world
    return {
      holders: this.#world.isTooBig() ? 0 : this.#world.holders(),
      hash: content.hash,
      isBlank: !content.isThere,
      seal: "unsaid" as const,
    }
  }

  #hear(peer: Peer, message: ToRoom | ToServer): void {
    const { bring, presence, text } = this.#world
    const { origin } = peer
    switch (message.kind) {
      case "update":
        return bring(message.update, this.#now)
      case "diff":
        this.#world.counts.resyncs.add(message.update.length === 0 ? "nothing" : "mended")
        if (message.update.length === 0) return this.#passOn(origin, message.serial)
        this.#repair.settle(origin, message.serial)
        this.#world.counts.resyncBytes += message.update.length
        return bring(message.update, this.#now)
      case "message":
        return text(message.text)
      case "ask":
        if (message.target !== this.#world.group.origin) return
        return this.#asks.ask(peer, message)
      case "resync":
        if (!message.from.includes(this.#world.group.origin)) return
        return this.#resync(peer, message)
      case "answer":
        this.#asks.answer(peer, message)
        return
      case "state":
      case "table":
        return presence.hear({ origin, rows: message.rows, isTable: true, now: this.#now })
      case "rows":
        return presence.hear({ origin, rows: message.rows, isTable: false, now: this.#now })
      case "open":
      case "beacon":
      case "shut":
      case "change":
      case "resend":
      case "names":
      case "roll":
      case "replay":
        return
    }
  }

  #suspect(peer: Peer, cause: Suspicion): void {
    // Those who are just being given the content lack it, too.
    if (this.#world.isEmpty()) return
    this.#world.counts.gaps.add(cause)
    this.#repair.owe(peer.origin)
    this.#world.rouse()
  }

  /** It has nothing any more of what it owed: others may have had it from there. */
  #passOn(origin: string, serial?: number): void {
    if (!this.#repair.settle(origin, serial)) return
    for (const peer of this.#link.peers.values()) {
      if (peer.origin !== origin && peer.holders > 0) this.#repair.owe(peer.origin)
    }
    this.#world.rouse()
  }

  /** Which servers may be asked has changed. */
  #changed(): void {
    for (const peer of this.#link.peers.values()) this.#asks.changed(peer)
    this.#world.serve(this.#now)
  }

  #gone(peer: Peer): void {
    this.#asks.gone(peer)
    this.#passOn(peer.origin)
    this.#world.presence.gone(peer.origin, this.#now)
    this.#world.serve(this.#now)
  }

  #openAsks(): FarAsks<YjsOutlet> {
    const { key, asks, everyone, holders, isTooBig, answer, outgrow, serve } = this.#world
    // Above those of this room before it was forgotten.
    let askId = this.#link.epoch
    return new FarAsks<YjsOutlet>({
      key,
      asks,
      everyone,
      holders,
      isTooBig,
      outgrow,
      link: () => this.#link,
      outlet: yjsFarOutlet,
      has: (vector) => (vectorOf(vector).size === 0 ? undefined : vector.slice()),
      nextId: () => ++askId,
      // What is in an answer its own vector says.
      heads: () => [],
      sureHeads: () => [],
      cover: () => {},
      answer: (holder, ask, content) => {
        if (content !== undefined)
          return answer(holder, ask, { update: content.update, now: this.#now })
        if (ask.state === "open") for (const wish of ask.wishes) asks.wish(wish)
      },
      serve: () => serve(this.#now),
      now: () => this.#now,
    })
  }

  /** A server asks for what it may have missed. */
  #resync(peer: Peer, { vector, serial }: ToRoom & { readonly kind: "resync" }): void {
    const room = this.#world.key
    const give = (update: Uint8Array) =>
      this.#link.tell(peer, { kind: "diff", room, serial, update })
    if (this.#world.isTooBig() || this.#world.holders() === 0) return give(nothing)
    // It may ask again while the answer is under way.
    this.#asks.wish(peer, "resync", {
      vector,
      isViewer: false,
      give: (content) => give(content?.update ?? nothing),
      refuse: () => {},
    })
  }
}
