/** Encrypted pools with the SDK, against the real server in this process. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { Keyring } from "../src/client/keys.ts"
import {
  admit,
  between,
  failing,
  fast,
  found,
  listed,
  vault,
  world,
} from "./client-encrypted-parts.ts"
import { eventually } from "./harness.ts"

test("PL125 calls, streams and emits go sealed over TCP and WebSocket, and their ends see none of it", async (t) => {
  const { join, address, url } = await world(t)
  const spy = await between(t, address)
  const bob = await join("bob", { at: spy.address })
  const owner = await found(bob)
  assert.deepEqual(
    (await bob.pool("vault").members()).map(({ app }) => app),
    ["bob"],
  )
  await bob.handle("double", ({ word }: { word: string }) => `${word}-${word}`, vault)
  await bob.handle(
    "spell",
    async function* (word: string) {
      yield* word
      return word.length
    },
    vault,
  )
  await bob.handle("gather", async (_, { input }) => (await listed(input)).join("+"), vault)
  await bob.handle("echo", (input) => input, vault)
  const ada = await join("ada")
  await admit(owner, ada)
  const page = await join("page", { at: url })
  await admit(owner, page, {})
  for (const app of [ada, page]) {
    assert.equal(await app.call("double", { word: "kitten" }, vault), "kitten-kitten")
    const stream = app.stream<string>("spell", "kitten", { ...vault, credit: 2 })
    assert.deepEqual(await listed(stream), [..."kitten"])
    assert.equal(await stream.result, 6)
    const input = Array.from({ length: 40 }, () => "kitten")
    const gathered = await app.call("gather", null, { ...vault, input })
    assert.equal(gathered, input.join("+"))
    for (const value of [null, 0, "é€😀", [1, { a: [] }], new Uint8Array([0, 255])]) {
      assert.deepEqual(await app.call("echo", value, vault), value)
    }
    assert.equal(await app.call("echo", undefined, vault), undefined)
    assert.equal(await app.call("echo", "text", { ...vault, contentType: "text" }), "text")
    const big = new Uint8Array(300_000).fill(7)
    assert.deepEqual(await app.call("echo", big, { ...vault, contentType: "app:200" }), big)
  }
  const heard: unknown[] = []
  await ada.on("news.*", (payload) => heard.push(payload), vault)
  const emits = Array.from({ length: 100 }, (_, at) => ({ kitten: at }))
  for (const each of emits) void page.emit("news.cats", each, vault)
  assert.deepEqual(await page.emit("news.cats", { kitten: 100 }, { ...vault, ack: true }), {
    ...{ reached: 1, lost: 0 },
  })
  await eventually(() => heard.length === 101)
  assert.deepEqual(heard, [...emits, { kitten: 100 }])
  assert.ok(spy.seen.some((text) => text.includes('"trigger":"double"')))
  for (const text of spy.seen) {
    assert.ok(!text.includes("kitten") && !text.includes(btoa("kitten").slice(0, 7)), text)
  }
})

test("PL125 a handler's words stay with it, its code is told; within one app nothing is sealed", async (t) => {
  const { join, address } = await world(t)
  const spy = await between(t, address)
  const bob = await join("bob", { at: spy.address })
  const owner = await found(bob)
  const work = () => {
    throw Object.assign(new Error("the cat is called Tom"), { code: "E_CAT" })
  }
  await bob.handle("fail", work, vault)
  await bob.handle("decline", (_, call) => call.unavailable("Tom sleeps"), vault)
  const ada = await join("ada")
  await admit(owner, ada)
  const failed = await failing(ada.call("fail", null, vault))
  assert.deepEqual(
    [failed.code, failed.handlerCode, failed.message],
    ["HANDLER_ERROR", "E_CAT", "the handler failed"],
  )
  assert.equal((await failing(ada.call("decline", null, vault))).code, "UNAVAILABLE")
  const before = spy.seen.length
  assert.equal((await failing(bob.call("fail", null, vault))).message, "the cat is called Tom")
  assert.equal(spy.seen.length, before)
  // With its spaces: base64 of a few kilobytes has any three letters now and then.
  assert.doesNotMatch(spy.seen.join(""), /called Tom|Tom sleeps/)
})

test("PL124 PL125 who has the SigilKey alone uses plain triggers, and nothing else", async (t) => {
  const { join } = await world(t)
  const bob = await join("bob")
  const owner = await found(bob)
  await bob.handle("ping", (input) => input, { ...vault, plain: true })
  await bob.handle("read", () => "secret", vault)
  const eve = await join("eve")
  const sigil = await Keyring.from(owner.keys.lend("sigil"), fast)
  assert.deepEqual(await eve.pool("vault").join(sigil), ["read", "execute", "handle"])
  assert.equal(await eve.call("ping", "open", { ...vault, plain: true }), "open")
  assert.equal((await failing(eve.call("read", null, vault))).code, "FORBIDDEN")
  assert.equal(
    (await failing(eve.call("read", null, { ...vault, plain: true }))).code,
    "NOT_ENCRYPTED",
  )
  assert.equal((await failing(eve.emit("x", 1, { ...vault, ack: true }))).code, "FORBIDDEN")
  assert.throws(() => bob.pool("other").keys, { code: "NOT_MEMBER" })
  const keyless = await failing(eve.pool("vault").keys.certify(sigil.writerKey))
  assert.equal(keyless.code, "FORBIDDEN")
})

test("PL125 what is said in an encrypted pool never goes in the open, in it or out of it", async (t) => {
  const { join, address } = await world(t)
  const spy = await between(t, address)
  const bob = await join("bob")
  const owner = await found(bob)
  await bob.handle("echo", (input) => input, vault)
  const ada = await join("ada", { at: spy.address })
  // Without keys nobody is in, and the program is told so.
  assert.equal((await failing(ada.pool("vault").join())).code, "NOT_ENCRYPTED")
  const ring = await Keyring.from(owner.keys.lend("shard"), fast)
  await owner.keys.certify(ring.writerKey)
  const joining = ada.pool("vault").join(ring)
  const early = failing(ada.call("echo", "kitten", vault))
  await joining
  assert.equal((await early).code, "FORBIDDEN")
  assert.equal(await ada.call("echo", "kitten", vault), "kitten")
  await ada.pool("vault").leave()
  assert.equal((await failing(ada.call("echo", "kitten", vault))).code, "NOT_MEMBER")
  await ada.emit("news", "kitten", vault)
  await ada.admin("server_status")
  assert.ok(!spy.seen.join("").includes("kitten"))
})

test("PL126 an answer that is moved, changed, repeated or open is refused as INTEGRITY", async (t) => {
  const { join, address } = await world(t)
  const spy = await between(t, address)
  const faults: string[] = []
  const bob = await join("bob")
  const owner = await found(bob)
  await bob.handle("echo", (input) => input, vault)
  await bob.handle(
    "count",
    async function* () {
      for (let at = 0; at < 4; at++) yield at
    },
    vault,
  )
  const ada = await join("ada", {
    at: spy.address,
    onFault: ({ code }, about) => void faults.push(`${code}: ${about}`),
  })
  await admit(owner, ada)
  const answers: Record<string, unknown>[] = []
  // The first answer is kept back, and given in the place of the second.
  spy.toApp = (message) => {
    if (message["type"] !== "response" || message["content_type"] !== "bytes") return [message]
    const moved = { ...message, result: answers.at(-1)?.["result"] ?? message["result"] }
    answers.push(message)
    return [moved]
  }
  assert.equal(await ada.call("echo", 1, vault), 1)
  const moved = await failing(ada.call("echo", 2, vault))
  assert.deepEqual([moved.code, moved.executionUncertain], ["INTEGRITY", true])
  spy.toApp = (message) => {
    if (message["content_type"] !== "bytes") return [message]
    return [{ ...message, content_type: "text", result: "open" }]
  }
  assert.equal((await failing(ada.call("echo", 3, vault))).code, "INTEGRITY")
  // A chunk that comes twice, or is left out of its order.
  spy.toApp = (message) => (message["type"] === "chunk" ? [message, message] : [message])
  assert.equal((await failing(listed(ada.stream("count", null, vault)))).code, "INTEGRITY")
  const emits: unknown[] = []
  await ada.on("news", (payload) => emits.push(payload), vault)
  spy.toApp = (message) => (message["type"] === "emit" ? [message, message] : [message])
  await bob.emit("news", "once", { ...vault, ack: true })
  await eventually(() => faults.length === 1)
  assert.deepEqual([emits, faults], [["once"], ["INTEGRITY: emit news"]])
  spy.toApp = (message) => [message]
  assert.equal(await ada.call("echo", 4, vault), 4)
})

test("PL126 a handler does not work for a call that is open, moved or repeated", async (t) => {
  const { join, address } = await world(t)
  const spy = await between(t, address)
  const faults: string[] = []
  const bob = await join("bob")
  const owner = await found(bob)
  const ada = await join("ada", {
    at: spy.address,
    onFault: ({ code }, about) => void faults.push(`${code}: ${about}`),
  })
  await admit(owner, ada)
  const worked: unknown[] = []
  const work = (input: unknown) => void worked.push(input)
  await ada.handle("pay", work, vault)
  await ada.handle("refund", work, vault)
  await ada.handle("sum", async (_, { input }) => worked.push(await listed(input)), vault)
  await bob.call("pay", 1, vault)
  const change = (to: Record<string, unknown>) => {
    spy.toApp = (message) => (message["type"] === "trigger" ? [{ ...message, ...to }] : [message])
  }
  change({ trigger: "refund" })
  const moved = await failing(bob.call("pay", 2, vault))
  assert.deepEqual([moved.code, moved.handlerCode], ["HANDLER_ERROR", "INTEGRITY"])
  change({ call_nonce: undefined, payload: 3, content_type: undefined })
  assert.equal((await failing(bob.call("pay", 2, vault))).handlerCode, "INTEGRITY")
  let first: Record<string, unknown> | undefined
  spy.toApp = (message) => {
    if (message["type"] !== "trigger") return [message]
    first ??= message
    return [{ ...first, id: message["id"] }]
  }
  await bob.call("pay", 4, vault)
  assert.equal((await failing(bob.call("pay", 5, vault))).handlerCode, "INTEGRITY")
  assert.deepEqual(worked, [1, 4])
  // Of what streams in the handler is told as well.
  spy.toApp = (message) => (message["type"] === "chunk" ? [message, message] : [message])
  const summed = await failing(bob.call("sum", null, { ...vault, input: [1, 2] }))
  assert.equal(summed.handlerCode, "INTEGRITY")
  assert.deepEqual(worked, [1, 4])
  const about = ["call refund", "call pay", "call pay"].map((each) => `INTEGRITY: ${each}`)
  assert.deepEqual(faults, about)
})
