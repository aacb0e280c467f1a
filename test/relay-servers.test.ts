/**
 * Rooms on several servers, as processes of their own, with a real Redis between them and
 * unmodified clients, while something fails. bench/faults.ts does the same at length.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import { noRedis } from "./redis-parts.ts"
import {
  type Fault,
  forgotten,
  frozen,
  redisKilled,
  serverKilled,
  strike,
} from "./relay-server-faults.ts"
import { ServersWorld, until, type WorldStart } from "./relay-servers-parts.ts"

const skip = noRedis
const start: WorldStart = { servers: 2, clients: 4, editsPerSecond: 60 }
const noQueue = { RELAY_LIMITS: JSON.stringify({ busQueueMessages: 0, busQueueBytes: 0 }) }

/** A fault in a world of its own, and what came of it. */
function one(fault: Omit<Fault, "name" | "what">): Fault {
  return { name: "", what: "", ...fault }
}

test("RL45 RL54 RL58 RL61 RL111 Redis is killed and comes back empty, nothing is queued: nothing is lost, and health says so meanwhile", {
  skip,
}, async (t) => {
  const world = await ServersWorld.open(t, { ...start, environment: noQueue })
  const outcome = await strike(world, one({ after: "rest", ...redisKilled(2_000) }))
  assert.deepEqual(outcome.wrongs, [])
  // Less than the outage: nobody here waited for its end.
  assert.ok(outcome.nearMs < 2_000, `on one server an edit took ${outcome.nearMs} ms`)
  // The fault did what it should: edits waited for it, and were lost on the bus.
  assert.ok(outcome.longestMs > 2_000)
  assert.ok(outcome.dropped > 0)
  assert.ok(outcome.repairBytes > 0)
})

test("RL45 RL63 RL64 RL111 subscriptions that Redis forgot, and connections that only look open, are seen and made anew", {
  skip,
}, async (t) => {
  const world = await ServersWorld.open(t, { ...start, lines: "spoilt" })
  const first = await strike(world, one({ after: "write", ...forgotten }))
  assert.deepEqual(first.wrongs, [])
  assert.ok(first.suspicions > 0)
  assert.equal(await world.figure("quartet_redis_reconnects_total"), 0)
  const second = await strike(world, one({ after: "write", ...frozen }))
  assert.deepEqual(second.wrongs, [])
  assert.ok(second.longestMs > 1_500)
  assert.equal(await world.figure("quartet_redis_reconnects_total"), 2)
})

test("RL4 RL115 a server is killed: its clients bring what it had to another", {
  skip,
}, async (t) => {
  const world = await ServersWorld.open(t, start)
  const outcome = await strike(world, one({ after: "write", ...serverKilled(500) }))
  assert.deepEqual(outcome.wrongs, [])
})

test("RL114 RL118 a server without Redis gets it and a second one beside it, under clients who write", {
  skip,
}, async (t) => {
  const environment = { REDIS_URL: "", DRAIN_SECONDS: "0.5" }
  const world = await ServersWorld.open(t, { ...start, servers: 1, environment })
  world.write()
  const before = world.servers[0]
  const many = { REDIS_URL: world.redis.url, DRAIN_SECONDS: "0.5" }
  await world.add(many)
  world.send(0, 1)
  assert.equal(await before?.end("SIGTERM"), 0)
  assert.ok(await until(() => world.isInStep, 15_000))
  await world.launch(0, many)
  world.spread()
  assert.ok(await until(() => world.isInStep && world.isWellSince(0), 15_000))
  await until(() => world.delays.length > 300, 10_000)
  world.rest()
  assert.ok(await until(() => world.underWay.length === 0 && world.wrongs().length === 0, 10_000))
  assert.deepEqual(world.wrongs(), [])
  assert.ok(Math.max(...world.delays) < 5_000, "nobody waits longer than 5 s")
  assert.ok((await world.figure("quartet_relay_remote_messages_total")) > 0)
})
