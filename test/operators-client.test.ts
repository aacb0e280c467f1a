/** The SDK of the operators against real servers, over lines that are cut. */
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import fc from "fast-check"
import { connect as connectWeb } from "../src/client/client.ts"
import { Pace } from "../src/client/operators-pace.ts"
import type { Incoming, Operators, Outgoing } from "../src/client/operators-shapes.ts"
import { connect, placeOf } from "../src/client/tcp.ts"
import { cleaned, escaped } from "../src/wire/operators.ts"
import { parseHeard } from "../src/wire/operators-heard.ts"
import { told } from "../src/wire/operators-told.ts"
import { Cable } from "./cable.ts"
import { eventually, type Started, startServer } from "./harness.ts"

async function operatorsServer(
  t: TestContext,
  rate = 0,
): Promise<{ server: Started; port: number }> {
  const server = await startServer(t, {
    parts: ["operators"],
    operatorsPort: 0,
    operatorsHash: "m=8,t=1,p=1",
    operatorsRate: rate,
  })
  return { server, port: Number(server.operators[0]?.split(":")[1]) }
}

/** Somebody who listens, unless `listens` is "no". */
function somebody(
  t: TestContext,
  address: string,
  callsign: string,
  listens: "yes" | "no" = "yes",
) {
  const operators = connect(address).operators({ callsign, password: () => "pw", register: true })
  const heard: Incoming[] = []
  const states: string[] = []
  const lost: Outgoing[] = []
  if (listens === "yes") operators.onMessage((message) => void heard.push(message))
  operators.onState((state, why) => states.push(`${state} ${why}`.trim()))
  operators.onEpoch((list) => lost.push(...list))
  t.after(() => operators.close())
  return { operators, heard, states, lost }
}

async function ready(...all: readonly { readonly operators: Operators }[]): Promise<void> {
  for (const { operators } of all) await eventually(() => operators.state === "ready")
}

test("OP81 a text is told once, whole, with its end, over TCP and over WebSocket", async (t) => {
  const { server, port } = await operatorsServer(t)
  const bob = somebody(t, `127.0.0.1:${port}`, "Bob")
  const ada = connectWeb(server.url).operators({
    callsign: "ada",
    password: () => "pw",
    register: true,
  })
  t.after(() => ada.close())
  await ready(bob, { operators: ada })
  const text = "one\ntwo \\n \\ three\n"
  const message = ada.send("bob", text)
  assert.equal(await message.accepted, "sent")
  assert.equal(await message.ended, "taken")
  assert.equal(message.generation, bob.operators.generation)
  assert.deepEqual(
    bob.heard.map(({ sender, generation, text: said }) => [sender, generation, said]),
    [["ada", ada.generation, text]],
  )
  assert.equal(bob.operators.callsign, "Bob")
  assert.deepEqual(ada.pending(), [])
})

test("OP81 a line that is cut between a message and its answer doubles nothing", async (t) => {
  const { port } = await operatorsServer(t)
  const cable = await Cable.to(t, port)
  const ada = somebody(t, cable.address, "ada")
  const bob = somebody(t, `127.0.0.1:${port}`, "bob")
  await ready(ada, bob)
  cable.swallowFrom = "$ sent"
  const message = ada.operators.send("bob", "only once")
  await eventually(() => bob.heard.length === 1)
  cable.swallowFrom = undefined
  cable.cut()
  assert.equal(await message.accepted, "sent")
  assert.equal(await message.ended, "taken")
  assert.equal(cable.said.split(`$ send ${message.ref} bob only once`).length, 3)
  await ada.operators.send("bob", "after").ended
  assert.deepEqual(
    bob.heard.map(({ text }) => text),
    ["only once", "after"],
  )
})

test("OP81 what ended while the line was down is asked about, and never sent a second time", async (t) => {
  const { port } = await operatorsServer(t)
  const cable = await Cable.to(t, port)
  const ada = somebody(t, cable.address, "ada")
  const first = somebody(t, `127.0.0.1:${port}`, "bob")
  await ready(ada, first)
  first.operators.close()
  const message = await untilQueued(() => ada.operators.send("bob", "for later"))
  cable.leadTo(1) // nobody listens there
  cable.cut()
  await eventually(() => ada.operators.state === "away")
  const bob = somebody(t, `127.0.0.1:${port}`, "bob")
  await eventually(() => bob.heard.some(({ text }) => text === "for later"))
  cable.leadTo(port)
  assert.equal(await message.ended, "taken")
  assert.ok(cable.said.includes(`$ send ${message.ref} bob \n`), "it is asked about by its ref")
  assert.equal(bob.heard.filter(({ id }) => id === message.id).length, 1)
})

/** Sends until nobody takes it at once: the server may not have seen yet that the target is gone. */
async function untilQueued(send: () => Outgoing): Promise<Outgoing> {
  for (;;) {
    const message = send()
    if ((await message.accepted) === "queued") return message
  }
}

test("OP82 after a restart exactly what had no end is told, and only what was never said is sent", async (t) => {
  const one = await operatorsServer(t)
  const cable = await Cable.to(t, one.port)
  const ada = somebody(t, cable.address, "ada")
  const deaf = somebody(t, `127.0.0.1:${one.port}`, "deaf", "no")
  const away = somebody(t, `127.0.0.1:${one.port}`, "away")
  await ready(ada, deaf, away)
  away.operators.close()
  const done = ada.operators.send("ada", "to myself")
  assert.equal(await done.ended, "taken")
  const handed = ada.operators.send("deaf", "handed")
  assert.equal(await handed.accepted, "sent")
  const waiting = await untilQueued(() => ada.operators.send("away", "waiting"))
  cable.swallowFrom = "$ queued"
  const unanswered = ada.operators.send("away", "unanswered")
  await eventually(() => cable.said.includes(unanswered.ref))
  const open = ada.operators.pending()
  const two = await operatorsServer(t)
  cable.leadTo(two.port)
  cable.swallowFrom = undefined
  await one.server.stop()
  await eventually(() => ada.operators.state === "away")
  const unsent = ada.operators.send("ada", "typed while away")
  assert.equal(await unsent.ended, "taken")
  assert.deepEqual(ada.lost, open)
  assert.deepEqual(
    [handed, waiting, unanswered].map((each) => [ada.lost.includes(each), each.lost, each.state]),
    [
      [true, "handed", "unknown"],
      [true, "waiting", "unknown"],
      [true, "unanswered", "unknown"],
    ],
  )
  assert.equal(await waiting.ended, "unknown")
  await assert.rejects(unanswered.accepted, { code: "unknown" })
  assert.deepEqual(
    ada.heard.map(({ text }) => text),
    ["to myself", "typed while away"],
  )
  for (const message of [handed, waiting, unanswered]) {
    assert.equal(cable.said.split(`$ send ${message.ref} `).length, 2, message.text)
  }
})

test("OP83 a message is taken when every listener is done; what failed comes again, and repeats do not", async (t) => {
  const { port } = await operatorsServer(t)
  const cable = await Cable.to(t, port)
  const bob = somebody(t, cable.address, "bob", "no")
  const ada = somebody(t, `127.0.0.1:${port}`, "ada")
  await ready(ada, bob)
  let finish: () => void = () => {}
  const tries: string[] = []
  let isFailing = true
  bob.operators.onMessage(({ id }) => {
    tries.push(id)
    if (isFailing) throw new Error("not now")
    return new Promise((resolve) => {
      finish = resolve
    })
  })
  const message = ada.operators.send("bob", "hello")
  await eventually(() => tries.length === 1)
  assert.equal((await ada.operators.sessions()).length, 1)
  assert.equal(message.state, "handed")
  isFailing = false
  cable.cut()
  await eventually(() => tries.length === 2)
  assert.deepEqual(tries, [message.id, message.id])
  assert.equal(cable.said.includes("$ got"), false)
  // It comes again while the listener is at it: that is no second message.
  cable.cut()
  await eventually(() => cable.count === 3 && bob.operators.state === "ready")
  await bob.operators.sessions()
  finish()
  assert.equal(await message.ended, "taken")
  assert.equal(tries.length, 2)
})

test("OP84 a text that is too long, or for nobody, is refused; the 257th unsent one is not taken", async (t) => {
  const { port } = await operatorsServer(t)
  const ada = somebody(t, `127.0.0.1:${port}`, "ada")
  await ready(ada)
  for (const [target, text, reason] of [
    ["ada", "x".repeat(16_385), "too-long"],
    ["ada", "\n".repeat(200), "too-long"],
    ["ada", "", "empty"],
    ["nobody", "hello", "nobody"],
  ] as const) {
    const message = ada.operators.send(target, text)
    assert.equal(await message.accepted, "refused")
    assert.deepEqual([message.reason, message.state], [reason, "refused"])
  }
  assert.throws(() => ada.operators.send("two words", "x"), { code: "bad-line" })
  assert.throws(() => ada.operators.send("ada", "x", { ref: "-" }), { code: "bad-line" })
  const far = somebody(t, "127.0.0.1:1", "ada")
  for (let count = 0; count < 256; count++) far.operators.send("bob", `${count}`)
  assert.throws(() => far.operators.send("bob", "one more"), { code: "too-many" })
})

test("OP84 lines are said no faster than the server reads them", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] })
  let woken = 0
  const pace = new Pace(() => {
    woken += 1
  })
  pace.renew({ rate: 2, burst: 5 })
  // Four of the burst are kept for the lines of the login.
  assert.deepEqual([pace.take(), pace.take()], [true, false])
  t.mock.timers.tick(499)
  assert.equal(woken, 0)
  t.mock.timers.tick(30)
  assert.deepEqual([woken, pace.take(), pace.take()], [1, true, false])
  t.mock.timers.tick(60_000)
  const taken = Array.from({ length: 9 }, () => pace.take()).filter(Boolean)
  assert.equal(taken.length, 5)
  pace.renew({ rate: 0, burst: 5 })
  assert.ok(Array.from({ length: 99 }, () => pace.take()).every(Boolean))
  pace.stop()
})

test("OP85 it logs in again whenever the line was lost, but not after a final end", async (t) => {
  const { port } = await operatorsServer(t)
  const cable = await Cable.to(t, port)
  const one = somebody(t, cable.address, "ada")
  await ready(one)
  cable.cut()
  await eventually(() => one.states.at(-1)?.startsWith("away") === true)
  await ready(one)
  const wrong = connect(cable.address).operators({ callsign: "ada", password: () => "other" })
  const why: string[] = []
  wrong.onState((state, sentence) => why.push(state, sentence))
  await eventually(() => wrong.state === "closed")
  assert.match(why.at(-1) ?? "", /login was refused/)
  const unknown = connect(cable.address).operators({ callsign: "eve", password: () => "e" })
  await eventually(() => unknown.state === "closed")
  const two = somebody(t, cable.address, "ada")
  await ready(two)
  const sessions = await two.operators.sessions()
  assert.equal(sessions.filter(({ here }) => here).length, 1)
  const other = sessions.find(({ here }) => !here)
  await two.operators.end(other?.number ?? 0)
  await eventually(() => one.operators.state === "closed")
  assert.match(one.states.at(-1) ?? "", /another session/)
  await assert.rejects(two.operators.end(99), { code: "gone" })
  await two.operators.deleteAccount()
  assert.equal(two.operators.state, "closed")
  assert.throws(() => two.operators.send("ada", "x"), { code: "closed" })
  await assert.rejects(two.operators.sessions(), { code: "closed" })
})

test("OP85 what one session sends and recalls, the others of the callsign see", async (t) => {
  const { port } = await operatorsServer(t)
  const one = somebody(t, `127.0.0.1:${port}`, "ada")
  await ready(one)
  const two = somebody(t, `127.0.0.1:${port}`, "ada")
  await ready(two)
  const bob = somebody(t, `127.0.0.1:${port}`, "bob")
  await ready(bob)
  bob.operators.close()
  const own: Outgoing[] = []
  two.operators.onOwn((message) => own.push(message))
  const message = await untilQueued(() => one.operators.send("bob", "x"))
  await eventually(() => own.some(({ id }) => id === message.id))
  const seen = own.find(({ id }) => id === message.id)
  assert.equal(await seen?.recall(), true)
  assert.equal(await message.ended, "recalled")
  assert.equal(await message.recall(), true)
  assert.deepEqual(two.operators.pending(), [])
})

test("OP45 a callsign is compared without case and shown as registered, whoever writes it how", async (t) => {
  const { port } = await operatorsServer(t)
  const address = `127.0.0.1:${port}`
  const ada = somebody(t, address, "Ada-Lovelace")
  await ready(ada)
  const again = somebody(t, address, "ADA-lovelace")
  const bob = somebody(t, address, "bob")
  await ready(again, bob)
  assert.equal(again.operators.callsign, "Ada-Lovelace")
  const own: string[] = []
  ada.operators.onOwn(({ target }) => own.push(target))
  await again.operators.send("BOB", "from the other one").ended
  await bob.operators.send("ada-LOVELACE", "back").ended
  await eventually(() => ada.heard.length === 1 && again.heard.length === 1 && own.length === 1)
  assert.deepEqual(
    bob.heard.map(({ sender }) => sender),
    ["Ada-Lovelace"],
  )
  assert.deepEqual(own, ["bob"])
  assert.equal((await ada.operators.sessions()).length, 2)
})

test("OP78 every line that a server writes is read as what it says, and any other as unknown", () => {
  // What is not text was replaced when it came in (OP53): a server never writes it.
  const text = fc.string({ unit: "grapheme", maxLength: 40 }).map(cleaned)
  fc.assert(
    fc.property(text, fc.nat(), (said, waited) => {
      const of = { sender: "ada", generation: "0123abcd", id: "abcdefgh23", text: said }
      assert.deepEqual(parseHeard(told.from(of, waited)), { kind: "from", ...of, waited })
      const own = { id: of.id, ref: "r-1", text: said }
      assert.deepEqual(parseHeard(told.own("bob", of.generation, own)), {
        ...{ kind: "own", target: "bob", generation: of.generation },
        ...own,
      })
    }),
  )
  fc.assert(
    fc.property(fc.string({ maxLength: 80 }), (line) => {
      assert.equal(parseHeard(line.startsWith("$ ") ? `x${line}` : line).kind, "unknown")
      assert.ok(parseHeard(`$ ${line}`).kind.length > 0)
    }),
  )
  const forged = "$ from a\u001b[2Jb 0123abcd abcdefgh23 0 x"
  assert.equal(parseHeard(forged).kind, "unknown")
  assert.equal(escaped("a\\b\nc"), "a\\\\b\\nc")
})

test("OP86 an address is a host and a port, a unix socket, or a server's", () => {
  assert.deepEqual(placeOf("127.0.0.1:9696"), { host: "127.0.0.1", port: 9_696 })
  assert.deepEqual(placeOf("tcp://example.org:1/"), { host: "example.org", port: 1 })
  assert.deepEqual(placeOf("[::1]:9696"), { host: "::1", port: 9_696 })
  assert.deepEqual(placeOf("unix:/run/x.sock"), { path: "/run/x.sock" })
  for (const wrong of ["", "host", "host:", ":1", "host:99999", "a b:1", "[::1:1", "ftp://a:1"]) {
    assert.throws(() => placeOf(wrong), TypeError, wrong)
  }
})
