/** The operators behind real sockets: rates, floods, readers that stop, circuits. */
import assert from "node:assert/strict"
import { connect } from "node:net"
import { test } from "node:test"
import { WebSocket } from "ws"
import type { Config } from "../src/config.ts"
import { lineBytes } from "../src/wire/operators.ts"
import { aTurn, until, Wire } from "./net-parts.ts"
import { type Carrier, carriers, type Peer, Stage } from "./operators-stage.ts"

async function withStage(
  config: Partial<Config>,
  work: (stage: Stage) => Promise<void>,
): Promise<void> {
  const stage = await new Stage(config).start()
  try {
    await work(stage)
  } finally {
    await stage.stop()
  }
}

/** Somebody who has registered, in extended mode. The password is the callsign. */
async function member(stage: Stage, callsign: string, carrier: Carrier = "TCP"): Promise<Peer> {
  const peer = await stage.dial(carrier)
  peer.says("$ quartet")
  peer.says(`$ ${callsign} ${callsign}`)
  await until(() => peer.lines.length === 2)
  if (peer.lines[1]?.startsWith("$ again")) peer.says(`$ ${callsign} ${callsign}`)
  await until(() => peer.lines.some((line) => line.startsWith("$ welcome")))
  peer.lines.length = 0
  return peer
}

for (const carrier of carriers) {
  test(`OP55 a line over the limit is discarded, and the connection stays open (${carrier})`, async () => {
    await withStage({}, async (stage) => {
      const ada = await member(stage, "ada", carrier)
      ada.says(`ada ${"x".repeat(lineBytes)}`)
      ada.says("$ ping after")
      await until(() => ada.lines.length === 2)
      assert.deepEqual(ada.lines, ["$ refused - too-long", "$ pong after"])
    })
  })

  test(`OP68 more than 5 messages wait until there is room, and none is dropped (${carrier})`, async () => {
    await withStage({ operatorsRate: 2 }, async (stage) => {
      const ada = await member(stage, "ada", carrier)
      await stage.pass(5_000)
      for (let count = 1; count <= 9; count++) ada.says(`$ send r${count} ada ${count}`)
      const sent = () => ada.lines.filter((line) => line.startsWith("$ sent")).length
      await until(() => sent() === 5)
      await stage.pass(400)
      assert.equal(sent(), 5)
      for (const expected of [6, 7, 8, 9]) {
        await stage.pass(500)
        await until(() => sent() === expected)
      }
      const texts = ada.lines.filter((line) => line.startsWith("$ from"))
      assert.deepEqual(
        texts.map((line) => line.slice(-1)),
        [..."123456789"],
      )
    })
  })
}

test("OP68 lines of a block, got, pong and ping are no messages; bytes are counted for all", async () => {
  await withStage({ operatorsRate: 2 }, async (stage) => {
    const ada = await member(stage, "ada")
    await stage.pass(5_000)
    ada.says("ada $")
    for (let count = 0; count < 100; count++) ada.says("x")
    ada.says("$")
    for (let count = 0; count < 50; count++) ada.says(`$ ping ${count}`)
    await until(() => ada.lines.includes("$ pong 49"))
    // 32 KiB are there at once; what comes after is read as 10 KiB a second come in.
    for (let count = 0; count < 80; count++)
      ada.says(`$ got ${"a".repeat(10)}${" aaaaaaaaaa".repeat(63)}`)
    ada.says("$ ping end")
    for (let turns = 0; turns < 50; turns++) await aTurn()
    assert.ok(!ada.lines.includes("$ pong end"))
    await stage.pass(3_000)
    await until(() => ada.lines.includes("$ pong end"))
  })
})

test("OP68 a line that never ends is read no faster than others", async () => {
  await withStage({ operatorsRate: 2 }, async (stage) => {
    const ada = await member(stage, "ada")
    const { socket } = ada
    assert.ok(socket)
    let isRead = false
    socket.write("x".repeat(16 * 1024 * 1024), () => {
      isRead = true
    })
    for (let turns = 0; turns < 2_000; turns++) await aTurn()
    assert.equal(isRead, false)
    socket.destroy()
  })
})

/** Sends to a classic session that has stopped reading until so many bytes wait for it. */
async function pileUp(stage: Stage, bytes: number): Promise<{ bob: Peer; ada: Peer }> {
  const bob = await stage.dial("TCP")
  bob.says("$ bob b")
  bob.says("$ bob b")
  const ada = await member(stage, "ada")
  bob.socket?.pause()
  const text = "x".repeat(16_000)
  for (let count = 1; stage.parts.connections.traffic.unsentBytes < bytes; count++) {
    ada.says(`bob ${text}`)
    const isClosed = () => stage.service.counts.sessions === 1
    await until(() => ada.lines.length >= 2 * count || isClosed())
    if (isClosed()) break
  }
  return { bob, ada }
}

test("OP73 a far end that takes nothing for 60 s is closed as slow", async () => {
  await withStage({}, async (stage) => {
    await pileUp(stage, 100_000)
    await stage.pass(59_000)
    assert.equal(stage.service.counts.sessions, 2)
    await stage.pass(2_000)
    assert.equal(stage.service.counts.sessions, 1)
    await stage.pass(1_000)
    assert.equal(stage.parts.connections.traffic.unsentBytes, 0)
  })
})

test("OP73 a far end that leaves more than 512 KiB unread is closed as slow, and what comes then waits", async () => {
  await withStage({}, async (stage) => {
    const { ada } = await pileUp(stage, 700_000)
    assert.equal(stage.service.counts.sessions, 1)
    ada.says("bob later")
    await until(() => ada.lines.at(-1)?.startsWith("$ queued") === true)
  })
})

test("OP31 a reader that has stopped, a login being hashed and a flood delay nobody else", async () => {
  await withStage({ operatorsRate: 2, operatorsHash: "m=19456,t=2,p=1" }, async (stage) => {
    const flood = await stage.dial("TCP")
    const deaf = await member(stage, "deaf")
    const ada = await member(stage, "ada")
    const bob = await member(stage, "bob")
    deaf.socket?.pause()
    flood.socket?.write("nonsense\n".repeat(100_000))
    const logins = await Promise.all(Array.from({ length: 10 }, () => stage.dial("TCP")))
    for (const login of logins) login.says("$ nobody x")
    const delays: number[] = []
    for (let count = 0; count < 40; count++) {
      await stage.pass(1_000)
      const { now } = stage.parts.connections
      // What this thread does until then, not what else the machine is busy with.
      const begun = process.threadCpuUsage()
      ada.says(`bob ${count}`)
      await until(() => bob.lines.some((line) => line.endsWith(` 0 ${count}`)))
      const { user, system } = process.threadCpuUsage(begun)
      delays.push((user + system) / 1_000)
      // No tick was needed for it.
      assert.equal(stage.parts.connections.now, now)
    }
    delays.sort((a, b) => a - b)
    // All but one, in which garbage may have been collected.
    assert.ok((delays[38] ?? 0) < 20, `${delays[38]} ms`)
  })
})

test("OP20 a message of many lines comes in one piece, whoever else sends", async () => {
  await withStage({}, async (stage) => {
    const bob = await stage.dial("unix socket")
    bob.says("$ bob b")
    bob.says("$ bob b")
    const senders = await Promise.all(["ada", "eve", "mia"].map((name) => member(stage, name)))
    for (let round = 0; round < 5; round++) {
      for (const sender of senders) {
        sender.says("bob $")
        for (let line = 0; line < 20; line++) sender.says(`${line}`)
        sender.says("$")
      }
    }
    await until(() => bob.lines.length === 15 * 20)
    for (let at = 0; at < bob.lines.length; at += 20) {
      const piece = bob.lines.slice(at, at + 20).map((line) => line.replace(/^\w+: |^\| /, ""))
      assert.deepEqual(piece, [...Array(20).keys()].map(String))
    }
  })
})

test("OP5 a binary message, and a page of another origin, are refused", async () => {
  await withStage({}, async (stage) => {
    const binary = new WebSocket(stage.url)
    const closed = new Promise((resolve) => binary.once("close", resolve))
    binary.once("open", () => binary.send(Buffer.from("x")))
    assert.equal(await closed, 4400)
    const foreign = new WebSocket(stage.url, { origin: "https://elsewhere.example" })
    const status = await new Promise((resolve) => {
      foreign.on("error", () => {}) // told by the answer
      foreign.once("unexpected-response", (_, { statusCode }) => resolve(statusCode))
    })
    assert.equal(status, 403)
  })
})

const proxy = "PROXY TCP6 fc00:dead:beef:4dad::8d:1f ::1 65535 42\r\n"

async function dialSocket(stage: Stage): Promise<Wire> {
  const socket = connect(stage.part.places[1] ?? "")
  await new Promise((resolve) => socket.once("connect", resolve))
  return new Wire(socket)
}

test("OP74 a PROXY line comes first, wherever its bytes are cut", async () => {
  await withStage({ operatorsCircuits: "on" }, async (stage) => {
    const stream = `${proxy}$ quartet\n`
    for (let at = 0; at <= stream.length; at += 1) {
      const wire = await dialSocket(stage)
      wire.socket.write(stream.slice(0, at))
      await aTurn()
      wire.socket.write(stream.slice(at))
      await until(() => wire.text.startsWith("$ hello"))
      wire.socket.destroy()
      await until(() => stage.service.counts.sessions === 0)
    }
  })
})

test("OP74 whose PROXY line is missing, wrong, too long or late is closed, without a word", async () => {
  await withStage({ operatorsCircuits: "on" }, async (stage) => {
    for (const first of ["$ quartet\n", proxy.replace("beef", "beee"), `${"x".repeat(107)}`]) {
      const wire = await dialSocket(stage)
      wire.socket.write(first)
      assert.equal(await wire.all(), "", first)
    }
    const late = await dialSocket(stage)
    late.socket.write(proxy.slice(0, 20))
    await aTurn()
    await stage.pass(5_100)
    assert.equal(await late.all(), "")
    assert.equal(stage.service.counts.sessions, 0)
    const many = await Promise.all(Array.from({ length: 70 }, () => dialSocket(stage)))
    await until(() => many.filter((wire) => wire.isOver).length === 6)
    assert.deepEqual(
      stage.parts.lines.filter((line) => line.includes("beef")),
      [],
    )
  })
})

test("OP74 a second PROXY line, and one on another listener, is a line like any other", async () => {
  await withStage({ operatorsCircuits: "on" }, async (stage) => {
    const twice = await dialSocket(stage)
    twice.socket.write(`${proxy}$ quartet\n${proxy}$ ping x\n`)
    await until(() => twice.text.endsWith("$ pong x\n"))
    assert.match(twice.text, /\n\$ refused - login-first\n|\n\$ refused - bad-line\n/)
    const tcp = await stage.dial("TCP")
    for (const line of [proxy.trimEnd(), "$ quartet", "$ ping x"]) tcp.says(line)
    const bob = await member(stage, "bob")
    bob.says("$ ping y")
    await until(() => bob.lines.includes("$ pong y"))
    assert.deepEqual(tcp.lines, [])
  })
})

test("OP72 OP74 limits by circuit hold for circuits: the fifth connection is closed", async () => {
  await withStage({ operatorsCircuits: "on" }, async (stage) => {
    const wires: Wire[] = []
    for (let count = 0; count < 5; count++) {
      const wire = await dialSocket(stage)
      wire.socket.write(`${proxy}$ quartet\n`)
      await until(() => wire.isOver || wire.text.startsWith("$ hello"))
      wires.push(wire)
    }
    assert.deepEqual(
      wires.map((wire) => wire.isOver),
      [false, false, false, false, true],
    )
    assert.equal(wires[4]?.text, "")
  })
})

test("OP39 no figure tells of this part", async () => {
  await withStage({}, async (stage) => {
    const figures = () => stage.parts.metrics.text()
    const told = (text: string) =>
      text.split("\n").filter((line) => /^quartet_net_/.test(line) && !/unsent/.test(line))
    const before = told(await figures())
    const ada = await member(stage, "ada")
    ada.says("ada hello")
    await until(() => ada.lines.length > 0)
    ada.leaves()
    await until(() => stage.service.counts.sessions === 0)
    const after = await figures()
    assert.deepEqual(told(after), before)
    assert.ok(!after.includes("operators"))
  })
})
