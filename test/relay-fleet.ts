/**
 * Several relays on one bus that may fail, and Yjs replicas that come to them without sockets. Time
 * is turned by hand; what a replica says is heard in a later turn, as it would be over a line.
 */
import * as Y from "yjs"
import { Log } from "../src/log.ts"
import { type RelayOptions, relayOptions } from "../src/relay/limits.ts"
import type { Membership } from "../src/relay/membership.ts"
import { Relay } from "../src/relay/relay.ts"
import type { YjsOutlet } from "../src/relay/replica.ts"
import type { Code } from "../src/wire/error.ts"
import type { Row, ToYjsReplica } from "../src/wire/relay.ts"
import { FaultHub } from "./fault-hub.ts"

const start = 1_780_000_000_000

/** One server of a fleet. */
export interface FleetServer {
  readonly name: string
  readonly relay: Relay
  /** What its clock is ahead of the others, in ms. */
  readonly aheadMs: number
  isUp: boolean
  isHung: boolean
}

export interface FleetOptions {
  readonly limits?: Partial<RelayOptions>
  /** Of each server, what its clock is ahead. */
  readonly aheadMs?: readonly number[]
  /** What all of them are called on the bus, by mistake. */
  readonly named?: string
}

export class Fleet {
  readonly hub: FaultHub
  readonly servers: FleetServer[] = []
  readonly faults: string[] = []
  readonly warnings: string[] = []
  now = start
  readonly #options: FleetOptions
  readonly #draw: () => number
  #serial = 0

  constructor(count: number, draw: () => number, options: FleetOptions = {}) {
    this.#draw = draw
    this.#options = options
    this.hub = new FaultHub(draw)
    for (let index = 0; index < count; index++) this.add()
  }

  /** One more server, which may have limits of its own. */
  add(limits = this.#options.limits ?? {}): FleetServer {
    const name = `server-${++this.#serial}`
    const aheadMs = this.#options.aheadMs?.[this.servers.length] ?? 0
    const log = new Log("warn", (line) => {
      const isWarning = line.includes('"level":"warn"')
      ;(isWarning ? this.warnings : this.faults).push(line)
    })
    // Bus time is the same for all, whatever their own clocks say (RL66).
    const server = this.#options.named ?? name
    const bus = this.hub.join({ server, now: () => this.now, log })
    const relay = new Relay({
      bus,
      log,
      options: relayOptions(limits),
      anonymous: "editor",
      random: (length) => Uint8Array.from({ length }, () => Math.floor(this.#draw() * 256)),
      wake: () => {},
      denied: [],
      marksUnknownUntil: 0,
    })
    const added: FleetServer = { name, relay, aheadMs, isUp: true, isHung: false }
    this.servers.push(added)
    relay.tick(this.now + aheadMs)
    return added
  }

  /** It is gone, and tells nobody. */
  kill(server: FleetServer): void {
    server.isUp = false
    this.hub.parts.set(server.name, -this.#serial - this.servers.indexOf(server))
  }

  /** Lets so many ms pass, ten at a time. `every` runs before each tick. */
  async pass(ms: number, every: () => void = () => {}): Promise<void> {
    for (const until = this.now + ms; this.now < until; ) {
      this.now += 10
      this.hub.turn(this.now)
      every()
      for (const { relay, aheadMs, isUp, isHung } of this.servers) {
        if (isUp && !isHung) relay.tick(this.now + aheadMs)
      }
      await this.settle()
    }
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
}

/** A replica of a Yjs document that comes, goes, and writes whether it is here or not. */
export class FleetReplica {
  readonly doc: Y.Doc
  readonly name: string
  /** Rows of others that it was told. */
  readonly present = new Map<number, string>()
  grants = 0
  /** Changes that it sent on this line, and how many of them were accepted. */
  sent: Uint8Array[] = []
  accepted = 0
  server: FleetServer | undefined
  isSynced = false
  closed: Code | undefined
  /** Whether it answers what it is asked. */
  isSilent = false
  #membership: Membership | undefined
  #clock = 0
  #life = 0

  constructor(name: string, client: number) {
    this.name = name
    this.doc = new Y.Doc()
    this.doc.clientID = client
    this.doc.on("update", (update: Uint8Array, origin: unknown) => {
      if (origin === "relay") return
      this.#say((membership) => {
        this.sent.push(update)
        membership.update(update)
      })
    })
  }

  get isHere(): boolean {
    return this.#membership !== undefined
  }

  get text(): string {
    return this.doc.getText("t").toString()
  }

  join(server: FleetServer, room = "notes"): void {
    this.leave("clean")
    this.server = server
    this.isSynced = false
    this.closed = undefined
    this.present.clear()
    this.sent = []
    this.accepted = 0
    const life = ++this.#life
    const outlet: YjsOutlet = {
      behind: false,
      hearsSeeds: true,
      isAcknowledged: false,
      acknowledge: (accepted) => {
        if (accepted && life === this.#life) this.accepted++
      },
      stateless: () => {},
      notice: (notice) => {
        if (notice.kind === "seed" && notice.granted) this.grants++
      },
      send: (message) => setImmediate(() => life === this.#life && this.#hear(message)),
      close: (code) =>
        setImmediate(() => {
          if (life !== this.#life) return
          this.closed = code
          this.leave("clean")
        }),
    }
    const who = { subject: undefined, role: "editor", since: undefined } as const
    this.#membership = server.relay.enter(room, who, outlet)
    this.#say((membership) => membership.step1(Y.encodeStateVector(this.doc)))
    this.show("here")
  }

  /** Its line ends, in good order or broken. */
  leave(how: "clean" | "broken"): void {
    const membership = this.#membership
    this.#membership = undefined
    this.#life++
    if (membership !== undefined && this.server?.isUp === true) membership.leave(how)
  }

  show(state: string): void {
    this.#clock++
    const row: Row = { id: this.doc.clientID, clock: this.#clock, state: JSON.stringify({ state }) }
    this.#say((membership) => membership.awareness([row]))
  }

  #say(what: (membership: Membership) => void): void {
    const life = this.#life
    setImmediate(() => {
      const { server } = this
      if (life !== this.#life || server?.isUp !== true || server.isHung) return
      if (this.#membership !== undefined) what(this.#membership)
    })
  }

  #hear(message: ToYjsReplica): void {
    switch (message.kind) {
      case "step1": {
        if (this.isSilent) return
        const update = Y.encodeStateAsUpdate(this.doc, message.vector)
        return this.#say((membership) => membership.step2(update))
      }
      case "step2":
        this.isSynced = true
        return Y.applyUpdate(this.doc, message.update, "relay")
      case "update":
        return Y.applyUpdate(this.doc, message.update, "relay")
      case "awareness":
        for (const { id, state } of message.rows) {
          if (state === null) this.present.delete(id)
          else this.present.set(id, state)
        }
        return
      case "denied":
        return
    }
  }
}
