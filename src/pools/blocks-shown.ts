/** Blocks as apps and admins see them. */
import { at, headerOf, lineOf, recordBytes, states, strideOf } from "../wire/layout.ts"
import { contentTypeName, contentTypes } from "../wire/pools-payload.ts"
import { consumerAt, inConsumer } from "../wire/ring.ts"
import type { Attachment, Block } from "./blocks-block.ts"
import type { Result } from "./governing.ts"

/** What an attachment's app is told: all it needs to read and write. */
export function attached(attachment: Attachment): Result {
  const { block, via, mode, cell } = attachment
  const { edition, facts } = block
  const { header, file, number } = edition
  const record = recordIn(block)
  const isAlone = mode === "write" && !block.has("many") && block.state === "live"
  return {
    ...{ block_id: facts.id, pool: block.pool.name, uuid: facts.uuid },
    ...{ size: header.capacity, mode, via, attachment: attachment.number },
    ...{ generation: record?.generation ?? 0, length: record?.length ?? 0 },
    content_type: contentTypeName(record?.contentType ?? contentTypes.bytes) ?? "json",
    ...{
      slots: header.slots,
      stride: strideOf(header.capacity),
      edition: number,
      state: block.state,
    },
    ...(isAlone ? { fence: block.grant } : {}),
    ...(via === "map" ? { path: file.path, file_bytes: file.bytes } : {}),
    ...(cell === undefined ? {} : { cell }),
  }
}

/** A block in a list. */
export function blockRow(block: Block): Result {
  const { facts, edition, locks, attachments } = block
  const all = [...attachments.values()]
  const [holder] = locks.held()
  return {
    ...{ pool: block.pool.name, block_id: facts.id, uuid: facts.uuid, state: block.state },
    ...{ size: facts.header.capacity, slots: edition.header.slots, edition: edition.number },
    generation: block.state === "zeroing" ? 0 : block.newest(),
    length: recordIn(block)?.length ?? 0,
    flags: [...facts.header.flags],
    writer: block.writer?.session.name ?? null,
    attachments: {
      map: all.filter(({ via }) => via === "map").length,
      socket: all.filter(({ via }) => via === "socket").length,
    },
    subscribers: all.filter(({ following }) => following !== undefined).length,
    lock:
      holder === undefined
        ? null
        : { app: holder.owner.name, mode: holder.mode, fence: holder.fence, until: holder.until },
    waiting: locks.waiting,
    ...(block.isRing ? { ring: ringRow(block) } : {}),
  }
}

/** All there is to see of a block. `health`: undefined when nothing is wrong. */
export function inspected(block: Block, health: string | undefined): Result {
  const { area, header, file } = block.edition
  const slots = block.isRing ? 0 : header.slots
  return {
    ...blockRow(block),
    integrity: health ?? "ok",
    header: {
      ...{
        capacity: header.capacity,
        stride: strideOf(header.capacity),
        created: header.createdAt,
      },
      ...{ file_bytes: file.bytes, latest: area.load(at.latest) },
      state: Object.entries(states).find(([, value]) => value === area.load(at.state))?.[0] ?? "?",
      ...{ writer: area.load(at.writer), fence: area.load(at.fence) },
    },
    slot_records: Array.from({ length: slots }, (_, slot) => {
      const { seq, generation, length, time, writer } = block.edition.slots.recordOf(slot)
      return { seq, generation, length, time, writer }
    }),
    attached: [...block.attachments.values()].map((each) => ({
      ...{ app: each.session.name, attachment: each.number, mode: each.mode, via: each.via },
      cell: each.cell ?? null,
    })),
    locks: block.locks.held().map(({ owner, mode, fence, until }) => {
      return { app: owner.name, mode, fence, until }
    }),
  }
}

/** What is wrong with a block's file; undefined when nothing is. Throws Damaged where it cannot be read. */
export function fault(block: Block): string | undefined {
  const { file, area, header, slots } = block.edition
  if (!file.isWhole()) return "its file has another length than it was made with"
  const line = new Uint8Array(64)
  area.get(0, line)
  const found = headerOf(line, file.bytes)
  if (typeof found === "string") return found
  if (lineOf(header).some((byte, place) => byte !== line[place])) return "it is another block"
  const state = block.state === "zeroing" || block.state === "gone" ? "live" : block.state
  if (area.load(at.state) !== states[state]) return "its state was changed from outside"
  if (block.isRing) return undefined
  const newest = slots.newest()
  for (let slot = 0; slot < header.slots; slot++) {
    const { seq, generation, length } = slots.recordOf(slot)
    if (seq % 2 === 0 && length > header.capacity) return `slot ${slot} is longer than the capacity`
    if (seq % 2 === 0 && seq !== 0 && generation % header.slots !== slot) {
      return `slot ${slot} holds generation ${generation}`
    }
  }
  if (newest === 0 || !header.flags.has("checksummed")) return undefined
  const taken = slots.read({ state: "as-is", verify: "always" })
  return taken.is === "damaged" ? "its checksum is wrong" : undefined
}

/** What `fault` reads of a block, in bytes. */
export function faultCost(block: Block): number {
  const { header } = block.edition
  const length = block.has("checksummed") ? (recordIn(block)?.length ?? 0) : 0
  return 64 + recordBytes * header.slots + Math.min(length, header.capacity)
}

function recordIn(block: Block) {
  if (block.isRing || block.state === "zeroing" || block.state === "filling") return undefined
  const { slots } = block.edition
  const newest = slots.newest()
  return newest === 0 ? undefined : slots.recordOf(newest)
}

function ringRow(block: Block): Result {
  const { area, header } = block.edition
  const tail = area.load(at.latest)
  const consumers = [...block.attachments.values()].filter(({ cell }) => cell !== undefined)
  return {
    units: header.capacity / 16,
    consumers: consumers.map(({ session, cell = 0 }) => ({
      app: session.name,
      lag: (tail - area.load(consumerAt(cell) + inConsumer.cursor)) >>> 0,
      lost: area.load(consumerAt(cell) + inConsumer.lost),
    })),
  }
}
