/**
 * A block of shared memory to the byte: layout 1, little-endian. One page of header, then slots.
 *
 *     0 line 0: what never changes   64 latest, state   128 who listens   192 the writer
 *     256 slot records, 64 each      2304 pin cells, 4 each               4096 the slots
 *
 * What always holds: nothing here does I/O. A block is reached through an Area: memory that is mapped,
 * memory of this process, or a file read and written at positions. Words are 32 bits, aligned, and
 * go through an Area one at a time, in the order in which the code names them.
 */
import { crc32 } from "./checksum.ts"

/** Where each field stands. */
export const at = {
  ...{ magic: 0, layout: 4, headerBytes: 6, flags: 8, slots: 12, stride: 16, capacity: 24 },
  ...{ uuid: 32, created: 48, crc: 56, order: 60 },
  /** Low word of the newest generation; of a ring, its tail. */
  latest: 64,
  /** Of a ring: how far its producer may be writing. */
  reserve: 68,
  ...{ state: 72, edition: 76, sleepers: 128, subscribers: 132, pinners: 136 },
  /** 0, or the attachment that writes. */
  writer: 192,
  ...{ fence: 196, wanted: 200, pid: 204, started: 208 },
  ...{ records: 256, cells: 2304, data: 4096 },
} as const

/** Where the fields of a slot's record stand, in its 64 bytes. */
export const inRecord = {
  ...{ seq: 0, length: 4, generation: 8, crc: 16, contentType: 20, time: 24 },
  ...{ writer: 32, fence: 36, flags: 40 },
} as const

export const recordBytes = 64
/** How many pins a block has room for. */
export const pinCells = 64
/** The most slots. Always a power of two: so slot numbers survive the wrap of 32-bit words. */
const slotCounts: readonly number[] = [1, 2, 4, 8, 16, 32]

/** Values of the state word. */
export const states = { live: 0, closing: 1, retired: 2, sealed: 3, filling: 4 } as const

const flagBits = {
  ...{ checksummed: 1, encrypted: 2, ring: 4, many: 8, overwrites: 16, durable: 32 },
  "lock-required": 64,
} as const

export type BlockFlag = keyof typeof flagBits

/** What a block is; none of it ever changes. Sizes are bytes. */
export interface Header {
  /** 16 bytes. */
  readonly uuid: Uint8Array
  readonly flags: ReadonlySet<BlockFlag>
  readonly slots: number
  readonly capacity: number
  /** ms since 1970. */
  readonly createdAt: number
}

/** Memory that holds a block. Addresses are bytes from its beginning. */
export interface Area {
  readonly bytes: number
  /** The word at an address that is a multiple of 4. */
  load(address: number): number
  store(address: number, word: number): void
  /** Stores, and gives what stood there. A full barrier where memory is mapped. */
  exchange(address: number, word: number): number
  /** Stores `word` where `expected` stands; gives what stood there. */
  compareExchange(address: number, expected: number, word: number): number
  /** Fills `into`. */
  get(address: number, into: Uint8Array): void
  put(address: number, bytes: Uint8Array): void
}

/** A file read and written at positions. Each call moves all its bytes, or throws. */
export interface PositionalFile {
  readonly bytes: number
  read(position: number, into: Uint8Array): void
  write(position: number, bytes: Uint8Array): void
}

/** The memory does not hold what a block of this layout must: it was changed or cut from outside. */
export class Damaged extends Error {
  override readonly name = "Damaged"
}

const magic = 0x31425451 // QTB1
const orderMark = 0x01020304
const crcBytes = 56
const high = 0x1_0000_0000

/** How far apart slots stand. */
export function strideOf(capacity: number): number {
  const step = capacity > 4096 ? 4096 : 64
  return Math.ceil(capacity / step) * step
}

/** How long the file is, for good. */
export function fileBytes({ slots, capacity }: Pick<Header, "slots" | "capacity">): number {
  return at.data + Math.ceil((slots * strideOf(capacity)) / 4096) * 4096
}

/** No writer comes so far: a larger generation was scribbled into the block. */
export const lastGeneration = 2 ** 52

/** The low word of a generation. */
export function lowWord(generation: number): number {
  return generation % high
}

/** The one after. Generations whose low word is 0 are skipped. */
export function nextGeneration(generation: number): number {
  return lowWord(generation + 1) === 0 ? generation + 2 : generation + 1
}

/** What the seq word of a valid slot is, for the low word of its generation. */
export function seqOf(low: number): number {
  return (low << 1) >>> 0
}

/** The first 64 bytes of a block. */
export function lineOf(header: Header): Uint8Array {
  const line = new Uint8Array(64)
  const view = new DataView(line.buffer)
  const bits = [...header.flags].reduce((sum, flag) => sum | flagBits[flag], 0)
  view.setUint32(at.magic, magic, true)
  view.setUint16(at.layout, 1, true)
  view.setUint16(at.headerBytes, at.data, true)
  view.setUint32(at.flags, bits, true)
  view.setUint32(at.slots, header.slots, true)
  setWhole(view, at.stride, strideOf(header.capacity))
  setWhole(view, at.capacity, header.capacity)
  line.set(header.uuid, at.uuid)
  setWhole(view, at.created, header.createdAt)
  view.setUint32(at.crc, crc32(line.subarray(0, crcBytes)), true)
  view.setUint32(at.order, orderMark, true)
  return line
}

/** A line 0, read: the header, or one sentence that says why these bytes are no block of this layout. */
export function headerOf(line: Uint8Array, length: number): Header | string {
  if (line.length < 64) return "it is shorter than its header"
  const view = new DataView(line.buffer, line.byteOffset, 64)
  if (view.getUint32(at.magic, true) !== magic) return "it does not begin with QTB1"
  if (view.getUint32(at.order, true) !== orderMark) return "it has another order of bytes"
  if (view.getUint16(at.layout, true) !== 1) return "it has another layout than 1"
  if (view.getUint32(at.crc, true) !== crc32(line.subarray(0, crcBytes))) {
    return "the checksum of its header is wrong"
  }
  const bits = view.getUint32(at.flags, true)
  const flags = Object.entries(flagBits).filter(([, bit]) => (bits & bit) !== 0)
  const header: Header = {
    uuid: line.slice(at.uuid, at.uuid + 16),
    flags: new Set(flags.map(([flag]) => flag as BlockFlag)), // keys of a literal: exactly the union
    slots: view.getUint32(at.slots, true),
    capacity: wholeIn(view, at.capacity),
    createdAt: wholeIn(view, at.created),
  }
  if (!slotCounts.includes(header.slots)) return "it has an impossible number of slots"
  if (wholeIn(view, at.stride) !== strideOf(header.capacity)) return "its slots do not fit"
  if (fileBytes(header) !== length) return `it is ${length} bytes long, not ${fileBytes(header)}`
  return header
}

/** Memory of this process, or mapped memory: words are real atomics. */
export class MemoryArea implements Area {
  readonly bytes: number
  readonly #words: Int32Array
  readonly #all: Uint8Array

  /** Over a buffer whose length is a multiple of 4. */
  constructor(buffer: ArrayBufferLike) {
    this.bytes = buffer.byteLength
    this.#words = new Int32Array(buffer)
    this.#all = new Uint8Array(buffer)
  }

  load(address: number): number {
    return Atomics.load(this.#words, address >>> 2) >>> 0
  }

  store(address: number, word: number): void {
    Atomics.store(this.#words, address >>> 2, word | 0)
  }

  exchange(address: number, word: number): number {
    return Atomics.exchange(this.#words, address >>> 2, word | 0) >>> 0
  }

  compareExchange(address: number, expected: number, word: number): number {
    return Atomics.compareExchange(this.#words, address >>> 2, expected | 0, word | 0) >>> 0
  }

  get(address: number, into: Uint8Array): void {
    into.set(this.#all.subarray(address, address + into.length))
  }

  put(address: number, bytes: Uint8Array): void {
    this.#all.set(bytes, address)
  }

  /** The bytes themselves, without a copy: for what is pinned or sealed. */
  view(address: number, length: number): Uint8Array {
    return this.#all.subarray(address, address + length)
  }
}

/**
 * A file, at positions. Its exchanges are a read and a write: only who else keeps other writers away
 * may rest on them.
 */
export class FileArea implements Area {
  readonly #file: PositionalFile
  readonly #word = new Uint8Array(4)
  readonly #view = new DataView(this.#word.buffer)

  constructor(file: PositionalFile) {
    this.#file = file
  }

  get bytes(): number {
    return this.#file.bytes
  }

  load(address: number): number {
    this.#file.read(address, this.#word)
    return this.#view.getUint32(0, true)
  }

  store(address: number, word: number): void {
    this.#view.setUint32(0, word, true)
    this.#file.write(address, this.#word)
  }

  exchange(address: number, word: number): number {
    const before = this.load(address)
    this.store(address, word)
    return before
  }

  compareExchange(address: number, expected: number, word: number): number {
    const before = this.load(address)
    if (before === expected) this.store(address, word)
    return before
  }

  get(address: number, into: Uint8Array): void {
    this.#file.read(address, into)
  }

  put(address: number, bytes: Uint8Array): void {
    this.#file.write(address, bytes)
  }
}

/** Writes 64 bits, little-endian, of a whole number below 2^53. */
export function setWhole(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % high, true)
  view.setUint32(offset + 4, Math.floor(value / high), true)
}

/** Reads 64 bits, little-endian, as a number. */
export function wholeIn(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * high + view.getUint32(offset, true)
}
