/**
 * Contents of blocks over the socket: read, taken from rings, pinned.
 *
 * What always holds: an answer is one whole generation and fits into a frame; however fast writers
 * are, and whatever stands in the file, one request copies at most 64 MiB and one content more.
 */
import { Damaged } from "../wire/layout.ts"
import { Refusal } from "../wire/pools-errors.ts"
import type { MemoryRequest } from "../wire/pools-memory.ts"
import type { Id } from "../wire/pools-shapes.ts"
import { Consumer, type Received } from "../wire/ring.ts"
import type { Crc } from "../wire/slots-shapes.ts"
import type { Attachment, Block } from "./blocks-block.ts"
import { changed, checkRange, missing, tooLarge } from "./blocks-refusals.ts"
import type { Result } from "./governing.ts"

/** What is copied for one read, at most, where writers are faster: then it is BUSY. */
const readBytes = 64 * 1024 * 1024
const readRounds = 1_024

export class Reading {
  readonly #crc: Crc
  readonly #frameLimitBytes: number

  constructor(of: { readonly crc: Crc; readonly frameLimitBytes: number }) {
    this.#crc = of.crc
    this.#frameLimitBytes = of.frameLimitBytes
  }

  /** Answers a read. Throws the Refusal that says why not. */
  read(attachment: Attachment, request: MemoryRequest): void {
    const { block, session } = attachment
    const to = request.id
    if (to === undefined) throw needsId()
    if (block.state === "filling") throw new Refusal("forbidden", "the block is not sealed yet")
    if (block.isRing) return this.#receive(attachment, to)
    const { offset = 0, length, generation } = request.fields
    checkRange(block, offset, length ?? 0)
    const newest = block.newest()
    if (newest === 0 || generation === 0) {
      const none = { data: new Uint8Array(0), contentType: 3, offset, generation: 0, time: 0 }
      return session.send({ kind: "content", to, ...none })
    }
    const taken = block.edition.slots.read({
      ...{ offset, ...this.#bounds(block, newest, { offset, length }) },
      ...(length === undefined ? {} : { length }),
      ...(generation === undefined ? {} : { generation }),
    })
    switch (taken.is) {
      case "content": {
        const { contentType, generation: found, time } = taken.of
        const told = { data: taken.data, contentType, offset, generation: found, time }
        return session.send({ kind: "content", to, ...told })
      }
      case "gone":
        throw gone(generation, newest)
      case "retired":
        throw changed(block, "retired")
      case "damaged":
        throw new Refusal("integrity", "the block's checksum is wrong")
      case "empty":
      case "torn":
        throw new Refusal("busy", "writers are faster than this read", { retryAfterMs: 10 })
    }
  }

  /** How long one read may try. Throws TOO_LARGE for an answer that no frame holds. */
  #bounds(
    block: Block,
    newest: number,
    { offset, length }: { readonly offset: number; readonly length: number | undefined },
  ) {
    const { header, slots } = block.edition
    const whole = Math.min(slots.recordOf(newest).length, header.capacity)
    const wanted = Math.min(length ?? whole, Math.max(0, whole - offset))
    if (wanted > this.#frameLimitBytes) throw tooLarge(this.#frameLimitBytes)
    // What is sealed never changes: its checksum would cost a pass over all of it for each piece.
    const verify = block.state === "sealed" ? "never" : "always"
    const copied = verify === "always" && block.has("checksummed") ? whole : wanted
    const rounds = Math.min(readRounds, Math.ceil(readBytes / Math.max(1, copied)))
    return { verify, rounds } as const
  }

  /** Pins the newest generation for the attachment, in a cell that the server marks. */
  pin(attachment: Attachment): Result {
    const { block } = attachment
    if (block.isRing) throw new Refusal("forbidden", "rings have no pins")
    if (attachment.cell === undefined) {
      attachment.cell = block.freeCell()
      block.counted()
    }
    const pinned = block.edition.slots.pin(attachment.cell)
    switch (pinned.is) {
      case "pinned":
        return { generation: pinned.of.generation, slot: pinned.slot, length: pinned.of.length }
      case "empty":
        throw new Refusal("generation-gone", "nothing has been written yet")
      case "retired":
        throw changed(block, "retired")
      case "torn":
        throw new Refusal("busy", "writers are faster than this pin", { retryAfterMs: 10 })
    }
  }

  unpin({ block, cell }: Attachment): Result {
    if (cell !== undefined && !block.isRing) block.edition.slots.unpin(cell)
    return { generation: block.newest() }
  }

  #receive(attachment: Attachment, to: Id): void {
    const { block, session, cell } = attachment
    if (cell === undefined) throw new Refusal("forbidden", "attach with mode read first")
    attachment.consumer ??= this.#consumer(block, cell)
    const next: Received = attachment.consumer.next()
    switch (next.is) {
      case "record": {
        const { number, data, contentType } = next.record
        const { lost } = next
        if (data.length > this.#frameLimitBytes) throw tooLarge(this.#frameLimitBytes)
        const told = { data, contentType, offset: 0, generation: number, time: 0, lost }
        return session.send({ kind: "content", to, ...told })
      }
      case "nothing":
        throw new Refusal("generation-gone", "there is no further record yet")
      case "detached":
        throw new Refusal("block-retired", "attach again")
      case "retired":
        throw changed(block, "retired")
      case "damaged":
        throw new Damaged("the ring holds what no producer writes")
    }
  }

  #consumer(block: Block, index: number): Consumer {
    const { area, header } = block.edition
    return new Consumer(area, header, { index, from: "cursor", crc: this.#crc, verify: "always" })
  }
}

function gone(generation: number | undefined, newest: number): Refusal {
  const isToCome = generation !== undefined && generation > newest
  const what = isToCome ? "has not been written yet" : "has been overwritten"
  return new Refusal("generation-gone", `generation ${generation} ${what}`, { detail: { newest } })
}

function needsId(): Refusal {
  return missing("/id", "must be there: a read is answered")
}
