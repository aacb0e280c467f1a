/** Blocks of shared memory as a server lists and inspects them, read field by field. Pure. */
import { type Fields, isFields, listIn, numberIn, textIn } from "../../src/client/pools-frames.ts"
import { order, rowsIn } from "./rows.ts"

/** Who holds a lock. */
export interface LockRow {
  readonly app: string
  readonly mode: string
  readonly fence: number
  /** ms since 1970, by the server's clock: then the lease is over. */
  readonly until: number
}

/** A block in the list. Sizes are bytes. */
export interface BlockRow {
  readonly pool: string
  readonly id: string
  readonly state: string
  readonly size: number
  readonly length: number
  readonly generation: number
  readonly slots: number
  readonly edition: number
  readonly flags: readonly string[]
  readonly writer: string | undefined
  readonly mapped: number
  readonly overSocket: number
  readonly subscribers: number
  readonly lock: LockRow | undefined
  readonly waiting: number
  readonly ring: RingRow | undefined
}

/** A ring's places, and how far behind each consumer is. */
export interface RingRow {
  readonly units: number
  readonly consumers: readonly {
    readonly app: string
    readonly lag: number
    readonly lost: number
  }[]
}

/** What a look into one block adds. */
export interface BlockFacts {
  /** "ok", or what is wrong. */
  readonly integrity: string
  readonly fileBytes: number
  readonly slots: readonly { readonly generation: number; readonly length: number }[]
  readonly attached: readonly {
    readonly app: string
    readonly mode: string
    readonly via: string
  }[]
  readonly locks: readonly LockRow[]
}

export function blocksOf(answer: Fields): readonly BlockRow[] {
  const blocks = rowsIn(answer, "blocks").map((row) => {
    const attachments = fieldsIn(row, "attachments")
    const { lock, ring } = row
    return {
      pool: textIn(row, "pool") ?? "",
      id: textIn(row, "block_id") ?? "",
      state: textIn(row, "state") ?? "",
      size: numberIn(row, "size") ?? 0,
      length: numberIn(row, "length") ?? 0,
      generation: numberIn(row, "generation") ?? 0,
      slots: numberIn(row, "slots") ?? 0,
      edition: numberIn(row, "edition") ?? 1,
      flags: listIn(row, "flags"),
      writer: textIn(row, "writer"),
      mapped: numberIn(attachments, "map") ?? 0,
      overSocket: numberIn(attachments, "socket") ?? 0,
      subscribers: numberIn(row, "subscribers") ?? 0,
      lock: isFields(lock) ? lockOf(lock) : undefined,
      waiting: numberIn(row, "waiting") ?? 0,
      ring: isFields(ring) ? ringOf(ring) : undefined,
    }
  })
  return blocks.sort((one, other) => order(one.id, other.id))
}

export function blockFactsOf(answer: Fields): BlockFacts {
  return {
    integrity: textIn(answer, "integrity") ?? "ok",
    fileBytes: numberIn(fieldsIn(answer, "header"), "file_bytes") ?? 0,
    slots: rowsIn(answer, "slot_records").map((row) => ({
      generation: numberIn(row, "generation") ?? 0,
      length: numberIn(row, "length") ?? 0,
    })),
    attached: rowsIn(answer, "attached").map((row) => ({
      app: textIn(row, "app") ?? "",
      mode: textIn(row, "mode") ?? "",
      via: textIn(row, "via") ?? "",
    })),
    locks: rowsIn(answer, "locks").map(lockOf),
  }
}

function lockOf(row: Fields): LockRow {
  return {
    app: textIn(row, "app") ?? "",
    mode: textIn(row, "mode") ?? "",
    fence: numberIn(row, "fence") ?? 0,
    until: numberIn(row, "until") ?? 0,
  }
}

function ringOf(row: Fields): RingRow {
  return {
    units: numberIn(row, "units") ?? 0,
    consumers: rowsIn(row, "consumers").map((each) => ({
      app: textIn(each, "app") ?? "",
      lag: numberIn(each, "lag") ?? 0,
      lost: numberIn(each, "lost") ?? 0,
    })),
  }
}

function fieldsIn(row: Fields, name: string): Fields {
  const value = row[name]
  return isFields(value) ? value : {}
}
