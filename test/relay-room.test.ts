/** A Yjs room on one server: who is asked, who is told what, and who waits. */
import assert from "node:assert/strict"
import { test } from "node:test"
import * as Y from "yjs"
import { authored, identity, RelayWorld, textOf, typed, type YjsEnd } from "./relay-parts.ts"

const viewer = identity({ subject: "vic", role: "viewer" })

/** The content that it was given first. */
function contentOf(end: YjsEnd): string | undefined {
  const given = end.given.find(({ kind }) => kind === "step2")
  return given?.kind === "step2" ? textOf(given.update) : undefined
}

/** A room that `holder` has filled with "hello". */
async function filled(world = new RelayWorld()) {
  const doc = authored(1, "hello")
  return { world, doc, holder: await world.begins(doc) }
}

test("RL9 a room lingers after its last replica, and is then forgotten", async () => {
  const { world, holder } = await filled()
  await holder.goes("clean")
  await world.pass(4_900)
  assert.equal(world.relay.rooms.size, 1)
  await world.pass(200)
  assert.equal(world.relay.rooms.size, 0)
})

test("RL9 a room stays for who comes while it lingers", async () => {
  const { world, holder, doc } = await filled()
  await holder.goes("broken")
  await world.pass(4_900)
  await world.joins(doc)
  await world.pass(10_000)
  assert.equal(world.relay.rooms.size, 1)
})

test("RL8 what is said in one room is heard in no other", async () => {
  const { world, holder, doc } = await filled()
  const other = await world.joins(authored(2), { room: "other" })
  await world.pass(500)
  other.take()
  holder.update(typed(doc, " there"))
  holder.shows({ id: 1, clock: 1, state: '{"a":1}' })
  await world.pass(1_000)
  assert.deepEqual(other.news(), [])
})

test("RL10 a change goes to every other replica, and not to its own", async () => {
  const { world, holder, doc } = await filled()
  const others = [await world.joins(doc), await world.joins(doc)]
  await world.pass(500)
  for (const end of [holder, ...others]) end.take()
  holder.update(typed(doc, "!"))
  assert.deepEqual(holder.news(), [])
  for (const end of others) assert.equal(end.heard.length, 1)
})

test("RL16 a change arrives byte for byte", async () => {
  const { world, holder, doc } = await filled()
  const other = await world.joins(doc)
  holder.step2(doc, Y.encodeStateVector(doc))
  other.take()
  const update = typed(doc, " and so on")
  holder.update(update)
  assert.deepEqual(other.heard, [{ kind: "update", update }])
})

test("RL17 two frames of one replica arrive in the order they were sent", async () => {
  const { world, holder, doc } = await filled()
  const other = await world.joins(authored(2))
  holder.step2(doc)
  await world.pass(500)
  other.take()
  for (let n = 1; n < 6; n++) {
    holder.update(typed(doc, "a"))
    holder.shows({ id: 1, clock: n, state: `{"n":${n}}` })
  }
  await world.pass(200)
  const heard = other.heard.map((message) => {
    if (message.kind === "update") return Y.decodeUpdate(message.update).structs[0]?.id.clock
    return message.kind === "awareness" ? message.rows[0]?.state : message.kind
  })
  assert.deepEqual(heard, [5, '{"n":1}', 6, 7, 8, 9, '{"n":5}'])
})

test("RL17 presence does not overtake the changes that were sent before it", async () => {
  const { world, holder, doc } = await filled()
  const other = await world.joins(doc)
  await world.pass(500)
  other.take()
  holder.update(typed(doc, "a"))
  holder.update(typed(doc, "b"))
  holder.shows({ id: 1, clock: 1, state: '{"at":7}' })
  await world.pass(200)
  const kinds = other.heard.map(({ kind }) => kind)
  assert.deepEqual(kinds, ["update", "update", "awareness"])
})

test("RL22 a newcomer's question is put to one holder, whose answer it gets", async () => {
  const { world, holder, doc } = await filled()
  const second = await world.joins(authored(2))
  assert.deepEqual(holder.news(), ["step1 {}"])
  assert.deepEqual(second.news(), [])
  holder.step2(doc)
  assert.deepEqual(second.news(), ["step2 hello"])
  const third = await world.joins(authored(3))
  assert.equal(holder.asks, 1)
  assert.equal(second.asks, 0)
  await holder.goes("broken")
  assert.equal(second.asks, 1, "who was given the content is a holder, too")
  second.step2(doc)
  assert.equal(contentOf(third), "hello")
})

test("RL22 a newcomer with something is asked for under what it has", async () => {
  const { world, holder, doc } = await filled()
  const copy = authored(2)
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc))
  holder.update(typed(doc, " there"))
  const newcomer = await world.joins(copy)
  assert.deepEqual(holder.news(), ["step1 {1:5}"])
  holder.step2(doc, Y.encodeStateVector(copy))
  assert.deepEqual(newcomer.told, ["step1 {1:11}", "step2 pending"])
})

test("RL23 the n-th answer is to the n-th question, and one that was not asked for is a change", async () => {
  const { world, holder, doc } = await filled(new RelayWorld({ limits: { askMs: 1_000 } }))
  const second = await world.joins(doc)
  holder.step2(doc, Y.encodeStateVector(doc))
  second.step2(Uint8Array.of(0, 0))
  await world.pass(100)
  for (const end of [holder, second]) end.take()
  const other = authored(4, "X")
  holder.step2(other)
  await world.pass(100)
  assert.deepEqual(second.news(), ["update X"])
  const [first, part] = [await world.joins(authored(5)), await world.joins(authored(6, "6"))]
  assert.deepEqual(holder.news(), ["step1 {}"])
  assert.deepEqual(second.news(), ["step1 {6:1}"])
  second.step2(authored(8, "b"))
  holder.step2(authored(7, "a"))
  assert.equal(contentOf(first), "a")
  assert.equal(contentOf(part), "b")
})

test("RL23 of several questions the first answer is to the first", async () => {
  const { world, holder } = await filled()
  const [empty, part] = [await world.joins(authored(5)), await world.joins(authored(6, "6"))]
  assert.deepEqual(holder.news(), ["step1 {}", "step1 {6:1}"])
  holder.step2(authored(7, "a"))
  assert.deepEqual([contentOf(empty), contentOf(part)], ["a", undefined])
  holder.step2(authored(8, "b"))
  assert.equal(contentOf(part), "b")
})

test("RL24 who comes with something is asked for what the others lack, and they get it", async () => {
  const { world, holder, doc } = await filled()
  const copy = authored(2)
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc))
  const away = typed(copy, " offline")
  const back = await world.joins(copy)
  assert.deepEqual(back.news(), ["step1 {1:5}"])
  holder.take()
  back.step2(copy, Uint8Array.of(1, 1, 5))
  await world.pass(100)
  assert.deepEqual(holder.heard, [{ kind: "update", update: away }])
})

test("RL25 newcomers who come while an ask is out share the next one", async () => {
  const { world, holder, doc } = await filled()
  const first = await world.joins()
  const later = await Promise.all([world.joins(), world.joins(), world.joins()])
  assert.equal(holder.asks, 1)
  holder.step2(doc)
  assert.equal(contentOf(first), "hello")
  for (const end of later) assert.equal(contentOf(end), undefined)
  assert.equal(holder.asks, 2)
  holder.step2(doc)
  for (const end of later) assert.equal(contentOf(end), "hello")
  assert.equal(holder.asks, 2)
})

test("RL25 who has something is gathered under the lowest of their vectors", async () => {
  const { world, holder, doc } = await filled()
  const copies = [5, 8, 11].map((length) => {
    const copy = authored(length)
    if (doc.getText("t").length < length) holder.update(typed(doc, "abc"))
    Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc))
    return copy
  })
  await world.pass(100)
  holder.take()
  const ends: YjsEnd[] = []
  for (const copy of [copies[2]!, copies[1]!, copies[0]!]) ends.push(await world.joins(copy))
  assert.deepEqual(holder.news(), ["step1 {1:11}"])
  holder.step2(doc, Uint8Array.of(1, 1, 11))
  assert.deepEqual(holder.news(), ["step1 {1:5}"])
})

test("RL25 a thousand who join within a second cost the holders at most ten uploads", async () => {
  const { world, holder, doc } = await filled()
  let uploads = 0
  const ends: YjsEnd[] = []
  const answer = () => {
    for (const end of [holder, ...ends]) {
      for (const { kind } of end.take()) {
        if (kind !== "step1") continue
        end.step2(doc)
        uploads++
      }
    }
  }
  for (let n = 0; n < 100; n++) {
    for (let each = 0; each < 10; each++) {
      const end = world.comes()
      end.step1(new Y.Doc())
      ends.push(end)
    }
    await world.pass(10)
    answer()
  }
  assert.ok(uploads <= 10, `${uploads} uploads`)
  await world.pass(1_000)
  answer()
  for (const end of ends) assert.equal(contentOf(end), "hello")
})

test("RL26 a late ask goes to another holder, and the late answer to its asker as a change", async () => {
  const { world, holder, doc } = await filled()
  const second = await world.joins(doc)
  holder.step2(doc, Y.encodeStateVector(doc))
  second.step2(Uint8Array.of(0, 0))
  const newcomer = await world.joins()
  const next = await world.joins(authored(9, "9"))
  assert.deepEqual([holder.asks, second.asks], [2, 2])
  await world.pass(2_100)
  assert.equal(second.asks, 3)
  holder.take()
  second.take()
  second.step2(doc)
  second.step2(doc)
  assert.equal(contentOf(newcomer), "hello")
  newcomer.take()
  holder.step2(authored(7, "late"))
  assert.deepEqual(newcomer.news(), ["update late"])
  assert.notEqual(contentOf(next), undefined)
})

test("RL26 who missed three asks is left alone for half a minute", async () => {
  const { world, holder } = await filled()
  const newcomer = await world.joins()
  await world.pass(6_500)
  assert.equal(holder.asks, 3)
  await world.pass(20_000)
  assert.equal(holder.asks, 3)
  assert.equal(newcomer.code, undefined)
  await world.pass(3_000)
  assert.equal(holder.asks, 3)
})

test("RL27 the asks of a holder that leaves go elsewhere at once", async () => {
  const { world, holder, doc } = await filled()
  const second = await world.joins(doc)
  holder.step2(doc, Y.encodeStateVector(doc))
  const newcomer = await world.joins()
  assert.equal(holder.asks, 2)
  second.take()
  await holder.goes("broken")
  assert.deepEqual(second.news(), ["step1 {}"])
  second.step2(Uint8Array.of(0, 0))
  second.step2(doc)
  assert.equal(contentOf(newcomer), "hello")
})

test("RL27 who waits is served as soon as somebody has the content", async () => {
  const world = new RelayWorld({ unknownForMs: 5_000 })
  const waiting = await world.joins()
  await world.pass(1_000)
  assert.equal(contentOf(waiting), undefined)
  const doc = authored(1, "kept")
  const back = await world.joins(doc)
  assert.equal(contentOf(back), "")
  assert.deepEqual(back.news().at(-1), "step1 {}")
  back.step2(doc)
  assert.equal(contentOf(waiting), "kept")
})

test("RL28 what waits in the window reaches the holder before it is asked", async () => {
  const { world, holder, doc } = await filled()
  const writer = await world.joins(authored(2))
  holder.step2(doc)
  await world.pass(100)
  holder.take()
  const mine = authored(2)
  Y.applyUpdate(mine, Y.encodeStateAsUpdate(doc))
  writer.update(typed(mine, "a"))
  writer.update(typed(mine, "b"))
  assert.equal(holder.heard.length, 1)
  await world.joins()
  assert.deepEqual(
    holder.heard.map(({ kind }) => kind),
    ["update", "update", "step1"],
  )
})

test("RL29 the one with the fewest open asks is asked, among equals the longest here", async () => {
  const { world, holder, doc } = await filled()
  const second = await world.joins(doc)
  holder.step2(doc, Y.encodeStateVector(doc))
  second.step2(Uint8Array.of(0, 0))
  for (const end of [holder, second]) end.take()
  await world.joins()
  assert.deepEqual([holder.asks, second.asks], [1, 0])
  await world.joins(authored(3, "3"))
  assert.deepEqual([holder.asks, second.asks], [1, 1])
})

test("RL29 nobody is asked more than sixteen things at a time", async () => {
  const { world, holder } = await filled(
    new RelayWorld({ limits: { askMs: 10, asksPerReplica: 3, snapshotMs: 60_000 } }),
  )
  const ends = [await world.joins()]
  for (let n = 0; n < 10; n++) {
    ends.push(await world.joins())
    await world.pass(31_000)
  }
  assert.equal(holder.asks, 3)
  // A change after a hole is asked about, too, and no more than that often.
  for (let n = 0; n < 10; n++) {
    const doc = authored(100 + n, "ab")
    const before = Y.encodeStateVector(doc)
    doc.getText("t").insert(2, "c")
    holder.update(Y.encodeStateAsUpdate(doc, before))
  }
  assert.equal(holder.asks, 3)
})

test("RL31 nobody is told that there is nothing while a holder is known", async () => {
  const { world, holder } = await filled()
  const newcomer = await world.joins(new Y.Doc(), { features: "notice" })
  await world.pass(11_000)
  assert.equal(contentOf(newcomer), undefined)
  assert.deepEqual(newcomer.news(), ['{"kind":"room","state":"waiting"}'])
  holder.update(typed(authored(3), "live"))
  assert.deepEqual(newcomer.news(), ["update live"])
  await world.pass(20_000)
  assert.equal(newcomer.code, "unavailable")
  assert.equal(contentOf(newcomer), undefined)
})

test("RL33 who comes to a room that nobody has is told that it is empty, and holds it", async () => {
  const world = new RelayWorld()
  const first = await world.joins(new Y.Doc(), { features: "notice" })
  assert.deepEqual(first.news(), [
    "step2",
    '{"kind":"room","state":"open"}',
    '{"kind":"seed","granted":true}',
  ])
  assert.deepEqual(first.given[0], { kind: "step2", update: Uint8Array.of(0, 0) })
  first.update(typed(authored(1), "new"))
  await world.joins()
  assert.deepEqual(first.news().slice(1), ["step1 {}"])
})

test("RL34 a newcomer hears what is written before it has the content", async () => {
  const { world, holder, doc } = await filled()
  const newcomer = await world.joins()
  holder.update(typed(doc, "!"))
  assert.deepEqual(newcomer.told, ["update pending"])
  holder.step2(doc)
  assert.equal(contentOf(newcomer), "hello!")
})

test("RL34 what was written before there was a holder is not lost to it", async () => {
  const world = new RelayWorld({ unknownForMs: 5_000 })
  const early = await world.joins(authored(2))
  const mine = authored(2, "early")
  early.update(Y.encodeStateAsUpdate(mine))
  const doc = authored(1, "kept")
  const back = await world.joins(doc)
  await world.pass(100)
  // It is asked of who wrote it, and tracked from then on.
  assert.deepEqual(
    early.news().filter((said) => said.startsWith("step1")),
    ["step1 {1:4}"],
  )
  early.step2(mine)
  await world.pass(100)
  assert.ok(back.news().includes("update early"))
  const third = await world.joins(authored(3, "3"))
  assert.deepEqual(third.news()[0], "step1 {2:5 1:4}")
})

test("RL35 nobody who only looks is asked for content", async () => {
  const world = new RelayWorld()
  const looking = await world.joins(authored(1, "forged"), { identity: viewer })
  const second = await world.joins(new Y.Doc(), { identity: viewer, features: "notice" })
  await world.pass(40_000)
  assert.equal(contentOf(looking), undefined)
  assert.equal(contentOf(second), undefined)
  assert.equal(looking.asks, 0)
  assert.equal(second.code, undefined)
  assert.ok(second.news().includes('{"kind":"room","state":"waiting"}'))
  assert.equal(world.relay.waiting, 1)
  const doc = authored(5, "real")
  const editor = await world.joins(doc)
  editor.step2(doc)
  editor.step2(doc)
  assert.equal(contentOf(second), "real")
})

test("RL35 where viewers answer, they answer viewers only", async () => {
  const world = new RelayWorld({ limits: { viewersAnswer: true, seedHoldMs: 0 } })
  const editor = await world.begins(authored(1, "text"))
  const looking = await world.joins(new Y.Doc(), { identity: viewer })
  editor.step2(authored(1, "text"))
  assert.equal(contentOf(looking), "text")
  await editor.goes("clean")
  const second = await world.joins(new Y.Doc(), { identity: viewer })
  assert.equal(looking.asks, 1)
  looking.step2(authored(1, "text"))
  assert.equal(contentOf(second), "text")
  const other = await world.joins(new Y.Doc())
  await world.pass(2_000)
  assert.equal(looking.asks, 1)
  assert.equal(contentOf(other), undefined)
})

test("RL36 a holder that asks again is answered, so many times a minute", async () => {
  const { world, holder, doc } = await filled(new RelayWorld({ limits: { stepsPerMinute: 3 } }))
  holder.step1(doc)
  assert.deepEqual(holder.news(), ["step2"], "alone it has all there is")
  const second = await world.joins(doc)
  holder.step2(doc, Y.encodeStateVector(doc))
  second.step2(Uint8Array.of(0, 0))
  for (const end of [holder, second]) end.take()
  holder.step1(doc)
  assert.deepEqual(second.news(), ["step1 {1:5}"])
  const newcomer = await world.joins()
  assert.equal(holder.asks, 1, "it stays a holder")
  await newcomer.goes("clean")
  second.step2(doc, Y.encodeStateVector(doc))
  holder.take()
  holder.step1(doc)
  second.step2(doc, Y.encodeStateVector(doc))
  assert.deepEqual(holder.news(), ["step2"])
  holder.step1(doc)
  assert.deepEqual([holder.heard, second.asks], [[], 1])
  second.step2(doc, Y.encodeStateVector(doc))
  await world.pass(60_000)
  holder.step1(doc)
  assert.equal(second.asks, 2)
})
