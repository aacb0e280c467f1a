/** Extended editors: joining, numbered edits, refusals, coming back, cursors. */
import assert from "node:assert/strict"
import { join as joinPath } from "node:path"
import { test } from "node:test"
import type { Welcome } from "../src/wire/documents-shapes.ts"
import { clientKey, type FarEnd, folder, pad } from "./far-end.ts"

type Components = readonly (string | number)[]

function welcomeOf(far: FarEnd): Welcome {
  const [welcome] = far.all("Welcome")
  return welcome as Welcome // what this key holds
}

function history(start: number, ...operations: readonly [id: number, operation: Components][]) {
  return {
    History: { start, operations: operations.map(([id, operation]) => ({ id, operation })) },
  }
}

test("DC13 DC57 DC12 an extended editor says Join, and gets the text in a Welcome", (t) => {
  const server = pad(t, { settings: { server: "quartet 1.2.3" } })
  const a = server.join("notes")
  a.edits(0, ["hello"])
  a.says({ CursorData: { cursors: [2, 99], selections: [] } })
  a.says({ SetLanguage: "python" })
  const x = server.extend("notes", "x", { name: "Ada", hue: 180 })
  const { secret, ...welcome } = welcomeOf(x)
  assert.match(secret, /^[\w-]{22}$/)
  assert.deepEqual(welcome, {
    id: 1,
    role: "full",
    epoch: welcome.epoch,
    revision: 1,
    head: 1,
    applied: 0,
    fresh: false,
    text: "hello",
    language: "python",
    protected: false,
    users: [
      { id: 0, cursors: [2, 5], selections: [], info: null },
      { id: 1, cursors: [], selections: [], info: { name: "Ada", hue: 180 } },
    ],
    durable: false,
    saved: 0,
    expires_at: "2023-11-21T22:13:20.000Z",
    limits: { length: 262_144, frame: 1_114_112, components: 20_000 },
    server: "quartet 1.2.3",
  })
  assert.equal(x.heard.length, 1)
  assert.deepEqual(a.news().at(-1), { UserInfo: { id: 1, info: { name: "Ada", hue: 180 } } })
})

test("DC13 what has not joined after ten seconds is closed, and says nothing else before", (t) => {
  const server = pad(t)
  const protocols = ["quartet-documents-1"]
  const silent = server.join("notes", { protocols })
  server.pass(9_900)
  assert.equal(silent.endedWith, undefined)
  server.pass(100)
  assert.equal(silent.endedWith, "timed-out")
  for (const early of [
    { Edit: { revision: 0, operation: ["x"], seq: 1 } },
    { SetLanguage: "go" },
    { Join: { client: "short" } },
  ]) {
    const far = server.join("notes", { protocols })
    far.says(early)
    assert.equal(far.ended?.code, "bad-message")
    assert.deepEqual(far.heard, [])
  }
})

test("DC44 an edit sent twice is applied once, and answered with Ack", async (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  x.edits(0, ["ab"], 1)
  x.edits(1, [2, "c"], 4)
  x.news()
  x.edits(1, [2, "c"], 4)
  x.edits(0, ["older"], 3)
  assert.deepEqual(x.news(), [{ Ack: { seq: 4, revision: 2 } }, { Ack: { seq: 3, revision: 2 } }])
  assert.equal(await server.text("notes"), "abc")
})

test("DC44 the numbers outlive a restart, by the journal and by the saved rows", async (t) => {
  const uri = joinPath(folder(t), "pad.db")
  for (const end of ["close", "stop"] as const) {
    const server = pad(t, { uri })
    const x = server.extend(end, "x")
    x.edits(0, ["once"], 7)
    server[end]()
    const again = pad(t, { uri })
    const back = again.extend(end, "x")
    assert.equal(welcomeOf(back).applied, 7)
    assert.equal(welcomeOf(back).id, 0)
    back.edits(1, [4, "!"], 7)
    assert.deepEqual(back.news().at(-1), { Ack: { seq: 7, revision: 1 } })
    assert.equal(await again.text(end), "once")
    again.stop()
  }
})

test("DC38 an edit that changes nothing gets an Ack and no revision, also by being moved", (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  const y = server.extend("notes", "y")
  x.edits(0, ["abc"], 1)
  x.edits(1, [-1, 2], 2)
  y.edits(1, [-1, 2], 1)
  assert.deepEqual(y.all("Ack"), [{ seq: 1, revision: 2 }])
  y.edits(2, [2], 2)
  assert.deepEqual(y.all("Ack").at(-1), { seq: 2, revision: 2 })
  assert.equal(x.all("History").length, 2)
  y.edits(1, [-1, 2], 2)
  assert.deepEqual(y.all("Ack").at(-1), { seq: 2, revision: 2 }, "its number counts as used")
})

test("DC44 an Ack comes after the History up to its revision", (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  const y = server.extend("notes", "y")
  y.news()
  x.speaks(JSON.stringify({ Edit: { revision: 0, operation: ["a"], seq: 1 } }))
  y.speaks(JSON.stringify({ Edit: { revision: 0, operation: [], seq: 1 } }))
  assert.deepEqual(y.news(), [], "nothing is told before it is journaled")
  server.turn()
  assert.deepEqual(y.news(), [history(0, [0, ["a"]]), { Ack: { seq: 1, revision: 1 } }])
})

test("DC45 a client key that comes back gets its user id, and the older connection is closed", (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x", { name: "Ada", hue: 1 })
  const other = server.extend("notes", "y")
  other.news()
  const again = server.extend("notes", "x", { name: "Ada", hue: 2 })
  assert.equal(x.endedWith, "taken")
  assert.equal(welcomeOf(again).id, 0)
  assert.deepEqual(other.news(), [
    { UserInfo: { id: 0, info: null } },
    { UserInfo: { id: 0, info: { name: "Ada", hue: 2 } } },
  ])
  x.edits(0, ["late"], 1)
  assert.deepEqual(other.news(), [], "nothing that the older one says is read")
  again.leaves()
  server.pass(1_000)
  assert.equal(welcomeOf(server.extend("notes", "x")).id, 0, "kept while nobody has it")
})

test("DC46 a key that may have been forgotten is answered by when its edit was sent", (t) => {
  const server = pad(t)
  const owner = server.join("notes")
  const old = server.extend("notes", "old")
  old.edits(0, ["x"], 1)
  old.leaves()
  const epoch = welcomeOf(server.extend("notes", "z")).epoch
  const applied = (client: string, resume?: object) => {
    const full = resume && { epoch, revision: 0, seq: 5, age: 0, pending: true, ...resume }
    const far = server.extend("notes", client, full === undefined ? {} : { resume: full })
    const answer = welcomeOf(far).applied
    far.leaves()
    return answer
  }
  assert.equal(applied("a", { age: 1e9 }), 0, "no key was ever forgotten")
  // Thirty days later the old key is forgotten with the next one that comes.
  for (let day = 0; day < 31; day += 1) {
    server.now += 86_400_000
    server.tick()
    server.turn()
  }
  applied("b")
  const sinceSeen = 31 * 86_400
  assert.equal(applied("c", { age: 86_400 }), 0, "sent long after it was last seen")
  assert.equal(applied("d", { age: sinceSeen + 60 }), null, "sent while it was still there")
  assert.equal(applied("e", { age: sinceSeen - 30 }), null, "within the doubt of a minute")
  assert.equal(applied("f", { seq: null }), null)
  assert.equal(applied("g"), 0, "a new one has sent nothing")
  assert.equal(applied("old", { age: sinceSeen }), null, "the forgotten one itself")
  assert.equal(owner.ended, undefined)
})

test("DC58 whoever comes back to the same line of history gets what it misses, no text", (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  const { epoch } = welcomeOf(x)
  x.edits(0, ["a"], 1)
  x.edits(1, [1, "b"], 2)
  x.edits(2, [2, "c"], 3)
  const resume = { epoch, revision: 1, seq: null, age: 0, pending: false }
  const y = server.extend("notes", "y", { resume })
  const welcome = welcomeOf(y)
  assert.deepEqual([welcome.revision, welcome.head, welcome.text], [1, 3, undefined])
  assert.deepEqual(y.heard.slice(1), [history(1, [0, [1, "b"]], [0, [2, "c"]])])
  const z = server.extend("notes", "z", { resume: { ...resume, revision: 3 } })
  assert.deepEqual([welcomeOf(z).revision, welcomeOf(z).text, z.heard.length], [3, undefined, 1])
  for (const bad of [{ epoch: "other" }, { revision: 4 }, { revision: 1e15 }]) {
    const far = server.extend("notes", "w", { resume: { ...resume, ...bad } })
    assert.deepEqual([welcomeOf(far).revision, welcomeOf(far).text], [3, "abc"])
  }
})

test("DC58 a long tail comes from what is not saved yet, and from stored history", (t) => {
  const server = pad(t, { settings: { windowOperations: 10 } })
  const x = server.extend("notes", "x")
  const { epoch } = welcomeOf(x)
  const type = (from: number, to: number) => {
    for (let at = from; at < to; at += 1) x.edits(at, at === 0 ? ["x"] : [at, "x"], at + 1)
  }
  const tailFrom = (revision: number) => {
    const resume = { epoch, revision, seq: null, age: 0, pending: false }
    const far = server.extend("notes", "y", { resume })
    const tail = (far.all("History") as { start: number; operations: object[] }[]).map(
      ({ start, operations }) => [start, operations.length],
    )
    return [welcomeOf(far).text?.length, ...tail]
  }
  type(0, 100)
  assert.deepEqual(tailFrom(3), [undefined, [3, 97]], "not saved, and long out of the window")
  server.pass(60_000)
  assert.deepEqual(tailFrom(3), [undefined, [3, 97]], "saved: from the store")
  type(100, 150)
  assert.deepEqual(tailFrom(3), [undefined, [3, 147]], "from both")
  assert.deepEqual(tailFrom(150), [undefined])
  type(150, 10_500)
  assert.deepEqual(tailFrom(400), [10_500], "more than 10,000: the text is shorter")
})

test("DC59 after a kill the epoch is another, after a stop in order the same", (t) => {
  const uri = joinPath(folder(t), "pad.db")
  const epochs: string[] = []
  for (const end of ["stop", "close", "close"] as const) {
    const server = pad(t, { uri })
    const x = server.extend("notes", "x")
    epochs.push(welcomeOf(x).epoch)
    x.edits(welcomeOf(x).head, [welcomeOf(x).head, "x"].slice(welcomeOf(x).head === 0 ? 1 : 0), 1)
    server[end]()
  }
  assert.equal(epochs[0], epochs[1])
  assert.notEqual(epochs[1], epochs[2])
})

test("DC60 DC39 a refused edit is an Error, and the connection lives on", async (t) => {
  const server = pad(t, { settings: { textLimit: 10 } })
  const x = server.extend("notes", "x")
  x.edits(0, ["12345678"], 1)
  x.news()
  x.edits(1, [8, "abc"], 2)
  assert.deepEqual(x.news(), [
    {
      Error: {
        code: "too-large",
        message: "The text would have 11 characters; 10 is the limit.",
        seq: 2,
        revision: 1,
        retry: false,
      },
    },
  ])
  x.edits(9, [8], 3)
  const [stale] = x.all("Error").slice(-1) as [{ code: string; retry: boolean; revision: number }]
  assert.deepEqual([stale.code, stale.retry, stale.revision], ["stale-revision", true, 1])
  x.edits(1, [7, "prefix"], 4)
  assert.equal((x.all("Error").at(-1) as { code: string }).code, "bad-operation")
  x.edits(1, [8, "ab"], 5)
  assert.equal(await server.text("notes"), "12345678ab")
  assert.equal(x.endedWith, undefined)
})

test("DC39 what does not make a text longer is allowed above the limit", async (t) => {
  const uri = joinPath(folder(t), "pad.db")
  const before = pad(t, { uri })
  before.join("notes").edits(0, ["0123456789"])
  before.stop()
  const server = pad(t, { uri, settings: { textLimit: 4 } })
  const x = server.extend("notes", "x")
  x.edits(1, [9, "!", -1], 1)
  x.edits(2, [-3, 7], 2)
  assert.deepEqual(x.all("Error"), [])
  x.edits(3, ["+", 7], 3)
  assert.equal((x.all("Error").at(-1) as { code: string }).code, "too-large")
  assert.equal(await server.text("notes"), "345678!")
})

test("DC60 ten unreadable messages in a minute close an extended editor, nine do not", (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  for (let count = 0; count < 9; count += 1) x.utters("{")
  assert.equal(x.endedWith, undefined)
  server.pass(60_000)
  for (let count = 0; count < 9; count += 1)
    x.says({ Edit: { revision: 0, operation: ["a\0"], seq: 3 } })
  assert.equal(x.endedWith, undefined)
  const [error] = x.all("Error").slice(-1) as [{ code: string; seq: number }]
  assert.deepEqual(
    [error.code, error.seq],
    ["bad-operation", 3],
    "so that its author takes it back",
  )
  x.says({ Unknown: 1 })
  assert.equal(x.endedWith, "bad-message")
})

test("DC44 an extended edit without a number is a bad message, and so is a second Join", (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  x.edits(0, ["a"])
  x.says({ Join: { client: clientKey("x") } })
  const codes = (x.all("Error") as { code: string }[]).map(({ code }) => code)
  assert.deepEqual(codes, ["bad-message", "bad-message"])
})

test("DC14 DC47 whoever joins amid edits is shown what is journaled, all of it and once", async (t) => {
  const server = pad(t)
  const a = server.join("notes")
  a.speaks(JSON.stringify({ Edit: { revision: 0, operation: ["a"] } }))
  assert.deepEqual(a.all("History"), [], "accepted, and not journaled")
  const b = server.join("notes")
  assert.deepEqual(b.all("History"), [{ start: 0, operations: [{ id: 0, operation: ["a"] }] }])
  a.speaks(JSON.stringify({ Edit: { revision: 1, operation: [1, "b"] } }))
  const x = server.extend("notes", "x")
  assert.equal(welcomeOf(x).text, "ab")
  a.speaks(JSON.stringify({ Edit: { revision: 2, operation: [2, "c"] } }))
  assert.equal(await server.text("notes"), "abc")
  server.turn()
  assert.deepEqual(x.all("History"), [{ start: 2, operations: [{ id: 0, operation: [2, "c"] }] }])
  for (const far of [a, b]) assert.equal(far.all("History").length, 3)
})

test("DC67 cursors of an older revision are moved, clamped, or dropped", (t) => {
  const server = pad(t, { settings: { windowOperations: 5 } })
  const x = server.extend("notes", "x")
  const y = server.extend("notes", "y")
  x.edits(0, ["0123456789"], 1)
  x.edits(1, ["ab", 10], 2)
  server.pass(100)
  y.says({ CursorData: { revision: 1, cursors: [3, 99], selections: [[0, 5]] } })
  assert.deepEqual(x.news().at(-1), {
    Cursors: { revision: 2, cursors: [{ id: 1, cursors: [5, 12], selections: [[0, 7]] }] },
  })
  assert.deepEqual(y.all("Cursors"), [], "the sender knows")
  for (let revision = 2; revision < 12; revision += 1) {
    x.edits(revision, [revision + 10, "x"], revision + 1)
  }
  server.pass(100)
  x.news()
  y.says({ CursorData: { revision: 1, cursors: [1], selections: [] } })
  y.says({ CursorData: { revision: 99, cursors: [1], selections: [] } })
  server.pass(100)
  assert.deepEqual(x.news(), [])
  y.says({ CursorData: { cursors: [1], selections: [] } })
  assert.equal((y.all("Error").at(-1) as { code: string }).code, "bad-message", "no revision")
})

test("DC68 an insert exactly at a caret moves a plain one right and leaves an extended one", (t) => {
  const server = pad(t)
  const a = server.join("notes")
  const x = server.extend("notes", "x")
  a.edits(0, ["0123456789"])
  a.says({ CursorData: { cursors: [5], selections: [] } })
  x.says({ CursorData: { revision: 1, cursors: [5], selections: [[5, 7]] } })
  const b = server.join("notes")
  b.edits(1, [5, "new", 5])
  const { users } = welcomeOf(server.extend("notes", "y"))
  assert.deepEqual(users, [
    { id: 0, cursors: [8], selections: [], info: null },
    { id: 1, cursors: [5], selections: [[5, 10]], info: null },
  ])
})

test("DC69 a caret follows its owner's edit unless the edit says where it is", (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  const y = server.extend("notes", "y")
  const a = server.join("notes")
  const caret = () => {
    const far = server.extend("notes", "z")
    const { users } = welcomeOf(far)
    far.leaves()
    return users.find(({ id }) => id === 0)
  }
  x.edits(0, ["hello"], 1)
  assert.deepEqual(caret(), { id: 0, cursors: [5], selections: [], info: null })
  x.edits(1, [1, "i", -3, 1], 2)
  assert.deepEqual(caret()?.cursors, [2])
  x.edits(2, [-1, 1, "ab", 1], 3)
  assert.deepEqual(caret()?.cursors, [3])
  server.pass(100)
  assert.deepEqual(y.all("Cursors"), [], "typing costs others no cursor message")
  assert.deepEqual((a.all("UserCursor").at(-1) as { data: object }).data, {
    cursors: [3],
    selections: [],
  })
  // What the edit says is moved over the same edits as the edit itself.
  y.edits(3, ["new ", 4], 1)
  x.says({
    Edit: { revision: 3, operation: [4, "!"], seq: 4, cursors: [0, 9], selections: [[0, 4]] },
  })
  server.pass(100)
  assert.deepEqual(caret(), { id: 0, cursors: [0, 9], selections: [[0, 8]], info: null })
  assert.deepEqual(y.all("Cursors").at(-1), {
    revision: 5,
    cursors: [{ id: 0, cursors: [0, 9], selections: [[0, 8]] }],
  })
})

test("DC70 Cursors of a revision come after the History to it, and leave out who moved", (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  const y = server.extend("notes", "y")
  const z = server.extend("notes", "z")
  x.edits(0, ["hello"], 1)
  server.pass(100)
  for (const far of [x, y, z]) far.news()
  x.speaks(JSON.stringify({ CursorData: { revision: 1, cursors: [1], selections: [] } }))
  y.speaks(JSON.stringify({ CursorData: { revision: 1, cursors: [2], selections: [] } }))
  z.speaks(JSON.stringify({ Edit: { revision: 1, operation: ["a", 5], seq: 1 } }))
  server.turn()
  const at = (id: number, position: number) => ({ id, cursors: [position], selections: [] })
  const edit = history(1, [2, ["a", 5]])
  assert.deepEqual(z.news(), [edit, { Cursors: { revision: 2, cursors: [at(0, 2), at(1, 3)] } }])
  assert.deepEqual(x.news(), [edit, { Cursors: { revision: 2, cursors: [at(1, 3)] } }])
  assert.deepEqual(y.news(), [edit, { Cursors: { revision: 2, cursors: [at(0, 2)] } }])
})

test("DC102 an extended editor hears Alive after 20 s without another message", (t) => {
  const server = pad(t)
  const x = server.extend("notes", "x")
  const a = server.join("notes")
  server.pass(19_000)
  assert.deepEqual(x.all("Alive"), [])
  server.pass(1_000)
  assert.deepEqual(x.all("Alive"), [{ revision: 0 }])
  server.pass(10_000)
  a.edits(0, ["x"])
  server.pass(19_000)
  assert.equal(x.all("Alive").length, 1)
  server.pass(2_000)
  assert.deepEqual(x.all("Alive").at(-1), { revision: 1 })
  assert.deepEqual(a.all("Alive"), [])
})

test("DC55 plain and extended editors edit one loaded document, each in its own numbers", async (t) => {
  const uri = joinPath(folder(t), "pad.db")
  const before = pad(t, { uri })
  const author = before.extend("notes", "x")
  author.edits(0, ["hel"], 1)
  author.edits(1, [3, "lo"], 2)
  before.stop()
  const server = pad(t, { uri })
  const a = server.join("notes")
  assert.deepEqual(a.heard[1], history(0, [Number.MAX_SAFE_INTEGER, ["hello"]]), "DC56")
  const x = server.extend("notes", "x")
  assert.equal(welcomeOf(x).revision, 2)
  a.edits(1, [5, "!"])
  assert.deepEqual(a.news().at(-1), history(1, [1, [5, "!"]]))
  assert.deepEqual(x.news().at(-1), history(2, [1, [5, "!"]]))
  x.edits(2, ["> ", 5], 3)
  assert.deepEqual({ History: a.all("History").at(-1) }, history(2, [0, ["> ", 6]]))
  assert.equal(await server.text("notes"), "> hello!")
})

test("DC56 a loaded empty text has no plain history at all", (t) => {
  const uri = joinPath(folder(t), "pad.db")
  const before = pad(t, { uri })
  const author = before.join("notes")
  author.edits(0, ["x"])
  author.edits(1, [-1])
  before.stop()
  const server = pad(t, { uri })
  const a = server.join("notes")
  assert.equal(a.heard.length, 1)
  a.edits(0, ["new"])
  assert.deepEqual(a.news().at(-1), history(0, [1, ["new"]]), "DC10: ids go on above stored ones")
})
