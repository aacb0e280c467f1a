/** A server that goes: its rooms end one after the other, with their replicas, and say so. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { Log } from "../src/log.ts"
import { decodeEnvelope } from "../src/wire/bus.ts"
import { drawing } from "./fault-hub.ts"
import { OpaqueFleetReplica } from "./opaque-fleet.ts"
import { Fleet, FleetReplica, type FleetServer } from "./relay-fleet.ts"

const names = ["ada", "bob", "eve"]

/** What is said on `channel` from here on, by kind. */
function saidOn(fleet: Fleet, channel: string): string[] {
  const kinds: string[] = []
  const log = new Log("error", () => {})
  const ear = fleet.hub.join({ server: "ear", now: () => fleet.now, log })
  ear.subscribe(channel, (data) => kinds.push(decodeEnvelope(data).message.kind))
  return kinds
}

/** Rooms of both kinds with a replica on each of two servers. */
async function rooms() {
  const fleet = new Fleet(2, drawing(3))
  const [one, two] = fleet.servers as [FleetServer, FleetServer]
  await fleet.pass(500)
  const shared = names.map((room, index) => {
    const here = new FleetReplica(room, 2 * index + 1)
    const there = new FleetReplica(`${room} there`, 2 * index + 2)
    here.join(one, room)
    return { room, here, there }
  })
  const [typed, read] = [new OpaqueFleetReplica("typed"), new OpaqueFleetReplica("read")]
  typed.words.add("first")
  typed.join(one, { has: "snapshot" })
  await fleet.pass(1_500)
  for (const { here } of shared) here.doc.getText("t").insert(0, "text")
  for (const { room, there } of shared) there.join(two, room)
  read.join(two)
  await fleet.pass(2_000)
  return { fleet, one, two, shared, typed, read }
}

test("RL114 ends its rooms one after the other, each with its last replica, and tells the others of it then", async () => {
  const { fleet, one, shared, typed, read } = await rooms()
  const said = shared.map(({ room }) => saidOn(fleet, `lfcc:yjs:${room}`))
  const saidOfOpaque = saidOn(fleet, "lfcc:doc:notes")
  const shut = () => [...said, saidOfOpaque].map((kinds) => kinds.includes("shut"))
  // What waits in a window leaves before anybody is sent away.
  for (const { here } of shared) {
    // The first leaves at once, the second waits.
    for (const part of ["st ", "la"]) here.doc.getText("t").insert(0, part)
  }
  for (const word of ["first", "last"]) typed.write(word)
  await fleet.settle()
  assert.deepEqual([shared[0]?.there.text, read.words.has("last")], ["st text", false])
  one.relay.stop()
  // Time passes for who hears it only.
  one.isHung = true
  await fleet.pass(50)
  one.isHung = false
  for (const { there } of shared) assert.equal(there.text, "last text")
  assert.ok(read.words.has("last"))
  await fleet.pass(1_000)
  assert.deepEqual(shut(), [false, false, false, false])
  for (const [index, { here }] of shared.entries()) {
    assert.equal(one.relay.size, 4 - index)
    here.leave("broken")
    await fleet.pass(100)
    assert.deepEqual(
      shut(),
      [0, 1, 2, 3].map((at) => at <= index),
    )
  }
  typed.leave("broken")
  await fleet.pass(100)
  assert.deepEqual(shut(), [true, true, true, true])
  assert.equal(one.relay.size, 0)
})

test("RL40 RL114 leaves a fresh mark of each room with content, so that nobody fills it while its clients move", async () => {
  const { fleet, one, two, shared } = await rooms()
  const [first] = shared
  assert.ok(first)
  first.there.leave("clean")
  // Old, and not due to be renewed.
  await fleet.pass(25_000)
  one.relay.stop()
  first.here.leave("broken")
  await fleet.pass(50_000)
  assert.notEqual(fleet.hub.claims.get("lfcc:mark:y/ada", fleet.now), undefined)
  const newcomer = new FleetReplica("newcomer", 99)
  newcomer.join(two, "ada")
  await fleet.pass(2_000)
  assert.equal(newcomer.grants, 0)
  assert.ok(!newcomer.isSynced)
})
