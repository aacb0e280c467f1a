/** Durable blocks, as they were saved: there again when the server starts, with a higher generation. */
import type { Log } from "../log.ts"
import type { Memory } from "../memory.ts"
import { at, type BlockFlag, Damaged, states } from "../wire/layout.ts"
import { Refusal } from "../wire/pools-errors.ts"
import { Block, type BlockFacts } from "./blocks-block.ts"
import { uuidBytes } from "./blocks-creating.ts"
import type { Making } from "./blocks-making.ts"
import { type BlockRow, type BlockTables, permissionsOf } from "./blocks-tables.ts"
import type { Limits } from "./limits.ts"
import { Locks } from "./locks.ts"
import type { Realm } from "./realm.ts"
import type { Session } from "./session.ts"

export interface RestoredOptions {
  readonly memory: Memory
  readonly making: Making
  readonly tables: BlockTables
  readonly realm: Realm
  readonly limits: Limits
  readonly log: Log
  readonly now: () => number
  /** What is done about a content that is missing, or is not what was saved. */
  readonly damaged: DamagedContents
}

/** "refuse": the server does not start. "leave": it goes on without those blocks, which stay stored. */
export type DamagedContents = "refuse" | "leave"

/**
 * Makes a file for each stored block. One that has no room is logged and stays stored. Throws one
 * sentence that names the file whose content is missing or damaged, unless told to leave those.
 */
export function restored(options: RestoredOptions): void {
  for (const uuid of options.tables.gone()) drop(uuid, options)
  for (const row of options.tables.all()) {
    try {
      restore(row, options)
    } catch (thrown) {
      if (thrown instanceof Damaged && options.damaged === "refuse") {
        const advice =
          "take it from a backup, or set BLOCKS_DAMAGED=leave to go on without the block"
        throw new Error(`a durable block's content ${thrown.message}: ${advice}`)
      }
      const why = thrown instanceof Refusal ? thrown.message : String(thrown)
      options.log.error("a block could not be restored", { block: row.uuid, why })
    }
  }
}

/** The content of a block that is gone, as it may have been left by a crash. */
function drop(uuid: string, { memory, tables, log }: RestoredOptions): void {
  try {
    memory.kept.drop(uuid)
    tables.forgotten(uuid)
  } catch (thrown) {
    log.warn("a block's content stays", { block: uuid, why: String(thrown) })
  }
}

function restore(row: BlockRow, options: RestoredOptions): void {
  const { memory, making, tables, realm, limits, now } = options
  const pool = realm.find(row.pool)
  if (pool === undefined) {
    // The pool went while the file stayed.
    tables.drop(row.uuid)
    return drop(row.uuid, options)
  }
  const content = memory.kept.get(row.uuid)
  if (content === undefined && row.generation > 0) throw new Damaged(`${row.uuid} is missing`)
  const flags = new Set(row.flags.split(",").filter((flag) => flag !== "")) as Set<BlockFlag> // our own row
  const { capacity, created } = row
  const header = {
    uuid: uuidBytes(row.uuid),
    flags,
    slots: row.slots,
    capacity,
    createdAt: created,
  }
  const facts: BlockFacts = {
    ...{ id: row.block_id, uuid: row.uuid, header },
    ...{ permissions: permissionsOf(row), createdAt: created },
  }
  const isSealed = row.sealed !== null
  const shape = isSealed ? { ...header, slots: 1 } : header
  const { uuid, edition: last } = row
  const { permissions } = facts
  const edition = making.begin({ uuid, header: shape, number: last + 1, permissions })
  while (making.fill(edition) === "more");
  const locks = new Locks<Session>(limits)
  const block = new Block(pool, facts, { edition, locks, now: now() })
  block.state = isSealed ? "sealed" : "live"
  block.sum = row.sealed ?? undefined
  if (content !== undefined) {
    const { data, contentType, generation: after } = content
    const rest = { writer: 0, fence: 0, time: Math.round(now() * 1_000), contentType, after }
    edition.slots.write({ offset: "whole", data, ...rest, state: "as-is" })
    block.savedGeneration = isSealed ? block.newest() : 0
  }
  if (isSealed) {
    edition.area.store(at.state, states.sealed)
    edition.file.seal()
  }
  pool.blocks.set(row.block_id, block)
}
