/**
 * What replicas and the relay say to each other, whatever the dialect. Types, and a few limits.
 *
 * What always holds: a message that was sent is never changed afterwards, so one object goes to
 * all who get it, and is encoded once for each dialect and form. Bytes inside a message are views
 * into the frame that brought them; who keeps them long copies them.
 */

/** Sizes in bytes that a dialect holds its frames to. What is larger becomes "oversize". */
export interface FrameLimits {
  /** Of one awareness frame, without what is around it. */
  readonly presenceFrameBytes: number
  /** Of the state of one row, or of the payload of one PRESENCE, as JSON. */
  readonly presenceRowBytes: number
  readonly statelessBytes: number
}

/** A token has at most so many bytes. */
export const tokenBytes = 16 * 1024

/** A room's name has at most so many bytes. */
export const roomNameBytes = 256

/** What a token lets a replica do. */
export type Role = "viewer" | "editor" | "admin"

/** One line of presence. `state` is JSON; null says that whoever it was is gone. */
export interface Row {
  readonly id: number
  readonly clock: number
  readonly state: string | null
}

/** "What do you have that I lack?" `vector` is an encoded state vector, unchecked. */
export interface Step1 {
  readonly kind: "step1"
  readonly vector: Uint8Array
}

/** The answer to a Step1: a Yjs update, unchecked. */
export interface Step2 {
  readonly kind: "step2"
  readonly update: Uint8Array
}

/** A change: a Yjs update, unchecked. */
export interface Update {
  readonly kind: "update"
  readonly update: Uint8Array
}

/** Changed rows of presence. */
export interface Awareness {
  readonly kind: "awareness"
  readonly rows: readonly Row[]
}

/** A text for the programs at the other ends; the relay makes nothing of it. */
export interface Stateless {
  readonly kind: "stateless"
  readonly text: string
}

/** A newer token. */
export interface Token {
  readonly kind: "token"
  readonly token: string
}

/** It goes, and says so. Its socket may stay. */
export interface Leave {
  readonly kind: "leave"
}

/** Larger than a limit: to be dropped and counted. It is no fault of form. */
export interface Oversize {
  readonly kind: "oversize"
  readonly what: "presence" | "stateless"
  readonly sentence: string
}

/** A frame, or the rest of one, that is not as its dialect says. `sentence` may be told to who sent it. */
export interface Unreadable {
  readonly kind: "unreadable"
  readonly sentence: string
}

/** What a replica of a Yjs room says. */
export type FromYjs =
  | Step1
  | Step2
  | Update
  | Awareness
  | Stateless
  | Token
  | Leave
  | Oversize
  | Unreadable
  /** "Who is here?" */
  | { readonly kind: "query-awareness" }
  /** It was granted the seed and has nothing to put in. */
  | { readonly kind: "seed-declined" }
  /** To be sent back to it as it is. */
  | { readonly kind: "echo"; readonly bytes: Uint8Array }
  /** Meant for another kind of server: to be dropped and counted. */
  | { readonly kind: "ignored" }

/** It may not enter. */
export interface Denied {
  readonly kind: "denied"
  readonly reason: string
}

/** What every replica of a Yjs room can be told. Each dialect adds what only it can say. */
export type ToYjsReplica = Step1 | Step2 | Update | Awareness | Denied

/** What a client that asked for the feature `notice` is told besides. */
export type Notice =
  /** Whether this replica is the one that may fill a new room. */
  | { readonly kind: "seed"; readonly granted: boolean }
  | { readonly kind: "room"; readonly state: RoomState }
  | { readonly kind: "role"; readonly role: Role }
  /** The token ends in so many ms. */
  | { readonly kind: "token"; readonly expiresMs: number }
  /** So many updates of this connection were accepted. */
  | { readonly kind: "ack"; readonly count: number }

/** "waiting": others have the content, and none has answered yet. "outage": the other servers are out of reach. */
export type RoomState = "open" | "waiting" | "outage" | "divergent"

/** What a sender calls its update, to know it again in the answer. */
export type Ref = string | number

/** What a replica of an opaque room says. */
export type FromOpaque =
  | Token
  | Leave
  | Oversize
  | Unreadable
  | {
      readonly kind: "join"
      readonly hasSnapshot: boolean
      readonly version: Uint8Array | undefined
      /** Words we don't know are among them. */
      readonly features: readonly string[]
      /** Undefined where it does not say. */
      readonly sealed: boolean | undefined
    }
  | { readonly kind: "update"; readonly update: Uint8Array; readonly ref: Ref | undefined }
  /** `payload` is a JSON object. */
  | { readonly kind: "presence"; readonly payload: string }
  | { readonly kind: "snapshot-request"; readonly version: Uint8Array | undefined }
  | {
      readonly kind: "snapshot-response"
      /** Undefined where answers are matched in order. */
      readonly requestId: string | undefined
      readonly snapshot: Uint8Array
      readonly version: Uint8Array | undefined
    }

/** What stands in each message to a replica of an opaque room. `ts` is in ms since 1970, above 0. */
interface Stamp {
  readonly docId: string
  readonly ts: number
}

/** With the sender's own `ts`. */
interface Relayed extends Stamp {
  readonly senderId: string
}

/** What a replica of an opaque room can be told. What has no `senderId` comes from the relay. */
export type ToOpaque =
  | (Relayed & { readonly kind: "join"; readonly role: Role })
  | (Relayed & { readonly kind: "leave" })
  | (Relayed & { readonly kind: "update"; readonly update: Uint8Array })
  | (Relayed & { readonly kind: "presence"; readonly payload: string })
  | (Stamp & {
      readonly kind: "snapshot-request"
      readonly requestId: string
      readonly version: Uint8Array | undefined
    })
  | (Stamp & {
      readonly kind: "snapshot-response"
      readonly requestId: string
      readonly snapshot: Uint8Array
      readonly version: Uint8Array | undefined
      /** "seed": nobody has content, and this replica may fill the room. */
      readonly content: "given" | "empty" | "seed"
    })
  /** Without a `ref` nothing is acknowledged, and the line is seen to live. */
  | (Stamp & { readonly kind: "ack"; readonly ref: Ref | undefined })
  | (Stamp & {
      readonly kind: "error"
      readonly code: ErrorCode
      readonly message: string
      readonly retryAfterMs: number | undefined
    })
  | (Stamp & { readonly kind: "batch"; readonly messages: readonly ToOpaque[] })

/** Of an ERROR in an opaque room. A closed list. */
export type ErrorCode =
  | "PERMISSION_DENIED"
  | "INVALID_TOKEN"
  | "UNAUTHORIZED"
  | "UNKNOWN"
  | "RATE_LIMITED"
  | "BACKPRESSURE"
  | "QUOTA_EXCEEDED"

const utf8 = new TextEncoder()

/** Whether a room may be called so: 1 to 256 bytes of UTF-8, no control characters. */
export function isRoomName(name: string): boolean {
  // A unit of UTF-16 takes a byte at least: the long are refused before they are encoded.
  if (name.length === 0 || name.length > roomNameBytes || !name.isWellFormed()) return false
  return !/\p{Cc}/u.test(name) && utf8.encode(name).length <= roomNameBytes
}
