/** What the shelf keeps of a document's past. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import type { PastEdit, Shelf } from "../src/documents/shelf.ts"
import { openStore } from "../src/store.ts"
import { begin, Draft, opened, rowsIn, start } from "./shelf-world.ts"

/** Types `count` times `text` and saves. */
function grow(shelf: Shelf, draft: Draft, count: number, text = "x"): void {
  const entries = Array.from({ length: count }, () => draft.type(text))
  shelf.append(entries, start)
  assert.equal(shelf.save([draft.snapshot()]).size, 0)
}

/** Each edit of a draft has another user. */
const userOf = (edit: PastEdit) => edit.user

/** The text at `revision`, from the milestone before it and the operations after that. */
function textAt(shelf: Shelf, id: string, revision: number): string | undefined {
  const from = shelf.milestone(id, revision)
  if (from === undefined) return undefined
  const past = shelf.past(id, from.revision, revision - from.revision)
  assert.equal(past?.length, revision - from.revision)
  return past.reduce((text, { operation }) => operation.apply(text), from.text)
}

test("DC58 whoever was away gets the operations since, of any save", (t) => {
  const { shelf } = opened(t, ":memory:")
  const draft = new Draft(shelf, "notes")
  for (const count of [3, 1, 7]) grow(shelf, draft, count)
  for (let from = 0; from <= 11; from += 1) {
    assert.deepEqual(shelf.past("notes", from, 100), draft.all.slice(from))
    assert.deepEqual(shelf.past("notes", from, 2), draft.all.slice(from, from + 2))
  }
  assert.deepEqual(shelf.past("notes", 5, 0), [])
  assert.deepEqual(shelf.past("notes", 12, 100), [])
  assert.equal(shelf.past("other", 0, 100), undefined)
})

test("DC97 the text at any revision that is kept can be played back", (t) => {
  const { shelf } = opened(t, ":memory:")
  const draft = new Draft(shelf, "notes")
  grow(shelf, draft, 40, "🎉")
  grow(shelf, draft, 2_100)
  grow(shelf, draft, 30)
  for (const revision of [0, 1, 40, 41, 2_139, 2_140, 2_141, 2_170]) {
    const text = "🎉".repeat(Math.min(40, revision)) + "x".repeat(Math.max(0, revision - 40))
    assert.equal(textAt(shelf, "notes", revision), text)
  }
  assert.equal(shelf.milestone("notes", 2_170)?.revision, 2_140)
  assert.equal(shelf.milestone("notes", 2_139)?.revision, 0)
  assert.equal(shelf.milestone("other", 5), undefined)
})

test("DC97 a milestone comes after 256 KiB of operations too", (t) => {
  const { shelf } = opened(t, ":memory:")
  const draft = new Draft(shelf, "notes")
  for (let round = 0; round < 4; round += 1) grow(shelf, draft, 3, "x".repeat(50_000))
  assert.equal(shelf.milestone("notes", 12)?.revision, 6)
})

test("DC58 of the past the oldest goes when there is too much of it", (t) => {
  const limit = 20_000
  const { store, shelf } = opened(t, ":memory:", limit)
  const draft = new Draft(shelf, "notes")
  for (let round = 0; round < 40; round += 1) {
    grow(shelf, draft, 50)
    const sum = "SELECT coalesce(sum(octet_length(entries)), 0) AS bytes FROM history"
    const bytes = store.prepare<{ bytes: number }>(sum).get()?.bytes ?? 0
    assert(bytes <= limit, `${bytes} bytes`)
    assert(round < 15 || bytes > limit - 3_000, `${bytes} bytes`)
  }
  assert.equal(shelf.past("notes", 0, 1), undefined)
  assert.deepEqual(shelf.past("notes", 1_990, 10), draft.all.slice(1_990))
})

test("DC58 one save larger than what is kept leaves its newest part", (t) => {
  const { shelf } = opened(t, ":memory:", 100_000)
  const draft = new Draft(shelf, "notes")
  grow(shelf, draft, 10)
  grow(shelf, draft, 10, "y".repeat(30_000))
  assert.equal(shelf.past("notes", 0, 1), undefined)
  assert.equal(shelf.past("notes", 15, 1), undefined)
  assert.equal(shelf.past("notes", 19, 9)?.[0]?.user, 19)
  assert.equal(shelf.milestone("notes", 20), undefined)
  grow(shelf, draft, 5)
  assert.equal(textAt(shelf, "notes", 25)?.length, 300_015)
})

test("DC58 with PLAYBACK_KB=0 no past is kept, and what there was goes", (t) => {
  const { store, shelf } = opened(t, ":memory:")
  const draft = new Draft(shelf, "notes")
  grow(shelf, draft, 10)
  const off = begin(store, 0).shelf
  const epoch = off.load("notes")?.epoch ?? ""
  off.append([{ ...draft.type("!"), epoch }], start)
  assert.equal(off.save([{ ...draft.snapshot(), epoch }]).size, 0)
  for (const table of ["history", "milestone"]) assert.equal(rowsIn(store, table), 0)
  assert.equal(off.past("notes", 10, 1), undefined)
  assert.deepEqual(off.past("notes", 11, 1), [])
})

test("DC58 a past that is not whole is let go of up to the hole", (t) => {
  const { store, shelf } = opened(t, ":memory:")
  const draft = new Draft(shelf, "notes")
  grow(shelf, draft, 10)
  shelf.append([draft.type("a"), draft.type("b"), draft.type("c")], start)
  draft.past.splice(0, 2)
  shelf.save([draft.snapshot()])
  assert.equal(shelf.past("notes", 9, 10), undefined)
  assert.equal(shelf.past("notes", 12, 10)?.length, 1)
  assert.equal(shelf.milestone("notes", 13), undefined)
  shelf.append([draft.type("d")], start)
  draft.past = []
  shelf.save([draft.snapshot()])
  assert.equal(rowsIn(store, "history"), 0)
  grow(shelf, draft, 2)
  assert.equal(textAt(shelf, "notes", 16), draft.text)
})

test("DC58 a save that comes twice keeps its past once", (t) => {
  const { shelf } = opened(t, ":memory:")
  const draft = new Draft(shelf, "notes")
  grow(shelf, draft, 10)
  shelf.append([draft.type("a"), draft.type("b")], start)
  const first = draft.snapshot()
  shelf.save([first])
  shelf.append([draft.type("c")], start)
  const second = draft.snapshot()
  shelf.save([{ ...second, past: [...first.past, ...second.past] }])
  assert.deepEqual(shelf.past("notes", 0, 100), draft.all)
  assert.equal(textAt(shelf, "notes", 13), draft.text)
})

test("DC58 whatever the sizes, what is kept is the newest and has no hole", () => {
  const save = fc.array(fc.nat(3_000), { minLength: 1, maxLength: 6 })
  const saves = fc.array(save, { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(saves, fc.integer({ min: 1, max: 20_000 }), (sizes, limit) => {
      const { store, shelf } = begin(openStore({ uri: ":memory:" }), limit)
      const draft = new Draft(shelf, "notes")
      for (const round of sizes) {
        for (const size of round) shelf.append([draft.type("x".repeat(size + 1))], start)
        shelf.save([draft.snapshot()])
      }
      const kept = draft.all.map((_, from) => shelf.past("notes", from, 1_000))
      const first = kept.findIndex((past) => past !== undefined)
      for (const [from, past] of kept.entries()) {
        const expected = first >= 0 && from >= first ? draft.all.slice(from) : undefined
        assert.deepEqual(past?.map(userOf), expected?.map(userOf))
        const text = textAt(shelf, "notes", from)
        const length = draft.all.slice(0, from).reduce((sum, { operation }) => {
          return sum + operation.targetLength - operation.baseLength
        }, 0)
        if (text !== undefined) assert.equal(text.length, length)
      }
      const sum = "SELECT coalesce(sum(octet_length(entries)), 0) AS bytes FROM history"
      assert((store.prepare<{ bytes: number }>(sum).get()?.bytes ?? 0) <= limit)
      store.close()
    }),
    { numRuns: 100 },
  )
})
