/**
 * Where the SQLite file lies, who may read it and who owns it.
 *
 * What always holds: the file, its log and its lock are readable by our user only (SV30), and a
 * lock is one that the kernel frees with the process, however that ended (SV4). The files of an
 * open store are touched by path only, never opened here: closing a descriptor of the file or of
 * its -shm would take from SQLite every lock that this process has on it.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
} from "node:fs"
import { open } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { DatabaseSync } from "node:sqlite"
import type { Undo } from "./service.ts"

const privateFile = 0o600
const privateFolder = 0o700

/** Result codes of SQLite, see sqlite.org/rescode.html; an extended code has them in its low byte. */
const busy = 5
const damage: ReadonlySet<number> = new Set([11, 26]) // CORRUPT, NOTADB
/** ERROR, CONSTRAINT, MISMATCH, MISUSE, RANGE: said of a statement of ours, not of the disk. */
const ownFaults: ReadonlySet<number> = new Set([1, 19, 20, 21, 25])

/**
 * The path of the file that `uri` names, undefined for `:memory:`.
 *
 * Takes a path, a `file:` URI in SQLite's sense (`file:name.db`, `file:///var/lib/name.db`) or
 * `:memory:`. Throws for another scheme, and for parameters that would change what a file is.
 */
export function locate(uri: string): string | undefined {
  if (uri === ":memory:") return undefined
  const scheme = /^([a-z][a-z\d+.-]+):/i.exec(uri)?.[1]
  if (scheme === undefined) return resolve(uri)
  const parts = /^file:(?:\/\/(?:localhost)?(?=\/))?([^?#]+)(?:\?([^#]*))?$/i.exec(uri)
  if (parts === null) {
    throw new Error(`the database "${uri}" is not a path, a file: URI or :memory:`)
  }
  const parameters = new URLSearchParams(parts[2] ?? "")
  const mode = parameters.get("mode") ?? "rwc"
  if (mode === "memory" || parts[1] === ":memory:") return undefined
  if ([...parameters.keys()].some((name) => name !== "mode") || !/^rwc?$/.test(mode)) {
    throw new Error(`the database "${uri}" may have no parameter but mode=rwc or mode=memory`)
  }
  try {
    return resolve(decodeURIComponent(parts[1] ?? ""))
  } catch {
    throw new Error(`the database "${uri}" is not percent-encoded as a URI`)
  }
}

/**
 * Makes the folder and the file where they are missing, for our user only, and keeps every other
 * process out until the undo is called. Throws when someone else is there. The file is not open yet.
 *
 * The lock is an exclusive transaction on an empty database beside the file: SQLite takes it
 * with a lock of the kernel, which goes with the process, and knows of its own connections, so
 * a second store in this process is kept out too.
 */
export function claim(path: string): Undo {
  mkdirSync(dirname(path), { recursive: true, mode: privateFolder })
  // The lock goes with the file and not with one of its names.
  const file = existsSync(path) ? realpathSync(path) : path
  const name = `${join(realpathSync(dirname(file)), basename(file))}-lock`
  makePrivate(name)
  const holder = new DatabaseSync(name)
  try {
    holder.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
    makePrivate(path)
    for (const left of [`${file}-wal`, `${file}-shm`]) {
      if (existsSync(left)) chmodSync(left, privateFile)
    }
  } catch (thrown) {
    holder.close()
    if (codeOf(thrown) !== busy) throw thrown
    throw new Error(
      "it is in use by another process, and only one may have it: end that one, or set another DATA_DIR",
    )
  }
  return () => holder.close()
}

/** Throws when there is no file at `path`: a visitor makes none. */
export function checkPresent(path: string): void {
  if (!existsSync(path)) throw new Error("there is no such file")
}

/**
 * Begins a copy: an empty file of ours that `finishCopy` gives its name.
 *
 * Throws when there is a file at `path` already: a backup never replaces one.
 */
export function beginCopy(path: string): string {
  if (existsSync(path)) throw new Error(`there is a file at ${path} already`)
  const part = `${path}.part`
  rmSync(part, { force: true }) // of a copy that was cut off
  makePrivate(part)
  return part
}

/**
 * Ends a copy: marks and checks it, waits until it is on the disk, gives it its name. Throws when
 * the copy is not whole.
 *
 * Every copy says that it was not left in order, so that whoever starts on it draws a new
 * generation and no far end takes its revisions for those it knows (DC59). The rows of the tables
 * `without`, names of ours, are left out.
 */
export async function finishCopy(
  part: string,
  path: string,
  without: readonly string[],
): Promise<void> {
  const copy = new DatabaseSync(part)
  try {
    const table = copy.prepare("SELECT 1 FROM sqlite_schema WHERE name = :name")
    const has = (name: string) => table.get({ name }) !== undefined
    if (has("documents_state")) copy.exec("UPDATE documents_state SET clean = 0")
    const left = without.filter(has)
    // Written anew, so that what was left out is in no free page either.
    for (const name of left) copy.exec(`DELETE FROM "${name}"`)
    if (left.length > 0) copy.exec("VACUUM")
    const found = copy.prepare("PRAGMA integrity_check(1)").get()?.["integrity_check"]
    if (found !== "ok") throw new Damage(`the copy is not whole: ${found}`)
  } finally {
    copy.close()
  }
  const file = await open(part)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
  renameSync(part, path)
}

/** Removes what there is of a copy that failed. */
export function dropCopy(part: string): void {
  rmSync(part, { force: true })
}

/** Says that the file itself is broken, as opposed to one that cannot be reached. */
export class Damage extends Error {}

/** Whether the file itself is broken, by what SQLite or our own check says. */
export function isDamage(thrown: unknown): boolean {
  return thrown instanceof Damage || damage.has(codeOf(thrown) ?? 0)
}

/** Whether it is the disk, the file or another process that failed, and not a statement of ours. */
export function isFault(thrown: unknown): boolean {
  const code = codeOf(thrown)
  return code !== undefined && !ownFaults.has(code)
}

/** What was thrown, in words. */
export function describe(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

function codeOf(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !("errcode" in thrown)) return undefined
  return typeof thrown.errcode === "number" ? thrown.errcode & 0xff : undefined
}

// Creates `path` where it is missing; its folder then remembers it also after a power failure.
function makePrivate(path: string): void {
  if (!existsSync(path)) {
    closeSync(openSync(path, "wx", privateFile))
    const folder = openSync(dirname(path), "r")
    fsyncSync(folder)
    closeSync(folder)
  }
  chmodSync(path, privateFile)
}
