/** What a bus over Redis may be told, tried on a real Redis: prefixes, waits, probes and TLS. */
import assert from "node:assert/strict"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import { type Knocked, knockAt } from "../src/bus/bus.ts"
import { Seal } from "../src/bus/seal.ts"
import { createRedisAdapter, type RedisBusChoice, StatelessCollabRelay } from "../src/collab.ts"
import { selfSigned } from "./certificate.ts"
import { eventually, temporaryDirectory } from "./harness.ts"
import { freePort, noRedis, openBus, startRedis } from "./redis-parts.ts"

const skip = noRedis

test("RL60 connections wait as long as they are told to before they are made anew", async (t) => {
  const waits: number[] = []
  const { log } = openBus(t, "redis://127.0.0.1:1", {
    reconnect: { delayMs: 40, maxDelayMs: 100, jitter: 0 },
    after(ms, work) {
      waits.push(ms)
      const timer = setTimeout(work, ms)
      return () => clearTimeout(timer)
    },
  })
  // The first of each two is how long a connecting may take.
  await eventually(() => waits.length >= 8)
  assert.deepEqual(waits.filter((_, index) => index % 2 === 1).slice(0, 4), [40, 80, 100, 100])
  assert.equal(log.length, 1)
})

test("RL116 who connects to a Redis that is away tries as often as it was told to", async (t) => {
  const redisUrl = "redis://127.0.0.1:1"
  const reconnect = { delayMs: 1, maxDelayMs: 2, jitter: 0.5 }
  const bus = await createRedisAdapter({ redisUrl, reconnect })
  // Looked at from the start: it may be told of before the end is over.
  const rejected = assert.rejects(bus.connect(), /disconnected before it was connected/)
  t.after(() => bus.disconnect())
  // With the usual waits so many take more than a minute.
  await eventually(() => bus.getMetrics().reconnectionAttempts >= 20)
  await bus.disconnect()
  await rejected
})

test("RL64 RL116 a relay sees as often as its bus was told to whether Redis delivers", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const seen = { probes: 0, hellos: 0 }
  const admin = await redis.login()
  await admin.pSubscribe("lfcc:probe:*", () => seen.probes++)
  await admin.subscribe("lfcc:servers", () => seen.hellos++)
  await joins(t, { redisUrl: redis.url, probeMs: 100 })
  // Both go out every two seconds else.
  await eventually(() => seen.hellos > 1 && seen.probes >= 3 * seen.hellos + 10)
})

/** A relay of a program, on the real clock, that is on a bus. */
async function joins(t: TestContext, choice: RedisBusChoice): Promise<StatelessCollabRelay> {
  const redisAdapter = await createRedisAdapter(choice)
  const limits = { orphanHoldMs: 0 }
  const relay = new StatelessCollabRelay({ redisAdapter, limits })
  t.after(async () => {
    await relay.shutdown()
    await redisAdapter.disconnect()
  })
  await relay.initialize()
  return relay
}

/** A far end in this process: what it was told, and how it speaks. */
class FarEnd {
  readonly heard: Record<string, unknown>[] = []
  readonly readyState = 1
  readonly bufferedAmount = 0
  readonly #relay: StatelessCollabRelay

  constructor(relay: StatelessCollabRelay, sender: string) {
    this.#relay = relay
    relay.handleConnection(this, "notes", sender)
    this.says("JOIN")
  }

  send(data: string | Uint8Array): void {
    this.heard.push(JSON.parse(String(data)))
  }

  close(): void {
    this.#relay.handleDisconnection(this)
  }

  says(type: string, fields: object = {}): void {
    const frame = { type, docId: "notes", senderId: "me", ts: 1, ...fields }
    this.#relay.handleMessage(this, JSON.stringify(frame))
  }

  has(type: string, fields: object = {}): boolean {
    const wanted = Object.entries(fields)
    const isIt = (frame: Record<string, unknown>) =>
      frame["type"] === type && wanted.every(([name, value]) => frame[name] === value)
    return this.heard.some(isIt)
  }
}

test("RL116 programs with one prefix meet under names of theirs only, and nobody with another", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  // What is neither a key nor a channel of its own is refused to it.
  const rule = "on >secret resetchannels &app:* ~app:* +@all".split(" ")
  await redis.run("ACL", "SETUSER", "app", ...rule)
  const own = { redisUrl: redis.url, username: "app", password: "secret" }
  const prefixes = { channelPrefix: "app:doc:", presencePrefix: "app:presence:" }
  const [one, two] = [
    await joins(t, { ...own, ...prefixes }),
    await joins(t, { ...own, ...prefixes }),
  ]
  const other = await joins(t, { redisUrl: redis.url })
  const [ada, bob] = [new FarEnd(one, "ada"), new FarEnd(two, "bob")]
  const eve = new FarEnd(other, "eve")
  await eventually(() => ada.has("JOIN", { senderId: "bob" }))
  // Longer than what travels in one piece, and short.
  for (const bytesB64 of [Buffer.alloc(300_000, 7).toString("base64"), "BAU="]) {
    bob.says("CRDT_UPDATE", { bytesB64 })
    await eventually(() => ada.has("CRDT_UPDATE", { bytesB64 }))
  }
  bob.says("PRESENCE", { payload: { status: "idle" } })
  await eventually(() => ada.has("PRESENCE", { senderId: "bob" }))
  const channels = await redis.run("PUBSUB", "CHANNELS", "app:*")
  assert.ok(Array.isArray(channels) && channels.includes("app:doc:notes"))
  // Their room is not hers: she is told that there is nothing in it.
  eve.says("SNAPSHOT_REQUEST")
  await eventually(() => eve.has("SNAPSHOT_RESPONSE"))
  assert.deepEqual(
    eve.heard.map(({ type }) => type),
    ["SNAPSHOT_RESPONSE"],
  )
})

test("RL57 RL116 a message that was moved under another prefix is dropped", () => {
  const secret = "a secret of thirty-two bytes or more"
  const [channel, data] = ["lfcc:doc:notes", Uint8Array.of(1, 2, 0, 42)]
  const seals = [new Seal(secret, "app:"), new Seal(secret, "lfcc:"), new Seal(secret)]
  const taken = seals.map((one) => seals.map((two) => two.take(channel, one.put(channel, data))))
  assert.deepEqual(taken, [
    [data, undefined, undefined],
    [undefined, data, data],
    [undefined, data, data],
  ])
})

const pair = selfSigned()
const noTls = skip || (pair === undefined ? "openssl is not installed" : false)

test("RL116 a bus shows and believes the certificates that it was given, under the name that it was given", {
  skip: noTls,
}, async (t) => {
  const { cert = "", key = "" } = pair ?? {}
  const directory = temporaryDirectory(t)
  const [certFile, keyFile] = [join(directory, "cert.pem"), join(directory, "key.pem")]
  writeFileSync(certFile, cert)
  writeFileSync(keyFile, key)
  const port = await freePort()
  const files = ["--tls-cert-file", certFile, "--tls-key-file", keyFile]
  const words = ["--tls-ca-cert-file", certFile, "--tls-auth-clients", "yes"]
  await startRedis(t, "--tls-port", `${port}`, ...files, ...words)
  // Over TLS, though the address does not say so.
  const redisUrl = `redis://127.0.0.1:${port}`
  const relay = await joins(t, { redisUrl, tls: { ca: cert, cert: Buffer.from(cert), key: [key] } })
  assert.equal(relay.getHealth().ok, true)
  const urls = [`rediss://127.0.0.1:${port}`]
  const knocked = (tls: object) =>
    new Promise<Knocked>((resolve) => knockAt({ urls, tls, after: () => () => {} }, resolve))
  // Redis asks for a certificate: without one it ends the line.
  assert.equal((await knocked({ ca: cert })).kind, "away")
  const foreign = await knocked({ ca: cert, cert, key, servername: "other.example" })
  assert.match(foreign.kind === "open" ? "" : foreign.why, /Host: other\.example/)
})

test("RL116 a certificate that is none rejects, since it stays one", { skip }, async (t) => {
  const redis = await startRedis(t)
  const bus = await createRedisAdapter({
    redisUrl: redis.url,
    tls: { ca: "no PEM", key: "no PEM" },
  })
  await assert.rejects(bus.connect(), /^Error: tls: cannot be used: /)
  assert.equal(bus.getConnectionState(), "disconnected")
})
