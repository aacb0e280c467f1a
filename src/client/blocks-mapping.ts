/**
 * Memory of a server that is mapped into this program: what the rest of the SDK knows of it. Types
 * only, so that browsers carry none of it; `shm.ts` does it.
 *
 * What always holds: only whoever has proved to share the server's memory maps, and every doubt about
 * a file ends in a sentence, never in a mapping.
 */

import type { Received, Sent } from "../wire/ring.ts"
import type { PinTaken, Reading, Taken, Writing, Wrote } from "../wire/slots-shapes.ts"

/** "sealed": what is stored into the memory stays in this program. */
export type Access = "read" | "write" | "sealed"

/** What is mapped, and by whom. */
export interface MappingOf {
  readonly bytes: number
  readonly uuid: string
  readonly access: Access
  readonly attachment: number
  /** What was granted, where one writes alone. */
  readonly fence: number
}

export type MappedWrite = Pick<Writing, "data" | "offset" | "contentType" | "onto">

export type MappedWrote =
  | Wrote
  /** Somebody else writes: try again soon. */
  | { readonly is: "busy" }
  /** The file was retired meanwhile: nobody knows whether the content went on. */
  | { readonly is: "uncertain" }

export type MappedPin =
  /** The memory itself. */
  | (Extract<PinTaken, { is: "pinned" }> & { readonly data: Uint8Array })
  | Exclude<PinTaken, { is: "pinned" }>

/** A block's file in this program's memory. What reads and writes it never waits. */
export interface Mapping {
  /** Whether writing needs a lock. */
  readonly needsLock: boolean
  /** Whether the server took the file out of use. */
  readonly isRetired: boolean
  /** How many listen over their connections. */
  readonly subscribers: number
  /** Low word of the newest generation; of a ring its tail. */
  readonly latest: number
  /** Throws Damaged where the file is none of this layout any more. */
  read(reading: Reading): Taken
  write(writing: MappedWrite): MappedWrote
  /** Stores into the one generation of a block that is being filled. */
  fill(offset: number, data: Uint8Array): void
  pin(cell: number): MappedPin
  unpin(cell: number): void
  /** The content of a sealed block, itself. */
  sealed(): { readonly data: Uint8Array; readonly generation: number }
  send(data: Uint8Array, contentType: number | undefined): Sent | { readonly is: "busy" }
  /** The next record of the consumer at a place. */
  next(place: number): Received
  /** Lets the file go. What still looks at the memory sees zeros. */
  release(): void
}

export interface Mapper {
  /** Whether the server's memory is this machine's. */
  shares(dir: string, probe: string): boolean
  /** One sentence when it cannot be mapped. */
  map(path: string, of: MappingOf): Mapping | string
  /** This process, as the server can look it up. */
  readonly program: { readonly pid: number; readonly started: number } | undefined
  /** Stops this thread. */
  sleepMs(ms: number): void
}

/** Undefined where nothing can be mapped at all. */
export type LoadMapper = () => Promise<Mapper | undefined>
