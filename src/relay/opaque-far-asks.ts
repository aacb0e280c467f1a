/**
 * Asks for the content of an opaque room that cross servers, both ways.
 *
 * What always holds: to the asks of the room a server that has holders is one more replica that may
 * be asked, and a server that asks is one more that lacks something; so who is asked, and when
 * again, is decided in one place. An answer goes to the server that asked and to no other (RL15).
 */
import type { ToRoom, ToServer } from "../wire/bus.ts"
import type { Ask, Asks } from "./asks.ts"
import type { Link, Peer } from "./link.ts"
import type { OpaqueReplica } from "./opaque-fan-out.ts"
import type { Snapshot } from "./opaque-shapes.ts"
import { type OpaqueOutlet, Replica } from "./replica.ts"

/** What it needs of the room's far side. */
export interface FarAskWorld {
  readonly key: string
  readonly asks: Asks<OpaqueOutlet>
  /** Replicas here, and what stands for other servers. */
  readonly everyone: Set<OpaqueReplica>
  link(): Link
  /** How many replicas here could answer an ask. */
  holders(): number
  isTooBig(): boolean
  /** A number that no ask of ours had. */
  nextId(): number
  /** An answer to an ask that was put to what stands for a server; undefined for none. */
  answer(holder: OpaqueReplica, ask: Ask<OpaqueOutlet>, snapshot: Snapshot | undefined): void
  /** Another server says that the content is beyond what may be exchanged. */
  outgrow(): void
  /** Look who can be served now. */
  serve(): void
  now(): number
}

/** What stands for a server. */
interface Proxy {
  readonly replica: OpaqueReplica
  /** Of the asks put to it, oldest first. */
  readonly askIds: number[]
}

/** Asks of one server that wait here at a time. */
const askersLimit = 100
/** Late answers of one server that are waited for. */
const lateLimit = 8
/** A server that refused is asked again after so long. */
const restMs = 2_000
const nothing = new Uint8Array()
const server = { subject: undefined, role: "editor", since: undefined } as const

export class FarAsks {
  readonly #world: FarAskWorld
  readonly #holders = new Map<string, Proxy>()
  /** Those that wait for content from here, by server and by the number of their ask. */
  readonly #askers = new Map<string, Map<number, OpaqueReplica>>()

  constructor(world: FarAskWorld) {
    this.#world = world
  }

  /** How this server stands has changed. */
  changed(peer: Peer): void {
    const { everyone, asks } = this.#world
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

  /** Asks whose answers were lost on the way make room for others. */
  tick(): void {
    for (const { replica, askIds } of this.#holders.values()) {
      while (replica.asked.length > lateLimit && replica.asked[0]?.state === "late") {
        replica.asked.shift()
        askIds.shift()
      }
    }
  }

  /** It has the room no longer. */
  gone({ origin }: Peer): void {
    const { everyone, asks } = this.#world
    const askers = [...(this.#askers.get(origin)?.values() ?? [])]
    const proxy = this.#holders.get(origin)
    this.#holders.delete(origin)
    this.#askers.delete(origin)
    for (const replica of proxy === undefined ? askers : [...askers, proxy.replica]) {
      everyone.delete(replica)
      asks.left(replica)
    }
  }

  /** Nobody here has the content any more: others are to ask elsewhere. */
  refuse(): void {
    for (const askers of this.#askers.values()) {
      for (const replica of [...askers.values()]) replica.outlet.close("unavailable", "")
    }
  }

  /** A server asks for content. The same ask may come again while its answer is under way. */
  ask(peer: Peer, { id, isViewer, vector }: ToRoom & { readonly kind: "ask" }): void {
    const { key: room, isTooBig, holders } = this.#world
    const askers = this.#askers.get(peer.origin) ?? new Map<number, OpaqueReplica>()
    if (askers.has(id)) return
    const reply = (
      outcome: "content" | "no-holder" | "too-big" | "refused",
      { snapshot, version }: Snapshot = { snapshot: nothing, version: undefined },
    ) => {
      const update = { update: snapshot, version: version ?? nothing }
      this.#world.link().tell(peer, { kind: "answer", room, id, outcome, ...update })
    }
    if (isTooBig()) return reply("too-big")
    if (holders() === 0) return reply("no-holder")
    if (askers.size >= askersLimit) return reply("refused")
    const { everyone, asks } = this.#world
    const done = () => {
      askers.delete(id)
      everyone.delete(replica)
    }
    const outlet = farOutlet({
      send: (message) => {
        if (message.kind !== "snapshot-response") return
        done()
        if (message.content === "given") reply("content", message)
        else reply("no-holder")
      },
      close: (code) => {
        done()
        asks.left(replica)
        if (code === "too-large") reply("too-big")
        // Holders that do not answer are no reason to believe that there is nothing (RL31).
        else reply(holders() === 0 ? "no-holder" : "refused")
      },
    })
    const role = isViewer ? "viewer" : "editor"
    const replica = new FarReplica(outlet, { ...server, role }, this.#world.now())
    this.#askers.set(peer.origin, askers.set(id, replica))
    everyone.add(replica)
    const has = vector.length === 0 ? undefined : vector.slice()
    asks.wish({ asker: replica, has, since: this.#world.now() })
    this.#world.serve()
  }

  /** A server answers. False where what it answers was put to none of those here. */
  answer(
    peer: Peer,
    { id, outcome, update, version }: ToServer & { readonly kind: "answer" },
  ): boolean {
    const proxy = this.#holders.get(peer.origin)
    const at = proxy?.askIds.indexOf(id) ?? -1
    if (proxy === undefined || at === -1) return false
    proxy.askIds.splice(at, 1)
    const { asks } = this.#world
    const ask = asks.answered(proxy.replica, proxy.replica.asked[at])
    if (ask === undefined) return true
    if (outcome === "too-big") this.#world.outgrow()
    else if (outcome === "content") {
      const snapshot = { snapshot: update, version: version.length === 0 ? undefined : version }
      this.#world.answer(proxy.replica, ask, snapshot)
    } else {
      if (outcome === "no-holder") peer.holders = 0
      else proxy.replica.restsUntil = this.#world.now() + restMs
      this.#world.answer(proxy.replica, ask, undefined)
      this.changed(peer)
    }
    this.#world.serve()
    return true
  }

  #proxyOf({ origin: target }: Peer): Proxy {
    const askIds: number[] = []
    const outlet = farOutlet({
      send: (message) => {
        if (message.kind !== "snapshot-request") return
        const id = this.#world.nextId()
        askIds.push(id)
        const vector = message.version ?? nothing
        this.#world.link().say({ kind: "ask", target, id, isViewer: false, vector })
      },
    })
    const replica = new FarReplica(outlet, server, this.#world.now())
    replica.standing = "holder"
    return { replica, askIds }
  }
}

/** What stands for another server among the replicas of a room. */
class FarReplica extends Replica<OpaqueOutlet> {
  override readonly isFar: boolean = true
}

function farOutlet(
  way: Pick<OpaqueOutlet, "send"> & Partial<Pick<OpaqueOutlet, "close">>,
): OpaqueOutlet {
  const flags = { behind: false, hasBatches: false, hearsSeeds: false, hearsAcks: false }
  return { ...flags, close: () => {}, ...way }
}
