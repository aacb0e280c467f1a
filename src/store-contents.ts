/**
 * A copy of everything: of the database, and of the contents of durable blocks beside it.
 *
 * What always holds: the copy has its name only when all of it is there, so one that was cut off is
 * never taken for one. Every content that it names is there, with its sum checked, at the generation
 * that it names or a later one; a block that was destroyed meanwhile is in neither.
 */
import { existsSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { KeptFiles } from "./memory-kept.ts"
import { openStore, type Store } from "./store.ts"

export interface WholeCopy {
  /** What is copied. */
  readonly store: Store
  /** The name that the copy of the database gets. */
  readonly copy: string
  /** Where contents are kept, one file each. */
  readonly contents: string
  /** Tables whose rows are left out. */
  readonly without: readonly string[]
}

interface Named {
  readonly uuid: string
  readonly generation: number
}

/** Where the contents of a copy lie: a folder beside it, there when it names any. */
export function contentsOf(copy: string): string {
  return `${copy}-blocks`
}

/** The name of a copy while it is made; what `store.backup` makes of it begins with that, too. */
function begunOf(copy: string): string {
  return `${copy}.new`
}

/**
 * Copies `store`, then the contents that the copy names. Throws one sentence, also one that names the
 * file which is missing or does not match its sum; then nothing of the copy stays. Reads each content whole.
 */
export async function copyWhole({ store, copy, contents, without }: WholeCopy): Promise<void> {
  const [begun, to] = [begunOf(copy), contentsOf(copy)]
  for (const place of [copy, to]) {
    if (existsSync(place)) throw new Error(`there is a file at ${place} already`)
  }
  removeCopy(begun) // of a copy that was cut off
  try {
    await store.backup(begun, without)
    copyContents({ begun, store, contents })
    // The database last: what has its name is whole.
    if (existsSync(contentsOf(begun))) renameSync(contentsOf(begun), to)
    renameSync(begun, copy)
  } catch (thrown) {
    removeCopy(begun)
    throw thrown
  }
}

/** Removes a copy, with its contents. */
export function removeCopy(copy: string): void {
  rmSync(copy, { force: true })
  rmSync(contentsOf(copy), { recursive: true, force: true })
}

function copyContents({
  begun,
  store,
  contents,
}: {
  readonly begun: string
  readonly store: Store
  readonly contents: string
}): void {
  const [from, into] = [new KeptFiles(contents), new KeptFiles(contentsOf(begun))]
  const copy = openStore({ uri: begun, use: "visit" })
  try {
    for (const { uuid, generation } of namedIn(copy)) {
      const kept = from.get(uuid)
      if (kept !== undefined && kept.generation >= generation) into.put(uuid, kept)
      else if (!namedIn(store).some((each) => each.uuid === uuid)) {
        // Destroyed since: a server would miss its content.
        copy.prepare("DELETE FROM pools_block WHERE uuid = :uuid").run({ uuid })
      } else if (generation > 0) {
        throw new Error(`${join(contents, uuid)} is missing or older than its block`)
      }
    }
  } finally {
    copy.close()
  }
}

function namedIn(store: Store): readonly Named[] {
  const table = store.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'pools_block'")
  if (table.get() === undefined) return []
  return store.prepare<Named>("SELECT uuid, generation FROM pools_block").all()
}
