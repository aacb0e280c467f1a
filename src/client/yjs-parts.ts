/**
 * What a Yjs document needs of a line, and a line of its document: the contract between yjs.ts and
 * the two ways to a server, open (yjs-line.ts) and encrypted (yjs-sealed.ts).
 */
import type { RoomState } from "../wire/relay.ts"
import type { Token } from "./room-token.ts"
import type { Replica } from "./yjs-messages.ts"

export type { Token }

/** How a server closed: what there is of a CloseEvent everywhere. */
export interface Closing {
  readonly code: number
  readonly reason: string
}

/** A way to the others of one room. It sends what is said to it, and comes back by itself. */
export interface Line {
  /** Edits of this replica that the relay has not accepted yet. */
  readonly unacknowledged: number
  /** Of an open line, while there is one. */
  readonly socket: WebSocket | null
  /** Connects, now rather than when the wait is over. Does nothing while it is connected. */
  open(): void
  /** Ends what there is; it does not come back until `open`. */
  end(): void
  /** Ends it for good. */
  destroy(): void
  /** A change that was made here. Without a connection it is given once there is one. */
  update(update: Uint8Array): void
  /** Rows of presence changed here. */
  presence(ids: number[]): void
  /** Says that this replica is gone, if anybody hears it. */
  goodbye(): void
  /** Asks for what may have been missed. */
  resync(): void
}

/** Whose line it is: what it is told. None of these is called from inside a constructor. */
export interface LineOwner {
  readonly replica: Replica
  /** What changes that come over the line are applied with. */
  readonly origin: object
  connecting(): void
  connected(): void
  /** The socket is gone; null where this side ended it. */
  lost(closing: Closing | null, from: "connecting" | "connected"): void
  /** Whether to come back after the server has closed like that. */
  returns(closing: Closing): boolean
  /** It does not come back. */
  closed(closing: Closing): void
  failed(error: Event | Error): void
  /** It has what the others had. */
  synced(): void
  stands(state: RoomState): void
  /** `unacknowledged` may be another. */
  acknowledged(): void
  /** Fills the document of a new room: this replica alone was chosen to. */
  seed(): "something" | "nothing" | "not-asked"
}
