/** A store with a table of words, for tests of the store. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { openStore, type Store, type StoreOptions } from "../src/store.ts"

/** The root of the repository. */
export const root = join(import.meta.dirname, "..")

/** A fresh folder, removed when the test ends. */
export function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "quartet-store-"))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A store that is closed when the test ends, with a table of words. */
export function words(t: TestContext, options: Partial<StoreOptions> = {}): Words {
  const store = openStore({ uri: join(folder(t), "quartet.db"), ...options })
  t.after(() => store.close())
  store.migrate("words", ["CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"])
  const insert = store.prepare("INSERT INTO word (text) VALUES (:text)")
  const select = store.prepare<{ text: string }>("SELECT text FROM word ORDER BY id")
  return {
    store,
    write: (...texts) => {
      for (const text of texts) insert.run({ text })
    },
    read: () => select.all().map(({ text }) => text),
  }
}

/** A store, and its table as plain texts. */
export interface Words {
  readonly store: Store
  write(...texts: string[]): void
  read(): string[]
}

/** Waits until the store has answered. */
export function synced(store: Store): Promise<void> {
  return new Promise((resolve) => store.sync(resolve))
}

/** The value of a pragma, or what setting it gives. */
export const pragma = (store: Store, name: string) =>
  Object.values(store.prepare<Record<string, unknown>>(`PRAGMA ${name}`).get() ?? {})[0]
