/**
 * Messages about blocks of shared memory, in all forms: what apps ask, and what they are told.
 *
 * What always holds: bytes of blocks travel raw in mixed and compact frames and as base64 in JSON;
 * a request names its block by pool and id, or by the number of the sender's attachment.
 */
import { decode64, encode64 } from "./base64.ts"
import { type Bytes, wrong } from "./pools-bytes.ts"
import { Frame, kinds, noBytes, tags } from "./pools-compact-frame.ts"
import { contentTypeName, contentTypeOf, contentTypes } from "./pools-payload.ts"
import type { Written } from "./pools-schemas.ts"
import type { BlockRef, Id } from "./pools-shapes.ts"

/** What an app asks about a block. */
export interface MemoryRequest {
  readonly kind: "memory"
  readonly id: Id | undefined
  readonly operation: string
  readonly block:
    | { readonly by: "attachment"; readonly attachment: number }
    /** Without a pool: the one of the app's pools that has such a block. */
    | { readonly by: "id"; readonly pool: string | undefined; readonly id: string }
  readonly data: Uint8Array | undefined
  readonly contentType: number | undefined
  /** Of `subscribe`: the content comes with each notice. */
  readonly wantsData?: true
  readonly fields: Omit<
    Written<"memory">,
    "id" | "operation" | "block_id" | "pool" | "data" | "content_type"
  >
}

/** What is told about a block without being asked. */
export interface Notice {
  readonly kind: "notice"
  readonly pool: string
  readonly blockId: string
  /** The receiver's. */
  readonly attachment: number
  readonly generation: number
  readonly length: number
  /** The app that wrote, or that told. */
  readonly writer: string
  readonly lost?: number
  readonly content?: { readonly data: Uint8Array; readonly contentType: number }
  /** Of the app's own. */
  readonly payload?: unknown
  readonly event?: "replaced" | "sealed" | "retired" | "integrity" | "detached"
  /** Goes with `event`. */
  readonly more?: Readonly<Record<string, unknown>>
}

/** The answer to a read. */
export interface Content {
  readonly kind: "content"
  readonly to: Id
  readonly data: Uint8Array
  readonly contentType: number
  readonly offset: number
  readonly generation: number
  /** µs since 1970; 0 where it is not known. */
  readonly time: number
  /** Of a ring: records that this consumer missed. */
  readonly lost?: number
}

type Fields = Readonly<Record<string, unknown>>

const blockIdBytes = 128
const encoder = new TextEncoder()

/** Reads a checked request; one sentence when its data or its block cannot be read. */
export function memoryRequest(
  value: Written<"memory">,
  from: { readonly id: Id | undefined; readonly raw: Uint8Array | undefined },
): MemoryRequest | { readonly field: string; readonly reason: string } {
  const { id: _, operation, block_id: blockId, pool, data, content_type: type, ...fields } = value
  const { attachment } = fields
  if (blockId === undefined && attachment === undefined) {
    return { field: "/block_id", reason: "must name a block, where no attachment is given" }
  }
  const isLong = encoder.encode(blockId ?? "").length > blockIdBytes
  if (isLong) return { field: "/block_id", reason: `must have at most ${blockIdBytes} bytes` }
  const bytes = from.raw ?? (typeof data === "string" ? decode64(data) : undefined)
  if (typeof data === "string" && bytes === undefined)
    return { field: "/data", reason: "must be base64" }
  return {
    ...{ kind: "memory", id: from.id, operation },
    block:
      blockId === undefined
        ? { by: "attachment", attachment: attachment ?? 0 }
        : { by: "id", pool, id: blockId },
    data: bytes,
    ...(data === true ? { wantsData: true } : {}),
    contentType: type === undefined ? undefined : contentTypeOf(type),
    fields,
  }
}

/** A reference out of a checked message, as a field. */
export function blockOf(value: Written<"trigger">["block_ref"]): { readonly block?: BlockRef } {
  if (value === undefined) return {}
  const { block: uuid, generation, offset = 0, length = 0 } = value
  return { block: { uuid, generation, offset, length } }
}

/** A reference as JSON has it. */
export function blockBody({ uuid: block, generation, offset, length }: BlockRef): Fields {
  return { block, generation, offset, length }
}

/** A reference out of the 40 bytes of a compact frame: uuid, generation, offset, length. */
export function blockIn(value: Uint8Array | undefined): { readonly block?: BlockRef } {
  if (value === undefined) return {}
  const digits = Array.from(value.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0"))
  const uuid = digits.join("").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")
  const [generation, offset, length] = [16, 24, 32].map((from) => {
    return numberIn(value.subarray(from, from + 8))
  })
  return { block: { uuid, generation: generation ?? 0, offset: offset ?? 0, length: length ?? 0 } }
}

/** A reference in 40 bytes. */
export function blockBytes({ uuid, generation, offset, length }: BlockRef): Uint8Array {
  const bytes = new Uint8Array(40)
  const digits = uuid.replaceAll("-", "")
  for (let at = 0; at < 16; at++) bytes[at] = Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16)
  const view = new DataView(bytes.buffer)
  for (const [at, value] of [generation, offset, length].entries()) {
    view.setUint32(16 + 8 * at, Math.floor(value / 0x1_0000_0000))
    view.setUint32(20 + 8 * at, value % 0x1_0000_0000)
  }
  return bytes
}

const compactOperations = new Map([
  [3, "read"],
  [4, "write"],
  [8, "notify"],
])

/** Reads what stands behind the header of a compact frame; undefined for an operation that has no compact form. */
export function compactRequest(
  bytes: Bytes,
  head: { readonly id: number; readonly type: number },
): MemoryRequest | undefined {
  const operation = compactOperations.get(bytes.next8())
  if (operation === undefined) return undefined
  bytes.next8()
  bytes.next16()
  const attachment = bytes.next32()
  const offset = next64(bytes)
  const length = bytes.next32()
  const extras = bytes.extras(["generation", "fence"])
  const generation = numberIn(extras.get("generation"))
  const fence = numberIn(extras.get("fence"))
  const data = bytes.rest()
  if (operation === "write" && length !== data.length) {
    throw wrong(`a write of ${length} bytes has ${data.length} behind it`)
  }
  const isPart = operation === "write" || offset > 0 || length > 0
  return {
    ...{ kind: "memory", id: head.id, operation, block: { by: "attachment", attachment } },
    data: operation === "read" ? undefined : data,
    contentType: head.type === contentTypes.none ? undefined : head.type,
    fields: {
      ...(operation !== "notify" && isPart ? { offset } : {}),
      ...(operation !== "write" && length > 0 ? { length } : {}),
      ...(generation === undefined ? {} : { generation }),
      ...(fence === undefined ? {} : { fence }),
    },
  }
}

/** A read's answer as a compact frame; undefined for an id that has no place in one. */
export function compactContent(content: Content): Uint8Array | undefined {
  if (typeof content.to !== "number") return undefined
  const { to: id, data, contentType: type, generation, time, lost = 0 } = content
  const payload = { as: "bytes", type, bytes: data } as const
  const frame = new Frame({ kind: kinds.response, flags: 0, payload, id }, data.length + 64)
  frame.u32(0)
  const extras = frame.beginExtras()
  frame.numberExtra(tags.generation, generation, 8)
  if (lost > 0) frame.numberExtra(tags.lost, lost, 4)
  if (time > 0) frame.numberExtra(tags.time, time, 8)
  frame.endExtras(extras)
  return frame.end(data)
}

/** A notice of a new generation as a compact frame; undefined for all others. */
export function compactNotice(notice: Notice): Uint8Array | undefined {
  if (notice.event !== undefined || notice.payload !== undefined) return undefined
  const { attachment, generation, length, writer, lost, content } = notice
  const type = content?.contentType ?? contentTypes.none
  const payload = { as: "bytes", type, bytes: content?.data ?? noBytes } as const
  const bound = payload.bytes.length + 3 * writer.length + 128
  const frame = new Frame({ kind: kinds.memory, flags: 0, payload, id: 0 }, bound)
  frame.u8(8)
  frame.u8(0)
  frame.u16(0)
  frame.u32(attachment)
  frame.u32(0)
  frame.u32(0)
  frame.u32(length)
  const extras = frame.beginExtras()
  frame.textExtra(tags.origin, writer)
  frame.numberExtra(tags.generation, generation, 8)
  if (lost !== undefined) frame.numberExtra(tags.lost, lost, 4)
  frame.endExtras(extras)
  return frame.end(payload.bytes)
}

/** A read's answer as JSON; the bytes stand there in base64, or raw behind it. */
export function contentBody(content: Content, data: "base64" | "raw"): Fields {
  const { offset, generation, time, lost } = content
  const length = content.data.length
  const type = contentTypeName(content.contentType) ?? "json"
  const missed = lost === undefined ? {} : { lost }
  const result = { offset, length, generation, content_type: type, time, ...missed }
  const own = data === "raw" ? result : { data: encode64(content.data), ...result }
  const correlation_id = String(content.to)
  return { type: "response", correlation_id, status: "success", result: own }
}

/** A notice as JSON. */
export function noticeBody(notice: Notice, data: "base64" | "raw"): Fields {
  const { pool, attachment, generation, length, writer, lost, content, payload, event } = notice
  const type = content === undefined ? undefined : (contentTypeName(content.contentType) ?? "json")
  return {
    ...{ type: "memory", operation: "notify", block_id: notice.blockId, pool, attachment },
    ...{ generation, length, writer },
    ...(lost === undefined ? {} : { lost }),
    ...(content === undefined || data === "raw" ? {} : { data: encode64(content.data) }),
    ...(type === undefined ? {} : { content_type: type }),
    ...(payload === undefined ? {} : { payload }),
    ...(event === undefined ? {} : { event, ...notice.more }),
  }
}

function next64(bytes: Bytes): number {
  return numberOf(bytes.next32(), bytes.next32())
}

function numberOf(high: number, low: number): number {
  return high * 0x1_0000_0000 + low
}

function numberIn(value: Uint8Array | undefined): number | undefined {
  if (value === undefined) return undefined
  let number = 0
  for (const byte of value) number = number * 256 + byte
  return number
}
