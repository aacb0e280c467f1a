/**
 * One replica in one room: who it is, what it may do, and how to speak to it.
 *
 * What always holds: everything about a replica is keyed by this object, never by its name, so the
 * late end of an old socket removes nothing of a newer one (RL85).
 */
import type { Role } from "../service.ts"
import type { Code } from "../wire/error.ts"
import type { Notice, ToOpaque, ToYjsReplica } from "../wire/relay.ts"
import type { Ask } from "./asks.ts"

/** How a dialect reaches its replica. */
export interface Outlet<Out> {
  /** More is unsent than a replica that keeps up would have. */
  readonly behind: boolean
  /** Sends, and never skips. */
  send(message: Out): void
  close(code: Code, sentence: string): void
}

/** How a dialect of Yjs reaches its replica. What it has no words for, it leaves unsaid. */
export interface YjsOutlet extends Outlet<ToYjsReplica> {
  notice(notice: Notice): void
  /** Whether its client asked to be told who may fill a new room. */
  readonly hearsSeeds: boolean
  /** Whether its client is told which of its changes were accepted, and so must be asked for what it has. */
  readonly isAcknowledged: boolean
  /** A change, or the answer to the ask that came with joining, was accepted or was not. */
  acknowledge(accepted: boolean): void
  /** A text of another replica, where its dialect has such. */
  stateless(text: string): void
}

/** How the dialect of opaque rooms reaches its replica. */
export interface OpaqueOutlet extends Outlet<ToOpaque> {
  /** Whether its client reads several messages in one. */
  readonly hasBatches: boolean
  /** Whether its client asked to be told who may fill a new room. */
  readonly hearsSeeds: boolean
  /** Whether its client asked to be told which of its changes were accepted. */
  readonly hearsAcks: boolean
}

/** Who a replica is, as its token or its absence says. */
export interface Who {
  /** Undefined for someone without a token. */
  readonly subject: string | undefined
  readonly role: Role
  /** When its token was issued, in ms since 1970. */
  readonly since: number | undefined
}

/**
 * "newcomer": has not been given the content yet. "holder": has it. "reader": a viewer that was
 * given it; what it holds could be forged, so it is not asked.
 */
export type Standing = "newcomer" | "holder" | "reader"

const minuteMs = 60_000

export class Replica<O extends Outlet<never> = YjsOutlet> {
  readonly outlet: O
  /** Whether it stands for another server. */
  readonly isFar: boolean = false
  readonly subject: string | undefined
  readonly since: number | undefined
  /** ms since 1970. */
  readonly joinedAt: number
  role: Role
  standing: Standing = "newcomer"
  /** The asks put to it that it has not answered, oldest first: its n-th answer is to the n-th (RL23). */
  readonly asked: Ask<O>[] = []
  /** Answers it was late with, in a row. */
  missed = 0
  /** Not asked again before. */
  restsUntil = 0
  /** Whether it sent a change since it joined. */
  hasWritten = false
  /**
   * What it is to be told of what it brought, once it has the content: a client that counts what was
   * not accepted calls itself synced when the count is zero.
   */
  verdict: boolean | undefined
  /** Times at which it asked for content in the last minute. */
  readonly stepsAt: number[] = []

  constructor(outlet: O, { subject, role, since }: Who, joinedAt: number) {
    this.outlet = outlet
    this.subject = subject
    this.since = since
    this.role = role
    this.joinedAt = joinedAt
  }

  get mayWrite(): boolean {
    return this.role !== "viewer"
  }

  /** Whether it may ask for content once more; counts it then. At most `perMinute` times (RL36). */
  mayStep(perMinute: number, now: number): boolean {
    while (this.stepsAt[0] !== undefined && this.stepsAt[0] <= now - minuteMs) this.stepsAt.shift()
    if (this.stepsAt.length >= perMinute) return false
    this.stepsAt.push(now)
    return true
  }

  /** From here on it has the content. */
  filled(): void {
    this.standing = this.mayWrite ? "holder" : "reader"
  }
}
