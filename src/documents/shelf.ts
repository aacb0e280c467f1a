/**
 * Where documents lie when they are not in memory: the contract.
 *
 * What always holds: a read that fails throws and is never taken for "no such document"; a save
 * never replaces a newer revision, another epoch or a deleted row; nothing here waits on the disk.
 * Every method may throw when the store cannot be read or written.
 */
import type { Operation } from "../ot/operation.ts"
import type { LinkRole } from "../wire/documents-shapes.ts"

/** One accepted edit as the journal keeps it: applied to the text at `revision`, it makes `revision + 1`. */
export interface JournalEntry {
  readonly document: string
  readonly epoch: string
  readonly revision: number
  readonly user: number
  /** The name of the author's client key, see `clientOf`, and its sequence number; undefined for a plain editor. */
  readonly author: { readonly client: string; readonly seq: number } | undefined
  readonly operation: Operation
}

/** A client key that wrote in a document, kept so that an edit sent twice is applied once. */
export interface AuthorRow {
  readonly client: string
  readonly user: number
  /** The last sequence number accepted from it, 0 for none. */
  readonly seq: number
  readonly name: string | undefined
  readonly hue: number | undefined
  /** ms since 1970. */
  readonly seenAt: number
}

/** An accepted operation as history keeps it; `at` is in ms since 1970. */
export interface PastEdit {
  readonly user: number
  readonly at: number
  readonly operation: Operation
}

/** A link, as it is kept: not itself, only its hash (DC89). */
export interface StoredLink {
  /** SHA-256 of the link: 32 bytes. */
  readonly hash: Uint8Array
  readonly document: string
  readonly role: LinkRole
  readonly label: string | undefined
  /** ms since 1970; undefined for one that ends only when it is revoked. */
  readonly expiresAt: number | undefined
  /** ms since 1970. */
  readonly createdAt: number
}

/** The links of all documents. They go with their documents, and some time after their ends. */
export interface LinkShelf {
  /** By primary key; expired or not. A link whose document is gone is not found. */
  find(hash: Uint8Array): StoredLink | undefined
  /** All of one document, oldest first; expired or not. */
  of(document: string): readonly StoredLink[]
  /** Adds `link`; those of its document that expired before it was created go. Returns false where that document is not stored. */
  add(link: StoredLink): boolean
  remove(hash: Uint8Array): void
}

/** A text that is kept of an earlier revision. */
export interface Milestone {
  readonly revision: number
  readonly text: string
}

/** A document as it was stored. */
export interface Stored {
  readonly id: string
  readonly text: string
  readonly language: string | undefined
  readonly otp: string | undefined
  /** Names this line of history: `document.epoch` joined with the generation of the file (DC59). */
  readonly epoch: string
  readonly revision: number
  /** The next user id that nobody has had. */
  readonly nextUser: number
  readonly authors: readonly AuthorRow[]
  /** The latest time, ms since 1970, at which a client key was seen that has been forgotten since; 0 for none. */
  readonly authorsFloor: number
  /** When it was last used, in ms since 1970; undefined where nobody knows: then it does not expire. */
  readonly accessedAt: number | undefined
  /** Days after the last access, chosen for this document; undefined follows the server. */
  readonly retentionDays: number | undefined
}

/** A document as it is to be saved. */
export interface Snapshot {
  readonly id: string
  readonly text: string
  readonly language: string | undefined
  readonly otp: string | undefined
  readonly epoch: string
  readonly revision: number
  readonly nextUser: number
  /** ms since 1970. */
  readonly accessedAt: number
  /** Those authors that changed since the last save. */
  readonly authors: readonly AuthorRow[]
  readonly authorsFloor: number
  /** What was accepted since the last save: its last one made `revision`. */
  readonly past: readonly PastEdit[]
}

export interface Shelf {
  /** False for `:memory:`: then OTPs are refused, since a restart would drop them. */
  readonly durable: boolean
  readonly links: LinkShelf
  /** False where PLAYBACK_KB is 0: then nothing of the past is given out. */
  readonly keepsPast: boolean
  /** The OTP alone, by primary key: undefined for an unknown document, null for an open one. */
  otp(id: string): string | null | undefined
  load(id: string): Stored | undefined
  /** A fresh epoch for a document that is made now. */
  newEpoch(): string
  /** One journal row for all entries of a flush, and an empty row for each document not yet stored: its first entry is at revision 0. */
  append(entries: readonly JournalEntry[], now: number): void
  /**
   * Saves all in one transaction, so callers give a hundred at the most. Returns the ids of those
   * that were overtaken or deleted and so not saved: without a row only revision 0 makes one.
   */
  save(snapshots: readonly Snapshot[]): ReadonlySet<string>
  /** Sets the language of a stored document at once; of one that is not stored, nothing. */
  setLanguage(id: string, language: string): void
  /** Sets when a stored document was last used, in ms since 1970; of one that is not stored, nothing. */
  touch(id: string, accessedAt: number): void
  /** The operations from `from` on, up to `limit`, oldest first; undefined when `from` is no longer kept. */
  past(id: string, from: number, limit: number): readonly PastEdit[] | undefined
  /** The newest text kept of a revision no higher than `revision`; `past` leads on from there (DC97). */
  milestone(id: string, revision: number): Milestone | undefined
  /** The text as it was saved last, without what only the journal has. */
  saved(id: string): Milestone | undefined
  /** The oldest revision of which a text is kept beside the saved one; undefined when there is none. */
  oldest(id: string): number | undefined
  /** Sets for how many days a stored document is kept unused (DC27); undefined follows the server. */
  setRetention(id: string, days: number | undefined): void
  /** Those of `ids` whose rows were deleted by another program. */
  missing(ids: readonly string[]): readonly string[]
  remove(id: string): void
  /** Deletes what is past its retention, up to a bounded number of rows; `keep` are in memory. Returns how many documents. */
  expire(now: number, retentionDays: number, keep: ReadonlySet<string>): number
  /** Stored documents. */
  count(): number
  /** Answers when all that was written before is on the disk. */
  sync(answer: () => void): void
  /** After the last write of an orderly stop: the next start keeps the epochs. */
  markClean(): void
}
