/**
 * A block as a program sees it, over the connection or in mapped memory.
 *
 * What always holds: both ways give the same results and the same errors; a read is tried again until
 * it has one whole generation; a write is tried again only when it surely was not done.
 */
import type { Taken } from "../wire/slots-shapes.ts"
import { HeldLocks } from "./blocks-locks.ts"
import type { MappedWrite, MappedWrote, Mapper, Mapping } from "./blocks-mapping.ts"
import { pinned } from "./blocks-pins.ts"
import { refusalOf, snapshotIn, snapshotOf, typeOf } from "./blocks-results.ts"
import type { Seat } from "./blocks-seat.ts"
import type {
  Block,
  BlockNotice,
  BlockRef,
  Lock,
  LockOptions,
  Pinned,
  ReadOptions,
  Sealed,
  Snapshot,
  SubscribeOptions,
  WriteOptions,
  Written,
} from "./blocks-shapes.ts"
import { Pace } from "./blocks-waits.ts"
import { asPoolsError, fault } from "./pools-faults.ts"
import { type Fields, numberIn, present, textIn } from "./pools-frames.ts"
import type { Undo } from "./pools-shapes.ts"

export interface BlockOwner {
  readonly mapper: Mapper | undefined
  readonly writeWaitMs: number
  /** One that attached to it wants it no more. */
  leave(): Promise<void>
}

export class OpenBlock implements Block {
  readonly seat: Seat
  readonly #owner: BlockOwner
  readonly #locks: HeldLocks
  // How far a block that is being filled was written.
  #filled = 0
  #newest: Written = { generation: 0, length: 0 }

  constructor(seat: Seat, owner: BlockOwner) {
    this.seat = seat
    this.#owner = owner
    this.#locks = new HeldLocks(seat)
  }

  get id(): string {
    return this.seat.wants.id
  }

  get uuid(): string {
    return this.seat.facts.uuid
  }

  get via(): "map" | "socket" {
    return this.seat.mapping === undefined ? "socket" : "map"
  }

  get capacity(): number {
    return this.seat.facts.capacity
  }

  async read(options: ReadOptions = {}): Promise<Snapshot> {
    const { offset = 0, length = 0 } = options
    this.#checkRange(offset, length)
    const pace = new Pace(this.#owner.writeWaitMs)
    for (;;) {
      await this.seat.ready()
      const { mapping } = this.seat
      if (mapping !== undefined && this.seat.facts.state !== "filling") {
        const taken = mapping.read(options)
        if (taken.is !== "torn" && taken.is !== "retired") return this.#snapshot(taken, offset)
        if (taken.is === "retired") {
          await this.seat.renew()
          continue
        }
      }
      try {
        return this.#found(await this.seat.ask("read", present({ ...options })), options)
      } catch (thrown) {
        await this.#recover(thrown, pace)
      }
    }
  }

  peek(into?: Uint8Array): Snapshot | undefined {
    const taken = this.seat.local().read(into === undefined ? {} : { into })
    if (taken.is === "torn") throw fault("busy", "writers are faster than this read")
    if (taken.is === "retired") throw this.#retired()
    return taken.is === "empty" ? undefined : this.#snapshot(taken, 0)
  }

  async write(data: Uint8Array, options: WriteOptions = {}): Promise<Written> {
    const { offset, ifGeneration: onto, contentType } = options
    const type = contentType === undefined ? undefined : typeOf(contentType)
    const pace = new Pace(this.#owner.writeWaitMs)
    for (;;) {
      await this.seat.ready()
      this.#checkWrite(data, options)
      const { mapping } = this.seat
      if (mapping === undefined || this.seat.facts.state !== "live") {
        const written = await this.#writeFar(data, options, pace)
        if (written !== undefined) return written
        continue
      }
      const wrote = mapping.write({
        ...{ data, offset: offset ?? "whole" },
        ...(type === undefined ? {} : { contentType: type }),
        ...(onto === undefined ? {} : { onto }),
      })
      if (wrote.is === "written") return this.#wrote(mapping, wrote)
      if (wrote.is === "retired") await this.seat.renew()
      else if (isLater(wrote) && !pace.isOver) await pace.wait()
      else throw refusalOf(wrote)
    }
  }

  put(data: Uint8Array): Written {
    const mapping = this.seat.local()
    this.#checkWrite(data, {})
    if (this.seat.facts.state !== "live") throw fault("forbidden", "it is not sealed yet")
    const wanted: MappedWrite = { data, offset: "whole" }
    let wrote = mapping.write(wanted)
    if (isLater(wrote)) wrote = this.#putLater(mapping, wanted)
    if (wrote.is === "written") return this.#wrote(mapping, wrote)
    throw wrote.is === "retired" ? this.#retired() : refusalOf(wrote)
  }

  pin(): Promise<Pinned> {
    return pinned(this.seat, (options) => this.read(options))
  }

  async seal({ length = this.#filled || undefined }: { length?: number | undefined } = {}) {
    await this.seat.ready()
    const isFilling = this.seat.facts.state === "filling"
    // Nothing may be stored behind the server's back once it says that it never changes.
    if (isFilling) this.seat.unmap()
    const fields = isFilling && length !== undefined ? { length } : {}
    const result = await this.seat.ask("seal", fields)
    const sealed: Sealed = {
      generation: numberIn(result, "generation") ?? 0,
      sha256: textIn(result, "sha256") ?? "",
    }
    return sealed
  }

  lock(mode: Lock["mode"], options: LockOptions = {}): Promise<Lock> {
    return this.#locks.ask(mode, options)
  }

  async subscribe(
    listener: (notice: BlockNotice) => void,
    { data = false, spinMs }: SubscribeOptions = {},
  ): Promise<Undo> {
    await this.seat.ready()
    if (spinMs !== undefined && this.seat.mapping !== undefined) return this.#spin(listener, spinMs)
    // One of its own, so that a listener given twice is told twice.
    const own = (notice: BlockNotice) => listener(notice)
    this.seat.listeners.add(own)
    try {
      await this.seat.follow(data)
    } catch (thrown) {
      this.seat.listeners.delete(own)
      throw thrown
    }
    return async () => {
      if (!this.seat.listeners.delete(own) || this.seat.listeners.size > 0) return
      await this.seat.unfollow()
    }
  }

  async notify(payload: unknown): Promise<void> {
    await this.seat.ready()
    await this.seat.ask("notify", { payload: payload ?? null })
  }

  ref(options: Partial<Omit<BlockRef, "block">> = {}): BlockRef {
    const known = this.#known()
    const { generation = known.generation, offset = 0 } = options
    const { length = Math.max(0, known.length - offset) } = options
    return { block: this.uuid, generation, offset, length }
  }

  detach(): Promise<void> {
    return this.#owner.leave()
  }

  async destroy(): Promise<void> {
    const { pool, id } = this.seat.wants
    await this.seat.ask("destroy", { pool, block_id: id, attachment: undefined })
    this.seat.end(fault("no-block", `block ${id} is gone`))
  }

  /** Over the connection; undefined: try again. */
  async #writeFar(data: Uint8Array, options: WriteOptions, pace: Pace) {
    const { offset, ifGeneration, contentType, fence = this.#locks.fence } = options
    const isFilling = this.seat.facts.state === "filling"
    const where = offset === undefined && !isFilling ? { whole: true } : { offset: offset ?? 0 }
    const { mapping } = this.seat
    if (isFilling) this.#filled = Math.max(this.#filled, (offset ?? 0) + data.length)
    if (isFilling && mapping !== undefined) {
      mapping.fill(offset ?? 0, data)
      return { generation: 0, length: data.length }
    }
    const fields = { ...where, if_generation: ifGeneration, content_type: contentType, fence }
    try {
      const result = await this.seat.ask("write", present(fields), data)
      const generation = numberIn(result, "generation") ?? 0
      const length = numberIn(result, "length") ?? 0
      if (generation > this.#newest.generation) this.#newest = { generation, length }
      return { generation, length }
    } catch (thrown) {
      const { code } = asPoolsError(thrown)
      if (code === "PINNED" && !pace.isOver) await pace.wait()
      else if (code === "BLOCK_RETIRED") await this.seat.renew()
      else throw thrown
      return undefined
    }
  }

  #putLater(mapping: Mapping, wanted: MappedWrite): MappedWrote {
    const until = performance.now() + this.#owner.writeWaitMs
    let wrote = mapping.write(wanted)
    while (isLater(wrote) && performance.now() < until) {
      this.#owner.mapper?.sleepMs(0.05)
      wrote = mapping.write(wanted)
    }
    return wrote
  }

  #wrote(mapping: Mapping, { generation, length }: Written): Written {
    this.#newest = { generation, length }
    if (mapping.subscribers > 0) this.seat.notifyWritten()
    return { generation, length }
  }

  /** Looks at the memory for a while in each turn. */
  #spin(listener: (notice: BlockNotice) => void, spinMs: number): Undo {
    let known = this.seat.mapping?.latest ?? 0
    let before = 0
    let isOver = false
    const look = () => {
      const until = performance.now() + spinMs
      while (!isOver && performance.now() < until) {
        const latest = this.seat.mapping?.latest ?? known
        if (latest === known) continue
        known = latest
        const taken = this.seat.mapping?.read({ length: 0 })
        if (taken?.is !== "content") continue
        const { generation, length } = taken.of
        const lost = before === 0 ? 0 : Math.max(0, generation - before - 1)
        before = generation
        listener({ generation, length, writer: "", lost })
      }
      if (!isOver) setTimeout(look, 0)
    }
    setTimeout(look, 0)
    return async () => {
      isOver = true
    }
  }

  #checkWrite(data: Uint8Array, { offset = 0, fence }: WriteOptions): void {
    const { seat } = this
    const { state } = seat.facts
    if (state === "sealed") throw fault("block-sealed", "the block is sealed")
    if (seat.wants.mode !== "write") throw fault("forbidden", "attach with mode write first")
    this.#checkRange(offset, data.length)
    const { mapping } = seat
    if (mapping === undefined || state !== "live") return
    const held = this.#locks.fence
    const isOther = fence !== undefined && fence !== held
    if (isOther || (mapping.needsLock && held === undefined)) {
      const sentence = "the lock is somebody else's now, or is needed and not shown"
      throw fault("lock-lost", sentence)
    }
  }

  #checkRange(offset: number, length: number): void {
    const { capacity } = this.seat.facts
    if (offset + length <= capacity) return
    const sentence = `offset ${offset} and length ${length} go beyond the capacity, ${capacity}`
    throw fault("out-of-range", sentence, { detail: { capacity } })
  }

  /** After a refusal that can be mended here; throws all others. */
  async #recover(thrown: unknown, pace: Pace): Promise<void> {
    const { code } = asPoolsError(thrown)
    if (code === "BLOCK_RETIRED") return this.seat.renew()
    // Writers were faster.
    if (code === "BUSY" && !pace.isOver) return pace.wait()
    // A read may be done twice.
    if (code !== "CONNECTION_LOST") throw thrown
  }

  #snapshot(taken: Exclude<Taken, { is: "torn" | "retired" }>, offset: number): Snapshot {
    if (taken.is === "content" && taken.of.generation > this.#newest.generation) {
      this.#newest = taken.of
    }
    return snapshotOf(taken, offset)
  }

  #found(result: Fields, { offset = 0, length }: ReadOptions): Snapshot {
    const snapshot = snapshotIn(result, offset)
    const { generation, data } = snapshot
    const isWhole = offset === 0 && length === undefined
    if (isWhole && generation > this.#newest.generation) {
      this.#newest = { generation, length: data.length }
    }
    return snapshot
  }

  #known() {
    const { generation, length } = this.seat.facts
    return generation > this.#newest.generation ? { generation, length } : this.#newest
  }

  /** It is attached again meanwhile: whoever cannot wait tries later. */
  #retired() {
    this.seat.renew().catch(() => {})
    return fault("block-retired", "it is being attached again")
  }
}

function isLater({ is }: MappedWrote): boolean {
  return is === "busy" || is === "pinned"
}
