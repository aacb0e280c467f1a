/**
 * The messages of pools as the code has them, whatever form they came in or leave in. No schema and
 * no I/O: the SDK reads this file too.
 *
 * What always holds: what comes in is checked, so names have their shape and numbers their bounds;
 * a payload is kept in the form in which it came and turned into another only when one is asked for.
 */
import type { Fault } from "./pools-errors.ts"
import type { Content, MemoryRequest, Notice } from "./pools-memory.ts"
import type { Payload } from "./pools-payload.ts"

/**
 * What a far end calls a request. A text of digits without leading zeros, as compact frames carry
 * it, is a number here, so both forms mean the same request.
 */
export type Id = string | number

/** The most bytes of a trigger's or topic's name: its length has one byte in compact frames. */
export const nameBytes = 255

/** How a trigger chooses among its handlers. */
export const policies = [
  "round_robin",
  "random",
  "first",
  "last",
  "least_pending",
  "latency",
  "hash",
] as const
export type Policy = (typeof policies)[number]

/** What an app may do in a pool. */
export const rights = ["read", "write", "execute", "handle", "admin"] as const
export type Right = (typeof rights)[number]

export type CancelMode = "killnowait" | "kill" | "skip"
/** Why a handler is told to stop. */
export type CancelReason = "caller" | "deadline" | "lost" | "parent"

/** Which way a chunk or a credit goes. */
export type Toward = "caller" | "handler"

/** How somebody has proved to be the app. */
export type Proof = "none" | "token" | "key" | "certificate"

/** A trigger that an app can handle. */
export interface Offer {
  readonly name: string
  /** Of these pools only; all of the app's without. */
  readonly pools?: readonly string[]
  readonly policy?: Policy
  readonly concurrency?: number
  readonly queue?: number
  readonly weight?: number
  readonly idempotent?: boolean
  readonly plain?: boolean
  readonly version?: string
  readonly input?: unknown
  readonly output?: unknown
  readonly description?: string
}

/** What a subscriber wants to hear, and what becomes of it when it falls behind. */
export interface TopicOffer {
  readonly pattern: string
  readonly group?: string
  readonly behind?: "drop_oldest" | "conflate" | "disconnect"
  readonly depth?: number
}

/** What goes with a call or an emit, untouched, from one app to another. */
export interface Trace {
  readonly traceparent?: string
  readonly tracestate?: string
}

export interface Handshake {
  readonly kind: "handshake"
  readonly id: Id | undefined
  readonly appId: string
  /** Undefined: 0.1. */
  readonly version: string | undefined
  readonly leastVersion: string | undefined
  readonly features: readonly string[]
  readonly pools: readonly string[] | undefined
  readonly triggers: readonly Offer[] | undefined
  readonly topics: readonly TopicOffer[] | undefined
  readonly metadata: unknown
  readonly publicKey: Uint8Array | undefined
  readonly token: string | undefined
  readonly resume: string | undefined
  readonly rehydrate: boolean | undefined
  readonly instances: boolean
  /** "action": it speaks the second dialect. */
  readonly dialect: "plain" | "action"
}

/** A call, as its caller asks for it. */
export interface Start extends Trace {
  readonly kind: "trigger"
  readonly id: Id
  readonly pool: string
  readonly trigger: string
  readonly payload: Payload
  readonly ttlMs: number
  /** Of ours: "idempotent", "stream", "detach". */
  readonly flags: ReadonlySet<string>
  /** `x-…`, passed on. */
  readonly appFlags: readonly string[]
  readonly destination?: string
  readonly affinity?: string
  readonly key?: string
  readonly waitMs?: number
  readonly credit?: number
  /** The call being handled, by the id that we gave it. */
  readonly parent?: number
  readonly correlation?: string
  readonly nonce?: Uint8Array
  /** The payload lies there. */
  readonly block?: BlockRef
}

/** A piece of a block's content. `length` 0: up to its end. */
export interface BlockRef {
  readonly uuid: string
  readonly generation: number
  readonly offset: number
  readonly length: number
}

/** What a handler answers. `to` is the id that we gave it; undefined when it is none of ours. */
export interface Answer {
  readonly kind: "response"
  readonly id: Id | undefined
  readonly to: number | undefined
  readonly outcome:
    | { readonly is: "done"; readonly result: Payload; readonly block?: BlockRef }
    | { readonly is: "failed"; readonly sentence: string; readonly handlerCode?: string }
    | { readonly is: "unavailable"; readonly sentence: string }
}

export interface Emit extends Trace {
  readonly kind: "emit"
  readonly id: Id | undefined
  readonly pool: string
  readonly trigger: string
  readonly payload: Payload
  /** Of ours: "ack", "retain", "exclude_self". */
  readonly flags: ReadonlySet<string>
  readonly appFlags: readonly string[]
}

/** Of a call: by the caller's own id towards the handler, by ours towards the caller. */
export interface Chunk {
  readonly kind: "chunk"
  readonly to: Id | undefined
  readonly toward: Toward
  readonly seq: number
  readonly payload: Payload
  readonly isLast: boolean
}

export interface Credit {
  readonly kind: "credit"
  readonly to: Id | undefined
  readonly toward: Toward
  readonly count: number
}

export interface PoolRequest {
  readonly kind: "pool"
  readonly id: Id
  readonly operation: string
  readonly pool: string
  readonly fields: Readonly<Record<string, unknown>>
}

export interface AdminRequest {
  readonly kind: "admin"
  readonly id: Id
  readonly operation: string
  readonly target: string | undefined
  readonly params: Readonly<Record<string, unknown>>
}

/** Whatever an app may say. */
export type FromApp =
  | Handshake
  | { readonly kind: "auth"; readonly id: Id | undefined; readonly signature: Uint8Array }
  | Start
  | Answer
  | Emit
  | Chunk
  | Credit
  | { readonly kind: "cancel"; readonly to: Id; readonly mode: CancelMode }
  | { readonly kind: "drain"; readonly id: Id | undefined }
  | { readonly kind: "ping"; readonly id: Id | undefined; readonly form: "json" | "compact" }
  | { readonly kind: "pong"; readonly id: Id | undefined }
  | Registering
  | Subscribing
  | PoolRequest
  | AdminRequest
  | MemoryRequest
  /** What could not be read. With "bad-frame" nothing behind it can be, either. */
  | { readonly kind: "bad"; readonly id: Id | undefined; readonly fault: Fault }

export interface Registering {
  readonly kind: "register" | "unregister"
  readonly id: Id
  readonly pool: string
  readonly triggers: readonly Offer[]
}

export interface Subscribing {
  readonly kind: "subscribe" | "unsubscribe"
  readonly id: Id
  readonly pool: string
  readonly topics: readonly TopicOffer[]
}

/** A call, as its handler gets it. */
export interface Told extends Trace {
  readonly kind: "call"
  readonly id: number
  readonly pool: string
  readonly trigger: string
  readonly payload: Payload
  readonly origin: string
  readonly proof: Proof
  readonly attempt: number
  readonly ttlMs: number
  readonly flags: ReadonlySet<string>
  readonly appFlags: readonly string[]
  readonly destination?: string
  readonly correlation?: string
  readonly credit?: number
  readonly nonce?: Uint8Array
  /** The payload lies there, in a block that the handler has mapped. */
  readonly block?: BlockRef
}

export interface ToldEmit extends Trace {
  readonly kind: "emitted"
  readonly pool: string
  readonly trigger: string
  readonly payload: Payload
  readonly origin: string
  readonly appFlags: readonly string[]
  readonly seq: number
  readonly lost?: number
  readonly isRetained?: boolean
}

/** Whatever an app may hear. */
export type ToApp =
  | Told
  | ToldEmit
  | {
      readonly kind: "answer"
      readonly to: Id
      readonly payload: Payload
      readonly isRepeated?: boolean
    }
  /** `to` is null for what was no request. With `close` the connection ends behind it. */
  | { readonly kind: "fault"; readonly to: Id | null; readonly fault: Fault; readonly close?: true }
  | {
      readonly kind: "chunk"
      readonly to: Id
      readonly toward: Toward
      readonly seq: number
      readonly payload: Payload
      readonly isLast: boolean
    }
  | { readonly kind: "credit"; readonly to: Id; readonly toward: Toward; readonly count: number }
  | { readonly kind: "cancel"; readonly to: number; readonly reason: CancelReason }
  | { readonly kind: "pong"; readonly id: Id | undefined; readonly form: "json" | "compact" }
  | Content
  | Notice
  /** All others: an object as it is written. */
  | { readonly kind: "plain"; readonly body: Readonly<Record<string, unknown>> }

/** How a far end is spoken to: chosen with its handshake. */
export interface Form {
  readonly binary: "none" | "mixed" | "compact" | "both"
  readonly version: "0.1" | "1.0"
  readonly dialect: "plain" | "action"
}

const given = "00000000-0000-4000-8000-"

/** The id that we gave a call, as JSON writes it: the shape of a UUID. */
export function uuidOf(id: number): string {
  return given + id.toString(16).padStart(12, "0")
}

/** The number behind such an id; undefined for any other text. */
export function numberOfUuid(text: string): number | undefined {
  if (!text.startsWith(given)) return undefined
  const digits = text.slice(given.length)
  return /^[0-9a-f]{12}$/.test(digits) ? Number.parseInt(digits, 16) : undefined
}

/** A request's id out of its text. */
export function idOf(text: string): Id {
  if (!/^(?:0|[1-9]\d{0,15})$/.test(text)) return text
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : text
}
