/** What opaque rooms keep for other servers, how they order what comes, and how it is written. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { Repair } from "../src/relay/repair.ts"
import { Ring, Rings } from "../src/relay/ring.ts"
import { Sequence } from "../src/relay/sequence.ts"
import { type BusMessage, decodeEnvelope, encodeEnvelope } from "../src/wire/bus.ts"
import { WireError } from "../src/wire/error.ts"

const limits = { ringBytesPerRoom: 1_000, ringMs: 60_000, ringBytesTotal: 1_500 }

function change(bytes: number) {
  return { senderId: "ada", ts: 1, update: new Uint8Array(bytes) }
}

function numbers(ring: Ring): readonly number[] {
  return ring.between(1, 1_000).map(({ seq }) => seq)
}

test("RL52 keeps changes for other servers up to a size per room, a size in all, and a time", () => {
  const rings = new Rings(limits)
  const [one, two] = [new Ring(rings), new Ring(rings)]
  for (let seq = 1; seq <= 10; seq++) one.keep(seq, change(100), seq)
  const kept = numbers(one)
  assert.deepEqual([kept.length, kept.at(-1)], [4, 10])
  assert.ok(rings.bytes <= limits.ringBytesPerRoom)
  assert.deepEqual(
    one.between(8, 9).map(({ seq }) => seq),
    [8, 9],
  )
  // The oldest of all rooms makes room for what another room keeps.
  for (let seq = 1; seq <= 4; seq++) two.keep(seq, change(100), 20)
  assert.ok(rings.bytes <= limits.ringBytesTotal)
  assert.deepEqual(
    [numbers(one), numbers(two)],
    [
      [8, 9, 10],
      [1, 2, 3, 4],
    ],
  )
  rings.tick(60_009)
  assert.deepEqual(numbers(one), [10])
  rings.tick(60_020)
  assert.deepEqual([numbers(one), numbers(two), rings.bytes], [[], [], 0])
  // What is too long for a ring is not kept at all.
  one.keep(11, change(2_000), 60_020)
  assert.deepEqual([numbers(one), rings.bytes], [[], 0])
})

test("RL52 keeps a copy of a change, which others may overwrite", () => {
  const ring = new Ring(new Rings(limits))
  const update = Uint8Array.of(1, 2, 3)
  ring.keep(1, { senderId: "ada", ts: 1, update }, 1)
  update.fill(9)
  assert.deepEqual([...(ring.between(1, 1)[0]?.update ?? [])], [1, 2, 3])
  ring.clear()
  assert.equal(ring.size, 0)
})

test("RL17, RL55 gives each number once and in order, however they come", () => {
  const arrivals = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 120 })
  fc.assert(
    fc.property(arrivals, (seqs) => {
      const sequence = new Sequence<number>(1, 0)
      const given: number[] = []
      for (const seq of seqs) {
        sequence.hear(seq, 1)
        given.push(...sequence.take(seq, seq, 1))
      }
      const came = new Set(seqs)
      const expected: number[] = []
      for (let seq = 1; came.has(seq); seq++) expected.push(seq)
      assert.deepEqual(given, expected)
      const last = Math.max(0, ...seqs)
      const missing = sequence.holes.flatMap(({ from, to }) =>
        Array.from({ length: to - from + 1 }, (_, at) => from + at),
      )
      const lacking = Array.from({ length: last }, (_, at) => at + 1).filter((n) => !came.has(n))
      assert.deepEqual(missing, lacking)
      // With what nobody has any more, the rest is given in order.
      for (const { from, to } of sequence.holes) given.push(...sequence.lose(from, to, 2).items)
      assert.deepEqual(
        given,
        [...came].sort((a, b) => a - b),
      )
      assert.ok(sequence.isWhole && sequence.missingSince === undefined)
    }),
  )
})

test("RL52, RL53 lets what came after a hole go when it waited long enough, and still takes what was missing", () => {
  const sequence = new Sequence<string>(1, 0)
  sequence.take(3, "c", 5)
  assert.deepEqual(sequence.release(9), ["c"])
  assert.deepEqual([sequence.holes, sequence.missingSince], [[{ from: 1, to: 2 }], 9])
  assert.deepEqual(sequence.take(3, "c", 10), [])
  assert.deepEqual([sequence.take(1, "a", 10), sequence.take(2, "b", 11)], [["a"], ["b"]])
  assert.ok(sequence.isWhole)
})

test("RL52 gives up a hole that is too wide, and what came after it is given", () => {
  const sequence = new Sequence<string>(1, 0)
  assert.equal(sequence.hear(3, 5), false)
  assert.deepEqual(sequence.take(3, "c", 5), [])
  assert.equal(sequence.missingSince, 5)
  assert.equal(sequence.hear(5_000, 6), true)
  assert.deepEqual(sequence.giveUp(), ["c"])
  assert.deepEqual([sequence.isWhole, sequence.take(5_001, "d", 7)], [true, ["d"]])
})

test("RL53 asks at once, after 250 ms, at doubled intervals up to 10 s, and from the start for what is new", () => {
  const repair = new Repair()
  const askedIn = (from: number, to: number) => {
    const asked: number[] = []
    for (let now = from; now < to; now += 10) {
      if (repair.due(now, new Map(), []).length > 0) asked.push(now - from)
    }
    return asked
  }
  repair.owe("one")
  const often = [0, 250, 750, 1_750, 3_750, 7_750]
  assert.deepEqual(askedIn(0, 60_000), [...often, 15_750, 25_750, 35_750, 45_750, 55_750])
  assert.ok(repair.isDirty)
  assert.ok(repair.settle("one"))
  assert.deepEqual([repair.isDirty, askedIn(60_000, 90_000)], [false, []])
  repair.owe("one")
  assert.deepEqual(askedIn(90_000, 100_000), often)
})

const header = { origin: "a1b2c3d4e5f60718", epoch: 1_780_000_000_000, seq: 5 }
const shown = { version: 3, ts: 8, payload: '{"a":1}' }
const name = { id: "ada", subject: "u1", role: "editor", ts: 7, version: 4, state: "here" } as const
const messages: readonly BusMessage[] = [
  { kind: "change", senderId: "ada", ts: 7, update: Uint8Array.of(1, 2) },
  { kind: "resend", holes: [{ origin: header.origin, epoch: 9, from: 3, to: 70 }] },
  { kind: "names", names: [{ ...name, shown }] },
  {
    kind: "roll",
    names: [{ ...name, subject: "", role: "viewer", state: "gone", shown: undefined }],
  },
  {
    kind: "replay",
    room: "l/notes",
    epoch: 9,
    from: 3,
    to: 70,
    changes: [{ seq: 4, senderId: "bob", ts: 1, update: Uint8Array.of(5) }],
  },
  {
    kind: "answer",
    room: "l/notes",
    id: 6,
    outcome: "content",
    update: Uint8Array.of(1),
    version: Uint8Array.of(2),
    heads: [{ origin: "00ff00ff00ff00ff", epoch: 9, seq: 7 }],
  },
]

test("RL52 reads what servers say of opaque rooms as it was written, and throws for what is damaged", () => {
  for (const message of messages) {
    const bytes = encodeEnvelope(header, message)
    assert.deepEqual(decodeEnvelope(bytes), { header, message })
    for (let length = 0; length < bytes.length; length++) {
      try {
        decodeEnvelope(bytes.subarray(0, length))
      } catch (thrown) {
        assert.ok(thrown instanceof WireError && thrown.code === "bad-message")
      }
    }
  }
  const huge = encodeEnvelope(header, { kind: "roll", names: [] }).slice(0, -1)
  const claims = Uint8Array.from([...huge, 0xff, 0xff, 0xff, 0xff, 0x07])
  assert.throws(() => decodeEnvelope(claims), /cut off/)
})
