/**
 * What stands on the wire between an editor and the documents part: shapes only, no checks, so that
 * a client may read this file.
 *
 * Three kinds of editor share one set of messages. Plain ones speak the shapes of Kolabpad or of
 * Rustpad and ask for nothing; an extended one asks for the subprotocol below and may resume.
 * What always holds: a message is an object with one key, positions and lengths count Unicode code
 * points, and what an editor is sent is never changed afterwards.
 */
import type { Component, Operation } from "../ot/operation.ts"

/** The subprotocol that makes an editor an extended one. */
export const documentsProtocol = "quartet-documents-1"

/** A subprotocol entry that begins with this carries a document's OTP. */
export const otpEntry = "otp."

/** The author of what no editor wrote. The seeds send 2^64−1, which no number here holds (DC56). */
export const systemUser = Number.MAX_SAFE_INTEGER

/** Which shapes a connection speaks. The plain two differ in three messages only. */
export type Shape = "kolabpad" | "rustpad" | "extended"

/** What an editor may do (DC91). */
export type Role = "full" | "edit" | "read"

/** What a link may let its holder do: whoever came by the id does more. */
export type LinkRole = Exclude<Role, "full">

/** An editor's name, and its colour as a hue. */
export interface Info {
  readonly name: string
  readonly hue: number
}

/** Carets, and selections as anchor and head. */
export interface Cursors {
  readonly cursors: readonly number[]
  readonly selections: readonly (readonly [anchor: number, head: number])[]
}

/** An accepted operation and its author's user id. */
export interface Element {
  readonly id: number
  readonly operation: Operation
}

/** Someone in a document. `info` is null while it has no name. */
export interface Present extends Cursors {
  readonly id: number
  readonly info: Info | null
}

/** The first answer to an extended editor. */
export interface Welcome {
  readonly id: number
  readonly role: Role
  readonly epoch: string
  /** Of `text`, or from where the tail leads on. */
  readonly revision: number
  /** Where the tail ends: the present revision. */
  readonly head: number
  /** The last sequence number accepted from this client key, 0 for none, null for not known (DC46). */
  readonly applied: number | null
  /** The document has never held anything. */
  readonly fresh: boolean
  /** Absent when the tail leads on from where the client stands. */
  readonly text?: string
  readonly language: string | null
  readonly protected: boolean
  /** Absent while there is none, and for every role but `full`. */
  readonly otp?: string
  /** With cursors at `head`. */
  readonly users: readonly Present[]
  /** Proves over HTTP that the caller is this editor. */
  readonly secret: string
  /** Whether `Saved` will ever come. */
  readonly durable: boolean
  /** The revision up to which everything is durable. */
  readonly saved: number
  /**
   * When this will end: the document is deleted then unless someone comes back before, or the link
   * that one came by ends sooner. ISO 8601, null for never.
   */
  readonly expires_at: string | null
  readonly limits: {
    /** Code points of a text. */
    readonly length: number
    /** Bytes of a message. */
    readonly frame: number
    readonly components: number
  }
  readonly server: string
}

/** The codes of an Error: all refuse a message and none ends the connection. */
export type Refused =
  | "stale-revision"
  | "too-large"
  | "bad-operation"
  | "read-only"
  | "bad-message"
  | "unavailable"

/** What is wrong with an edit, or with the server: then there is no `seq`. */
export interface Refusal {
  readonly code: Refused
  readonly message: string
  readonly seq?: number
  readonly revision: number
  /** Whether it may work when it is tried again. */
  readonly retry: boolean
}

/** What an editor hears. Which shapes hear what is in the manual of the protocol. */
export type ToEditor =
  | { readonly Identity: number }
  | { readonly History: { readonly start: number; readonly operations: readonly Element[] } }
  | { readonly Language: LanguageSet | string }
  | { readonly OTP: { readonly otp: string | null } & By }
  | { readonly UserInfo: { readonly id: number; readonly info?: Info | null } }
  | { readonly UserCursor: { readonly id: number; readonly data: Cursors } }
  | { readonly Welcome: Welcome }
  | { readonly Ack: { readonly seq: number; readonly revision: number } }
  | { readonly Error: Refusal }
  | { readonly Saved: { readonly revision: number; readonly checksum?: string } }
  | { readonly Cursors: { readonly revision: number; readonly cursors: readonly Placed[] } }
  | { readonly Access: { readonly protected: boolean; readonly expires_at: string | null } }
  | { readonly Alive: { readonly revision: number } }

/** Who did it. The seeds spell it so. */
export interface By {
  readonly user_id: number
  readonly user_name: string
}

/** The language as all but the Rustpad shape say it. */
export interface LanguageSet extends By {
  readonly language: string
}

/** An editor's cursors. */
export interface Placed extends Cursors {
  readonly id: number
}

/** What an extended editor says first. */
export interface Join {
  /** A secret name that it keeps across reconnects: 128 bits in base64url. */
  readonly client: string
  readonly name?: string
  readonly hue?: number
  /** Where it stands; without it the answer is the whole text. */
  readonly resume?: {
    readonly epoch: string
    readonly revision: number
    /** The number of the edit that may be in flight. */
    readonly seq: number | null
    /** Seconds since that was first sent. */
    readonly age: number
    /** Whether it has edits that were not acknowledged. */
    readonly pending: boolean
  }
}

/** What an editor says, as it stands on the wire. */
export type FromEditorShape =
  | { readonly Join: Join }
  | { readonly Edit: EditShape }
  | { readonly SetLanguage: string }
  | { readonly ClientInfo: Info }
  | { readonly CursorData: Cursors & { readonly revision?: number } }

/** An edit of the text at `revision`; an extended editor numbers its edits and may add its carets. */
export interface EditShape extends Partial<Cursors> {
  readonly revision: number
  readonly operation: readonly Component[]
  readonly seq?: number
}
