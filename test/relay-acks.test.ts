/** Acknowledgements that wait for another holder: `ackNeeds: "holder"`. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { HocuspocusProvider } from "@hocuspocus/provider"
import * as Y from "yjs"
import { spansOf } from "../src/relay/spans.ts"
import { copiesIn, copyOf, Live, live } from "./copy-parts.ts"
import { drawing } from "./fault-hub.ts"
import { eventually, startServer } from "./harness.ts"
import { type LfccEnd, LfccWorld } from "./lfcc-parts.ts"
import { OpaqueFleetReplica } from "./opaque-fleet.ts"
import { Fleet, FleetReplica } from "./relay-fleet.ts"
import { authored, type HocuspocusEnd, identity, RelayWorld, typed } from "./relay-parts.ts"

const limits = { ackNeeds: "holder" } as const

async function opens(world: RelayWorld, end: HocuspocusEnd, doc: Y.Doc): Promise<void> {
  end.token("notes", "")
  end.step1("notes", doc)
  await world.settle()
  end.news()
}

const accepted = (end: HocuspocusEnd) =>
  end.news().filter((each) => each === "notes: accepted").length

const acks = (end: LfccEnd) => end.told.filter((each) => each.startsWith("ACK"))

test("RL120 with ackNeeds what a lone replica wrote is accepted when another has been given it", async () => {
  const world = new RelayWorld({ limits })
  const doc = authored(1, "offline")
  const end = world.socket()
  await opens(world, end, doc)
  end.says("notes", { kind: "step2", update: Y.encodeStateAsUpdate(doc) })
  for (const word of ["a", "b"]) end.says("notes", { kind: "update", update: typed(doc, word) })
  await world.pass(20_000)
  assert.equal(accepted(end), 0)
  const other = await world.joins()
  end.says("notes", { kind: "update", update: typed(doc, "c") })
  await world.pass(1_000)
  assert.equal(accepted(end), 0, "the newcomer does not have the content yet")
  end.says("notes", { kind: "step2", update: Y.encodeStateAsUpdate(doc) })
  assert.equal(accepted(end), 4, "what it brought, and three changes")
  end.says("notes", { kind: "update", update: typed(doc, "d") })
  await world.pass(50)
  assert.equal(accepted(end), 1)
  await other.goes("clean")
  end.says("notes", { kind: "update", update: typed(doc, "e") })
  await world.pass(1_000)
  assert.equal(accepted(end), 0)
})

test("RL120 with ackNeeds a lone provider that counts anew stays unaccepted, and is told no more than it counts", async () => {
  const world = new RelayWorld({ limits })
  const doc = authored(1)
  const end = world.socket()
  await opens(world, end, doc)
  end.says("notes", { kind: "step2", update: Uint8Array.of(0, 0) })
  assert.equal(accepted(end), 1, "there is nothing that another could have")
  for (const word of ["a", "b"]) end.says("notes", { kind: "update", update: typed(doc, word) })
  end.step1("notes", doc)
  end.says("notes", { kind: "step2", update: Uint8Array.of(0, 0) })
  await world.pass(1_000)
  assert.equal(accepted(end), 0)
  await world.joins()
  end.says("notes", { kind: "step2", update: Y.encodeStateAsUpdate(doc) })
  assert.equal(accepted(end), 1)
})

test("RL120 with ackNeeds a viewer that was given the content is no holder", async () => {
  const world = new RelayWorld({ limits })
  const doc = authored(1)
  const end = await world.joins(doc, { features: "notice" })
  const counts = () =>
    end
      .take()
      .flatMap((each) =>
        each.kind === "notice" && each.notice.kind === "ack" ? [each.notice.count] : [],
      )
  end.update(typed(doc, "a"))
  await world.pass(100)
  const viewer = await world.joins(new Y.Doc(), { identity: identity({ role: "viewer" }) })
  end.step2(doc)
  assert.deepEqual(viewer.news().at(-1), "step2 a")
  assert.deepEqual(counts(), [])
  const other = await world.joins()
  end.step2(doc)
  assert.deepEqual(counts(), [1])
  await other.goes("clean")
  end.update(typed(doc, "b"))
  await world.pass(100)
  assert.ok(viewer.news().includes("update pending"))
  assert.deepEqual(counts(), [])
  await world.joins()
  end.step2(doc)
  assert.deepEqual(counts(), [2])
})

test("RL120 with ackNeeds a copy counts as a holder once it is in the store", async () => {
  const copies = copiesIn()
  const world = new RelayWorld({ copies, limits: { ...limits, copyQuietMs: 500 } })
  const ada = await Live.comes(world, new Y.Doc(), { features: "notice" })
  const accepted = () =>
    ada.end.given.flatMap((each) =>
      each.kind === "notice" && each.notice.kind === "ack" ? [each.notice.count] : [],
    )
  await live(world, 100, ada)
  ada.types("one")
  await live(world, 300, ada)
  assert.deepEqual([await copyOf(copies, "y/notes", world.now), accepted()], [undefined, []])
  await live(world, 2_000, ada)
  assert.notEqual(await copyOf(copies, "y/notes", world.now), undefined)
  assert.deepEqual(accepted(), [1])
})

test("RL120 with ackNeeds changes of an opaque room are acknowledged in order, when another has the content", async () => {
  const world = new LfccWorld(limits)
  const ada = await world.joins("ada", { features: ["ack"], hasSnapshot: true })
  for (const [index, base64] of ["AQ==", "Ag=="].entries()) await ada.writes(base64, { ref: index })
  await world.pass(15_000)
  assert.deepEqual(acks(ada), [])
  await world.joins("bob")
  await ada.writes("Aw==", { ref: 2 })
  await world.pass(100)
  assert.deepEqual(acks(ada), [])
  await ada.answers("AQID")
  assert.deepEqual(acks(ada), ["ACK 0", "ACK 1", "ACK 2"])
  await ada.writes("BA==", { ref: 3 })
  await world.pass(100)
  assert.deepEqual(acks(ada).slice(3), ["ACK 3"])
})

test("RL120 with ackNeeds who returns with content is no proof of what was written before: its writer is asked", async () => {
  const world = new LfccWorld(limits)
  const ada = await world.joins("ada", { features: ["ack"], hasSnapshot: true })
  await ada.writes("AQ==", { ref: 1 })
  await world.pass(100)
  const bob = await world.brings("bob")
  await ada.writes("Ag==", { ref: 2 })
  await world.pass(6_000)
  assert.deepEqual(acks(ada), [])
  bob.take()
  await ada.answers("AQI=")
  await world.pass(100)
  assert.deepEqual(acks(ada), ["ACK 1", "ACK 2"])
  assert.ok(bob.told.includes("ada AQI="))
})

test("RL120 with ackNeeds a holder at another server counts, once the bus has given it the change", async () => {
  const fleet = new Fleet(2, drawing(1), { limits })
  const [one, two] = fleet.servers
  assert.ok(one !== undefined && two !== undefined)
  const [ada, bob] = [new FleetReplica("ada", 1), new FleetReplica("bob", 2)]
  ada.join(one)
  await fleet.pass(1_000)
  ada.doc.getText("t").insert(0, "a")
  await fleet.pass(10_000)
  assert.deepEqual([ada.sent.length, ada.accepted], [1, 0])
  bob.join(two)
  await fleet.pass(1_000)
  assert.deepEqual([bob.text, ada.accepted], ["a", 1])
  ada.doc.getText("t").insert(0, "b")
  await fleet.pass(100)
  assert.deepEqual([bob.text, ada.accepted], ["ba", 2])
  fleet.hub.parts.set(two.name, 1)
  ada.doc.getText("t").insert(0, "c")
  await fleet.pass(3_000)
  assert.deepEqual([bob.text, ada.accepted], ["ba", 2])
  fleet.hub.parts.delete(two.name)
  await fleet.pass(10_000)
  assert.deepEqual([bob.text, ada.accepted], ["cba", 3])
})

test("RL120 with ackNeeds opaque changes wait for another server's holder, and are asked of their writer where they were lost", async () => {
  const fleet = new Fleet(3, drawing(1), { limits })
  const [one, two, three] = fleet.servers
  assert.ok(one !== undefined && two !== undefined && three !== undefined)
  const [ada, bob, eve] = ["ada", "bob", "eve"].map((name) => new OpaqueFleetReplica(name))
  assert.ok(ada !== undefined && bob !== undefined && eve !== undefined)
  ada.hearsAcks = true
  ada.words.add("first")
  ada.join(one, { has: "snapshot" })
  await fleet.pass(500)
  ada.write("alone")
  await fleet.pass(5_000)
  assert.deepEqual(ada.acknowledged, [])
  bob.join(two)
  eve.join(three)
  await fleet.pass(1_000)
  assert.deepEqual(ada.acknowledged, ["alone"])
  ada.write("near")
  await fleet.pass(100)
  assert.deepEqual(ada.acknowledged, ["alone", "near"])
  // One of two does not have it: which of them, nobody knows.
  fleet.kill(three)
  ada.write("doubtful")
  await fleet.pass(1_000)
  assert.deepEqual(ada.acknowledged, ["alone", "near"])
  await fleet.pass(20_000)
  assert.deepEqual(ada.acknowledged, ["alone", "near", "doubtful"])
  assert.ok(bob.words.has("doubtful"))
})

test("RL120 with ackNeeds an unmodified provider says that a lone replica's changes are not synced", async (t) => {
  const server = await startServer(t, { relayLimits: limits })
  const opened = () => {
    const document = new Y.Doc()
    const url = `${server.ws}/hocuspocus`
    const provider = new HocuspocusProvider({ url, document, name: "notes", token: "" })
    t.after(() => {
      provider.destroy()
      document.destroy()
    })
    return { provider, document }
  }
  const ada = opened()
  await eventually(() => ada.provider.isSynced && !ada.provider.hasUnsyncedChanges)
  const tracked = async () => {
    const answer = await fetch(`${server.url}/api/relay/rooms/notes`)
    return Number(JSON.parse(await answer.text()).trackedBytes)
  }
  const before = await tracked()
  ada.document.getText("t").insert(0, "alone")
  // The relay has it, and nobody to give it to.
  while ((await tracked()) === before);
  assert.equal(ada.provider.unsyncedChanges, 1)
  const bob = opened()
  await eventually(() => bob.document.getText("t").toString() === "alone")
  await eventually(() => !ada.provider.hasUnsyncedChanges)
  ada.document.getText("t").insert(5, " no more")
  await eventually(() => bob.document.getText("t").length === 13)
  await eventually(() => !ada.provider.hasUnsyncedChanges)
})

test("RL120 with ackNeeds nothing is accepted that nobody else has, whatever is cut off or killed, and all is in the end", async () => {
  for (let seed = 1; seed <= 25; seed++) await wander(seed)
})

/** What `update` brings is in `doc`, be it that something is missing there before it. */
function isIn(doc: Y.Doc, update: Uint8Array): boolean {
  const has = spansOf(Y.encodeStateAsUpdate(doc))
  return spansOf(update).every((wanted) =>
    has.some(
      ({ client, from, to }) => client === wanted.client && from <= wanted.from && to >= wanted.to,
    ),
  )
}

/** Three servers, four replicas: they write, come and go, and servers are cut off and killed. */
async function wander(seed: number): Promise<void> {
  const draw = drawing(seed)
  const below = (limit: number) => Math.floor(draw() * limit)
  const fleet = new Fleet(3, draw, { limits })
  const up = () => fleet.servers.filter(({ isUp }) => isUp)
  const any = () => up()[below(up().length)]
  const replicas = Array.from({ length: 4 }, (_, at) => new FleetReplica(`r${at}`, 10 + at))
  const comes = (replica: FleetReplica) => {
    const server = any()
    if (server !== undefined) replica.join(server)
  }
  const check = (when: string) => {
    for (const each of replicas) {
      for (const update of each.sent.slice(0, each.accepted)) {
        const others = replicas.filter((other) => other !== each)
        const isHeld = others.some(({ doc }) => isIn(doc, update))
        assert.ok(isHeld, `seed ${seed}, ${when}: ${each.name} alone has what was accepted`)
      }
    }
  }
  for (let step = 0; step < 30; step++) {
    const replica = replicas[below(replicas.length)]
    assert.ok(replica !== undefined)
    const what = draw()
    if (!replica.isHere) comes(replica)
    else if (what < 0.2) replica.leave("broken")
    else replica.doc.getText("t").insert(0, `${step} `)
    const server = any()
    const fate = draw()
    if (server !== undefined && fate < 0.1) fleet.hub.parts.set(server.name, 1 + below(2))
    else if (server !== undefined && fate < 0.25) fleet.hub.parts.delete(server.name)
    else if (server !== undefined && fate < 0.28 && up().length > 1) fleet.kill(server)
    for (const each of replicas)
      if (each.isHere && each.server?.isUp === false) each.leave("broken")
    await fleet.pass(10 + below(400))
    // What was given to them is heard.
    for (let turn = 0; turn < 3; turn++) await fleet.settle()
    check(`step ${step}`)
  }
  for (const { name } of up()) fleet.hub.parts.delete(name)
  for (const each of replicas) if (!each.isHere) comes(each)
  await fleet.pass(30_000)
  check("in the end")
  for (const { name, sent, accepted } of replicas) {
    assert.equal(accepted, sent.length, `seed ${seed}: ${name} is not told that all is held`)
  }
}
