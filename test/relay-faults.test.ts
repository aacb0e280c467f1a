/**
 * Several relays on a bus that drops, doubles, delays and cuts, with replicas that come, go, write
 * and delete: afterwards all have one document. `RELAY_SEEDS=n` runs n seeds of each kind of
 * fault, `RELAY_SEED=k` the one that failed.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import * as Y from "yjs"
import { drawing, type Faults, noFaults } from "./fault-hub.ts"
import { Fleet, FleetReplica, type FleetServer } from "./relay-fleet.ts"

const seeds = Number(process.env["RELAY_SEEDS"] ?? 200)
const only = process.env["RELAY_SEED"]
const hourMs = 60 * 60_000
const steps = 30

type Kind = "nothing" | "drops" | "delays" | "cuts" | "kills" | "everything"

const lossy: Faults = { drop: 0.2, duplicate: 0.1, delay: 0.2, delayMs: 300 }
const faultsOf: Readonly<Record<Kind, Faults>> = {
  nothing: noFaults,
  drops: { ...lossy, delay: 0 },
  delays: { ...lossy, drop: 0 },
  cuts: noFaults,
  kills: noFaults,
  everything: lossy,
}

class Story {
  readonly draw: () => number
  readonly fleet: Fleet
  readonly replicas: readonly FleetReplica[]
  readonly marks: string[] = []
  readonly kind: Kind

  constructor(kind: Kind, seed: number) {
    this.kind = kind
    this.draw = drawing(seed)
    const aheadMs = this.draw() < 0.3 ? [0, hourMs, -hourMs] : []
    this.fleet = new Fleet(2 + this.#below(2), this.draw, { aheadMs })
    const count = 3 + this.#below(4)
    this.replicas = Array.from({ length: count }, (_, at) => new FleetReplica(`r${at}`, 100 + at))
  }

  async run(): Promise<void> {
    const { fleet, replicas } = this
    replicas[0]?.join(this.#server())
    await fleet.pass(500)
    fleet.hub.faults = faultsOf[this.kind]
    for (let step = 0; step < steps; step++) {
      this.#act(step)
      this.#fail(step)
      await fleet.pass(10 + this.#below(200))
    }
    fleet.hub.faults = noFaults
    for (const { name, isUp } of fleet.servers) if (isUp) fleet.hub.parts.delete(name)
  }

  /** Everybody comes back; until nothing differs, at most half a minute. */
  async heal(): Promise<void> {
    for (let waited = 0; waited < 30_000; waited += 500) {
      for (const each of this.replicas) if (!each.isHere) each.join(this.#server())
      await this.fleet.pass(500)
      if (this.differences().length === 0) return
    }
  }

  differences(): readonly string[] {
    const { replicas } = this
    const contents = replicas.map(({ doc }) => JSON.stringify([doc.getText("t"), doc.getText("x")]))
    const found = contents.flatMap((each, at) =>
      each === contents[0] ? [] : [`r${at} has ${each}, r0 has ${contents[0]}`],
    )
    for (const { name, doc, isSynced, present } of replicas) {
      const { pendingStructs, pendingDs } = doc.store
      if (pendingStructs !== null || pendingDs !== null) found.push(`${name} waits for something`)
      if (!isSynced) found.push(`${name} is not synced`)
      const others = replicas.length - 1
      if (present.size !== others) found.push(`${name} sees ${present.size} of ${others}`)
    }
    for (const { name, relay, isUp } of this.fleet.servers) {
      if (isUp && relay.dirty > 0) found.push(`${name} lacks something in ${relay.dirty} rooms`)
    }
    return found
  }

  #act(step: number): void {
    const replica = this.#one(this.replicas)
    const what = this.draw()
    if (!replica.isHere) return replica.join(this.#server())
    if (what < 0.15) return replica.leave(this.draw() < 0.5 ? "clean" : "broken")
    if (what < 0.75) {
      const mark = `<${replica.name}.${this.marks.length}>`
      this.marks.push(mark)
      const text = replica.doc.getText("t")
      return text.insert(this.draw() < 0.5 ? 0 : text.length, mark)
    }
    if (what > 0.85) return replica.show(`state ${step}`)
    const text = replica.doc.getText("x")
    if (text.length > 0) text.delete(0, 1)
    else text.insert(0, "abc")
  }

  #fail(step: number): void {
    const { hub, servers } = this.fleet
    const cuts = this.kind === "cuts" || this.kind === "everything"
    if (cuts && step === 8)
      for (const [at, { name }] of servers.entries()) hub.parts.set(name, at % 2)
    if (cuts && step === 20) hub.parts.clear()
    if (this.kind !== "kills" || step !== 15) return
    const server = this.#one(servers)
    this.fleet.kill(server)
    for (const each of this.replicas) if (each.server === server) each.leave("broken")
    this.fleet.add()
  }

  #server(): FleetServer {
    return this.#one(this.fleet.servers.filter(({ isUp }) => isUp))
  }

  #one<T>(of: readonly T[]): T {
    const chosen = of[this.#below(of.length)]
    assert.ok(chosen !== undefined)
    return chosen
  }

  #below(limit: number): number {
    return Math.floor(this.draw() * limit)
  }
}

async function prove(kind: Kind, seed: number): Promise<void> {
  const story = new Story(kind, seed)
  await story.run()
  await story.heal()
  const again = `RELAY_SEED=${seed} (${kind})`
  assert.deepEqual(story.differences(), [], again)
  const [first] = story.replicas
  for (const mark of story.marks) {
    assert.equal(first?.text.split(mark).length, 2, `${mark} is there once: ${again}`)
  }
  assert.deepEqual(story.fleet.faults, [], again)
}

for (const kind of Object.keys(faultsOf) as Kind[]) {
  test(`RL4 RL42 RL45 RL46 RL53 RL54 RL61 where ${kind} goes wrong on the bus, all have one document`, async (t) => {
    const [from, to] = only === undefined ? [1, seeds] : [Number(only), Number(only)]
    t.diagnostic(`seeds ${from} to ${to}`)
    for (let seed = from; seed <= to; seed++) await prove(kind, seed)
  })
}

test("RL20 a server that is alone in a room says nothing of its edits, and all of them once another comes", async () => {
  const fleet = new Fleet(2, drawing(1))
  const [one, two] = fleet.servers
  assert.ok(one !== undefined && two !== undefined)
  const [ada, bob, eve] = ["ada", "bob", "eve"].map((name, at) => new FleetReplica(name, 1 + at))
  assert.ok(ada !== undefined && bob !== undefined && eve !== undefined)
  ada.join(one)
  bob.join(one)
  await fleet.pass(3_000)
  const before = fleet.hub.carriedBy("lfcc:yjs:notes")
  for (let edit = 0; edit < 20; edit++) {
    ada.doc.getText("t").insert(0, "x")
    await fleet.pass(50)
  }
  assert.equal(fleet.hub.carriedBy("lfcc:yjs:notes"), before)
  eve.join(two)
  await fleet.pass(1_000)
  assert.equal(eve.text, "x".repeat(20))
  ada.doc.getText("t").insert(0, "y")
  await fleet.pass(100)
  assert.equal(eve.text, bob.text)
})

test("RL10 RL11 RL14 RL18 RL21 RL24 a newcomer on another server gets the content, gives its own, and all see each other", async () => {
  const fleet = new Fleet(3, drawing(2))
  const replicas = fleet.servers.map((_, at) => new FleetReplica(`r${at}`, 10 + at))
  const [ada, bob, eve] = replicas
  assert.ok(ada !== undefined && bob !== undefined && eve !== undefined)
  ada.doc.getText("t").insert(0, "ada ")
  bob.doc.getText("t").insert(0, "bob ")
  for (const [at, each] of replicas.entries()) {
    const server = fleet.servers[at]
    assert.ok(server !== undefined)
    each.join(server)
    await fleet.pass(500)
  }
  for (const { text, isSynced, present } of replicas) {
    assert.ok(isSynced)
    assert.equal(text, ada.text)
    assert.equal(text.length, 8)
    assert.equal(present.size, 2)
  }
})

test("RL37 of two who open a new room on two servers at once one may fill it", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const fleet = new Fleet(2, drawing(seed))
    const replicas = fleet.servers.map((_, at) => new FleetReplica(`r${at}`, 10 + at))
    for (const [at, each] of replicas.entries()) {
      const server = fleet.servers[at]
      assert.ok(server !== undefined)
      each.join(server)
    }
    await fleet.pass(3_000)
    assert.equal(
      replicas.reduce((sum, { grants }) => sum + grants, 0),
      1,
    )
    assert.ok(replicas.every(({ isSynced }) => isSynced))
  }
})

test("RL37 RL56 of two servers that bear one name one grants a new room, and each says so", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const fleet = new Fleet(2, drawing(seed), { named: "quartet" })
    const replicas = fleet.servers.map((server, at) => {
      const replica = new FleetReplica(`r${at}`, 10 + at)
      replica.join(server)
      return replica
    })
    await fleet.pass(3_000)
    const grants = replicas.reduce((sum, replica) => sum + replica.grants, 0)
    assert.equal(grants, 1)
    assert.equal(fleet.warnings.length, 2)
    for (const each of fleet.warnings) assert.match(each, /two servers have one name/)
  }
})

test("RL56 RL77 when a server dies nobody who was there stays present, and its frames count no more", async () => {
  const fleet = new Fleet(2, drawing(3))
  const [one, two] = fleet.servers
  assert.ok(one !== undefined && two !== undefined)
  const [ada, bob] = [new FleetReplica("ada", 1), new FleetReplica("bob", 2)]
  ada.join(one)
  bob.join(two)
  await fleet.pass(1_000)
  assert.equal(ada.present.size, 1)
  fleet.kill(two)
  await fleet.pass(30_000)
  assert.equal(ada.present.size, 0)
})

test("RL77 a server says every 10 s who is there, so a leave that was lost is made up for", async () => {
  const fleet = new Fleet(2, drawing(5))
  const [one, two] = fleet.servers
  assert.ok(one !== undefined && two !== undefined)
  const [ada, bob, eve] = [1, 2, 3].map((client) => new FleetReplica(`r${client}`, client))
  assert.ok(ada !== undefined && bob !== undefined && eve !== undefined)
  ada.join(one)
  bob.join(two)
  eve.join(two)
  await fleet.pass(1_000)
  assert.deepEqual([...ada.present.keys()].sort(), [2, 3])
  fleet.hub.faults = { ...noFaults, drop: 1 }
  bob.leave("clean")
  await fleet.pass(100)
  fleet.hub.faults = noFaults
  await fleet.pass(10_000)
  assert.deepEqual([...ada.present.keys()], [3])
})

test("RL111 health counts rooms where something may be missing, somebody waits, or that are too large to be followed", async () => {
  const fleet = new Fleet(2, drawing(6), { limits: { vectorBytes: 64 } })
  const [one, two] = fleet.servers
  assert.ok(one !== undefined && two !== undefined)
  const counted = ({ relay }: FleetServer) => {
    const { dirty, waiting, untracked } = relay.health()
    return { dirty, waiting, untracked }
  }
  const [long, silent, newcomer] = [1, 2, 3].map((client) => new FleetReplica(`r${client}`, client))
  const [ada, bob] = [4, 5].map((client) => new FleetReplica(`r${client}`, client))
  assert.ok(long !== undefined && silent !== undefined && newcomer !== undefined)
  assert.ok(ada !== undefined && bob !== undefined)
  for (let client = 100; client < 120; client++) {
    const doc = new Y.Doc()
    doc.clientID = client
    doc.getText("t").insert(0, "x")
    Y.applyUpdate(long.doc, Y.encodeStateAsUpdate(doc), "relay")
  }
  silent.doc.getText("t").insert(0, "kept")
  silent.isSilent = true
  await fleet.pass(500)
  long.join(one, "long")
  silent.join(one, "silent")
  await fleet.pass(500)
  newcomer.join(one, "silent")
  ada.join(one)
  ada.doc.getText("t").insert(0, "a")
  await fleet.pass(500)
  bob.join(two)
  await fleet.pass(500)
  assert.deepEqual(counted(one), { dirty: 0, waiting: 1, untracked: 1 })
  assert.deepEqual(counted(two), { dirty: 0, waiting: 0, untracked: 0 })
  fleet.hub.faults = { ...noFaults, drop: 1 }
  ada.doc.getText("t").insert(0, "b")
  await fleet.pass(100)
  fleet.hub.faults = noFaults
  ada.doc.getText("t").insert(0, "c")
  await fleet.settle()
  fleet.hub.faults = { ...noFaults, drop: 1 }
  await fleet.pass(100)
  assert.deepEqual(counted(two), { dirty: 1, waiting: 0, untracked: 0 })
  fleet.hub.faults = noFaults
  await fleet.pass(1_000)
  assert.deepEqual(counted(two), { dirty: 0, waiting: 0, untracked: 0 })
})

test("RL92 RL99 who is revoked on one server is closed on the other, and a server that comes later knows", async () => {
  const fleet = new Fleet(2, drawing(4))
  const [one, two] = fleet.servers
  assert.ok(one !== undefined && two !== undefined)
  const ada = new FleetReplica("ada", 1)
  ada.join(two)
  await fleet.pass(500)
  one.relay.deny("no*", "on")
  await fleet.pass(1_000)
  assert.equal(ada.closed, "forbidden")
  const three = fleet.add()
  await fleet.pass(1_000)
  assert.ok(three.relay.access.isDenied("notes"))
  three.relay.deny("no*", "off")
  await fleet.pass(1_000)
  assert.ok(!two.relay.access.isDenied("notes"))
})
