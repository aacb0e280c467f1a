/** Storms of logins and strangers, and what a guess costs. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { limits } from "../src/operators/limits.ts"
import { digestOf } from "../src/operators/secret.ts"
import { type End, Exchange } from "./operators-parts.ts"

test("OP69 OP76 a storm of 1,000 logins leaves no more waiting than may wait", () => {
  const exchange = new Exchange({ limits: { strangers: 2_000, connections: 2_000 } })
  const ends = Array.from({ length: 1_000 }, () => exchange.extend())
  for (const [at, end] of ends.entries()) end.utters(`$ u${at} x`)
  assert.equal(exchange.service.counts.hashes, 1 + limits.hashWaiting)
  assert.equal(ends.filter((end) => end.heard.includes("$ refused - busy")).length, 935)
  exchange.hashAll()
  assert.equal(exchange.service.counts.hashes, 0)
  assert.equal(exchange.hashed, 65)
  exchange.pass(limits.strangerMs, 10_000)
  assert.deepEqual(Object.values(exchange.service.counts), [0, 0, 0, 0, 0, 0])
})

test("OP72 64 strangers who say nothing do not keep a member from logging in", () => {
  const exchange = new Exchange()
  exchange.member("ada").leaves()
  const strangers: End[] = []
  for (let count = 0; count < 64; count++) strangers.push(exchange.extend())
  const ada = exchange.extend()
  ada.utters("$ ada ada")
  for (let count = 0; count < 200; count++) exchange.come()
  assert.ok(ada.isOpen)
  exchange.hashAll()
  assert.match(ada.news()[0] ?? "", /^\$ welcome/)
  assert.equal(exchange.service.counts.strangers, 63)
})

test("OP58 one sender floods a mailbox, and others still get in", () => {
  const exchange = new Exchange()
  exchange.member("bob").leaves()
  const flood = exchange.member("flood")
  const ada = exchange.member("ada")
  for (let count = 0; count < 1_000; count++) flood.says(`bob ${count}`)
  ada.says("bob hello")
  assert.match(ada.news()[0] ?? "", /^\$ queued - \S+ \S+ 65 256 /)
  assert.equal(flood.news().filter((line) => line.endsWith(" share")).length, 936)
})

test("OP38 whatever came and went, nothing is left of it but what is promised", () => {
  const exchange = new Exchange()
  const ada = exchange.member("ada")
  for (let round = 0; round < 20; round++) {
    const bob = exchange.member("bob")
    ada.says(`$ send r${round} bob x`)
    ada.says("bob $ begun")
    ada.says("$")
    bob.utters("ada $ never ended")
    bob.leaves()
    const stranger = exchange.extend("tor-1")
    stranger.utters("$ bob wrong")
    stranger.leaves()
    exchange.hashAll()
  }
  ada.leaves()
  exchange.pass(limits.expiryMs, 3_600_000)
  const { sessions, strangers, letters, letterBytes, hashes } = exchange.service.counts
  assert.deepEqual([sessions, strangers, letters, letterBytes, hashes], [0, 0, 0, 0, 0])
})

test("OP46 OP79 what is hashed for an unknown callsign costs the same as for a known one", () => {
  const exchange = new Exchange({ registration: "invite" })
  const { now } = exchange
  const invitation = { untilMs: now + 1e6, digest: digestOf("T") }
  for (const name of ["ada", "bob"]) exchange.service.accounts.invite(name, invitation, now)
  const ada = exchange.extend()
  for (const line of ["$ invite T", "$ ada a", "$ ada a"]) ada.says(line)
  assert.match(ada.news().at(-1) ?? "", /^\$ welcome/)
  const costs = ["ada", "bob", "nobody", "root"].map((name) => {
    const eve = exchange.extend()
    eve.utters(`$ ${name} wrong`)
    const { cost, salt, tagBytes } = exchange.hashes[0]?.work ?? {}
    exchange.hashAll()
    assert.deepEqual(eve.news(), ["$ refused - login"])
    return { cost, salt: salt?.length, tagBytes }
  })
  assert.deepEqual(costs, Array(4).fill(costs[0]))
  assert.deepEqual(costs[0], { cost: { memory: 8, passes: 1, lanes: 1 }, salt: 16, tagBytes: 32 })
})

test("OP31 a message between two others waits for no clock, no hash and no reader that has stopped", () => {
  const exchange = new Exchange({ limits: { messagesPerSecond: 2 } })
  const ada = exchange.member("ada")
  const bob = exchange.member("bob", "classic")
  const deaf = exchange.member("deaf", "classic")
  const loud = exchange.member("loud")
  exchange.pass(10_000)
  deaf.takes = 0
  const before = exchange.now
  for (let line = 0; line < 1_000; line++) loud.utters(`deaf ${line}`)
  for (let login = 0; login < 10; login++) exchange.extend().utters("$ ada wrong")
  assert.equal(exchange.hashes.length, 1)
  assert.ok(loud.isHeld)
  ada.utters("bob now")
  assert.deepEqual(bob.heard, ["ada: now"])
  assert.deepEqual([exchange.now, exchange.hashes.length], [before, 1])
})
