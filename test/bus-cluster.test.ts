/** What the bus promises over a Redis Cluster: three masters of the test's own. */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import type { Claim } from "../src/bus/bus.ts"
import { slotOf, taggedName } from "../src/bus/slots.ts"
import { eventually } from "./harness.ts"
import {
  asked,
  bytes,
  freePort,
  heardOn,
  joinBus,
  noRedis,
  openBus,
  type Redis,
  startRedis,
} from "./redis-parts.ts"

const skip = noRedis
const slots = 16_384

interface Master {
  readonly redis: Redis
  readonly id: string
}

/** Three masters with a third of the slots each. */
async function startCluster(t: TestContext, ...words: string[]): Promise<readonly Master[]> {
  const masters: Master[] = []
  const ports: number[] = []
  for (let index = 0; index < 3; index++) {
    const port = await freePort()
    const own = [
      "--cluster-enabled",
      "yes",
      "--cluster-port",
      `${port}`,
      "--cluster-node-timeout",
      "2000",
    ]
    const redis = await startRedis(t, ...own, ...words)
    ports.push(port)
    masters.push({ redis, id: String(await redis.run("CLUSTER", "MYID")) })
    const [from, to] = [index, index + 1].map((third) => Math.floor((third * slots) / 3))
    await redis.run("CLUSTER", "SET-CONFIG-EPOCH", `${index + 1}`)
    await redis.run("CLUSTER", "ADDSLOTSRANGE", `${from}`, `${Number(to) - 1}`)
  }
  for (const [index, { redis }] of masters.entries()) {
    await masters[0]?.redis.run("CLUSTER", "MEET", "127.0.0.1", `${redis.port}`, `${ports[index]}`)
  }
  for (const { redis } of masters) await isWhole(redis)
  return masters
}

/** Waits until `redis` knows all `count` of them, and who has which slot. */
async function isWhole(redis: Redis, count = 3): Promise<void> {
  for (;;) {
    const told = String(await redis.run("CLUSTER", "INFO"))
    if (told.includes("cluster_state:ok") && told.includes(`cluster_known_nodes:${count}`)) return
  }
}

const urlsOf = (masters: readonly Master[]) => masters.map(({ redis }) => redis.url)

/** The master that has `channel`. */
function masterOf(masters: readonly Master[], channel: string): Master {
  const third = Math.floor((slotOf(taggedName(channel)) * 3) / slots)
  const master = masters[third]
  assert.ok(master)
  return master
}

/** A room at the master with this number. */
function roomAt(masters: readonly Master[], index: number, word: string): string {
  for (let tried = 0; ; tried++) {
    const room = `lfcc:doc:${word}${tried}`
    if (masterOf(masters, room) === masters[index]) return room
  }
}

/** Gives the slot of `channel`, in which no keys are, to another master. */
async function move(channel: string, from: Master, to: Master): Promise<void> {
  const slot = String(slotOf(taggedName(channel)))
  await to.redis.run("CLUSTER", "SETSLOT", slot, "IMPORTING", from.id)
  await from.redis.run("CLUSTER", "SETSLOT", slot, "MIGRATING", to.id)
  await to.redis.run("CLUSTER", "SETSLOT", slot, "NODE", to.id)
  await from.redis.run("CLUSTER", "SETSLOT", slot, "NODE", to.id)
}

async function shardChannels({ redis }: Master, pattern: string): Promise<readonly string[]> {
  return (await redis.run("PUBSUB", "SHARDCHANNELS", pattern)) as string[] // the answer of PUBSUB
}

test("RL67 a name's slot is that of Redis, and what belongs together shares one", {
  skip,
}, async (t) => {
  const redis = await startRedis(
    t,
    "--cluster-enabled",
    "yes",
    "--cluster-port",
    `${await freePort()}`,
  )
  const names = [
    "123456789",
    "lfcc:doc:{a room}",
    "{}x",
    "a{",
    "é{ü}",
    "lfcc:doc:{}}",
    "x{a}{b}",
    "",
  ]
  for (const name of names) {
    assert.equal(slotOf(name), Number(await redis.run("CLUSTER", "KEYSLOT", name)), name)
  }
  assert.equal(taggedName("lfcc:yjs:notes/a"), "lfcc:yjs:{notes/a}")
  assert.equal(taggedName("lfcc:acts"), "lfcc:{acts}")
  assert.equal(taggedName("lfcc:servers"), "lfcc:{servers}")
  const isOne = (...together: string[]) =>
    new Set(together.map((name) => slotOf(taggedName(name)))).size === 1
  assert.ok(isOne("lfcc:seed:y/notes", "lfcc:mark:y/notes"))
  assert.ok(isOne("lfcc:acts", "lfcc:acts:writer"))
  assert.ok(isOne("lfcc:seed:y/{a}{", "lfcc:mark:y/{a}{"))
})

test("RL67 over a cluster rooms spread over its masters, and all of the bus works", {
  skip,
}, async (t) => {
  const masters = await startCluster(t)
  const [first = ""] = urlsOf(masters)
  // One that answers is enough.
  const ada = await joinBus(t, ["redis://127.0.0.1:1", first], { server: "ada" })
  const bob = await joinBus(t, urlsOf(masters), { server: "bob" })
  const rooms = Array.from({ length: 30 }, (_, index) => `lfcc:doc:room ${index}`)
  const heard = await Promise.all(rooms.map((room) => heardOn(bob, room)))
  const long = "x".repeat(300_000)
  for (const room of rooms) {
    ada.publish(room, bytes("one"))
    ada.publish(room, bytes(long))
    assert.equal(await asked<number>((answer) => ada.publish(room, bytes("two"), answer)), 1)
  }
  await eventually(() => heard.every(({ length }) => length === 3))
  for (const words of heard) assert.deepEqual(words, ["one", long, "two"])
  assert.equal(bob.figures.subscriptions, rooms.length)
  let sum = 0
  for (const master of masters) {
    const channels = await shardChannels(master, "lfcc:doc:*")
    assert.ok(channels.length > 0)
    sum += channels.length
    // One probe of each server goes through each master.
    assert.equal((await shardChannels(master, "lfcc:probe:*")).length, 2)
  }
  assert.equal(sum, rooms.length)
  for (const bus of [ada, bob]) {
    assert.notEqual(await asked<number>((answer) => bus.probe(answer)), "away")
    assert.ok(Math.abs(bus.now() - Date.now()) < 1_000)
  }
  for (const room of ["y/one", "y/two", "l/three"]) {
    const claim = await asked<Claim>((answer) =>
      ada.claim(`lfcc:seed:${room}`, "ada", 60_000, answer),
    )
    assert.ok(claim !== "away" && claim.value === "ada")
    assert.deepEqual(
      await asked<Claim>((answer) => bob.claim(claim.name, "bob", 60_000, answer)),
      claim,
    )
    ada.put(`lfcc:mark:${room}`, bytes("full"), 60_000, claim)
    await asked<Uint8Array | undefined>((answer) => ada.get(`lfcc:mark:${room}`, answer))
    const found = await asked<Uint8Array | undefined>((answer) =>
      bob.get(`lfcc:mark:${room}`, answer),
    )
    assert.deepEqual(found, bytes("full"))
    assert.equal(await asked<boolean>((answer) => ada.renew(claim, 0, answer)), true)
  }
})

test("RL67 a slot that moves is a gap of the rooms in it, and of no others", {
  skip,
}, async (t) => {
  const masters = await startCluster(t)
  const [from, to] = masters
  assert.ok(from && to)
  const [moving, staying] = [roomAt(masters, 0, "moving"), roomAt(masters, 0, "staying")]
  const ada = await joinBus(t, urlsOf(masters), { server: "ada" })
  const bob = await joinBus(t, urlsOf(masters), { server: "bob" })
  const heard = { moving: await heardOn(bob, moving), staying: await heardOn(bob, staying) }
  const gaps: (string | undefined)[] = []
  bob.onGap((channel) => gaps.push(channel))
  const publish = (channel: string, word: string) =>
    asked<number>((answer) => ada.publish(channel, bytes(word), answer))
  assert.equal(await publish(moving, "one"), 1)
  await move(moving, from, to)
  await eventually(() => gaps.length > 0)
  assert.deepEqual(gaps, [moving])
  assert.equal((await shardChannels(to, taggedName(moving))).length, 1)
  // Who publishes there learns of it by the answer.
  assert.equal(await publish(moving, "two"), 1)
  assert.equal(await publish(staying, "three"), 1)
  await eventually(() => heard.moving.length === 2 && heard.staying.length === 1)
  assert.deepEqual(heard, { moving: ["one", "two"], staying: ["three"] })
  assert.equal(bob.figures.reconnects, 0)
  // And who comes newly to a room of that slot finds it.
  const eve = await joinBus(t, urlsOf(masters))
  await heardOn(eve, moving)
  assert.equal(await publish(moving, "four"), 2)
})

test("RL67 a master that ends ends this life of the bus, and its return begins the next", {
  skip,
}, async (t) => {
  const masters = await startCluster(t)
  const room = roomAt(masters, 2, "room")
  const { bus, log } = openBus(t, urlsOf(masters))
  const heard = await heardOn(bus, room)
  const gaps: (string | undefined)[] = []
  bus.onGap((channel) => gaps.push(channel))
  const last = masters[2]
  assert.ok(last)
  await last.redis.kill()
  await eventually(() => bus.state === "away")
  bus.publish(room, bytes("while away"))
  await last.redis.start()
  await eventually(() => heard.length === 1)
  assert.deepEqual(heard, ["while away"])
  assert.deepEqual(gaps, [undefined])
  assert.equal(bus.figures.reconnects, 1)
  assert.equal(log.at(-1)?.["event"], "bus back")
})

test("RL67 RL68 in a cluster four more rights are enough", { skip }, async (t) => {
  const manual = readFileSync(join(import.meta.dirname, "../docs/operating.md"), "utf8")
  const rights = /^user quartet on >\S+ (.*)$/m.exec(manual)?.[1]?.split(" ") ?? []
  const more = /it needs `([^`]+)` as well/.exec(manual)?.[1]?.split(" ") ?? []
  assert.equal(more.length, 4)
  const masters = await startCluster(t)
  for (const { redis } of masters) {
    await redis.run("ACL", "SETUSER", "quartet", "on", ">secret", ...rights, ...more)
  }
  const urls = urlsOf(masters).map((url) => url.replace("//", "//quartet:secret@"))
  const bus = await joinBus(t, urls, { limits: { parcelBytes: 10 } })
  const heard = await heardOn(bus, "lfcc:doc:tea")
  assert.equal(await asked<number>((answer) => bus.publish("lfcc:doc:tea", bytes("a"), answer)), 1)
  await eventually(() => heard.length === 1)
  bus.publish("lfcc:doc:tea", bytes("long enough"))
  assert.notEqual(await asked<number>((answer) => bus.probe(answer)), "away")
  const claim = await asked<Claim>((answer) => bus.claim("lfcc:acts:writer", "ada", 1_000, answer))
  assert.ok(claim !== "away")
  bus.put("lfcc:acts", bytes("full"), 60_000, claim)
  assert.deepEqual(await asked((answer) => bus.get("lfcc:acts", answer)), bytes("full"))
  for (const { redis } of masters) assert.deepEqual(await redis.run("ACL", "LOG"), [])
})

test("RL67 a master that is new is a reconnect of all rooms", { skip }, async (t) => {
  const masters = await startCluster(t)
  const [from] = masters
  assert.ok(from)
  const port = await freePort()
  const redis = await startRedis(t, "--cluster-enabled", "yes", "--cluster-port", `${port}`)
  const fourth = { redis, id: String(await redis.run("CLUSTER", "MYID")) }
  await redis.run("CLUSTER", "SET-CONFIG-EPOCH", "4")
  await from.redis.run("CLUSTER", "MEET", "127.0.0.1", `${redis.port}`, `${port}`)
  for (const master of [...masters, fourth]) await isWhole(master.redis, 4)
  const [moving, staying] = [roomAt(masters, 0, "moving"), roomAt(masters, 1, "staying")]
  const bus = await joinBus(t, urlsOf(masters))
  const heard = [await heardOn(bus, moving), await heardOn(bus, staying)]
  const gaps: (string | undefined)[] = []
  bus.onGap((channel) => gaps.push(channel))
  await move(moving, from, fourth)
  await eventually(() => gaps.includes(undefined))
  for (const room of [moving, staying]) {
    assert.equal(await asked<number>((answer) => bus.publish(room, bytes("one"), answer)), 1)
  }
  await eventually(() => heard.every(({ length }) => length === 1))
  assert.equal((await shardChannels(fourth, taggedName(moving))).length, 1)
})

test("RL67 RL116 over a cluster, too, those with another prefix share nothing with us", {
  skip,
}, async (t) => {
  const masters = await startCluster(t)
  const urls = urlsOf(masters)
  const prefix = "app:"
  const [ada, bob] = [await joinBus(t, urls, { prefix }), await joinBus(t, urls, { prefix })]
  const eve = await joinBus(t, urls)
  const long = "x".repeat(300_000)
  const shards: unknown[] = []
  for (const index of masters.keys()) {
    const room = roomAt(masters, index, "room")
    const [heard, overheard] = [await heardOn(bob, room), await heardOn(eve, room)]
    ada.publish(room, bytes(long))
    assert.equal(await asked<number>((answer) => ada.publish(room, bytes("two"), answer)), 1)
    await eventually(() => heard.length === 2)
    assert.deepEqual([heard, overheard], [[long, "two"], []])
    const seed = room.replace("lfcc:doc:", "lfcc:seed:l/")
    const claims: (Claim | "away")[] = []
    for (const [who, bus] of [ada, bob, eve].entries()) {
      claims.push(await asked<Claim>((answer) => bus.claim(seed, `${who}`, 10_000, answer)))
    }
    assert.deepEqual(
      claims.map((claim) => claim !== "away" && claim.value),
      ["0", "0", "2"],
    )
  }
  for (const master of masters) shards.push(...(await shardChannels(master, "app:doc:*")))
  assert.equal(shards.length, 3)
  // A slot that moves is told under our name for what was in it.
  const room = roomAt(masters, 0, "other")
  const [from, to] = masters
  assert.ok(from !== undefined && to !== undefined)
  const gaps: (string | undefined)[] = []
  const heard = await heardOn(bob, room)
  bob.onGap((channel) => gaps.push(channel))
  await move(room, from, to)
  await eventually(() => gaps.includes(room))
  assert.equal(await asked<number>((answer) => ada.publish(room, bytes("moved"), answer)), 1)
  await eventually(() => heard.includes("moved"))
})
