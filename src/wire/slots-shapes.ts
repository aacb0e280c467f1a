/** What is asked of the slots of a block, and what comes of it. */

/** CRC-32 as zlib has it; goes on from `before`. */
export type Crc = (bytes: Uint8Array, before?: number) => number

/** What a slot's record says of its content. */
export interface Generation {
  readonly generation: number
  readonly length: number
  readonly contentType: number
  /** µs since 1970. */
  readonly time: number
  readonly writer: number
  readonly fence: number
}

export type Taken =
  | { readonly is: "empty" }
  | { readonly is: "content"; readonly of: Generation; readonly data: Uint8Array }
  /** Writers were faster, 64 times: ask the server. */
  | { readonly is: "torn" }
  /** The block has another file: attach again. */
  | { readonly is: "retired" }
  /** Three times the checksum was wrong although nobody wrote. */
  | { readonly is: "damaged" }
  /** The generation asked for has been overwritten. */
  | { readonly is: "gone" }

export interface Reading {
  readonly offset?: number
  readonly length?: number
  /** Else the newest. */
  readonly generation?: number
  /** The content is copied there if it fits, and `data` is a view of it. */
  readonly into?: Uint8Array
  /** "always": checks the sum where there is one; needed on every CPU but x86-64. */
  readonly verify?: "always" | "never"
  /** How often a reader whose writers are faster starts over: 64 unless told. */
  readonly rounds?: number
  /** "as-is": also of a retired file, by the server that has retired it. */
  readonly state?: "live" | "as-is"
}

export interface Writing {
  /** "whole": the data is the new content; a number: patches the newest content from there. */
  readonly offset: number | "whole"
  readonly data: Uint8Array
  readonly contentType?: number
  /** Only onto this generation. 0: only onto an empty block. */
  readonly onto?: number
  readonly writer: number
  /** What was granted. Compared where one writes alone. */
  readonly fence: number
  /** µs since 1970. */
  readonly time: number
  /** "as-is": whatever state the block is in; for the server, in a file that nobody else writes. */
  readonly state?: "live" | "as-is"
  /** A new file goes on behind this generation. */
  readonly after?: number
}

export type Wrote =
  | { readonly is: "written"; readonly generation: number; readonly length: number }
  | { readonly is: "retired" | "sealed" | "pinned" | "lock-lost" | "too-long" }
  | { readonly is: "conflict"; readonly newest: number }

export type PinTaken =
  | { readonly is: "pinned"; readonly of: Generation; readonly slot: number }
  | { readonly is: "empty" | "torn" | "retired" }
