/**
 * How an app's connection is kept: far ends are arrays, and time is turned by hand.
 */
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { Emits } from "../src/client/pools-emits.ts"
import { Gate, waitingLimit } from "../src/client/pools-gate.ts"
import { Ground } from "../src/client/pools-ground.ts"
import {
  backoffMs,
  Link,
  type LinkOwner,
  type OpenWire,
  type Welcome,
  type WireOwner,
} from "../src/client/pools-link.ts"
import type { AppOptions, PoolsError } from "../src/client/pools-shapes.ts"

/** A link whose wires are told what to do, and what its owner was told. */
function makeLink(t: TestContext, options: Partial<AppOptions> = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] })
  // Always the longest wait.
  t.mock.method(Math, "random", () => 1)
  const wires: { owner: WireOwner; said: string[]; isClosed: boolean; unsent: number }[] = []
  const told: string[] = []
  const welcomes: Welcome[] = []
  const open: OpenWire = (owner) => {
    const wire = { owner, said: [] as string[], isClosed: false, unsent: 0 }
    wires.push(wire)
    return {
      get unsentBytes() {
        return wire.unsent
      },
      send: (frame) => void wire.said.push(String(frame)),
      close: () => {
        wire.isClosed = true
      },
    }
  }
  const owner: LinkOwner = {
    welcomed: (welcome) => {
      welcomes.push(welcome)
      told.push("welcomed")
    },
    heard: (message) => void told.push(message.kind),
    lost: (why: PoolsError) => void told.push(`lost ${why.code}`),
    ended: (why: PoolsError) => void told.push(`ended ${why.code}`),
  }
  const link = new Link(open, { app: "ada", ...options }, owner)
  link.start()
  t.after(() => link.close())
  const last = () => {
    const wire = wires.at(-1)
    if (wire === undefined) throw new Error("no wire was opened")
    return wire
  }
  const welcome = async () => {
    last().owner.opened()
    // The token is waited for.
    await Promise.resolve()
    await Promise.resolve()
    const session = { id: "s", generation: 1, resume: "secret" }
    const ack = { type: "handshake_ack", correlation_id: "0", heartbeat_ms: 15_000, session }
    last().owner.heard(JSON.stringify(ack))
  }
  const pass = (ms: number) => t.mock.timers.tick(ms)
  return { link, wires, told, last, welcome, pass, welcomes }
}

test("PL140 the wait before a return is drawn from a span that doubles from 100 ms to 30 s", () => {
  const longest = [0, 1, 2, 3, 8, 9, 40, 4_000].map((tries) => backoffMs(tries, 1))
  assert.deepEqual(longest, [100, 200, 400, 800, 25_600, 30_000, 30_000, 30_000])
  assert.equal(backoffMs(3, 0), 0)
  assert.equal(backoffMs(3, 0.5), 400)
})

test("PL140 a connection comes back after ever longer waits, and after short ones again once it was good", async (t) => {
  const { wires, told, last, welcome, pass } = makeLink(t)
  await welcome()
  assert.deepEqual(told, ["welcomed"])
  for (const wait of [100, 200, 400]) {
    last().owner.lost("cut", "conn")
    const before = wires.length
    pass(wait - 1)
    assert.equal(wires.length, before, `not before ${wait} ms`)
    pass(1)
    assert.equal(wires.length, before + 1)
  }
  // A connection that lasts less than a minute changes nothing.
  await welcome()
  pass(10_000)
  last().owner.lost("cut", "conn")
  pass(799)
  const before = wires.length
  pass(1)
  assert.equal(wires.length, before + 1)
  await welcome()
  for (let at = 0; at < 7; at++) {
    pass(10_000)
    last().owner.heard('{"type":"ping"}')
  }
  last().owner.lost("cut", "conn")
  pass(100)
  assert.equal(wires.length, before + 2)
})

test("PL140 a retry time that the server names is kept", async (t) => {
  const { wires, last, welcome, pass, told } = makeLink(t)
  await welcome()
  last().owner.lost("cut", "conn")
  pass(100)
  last().owner.opened()
  await Promise.resolve()
  const taken = { type: "error", correlation_id: "0", error: "ada is live elsewhere" }
  const frame = { ...taken, error_code: "APP_ID_TAKEN", retry_after_ms: 5_000 }
  last().owner.heard(JSON.stringify(frame))
  assert.equal(told.at(-1), "lost APP_ID_TAKEN")
  pass(4_999)
  assert.equal(wires.length, 2)
  pass(1)
  assert.equal(wires.length, 3)
})

test("PL140 whoever is told to stay away does not come back", async (t) => {
  for (const ending of ["close", "code"] as const) {
    await t.test(ending, async (inner) => {
      const { wires, told, last, welcome, pass } = makeLink(inner)
      await welcome()
      const said = { type: "error", correlation_id: null, error: "x", error_code: "REPLACED" }
      if (ending === "close") last().owner.heard(JSON.stringify({ ...said, close: "stay" }))
      else last().owner.lost("closed with 4403", "stay")
      pass(100_000)
      assert.equal(wires.length, 1)
      assert.match(told.at(-1) ?? "", /^ended (REPLACED|FORBIDDEN)$/)
    })
  }
})

test("PL140 the first refusal is told, and nothing is tried again, unless patience was asked for", async (t) => {
  await t.test("at once", (inner) => {
    const { wires, told, last, pass } = makeLink(inner)
    last().owner.lost("nobody is there", "conn")
    pass(100_000)
    assert.deepEqual([wires.length, told], [1, ["ended CONNECTION_LOST"]])
  })
  await t.test("patient", (inner) => {
    const { wires, told, last, pass } = makeLink(inner, { patient: true })
    last().owner.lost("nobody is there", "conn")
    pass(100)
    assert.deepEqual([wires.length, told], [2, ["lost CONNECTION_LOST"]])
  })
})

test("PL41 PL140 a server that says nothing is asked, and left when it does not answer", async (t) => {
  const { wires, told, last, welcome, pass } = makeLink(t)
  await welcome()
  const wire = last()
  pass(15_000)
  assert.equal(wire.said.at(-1), '{"type":"ping","id":"0"}')
  wire.owner.heard('{"type":"pong","id":"0"}')
  pass(15_000)
  pass(15_000)
  assert.deepEqual(told, ["welcomed"])
  pass(15_000)
  assert.deepEqual(told, ["welcomed", "lost CONNECTION_LOST"])
  assert.ok(wire.isClosed)
  // What it had read and says now concerns nobody.
  wire.owner.heard('{"type":"emit","trigger":"x"}')
  assert.equal(told.length, 2)
  pass(100)
  assert.equal(wires.length, 2)
})

test("PL141 a return brings the secret of the session, and a token that is asked for anew", async (t) => {
  let tokens = 0
  const { last, welcome, pass } = makeLink(t, { token: () => `t${++tokens}` })
  await welcome()
  assert.partialDeepStrictEqual(JSON.parse(last().said[0] ?? ""), { app_id: "ada", token: "t1" })
  last().owner.lost("cut", "conn")
  pass(100)
  await welcome()
  const second = JSON.parse(last().said[0] ?? "")
  assert.partialDeepStrictEqual(second, { token: "t2", resume: "secret" })
})

test("PL144 what waits for a connection is bounded, and goes in order", () => {
  const gate = new Gate()
  const went: number[] = []
  const refused: string[] = []
  const leaves = Array.from({ length: waitingLimit }, (_, at) =>
    gate.pass(
      () => went.push(at),
      () => {},
    ),
  )
  const one = () =>
    gate.pass(
      () => went.push(-1),
      ({ code }) => refused.push(code),
    )
  one()
  assert.deepEqual(refused, ["BUSY"])
  // Who gives up makes room.
  leaves[0]?.()
  one()
  gate.open()
  assert.deepEqual(went, [...Array.from({ length: waitingLimit - 1 }, (_, at) => at + 1), -1])
})

test("PL144 an emit resolves at the socket's pace, and is refused when too much is unsent", async (t) => {
  const { link, last, welcome, pass } = makeLink(t)
  const ground = new Ground(link)
  const emits = new Emits(ground)
  await welcome()
  ground.gate.open()
  const wire = last()
  wire.unsent = 2 * 1024 * 1024
  let hasResolved = false
  const emitting = emits.emit("a", 1, {}).then(() => {
    hasResolved = true
  })
  await Promise.resolve()
  assert.match(wire.said.at(-1) ?? "", /"type":"emit"/)
  pass(5)
  await Promise.resolve()
  assert.equal(hasResolved, false)
  wire.unsent = 0
  // Its promise is some turns away; each look is 5 ms.
  for (let at = 0; at < 10; at++) {
    pass(5)
    await Promise.resolve()
  }
  await emitting
  assert.ok(hasResolved)
  wire.unsent = 17 * 1024 * 1024
  const said = wire.said.length
  await assert.rejects(emits.emit("a", 1, {}), { code: "BUSY", retry: "later" })
  assert.equal(wire.said.length, said)
})
