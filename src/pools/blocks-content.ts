/**
 * Contents of blocks over the socket: written, and told about.
 *
 * What always holds: the same results and refusals as a mapped block gives; a write is refused
 * before it changes anything. It waits, in order, for the writer word where writers take turns, which
 * a writer that sits on it loses with the file, and for writeWaitMs where all slots are pinned.
 */
import { at, Damaged } from "../wire/layout.ts"
import { Refusal } from "../wire/pools-errors.ts"
import type { MemoryRequest } from "../wire/pools-memory.ts"
import type { Id } from "../wire/pools-shapes.ts"
import type { Attachment, Block, WaitingWrite } from "./blocks-block.ts"
import type { Notices } from "./blocks-notices.ts"
import { changed, checkRange, missing, refusalOf } from "./blocks-refusals.ts"
import type { Result } from "./governing.ts"
import type { Limits } from "./limits.ts"

export interface ContentOptions {
  readonly limits: Limits
  readonly notices: Notices
  /** ms since 1970. */
  readonly now: () => number
  /** Asks for a tick within 10 ms. */
  readonly wakeSoon: () => void
}

/** Records of a ring that are passed over to find the last one's number. */
const passedRecords = 2 ** 20
const encoder = new TextEncoder()
/** How often the server looks at the writer word at once. */
const wordLooks = 100

export class Contents {
  readonly #options: ContentOptions
  // Blocks with writes that wait.
  readonly #waiting = new Set<Block>()

  constructor(options: ContentOptions) {
    this.#options = options
  }

  /** Writes, or lets the write wait for the writer word. Throws the Refusal that says why not. */
  write(attachment: Attachment, request: MemoryRequest): Result | "waits" {
    const { block } = attachment
    const { data, fields } = request
    if (attachment.mode !== "write") throw new Refusal("forbidden", "attach with mode write first")
    if (data === undefined) throw missing("/data", "must be the bytes to write, in base64")
    if (block.state === "sealed") throw new Refusal("block-sealed", "the block is sealed")
    this.#checkLock(attachment, request)
    if (block.isRing) return this.#send(attachment, request)
    const offset = fields.whole === true ? 0 : (fields.offset ?? 0)
    checkRange(block, offset, data.length)
    if (block.state === "filling") {
      block.edition.area.put(at.data + offset, data)
      return { generation: 0, length: data.length }
    }
    if (block.waitingWrites.length === 0) {
      const wrote = this.#attempt(attachment, request)
      if (wrote !== "waits") return wrote
      block.stalled = undefined
    }
    this.#wait(attachment, { ...request, data })
    return "waits"
  }

  #wait(attachment: Attachment, request: MemoryRequest & { readonly data: Uint8Array }): void {
    const { block } = attachment
    const { writesWaitingPerBlock, writesWaitingBytes } = this.#options.limits
    const retry = { retryAfterMs: 10 }
    if (block.waitingWrites.length >= writesWaitingPerBlock) {
      throw new Refusal("busy", "writesWaitingPerBlock is reached", retry)
    }
    if (this.#waitingBytes() + request.data.length > writesWaitingBytes) {
      throw new Refusal("busy", "writesWaitingBytes is reached", retry)
    }
    // In memory of its own: it may be a part of what the socket brought.
    const own = { ...request, data: request.data.slice() }
    block.waitingWrites.push({ attachment, request: own, since: this.#options.now() })
    this.#waiting.add(block)
    this.#options.wakeSoon()
  }

  #waitingBytes(): number {
    let sum = 0
    for (const block of this.#waiting) {
      if (block.waitingWrites.length === 0) this.#waiting.delete(block)
      for (const { request } of block.waitingWrites) sum += request.data?.length ?? 0
    }
    return sum
  }

  /** Tells subscribers something of the app's own, or of a generation that it wrote into the mapping. */
  notify(attachment: Attachment, request: MemoryRequest): Result {
    const { payload } = request.fields
    const { notifyBytes } = this.#options.limits
    if (payload === undefined) {
      if (attachment.mode !== "write")
        throw new Refusal("forbidden", "attach with mode write first")
      this.#options.notices.changed(attachment.block)
      return { generation: attachment.block.newest() }
    }
    if (encoder.encode(JSON.stringify(payload)).length > notifyBytes) {
      const sentence = `a notice's payload holds at most notifyBytes, ${notifyBytes}`
      throw new Refusal("too-large", sentence, { field: "/payload" })
    }
    this.#options.notices.tell(attachment, payload)
    return {}
  }

  /** Goes on with writes that wait. "stalled": who has the word must lose it. */
  tick(block: Block, now: number): "well" | "stalled" {
    for (;;) {
      const [first] = block.waitingWrites
      if (first === undefined) return this.#release(block)
      if (block.has("many") && !this.#takeWord(block)) {
        const holder = block.edition.area.load(at.writer)
        if (block.stalled?.holder !== holder) block.stalled = { holder, since: now }
        return now - block.stalled.since >= this.#options.limits.writerStallMs ? "stalled" : "well"
      }
      block.stalled = undefined
      if (this.#isPinned(first, now)) return "well"
    }
  }

  /** Answers the first that waits, unless all slots are pinned and it may wait on. */
  #isPinned(first: WaitingWrite, now: number): boolean {
    const { attachment, request, since } = first
    const { block } = attachment
    let isPinned = false
    block.waitingWrites.shift()
    answering(attachment, request.id, () => {
      this.#checkLock(attachment, request)
      const wrote = this.#put(attachment, request)
      if (wrote !== "waits") return wrote
      if (now - since >= this.#options.limits.writeWaitMs) throw refusalOf({ is: "pinned" })
      isPinned = true
      return "waits"
    })
    if (isPinned) {
      block.waitingWrites.unshift(first)
      this.#options.wakeSoon()
    }
    return isPinned
  }

  #checkLock({ block, session }: Attachment, { fields }: MemoryRequest): void {
    const rule = block.has("lock-required") ? "required" : "advisory"
    if (block.locks.admits(session, fields.fence, rule)) return
    throw new Refusal("lock-lost", "the lock is somebody else's now, or is needed and not shown")
  }

  #release(block: Block): "well" {
    if (block.has("many")) block.edition.area.store(at.wanted, 0)
    return "well"
  }

  /** Keeps other writers away: those that have the file mapped give way to `wanted`. */
  #takeWord(block: Block): boolean {
    const { area } = block.edition
    area.store(at.wanted, 1)
    for (let look = 0; look < wordLooks; look++) if (area.load(at.writer) === 0) return true
    return false
  }

  #attempt(attachment: Attachment, request: MemoryRequest): Result | "waits" {
    const { block } = attachment
    if (!block.has("many")) return this.#put(attachment, request)
    if (!this.#takeWord(block)) return "waits"
    try {
      const wrote = this.#put(attachment, request)
      if (wrote !== "waits") this.#release(block)
      return wrote
    } catch (thrown) {
      if (!(thrown instanceof Damaged)) this.#release(block)
      throw thrown
    }
  }

  /** "waits": all slots but the newest are pinned. */
  #put(attachment: Attachment, { data, fields, contentType }: MemoryRequest): Result | "waits" {
    const { block } = attachment
    const { if_generation: onto } = fields
    const wrote = block.edition.slots.write({
      offset: fields.whole === true ? "whole" : (fields.offset ?? 0),
      data: data ?? new Uint8Array(0),
      ...(contentType === undefined ? {} : { contentType }),
      ...(onto === undefined ? {} : { onto }),
      ...{ writer: attachment.number, fence: block.grant, after: block.seen },
      time: Math.round(this.#options.now() * 1_000),
    })
    switch (wrote.is) {
      case "pinned":
        return "waits"
      case "sealed":
      case "retired":
      case "lock-lost":
        throw changed(block, wrote.is)
      case "conflict":
      case "too-long":
        throw refusalOf(wrote)
      case "written":
    }
    block.seen = wrote.generation
    this.#options.notices.changed(block)
    return { generation: wrote.generation, length: wrote.length }
  }

  #send(attachment: Attachment, { data, contentType }: MemoryRequest): Result {
    const { block } = attachment
    const { producer } = block.edition
    const number = producer.nextNumberWithin(passedRecords)
    if (number === undefined) {
      const sentence = "the ring holds too many records to find the last one over a socket: map it"
      throw new Refusal("unavailable", sentence)
    }
    const own = contentType === undefined ? {} : { contentType }
    const sent = producer.send(data ?? new Uint8Array(0), { number, ...own })
    switch (sent.is) {
      case "sent":
        this.#options.notices.changed(block)
        return { generation: sent.number, length: data?.length ?? 0 }
      case "full":
        throw new Refusal("ring-full", "a consumer is behind", { retryAfterMs: 10 })
      case "too-long":
        throw new Refusal("out-of-range", "a record has at most an eighth of the ring")
      case "retired":
        throw changed(block, "retired")
    }
  }
}

/** Does it and answers, or refuses; what "waits" is answered later. Throws Damaged, with that told. */
export function answering(
  attachment: Attachment,
  id: Id | undefined,
  work: () => Result | "waits",
): void {
  const { session } = attachment
  try {
    const result = work()
    if (id !== undefined && result !== "waits") session.answer(id, result)
  } catch (thrown) {
    if (thrown instanceof Refusal) return session.refuse(id, thrown.fault)
    if (thrown instanceof Damaged) {
      session.refuse(id, {
        code: "integrity",
        sentence: `the block was damaged: ${thrown.message}`,
      })
    }
    throw thrown
  }
}
