/**
 * What programs see of shared memory: blocks, rings, locks. Types only. Everything rejects or throws
 * PoolsError; sizes are bytes, times ms.
 */
import type { Undo } from "./pools-shapes.ts"

/** What a block is made with. */
export interface BlockOptions extends AttachOptions {
  /** Generations that lie side by side: 2, 4, 8, 16 or 32; 4 if not said. */
  readonly slots?: number
  /** "many" take turns; "one", if not said, has the block for itself. */
  readonly writers?: "one" | "many"
  readonly checksum?: boolean
  /** It is there again after a restart of the server. */
  readonly durable?: boolean
  /** "required": who writes holds a lock. */
  readonly lock?: "advisory" | "required"
  /** One generation, up to 1 GiB: only its maker sees it until it is sealed. */
  readonly filling?: boolean
  /** Apps that may, of those who may in the pool. */
  readonly permissions?: { readonly read?: readonly string[]; readonly write?: readonly string[] }
}

export interface AttachOptions {
  /** To make is to write, to attach is to read, if not said. */
  readonly mode?: "read" | "write"
  /** "off": over the connection, also where the memory could be mapped. */
  readonly map?: "auto" | "off"
}

export interface RingOptions extends AttachOptions {
  /** Which end of it: "receive" if not said. */
  readonly side?: "send" | "receive"
  /** What a producer does when a consumer is behind: "block", if not said, waits for it. */
  readonly ring?: "block" | "overwrite"
  readonly writers?: "one" | "many"
  readonly checksum?: boolean
  readonly permissions?: BlockOptions["permissions"]
}

/** One generation, or a piece of it. */
export interface Snapshot {
  /** A copy of its own. */
  readonly data: Uint8Array
  /** 0: nothing was written yet. */
  readonly generation: number
  /** Where the data begins. */
  readonly offset: number
  /** "json", "text", "bytes", or `app:128` to `app:255`. */
  readonly contentType: string
  /** When it was written, ms since 1970. */
  readonly time: number
}

export interface Written {
  readonly generation: number
  /** Of the whole content. */
  readonly length: number
}

export interface ReadOptions {
  readonly offset?: number
  /** All there is, if not said. */
  readonly length?: number
  /** GENERATION_GONE once it is overwritten; the newest, if not said. */
  readonly generation?: number
}

export interface WriteOptions {
  /** Patches the newest content from there. Without it the data is the new content. */
  readonly offset?: number
  /** CONFLICT if this is not the newest. */
  readonly ifGeneration?: number
  /** Of a lock: LOCK_LOST when it is not the newest. One that this block holds is sent unasked. */
  readonly fence?: number
  readonly contentType?: string
}

/** The newest generation, held still. */
export interface Pinned {
  /** The memory itself where the block is mapped: zeros once it is released and detached. */
  readonly data: Uint8Array
  readonly generation: number
  release(): Promise<void>
}

export interface Sealed {
  readonly generation: number
  /** Of the content, in base64url. */
  readonly sha256: string
}

export interface Lock {
  readonly mode: "read" | "write" | "exclusive"
  readonly fence: number
  /** Aborted with a PoolsError when it is lost, at the latest as its lease ends. */
  readonly signal: AbortSignal
  unlock(): Promise<void>
}

export interface LockOptions {
  /** LOCKED after that; 5,000 if not said. */
  readonly timeoutMs?: number
  /** It ends by itself so long after this program was last heard of; 10,000 if not said. */
  readonly leaseMs?: number
}

/** What a subscriber hears. */
export interface BlockNotice {
  readonly generation: number
  readonly length: number
  /** The app that wrote or told; empty where it is not known. */
  readonly writer: string
  /** Generations that were passed over. */
  readonly lost: number
  /** With `data`, up to 64 KiB. */
  readonly data?: Uint8Array
  readonly contentType?: string
  /** Of an app's own. */
  readonly payload?: unknown
  /** What has become of the block itself. */
  readonly event?: string
}

export interface SubscribeOptions {
  /** The content comes along. */
  readonly data?: boolean
  /** Of a mapped block: looks for so long of each turn, and hears new generations only. It costs a core. */
  readonly spinMs?: number
}

/** A generation of a block, or a piece of it, to be named in a payload. */
export interface BlockRef {
  readonly block: string
  readonly generation: number
  readonly offset: number
  readonly length: number
}

/** A named piece of shared memory. Attached again after a return of the connection. */
export interface Block {
  readonly id: string
  /** Never changes, whatever its file is. */
  readonly uuid: string
  readonly via: "map" | "socket"
  /** The most bytes of one generation. */
  readonly capacity: number
  /** One whole generation, or a piece of one. */
  read(options?: ReadOptions): Promise<Snapshot>
  /** Makes a new generation. */
  write(data: Uint8Array, options?: WriteOptions): Promise<Written>
  /** The newest generation at once, copied into `into` where it fits. Mapped only, else NOT_LOCAL. */
  peek(into?: Uint8Array): Snapshot | undefined
  /** Writes a whole new content at once. Mapped only, else NOT_LOCAL. */
  put(data: Uint8Array): Written
  /** Keeps the newest generation as it is until it is released; one at a time. */
  pin(): Promise<Pinned>
  /** Makes the block immutable. `length`: of a block that was filled, if it is not full. */
  seal(options?: { readonly length?: number }): Promise<Sealed>
  lock(mode: Lock["mode"], options?: LockOptions): Promise<Lock>
  subscribe(listener: (notice: BlockNotice) => void, options?: SubscribeOptions): Promise<Undo>
  /** Tells subscribers something of this app's own, up to 4 KiB. */
  notify(payload: unknown): Promise<void>
  /** The generation that this app knows last, unless told. */
  ref(options?: Partial<Omit<BlockRef, "block">>): BlockRef
  detach(): Promise<void>
  /** For everybody. */
  destroy(): Promise<void>
}

export interface RingRecord {
  readonly data: Uint8Array
  readonly contentType: string
  /** Grows by one, modulo 2^32. */
  readonly number: number
  /** How many were missed before it. */
  readonly lost: number
}

/** One end of a ring of records. */
export interface Ring {
  readonly id: string
  readonly via: "map" | "socket"
  readonly capacity: number
  /**
   * Puts a record behind all others, at most an eighth of the ring. True: it is there. A promise waits
   * for the server, or for a consumer that is behind: RING_FULL after 100 ms.
   */
  send(data: Uint8Array, options?: { readonly contentType?: string }): true | Promise<void>
  /** The next record, if there is one now. Mapped only, else NOT_LOCAL. */
  next(): RingRecord | undefined
  /** Records as they come, for ever. `spinMs`: looks for so long before it sleeps. */
  receive(options?: { readonly spinMs?: number }): AsyncIterable<RingRecord>
  detach(): Promise<void>
  destroy(): Promise<void>
}

/** The blocks of a pool. */
export interface PoolBlocks {
  /** Makes a block of so many bytes. */
  create(id: string, size: number, options?: BlockOptions): Promise<Block>
  /** Attaches to one. A second time gives the same, which then wants two detaches. */
  attach(id: string, options?: AttachOptions): Promise<Block>
  /** One end of a ring; it is made, with so many bytes, a power of two, where there is none. */
  ring(id: string, size: number, options?: RingOptions): Promise<Ring>
}
