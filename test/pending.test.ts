/**
 * The editor's state machine while its line stands: what it sends and shows for what it is told.
 * A line that drops is in resuming.test.ts, whole schedules in convergence.test.ts.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import type { Effects } from "../src/ot/effects.ts"
import { Operation } from "../src/ot/operation.ts"
import { Pending } from "../src/ot/pending.ts"
import { seeded } from "./ot-arbitraries.ts"
import { by, greeting, hears, me, synchronized, told, types } from "./pending-steps.ts"

test("DC44 synchronized: a local edit is sent at once under the next number", () => {
  const pending = synchronized("ab")
  assert.deepEqual(types(pending, [2, "c"]), [["send", 1, 10, [2, "c"]]])
  assert.equal(pending.state, "awaiting")
  assert.equal(pending.text, "abc")
  assert.deepEqual(hears(pending, 10, by(me, [2, "c"])), [])
  assert.equal(pending.state, "synchronized")
  assert.equal(pending.confirmed, "abc")
  assert.equal(pending.revision, 11)
  assert.deepEqual(types(pending, ["x", 3]), [["send", 2, 11, ["x", 3]]])
})

test("DC44 awaiting: what is typed meanwhile is gathered and sent after the answer", () => {
  const pending = synchronized("")
  types(pending, ["h"])
  assert.deepEqual(types(pending, [1, "e"]), [])
  assert.equal(pending.state, "buffering")
  assert.deepEqual(types(pending, [2, "llo"]), [])
  assert.equal(pending.text, "hello")
  assert.deepEqual(hears(pending, 10, by(me, ["h"])), [["send", 2, 11, [1, "ello"]]])
  assert.equal(pending.state, "awaiting")
})

test("DC32 another's edit is shown moved over what is pending, which stays left on ties", () => {
  const pending = synchronized("ab")
  types(pending, [1, "X", 1])
  types(pending, [2, "Y", 1])
  assert.deepEqual(hears(pending, 10, by(3, [1, "o", 1])), [["show", "others", [3, "o", 1]]])
  assert.equal(pending.text, "aXYob")
  assert.equal(pending.confirmed, "aob")
  assert.deepEqual(hears(pending, 11, by(me, [1, "X", 2])), [["send", 2, 12, [2, "Y", 2]]])
})

test("DC52 several elements in one message are taken one by one, and sent for once", () => {
  const pending = synchronized("")
  types(pending, ["a"])
  types(pending, [1, "b"])
  const effects = pending.history(10, [by(1, ["1"]), by(me, ["a", 1]), by(2, [2, "2"])], 0)
  assert.deepEqual(told(effects), [
    ["show", "others", [2, "1"]],
    ["show", "others", [3, "2"]],
    ["send", 2, 13, [1, "b", 2]],
  ])
  assert.deepEqual(
    effects.map((effect) => (effect.kind === "show" ? effect.id : undefined)),
    [1, 2, undefined],
  )
  assert.equal(pending.text, "ab12")
})

test("DC44 what a message brings a second time is left out", () => {
  const pending = synchronized("")
  hears(pending, 10, by(1, ["1"]))
  const again = hears(pending, 10, by(1, ["1"]), by(1, [1, "2"]))
  assert.deepEqual(again, [["show", "others", [1, "2"]]])
  assert.deepEqual(hears(pending, 10, by(1, ["1"])), [])
  assert.equal(pending.text, "12")
  assert.equal(pending.revision, 12)
})

test("DC38 an edit that became a no-op is dropped by its Ack, and the next one leaves", () => {
  const pending = synchronized("abc")
  types(pending, [1, -1, 1])
  types(pending, [2, "!"])
  assert.deepEqual(hears(pending, 10, by(1, [1, -1, 1])), [])
  assert.deepEqual(told(pending.ack(1, 0)), [["send", 2, 11, [2, "!"]]])
  assert.deepEqual(told(pending.ack(1, 0)), [], "an Ack for another number is ignored")
  assert.equal(pending.text, "ac!")
})

test("DC38 what was typed and deleted again is never sent", () => {
  const pending = synchronized("a")
  types(pending, ["x", 1])
  types(pending, [2, "y"])
  types(pending, [2, -1])
  assert.deepEqual(hears(pending, 10, by(me, ["x", 1])), [])
  assert.equal(pending.state, "synchronized")
  assert.deepEqual(types(pending, [2]), [], "nor is a no-op")
})

test("DC34 a local edit that does not fit the shown text is refused, and nothing changes", () => {
  const pending = synchronized("ab")
  assert.throws(() => types(pending, [1, "x"]), RangeError)
  assert.throws(() => types(pending, [3]), RangeError)
  assert.equal(pending.text, "ab")
  assert.deepEqual(types(pending, [2, "c"]), [["send", 1, 10, [2, "c"]]])
})

test("DC60 a refused edit is taken out, what was typed after it stays and is sent", () => {
  const pending = synchronized("ab")
  types(pending, [1, "LONG", -1])
  types(pending, [5, "!"])
  types(pending, [2, -1, 3])
  assert.equal(pending.text, "aLNG!")
  const effects = pending.error({ code: "too-large", seq: 1, revision: 10 }, 0)
  assert.deepEqual(told(effects), [
    ["show", "rollback", [1, "b", -3, 1]],
    ["refused", "too-large", "LONG"],
    ["send", 2, 10, [2, "!"]],
  ])
  assert.equal(pending.text, "ab!")
  assert.deepEqual(told(pending.error({ code: "too-large", seq: 1, revision: 10 }, 0)), [])
})

test("DC60 a stale edit is sent again once we have what it lacked", () => {
  const pending = synchronized("")
  types(pending, ["a"])
  const stale = { code: "stale-revision", seq: 1, revision: 12 } as const
  assert.deepEqual(told(pending.error(stale, 0)), [])
  assert.deepEqual(hears(pending, 10, by(1, ["1"])), [["show", "others", [1, "1"]]])
  assert.deepEqual(hears(pending, 11, by(1, [1, "2"])), [
    ["show", "others", [2, "2"]],
    ["send", 1, 12, ["a", 2]],
  ])
  assert.deepEqual(told(pending.error({ ...stale, revision: 12 }, 0)), [["send", 1, 12, ["a", 2]]])
  assert.deepEqual(told(pending.error({ ...stale, revision: 11 }, 0)), [["fault"]])
})

test("DC51 an edit that the server could not take waits for the next socket", () => {
  const pending = synchronized("")
  types(pending, ["a"], 1_000)
  assert.deepEqual(told(pending.error({ code: "unavailable", seq: 1, revision: 10 }, 0)), [])
  assert.equal(pending.state, "awaiting")
  pending.disconnected()
  assert.equal(pending.state, "resuming")
  assert.deepEqual(pending.join(4_900).resume, {
    epoch: "e.1",
    revision: 10,
    seq: 1,
    age: 3,
    pending: true,
  })
  assert.deepEqual(told(pending.welcome(greeting, 5_000)), [["send", 1, 10, ["a"]]])
})

test("DC13 a first Join asks for the whole text; what was typed before it stays", () => {
  const pending = new Pending("key")
  assert.deepEqual(pending.join(0), { client: "key" })
  assert.deepEqual(types(pending, ["early"]), [])
  assert.equal(pending.state, "resuming")
  const effects = pending.welcome({ ...greeting, text: "old " }, 0)
  assert.deepEqual(told(effects), [
    ["show", "others", [5, "old "]],
    ["send", 1, 10, ["early", 4]],
  ])
})

test("DC57 the tail of a Welcome belongs to its text, and edits leave when it is whole", () => {
  const pending = new Pending("key")
  types(pending, ["!"])
  assert.deepEqual(told(pending.welcome({ ...greeting, text: "one", head: 12 }, 0)), [])
  assert.deepEqual(hears(pending, 10, by(1, [3, " two"])), [])
  assert.equal(pending.text, "!")
  assert.deepEqual(hears(pending, 11, by(me, [7, " three"])), [
    ["show", "others", [1, "one two three"]],
    ["send", 1, 12, ["!", 13]],
  ])
})

test("DC61 every kind of fault gives the line up and joins anew without a revision", () => {
  const faults: readonly ((pending: Pending) => Effects)[] = [
    (pending) => pending.history(11, [], 0), // a gap
    (pending) => pending.history(10, [by(1, [5, "x"])], 0), // does not fit
    (pending) => pending.history(10, [by(1, [1, "x"]), by(1, [1, "x"])], 0), // nor does the second
    (pending) => pending.history(10, [by(me, ["b", 1])], 0), // not what we sent
    (pending) => pending.ack(1, 0), // no no-op
    (pending) => pending.error({ code: "stale-revision", seq: 1, revision: 9 }, 0),
    (pending) => pending.welcome(greeting, 0), // a second one
    (pending) => pending.diverged(),
  ]
  for (const [at, fault] of faults.entries()) {
    const pending = synchronized("z")
    types(pending, ["a", 1])
    types(pending, [1, "b", 1])
    assert.deepEqual(told(fault(pending)), [["fault"]], `fault ${at}`)
    assert.equal(pending.state, "resuming")
    assert.deepEqual(pending.join(0), { client: "key" })
    assert.deepEqual(types(pending, [3, "c"]), [], "typing goes on")
    assert.deepEqual(hears(pending, 10, by(1, [1, "x"])), [], "and the old socket is not heard")
    const effects = pending.welcome({ ...greeting, head: 11, applied: 1, text: "z" }, 0)
    assert.deepEqual(told(effects), [])
    assert.deepEqual(hears(pending, 10, by(me, ["a", 1])), [
      ["show", "others", [1, -1, 2]],
      ["send", 2, 11, [2, "c"]],
      ["lost", "diverged", "abzc", "az"],
    ])
    assert.deepEqual(told(pending.resend(0)), [["show", "me", [1, "b", 2]]])
  }
})

test("DC41 an edit of too many components is sent in parts that do the same", () => {
  const pending = synchronized("ab".repeat(20_000))
  pending.disconnected()
  const replaceAll = Array.from({ length: 20_000 }, () => ["X", -1, 1]).flat()
  types(pending, replaceAll)
  const sent: Operation[] = []
  let effects = pending.welcome(greeting, 0)
  for (let revision = 10; effects.length > 0; revision += 1) {
    const [send] = effects
    assert.ok(send?.kind === "send" && send.revision === revision)
    assert.ok(send.operation.size <= 20_000)
    sent.push(send.operation)
    effects = pending.history(revision, [{ id: me, operation: send.operation }], 0)
  }
  assert.equal(sent.length, 7)
  assert.equal(pending.text, "Xb".repeat(20_000))
  assert.equal(pending.confirmed, pending.text)
})

test("DC142 a key press in a long text with astral characters costs no more than in a short one", () => {
  // The least of several rounds, in ms for 200 key presses with their answers.
  const round = (pending: Pending, random: () => number) => {
    const start = performance.now()
    for (let key = 0; key < 200; key += 1) {
      const place = Math.floor(random() * pending.length)
      const operation = Operation.from([place, "x", pending.length - place])
      pending.local(operation, 0)
      pending.history(pending.revision, [{ id: me, operation }], 0)
    }
    return performance.now() - start
  }
  const least = (text: string) => {
    const pending = synchronized(text)
    const random = seeded(5)
    return Math.min(...Array.from({ length: 15 }, () => round(pending, random)))
  }
  least("warm up")
  const short = least("hello w😀o\n".repeat(100))
  const long = least("hello w😀o\n".repeat(26_000))
  assert.ok(long < 10 * Math.max(short, 1), `${long} ms in 256 KB, ${short} ms in 1 KB`)
  assert.ok(long / 200 < 2, `${long / 200} ms for a key press`)
})
