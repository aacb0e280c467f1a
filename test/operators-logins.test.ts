/** Logins, registrations and what throttles them; the races of a hash that takes its time. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { Buckets, limits } from "../src/operators/limits.ts"
import { costOf, digestOf, secretOf } from "../src/operators/secret.ts"
import { openStore } from "../src/store.ts"
import { WireError } from "../src/wire/error.ts"
import { Exchange } from "./operators-parts.ts"

test("OP11 no later line of a connection is looked at before its login is decided; others do not wait", () => {
  const exchange = new Exchange()
  const bob = exchange.member("bob", "classic")
  exchange.member("ada").leaves()
  const ada = exchange.extend()
  ada.utters("$ ada ada")
  ada.utters("bob hello")
  ada.utters("$ ping after")
  assert.deepEqual(ada.news(), [])
  assert.ok(ada.isHeld)
  bob.utters("bob to myself")
  assert.deepEqual(bob.news(), ["bob: to myself"])
  exchange.hashAll()
  assert.deepEqual(bob.news(), ["ada: hello"])
  assert.equal(ada.news().at(-1), "$ pong after")
})

test("OP12 OP13 a failed login leaves the connection a stranger, to whom nothing is delivered", () => {
  const exchange = new Exchange()
  const bob = exchange.member("bob")
  exchange.member("ada").leaves()
  const eve = exchange.extend()
  eve.says("$ ada wrong")
  eve.says("bob it is ada")
  bob.says("ada hello")
  assert.deepEqual(eve.news(), ["$ refused - login", "$ refused - login-first"])
  assert.match(bob.news()[0] ?? "", /^\$ queued/)
  eve.says("$ ada ada")
  assert.match(eve.news()[0] ?? "", /^\$ welcome ada \S+ 2 1$/)
})

test("OP15 OP16 of two registrations at once exactly one succeeds", () => {
  const exchange = new Exchange()
  const [one, two] = [exchange.extend(), exchange.extend()]
  for (const [end, password] of [
    [one, "a"],
    [two, "b"],
  ] as const) {
    end.utters(`$ ada ${password}`)
    exchange.hashAll()
  }
  one.utters("$ Ada a")
  two.utters("$ ADA b")
  exchange.hashAll()
  assert.match(one.news().at(-1) ?? "", /^\$ welcome Ada/)
  assert.equal(two.news().at(-1), "$ refused - login")
})

test("OP9 OP32 a login that ends after its connection has closed binds nothing", () => {
  const exchange = new Exchange()
  exchange.member("ada").leaves()
  const ada = exchange.extend()
  ada.utters("$ ada ada")
  ada.leaves()
  exchange.hashAll()
  const other = exchange.member("other")
  other.says("ada hello")
  assert.match(other.news()[0] ?? "", /^\$ queued/)
  assert.equal(exchange.service.counts.sessions, 1)
  const again = exchange.member("ada")
  again.says("$ sessions")
  assert.deepEqual(again.news(), ["$ sessions 1 2:0:0:extended"])
})

test("OP9 whose connection closes while it waits for a hash is hashed no more", () => {
  const exchange = new Exchange()
  const first = exchange.extend()
  const second = exchange.extend()
  first.utters("$ ada x")
  second.utters("$ bob x")
  assert.equal(exchange.service.counts.hashes, 2)
  second.leaves()
  assert.equal(exchange.service.counts.hashes, 1)
  exchange.hashAll()
  assert.equal(exchange.hashed, 1)
})

test("OP32 a login that ends after its account was deleted, or registered anew, is refused", () => {
  for (const anew of ["deleted", "registered anew"]) {
    const exchange = new Exchange({ concurrency: 2 })
    const ada = exchange.member("ada")
    const late = exchange.extend()
    late.utters("$ ada ada")
    ada.utters("$ die")
    if (anew === "registered anew") {
      const [held] = exchange.hashes.splice(0, 1)
      exchange.member("ada")
      if (held !== undefined) exchange.hashes.push(held)
    }
    exchange.hashAll()
    assert.deepEqual(late.news(), ["$ refused - login"], anew)
  }
})

test("OP46 every login line that is considered costs one hash, whether or not the callsign exists", () => {
  const exchange = new Exchange({ registration: "invite" })
  const now = exchange.now
  exchange.service.accounts.invite("bob", { untilMs: now + 1e6, digest: digestOf("T") }, now)
  const bob = exchange.extend()
  const lines: readonly (readonly [line: string, hashes: number])[] = [
    ["$ nobody x", 1],
    ["$ system x", 1],
    ["$ bob b", 1],
    ["$ invite T", 0],
    ["$ bob b", 1],
    ["$ bob b", 1],
  ]
  for (const [line, hashes] of lines) {
    const before = exchange.hashed
    bob.says(line)
    assert.equal(exchange.hashed - before, hashes, line)
  }
  assert.match(bob.news().at(-1) ?? "", /^\$ welcome bob/)
  const { secret = "" } = exchange.service.accounts.find("bob", now) ?? {}
  assert.match(secret, /^\$argon2id\$v=19\$m=8,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  assert.equal(secretOf(secret)?.salt.length, 16)
})

test("OP47 OP26 a secret of another cost is renewed at the next login, when no login waits", () => {
  const store = openStore({ uri: ":memory:" })
  new Exchange({ store }).member("ada").leaves()
  const cost = costOf("m=16,t=1,p=1")
  assert.ok(cost)
  const exchange = new Exchange({ store, cost })
  const secret = () => exchange.service.accounts.find("ada", exchange.now)?.secret ?? ""
  const busy = exchange.extend()
  const other = exchange.extend()
  busy.utters("$ ada ada")
  other.utters("$ ada wrong")
  exchange.hashAll()
  assert.match(secret(), /m=8,/)
  const ada = exchange.extend()
  ada.says("$ ada ada")
  assert.match(secret(), /m=16,/)
  const again = exchange.extend()
  again.says("$ ada ada")
  assert.match(again.news()[0] ?? "", /^\$ welcome/)
})

test("OP48 OP49 OP50 a callsign registered anew has another generation", () => {
  const exchange = new Exchange()
  const marks = [1, 2].map(() => {
    const ada = exchange.extend()
    ada.says("$ ada ada")
    ada.says("$ ada ada")
    const mark = ada.news().at(-1)?.split(" ")[3] ?? ""
    ada.says("$ die")
    exchange.pass(600_000, 60_000)
    return mark
  })
  assert.match(marks[0] ?? "", /^[0-9a-f]{8}$/)
  assert.notEqual(marks[0], marks[1])
})

test("OP69 64 logins may wait, 2 of one circuit; beyond, extended is told busy and classic closed", () => {
  const exchange = new Exchange({ limits: { strangers: 200, hashWaiting: 5 } })
  const [a, b, c, d] = [1, 2, 3, 4].map(() => exchange.extend("tor-1"))
  for (const end of [a, b, c, d]) end?.utters("$ nobody x")
  assert.deepEqual(d?.news(), ["$ refused - busy"])
  const others = [1, 2, 3].map(() => exchange.extend())
  for (const end of others) end.utters("$ nobody x")
  const late = exchange.come()
  late.utters("$ nobody x")
  assert.equal(late.ended, "too-many")
  assert.equal(exchange.service.counts.hashes, 6)
  exchange.hashAll()
  assert.deepEqual(a?.news(), ["$ again nobody"])
})

test("OP70 a callsign fails 30 times, then three times a minute; a throttled try costs no hash", () => {
  const exchange = new Exchange()
  const ada = exchange.member("ada")
  const told: string[] = []
  for (let count = 0; count < 8; count++) {
    const eve = exchange.extend()
    for (let line = 0; line < 5; line++) eve.says("$ ADA wrong")
    told.push(...eve.news())
  }
  assert.equal(told.filter((line) => line === "$ refused - login").length, 30)
  const before = exchange.hashed
  const owner = exchange.extend()
  owner.says("$ ada ada")
  assert.deepEqual(owner.news(), ["$ refused - slow 20"])
  assert.equal(exchange.hashed, before)
  // Who is logged in stays so, and no lock is for ever.
  ada.says("ada still here")
  assert.match(ada.news()[0] ?? "", /^\$ from/)
  exchange.pass(20_000)
  owner.says("$ ada ada")
  assert.match(owner.news()[0] ?? "", /^\$ welcome/)
})

test("OP70 a circuit fails 10 times in 10 min, unknown callsigns counted alike; 5 close a connection", () => {
  const exchange = new Exchange({ registration: "closed" })
  for (let count = 0; count < 2; count++) {
    const eve = exchange.extend("tor-7")
    for (let line = 0; line < 5; line++) eve.says(`$ nobody${count}${line} x`)
    assert.equal(eve.news().at(-1), "$ bye failures")
    assert.equal(eve.ended, "unauthenticated")
  }
  const eve = exchange.extend("tor-7")
  eve.says("$ somebody x")
  assert.deepEqual(eve.news(), ["$ refused - slow 60"])
  const other = exchange.extend("tor-8")
  other.says("$ somebody x")
  assert.deepEqual(other.news(), ["$ refused - login"])
})

test("OP71 a circuit registers once in 10 min, all together 30 times; the table has its limit", () => {
  const exchange = new Exchange({ limits: { accounts: 31 } })
  const ada = exchange.extend("tor-1")
  ada.says("$ ada a")
  ada.says("$ ada a")
  ada.leaves()
  const eve = exchange.extend("tor-1")
  eve.says("$ eve e")
  assert.deepEqual(eve.news(), ["$ refused - slow 600"])
  for (let count = 0; count < 29; count++) {
    exchange.member(`u${"abcdefgh"[count % 8]}${"stuwxyz"[Math.floor(count / 8)]}`)
  }
  const late = exchange.extend()
  late.says("$ late l")
  assert.match(late.news()[0] ?? "", /^\$ refused - slow \d+$/)
  exchange.pass(600_000, 60_000)
  assert.equal(exchange.service.counts.strangers, 0)
  const last = exchange.extend()
  last.says("$ last l")
  last.says("$ last l")
  assert.match(last.news().at(-1) ?? "", /^\$ welcome/)
  const over = exchange.extend()
  over.says("$ over o")
  over.says("$ over o")
  assert.deepEqual(over.news(), ["$ again over", "$ refused - busy"])
})

test("OP72 1,024 connections, 64 of them strangers, 4 of one circuit", () => {
  const exchange = new Exchange({ limits: { connections: 66 } })
  exchange.member("ada", "classic")
  const strangers = Array.from({ length: 64 }, () => exchange.extend())
  const newcomer = exchange.extend()
  assert.deepEqual(strangers[0]?.news(), ["$ bye full"])
  assert.equal(strangers[0]?.ended, "too-many")
  assert.ok(newcomer.isOpen)
  exchange.turn()
  exchange.member("bob", "classic")
  exchange.come()
  assert.equal(exchange.service.counts.sessions, 66)
  assert.throws(() => exchange.come(), { code: "too-many" })
  const small = new Exchange()
  for (let count = 0; count < 4; count++) small.come("tor-1")
  assert.throws(() => small.come("tor-1"), WireError)
  small.come("tor-2")
})

test("OP72 a stranger whose password is being looked at is not the one to go", () => {
  const exchange = new Exchange({ limits: { strangers: 2 } })
  const first = exchange.extend()
  first.utters("$ ada a")
  const second = exchange.extend()
  exchange.extend()
  assert.ok(first.isOpen)
  assert.equal(second.ended, "too-many")
})

test("OP76 OP38 what is kept by a stranger's key is bounded, and forgotten when it is full again", () => {
  const buckets = new Buckets({ burst: 2, refillMs: 100 }, 3)
  for (const key of ["a", "b", "c", "a", "d"]) buckets.take(key, 0)
  assert.equal(buckets.size, 3)
  assert.equal(buckets.waitMs("b", 0), 0)
  assert.equal(buckets.waitMs("a", 0), 100)
  buckets.tick(99)
  assert.equal(buckets.size, 3)
  buckets.tick(200)
  assert.equal(buckets.size, 0)
  assert.equal(limits.failureKeys, 10_000)
})

test("OP6 a later login line changes nothing", () => {
  const exchange = new Exchange()
  exchange.member("bob").leaves()
  const ada = exchange.member("ada")
  ada.says("$ bob bob")
  assert.deepEqual(ada.news(), ["$ refused - bad-line"])
  ada.says("bob from")
  const bob = exchange.member("bob", "classic")
  bob.leaves()
  assert.match(bob.heard.join() || "ada: from", /^ada: from/)
})

test("OP17 the same lines, hashes and ticks give the same output from the same chance", () => {
  const play = () => {
    const exchange = new Exchange({ seed: 7 })
    const ada = exchange.member("ada")
    const bob = exchange.member("bob")
    ada.says("bob one")
    ada.says("$ send r1 bob two")
    bob.leaves()
    exchange.pass(30_000)
    ada.says("bob three")
    return [...ada.heard, ...bob.heard]
  }
  assert.deepEqual(play(), play())
})

test("OP37 a fault ends the connection on which it arose, and no other", () => {
  const exchange = new Exchange()
  const ada = exchange.member("ada")
  const bob = exchange.member("bob")
  bob.send = () => {
    throw new Error("injected")
  }
  ada.says("bob x")
  assert.equal(ada.ended, "internal")
  assert.ok(bob.isOpen)
  assert.equal(exchange.faults.length, 1)
})

test("OP14 a password holds spaces and is compared as NFC; what was no text matches nothing", () => {
  const exchange = new Exchange()
  const ada = exchange.extend()
  for (const line of ["$ ada  caf\u00e9 two", "$ ada  cafe\u0301 two"]) ada.says(line)
  assert.match(ada.news().at(-1) ?? "", /^\$ welcome/)
  const bad = exchange.extend()
  bad.says("$ bob x\u0007y")
  bad.says(`$ bob ${"x".repeat(1_025)}`)
  bad.says(`$ bob ${"x".repeat(1_024)}`)
  assert.deepEqual(bad.news(), ["$ refused - login", "$ refused - bad-line", "$ again bob"])
})

test("OP5 OP36 everyone is told that the server closes", () => {
  const exchange = new Exchange()
  const ada = exchange.member("ada")
  const bob = exchange.member("bob", "classic")
  exchange.service.stop()
  assert.deepEqual(ada.news(), ["$ bye closing"])
  assert.deepEqual([ada.ended, bob.ended, bob.heard.length], ["going-away", "going-away", 0])
})
