/** Editors that are slow, many, or both: who is told what, when, and at whose cost. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { type FarEnd, type Pad, pad } from "./far-end.ts"

interface HistoryBody {
  readonly start: number
  readonly operations: readonly { readonly id: number; readonly operation: readonly unknown[] }[]
}

function histories(far: FarEnd): readonly HistoryBody[] {
  return far.all("History") as readonly HistoryBody[] // what this key holds
}

/** Types one character after another at the end; the text is ASCII. */
function type(far: FarEnd, from: number, times: number): void {
  for (let at = from; at < from + times; at += 1) {
    far.edits(at, at === 0 ? ["x"] : [at, "x"], at + 1)
  }
}

/** `count` editors of one document, from an address each. */
function crowd(server: Pad, count: number): FarEnd[] {
  return Array.from({ length: count }, (_, index) => {
    return server.extend("notes", `e${index}`, {}, { address: `192.0.2.${index % 250}` })
  })
}

test("DC52 what many are told is one object, encoded once for each numbering", (t) => {
  const server = pad(t)
  const [x, y] = [server.extend("notes", "x"), server.extend("notes", "y")]
  const [a, b] = [server.join("notes"), server.join("notes")]
  x.saysAll([
    { Edit: { revision: 0, operation: ["a"], seq: 1 } },
    { Edit: { revision: 0, operation: ["b"], seq: 2 } },
  ])
  const told = [x, y, a, b].map((far) => far.sent.find((message) => "History" in message))
  assert.ok(
    told.every((message) => message === told[0]),
    "a document made here has one numbering",
  )
  assert.equal(histories(x)[0]?.operations.length, 2, "a flush is one message")
})

test("DC52 one message carries about 256 KiB at most, and the rest comes in the next", (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  const slow = server.extend("notes", "slow")
  slow.behind = true
  let length = 0
  for (let seq = 1; seq <= 6; seq += 1) {
    x.edits(seq - 1, [...(length === 0 ? [] : [length]), "y".repeat(40_000)], seq)
    length += 40_000
  }
  slow.behind = false
  server.pass(10)
  assert.deepEqual(
    histories(slow).map(({ start, operations }) => [start, operations.length]),
    [
      [0, 3],
      [3, 3],
    ],
  )
})

test("DC53 fewer than a hundred editors get each edit at the end of its turn", (t) => {
  const server = pad(t)
  const editors = crowd(server, 99)
  const [x, y] = [editors[0] as FarEnd, editors[98] as FarEnd]
  type(x, 0, 5)
  assert.deepEqual(
    histories(y).map(({ operations }) => operations.length),
    [1, 1, 1, 1, 1],
  )
})

test("DC53 in a crowd edits are gathered for a while, and a lone one is not", (t) => {
  const server = pad(t, { settings: { joinsPerMinute: 1e9 } })
  const editors = crowd(server, 250)
  const [x, y] = [editors[0] as FarEnd, editors[249] as FarEnd]
  const counts = () => histories(y).map(({ operations }) => operations.length)
  server.pass(1_000)
  type(x, 0, 1)
  assert.deepEqual(counts(), [1], "after a pause it leaves at once")
  type(x, 1, 3)
  server.pass(10)
  assert.deepEqual(counts(), [1])
  server.pass(10)
  assert.deepEqual(counts(), [1, 3], "250 editors: 20 ms")
  const rows = server.store
    .prepare<{ count: number }>("SELECT count(*) AS count FROM journal")
    .get()
  assert.equal(rows?.count, 2, "and one journal row")
})

test("DC53 gathering is never longer than 50 ms, and may be switched off", (t) => {
  for (const [gatherMs, waits] of [
    [50, 50],
    [0, 0],
  ] as const) {
    const server = pad(t, { settings: { joinsPerMinute: 1e9, gatherMs } })
    const editors = crowd(server, 900)
    const [x, y] = [editors[0] as FarEnd, editors[1] as FarEnd]
    server.pass(1_000)
    type(x, 0, 2)
    const before = server.now
    while (histories(y).length < 2) server.pass(10)
    assert.equal(server.now - before, waits)
  }
})

test("DC47 DC53 one flush is one journal row for all documents", (t) => {
  const server = pad(t)
  const editors = ["a", "b", "c"].map((id) => server.extend(id, "x"))
  for (const far of editors) {
    far.speaks(JSON.stringify({ Edit: { revision: 0, operation: ["x"], seq: 1 } }))
  }
  server.turn()
  const rows = server.store.prepare<{ entries: string }>("SELECT entries FROM journal").all()
  assert.equal(rows.length, 1)
  assert.equal(JSON.parse(rows[0]?.entries ?? "").length, 3)
  for (const far of editors) assert.equal(histories(far).length, 1)
})

test("DC100 who is behind gets nothing until it has drained, then all it missed in one", (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  const [slow, plain] = [server.extend("notes", "slow"), server.join("notes")]
  type(x, 0, 1)
  for (const far of [slow, plain]) {
    far.behind = true
    far.news()
  }
  type(x, 1, 50)
  server.pass(1_000)
  for (const far of [slow, plain]) assert.deepEqual(far.news(), [])
  assert.equal(histories(x).length, 51, "nobody else waits")
  slow.behind = false
  plain.behind = false
  server.pass(10)
  for (const far of [slow, plain]) {
    const [missed, ...others] = histories(far).slice(1)
    assert.deepEqual([missed?.start, missed?.operations.length, others], [1, 50, []])
  }
})

test("DC100 who has fallen out of the window is closed as stale, and nobody else", (t) => {
  const server = pad(t, { settings: { windowOperations: 10 } })
  const x = server.extend("notes", "x")
  const slow = server.extend("notes", "slow")
  slow.behind = true
  type(x, 0, 400)
  slow.behind = false
  server.pass(10)
  assert.equal(slow.endedWith, "stale-revision")
  assert.equal(x.endedWith, undefined)
})

test("DC100 an edit of one that is behind is taken, and answered when it has drained", (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  const slow = server.extend("notes", "slow")
  slow.behind = true
  slow.edits(0, ["s"], 1)
  slow.edits(1, [1], 2)
  slow.edits(9, [1], 3)
  assert.equal(histories(x).length, 1)
  assert.deepEqual(slow.news().slice(1), [])
  slow.behind = false
  server.pass(10)
  const kinds = slow.news().map((message) => Object.keys(message)[0])
  assert.deepEqual(kinds, ["History", "Ack", "Error"])
})

test("DC101 of what changed while one was behind it gets the newest values, and is never wrong", (t) => {
  const server = pad(t)
  const a = server.join("notes")
  const leaver = server.join("notes")
  leaver.says({ ClientInfo: { name: "Leaver", hue: 1 } })
  const slow = server.extend("notes", "slow")
  const plain = server.join("notes")
  for (const far of [slow, plain]) {
    far.behind = true
    far.news()
  }
  for (let round = 0; round < 100; round += 1) {
    a.says({ SetLanguage: `l${round}` })
    a.says({ ClientInfo: { name: `Ada ${round}`, hue: round } })
    a.says({ CursorData: { cursors: [round], selections: [] } })
    server.pass(60)
  }
  a.edits(0, ["0123456789"])
  leaver.leaves()
  slow.behind = false
  plain.behind = false
  server.pass(10)
  const language = { language: "l99", user_id: 0, user_name: "Ada 99" }
  const info = { UserInfo: { id: 0, info: { name: "Ada 99", hue: 99 } } }
  assert.deepEqual(slow.news().slice(1), [
    { Language: { ...language, user_name: "Ada 98" } },
    info,
    { UserInfo: { id: 1, info: null } },
    { Cursors: { revision: 1, cursors: [{ id: 0, cursors: [10], selections: [] }] } },
  ])
  assert.deepEqual(plain.news().slice(1), [
    { Language: { ...language, user_name: "Ada 98" } },
    info,
    { UserInfo: { id: 1 } },
    { UserCursor: { id: 0, data: { cursors: [109], selections: [] } } },
  ])
})

test("DC101 what one that stalls could miss is bounded", (t) => {
  const server = pad(t, { settings: { joinsPerMinute: 1e9 } })
  const slow = server.extend("notes", "slow")
  slow.behind = true
  for (let count = 0; slow.endedWith === undefined && count < 5_000; count += 1) {
    const a = server.join("notes")
    a.says({ ClientInfo: { name: "A", hue: 1 } })
    a.leaves()
  }
  assert.equal(slow.endedWith, "slow")
})

test("DC18 DC19 DC20 a document is hot with a connection and idle without, and then nothing saves it", async (t) => {
  const server = pad(t)
  const count = async (name: string) => {
    const text = await server.metrics.text()
    return Number(new RegExp(`^quartet_documents_${name} (\\d+)$`, "m").exec(text)?.[1])
  }
  const places = async () => [await count("hot"), await count("idle")]
  assert.deepEqual(await places(), [0, 0], "cold")
  // Connected and not yet joined is connected.
  const early = server.join("notes", { protocols: ["quartet-documents-1"] })
  assert.deepEqual(await places(), [1, 0])
  const x = server.extend("notes", "x")
  early.leaves()
  type(x, 0, 3)
  assert.deepEqual(await places(), [1, 0])
  x.leaves()
  assert.deepEqual(await places(), [0, 1])
  assert.equal(await count("saves_total"), 1)
  server.pass(20 * 60_000)
  assert.equal(await count("saves_total"), 1)
})
