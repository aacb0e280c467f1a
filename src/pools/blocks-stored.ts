/**
 * What is stored of blocks that are gone: their rows, then their contents.
 *
 * What always holds: a content goes behind its row, and that it has to is on record with that; so
 * whatever fails in between is made up for, by the next tick or the next start.
 */
import type { Log } from "../log.ts"
import type { Memory } from "../memory.ts"
import { Refusal } from "../wire/pools-errors.ts"
import type { BlockTables } from "./blocks-tables.ts"

export interface StoredOptions {
  readonly tables: BlockTables
  readonly memory: Memory
  readonly log: Log
}

export class StoredBlocks {
  readonly #options: StoredOptions
  // Of blocks that ended while the store failed: as many as there were, which `blockLimit` bounds.
  readonly #late = new Set<string>()

  constructor(options: StoredOptions) {
    this.#options = options
  }

  /** Throws UNAVAILABLE when the store cannot be written; then nothing has changed. */
  drop(uuid: string): void {
    const { tables, memory, log } = this.#options
    tables.drop(uuid)
    try {
      memory.kept.drop(uuid)
      tables.forgotten(uuid)
    } catch (thrown) {
      // It is on record that it has to go: the next start tries again.
      log.warn("a block's content stays", { block: uuid, why: String(thrown) })
    }
  }

  /** Now, or as soon as the store can be written. */
  later(uuid: string): void {
    this.#late.add(uuid)
    this.tick()
  }

  tick(): void {
    for (const uuid of this.#late) {
      try {
        this.drop(uuid)
        this.#late.delete(uuid)
      } catch (thrown) {
        if (thrown instanceof Refusal) return
        throw thrown
      }
    }
  }
}
