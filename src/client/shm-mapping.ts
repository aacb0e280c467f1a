/**
 * A block in mapped memory: the protocol of its words, one operation at a time.
 *
 * What always holds: the writer word is let go of whatever happens; a write that was not refused is
 * either in the block for good or said to be uncertain; nothing here waits.
 */
import { type Area, at, type Header, states } from "../wire/layout.ts"
import { Consumer, Producer, type Received, type Sent } from "../wire/ring.ts"
import { Slots } from "../wire/slots.ts"
import type { Crc, Reading, Taken } from "../wire/slots-shapes.ts"
import type { MappedPin, MappedWrite, MappedWrote, Mapping, MappingOf } from "./blocks-mapping.ts"

export interface MemoryParts {
  readonly area: Area & { view(address: number, length: number): Uint8Array }
  readonly header: Header
  readonly crc: Crc
  /** "always": this CPU may show a reader stores out of order. */
  readonly verify: "always" | "never"
  readonly release: () => void
}

function typed(contentType: number | undefined, onto: number | undefined) {
  return {
    ...(contentType === undefined ? {} : { contentType }),
    ...(onto === undefined ? {} : { onto }),
  }
}

export class MappedBlock implements Mapping {
  readonly release: () => void
  readonly needsLock: boolean
  readonly #area: MemoryParts["area"]
  readonly #parts: MemoryParts
  readonly #of: MappingOf
  readonly #slots: Slots
  readonly #producer: Producer
  readonly #isMany: boolean
  #consumer: Consumer | undefined

  constructor(parts: MemoryParts, of: MappingOf) {
    const { area, header, crc, release } = parts
    this.#area = area
    this.#parts = parts
    this.#of = of
    this.#slots = new Slots(area, header, crc)
    this.#producer = new Producer(area, header, crc)
    this.#isMany = header.flags.has("many")
    this.needsLock = header.flags.has("lock-required")
    this.release = release
  }

  get isRetired(): boolean {
    return this.#area.load(at.state) === states.retired
  }

  get subscribers(): number {
    return this.#area.load(at.subscribers)
  }

  get latest(): number {
    return this.#area.load(at.latest)
  }

  read(reading: Reading): Taken {
    const { verify } = this.#parts
    return this.#slots.read(verify === "never" ? reading : { ...reading, verify })
  }

  write({ data, offset, contentType, onto }: MappedWrite): MappedWrote {
    if (this.#take() === "busy") return { is: "busy" }
    const { attachment: writer, fence } = this.#of
    try {
      const plain = { data, offset, writer, fence, time: Date.now() * 1_000 }
      const isPlain = contentType === undefined && onto === undefined
      // Putting an object together piece by piece takes longer than writing a short content.
      const wrote = this.#slots.write(isPlain ? plain : { ...plain, ...typed(contentType, onto) })
      return wrote.is === "written" && this.isRetired ? { is: "uncertain" } : wrote
    } finally {
      this.#leave()
    }
  }

  fill(offset: number, data: Uint8Array): void {
    this.#area.put(at.data + offset, data)
  }

  pin(cell: number): MappedPin {
    const taken = this.#slots.pin(cell)
    if (taken.is !== "pinned") return taken
    const { generation, length } = taken.of
    return { ...taken, data: this.#area.view(this.#slots.addressOf(generation), length) }
  }

  unpin(cell: number): void {
    this.#slots.unpin(cell)
  }

  sealed(): { readonly data: Uint8Array; readonly generation: number } {
    const generation = this.#slots.newest()
    const { length } = this.#slots.recordOf(generation)
    return { data: this.#area.view(this.#slots.addressOf(generation), length), generation }
  }

  send(data: Uint8Array, contentType: number | undefined): Sent | { readonly is: "busy" } {
    if (this.#take() === "busy") return { is: "busy" }
    try {
      const number = this.#producer.nextNumber()
      const type = contentType === undefined ? {} : { contentType }
      const sent = this.#producer.send(data, { number, ...type })
      return sent.is === "sent" && this.isRetired ? { is: "retired" } : sent
    } finally {
      this.#leave()
    }
  }

  next(place: number): Received {
    const { header, crc, verify } = this.#parts
    const options = { index: place, from: "cursor", crc, verify } as const
    this.#consumer ??= new Consumer(this.#area, header, options)
    return this.#consumer.next()
  }

  #take(): "taken" | "busy" {
    return this.#isMany ? this.#slots.acquire(this.#of.attachment) : "taken"
  }

  #leave(): void {
    if (this.#isMany) this.#slots.release()
  }
}
