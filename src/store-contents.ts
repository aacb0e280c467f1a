/**
 * Contents of durable blocks, copied beside a copy of the database.
 *
 * What always holds: every content that the copy names is there, with its sum checked, at the
 * generation that the copy names or a later one; else there is no copy.
 */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { KeptFiles } from "./memory-kept.ts"
import { openStore, type Store } from "./store.ts"

export interface ContentsCopy {
  /** The copy of the database, which has its name already. */
  readonly copy: string
  /** The database that it was made of: what was destroyed meanwhile is left out. */
  readonly store: Store
  /** Where contents are kept, one file each. */
  readonly contents: string
}

interface Named {
  readonly uuid: string
  readonly generation: number
}

/** Where the contents of a copy lie: a folder beside it, there when it names any. */
export function contentsOf(copy: string): string {
  return `${copy}-blocks`
}

/**
 * Copies what `copy` names; gives how many. Throws one sentence that names the file which is missing or
 * does not match its sum; then the copy is removed, and what was copied. Reads each content whole.
 */
export function copyContents({ copy, store, contents }: ContentsCopy): number {
  const to = contentsOf(copy)
  try {
    const [from, into] = [new KeptFiles(contents), new KeptFiles(to)]
    const named = withCopy(copy, namedIn)
    for (const { uuid, generation } of named) {
      const kept = from.get(uuid)
      if (kept !== undefined && kept.generation >= generation) into.put(uuid, kept)
      else if (generation > 0 && namedIn(store).some((each) => each.uuid === uuid)) {
        throw new Error(`${join(contents, uuid)} is missing or older than its block`)
      }
    }
    return named.length
  } catch (thrown) {
    rmSync(copy, { force: true })
    rmSync(to, { recursive: true, force: true })
    throw thrown
  }
}

function withCopy<T>(copy: string, work: (store: Store) => T): T {
  const store = openStore({ uri: copy, use: "visit" })
  try {
    return work(store)
  } finally {
    store.close()
  }
}

function namedIn(store: Store): readonly Named[] {
  const table = store.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'pools_block'")
  if (table.get() === undefined) return []
  return store.prepare<Named>("SELECT uuid, generation FROM pools_block").all()
}
