/**
 * New blocks: what may be asked for, and the turns that pass until their file is all zeros.
 *
 * What always holds: a refused block leaves nothing behind; its name is taken from the first turn
 * on, and nobody can attach before the last.
 */
import { fillBytes, type Memory } from "../memory.ts"
import type { Random } from "../service.ts"
import { at, type BlockFlag, Damaged, type Header, states } from "../wire/layout.ts"
import { type Fault, Refusal } from "../wire/pools-errors.ts"
import type { MemoryRequest } from "../wire/pools-memory.ts"
import { isRingCapacity } from "../wire/ring.ts"
import { Block, type BlockFacts } from "./blocks-block.ts"
import { flagged, type Making } from "./blocks-making.ts"
import { missing } from "./blocks-refusals.ts"
import type { BlockTables } from "./blocks-tables.ts"
import type { Limits } from "./limits.ts"
import { Locks } from "./locks.ts"
import type { Pool } from "./pool.ts"
import { limit } from "./realm.ts"
import type { Session } from "./session.ts"

export interface CreatingOptions {
  readonly memory: Memory
  readonly making: Making
  readonly tables: BlockTables
  readonly limits: Limits
  readonly random: Random
  /** ms since 1970. */
  readonly now: () => number
  /** Asks for a tick at the end of this turn. */
  readonly wake: () => void
  /** How many blocks there are, of all pools. */
  readonly count: () => number
  /** A block that could not be finished: all of it goes. */
  readonly undone: (block: Block) => void
  /** A block can be attached to; who made it is the first. */
  readonly made: (block: Block, session: Session, request: MemoryRequest) => void
}

interface Begun {
  readonly block: Block
  readonly session: Session
  readonly request: MemoryRequest
}

/** What any file costs at least, as if so much of it were filled. */
const stepBytes = 64 * 1024
const defaultSlots = 4
const slotChoices = [2, 4, 8, 16, 32]

export class Creating {
  readonly #options: CreatingOptions
  #begun: Begun[] = []
  /** What may be filled still before the next tick. */
  #left = fillBytes

  constructor(options: CreatingOptions) {
    this.#options = options
  }

  /** Begins a block. Throws the Refusal that says why not. */
  create(session: Session, pool: Pool, request: MemoryRequest): void {
    const { limits, making, now, random } = this.#options
    const id = request.block.by === "id" ? request.block.id : ""
    if (id === "") throw missing("/block_id", "must name the block")
    if (pool.blocks.has(id)) throw new Refusal("block-exists", `block ${id} already exists`)
    if (pool.blocks.size >= limits.blocksPerPool) throw limit("blocksPerPool", limits.blocksPerPool)
    if (this.#options.count() >= limits.blockLimit) throw limit("blockLimit", limits.blockLimit)
    const uuid = random(16)
    const header = this.#header(request, uuid)
    const { permissions = {} } = request.fields
    const facts: BlockFacts = { id, uuid: uuidText(uuid), header, permissions, createdAt: now() }
    const edition = making.begin({ uuid: facts.uuid, header, number: 1, permissions })
    const locks = new Locks<Session>(limits)
    const block = new Block(pool, facts, { edition, locks, now: now() })
    pool.blocks.set(id, block)
    this.#begun.push({ block, session, request })
    this.#fill()
  }

  /** Fills a piece more: 4 MiB in one turn, of all together, those first that were asked for first. */
  tick(): void {
    this.#left = fillBytes
    this.#fill()
  }

  #fill(): void {
    for (;;) {
      const [first] = this.#begun
      if (first === undefined) return
      const { block } = first
      const cost = Math.max(stepBytes, Math.min(fillBytes, block.edition.file.bytes))
      if (cost > this.#left) break
      this.#left -= cost
      if (block.state === "gone" || this.#step(first) === "over") this.#begun.shift()
    }
    this.#options.wake()
  }

  #step(begun: Begun): "more" | "over" {
    const { block, session, request } = begun
    try {
      if (this.#options.making.fill(block.edition) === "more") return "more"
    } catch (thrown) {
      // What was filled of it is gone already.
      block.pool.blocks.delete(block.name)
      block.state = "gone"
      session.refuse(request.id, faultOf(thrown))
      return "over"
    }
    try {
      this.#finish(begun)
    } catch (thrown) {
      this.#options.undone(block)
      session.refuse(request.id, faultOf(thrown))
    }
    return "over"
  }

  #finish({ block, session, request }: Begun): void {
    const { tables, now, made } = this.#options
    const { filling, initial } = request.fields
    // One that is being filled is on record once it is sealed.
    if (block.has("durable") && filling !== true) {
      tables.put(block, { now: now() })
    }
    block.state = filling === true ? "filling" : "live"
    const { area, slots, header } = block.edition
    if (filling === true) area.store(at.state, states.filling)
    const starts = initial ?? (session.isModern ? "empty" : "zeros")
    if (starts === "zeros" && block.state === "live" && !block.isRing) {
      const rest = { writer: 0, fence: 0, time: Math.round(now() * 1_000) }
      const data = new Uint8Array(header.capacity)
      slots.write({ offset: "whole", data, ...rest, state: "as-is" })
    }
    made(block, session, request)
  }

  #header({ fields }: MemoryRequest, uuid: Uint8Array): Header {
    const { limits, memory, now } = this.#options
    const { size: capacity, ring, filling, slots = defaultSlots } = fields
    if (capacity === undefined || capacity < 1) throw missing("/size", "must be 1 or more bytes")
    if (ring !== undefined && !isRingCapacity(capacity)) {
      throw missing("/size", "must be a power of two from 4096 to 1073741824 for a ring")
    }
    const isLarge = ring !== undefined || filling === true
    const name = isLarge ? "largeBlockLimitBytes" : "blockLimitBytes"
    if (capacity > limits[name]) {
      const detail = { limit: name, value: limits[name] }
      const sentence = `a block like this has at most ${name}, ${limits[name]} bytes`
      throw new Refusal("too-large", sentence, { field: "/size", detail })
    }
    if (!slotChoices.includes(slots)) throw missing("/slots", "must be 2, 4, 8, 16 or 32")
    const when = (flag: BlockFlag, holds: boolean) => (holds ? flag : undefined)
    const flags = flagged(
      when("checksummed", fields.checksum === true || memory.sums === "always"),
      when("ring", ring !== undefined),
      when("overwrites", ring === "overwrite"),
      when("many", fields.writers === "many"),
      when("durable", fields.durable === true && ring === undefined),
      when("lock-required", fields.lock === "required"),
    )
    const least = memory.sums === "always" ? Math.max(4, slots) : slots
    return { uuid, flags, slots: isLarge ? 1 : least, capacity, createdAt: Math.floor(now()) }
  }
}

/** Throws what is no refusal and no damage: a bug of ours. */
function faultOf(thrown: unknown): Fault {
  if (thrown instanceof Refusal) return thrown.fault
  if (!(thrown instanceof Damaged)) throw thrown
  const sentence = `the block was damaged from outside while it was made: ${thrown.message}`
  return { code: "integrity", sentence }
}

/** 16 bytes as a uuid is written. */
function uuidText(bytes: Uint8Array): string {
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
  const parts = [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16)]
  return [...parts, digits.slice(16, 20), digits.slice(20)].join("-")
}

/** A uuid's 16 bytes. */
export function uuidBytes(text: string): Uint8Array {
  const digits = text.replaceAll("-", "")
  return Uint8Array.from({ length: 16 }, (_, place) =>
    Number.parseInt(digits.slice(2 * place, 2 * place + 2), 16),
  )
}
