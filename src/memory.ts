/**
 * Memory that blocks lie in: files that programs of this machine map, or buffers of this process.
 * What the service of pools knows of either stands here, with the second form.
 *
 * What always holds: the server never maps a file, it reads and writes at positions; so a file that
 * is cut or filled from outside is Damaged, and never ends the server. A file is as long as it will
 * ever be, and zero, before anybody is told of it.
 */
import { createHash } from "node:crypto"
import { crc32 } from "node:zlib"
import { Damaged, type PositionalFile } from "./wire/layout.ts"

/** A block's bytes. */
export interface BlockFile extends PositionalFile {
  /** Where programs find it; undefined where nobody can map it. */
  readonly path: string | undefined
  /** Zeroes the next 4 MiB. Throws NoSpace when there is no room, with nothing left behind. */
  fill(): "more" | "filled"
  /** Whether it is still as long as it was made. */
  isWhole(): boolean
  /** Takes from everyone the right to write. */
  seal(): void
  /** Lets it go: whoever maps it keeps what is mapped. */
  remove(): void
}

/** The content of a durable block. */
export interface Kept {
  readonly generation: number
  readonly contentType: number
  readonly data: Uint8Array
}

/** Where contents of durable blocks are kept, by uuid. */
export interface KeptContents {
  /** What was kept before stays whole until this is. Throws what the disk says. */
  put(uuid: string, content: Kept): void
  /** Undefined when there is none. Throws Damaged for what does not match its sum. */
  get(uuid: string): Kept | undefined
  drop(uuid: string): void
}

/** A process as it says it is: its id, and when it began (field 22 of /proc/<pid>/stat). */
export interface Program {
  readonly pid: number
  readonly started: number
}

export interface Memory {
  /** What a program compares to know that it shares this memory; undefined where none can. */
  readonly place: { readonly dir: string; readonly probe: Uint8Array } | undefined
  /** Bytes that were free at the start. */
  readonly freeAtStart: number
  /** Bytes that are free now. */
  free(): number
  /**
   * A new file, empty until `fill` has said "filled". `members`: what those of the group that files are
   * shared with may do, where there is one. Throws NoSpace.
   */
  make(name: string, bytes: number, members?: "read" | "write"): BlockFile
  readonly kept: KeptContents
  /** "gone": its memory is too. "unknown": it may live in another container. */
  lives(program: Program): "here" | "gone" | "unknown"
  /** "always": this CPU may reorder what mapped readers see, so every block has checksums. */
  readonly sums: "asked" | "always"
  crc(bytes: Uint8Array, before?: number): number
  /** SHA-256, 32 bytes. */
  digest(bytes: Uint8Array): Uint8Array
  close(): void
}

/** The memory is full, or takes no further file. */
export class NoSpace extends Error {
  override readonly name = "NoSpace"
}

/** How much is zeroed in one turn. */
export const fillBytes = 4 * 1024 * 1024

/** CRC-32 by zlib: 0.2 ms for 1 MiB. */
export function sum(bytes: Uint8Array, before = 0): number {
  return crc32(bytes, before)
}

/** SHA-256: about 1 ms for 1 MiB. */
export function digest(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest()
}

/** Contents for as long as this process lives: for a store that is in memory, too. */
export class KeptHere implements KeptContents {
  readonly #kept = new Map<string, Kept>()

  put(uuid: string, content: Kept): void {
    this.#kept.set(uuid, { ...content, data: content.data.slice() })
  }

  get(uuid: string): Kept | undefined {
    return this.#kept.get(uuid)
  }

  drop(uuid: string): void {
    this.#kept.delete(uuid)
  }
}

/** Buffers of this process: apps reach them over their sockets only. */
export class Buffers implements Memory {
  readonly place = undefined
  readonly freeAtStart: number
  readonly sums = "asked"
  readonly crc = sum
  readonly digest = digest
  readonly kept: KeptContents
  #used = 0

  /** At most `limitBytes` of them together. */
  constructor(limitBytes: number, kept: KeptContents = new KeptHere()) {
    this.freeAtStart = limitBytes
    this.kept = kept
  }

  free(): number {
    return this.freeAtStart - this.#used
  }

  make(_name: string, bytes: number): BlockFile {
    if (bytes > this.free()) throw new NoSpace(`${bytes} bytes are asked for, ${this.free()} free`)
    this.#used += bytes
    return new BufferFile(bytes, () => {
      this.#used -= bytes
    })
  }

  lives(): "unknown" {
    return "unknown"
  }

  close(): void {}
}

class BufferFile implements BlockFile {
  readonly path = undefined
  readonly bytes: number
  readonly #freed: () => void
  #content: Uint8Array
  #state: "there" | "removed" = "there"

  constructor(bytes: number, freed: () => void) {
    this.bytes = bytes
    this.#content = new Uint8Array(bytes)
    this.#freed = freed
  }

  fill(): "filled" {
    return "filled"
  }

  isWhole(): boolean {
    return this.#state === "there"
  }

  read(position: number, into: Uint8Array): void {
    if (position + into.length > this.#content.length) throw new Damaged("it ends too early")
    into.set(this.#content.subarray(position, position + into.length))
  }

  write(position: number, bytes: Uint8Array): void {
    if (position + bytes.length > this.#content.length) throw new Damaged("it ends too early")
    this.#content.set(bytes, position)
  }

  seal(): void {}

  remove(): void {
    if (this.#state === "removed") return
    this.#state = "removed"
    this.#content = new Uint8Array(0)
    this.#freed()
  }
}
