/**
 * The difference of two texts: right for all of them, small where they are alike, and cheap where
 * they are not.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { codePointCount } from "../src/ot/codepoints.ts"
import { diff } from "../src/ot/diff.ts"
import { type Component, Operation, transform } from "../src/ot/operation.ts"
import { seeded, tape, textOf } from "./ot-arbitraries.ts"

function row(before: string, after: string): readonly Component[] {
  const operation = diff(before, after)
  assert.equal(operation.baseLength, codePointCount(before))
  assert.equal(operation.apply(before), after)
  return operation.components
}

// Code points inserted and deleted.
function size(components: readonly Component[]): number {
  const sizes = components.map((one) => (typeof one === "string" ? codePointCount(one) : -one))
  return sizes.reduce((sum, one) => sum + Math.max(0, one), 0)
}

test("DC58 a difference turns one text into another, whatever they are", () => {
  fc.assert(
    fc.property(tape(30), tape(30), (a, b) => void row(textOf(a), textOf(b))),
    { numRuns: 50_000 },
  )
})

test("DC58 the difference to a text that was changed in one place is no larger than the change", () => {
  const change = fc.tuple(fc.nat(), fc.nat(6), tape(6))
  fc.assert(
    fc.property(tape(40), change, (a, [place, most, inserted]) => {
      const before = textOf(a)
      const length = codePointCount(before)
      const at = place % (length + 1)
      const removed = Math.min(most, length - at)
      const after = Operation.from([at, textOf(inserted), -removed, length - at - removed])
      const components = row(before, after.apply(before))
      assert.ok(size(components) <= size(after.components), JSON.stringify(components))
    }),
    { numRuns: 20_000 },
  )
})

test("DC58 a word that became another is replaced, however many letters the two share", () => {
  // Letter by letter the x would be found again in "extra", and the at in "total".
  assert.deepEqual(row("x = 1", "extra = total + 1"), ["extra", -1, 2, " total +", 2])
  assert.deepEqual(row("a cat, a dog", "a bat, big, a doge"), [2, "b", -1, 4, "big, ", 5, "e"])
  // What is typed meanwhile stays where it was, or at the edge of the word that came instead.
  const [typed] = transform(Operation.from([1, "y", 4]), diff("x = 1", "extra = total + 1"))
  assert.equal(typed.apply("extra = total + 1"), "extray = total + 1")
  // Where no spaces part the words each character counts.
  assert.deepEqual(row("我喜欢吃苹果", "我很喜欢吃大苹果"), [1, "很", 3, "大", 2])
})

test("DC58 unchanged stretches stay: one line, one word, one character", () => {
  assert.deepEqual(row("one\ntwo\nthree\n", "one\n2\nthree\n"), [4, "2", -3, 7])
  assert.deepEqual(row("one\ntwo\nthree\n", "one\nthree\n"), [5, -4, 5])
  assert.deepEqual(row("one\nthree\n", "one\ntwo\nthree\n"), [5, "wo\nt", 5])
  assert.deepEqual(row("a\nb\nc\nd\n", "a\nB\nc\nD\n"), [2, "B", -1, 3, "D", -1, 1])
  assert.deepEqual(row("const x = 1\n", "const xy = 2\n"), [7, "y", 3, "2", -1, 1])
  assert.deepEqual(row("same", "same"), [4])
  assert.deepEqual(row("", ""), [])
  assert.deepEqual(row("", "new"), ["new"])
  assert.deepEqual(row("old", ""), [-3])
})

test("DC33 a difference never parts a surrogate pair", () => {
  // 😀 and 😁 begin with the same half, 😀 and U+1FA00 end with the same one.
  const other = "\u{1fa00}"
  assert.deepEqual(row("a😀b", "a😁b"), [1, "😁", -1, 1])
  assert.deepEqual(row("😀", other), [other, -1])
  assert.deepEqual(row("x😀\ny😀", `x😁\ny${other}`), [1, "😁", -1, 2, other, -1])
})

test("DC58 many scattered changes in a long text are found", () => {
  const random = seeded(7)
  const before = Array.from({ length: 5_000 }, (_, line) => `line ${line} ${random()}\n`)
  const after = before.flatMap((line) => {
    const chance = random()
    if (chance < 0.02) return []
    if (chance < 0.04) return [line, "added\n"]
    return chance < 0.08 ? [line.replace("line", "Line")] : [line]
  })
  const components = row(before.join(""), after.join(""))
  assert.ok(components.length > 300)
  assert.ok(size(components) < 8_000, `${size(components)} code points`)
})

test("DC58 over budget the difference is a replacement, found in bounded time", () => {
  const random = seeded(11)
  const noise = (count: number) =>
    Array.from({ length: count }, () => String.fromCharCode(97 + Math.floor(random() * 26)))
  const hard: readonly (readonly [string, string])[] = [
    // No line in both, every line in both in another order, one endless line, lines of nothing.
    [noise(120_000).join("\n"), noise(120_000).join("\n")],
    [noise(250_000).join(""), noise(250_000).join("")],
    ["\n".repeat(250_000), "a\n".repeat(125_000)],
    ["ab\n".repeat(80_000), "ba\n".repeat(80_000)],
  ]
  for (const [before, after] of hard) {
    const start = process.cpuUsage()
    const components = row(before, after)
    const took = process.cpuUsage(start).user / 1_000
    assert.ok(took < 1_000, `took ${took} ms`)
    assert.ok(components.length <= 4_003, `${components.length} components`)
  }
})
