/** What a relay shows of its rooms, and counts of what it asked other servers for. */
import assert from "node:assert/strict"
import { test } from "node:test"
import * as Y from "yjs"
import { drawing, noFaults } from "./fault-hub.ts"
import { OpaqueFleetReplica } from "./opaque-fleet.ts"
import { Fleet, FleetReplica } from "./relay-fleet.ts"
import { identity, RelayWorld, typed } from "./relay-parts.ts"

test("RL103 a room is shown with who is in it as what, and what they sent in the last ten seconds", async () => {
  const world = new RelayWorld()
  const [room] = world.relay.view(1, () => true)
  assert.equal(room, undefined)
  const doc = new Y.Doc()
  const end = await world.joins(doc)
  await world.joins(new Y.Doc(), { identity: identity({ role: "viewer" }) })
  const seen = () => {
    const [notes] = world.relay.view(1, () => true)
    const { roles, servers, editsPerSecond, bytesPerSecond } = notes ?? {}
    return [roles, servers, editsPerSecond, (bytesPerSecond ?? 0) > 0]
  }
  const roles = { viewer: 1, editor: 1, admin: 0 }
  for (let edits = 0; edits < 20; edits++) end.update(typed(doc, "a"))
  await world.pass(5_000)
  assert.deepEqual(seen(), [roles, 0, 2, true])
  await world.pass(20_000)
  assert.deepEqual(seen(), [roles, 0, 0, false])
})

test("RL103 a room is shown with how many other servers have it, of either kind", async () => {
  const fleet = new Fleet(3, drawing(1))
  const comers = [new FleetReplica("ada", 1), new FleetReplica("bob", 2)]
  const others = [new OpaqueFleetReplica("ada"), new OpaqueFleetReplica("bob")]
  for (const [at, each] of [...comers.entries(), ...others.entries()]) {
    const server = fleet.servers[at]
    if (server !== undefined) each.join(server)
  }
  await fleet.pass(1_000)
  const seen = fleet.servers.map(({ relay }) =>
    relay.view(9, () => true).map(({ kind, servers }) => `${kind} ${servers}`),
  )
  assert.deepEqual(seen, [["yjs 1", "opaque 1"], ["yjs 1", "opaque 1"], []])
})

test("RL113 what other servers were asked for is counted by what came of it", async () => {
  const fleet = new Fleet(2, drawing(3))
  const [one, two] = fleet.servers
  assert.ok(one !== undefined && two !== undefined)
  const counted = (of: "mended" | "nothing" | "unanswered") =>
    one.relay.counts.resyncs.counts.get(of) ?? 0
  const [ada, bob] = [new FleetReplica("ada", 1), new FleetReplica("bob", 2)]
  ada.join(one)
  await fleet.pass(1_000)
  bob.join(two)
  await fleet.pass(1_000)
  bob.doc.getText("t").insert(0, "first ")
  await fleet.pass(20_000)
  const before = counted("mended")
  fleet.hub.faults = { ...noFaults, drop: 1 }
  bob.doc.getText("t").insert(0, "lost ")
  await fleet.pass(100)
  fleet.hub.faults = noFaults
  bob.doc.getText("t").insert(0, "after ")
  await fleet.pass(5_000)
  assert.equal(ada.text, "after lost first ")
  assert.ok(counted("mended") > before, "its answer mended")
  // Now what is answered does not arrive.
  const [words, opaque] = [new OpaqueFleetReplica("ada"), new OpaqueFleetReplica("bob")]
  words.words.add("first")
  words.join(one, { has: "snapshot" })
  await fleet.pass(500)
  opaque.join(two)
  await fleet.pass(5_000)
  const unanswered = counted("unanswered")
  const mended = counted("mended")
  fleet.hub.faults = { ...noFaults, drop: 1 }
  opaque.write("lost")
  await fleet.pass(100)
  fleet.hub.faults = noFaults
  fleet.hub.deaf.set(one.name, `lfcc:server:${one.relay.group.origin}`)
  opaque.write("after")
  await fleet.pass(1_000)
  fleet.hub.deaf.delete(one.name)
  await fleet.pass(10_000)
  assert.deepEqual(words.heard, ["lost", "after"])
  assert.ok(counted("unanswered") > unanswered, "it had to be asked again")
  assert.ok(counted("mended") > mended)
})
