/**
 * The tables of pools: what outlives the process. The only SQL of this part, besides recent
 * calls and what encrypted pools are verified by.
 *
 * What always holds: what one message changes is one transaction; a row that cannot be read is an
 * error at the start, never a pool or a binding that is missing.
 */
import type { Statement, Step, Store } from "../store.ts"
import type { Right } from "../wire/pools-shapes.ts"
import { App, type Binding, type Remembered } from "./app.ts"
import type { PoolFacts, RightLists } from "./pool.ts"

const steps: readonly Step[] = [
  `CREATE TABLE pools_pool (
    name TEXT PRIMARY KEY,
    pool_id BLOB NOT NULL,
    type TEXT NOT NULL,
    encrypted INTEGER NOT NULL DEFAULT 0,
    rights TEXT NOT NULL,
    owners TEXT NOT NULL,
    limits TEXT NOT NULL DEFAULT '{}',
    description TEXT NOT NULL,
    root_key BLOB,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE pools_app (
    app_id TEXT PRIMARY KEY,
    bound TEXT NOT NULL,
    bound_value BLOB,
    pools TEXT NOT NULL,
    triggers TEXT NOT NULL,
    topics TEXT NOT NULL,
    metadata TEXT NOT NULL,
    protocol TEXT NOT NULL,
    generation INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,
]

interface PoolRow {
  readonly name: string
  readonly pool_id: Uint8Array
  readonly type: string
  readonly rights: string
  readonly owners: string
  readonly description: string
  /** Of an encrypted pool. */
  readonly root_key: Uint8Array | null
  readonly created: number
}

interface AppRow {
  readonly app_id: string
  readonly bound: string
  readonly bound_value: Uint8Array | null
  readonly pools: string
  readonly triggers: string
  readonly topics: string
  readonly metadata: string
  readonly protocol: string
  readonly generation: number
  readonly first_seen: number
  readonly last_seen: number
}

export class Tables {
  readonly #store: Store
  readonly #putPool: Statement<never>
  readonly #dropPool: Statement<never>
  readonly #putApp: Statement<never>
  readonly #dropApp: Statement<never>

  /** Makes the tables where they are missing. Throws one sentence when they are of a later release. */
  constructor(store: Store) {
    this.#store = store
    store.migrate("pools", steps)
    this.#putPool = store.prepare(`INSERT INTO pools_pool
      (name, pool_id, type, encrypted, rights, owners, description, root_key, created, updated)
      VALUES (:name, :id, :type, :encrypted, :rights, :owners, :description, :rootKey, :created,
        :updated)
      ON CONFLICT (name) DO UPDATE SET rights = excluded.rights, owners = excluded.owners,
        description = excluded.description, updated = excluded.updated`)
    this.#dropPool = store.prepare("DELETE FROM pools_pool WHERE name = :name")
    this.#putApp = store.prepare(`INSERT INTO pools_app VALUES (:id, :bound, :value, :pools,
      :triggers, :topics, :metadata, :protocol, :generation, :first, :last)
      ON CONFLICT (app_id) DO UPDATE SET bound = excluded.bound,
        bound_value = excluded.bound_value, pools = excluded.pools, triggers = excluded.triggers,
        topics = excluded.topics, metadata = excluded.metadata, protocol = excluded.protocol,
        generation = excluded.generation, last_seen = excluded.last_seen`)
    this.#dropApp = store.prepare("DELETE FROM pools_app WHERE app_id = :id")
  }

  /** All stored pools. */
  pools(): readonly PoolFacts[] {
    const rows = this.#store.prepare<PoolRow>("SELECT * FROM pools_pool").all()
    return rows.map((row) => ({
      name: row.name,
      id: row.pool_id,
      type: row.type === "global" ? "global" : "local",
      rights: parsed<RightLists>(row.rights),
      owners: parsed<readonly string[]>(row.owners),
      description: row.description,
      createdAt: row.created,
      ...(row.root_key === null ? {} : { rootKey: row.root_key }),
    }))
  }

  /** All remembered apps, those that were seen last in front. */
  apps(): readonly App[] {
    const sql = "SELECT * FROM pools_app ORDER BY last_seen DESC"
    return this.#store
      .prepare<AppRow>(sql)
      .all()
      .map((row) => {
        const app = new App(row.app_id, row.first_seen)
        app.binding = bindingOf(row)
        app.remembered = {
          pools: parsed(row.pools),
          triggers: parsed(row.triggers),
          topics: parsed(row.topics),
          metadata: parsed<{ is?: unknown }>(row.metadata).is,
        }
        app.protocol = row.protocol
        app.generation = row.generation
        app.lastSeen = row.last_seen
        return app
      })
  }

  putPool(facts: PoolFacts, now: number): void {
    this.#putPool.run({
      name: facts.name,
      id: facts.id,
      type: facts.type,
      rights: JSON.stringify(facts.rights satisfies Partial<Record<Right, readonly string[]>>),
      owners: JSON.stringify(facts.owners),
      description: facts.description,
      encrypted: facts.rootKey === undefined ? 0 : 1,
      rootKey: facts.rootKey ?? null,
      created: facts.createdAt,
      updated: now,
    })
  }

  dropPool(name: string): void {
    this.#dropPool.run({ name })
  }

  /** All of it in one transaction. */
  together(work: () => void): void {
    this.#store.transaction(work)
  }

  /** Writes and forgets these apps, in one transaction. */
  writeApps(kept: Iterable<App>, gone: Iterable<string>): void {
    this.#store.transaction(() => {
      for (const app of kept) this.#putApp.run(rowOf(app))
      for (const id of gone) this.#dropApp.run({ id })
    })
  }
}

function rowOf(app: App) {
  const { pools, triggers, topics, metadata }: Remembered = app.remembered
  return {
    id: app.id,
    bound: app.binding.to,
    value: app.binding.to === "key" ? app.binding.key : null,
    pools: JSON.stringify(pools),
    triggers: JSON.stringify(triggers),
    topics: JSON.stringify(topics),
    metadata: JSON.stringify({ is: metadata }),
    protocol: app.protocol,
    generation: app.generation,
    first: app.firstSeen,
    last: app.lastSeen,
  }
}

function bindingOf({ bound, bound_value: key }: AppRow): Binding {
  if (bound === "key" && key !== null) return { to: "key", key }
  return bound === "token" || bound === "certificate" ? { to: bound } : { to: "none" }
}

/** What we wrote ourselves, into a file that is ours. */
function parsed<T>(text: string): T {
  return JSON.parse(text) // any, taken for what rowOf and putPool wrote
}
