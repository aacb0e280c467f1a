/**
 * What programs see of pools: an app, its calls, emits and pools, and the one error. Types, but for
 * `PoolsError`.
 *
 * Times are ms; deadlines are ms since 1970. A payload is what JSON can spell, or a `Uint8Array`, or
 * a text with `contentType: "text"`.
 */
import type { Advice } from "../wire/pools-errors.ts"
import type { CancelMode, Policy, Proof, Right } from "../wire/pools-shapes.ts"
import type { PoolBlocks } from "./blocks-shapes.ts"
import type { Rotated } from "./keys-shapes.ts"
import type { AppKey } from "./pools-key.ts"
import type { HeldKeys, Keys } from "./pools-sealed.ts"

export type { Advice, CancelMode, Policy, Proof, Right }

/** Undoes what gave it. Resolves when the server has heard; may be called more than once. */
export type Undo = () => Promise<void>

/** Who an app is, and how it comes back. */
export interface AppOptions {
  /** Its id: letters, digits, `.`, `_` and `-`, at most 128. */
  readonly app: string
  /** The pools that it is in from the start; `default` if not said. */
  readonly pools?: readonly string[]
  /** Proves the id: see `keyFromSeed`. */
  readonly key?: AppKey
  /** Proves the id; a function is asked at each return. */
  readonly token?: string | (() => string | Promise<string>)
  /** Several connections share the id. */
  readonly instances?: boolean
  /** Gives back what the server remembers of this id. */
  readonly rehydrate?: boolean
  readonly metadata?: unknown
  /** Calls of what this app handles itself are run here, without the server; true if not said. */
  readonly shortCircuit?: boolean
  /** "off": blocks are reached over the connection, also where their memory could be mapped. */
  readonly map?: "auto" | "off"
  /** Goes on trying when the server cannot be reached at first, instead of failing. */
  readonly patient?: boolean
  /** Gives up the first connecting; it has no effect afterwards. */
  readonly signal?: AbortSignal
  /**
   * Told of what belongs to no call: an emit without `ack` that was refused, or something that could
   * not be restored after a return. `about` names it.
   */
  readonly onFault?: (error: PoolsError, about: string) => void
}

export type AppState = "connecting" | "ready" | "away" | "draining" | "closed"

export interface CallOptions {
  /** `default` if not said. */
  readonly pool?: string
  /** An app, or one instance of it: the call goes there or fails. */
  readonly to?: string
  /** How long it may take in all; 30,000 if not said. */
  readonly ttlMs?: number
  /** In an encrypted pool: what it calls is handled as `plain`, so nothing of this is sealed. */
  readonly plain?: boolean
  /** How long it waits for a handler to come. */
  readonly waitMs?: number
  /** Runs once for this key; it is sent again after a lost connection. */
  readonly idempotencyKey?: string
  /** May run twice: the server and the SDK may repeat it. */
  readonly idempotent?: boolean
  /** Calls with the same go to the same handler, with the policy `hash`. */
  readonly affinity?: string
  /** Goes on when this app goes. */
  readonly detach?: boolean
  /** How many values of a stream may be on their way; 16 if not said. */
  readonly credit?: number
  /** "json", "text", "bytes", or `app:128` to `app:255`; by the payload if not said. */
  readonly contentType?: string
  /** Arguments that are streamed to the handler. */
  readonly input?: AsyncIterable<unknown> | Iterable<unknown>
  /** Cancels it. */
  readonly signal?: AbortSignal
  /** How it is cancelled; `killnowait` if not said. */
  readonly cancel?: CancelMode
  readonly traceparent?: string
  readonly tracestate?: string
  /** Of the apps' own, like `x-mine`. */
  readonly flags?: readonly string[]
}

/** The values of a streamed call. It is read once; leaving the loop early cancels the call. */
export interface Stream<O> extends AsyncIterable<O> {
  /** What the handler answers at the end. Rejects with the error that the loop throws. */
  readonly result: Promise<unknown>
  cancel(): void
}

/** Does what a trigger is for. What it throws is told to the caller, with its `code`. */
export type Work<I = unknown, O = unknown> = (
  input: I,
  call: CallContext,
) => O | Promise<O> | AsyncIterable<O> | Promise<AsyncIterable<O>>

/** The call that is handled. */
export interface CallContext {
  readonly id: number
  readonly pool: string
  readonly trigger: string
  /** Who calls, and how it has proved to be that. */
  readonly origin: string
  readonly identity: Proof
  /** 1, or more when it was handed to others before. */
  readonly attempt: number
  readonly deadline: number
  /** Aborted when nobody waits for the answer any more; its reason is a PoolsError. */
  readonly signal: AbortSignal
  readonly flags: readonly string[]
  readonly traceparent?: string
  readonly tracestate?: string
  /** What the caller streams. */
  readonly input: AsyncIterable<unknown>
  /** Says that nothing was done: the call goes to another handler. */
  unavailable(sentence?: string): never
  /** Calls as a part of this one: deadline, cancel and trace are inherited. */
  call<O = unknown>(trigger: string, payload?: unknown, options?: CallOptions): Promise<O>
  stream<O = unknown>(trigger: string, payload?: unknown, options?: CallOptions): Stream<O>
}

export interface HandleOptions {
  readonly pool?: string
  readonly policy?: Policy
  /** Calls at a time, 256 if not said; and how many more wait for them. */
  readonly concurrency?: number
  readonly queue?: number
  /** 1 to 100. */
  readonly weight?: number
  /** In an encrypted pool: calls of it come open, and are answered so. */
  readonly plain?: boolean
  /** Every call of it may run twice. */
  readonly idempotent?: boolean
  readonly version?: string
  /** JSON Schemas, for whoever looks. */
  readonly input?: unknown
  readonly output?: unknown
  readonly description?: string
}

export interface EmitOptions {
  readonly pool?: string
  /** Asks how many it reached. */
  readonly ack?: boolean
  /** Kept for who comes later; without a payload it clears what is kept. */
  readonly retain?: boolean
  readonly excludeSelf?: boolean
  readonly contentType?: string
  readonly traceparent?: string
  readonly tracestate?: string
  readonly flags?: readonly string[]
}

/** How many got an emit, and how many lost it. */
export interface Reached {
  readonly reached: number
  readonly lost: number
}

/** What came besides the payload of an emit. */
export interface Emit {
  readonly name: string
  readonly pool: string
  readonly origin: string
  readonly seq: number
  /** How many were missed before this one. */
  readonly lost: number
  readonly retained: boolean
  readonly flags: readonly string[]
  readonly traceparent?: string
  readonly tracestate?: string
}

export interface OnOptions {
  readonly pool?: string
  /** Of all who listen in one group exactly one gets each emit. */
  readonly group?: string
  /** What happens when this app falls behind; `drop_oldest` if not said. */
  readonly behind?: "drop_oldest" | "conflate" | "disconnect"
  readonly depth?: number
}

export type Rights = { readonly [Name in Right]?: readonly string[] }

export interface PoolOptions {
  readonly type?: "local" | "global"
  readonly rights?: Rights
  readonly owners?: readonly string[]
  readonly description?: string
  /** Makes it an encrypted one: what `Keyring.create` gave. */
  readonly encrypted?: Rotated
}

export interface JoinOptions {
  /** Of this app's writer key, where its certifier has not told the server. */
  readonly certificate?: Uint8Array
}

export interface Member {
  readonly app: string
  readonly identity: Proof
  readonly state: string
  readonly since: number
}

/** What the server tells the members of a pool. */
export interface PoolEvent {
  readonly event: "destroyed" | "removed"
  readonly reason: string | undefined
}

/** A namespace of triggers and topics. All reject with PoolsError. */
export interface Pool {
  readonly name: string
  /** Its blocks of shared memory. */
  readonly block: PoolBlocks
  create(options?: PoolOptions): Promise<void>
  /** "force" also with others in it. */
  destroy(how?: "empty" | "force"): Promise<void>
  /**
   * Becomes a member, also after a return. Gives what this app may do there. `keys`, a `Keyring` of
   * `quartet/client/keys`, are those of an encrypted pool: all that is said there is sealed then.
   */
  join(keys?: HeldKeys, options?: JoinOptions): Promise<readonly Right[]>
  /** What is done with the keys that it was joined with. Throws PoolsError where there are none. */
  readonly keys: Keys
  leave(): Promise<void>
  members(): Promise<readonly Member[]>
  /** Says who may do what. */
  setRights(rights: Rights): Promise<void>
  /** Tells when this app is in it no more. */
  watch(listener: (event: PoolEvent) => void): () => void
}

/** Who would get a call, and why. */
export interface Explanation {
  readonly policy: Policy | null
  readonly member: boolean
  readonly mayExecute: boolean
  readonly candidates: readonly Candidate[]
  /** `to`, `queue`, `busy`, `draining`, `declined` or `nobody`. */
  readonly outcome: string
  readonly chosen: string | undefined
  readonly queued: number
  readonly deadline: number
}

export interface Candidate {
  readonly app: string
  readonly pending: number
  readonly queued: number
  readonly roundTripMs: number
  readonly passedOver: string | undefined
}

/** A process among those of a server's pools. */
export interface App {
  readonly id: string
  readonly state: AppState
  /** What this app may do, by pool, as the last handshake said. */
  readonly rights: ReadonlyMap<string, readonly string[]>
  /** The server's limits by name, as the last handshake said. */
  readonly limits: ReadonlyMap<string, number>
  /** Resolves when it is registered. A trigger has one handler in an app; another replaces it. */
  handle<I = unknown, O = unknown>(
    trigger: string,
    work: Work<I, O>,
    options?: HandleOptions,
  ): Promise<Undo>
  /** Rejects with PoolsError. The type of its result is the caller's word. */
  call<O = unknown>(trigger: string, payload?: unknown, options?: CallOptions): Promise<O>
  stream<O = unknown>(trigger: string, payload?: unknown, options?: CallOptions): Stream<O>
  /** Resolves when it has left, or with `ack` when it has arrived; the socket's pace is yours then. */
  emit(name: string, payload?: unknown, options?: EmitOptions): Promise<Reached | undefined>
  on<T = unknown>(
    pattern: string,
    listener: (payload: T, emit: Emit) => void,
    options?: OnOptions,
  ): Promise<Undo>
  pool(name: string): Pool
  explain(trigger: string, options?: CallOptions): Promise<Explanation>
  /** Asks the server: `list_apps`, `list_triggers` and the like; its answer as it is. */
  admin(operation: string, options?: AdminOptions): Promise<Readonly<Record<string, unknown>>>
  /** Gets no new calls; resolves when those it holds are done. */
  drain(): Promise<void>
  /** Drains, for at most `withinMs` (10,000), and goes. */
  close(options?: { readonly withinMs?: number }): Promise<void>
  /** Tells each new state, and why it was lost. */
  watch(listener: (state: AppState, why: PoolsError | undefined) => void): () => void
}

export interface AdminOptions {
  readonly target?: string
  readonly params?: Readonly<Record<string, unknown>>
}

/** What is known of a failure besides its code and sentence. */
export interface PoolsErrorFacts {
  readonly retry: Advice
  readonly retryAfterMs?: number
  readonly executionUncertain?: boolean
  readonly handlerCode?: string
  readonly field?: string
  readonly reason?: string
  readonly detail?: unknown
}

/**
 * Every failure of pools. `code` is a word of docs/protocol/pools.md such as NO_HANDLER; `retry` says
 * what to do: `fix` the request, repeat it `later` or `now`, `idem` only if it may run twice; with
 * `conn` the SDK comes back by itself, with `stay` it does not.
 */
export class PoolsError extends Error {
  readonly code: string
  readonly retry: Advice
  readonly retryAfterMs: number | undefined
  /** Whether the work may have been done all the same. */
  readonly executionUncertain: boolean
  /** The handler's own, with HANDLER_ERROR. */
  readonly handlerCode: string | undefined
  /** A JSON pointer to what was wrong, and what was expected of it. */
  readonly field: string | undefined
  readonly reason: string | undefined
  readonly detail: unknown

  constructor(code: string, sentence: string, facts: PoolsErrorFacts) {
    super(sentence)
    this.name = "PoolsError"
    this.code = code
    this.retry = facts.retry
    this.retryAfterMs = facts.retryAfterMs
    this.executionUncertain = facts.executionUncertain ?? false
    this.handlerCode = facts.handlerCode
    this.field = facts.field
    this.reason = facts.reason
    this.detail = facts.detail
  }
}
