/**
 * Replicas of a document that is no Yjs document, for the servers of a fleet: the content is a set
 * of words, so changes may come twice and in any order, and a snapshot is all of them.
 */
import type { OpaqueMembership } from "../src/relay/opaque-membership.ts"
import type { OpaqueOutlet } from "../src/relay/replica.ts"
import { type Code, WireError } from "../src/wire/error.ts"
import type { ToOpaque } from "../src/wire/relay.ts"
import type { FleetServer } from "./relay-fleet.ts"

const utf8 = { to: new TextEncoder(), from: new TextDecoder() }

/** How one comes. */
export interface OpaqueVisit {
  readonly room?: string
  readonly has?: "nothing" | "snapshot"
  readonly subject?: string
  readonly sealed?: boolean
}

export class OpaqueFleetReplica {
  readonly name: string
  readonly words = new Set<string>()
  /** Words that came as changes, in their order. */
  readonly heard: string[] = []
  /** JOIN and LEAVE, in their order. */
  readonly told: string[] = []
  readonly present = new Set<string>()
  /** What each shows. */
  readonly shown = new Map<string, string>()
  /** Snapshots that it was given, and times it was asked for one. */
  given = 0
  asked = 0
  emptied = 0
  closed: Code | undefined
  /** Whether it answers what it is asked. */
  isSilent = false
  server: FleetServer | undefined
  /** Whether it asked to be told which of its changes were accepted, and those that were. */
  hearsAcks = false
  readonly acknowledged: unknown[] = []
  #membership: OpaqueMembership | undefined
  #life = 0

  constructor(name: string) {
    this.name = name
  }

  get isHere(): boolean {
    return this.#membership !== undefined
  }

  join(
    server: FleetServer,
    { room = "notes", has = "nothing", subject, sealed = false }: OpaqueVisit = {},
  ): void {
    this.leave("clean")
    this.server = server
    this.closed = undefined
    this.present.clear()
    this.shown.clear()
    const life = ++this.#life
    const outlet: OpaqueOutlet = {
      behind: false,
      hasBatches: false,
      hearsSeeds: true,
      hearsAcks: this.hearsAcks,
      send: (message) => setImmediate(() => life === this.#life && this.#hear(message)),
      close: (code) =>
        setImmediate(() => {
          if (life !== this.#life) return
          this.closed = code
          this.leave("clean")
        }),
    }
    const who = { subject, role: "editor", since: undefined } as const
    const arrival = { outlet, senderId: this.name, ts: 7, has }
    this.#membership = server.relay.opaque.enter(room, who, arrival)
    this.#say((membership) =>
      membership.introduce({ hasSnapshot: has === "snapshot", version: undefined, sealed }),
    )
    if (has === "nothing") this.asks()
  }

  /** Asks for all that there is. */
  asks(): void {
    this.#say((membership) => membership.request(undefined))
  }

  leave(how: "clean" | "broken"): void {
    const membership = this.#membership
    this.#membership = undefined
    this.#life++
    if (membership !== undefined && this.server?.isUp === true) membership.leave(how, 9)
  }

  write(word: string): void {
    this.words.add(word)
    const update = utf8.to.encode(word)
    const ref = this.hearsAcks ? word : undefined
    this.#say((membership) => membership.update({ update, ref, ts: 8 }))
  }

  show(state: string): void {
    const payload = JSON.stringify({ state })
    this.#say((membership) => membership.show({ payload, ts: 8 }))
  }

  #say(what: (membership: OpaqueMembership) => void): void {
    const life = this.#life
    setImmediate(() => {
      const { server } = this
      if (life !== this.#life || server?.isUp !== true || server.isHung) return
      try {
        if (this.#membership !== undefined) what(this.#membership)
      } catch (thrown) {
        if (!(thrown instanceof WireError)) throw thrown
        this.closed = thrown.code
        this.leave("clean")
      }
    })
  }

  #hear(message: ToOpaque): void {
    switch (message.kind) {
      case "update": {
        // What was asked of a returning replica comes as one change.
        const words = utf8.from.decode(message.update).split(" ")
        for (const word of words) this.words.add(word)
        this.heard.push(...words)
        return
      }
      case "join":
      case "leave":
        this.told.push(`${message.kind} ${message.senderId}`)
        if (message.kind === "join") this.present.add(message.senderId)
        else this.present.delete(message.senderId)
        if (message.kind === "leave") this.shown.delete(message.senderId)
        return
      case "presence":
        this.shown.set(message.senderId, JSON.parse(message.payload).state)
        return
      case "snapshot-request": {
        this.asked++
        if (this.isSilent) return
        const snapshot = utf8.to.encode([...this.words].join(" "))
        const { requestId } = message
        return this.#say((membership) =>
          membership.answer({ requestId, snapshot, version: undefined }),
        )
      }
      case "snapshot-response":
        if (message.content !== "given") this.emptied++
        else {
          this.given++
          for (const word of utf8.from.decode(message.snapshot).split(" ")) {
            if (word !== "") this.words.add(word)
          }
        }
        return
      case "ack":
        if (message.ref !== undefined) this.acknowledged.push(message.ref)
        return
      case "error":
      case "batch":
        return
    }
  }
}
