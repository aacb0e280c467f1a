/**
 * One call: what its caller waits for, and what a handler holds of it.
 *
 * What always holds: a call is in one state at a time and settles once. What a handler holds outlives
 * a call that was cancelled or came too late: it fills one of the handler's places until the handler
 * has answered, or until it has had time enough to stop.
 */
import type { Id, Start } from "../wire/pools-shapes.ts"
import type { Timed } from "./agenda.ts"
import type { CallQueue } from "./queue.ts"
import type { Run } from "./repeats.ts"
import type { Session } from "./session.ts"
import type { Registration, Trigger } from "./trigger.ts"

export type CallState =
  | typeof loose
  /** Nobody handles it yet, and its caller gave it time. */
  | { readonly is: "waiting" }
  | { readonly is: "queued"; readonly queue: CallQueue }
  | { readonly is: "dispatched"; readonly held: Held }
  /** Its handler has been told to stop, and its caller waits for that. */
  | { readonly is: "stopping"; readonly held: Held }
  /** Another call with its key runs: it gets the same answer. */
  | { readonly is: "following" }
  | typeof settled

/** Not placed or listed anywhere: just begun, or on its way from one place to another. */
export const loose = { is: "loose" } as const
export const settled = { is: "settled" } as const

/** Credit and numbers of what is streamed, each way. */
export interface Flow {
  /** Chunks that may still be sent. */
  credit: number
  next: number
  isOver: boolean
}

export interface CallOptions {
  readonly caller: Session
  readonly trigger: Trigger
  readonly start: Start
  readonly deadline: number
  readonly waitUntil: number
  readonly parent: Call | undefined
  readonly startedAt: number
}

export class Call implements Timed {
  caller: Session
  readonly callerId: Id
  readonly trigger: Trigger
  /** What was asked; undefined once it was handed over and may not be handed over again. */
  start: Start | undefined
  /** Bytes of payload that are kept for it beyond its first moment. */
  keptBytes = 0
  readonly deadline: number
  readonly waitUntil: number
  readonly startedAt: number
  readonly isDetached: boolean
  readonly isMarkedIdempotent: boolean
  /** 16 bytes that what is sealed for it is bound to. */
  readonly nonce: Uint8Array | undefined
  /** Its handler's text, so that nested calls and records keep the trace. */
  readonly traceparent: string | undefined
  /** The apps' own id of what it is a part of. */
  readonly correlation: string | undefined
  state: CallState = loose
  /** When something is to be done about it: not changed while it is listed. */
  dueAt: number
  attempt = 1
  readonly parent: Call | undefined
  /** Open calls that its handler makes for it; made with the first. */
  children: Set<Call> | undefined
  /** Handlers that declined. */
  declined: Set<Registration> | undefined
  run: Run | undefined
  /** What flows to the caller, and to the handler. */
  results: Flow | undefined
  input: Flow | undefined

  constructor(options: CallOptions) {
    const { start, deadline } = options
    this.caller = options.caller
    this.callerId = start.id
    this.trigger = options.trigger
    this.start = start
    this.deadline = deadline
    this.dueAt = deadline
    this.waitUntil = options.waitUntil
    this.startedAt = options.startedAt
    this.parent = options.parent
    this.isDetached = start.flags.has("detach")
    this.isMarkedIdempotent = start.flags.has("idempotent") || start.key !== undefined
    this.nonce = start.nonce?.slice()
    this.traceparent = start.traceparent
    this.correlation = start.correlation
  }

  /** Whether a chunk has gone either way: then it cannot begin anew elsewhere. */
  get hasFlowed(): boolean {
    return (this.results?.next ?? 0) > 0 || (this.input?.next ?? 0) > 0
  }
}

/** A call in the hands of one connection. */
export class Held implements Timed {
  /** Undefined once the call was settled without this handler. */
  call: Call | undefined
  /** Another one where the handler has registered anew. */
  registration: Registration
  /** Ours, of this connection. */
  readonly id: number
  readonly since: number
  /** Until when an abandoned one fills its place. */
  dueAt = 0

  constructor(
    call: Call,
    options: { readonly registration: Registration; readonly id: number; readonly since: number },
  ) {
    this.call = call
    this.registration = options.registration
    this.id = options.id
    this.since = options.since
  }
}
