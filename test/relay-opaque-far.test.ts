/** Opaque rooms over several servers: what crosses, what is missed, and how it comes. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { drawing, noFaults } from "./fault-hub.ts"
import { OpaqueFleetReplica } from "./opaque-fleet.ts"
import { Fleet, type FleetOptions, type FleetServer } from "./relay-fleet.ts"

/** Two servers with a replica each, which have the same words. */
async function pair(options: FleetOptions = {}) {
  const fleet = new Fleet(2, drawing(7), options)
  const [one, two] = fleet.servers as [FleetServer, FleetServer]
  const [ada, bob] = [new OpaqueFleetReplica("ada"), new OpaqueFleetReplica("bob")]
  ada.words.add("first")
  await fleet.pass(500)
  ada.join(one, { has: "snapshot" })
  await fleet.pass(500)
  bob.join(two)
  await fleet.pass(500)
  return { fleet, one, two, ada, bob }
}

function room(server: FleetServer) {
  const found = server.relay.opaque.all.get("notes")
  assert.ok(found)
  return found
}

test("RL10, RL16, RL17 gives changes to replicas on other servers, in their order, and not back", async () => {
  const { fleet, ada, bob } = await pair()
  for (const word of ["a", "b", "c", "d"]) ada.write(word)
  await fleet.pass(200)
  bob.write("e")
  await fleet.pass(200)
  assert.deepEqual(bob.heard, ["a", "b", "c", "d"])
  assert.deepEqual(ada.heard, ["e"])
})

test("RL11, RL12, RL13, RL18 tells of coming, going and presence on other servers, each once", async () => {
  const { fleet, one, two, ada, bob } = await pair()
  assert.deepEqual([ada.told, bob.told], [["join bob"], ["join ada"]])
  ada.show("typing")
  await fleet.pass(200)
  assert.equal(bob.shown.get("ada"), "typing")
  const eve = new OpaqueFleetReplica("eve")
  eve.join(two)
  await fleet.pass(200)
  assert.deepEqual([...eve.present].sort(), ["ada", "bob"])
  assert.equal(eve.shown.get("ada"), "typing")
  // A second place of one name is no second coming, and its end no going.
  const other = new OpaqueFleetReplica("eve")
  other.join(one)
  await fleet.pass(200)
  eve.leave("clean")
  await fleet.pass(200)
  assert.deepEqual(bob.told, ["join ada", "join eve"])
  other.leave("clean")
  await fleet.pass(15_000)
  assert.deepEqual(ada.told, ["join bob", "join eve", "leave eve"])
  assert.deepEqual(bob.told, ["join ada", "join eve", "leave eve"])
})

test("RL76 tells nothing of one whose line broke and who comes back on another server", async () => {
  const { fleet, one, two, ada, bob } = await pair()
  bob.leave("broken")
  await fleet.pass(500)
  bob.join(one)
  await fleet.pass(5_000)
  assert.deepEqual(ada.told, ["join bob"])
  bob.leave("broken")
  await fleet.pass(5_000)
  assert.deepEqual(ada.told, ["join bob", "leave bob"])
  assert.equal(room(one).replicas.size, 1)
  assert.equal(two.relay.opaque.all.size, 0)
})

test("RL14, RL15, RL21 gives a newcomer the content of one holder on another server", async () => {
  const fleet = new Fleet(3, drawing(7))
  const [one, two, three] = fleet.servers as [FleetServer, FleetServer, FleetServer]
  const [ada, eve, bob] = ["ada", "eve", "bob"].map((name) => new OpaqueFleetReplica(name)) as [
    OpaqueFleetReplica,
    OpaqueFleetReplica,
    OpaqueFleetReplica,
  ]
  ada.words.add("first")
  await fleet.pass(500)
  ada.join(one, { has: "snapshot" })
  await fleet.pass(500)
  eve.join(three)
  await fleet.pass(500)
  assert.deepEqual([ada.asked, eve.given, [...eve.words]], [1, 1, ["first"]])
  bob.join(two)
  await fleet.pass(3_000)
  assert.deepEqual([...bob.words], ["first"])
  assert.deepEqual([ada.asked + eve.asked, ada.given, eve.given, bob.given], [2, 0, 1, 1])
  // From here on somebody on the same server is asked.
  const ida = new OpaqueFleetReplica("ida")
  ida.join(two)
  await fleet.pass(500)
  assert.deepEqual([bob.asked, ida.given, ada.asked + eve.asked], [1, 1, 2])
})

test("RL31 tells nobody that a room is empty while a holder on another server is silent", async () => {
  const { fleet, ada, two } = await pair()
  const eve = new OpaqueFleetReplica("eve")
  const bob = [...room(two).replicas]
  ada.isSilent = true
  for (const { outlet } of bob) outlet.close("going-away", "")
  await fleet.pass(1_000)
  eve.join(two)
  await fleet.pass(29_000)
  assert.deepEqual([eve.emptied, eve.given, eve.closed], [0, 0, undefined])
  await fleet.pass(3_000)
  assert.equal(eve.closed, "unavailable")
})

test("RL52, RL53 asks for a hole by its numbers, and gives what is replayed in its order", async () => {
  const { fleet, one, two, ada, bob } = await pair()
  ada.write("a")
  await fleet.pass(100)
  fleet.hub.faults = { ...noFaults, drop: 1 }
  for (const word of ["b", "c", "d"]) ada.write(word)
  await fleet.pass(100)
  assert.deepEqual(bob.heard, ["a"])
  // What comes next shows the hole, and waits for what is replayed: that is lost at first.
  fleet.hub.faults = noFaults
  ada.write("e")
  await fleet.settle()
  fleet.hub.faults = { ...noFaults, drop: 1 }
  await fleet.pass(200)
  assert.deepEqual(bob.heard, ["a"])
  assert.equal(two.relay.dirty, 1)
  fleet.hub.faults = noFaults
  await fleet.pass(1_000)
  assert.deepEqual(bob.heard, ["a", "b", "c", "d", "e"])
  assert.deepEqual([one.relay.dirty, two.relay.dirty], [0, 0])
  // Nobody was asked for all that there is.
  assert.deepEqual([ada.asked, bob.given, ada.given], [1, 1, 0])
})

test("RL50 finds a last change that was lost by the beacon", async () => {
  const { fleet, ada, bob } = await pair()
  fleet.hub.faults = { ...noFaults, drop: 1 }
  ada.write("a")
  await fleet.pass(100)
  fleet.hub.faults = noFaults
  await fleet.pass(6_500)
  assert.deepEqual([bob.heard, ada.asked], [["a"], 1])
})

test("RL50 finds it by a second beacon where the first one was lost, too", async () => {
  const { fleet, ada, bob } = await pair()
  fleet.hub.faults = { ...noFaults, drop: 1 }
  ada.write("a")
  await fleet.pass(5_500)
  fleet.hub.faults = noFaults
  await fleet.pass(6_000)
  assert.deepEqual(bob.heard, ["a"])
})

test("RL52 makes up for what no ring holds any more by what one holder has", async () => {
  const { fleet, two, ada, bob } = await pair({ limits: { ringBytesPerRoom: 250 } })
  const eve = new OpaqueFleetReplica("eve")
  eve.join(two)
  await fleet.pass(500)
  fleet.hub.faults = { ...noFaults, drop: 1 }
  for (const word of ["a", "b", "c", "d"]) ada.write(word)
  await fleet.pass(100)
  fleet.hub.faults = noFaults
  const before = [ada.asked, bob.given, eve.given, ada.given]
  ada.write("e")
  await fleet.pass(1_000)
  for (const { words } of [bob, eve]) {
    assert.deepEqual([...words].sort(), ["a", "b", "c", "d", "e", "first"])
  }
  const after = [ada.asked, bob.given, eve.given, ada.given]
  assert.deepEqual(
    after.map((count, at) => count - (before[at] ?? 0)),
    [1, 1, 1, 0],
  )
  assert.equal(two.relay.dirty, 0)
})

test("RL13, RL77 tells of those who were on a server that died, once", async () => {
  const { fleet, two, ada, bob } = await pair()
  fleet.kill(two)
  await fleet.pass(9_000)
  assert.deepEqual(ada.told, ["join bob"])
  await fleet.pass(21_000)
  assert.deepEqual(ada.told, ["join bob", "leave bob"])
  bob.server = undefined
})

test("RL4, RL76 tells nothing of who comes back in time from a server that died, and loses no change", async () => {
  const { fleet, one, two, ada, bob } = await pair()
  bob.write("b")
  await fleet.pass(100)
  fleet.kill(two)
  bob.leave("broken")
  await fleet.pass(1_000)
  ada.write("a")
  bob.write("late")
  bob.join(one, { has: "snapshot" })
  await fleet.pass(30_000)
  assert.deepEqual(ada.told, ["join bob"])
  assert.deepEqual([...ada.words].sort(), ["a", "b", "first", "late"])
})

test("RL20 publishes nothing of a room that no other server has but a count now and then", async () => {
  const fleet = new Fleet(2, drawing(7))
  const [one] = fleet.servers as [FleetServer]
  const [ada, bob] = [new OpaqueFleetReplica("ada"), new OpaqueFleetReplica("bob")]
  await fleet.pass(500)
  const spoken: string[] = []
  fleet.hub.observe = (channel) => {
    if (channel.startsWith("lfcc:doc:")) spoken.push(channel)
  }
  ada.join(one, { has: "snapshot" })
  bob.join(one)
  await fleet.pass(1_000)
  assert.equal(spoken.length, 1)
  for (let turn = 0; turn < 300; turn++) {
    ada.write(`w${turn}`)
    bob.show(`s${turn}`)
    await fleet.pass(100)
  }
  assert.deepEqual([spoken.length, bob.heard.length, ada.shown.size], [2, 300, 1])
})

test("RL61 brings both sides of a partition together within 2 s, however long it lasted", async () => {
  for (const ms of [3_000, 40_000]) {
    const { fleet, one, two, ada, bob } = await pair()
    fleet.hub.parts.set(two.name, 1)
    for (let at = 0; at < 3; at++) {
      ada.write(`a${at}`)
      bob.write(`b${at}`)
      await fleet.pass(ms / 3)
    }
    assert.ok(!ada.words.has("b0") && !bob.words.has("a0"))
    fleet.hub.parts.clear()
    fleet.hub.gap(undefined)
    await fleet.pass(2_000)
    const all = ["a0", "a1", "a2", "b0", "b1", "b2", "first"]
    for (const { words } of [ada, bob]) assert.deepEqual([...words].sort(), all)
    await fleet.pass(5_000)
    assert.deepEqual([one.relay.dirty, two.relay.dirty], [0, 0])
    assert.deepEqual([[...ada.present], [...bob.present]], [["bob"], ["ada"]])
  }
})

test("RL37 lets one replica of all servers fill a new room, and the others hear it", async () => {
  const fleet = new Fleet(2, drawing(7))
  const [one, two] = fleet.servers as [FleetServer, FleetServer]
  const [ada, bob] = [new OpaqueFleetReplica("ada"), new OpaqueFleetReplica("bob")]
  await fleet.pass(500)
  ada.join(one)
  bob.join(two)
  await fleet.pass(3_000)
  const grants = fleet.servers.map(({ relay }) => relay.counts.seedGrants)
  assert.deepEqual(grants.toSorted(), [0, 1])
  ada.write("a")
  await fleet.pass(500)
  assert.deepEqual([...bob.words], ["a"])
})

test("RL52, RL61 finds what was written while one server had given up another, which had not", async () => {
  const { fleet, one, two, ada, bob } = await pair()
  // So that they say HELLO at different times, and lose each other at different times.
  two.isHung = true
  await fleet.pass(1_500)
  two.isHung = false
  await fleet.pass(2_500)
  fleet.hub.parts.set(two.name, 1)
  const knows = (server: FleetServer, other: FleetServer) =>
    server.relay.group.isAlive(other.relay.group.origin)
  while (knows(one, two) && knows(two, one)) await fleet.pass(10)
  const [alone, writer, reader] = knows(one, two) ? [two, bob, ada] : [one, ada, bob]
  await fleet.pass(100)
  writer.write("late")
  await fleet.pass(100)
  assert.ok(knows(alone === one ? two : one, alone))
  fleet.hub.parts.clear()
  fleet.hub.gap(undefined)
  await fleet.pass(2_000)
  assert.ok(reader.words.has("late"))
})

test("RL45, RL63 tells a server that does not hear what is said in its room, so that it asks for it", async () => {
  const { fleet, two, ada, bob } = await pair()
  fleet.hub.deaf.set(two.name, "lfcc:doc:notes")
  ada.write("unheard")
  await fleet.pass(1_000)
  assert.ok(bob.words.has("unheard"))
  assert.deepEqual(bob.heard, ["unheard"])
})

test("RL102 tells other servers whether a room is sealed, and closes there who says otherwise", async () => {
  const fleet = new Fleet(2, drawing(7))
  const [one, two] = fleet.servers as [FleetServer, FleetServer]
  const [ada, bob, eve] = ["ada", "bob", "eve"].map((name) => new OpaqueFleetReplica(name)) as [
    OpaqueFleetReplica,
    OpaqueFleetReplica,
    OpaqueFleetReplica,
  ]
  await fleet.pass(500)
  ada.words.add("first")
  ada.join(one, { has: "snapshot", sealed: true })
  await fleet.pass(500)
  // Its server does not know yet when it comes.
  bob.join(two)
  await fleet.pass(500)
  assert.equal(bob.closed, "unsupported")
  eve.join(two, { sealed: true })
  await fleet.pass(500)
  assert.deepEqual([eve.closed, [...eve.words]], [undefined, ["first"]])
  // Where both sides of a cut have said something, the older room is right.
  eve.leave("clean")
  await fleet.pass(10_000)
  fleet.hub.parts.set(two.name, 1)
  bob.words.add("other")
  bob.join(two, { has: "snapshot" })
  await fleet.pass(2_000)
  assert.equal(bob.closed, undefined)
  fleet.hub.parts.clear()
  fleet.hub.gap(undefined)
  await fleet.pass(2_000)
  assert.deepEqual([ada.closed, bob.closed], [undefined, "unsupported"])
})
