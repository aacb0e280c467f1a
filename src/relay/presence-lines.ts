/**
 * A row of presence as the relay keeps it, and as it is told here and elsewhere.
 *
 * What always holds: a row belongs to a replica here or to another server; of two that claim it the
 * one with the higher version has it.
 */
import type { FarRow } from "../wire/bus.ts"
import type { Row } from "../wire/relay.ts"
import type { Replica } from "./replica.ts"

export interface Line {
  readonly id: number
  /** A replica here, or the server where it is. */
  owner: Replica | string
  /** The same for all that may claim it: of one user or, nameless, of one role. */
  readonly who: number
  /** When it came to its owner, in ms of bus time. */
  version: number
  /** JSON. */
  state: string
  /** The number it was last sent with. */
  clock: number
  /** The number its owner gave it last. */
  ownClock: number
  /** When its owner last spoke of it, in ms since 1970. */
  heardAt: number
  /** Set when its owner's line broke: the row goes then, unless it is claimed. */
  orphanedUntil: number | undefined
  /** y-protocols' first row of who has set nothing yet: not told until it changes (RL80). */
  isBlank: boolean
}

/** A row that is gone. */
export interface Ghost {
  /** Its last number. */
  readonly clock: number
  /** When it went, in ms since 1970. */
  readonly at: number
}

/** As replicas here are told of it. */
export function rowOf({ id, clock, state }: Line): Row {
  return { id, clock, state }
}

/** As other servers are told of it. */
export function farRowOf({ id, who, version, state }: Line): FarRow {
  return { id, owner: who, version, state }
}

/** A number of 32 bits for the user of a replica or, nameless, for its role. Source: FNV-1a. */
export function whoOf({ subject, role }: Pick<Replica, "subject" | "role">): number {
  const text = subject === undefined ? `r${role}` : `s${subject}`
  let sum = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    sum = Math.imul(sum ^ text.charCodeAt(at), 0x01000193)
  }
  return sum >>> 0
}
