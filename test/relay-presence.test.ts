/** Who is present in a Yjs room: rows, their owners, and their numbers. */
import assert from "node:assert/strict"
import { test } from "node:test"
import * as Y from "yjs"
import type { RelayOptions } from "../src/relay/limits.ts"
import type { Row } from "../src/wire/relay.ts"
import { identity, RelayWorld, row, type YjsEnd } from "./relay-parts.ts"

const ada = identity({ subject: "ada" })
const bob = identity({ subject: "bob" })

/** All rows that it was told since it was last looked at. */
function rows(end: YjsEnd): readonly Row[] {
  return end.take().flatMap((message) => (message.kind === "awareness" ? message.rows : []))
}

function briefly(end: YjsEnd): readonly string[] {
  return rows(end).map(({ id, state }) => `${id} ${state ?? "gone"}`)
}

/** Several in one room, each with the row of its number, all told of all. */
async function room(count: number, limits: Partial<RelayOptions> = {}) {
  const world = new RelayWorld({ limits })
  const ends: YjsEnd[] = []
  for (let id = 1; id <= count; id++) {
    const end = await world.joins()
    end.shows(row(id, 1, { n: 0 }))
    ends.push(end)
  }
  await world.pass(1_500)
  for (const end of ends) end.take()
  return { world, ends: ends as [YjsEnd, YjsEnd, YjsEnd, YjsEnd, ...YjsEnd[]] } // so many were asked for
}

test("RL18 a newcomer is told who is here once it has spoken, and nobody has to move", async () => {
  const { world } = await room(3)
  const newcomer = await world.joins()
  assert.deepEqual(briefly(newcomer), [])
  newcomer.shows(row(9, 0, {}))
  assert.deepEqual(briefly(newcomer), ['1 {"n":0}', '2 {"n":0}', '3 {"n":0}'])
})

test("RL73 a newcomer that says nothing of itself is told who is here after 100 ms", async () => {
  const { world } = await room(2)
  const newcomer = await world.joins()
  await world.pass(90)
  assert.deepEqual(briefly(newcomer), [])
  await world.pass(20)
  assert.deepEqual(briefly(newcomer), ['1 {"n":0}', '2 {"n":0}'])
})

test("RL73 nobody is sent a row that it introduced, also when it asks or another owns it now", async () => {
  const { world, ends } = await room(2)
  ends[0].utters(Uint8Array.of(3))
  assert.deepEqual(briefly(ends[0]), ['2 {"n":0}'])
  const again = await world.joins()
  again.shows(row(1, 5, { n: 1 }))
  await world.pass(100)
  assert.deepEqual(briefly(ends[0]), [])
  assert.deepEqual(briefly(ends[1]), ['1 {"n":1}'])
})

test("RL69 a change or removal of another's row is not relayed", async () => {
  const { world, ends } = await room(3)
  ends[1].shows(row(1, 50, { forged: 1 }))
  ends[1].shows(row(1, 2 ** 40, { forged: 1 }))
  ends[1].shows(row(1, 60, null))
  await world.pass(500)
  assert.deepEqual(briefly(ends[2]), [])
  assert.equal(world.relay.counts.presenceRefused.counts.get("foreign"), 1)
})

test("RL70 the first frame claims a row of the same user, and of no other", async () => {
  const world = new RelayWorld()
  const first = await world.joins(new Y.Doc(), { identity: ada })
  first.shows(row(1, 1, { at: 1 }))
  const watcher = await world.joins(new Y.Doc(), { identity: bob })
  watcher.shows(row(2, 1))
  await world.pass(200)
  watcher.take()

  const thief = await world.joins(new Y.Doc(), { identity: identity({ subject: "eve" }) })
  thief.shows(row(1, 9, { at: "stolen" }))
  await world.pass(200)
  assert.deepEqual(briefly(watcher), [])
  assert.equal(world.relay.counts.presenceRefused.counts.get("claim"), 1)

  const same = await world.joins(new Y.Doc(), { identity: ada })
  same.shows(row(1, 1, { at: 2 }))
  await world.pass(200)
  assert.deepEqual(briefly(watcher), ['1 {"at":2}'])
  await first.goes("clean")
  await world.pass(5_000)
  assert.deepEqual(briefly(watcher), [], "the end of the old one removes nothing (RL85)")
})

test("RL70 a connection introduces eight rows at most, and a room holds so many", async () => {
  const { world, ends } = await room(2, { presenceRowsPerRoom: 12 })
  for (let id = 10; id < 30; id++) ends[0].shows(row(id, 1))
  await world.pass(200)
  assert.equal(rows(ends[1]).length, 7)
  for (let id = 30; id < 40; id++) ends[1].shows(row(id, 1))
  await world.pass(200)
  assert.equal(rows(ends[0]).length, 3)
  assert.equal(world.relay.counts.presenceRefused.counts.get("rows"), 7)
})

test("RL71 rows that are sent back are dropped, and cost no rate", async () => {
  const { world, ends } = await room(10, { messagesPerSecond: 10, messagesBurst: 20 })
  const speakers = ends.slice(0, 3)
  const before = world.relay.counts.delivered
  for (let n = 1; n <= 30; n++) {
    for (const [at, end] of speakers.entries()) end.shows(row(1 + at, 1 + n, { n }))
    await world.pass(120)
    // Each by itself: twenty-five in a second.
    for (const end of ends.slice(3)) for (const told of rows(end)) end.shows(told)
  }
  await world.pass(200)
  // The first row goes to nine at once, the other two together to all ten.
  assert.equal(world.relay.counts.delivered - before, 30 * (9 + 10))
  for (const end of ends) assert.equal(end.line.held, 0)
})

test("RL72 the numbers of a row only rise, and are the same for all", async () => {
  const { world, ends } = await room(4)
  const last = new Map<number, number>()
  for (let n = 1; n < 20; n++) {
    ends[0].shows(row(1, n % 3 === 0 ? n : 100 + n, { n }))
    if (n % 4 === 0) ends.push(await world.joins())
    await world.pass(100)
    const [one, ...others] = ends.slice(1, 4).map(rows)
    for (const other of others) assert.deepEqual(other, one)
    for (const { id, clock } of one ?? []) {
      assert.ok(clock > (last.get(id) ?? -1), `${clock} after ${last.get(id)}`)
      last.set(id, clock)
    }
  }
})

test("RL72 who was away is sent every row under a number above those it knew", async () => {
  const { world, ends } = await room(3)
  for (let n = 0; n < 30; n++) {
    ends[0].shows(row(1, 2 + n, { n: n + 1 }))
    await world.pass(60)
  }
  const known = Math.max(...rows(ends[2]).map(({ clock }) => clock))
  await ends[2].goes("broken")
  const back = await world.joins()
  // Its awareness has the numbers of before, and one more for each who was "gone" meanwhile.
  back.shows(row(3, 40, { n: 1 }))
  for (const { clock } of rows(back)) assert.ok(clock > known + 1)
})

test("RL74 a number that a client has seen elsewhere is overtaken", async () => {
  const { world, ends } = await room(2)
  ends[0].shows(row(1, 2, { n: 1 }))
  const [{ clock } = { clock: 0 }] = rows(ends[1])
  ends[1].shows({ id: 1, clock: clock + 5_000, state: '{"n":1}' })
  await world.pass(100)
  ends[0].shows(row(1, 3, { n: 2 }))
  const [next] = rows(ends[1])
  assert.ok((next?.clock ?? 0) > clock + 5_000)
})

test("RL74 a number more than a day ahead of the time is not followed, one within a day is", async () => {
  const { world, ends } = await room(2)
  const dayMs = 24 * 60 * 60_000
  const time = world.now - Date.UTC(2026, 0, 1)
  const told = async (n: number) => {
    await world.pass(100)
    ends[0].shows(row(1, 1 + n, { n }))
    return rows(ends[1])[0]?.clock ?? 0
  }
  ends[1].shows({ id: 1, clock: time + dayMs + 60_000, state: '{"n":0}' })
  const next = await told(1)
  assert.ok(next > 0 && next < time + dayMs, `${next} is told, ${time} is the time`)
  ends[1].shows({ id: 1, clock: time + dayMs - 60_000, state: '{"n":1}' })
  assert.ok((await told(2)) > time + dayMs - 60_000)
})

test("RL75 who says that another is gone is shown that row again, once a second", async () => {
  const { world, ends } = await room(3)
  const lie = { id: 1, clock: 90, state: null }
  ends[1].shows(lie)
  ends[1].shows({ ...lie, clock: 91 })
  await world.pass(500)
  assert.deepEqual(briefly(ends[1]), ['1 {"n":0}'])
  assert.deepEqual(briefly(ends[2]), [])
  await world.pass(600)
  ends[1].shows({ ...lie, clock: 92 })
  const [shown] = rows(ends[1])
  assert.ok((shown?.clock ?? 0) > 92)
})

test("RL76 who says goodbye is gone at once", async () => {
  const { world, ends } = await room(3)
  await ends[0].goes("clean")
  await world.pass(60)
  assert.deepEqual(briefly(ends[1]), ["1 gone"])
})

test("RL76 who is cut off is gone after two seconds, unless it comes back: then nobody notices", async () => {
  const { world, ends } = await room(3)
  await ends[0].goes("broken")
  await world.pass(1_900)
  assert.deepEqual(briefly(ends[1]), [])
  const back = await world.joins()
  back.shows(row(1, 1, { n: 0 }))
  await world.pass(4_000)
  assert.ok(briefly(ends[1]).every((told) => told === '1 {"n":0}'))
  await back.goes("broken")
  await world.pass(2_100)
  assert.equal(briefly(ends[1]).at(-1), "1 gone")
})

test("RL78 a row whose connection lives stays fresh for the others, however silent it is", async () => {
  const { world, ends } = await room(2)
  for (let n = 0; n < 4; n++) {
    await world.pass(25_000)
    // y-protocols removes what it did not hear of for 30 s.
    assert.ok(rows(ends[1]).some(({ id, state }) => id === 1 && state === '{"n":0}'))
  }
})

test("RL79 the first change leaves at once, what follows within 50 ms leaves together", async () => {
  const { world, ends } = await room(4)
  ends[0].shows(row(1, 2, { n: 1 }))
  assert.deepEqual(briefly(ends[3]), ['1 {"n":1}'])
  for (let n = 2; n < 9; n++) ends[0].shows(row(1, 1 + n, { n }))
  ends[1].shows(row(2, 2, { n: 1 }))
  await world.pass(40)
  assert.equal(ends[3].heard.length, 0)
  await world.pass(20)
  assert.equal(ends[3].heard.length, 1)
  assert.deepEqual(briefly(ends[3]), ['1 {"n":8}', '2 {"n":1}'])
})

test("RL79 a renewal without a change waits up to 5 s for company", async () => {
  const { world, ends } = await room(3)
  ends[0].shows(row(1, 2, { n: 0 }))
  await world.pass(4_800)
  assert.deepEqual(briefly(ends[2]), [])
  await world.pass(300)
  assert.deepEqual(briefly(ends[2]), ['1 {"n":0}'])
  ends[0].shows(row(1, 3, { n: 0 }))
  ends[1].shows(row(2, 2, { n: 1 }))
  await world.pass(60)
  assert.deepEqual(briefly(ends[2]), ['2 {"n":1}', '1 {"n":0}'])
})

test("RL80 who has set nothing yet is told of to nobody", async () => {
  const { world, ends } = await room(2)
  const blank = await world.joins()
  blank.shows({ id: 7, clock: 0, state: "{}" })
  await world.pass(30_000)
  assert.ok(!rows(ends[0]).some(({ id }) => id === 7))
  blank.shows(row(7, 1, { n: 1 }))
  assert.deepEqual(briefly(ends[0]), ['7 {"n":1}'])
  const [other] = [await world.joins()]
  other.shows({ id: 8, clock: 0, state: "{}" })
  await other.goes("clean")
  await world.pass(100)
  assert.ok(!rows(ends[0]).some(({ id }) => id === 8))
})

test("RL11 RL88 who is behind is told the latest of each row when it has drained", async () => {
  const { world, ends } = await room(3)
  ends[2].line.behind = true
  for (let n = 2; n < 9; n++) {
    ends[0].shows(row(1, n, { n }))
    await world.pass(60)
  }
  await ends[1].goes("clean")
  await world.pass(100)
  assert.deepEqual(ends[2].heard, [])
  ends[2].line.behind = false
  await world.pass(100)
  assert.deepEqual(briefly(ends[2]), ['1 {"n":8}', "2 gone"])
})

test("RL85 the late end of an old connection takes nothing from a newer one", async () => {
  const { world, ends } = await room(2)
  const newer = await world.joins()
  newer.shows(row(1, 1, { n: 0 }))
  await world.pass(200)
  rows(ends[1])
  await ends[0].goes("broken")
  await world.pass(10_000)
  assert.ok(!briefly(ends[1]).includes("1 gone"))
})

test("RL96 a viewer's presence is shown, or not where it was chosen so", async () => {
  const viewer = identity({ subject: "vic", role: "viewer" })
  for (const viewersPresent of [true, false]) {
    const { world, ends } = await room(2, { viewersPresent })
    const looking = await world.joins(new Y.Doc(), { identity: viewer })
    looking.shows(row(7, 1, { n: 1 }))
    await world.pass(100)
    assert.deepEqual(briefly(ends[0]), viewersPresent ? ['7 {"n":1}'] : [])
    assert.equal(briefly(looking).length, 2, "it sees the others")
  }
})

test("RL108 one move of a cursor is at most one delivery to each", async () => {
  const { world, ends } = await room(20)
  const before = world.relay.counts.delivered
  ends[0].shows(row(1, 2, { n: 1 }))
  await world.pass(1_000)
  assert.equal(world.relay.counts.delivered - before, 19)
})
