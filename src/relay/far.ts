/**
 * A Yjs room on the other servers, as the room here deals with it.
 *
 * What always holds: to the asks of the room a server that has holders is one more replica that may
 * be asked, and a server that asks is one more that lacks something; so who is asked, and when again,
 * is decided in one place. Changes from elsewhere are never sent back there. A difference between
 * servers is mended by an exchange of one holder's answer (RL46).
 */
import type { FarRow, ToRoom, ToServer } from "../wire/bus.ts"
import { hexOf } from "../wire/bus-shapes.ts"
import type { Ask, Asks } from "./asks.ts"
import type { Content } from "./content.ts"
import type { Counts } from "./counts.ts"
import type { Spread } from "./fan-out.ts"
import type { Group } from "./group.ts"
import { Link, type Peer, type Suspicion } from "./link.ts"
import type { FarTold } from "./presence.ts"
import { Repair } from "./repair.ts"
import { Replica, type YjsOutlet } from "./replica.ts"
import type { Span } from "./spans.ts"
import {
  decodeVector,
  emptyUpdate,
  emptyVector,
  hashVector,
  mergeUpdates,
  minimum,
  type Vector,
} from "./vectors.ts"

/** What the room gives to its far side. */
export interface FarWorld {
  readonly key: string
  readonly group: Group
  readonly counts: Counts
  readonly vectorBytes: number
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

/** What stands for a server. */
interface Proxy {
  readonly replica: Replica
  /** Of the asks put to it, oldest first. */
  readonly askIds: number[]
}

/** Asks of one server that wait here at a time. */
const askersLimit = 100
const nothing = new Uint8Array()
/** Rows are renewed to other servers so often. */
const tableMs = 10_000
const server = { subject: undefined, role: "editor", since: undefined } as const

export class Far {
  readonly #world: FarWorld
  readonly #link: Link
  readonly #repair = new Repair()
  readonly #holders = new Map<string, Proxy>()
  /** Those that wait for content from here. */
  readonly #askers = new Map<string, Set<Replica>>()
  readonly #resyncing = new Set<string>()
  #now: number
  #askId = 0
  #wasOpen = false
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
  }

  get standing(): "opening" | "settled" | "away" {
    return this.#link.standing
  }

  /** Whether some server has a holder of what is in the room. */
  get hasContent(): boolean {
    for (const { holders, isBlank } of this.#link.peers.values()) {
      if (holders > 0 && !isBlank) return true
    }
    return false
  }

  /** Whether something is missing that nobody has brought yet. */
  get isDirty(): boolean {
    return this.#repair.isDirty
  }

  /** What all servers with holders have, as they said last: whoever brings what is beyond it helps one of them. */
  get vector(): Vector {
    const vectors: Vector[] = []
    for (const { holders, vector } of this.#link.peers.values()) {
      if (holders > 0) vectors.push(vector === undefined ? emptyVector : this.#decoded(vector))
    }
    return minimum(vectors)
  }

  /** Changes that leave the window. Those from elsewhere are not sent back there. */
  publish(changes: readonly Spread[]): void {
    if (this.#link.isAlone) return
    const own = changes.filter(({ from }) => from !== undefined)
    if (own.length > 1 && own.every(({ isMergeable }) => isMergeable)) {
      const update = mergeUpdates(own.map((change) => change.update))
      this.#link.count({ kind: "update", update })
      return
    }
    for (const { update } of own) this.#link.count({ kind: "update", update })
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
    if (holders === 0) this.#refuse()
    if (this.#world.isEmpty()) this.#repair.clear()
    const isOpen = holders > 0 && content.isThere
    if (isOpen === this.#wasOpen) return
    this.#wasOpen = isOpen
    this.#link.announce()
  }

  /** It is `now`. Returns when it wants to be ticked again, in ms since 1970. */
  tick(now: number): number {
    this.#now = now
    const { encoded, tracked } = this.#world.content
    if (now >= this.#tableAt) this.#sayTable(now)
    if (tracked === undefined) return Math.min(this.#link.tick(now), this.#tableAt)
    const from = this.#repair.due(now, tracked, this.#link.peers.keys())
    this.#world.counts.resyncs += from.length
    const { serial } = this.#repair
    if (from.length > 0) this.#link.say({ kind: "resync", serial, vector: encoded, from })
    return Math.min(this.#link.tick(now), this.#repair.askAt, this.#tableAt)
  }

  close(): void {
    this.#link.close()
  }

  /** Says again who is here: whoever lost us forgets it otherwise (RL77). */
  #sayTable(now: number): void {
    this.#tableAt = now + tableMs
    if (this.#link.isAlone || this.#link.standing === "away") return
    this.#link.say({ kind: "table", rows: this.#world.presence.rows() })
  }

  #standing() {
    const { content } = this.#world
    const { tracked } = content
    return {
      holders: this.#world.isTooBig() ? 0 : this.#world.holders(),
      hash: tracked === undefined ? "" : hexOf(hashVector(tracked)),
      isBlank: !content.isThere,
    }
  }

  #hear(peer: Peer, message: ToRoom | ToServer): void {
    const { bring, presence, text } = this.#world
    const { origin } = peer
    switch (message.kind) {
      case "update":
        return bring(message.update, this.#now)
      case "diff":
        if (message.update.length === 0) return this.#passOn(origin, message.serial)
        this.#repair.settle(origin, message.serial)
        this.#world.counts.resyncBytes += message.update.length
        return bring(message.update, this.#now)
      case "message":
        return text(message.text)
      case "ask":
        if (message.target !== this.#world.group.origin) return
        return this.#ask(peer, message)
      case "resync":
        if (!message.from.includes(this.#world.group.origin)) return
        return this.#resync(peer, message)
      case "answer":
        return this.#answer(peer, message)
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
    const { everyone, asks } = this.#world
    for (const peer of this.#link.peers.values()) {
      const isOpen = peer.holders > 0 && !peer.isBlank
      const proxy = this.#holders.get(peer.origin)
      if (isOpen && proxy === undefined) {
        const made = this.#proxyOf(peer)
        this.#holders.set(peer.origin, made)
        everyone.add(made.replica)
      } else if (!isOpen && proxy !== undefined) {
        this.#holders.delete(peer.origin)
        everyone.delete(proxy.replica)
        asks.left(proxy.replica)
      }
    }
    this.#world.serve(this.#now)
  }

  #gone({ origin }: Peer): void {
    const { everyone, asks, presence } = this.#world
    const proxy = this.#holders.get(origin)
    this.#holders.delete(origin)
    for (const replica of [...(this.#askers.get(origin) ?? []), proxy?.replica]) {
      if (replica === undefined) continue
      everyone.delete(replica)
      asks.left(replica)
    }
    this.#askers.delete(origin)
    this.#resyncing.delete(origin)
    this.#passOn(origin)
    presence.gone(origin, this.#now)
    this.#world.serve(this.#now)
  }

  #proxyOf(peer: Peer): Proxy {
    const askIds: number[] = []
    const outlet = farOutlet({
      send: (message) => {
        if (message.kind !== "step1") return
        askIds.push(++this.#askId)
        const { vector } = message
        const target = peer.origin
        this.#link.say({ kind: "ask", target, id: this.#askId, isViewer: false, vector })
      },
    })
    const replica = new FarReplica(outlet, server, this.#now)
    replica.standing = "holder"
    return { replica, askIds }
  }

  /** A server asks for content. */
  #ask(peer: Peer, { id, isViewer, vector }: ToRoom & { readonly kind: "ask" }): void {
    const room = this.#world.key
    const reply = (
      outcome: "content" | "no-holder" | "too-big" | "refused",
      update = emptyUpdate,
    ) => this.#link.tell(peer, { kind: "answer", room, id, outcome, update, version: nothing })
    if (this.#world.isTooBig()) return reply("too-big")
    if (this.#world.holders() === 0) return reply("no-holder")
    const isFull = !this.#wish(peer, vector, {
      role: isViewer ? "viewer" : "editor",
      give: (update) => reply("content", update),
      refuse: (code) => reply(code === "too-large" ? "too-big" : "no-holder"),
    })
    if (isFull) reply("refused")
  }

  /** A server asks for what it may have missed. */
  #resync(peer: Peer, { vector, serial }: ToRoom & { readonly kind: "resync" }): void {
    const room = this.#world.key
    const { origin } = peer
    const give = (update: Uint8Array) => {
      this.#resyncing.delete(origin)
      this.#link.tell(peer, { kind: "diff", room, serial, update })
    }
    if (this.#world.isTooBig() || this.#world.holders() === 0) return give(new Uint8Array())
    // It asks again while the answer is under way.
    if (this.#resyncing.has(origin)) return
    const isWished = this.#wish(peer, vector, {
      role: "editor",
      give,
      refuse: () => this.#resyncing.delete(origin),
    })
    if (isWished) this.#resyncing.add(origin)
  }

  /** Lets `peer` wait for content like a replica. False where too many wait for it already. */
  #wish(peer: Peer, vector: Uint8Array, way: Way): boolean {
    const { everyone, asks } = this.#world
    const askers = this.#askers.get(peer.origin) ?? new Set()
    if (askers.size >= askersLimit) return false
    const done = () => {
      askers.delete(replica)
      everyone.delete(replica)
    }
    const outlet = farOutlet({
      send: (message) => {
        if (message.kind !== "step2") return
        done()
        way.give(message.update)
      },
      close: (code) => {
        done()
        asks.left(replica)
        way.refuse(code)
      },
    })
    const replica = new FarReplica(outlet, { ...server, role: way.role }, this.#now)
    this.#askers.set(peer.origin, askers.add(replica))
    everyone.add(replica)
    const has = this.#decoded(vector).size === 0 ? undefined : vector.slice()
    asks.wish({ asker: replica, has, since: this.#now })
    this.#world.serve(this.#now)
    return true
  }

  /** Nobody here has the content any more: others are to ask elsewhere. */
  #refuse(): void {
    for (const askers of this.#askers.values()) {
      for (const replica of [...askers]) replica.outlet.close("unavailable", "")
    }
  }

  #answer(peer: Peer, { id, outcome, update }: ToServer & { readonly kind: "answer" }): void {
    const proxy = this.#holders.get(peer.origin)
    const at = proxy?.askIds.indexOf(id) ?? -1
    if (proxy === undefined || at === -1) return
    proxy.askIds.splice(at, 1)
    const { asks } = this.#world
    const ask = asks.answered(proxy.replica, proxy.replica.asked[at])
    if (ask === undefined) return
    if (outcome === "content")
      return this.#world.answer(proxy.replica, ask, { update, now: this.#now })
    if (outcome === "too-big") return this.#world.outgrow(ask)
    if (ask.state === "open") for (const wish of ask.wishes) asks.wish(wish)
    if (outcome === "no-holder") peer.holders = 0
    this.#changed()
  }

  #decoded(vector: Uint8Array): Vector {
    return decodeVector(vector, Math.max(vector.length, this.#world.vectorBytes))
  }
}

/** How a server that asks is answered. */
interface Way {
  readonly role: "viewer" | "editor"
  give(update: Uint8Array): void
  refuse(code: string): void
}

/** What stands for another server among the replicas of a room. */
class FarReplica extends Replica {
  override readonly isFar: boolean = true
}

function farOutlet(way: Pick<YjsOutlet, "send"> & Partial<Pick<YjsOutlet, "close">>): YjsOutlet {
  return {
    behind: false,
    hearsSeeds: false,
    isAcknowledged: false,
    close: () => {},
    notice: () => {},
    acknowledge: () => {},
    stateless: () => {},
    ...way,
  }
}
