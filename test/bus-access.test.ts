/** How the bus over Redis is let in, what it signs, how long messages travel, and what it keeps. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import type { Bus, Claim } from "../src/bus/bus.ts"
import { Parcels } from "../src/bus/parcels.ts"
import { Seal } from "../src/bus/seal.ts"
import { readConfig } from "../src/config.ts"
import { selfSigned } from "./certificate.ts"
import { eventually, temporaryDirectory } from "./harness.ts"
import {
  asked,
  bytes,
  freePort,
  head,
  heardOn,
  joinBus,
  noRedis,
  openBus,
  startRedis,
  text,
} from "./redis-parts.ts"

const skip = noRedis

/** The rights that the manual advises. */
const manual = readFileSync(join(import.meta.dirname, "../docs/operating.md"), "utf8")
const rights = /^user quartet on >\S+ (.*)$/m.exec(manual)?.[1]?.split(" ") ?? []

/** Uses all that the relay uses of a bus. */
async function useAll(bus: Bus): Promise<void> {
  await eventually(() => bus.state === "ready")
  const heard = await heardOn(bus, "lfcc:doc:tea")
  assert.equal(
    await asked<number>((answer) => bus.publish("lfcc:doc:tea", bytes("green"), answer)),
    1,
  )
  await eventually(() => heard.length === 1)
  const claim = await asked<Claim>((answer) => bus.claim("lfcc:seed:tea", "ada", 60_000, answer))
  assert.ok(claim !== "away")
  assert.equal(await asked<boolean>((answer) => bus.renew(claim, 60_000, answer)), true)
  bus.put("lfcc:mark:tea", bytes("full"), 60_000, claim)
  bus.put("lfcc:mark:cup", bytes("full"), 60_000)
  for (const key of ["lfcc:mark:tea", "lfcc:mark:cup"]) {
    const found = await asked<Uint8Array | undefined>((answer) => bus.get(key, answer))
    assert.deepEqual(found, bytes("full"))
  }
  assert.equal(await asked<boolean>((answer) => bus.renew(claim, 0, answer)), true)
  assert.notEqual(await asked<number>((answer) => bus.probe(answer)), "away")
}

test("RL57 a hash is good for its channel, its content and its secret only", () => {
  const [seal, other, none] = [new Seal("one secret"), new Seal("another"), new Seal(undefined)]
  const message = Uint8Array.of(1, 2, 0, 7, 8, 9)
  const sealed = seal.put("tea", message)
  assert.equal(sealed.length, message.length + 16)
  assert.equal(sealed[2], 2)
  assert.deepEqual(seal.take("tea", sealed), message)
  assert.equal(seal.take("cup", sealed), undefined)
  assert.equal(other.take("tea", sealed), undefined)
  assert.equal(seal.take("tea", message), undefined)
  // Who has no secret cannot tell that it is right.
  assert.equal(none.take("tea", sealed), undefined)
  assert.deepEqual(none.take("tea", none.put("tea", message)), message)
  for (let index = 0; index < sealed.length; index++) {
    const changed = sealed.slice()
    changed[index] = (changed[index] ?? 0) ^ 1
    assert.equal(seal.take("tea", changed), undefined, `byte ${index}`)
    assert.equal(seal.take("tea", sealed.subarray(0, index)), undefined, `${index} bytes`)
  }
  // The channel cannot be made longer at the cost of the content.
  const shifted = seal.put("te", Uint8Array.of(1, 2, 0, 7))
  assert.equal(seal.take("te\0", shifted), undefined)
})

test("RL57 what comes without the right hash is dropped and counted, long messages too", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const limits = { parcelBytes: 1_000 }
  const secret = "a secret of at least thirty-two bytes"
  const ada = await joinBus(t, redis.url, { secret, limits })
  const bob = await joinBus(t, redis.url, { secret, limits })
  const eve = await joinBus(t, redis.url, { secret: "another one of thirty-two bytes..", limits })
  const mute = await joinBus(t, redis.url, { limits })
  const heard = await heardOn(bob, "tea")
  const cups = await heardOn(bob, "cup")
  const long = "x".repeat(2_000)
  for (const bus of [eve, mute]) {
    await asked<number>((answer) => bus.publish("tea", bytes("forged"), answer))
    await asked<number>((answer) => bus.publish("tea", bytes(long), answer))
  }
  await eventually(() => bob.figures.forged === 4)
  // Taken from one channel and given to another.
  const sealed = new Seal(secret).put("tea", bytes("moved"))
  await redis.publish("cup", sealed)
  await eventually(() => bob.figures.forged === 5)
  ada.publish("tea", bytes("green"))
  ada.publish("tea", bytes(long))
  await eventually(() => heard.length === 2)
  assert.deepEqual([heard, cups], [["green", long], []])
  await redis.publish("cup", new Seal(secret).put("cup", bytes("full")))
  await eventually(() => cups.length === 1)
})

test("RL57 a probe that somebody else sends is none", { skip }, async (t) => {
  const redis = await startRedis(t)
  const bus = await joinBus(t, redis.url, { secret: "a secret of at least thirty-two bytes" })
  const [channel = ""] = (await redis.run("PUBSUB", "CHANNELS", "lfcc:probe:*")) as string[]
  await redis.publish(channel, Buffer.from([1, 16, 0, 0x31]))
  await eventually(() => bus.figures.forged === 1)
  assert.notEqual(await asked<number>((answer) => bus.probe(answer)), "away")
})

test("RL65 a long message arrives whole, in its place, and is kept for half a minute", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const ada = await joinBus(t, redis.url)
  const bob = await joinBus(t, redis.url)
  const [far, own] = [await heardOn(bob, "lfcc:doc:tea"), await heardOn(ada, "lfcc:doc:tea")]
  const at = 256 * 1024 - head.length
  const words = ["one", "a".repeat(at), "two", "b".repeat(at + 1), "c".repeat(3_000_000), "three"]
  for (const word of words) ada.publish("lfcc:doc:tea", bytes(word))
  await eventually(() => far.length === words.length)
  assert.deepEqual(far, words)
  // The limit itself still travels as it is; ours are not fetched.
  const names = (await redis.run("KEYS", "*")) as string[]
  assert.equal(names.length, 2)
  for (const name of names) {
    assert.match(name, /^lfcc:parcel:[0-9a-f]{32}$/)
    const left = Number(await redis.run("PTTL", name))
    assert.ok(left > 20_000 && left <= 30_000)
  }
  await eventually(() => own.length === 4)
  assert.deepEqual(own, ["one", words[1], "two", "three"])
})

test("RL65 a parcel that is not there is told as missed, and what comes after it arrives", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const bus = await joinBus(t, redis.url)
  const order: string[] = []
  bus.onGap((channel) => order.push(`gap ${channel}`))
  await new Promise<void>((resolve) => {
    bus.subscribe("tea", (data) => order.push(text(data)), resolve)
  })
  const absent = Buffer.from([1, 2, 1, ...Buffer.from("0".repeat(32))])
  const sent = [bytes("one"), absent, bytes("two"), absent, absent, bytes("three")]
  for (const data of sent) await redis.publish("tea", data)
  await eventually(() => order.length === sent.length)
  assert.deepEqual(order, ["one", "gap tea", "two", "gap tea", "gap tea", "three"])
})

test("RL65 what comes after a parcel waits for it, two seconds at most and so much at most", async () => {
  const order: string[] = []
  const lates: (() => void)[] = []
  const agains: { readonly ms: number; readonly work: () => void }[] = []
  const fetches: ((found: Uint8Array | undefined) => void)[] = []
  let id = 0
  const parcels = new Parcels({
    random: (length) => new Uint8Array(length).fill(id++),
    after: (ms, work) => {
      if (ms === 2_000) lates.push(work)
      else agains.push({ ms, work })
      return () => {}
    },
    fetch: () => new Promise((resolve) => fetches.push(resolve)),
    open: (_, fetched) => fetched,
    deliver: (channel, data) => order.push(`${channel} ${text(data)}`),
    missed: (channel) => order.push(`gap ${channel}`),
  })
  const pointer = Uint8Array.of(1, 2, 1, 65)
  parcels.receive("tea", pointer)
  parcels.receive("tea", bytes("one"))
  parcels.receive("tea", pointer)
  parcels.receive("tea", bytes("two"))
  parcels.receive("cup", bytes("full"))
  assert.deepEqual(order, ["cup full"])
  lates[0]?.()
  assert.deepEqual(order.splice(0), ["cup full", "gap tea", "tea one"])
  // Too late: others have gone on.
  fetches[0]?.(bytes("late"))
  await new Promise((resolve) => setImmediate(resolve))
  fetches[1]?.(bytes("whole"))
  await eventually(() => order.length === 2)
  assert.deepEqual(order.splice(0), ["tea whole", "tea two"])

  const large = Buffer.concat([head, Buffer.alloc(1024 * 1024)])
  parcels.receive("tea", pointer)
  for (let index = 0; index < 40; index++) parcels.receive("tea", large)
  assert.deepEqual(order.splice(0), new Array(9).fill("gap tea"))
  // In a cluster it may come a little later than what names it: it is looked for again, less and less often.
  for (const ms of [10, 20, 40]) {
    fetches.at(-1)?.(undefined)
    assert.equal((await eventually(() => agains[0])).ms, ms)
    agains.pop()?.work()
  }
  assert.deepEqual(order, [])
  lates[2]?.()
  assert.equal(order.length, 32)
  assert.equal(order.shift(), "gap tea")

  order.length = 0
  parcels.receive("tea", pointer)
  parcels.receive("cup", pointer)
  for (let index = 0; index < 6_000; index++) {
    parcels.receive("tea", bytes("one"))
    parcels.receive("cup", bytes("full"))
  }
  assert.equal(order.length, 2_000)
})

test("RL68 a password and the least rights are enough, and more is not asked for", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  await redis.run("ACL", "SETUSER", "quartet", "on", ">s:e/c@ret", ...rights)
  const url = `redis://quartet:${encodeURIComponent("s:e/c@ret")}@127.0.0.1:${redis.port}`
  const bus = await joinBus(t, url, { limits: { parcelBytes: 10 } })
  await useAll(bus)
  const refused = (await redis.run("ACL", "LOG")) as unknown[]
  assert.deepEqual(refused, [])
})

test("RL68 a login that is refused is told in one sentence, and tried again", {
  skip,
}, async (t) => {
  const redis = await startRedis(t, "--requirepass", "right")
  const wrong = openBus(t, `redis://:wrong-word@127.0.0.1:${redis.port}`)
  const without = openBus(t, redis.url)
  await eventually(() => wrong.log.length > 0 && without.log.length > 0)
  const whys = [wrong, without].map(({ log }) => String(log[0]?.["why"]))
  assert.match(whys[0] ?? "", /^WRONGPASS [^\n]+$/)
  assert.match(whys[1] ?? "", /^NOAUTH [^\n]+$/)
  for (const { log } of [wrong, without]) assert.doesNotMatch(JSON.stringify(log), /wrong-word/)
  // Whoever mends it need not restart the server.
  const admin = await joinBus(t, `redis://:right@127.0.0.1:${redis.port}`)
  assert.equal(admin.state, "ready")
  await redis.login("right")
  await redis.run("CONFIG", "SET", "requirepass", "wrong-word")
  await eventually(() => wrong.bus.state === "ready")
  await useAll(wrong.bus)
})

test("RL68 rights that are missing are told in one sentence", { skip }, async (t) => {
  const redis = await startRedis(t)
  const less = rights.map((right) => (right === "&lfcc:*" ? "&other:*" : right))
  await redis.run("ACL", "SETUSER", "quartet", "on", ">secret", ...less)
  const { bus, log } = openBus(t, `redis://quartet:secret@127.0.0.1:${redis.port}`)
  await eventually(() => log.length > 0)
  assert.match(String(log[0]?.["why"]), /^NOPERM [^\n]+$/)
  await redis.run("ACL", "SETUSER", "quartet", "&lfcc:*")
  await eventually(() => bus.state === "ready")
})

const certificate = selfSigned()
const noTls = skip || (certificate === undefined ? "openssl is not installed" : false)

test("RL68 over TLS a Redis is believed that an own CA vouches for, and no other", {
  skip: noTls,
}, async (t) => {
  const directory = temporaryDirectory(t)
  const [cert, key] = [join(directory, "cert.pem"), join(directory, "key.pem")]
  writeFileSync(cert, certificate?.cert ?? "")
  writeFileSync(key, certificate?.key ?? "")
  const tlsPort = await freePort()
  const files = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert]
  await startRedis(t, "--tls-port", `${tlsPort}`, "--tls-auth-clients", "no", ...files)
  const url = `rediss://127.0.0.1:${tlsPort}`
  const { log } = openBus(t, url)
  await eventually(() => log.length > 0)
  assert.match(String(log[0]?.["why"]), /self.signed certificate/i)
  // Node reads its own CAs at the start of a process.
  const parts = new URL("./redis-parts.ts", import.meta.url).href
  const program = `
    import { openBus } from ${JSON.stringify(parts)}
    const { bus } = openBus({ after() {} }, ${JSON.stringify(url)})
    bus.subscribe("tea", (data) => { console.log(Buffer.from(data).toString("latin1", 3)); process.exit() }, () => bus.publish("tea", Buffer.from([1, 2, 0, 111, 107])))`
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: cert }
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  })
  t.after(() => child.kill("SIGKILL"))
  let said = ""
  child.stdout.on("data", (chunk) => (said += chunk))
  await once(child, "close")
  assert.equal(said, "ok\n")
})

test("SV32 of two that claim at the same time one holds the name, and both are told who", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const servers = [
    await joinBus(t, redis.url, { server: "ada" }),
    await joinBus(t, redis.url, { server: "bob" }),
  ]
  let last = 0
  for (let round = 0; round < 50; round++) {
    const claims = await Promise.all(
      servers.map((bus) => asked<Claim>((answer) => bus.claim("pot", bus.server, 60_000, answer))),
    )
    const [claim] = claims
    assert.ok(claim !== undefined && claim !== "away" && claim.fence > last)
    assert.deepEqual(claims, [claim, claim])
    last = claim.fence
    const holder = servers.find((bus) => bus.server === claim.value)
    assert.equal(await asked<boolean>((answer) => holder?.renew(claim, 0, answer)), true)
  }
})

test("SV32 a Redis that is full grants no claim, and goes on to carry messages", {
  skip,
}, async (t) => {
  const redis = await startRedis(t)
  const bus = await joinBus(t, redis.url, { limits: { parcelBytes: 1_000 } })
  const heard = await heardOn(bus, "tea")
  const gaps: (string | undefined)[] = []
  bus.onGap((channel) => gaps.push(channel))
  await redis.run("CONFIG", "SET", "maxmemory", "1")
  assert.equal(await asked<Claim>((answer) => bus.claim("pot", "ada", 1_000, answer)), "away")
  assert.equal(await asked<number>((answer) => bus.publish("tea", bytes("green"), answer)), 1)
  await eventually(() => heard.length === 1)
  // What would have to lie there is told as lost.
  bus.publish("tea", Buffer.concat([head, Buffer.alloc(2_000)]))
  await eventually(() => gaps.includes("tea"))
  assert.equal(bus.state, "ready")
})

test("SV2 bad addresses of Redis and short secrets are refused, without repeating what may be a password", () => {
  const bad = { REDIS_URL: "redis://ok:6379, http://user:word@host", BUS_SECRET: "short" }
  assert.throws(
    () => readConfig(bad),
    (thrown: unknown) => {
      assert.match(String(thrown), /REDIS_URL: address 2 is not like redis:\/\/HOST:6379/)
      assert.match(String(thrown), /BUS_SECRET: is shorter than 32 bytes/)
      assert.doesNotMatch(String(thrown), /word@/)
      return true
    },
  )
  for (const url of ["host:6379", "redis://", "/tmp/redis.sock"]) {
    assert.throws(() => readConfig({ REDIS_URL: url }), /REDIS_URL: it is not like/)
  }
  const urls = ["redis://a:6379", "rediss://me:secret@b"]
  assert.deepEqual(readConfig({ REDIS_URL: urls.join(", ") }).redisUrls, urls)
  assert.deepEqual(readConfig({}).redisUrls, [])
})
