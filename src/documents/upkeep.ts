/**
 * What is done now and then: documents leave memory, and those that nobody wants the disk.
 *
 * What always holds: nothing leaves memory that is not saved, and nothing that has a connection
 * (DC24); a tick does a bounded part of it. Where the store is in memory nothing else remains of a
 * document, so there eviction deletes it (DC26).
 */
import type { Log } from "../log.ts"
import type { Document } from "./document.ts"
import type { Residents } from "./residents.ts"
import type { Saver } from "./saver.ts"
import { lookMs, type Settings, type Time } from "./settings.ts"
import type { Shelf } from "./shelf.ts"

/** How often we look who has heard nothing for long. */
const aliveLookMs = 1_000
/** Rows asked for in one tick: about 2 µs each. */
const rowsAtOnce = 200

export interface UpkeepOptions {
  readonly shelf: Shelf
  readonly log: Log
  readonly time: Time
  readonly settings: Settings
  readonly residents: Residents
  readonly saver: Saver
  /** Takes a document out of memory. */
  readonly drop: (document: Document) => void
  /** Another program has deleted its row. */
  readonly deleted: (document: Document) => void
}

export class Upkeep {
  /** Documents evicted and deleted, since the start. */
  readonly counts = { evicted: 0, expired: 0 }
  readonly #options: UpkeepOptions
  /** Ids whose rows are still to be looked for in this round. */
  #toFind: string[] = []
  // All of it is done for the first time when its time has passed since the first tick: a clock
  // that is wrong while a machine starts deletes nothing.
  #foundAt: number | undefined
  #cleanedAt: number | undefined
  #toldAliveAt: number | undefined
  #isExpiring = false

  constructor(options: UpkeepOptions) {
    this.#options = options
  }

  tick(): void {
    const { residents, time, settings } = this.#options
    const { forget, rest, evict } = residents.overdue()
    for (const document of forget) this.#options.drop(document)
    for (const document of rest) {
      document.rest()
      residents.recount(document)
    }
    for (const document of evict) this.#evict(document)
    this.#findRows()
    this.#tellAlive()
    this.#cleanedAt ??= time.now
    if (time.now - this.#cleanedAt >= settings.cleanupMs) {
      this.#cleanedAt = time.now
      this.#isExpiring = true
      for (const document of residents.unusedSince(time.now - settings.expiryMs)) {
        this.#evict(document)
      }
    }
    if (this.#isExpiring) this.#expire()
  }

  // A document that is idle was saved when the last one left; if that failed, it is not yet to go.
  #evict(document: Document): void {
    const { shelf, saver, drop } = this.#options
    if (document.isChanged) return saver.want(document)
    drop(document)
    this.counts.evicted += 1
    if (!shelf.durable && document.isStored) this.#attempt(() => shelf.remove(document.id))
  }

  // Each row is looked for once in ten seconds (DC29), some in each tick.
  #findRows(): void {
    const { residents, shelf, time } = this.#options
    this.#foundAt ??= time.now
    if (this.#toFind.length === 0) {
      if (time.now - this.#foundAt < lookMs) return
      this.#foundAt = time.now
      this.#toFind = [...residents].flatMap(({ id, isStored }) => (isStored ? [id] : []))
    }
    const ids = this.#toFind.splice(0, rowsAtOnce)
    if (ids.length === 0) return
    this.#attempt(() => {
      for (const id of shelf.missing(ids)) {
        const document = residents.find(id)
        if (document !== undefined) this.#options.deleted(document)
      }
    })
  }

  // Who has heard nothing for long may take the line for dead (DC102).
  #tellAlive(): void {
    const { residents, time } = this.#options
    this.#toldAliveAt ??= time.now
    if (time.now - this.#toldAliveAt < aliveLookMs) return
    this.#toldAliveAt = time.now
    for (const document of residents.hot()) document.audience.tellAlive(document)
  }

  // What is in memory is in use, or was just now.
  #expire(): void {
    const { shelf, time, settings, residents } = this.#options
    this.#isExpiring =
      this.#attempt(() => {
        const expired = shelf.expire(time.now, settings.retentionDays, new Set(residents.ids()))
        this.counts.expired += expired
        return expired > 0
      }) ?? false
  }

  // None of this is worth more than a line in the log when the store is away: it comes round again.
  #attempt<T>(work: () => T): T | undefined {
    try {
      return work()
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.name : "unknown"
      this.#options.log.warn("upkeep failed", { reason })
      return undefined
    }
  }
}
