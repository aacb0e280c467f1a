/**
 * When this server last had rooms: one number in the store, and nothing of what was in them.
 *
 * What always holds: a server that starts again within a minute knows that its clients may be about
 * to bring documents back, and lets nobody fill one anew meanwhile (RL40). A server that starts for
 * the first time keeps nobody waiting.
 */
import type { Statement, Store } from "../store.ts"

const steps = [
  "CREATE TABLE relay_trace (id INTEGER PRIMARY KEY CHECK (id = 1), alive_at INTEGER NOT NULL)",
]

export class Traces {
  readonly #read: Statement<{ readonly alive_at: number }>
  readonly #write: Statement<never>

  /** Makes its table where it is missing. */
  constructor(store: Store) {
    store.migrate("relay", steps)
    this.#read = store.prepare("SELECT alive_at FROM relay_trace")
    this.#write = store.prepare(
      `INSERT INTO relay_trace (id, alive_at) VALUES (1, :now)
       ON CONFLICT (id) DO UPDATE SET alive_at = :now`,
    )
  }

  /** ms since 1970; undefined where there never were rooms. */
  get aliveAt(): number | undefined {
    return this.#read.get()?.alive_at
  }

  /** There are rooms now. */
  touch(now: number): void {
    this.#write.run({ now })
  }
}
