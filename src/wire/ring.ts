/**
 * A ring of records in a block: produced at its tail, consumed by up to 32 who each have a cursor.
 *
 *     record   u32 length, bit 31: padding   u32 content type, bit 8: has a sum   u32 CRC-32
 *              u32 record number             payload, padded to 16
 *
 * What always holds: positions count units of 16 bytes modulo 2^32; a record never wraps; one that
 * its producer did not finish was never there. In mode "block" nothing is overwritten that an active
 * consumer has not taken; in mode "overwrite" who was lapped learns how many records it lost.
 */
import { crc32 } from "./checksum.ts"
import { type Area, at, Damaged, type Header, states } from "./layout.ts"
import type { Crc } from "./slots-shapes.ts"

/** Consumers of one ring at the most. */
export const consumerLimit = 32
const ringUnit = 16

/** Where the words of consumer i stand, in its line of 64 bytes. */
export const inConsumer = { cursor: 0, state: 4, lost: 8, attachment: 12 } as const
export const consumerStates = { free: 0, active: 1, detached: 2 } as const

export interface RingRecord {
  readonly contentType: number
  /** Grows by one with each record, modulo 2^32. */
  readonly number: number
  readonly data: Uint8Array
}

export type Sent =
  | { readonly is: "sent"; readonly number: number }
  /** A consumer is behind: wait, then try again. */
  | { readonly is: "full" }
  | { readonly is: "retired" | "too-long" }

export type Received =
  | { readonly is: "record"; readonly record: RingRecord; readonly lost: number }
  | { readonly is: "nothing" }
  /** The server took this place away: attach again. */
  | { readonly is: "detached" | "retired" }
  | { readonly is: "damaged" }

const paddingBit = 0x8000_0000
const summedBit = 0x100
const headBytes = 16

/** The most bytes of one record. */
function recordLimit(capacity: number): number {
  return capacity / 8
}

/** Records and paddings that one `next` looks at while it finds none that it can give. */
const lookLimit = 64

/** Whether a ring can be so large: a power of two, 4 KiB to 1 GiB. */
export function isRingCapacity(capacity: number): boolean {
  return capacity >= 4096 && capacity <= 2 ** 30 && (capacity & (capacity - 1)) === 0
}

/** Address of a consumer's line. */
export function consumerAt(consumer: number): number {
  return at.records + 64 * consumer
}

/** What both ends of a ring know. */
class Track {
  readonly area: Area
  readonly header: Header
  readonly crc: Crc
  // One header at a time is put together or taken apart.
  readonly head = new Uint8Array(headBytes)
  readonly headView = new DataView(this.head.buffer)
  readonly units: number

  constructor(area: Area, header: Header, crc: Crc) {
    this.area = area
    this.header = header
    this.crc = crc
    this.units = header.capacity / ringUnit
  }

  get isRetired(): boolean {
    return this.area.load(at.state) !== states.live
  }

  addressOf(position: number): number {
    return at.data + (position % this.units) * ringUnit
  }

  headAt(position: number): Head {
    const { head, headView: view } = this
    this.area.get(this.addressOf(position), head)
    const length = view.getUint32(0, true)
    const type = view.getUint32(4, true)
    return {
      isPadding: length >= paddingBit,
      length: length % paddingBit,
      contentType: type & 0xff,
      isSummed: (type & summedBit) !== 0,
      crc: view.getUint32(8, true),
      number: view.getUint32(12, true),
    }
  }
}

interface Head {
  readonly isPadding: boolean
  readonly length: number
  readonly contentType: number
  readonly isSummed: boolean
  readonly crc: number
  readonly number: number
}

/** Writes records. One at a time: who is one of many holds the writer word around `send`. */
export class Producer {
  readonly #track: Track
  // Where its last record ends, and that record's number.
  #sent: { readonly tail: number; readonly number: number } | undefined

  constructor(area: Area, header: Header, crc: Crc = crc32) {
    this.#track = new Track(area, header, crc)
  }

  /** Puts one record behind all others. `number`: that of the record before, plus one. */
  send(
    data: Uint8Array,
    options: { readonly number: number; readonly contentType?: number },
  ): Sent {
    const { area, header, units, isRetired } = this.#track
    if (data.length > recordLimit(header.capacity)) return { is: "too-long" }
    if (isRetired) return { is: "retired" }
    const tail = area.load(at.latest)
    const own = unitsOf(data.length)
    const left = units - (tail % units)
    const padding = own > left ? left : 0
    const end = moved(tail, padding + own)
    if (!header.flags.has("overwrites") && !this.#hasRoom(end)) return { is: "full" }
    area.exchange(at.reserve, end)
    const start = moved(tail, padding)
    area.put(this.#track.addressOf(start) + headBytes, data)
    if (padding > 0) this.#head(tail, { length: padding * ringUnit - headBytes, mark: paddingBit })
    const sums = header.flags.has("checksummed")
    const type = (options.contentType ?? 3) | (sums ? summedBit : 0)
    const crc = sums ? this.#track.crc(data) : 0
    this.#head(start, { length: data.length, mark: 0, type, crc, number: options.number })
    area.store(at.latest, end)
    this.#sent = { tail: end, number: options.number }
    return { is: "sent", number: options.number }
  }

  /**
   * The number that the next record gets, by what stands in the ring. Costs a pass over the headers of
   * a lap, unless this producer sent the last record. Throws Damaged where no record ends at the tail.
   */
  nextNumber(): number {
    return this.nextNumberWithin(Number.POSITIVE_INFINITY) ?? 0
  }

  /** As `nextNumber`; undefined where more than `most` headers have to be passed. */
  nextNumberWithin(most: number): number | undefined {
    const { area, units } = this.#track
    const tail = area.load(at.latest)
    if (this.#sent?.tail === tail) return moved(this.#sent.number, 1)
    // Where a lap begins, a record does.
    let position = moved(tail, -(tail % units || units))
    let number = 0
    if (tail < units && tail > 0) position = 0
    for (let passed = 0; position !== tail; passed++) {
      if (passed === most) return undefined
      const head = this.#track.headAt(position)
      // Nothing was ever written here.
      if (head.length + head.contentType + head.number === 0) return 0
      if (!head.isPadding) number = moved(head.number, 1)
      const size = unitsOf(head.length)
      if (size > apart(position, tail)) throw new Damaged("no record ends at the ring's tail")
      position = moved(position, size)
    }
    return number
  }

  #hasRoom(end: number): boolean {
    const { area, units } = this.#track
    for (let consumer = 0; consumer < consumerLimit; consumer++) {
      const line = consumerAt(consumer)
      if (area.load(line + inConsumer.state) !== consumerStates.active) continue
      if (apart(area.load(line + inConsumer.cursor), end) > units) return false
    }
    return true
  }

  #head(
    position: number,
    of: { length: number; mark: number; type?: number; crc?: number; number?: number },
  ): void {
    const { head, headView: view } = this.#track
    view.setUint32(0, of.length + of.mark, true)
    view.setUint32(4, of.type ?? 0, true)
    view.setUint32(8, of.crc ?? 0, true)
    view.setUint32(12, of.number ?? 0, true)
    this.#track.area.put(this.#track.addressOf(position), head)
  }
}

/** Takes records, in order, from its own place in the ring. */
export class Consumer {
  readonly #track: Track
  readonly #line: number
  readonly #verifies: boolean
  #cursor: number
  // The number that the next record must have; undefined until one has come.
  #next: number | undefined

  /** A new consumer begins at the tail, or where its place says. `index`: the place that the server gave. */
  constructor(
    area: Area,
    header: Header,
    options: {
      readonly index: number
      readonly from?: "tail" | "cursor"
      readonly crc?: Crc
      readonly verify?: "always" | "never"
    },
  ) {
    this.#track = new Track(area, header, options.crc ?? crc32)
    this.#line = consumerAt(options.index)
    this.#verifies = options.verify === "always"
    const from = options.from === "cursor" ? this.#line + inConsumer.cursor : at.latest
    this.#cursor = area.load(from)
    area.store(this.#line + inConsumer.cursor, this.#cursor)
  }

  /** The next record, copied. */
  next(): Received {
    const { area, header, units, isRetired } = this.#track
    if (area.load(this.#line + inConsumer.state) === consumerStates.detached) {
      return { is: "detached" }
    }
    for (let look = 0; look < lookLimit; look++) {
      const tail = area.load(at.latest)
      if (tail === this.#cursor) return isRetired ? { is: "retired" } : { is: "nothing" }
      const head = this.#track.headAt(this.#cursor)
      const size = unitsOf(head.length)
      const isLong = !head.isPadding && head.length > recordLimit(header.capacity)
      const isInside = size <= units - (this.#cursor % units) && size <= apart(this.#cursor, tail)
      const fits = isInside && !isLong
      const data = new Uint8Array(fits && !head.isPadding ? head.length : 0)
      if (data.length > 0) area.get(this.#track.addressOf(this.#cursor) + headBytes, data)
      if (header.flags.has("overwrites") && this.#isLapped()) {
        this.#move(area.load(at.latest))
        continue
      }
      if (!fits || (!head.isPadding && this.#isWrong(head, data))) return { is: "damaged" }
      this.#move(moved(this.#cursor, size))
      if (head.isPadding) continue
      const lost = apart(this.#next ?? head.number, head.number)
      this.#next = moved(head.number, 1)
      if (lost > 0) this.#addLost(lost)
      const { contentType, number } = head
      return { is: "record", record: { contentType, number, data }, lost }
    }
    // Producers are faster, or scribble: the next call goes on.
    return { is: "nothing" }
  }

  #isLapped(): boolean {
    const { area, units } = this.#track
    return apart(this.#cursor, area.load(at.reserve)) > units
  }

  #isWrong(head: Head, data: Uint8Array): boolean {
    return this.#verifies && head.isSummed && this.#track.crc(data) !== head.crc
  }

  #move(to: number): void {
    this.#cursor = to
    this.#track.area.store(this.#line + inConsumer.cursor, to)
  }

  #addLost(lost: number): void {
    const { area } = this.#track
    const place = this.#line + inConsumer.lost
    area.store(place, moved(area.load(place), lost))
  }
}

/** Makes a place of the ring active, for the server. Throws Damaged where the file is no ring. */
export function activate(area: Area, index: number, attachment: number): void {
  if (index >= consumerLimit) throw new Damaged("a ring has no such place")
  const line = consumerAt(index)
  area.store(line + inConsumer.cursor, area.load(at.latest))
  area.store(line + inConsumer.lost, 0)
  area.store(line + inConsumer.attachment, attachment)
  area.store(line + inConsumer.state, consumerStates.active)
}

function unitsOf(length: number): number {
  return Math.ceil((headBytes + length) / ringUnit)
}

/** A position further on. */
function moved(position: number, by: number): number {
  return (position + by) >>> 0
}

/** How far it is from one position to a later one. */
function apart(from: number, to: number): number {
  return (to - from) >>> 0
}
