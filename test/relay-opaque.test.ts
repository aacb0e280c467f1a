/** Opaque rooms: who hears what, who is asked for content, who may begin. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { LfccWorld } from "./lfcc-parts.ts"

test("RL10, RL16 gives a change to all others, as it was sent, and not back", async () => {
  const world = new LfccWorld()
  const [ada, bob, eve] = [
    await world.brings("ada"),
    await world.joins("bob"),
    await world.joins("eve"),
  ]
  for (const end of [ada, bob, eve]) end.take()
  await ada.writes("AQID", { ts: 41, extra: "ignored" })
  const told = { type: "CRDT_UPDATE", docId: "notes", senderId: "ada", ts: 41, bytesB64: "AQID" }
  assert.deepEqual(bob.take(), [told])
  assert.deepEqual(eve.take(), [told])
  assert.deepEqual(ada.take(), [])
})

test("RL17 gives the frames of one replica in their order", async () => {
  const world = new LfccWorld()
  const ada = await world.brings("ada")
  const bob = await world.joins("bob")
  bob.take()
  for (const bytes of ["AQ==", "Ag==", "Aw==", "BA=="]) await ada.writes(bytes)
  await ada.says("LEAVE")
  assert.deepEqual(bob.told, ["ada AQ==", "ada Ag==", "ada Aw==", "ada BA==", "LEAVE ada"])
})

test("RL105 gives a lone change at once, and gathers what follows within the window", async () => {
  const world = new LfccWorld()
  const ada = await world.brings("ada")
  const bob = await world.joins("bob")
  bob.take()
  await ada.writes("AQ==")
  assert.deepEqual(bob.told, ["ada AQ=="])
  await ada.writes("Ag==")
  await ada.writes("Aw==")
  assert.deepEqual(bob.told, ["ada AQ=="])
  await world.pass(20)
  assert.deepEqual(bob.told, ["ada AQ==", "ada Ag==", "ada Aw=="])
})

test("RL104 gives several changes in one BATCH only to who reads such", async () => {
  const world = new LfccWorld()
  const ada = await world.brings("ada")
  const plain = await world.joins("bob")
  const named = await world.joins("eve", { features: ["batch"] })
  const sending = await world.joins("ida")
  await sending.utters(
    JSON.stringify({
      ...sending.frame("BATCH"),
      messages: [sending.frame("PRESENCE", { payload: {} })],
    }),
  )
  const binary = await world.joins("una", { features: ["batch", "binary"] })
  await world.pass(200)
  for (const end of [plain, named, sending, binary]) end.take()
  for (const bytes of ["AQ==", "Ag=="]) await ada.writes(bytes)
  await named.writes("Aw==")
  await world.pass(20)
  assert.deepEqual(plain.told, ["ada AQ==", "ada Ag==", "eve Aw=="])
  assert.deepEqual(sending.told, ["ada AQ==", "BATCH of ada Ag==, eve Aw=="])
  assert.deepEqual(named.told, ["ada AQ==", "ada Ag=="])
  assert.deepEqual(binary.told, ["ada bytes", "ada bytes", "eve bytes"])
})

test("RL107 gives many one object for each form", async () => {
  const world = new LfccWorld()
  const ada = await world.brings("ada")
  const ends = [await world.joins("bob"), await world.joins("eve")]
  await ada.writes("AQ==")
  const [first, second] = ends.map(({ given }) => given.at(-1))
  assert.ok(first !== undefined && first === second)
})

test("RL12, RL13 tells of each coming and going once", async () => {
  const world = new LfccWorld()
  const ada = await world.brings("ada")
  const bob = await world.comes("bob")
  assert.deepEqual(ada.told, ["JOIN bob"])
  assert.equal(ada.heard[0]?.["role"], "editor")
  await bob.says("JOIN")
  await bob.says("JOIN", { role: "admin" })
  assert.equal(ada.all("JOIN").length, 1)
  await bob.says("LEAVE", { ts: 99 })
  await bob.goes("broken")
  await world.pass(5_000)
  assert.deepEqual(ada.all("LEAVE"), [
    { type: "LEAVE", docId: "notes", senderId: "bob", ts: 99, payload: { status: "away" } },
  ])
})

test("RL12, RL13 tells of one sender with two connections once, with the first and the last", async () => {
  const world = new LfccWorld()
  const ada = await world.brings("ada")
  const [one, two] = [await world.joins("bob"), await world.joins("bob")]
  await one.goes("clean")
  await world.pass(3_000)
  assert.deepEqual(
    ada.told.filter((each) => !each.startsWith("ASK")),
    ["JOIN bob"],
  )
  await two.goes("clean")
  assert.equal(ada.told.at(-1), "LEAVE bob")
  assert.equal(ada.all("LEAVE").length, 1)
})

test("RL85 takes nothing from a newer connection when an older one of the same sender ends late", async () => {
  const world = new LfccWorld()
  const ada = await world.brings("ada")
  const old = await world.joins("bob")
  await old.goes("broken")
  const young = await world.joins("bob")
  await young.says("PRESENCE", { payload: { status: "active" } })
  await world.pass(5_000)
  assert.equal(ada.all("LEAVE").length, 0)
  assert.equal(ada.all("JOIN").length, 1)
  await ada.writes("AQ==")
  assert.equal(young.told.at(-1), "ada AQ==")
})

test("RL76 tells a broken line after the grace, a goodbye at once", async () => {
  const world = new LfccWorld()
  const ada = await world.brings("ada")
  const [bob, eve] = [await world.joins("bob"), await world.joins("eve")]
  await bob.goes("broken")
  await eve.goes("clean")
  assert.deepEqual(
    ada.all("LEAVE").map(({ senderId }) => senderId),
    ["eve"],
  )
  await world.pass(1_990)
  assert.equal(ada.all("LEAVE").length, 1)
  await world.pass(20)
  assert.deepEqual(
    ada.all("LEAVE").map(({ senderId }) => senderId),
    ["eve", "bob"],
  )
})

test("RL18 tells a newcomer at once who is here, and what each shows", async () => {
  const world = new LfccWorld()
  const ada = await world.brings("ada")
  await world.joins("bob")
  await ada.says("PRESENCE", { payload: { status: "idle" } })
  await ada.says("PRESENCE", {
    payload: { status: "active", cursor: { blockId: "b", offset: 3 } },
    ts: 9,
  })
  const eve = await world.comes("eve")
  assert.deepEqual(eve.told, ["JOIN ada", "PRESENCE ada", "JOIN bob"])
  const payload = { status: "active", cursor: { blockId: "b", offset: 3 } }
  assert.deepEqual(eve.heard[1], { ...ada.frame("PRESENCE"), ts: 9, payload })
})

test("RL11, RL79 gathers presence, the last state of each sender", async () => {
  const world = new LfccWorld()
  const [ada, bob] = [await world.brings("ada"), await world.joins("bob")]
  const payloads = () => bob.all("PRESENCE").map(({ payload }) => payload?.["n"])
  for (const n of [1, 2, 3, 4]) await ada.says("PRESENCE", { payload: { n } })
  assert.deepEqual(payloads(), [1])
  await world.pass(50)
  assert.deepEqual(payloads(), [1, 4])
  assert.equal(ada.all("PRESENCE").length, 0)
})

test("RL11 keeps presence back from who is behind, and gives it the latest when it has drained", async () => {
  const world = new LfccWorld()
  const [ada, bob] = [await world.brings("ada"), await world.joins("bob")]
  bob.behind = true
  for (const n of [1, 2, 3]) {
    await ada.says("PRESENCE", { payload: { n } })
    await world.pass(60)
  }
  await ada.writes("AQ==")
  assert.deepEqual(bob.all("PRESENCE"), [])
  assert.equal(bob.told.at(-1), "ada AQ==")
  bob.behind = false
  await world.pass(60)
  assert.deepEqual(
    bob.all("PRESENCE").map(({ payload }) => payload?.["n"]),
    [3],
  )
})

test("RL14, RL15 asks one holder for a newcomer, and answers nobody else", async () => {
  const world = new LfccWorld()
  const holders = [await world.brings("ada"), await world.brings("bob"), await world.brings("eve")]
  await world.pass(10)
  for (const end of holders) if (end.all("SNAPSHOT_REQUEST").length > 0) await end.answers("AA==")
  for (const end of holders) end.take()
  const ida = await world.joins("ida")
  assert.deepEqual(
    holders.map((end) => end.all("SNAPSHOT_REQUEST").length),
    [1, 0, 0],
  )
  await holders[0]?.answers("AQID", { version: "CQ==" })
  const [answer] = ida.all("SNAPSHOT_RESPONSE")
  assert.equal(answer?.senderId, "server")
  assert.deepEqual(
    { ...answer?.payload, requestId: "" },
    { requestId: "", snapshot: "AQID", isBase64: true, version: "CQ==" },
  )
  assert.ok(holders.every((end) => end.all("SNAPSHOT_RESPONSE").length === 0))
  const una = await world.joins("una")
  assert.ok(una.heard.every(({ type }) => type === "JOIN"))
})

test("RL15 drops an answer that nobody asked for, and counts it", async () => {
  const world = new LfccWorld()
  const [ada, bob] = [await world.brings("ada"), await world.joins("bob")]
  await ada.answers("AQ==")
  bob.take()
  for (const requestId of [undefined, "r1", "r99"]) {
    await ada.says("SNAPSHOT_RESPONSE", {
      payload: { requestId, snapshot: "Ag==", isBase64: true },
    })
  }
  assert.deepEqual(bob.take(), [])
  assert.equal(world.relay.counts.refused.counts.get("unasked"), 3)
})

test("RL23 takes answers without a name for the oldest ask, and those with one for theirs", async () => {
  const world = new LfccWorld()
  const ada = await world.brings("ada")
  const ends = [
    await world.joins("bob", { version: "AQ==" }),
    await world.joins("eve", { version: "Ag==" }),
    await world.joins("ida", { version: "Aw==" }),
  ]
  assert.deepEqual(
    ada.told.filter((each) => each.startsWith("ASK")),
    ["ASK AQ==", "ASK Ag==", "ASK Aw=="],
  )
  const third = ada.all("SNAPSHOT_REQUEST")[2]?.payload?.["requestId"]
  const payload = { snapshot: "MzM=", isBase64: true, requestId: third }
  await ada.says("SNAPSHOT_RESPONSE", { payload })
  await ada.says("SNAPSHOT_RESPONSE", { payload: { snapshot: "MTE=", isBase64: true } })
  await ada.says("SNAPSHOT_RESPONSE", { payload: { snapshot: "MjI=", isBase64: true } })
  assert.deepEqual(
    ends.map((end) => end.all("SNAPSHOT_RESPONSE").map(({ payload }) => payload?.["snapshot"])),
    [["MTE="], ["MjI="], ["MzM="]],
  )
})

test("RL25 gathers newcomers, and lets nobody share an ask sent before it came", async () => {
  const world = new LfccWorld()
  const ada = await world.brings("ada")
  const bob = await world.joins("bob")
  const late = [await world.joins("eve"), await world.joins("ida")]
  assert.equal(ada.all("SNAPSHOT_REQUEST").length, 1)
  await ada.answers("AQ==")
  assert.equal(bob.told.at(-1), "SNAPSHOT AQ==")
  assert.ok(late.every((end) => end.all("SNAPSHOT_RESPONSE").length === 0))
  assert.equal(ada.all("SNAPSHOT_REQUEST").length, 1)
  await ada.answers("Ag==")
  assert.deepEqual(
    late.map((end) => end.told.at(-1)),
    ["SNAPSHOT Ag==", "SNAPSHOT Ag=="],
  )
})

test("RL26 asks another holder when one is late, and takes its answer when it comes", async () => {
  const world = new LfccWorld()
  const [ada, bob] = [await world.brings("ada"), await world.brings("bob")]
  await bob.answers("AA==")
  ada.take()
  const eve = await world.joins("eve")
  assert.equal(ada.all("SNAPSHOT_REQUEST").length, 1)
  await world.pass(2_010)
  assert.equal(bob.all("SNAPSHOT_REQUEST").length, 1)
  await ada.answers("AQ==")
  assert.equal(eve.told.at(-1), "SNAPSHOT AQ==")
  await bob.answers("Ag==")
  assert.equal(eve.all("SNAPSHOT_RESPONSE").length, 1)
})

test("RL27 asks another holder at once when the one that was asked leaves", async () => {
  const world = new LfccWorld()
  const [ada, bob] = [await world.brings("ada"), await world.brings("bob")]
  await bob.answers("AA==")
  const eve = await world.joins("eve")
  await ada.goes("clean")
  await bob.answers("Ag==")
  assert.equal(eve.told.at(-1), "SNAPSHOT Ag==")
})

test("RL28 gives a holder what waits before it is asked", async () => {
  const world = new LfccWorld()
  const [ada, bob] = [await world.brings("ada"), await world.brings("bob")]
  await bob.answers("AA==")
  await world.pass(100)
  ada.take()
  await bob.writes("AQ==")
  await bob.writes("Ag==")
  await world.joins("eve")
  assert.deepEqual(ada.told, ["bob AQ==", "JOIN eve", "bob Ag==", "ASK"])
})

test("RL24 pulls what a returning replica has, one at a time, and gives it to the others", async () => {
  const world = new LfccWorld()
  const ada = await world.brings("ada")
  assert.deepEqual(ada.told, [])
  const [bob, eve] = [await world.brings("bob"), await world.brings("eve")]
  const versioned = await world.joins("ida", { hasSnapshot: true, version: "AQ==" })
  assert.deepEqual(
    [bob, eve, versioned].map((end) => end.all("SNAPSHOT_REQUEST").length),
    [1, 0, 0],
  )
  ada.take()
  await bob.answers("Qk9C")
  assert.deepEqual(ada.told, ["bob Qk9C"])
  await world.pass(2_010)
  assert.equal(eve.all("SNAPSHOT_REQUEST").length, 1)
  await world.pass(2_010)
  await eve.answers("RVZF")
  assert.deepEqual(ada.told, ["bob Qk9C", "eve RVZF"])
  await bob.says("JOIN", { payload: { hasSnapshot: true } })
  assert.equal(bob.all("SNAPSHOT_REQUEST").length, 0)
})

test("RL33, RL37 tells the first of a new room that it may fill it, when it asks, and the others that it is empty", async () => {
  const world = new LfccWorld()
  const seeding = { features: ["seed"] }
  const ada = await world.joins("ada", seeding)
  const bob = await world.joins("bob", seeding)
  assert.deepEqual(ada.told, ["JOIN bob"])
  await ada.says("SNAPSHOT_REQUEST")
  await bob.says("SNAPSHOT_REQUEST")
  assert.equal(ada.told.at(-1), "SNAPSHOT seed")
  assert.equal(bob.all("SNAPSHOT_RESPONSE").length, 0)
  await world.pass(1_010)
  assert.equal(bob.told.at(-1), "SNAPSHOT empty")
  assert.equal(world.relay.counts.seedGrants, 1)
})

test("RL38 keeps others waiting for what the first puts in, and asks it then", async () => {
  const world = new LfccWorld()
  const [ada, bob] = [await world.joins("ada"), await world.joins("bob")]
  await bob.says("SNAPSHOT_REQUEST")
  await world.pass(500)
  assert.equal(bob.all("SNAPSHOT_RESPONSE").length, 0)
  await ada.writes("AQ==")
  assert.deepEqual(ada.told.at(-1), "ASK")
  await ada.answers("AQ==")
  assert.deepEqual(bob.told.slice(-2), ["ada AQ==", "SNAPSHOT AQ=="])
})

test("RL39 passes the grant on when who had it leaves before it wrote", async () => {
  const world = new LfccWorld()
  const ada = await world.joins("ada", { features: ["seed"] })
  await ada.says("SNAPSHOT_REQUEST")
  const bob = await world.joins("bob", { features: ["seed"] })
  await bob.says("SNAPSHOT_REQUEST")
  await world.pass(1_010)
  assert.equal(bob.told.at(-1), "SNAPSHOT empty")
  await ada.goes("clean")
  assert.equal(bob.told.at(-1), "SNAPSHOT seed")
})

test("RL31 tells nobody that a room is empty while a holder is here, and closes who waited in vain", async () => {
  const world = new LfccWorld()
  await world.brings("ada")
  const bob = await world.joins("bob")
  await bob.says("SNAPSHOT_REQUEST")
  await world.pass(29_900)
  assert.equal(bob.all("SNAPSHOT_RESPONSE").length, 0)
  assert.equal(bob.code, undefined)
  await world.pass(200)
  assert.equal(bob.code, "unavailable")
})

test("RL40 waits for holders that may come back before it says that a room is empty", async () => {
  const world = new LfccWorld()
  const ada = await world.brings("ada")
  await ada.goes("clean")
  const bob = await world.joins("bob", { features: ["seed"] })
  await bob.says("SNAPSHOT_REQUEST")
  await world.pass(4_900)
  assert.equal(bob.all("SNAPSHOT_RESPONSE").length, 0)
  await world.pass(200)
  assert.equal(bob.told.at(-1), "SNAPSHOT empty")
})

test("RL36 answers a holder that asks again, at most so many times a minute", async () => {
  const world = new LfccWorld({ stepsPerMinute: 2 })
  const ada = await world.brings("ada")
  await ada.says("SNAPSHOT_REQUEST")
  assert.deepEqual(ada.told, ["SNAPSHOT empty"])
  const bob = await world.joins("bob")
  await ada.answers("AQ==")
  await ada.says("SNAPSHOT_REQUEST", { payload: { version: "Aw==" } })
  assert.equal(bob.told.at(-1), "ASK Aw==")
  await bob.answers("Ag==")
  assert.equal(ada.told.at(-1), "SNAPSHOT Ag==")
  await ada.says("SNAPSHOT_REQUEST")
  assert.equal(bob.all("SNAPSHOT_REQUEST").length, 0)
})

test("RL92 asks nobody in a room whose content is too big, and refuses newcomers there", async () => {
  const world = new LfccWorld({ answerLimitBytes: 4 })
  const ada = await world.brings("ada")
  const bob = await world.joins("bob")
  await ada.answers("AQIDBAU=")
  assert.equal(bob.code, "too-large")
  const eve = await world.comes("eve")
  assert.equal(eve.code, "too-large")
  assert.equal(ada.code, undefined)
})

test("RL102 lets the first replica say whether a room is sealed, and refuses others who say otherwise", async () => {
  for (const sealed of [true, false]) {
    const world = new LfccWorld()
    await world.joins("ada", sealed ? { sealed, hasSnapshot: true } : { hasSnapshot: true })
    const same = await world.joins("bob", { sealed })
    assert.equal(same.code, undefined)
    const other = await world.joins("eve", { sealed: !sealed })
    assert.equal(other.code, "unsupported")
    const silent = await world.joins("ida")
    assert.equal(silent.code, sealed ? "unsupported" : undefined)
  }
  const world = new LfccWorld()
  const ada = await world.joins("ada", { sealed: true })
  const eve = await world.comes("eve")
  await eve.writes("AQ==")
  assert.equal(eve.code, "unsupported")
  assert.equal(ada.all("CRDT_UPDATE").length, 0)
})

test("RL7, RL8 keeps rooms apart by kind and name", async () => {
  const world = new LfccWorld()
  const ada = await world.brings("ada")
  const other = await world.brings("bob", { room: "other" })
  world.relay.enter("notes", { subject: undefined, role: "editor", since: undefined }, quiet)
  await ada.writes("AQ==")
  await ada.says("PRESENCE", { payload: {} })
  assert.deepEqual(other.take(), [])
  assert.deepEqual(
    world.relay.view(10, () => true).map(({ name, kind, replicas }) => [name, kind, replicas]),
    [
      ["notes", "yjs", 1],
      ["notes", "opaque", 1],
      ["other", "opaque", 1],
    ],
  )
})

test("RL9 forgets a room some time after its last replica", async () => {
  const world = new LfccWorld()
  const ada = await world.brings("ada")
  await ada.goes("clean")
  await world.pass(4_900)
  assert.equal(world.relay.size, 1)
  await world.pass(1_200)
  assert.equal(world.relay.size, 0)
})

/** A replica of a Yjs room that is to hear nothing. */
const quiet = {
  behind: false,
  hearsSeeds: false,
  isAcknowledged: false,
  send: () => assert.fail("it was told something"),
  close: () => assert.fail("it was closed"),
  notice: () => assert.fail("it was told something"),
  acknowledge: () => assert.fail("it was told something"),
  stateless: () => assert.fail("it was told something"),
}
