/**
 * The files of blocks: made, replaced, sealed, let go.
 *
 * What always holds: nobody is told of a file that is not all zeros yet; a file is retired before
 * the newest content is taken from it, so whatever its old writer still stores goes nowhere.
 */
import type { Memory } from "../memory.ts"
import { NoSpace } from "../memory.ts"
import {
  at,
  type BlockFlag,
  Damaged,
  fileBytes,
  type Header,
  lastGeneration,
  lineOf,
  states,
} from "../wire/layout.ts"
import { Refusal } from "../wire/pools-errors.ts"
import { activate } from "../wire/ring.ts"
import { type Block, type Edition, editionOf, type Permissions } from "./blocks-block.ts"
import type { Limits } from "./limits.ts"

export interface MakingOptions {
  readonly memory: Memory
  readonly limits: Limits
  /** ms since 1970. */
  readonly now: () => number
}

/** A file that is wanted. `permissions` are the block's: whom its file may let write. */
export interface Wanted {
  readonly uuid: string
  readonly header: Header
  readonly number: number
  readonly permissions?: Permissions
}

/** The newest content of a block. */
export interface Newest {
  readonly generation: number
  readonly contentType: number
  readonly data: Uint8Array
}

export class Making {
  readonly #options: MakingOptions
  readonly #limitBytes: number
  /** Bytes of all files. */
  used = 0

  constructor(options: MakingOptions) {
    this.#options = options
    const { shmLimitBytes } = options.limits
    const half = Math.floor(options.memory.freeAtStart / 2)
    this.#limitBytes = shmLimitBytes === 0 ? half : shmLimitBytes
  }

  /** A file for an edition. Throws NO_SPACE with what was asked for and what is free. */
  begin({ uuid, header, number, permissions }: Wanted): Edition {
    const { memory } = this.#options
    const members = permissions?.write === undefined ? "write" : "read"
    const bytes = fileBytes(header)
    const free = Math.min(this.#limitBytes - this.used, memory.free())
    if (bytes > free) throw noSpace(bytes, free)
    const file = this.guarded(bytes, () => memory.make(`${uuid}.${number}`, bytes, members))
    this.used += bytes
    return editionOf(file, header, { number, crc: memory.crc })
  }

  /** Zeroes a piece more; "filled" once all is, and then the header stands there too. Throws NO_SPACE. */
  fill(edition: Edition): "more" | "filled" {
    const { file, header, area, number } = edition
    try {
      if (this.guarded(file.bytes, () => file.fill()) === "more") return "more"
    } catch (thrown) {
      this.used -= file.bytes
      throw thrown
    }
    try {
      area.put(0, lineOf(header))
      area.store(at.edition, number)
    } catch (thrown) {
      this.drop(edition)
      throw thrown
    }
    return "filled"
  }

  /** Lets a file go. Who maps it sees that it is retired. */
  drop(edition: Edition): void {
    try {
      edition.area.store(at.state, states.retired)
    } catch {
      // It was removed or closed to writing from outside; it goes anyway.
    }
    edition.file.remove()
    this.used -= edition.file.bytes
  }

  /**
   * Gives a block a new file with the newest content as its next generation. All others move over;
   * the caller tells them. Throws NO_SPACE, and then the block is as retired as its file.
   */
  replace(block: Block): void {
    const before = block.edition
    this.#retire(before)
    const content = block.isRing ? undefined : this.#contentOf(block)
    const after = Math.max(content?.generation ?? 0, block.seen)
    if (after + 2 > lastGeneration) throw new Damaged("no generations are left")
    const edition = this.#whole(block, before.header)
    const { slots } = edition
    block.edition = edition
    if (content !== undefined) {
      const { contentType, data } = content
      const rest = { writer: 0, fence: 0, time: this.#options.now() * 1_000, contentType }
      slots.write({ offset: "whole", data, ...rest, state: "as-is", after })
    }
    if (block.state === "sealed") {
      edition.area.store(at.state, states.sealed)
      edition.file.seal()
    } else {
      block.grantTo(undefined)
      this.#settle(block)
    }
    this.drop(before)
  }

  /** Puts the newest content into a file of its own that never changes. */
  seal(block: Block): Newest {
    const before = block.edition
    const content = this.newestOf(block) ?? {
      generation: 0,
      contentType: 3,
      data: new Uint8Array(0),
    }
    this.#retire(before)
    const header = { ...before.header, slots: 1 }
    let edition: Edition
    try {
      edition = this.#whole(block, header)
    } catch (thrown) {
      before.area.store(at.state, states.live)
      throw thrown
    }
    const { data, contentType } = content
    const rest = { writer: 0, fence: 0, time: this.#options.now() * 1_000, contentType }
    const after = Math.max(content.generation, block.seen)
    const wrote = edition.slots.write({ offset: "whole", data, ...rest, state: "as-is", after })
    edition.area.store(at.state, states.sealed)
    edition.file.seal()
    block.edition = edition
    this.drop(before)
    return { ...content, generation: wrote.is === "written" ? wrote.generation : after }
  }

  /** Seals a block that was filled, where it lies. Throws OUT_OF_RANGE for a length that it cannot have. */
  publish(block: Block, writer: number, length = block.facts.header.capacity): Newest {
    if (length > block.facts.header.capacity) {
      throw new Refusal("out-of-range", "it is longer than the block")
    }
    const { slots, file } = block.edition
    slots.publish({ writer, fence: 0, time: Math.round(this.#options.now() * 1_000), length })
    block.setState("sealed")
    file.seal()
    const content = this.newestOf(block)
    if (content === undefined) throw new Damaged("what was filled cannot be read")
    return content
  }

  /** The newest content, whatever state the file is in; undefined when there is none, or none that is whole. */
  newestOf(block: Block): Newest | undefined {
    try {
      const taken = block.edition.slots.read({ state: "as-is", verify: "always" })
      if (taken.is !== "content" || taken.of.generation > lastGeneration) return undefined
      return { ...taken.of, data: taken.data }
    } catch (thrown) {
      if (thrown instanceof Damaged) return undefined
      throw thrown
    }
  }

  /** Says of a full memory that it is full. */
  guarded<Value>(bytes: number, work: () => Value): Value {
    try {
      return work()
    } catch (thrown) {
      if (thrown instanceof NoSpace) {
        throw noSpace(bytes, this.#options.memory.free(), thrown.message)
      }
      throw thrown
    }
  }

  #whole(block: Block, header: Header): Edition {
    const { uuid, permissions } = block.facts
    const number = block.edition.number + 1
    const edition = this.begin({ uuid, header, number, permissions })
    while (this.fill(edition) === "more");
    return edition
  }

  // What can be read of it; else what was saved of it last; else nothing, as a next generation.
  #contentOf(block: Block): Newest | undefined {
    const found = this.newestOf(block)
    const isTrue = found !== undefined && this.#isWhatWasSealed(block, found)
    if (isTrue && found.generation >= block.seen) return found
    const kept = block.has("durable") ? this.#keptOf(block) : undefined
    if (kept !== undefined && this.#isWhatWasSealed(block, kept)) return kept
    if (block.state === "sealed") {
      throw new Refusal("integrity", "what was sealed cannot be read any more")
    }
    if (found !== undefined || block.seen === 0) return found
    return { generation: block.seen, contentType: 3, data: new Uint8Array(0) }
  }

  #isWhatWasSealed({ state, sum }: Block, { data }: Newest): boolean {
    if (state !== "sealed" || sum === undefined) return true
    const found = this.#options.memory.digest(data)
    return sum.every((byte, place) => byte === found[place])
  }

  #keptOf({ facts }: Block): Newest | undefined {
    try {
      return this.#options.memory.kept.get(facts.uuid)
    } catch {
      // It cannot be read, or is not what was written: there is none.
      return undefined
    }
  }

  // A file that takes no more writes is as good as retired: nobody is told of it again.
  #retire({ area }: Edition): void {
    try {
      area.store(at.state, states.retired)
    } catch (thrown) {
      if (!(thrown instanceof Damaged)) throw thrown
    }
  }

  /** Who is attached keeps its place. */
  #settle(block: Block): void {
    for (const each of block.attachments.values()) {
      if (block.isRing && each.cell !== undefined) {
        activate(block.edition.area, each.cell, each.number)
        each.consumer = undefined
      }
    }
    block.counted()
  }
}

/** The flags of a block that can be read on every machine. */
export function flagged(...flags: readonly (BlockFlag | undefined)[]): ReadonlySet<BlockFlag> {
  return new Set(flags.filter((each) => each !== undefined))
}

function noSpace(asked: number, free: number, why?: string): Refusal {
  const detail = { asked, free: Math.max(0, free) }
  const figures = `the memory for blocks has ${detail.free} bytes free, ${asked} are asked for`
  const sentence = why === undefined ? figures : `${why}: ${figures}`
  return new Refusal("no-space", sentence, { detail, retryAfterMs: 5_000 })
}
