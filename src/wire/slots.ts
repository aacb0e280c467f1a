/**
 * Generations in the slots of a block: reading, writing, pinning, over any Area.
 *
 * What always holds: a read gives one whole generation or none; a writer that dies at any instant
 * leaves `latest` where it was, and the slot it left odd is simply the next one written; a slot
 * whose generation a cell pins is not written.
 */
import { crc32 } from "./checksum.ts"
import {
  type Area,
  at,
  Damaged,
  type Header,
  inRecord,
  lastGeneration,
  lowWord,
  nextGeneration,
  pinCells,
  recordBytes,
  seqOf,
  setWhole,
  states,
  strideOf,
  wholeIn,
} from "./layout.ts"
import type { Crc, Generation, PinTaken, Reading, Taken, Writing, Wrote } from "./slots-shapes.ts"

/** How often a reader starts over before it asks the server. */
const rounds = 64
const wrongSums = 3
const pieceBytes = 1024 * 1024
const summed = 1
const high = 0x1_0000_0000
const half = 0x8000_0000

export class Slots {
  readonly #area: Area
  readonly #crc: Crc
  readonly #header: Header
  readonly #stride: number
  readonly #record = new Uint8Array(recordBytes)
  readonly #view = new DataView(this.#record.buffer)
  // A record without its first word, as it is written: what is not set stays 0.
  readonly #fields = new Uint8Array(recordBytes - 4)
  readonly #fieldsView = new DataView(this.#fields.buffer)

  constructor(area: Area, header: Header, crc: Crc = crc32) {
    this.#area = area
    this.#header = header
    this.#stride = strideOf(header.capacity)
    this.#crc = crc
  }

  /** The newest generation; 0 when there is none. Throws Damaged when its slot holds another. */
  newest(): number {
    for (let round = 0; round < rounds; round++) {
      const low = this.#area.load(at.latest)
      if (low === 0) return 0
      const address = this.#recordAt(low) + inRecord.generation
      const generation = this.#area.load(address) + high * this.#area.load(address + 4)
      if (generation > lastGeneration) continue
      const ahead = (lowWord(generation) - low) >>> 0
      if (ahead === 0) return generation
      // Overwritten between the two looks, by a writer that is laps ahead and may stay so: it tells
      // the high word all the same.
      const isLater = ahead < half && ahead % this.#header.slots === 0
      if (isLater && this.#area.load(at.latest) !== low) return generation - ahead
    }
    throw new Damaged("the newest slot has another generation than the newest")
  }

  /** Address of a slot's content. */
  addressOf(generation: number): number {
    return at.data + this.#slotOf(lowWord(generation)) * this.#stride
  }

  /** One whole generation, copied: all of it, or the piece asked for, which must be inside it. */
  read(reading: Reading = {}): Taken {
    let wrong = 0
    for (let round = 0; round < (reading.rounds ?? rounds); round++) {
      const low =
        reading.generation === undefined ? this.#area.load(at.latest) : lowWord(reading.generation)
      if (low === 0)
        return reading.state !== "as-is" && this.#isRetired() ? { is: "retired" } : { is: "empty" }
      const taken = this.#copy(low, reading)
      if (reading.state !== "as-is" && this.#isRetired()) return { is: "retired" }
      if (taken === "sum" && ++wrong === wrongSums) return { is: "damaged" }
      if (typeof taken === "object") {
        const isOther = taken.of.generation !== (reading.generation ?? taken.of.generation)
        return isOther ? { is: "gone" } : taken
      }
      if (taken === "torn" && reading.generation !== undefined) return { is: "gone" }
    }
    return { is: "torn" }
  }

  /** Makes a new generation. Who writes by turns holds the writer word already. */
  write(writing: Writing): Wrote {
    const { data, offset } = writing
    const from = offset === "whole" ? 0 : offset
    if (from + data.length > this.#header.capacity) return { is: "too-long" }
    const refused = writing.state === "as-is" ? undefined : this.#refusal(writing)
    if (refused !== undefined) return refused
    const newest = this.newest()
    const known = Math.max(newest, writing.after ?? 0)
    if (writing.onto !== undefined && writing.onto !== newest) return { is: "conflict", newest }
    const before = offset === "whole" || newest === 0 ? undefined : this.#look(lowWord(newest))
    if (before !== undefined && before.length > this.#header.capacity) {
      throw new Damaged("the newest content is longer than the block")
    }
    const generation = this.#open(known)
    if (generation === undefined) return { is: "pinned" }
    const low = lowWord(generation)
    const length = Math.max(before?.length ?? 0, from + data.length)
    const address = this.addressOf(generation)
    this.#setRecord({ writing, generation, length, before })
    if (before !== undefined) this.#move(this.addressOf(newest), address, before.length)
    this.#zero(address, Math.min(before?.length ?? 0, from), from)
    this.#area.put(address + from, data)
    if (this.#header.flags.has("checksummed")) this.#addSum(low, length)
    this.#area.store(this.#recordAt(low), seqOf(low))
    this.#area.store(at.latest, low)
    return { is: "written", generation, length }
  }

  /** Makes what already lies in the one slot its generation. */
  publish(of: Omit<Writing, "offset" | "data"> & { readonly length: number }): number {
    const generation = nextGeneration(of.after ?? 0)
    const low = lowWord(generation)
    const writing = { ...of, offset: "whole", data: new Uint8Array(0) } as const
    this.#area.exchange(this.#recordAt(low), (seqOf(low) | 1) >>> 0)
    this.#setRecord({ writing, generation, length: of.length, before: undefined })
    if (this.#header.flags.has("checksummed")) this.#addSum(low, of.length)
    this.#area.store(this.#recordAt(low), seqOf(low))
    this.#area.store(at.latest, low)
    return generation
  }

  /** Takes the newest generation's slot for the cell's owner, until `unpin`. */
  pin(cell: number): PinTaken {
    for (let round = 0; round < rounds; round++) {
      const low = this.#area.load(at.latest)
      if (this.#isRetired()) return { is: "retired" }
      if (low === 0) return { is: "empty" }
      this.#area.exchange(at.cells + 4 * cell, low)
      const record = this.#look(low)
      if (record.seq === seqOf(low)) return { is: "pinned", of: record, slot: this.#slotOf(low) }
      this.unpin(cell)
    }
    return { is: "torn" }
  }

  unpin(cell: number): void {
    this.#area.store(at.cells + 4 * cell, 0)
  }

  /**
   * Takes the writer word, for those who write by turns. "taken": write, then `release`. "busy":
   * somebody has it, or the server wants it; try again in 50 µs.
   */
  acquire(attachment: number, spins = 1_000): "taken" | "busy" {
    for (let spin = 0; spin < spins; spin++) {
      if (this.#area.compareExchange(at.writer, 0, attachment) !== 0) continue
      if (this.#area.load(at.wanted) === 0) return "taken"
      this.release()
      return "busy"
    }
    return "busy"
  }

  release(): void {
    this.#area.store(at.writer, 0)
  }

  /** What a slot's record says now, valid or not. */
  recordOf(slot: number): Generation & { readonly seq: number } {
    return this.#look(slot)
  }

  #slotOf(low: number): number {
    return low & (this.#header.slots - 1)
  }

  #recordAt(low: number): number {
    return at.records + recordBytes * this.#slotOf(low)
  }

  #isRetired(): boolean {
    return this.#area.load(at.state) === states.retired
  }

  #refusal(writing: Writing): Wrote | undefined {
    const state = this.#area.load(at.state)
    if (state === states.sealed) return { is: "sealed" }
    if (state !== states.live) return { is: "retired" }
    const isAlone = !this.#header.flags.has("many")
    if (isAlone && this.#area.load(at.fence) !== writing.fence) return { is: "lock-lost" }
    return undefined
  }

  #look(low: number) {
    this.#area.get(this.#recordAt(low), this.#record)
    const view = this.#view
    return {
      seq: view.getUint32(inRecord.seq, true),
      length: view.getUint32(inRecord.length, true),
      generation: wholeIn(view, inRecord.generation),
      crc: view.getUint32(inRecord.crc, true),
      contentType: view.getUint32(inRecord.contentType, true),
      time: wholeIn(view, inRecord.time),
      writer: view.getUint32(inRecord.writer, true),
      fence: view.getUint32(inRecord.fence, true),
      flags: view.getUint32(inRecord.flags, true),
    }
  }

  /** One try: the content, or why it has to be tried again. */
  #copy(low: number, reading: Reading): Extract<Taken, { is: "content" }> | "torn" | "sum" {
    const address = this.#recordAt(low)
    if (this.#area.load(address) !== seqOf(low)) return "torn"
    const record = this.#look(low)
    if (record.length > this.#header.capacity) return "torn"
    const { crc, flags, length: whole, generation, contentType, time, writer, fence } = record
    // Written out: copying the rest of an object takes longer than reading a short content.
    const of = { length: whole, generation, contentType, time, writer, fence }
    const checks = reading.verify === "always" && (flags & summed) !== 0
    const offset = Math.min(reading.offset ?? 0, of.length)
    const length = Math.min(reading.length ?? of.length, of.length - offset)
    const start = this.addressOf(low)
    const { into } = reading
    const size = checks ? of.length : length
    const data =
      into !== undefined && size <= into.length ? into.subarray(0, size) : new Uint8Array(size)
    this.#area.get(checks ? start : start + offset, data)
    if (this.#area.load(address) !== seqOf(low)) return "torn"
    if (!checks) return { is: "content", of, data }
    if (this.#crc(data) !== crc) return "sum"
    return { is: "content", of, data: data.subarray(offset, offset + length) }
  }

  /** Marks the next free slot as being written; undefined when all others are pinned. */
  #open(newest: number): number | undefined {
    let generation = newest
    for (let turn = 0; turn < Math.max(1, this.#header.slots - 1); turn++) {
      generation = nextGeneration(generation)
      const low = lowWord(generation)
      const address = this.#recordAt(low)
      const before = this.#area.exchange(address, (seqOf(low) | 1) >>> 0)
      if (this.#area.load(at.pinners) === 0) return generation
      if (!this.#isPinned(this.#look(low).generation)) return generation
      this.#area.store(address, before)
    }
    return undefined
  }

  #isPinned(generation: number): boolean {
    const low = lowWord(generation)
    if (low === 0) return false
    for (let cell = 0; cell < pinCells; cell++) {
      if (this.#area.load(at.cells + 4 * cell) === low) return true
    }
    return false
  }

  #setRecord(of: {
    readonly writing: Writing
    readonly generation: number
    readonly length: number
    readonly before: Generation | undefined
  }): void {
    const { writing, generation, length, before } = of
    const view = this.#fieldsView
    view.setUint32(inRecord.length - 4, length, true)
    setWhole(view, inRecord.generation - 4, generation)
    const contentType = writing.contentType ?? before?.contentType ?? bytesType
    view.setUint32(inRecord.contentType - 4, contentType, true)
    setWhole(view, inRecord.time - 4, writing.time)
    view.setUint32(inRecord.writer - 4, writing.writer, true)
    view.setUint32(inRecord.fence - 4, writing.fence, true)
    this.#area.put(this.#recordAt(lowWord(generation)) + 4, this.#fields)
  }

  #addSum(low: number, length: number): void {
    const address = this.addressOf(low)
    let sum = 0
    for (let done = 0; done < length; done += pieceBytes) {
      const piece = new Uint8Array(Math.min(pieceBytes, length - done))
      this.#area.get(address + done, piece)
      sum = this.#crc(piece, sum)
    }
    this.#area.store(this.#recordAt(low) + inRecord.crc, sum)
    this.#area.store(this.#recordAt(low) + inRecord.flags, summed)
  }

  #move(from: number, to: number, length: number): void {
    for (let done = 0; done < length; done += pieceBytes) {
      const piece = new Uint8Array(Math.min(pieceBytes, length - done))
      this.#area.get(from + done, piece)
      this.#area.put(to + done, piece)
    }
  }

  #zero(address: number, from: number, until: number): void {
    for (let done = from; done < until; done += pieceBytes) {
      this.#area.put(address + done, new Uint8Array(Math.min(pieceBytes, until - done)))
    }
  }
}

/** The content type of bytes. */
const bytesType = 3
