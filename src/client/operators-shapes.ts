/** What the operators' part of the SDK offers: its types, and the one error it throws. */
import type { RefusalReason } from "../wire/operators.ts"
import type { Limits } from "../wire/operators-told.ts"
import type { Ending } from "./socket.ts"

/** Who logs in, and how. */
export interface OperatorsOptions {
  readonly callsign: string
  /** Asked at each login; it is not kept in between. */
  readonly password: () => string | Promise<string>
  /** The token of an invitation, for a registration. */
  readonly invite?: string
  /**
   * Whether a callsign that nobody has is registered, which takes the same password a second time;
   * false if not said. A function is given the password, and may ask a person first.
   */
  readonly register?: boolean | ((password: string) => boolean | Promise<boolean>)
}

/** How a message of one's own ended. "unknown": the server restarted, or has forgotten it. */
export type End = "taken" | "expired" | "dropped" | "recalled" | "refused" | "unknown"

/** A message for us. */
export interface Incoming {
  readonly id: string
  readonly sender: string
  /** Which registration of the sender's callsign it is from: eight hexadecimal digits. */
  readonly generation: string
  readonly text: string
  readonly waitedSeconds: number
}

/** A message of ours; its fields change as the server tells more. */
export interface Outgoing {
  readonly ref: string
  readonly target: string
  readonly text: string
  /** The server's; undefined until it has accepted the message. */
  readonly id: string | undefined
  /** Which registration of the target took it; undefined until it was accepted. */
  readonly generation: string | undefined
  readonly state: "unsent" | "waiting" | "handed" | End
  /** Its place in the mailbox when it was queued, and how many that holds. */
  readonly place: { readonly place: number; readonly limit: number } | undefined
  /** Why it was refused. */
  readonly reason: RefusalReason | undefined
  /** Of one that ended as "unknown": how it was known last. */
  readonly lost: "unanswered" | "waiting" | "handed" | undefined
  /** Rejects with OperatorsError when that will never be known. */
  readonly accepted: Promise<"sent" | "queued" | "refused">
  readonly ended: Promise<End>
  /** Takes it back unless somebody was handed it; says whether that came about. */
  recall(): Promise<boolean>
}

/** One of our own sessions. `here` is this one. */
export interface OwnSession {
  readonly number: number
  readonly openSeconds: number
  readonly quietSeconds: number
  readonly mode: "classic" | "extended"
  readonly here: boolean
}

/** One logged-in callsign, which logs in again whenever the line was lost. */
export interface Operators {
  /** As it was registered, from the first login on. */
  readonly callsign: string
  readonly generation: string
  readonly epoch: string
  readonly limits: Limits
  readonly state: "connecting" | "ready" | "away" | "closed"
  /**
   * Sends a text, now or once there is a line. Throws OperatorsError: "too-many" when 256 are
   * unsent, "bad-line" for a target or ref that cannot be one, "closed" after the end.
   */
  send(target: string, text: string, options?: SendOptions): Outgoing
  /** What we sent and what has no end yet, in the order of sending. */
  pending(): readonly Outgoing[]
  sessions(): Promise<readonly OwnSession[]>
  /** Closes another session of ours. Rejects with OperatorsError "gone" when there is none. */
  end(session: number): Promise<void>
  /** For good. Rejects with OperatorsError when the server did not do it. */
  deleteAccount(): Promise<void>
  /** The server is told `got` when every listener has returned or resolved. Each on… gives its undo. */
  onMessage(listener: (message: Incoming) => void | Promise<void>): () => void
  /** What another session of ours has sent. */
  onOwn(listener: (message: Outgoing) => void): () => void
  onState(listener: (state: Operators["state"], why: string) => void): () => void
  /** The server restarted: these had no end, and none of them is sent again by itself. */
  onEpoch(listener: (lost: readonly Outgoing[]) => void): () => void
  close(): void
}

export interface SendOptions {
  /** 1 to 32 letters, digits, `-` and `_`; drawn at random if not said. */
  readonly ref?: string
  /** Refused as "changed" if the target is of another generation. */
  readonly generation?: string
}

/** Why something could not be done: a reason of the server's, or one of our own. */
export class OperatorsError extends Error {
  readonly code: RefusalReason | "too-many" | "closed" | "unknown"

  constructor(code: OperatorsError["code"], sentence: string) {
    super(sentence)
    this.name = "OperatorsError"
    this.code = code
  }
}

/** A connection that carries lines and comes back by itself. `Socket` is one. */
export interface Line {
  /** Without a newline. False when there is no connection; then it is not said later either. */
  send(line: string): boolean
  /** The login worked: the next return begins with short waits again. */
  settle(): void
  /** Gives this connection up and comes back after the usual wait. */
  rejoin(): void
  /** Ends it for good; the owner is told nothing more. */
  close(): void
}

/** What a line tells. None of these is called from inside `OpenLine`. */
export interface LineOwner {
  opened(): void
  heard(line: string): void
  lost(ending: Ending): void
}

/** Opens a line at once, and again whenever that fails. */
export type OpenLine = (owner: LineOwner) => Line
