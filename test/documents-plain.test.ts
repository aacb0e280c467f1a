/**
 * Plain editors, as Rustpad and Kolabpad speak: the scenarios that those projects publish as tests
 * (R1 to R16 and K1 to K14), and what their editors rely on.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import { systemUser } from "../src/wire/documents-shapes.ts"
import { type FarEnd, type Heard, type Pad, pad } from "./far-end.ts"

const rustpad = { dialect: "rustpad" } as const

type Components = readonly (string | number)[]

/** A History message as it is heard. */
function history(
  start: number,
  ...operations: readonly [id: number, operation: Components][]
): Heard {
  const elements = operations.map(([id, operation]) => ({ id, operation }))
  return { History: { start, operations: elements } }
}

/** All operations that `far` was told, in order, whatever messages they came in. */
function told(far: FarEnd): readonly Components[] {
  const bodies = far.all("History") as readonly { operations: { operation: Components }[] }[]
  return bodies.flatMap(({ operations }) => operations.map(({ operation }) => operation))
}

function named(pad: Pad, id: string, name: string, hue: number): FarEnd {
  const far = pad.join(id)
  far.says({ ClientInfo: { name, hue } })
  return far
}

test("DC12 DC30 R1 an edit comes back as History with its author, and the text follows", async (t) => {
  const server = pad(t)
  assert.equal(await server.text("notes"), "")
  const a = server.join("notes", rustpad)
  assert.deepEqual(a.news(), [{ Identity: 0 }])
  a.edits(0, ["hello"])
  assert.deepEqual(a.news(), [history(0, [0, ["hello"]])])
  assert.equal(await server.text("notes"), "hello")
})

test("DC35 DC60 R2 K14 an edit ahead of the text closes a plain editor", (t) => {
  const server = pad(t)
  for (const revision of [1, 999]) {
    const a = server.join("notes")
    a.edits(revision, ["hello"])
    assert.equal(a.ended?.code, "stale-revision")
  }
  const b = server.join("notes")
  assert.deepEqual(b.news(), [{ Identity: 2 }])
})

test("DC32 R3 of two inserts at one place the later one goes left", async (t) => {
  const server = pad(t)
  const a = server.join("notes", rustpad)
  a.edits(0, ["hello"])
  a.edits(1, [2, -1, "n", 2])
  a.news()
  assert.deepEqual(a.all("History").at(-1), {
    start: 1,
    operations: [{ id: 0, operation: [2, "n", -1, 2] }],
  })
  const b = server.join("notes", rustpad)
  b.edits(0, ["~rust~"])
  assert.deepEqual(b.news(), [
    { Identity: 1 },
    history(0, [0, ["hello"]], [0, [2, "n", -1, 2]]),
    history(2, [1, ["~rust~", 5]]),
  ])
  assert.deepEqual(a.news(), [history(2, [1, ["~rust~", 5]])])
  assert.equal(await server.text("notes"), "~rust~henlo")
})

test("DC62 DC15 R4 a language is told to all, and to who comes later", async (t) => {
  const server = pad(t)
  const a = server.join("notes", rustpad)
  a.says({ SetLanguage: "javascript" })
  assert.deepEqual(a.news(), [{ Identity: 0 }, { Language: "javascript" }])
  const b = server.join("notes", rustpad)
  assert.deepEqual(b.news(), [{ Identity: 1 }, { Language: "javascript" }])
  b.says({ SetLanguage: "python" })
  for (const far of [a, b]) assert.deepEqual(far.news(), [{ Language: "python" }])
  assert.equal(await server.text("notes"), "")
})

test("DC36 DC52 R5 edits sent back to back without waiting all arrive, in any batching", async (t) => {
  const server = pad(t)
  const a = server.join("notes", rustpad)
  const b = server.join("notes", rustpad)
  let revision = 0
  for (let round = 0; round < 100; round += 1) {
    const burst = (round % 5) + 1
    a.saysAll(
      Array.from({ length: burst }, (_, index) => {
        const length = revision + index
        return { Edit: { revision: length, operation: length === 0 ? ["a"] : [length, "a"] } }
      }),
    )
    revision += burst
    assert.equal(told(a).length, revision)
    assert.equal(told(b).length, revision)
  }
  assert.equal(await server.text("notes"), "a".repeat(300))
})

test("DC39 R6 a text above the limit closes a plain editor, and is not applied", async (t) => {
  const server = pad(t)
  const a = server.join("notes", rustpad)
  a.edits(0, ["a".repeat(5_000)])
  a.edits(0, ["a".repeat(500_000)])
  assert.deepEqual(a.ended, {
    code: "too-large",
    sentence: "The text would have 505,000 characters; 262,144 is the limit.",
  })
  assert.equal(await server.text("notes"), "a".repeat(5_000))
})

test("DC33 R7 lengths count code points", async (t) => {
  const server = pad(t)
  const a = server.join("notes", rustpad)
  a.edits(0, ["h🎉e🎉l👨‍👨‍👦‍👦lo"])
  a.edits(1, [-14])
  assert.deepEqual(a.news().at(-1), history(1, [0, [-14]]))
  assert.equal(await server.text("notes"), "")
})

test("DC33 DC36 R8 an own stale edit is moved over one's earlier one", async (t) => {
  const server = pad(t)
  const a = server.join("notes", rustpad)
  a.edits(0, ["🎉😍𒀇👨‍👨‍👦‍👦"])
  a.edits(1, ["👯‍♂️", 3, "𐅣𐅤𐅥", 7])
  assert.deepEqual(a.news().at(-1), history(1, [0, ["👯‍♂️", 3, "𐅣𐅤𐅥", 7]]))
  const s = "w\u0308\u0323a\u0301\u0327\u0334ve 🏳️‍🌈 ¡olé!"
  a.edits(1, [2, s, 8])
  assert.deepEqual(a.news().at(-1), history(2, [0, [6, s, 11]]))
  assert.equal(await server.text("notes"), `👯‍♂️🎉😍${s}𒀇𐅣𐅤𐅥👨‍👨‍👦‍👦`)
})

test("DC66 R9 cursors are echoed, told to who comes, and moved by edits", (t) => {
  const server = pad(t)
  const a = server.join("notes", rustpad)
  a.edits(0, ["🎉🎉🎉"])
  const data = {
    cursors: [0, 1, 2, 3],
    selections: [
      [0, 1],
      [2, 3],
    ],
  }
  a.says({ CursorData: data })
  assert.deepEqual(a.news().at(-1), { UserCursor: { id: 0, data } })
  const b = server.join("notes", rustpad)
  assert.deepEqual(b.news().at(-1), { UserCursor: { id: 0, data } })
  b.edits(0, ["🎉"])
  const c = server.join("notes", rustpad)
  const moved = {
    cursors: [1, 2, 3, 4],
    selections: [
      [1, 2],
      [3, 4],
    ],
  }
  assert.deepEqual(c.news().at(-1), { UserCursor: { id: 0, data: moved } })
})

test("DC64 R10 K9 a name and its hue are told to all, and to who comes later", (t) => {
  const server = pad(t)
  const a = server.join("notes", rustpad)
  a.says({ ClientInfo: { name: "Alice", hue: 42 } })
  const alice = { UserInfo: { id: 0, info: { name: "Alice", hue: 42 } } }
  assert.deepEqual(a.news(), [{ Identity: 0 }, alice])
  const b = server.join("notes", rustpad)
  assert.deepEqual(b.news(), [{ Identity: 1 }, alice])
  b.says({ ClientInfo: { name: "Bob", hue: 96 } })
  const bob = { UserInfo: { id: 1, info: { name: "Bob", hue: 96 } } }
  for (const far of [a, b]) assert.deepEqual(far.news(), [bob])
})

test("DC64 DC65 R11 R12 a message without its hue, or one unknown, closes a plain editor", (t) => {
  const server = pad(t)
  for (const bad of [{ ClientInfo: { name: "Alice" } }, { Greeting: "hello" }]) {
    const a = named(server, `doc ${Object.keys(bad)[0]}`, "Alice", 1)
    a.says(bad)
    assert.equal(a.ended?.code, "bad-message")
    const b = server.join(`doc ${Object.keys(bad)[0]}`)
    assert.deepEqual(b.news(), [{ Identity: 1 }], "no Alice")
  }
})

test("DC66 DC65 R13 plain cursors are kept unclamped, and go with their editor", (t) => {
  const server = pad(t)
  const a = server.join("notes", rustpad)
  const data = {
    cursors: [4, 6, 7],
    selections: [
      [5, 10],
      [3, 4],
    ],
  }
  a.says({ CursorData: data })
  assert.deepEqual(a.news().at(-1), { UserCursor: { id: 0, data } })
  server.pass(100)
  const b = server.join("notes", rustpad)
  b.says({ CursorData: { cursors: [10], selections: [] } })
  a.leaves()
  assert.deepEqual(b.news().at(-1), { UserInfo: { id: 0, info: null } })
  b.edits(0, ["a"])
  const c = server.join("notes", rustpad)
  assert.deepEqual(c.news(), [
    { Identity: 2 },
    history(0, [1, ["a"]]),
    { UserCursor: { id: 1, data: { cursors: [11], selections: [] } } },
  ])
})

test("DC23 DC26 R14 in memory mode a document unused for EXPIRY_DAYS is gone", async (t) => {
  const server = pad(t, { settings: { expiryMs: 48 * 3_600_000 } })
  const a = server.join("notes", rustpad)
  a.edits(0, ["hello"])
  a.leaves()
  server.passHours(47)
  assert.equal(await server.text("notes"), "hello")
  server.passHours(3)
  assert.equal(await server.text("notes"), "")
  assert.equal(server.service.stats().num_documents, 0)
  assert.equal(server.service.stats().database_size, 0, "nothing remains of it")
})

test("DC10 DC11 K1 K2 user ids count from 0 and are not given twice", (t) => {
  const server = pad(t)
  const a = server.join("notes")
  const b = server.join("notes")
  assert.deepEqual([a.news(), b.news()], [[{ Identity: 0 }], [{ Identity: 1 }]])
  a.leaves()
  b.leaves()
  assert.deepEqual(server.join("notes").news(), [{ Identity: 2 }])
  assert.deepEqual(server.join("other").news(), [{ Identity: 0 }])
})

test("DC30 DC52 K3 K10 an edit reaches both, and the other goes on from it", async (t) => {
  const server = pad(t)
  const a = server.join("notes")
  const b = server.join("notes")
  a.edits(0, ["hello"])
  for (const far of [a, b]) assert.deepEqual(far.news().at(-1), history(0, [0, ["hello"]]))
  b.edits(1, [5, " world"])
  for (const far of [a, b]) assert.deepEqual(far.news(), [history(1, [1, [5, " world"]])])
  assert.equal(await server.text("notes"), "hello world")
})

test("DC63 K4 in the shape of Kolabpad a language says who set it", (t) => {
  const server = pad(t)
  const a = named(server, "notes", "Alice", 1)
  const b = server.join("notes")
  b.news()
  a.news()
  a.says({ SetLanguage: "javascript" })
  const by = { language: "javascript", user_id: 0, user_name: "Alice" }
  for (const far of [a, b]) assert.deepEqual(far.news(), [{ Language: by }])
  b.says({ SetLanguage: "go" })
  const anonymous = { language: "go", user_id: 1, user_name: "Anonymous" }
  assert.deepEqual(a.news(), [{ Language: anonymous }])
  const c = server.join("notes")
  const system = { language: "go", user_id: systemUser, user_name: "System" }
  assert.deepEqual(c.heard[1], { Language: system })
})

test("DC66 K8 cursors are told to all, the sender included", (t) => {
  const server = pad(t)
  const a = server.join("notes")
  const b = server.join("notes")
  a.says({ CursorData: { cursors: [5], selections: [] } })
  const cursor = { UserCursor: { id: 0, data: { cursors: [5], selections: [] } } }
  for (const far of [a, b]) assert.deepEqual(far.news().at(-1), cursor)
})

test("DC65 DC15 K9 leaving is told without info in one shape, with null in the others", (t) => {
  const server = pad(t)
  const a = server.join("notes")
  const kolabpad = server.join("notes")
  const rust = server.join("notes", rustpad)
  const extended = server.extend("notes", "x")
  for (const far of [kolabpad, rust, extended]) far.news()
  a.leaves()
  assert.deepEqual(kolabpad.news(), [{ UserInfo: { id: 0 } }])
  assert.deepEqual(rust.news(), [{ UserInfo: { id: 0, info: null } }])
  assert.deepEqual(extended.news(), [{ UserInfo: { id: 0, info: null } }])
})

test("DC98 K11 stats count the documents in memory and in store", (t) => {
  const server = pad(t)
  assert.deepEqual(server.service.stats(), {
    start_time: 1_700_000_000,
    num_documents: 0,
    database_size: 0,
  })
  server.join("notes")
  assert.equal(server.service.stats().num_documents, 1)
  server.join("other").edits(0, ["x"])
  assert.deepEqual(
    [server.service.stats().num_documents, server.service.stats().database_size],
    [2, 1],
  )
})

test("DC15 DOCUMENTS_DIALECT decides where an editor does not", (t) => {
  const server = pad(t, { settings: { dialect: "rustpad" } })
  const a = server.join("notes")
  a.says({ SetLanguage: "go" })
  assert.deepEqual(a.news().at(-1), { Language: "go" })
  const b = server.join("notes", { dialect: "kolabpad" })
  assert.deepEqual(b.heard[1], {
    Language: { language: "go", user_id: systemUser, user_name: "System" },
  })
})

test("DC38 a plain no-op is a revision, and a flood of them is not read for a while", (t) => {
  const server = pad(t)
  const a = server.join("notes")
  a.edits(0, ["abc"])
  a.edits(1, [3])
  assert.deepEqual(a.news().at(-1), history(1, [0, [3]]))
  for (let revision = 2; revision < 10; revision += 1) a.edits(revision, [3])
  assert.equal(a.holds, 0)
  a.edits(10, [3])
  assert.equal(a.holds, 1, "ten in a second are enough")
  server.pass(900)
  assert.equal(a.holds, 1)
  server.pass(100)
  assert.equal(a.holds, 0)
  a.edits(11, [3])
  assert.equal(a.holds, 0, "a new second has begun")
})

test("DC71 of one editor's cursors 256 are kept", (t) => {
  const server = pad(t)
  const a = server.join("notes")
  const cursors = Array.from({ length: 1_000 }, (_, index) => index)
  const selections = cursors.map((index) => [index, index])
  a.says({ CursorData: { cursors, selections } })
  const data = { cursors: cursors.slice(0, 256), selections: selections.slice(0, 256) }
  assert.deepEqual(a.news().at(-1), { UserCursor: { id: 0, data } })
})

test("DC70 cursors go out at once after a pause, else together and only the newest", (t) => {
  const server = pad(t)
  const a = server.join("notes")
  const b = server.join("notes")
  const move = (far: FarEnd, at: number) =>
    far.says({ CursorData: { cursors: [at], selections: [] } })
  const heard = () => b.news().flatMap((each) => ("UserCursor" in each ? [each["UserCursor"]] : []))
  const at = (id: number, position: number) => ({
    id,
    data: { cursors: [position], selections: [] },
  })
  move(a, 1)
  assert.deepEqual(heard(), [at(0, 1)])
  for (const position of [2, 3, 4]) move(a, position)
  move(b, 9)
  server.pass(40)
  assert.deepEqual(heard(), [])
  server.pass(10)
  assert.deepEqual(heard(), [at(0, 4), at(1, 9)])
  server.pass(1_000)
  assert.deepEqual(heard(), [])
  for (let more = 2; more < 120; more += 1) server.join("notes")
  server.pass(1_000)
  move(a, 5)
  assert.deepEqual(heard(), [at(0, 5)])
  move(a, 6)
  server.pass(110)
  assert.deepEqual(heard(), [], "in a crowd of 120 they go every 120 ms")
  server.pass(10)
  assert.deepEqual(heard(), [at(0, 6)])
})

test("DC64 a name is cut to 64 code points and cleaned", (t) => {
  const server = pad(t)
  const name = (given: string) => {
    const a = named(server, "notes", given, 1)
    const [heard] = a.all("UserInfo") as readonly { info: { name: string } }[]
    a.leaves()
    return heard?.info.name
  }
  assert.equal(name("🎉".repeat(100)), "🎉".repeat(64))
  assert.equal(name("a\u202eb\u0000c\nd\u2066e\u2028"), "abcde")
  assert.equal(name("\ud83c"), "\ufffd")
})

test("DC55 what the window has let go is told as one text and fillers, and numbers stay", async (t) => {
  const server = pad(t, { settings: { windowOperations: 100 } })
  const a = server.join("notes")
  let length = 0
  const type = (far: FarEnd, times: number) => {
    for (let round = 0; round < times; round += 1) {
      far.edits(length, length === 0 ? ["x"] : [length, "x"])
      length += 1
    }
  }
  type(a, 99)
  const early = server.join("notes")
  assert.equal(told(early).length, 99, "still all of it")
  type(a, 400)
  const b = server.join("notes")
  const elements = told(b)
  assert.equal(elements.length, 499)
  const [first = []] = elements
  const [text] = first
  assert.ok(typeof text === "string" && text.length >= 399 && text.length <= 449)
  const fillers = elements.slice(1, text.length)
  assert.ok(fillers.every((filler) => filler.length === 1 && filler[0] === text.length))
  assert.equal(
    (b.all("History")[0] as { operations: { id: number }[] }).operations[0]?.id,
    systemUser,
  )
  // Whoever applies them one by one has the text, and goes on from the same number as everyone.
  assert.equal(apply(elements), await server.text("notes"))
  b.edits(499, [499, "!"])
  assert.deepEqual(a.news().at(-1), history(499, [2, [499, "!"]]))
  // One that was away for less than half a window finds its revision behind the text told as one.
  assert.ok(499 - text.length >= 50)
})

test("DC55 after 50,000 fillers plain revisions are numbered anew, once", (t) => {
  const server = pad(t, { settings: { windowOperations: 10 } })
  const a = server.join("notes")
  const x = server.extend("notes", "x")
  x.edits(0, ["ab"], 1)
  let revision = 1
  // A character is replaced again and again: the length stays, the revision grows.
  while (a.ended === undefined && revision < 60_000) {
    x.edits(revision, [1, "z", -1], revision + 1)
    revision += 1
  }
  assert.equal(a.ended?.code, "stale-revision")
  assert.ok(revision > 50_000 && revision < 50_050, `${revision}`)
  assert.equal(x.ended, undefined)
  const b = server.join("notes")
  assert.ok(told(b).length < 30)
  b.edits(told(b).length, [2, "!"])
  assert.equal(b.ended, undefined)
  assert.equal((x.all("History").at(-1) as { start: number }).start, revision)
})

function apply(operations: readonly Components[]): string {
  return operations.reduce((text, operation) => {
    const points = Array.from(text)
    let result = ""
    let at = 0
    for (const component of operation) {
      if (typeof component === "string") result += component
      else if (component > 0) {
        result += points.slice(at, at + component).join("")
        at += component
      } else at -= component
    }
    assert.equal(at, points.length)
    return result
  }, "")
}
