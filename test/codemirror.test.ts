/** The pure half of the CodeMirror binding: changes in UTF-16 units to operations and back. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { ChangeSet, EditorState, Text } from "@codemirror/state"
import fc from "fast-check"
import {
  lengthInPoints,
  operationOf,
  Ruler,
  repairsOf,
  replacementsOf,
} from "../src/client/mapping.ts"
import { codePointCount, codePointIndex, isClean, utf16Index } from "../src/ot/codepoints.ts"
import { Operation } from "../src/ot/operation.ts"

/** Characters of one and two units, joined ones, and what CodeMirror treats as a line's end or not. */
const character = fc.constantFrom("a", "b", "é", "e\u0301", "\n", "\r", "😀", "𒀇", "👨‍👦", "\u200d")
const word = fc.array(character, { maxLength: 12 }).map((parts) => parts.join(""))
const text = fc.array(word, { maxLength: 20 }).map((words) => words.join(""))
/** May hold halves of pairs and NUL. */
const dirtyWord = fc
  .array(fc.oneof(character, fc.constantFrom("\ud83d", "\ude00", "\0")), { maxLength: 6 })
  .map((parts) => parts.join(""))

/** A long text, so that it is a tree of several levels. */
const longText = fc
  .array(text, { minLength: 100, maxLength: 200 })
  .map((texts) => texts.join("line\n"))

/** As the binding sets it up: only LF ends a line. */
function treeOf(string: string): Text {
  return Text.of(string.split("\n"))
}

/** Where to replace, as two fractions of the text, and by what. */
const place = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(8))

function changesOf(
  string: string,
  places: readonly (readonly [number, number])[],
  inserts: readonly string[],
): ChangeSet {
  const specs = places
    .map(([start, length], index) => {
      const from = Math.floor(start * string.length)
      return {
        from,
        to: Math.min(string.length, from + length),
        insert: treeOf(inserts[index] ?? ""),
      }
    })
    .sort((one, other) => one.from - other.from)
    // Changes of one transaction do not overlap.
    .filter((spec, index, all) => index === 0 || (all[index - 1]?.to ?? 0) < spec.from)
  return ChangeSet.of(specs, string.length)
}

/** The same, with every end moved out of the pair it may lie in. */
function wholeChangesOf(
  string: string,
  places: readonly (readonly [number, number])[],
  inserts: readonly string[],
): ChangeSet {
  const whole = (unit: number): number => utf16Index(string, codePointIndex(string, unit))
  return ChangeSet.of(
    rangesOf(changesOf(string, places, inserts)).map(({ from, to, insert }) => ({
      from: whole(from),
      to: whole(to),
      insert,
    })),
    string.length,
  )
}

function rangesOf(changes: ChangeSet): { from: number; to: number; insert: Text }[] {
  const ranges: { from: number; to: number; insert: Text }[] = []
  changes.iterChanges((from, to, _from, _to, insert) => ranges.push({ from, to, insert }))
  return ranges
}

test("DC146 measures a text in both counts like one that counts it from the start", () => {
  fc.assert(
    fc.property(longText, fc.array(fc.double({ min: 0, max: 1, noNaN: true })), (string, where) => {
      const tree = treeOf(string)
      assert.equal(lengthInPoints(tree), codePointCount(string))
      const ruler = new Ruler(tree) // asked in any order
      for (const fraction of where) {
        const unit = Math.floor(fraction * string.length)
        const point = codePointIndex(string, unit)
        assert.equal(ruler.pointAt(unit), point)
        assert.equal(ruler.unitAt(point), utf16Index(string, point))
      }
    }),
    { numRuns: 200 },
  )
})

test("DC146 knows every position of a text of several levels, forwards and backwards", () => {
  const line = "x".repeat(30)
  const string = Array.from({ length: 3_000 }, (_, at) => (at % 7 === 0 ? `${line}😀` : line))
  const tree = treeOf(string.join("\n"))
  const whole = string.join("\n")
  const points = [...whole]
  const units = points.map(() => 0)
  for (let index = 1; index < points.length; index += 1) {
    units[index] = (units[index - 1] ?? 0) + (points[index - 1]?.length ?? 0)
  }
  for (const order of ["forwards", "backwards"]) {
    const ruler = new Ruler(tree)
    const rows = [...units.entries()]
    if (order === "backwards") rows.reverse()
    for (const [point, unit] of order === "backwards" ? rows.slice(0, 5_000) : rows) {
      assert.equal(ruler.unitAt(point), unit)
      assert.equal(ruler.pointAt(unit), point)
    }
  }
})

test("DC146 makes of a transaction the operation that does the same", () => {
  fc.assert(
    fc.property(
      text,
      fc.array(place, { maxLength: 6 }),
      fc.array(word),
      (string, places, inserts) => {
        const changes = wholeChangesOf(string, places, inserts)
        const tree = treeOf(string)
        const { operation, fit } = operationOf(changes, tree)
        assert.equal(fit, "exact")
        assert.equal(operation.apply(string), changes.apply(tree).toString())
      },
    ),
    { numRuns: 2_000 },
  )
})

test("DC146 makes of an operation the changes that do the same", () => {
  fc.assert(
    fc.property(
      text,
      fc.array(place, { maxLength: 6 }),
      fc.array(word),
      (string, places, inserts) => {
        const tree = treeOf(string)
        const { operation } = operationOf(wholeChangesOf(string, places, inserts), tree)
        const state = EditorState.create({
          doc: tree,
          extensions: EditorState.lineSeparator.of("\n"),
        })
        const { newDoc } = state.update({ changes: replacementsOf(operation, tree) })
        assert.equal(newDoc.toString(), operation.apply(string))
      },
    ),
    { numRuns: 2_000 },
  )
})

test("DC146 replaces an insert and the delete beside it as one change", () => {
  const operation = Operation.from([1, "xy", -2, 1, -1])
  assert.deepEqual(replacementsOf(operation, treeOf("a😀bcd")), [
    { from: 1, to: 4, insert: "xy" },
    { from: 5, to: 6, insert: "" },
  ])
})

test("DC146 widens a change that would split a pair, past the filters too", () => {
  const tree = treeOf("a😀b")
  const cut = ChangeSet.of({ from: 2, to: 3, insert: "x" }, 4) // the second half
  const { operation, fit } = operationOf(cut, tree)
  assert.equal(fit, "inexact")
  assert.deepEqual(operation.components, [1, "x", -1, 1])
})

test("DC145 DC146 leaves nothing in a view that a document cannot hold", () => {
  const repaired = EditorState.transactionFilter.of((transaction) => {
    if (!transaction.docChanged) return transaction
    const changes = repairsOf(transaction.changes, transaction.newDoc)
    return changes.length === 0 ? transaction : [transaction, { changes, sequential: true }]
  })
  fc.assert(
    fc.property(
      text,
      fc.array(place, { maxLength: 6 }),
      fc.array(dirtyWord),
      (string, places, inserts) => {
        const state = EditorState.create({
          doc: treeOf(string),
          extensions: [EditorState.lineSeparator.of("\n"), repaired],
        })
        const changes = changesOf(string, places, inserts)
        const transaction = state.update({ changes })
        const after = transaction.newDoc.toString()
        assert.ok(isClean(after), JSON.stringify(after))
        // And what comes of it is told exactly.
        const { operation, fit } = operationOf(transaction.changes, state.doc)
        assert.equal(fit, "exact")
        assert.equal(operation.apply(string), after)
      },
    ),
    { numRuns: 3_000 },
  )
})

test("DC145 repairs what was inserted, and takes the whole of a character that was cut", () => {
  const repairs = (string: string, change: { from: number; to?: number; insert?: string }) => {
    const changes = ChangeSet.of(
      { ...change, insert: Text.of([change.insert ?? ""]) },
      string.length,
    )
    const after = changes.apply(treeOf(string))
    const more = ChangeSet.of(repairsOf(changes, after).slice(), after.length)
    return more.apply(after).toString()
  }
  assert.equal(repairs("ab", { from: 1, insert: "\0" }), "ab")
  assert.equal(repairs("ab", { from: 1, insert: "\ud83d" }), "a\ufffdb")
  assert.equal(repairs("a😀b", { from: 2, to: 3 }), "ab")
  assert.equal(repairs("a😀b", { from: 1, to: 2 }), "ab")
  assert.equal(repairs("a😀b", { from: 2, insert: "x" }), "axb")
  assert.equal(repairs("a😀b", { from: 2, to: 4, insert: "\ude01" }), "a\ufffd")
  assert.equal(repairs("a😀b", { from: 1, insert: "😀" }), "a😀😀b")
})

test("DC142 a position in a large text with astral characters costs its neighbourhood", () => {
  const line = `${"const x = 1; ".repeat(3)}😀`
  const string = Array.from({ length: 6_500 }, () => line).join("\n") // about 256 Ki
  let state = EditorState.create({ doc: treeOf(string) })
  lengthInPoints(state.doc) // the first look counts everything
  const begun = process.cpuUsage()
  for (let key = 0; key < 1_000; key += 1) {
    const at = Math.floor((state.doc.length * key) / 1_000)
    const whole = state.doc.lineAt(at).from
    const transaction = state.update({ changes: { from: whole, insert: "k" } })
    operationOf(transaction.changes, state.doc)
    state = transaction.state
  }
  const each = process.cpuUsage(begun).user / 1_000 / 1_000
  // A walk over the whole text takes about a millisecond; this is some hundredths.
  assert.ok(each < 0.5, `${each.toFixed(3)} ms for each key`)
})
