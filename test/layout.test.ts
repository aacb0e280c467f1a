/** The layout of blocks, byte for byte, and what a reader and a writer do with it. */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import {
  type Area,
  at,
  type BlockFlag,
  Damaged,
  FileArea,
  fileBytes,
  type Header,
  headerOf,
  inRecord,
  lineOf,
  lowWord,
  MemoryArea,
  nextGeneration,
  seqOf,
  setWhole,
  states,
  strideOf,
} from "../src/wire/layout.ts"
import { Slots } from "../src/wire/slots.ts"
import type { Writing } from "../src/wire/slots-shapes.ts"

const uuid = Uint8Array.from({ length: 16 }, (_, byte) => byte)

interface Made {
  readonly area: MemoryArea
  readonly header: Header
  readonly slots: Slots
  readonly image: Uint8Array
}

function made(more: Partial<Header> = {}): Made {
  const flags = new Set<BlockFlag>()
  const header: Header = { uuid, flags, slots: 4, capacity: 64, createdAt: 1.7e12, ...more }
  const buffer = new ArrayBuffer(fileBytes(header))
  const area = new MemoryArea(buffer)
  area.put(0, lineOf(header))
  area.store(at.edition, 1)
  area.store(at.fence, 1)
  return { area, header, slots: new Slots(area, header), image: new Uint8Array(buffer) }
}

function writing(text: string, more: Partial<Writing> = {}): Writing {
  const data = new TextEncoder().encode(text)
  return { offset: "whole", data, writer: 7, fence: 1, time: 1.7e15, ...more }
}

function textOf(taken: ReturnType<Slots["read"]>): string {
  return taken.is === "content" ? new TextDecoder().decode(taken.data) : taken.is
}

/** All that is not zero, sixteen bytes a line. */
function dump(image: Uint8Array): readonly string[] {
  const lines: string[] = []
  for (let from = 0; from < image.length; from += 16) {
    const part = image.subarray(from, from + 16)
    if (part.every((byte) => byte === 0)) continue
    const bytes = Array.from(part, (byte) => byte.toString(16).padStart(2, "0")).join(" ")
    lines.push(`${from.toString(16).padStart(4, "0")}  ${bytes}`)
  }
  return lines
}

test("PL120 a block is laid out to the byte as docs/protocol/blocks.md shows it", () => {
  const { image, slots } = made()
  assert.equal(slots.write(writing("hello")).is, "written")
  const page = readFileSync(join(import.meta.dirname, "../docs/protocol/blocks.md"), "utf8")
  const shown = /```block\n([\s\S]*?)```/.exec(page)?.[1] ?? ""
  const lines = shown.split("\n").filter((line) => line !== "")
  const bytes = lines.map((line) => line.slice(0, 4 + 2 + 47))
  assert.deepEqual(bytes, dump(image))
})

test("PL120 a header reads back as it was written, and no other bytes are taken for one", () => {
  const all: BlockFlag[] = ["checksummed", "encrypted", "many", "durable", "lock-required"]
  const { header, image } = made({ flags: new Set(all), slots: 8, capacity: 100_000 })
  assert.deepEqual(headerOf(image.subarray(0, 64), image.length), header)
  for (let byte = 0; byte < 64; byte++) {
    const line = image.slice(0, 64)
    line[byte] = (line[byte] ?? 0) ^ 1
    assert.equal(typeof headerOf(line, image.length), "string", `byte ${byte}`)
  }
  assert.equal(typeof headerOf(image.subarray(0, 64), image.length - 4096), "string")
  assert.equal(typeof headerOf(image.subarray(0, 63), image.length), "string")
})

test("PL120 slots are rounded to 64, above 4096 to 4096, and a file to 4096", () => {
  assert.deepEqual([1, 64, 65, 4096, 4097].map(strideOf), [64, 64, 128, 4096, 8192])
  assert.equal(fileBytes({ slots: 4, capacity: 64 }), 8192)
  assert.equal(fileBytes({ slots: 4, capacity: 4097 }), 4096 + 4 * 8192)
})

test("PL98 the first read is empty, and each write is the next generation, whole", () => {
  const { slots } = made()
  assert.deepEqual(slots.read(), { is: "empty" })
  for (let generation = 1; generation <= 9; generation++) {
    const text = `content ${generation}`
    assert.deepEqual(slots.write(writing(text)), { is: "written", generation, length: 9 })
    assert.equal(textOf(slots.read()), text)
    assert.equal(slots.newest(), generation)
  }
})

test("PL99 a patch takes the rest from the newest generation, and zeros between", () => {
  const { slots } = made()
  slots.write(writing("a longer content", { contentType: 2 }))
  // So that the slot written next has old bytes in it.
  for (let turn = 0; turn < 4; turn++) slots.write(writing("xxxxxxxxxxxxxxxxxxxxxxxx"))
  slots.write(writing("hello", { contentType: 2 }))
  slots.write(writing("J", { offset: 0 }))
  slots.write(writing("!", { offset: 8 }))
  const taken = slots.read()
  assert.equal(textOf(taken), "Jello\0\0\0!")
  assert.equal(taken.is === "content" && taken.of.contentType, 2)
  assert.equal(textOf(slots.read({ offset: 1, length: 3 })), "ell")
  assert.equal(slots.write(writing("x".repeat(65))).is, "too-long")
})

test("PL99 a condition on the generation that does not hold changes nothing", () => {
  const { slots } = made()
  assert.equal(slots.write(writing("one", { onto: 0 })).is, "written")
  assert.deepEqual(slots.write(writing("two", { onto: 0 })), { is: "conflict", newest: 1 })
  assert.equal(textOf(slots.read()), "one")
  assert.equal(slots.write(writing("two", { onto: 1 })).is, "written")
})

test("PL98 an older generation is read while it is there, and is gone when overwritten", () => {
  const { slots } = made()
  for (const text of ["a", "b", "c", "d", "e"]) slots.write(writing(text))
  assert.equal(textOf(slots.read({ generation: 3 })), "c")
  assert.deepEqual(slots.read({ generation: 1 }), { is: "gone" })
})

/** An area whose owner dies when it has stored so often. */
class Mortal implements Area {
  readonly #area: Area
  lives: number

  constructor(area: Area, lives: number) {
    this.#area = area
    this.lives = lives
  }

  get bytes(): number {
    return this.#area.bytes
  }

  #live(): void {
    if (this.lives-- <= 0) throw new Error("killed")
  }

  load(address: number): number {
    return this.#area.load(address)
  }

  store(address: number, word: number): void {
    this.#live()
    this.#area.store(address, word)
  }

  exchange(address: number, word: number): number {
    this.#live()
    return this.#area.exchange(address, word)
  }

  compareExchange(address: number, expected: number, word: number): number {
    return this.#area.compareExchange(address, expected, word)
  }

  get(address: number, into: Uint8Array): void {
    this.#area.get(address, into)
  }

  // Half of what is put is put when the owner dies.
  put(address: number, bytes: Uint8Array): void {
    this.#area.put(address, bytes.subarray(0, Math.floor(bytes.length / 2)))
    this.#live()
    this.#area.put(address, bytes)
  }
}

test("PL100 a writer that dies at any step leaves the last generation, and the next one writes", () => {
  let steps = 0
  for (let lives = 0; ; lives++) {
    const { area, header, slots } = made()
    for (const text of ["one", "two", "three"]) slots.write(writing(text))
    const doomed = new Slots(new Mortal(area, lives), header)
    let killed = false
    try {
      doomed.write(writing("four four"))
    } catch {
      killed = true
    }
    assert.ok(["three", "four four"].includes(textOf(slots.read())), `after ${lives} steps`)
    assert.equal(slots.write(writing("five")).is, "written")
    assert.equal(textOf(slots.read()), "five")
    if (!killed) break
    steps++
  }
  assert.ok(steps >= 5, `${steps} steps`)
})

test("PL98 a reader whose slot is written meanwhile starts over, and asks after 64 rounds", () => {
  const { area, slots } = made()
  slots.write(writing("one"))
  area.store(at.records + 64, seqOf(1) | 1)
  assert.deepEqual(slots.read(), { is: "torn" })
})

test("PL102 nothing is read from a retired file, nor written to it", () => {
  const { area, slots } = made()
  slots.write(writing("one"))
  area.store(at.state, states.retired)
  assert.deepEqual(slots.read(), { is: "retired" })
  assert.deepEqual(slots.write(writing("two")), { is: "retired" })
})

test("PL104 a writer whose fence is not the one granted writes nothing", () => {
  const { area, slots } = made()
  area.store(at.fence, 2)
  assert.deepEqual(slots.write(writing("late")), { is: "lock-lost" })
  assert.equal(slots.newest(), 0)
})

test("PL111 a sealed block takes no write", () => {
  const { area, slots } = made()
  slots.write(writing("one"))
  area.store(at.state, states.sealed)
  assert.deepEqual(slots.write(writing("two")), { is: "sealed" })
  assert.equal(textOf(slots.read()), "one")
})

test("PL110 a pinned slot is passed over, and with all others pinned a writer is told", () => {
  const { area, slots, image } = made()
  area.store(at.pinners, 3)
  slots.write(writing("kept"))
  const pin = slots.pin(0)
  assert.ok(pin.is === "pinned" && pin.slot === 1)
  for (let turn = 0; turn < 20; turn++) assert.equal(slots.write(writing("next")).is, "written")
  const start = slots.addressOf(1)
  assert.equal(new TextDecoder().decode(image.subarray(start, start + 4)), "kept")
  slots.pin(1)
  slots.write(writing("more"))
  slots.pin(2)
  slots.write(writing("last"))
  assert.deepEqual(slots.write(writing("none")), { is: "pinned" })
  assert.equal(textOf(slots.read()), "last")
  slots.unpin(0)
  assert.equal(slots.write(writing("again")).is, "written")
})

test("PL101 writers by turns never have the word at once, and let the server come first", () => {
  const { area, slots } = made({ flags: new Set<BlockFlag>(["many"]) })
  assert.equal(slots.acquire(5), "taken")
  assert.equal(slots.acquire(6, 10), "busy")
  slots.release()
  area.store(at.wanted, 1)
  assert.equal(slots.acquire(6, 10), "busy")
  assert.equal(area.load(at.writer), 0)
  area.store(at.wanted, 0)
  assert.equal(slots.acquire(6), "taken")
})

test("PL98 a checksum shows a changed byte to whoever verifies", () => {
  const { slots, image } = made({ flags: new Set<BlockFlag>(["checksummed"]) })
  slots.write(writing("hello"))
  slots.write(writing("J", { offset: 0 }))
  assert.equal(textOf(slots.read({ verify: "always" })), "Jello")
  assert.equal(textOf(slots.read({ verify: "always", offset: 1, length: 2 })), "el")
  const start = slots.addressOf(2)
  image[start] = 0
  assert.deepEqual(slots.read({ verify: "always" }), { is: "damaged" })
})

test("PL98 generations go on over the wrap of their low word, and skip the one that is 0", () => {
  const { area, slots } = made()
  const last = 2 ** 32 - 1
  const low = lowWord(last)
  const record = new Uint8Array(64)
  const view = new DataView(record.buffer)
  view.setUint32(inRecord.seq, seqOf(low), true)
  setWhole(view, inRecord.generation, last)
  area.put(at.records + 64 * (low % 4), record)
  area.store(at.latest, low)
  assert.equal(nextGeneration(last), 2 ** 32 + 1)
  const wrote = slots.write(writing("over"))
  assert.deepEqual(wrote, { is: "written", generation: 2 ** 32 + 1, length: 4 })
  assert.equal(textOf(slots.read()), "over")
  assert.equal(slots.newest(), 2 ** 32 + 1)
})

test("PL114 a block in a file that is cut short or filled is damage, not an endless search", () => {
  const { area, slots } = made()
  slots.write(writing("one"))
  area.put(at.records, new Uint8Array(64 * 4).fill(0xff))
  assert.throws(() => slots.newest(), Damaged)
  assert.equal(slots.read().is, "torn")
})

test("PL114 the same bytes come of positional writes as of stores into memory", () => {
  const one = made({ flags: new Set<BlockFlag>(["checksummed"]) })
  const other = made({ flags: new Set<BlockFlag>(["checksummed"]) })
  const file = new FileArea({
    bytes: other.image.length,
    read: (position, into) => into.set(other.image.subarray(position, position + into.length)),
    write: (position, bytes) => other.image.set(bytes, position),
  })
  const positional = new Slots(file, other.header)
  for (const text of ["one", "two", "three", "four", "five", "six"]) {
    assert.deepEqual(one.slots.write(writing(text)), positional.write(writing(text)))
  }
  one.slots.pin(3)
  positional.pin(3)
  assert.deepEqual(dump(other.image), dump(one.image))
  assert.equal(textOf(positional.read({ verify: "always" })), "six")
})
