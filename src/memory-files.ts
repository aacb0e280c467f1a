/**
 * Blocks as files that programs of this machine map, in a folder of memory such as /dev/shm.
 *
 *     /dev/shm/quartet-1000/<instance>/instance.lock   held by the server for life
 *                                      probe           16 bytes: who reads them shares this folder
 *                                      <block>.<edition>
 *
 * What always holds: folders are ours alone (0700), files too (0600), unless a group shares them
 * (0750, 0640 and 0660); no link is followed. The folder of a server that has died is removed by the
 * next one, that of one that lives never: its lock is the kernel's, and goes with the process however
 * that ended. Whatever the system says of a file that was meddled with is Damaged.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs"
import { basename, dirname, join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import type { Log } from "./log.ts"
import {
  type BlockFile,
  Buffers,
  digest,
  type KeptContents,
  type Memory,
  type Program,
  sum,
} from "./memory.ts"
import { MappableFile, type Owner } from "./memory-mappable.ts"
import type { Random } from "./service.ts"

export interface FilesOptions {
  /** The folder that servers of this user share. */
  readonly dir: string
  readonly kept: KeptContents
  readonly uid: number
  /** The group whose members may read, and write what is for all to write; undefined for none. */
  readonly gid?: number | undefined
  readonly random: Random
  readonly log: Log
  /** ms since 1970. */
  readonly now: () => number
}

const uuidShape = /^(\.new-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** A folder that was begun and has no holder is given up after this, in ms. */
const unfinishedMs = 60_000

/** Where nothing else is said, on systems that have it. */
const systemMemory = "/dev/shm"
/** What buffers hold together where there is no such memory. */
const bufferBytes = 1024 * 1024 * 1024

/**
 * The memory that a setting asks for: "auto" is a folder in /dev/shm where there is one; undefined, or
 * where it cannot be had, buffers of this process.
 */
export function openMemory(
  options: Omit<FilesOptions, "dir" | "uid" | "gid"> & {
    readonly dir: string | undefined
    /** A name or a number. */
    readonly group?: string | undefined
  },
): Memory {
  const { log, kept } = options
  const uid = process.getuid?.()
  const isThere = options.dir !== "auto" || existsSync(systemMemory)
  if (options.dir === undefined || uid === undefined || !isThere) {
    return new Buffers(bufferBytes, kept)
  }
  const dir = options.dir === "auto" ? join(systemMemory, `quartet-${uid}`) : options.dir
  try {
    const gid = options.group === undefined ? undefined : groupIdOf(options.group)
    return openFiles({ ...options, dir, uid, gid })
  } catch (thrown) {
    log.warn("blocks cannot lie in files, so no program can map them", {
      dir,
      why: String(thrown),
    })
    return new Buffers(bufferBytes, kept)
  }
}

/** The number of a group that is given by name or number. Throws when this machine has no such group. */
export function groupIdOf(group: string): number {
  if (/^\d{1,10}$/.test(group)) return Number(group)
  const found = readFileSync("/etc/group", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .find(([name]) => name === group)
  if (found === undefined) throw new Error(`BLOCKS_GROUP: there is no group ${group}`)
  return Number(found[2])
}

/** Begins: takes a folder of its own, removes those of the dead. Throws when there is no such memory. */
export function openFiles(options: FilesOptions): Memory {
  const { random, uid, gid } = options
  const shared = sharedDir(options)
  const name = uuidOf(random(16))
  const begun = join(shared, `.new-${name}`)
  mkdirSync(begun, { mode: 0o700 })
  let lock: DatabaseSync | undefined
  try {
    lock = new DatabaseSync(join(begun, "instance.lock"))
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
    chmodSync(join(begun, "instance.lock"), 0o600)
    const probe = random(16)
    writeFileSync(join(begun, "probe"), probe, { mode: 0o600, flag: "wx" })
    if (gid !== undefined) {
      share(join(begun, "probe"), { uid, gid, mode: 0o640 })
      share(begun, { uid, gid, mode: 0o750 })
      share(shared, { uid, gid, mode: 0o750 })
    }
    const dir = join(shared, name)
    renameSync(begun, dir)
    removeDead(shared, name, options)
    return new Files({ dir, probe, lock, kept: options.kept, uid, gid })
  } catch (thrown) {
    lock?.close()
    rmSync(begun, { recursive: true, force: true })
    throw thrown
  }
}

function share(path: string, to: { uid: number; gid: number; mode: number }): void {
  chownSync(path, to.uid, to.gid)
  chmodSync(path, to.mode)
}

/** Removes the folders of servers that have died. One that resists is left, and said. */
function removeDead(shared: string, own: string, { log, now }: FilesOptions): void {
  for (const each of readdirSync(shared)) {
    if (each === own || !uuidShape.test(each)) continue
    const dir = join(shared, each)
    if (!isDead(dir, now())) continue
    try {
      rmSync(dir, { recursive: true, force: true })
      log.info("blocks of a dead server were removed", { dir })
    } catch (thrown) {
      // Another server that starts now removes it, too.
      log.warn("blocks of a dead server stay", { dir, why: String(thrown) })
    }
  }
}

/** A uuid of 16 bytes. */
function uuidOf(bytes: Uint8Array): string {
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
  const parts = [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16)]
  return [...parts, digits.slice(16, 20), digits.slice(20)].join("-")
}

/** The folder, ours and nobody else's; another name where somebody was there before. */
function sharedDir({ dir, uid, random, log }: FilesOptions): string {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    if (isOurs(dir, uid)) {
      chmodSync(dir, 0o700)
      return dir
    }
  } catch (thrown) {
    // A link to nowhere, or a file: neither is ours to use.
    if (lstatSync(dir, { throwIfNoEntry: false }) === undefined) throw thrown
  }
  // The one that was used before, so that what a killed server left there is found.
  const before = readdirSync(dirname(dir)).find((each) => {
    const rest = each.slice(basename(dir).length + 1)
    const isNamed = each.startsWith(`${basename(dir)}-`) && uuidShape.test(rest)
    return isNamed && isOurs(join(dirname(dir), each), uid)
  })
  const other = before === undefined ? `${dir}-${uuidOf(random(16))}` : join(dirname(dir), before)
  log.warn("the folder for blocks is not ours, another one is used", { dir, used: other })
  if (before === undefined) mkdirSync(other, { mode: 0o700 })
  else chmodSync(other, 0o700)
  return other
}

function isOurs(dir: string, uid: number): boolean {
  const found = lstatSync(dir, { throwIfNoEntry: false })
  return found?.isDirectory() === true && found.uid === uid
}

/** Whether nobody holds a folder's lock. */
export function isDead(dir: string, now: number): boolean {
  const found = lstatSync(dir, { throwIfNoEntry: false })
  if (found === undefined || !found.isDirectory()) return false
  const path = join(dir, "instance.lock")
  const hasLock = existsSync(path)
  // One that is just being made, or taken away.
  const isPassing = dir.includes("/.new-") || !hasLock
  if (isPassing && now - found.mtimeMs < unfinishedMs) return false
  if (!hasLock) return true
  let lock: DatabaseSync | undefined
  try {
    lock = new DatabaseSync(path, { timeout: 0 })
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
    return true
  } catch {
    // Held: its server lives. What cannot be opened may be somebody's, too.
    return false
  } finally {
    lock?.close()
  }
}

class Files implements Memory {
  readonly place: { readonly dir: string; readonly probe: Uint8Array }
  readonly freeAtStart: number
  readonly kept: KeptContents
  readonly sums = process.arch === "x64" ? "asked" : "always"
  readonly crc = sum
  readonly digest = digest
  readonly #lock: DatabaseSync
  readonly #owner: Owner

  constructor(
    of: Owner & { dir: string; probe: Uint8Array; lock: DatabaseSync; kept: KeptContents },
  ) {
    this.place = { dir: of.dir, probe: of.probe }
    this.#lock = of.lock
    this.#owner = of
    this.kept = of.kept
    this.freeAtStart = this.free()
  }

  free(): number {
    try {
      const { bavail, bsize } = statfsSync(this.place.dir)
      return bavail * bsize
    } catch {
      // The folder was removed from outside: nothing more can be made there.
      return 0
    }
  }

  make(name: string, bytes: number, members: "read" | "write" = "read"): BlockFile {
    return new MappableFile(join(this.place.dir, name), bytes, { ...this.#owner, members })
  }

  lives({ pid, started }: Program): "here" | "gone" | "unknown" {
    let text: string
    try {
      text = readFileSync(`/proc/${pid}/stat`, "latin1")
    } catch {
      // No such process here; whether it was one of ours cannot be known without its entry.
      return existsSync("/proc/self/stat") ? "gone" : "unknown"
    }
    // The name of the program stands in brackets and may have any character.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
    const [state] = fields
    const isSame = Number(fields[19]) === started
    return !isSame || state === "Z" || state === "X" ? "gone" : "here"
  }

  close(): void {
    rmSync(this.place.dir, { recursive: true, force: true })
    this.#lock.close()
  }
}
