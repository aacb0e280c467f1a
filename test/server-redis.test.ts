/** A server with Redis: what it tells of it, and what goes on without it. */
import assert from "node:assert/strict"
import { once } from "node:events"
import { type TestContext, test } from "node:test"
import { WebSocket } from "ws"
import { type BusLimits, createBus } from "../src/bus/bus.ts"
import { MemoryHub } from "../src/bus/memory.ts"
import { Log } from "../src/log.ts"
import { Metrics } from "../src/metrics.ts"
import { healthAnswer } from "../src/server-figures.ts"
import { eventually, launch, type Started, startServer, temporaryDirectory } from "./harness.ts"
import { freePort, noRedis, Redis, startRedis } from "./redis-parts.ts"

const skip = noRedis

async function health(url: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await fetch(`${url}/health`)
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> } // an object: 9 fields
}

/** Asks until `/health` answers with this status. */
async function healthOf({ url }: Started, status: number): Promise<Record<string, unknown>> {
  for (;;) {
    const found = await health(url)
    if (found.status === status) return found.body
  }
}

const field = (body: Record<string, unknown>, name: string) => body[name] as Record<string, unknown> // one of its objects

test("RL111 RL112 health is false while Redis is away and true again after it, and newcomers are welcome throughout", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const server = await startServer(t, { redisUrls: [redis.url] })
  const well = await healthOf(server, 200)
  assert.equal(well["status"], "healthy")
  assert.deepEqual(well["redis"], { connected: true, activeSubscriptions: 0, configured: true })
  assert.equal(field(well, "probe")["ok"], true)
  await redis.kill()
  const ill = await healthOf(server, 503)
  assert.deepEqual([ill["ok"], ill["status"]], [false, "degraded"])
  assert.equal(field(ill, "redis")["configured"], true)
  assert.equal(field(ill, "probe")["ok"], false)
  assert.ok(Number(field(ill, "probe")["failures"]) > 0)
  assert.equal((await fetch(`${server.url}/ready`)).status, 200)
  await redis.start()
  assert.equal((await healthOf(server, 200))["status"], "healthy")
})

test("RL111 health is 503 while starting, while stopping, and while a part or the store is ill", () => {
  const server = "server-1"
  const probe = { ok: true, roundTripMs: 1, ageMs: 0, failures: 0 }
  const log = new Log("silent")
  const { figures: bus } = new MemoryHub().join({ server, now: () => 0, log })
  const well = { state: "ready", server, isStoreWell: true, probe, bus, relay: undefined } as const
  const told = (of: object) => {
    const { status, body } = healthAnswer({ ...well, services: { relay: { ok: true } }, ...of })
    return [status, JSON.parse(String(body)).status]
  }
  assert.deepEqual(told({}), [200, "healthy"])
  assert.deepEqual(told({ state: "new" }), [503, "starting"])
  for (const state of ["stopping", "down"]) assert.deepEqual(told({ state }), [503, "draining"])
  assert.deepEqual(told({ isStoreWell: false }), [503, "degraded"])
  assert.deepEqual(told({ services: { relay: { ok: false } } }), [503, "degraded"])
  assert.deepEqual(told({ probe: { ...probe, ok: false } }), [503, "degraded"])
})

test("RL111 without Redis nothing is missing", async (t) => {
  const server = await startServer(t)
  const { status, body } = await health(server.url)
  assert.equal(status, 200)
  assert.deepEqual(body["redis"], { connected: false, activeSubscriptions: 0, configured: false })
  assert.equal(field(body, "probe")["ok"], true)
  assert.deepEqual(body["queue"], { messages: 0, bytes: 0, dropped: 0 })
  const text = await (await fetch(`${server.url}/metrics`)).text()
  assert.match(text, /^quartet_redis_connection_state\{state="disconnected"\} 1$/m)
})

test("RL112 a server starts, and ends, though Redis is not there", { skip }, async (t) => {
  const redis = new Redis(await freePort(), temporaryDirectory(t), [])
  t.after(() => redis.kill())
  const launched = await launch(t, {
    DATA_DIR: temporaryDirectory(t),
    REDIS_URL: redis.url,
    BUS_SECRET: "a secret of at least thirty-two bytes",
  })
  assert.equal((await fetch(`${launched.url}/ready`)).status, 200)
  assert.equal((await health(launched.url)).status, 503)
  await redis.start()
  await eventually(() => launched.log.some(({ event }) => event === "bus ready"))
  assert.equal((await health(launched.url)).status, 200)
  redis.signal("SIGSTOP")
  assert.equal(await launched.end("SIGTERM"), 0)
})

/** A replica in the room `notes`, and what it is told. */
async function replica(t: TestContext, { ws }: Started, name: string) {
  const socket = new WebSocket(`${ws}/collab/notes?senderId=${name}`)
  t.after(() => socket.terminate())
  const heard: string[] = []
  socket.on("message", (data) => heard.push(String(data)))
  await once(socket, "open")
  const update = (bytesB64: string) => {
    const frame = { type: "CRDT_UPDATE", docId: "notes", senderId: name, ts: 1, bytesB64 }
    socket.send(JSON.stringify(frame))
  }
  return { heard, update }
}

test("RL58 while Redis is away replicas on one server go on among themselves", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const server = await startServer(t, { redisUrls: [redis.url] })
  await healthOf(server, 200)
  const [ada, bob] = [await replica(t, server, "ada"), await replica(t, server, "bob")]
  const hears = (word: string) => eventually(() => bob.heard.some((frame) => frame.includes(word)))
  ada.update("AQID")
  await hears("AQID")
  await redis.kill()
  await healthOf(server, 503)
  ada.update("BAUG")
  await hears("BAUG")
  const [eve] = [await replica(t, server, "eve")]
  ada.update("CAkK")
  await eventually(() => eve.heard.some((frame) => frame.includes("CAkK")))
  assert.equal(
    ada.heard.some((frame) => frame.includes('"ERROR"')),
    false,
  )
})

test("RL113 the figures of the bus are what was published, heard, lost and forged", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const metrics = new Metrics()
  const limits: BusLimits = { busQueueMessages: 2, busQueueBytes: 1_000, parcelBytes: 1_000 }
  let now = 1_700_000_000_000
  const bus = createBus({
    server: "ada",
    urls: [redis.url],
    secret: "a secret of at least thirty-two bytes",
    now: () => now,
    after: (ms, work) => {
      const timer = setTimeout(work, ms)
      return () => clearTimeout(timer)
    },
    random: (length) => new Uint8Array(length).fill(7),
    log: new Log("silent"),
    limits,
    metrics,
  })
  t.after(() => bus.close())
  const figure = async (name: string) => {
    const line = new RegExp(`^quartet_redis_${name}(?:\\{[^}]*\\})? (\\S+)$`, "m")
    return Number(line.exec(await metrics.text())?.[1])
  }
  const stateIs = async (state: string) =>
    (await metrics.text()).includes(`quartet_redis_connection_state{state="${state}"} 1`)
  assert.ok(await stateIs("connecting"))
  assert.equal(await figure("last_publish_seconds"), 0)
  await eventually(() => bus.state === "ready")
  assert.ok(await stateIs("connected"))
  let heard = 0
  const gone: (() => void)[] = []
  for (const channel of ["lfcc:doc:a", "lfcc:yjs:b", "lfcc:servers"]) {
    await new Promise<void>((resolve) => {
      gone.push(bus.subscribe(channel, () => heard++, resolve))
    })
  }
  assert.equal(await figure("active_subscriptions"), 2)
  const message = Uint8Array.of(1, 2, 0, 7)
  const publish = (channel: string) =>
    new Promise((resolve) => bus.publish(channel, message, resolve))
  now += 5_000
  for (let index = 0; index < 5; index++) await publish("lfcc:doc:a")
  await publish("lfcc:doc:nobody")
  await eventually(() => heard === 5)
  assert.equal(await figure("messages_published_total"), 6)
  assert.equal(await figure("messages_received_total"), 5)
  assert.equal(await figure("last_publish_seconds"), 1_700_000_005)
  assert.equal(await figure("last_receive_seconds"), 1_700_000_005)
  await redis.publish("lfcc:doc:a", message)
  await eventually(() => bus.figures.forged === 1)
  assert.equal(await figure("messages_forged_total"), 1)
  for (let index = 0; index < 3; index++) await new Promise((resolve) => bus.probe(resolve))
  assert.equal(await figure("probe_seconds_count"), 3)
  assert.equal(await figure("messages_published_total"), 6)
  gone[0]?.()
  assert.equal(await figure("active_subscriptions"), 1)
  await redis.kill()
  await eventually(() => bus.state === "away")
  assert.ok(await stateIs("error"))
  const lost = [1, 2, 3].map(() => publish("lfcc:yjs:b"))
  assert.equal(await lost[0], "away")
  assert.equal(await figure("queue_messages"), 2)
  assert.equal(await figure("queue_bytes"), 2 * message.length)
  assert.equal(await figure("messages_dropped_total"), 1)
  await redis.start()
  await Promise.all(lost)
  assert.equal(await figure("queue_bytes"), 0)
  assert.equal(await figure("reconnects_total"), 1)
  assert.equal(await figure("messages_published_total"), 8)
})
