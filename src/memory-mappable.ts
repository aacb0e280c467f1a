/**
 * One file of a block in a folder of memory, read and written at positions.
 *
 * What always holds: a full file system is NoSpace while the file is made, and leaves nothing; later,
 * whatever the system says of it is Damaged, for it was whole once. What was removed is never read or
 * written again: its number may be another file's.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs"
import { type BlockFile, fillBytes, NoSpace } from "./memory.ts"
import { Damaged } from "./wire/layout.ts"

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants
const zeros = new Uint8Array(fillBytes)

/** Whose files they are. */
export interface Owner {
  readonly uid: number
  readonly gid: number | undefined
}

/** A file that programs of this machine map. */
export class MappableFile implements BlockFile {
  readonly path: string
  readonly bytes: number
  readonly #file: number
  readonly #isShared: boolean
  #filled = 0
  #state: "there" | "removed" = "there"

  constructor(path: string, bytes: number, of: Owner & { readonly members: "read" | "write" }) {
    this.path = path
    this.bytes = bytes
    this.#isShared = of.gid !== undefined
    this.#file = guarded(() => openSync(path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0o600))
    if (of.gid === undefined) return
    fchownSync(this.#file, of.uid, of.gid)
    fchmodSync(this.#file, of.members === "write" ? 0o660 : 0o640)
  }

  fill(): "more" | "filled" {
    const piece = zeros.subarray(0, Math.min(fillBytes, this.bytes - this.#filled))
    try {
      guarded(() => this.#put(this.#filled, piece))
    } catch (thrown) {
      this.remove()
      throw thrown
    }
    this.#filled += piece.length
    return this.#filled < this.bytes ? "more" : "filled"
  }

  isWhole(): boolean {
    return this.#state === "there" && fstatSync(this.#file).size === this.bytes
  }

  read(position: number, into: Uint8Array): void {
    this.#check()
    for (let done = 0; done < into.length; ) {
      const rest = into.length - done
      const moved = meddled(() => readSync(this.#file, into, done, rest, position + done))
      if (moved === 0) throw new Damaged("the file was cut short")
      done += moved
    }
  }

  write(position: number, bytes: Uint8Array): void {
    this.#check()
    if (position + bytes.length > this.bytes)
      throw new Damaged("a write would make the file longer")
    meddled(() => this.#put(position, bytes))
  }

  seal(): void {
    this.#check()
    fchmodSync(this.#file, this.#isShared ? 0o440 : 0o400)
  }

  remove(): void {
    if (this.#state === "removed") return
    this.#state = "removed"
    closeSync(this.#file)
    rmSync(this.path, { force: true })
  }

  #put(position: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const rest = bytes.length - done
      done += writeSync(this.#file, bytes, done, rest, position + done)
    }
  }

  // The number of a file that is closed may be another file's by now.
  #check(): void {
    if (this.#state === "removed") throw new Damaged("the file was removed")
  }
}

/** Says of a file system that takes no more that it is full. */
function guarded<Value>(work: () => Value): Value {
  try {
    return work()
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined
    if (code === "ENOSPC" || code === "EDQUOT") throw new NoSpace("the memory for blocks is full")
    throw new NoSpace(`the memory for blocks takes no file now: ${code ?? String(thrown)}`)
  }
}

/** A file that was whole, and cannot be read or written: a piece of it was cut out and is needed again. */
function meddled<Value>(work: () => Value): Value {
  try {
    return work()
  } catch (thrown) {
    throw new Damaged(`its file cannot be used: ${String(thrown)}`)
  }
}
