/**
 * A text in pieces is the text: every edit and every look gives what plain strings give, in texts
 * long enough to be cut, and the cost of an edit does not follow the length of the text.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { codePointCount } from "../src/ot/codepoints.ts"
import { Operation } from "../src/ot/operation.ts"
import { Pieces } from "../src/ot/pieces.ts"
import { componentsOf, operationOf, pointsOf, seeded, tape, textOf } from "./ot-arbitraries.ts"

test("DC33 pieces equal an array of code points after any row of edits", () => {
  fc.assert(
    fc.property(tape(24), fc.array(tape(8), { maxLength: 6 }), (start, edits) => {
      let text = textOf(start)
      const pieces = Pieces.of(text)
      for (const [at, edit] of edits.entries()) {
        const operation = operationOf(edit, codePointCount(text))
        text = operation.apply(text)
        pieces.apply(operation)
        assert.equal(pieces.length, codePointCount(text))
        if (at % 2 === 0) assert.equal(pieces.toString(), text)
      }
      assert.equal(pieces.toString(), text)
    }),
    { numRuns: 20_000 },
  )
})

// An edit at a random place: mostly small, sometimes longer than several pieces.
function randomEdit(length: number, random: () => number): Operation {
  const draw = (below: number) => Math.floor(random() * below)
  const place = draw(length + 1)
  const size = draw(5) === 0 ? draw(4_000) : draw(4)
  const deleted = draw(2) === 0 ? Math.min(length - place, size) : 0
  const sample = draw(2) === 0 ? "ab\n" : "é😀👨‍👩‍👧\n"
  const inserted = draw(2) === 0 ? sample.repeat(draw(5) === 0 ? draw(1_500) : draw(3)) : ""
  return Operation.from([place, inserted, -deleted, length - place - deleted])
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`DC33 pieces of a long text stay the text through 600 edits, seed ${seed}`, () => {
    const random = seeded(seed)
    let points: string[] = []
    const pieces = Pieces.of("")
    for (let round = 0; round < 600; round += 1) {
      const operation = randomEdit(points.length, random)
      pieces.apply(operation)
      const { place, deleted, inserted } = operation
      points = points.toSpliced(place, deleted, ...pointsOf(inserted))
      assert.equal(pieces.length, points.length)
      // A copy is looked at, since a look joins the strings of what it looks at.
      if (round % 3 === 0) assert.equal(pieces.copy().toString(), points.join(""))
      // Looked at only now and then: what is kept of the last look must not be shown again.
      if (round % 7 === 0) assert.equal(pieces.toString(), points.join(""))
    }
    assert.equal(pieces.toString(), points.join(""))
  })
}

test("DC33 pieces that shrink to crumbs and are joined stay the text", () => {
  const random = seeded(9)
  for (let round = 0; round < 40; round += 1) {
    let points: string[] = Array.from("crumbs 😀 of text\n".repeat(1_200))
    const pieces = Pieces.of(points.join(""))
    // Mostly the inside of one piece goes, so that what is left of it lies beside another such rest.
    while (points.length > 100) {
      const place = Math.floor(random() * (points.length + 1))
      const deleted = Math.min(points.length - place, Math.floor(random() * 900))
      const inserted = random() < 0.3 ? "x" : ""
      const rest = points.length - place - deleted
      pieces.apply(Operation.from([place, inserted, -deleted, rest]))
      points = points.toSpliced(place, deleted, ...pointsOf(inserted))
      assert.equal(pieces.copy().toString(), points.join(""))
    }
    assert.equal(pieces.toString(), points.join(""))
  }
})

test("DC33 pieces take an edit of many places in one pass", () => {
  const text = "one two 😀 three\n".repeat(2_000)
  const length = codePointCount(text)
  const tapes = Array.from({ length: 3_000 }, (_, index) => (index * 37) % 256)
  const operation = Operation.from(componentsOf(tapes, length))
  assert.equal(operation.place, -1)
  const pieces = Pieces.of(text)
  pieces.apply(operation)
  assert.equal(pieces.toString(), operation.apply(text))
})

test("DC33 deleting nearly everything and typing again leaves no crumbs to walk over", () => {
  const pieces = Pieces.of("x".repeat(100_000))
  // One code point in a hundred stays.
  const sparse = Array.from({ length: 1_000 }, () => [1, -99]).flat()
  pieces.apply(Operation.from(sparse))
  assert.equal(pieces.toString(), "x".repeat(1_000))
  pieces.apply(Operation.from([-1_000]))
  assert.equal(pieces.length, 0)
  assert.equal(pieces.toString(), "")
  pieces.apply(Operation.from(["again"]))
  assert.equal(pieces.toString(), "again")
})

test("DC34 an operation for another length changes nothing", () => {
  const pieces = Pieces.of("a😀c")
  for (const components of [[2, "x"], [4, "x"], [], ["x", -4]]) {
    assert.throws(() => pieces.apply(Operation.from(components)), RangeError)
  }
  assert.equal(pieces.toString(), "a😀c")
  assert.equal(pieces.length, 3)
})

test("DC33 a copy is a text of its own", () => {
  const pieces = Pieces.of("shared 😀".repeat(500))
  const copy = pieces.copy()
  copy.apply(Operation.from(["mine ", pieces.length]))
  pieces.apply(Operation.from([-pieces.length, "theirs"]))
  assert.equal(copy.toString(), `mine ${"shared 😀".repeat(500)}`)
  assert.equal(pieces.toString(), "theirs")
})

// The least time of several rounds of typing at `place`, in ms: the least is what the work costs.
function typing(pieces: Pieces, place: number): number {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < 20; round += 1) {
    const start = performance.now()
    for (let key = 0; key < 500; key += 1) {
      pieces.apply(Operation.onePlace(pieces.length, place, "x", 1, 0))
      pieces.apply(Operation.onePlace(pieces.length, place, "", 0, 1))
    }
    least = Math.min(least, performance.now() - start)
  }
  return least
}

test("DC142 a key press costs the same at the start, middle and end of 1 KB and of 256 KB", () => {
  for (const sample of ["hello wor\n", "hello w😀o\n"]) {
    const small = Pieces.of(sample.repeat(100))
    const large = Pieces.of(sample.repeat(26_214))
    typing(small, 0) // compiled once before anything is measured
    for (const part of [0, 0.5, 1]) {
      const once = typing(small, Math.floor(small.length * part))
      const often = typing(large, Math.floor(large.length * part))
      // The larger is 262 times as long; a cost that follows the length would be far above this.
      const most = 10 * Math.max(once, 0.2)
      assert.ok(often < most, `at ${part}: ${often} ms in 256 KB, ${once} ms in 1 KB`)
    }
  }
})
