/**
 * The laws of operations, by property, and the golden vectors: what every client in any language
 * must get. Where a law holds only thanks to a rule of the documents, its name begins with that.
 */
import assert from "node:assert/strict"
import { createRequire } from "node:module"
import { test } from "node:test"
import fc from "fast-check"
import {
  cleaned,
  codePointCount,
  codePointIndex,
  isClean,
  utf16Index,
} from "../src/ot/codepoints.ts"
import {
  type Component,
  compose,
  composeAll,
  invert,
  moveIndex,
  Operation,
  transform,
} from "../src/ot/operation.ts"
import { composeSteps, transformSteps } from "../src/ot/steps.ts"
import {
  componentsOf,
  onePlaceOf,
  operationOf,
  pointsOf,
  type Tape,
  tape,
  textOf,
} from "./ot-arbitraries.ts"

const runs = 100_000

/** A text and the tapes of two changes. */
const threeTapes = fc.tuple(tape(24), tape(12), tape(12))

function holds(law: (text: string, a: Tape, b: Tape) => void, numRuns = runs): void {
  fc.assert(
    fc.property(threeTapes, ([text, a, b]) => law(textOf(text), a, b)),
    { numRuns },
  )
}

function row(operation: Operation): readonly Component[] {
  return operation.components
}

/** The rules of the normal form, checked one by one. */
function assertNormal(operation: Operation): void {
  const components = row(operation)
  let baseLength = 0
  let targetLength = 0
  for (const [at, component] of components.entries()) {
    const next = components[at + 1]
    if (typeof component === "string") {
      assert.notEqual(component, "")
      assert.notEqual(typeof next, "string", "two inserts side by side")
      targetLength += pointsOf(component).length
    } else {
      assert.notEqual(component, 0)
      baseLength += Math.abs(component)
      if (component > 0) targetLength += component
      if (typeof next === "number") assert.ok(component > 0 !== next > 0, "two counts of one kind")
      if (component < 0) assert.notEqual(typeof next, "string", "an insert after a delete")
    }
  }
  assert.equal(operation.baseLength, baseLength)
  assert.equal(operation.targetLength, targetLength)
  assert.equal(operation.size, components.length)
}

// Applies components to an array of code points, as section "operations" of the protocol says it.
function applied(components: readonly Component[], text: string): string {
  const points = pointsOf(text)
  const out: string[] = []
  let at = 0
  for (const component of components) {
    if (typeof component === "string") out.push(component)
    else if (component > 0) out.push(...points.slice(at, at + component))
    if (typeof component === "number") at += Math.abs(component)
  }
  assert.equal(at, points.length)
  return out.join("")
}

test("DC32 DC33 transform gives the golden vectors", () => {
  const vectors: readonly (readonly (readonly Component[])[])[] = [
    [["A"], ["B"], ["A", 1], [1, "B"]],
    [["~rust~"], ["hello"], ["~rust~", 5], [6, "hello"]],
    [
      [5, "X"],
      [5, "Y"],
      [5, "X", 1],
      [6, "Y"],
    ],
    [[-5], [2, "Z", 3], [-2, 1, -3], ["Z"]],
    [[2, "Q", -1, 2], [2, -1, 2], [2, "Q", 2], [5]],
    [
      [-3, 2],
      [1, -3, 1],
      [-1, 1],
      [-1, 1],
    ],
    [
      [3, "😀"],
      ["é", -1, 2],
      [3, "😀"],
      ["é", -1, 3],
    ],
    [[-3], [-3], [], []],
    [[1, "ab", 1], [-2], ["ab"], [-1, 2, -1]],
    [
      ["a", 2, "b"],
      ["c", 1, "d", 1],
      ["a", 4, "b"],
      [1, "c", 1, "d", 2],
    ],
  ]
  for (const [a = [], b = [], a2, b2] of vectors) {
    const moved = transform(Operation.from(a), Operation.from(b))
    assert.deepEqual(moved.map(row), [a2, b2])
  }
})

test("DC31 from gives the golden normal forms", () => {
  const normal = (components: readonly Component[]) => row(Operation.from(components))
  assert.deepEqual(normal([2, -1, "n", 2]), [2, "n", -1, 2])
  assert.deepEqual(normal([1, 1, "a", "b", -1, -2, "c", 0, "", 3]), [2, "abc", -3, 3])
  assert.deepEqual(normal([-1, "a", -1, "b"]), ["ab", -2])
  assert.deepEqual(normal([]), [])
  assert.deepEqual(normal([0, "", -0]), [])
})

test("DC31 compose gives the golden vectors", () => {
  const vectors: readonly (readonly (readonly Component[])[])[] = [
    [["abc"], [3, "def"], ["abcdef"]],
    [
      [2, "xy", 1],
      [1, -2, 2],
      [1, "y", -1, 1],
    ],
    [[3, "😀"], [3, -1], [3]],
    [
      [1, -1, 1],
      [1, "Q", 1],
      [1, "Q", -1, 1],
    ],
  ]
  for (const [a = [], b = [], both] of vectors) {
    assert.deepEqual(row(compose(Operation.from(a), Operation.from(b))), both)
  }
})

test("DC31 invert gives the golden vectors", () => {
  assert.deepEqual(row(invert(Operation.from([1, "x", -2, 1]), "abcd")), [1, "bc", -1, 1])
  assert.deepEqual(row(invert(Operation.from([-1, 2]), "😀ab")), ["😀", 2])
})

test("DC66 DC68 moveIndex gives the golden vectors, to the right and to the left", () => {
  // [index, moved right, moved left]
  const vectors: readonly (readonly [readonly Component[], readonly (readonly number[])[]])[] = [
    [
      [3, "def", 3, "abc"],
      [
        [2, 2, 2],
        [3, 6, 3],
        [5, 8, 8],
        [7, 13, 13],
      ],
    ],
    [
      ["a"],
      [
        [0, 1, 0],
        [10, 11, 11],
      ],
    ],
    [
      [2, -3],
      [
        [0, 0, 0],
        [2, 2, 2],
        [3, 2, 2],
        [5, 2, 2],
      ],
    ],
    [
      [2, "xy", -3],
      [
        [2, 4, 2],
        [3, 4, 4],
        [5, 4, 4],
      ],
    ],
    [
      ["🎉", 3],
      [
        [0, 1, 0],
        [1, 2, 2],
        [2, 3, 3],
        [3, 4, 4],
      ],
    ],
  ]
  for (const [components, moves] of vectors) {
    const operation = Operation.from(components)
    for (const [index = 0, right, left] of moves) {
      assert.equal(moveIndex(operation, index), right, `${JSON.stringify(components)} ${index}`)
      assert.equal(moveIndex(operation, index, "left"), left)
    }
  }
})

test("DC37 moving over a composition gives another text than moving one by one", () => {
  const mine = Operation.from([5, "Q", 5])
  const first = Operation.from([3, -4, 3])
  const second = Operation.from([3, "Y", 3])
  const [overFirst] = transform(mine, first)
  const [oneByOne] = transform(overFirst, second)
  assert.deepEqual(row(oneByOne), [3, "Q", 4])
  const [atOnce] = transform(mine, compose(first, second))
  assert.deepEqual(row(atOnce), [4, "Q", 3])
  const text = second.apply(first.apply("abcdefghij"))
  assert.equal(oneByOne.apply(text), "abcQYhij")
  assert.equal(atOnce.apply(text), "abcYQhij")
})

test("DC31 from puts any components in normal form, and does so once", () => {
  holds((text, a) => {
    const loose = componentsOf(a, codePointCount(text))
    const operation = Operation.from(loose)
    assertNormal(operation)
    assert.deepEqual(row(Operation.from(row(operation))), row(operation))
    assert.ok(Operation.from(JSON.parse(JSON.stringify(operation))).equals(operation))
    assert.equal(operation.apply(text), applied(loose, text))
  })
})

test("DC30 ends in the same text and the same operation whichever of two comes first", () => {
  holds((text, one, other) => {
    const length = codePointCount(text)
    const a = operationOf(one, length)
    const b = operationOf(other, length)
    const [a2, b2] = transform(a, b)
    assertNormal(a2)
    assertNormal(b2)
    assert.equal(b2.apply(a.apply(text)), a2.apply(b.apply(text)))
    assert.deepEqual(row(compose(a, b2)), row(compose(b, a2)))
  })
})

test("DC31 compose does what both do, one after the other", () => {
  holds((text, one, other) => {
    const a = operationOf(one, codePointCount(text))
    const b = operationOf(other, a.targetLength)
    const both = compose(a, b)
    assertNormal(both)
    assert.equal(both.apply(text), b.apply(a.apply(text)))
  })
})

test("DC31 compose is associative, and composeAll is composing in a row", () => {
  fc.assert(
    fc.property(threeTapes, tape(6), ([text, one, two], three) => {
      const a = operationOf(one, codePointCount(textOf(text)))
      const b = operationOf(two, a.targetLength)
      const c = operationOf(three, b.targetLength)
      const all = compose(compose(a, b), c)
      assert.deepEqual(row(all), row(compose(a, compose(b, c))))
      assert.deepEqual(row(all), row(composeAll([a, b, c])))
    }),
    { numRuns: runs },
  )
})

test("DC31 invert takes an operation back", () => {
  holds((text, one) => {
    const a = operationOf(one, codePointCount(text))
    const inverse = invert(a, text)
    assertNormal(inverse)
    assert.equal(inverse.apply(a.apply(text)), text)
    assert.deepEqual(row(invert(inverse, a.apply(text))), row(a))
  })
})

test("DC32 arithmetic on operations of one place equals the general way", () => {
  holds((text, one, other) => {
    const length = codePointCount(text)
    const a = onePlaceOf(one, length)
    const b = onePlaceOf(other, length)
    assert.ok(a.place >= 0 && b.place >= 0)
    const [a2, b2] = transform(a, b)
    const [a2Steps, b2Steps] = transformSteps(a.steps(), b.steps())
    assert.deepEqual(row(a2), a2Steps.components)
    assert.deepEqual(row(b2), b2Steps.components)
    assert.deepEqual(a2.steps().lengths, a2Steps.lengths)
    assertNormal(a2)
    assertNormal(b2)
    // And the values are equal by every field, not only by what they spell.
    assert.ok(a2.equals(Operation.of(a2Steps)) && b2.equals(Operation.of(b2Steps)))
    assert.deepEqual(row(compose(a, b2)), composeSteps(a.steps(), b2.steps()).components)
  })
})

test("DC66 moveIndex stays within the text, is monotone, and follows its character", () => {
  holds((text, one) => {
    const length = codePointCount(text)
    const operation = operationOf(one, length)
    for (const lean of ["left", "right"] as const) {
      let before = 0
      for (let index = 0; index <= length; index += 1) {
        const moved = moveIndex(operation, index, lean)
        assert.ok(moved >= before && moved <= operation.targetLength, `${index} went to ${moved}`)
        before = moved
      }
      assert.equal(moveIndex(operation, length + 5, "right"), operation.targetLength + 5)
    }
    for (let index = 0; index <= length; index += 1) {
      assert.ok(moveIndex(operation, index, "left") <= moveIndex(operation, index, "right"))
    }
    // A kept code point stands right of where an index before it goes.
    const points = pointsOf(text)
    const after = pointsOf(operation.apply(text))
    let at = 0
    for (const component of row(operation)) {
      if (typeof component === "string") continue
      for (let index = at; component > 0 && index < at + component; index += 1) {
        assert.equal(after[moveIndex(operation, index, "right")], points[index])
      }
      at += Math.abs(component)
    }
  }, runs / 4)
})

test("DC68 moveIndex by arithmetic equals the walk", () => {
  holds((text, one) => {
    const length = codePointCount(text)
    const operation = onePlaceOf(one, length)
    for (const lean of ["left", "right"] as const) {
      for (let index = 0; index <= length + 2; index += 1) {
        assert.equal(moveIndex(operation, index, lean), walked(row(operation), index, lean))
      }
    }
  }, runs / 4)
})

// moveIndex, word for word as the protocol describes it.
function walked(components: readonly Component[], p: number, lean: "left" | "right"): number {
  let left = p
  let result = p
  for (const component of components) {
    if (left < 0) break
    if (typeof component === "string") {
      if (lean === "left" && left === 0) break
      result += pointsOf(component).length
    } else if (component > 0) {
      left -= component
    } else {
      result -= Math.min(left, -component)
      left += component
    }
  }
  return result
}

test("DC34 an operation for a text of another length is refused by every function", () => {
  const three = Operation.from([3, "x"])
  const four = Operation.from([4, "y"])
  assert.throws(() => three.apply("ab"), RangeError)
  assert.throws(() => three.apply("😀😀"), RangeError)
  assert.throws(() => three.apply("a😀"), RangeError)
  assert.equal(three.apply("a😀b"), "a😀bx")
  assert.throws(() => transform(three, four), RangeError)
  assert.throws(() => compose(three, Operation.identity(3)), RangeError)
  assert.throws(() => invert(three, "ab"), RangeError)
  assert.throws(() => composeAll([]), RangeError)
  assert.throws(() => Operation.from([]).apply("a"), RangeError)
})

test("DC41 DC43 from refuses what is not a count or not a text", () => {
  const bad: readonly unknown[] = [2.5, Number.NaN, Infinity, 1e300, 2 ** 53, null, true, {}, [1]]
  for (const component of bad) {
    // What a schema lets pass is typed; here it is given what a schema would not.
    assert.throws(() => Operation.from([1, component as Component]), RangeError, String(component))
    assert.throws(() => Operation.from(["a", 1, "b", component as Component]), RangeError)
  }
  for (const text of ["\ud83d", "\ude00", "a\ude00\ud83d"]) {
    assert.throws(() => Operation.from([text]), RangeError)
    assert.throws(() => Operation.from(["a", 1, text]), RangeError)
  }
  // Half a pair in each of two components is no character either.
  assert.throws(() => Operation.from(["\ud83d", "\ude00"]), RangeError)
  const most = Number.MAX_SAFE_INTEGER
  assert.throws(() => Operation.from([most, 1]), RangeError)
  assert.throws(() => Operation.from([most, "x"]), RangeError)
  assert.throws(() => Operation.from([most, "x", -most, 1]), RangeError)
  assert.equal(Operation.from([-most]).baseLength, most)
})

test("DC38 isNoop holds for exactly the operations that neither insert nor delete", () => {
  holds((text, one) => {
    const operation = operationOf(one, codePointCount(text))
    assert.equal(
      operation.isNoop,
      row(operation).every((one) => typeof one === "number" && one > 0),
    )
  }, 2_000)
  assert.ok(Operation.identity(0).isNoop && Operation.identity(5).isNoop)
  assert.ok(Operation.identity(5).equals(Operation.from([2, 0, "", 3])))
  assert.ok(!Operation.identity(5).equals(Operation.identity(6)))
})

test("DC33 code points and UTF-16 indexes lead to each other, never into a pair", () => {
  holds((text) => {
    const points = pointsOf(text)
    assert.equal(codePointCount(text), points.length)
    for (let position = 0; position <= points.length; position += 1) {
      const index = utf16Index(text, position)
      assert.equal(text.slice(0, index), points.slice(0, position).join(""))
      assert.equal(codePointIndex(text, index), position)
      // Inside of a pair is before it.
      if (text.codePointAt(index) !== text.charCodeAt(index)) {
        assert.equal(codePointIndex(text, index + 1), position)
      }
    }
    assert.equal(utf16Index(text, points.length + 3), text.length)
    assert.equal(codePointIndex(text, text.length + 3), points.length)
  }, 10_000)
  const long = "abcdefghij".repeat(30)
  assert.equal(codePointCount(long), 300)
  assert.equal(codePointCount(`${long}😀`), 301)
  assert.equal(codePointCount(`${long}—`), 301)
  assert.equal(codePointCount(`\ude00${long}\ud83d`), 302)
})

test("DC43 DC145 a clean text is well-formed and has no U+0000, and any text can be cleaned", () => {
  assert.ok(isClean("a\r\n😀\u0001"))
  for (const text of ["\0", "a\ud83d", "\ude00b", "\ude00\ud83d"]) assert.ok(!isClean(text))
  assert.equal(cleaned("a\0b\ud83d\0"), "ab\ufffd")
  assert.equal(cleaned("plain 😀"), "plain 😀")
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => isClean(cleaned(text))))
})

/** The parts of the npm package `ot` that are compared with; it brings no types of its own. */
interface TheirOperation {
  apply(text: string): string
  compose(other: TheirOperation): TheirOperation
  invert(text: string): TheirOperation
  toJSON(): Component[]
}
interface TheirStatic {
  fromJSON(components: readonly Component[]): TheirOperation
  transform(a: TheirOperation, b: TheirOperation): readonly [TheirOperation, TheirOperation]
}

test("DC32 agrees with ot.js, which counts UTF-16 units, on texts without astral characters", () => {
  // The package is CommonJS without types: this is all of it that is used.
  const theirs = (createRequire(import.meta.url)("ot") as { TextOperation: TheirStatic })
    .TextOperation
  const bmp = (numbers: Tape) => numbers.filter((number) => textOf([number]).length === 1)
  const plain = (components: readonly Component[]) =>
    components.map((one) => (typeof one === "string" && /[^\u0000-\ud7ff]/.test(one) ? "q" : one))
  // ot.js moves inserts before deletes too, but does not always merge what that brings together.
  const normal = (operation: TheirOperation) => row(Operation.from(operation.toJSON()))
  holds((_, one, other) => {
    const text = textOf(bmp([...one, ...other]))
    const a = Operation.from(plain(componentsOf(one, text.length)))
    const b = Operation.from(plain(componentsOf(other, text.length)))
    const c = Operation.from(plain(componentsOf(other, a.targetLength)))
    const theirA = theirs.fromJSON(row(a))
    const theirB = theirs.fromJSON(row(b))
    assert.equal(a.apply(text), theirA.apply(text))
    const moved = theirs.transform(theirA, theirB)
    assert.deepEqual(transform(a, b).map(row), moved.map(normal))
    assert.deepEqual(row(compose(a, c)), normal(theirA.compose(theirs.fromJSON(row(c)))))
    assert.deepEqual(row(invert(a, text)), normal(theirA.invert(text)))
  }, runs / 2)
})
