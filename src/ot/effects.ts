/**
 * What a Pending is told, what it returns, and what of it can be kept: plain values, no behaviour.
 *
 * What always holds: texts in them are whole and well-formed, revisions and numbers are integers
 * from 0, times are ms since 1970 unless a unit is named. All of it is JSON but for operations.
 */
import type { Component, Operation } from "./operation.ts"

/** Resuming: no text is agreed on with the server now; everything typed is kept. */
export type PendingState = "synchronized" | "awaiting" | "buffering" | "resuming"

/** The codes of an Error that names an edit. All but the first two roll the edit back. */
export type RefusalCode =
  | "stale-revision"
  | "unavailable"
  | "too-large"
  | "bad-operation"
  | "bad-message"
  | "read-only"

/** Send this edit. It counts as sent at once, whether or not the line still stands. */
export interface Send {
  readonly kind: "send"
  readonly seq: number
  readonly revision: number
  readonly operation: Operation
}

/** The shown text changes by `operation`. Several in a row may be composed and shown at once. */
export interface Show {
  readonly kind: "show"
  readonly operation: Operation
  readonly by: "me" | "others" | "rollback"
  /** The author, where it is one other editor. */
  readonly id?: number
}

/** An edit was refused and is out of the shown text; `inserted` is what it had put in. */
export interface Refused {
  readonly kind: "refused"
  readonly code: RefusalCode
  readonly inserted: string
}

/**
 * The server has another text than was believed; `resend` puts back what it lacks.
 *
 * "rolled-back": it has less than it acknowledged (DC149). "unsure": nobody knows whether an edit
 * was applied, so it was taken out (DC148). "diverged": a fault, of ours or of the server.
 */
export interface Lost {
  readonly kind: "lost"
  readonly why: "rolled-back" | "unsure" | "diverged"
  /** What was shown before, and what the server has. */
  readonly mine: string
  readonly server: string
}

/** The server has nothing under this id any more: its user says `restore` or `discard` (DC150). */
export interface Emptied {
  readonly kind: "emptied"
  readonly text: string
}

/** Drop the socket and join anew. */
export interface Fault {
  readonly kind: "fault"
}

/** One thing for the caller to do. */
export type Effect = Send | Show | Refused | Lost | Emptied | Fault

/** What the caller is to do, in this order. */
export type Effects = readonly Effect[]

/** One element of a History message. */
export interface Accepted {
  readonly id: number
  readonly operation: Operation
}

/** An Error message that names an edit. */
export interface Refusal {
  readonly code: RefusalCode
  readonly seq: number
  readonly revision: number
}

/** What a Welcome says of the text. Without `text` the tail begins where we stand. */
export interface Greeting {
  /** Our user id. */
  readonly id: number
  readonly epoch: string
  readonly revision: number
  /** The revision at which the tail ends. */
  readonly head: number
  /** The last number accepted from this client key, 0 for none, null for not known. */
  readonly applied: number | null
  readonly fresh: boolean
  readonly text?: string
}

/** What a Join says of where we stand. */
export interface Resume {
  readonly epoch: string
  readonly revision: number
  /** The number of the edit that may be in flight. */
  readonly seq: number | null
  /** Seconds since that was first sent. */
  readonly age: number
  /** Whether there are edits not yet acknowledged. */
  readonly pending: boolean
}

/** All a later Pending needs to go on from here, as one value. */
export interface PendingRecord {
  readonly client: string
  /** The last number used, and the last one acknowledged. */
  readonly seq: number
  readonly acknowledged: number
  readonly epoch: string | undefined
  readonly revision: number
  readonly confirmed: string
  /** Without `sentAt` it was never handed to a socket. */
  readonly outstanding:
    | { readonly seq: number; readonly operation: readonly Component[]; readonly sentAt?: number }
    | undefined
  readonly buffer: readonly Component[] | undefined
}
