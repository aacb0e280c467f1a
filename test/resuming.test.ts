/**
 * The editor's state machine when its line dropped: what it finds when it comes back, and what
 * becomes of what was in flight and of what was typed meanwhile.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import type { PendingRecord } from "../src/ot/effects.ts"
import { Pending } from "../src/ot/pending.ts"
import { by, greeting, hears, me, synchronized, told, types } from "./pending-steps.ts"

/** One that has sent "a", typed "b", and lost its line. Others' edits lie to the right of it. */
function cutOff(): Pending {
  const pending = synchronized("z")
  types(pending, ["a", 1])
  types(pending, [1, "b", 1])
  pending.disconnected()
  types(pending, [2, "c", 1])
  assert.equal(pending.text, "abcz")
  return pending
}

test("DC44 resuming: sent and not received, the edit is sent again with its number", () => {
  const pending = cutOff()
  assert.deepEqual(told(pending.welcome({ ...greeting, head: 12 }, 0)), [])
  assert.deepEqual(hears(pending, 10, by(1, [1, "1"]), by(2, [2, "2"])), [
    ["show", "others", [4, "12"]],
    ["send", 1, 12, ["a", 3]],
  ])
  assert.equal(pending.state, "buffering")
  assert.deepEqual(hears(pending, 12, by(me, ["a", 3])), [["send", 2, 13, [1, "bc", 3]]])
})

test("DC44 resuming: applied and not acknowledged, the edit is found in the tail", () => {
  const pending = cutOff()
  assert.deepEqual(told(pending.welcome({ ...greeting, head: 13, applied: 1 }, 0)), [])
  const tail = [by(1, [1, "1"]), by(me, ["a", 2]), by(2, [3, "2"])]
  assert.deepEqual(hears(pending, 10, ...tail), [
    ["show", "others", [4, "1"]],
    ["show", "others", [5, "2"]],
    ["send", 2, 13, [1, "bc", 3]],
  ])
  assert.equal(pending.text, "abcz12")
})

test("DC44 resuming: applied as a no-op, the edit is dropped", () => {
  const pending = synchronized("ab")
  types(pending, [-1, 1])
  types(pending, [1, "c"])
  pending.disconnected()
  pending.welcome({ ...greeting, head: 11, applied: 1 }, 0)
  assert.deepEqual(hears(pending, 10, by(1, [-1, 1])), [["send", 2, 11, [1, "c"]]])
})

test("DC44 resuming: never sent, what was typed offline leaves as one edit", () => {
  const pending = synchronized("z")
  pending.disconnected()
  for (const [at, key] of Array.from("hello").entries()) types(pending, [at, key, 1])
  assert.equal(pending.join(0).resume?.seq, null)
  assert.equal(pending.join(0).resume?.pending, true)
  const effects = pending.welcome({ ...greeting, applied: 0 }, 0)
  assert.deepEqual(told(effects), [["send", 1, 10, ["hello", 1]]])
  // The line drops again: the same edit, not another one.
  pending.disconnected()
  pending.welcome({ ...greeting, head: 11, applied: 1 }, 0)
  assert.deepEqual(hears(pending, 10, by(me, ["hello", 1])), [])
  assert.equal(pending.text, "helloz")
})

test("DC46 the age of an edit counts from when it was first sent", () => {
  const pending = synchronized("z")
  types(pending, ["a", 1], 5_000)
  for (const at of [9_000, 20_000]) {
    pending.disconnected()
    pending.welcome(greeting, at)
  }
  pending.disconnected()
  assert.equal(pending.join(65_900).resume?.age, 60)
  assert.equal(pending.join(1_000).resume?.age, 0, "also when a clock was set back")
})

test("DC58 resuming with the whole text: what was applied is not shown twice", () => {
  const pending = cutOff()
  const effects = pending.welcome({ ...greeting, epoch: "e.2", applied: 1, text: "az!" }, 0)
  assert.deepEqual(told(effects), [
    ["show", "others", [4, "!"]],
    ["send", 2, 10, [1, "bc", 2]],
  ])
  assert.equal(pending.text, "abcz!")
  assert.equal(pending.epoch, "e.2")
})

test("DC58 resuming with the whole text: what was not applied is sent again", () => {
  const pending = cutOff()
  const effects = pending.welcome({ ...greeting, epoch: "e.2", revision: 3, head: 3, text: "Z" }, 0)
  assert.deepEqual(told(effects), [
    ["show", "others", [3, "Z", -1]],
    ["send", 1, 3, ["a", 1]],
  ])
  assert.equal(pending.text, "abcZ")
})

test("DC44 a line that drops amid the tail leaves all as it was", () => {
  const pending = cutOff()
  pending.welcome({ ...greeting, head: 13, applied: 1 }, 0)
  hears(pending, 10, by(1, [1, "1"]))
  pending.disconnected()
  assert.equal(pending.join(0).resume?.revision, 11)
  pending.welcome({ ...greeting, epoch: "e.2", revision: 2, head: 5, applied: 1, text: "no" }, 0)
  hears(pending, 2, by(1, [2, "!"]))
  pending.disconnected()
  assert.deepEqual(
    [pending.epoch, pending.revision, pending.text, pending.confirmed],
    ["e.1", 11, "abcz1", "z1"],
  )
  assert.deepEqual(hears(pending, 11, by(1, [2, "late"])), [], "a given-up socket says nothing")
  pending.welcome({ ...greeting, revision: 11, head: 12, applied: 1 }, 0)
  assert.deepEqual(hears(pending, 11, by(me, ["a", 2])), [["send", 2, 12, [1, "bc", 2]]])
})

test("DC37 resuming: before our own edit the tail is taken one by one", () => {
  const pending = synchronized("abcdefghij")
  types(pending, [5, "Q", 5])
  pending.disconnected()
  pending.welcome({ ...greeting, head: 13, applied: 1 }, 0)
  hears(pending, 10, by(1, [3, -4, 3]), by(1, [3, "Y", 3]), by(me, [3, "Q", 4]))
  assert.equal(pending.state, "synchronized")
  assert.equal(pending.text, "abcQYhij")
})

test("DC148 not known whether applied: the edit is taken out, shown beside, and put back on demand", () => {
  const pending = cutOff()
  const effects = pending.welcome({ ...greeting, id: 20, head: 12, applied: null }, 0)
  assert.deepEqual(told(effects), [["show", "rollback", [-1, 3]]])
  // It had been applied; the old user id means nothing now.
  assert.deepEqual(hears(pending, 10, by(me, ["a", 1]), by(1, [2, "1"])), [
    ["show", "others", [2, "a", 1, "1"]],
    ["send", 2, 12, ["bc", 3]],
    ["lost", "unsure", "abcz", "az1"],
  ])
  assert.equal(pending.text, "bcaz1")
  assert.deepEqual(hears(pending, 12, by(20, ["bc", 3]), by(1, [5, "2"])), [
    ["show", "others", [5, "2"]],
  ])
  assert.deepEqual(told(pending.resend(0)), [
    ["show", "me", ["a", 6]],
    ["send", 3, 14, ["a", 6]],
  ])
  assert.deepEqual(told(pending.resend(0)), [], "once")
})

test("DC46 an edit that was never sent is not in doubt", () => {
  const pending = synchronized("z")
  pending.disconnected()
  types(pending, ["a", 1])
  const effects = pending.welcome({ ...greeting, applied: null }, 0)
  assert.deepEqual(told(effects), [["send", 1, 10, ["a", 1]]])
})

test("DC149 a server that has less than it acknowledged: both texts, and all goes on", () => {
  const pending = synchronized("z")
  types(pending, ["kept ", 1])
  hears(pending, 10, by(me, ["kept ", 1]))
  types(pending, [6, "!"])
  pending.disconnected()
  const effects = pending.welcome({ ...greeting, epoch: "e.2", applied: 0, text: "z" }, 0)
  assert.deepEqual(told(effects), [
    ["show", "others", [-5, 2]],
    ["send", 2, 10, [1, "!"]],
    ["lost", "rolled-back", "kept z!", "z"],
  ])
  // What came meanwhile stays; what the server lacks is put back around it.
  assert.deepEqual(hears(pending, 10, by(1, [1, "1"])), [["show", "others", [2, "1"]]])
  hears(pending, 11, by(me, [1, "!", 1]))
  assert.deepEqual(told(pending.resend(0)), [
    ["show", "me", ["kept ", 3]],
    ["send", 3, 12, ["kept ", 3]],
  ])
})

test("DC149 a loss is told once", () => {
  const pending = synchronized("z")
  types(pending, ["a", 1])
  hears(pending, 10, by(me, ["a", 1]))
  const after = (epoch: string) => {
    pending.disconnected()
    return told(pending.welcome({ ...greeting, epoch, applied: 0, text: "z" }, 0))
  }
  assert.deepEqual(after("e.2").at(-1), ["lost", "rolled-back", "az", "z"])
  assert.deepEqual(after("e.3"), [])
})

test("DC59 in the same epoch a lower number means a forgotten key, not a loss", () => {
  const pending = synchronized("")
  types(pending, ["a"])
  hears(pending, 10, by(me, ["a"]))
  pending.disconnected()
  assert.deepEqual(told(pending.welcome({ ...greeting, id: 9, revision: 11, head: 11 }, 0)), [])
  assert.deepEqual(types(pending, [1, "b"]), [["send", 2, 11, [1, "b"]]])
})

test("DC38 a no-op that a killed server forgot is no loss", () => {
  const pending = synchronized("abc")
  types(pending, [-1, 2])
  hears(pending, 10, by(1, [-1, 2]))
  pending.ack(1, 0)
  pending.disconnected()
  const effects = pending.welcome({ ...greeting, epoch: "e.2", applied: 0, text: "bc" }, 0)
  assert.deepEqual(told(effects), [])
})

/** One that had "mine" confirmed and typed "!", and now finds nothing. */
function emptied(): Pending {
  const pending = synchronized("mine")
  types(pending, [4, "!"])
  pending.disconnected()
  const nothing = { ...greeting, epoch: "e.9", revision: 0, head: 0, fresh: true, text: "" }
  assert.deepEqual(told(pending.welcome(nothing, 0)), [["emptied", "mine!"]])
  assert.equal(pending.state, "resuming")
  assert.deepEqual(types(pending, [5, "?"]), [], "nothing is sent until its user decides")
  return pending
}

test("DC150 nothing there any more: restore sends the shown text as one edit", () => {
  const pending = emptied()
  assert.deepEqual(told(pending.restore(0)), [["send", 2, 0, ["mine!?"]]])
  assert.deepEqual(hears(pending, 0, by(me, ["mine!?"])), [])
  assert.equal(pending.text, "mine!?")
  assert.deepEqual(told(pending.restore(0)), [], "once")
})

test("DC150 nothing there any more: discard shows the empty text", () => {
  const pending = emptied()
  assert.deepEqual(told(pending.discard(0)), [["show", "others", [-6]]])
  assert.equal(pending.state, "synchronized")
  assert.deepEqual(types(pending, ["new"]), [["send", 2, 0, ["new"]]])
})

test("DC150 if someone typed before its user decided, theirs stays and ours is offered", () => {
  const pending = emptied()
  assert.deepEqual(hears(pending, 0, by(1, ["theirs"])), [])
  const effects = told(pending.restore(0))
  assert.deepEqual(effects.at(-1), ["lost", "rolled-back", "mine!?", "theirs"])
  assert.ok(effects.every(([kind]) => kind !== "send"))
  assert.equal(pending.text, "theirs")
  assert.equal(pending.state, "synchronized")
  pending.resend(0)
  assert.equal(pending.text, "mine!?")
})

test("DC150 after a fault, too, what is offered is all that was shown until its user decided", () => {
  const pending = synchronized("mine")
  pending.diverged()
  types(pending, [4, "!"])
  pending.welcome({ ...greeting, epoch: "e.2", revision: 0, head: 0, fresh: true, text: "" }, 0)
  hears(pending, 0, by(1, ["theirs"]))
  types(pending, [5, "?"])
  assert.deepEqual(told(pending.restore(0)).at(-1), ["lost", "rolled-back", "mine!?", "theirs"])
  pending.resend(0)
  assert.equal(pending.text, "mine!?")
})

test("DC150 after a fault, too, a text that is restored is not called lost", () => {
  const pending = synchronized("mine")
  pending.diverged()
  types(pending, [4, "!"])
  pending.welcome({ ...greeting, epoch: "e.2", revision: 0, head: 0, fresh: true, text: "" }, 0)
  assert.deepEqual(told(pending.restore(0)), [["send", 1, 0, ["mine!"]]])
})

test("DC150 an undecided line that drops leaves all as it was", () => {
  const pending = emptied()
  pending.disconnected()
  assert.equal(pending.text, "mine!?")
  assert.equal(pending.epoch, "e.1")
  assert.equal(pending.join(0).resume?.seq, 1)
})

test("DC44 an element of ours that cannot be ours is a fault", () => {
  const pending = synchronized("z")
  assert.deepEqual(hears(pending, 10, by(me, ["a", 1])), [["fault"]])
  const resumed = synchronized("z")
  resumed.disconnected()
  resumed.welcome({ ...greeting, head: 11 }, 0)
  assert.deepEqual(hears(resumed, 10, by(me, ["a", 1])), [["fault"]])
  const applied = cutOff()
  applied.welcome({ ...greeting, head: 11, applied: 1 }, 0)
  // Applied, it was said, and then not in the tail.
  assert.deepEqual(hears(applied, 10, by(1, [1, "1"])).at(-1), ["fault"])
  const elsewhere = cutOff()
  assert.deepEqual(told(elsewhere.welcome({ ...greeting, revision: 9 }, 0)), [["fault"]])
  const other = cutOff()
  assert.deepEqual(told(other.welcome({ ...greeting, epoch: "e.2" }, 0)), [["fault"]])
})

test("DC143 a record goes on where it was kept, through JSON", () => {
  const pending = cutOff()
  const kept: PendingRecord = JSON.parse(JSON.stringify(pending.record))
  const again = new Pending("key", kept)
  assert.deepEqual(again.record, pending.record)
  assert.equal(again.text, "abcz")
  assert.deepEqual(again.join(9_000), pending.join(9_000))
  again.welcome({ ...greeting, head: 11, applied: 1 }, 0)
  assert.deepEqual(hears(again, 10, by(me, ["a", 1])), [["send", 2, 11, [1, "bc", 1]]])
  assert.throws(() => new Pending("key", { ...kept, confirmed: "longer" }), RangeError)
  assert.throws(() => new Pending("key", { ...kept, buffer: [0.5] }), RangeError)
  const empty: PendingRecord = JSON.parse(JSON.stringify(new Pending("key").record))
  assert.deepEqual(new Pending("key", empty).join(0), { client: "key" })
})

test("DC148 a record older than what was sent: what it holds pending is in doubt", () => {
  const pending = synchronized("z")
  pending.disconnected()
  types(pending, ["a", 1])
  const kept = pending.record // the tab sends "a" after this, and dies
  const again = new Pending("key", kept)
  const effects = again.welcome({ ...greeting, head: 12, applied: 2 }, 0)
  assert.deepEqual(told(effects), [["show", "rollback", [-1, 1]]])
  assert.deepEqual(hears(again, 10, by(me, ["a", 1]), by(me, [1, "b", 1])), [
    ["show", "others", ["ab", 1]],
    ["lost", "unsure", "az", "abz"],
  ])
  assert.deepEqual(types(again, [3, "!"]), [["send", 3, 12, [3, "!"]]])
  // With nothing pending there is nothing to doubt.
  const idle = new Pending("key", { ...kept, buffer: undefined })
  assert.deepEqual(told(idle.welcome({ ...greeting, head: 11, applied: 1 }, 0)), [])
  assert.deepEqual(hears(idle, 10, by(me, ["a", 1])), [["show", "others", ["a", 1]]])
})

test("DC148 what is typed after a doubt is not in doubt, though the line drops again", () => {
  const pending = synchronized("z")
  pending.disconnected()
  types(pending, ["a", 1])
  const again = new Pending("key", pending.record)
  again.welcome({ ...greeting, head: 11, applied: 1 }, 0)
  assert.deepEqual(types(again, [1, "!"]), [])
  again.disconnected()
  assert.deepEqual(told(again.welcome({ ...greeting, head: 11, applied: 1 }, 0)), [])
  assert.deepEqual(hears(again, 10, by(me, ["a", 1])), [
    ["show", "others", ["a", 2]],
    ["send", 2, 11, [2, "!"]],
    ["lost", "unsure", "az", "az"],
  ])
})
