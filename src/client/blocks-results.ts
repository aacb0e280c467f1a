/** What comes of reading and writing a block, as programs get it: the same over both ways. */
import { decode64 } from "../wire/base64.ts"
import { contentTypeName, contentTypeOf } from "../wire/pools-payload.ts"
import type { Taken } from "../wire/slots-shapes.ts"
import type { MappedWrote } from "./blocks-mapping.ts"
import type { Snapshot } from "./blocks-shapes.ts"
import { fault } from "./pools-faults.ts"
import { type Fields, numberIn, textIn } from "./pools-frames.ts"
import type { PoolsError } from "./pools-shapes.ts"

/** Out of mapped memory. Throws for what is gone or damaged. */
export function snapshotOf(
  taken: Exclude<Taken, { is: "torn" | "retired" }>,
  offset: number,
): Snapshot {
  switch (taken.is) {
    case "content": {
      const { generation, contentType, time } = taken.of
      const name = contentTypeName(contentType) ?? "json"
      return { data: taken.data, generation, offset, contentType: name, time: time / 1_000 }
    }
    case "empty":
      return { data: new Uint8Array(0), generation: 0, offset, contentType: "bytes", time: 0 }
    case "gone":
      throw fault("generation-gone", "that generation has been overwritten")
    case "damaged":
      throw fault("integrity", "the block's checksum is wrong")
  }
}

/** Out of the server's answer. */
export function snapshotIn(result: Fields, offset: number): Snapshot {
  return {
    data: dataIn(result["data"]),
    ...{ generation: numberIn(result, "generation") ?? 0, offset },
    contentType: textIn(result, "content_type") ?? "bytes",
    time: (numberIn(result, "time") ?? 0) / 1_000,
  }
}

/** Why mapped memory was not written. */
export function refusalOf(wrote: Exclude<MappedWrote, { is: "written" }>): PoolsError {
  switch (wrote.is) {
    case "sealed":
      return fault("block-sealed", "the block is sealed")
    case "pinned":
      return fault("pinned", "every other slot is pinned", { retryAfterMs: 100 })
    case "busy":
      return fault("locked", "somebody else writes", { retryAfterMs: 10 })
    case "lock-lost":
      return fault("lock-lost", "somebody else writes now")
    case "too-long":
      return fault("out-of-range", "the write ends beyond the block")
    case "conflict": {
      const { newest } = wrote
      return fault("conflict", `the newest generation is ${newest}`, { detail: { newest } })
    }
    case "retired":
      return fault("block-retired", "attach again")
    case "uncertain":
      return fault("block-retired", "its file was replaced meanwhile", {
        executionUncertain: true,
      })
  }
}

/** The number of a content type. Throws TypeError for what is none. */
export function typeOf(name: string): number {
  const type = contentTypeOf(name)
  if (type !== undefined) return type
  throw new TypeError(`${name} is no content type: json, text, bytes, app:128 to app:255`)
}

/** Bytes of this program's own. */
export function dataIn(value: unknown): Uint8Array {
  if (typeof value === "string") return decode64(value) ?? new Uint8Array(0)
  if (!(value instanceof Uint8Array)) return new Uint8Array(0)
  // A small piece would keep its whole frame alive.
  const isWhole = value.length === value.buffer.byteLength
  return isWhole ? new Uint8Array(value.buffer) : new Uint8Array(value)
}
