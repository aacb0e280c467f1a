/**
 * Calls that were settled of late, for those who look. In a database of its own, in memory.
 *
 * What always holds: settling a call only puts facts of it aside, in a place that is used again and
 * again; they reach the database when somebody asks, and the oldest are overwritten.
 */
import type { Statement, Store } from "../store.ts"
import type { Settled } from "./calls.ts"

/** A place for what is kept of one call. */
interface Aside {
  settled: number
  trigger: string
  pool: string
  caller: string
  handler: string | null
  outcome: string
  ms: number
  attempt: number
  trace: string | null
}

/** `call` is its number, from 1. */
type Row = Readonly<Aside> & { readonly call: string }

/** What to look for. */
export interface Search {
  readonly outcome: string | null
  readonly trigger: string | null
  readonly app: string | null
  readonly trace: string | null
  readonly limit: number
}

const table = `CREATE TABLE recent_call (
  at INTEGER PRIMARY KEY, settled INTEGER, call TEXT, trigger TEXT, pool TEXT, caller TEXT,
  handler TEXT, outcome TEXT, ms REAL, attempt INTEGER, trace TEXT)`

export class Recent {
  readonly #store: Store
  readonly #limit: number
  readonly #put: Statement<never>
  readonly #find: Statement<Row>
  // A ring. What is not in the database yet begins at #written.
  readonly #ring: Aside[] = []
  #count = 0
  #written = 0

  constructor(store: Store, limit: number) {
    this.#store = store
    this.#limit = limit
    store.migrate("recent", [table])
    this.#put = store.prepare(`INSERT OR REPLACE INTO recent_call VALUES (:at, :settled, :call,
      :trigger, :pool, :caller, :handler, :outcome, :ms, :attempt, :trace)`)
    this.#find = store.prepare(`SELECT * FROM recent_call
      WHERE (:outcome IS NULL OR outcome = :outcome) AND (:trigger IS NULL OR trigger = :trigger)
        AND (:app IS NULL OR caller = :app OR handler = :app)
        AND (:trace IS NULL OR instr(trace, :trace) > 0)
      ORDER BY settled DESC, call DESC LIMIT :limit`)
  }

  add({ call, outcome, handler, at }: Settled): void {
    const place = this.#count++ % this.#limit
    const aside = this.#ring[place] ?? emptyPlace()
    this.#ring[place] = aside
    aside.settled = at
    aside.trigger = call.trigger.name
    aside.pool = call.trigger.pool.name
    aside.caller = call.caller.name
    aside.handler = handler ?? null
    aside.outcome = outcome
    aside.ms = at - call.startedAt
    aside.attempt = call.attempt
    aside.trace = call.traceparent ?? null
  }

  /** The newest first. */
  find(search: Search): readonly Row[] {
    this.#write()
    return this.#find.all({ ...search }).map(({ ...row }) => row)
  }

  #write(): void {
    const from = Math.max(this.#written, this.#count - this.#limit)
    this.#store.transaction(() => {
      for (let each = from; each < this.#count; each++) {
        const at = each % this.#limit
        const aside = this.#ring[at]
        if (aside !== undefined) this.#put.run({ at, call: String(each + 1), ...aside })
      }
    })
    this.#written = this.#count
  }
}

function emptyPlace(): Aside {
  const nobody = { trigger: "", pool: "", caller: "", handler: null, trace: null }
  return { ...nobody, settled: 0, outcome: "", ms: 0, attempt: 0 }
}
