/** What replicas of an opaque room bring and say, and what becomes of it. Types only. */
import type { FarName } from "../wire/bus-opaque.ts"
import type { Ref } from "../wire/relay.ts"
import type { Asks } from "./asks.ts"
import type { OpaqueCopy } from "./copies-opaque.ts"
import type { Counts } from "./counts.ts"
import type { RelayOptions } from "./limits.ts"
import type { Occupants } from "./occupants.ts"
import type { OpaqueReplica } from "./opaque-fan-out.ts"
import type { OpaqueFar } from "./opaque-far.ts"
import type { OpaqueOutlet } from "./replica.ts"
import type { Rings } from "./ring.ts"
import type { RoomWorld } from "./rooms.ts"
import type { Seeds } from "./seeds.ts"

/** How a replica comes. */
export interface Arrival {
  readonly senderId: string
  /** The sender's ms. */
  readonly ts: number
  readonly has: "nothing" | "snapshot"
}

/** What a JOIN says of who sends it. */
export interface Introduction {
  readonly hasSnapshot: boolean
  readonly version: Uint8Array | undefined
  /** Undefined where it does not say, which a room of sealed content takes for no. */
  readonly sealed: boolean | undefined
}

/** A change, with the sender's own stamp. */
export interface OpaqueUpdate {
  readonly update: Uint8Array
  readonly ref: Ref | undefined
  readonly ts: number
}

/** An answer of a holder. */
export interface Snapshot {
  readonly snapshot: Uint8Array
  readonly version: Uint8Array | undefined
}

/** What became of something that a replica sent. "full": the room keeps no more of the kind. */
export type Outcome = "taken" | "forbidden" | "unasked" | "full"

/** What an opaque room is made with. */
export interface OpaqueRoomWorld extends RoomWorld {
  readonly rings: Rings
  /** ms since 1970. */
  now(): number
}

/** The parts of a room that newcomers are served from. */
export interface OpaqueNewcomerWorld {
  readonly docId: string
  readonly options: RelayOptions
  readonly counts: Counts
  readonly occupants: Pick<Occupants<OpaqueOutlet>, "replicas" | "everyone" | "holders">
  /** The room on other servers. */
  readonly far: Pick<OpaqueFar, "standing" | "hasContent" | "hasOthers" | "compare">
  readonly asks: Asks<OpaqueOutlet>
  readonly seeds: Seeds<OpaqueReplica>
  readonly copy: OpaqueCopy
}

/** What another server says of who is there. A roll is all that it has. */
export interface FarNames {
  readonly origin: string
  readonly names: readonly FarName[]
  readonly extent: "roll" | "some"
  readonly now: number
}

/** Who is present, as servers exchange it. */
export interface FarAttendance {
  names(): readonly FarName[]
  hear(of: FarNames): void
  gone(origin: string, now: number): void
}
