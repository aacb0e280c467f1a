/**
 * The SDK's documents: texts that many edit at once. What is here to be opened and read, and the
 * types of what comes out; a text itself is shared-text.ts.
 *
 * What always holds: positions and lengths are code points unless a text says otherwise, and an
 * OTP never stands in an address.
 */
import type { PendingRecord, RefusalCode } from "../ot/effects.ts"
import type { Operation } from "../ot/operation.ts"
import type { OfflineStore } from "./offline.ts"
import type { Playback, Routes, StoredText } from "./routes.ts"
import { SharedText } from "./shared-text.ts"
import type { Ending } from "./socket.ts"

/** What opens a protected document. */
export interface Access {
  readonly otp?: string
}

/** Who one is to the others. */
export interface Person {
  /** Without a name one is "Anonymous". */
  readonly name?: string
  /** A colour, 0 to 359. Drawn at random if there is a name and no hue. */
  readonly hue?: number
}

/** How a document is written to by HTTP. */
export interface WriteOptions extends Access {
  /** A name for this one write, 1 to 64 characters: said twice, it is done once. */
  readonly once?: string
}

/** How a document is opened. */
export interface OpenOptions extends Access, Person {
  /** Never edits, whatever the server would let it. */
  readonly readOnly?: boolean
  /** Goes on from what `SharedText.record` gave, with all that was pending then. */
  readonly record?: PendingRecord
  /**
   * Where the text and what is pending on it are kept, so that a known document opens without a
   * network and edits survive a closed tab. Not used where `record` is given.
   */
  readonly store?: OfflineStore
}

/**
 * Whether what was typed here and is not acknowledged is in the store: "off" where there is none, or
 * another tab has this document there; "due" until it is written; "failed" while the store does
 * not take it. Editing goes on in each of them. Who leaves while edits are not acknowledged and
 * this is not "kept" loses those.
 */
export type Keeping = "off" | "due" | "kept" | "failed"

/**
 * "connecting" until the first Welcome; then what is pending: nothing, one edit in flight, more
 * behind it; "resuming" while there is no server to agree with; "closed" for good.
 */
export type TextState =
  | "connecting"
  | "synchronized"
  | "awaiting"
  | "buffering"
  | "resuming"
  | "closed"

/** Why an edit was refused. */
export type ErrorCode = RefusalCode

/** What a shared text tells its listeners, by event. */
export interface TextEvents {
  /** The text changed; `id` is the author, where it is one other editor. */
  change(change: {
    readonly operation: Operation
    readonly by: "me" | "others" | "rollback"
    readonly id?: number
  }): void
  state(state: TextState): void
  /** Somebody came, went, was renamed or moved. */
  editors(): void
  /** The role, the language, the OTP or the expiry is another. */
  access(): void
  /** Everything up to this revision is on the server's disk. */
  saved(revision: number): void
  /** Whether what was typed here is in the store is another now. */
  kept(keeping: Keeping): void
  /** An edit was refused and is undone; or another wish was, and then `inserted` is empty. */
  refused(refusal: {
    readonly code: ErrorCode
    readonly inserted: string
    readonly sentence: string
  }): void
  /**
   * The server has another text than was believed; `resend` puts back what it lacks. It has less
   * than it acknowledged ("rolled-back"), nobody knows whether an edit was applied ("unsure"), or
   * there was a fault ("diverged").
   */
  lost(loss: {
    readonly why: "rolled-back" | "unsure" | "diverged"
    readonly mine: string
    readonly server: string
    resend(): void
  }): void
  /** The server has nothing under this id any more. Until one of the two is called nothing is sent. */
  emptied(choice: { readonly text: string; restore(): void; discard(): void }): void
  /** The line ended. With `comesBack` it is tried again by itself; without, the state is "closed". */
  closed(reason: Ending): void
}

/** The documents of one server. */
export class Documents {
  readonly #routes: Routes
  readonly #person: Person

  /** Opened by `connect`. */
  constructor(routes: Routes, person: Person) {
    this.#routes = routes
    this.#person = person
  }

  /** Opens a document by its id or by a link. Returns at once; it connects, and reconnects. */
  open(id: string, options: OpenOptions = {}): SharedText {
    return new SharedText(id, this.#routes, { ...this.#person, ...options })
  }

  /**
   * The text of a document as it is now: empty for an unknown one. Rejects with the server's
   * sentence if it is refused; `cause` is then the HTTP status.
   */
  read(id: string, access: Access = {}): Promise<StoredText> {
    return this.#routes.text(id, access.otp)
  }
  /**
   * Makes the text of a document this one: what is equal in both is not touched, nor is what others
   * type there. With `ifMatch`, an `etag` of `read`, what others wrote since then stays. Resolves
   * with the new revision; rejects as `read` does.
   */
  replace(
    id: string,
    text: string,
    options: WriteOptions & { readonly ifMatch?: string } = {},
  ): Promise<number> {
    return this.#routes.replace(id, text, options)
  }

  /** Adds `text` at the end of a document. Resolves with the new revision; rejects as `read` does. */
  append(id: string, text: string, options: WriteOptions = {}): Promise<number> {
    return this.#routes.append(id, text, options)
  }

  /**
   * The text of a document as it was at revision `from`, and what was done to it after that: at
   * most `limit` operations. Rejects as `read` does; with 410 where that is not kept any more.
   */
  history(
    id: string,
    from: number,
    options: Access & { readonly limit?: number } = {},
  ): Promise<Playback> {
    return this.#routes.history(id, from, options)
  }
}
