/**
 * The contents of durable blocks: one file each in a folder of the data directory.
 *
 *     0 QTD1   4 u32 content type   8 u64 generation   16 u64 length   24 zeros   32 SHA-256   64 bytes
 *
 * What always holds: a file has its name only when all of it is on the disk, so a crash leaves the
 * content before; what does not match its sum is Damaged, never taken for a content.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs"
import { join } from "node:path"
import { digest, type Kept, type KeptContents } from "./memory.ts"
import { Damaged, setWhole, wholeIn } from "./wire/layout.ts"

const magic = 0x31445451 // QTD1
const headBytes = 64

export class KeptFiles implements KeptContents {
  readonly #dir: string

  constructor(dir: string) {
    this.#dir = dir
  }

  /** Throws what the disk says. */
  put(uuid: string, { generation, contentType, data }: Kept): void {
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 })
    const head = new Uint8Array(headBytes)
    const view = new DataView(head.buffer)
    view.setUint32(0, magic, true)
    view.setUint32(4, contentType, true)
    setWhole(view, 8, generation)
    setWhole(view, 16, data.length)
    head.set(digest(data), 32)
    const part = join(this.#dir, `${uuid}.part`)
    const file = openSync(part, "w", 0o600)
    try {
      for (const bytes of [head, data]) {
        for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes.subarray(done))
      }
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(part, join(this.#dir, uuid))
  }

  /** Undefined when nothing was kept. Throws Damaged. */
  get(uuid: string): Kept | undefined {
    let bytes: Uint8Array
    try {
      bytes = readFileSync(join(this.#dir, uuid))
    } catch (thrown) {
      if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined
      throw thrown
    }
    if (bytes.length < headBytes) throw new Damaged(`${join(this.#dir, uuid)} is cut short`)
    const view = new DataView(bytes.buffer, bytes.byteOffset, headBytes)
    const data = bytes.subarray(headBytes)
    const isOurs = view.getUint32(0, true) === magic && wholeIn(view, 16) === data.length
    const found = digest(data)
    if (!isOurs || found.some((byte, at) => byte !== bytes[32 + at])) {
      throw new Damaged(`${join(this.#dir, uuid)} does not match its sum`)
    }
    return { generation: wholeIn(view, 8), contentType: view.getUint32(4, true), data }
  }

  drop(uuid: string): void {
    rmSync(join(this.#dir, uuid), { force: true })
  }
}
