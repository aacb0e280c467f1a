/**
 * Asks for the content of a room that cross servers, both ways, whatever kind of room it is.
 *
 * What always holds: to the asks of the room a server that has holders is one more replica that may
 * be asked, and a server that asks is one more that lacks something; so who is asked, and when
 * again, is decided in one place. An answer goes to the server that asked and to no other (RL15).
 * Of one server so many asks wait here, and so many late answers are waited for; one that refused
 * is left alone for a while.
 */
import type { ToRoom, ToServer } from "../wire/bus.ts"
import type { Head } from "../wire/bus-opaque.ts"
import type { Code } from "../wire/error.ts"
import type { Ask, Asks } from "./asks.ts"
import type { Link } from "./link.ts"
import { isOpen, type Peer } from "./peer.ts"
import { type Outlet, Replica } from "./replica.ts"

/** Content that a server is given, and its version where it has one; empty for none. */
export interface Given {
  readonly update: Uint8Array
  readonly version: Uint8Array
}

/** How what stands for a server is spoken to, by a room that takes it for a replica. */
export interface FarWay {
  /** It is asked for what lies beyond `vector`. */
  asked(vector: Uint8Array): void
  /** It is given what it wished for; undefined where there is none. */
  given(content: Given | undefined): void
  closed(code: Code): void
}

/** What it needs of the room's far side. `O` is how the room speaks to its replicas. */
export interface FarAskWorld<O extends Outlet<never>> {
  /** Names the room, and its kind. */
  readonly key: string
  readonly asks: Asks<O>
  /** Replicas here, and what stands for other servers. */
  readonly everyone: Set<Replica<O>>
  link(): Link
  /** Speaks to what stands for a server. */
  outlet(way: FarWay): O
  /** What an encoded vector of another server says that it has; undefined for nothing. */
  has(vector: Uint8Array): Uint8Array | undefined
  /** How many replicas here could answer an ask. */
  holders(): number
  isTooBig(): boolean
  /** A number that no ask of ours had. */
  nextId(): number
  /** Up to where changes of other servers were given to those who are here. */
  heads(): readonly Head[]
  /** The same, of those who have the content. */
  sureHeads(): readonly Head[]
  /** Content came from `peer`, which has what lies up to `theirs`; it was asked for at `ours`. */
  cover(peer: Peer, of: { readonly ours: readonly Head[]; readonly theirs: readonly Head[] }): void
  /** An answer to an ask that was put to what stands for a server; undefined for none. */
  answer(holder: Replica<O>, ask: Ask<O>, content: Given | undefined): void
  /** Another server says that the content is beyond what may be exchanged. */
  outgrow(ask: Ask<O>): void
  /** Look who can be served now. */
  serve(): void
  now(): number
}

/** How a server that lacks something is answered. */
export interface FarReply {
  readonly isViewer: boolean
  give(content: Given | undefined): void
  refuse(code: Code): void
}

/** What stands for a server. */
interface Proxy<O extends Outlet<never>> {
  readonly replica: Replica<O>
  /** The asks put to it, oldest first. */
  readonly asks: { readonly id: number; readonly heads: readonly Head[] }[]
}

/** Asks of one server that wait here at a time. */
const askersLimit = 100
/** Late answers of one server that are waited for. */
const lateLimit = 8
/** A server that refused is asked again after so long. */
const restMs = 2_000
const nothing: Given = { update: new Uint8Array(), version: new Uint8Array() }
const server = { subject: undefined, role: "editor", since: undefined } as const

export class FarAsks<O extends Outlet<never>> {
  readonly #world: FarAskWorld<O>
  /** What stands for each server that has content. Like the next, made when another server has the room. */
  #holders: Map<string, Proxy<O>> | undefined
  /** Those that wait for content from here, by server and by what they call it. */
  #askers: Map<string, Map<number | "resync", Replica<O>>> | undefined

  constructor(world: FarAskWorld<O>) {
    this.#world = world
  }

  /** How this server stands has changed. */
  changed(peer: Peer): void {
    const { everyone, asks } = this.#world
    const proxy = this.#holders?.get(peer.origin)
    if (isOpen(peer) && proxy === undefined) {
      const made = this.#proxyOf(peer)
      this.#holders ??= new Map()
      this.#holders.set(peer.origin, made)
      everyone.add(made.replica)
    } else if (!isOpen(peer) && proxy !== undefined) {
      this.#holders?.delete(peer.origin)
      everyone.delete(proxy.replica)
      asks.left(proxy.replica)
    }
  }

  /** Asks whose answers were lost on the way make room for others. */
  tick(): void {
    if (this.#holders === undefined) return
    for (const { replica, asks } of this.#holders.values()) {
      while (replica.asked.length > lateLimit && replica.asked[0]?.state === "late") {
        replica.asked.shift()
        asks.shift()
      }
    }
  }

  /** It has the room no longer. */
  gone({ origin }: Peer): void {
    const { everyone, asks } = this.#world
    const askers = [...(this.#askers?.get(origin)?.values() ?? [])]
    const proxy = this.#holders?.get(origin)
    this.#holders?.delete(origin)
    this.#askers?.delete(origin)
    for (const replica of proxy === undefined ? askers : [...askers, proxy.replica]) {
      everyone.delete(replica)
      asks.left(replica)
    }
  }

  /** Nobody here has the content any more: others are to ask elsewhere. */
  refuse(): void {
    for (const askers of this.#askers?.values() ?? []) {
      for (const replica of [...askers.values()]) replica.outlet.close("unavailable", "")
    }
  }

  /** A server asks for content. The same ask may come again while its answer is under way. */
  ask(peer: Peer, { id, isViewer, vector }: ToRoom & { readonly kind: "ask" }): void {
    const { key: room, isTooBig, holders } = this.#world
    const heads = this.#world.sureHeads()
    const reply = (
      outcome: "content" | "no-holder" | "too-big" | "refused",
      content: Given = nothing,
    ) => this.#world.link().tell(peer, { kind: "answer", room, id, outcome, ...content, heads })
    if (isTooBig()) return reply("too-big")
    if (holders() === 0) return reply("no-holder")
    const wished = this.wish(peer, id, {
      vector,
      isViewer,
      give: (content) => (content === undefined ? reply("no-holder") : reply("content", content)),
      refuse: (code) => {
        if (code === "too-large") reply("too-big")
        // Holders that do not answer are no reason to believe that there is nothing (RL31).
        else reply(holders() === 0 ? "no-holder" : "refused")
      },
    })
    if (wished === "full") reply("refused")
  }

  /**
   * Lets a server wait for content like a replica; `name` is what it calls what it waits for.
   * "known": it waits for it already; "full": it waits for too much.
   */
  wish(
    peer: Peer,
    name: number | "resync",
    { vector, isViewer, give, refuse }: FarReply & { readonly vector: Uint8Array },
  ): "taken" | "known" | "full" {
    const { everyone, asks } = this.#world
    this.#askers ??= new Map()
    const askers = this.#askers.get(peer.origin) ?? new Map<number | "resync", Replica<O>>()
    if (askers.has(name)) return "known"
    if (askers.size >= askersLimit) return "full"
    const done = () => {
      askers.delete(name)
      everyone.delete(replica)
    }
    const outlet = this.#world.outlet({
      asked: () => {},
      given: (content) => {
        done()
        give(content)
      },
      closed: (code) => {
        done()
        asks.left(replica)
        refuse(code)
      },
    })
    const now = this.#world.now()
    const replica = new FarReplica(outlet, { ...server, role: isViewer ? "viewer" : "editor" }, now)
    this.#askers.set(peer.origin, askers.set(name, replica))
    everyone.add(replica)
    asks.wish({ asker: replica, has: this.#world.has(vector), since: now })
    this.#world.serve()
    return "taken"
  }

  /** A server answers. False where what it answers was put to none of those here. */
  answer(
    peer: Peer,
    { id, outcome, update, version, heads }: ToServer & { readonly kind: "answer" },
  ): boolean {
    const proxy = this.#holders?.get(peer.origin)
    const at = proxy?.asks.findIndex((each) => each.id === id) ?? -1
    if (proxy === undefined || at === -1) return false
    const [put] = proxy.asks.splice(at, 1)
    const { replica } = proxy
    const ask = this.#world.asks.answered(replica, replica.asked[at])
    if (ask === undefined) return true
    switch (outcome) {
      case "content":
        this.#world.answer(replica, ask, { update, version })
        this.#world.cover(peer, { ours: put?.heads ?? [], theirs: heads })
        break
      case "too-big":
        this.#world.outgrow(ask)
        break
      case "no-holder":
        peer.holders = 0
        this.#world.answer(replica, ask, undefined)
        this.changed(peer)
        break
      case "refused":
        replica.restsUntil = this.#world.now() + restMs
        this.#world.answer(replica, ask, undefined)
    }
    this.#world.serve()
    return true
  }

  #proxyOf({ origin: target }: Peer): Proxy<O> {
    const asks: Proxy<O>["asks"] = []
    const outlet = this.#world.outlet({
      asked: (vector) => {
        const id = this.#world.nextId()
        asks.push({ id, heads: this.#world.heads() })
        this.#world.link().say({ kind: "ask", target, id, isViewer: false, vector })
      },
      given: () => {},
      closed: () => {},
    })
    const replica = new FarReplica(outlet, server, this.#world.now())
    replica.standing = "holder"
    return { replica, asks }
  }
}

/** What stands for another server among the replicas of a room. */
class FarReplica<O extends Outlet<never>> extends Replica<O> {
  override readonly isFar: boolean = true
}
