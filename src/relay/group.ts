/**
 * The servers that share a bus: which of them live, and what they say of rooms that are here.
 *
 * What always holds: a server counts as one of the group while its HELLO is younger than ten
 * seconds; what one says that has not said HELLO waits a second for it, and is dropped then. Our own
 * messages never come back to us. After an outage rooms are looked after at a bounded pace, those
 * in use first.
 */
import type { Bus } from "../bus/bus.ts"
import type { Log } from "../log.ts"
import { guard, type Random, type Undo } from "../service.ts"
import {
  type BusMessage,
  decodeEnvelope,
  type Envelope,
  encodeEnvelope,
  type ToRoom,
  type ToServer,
} from "../wire/bus.ts"
import type { Act } from "../wire/bus-acts.ts"
import { hexOf } from "../wire/bus-shapes.ts"
import type { Counts } from "./counts.ts"
import { Probe } from "./probe.ts"

/** A room, as the group reaches it. */
export interface Member {
  /** ms since 1970: when something last passed in it. */
  readonly activeAt: number
  /** What another server said of this room. */
  hear(envelope: Envelope): void
  /** The bus has the room's subscription. */
  confirmed(): void
  /** Something of it may have been missed, or not been heard. */
  suspect(): void
  /** A server is gone. */
  lost(origin: string): void
}

/** What a group is made with. */
export interface GroupWorld {
  readonly bus: Bus
  readonly random: Random
  readonly log: Log
  readonly counts: Counts
  readonly resyncRoomsPerSecond: number
  /** Between two messages to ourselves; left out, 2 s. */
  readonly probeMs?: number | undefined
  /** Something is due within 10 ms. */
  rouse(): void
  /** Another server says what somebody who governs rooms did. */
  act(act: Act): void
}

interface Server {
  readonly serverId: string
  heardAt: number
}

interface Early {
  readonly at: number
  readonly work: () => void
}

const helloMs = 2_000
const silentMs = 10_000
const earlyMs = 1_000
const earlyLimit = 100
const serverLimit = 1_000
/** A server that was on the bus for longer when we first hear it may have rooms that we share. */
const freshMs = 5_000

/** Rooms that have to be looked after are, for so long, in one turn. */
const stepMs = 20

const hello = "lfcc:servers"

export class Group {
  /** This process, as the others know it. */
  readonly origin: string
  readonly #world: GroupWorld
  readonly #probe: Probe
  readonly #members = new Map<string, Member>()
  readonly #servers = new Map<string, Server>()
  readonly #early = new Map<string, Early[]>()
  readonly #ends: readonly Undo[]
  /** Those that were here before the bus was away, and have not been heard since. */
  #awaited = new Set<string>()
  #awaitedUntil = 0
  #suspected = new Set<Member>()
  #now: number
  #startedAt: number | undefined
  #helloAt = 0
  #pacedAt = 0
  #epoch = 0
  #isDraining = false

  constructor(world: GroupWorld) {
    const { bus, random, probeMs } = world
    this.#world = world
    this.#now = 0
    this.origin = hexOf(random(8))
    this.#probe = new Probe(bus, probeMs)
    this.#ends = [
      bus.subscribe(hello, this.#listener(hello)),
      bus.subscribe(this.#own, this.#listener(this.#own)),
      bus.onGap((channel) => this.#missed(channel)),
    ]
  }

  get #own(): string {
    return `lfcc:server:${this.origin}`
  }

  /** How delivery over the bus is, as a message to ourselves shows it. */
  get probe(): Pick<Probe, "ok" | "roundTripMs" | "ageMs" | "failures"> {
    return this.#probe
  }

  /** How many rooms have to be looked after since something may have been missed. */
  get suspected(): number {
    return this.#suspected.size
  }

  /** "away": nothing reaches the others. "unsure": some of them may not have been heard since it came back. */
  get standing(): "ready" | "unsure" | "away" {
    if (this.#world.bus.state === "away") return "away"
    return this.#probe.ok && this.#awaited.size === 0 ? "ready" : "unsure"
  }

  isAlive(origin: string): boolean {
    return this.#servers.has(origin)
  }

  /** ms of bus time, above those of every room of ours before. */
  nextEpoch(): number {
    this.#epoch = Math.max(this.#epoch + 1, this.#world.bus.now())
    return this.#epoch
  }

  /** From here on `member` hears what others say of the room `key`. */
  join(key: string, member: Member): Undo {
    const channel = channelOf(key)
    this.#members.set(key, member)
    const end = this.#world.bus.subscribe(channel, this.#listener(channel), () => {
      if (this.#members.get(key) === member) member.confirmed()
    })
    return () => {
      end()
      // The room may have been opened anew.
      if (this.#members.get(key) === member) this.#members.delete(key)
      this.#suspected.delete(member)
    }
  }

  /** Says `message` to all servers with the room `key`. `heard` gets how many had it, ourselves too. */
  publish(
    key: string,
    {
      message,
      epoch,
      seq,
    }: { readonly message: ToRoom; readonly epoch: number; readonly seq: number },
    heard?: (count: number | "away") => void,
  ): void {
    const data = encodeEnvelope({ origin: this.origin, epoch, seq }, message)
    this.#world.bus.publish(channelOf(key), data, heard)
  }

  /** Says `message` to one server. */
  tell(origin: string, message: ToServer): void {
    this.#publish(`lfcc:server:${origin}`, message)
  }

  /** Tells all other servers what somebody who governs rooms did here. */
  announce(act: Act): void {
    this.#publish(hello, { kind: "control", act })
  }

  tick(now: number): void {
    this.#now = now
    this.#startedAt ??= now
    this.#probe.tick(now)
    if (now >= this.#helloAt) this.#sayHello(now)
    if (this.#awaited.size > 0 && now >= this.#awaitedUntil) this.#awaited.clear()
    for (const [origin, { heardAt }] of this.#servers) {
      if (heardAt + silentMs <= now) this.#lose(origin)
    }
    for (const [origin, early] of this.#early) {
      if ((early[0]?.at ?? 0) + earlyMs > now) continue
      this.#world.counts.unknownOrigins += early.length
      this.#early.delete(origin)
    }
    this.#lookAfter(now)
  }

  /** The server goes: others need not wait for it. */
  drain(): void {
    this.#isDraining = true
    this.#sayHello(this.#now)
  }

  close(): void {
    for (const end of this.#ends) end()
  }

  #publish(channel: string, message: BusMessage): void {
    const header = { origin: this.origin, epoch: 0, seq: 0 }
    this.#world.bus.publish(channel, encodeEnvelope(header, message))
  }

  #sayHello(now: number): void {
    this.#helloAt = now + helloMs
    // One that waits says nothing of now when it comes.
    if (this.#world.bus.state === "away") return
    const upMs = now - (this.#startedAt ?? now)
    const { server: serverId } = this.#world.bus
    const message = { kind: "hello", serverId, upMs, isDraining: this.#isDraining } as const
    this.#publish(hello, message)
    // Nobody else says anything there who would notice that Redis has forgotten that we listen.
    this.#publish(this.#own, message)
  }

  #listener(channel: string): (data: Uint8Array) => void {
    return (data) => {
      guard(
        this.#world.log,
        "bus message",
        () => {
          const envelope = decodeEnvelope(data)
          const { origin } = envelope.header
          if (origin === this.origin) {
            this.#world.counts.echoes++
            return
          }
          this.#world.counts.remoteMessages++
          if (envelope.message.kind === "hello") this.#greet(origin, envelope.message)
          this.#once(origin, () => this.#dispatch(channel, envelope))
        },
        () => this.#world.counts.badFrames.add("bus"),
      )
    }
  }

  /** Does `work` for a server that is known; for another when it has said HELLO, if that is soon (RL56). */
  #once(origin: string, work: () => void): void {
    if (this.#servers.has(origin)) return work()
    const early = this.#early.get(origin) ?? []
    if (this.#early.size >= earlyLimit || early.length >= earlyLimit) {
      this.#world.counts.unknownOrigins++
      return
    }
    early.push({ at: this.#now, work })
    this.#early.set(origin, early)
  }

  #greet(
    origin: string,
    { serverId, upMs, isDraining }: { serverId: string; upMs: number; isDraining: boolean },
  ): void {
    this.#awaited.delete(origin)
    const known = this.#servers.get(origin)
    if (isDraining) return
    if (known !== undefined) {
      known.heardAt = this.#now
      return
    }
    if (this.#servers.size >= serverLimit) return
    const names = [...this.#servers.values()].map((server) => server.serverId)
    if (serverId === this.#world.bus.server || names.includes(serverId)) {
      this.#world.log.warn("two servers have one name", { serverId })
    }
    this.#servers.set(origin, { serverId, heardAt: this.#now })
    this.#sayHello(this.#now)
    const early = this.#early.get(origin) ?? []
    this.#early.delete(origin)
    for (const { work } of early) work()
    // It was here before, or we were apart while rooms opened on both sides.
    if (upMs > freshMs) this.#suspectAll()
  }

  #dispatch(channel: string, envelope: Envelope): void {
    const { message } = envelope
    switch (message.kind) {
      case "hello":
        return
      case "control":
        return this.#world.act(message.act)
      case "state":
      case "answer":
      case "diff":
      case "replay":
        return this.#members.get(message.room)?.hear(envelope)
      default:
        return this.#members.get(keyOf(channel))?.hear(envelope)
    }
  }

  #lose(origin: string): void {
    this.#servers.delete(origin)
    this.#awaited.delete(origin)
    for (const member of [...this.#members.values()]) member.lost(origin)
  }

  #missed(channel: string | undefined): void {
    if (channel === undefined) {
      this.#awaited = new Set(this.#servers.keys())
      this.#awaitedUntil = this.#now + silentMs
      this.#sayHello(this.#now)
      return this.#suspectAll()
    }
    const member = this.#members.get(keyOf(channel))
    if (member === undefined) return
    this.#suspected.add(member)
    this.#world.rouse()
  }

  #suspectAll(): void {
    this.#suspected = new Set([...this.#members.values()].sort((a, b) => b.activeAt - a.activeAt))
    this.#world.rouse()
  }

  /** So many rooms as the pace allows, those in use first. */
  #lookAfter(now: number): void {
    // A server that is behind looks after fewer, so that what comes in is heard between them.
    const elapsedMs = Math.min(stepMs, Math.max(0, now - this.#pacedAt))
    this.#pacedAt = now
    if (this.#suspected.size === 0 || this.#world.bus.state === "away") return
    let left = Math.ceil((this.#world.resyncRoomsPerSecond * elapsedMs) / 1000)
    for (const member of this.#suspected) {
      if (left-- <= 0) break
      this.#suspected.delete(member)
      member.suspect()
    }
    if (this.#suspected.size > 0) this.#world.rouse()
  }
}

/** The channel of a room, whose key begins with its kind: `y/notes`, `l/notes`. */
function channelOf(key: string): string {
  return key.startsWith("y/") ? `lfcc:yjs:${key.slice(2)}` : `lfcc:doc:${key.slice(2)}`
}

function keyOf(channel: string): string {
  return channel.startsWith("lfcc:yjs:") ? `y/${channel.slice(9)}` : `l/${channel.slice(9)}`
}
