/** Opaque rooms under pressure: many at once, limits, holders that hang, and bytes that nobody meant. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { Writer } from "../src/wire/varints.ts"
import { type LfccEnd, LfccWorld } from "./lfcc-parts.ts"

const ada = {
  subject: "ada",
  role: "editor",
  places: ["notes"],
  rights: undefined,
  since: undefined,
  until: 1_800_000_000_000,
} as const

function errors(end: LfccEnd): readonly unknown[] {
  return end.all("ERROR").map((frame) => frame["code"])
}

async function crowd(world: LfccWorld, count: number): Promise<readonly LfccEnd[]> {
  const ends: LfccEnd[] = []
  for (let n = 0; n < count; n++) ends.push(await world.joins(`end-${n}`))
  return ends
}

test("RL37 grants a new room to one who is alone in it, as soon as it asks", async () => {
  const world = new LfccWorld()
  const end = await world.joins("ada", { features: ["seed"] })
  await end.says("SNAPSHOT_REQUEST")
  assert.deepEqual(end.told, ["SNAPSHOT seed"])
})

test("RL108 gives one change to N-1, and one move of a cursor to N-1, of N", async () => {
  const world = new LfccWorld()
  const mover = await world.brings("ada")
  const others = await crowd(world, 9)
  await world.pass(100)
  while (mover.all("SNAPSHOT_REQUEST").length > 0) await mover.answers("AQ==")
  await world.pass(1_000)
  for (const end of [mover, ...others]) end.take()
  const before = world.relay.counts.delivered
  await mover.says("PRESENCE", { payload: { cursor: { blockId: "b", offset: 1 } } })
  await world.pass(1_000)
  const heard = () => [mover, ...others].map((end) => end.take().length)
  assert.deepEqual(heard(), [0, 1, 1, 1, 1, 1, 1, 1, 1, 1])
  await mover.writes("AQ==")
  await world.pass(1_000)
  assert.deepEqual(heard(), [0, 1, 1, 1, 1, 1, 1, 1, 1, 1])
  assert.equal(world.relay.counts.delivered - before, 18)
})

test("RL17 never gives presence before the changes that its sender made earlier", async () => {
  const world = new LfccWorld()
  const [writer, bob] = [await world.brings("ada"), await world.joins("bob")]
  await world.pass(100)
  bob.take()
  await writer.writes("AQ==")
  await writer.writes("Ag==")
  await writer.says("PRESENCE", { payload: { n: 1 } })
  await writer.writes("Aw==")
  await writer.says("PRESENCE", { payload: { n: 2 } })
  await writer.writes("BA==")
  await world.pass(100)
  const changes = bob.told.filter((each) => each.startsWith("ada"))
  assert.deepEqual(changes, ["ada AQ==", "ada Ag==", "ada Aw==", "ada BA=="])
  assert.deepEqual(bob.told.slice(0, 3), ["ada AQ==", "ada Ag==", "PRESENCE ada"])
  const last = bob.told.lastIndexOf("PRESENCE ada")
  assert.ok(bob.told.indexOf("ada Aw==") < last)
})

test("RL25 asks for the content ten times at most, however many come in a second", async () => {
  const world = new LfccWorld({ messagesPerSecond: 0, bytesPerSecond: 0 })
  const holder = await world.brings("ada")
  let asks = 0
  const ends: LfccEnd[] = []
  for (let turn = 0; turn < 100; turn++) {
    for (let n = 0; n < 3; n++) {
      const end = await world.comes(`end-${turn}-${n}`)
      end.utters(JSON.stringify(end.frame("JOIN")))
      ends.push(end)
    }
    await world.pass(10)
    while (holder.all("SNAPSHOT_REQUEST").length > 0) {
      asks++
      await holder.answers("AQ==")
    }
    holder.take()
  }
  for (let turn = 0; turn < 10; turn++) {
    await world.pass(100)
    while (holder.all("SNAPSHOT_REQUEST").length > 0) await holder.answers("AQ==")
  }
  assert.ok(asks <= 10, `${asks} asks`)
  assert.ok(ends.every((end) => end.all("SNAPSHOT_RESPONSE").length === 1))
})

test("RL25 gives a difference each to a few who name their version, and the whole to a crowd", async () => {
  const world = new LfccWorld()
  const holder = await world.brings("ada")
  const ends: LfccEnd[] = []
  for (let n = 0; n < 30; n++) {
    const version = Buffer.from([n]).toString("base64")
    ends.push(await world.joins(`end-${n}`, { version }))
  }
  const versions = () =>
    holder.all("SNAPSHOT_REQUEST").map(({ payload }) => payload?.["version"] !== undefined)
  assert.deepEqual(versions(), [...Array<boolean>(8).fill(true), false])
  while (holder.all("SNAPSHOT_REQUEST").length > 0) await holder.answers("AQ==")
  assert.ok(ends.every((end) => end.all("SNAPSHOT_RESPONSE").length === 1))
})

test("RL26 leaves a holder alone for half a minute that missed three asks", async () => {
  const world = new LfccWorld()
  const hung = await world.brings("ada")
  const bob = await world.joins("bob")
  await bob.says("SNAPSHOT_REQUEST")
  await world.pass(10_000)
  assert.equal(hung.all("SNAPSHOT_REQUEST").length, 3)
  await world.pass(19_000)
  assert.equal(hung.all("SNAPSHOT_REQUEST").length, 3)
  // Late as it is, its oldest answer still serves who waits.
  await hung.answers("AQ==")
  assert.equal(bob.told.at(-1), "SNAPSHOT AQ==")
  assert.equal(bob.all("SNAPSHOT_RESPONSE").length, 1)
})

test("RL29 asks who has the fewest asks open, and nobody more than so often at a time", async () => {
  const world = new LfccWorld({ asksPerReplica: 2 })
  const holders = [await world.brings("ada"), await world.brings("bob")]
  await holders[1]?.answers("AA==")
  const ends: LfccEnd[] = []
  for (const version of ["AQ==", "Ag==", "Aw==", "BA==", "BQ=="]) {
    ends.push(await world.joins(`end ${version}`, { version }))
  }
  const asksOf = (end: LfccEnd) => end.told.filter((each) => each.startsWith("ASK"))
  assert.deepEqual(holders.map(asksOf), [
    ["ASK AQ==", "ASK Aw=="],
    ["ASK Ag==", "ASK BA=="],
  ])
  // Who was just served has the content, too, and nothing to do.
  await holders[1]?.answers("CQ==")
  assert.deepEqual(ends.map(asksOf), [[], ["ASK BQ=="], [], [], []])
})

test("RL36 counts what a holder asks too often", async () => {
  const world = new LfccWorld({ stepsPerMinute: 1 })
  const end = await world.brings("ada")
  for (let n = 0; n < 4; n++) await end.says("SNAPSHOT_REQUEST")
  assert.deepEqual(end.told, ["SNAPSHOT empty"])
  assert.equal(world.relay.counts.refused.counts.get("steps"), 3)
})

test("RL87 hears everything that a fast sender sent, in order, only later", async () => {
  const world = new LfccWorld({ messagesPerSecond: 10, messagesBurst: 2 })
  const [fast, bob] = [await world.brings("ada"), await world.joins("bob")]
  await world.pass(1_000)
  bob.take()
  const sent: string[] = []
  for (let n = 0; n < 20; n++) {
    const bytes = Buffer.from([n]).toString("base64")
    sent.push(`ada ${bytes}`)
    await fast.writes(bytes)
    // As its socket does: what is held is read no more until it may go on.
    while (fast.held > 0) await world.pass(100)
  }
  await world.pass(100)
  assert.deepEqual(bob.told, sent)
  assert.equal(fast.code, undefined)
})

test("RL87 closes who owes so much that a minute of pause does not end it", async () => {
  const world = new LfccWorld({ bytesPerSecond: 10, bytesBurst: 10 })
  const [fast, bob] = [await world.brings("ada"), await world.joins("bob")]
  await fast.writes(Buffer.alloc(1_000).toString("base64"))
  assert.equal(bob.all("CRDT_UPDATE").length, 1)
  await world.pass(59_000)
  assert.equal(fast.code, undefined)
  await world.pass(1_200)
  assert.equal(fast.code, "flooding")
})

test("RL90 takes what is just within its limit, and refuses one byte more", async () => {
  const world = new LfccWorld({ bytesPerSecond: 0, roomBytesPerSecond: 0, frameLimitBytes: 999 })
  const [writer, bob] = [await world.brings("ada"), await world.joins("bob")]
  bob.take()
  await writer.writes(Buffer.alloc(999).toString("base64"))
  assert.equal(bob.all("CRDT_UPDATE").length, 1)
  await writer.writes(Buffer.alloc(1_000).toString("base64"))
  await world.pass(100)
  assert.equal(bob.all("CRDT_UPDATE").length, 1)
  assert.equal(writer.code, "too-large")
  assert.match(writer.ended?.sentence ?? "", /999 bytes, this one has 1000/)
  assert.equal(world.relay.counts.refused.counts.get("too-big"), 1)
})

test("RL16 gives ten MiB as they came, by JSON and by bytes", async () => {
  const world = new LfccWorld({ bytesPerSecond: 0, roomBytesPerSecond: 0 })
  const [writer, bob] = [await world.brings("ada"), await world.joins("bob")]
  const eve = await world.joins("eve", { features: ["binary"] })
  const long = Buffer.alloc(10 * 1024 * 1024, "lang")
  await writer.writes(long.toString("base64"))
  assert.equal(bob.heard.at(-1)?.["bytesB64"], long.toString("base64"))
  assert.ok(long.equals(eve.bytes.at(-1) ?? new Uint8Array()))
})

test("RL91 closes who comes to a full room, and costs those in it nothing", async () => {
  const world = new LfccWorld({ replicasPerRoom: 2 })
  const [first, second] = [await world.brings("ada"), await world.joins("bob")]
  const third = await world.comes("eve")
  assert.equal(third.code, "too-many")
  await second.goes("clean")
  assert.equal((await world.comes("ida")).code, undefined)
  assert.equal(first.code, undefined)
  assert.ok(!first.told.includes("JOIN eve"))
})

test("RL91 keeps the presence of so many, counts the rest, and takes it when there is place", async () => {
  const world = new LfccWorld({ presenceRowsPerRoom: 1 })
  const [one, two] = [await world.brings("ada"), await world.joins("bob")]
  await one.says("PRESENCE", { payload: { n: 1 } })
  await two.says("PRESENCE", { payload: { n: 2 } })
  assert.deepEqual(errors(two), ["QUOTA_EXCEEDED"])
  assert.equal(world.relay.counts.presenceRefused.counts.get("rows"), 1)
  assert.equal(two.code, undefined)
  await one.goes("clean")
  await two.says("PRESENCE", { payload: { n: 3 } })
  assert.deepEqual(errors(two), ["QUOTA_EXCEEDED"])
})

test("RL91 slows the senders of a room over its rate, and not those of another", async () => {
  const world = new LfccWorld({ roomBytesPerSecond: 1_000, bytesPerSecond: 0 })
  const [loud, bob] = [await world.brings("ada"), await world.joins("bob")]
  const elsewhere = await world.brings("eve", { room: "other" })
  for (let n = 0; n < 4; n++) await loud.writes(Buffer.alloc(500).toString("base64"))
  await elsewhere.writes("AQ==")
  assert.deepEqual([loud.held, bob.held, elsewhere.held], [1, 0, 0])
  assert.deepEqual(errors(loud), ["RATE_LIMITED"])
  await world.pass(10_000)
  assert.equal(loud.held, 0)
  assert.equal(bob.all("CRDT_UPDATE").length, 4)
})

test("RL35 asks a viewer for no editor, and for a viewer only where viewers answer", async () => {
  for (const viewersAnswer of [false, true]) {
    const world = new LfccWorld({ viewersAnswer })
    const editor = await world.brings("ada", { identity: ada })
    const viewing = (subject: string) => ({
      identity: { ...ada, subject, role: "viewer" } as const,
    })
    const viewer = await world.brings("vic", viewing("vic"))
    await editor.goes("clean")
    await world.joins("ida", {}, { identity: { ...ada, subject: "ida" } })
    await world.pass(500)
    assert.deepEqual(viewer.all("SNAPSHOT_REQUEST"), [])
    await world.joins("una", {}, viewing("una"))
    await world.pass(500)
    assert.equal(viewer.all("SNAPSHOT_REQUEST").length, viewersAnswer ? 1 : 0)
  }
})

test("RL92 believes no viewer that a room is too big", async () => {
  const world = new LfccWorld({ answerLimitBytes: 4, viewersAnswer: true })
  const editor = await world.brings("ada", { identity: ada })
  const viewer = await world.brings("vic", {
    identity: { ...ada, subject: "vic", role: "viewer" },
  })
  const other = { identity: { ...ada, subject: "una", role: "viewer" } as const }
  await editor.goes("clean")
  const asker = await world.joins("una", {}, other)
  await viewer.answers("AQIDBAU=")
  assert.equal(asker.code, undefined)
  assert.deepEqual(asker.all("SNAPSHOT_RESPONSE"), [])
  assert.equal((await world.comes("ida", { identity: ada })).code, undefined)
})

test("RL93 counts what limits would have done, and does nothing", async () => {
  const world = new LfccWorld({
    limitsDryRun: true,
    replicasPerRoom: 1,
    frameLimitBytes: 1,
    messagesPerSecond: 1,
    messagesBurst: 1,
    bytesPerSecond: 0,
    stepsPerMinute: 1,
    presenceRowsPerRoom: 1,
  })
  const [writer, bob] = [await world.brings("ada"), await world.joins("bob")]
  await writer.writes("AQID")
  await writer.writes("AQID")
  await world.pass(100)
  assert.equal(bob.all("CRDT_UPDATE").length, 2)
  assert.equal(writer.held, 0)
  for (const end of [writer, bob]) await end.says("PRESENCE", { payload: { n: 1 } })
  await world.pass(100)
  assert.deepEqual([writer.all("PRESENCE").length, bob.all("PRESENCE").length], [1, 1])
  const alone = await world.brings("eve", { room: "other" })
  alone.take()
  for (let n = 0; n < 3; n++) await alone.says("SNAPSHOT_REQUEST")
  assert.equal(alone.all("SNAPSHOT_RESPONSE").length, 3)
  const { refused, presenceRefused, rateLimited } = world.relay.counts
  assert.deepEqual([refused.counts.get("steps"), presenceRefused.counts.get("rows")], [2, 1])
  assert.deepEqual(
    [refused.counts.get("full"), refused.counts.get("too-big"), rateLimited > 0],
    [1, 2, true],
  )
})

test("RL99 asks elsewhere at once what was asked of a user who is revoked", async () => {
  const world = new LfccWorld()
  const holder = await world.brings("ada", { identity: ada })
  const other = await world.brings("bob")
  await other.answers("AA==")
  const eve = await world.joins("eve")
  assert.equal(holder.all("SNAPSHOT_REQUEST").length, 1)
  world.relay.revoke("ada", "notes", undefined)
  await world.settle()
  assert.equal(holder.code, "forbidden")
  await other.answers("AQ==")
  assert.equal(eve.told.at(-1), "SNAPSHOT AQ==")
  assert.equal((await world.comes("ada", { identity: ada })).code, "forbidden")
})

test("RL5, RL101 gives any bytes on unread, sealed ones too", async () => {
  const world = new LfccWorld()
  const sealed = { sealed: true }
  const [one, two] = [await world.joins("ada", sealed), await world.joins("bob", sealed)]
  await one.says("SNAPSHOT_REQUEST")
  const any = fc.sample(fc.uint8Array({ maxLength: 64 }), { numRuns: 50, seed: 7 })
  const texts = any.map((bytes) => Buffer.from(bytes).toString("base64"))
  for (const text of texts) await one.writes(text)
  await one.says("PRESENCE", { payload: { sealed: "AQID" } })
  await world.pass(100)
  assert.deepEqual(
    two.all("CRDT_UPDATE").map((frame) => frame["bytesB64"]),
    texts,
  )
  assert.deepEqual(two.all("PRESENCE")[0]?.payload, { sealed: "AQID" })
  await one.answers("/wAB", { version: "AA==" })
  assert.equal(two.told.at(-1), "SNAPSHOT /wAB")
})

/** Messages as a client sends them, to be broken. */
function messages(end: LfccEnd): readonly (string | Uint8Array)[] {
  const payload = { requestId: "r1", snapshot: "AQID", isBase64: true }
  const frames = [
    end.frame("JOIN", { payload: { hasSnapshot: true, features: ["ack"] } }),
    end.frame("CRDT_UPDATE", { bytesB64: "AQID", ref: 1 }),
    end.frame("PRESENCE", { payload: { displayName: "Ada", n: 1 } }),
    end.frame("SNAPSHOT_RESPONSE", { payload }),
    end.frame("BATCH", { messages: [end.frame("PRESENCE", { payload: {} })] }),
  ].map((frame) => JSON.stringify(frame))
  const head = JSON.stringify(end.frame("CRDT_UPDATE"))
  return [
    ...frames,
    new Writer()
      .text(head)
      .raw(Uint8Array.of(1, 2, 3))
      .finish(),
  ]
}

test("RL89 drops what was cut anywhere, and sends nothing of it on", async () => {
  const world = new LfccWorld({ messagesPerSecond: 0 })
  const bob = await world.joins("bob")
  const template = await world.brings("ada")
  for (const message of messages(template)) {
    const isBinary = typeof message !== "string"
    // Cut behind its JSON, a binary message is a shorter one.
    const end = isBinary ? message.length - 3 : message.length
    for (let at = 0; at < end; at++) {
      const cut = await world.brings("eve")
      bob.take()
      await cut.utters(message.slice(0, at))
      assert.deepEqual(bob.take(), [], `${message} cut at ${at}`)
      assert.deepEqual(errors(cut), ["UNKNOWN"])
      await cut.goes("clean")
    }
  }
  await template.writes("AQ==")
  assert.equal(bob.told.at(-1), "ada AQ==")
})

test("RL89 lives through bytes and texts of any kind, and logs nothing of them", async () => {
  const world = new LfccWorld({ messagesPerSecond: 0 })
  const [writer, bob] = [await world.brings("ada"), await world.joins("bob")]
  bob.take()
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`
  const valid = messages(writer).map((each) => (typeof each === "string" ? each : ""))
  const swapped = valid.map((each) => new TextEncoder().encode(each))
  const anything = fc.oneof(
    fc.string(),
    fc.uint8Array(),
    fc.json(),
    fc.constantFrom(deep, `{"type":${deep}}`, ...swapped),
    fc.constant(
      new Writer()
        .uint(2 ** 40)
        .raw(Uint8Array.of(123))
        .finish(),
    ),
  )
  for (const message of fc.sample(anything, { numRuns: 500, seed: 11 })) {
    const stranger = await world.comes("eve", { sender: "unsaid" })
    await stranger.utters(message)
    assert.ok(stranger.heard.length > 0, "it was told what was wrong")
    await stranger.goes("broken")
  }
  assert.deepEqual(bob.take(), [])
  await writer.writes("AQ==")
  assert.deepEqual(bob.told, ["ada AQ=="])
  assert.deepEqual(world.lines, [])
})

test("RL119 logs no content, no presence and no token", async () => {
  const world = new LfccWorld({ frameLimitBytes: 64 })
  const secret = "geheimnis"
  const bytes = Buffer.from(secret).toString("base64")
  const [writer, bob] = [await world.brings("ada"), await world.joins("bob")]
  await writer.writes(bytes)
  await writer.says("PRESENCE", { payload: { secret } })
  await writer.says("AUTH", { token: secret })
  await bob.utters(`{"type":"${secret}"}`)
  await bob.writes(Buffer.from(secret.repeat(20)).toString("base64"))
  await world.pass(1_000)
  assert.equal(bob.code, "too-large")
  const logged = world.lines.join("\n")
  assert.ok(!logged.includes(secret) && !logged.includes(bytes))
})
