/**
 * Calls that were settled of late, for those who look. In a database of its own, in memory.
 *
 * What always holds: settling a call only puts a row aside; rows reach the database when somebody
 * asks, and the oldest are overwritten.
 */
import type { Statement, Store } from "../store.ts"
import type { Settled } from "./calls.ts"

interface Row {
  readonly settled: number
  readonly call: string
  readonly trigger: string
  readonly pool: string
  readonly caller: string
  readonly handler: string | null
  readonly outcome: string
  readonly ms: number
  readonly attempt: number
  readonly trace: string | null
}

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
  // A ring: what was put aside and is not in the database yet.
  readonly #aside: (Row | undefined)[] = []
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
    this.#aside[this.#count % this.#limit] = {
      settled: at,
      call: String(this.#count + 1),
      trigger: call.trigger.name,
      pool: call.trigger.pool.name,
      caller: call.caller.name,
      handler: handler ?? null,
      outcome,
      ms: at - call.startedAt,
      attempt: call.attempt,
      trace: call.traceparent ?? null,
    }
    this.#count++
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
        const row = this.#aside[at]
        if (row !== undefined) this.#put.run({ at, ...row })
        this.#aside[at] = undefined
      }
    })
    this.#written = this.#count
  }
}
