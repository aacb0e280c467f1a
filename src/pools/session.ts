/**
 * One connection of an app, from its first byte to its end.
 *
 * What always holds: a session that has left hears nothing more and does nothing more, whatever its
 * socket still brings; the ids of calls given to it only grow, so an id that is no longer held was
 * settled, and one that is larger than the last was never given.
 */
import type { Connection } from "../service.ts"
import { closingOf, type Fault } from "../wire/pools-errors.ts"
import type { Form, Handshake, Id, Proof, ToApp } from "../wire/pools-shapes.ts"
import { type Copies, firstForm, tell } from "../wire/pools-told.ts"
import type { App } from "./app.ts"
import type { Backlog } from "./backlog.ts"
import type { Call, Held } from "./call.ts"
import type { Membership } from "./pool.ts"
import type { Subscription } from "./topics.ts"
import type { Registration } from "./trigger.ts"

/** A way in: what a listener's far ends may do unproven. */
export interface Entrance {
  /** "open": an id that is bound to nothing may be claimed without proof. */
  readonly auth: "open" | "required"
  /** "local": this machine's programs, who may be faster. */
  readonly place: "local" | "remote"
  /** "all": who comes here governs the server. */
  readonly admin: "none" | "all"
}

/** How far a session has come. */
export type Stage =
  | { readonly is: "new" }
  /** It has to sign this. */
  | {
      readonly is: "challenged"
      readonly handshake: Handshake
      readonly nonce: Uint8Array
      readonly until: number
      /** What it has shown besides. */
      readonly shown: Proof
    }
  /** Its token is looked at, or the holder of its id is asked. */
  | { readonly is: "asking"; readonly handshake: Handshake }
  | { readonly is: "ready" }
  | { readonly is: "gone" }

/** What the token of a session leaves of its rights. */
export interface Narrowing {
  readonly pools: readonly string[] | undefined
  readonly rights: readonly string[] | undefined
}

export class Session {
  readonly connection: Connection<Uint8Array | string>
  readonly entrance: Entrance
  /** 16 bytes that its proofs are bound to. */
  readonly key: Uint8Array
  readonly since: number
  stage: Stage = { is: "new" }
  form: Form = firstForm
  app: App | undefined
  /** `resize`, or `resize#2` where several share an id. */
  name = ""
  proof: Proof = "none"
  narrowing: Narrowing | undefined
  /** What takes the id over later, instead of a proof. */
  resume = ""
  generation = 0
  /** Calls it made that are not answered, by its own ids. */
  calls: Map<Id, Call> = new Map()
  /** Ids of its requests about blocks that are not answered: a lock may wait. */
  readonly asked = new Set<Id>()
  /** Calls it was given and has not answered, by our ids. */
  held: Map<number, Held> = new Map()
  /** The last of our ids. */
  given = 0
  readonly registrations = new Set<Registration>()
  readonly subscriptions = new Set<Subscription>()
  /** By pool. */
  readonly memberships = new Map<string, Membership>()
  /** What it has to sign to come into an encrypted pool, by pool. */
  readonly challenges = new Map<string, { readonly nonce: Uint8Array; readonly until: number }>()
  backlog: Backlog | undefined
  /** It has asked to go: the request that is answered when it holds nothing more. */
  draining: { readonly id: Id | undefined } | undefined
  badMessages = 0
  heardAt: number
  /** When it was pinged, and has not answered. */
  pingedAt: number | undefined
  pingsMissed = 0
  roundTripMs: number | undefined
  readonly rate: { level: number; at: number }

  constructor(options: {
    readonly connection: Connection<Uint8Array | string>
    readonly entrance: Entrance
    readonly key: Uint8Array
    readonly now: number
    readonly burst: number
  }) {
    this.connection = options.connection
    this.entrance = options.entrance
    this.key = options.key
    this.since = options.now
    this.heardAt = options.now
    this.rate = { level: options.burst, at: options.now }
  }

  get isReady(): boolean {
    return this.stage.is === "ready"
  }

  get isGone(): boolean {
    return this.stage.is === "gone"
  }

  /** Of 1.0: it knows pings, cancels, chunks and drains. */
  get isModern(): boolean {
    return this.form.version !== "0.1"
  }

  /**
   * Puts what is open into new maps. V8 links the memory that a busy map has outgrown to what came
   * after it, so once a piece of it is old all calls that went through are kept for as long.
   */
  renewMaps(): void {
    if (this.calls.size > 0) this.calls = new Map(this.calls)
    if (this.held.size > 0) this.held = new Map(this.held)
  }

  send(message: ToApp): void {
    if (this.isGone) return
    if (message.kind === "content") this.asked.delete(message.to)
    const frame = tell(message, this.form)
    if (frame !== undefined) this.connection.send(frame)
  }

  /** Sends its form of a message for many. */
  sendCopy(copies: Copies): void {
    const frame = this.isGone ? undefined : copies.for(this.form)
    if (frame !== undefined) this.connection.send(frame)
  }

  /** A request is refused; the session goes on. */
  refuse(to: Id | undefined, fault: Fault): void {
    // What has the id of another request leaves that one as it is.
    if (to !== undefined && fault.code !== "duplicate-id") this.asked.delete(to)
    this.send({ kind: "fault", to: to ?? null, fault })
  }

  /** A request is answered with an object. */
  answer(to: Id, result: Readonly<Record<string, unknown>>): void {
    this.asked.delete(to)
    const body = { type: "response", correlation_id: String(to), status: "success", result }
    this.send({ kind: "plain", body })
  }

  /** Says why, and closes. What it holds is taken from it by whoever calls this. */
  end(fault: Fault, to: Id | undefined = undefined): void {
    this.send({ kind: "fault", to: to ?? null, fault, close: true })
    // All is said: net has nothing to add.
    this.connection.close(closingOf(fault.code), "")
  }
}
