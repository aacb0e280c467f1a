/**
 * Where encrypted pools meet the rest of an app: what it says in one goes through the pool's lane,
 * which seals it, and what it hears there is opened before anybody sees it. The lanes come with the
 * keys (`quartet/client/keys`), so that who has none does not load them.
 *
 * What always holds: a pool that was once joined with keys is never spoken to in the open, also when
 * this app is out of it again; lanes are asked first, and what none of them takes goes as it is.
 */
import { decode64 } from "../wire/base64.ts"
import type { Fault } from "../wire/pools-errors.ts"
import type { PoolBlocks } from "./blocks-shapes.ts"
import type { LentKeys, PoolKeys, Rotation } from "./keys-shapes.ts"
import { asPoolsError, errorOf } from "./pools-faults.ts"
import { type Fields, type Hearing, isFields, type Saying, textIn } from "./pools-frames.ts"
import type { Link, Welcome } from "./pools-link.ts"
import type { Requests } from "./pools-requests.ts"
import type { PoolsError } from "./pools-shapes.ts"

/** The connection that a pool is entered on. */
export interface Door {
  readonly appId: string
  /** Of the connection: from its `handshake_ack`, 16 bytes. */
  readonly session: Uint8Array
  /** ms since 1970. */
  readonly now: () => number
  /** One operation of this pool; rejects when it is refused. */
  ask(operation: string, fields: Fields): Promise<Fields>
}

/** What a lane needs of its app. */
export interface LaneGround {
  readonly pool: string
  readonly appId: string
  /** The app's own certificate, where the server may not have it yet. */
  readonly certificate: Uint8Array | undefined
  /** Of the connection that there is. */
  readonly session: Uint8Array
  /** Says it as it is. */
  say(message: Saying): void
  /** Gives it to the app. */
  hear(message: Hearing): void
  /** An operation of this pool: as soon as there is a connection, or over the one that there is. */
  ask(operation: string, fields: Fields, when: "soon" | "now"): Promise<Fields>
  /** Whether calls of what this app handles come open. */
  isPlain(trigger: string): boolean
  /** Tells the program of what belongs to no call. */
  tell(thrown: unknown, about: string): void
  /** What a program is told, which may be another copy of the class. */
  errorOf(thrown: unknown): Error
  /** What streams into a call that is handled cannot go on. */
  breakInput(call: number, fault: Fault): void
}

/** One encrypted pool, as an app talks in it. */
export interface Lane {
  /** The keys, as the program uses them. Rejects with what may be no PoolsError. */
  readonly keys: Keys
  /** Bytes that wait to be sealed. */
  readonly unsentBytes: number
  /** Comes in, with all that can be proven; once more after each return. */
  enter(ask: Door["ask"]): Promise<Fields>
  /** Says it sealed, or not at all. */
  say(message: Saying): void
  hear(message: Hearing): "taken" | "other"
  /** Another takes its place: its calls fail, and it says nothing more. */
  retire(): void
  /** Nobody waits for this call any more. */
  over(call: number): void
  /** The connection is gone, and what was on its way over it. */
  lost(): void
  /** The same blocks, whose content is sealed and opened. */
  blocks(open: PoolBlocks): PoolBlocks
}

/** What `join` takes: a `Keyring` of `quartet/client/keys`. */
export interface HeldKeys {
  attach(ground: LaneGround): Lane
}

/** What the holder of an encrypted pool's keys does with them. All reject with PoolsError. */
export interface Keys {
  /** The newest epoch that it has a key of. */
  readonly epoch: number
  /** What this app writes as, and what later epochs are wrapped to: for whoever certifies and rotates. */
  readonly writerKey: Uint8Array
  readonly memberKey: Uint8Array | undefined
  /** What the program should keep to come back. Secret. */
  readonly kept: PoolKeys
  /** What lets another app in: this key or a weaker one. Secret, and not for the server. */
  lend(grade: LentKeys["grade"]): LentKeys
  /** Lets a writer write in this epoch: for a day, with all rights, unless told. */
  certify(writer: Uint8Array, of?: CertifyOptions): Promise<void>
  /** A writer may do nothing more in this epoch. */
  revoke(writer: Uint8Array): Promise<void>
  /**
   * Begins the next epoch, certifies `writers` in it, and gives what the owner keeps from now on. Who
   * is not among `members` reads nothing new.
   */
  rotate(of?: Rotation & { readonly writers?: readonly Uint8Array[] }): Promise<PoolKeys>
  /** Seals with another salt: after a copy of the whole machine was restored. */
  renew(): void
}

export interface CertifyOptions {
  /** 1 write, 2 emit, 4 call, 8 answer, added up; 15 if not said. */
  readonly rights?: number
  /** ms since 1970. */
  readonly notAfter?: number
}

/** What lanes stand on. */
export interface SealsGround {
  readonly requests: Requests
  readonly welcome: Welcome | undefined
}

/** What all lanes of an app share. */
export interface SealsOwner {
  readonly appId: string
  hear(message: Hearing): void
  told(error: PoolsError, about: string): void
  breakInput(call: number, error: PoolsError): void
}

export class Seals {
  readonly #link: Link
  readonly #ground: SealsGround
  readonly #lanes = new Map<string, Lane>()
  readonly #plain = new Set<string>()
  #owner: SealsOwner | undefined

  constructor(ground: SealsGround, link: Link) {
    this.#ground = ground
    this.#link = link
  }

  /** Whose they are; before the first lane. */
  serve(owner: SealsOwner): void {
    this.#owner = owner
  }

  /** A lane from now on, also before this app is in. */
  open(pool: string, ring: HeldKeys, certificate: Uint8Array | undefined): Lane {
    this.close(pool)
    const lane = ring.attach(this.#groundOf(pool, certificate))
    this.#lanes.set(pool, lane)
    return lane
  }

  of(pool: string): Lane | undefined {
    return this.#lanes.get(pool)
  }

  /** The program has joined it without keys. */
  close(pool: string): void {
    this.#lanes.get(pool)?.retire()
    this.#lanes.delete(pool)
  }

  /** Says whether calls of a trigger of this app's come open. Gives what takes it back. */
  mark(trigger: string, how: "plain" | "sealed"): () => void {
    const was = this.#plain.has(trigger) ? "plain" : "sealed"
    if (how === "plain") this.#plain.add(trigger)
    else this.#plain.delete(trigger)
    return () => void this.mark(trigger, was)
  }

  get unsentBytes(): number {
    let bytes = 0
    for (const lane of this.#lanes.values()) bytes += lane.unsentBytes
    return bytes
  }

  hear(message: Hearing): "taken" | "other" {
    for (const lane of this.#lanes.values()) if (lane.hear(message) === "taken") return "taken"
    return "other"
  }

  over(call: number): void {
    for (const lane of this.#lanes.values()) lane.over(call)
  }

  lost(): void {
    for (const lane of this.#lanes.values()) lane.lost()
  }

  #groundOf(pool: string, certificate: Uint8Array | undefined): LaneGround {
    const owner = this.#owner
    if (owner === undefined) throw new Error("never: an app serves before it has pools")
    const [ground, plain] = [this.#ground, this.#plain]
    const { requests } = ground
    return {
      ...{ pool, appId: owner.appId, certificate },
      get session() {
        return sessionOf(ground.welcome)
      },
      say: (message) => this.#link.say(message),
      hear: (message) => owner.hear(message),
      ask(operation, fields, when) {
        const body = { type: "pool", operation, pool, ...fields }
        return when === "now" ? requests.askNow(body) : requests.ask(body)
      },
      isPlain: (trigger) => plain.has(`trigger ${pool} ${trigger}`),
      tell(thrown, about) {
        const error = asPoolsError(thrown)
        // It comes back by itself, and enters anew.
        if (error.code !== "CONNECTION_LOST") owner.told(error, about)
      },
      errorOf: asPoolsError,
      breakInput: (call, fault) => owner.breakInput(call, errorOf(fault)),
    }
  }
}

/** What the server calls this connection. */
function sessionOf(welcome: Welcome | undefined): Uint8Array {
  const session = welcome?.ack["session"]
  return decode64((isFields(session) && textIn(session, "id")) || "") ?? new Uint8Array(0)
}
