/** Encrypted pools over time with the SDK: new epochs, revoked writers, lost connections. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { Keyring } from "../src/client/keys.ts"
import type { App } from "../src/client/pools.ts"
import type { Clock } from "../src/server-clock.ts"
import { readEnvelope } from "../src/wire/trinity-envelope.ts"
import {
  admit,
  between,
  failing,
  fast,
  found,
  listed,
  type Message,
  naming,
  vault,
  world,
} from "./client-encrypted-parts.ts"
import { eventually } from "./harness.ts"

/** The epoch that an envelope on the wire was sealed for. */
function epochIn(payload: unknown): number | undefined {
  return readEnvelope(Buffer.from(String(payload), "base64url"))?.epoch
}

/** The server's clock: that of this machine, and ahead of it. */
class EarlyClock implements Clock {
  aheadMs = 0

  now(): number {
    return Date.now() + this.aheadMs
  }

  every(ms: number, tick: () => void): () => void {
    const timer = setInterval(tick, ms)
    return () => clearInterval(timer)
  }

  after(ms: number, tick: () => void): () => void {
    const timer = setTimeout(tick, ms)
    return () => clearTimeout(timer)
  }

  /** Lets time pass for the server, in steps that nobody is silent for. */
  async pass(ms: number, apps: readonly App[]): Promise<void> {
    for (let passed = 0; passed < ms; passed += 5_000) {
      this.aheadMs += 5_000
      for (const app of apps) await app.admin("server_status")
    }
  }
}

test("PL130 a revoked writer is refused at once, by the server and by readers", async (t) => {
  const { join } = await world(t)
  const bob = await join("bob")
  const owner = await found(bob)
  await bob.handle("echo", (input) => input, vault)
  const eve = await join("eve")
  const ring = await admit(owner, eve)
  assert.equal(await eve.call("echo", 1, vault), 1)
  const of = { kind: "emit", callNonce: undefined, name: "x" } as const
  const late = await ring.seal(of, { type: 3, bytes: new Uint8Array(1) })
  const reader = await Keyring.from(owner.keys.lend("shard"), fast)
  const ada = await join("ada")
  await ada.pool("vault").join(reader)
  await owner.keys.revoke(ring.writerKey)
  assert.equal((await failing(eve.call("echo", 2, vault))).code, "FORBIDDEN")
  assert.equal((await failing(eve.emit("x", 2, { ...vault, ack: true }))).code, "FORBIDDEN")
  // It was told before the answer to whoever asks now.
  await ada.admin("server_status")
  await assert.rejects(reader.open(of, late), /was revoked/)
})

test("PL129 calls, streams and emits go on while the keys are rotated, and are sealed anew then", async (t) => {
  const { join, address } = await world(t)
  const spy = await between(t, address)
  const bob = await join("bob")
  const owner = await found(bob)
  await bob.handle("echo", (input) => input, vault)
  const stop = Promise.withResolvers<void>()
  await bob.handle(
    "count",
    async function* () {
      for (let at = 0; at < 20; at++) yield at
      await stop.promise
      yield "end"
    },
    vault,
  )
  const ada = await join("ada", { at: spy.address })
  const ring = await admit(owner, ada)
  const values: unknown[] = []
  const reading = (async () => {
    for await (const value of ada.stream("count", null, vault)) values.push(value)
  })()
  const heard: unknown[] = []
  await bob.on("tick", (payload) => heard.push(payload), vault)
  await eventually(() => values.length === 20)
  let [made, isOver] = [0, false]
  const calling = (async () => {
    while (!isOver) {
      const at = made++
      assert.equal(await ada.call("echo", at, vault), at)
      await ada.emit("tick", at, { ...vault, ack: true })
    }
  })()
  for (let epoch = 2; epoch <= 4; epoch++) {
    const before = made
    await owner.keys.rotate(naming(ring))
    assert.equal(owner.keys.epoch, epoch)
    await eventually(() => made > before + 2)
  }
  const since = spy.seen.length
  stop.resolve()
  await eventually(() => {
    const sent = spy.seen.slice(since).map((text): Message => JSON.parse(text))
    return sent.some(({ type, payload }) => type === "trigger" && epochIn(payload) === 4)
  })
  isOver = true
  await Promise.all([calling, reading])
  await eventually(() => heard.length === made)
  assert.deepEqual(values, [...Array(20).keys(), "end"])
  assert.deepEqual(heard, [...Array(made).keys()])
})

test("PL129 who is not named in an epoch opens nothing of it, and is out after the grace", async (t) => {
  const clock = new EarlyClock()
  const { join } = await world(t, { clock })
  const bob = await join("bob")
  const owner = await found(bob)
  const ada = await join("ada")
  const ring = await admit(owner, ada)
  const faults: string[] = []
  const eve = await join("eve", {
    onFault: ({ code }, about) => void faults.push(`${code}: ${about}`),
  })
  await admit(owner, eve)
  const heard: string[] = []
  await ada.on("news", (payload) => heard.push(`ada ${payload}`), vault)
  await eve.on("news", (payload) => heard.push(`eve ${payload}`), vault)
  await bob.emit("news", "old", { ...vault, ack: true })
  await eventually(() => heard.length === 2)
  const kept = await owner.keys.rotate(naming(ring))
  await bob.emit("news", "new", { ...vault, ack: true })
  await eventually(() => faults.length === 1 && heard.length === 3)
  assert.deepEqual(heard.toSorted(), ["ada new", "ada old", "eve old"])
  assert.deepEqual(faults, ["INTEGRITY: emit news"])
  // Until the grace is over what it seals for the epoch that it knows is taken.
  await eve.emit("news", "farewell", { ...vault, ack: true })
  await eventually(() => heard.includes("ada farewell"))
  const events: unknown[] = []
  eve.pool("vault").watch(({ event }) => events.push(event))
  await clock.pass(65_000, [bob, ada, eve])
  await eventually(() => events.length === 1)
  assert.deepEqual(events, ["removed"])
  assert.equal((await failing(eve.call("x", 1, vault))).code, "NOT_MEMBER")
  await assert.rejects(
    eve
      .pool("vault")
      .join(await Keyring.from(owner.keys.lend("sigil"), fast))
      .then(() => eve.emit("news", 1, { ...vault, ack: true })),
    { code: "FORBIDDEN" },
  )
  await ada.emit("news", "later", { ...vault, ack: true })
  await eventually(() => heard.includes("ada later"))
  // What rotate gave is all that the owner needs to come back.
  const back = await join("back")
  await back.pool("vault").join(await Keyring.from(kept, fast))
  assert.equal(back.pool("vault").keys.epoch, 2)
})

test("PL141 after a lost connection keys are proven again before anything else goes", async (t) => {
  const { join, address } = await world(t)
  const spy = await between(t, address)
  const bob = await join("bob")
  const owner = await found(bob)
  const ada = await join("ada", { at: spy.address })
  const ring = await admit(owner, ada)
  await ada.handle("twice", (word: string) => word + word, vault)
  const heard: unknown[] = []
  await ada.on("news", (payload) => heard.push(payload), vault)
  // It does not get through until there is a new epoch.
  const { toServer } = spy
  spy.toServer = () => []
  spy.cut()
  await eventually(() => ada.state === "away")
  await owner.keys.rotate(naming(ring))
  spy.cut()
  spy.seen.length = 0
  spy.toServer = toServer
  await eventually(() => ada.state === "ready")
  assert.equal(await bob.call("twice", "ab", vault), "abab")
  await bob.emit("news", 1, { ...vault, ack: true })
  await eventually(() => heard.length === 1)
  const said = spy.seen
    .map((text): Message => JSON.parse(text))
    .filter(({ id }) => id !== undefined)
  const order = said.flatMap(({ type, operation }) => {
    const word = operation ?? type
    return ["join", "prove", "register", "subscribe"].includes(String(word)) ? [word] : []
  })
  assert.deepEqual(order, ["join", "prove", "join", "prove", "register", "subscribe"])
  assert.equal(said.findLast(({ operation }) => operation === "prove")?.["epoch"], 2)
})

test("PL141 PL127 what is repeated with its key after a lost connection is the same envelope", async (t) => {
  const { join, address } = await world(t)
  const spy = await between(t, address)
  const bob = await join("bob")
  const owner = await found(bob)
  let [worked, isFirst] = [0, true]
  await bob.handle("pay", () => ++worked, vault)
  const ada = await join("ada", { at: spy.address })
  await admit(owner, ada)
  const sent: Message[] = []
  spy.toServer = (message) => {
    if (message["type"] === "trigger") sent.push(message)
    return [message]
  }
  spy.toApp = (message) => {
    if (message["content_type"] !== "bytes" || !isFirst) return [message]
    isFirst = false
    spy.cut()
    return []
  }
  assert.equal(await ada.call("pay", 5, { ...vault, idempotencyKey: "k1" }), 1)
  assert.equal(worked, 1)
  assert.equal(sent.length, 2)
  const envelopes = sent.map(({ payload, call_nonce }) => ({ payload, call_nonce }))
  assert.deepEqual(envelopes[0], envelopes[1])
})

test("PL125 what is refused as STALE_EPOCH is sealed again and repeated once", async (t) => {
  const { join, address } = await world(t)
  const spy = await between(t, address)
  const bob = await join("bob")
  const owner = await found(bob)
  await bob.handle("echo", (input) => input, vault)
  await bob.on("news", () => {}, vault)
  const ada = await join("ada", { at: spy.address })
  const ring = await admit(owner, ada)
  // It does not hear of the next epoch, nor of its certificate there.
  spy.toApp = (message) => (message["type"] === "pool" ? [] : [message])
  await owner.keys.rotate(naming(ring))
  let refusals = 1
  const sent: Message[] = []
  spy.toServer = (message) => {
    const isSealed = message["type"] === "trigger" || message["type"] === "emit"
    if (isSealed) sent.push(message)
    return isSealed && refusals-- > 0 ? [{ ...message, id: "none", payload: "" }] : [message]
  }
  const refuse = (message: Message): Message[] => {
    if (message["correlation_id"] !== "none") return message["type"] === "pool" ? [] : [message]
    const error = { status: "error", error: "epoch 1 is over", error_code: "STALE_EPOCH" }
    return [{ type: "error", correlation_id: sent.at(-1)?.["id"], ...error }]
  }
  spy.toApp = refuse
  assert.equal(await ada.call("echo", 1, vault), 1)
  assert.deepEqual(
    sent.map(({ payload }) => epochIn(payload)),
    [1, 2],
  )
  refusals = 1
  assert.equal((await ada.emit("news", 1, { ...vault, ack: true }))?.reached, 1)
  assert.equal(sent.length, 4)
  // Only once.
  refusals = 2
  assert.equal((await failing(ada.call("echo", 1, vault))).code, "STALE_EPOCH")
  assert.equal(sent.length, 6)
  assert.deepEqual(await listed(ada.stream("echo", 1, vault)), [])
})
