/** What bounds a replica and a room of Yjs, and how fast changes leave. */
import assert from "node:assert/strict"
import { test } from "node:test"
import * as Y from "yjs"
import type { RelayOptions } from "../src/relay/limits.ts"
import { authored, identity, RelayWorld, row, typed, type YjsEnd } from "./relay-parts.ts"

/** A room that the first of `count` has filled; all are up to date. */
async function room(count: number, limits: Partial<RelayOptions> = {}) {
  const world = new RelayWorld({ limits })
  const doc = authored(1, "x")
  const first = await world.begins(doc)
  const ends = [first]
  while (ends.length < count) {
    ends.push(await world.joins())
    first.step2(doc)
    await world.pass(1_100)
  }
  for (const end of ends) end.take()
  return { world, doc, ends: ends as [YjsEnd, YjsEnd, ...YjsEnd[]] } // two at least are asked for
}

test("RL82 no replica is left without a message for more than ten seconds, and none is asked anything", async () => {
  const { world, ends } = await room(1)
  const socket = world.socket()
  socket.token("notes", "")
  await world.settle()
  socket.news()
  for (let n = 0; n < 8; n++) {
    await world.pass(10_100)
    assert.deepEqual(ends[0].news(), ["rows"])
    assert.deepEqual(socket.news(), ["notes: rows"])
  }
  assert.deepEqual(ends[0].given.at(-1), { kind: "awareness", rows: [] })
})

test("RL87 who sends more than its rate is not read for a while, and loses nothing", async () => {
  const { world, ends } = await room(2, { messagesPerSecond: 10, messagesBurst: 20 })
  const writer = authored(5)
  for (let n = 0; n < 25; n++) ends[0].update(typed(writer, "a"))
  assert.equal(ends[0].line.held, 1)
  assert.equal(ends[1].line.held, 0)
  await world.pass(400)
  assert.equal(ends[0].line.held, 1)
  await world.pass(300)
  assert.equal(ends[0].line.held, 0)
  const told = new Y.Doc()
  for (const message of ends[1].take()) {
    if (message.kind === "update") Y.applyUpdate(told, message.update)
  }
  assert.equal(told.getText("t").toString(), "a".repeat(25))
})

test("RL87 bytes count too, answers to asks do not, and a minute of it is the end", async () => {
  const limits = { bytesPerSecond: 1_000, bytesBurst: 2_000 }
  const { world, ends, doc } = await room(1, limits)
  doc.getText("t").insert(0, "y".repeat(10_000))
  await world.joins()
  ends[0].step2(doc)
  assert.equal(ends[0].line.held, 0)
  const socket = world.socket()
  socket.token("filled", "")
  await world.settle()
  socket.step1("filled", new Y.Doc())
  socket.says("filled", { kind: "update", update: typed(authored(6), "x") })
  await world.joins(new Y.Doc(), { room: "filled" })
  socket.says("filled", { kind: "step2", update: Y.encodeStateAsUpdate(doc) })
  assert.equal(socket.line.held, 0)
  const writer = authored(5)
  ends[0].update(typed(writer, "z".repeat(70_000)))
  assert.equal(ends[0].line.held, 1)
  await world.pass(59_000)
  assert.deepEqual([ends[0].line.held, ends[0].code], [1, undefined])
  await world.pass(1_200)
  assert.equal(ends[0].code, "flooding")
})

test("RL89 the tenth frame within ten seconds that cannot be read closes, and no other does", async () => {
  const { world, ends } = await room(2)
  for (let n = 0; n < 9; n++) ends[0].utters(Uint8Array.of(0, 2, 200))
  assert.equal(ends[0].code, undefined)
  await world.pass(10_100)
  for (let n = 0; n < 9; n++) ends[0].says({ kind: "update", update: Uint8Array.of(1, 2, 3) })
  assert.equal(ends[0].code, undefined)
  ends[0].utters("text")
  assert.equal(ends[0].code, "bad-message")
  await world.settle()
  assert.deepEqual([ends[1].code, ends[1].news().length], [undefined, 1])
  assert.equal(world.relay.counts.badFrames.sum, 19)

  const socket = world.socket()
  socket.token("notes", "")
  await world.settle()
  for (let n = 0; n < 10; n++) socket.utters(Uint8Array.of(5, 1))
  assert.equal(socket.code, "bad-message")

  const slow = world.comes()
  for (let n = 0; n < 5; n++) slow.utters("text")
  await world.pass(9_900)
  for (let n = 0; n < 4; n++) slow.utters("text")
  assert.equal(slow.code, undefined)
  slow.utters("text")
  assert.equal(slow.code, "bad-message")
})

test("RL89 an answer that is none is dropped, and its asker is served elsewhere", async () => {
  const { world, ends, doc } = await room(2)
  const newcomer = await world.joins()
  assert.deepEqual([ends[0].asks, ends[1].asks], [1, 0])
  ends[0].step2(Uint8Array.of(9, 9, 9))
  await world.pass(20)
  assert.deepEqual([ends[0].asks, ends[1].asks], [1, 1])
  assert.deepEqual(newcomer.news(), [])
  ends[1].step2(doc)
  assert.deepEqual(newcomer.news(), ["step2 x"])
})

test("RL90 a change over the limit is refused, and closes nobody else", async () => {
  const { ends } = await room(2, { frameLimitBytes: 1_000 })
  const doc = authored(5)
  ends[0].update(typed(doc, "a".repeat(900)))
  assert.equal(ends[0].code, undefined)
  const update = typed(doc, "a".repeat(1_000))
  ends[0].update(update)
  assert.equal(ends[0].code, "too-large")
  assert.match(ends[0].line.ended?.sentence ?? "", new RegExp(`1000 bytes.* ${update.length}`))
  assert.equal(ends[1].code, undefined)
})

test("RL90 on Hocuspocus a change over the limit ends its address, and no other of the socket", async () => {
  const { world } = await room(1, { frameLimitBytes: 1_000 })
  const socket = world.socket()
  for (const address of ["notes", "plans"]) socket.token(address, "")
  await world.settle()
  socket.news()
  const doc = authored(5)
  socket.says("notes", { kind: "update", update: typed(doc, "a".repeat(1_000)) })
  const told = socket.news()
  assert.equal(told.length, 2)
  assert.match(told[0] ?? "", /^notes: denied: .*at most 1000 bytes/)
  assert.match(told[1] ?? "", /^notes: closed: .*at most 1000 bytes/)
  socket.says("plans", { kind: "update", update: typed(authored(6), "a") })
  await world.pass(100)
  assert.deepEqual([socket.news(), socket.code], [["plans: accepted"], undefined])
})

test("RL91 a full room refuses newcomers, who may come back", async () => {
  const { world } = await room(2, { replicasPerRoom: 2, rooms: 2 })
  assert.throws(() => world.comes(), { code: "too-many" })
  const socket = world.socket()
  socket.token("notes", "")
  await world.settle()
  assert.equal(socket.code, "too-many")
  world.comes({ room: "second" })
  assert.throws(() => world.comes({ room: "third" }), { code: "too-many" })
})

test("RL91 over its room's rate writers rest in equal shares, and who writes little does not", async () => {
  const limits = { roomBytesPerSecond: 10_000, bytesPerSecond: 0, messagesPerSecond: 0 }
  const { world, ends } = await room(4, limits)
  const elsewhere = await world.joins(new Y.Doc(), { room: "elsewhere" })
  const [first, second, modest] = ends as [YjsEnd, YjsEnd, YjsEnd, YjsEnd] // there are four
  const docs = new Map([first, second, modest, elsewhere].map((end, n) => [end, authored(10 + n)]))
  const sent = new Map<YjsEnd, number>()
  const write = (end: YjsEnd, length: number) => {
    if (end.line.held > 0) return
    const update = typed(docs.get(end)!, "a".repeat(length)) // each has one
    sent.set(end, (sent.get(end) ?? 0) + update.length)
    end.update(update)
  }
  // Within its room's rate nobody rests, however much it says at once.
  write(elsewhere, 5_000)
  assert.equal(elsewhere.line.held, 0)
  let rests = 0
  for (let n = 0; n < 200; n++) {
    write(first, 1_000)
    write(second, 2_000)
    write(elsewhere, 400)
    write(modest, 10)
    if (modest.line.held + elsewhere.line.held > 0) rests++
    await world.pass(100)
  }
  assert.equal(rests, 0)
  const [a = 0, b = 0] = [sent.get(first), sent.get(second)]
  assert.ok(Math.abs(a - b) < 0.25 * a, `${a} and ${b} bytes`)
  assert.ok(a + b < 20 * 10_000 * 1.25, `${a + b} bytes in 20 s`)
})

test("RL92 denied rooms are closed to newcomers and to who is there", async () => {
  const world = new RelayWorld({ denied: ["secret/*"] })
  assert.throws(() => world.comes({ room: "secret/plans" }), { code: "forbidden" })
  const end = await world.joins()
  const socket = world.socket()
  socket.token("notes", "")
  socket.token("plans", "")
  await world.settle()
  world.relay.deny("no*", "on")
  await world.settle()
  assert.equal(end.code, "forbidden")
  assert.ok(socket.news().includes("notes: closed: this room is closed"))
  assert.deepEqual([socket.code, world.relay.replicas], [undefined, 1])
  world.relay.deny("no*", "off")
  assert.equal(world.comes().code, undefined)
})

test("RL92 a room whose answer is beyond the limit is too big: newcomers are refused, who is there goes on", async () => {
  const { world, ends, doc } = await room(2, { answerLimitBytes: 500 })
  const newcomer = await world.joins()
  doc.getText("t").insert(0, "y".repeat(1_000))
  ends[0].step2(doc)
  await world.settle()
  assert.equal(newcomer.code, "too-large")
  assert.throws(() => world.comes(), { code: "too-large" })
  for (const end of ends) end.take()
  ends[1].update(typed(authored(9), "on"))
  assert.deepEqual(ends[0].news(), ["update on"])
  ends[1].step1(doc)
  assert.deepEqual(ends[1].news(), ["step2"])
  assert.equal(world.relay.view(1, () => true)[0]?.state, "too big")
})

test("RL93 a dry run counts what each limit would have done, and does nothing", async () => {
  const { world, ends } = await room(2, {
    limitsDryRun: true,
    replicasPerRoom: 2,
    messagesPerSecond: 1,
    messagesBurst: 1,
    frameLimitBytes: 100,
    idsPerConnection: 1,
    stepsPerMinute: 1,
    rooms: 1,
    addressesPerSocket: 1,
    pendingAddresses: 1,
  })
  world.comes()
  const alone = await world.joins(authored(1, "y"), { room: "second" })
  for (let n = 0; n < 3; n++) alone.step1(authored(1, "y"))
  assert.equal(alone.given.filter(({ kind }) => kind === "step2").length, 4)
  const socket = world.socket()
  for (const room of ["third", "fourth"]) socket.token(room, "")
  await world.settle()
  assert.deepEqual([...world.relay.rooms.keys()], ["notes", "second", "third", "fourth"])
  for (let n = 0; n < 5; n++) ends[0].update(typed(authored(5 + n), "a".repeat(200)))
  for (let id = 0; id < 3; id++) ends[0].shows(row(id, 1))
  for (let n = 0; n < 3; n++) ends[1].step1(authored(1))
  const { refused, presenceRefused, rateLimited } = world.relay.counts
  assert.deepEqual([ends[0].code, ends[0].line.held], [undefined, 0])
  await world.pass(200)
  const shown = ends[1].heard.flatMap((told) => (told.kind === "awareness" ? told.rows : []))
  assert.deepEqual(
    shown.map(({ id }) => id),
    [0, 1, 2],
  )
  // A room with too many in it, three rooms too many, and an address too many.
  assert.equal(refused.counts.get("full"), 5)
  assert.equal(refused.counts.get("too-big"), 5)
  assert.equal(presenceRefused.counts.get("ids"), 2)
  assert.ok(rateLimited > 0)
})

test("RL104 RL105 the first change leaves in the same turn, what follows with its window", async () => {
  const { world, ends, doc } = await room(2)
  ends[0].update(typed(doc, "a"))
  assert.equal(ends[1].take().length, 1)
  for (let n = 0; n < 3; n++) ends[0].update(typed(doc, "b"))
  assert.equal(ends[1].heard.length, 0)
  await world.pass(20)
  assert.equal(ends[1].take().length, 3)
  for (let n = 0; n < 50; n++) ends[0].update(typed(doc, "c"))
  assert.equal(ends[1].take().length, 50, "fifty do not wait")
  ends[0].update(typed(doc, "d".repeat(70_000)))
  assert.equal(ends[1].take().length, 1, "64 KiB do not wait")
  await world.pass(100)
  ends[0].update(typed(doc, "e"))
  assert.equal(ends[1].take().length, 1)
})

test("RL106 RL107 from four replicas on a window is one frame, and nobody is sent only its own", async () => {
  const { world, ends } = await room(5)
  const docs = ends.map((_, n) => authored(20 + n))
  ends[4]!.update(typed(docs[4]!, "opens the window")) // there are five
  for (const end of ends) end.take()
  for (let n = 0; n < 6; n++) ends[n % 2]!.update(typed(docs[n % 2]!, `${n % 2}`)) // the first two
  await world.pass(20)
  const told = ends.map((end) => end.news())
  assert.deepEqual(told, [["update 111"], ["update 000"], ...Array(3).fill(["update 000111"])])
  assert.equal(ends[2]!.given.at(-1), ends[3]!.given.at(-1), "one object for all alike")
})

test("RL106 three replicas are sent each change, and with more than eight writers all are sent the same", async () => {
  /** What the first and the last of so many hear when so many write within one window. */
  const hear = async (replicas: number, writers: number) => {
    const { world, ends } = await room(replicas)
    ends.at(-1)?.update(typed(authored(99), "opens the window"))
    for (const end of ends) end.take()
    for (const [n, end] of ends.slice(0, writers).entries())
      end.update(typed(authored(20 + n), "x"))
    await world.pass(20)
    return [ends[0]?.news(), ends.at(-1)?.news()]
  }
  const xs = (count: number) => [`update ${"x".repeat(count)}`]
  assert.deepEqual(await hear(3, 2), [xs(1), [...xs(1), ...xs(1)]])
  assert.deepEqual(await hear(4, 2), [xs(1), xs(2)])
  assert.deepEqual(await hear(12, 8), [xs(7), xs(8)])
  assert.deepEqual(await hear(12, 9), [xs(9), xs(9)])
})

test("RL43 RL107 a change with a hole before it is sent as it came, merged with none, one object for all", async () => {
  const { world, ends } = await room(5)
  const docs = [authored(30), authored(31), authored(32)] as const
  ends[4]!.update(typed(docs[0], "opens the window")) // there are five
  for (const end of ends) end.take()
  const whole = typed(docs[1], "whole")
  typed(docs[2], "never sent")
  const late = typed(docs[2], "late")
  ends[0].update(whole)
  ends[1].update(late)
  await world.pass(20)
  const updates = [whole, late].map((update) => ({ kind: "update", update }))
  assert.deepEqual(ends[2]!.heard, updates) // there are five
  assert.equal(ends[2]!.given.at(-1), ends[3]!.given.at(-1))
})

test("RL108 one change is one delivery to each of the others", async () => {
  const { world, ends, doc } = await room(6)
  const before = world.relay.counts.delivered
  ends[0].update(typed(doc, "a"))
  await world.pass(1_000)
  assert.equal(world.relay.counts.delivered - before, 5)
})

test("RL119 neither content nor presence nor token is logged", async () => {
  const world = new RelayWorld({ anonymous: "off" })
  world.identities.set("token-marker", identity())
  const end = world.socket()
  end.token("notes", "token-marker")
  end.token("other", "false-token-marker")
  await world.settle()
  end.says("notes", { kind: "update", update: typed(authored(1), "text-marker") })
  end.says("notes", { kind: "awareness", rows: [row(1, 1, { name: "row-marker" })] })
  for (let n = 0; n < 10; n++) end.utters(new TextEncoder().encode("\u0005notesbad-marker"))
  await world.pass(1_000)
  assert.equal(end.code, "bad-message")
  assert.ok(!world.log.some((line) => line.includes("marker")), world.log.join("\n"))
})
