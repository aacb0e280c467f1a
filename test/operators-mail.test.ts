/** Mailboxes: what waits, for how long, how much of it, and how it ends. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { limits } from "../src/operators/limits.ts"
import { Mailboxes } from "../src/operators/mailboxes.ts"
import { Operator } from "../src/operators/operator.ts"
import { Roster } from "../src/operators/roster.ts"
import { Exchange, idIn } from "./operators-parts.ts"

/** Somebody who is registered and not there. */
function absent(exchange: Exchange, callsign: string): void {
  exchange.member(callsign).leaves()
}

test("OP19 OP24 messages arrive in order, also across the change from waiting to live", () => {
  const exchange = new Exchange()
  const ada = exchange.member("ada")
  absent(exchange, "bob")
  for (const text of ["1", "2", "3"]) ada.says(`bob ${text}`)
  const bob = exchange.extend()
  bob.utters("$ bob bob")
  // While the password is hashed it is not here yet.
  ada.utters("bob 4")
  exchange.hashAll()
  ada.says("bob 5")
  const texts = bob.news().filter((line) => line.startsWith("$ from"))
  assert.deepEqual(
    texts.map((line) => line.slice(-1)),
    ["1", "2", "3", "4", "5"],
  )
})

test("OP57 a mailbox holds 256 messages; the newest is refused, never an older one dropped", () => {
  const exchange = new Exchange()
  absent(exchange, "bob")
  const senders = ["a1x", "a2x", "a3x", "a4x", "a5x"].map((name) => exchange.member(name))
  const answers = senders.flatMap((sender) => {
    for (let count = 0; count < 64; count++) sender.says(`bob ${count}`)
    return sender.news()
  })
  assert.equal(answers.filter((line) => line.startsWith("$ queued")).length, 256)
  assert.equal(answers.filter((line) => line === "$ refused - full").length, 64)
  assert.match(answers[255] ?? "", / 256 256 604800$/)
  const bob = exchange.member("bob", "classic")
  bob.leaves()
  assert.equal(exchange.service.counts.letters, 0)
})

test("OP57 a mailbox holds 256 KiB, a message its bytes and 64", () => {
  const exchange = new Exchange({ limits: { mailboxShareBytes: 1_000_000 } })
  absent(exchange, "bob")
  const ada = exchange.member("ada")
  const text = "x".repeat(16_384 - 64)
  for (let count = 0; count < 16; count++) ada.says(`bob ${text}`)
  assert.equal(exchange.service.counts.letterBytes, 262_144)
  ada.news()
  ada.says("bob 1")
  assert.deepEqual(ada.news(), ["$ refused - full"])
})

test("OP57 all mailboxes together have a limit", () => {
  const exchange = new Exchange({ limits: { mailboxesBytes: 200 } })
  absent(exchange, "bob")
  absent(exchange, "cleo")
  const ada = exchange.member("ada")
  ada.says("bob 1")
  ada.says("cleo 1")
  ada.says("bob 1234567")
  ada.says("cleo 123456")
  assert.deepEqual(
    ada.news().map((line) =>
      line
        .split(" ")
        .slice(0, 4)
        .join(" ")
        .replace(/ [a-z2-7]{10}$/, ""),
    ),
    ["$ queued -", "$ queued -", "$ refused - busy", "$ queued -"],
  )
})

test("OP58 a sender has a share of one mailbox, and one of all; others still get in", () => {
  const exchange = new Exchange({ limits: { senderWaitingMessages: 70 } })
  for (const name of ["bob", "cleo"]) absent(exchange, name)
  const ada = exchange.member("ada")
  for (let count = 0; count < 64; count++) ada.says(`bob ${count}`)
  ada.news()
  ada.says("bob one too many")
  assert.deepEqual(ada.news(), ["$ refused - share"])
  for (let count = 0; count < 7; count++) ada.says(`cleo ${count}`)
  assert.equal(ada.news().at(-1), "$ refused - share")
  const eve = exchange.member("eve")
  eve.says("bob hello")
  assert.match(eve.news()[0] ?? "", /^\$ queued - \S+ \S+ 65 256/)
})

test("OP58 shares are given back when a message is taken, recalled or over", () => {
  const exchange = new Exchange({ limits: { mailboxShareMessages: 1 } })
  absent(exchange, "bob")
  const ada = exchange.member("ada")
  for (const end of ["recall", "take", "expiry"]) {
    ada.says("bob x")
    const [queued = ""] = ada.news()
    ada.says("bob y")
    assert.deepEqual(ada.news(), ["$ refused - share"], end)
    if (end === "recall") ada.says(`$ recall ${idIn(queued)}`)
    if (end === "expiry") {
      ada.leaves()
      exchange.pass(limits.expiryMs, 3_600_000)
      const again = exchange.member("ada")
      again.says("bob z")
      assert.match(again.news()[0] ?? "", /^\$ queued/)
    }
    if (end === "take") exchange.member("bob", "classic").leaves()
    ada.news()
  }
})

test("OP59 OP62 what has waited for 7 days is dropped, what was handed too, and its sender is told", () => {
  const exchange = new Exchange({ limits: { quietMs: Number.POSITIVE_INFINITY } })
  absent(exchange, "cleo")
  const ada = exchange.member("ada")
  const bob = exchange.member("bob")
  ada.says("bob handed")
  ada.says("cleo waits")
  const [handed = "", queued = ""] = ada.news()
  exchange.pass(limits.expiryMs - 1, 3_600_000)
  assert.deepEqual(
    ada.news().filter((line) => line !== "$ ping"),
    [],
  )
  exchange.pass(1)
  const told = ada.news().filter((line) => line !== "$ ping")
  assert.deepEqual(told, [`$ expired ${idIn(handed)}`, `$ expired ${idIn(queued)}`])
  // An end is an end.
  bob.says(`$ got ${idIn(handed)}`)
  assert.deepEqual(ada.news(), [])
  assert.equal(exchange.service.counts.letterBytes, 0)
  const cleo = exchange.member("cleo")
  assert.deepEqual(cleo.news(), [])
})

test("OP61 a classic session that is closed as slow leaves what it was not given", () => {
  const exchange = new Exchange()
  absent(exchange, "bob")
  const ada = exchange.member("ada")
  for (const text of ["1", "2", "3"]) ada.says(`bob ${text}`)
  const slow = exchange.come()
  slow.takes = 2
  slow.says("$ bob bob")
  assert.deepEqual(slow.heard, ["ada: 1", "ada: 2"])
  assert.equal(slow.ended, "slow")
  const bob = exchange.extend()
  bob.says("$ bob bob")
  assert.match(bob.heard.at(-1) ?? "", /^\$ from ada \S+ \S+ 0 3$/)
  assert.match(bob.heard[0] ?? "", / 1$/)
})

test("OP61 OP73 a live message to a session that is closed as slow waits for the next", () => {
  const exchange = new Exchange()
  const ada = exchange.member("ada")
  const bob = exchange.member("bob", "classic")
  bob.takes = 1
  ada.says("bob $")
  ada.says("one")
  ada.says("two")
  ada.says("$")
  assert.match(ada.news()[0] ?? "", /^\$ queued - /)
  const again = exchange.member("bob", "extended")
  assert.equal(bob.ended, "slow")
  assert.equal(exchange.service.counts.letters, 1)
  again.leaves()
})

test("OP61 got from two sessions takes it once", () => {
  const exchange = new Exchange()
  const ada = exchange.member("ada")
  const [b1, b2] = [exchange.member("bob"), exchange.member("bob")]
  ada.says("bob x")
  const id = idIn(ada.news()[0])
  b1.says(`$ got ${id}`)
  b2.says(`$ got ${id}`)
  assert.deepEqual(ada.news(), [`$ taken ${id} confirmed`])
})

test("OP63 recall and login in one tick: whoever is first decides", () => {
  for (const order of ["recall first", "login first"]) {
    const exchange = new Exchange()
    absent(exchange, "bob")
    const ada = exchange.member("ada")
    ada.says("bob x")
    const id = idIn(ada.news()[0])
    const bob = exchange.extend()
    bob.utters("$ bob bob")
    if (order === "recall first") ada.utters(`$ recall ${id}`)
    exchange.hashAll()
    if (order === "login first") ada.utters(`$ recall ${id}`)
    const isRecalled = order === "recall first"
    assert.deepEqual(ada.news(), [isRecalled ? `$ recalled ${id}` : "$ refused - gone"])
    assert.equal(
      bob.news().some((line) => line.startsWith("$ from")),
      !isRecalled,
    )
  }
})

test("OP64 OP76 the newest 256 refs are remembered", () => {
  const exchange = new Exchange()
  const ada = exchange.member("ada")
  const bob = exchange.member("bob", "classic")
  for (let count = 0; count <= 256; count++) ada.says(`$ send r${count} bob ${count}`)
  ada.news()
  ada.says("$ send r1 bob again")
  assert.match(ada.news()[0] ?? "", /^\$ known r1 \S+ taken$/)
  bob.news()
  ada.says("$ send r0 bob again")
  assert.deepEqual(bob.news(), ["ada: again"])
})

test("OP30 OP49 die with mail waiting both ways drops both", () => {
  const exchange = new Exchange()
  absent(exchange, "cleo")
  const ada = exchange.member("ada")
  const second = exchange.member("ada")
  const eve = exchange.member("eve")
  ada.says("cleo from ada")
  second.leaves()
  ada.leaves()
  eve.says("ada from eve")
  eve.news()
  const again = exchange.member("ada")
  again.says("$ die")
  assert.equal(again.heard.at(-1), "$ bye deleted")
  assert.equal(again.ended, "deleted")
  assert.match(eve.news()[0] ?? "", /^\$ dropped /)
  assert.equal(exchange.service.counts.letters, 0)
  assert.equal(exchange.service.accounts.find("ada", exchange.now), undefined)
  const cleo = exchange.extend()
  cleo.says("$ cleo cleo")
  assert.match(cleo.news()[0] ?? "", / 0$/)
})

test("OP57 what is taken on arrival by a classic session asks for no room", () => {
  const exchange = new Exchange({ limits: { mailboxMessages: 0, mailboxesBytes: 0 } })
  const ada = exchange.member("ada")
  const bob = exchange.member("bob", "classic")
  ada.says("bob x")
  assert.match(ada.news()[0] ?? "", /^\$ sent/)
  bob.leaves()
  ada.says("bob x")
  assert.deepEqual(ada.news(), ["$ refused - full"])
})

test("OP37 a sum that does not come out is told as broken", () => {
  const broken: unknown[] = []
  const mailboxes = new Mailboxes(limits, (thrown) => broken.push(thrown))
  const row = { callsign: "bob", name: "bob", generation: 1 }
  const bob = new Operator(row, limits)
  const fate = { id: "aaaaaaaaaa", state: "waiting" as const }
  const letter = { fate, sender: bob, target: bob, text: "x", bytes: 65, arrivedAt: 0 }
  mailboxes.put(letter)
  mailboxes.remove(letter)
  assert.deepEqual(broken, [])
  mailboxes.remove(letter)
  assert.match(String(broken[0]), /never: a mailbox below empty/)
})

test("OP76 no more operators are remembered than may be registered", () => {
  const roster = new Roster({ ...limits, accounts: 2 }, () => {})
  for (const name of ["a", "b", "c"]) {
    roster.of({ callsign: name, name, skeleton: name, generation: 1, secret: "" })
  }
  assert.equal(roster.size, 2)
  assert.equal(roster.known("a"), undefined)
})
