/** Relays inside other people's programs, several over one real Redis: they act as one. */
import assert from "node:assert/strict"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { type TestContext, test } from "node:test"
import { WebSocket, WebSocketServer } from "ws"
import { WebsocketProvider } from "y-websocket"
import * as Y from "yjs"
import {
  createRedisAdapter,
  extractDocId,
  generateClientId,
  type MessageBus,
  type RedisBusChoice,
  type RelayChoice,
  StatelessCollabRelay,
} from "../src/collab.ts"
import { Client } from "./collab-parts.ts"
import { eventually, temporaryDirectory } from "./harness.ts"
import { freePort, noRedis, Redis, startRedis } from "./redis-parts.ts"

const skip = noRedis

/** A program with a `ws` server of its own, on the real clock: what is on the bus takes real time. */
class Host {
  readonly bus: MessageBus
  readonly relay: StatelessCollabRelay
  readonly #server: WebSocketServer

  private constructor(t: TestContext, bus: MessageBus, options: RelayChoice) {
    this.bus = bus
    this.relay = new StatelessCollabRelay({ redisAdapter: bus, ...options })
    this.#server = new WebSocketServer({ port: 0, host: "127.0.0.1" })
    t.after(async () => {
      for (const client of this.#server.clients) client.terminate()
      this.#server.close()
      await this.relay.shutdown()
      await this.bus.disconnect()
    })
  }

  /** Begins as the manual's program does. */
  static async start(
    t: TestContext,
    bus: RedisBusChoice | MessageBus,
    dialect: "lfcc" | "yjs" = "lfcc",
  ): Promise<Host> {
    const adapter = "redisUrl" in bus ? await createRedisAdapter(bus) : bus
    // No room is waited for as if this program had just been restarted.
    const host = new Host(t, adapter, { limits: { orphanHoldMs: 0 } })
    await once(host.#server, "listening")
    await host.relay.initialize()
    host.#server.on("connection", (ws, request) => {
      const query = new URL(request.url ?? "", "ws://localhost").searchParams
      const senderId = query.get("as") ?? generateClientId()
      ws.on("message", (data: Buffer, isBinary) => {
        host.relay.handleMessage(ws, isBinary ? data : data.toString())
      })
      host.relay.handleConnection(ws, extractDocId(request), senderId, { dialect })
      ws.on("close", () => host.relay.handleDisconnection(ws))
    })
    return host
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}` // it listens on TCP
  }

  async joins(t: TestContext, name: string, payload: object = {}): Promise<Client> {
    const client = new Client(t, `${this.url}/notes?as=${name}`)
    await once(client.socket, "open")
    client.says("JOIN", { payload })
    return client
  }
}

/** An unmodified client of y-websocket. */
function provides(t: TestContext, host: Host, doc: Y.Doc): WebsocketProvider {
  const provider = new WebsocketProvider(host.url, "notes", doc, {
    WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket, // all that it uses
    maxBackoffTime: 100,
    disableBc: true,
  })
  t.after(() => {
    provider.destroy()
    doc.destroy()
  })
  return provider
}

/** How many are connected to Redis besides the test itself. */
async function connected(redis: Redis): Promise<number> {
  const list = String(await redis.run("CLIENT", "LIST"))
  return list.trim().split("\n").length - 1
}

test("RL116 RL6 two programs over one Redis carry joins, content, changes and presence", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const one = await Host.start(t, { redisUrl: redis.url, serverId: "server-1" })
  const two = await Host.start(t, { redisUrl: redis.url, serverId: "server-2" })
  assert.deepEqual(
    [one, two].map(({ relay }) => relay.getServerId()),
    ["server-1", "server-2"],
  )
  const ada = await one.joins(t, "ada", { hasSnapshot: true })
  const bob = await two.joins(t, "bob")
  ada.serves("AQID")
  assert.equal((await bob.first("SNAPSHOT_RESPONSE")).payload?.["snapshot"], "AQID")
  await eventually(() => ada.all("JOIN").some(({ senderId }) => senderId === "bob"))
  bob.writes("BAU=")
  await eventually(() => ada.updates.includes("BAU="))
  bob.says("PRESENCE", { payload: { status: "idle" } })
  assert.deepEqual((await ada.first("PRESENCE")).payload, { status: "idle" })
  bob.socket.close(1000)
  assert.equal((await ada.first("LEAVE")).senderId, "bob")
  const { redis: reach, status } = one.relay.getHealth()
  assert.deepEqual([status, reach.configured, reach.connected], ["healthy", true, true])
  assert.ok(reach.activeSubscriptions > 0)
  const metrics = one.bus.getMetrics()
  assert.equal(metrics.connectionState, "connected")
  assert.ok(metrics.messagesPublished > 0 && metrics.messagesReceived > 0)
  assert.ok(one.relay.getMetrics().remoteMessages > 0)
})

test("RL116 RL6 unmodified Yjs clients of two programs have one document, and again after Redis was killed", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const one = await Host.start(t, { redisUrl: redis.url }, "yjs")
  const two = await Host.start(t, { redisUrl: redis.url }, "yjs")
  const [left, right] = [new Y.Doc(), new Y.Doc()]
  const [near, far] = [left.getText("t"), right.getText("t")]
  near.insert(0, "hello")
  provides(t, one, left)
  provides(t, two, right)
  await eventually(() => far.toString() === "hello")
  // Longer than what travels in one piece.
  const long = "a".repeat(400_000)
  near.insert(5, long)
  await eventually(() => far.length === 400_005)
  await redis.kill()
  await eventually(() => one.relay.getHealth().status === "degraded" && !two.bus.isConnected())
  near.insert(0, "one ")
  far.insert(0, "two ")
  await redis.start()
  await eventually(() => far.toString().includes("one ") && near.toString().includes("two "))
  assert.equal(near.toString(), far.toString())
  await eventually(() => one.relay.getHealth().ok && two.relay.getHealth().ok)
  assert.ok(one.bus.getMetrics().reconnectionAttempts > 0)
})

test("RL116 two relays on one Redis bus are two servers, and each shutdown closes its own connections", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const bus = await createRedisAdapter({ redisUrl: redis.url })
  await bus.connect()
  assert.equal(bus.isConnected(), true)
  // Nobody has it yet.
  await gone(redis)
  const one = await Host.start(t, bus, "yjs")
  const two = await Host.start(t, bus, "yjs")
  assert.equal(await connected(redis), 4)
  const [left, right] = [new Y.Doc(), new Y.Doc()]
  left.getText("t").insert(0, "hello")
  provides(t, one, left)
  const provider = provides(t, two, right)
  await eventually(() => right.getText("t").toString() === "hello")
  provider.destroy()
  await two.relay.shutdown()
  while ((await connected(redis)) > 2) await new Promise((resolve) => setImmediate(resolve))
  // The other one goes on.
  const third = await Host.start(t, { redisUrl: redis.url }, "yjs")
  const more = new Y.Doc()
  provides(t, third, more)
  await eventually(() => more.getText("t").toString() === "hello")
  await third.relay.shutdown()
  await one.relay.shutdown()
  await gone(redis)
})

/** Waits until nobody but the test is connected. */
async function gone(redis: Redis): Promise<void> {
  while ((await connected(redis)) > 0) await new Promise((resolve) => setImmediate(resolve))
}

test("RL116 a Redis bus that was disconnected carries all again when it is connected", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const one = await Host.start(t, { redisUrl: redis.url }, "yjs")
  const two = await Host.start(t, { redisUrl: redis.url }, "yjs")
  const [left, right] = [new Y.Doc(), new Y.Doc()]
  left.getText("t").insert(0, "hello")
  provides(t, one, left)
  provides(t, two, right)
  await eventually(() => right.getText("t").toString() === "hello")
  await one.bus.disconnect()
  assert.deepEqual(
    [one.bus.getConnectionState(), one.relay.getHealth().ok],
    ["disconnected", false],
  )
  left.getText("t").insert(0, "oh, ")
  await one.bus.connect()
  await eventually(() => right.getText("t").toString() === "oh, hello")
  assert.equal(one.relay.getHealth().ok, true)
})

test("RL116 a Redis that is away is waited for, and disconnecting ends the waiting", {
  skip,
}, async (t) => {
  const redis = new Redis(await freePort(), temporaryDirectory(t), [])
  t.after(() => redis.kill())
  const bus = await createRedisAdapter({ redisUrl: redis.url })
  const early = bus.connect()
  await eventually(() => bus.getConnectionState() === "error")
  await bus.disconnect()
  await assert.rejects(early, /disconnected before it was connected/)
  assert.equal(bus.getConnectionState(), "disconnected")
  const later = bus.connect()
  await eventually(() => bus.getConnectionState() === "error")
  await redis.start()
  await later
  assert.equal(bus.getConnectionState(), "connected")
  await bus.disconnect()
  await gone(redis)
})

test("RL68 RL116 a Redis with users is told who comes, and a refused login rejects", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const admin = await redis.login()
  const rule = "on >p@ss/word:1% allchannels allkeys +@all".split(" ")
  await admin.sendCommand(["ACL", "SETUSER", "quartet", ...rule])
  const redisUrl = redis.url
  const who = { username: "quartet", password: "p@ss/word:1%" }
  const bus = await createRedisAdapter({ redisUrl, ...who })
  const relay = new StatelessCollabRelay({ redisAdapter: bus })
  await relay.initialize()
  assert.equal(bus.isConnected(), true)
  await relay.shutdown()
  const stranger = await createRedisAdapter({ redisUrl, ...who, password: "wrong" })
  await assert.rejects(stranger.connect(), (thrown: Error) => {
    assert.match(thrown.message, /^Redis refuses the login: WRONGPASS/)
    return !thrown.message.includes("wrong")
  })
  assert.equal(stranger.getConnectionState(), "disconnected")
})

test("RL116 refuses options of a Redis bus that there are not, each by its name, and repeats no address", async () => {
  for (const [wrong, message] of [
    [{}, "redisUrl: is required, such as redis://HOST:6379"],
    [
      { redisUrl: "http://:secret@host" },
      "redisUrl: is not like redis://HOST:6379 or rediss://USER:PASSWORD@HOST",
    ],
    [
      { redisUrl: "redis://localhost", reddisUrl: "", tls: 1, queueBytes: -1, busSecret: "short" },
      "reddisUrl: there is no such option of a bus over Redis\ntls: is not true, false or an object\n" +
        "queueBytes: is not a whole number from 0\nbusSecret: must have at least 32 bytes",
    ],
    [
      { redisUrl: "redis://localhost", tls: { ca: 1, pfx: "" }, channelPrefix: "a {b}" },
      "channelPrefix: is not 1 to 128 characters, such as app:doc:, without spaces and braces\n" +
        "tls.ca: is not PEM, as a text or a buffer, or an array of such\n" +
        "tls.pfx: there is no such option of TLS",
    ],
    [
      {
        redisUrl: "redis://localhost",
        presencePrefix: 1,
        probeMs: 0,
        reconnect: { delayMs: 0, jitter: 2, retries: 1 },
      },
      "presencePrefix: is not of type string\nprobeMs: is not a whole number from 100 to 60000\n" +
        "reconnect.delayMs: is not a whole number from 1 to 600000\n" +
        "reconnect.jitter: is not between 0 and 1\n" +
        "reconnect.retries: there is no such option of reconnecting",
    ],
    [
      { redisUrl: "redis://localhost", reconnect: { delayMs: 2, maxDelayMs: 1 } },
      "reconnect.maxDelayMs: is below delayMs",
    ],
    [undefined, 'createRedisAdapter wants options, such as { redisUrl: "redis://HOST:6379" }'],
    [
      "redis://localhost",
      'createRedisAdapter wants options, such as { redisUrl: "redis://HOST:6379" }',
    ],
    [
      { redisUrl: "redis://localhost", clusterNodes: ["host:1", "http://:secret@host"] },
      "clusterNodes: number 2 is not like HOST:6379",
    ],
    [
      { redisUrl: "redis://localhost", clusterNodes: "host:1" },
      "clusterNodes: is not of type array",
    ],
  ] as const) {
    await assert.rejects(createRedisAdapter(wrong as never), { message }) // what no TypeScript lets through
  }
})
