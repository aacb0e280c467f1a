/**
 * What is done about blocks without being asked: durable ones are saved, idle ones removed, damaged
 * ones replaced, writers that are gone or stuck overruled.
 *
 * What always holds: a writer that may still be alive loses the file, never only its word, so what
 * it stores later goes nowhere; looking for damage reads at most 1 MiB a tick on average, saving writes
 * at most 16 MiB and one block more. What is stored of a block never goes because of its memory.
 */
import type { Log } from "../log.ts"
import type { Memory } from "../memory.ts"
import { at, Damaged } from "../wire/layout.ts"
import { Refusal } from "../wire/pools-errors.ts"
import { consumerAt, consumerStates, inConsumer } from "../wire/ring.ts"
import type { Attachment, Block } from "./blocks-block.ts"
import type { Contents } from "./blocks-content.ts"
import type { Making } from "./blocks-making.ts"
import type { Notices } from "./blocks-notices.ts"
import { attached, fault, faultCost } from "./blocks-shown.ts"
import type { BlockTables } from "./blocks-tables.ts"
import type { Limits } from "./limits.ts"

export interface CareOptions {
  readonly memory: Memory
  readonly making: Making
  readonly tables: BlockTables
  readonly notices: Notices
  readonly contents: Contents
  readonly limits: Limits
  readonly log: Log
  /** ms since 1970. */
  readonly now: () => number
  /** Ends a block, and tells who is attached. "kept": what is stored of it stays. */
  readonly retire: (block: Block, stored: "dropped" | "kept") => void
}

const checkBytes = 1024 * 1024
/** Saved in one tick, at most: 1 MiB takes about 1 ms and the disk's own time. */
const saveBytes = 16 * 1024 * 1024
const saveFiles = 16
const minuteMs = 60_000

/** How far a consumer has come, and since when. */
interface Stuck {
  readonly cursor: number
  readonly since: number
}

export class Care {
  readonly #options: CareOptions
  readonly #stuck = new WeakMap<Attachment, Stuck>()
  #budget = 0
  /** What may be saved still in this tick. */
  #saves = { bytes: saveBytes, files: saveFiles }
  /** Durable blocks that could not be saved the last time. */
  readonly #failing = new Set<Block>()
  /** Blocks that were found damaged, in all. */
  damaged = 0

  constructor(options: CareOptions) {
    this.#options = options
  }

  /** "failing": a durable block could not be saved. */
  get state(): "well" | "failing" {
    for (const block of this.#failing) if (block.state === "gone") this.#failing.delete(block)
    return this.#failing.size === 0 ? "well" : "failing"
  }

  /** Does what is due for each. */
  tick(blocks: Iterable<Block>, now: number): void {
    this.#budget = Math.min(checkBytes, this.#budget + checkBytes)
    this.#saves = { bytes: saveBytes, files: saveFiles }
    for (const block of blocks) {
      if (block.state === "zeroing" || block.state === "gone") continue
      try {
        this.#look(block, now)
      } catch (thrown) {
        if (thrown instanceof Damaged) this.report(block, thrown.message, now)
        else if (!(thrown instanceof Refusal)) throw thrown
      }
    }
  }

  /** Does what may find the block damaged. Throws INTEGRITY then, with the block replaced. */
  orReplace<Value>(block: Block, work: () => Value): Value {
    try {
      // One that is being made is not as long yet.
      if (block.state !== "zeroing" && !block.edition.file.isWhole()) {
        throw new Damaged("its file has another length")
      }
      return work()
    } catch (thrown) {
      if (!(thrown instanceof Damaged)) throw thrown
      this.report(block, thrown.message, this.#options.now())
      throw new Refusal("integrity", `the block was damaged from outside: ${thrown.message}`)
    }
  }

  /** As `orReplace`, where nobody has asked. */
  guarded(block: Block, work: () => void): void {
    try {
      this.orReplace(block, work)
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown
    }
  }

  /** Another file, and all move over. */
  replace(block: Block): void {
    try {
      this.#options.making.replace(block)
    } catch (thrown) {
      if (!(thrown instanceof Refusal || thrown instanceof Damaged)) throw thrown
      const why = thrown.message
      this.#options.log.warn("a block has no other file", { block: block.facts.uuid, why })
      return this.#options.retire(block, "kept")
    }
    block.leaving = undefined
    block.stalled = undefined
    const { writer } = block
    if (writer !== undefined && !block.has("many")) block.grantTo(writer)
    this.#options.notices.event(block, "replaced", (each) => attached(each))
  }

  /** A writer's connection ended with the file mapped: whether its process is gone too. */
  settle(block: Block, now: number): void {
    const { leaving } = block
    if (leaving === undefined) return
    const { program } = leaving
    if (program !== undefined && this.#options.memory.lives(program) === "gone") {
      block.leaving = undefined
      if (block.has("many")) block.edition.area.store(at.writer, 0)
      else block.grantTo(undefined)
      return
    }
    // It was looked for once at once, and once more now.
    if (now > leaving.since) this.replace(block)
  }

  /** Writes a durable block down, if it has changed. Throws what the disk says. */
  save(block: Block, now: number): void {
    if (!block.has("durable") || block.newest() === block.savedGeneration) return
    const newest = this.#options.making.newestOf(block)
    if (newest === undefined) return
    this.#saves = {
      bytes: this.#saves.bytes - newest.data.length,
      files: this.#saves.files - 1,
    }
    this.#options.memory.kept.put(block.facts.uuid, newest)
    this.#options.tables.put(block, { now, generation: newest.generation })
    block.savedGeneration = newest.generation
    block.savedAt = now
  }

  #look(block: Block, now: number): void {
    const { limits, contents } = this.#options
    if (!block.locks.isIdle) block.locks.tick(now)
    this.settle(block, now)
    if (block.waitingWrites.length > 0 && contents.tick(block, now) === "stalled") {
      this.#expel(block)
      this.replace(block)
    }
    const isDue = block.has("durable") && now - block.savedAt >= limits.blockSaveMs
    if (isDue && this.#saves.bytes > 0 && this.#saves.files > 0) this.trySave(block, now)
    if (block.isRing && !block.has("overwrites")) this.#stall(block, now)
    if (now - block.checkedAt >= limits.integrityMs && this.#budget > 0) {
      this.#budget -= faultCost(block)
      block.checkedAt = now
      const found = fault(block)
      if (found !== undefined) throw new Damaged(found)
    }
    const isIdle =
      block.attachments.size === 0 && !block.has("durable") && block.leaving === undefined
    block.idleSince = isIdle ? (block.idleSince ?? now) : undefined
    const idleMs = now - (block.idleSince ?? now)
    if (isIdle && idleMs >= limits.blockIdleMs) this.#options.retire(block, "dropped")
  }

  /** Saves a durable block if it can; one that cannot be saved now is tried again. */
  trySave(block: Block, now: number): void {
    try {
      this.save(block, now)
      this.#failing.delete(block)
    } catch (thrown) {
      if (thrown instanceof Damaged) throw thrown
      block.savedAt = now
      if (this.state === "well") {
        this.#options.log.warn("blocks cannot be saved", { why: String(thrown) })
      }
      this.#failing.add(block)
    }
  }

  /** Whoever sits on the writer word has to attach again. */
  #expel(block: Block): void {
    const holder = block.attachments.get(block.edition.area.load(at.writer))
    if (holder === undefined) return
    this.#options.notices.one(holder, "detached", { reason: "writerStallMs" })
    block.remove(holder)
  }

  /** Detaches consumers that have held a producer up for too long. */
  #stall(block: Block, now: number): void {
    const { area, header } = block.edition
    const units = header.capacity / 16
    const tail = area.load(at.latest)
    for (const each of [...block.attachments.values()]) {
      if (each.cell === undefined) continue
      const line = consumerAt(each.cell)
      const cursor = area.load(line + inConsumer.cursor)
      const before = this.#stuck.get(each)
      const holdsUp = (tail - cursor) >>> 0 > (units * 7) / 8
      if (!holdsUp || before?.cursor !== cursor) {
        this.#stuck.set(each, { cursor, since: now })
      } else if (now - before.since >= this.#options.limits.consumerStallMs) {
        area.store(line + inConsumer.state, consumerStates.detached)
        this.#options.notices.one(each, "detached", { reason: "consumerStallMs" })
        // Its place is kept as it is until it has attached again: so it can see why.
        block.attachments.delete(each.number)
      }
    }
  }

  /** A block was found damaged: it is told, and another file takes its place, but not without end. */
  report(block: Block, why: string, now: number): void {
    const { limits, log, notices, retire } = this.#options
    this.damaged++
    log.warn("a block was damaged from outside", { block: block.facts.uuid, why })
    notices.event(block, "integrity", () => ({ reason: why }))
    block.damagedAt = [...block.damagedAt.filter((each) => now - each < minuteMs), now]
    if (block.damagedAt.length < limits.damagesPerMinute) return this.replace(block)
    log.warn("a block is damaged again and again, and ends", { block: block.facts.uuid })
    retire(block, "kept")
  }
}
