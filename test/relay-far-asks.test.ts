/** Asks for content that cross servers: what is lost on the way, and who refuses. For both kinds of rooms. */
import assert from "node:assert/strict"
import { test } from "node:test"
import * as Y from "yjs"
import { Log } from "../src/log.ts"
import { decodeEnvelope, encodeEnvelope, type ToServer } from "../src/wire/bus.ts"
import { drawing, type FaultHub } from "./fault-hub.ts"
import { OpaqueFleetReplica } from "./opaque-fleet.ts"
import { Fleet, FleetReplica, type FleetServer } from "./relay-fleet.ts"

/** How a room of each kind is called on the bus, and a replica that comes to it with nothing. */
const kinds = [
  {
    name: "a Yjs room",
    key: "y/notes",
    channel: "lfcc:yjs:notes",
    newcomer: () => {
      const replica = new FleetReplica("newcomer", 7)
      return { replica, join: (at: FleetServer) => replica.join(at), has: () => replica.isSynced }
    },
    holder: () => {
      const replica = new FleetReplica("holder", 8)
      replica.doc.getText("t").insert(0, "text")
      return { replica, join: (at: FleetServer) => replica.join(at) }
    },
  },
  {
    name: "an opaque room",
    key: "l/notes",
    channel: "lfcc:doc:notes",
    newcomer: () => {
      const replica = new OpaqueFleetReplica("newcomer")
      return {
        replica,
        join: (at: FleetServer) => replica.join(at),
        has: () => replica.given > 0,
      }
    },
    holder: () => {
      const replica = new OpaqueFleetReplica("holder")
      replica.words.add("text")
      return { replica, join: (at: FleetServer) => replica.join(at, { has: "snapshot" }) }
    },
  },
] as const

const origin = "00ff00ff00ff00ff"
const nothing = new Uint8Array()

/** A server that says that it has the content, and refuses to give it. Returns when it was asked, in ms. */
function refuser(
  fleet: Fleet,
  { key, channel }: { readonly key: string; readonly channel: string },
) {
  const askedAt: number[] = []
  const faults: string[] = []
  const log = new Log("error", (line) => faults.push(line))
  const bus = fleet.hub.join({ server: "refuser", now: () => fleet.now, log })
  const header = { origin, epoch: 1, seq: 0 }
  const tell = (to: string, message: ToServer) =>
    bus.publish(`lfcc:server:${to}`, encodeEnvelope(header, message))
  bus.subscribe(channel, (data) => {
    const { header: of, message } = decodeEnvelope(data)
    const said = { room: key, vector: nothing }
    if (message.kind === "open") {
      const stands = {
        lastSeq: 0,
        holders: 1,
        hash: "0000000000000001",
        isBlank: false,
        seal: "opaque",
      } as const
      tell(of.origin, { kind: "state", epoch: 1, rows: [], names: [], ...said, ...stands })
    }
    if (message.kind !== "ask") return
    askedAt.push(fleet.now)
    const content = { update: nothing, version: nothing, heads: [] }
    tell(of.origin, { kind: "answer", room: key, id: message.id, outcome: "refused", ...content })
  })
  const greet = () => {
    const message = { kind: "hello", serverId: "refuser", upMs: 1, isDraining: false } as const
    bus.publish("lfcc:servers", encodeEnvelope({ ...header, epoch: 0 }, message))
  }
  return { askedAt, faults, greet }
}

/** Loses all that is said to this server alone. */
function deafen(hub: FaultHub, { name, relay }: FleetServer): void {
  hub.deaf.set(name, `lfcc:server:${relay.group.origin}`)
}

for (const kind of kinds) {
  test(`RL26, RL29 asks a server again whose answers were lost, however many, in ${kind.name}`, async () => {
    const fleet = new Fleet(2, drawing(5))
    const [one, two] = fleet.servers as [FleetServer, FleetServer]
    const { join, has, replica } = kind.newcomer()
    await fleet.pass(500)
    const holder = kind.holder()
    holder.join(one)
    await fleet.pass(1_500)
    // How the other stands still comes; no answer after it does.
    holder.replica.isSilent = true
    join(two)
    await fleet.pass(500)
    deafen(fleet.hub, two)
    holder.replica.isSilent = false
    for (let second = 0; second < 90; second++) {
      await fleet.pass(1_000)
      if (!replica.isHere) join(two)
    }
    assert.ok(!has())
    fleet.hub.deaf.clear()
    for (let second = 0; second < 6 && !has(); second++) {
      if (!replica.isHere) join(two)
      await fleet.pass(1_000)
    }
    assert.ok(has())
    assert.deepEqual(fleet.faults, [])
  })

  test(`RL21 asks a holder on this server before one on another, in ${kind.name}`, async () => {
    const fleet = new Fleet(2, drawing(5))
    const [one, two] = fleet.servers as [FleetServer, FleetServer]
    await fleet.pass(500)
    kind.holder().join(one)
    await fleet.pass(1_500)
    const { join, has } = kind.newcomer()
    join(two)
    await fleet.pass(1_500)
    assert.ok(has())
    const later = kind.newcomer()
    later.join(two)
    await fleet.pass(1_500)
    assert.ok(later.has())
    assert.deepEqual([...two.relay.counts.requests.counts].sort(), [
      ["local", 1],
      ["remote", 1],
    ])
    assert.deepEqual(fleet.faults, [])
  })

  test(`RL31 asks a server that refuses again after two seconds, and tells nobody meanwhile that there is nothing, in ${kind.name}`, async () => {
    const fleet = new Fleet(1, drawing(5))
    const [one] = fleet.servers as [FleetServer]
    const { askedAt, faults, greet } = refuser(fleet, kind)
    const { join, has, replica } = kind.newcomer()
    greet()
    await fleet.pass(500)
    join(one)
    await fleet.pass(9_000, () => fleet.now % 1_000 === 0 && greet())
    assert.ok(askedAt.length >= 3, `${askedAt.length} asks`)
    for (const [index, at] of askedAt.entries()) {
      const before = askedAt[index - 1]
      if (before !== undefined) assert.ok(at - before >= 2_000, `${at - before} ms apart`)
    }
    assert.ok(!has() && replica.isHere)
    assert.deepEqual([...fleet.faults, ...faults], [])
  })
}

test("RL24 gives a newcomer elsewhere its content whose vector is longer than this server takes of its own", async () => {
  const fleet = new Fleet(0, drawing(11))
  const one = fleet.add({ vectorBytes: 16 })
  const two = fleet.add()
  const holder = new FleetReplica("holder", 1)
  holder.doc.getText("t").insert(0, "text")
  const newcomer = new FleetReplica("newcomer", 2)
  for (let client = 100; client < 120; client++) {
    const doc = new Y.Doc()
    doc.clientID = client
    doc.getText("t").insert(0, "x")
    Y.applyUpdate(newcomer.doc, Y.encodeStateAsUpdate(doc), "relay")
  }
  await fleet.pass(500)
  holder.join(one)
  await fleet.pass(500)
  newcomer.join(two)
  await fleet.pass(1_500)
  assert.ok(newcomer.isSynced)
  assert.ok(newcomer.text.includes("text"))
  assert.equal(holder.text, newcomer.text)
  assert.deepEqual(fleet.faults, [])
})
