/**
 * The window of accepted operations: moving, accepting, letting go, tails.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { History, type Moved, weigh } from "../src/ot/history.ts"
import { type Component, moveIndex, Operation, transform } from "../src/ot/operation.ts"
import { operationOf, tape } from "./ot-arbitraries.ts"

function accept(history: History, components: readonly Component[], user = 0): number {
  return history.accept({ user, operation: Operation.from(components), at: history.revision })
}

function moved(outcome: Moved): readonly Component[] {
  assert.equal(outcome.kind, "moved")
  return outcome.kind === "moved" ? outcome.operation.components : []
}

test("DC30 an edit is moved over every operation accepted since its revision", () => {
  const history = new History()
  assert.equal(accept(history, ["hello"]), 1)
  assert.equal(accept(history, [2, "n", -1, 2]), 2)
  assert.deepEqual(moved(history.move(Operation.from(["~rust~"]), 0)), ["~rust~", 5])
  assert.deepEqual(moved(history.move(Operation.from([5, "!"]), 1)), [5, "!"])
  assert.deepEqual(moved(history.move(Operation.from([5, "!"]), 2)), [5, "!"])
  assert.equal(history.revision, 2, "moving accepts nothing")
  assert.equal(history.length, 5)
})

test("DC32 of two inserts at one place the one not yet accepted goes left", () => {
  const history = new History({ length: 2 })
  accept(history, [1, "first", 1])
  assert.deepEqual(moved(history.move(Operation.from([1, "second", 1]), 0)), [1, "second", 6])
})

test("DC37 an edit is moved one by one, never over a composition", () => {
  const history = new History({ length: 10 })
  accept(history, [3, -4, 3])
  accept(history, [3, "Y", 3])
  assert.deepEqual(moved(history.move(Operation.from([5, "Q", 5]), 0)), [3, "Q", 4])
})

test("DC36 DC30 moving is transforming in a row, whoever the authors are", () => {
  fc.assert(
    fc.property(tape(10), fc.array(tape(10), { maxLength: 6 }), (own, others) => {
      const history = new History({ length: 20 })
      const mine = operationOf(own, 20)
      let expected = mine
      for (const [user, other] of others.entries()) {
        const theirs = operationOf(other, history.length)
        expected = transform(expected, theirs)[0]
        history.accept({ user: user % 2, operation: theirs, at: 0 })
      }
      assert.deepEqual(moved(history.move(mine, 0)), expected.components)
    }),
    { numRuns: 20_000 },
  )
})

test("DC34 an operation that does not span the text of its revision is a misfit", () => {
  const history = new History()
  accept(history, ["abc"])
  for (const [components, revision, length] of [
    [[2], 1, 3],
    [[4], 1, 3],
    [[], 1, 3],
    [[3], 0, 0],
  ] as const) {
    assert.deepEqual(history.move(Operation.from(components), revision), { kind: "misfit", length })
  }
  assert.throws(() => accept(history, [2, "x"]), RangeError)
  assert.equal(history.revision, 1)
})

test("DC35 a revision ahead of us, before the window or between two is stale", () => {
  const history = new History({ revision: 40, length: 3 })
  accept(history, [3, "x"])
  const operation = Operation.from([3])
  for (const revision of [39, 42, -1, 40.5, Number.NaN, 1e300]) {
    assert.deepEqual(history.move(operation, revision), { kind: "stale" })
    assert.equal(history.movePositions([1], revision, "left"), undefined)
    assert.equal(history.tail(revision), undefined)
  }
  assert.equal(history.move(operation, 40).kind, "moved")
  assert.equal(history.first, 40)
  assert.equal(history.revision, 41)
})

test("DC42 an edit that would touch too much is stale before any of it is moved", () => {
  const history = new History({ length: 1_000, limitOperations: 5_000 })
  for (let round = 0; round < 2_000; round += 1) accept(history, [history.length, "x"])
  // 2,000 operations of 2 components each, and 98 own ones for each: 200,000 are touched.
  const wide = Operation.from(["a", ...Array.from({ length: 48 }, () => [1, "a"]).flat(), 952])
  assert.equal(wide.size, 98)
  assert.equal(history.move(wide, 0).kind, "moved")
  const wider = Operation.from([1, "a", ...Array.from({ length: 48 }, () => [1, "a"]).flat(), 951])
  assert.equal(wider.size, 99)
  assert.deepEqual(history.move(wider, 0), { kind: "stale" })
  const nearer = Operation.from([...wider.components, 100])
  assert.equal(history.move(nearer, 100).kind, "moved", "nearer to us it costs less")
  // Positions count as well: each is moved over what each of the others changed.
  const few = Array.from({ length: 48 }, () => 3)
  assert.equal(history.movePositions(few, 0, "left")?.length, 48)
  assert.equal(history.movePositions([...few, 3, 3], 0, "left"), undefined)
  assert.deepEqual(history.move(Operation.from([1_000]), 0, [...few, 3]), { kind: "stale" })
})

test("DC67 positions of an older revision are moved to the current one", () => {
  const history = new History({ length: 10 })
  accept(history, [2, "xy", 8])
  accept(history, [5, -3, 4])
  assert.deepEqual(history.movePositions([0, 2, 5, 10], 0, "left"), [0, 2, 5, 9])
  assert.deepEqual(history.movePositions([0, 2, 5, 10], 0, "right"), [0, 4, 5, 9])
  assert.deepEqual(history.movePositions([5], 2, "right"), [5])
})

test("DC69 positions that came with an edit are moved over the same operations as the edit", () => {
  fc.assert(
    fc.property(tape(8), fc.array(tape(8), { maxLength: 5 }), (own, others) => {
      const history = new History({ length: 12 })
      const mine = operationOf(own, 12)
      const positions = [0, mine.targetLength >> 1, mine.targetLength]
      let expected: readonly number[] = positions
      let operation = mine
      for (const other of others) {
        const theirs = operationOf(other, history.length)
        const [next, over] = transform(operation, theirs)
        expected = expected.map((position) => moveIndex(over, position, "left"))
        operation = next
        history.accept({ user: 1, operation: theirs, at: 0 })
      }
      const outcome = history.move(mine, 0, positions)
      assert.ok(outcome.kind === "moved")
      assert.deepEqual(outcome.positions, expected)
      assert.ok(expected.every((at) => at >= 0 && at <= outcome.operation.targetLength))
    }),
    { numRuns: 10_000 },
  )
})

test("DC54 the window holds the last operations up to their number", () => {
  const history = new History({ limitOperations: 10 })
  for (let round = 0; round < 1_000; round += 1) {
    accept(history, [history.length, "x"], round)
    history.letGo(history.revision)
    assert.equal(history.revision, round + 1)
    assert.equal(history.first, Math.max(0, round - 9))
  }
  const tail = history.tail(990)
  assert.deepEqual(
    tail?.map(({ user, at }) => [user, at]),
    Array.from({ length: 10 }, (_, index) => [990 + index, 990 + index]),
  )
  assert.deepEqual(tail?.[0]?.operation.components, [990, "x"])
  assert.equal(history.tail(989), undefined)
  assert.deepEqual(history.tail(1_000), [])
  assert.deepEqual(moved(history.move(Operation.from(["a", 995]), 995)), ["a", 1_000])
})

test("DC54 the window holds the last operations up to their bytes, and always the newest", () => {
  const history = new History({ limitBytes: 10_000 })
  const paste = "p".repeat(1_000)
  for (let round = 0; round < 50; round += 1) {
    accept(history, [history.length, paste])
    history.letGo(history.revision)
    assert.ok(history.bytes <= 10_000)
    assert.equal(
      history.bytes,
      history.tail(history.first)?.reduce((sum, entry) => sum + weigh(entry.operation), 0),
    )
  }
  assert.equal(history.revision - history.first, 4)
  accept(history, ["q".repeat(100_000), history.length])
  history.letGo(history.revision)
  assert.equal(history.revision - history.first, 1)
  assert.equal(history.tail(history.first)?.length, 1)
  accept(history, [history.length, "x"])
  history.letGo(history.revision)
  assert.deepEqual(history.tail(history.first)?.length, 1)
  assert.ok(history.bytes < 1_000)
})

test("DC54 nothing is let go of that has not been sent yet", () => {
  const history = new History({ limitOperations: 3 })
  for (let round = 0; round < 10; round += 1) accept(history, [history.length, "x"])
  history.letGo(4)
  assert.equal(history.first, 4)
  history.letGo(0)
  assert.equal(history.first, 4)
  history.letGo(10)
  assert.equal(history.first, 7)
})

test("DC52 a tail stops at its limit of bytes, and has one entry at least", () => {
  const history = new History()
  for (let round = 0; round < 20; round += 1) accept(history, [history.length, "y".repeat(100)])
  const one = weigh(Operation.from([1, "y".repeat(100)]))
  assert.equal(history.tail(0)?.length, 20)
  assert.equal(history.tail(0, 5 * one)?.length, 5)
  assert.equal(history.tail(7, 5 * one - 1)?.length, 4)
  assert.equal(history.tail(7, 1)?.length, 1)
  assert.equal(history.tail(20, 1)?.length, 0)
})
