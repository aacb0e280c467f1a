/**
 * Where an editor is with the server's text, from one socket to the next.
 *
 * What always holds: only in "live" is our confirmed text the server's, and only there is anything
 * sent; what else a phase holds is on its way and is let go of when the line drops.
 */
import type { Pieces } from "./pieces.ts"

/** The tail of a Welcome without text, on its way. It is written for our confirmed text. */
interface Tail {
  readonly name: "tail"
  readonly head: number
  /** The edit in flight was accepted, and is still to come, unless it became a no-op. */
  isOwnDue: boolean
}

/**
 * The server's text, on its way: at `revision` now. Until it is whole our own stays what it was,
 * for the line may drop before. "emptied": the same, but its user decides what becomes of it.
 */
export interface Snapshot {
  readonly name: "snapshot" | "emptied"
  readonly server: Pieces
  readonly epoch: string
  readonly head: number
  revision: number
}

/** Where we are with the server. "away": no Welcome yet on this socket, or no socket. */
export type Phase = { readonly name: "away" } | { readonly name: "live" } | Tail | Snapshot

export const away: Phase = { name: "away" }
export const live: Phase = { name: "live" }
