/** The listener for TCP and unix sockets, with the echo service behind it. */
import assert from "node:assert/strict"
import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { prefixFraming } from "../src/net/framing.ts"
import type { GateOptions } from "../src/net/gate.ts"
import type { Limits, StreamRoute } from "../src/net/route.ts"
import { type Place, StreamListener } from "../src/net/tcp.ts"
import { aTurn, Echo, EchoCodec, limits, partsOf, until, Wire } from "./net-parts.ts"

interface Options {
  readonly framing?: "lines" | "prefixed"
  readonly limits?: Partial<Limits>
  readonly gate?: Partial<GateOptions>
}

function partsFor(options: Options) {
  const parts = partsOf(options)
  const service = new Echo()
  const route: StreamRoute<unknown, unknown> = {
    name: "echo",
    framing: options.framing ?? "lines",
    service,
    codec: new EchoCodec(),
    limits: { ...limits, ...options.limits },
  }
  const { connections, gate } = parts
  return { ...parts, service, listener: new StreamListener({ route, connections, gate }) }
}

type Parts = ReturnType<typeof partsFor>

async function withListener(
  options: Options,
  work: (parts: Parts & { dial: () => Promise<Wire> }) => Promise<void>,
): Promise<void> {
  const parts = partsFor(options)
  const address = await parts.listener.listen({ host: "127.0.0.1", port: 0 })
  try {
    await work({ ...parts, dial: () => Wire.to(Number(address.split(":")[1])) })
  } finally {
    parts.listener.stopListening()
    parts.connections.cutAll("going-away")
    await parts.connections.whenEmpty()
  }
}

async function withDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "quartet-tcp-"))
  try {
    await work(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test("SV8 lines go in and out in order, however their bytes come", async () => {
  await withListener({}, async ({ dial, service }) => {
    const wire = await dial()
    for (const piece of ["on", "e\r\ntw", "o\n", "three\nunfinished"]) {
      wire.socket.write(piece)
      await until(() => wire.socket.writableLength === 0)
    }
    await until(() => wire.text === "one\ntwo\nthree\n")
    assert.equal(service.last.params.get("address"), "127.0.0.1")
    // What has no end at the close is discarded.
    wire.socket.end()
    await until(() => service.closed.length === 1)
    assert.deepEqual(service.heard, ["one", "two", "three"])
  })
})

test("SV8 frames go in and out with their length in front", async () => {
  await withListener({ framing: "prefixed" }, async ({ dial }) => {
    const wire = await dial()
    const bytes = Buffer.concat([
      prefixFraming(Buffer.from("grüße")),
      prefixFraming(Buffer.alloc(0)),
    ])
    wire.socket.write(bytes)
    await until(() => wire.bytes.length === bytes.length)
    assert.deepEqual(wire.bytes, bytes)
  })
})

test("SV8 a far end that reads nothing is closed as slow, and no other notices", async () => {
  await withListener({ limits: { slowBytes: 256 * 1024 } }, async (parts) => {
    const { dial, service, connections } = parts
    const deaf = await dial()
    await until(() => service.opened.length === 1)
    deaf.socket.pause()
    const other = await dial()
    await until(() => service.opened.length === 2)
    const big = "x".repeat(64 * 1024)
    while (service.closed.length === 0) {
      service.opened[0]?.send(big)
      await aTurn()
    }
    other.socket.write("still here\n")
    await until(() => other.text === "still here\n")
    assert.equal(connections.traffic.closes("slow"), 1)
    parts.after(5_000)
    await until(() => connections.size === 1)
    deaf.socket.destroy()
  })
})

test("SV15 a refusal and a closing are told in the protocol, then the socket ends", async () => {
  await withListener({}, async ({ dial, service }) => {
    const refused = await dial()
    refused.socket.write("bad\nignored\n")
    assert.equal(await refused.all(), "refused bad-message: that was bad\n")
    service.onReceive = (connection) => {
      connection.send("last words")
      connection.close("going-away", "come back later")
    }
    const closed = await dial()
    closed.socket.write("x\n")
    assert.equal(await closed.all(), "last words\nrefused going-away: come back later\n")
    await until(() => service.closed.length === 2)
  })
})

test("SV15 a far end that ended its side is gone for the service, though it still reads nothing", async () => {
  await withListener({ limits: { slowBytes: 64 * 1024 * 1024 } }, async (parts) => {
    const wire = await parts.dial()
    await until(() => parts.service.opened.length === 1)
    wire.socket.pause()
    while (!parts.service.last.behind) {
      parts.service.last.send("x".repeat(100_000))
      await aTurn()
    }
    wire.socket.end()
    await until(() => parts.service.closed.length === 1)
    assert.equal(parts.connections.size, 1)
    parts.after(5_000)
    await until(() => parts.connections.size === 0)
    wire.socket.destroy()
  })
})

test("SV11 a far end above its rate is read on as its bucket refills, within one chunk too", async () => {
  const rate = { messagesPerSecond: 10, messagesBurst: 5 }
  await withListener({ limits: rate }, async ({ dial, service, after }) => {
    const wire = await dial()
    const said = Array.from({ length: 20 }, (_, i) => `${i}`)
    wire.socket.write(said.map((each) => `${each}\n`).join(""))
    await until(() => service.heard.length === 5)
    after(1_000, 100)
    assert.equal(service.heard.length, 15)
    after(1_000, 100)
    await until(() => wire.text.endsWith("19\n"))
    assert.deepEqual(service.heard, said)
  })
})

test("SV12 a held connection keeps the rest of its chunk unread and goes on after the release", async () => {
  await withListener({}, async ({ dial, service }) => {
    const wire = await dial()
    let release = () => {}
    service.onReceive = (connection, message) => {
      if (message === "ask") release = connection.hold()
      else connection.send(message)
    }
    wire.socket.write("ask\n1\n2\nask\n3\n")
    await until(() => service.heard.length === 1)
    release()
    await until(() => service.heard.length === 4)
    release()
    await until(() => wire.text === "1\n2\n3\n")
  })
})

test("SV12 what a held far end says waits with the far end, not with us", async () => {
  await withListener({}, async ({ dial, service }) => {
    service.onOpen = (connection) => void connection.hold()
    const flood = await dial()
    const line = `${"x".repeat(1_000)}\n`.repeat(1_000)
    for (let i = 0; i < 32; i++) flood.socket.write(line)
    for (let i = 0; i < 100; i++) await aTurn()
    assert.ok(flood.socket.writableLength > 16 * 1024 * 1024, `${flood.socket.writableLength}`)
    assert.equal(service.heard.length, 0)
    flood.socket.destroy()
  })
})

test("SV19 a frame or a line above the limit is refused as too-large after what came before it", async () => {
  await withListener({ limits: { messageBytes: 100 } }, async ({ dial, service }) => {
    const wire = await dial()
    wire.socket.write(`fine\n${"x".repeat(1_000)}\nnot read\n`)
    assert.match(await wire.all(), /^fine\nrefused too-large: a line holds at most 100 bytes\n$/)
    assert.deepEqual(service.heard, ["fine"])
  })
  await withListener({ framing: "prefixed", limits: { messageBytes: 100 } }, async ({ dial }) => {
    const wire = await dial()
    wire.socket.write(Buffer.from([0, 0, 0, 101]))
    assert.match(await wire.all(), /refused too-large: a frame holds at most 100 bytes/)
  })
})

test("SV20 a far end from which nothing comes is closed as timed-out, one that speaks is not", async () => {
  await withListener({ limits: { silenceMs: 60_000 } }, async ({ dial, service, after }) => {
    const silent = await dial()
    await until(() => service.opened.length === 1)
    const lively = await dial()
    await until(() => service.opened.length === 2)
    after(30_000)
    lively.socket.write("here\n")
    await until(() => lively.text === "here\n")
    after(30_000)
    assert.match(await silent.all(), /refused timed-out/)
    after(29_900)
    lively.socket.write("here again\n")
    await until(() => lively.text.endsWith("here again\n"))
  })
})

test("SV16 one connection too many is told why, and leaves nothing behind", async () => {
  await withListener({ gate: { connections: 1 } }, async ({ dial, service, connections, gate }) => {
    const first = await dial()
    await until(() => service.opened.length === 1)
    const second = await dial()
    assert.equal(await second.all(), "refused too-many: the server is full\n")
    assert.equal(connections.traffic.refusals("too-many"), 1)
    assert.equal(service.opened.length, 1)
    first.socket.end()
    await until(() => gate.size === 0)
    const third = await dial()
    third.socket.write("in\n")
    await until(() => third.text === "in\n")
  })
})

/** A socket on a unix socket's path. */
async function dialPath(path: string): Promise<Wire> {
  const socket = connect(path)
  await new Promise((resolve) => socket.once("connect", resolve))
  return new Wire(socket)
}

test("SV30 a unix socket is for owner and group, carries lines, and is removed at the end", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "echo.sock")
    const parts = partsFor({ gate: { connectionsPerAddress: 1 } })
    assert.equal(await parts.listener.listen({ path }), path)
    assert.equal(statSync(path).mode & 0o777, 0o660)
    const wires = await Promise.all([dialPath(path), dialPath(path)])
    for (const wire of wires) wire.socket.write("hello\n")
    await until(() => wires.every((wire) => wire.text === "hello\n"))
    assert.equal(parts.service.last.params.get("address"), "local")
    parts.listener.stopListening()
    assert.equal(statSync(path, { throwIfNoEntry: false }), undefined)
    parts.connections.cutAll("going-away")
    await parts.connections.whenEmpty()
  })
})

test("SV30 a unix socket that a dead server left is replaced; one with a listener, or another file, is not", async () => {
  await withDirectory(async (directory) => {
    const stale = join(directory, "stale.sock")
    await leaveBehind(stale)
    const first = partsFor({})
    await first.listener.listen({ path: stale })
    const second = partsFor({})
    await assert.rejects(second.listener.listen({ path: stale }), /another process listens/)
    const wire = await dialPath(stale)
    wire.socket.write("still mine\n")
    await until(() => wire.text === "still mine\n")
    const file = join(directory, "notes.txt")
    writeFileSync(file, "precious")
    await assert.rejects(second.listener.listen({ path: file }), /no socket/)
    assert.equal(statSync(file).size, 8)
    first.listener.stopListening()
    first.connections.cutAll("going-away")
    await first.connections.whenEmpty()
  })
})

/** Leaves a socket file nobody listens on, as a killed process does. */
async function leaveBehind(path: string): Promise<void> {
  const server = createServer()
  const link = `${path}.old`
  await new Promise<void>((resolve) => server.listen(link, resolve))
  // Node removes the path it listened on; under another name the file stays.
  renameSync(link, path)
  await new Promise((resolve) => server.close(resolve))
}

test("SV3 a port that is taken is told by a rejection", async () => {
  const first = partsFor({})
  const address = await first.listener.listen({ host: "127.0.0.1", port: 0 })
  const place: Place = { host: "127.0.0.1", port: Number(address.split(":")[1]) }
  await assert.rejects(partsFor({}).listener.listen(place), /EADDRINUSE/)
  first.listener.stopListening()
})

test("SV14 a far end that resets its socket costs no one else anything", async () => {
  await withListener({}, async ({ dial, service }) => {
    const rude = await dial()
    const other = await dial()
    await until(() => service.opened.length === 2)
    const { socket }: { socket: Socket } = rude
    socket.resetAndDestroy()
    await until(() => service.closed.length === 1)
    other.socket.write("fine\n")
    await until(() => other.text === "fine\n")
  })
})
