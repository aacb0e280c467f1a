/** What the two directions of an encrypted pool's lane share: its calls, and the words for failures. */
import { type Fault, Refusal } from "../wire/pools-errors.ts"
import type { Payload } from "../wire/pools-payload.ts"
import type { Emit, Start } from "../wire/pools-shapes.ts"
import { readEnvelope } from "../wire/trinity-envelope.ts"
import type { Keyring } from "./keys.ts"
import { hex } from "./keys-replays.ts"
import type { LaneGround } from "./pools-sealed.ts"
import type { Standing } from "./pools-sealed-standing.ts"

/**
 * In which order the chunks of one stream come: by their counters, and never back to a salt that was
 * left, as a new epoch leaves it.
 */
export class Chunks {
  readonly #left = new Set<string>()
  #salt = ""
  #counter = 0

  /** The counter that this chunk must be behind. It is the last one from now on. */
  after(bytes: Uint8Array): number {
    const envelope = readEnvelope(bytes)
    // No envelope: it will not open.
    if (envelope === undefined) return 0
    const salt = hex(envelope.salt)
    if (this.#left.has(salt)) return Number.MAX_SAFE_INTEGER
    if (salt !== this.#salt) {
      this.#left.add(this.#salt)
      this.#salt = salt
      this.#counter = 0
    }
    const after = this.#counter
    // Noted before it is verified: when it is forged the stream ends with it.
    this.#counter = envelope.counter
    return after
  }
}

/** A call of this app's. */
export interface Own {
  readonly message: Start
  readonly nonce: Uint8Array
  /** When it was begun, ms since 1970. */
  readonly since: number
  /** Sealed once: what is repeated with its idempotency key is the same envelope. */
  payload: Payload | undefined
  /** Of what streams to this app. */
  readonly chunks: Chunks
  readonly tries: "first" | "again"
}

/** A call that this app was given. */
export interface Given {
  readonly nonce: Uint8Array
  readonly name: string
  /** Of what streams to this app. */
  readonly chunks: Chunks
  /** A part of its answer could not be sealed: neither is the rest then. */
  isBroken: boolean
}

/** An emit whose answer is waited for. */
export interface Asked {
  readonly message: Emit
  readonly tries: "first" | "again"
}

/** One pool's talk. */
export interface Talk {
  readonly ring: Keyring
  readonly ground: LaneGround
  readonly standing: Standing
  readonly own: Map<number, Own>
  readonly given: Map<number, Given>
  readonly asked: Map<number, Asked>
}

/** Tells an app that its call or emit has failed. */
export function refuse({ ground }: Talk, to: number, fault: Fault): void {
  ground.hear({ kind: "fault", to, fault, word: undefined, close: undefined })
}

/** The same, and the server that nobody waits for the call. */
export function giveUp(talk: Talk, to: number, fault: Fault): void {
  talk.ground.say({ kind: "cancel", to, mode: "killnowait" })
  refuse(talk, to, fault)
}

/** Tells the program of what belongs to no call. */
export function tell({ ground }: Talk, { code, sentence }: Fault, about: string): void {
  ground.tell(new Refusal(code, sentence), about)
}

/** Why something could not be sealed or opened. */
export function faultOf(thrown: unknown): Fault {
  if (thrown instanceof Refusal) return thrown.fault
  const sentence = thrown instanceof Error ? thrown.message : String(thrown)
  return { code: "internal", sentence }
}
