/** Rings, byte for byte: records, laps, consumers that fall behind, producers that die. */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import fc from "fast-check"
import {
  at,
  type BlockFlag,
  fileBytes,
  type Header,
  lineOf,
  MemoryArea,
  states,
} from "../src/wire/layout.ts"
import {
  activate,
  Consumer,
  consumerAt,
  consumerStates,
  inConsumer,
  isRingCapacity,
  Producer,
} from "../src/wire/ring.ts"

function ring(more: readonly BlockFlag[] = []) {
  const flags = new Set<BlockFlag>(["ring", ...more])
  const uuid = new Uint8Array(16)
  const header: Header = { uuid, flags, slots: 1, capacity: 4096, createdAt: 0 }
  const buffer = new ArrayBuffer(fileBytes(header))
  const area = new MemoryArea(buffer)
  area.put(0, lineOf(header))
  const consumer = (index: number) => {
    activate(area, index, index + 1)
    return new Consumer(area, header, { index, verify: "always" })
  }
  return {
    ...{ area, header, consumer, producer: new Producer(area, header) },
    image: new Uint8Array(buffer),
  }
}

function taken(consumer: Consumer): readonly string[] {
  const texts: string[] = []
  for (;;) {
    const next = consumer.next()
    if (next.is !== "record") return next.is === "nothing" ? texts : [...texts, next.is]
    texts.push(
      (next.lost > 0 ? `(${next.lost}) ` : "") + new TextDecoder().decode(next.record.data),
    )
  }
}

const bytes = (text: string) => new TextEncoder().encode(text)

test("PL112 a record lies in a ring as docs/protocol/blocks.md shows it", () => {
  const { producer, image } = ring()
  assert.equal(producer.send(bytes("hello"), { number: 0 }).is, "sent")
  const page = readFileSync(join(import.meta.dirname, "../docs/protocol/blocks.md"), "utf8")
  const shown = /```ring\n([\s\S]*?)```/.exec(page)?.[1] ?? ""
  const lines = shown.split("\n").filter((line) => line !== "")
  assert.equal(lines.length, 3)
  for (const line of lines) {
    const from = Number.parseInt(line.slice(0, 4), 16)
    const found = Array.from(image.subarray(from, from + 16), (byte) =>
      byte.toString(16).padStart(2, "0"),
    )
    assert.equal(found.join(" "), line.slice(6, 53))
  }
})

test("PL112 every consumer gets every record in order, over many laps, or the producer is told", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.nat({ max: 512 }), fc.constantFrom("first", "second")), {
        maxLength: 200,
      }),
      (acts) => {
        const { producer, consumer } = ring(["checksummed"])
        const [first, second] = [consumer(0), consumer(31)]
        const sent: string[] = []
        const got = { first: [] as string[], second: [] as string[] }
        const take = (name: "first" | "second") =>
          got[name].push(...taken(name === "first" ? first : second))
        for (const act of acts) {
          if (act === "first" || act === "second") {
            take(act)
            continue
          }
          const text = `${sent.length}`.padEnd(Number(act), ".")
          const result = producer.send(bytes(text), { number: sent.length })
          if (result.is === "sent") sent.push(text)
          else assert.equal(result.is, text.length > 512 ? "too-long" : "full")
        }
        take("first")
        take("second")
        assert.deepEqual(got.first, sent)
        assert.deepEqual(got.second, sent)
        assert.equal(producer.nextNumber(), sent.length)
      },
    ),
    { seed: 7, numRuns: 200 },
  )
})

test("PL112 a producer waits for the slowest consumer, and for nobody who was detached", () => {
  const { producer, consumer, area } = ring()
  const slow = consumer(3)
  const data = bytes("x".repeat(496))
  for (let number = 0; number < 8; number++) {
    assert.equal(producer.send(data, { number }).is, "sent")
  }
  assert.deepEqual(producer.send(data, { number: 8 }), { is: "full" })
  area.store(consumerAt(3) + inConsumer.state, consumerStates.detached)
  assert.equal(producer.send(data, { number: 8 }).is, "sent")
  assert.deepEqual(slow.next(), { is: "detached" })
})

test("PL113 a producer that overwrites waits for nobody, and who was lapped learns its loss", () => {
  const { producer, consumer } = ring(["overwrites"])
  const late = consumer(0)
  let number = 0
  for (; number < 3; number++) producer.send(bytes(`${number}`), { number })
  assert.deepEqual(taken(late), ["0", "1", "2"])
  for (; number < 203; number++) {
    assert.equal(producer.send(bytes("y".repeat(200)), { number }).is, "sent")
  }
  assert.deepEqual(taken(late), [])
  producer.send(bytes("now"), { number: number++ })
  assert.deepEqual(taken(late), ["(200) now"])
})

test("PL112 a record that its producer did not finish was never there", () => {
  const { producer, consumer, area } = ring()
  const one = consumer(0)
  producer.send(bytes("one"), { number: 0 })
  const tail = area.load(at.latest)
  producer.send(bytes("two"), { number: 1 })
  area.store(at.latest, tail)
  assert.deepEqual(taken(one), ["one"])
  assert.equal(producer.nextNumber(), 1)
  producer.send(bytes("again"), { number: 1 })
  assert.deepEqual(taken(one), ["again"])
})

test("PL112 positions go on over the wrap of their word", () => {
  const { producer, consumer, area } = ring()
  area.store(at.latest, 2 ** 32 - 32)
  area.store(at.reserve, 2 ** 32 - 32)
  const one = consumer(0)
  const texts = Array.from({ length: 10 }, (_, number) => `${number}`.padEnd(100, "-"))
  for (const [number, text] of texts.entries()) producer.send(bytes(text), { number })
  assert.ok(area.load(at.latest) < 256)
  assert.deepEqual(taken(one), texts)
})

test("PL112 whatever stands in a ring, its consumer ends with an answer", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.nat(), (junk, tail) => {
      const { consumer, area, image } = ring(["checksummed"])
      const one = consumer(0)
      image.set(junk, at.data)
      area.store(at.latest, tail)
      for (let turn = 0; turn < 300; turn++) {
        const next = one.next()
        if (next.is !== "record") return
        assert.ok(next.record.data.length <= 4096)
      }
    }),
    { seed: 7, numRuns: 500 },
  )
})

test("PL112 what is longer than an eighth of the ring is refused, and so are other sizes of a ring", () => {
  const { producer, area } = ring()
  assert.deepEqual(producer.send(new Uint8Array(513), { number: 0 }), { is: "too-long" })
  area.store(at.state, states.retired)
  assert.deepEqual(producer.send(new Uint8Array(1), { number: 0 }), { is: "retired" })
  assert.deepEqual([4096, 4095, 2048, 6144, 2 ** 30, 2 ** 31].map(isRingCapacity), [
    ...[true, false, false, false, true, false],
  ])
})
