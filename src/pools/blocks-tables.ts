/**
 * The table of durable blocks: what they are. Their contents lie in files of their own.
 *
 * What always holds: a row is there before anybody is told of its block, and gone with it. In the same
 * transaction it is noted that the content has to go, so a crash in between leaves none behind.
 */
import type { Statement, Step, Store } from "../store.ts"
import { Refusal } from "../wire/pools-errors.ts"
import type { Block, Permissions } from "./blocks-block.ts"

const steps: readonly Step[] = [
  `CREATE TABLE pools_block (
    uuid TEXT PRIMARY KEY,
    pool TEXT NOT NULL,
    block_id TEXT NOT NULL,
    capacity INTEGER NOT NULL,
    slots INTEGER NOT NULL,
    flags TEXT NOT NULL,
    permissions TEXT NOT NULL,
    edition INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    sealed BLOB,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    UNIQUE (pool, block_id)
  ) STRICT, WITHOUT ROWID`,
  // Blocks that are gone while their contents may be there still.
  "CREATE TABLE pools_block_gone (uuid TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
]

export interface BlockRow {
  readonly uuid: string
  readonly pool: string
  readonly block_id: string
  readonly capacity: number
  readonly slots: number
  readonly flags: string
  readonly permissions: string
  readonly edition: number
  readonly generation: number
  readonly sealed: Uint8Array | null
  readonly created: number
}

export class BlockTables {
  readonly #store: Store
  readonly #put: Statement<never>
  readonly #drop: Statement<never>
  readonly #note: Statement<never>
  readonly #forget: Statement<never>

  /** Makes the table where it is missing. Throws one sentence when it is of a later release. */
  constructor(store: Store) {
    this.#store = store
    store.migrate("pools-blocks", steps)
    this.#put = store.prepare(`INSERT INTO pools_block VALUES (:uuid, :pool, :id, :capacity,
      :slots, :flags, :permissions, :edition, :generation, :sealed, :created, :updated)
      ON CONFLICT (uuid) DO UPDATE SET edition = excluded.edition,
        generation = excluded.generation, sealed = excluded.sealed, updated = excluded.updated`)
    this.#drop = store.prepare("DELETE FROM pools_block WHERE uuid = :uuid")
    this.#note = store.prepare("INSERT OR IGNORE INTO pools_block_gone VALUES (:uuid)")
    this.#forget = store.prepare("DELETE FROM pools_block_gone WHERE uuid = :uuid")
  }

  /** All that are stored. */
  all(): readonly BlockRow[] {
    return this.#store.prepare<BlockRow>("SELECT * FROM pools_block").all()
  }

  /** Throws UNAVAILABLE when the store cannot be written. */
  put(
    block: Block,
    { now, generation = 0 }: { readonly now: number; readonly generation?: number },
  ): void {
    const { facts, pool, edition } = block
    stored(() =>
      this.#put.run({
        uuid: facts.uuid,
        pool: pool.name,
        id: facts.id,
        capacity: facts.header.capacity,
        slots: facts.header.slots,
        flags: [...facts.header.flags].join(","),
        permissions: JSON.stringify(facts.permissions),
        edition: edition.number,
        generation,
        sealed: block.sum ?? null,
        created: facts.createdAt,
        updated: now,
      }),
    )
  }

  /** The block is gone, and its content is to go: `drop` the content, then `forgotten`. Throws UNAVAILABLE. */
  drop(uuid: string): void {
    stored(() =>
      this.#store.transaction(() => {
        this.#note.run({ uuid })
        this.#drop.run({ uuid })
      }),
    )
  }

  /** Blocks that are gone while their contents may be there. */
  gone(): readonly string[] {
    const rows = this.#store.prepare<{ uuid: string }>("SELECT uuid FROM pools_block_gone").all()
    return rows.map(({ uuid }) => uuid)
  }

  /** The content is gone, too. */
  forgotten(uuid: string): void {
    stored(() => this.#forget.run({ uuid }))
  }
}

/** What we wrote ourselves, into a file that is ours. */
export function permissionsOf(row: BlockRow): Permissions {
  return JSON.parse(row.permissions) // any, taken for what `put` wrote
}

function stored(write: () => void): void {
  try {
    write()
  } catch (thrown) {
    if (String(thrown).includes("UNIQUE")) {
      const sentence = "a block of this name is stored and comes back when the server starts again"
      throw new Refusal("block-exists", sentence)
    }
    throw new Refusal("unavailable", "the store cannot be written now", { retryAfterMs: 1_000 })
  }
}
