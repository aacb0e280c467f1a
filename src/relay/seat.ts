/**
 * One address of a Hocuspocus socket: from its first frame to its end.
 *
 * What always holds: nothing it says reaches a room before it is admitted, and nothing it said
 * before is lost: it waits, in order, within the limits of its connection.
 */
import type { Connection, Identity } from "../service.ts"
import { type Code, closeCodeOf, comesBack, WireError } from "../wire/error.ts"
import { addressed, type ToAddress, type ToHocuspocus } from "../wire/hocuspocus.ts"
import type { FromYjs, Notice, ToYjsReplica } from "../wire/relay.ts"
import { Expiry } from "./expiry.ts"
import type { Early } from "./hocuspocus.ts"
import type { Membership } from "./membership.ts"
import type { AskIdentity, Relay } from "./relay.ts"
import type { Who, YjsOutlet } from "./replica.ts"
import { renewal, rowBytes } from "./yjs.ts"

/** What a seat is made with. */
export interface SeatParts {
  readonly address: string
  /** The room. */
  readonly name: string
  readonly relay: Relay
  readonly connection: Connection<ToHocuspocus>
  readonly early: Early
  readonly identify: AskIdentity
  /** Does one thing that the far end asked for: a fault in it is that thing's alone. */
  readonly guarded: (work: () => void) => void
}

/** "new": its token is awaited. "checked": looked at now. "denied": it may bring another. */
export type SeatState = "new" | "checked" | "denied" | "in" | "left"

export class Seat implements YjsOutlet {
  readonly address: string
  readonly hearsSeeds = false
  readonly isAcknowledged = true
  /** When anything was sent to it last, in ms since 1970. */
  spokeAt = 0
  readonly #parts: SeatParts
  #waiting: FromYjs[] = []
  #state: SeatState = "new"
  #member: Membership | undefined
  readonly #expiry = new Expiry()

  constructor(parts: SeatParts) {
    this.address = parts.address
    this.#parts = parts
  }

  get state(): SeatState {
    return this.#state
  }

  /** Its place in the room, once it is admitted. */
  get member(): Membership | undefined {
    return this.#member
  }

  get behind(): boolean {
    return this.#parts.connection.behind
  }

  /** One message. "echo" where it only sends back what it was told. Throws a WireError. */
  hear(message: FromYjs): "own" | "echo" {
    const member = this.#member
    if (message.kind === "token") this.#check(message.token)
    else if (message.kind === "leave") this.leave("clean")
    else if (member !== undefined) return this.#act(member, message)
    else if (this.#state === "new" || this.#state === "checked") this.#keep(message)
    return "own"
  }

  send(message: ToYjsReplica): void {
    this.#say(message)
  }

  notice(notice: Notice): void {
    if (notice.kind === "role") this.#tellScope()
  }

  acknowledge(accepted: boolean): void {
    this.#say({ kind: "sync-status", status: accepted ? "accepted" : "refused" })
  }

  stateless(text: string): void {
    this.#say({ kind: "stateless", text })
  }

  /** Ends this address for good; for what passes, the socket: a provider comes back with a socket only. */
  close(code: Code, sentence: string): void {
    if (comesBack(closeCodeOf(code))) return this.#parts.connection.close(code, sentence)
    this.#say({ kind: "denied", reason: sentence })
    if (this.#member !== undefined) this.#say({ kind: "closed", reason: sentence })
    this.leave("clean")
    this.#state = "denied"
  }

  leave(how: "clean" | "broken"): void {
    this.#dropEarly()
    this.#state = "left"
    this.#member?.leave(how)
    this.#member = undefined
  }

  /** The end of its token, and the question for a newer one. Returns when to look again. */
  tick(now: number): number {
    if (this.#state !== "in") return Number.POSITIVE_INFINITY
    const due = this.#expiry.look(now)
    if (due === "over") this.close("unauthenticated", "the token has expired")
    else if (due === "ask") this.#say({ kind: "token-wanted" })
    return due === "over" ? Number.POSITIVE_INFINITY : this.#expiry.dueAt
  }

  #say(message: ToAddress): void {
    // Who left may use its address anew.
    if (this.#state === "left") return
    this.spokeAt = this.#parts.relay.now
    this.#parts.connection.send(addressed(this.address, message))
  }

  /** Nobody is looked at twice at once; an empty token is none. */
  #check(token: string): void {
    if (this.#state === "checked") return
    const { identify, connection } = this.#parts
    const isIn = this.#state === "in"
    if (!isIn) this.#state = "checked"
    if (token === "") return this.#decide(connection.identity)
    identify(token, (found) => this.#decide(found))
  }

  #decide(found: Identity | WireError | undefined): void {
    if (this.#member !== undefined) return this.#renew(this.#member, found)
    const { relay, name } = this.#parts
    try {
      if (found instanceof WireError) throw found
      this.#enter(relay.admit(found, name), found?.until)
    } catch (thrown) {
      if (!(thrown instanceof WireError)) throw thrown
      if (thrown === found) relay.counts.refused.add("token")
      if (comesBack(closeCodeOf(thrown.code))) return this.close(thrown.code, thrown.message)
      this.#dropEarly()
      this.#state = "denied"
      this.#say({ kind: "denied", reason: thrown.message })
    }
    const waiting = this.#waiting
    this.#dropEarly()
    for (const message of waiting) {
      this.#parts.guarded(() => {
        // What came before may have ended it.
        if (this.#member !== undefined) this.#act(this.#member, message)
      })
    }
  }

  #enter(who: Who, until = Number.POSITIVE_INFINITY): void {
    const { relay, name } = this.#parts
    this.#member = relay.enter(name, who, this)
    this.#state = "in"
    this.#expiry.begin(until, relay.now)
    this.#tellScope()
  }

  #renew(member: Membership, found: Identity | WireError | undefined): void {
    if (found === undefined) return
    const { relay, connection } = this.#parts
    const renewed = renewal(found, { relay, member })
    if (renewed instanceof WireError) return this.close(renewed.code, renewed.message)
    this.#expiry.begin(renewed.until, relay.now)
    // The socket came with a token of its own, and would end with that one.
    const { identity } = connection
    if (identity?.subject === renewed.subject && identity.until < renewed.until) {
      connection.renew(renewed)
    }
    this.#tellScope()
  }

  #tellScope(): void {
    const scope = this.#member?.replica.mayWrite === true ? "read-write" : "readonly"
    this.#say({ kind: "scope", scope })
  }

  #act(member: Membership, message: FromYjs): "own" | "echo" {
    switch (message.kind) {
      case "step1":
        member.step1(message.vector)
        break
      case "step2":
        member.step2(message.update)
        break
      case "update":
        member.update(message.update)
        break
      case "awareness":
        return message.rows.length === 0 ? "own" : member.awareness(message.rows)
      case "query-awareness":
        member.queryAwareness()
        break
      case "stateless":
        member.stateless(message.text)
        break
      case "oversize":
        this.#parts.relay.counts.presenceRefused.add("oversize")
        break
      case "unreadable":
        throw new WireError("bad-message", message.sentence)
      case "ignored":
      case "echo":
      case "seed-declined":
      case "token":
      case "leave":
        break
    }
    return "own"
  }

  #keep(message: FromYjs): void {
    const { early, relay, connection } = this.#parts
    early.messages++
    early.bytes += weightOf(message)
    const { earlyMessages, earlyBytes } = relay.options
    if (early.messages > earlyMessages || early.bytes > earlyBytes) {
      return connection.close("never-joined", "too much was sent before a document was opened")
    }
    this.#waiting.push(copied(message))
  }

  #dropEarly(): void {
    const { early } = this.#parts
    for (const message of this.#waiting) {
      early.messages--
      early.bytes -= weightOf(message)
    }
    this.#waiting = []
  }
}

/** The bytes a message counts. */
export function weightOf(message: FromYjs): number {
  if ("update" in message) return message.update.length
  if ("vector" in message) return message.vector.length
  if ("text" in message) return message.text.length
  if ("token" in message) return message.token.length
  return "rows" in message ? rowBytes(message.rows) : 1
}

/** What is kept longer than its frame must not be a view into it. */
function copied(message: FromYjs): FromYjs {
  if ("update" in message) return { ...message, update: message.update.slice() }
  if ("vector" in message) return { ...message, vector: message.vector.slice() }
  return message
}
