/** Delivery over real sockets: order, back-pressure, offers, rates, holds, faults and endings. */
import assert from "node:assert/strict"
import { Socket } from "node:net"
import { test } from "node:test"
import type { Connection } from "../src/service.ts"
import { WireError } from "../src/wire/error.ts"
import { aTurn, deafPeer, frame, type Net, Peer, until, withNet } from "./net-parts.ts"

const kib = 1024
const big = "x".repeat(64 * kib)

/** Sends to `connection` until its far end, who does not read, is behind. */
async function fill(net: Net, connection: Connection<string>): Promise<void> {
  // Two turns without progress: the kernel takes no more.
  for (let idle = 0; idle < 2; ) {
    connection.send(big)
    await aTurn()
    idle = connection.behind ? idle + 1 : 0
  }
  assert.equal(net.service.closed.length, 0)
}

/** Counts what Node's sockets hand to the kernel, from now until the returned function is called. */
function countWrites(): () => number {
  const { _write: one, _writev: many } = Socket.prototype
  let writes = 0
  Socket.prototype._write = function (...words) {
    writes++
    return one.apply(this, words)
  }
  Socket.prototype._writev = function (...words) {
    writes++
    return many?.apply(this, words)
  }
  return () => {
    Object.assign(Socket.prototype, { _write: one, _writev: many })
    return writes
  }
}

test("SV8 what is sent arrives in order, what was sent while it was opened first", async () => {
  await withNet({}, async (net) => {
    net.service.onOpen = (connection) => {
      connection.send("one")
      connection.send("two")
    }
    const peer = await new Peer(`${net.url}echo/a`).settled()
    for (let i = 0; i < 100; i++) peer.socket.send(`${i}`)
    await until(() => peer.heard.length === 102)
    assert.deepEqual(peer.heard, ["one", "two", ...Array.from({ length: 100 }, (_, i) => `${i}`)])
  })
})

test("SV8 a far end that reads nothing is closed as slow by its unsent bytes, and no other notices", async () => {
  await withNet({ limits: { slowBytes: 512 * kib } }, async (net) => {
    const deaf = await deafPeer(net)
    const slow = net.service.last
    const peer = await new Peer(`${net.url}echo/a`).settled()
    const other = net.service.last
    while (net.service.closed.length === 0) {
      slow.send(big)
      other.send(".")
      await aTurn()
    }
    assert.deepEqual(net.service.closed, [slow])
    assert.equal(net.connections.traffic.closes("slow"), 1)
    // Bounded: what was allowed before the last send, that send, and the close frame.
    assert.ok(net.connections.traffic.unsentBytes < 512 * kib + 3 * big.length)
    await peer.roundTrip("still here")
    net.after(5_000)
    await until(() => net.connections.size === 1)
    assert.equal(net.connections.traffic.unsentBytes, 0)
    deaf.socket.destroy()
  })
})

test("SV8 DC100 a far end that is behind and takes no byte is closed as slow after stalledMs", async () => {
  await withNet({ limits: { slowBytes: 64 * 1024 * kib } }, async (net) => {
    const deaf = await deafPeer(net)
    await fill(net, net.service.last)
    net.after(9_900, 100)
    assert.equal(net.service.closed.length, 0)
    net.after(200, 100)
    await until(() => net.service.closed.length === 1)
    assert.equal(net.connections.traffic.closes("slow"), 1)
    deaf.socket.destroy()
  })
})

test("SV8 a far end that takes a part of one big write is not stalled", async () => {
  await withNet({ limits: { slowBytes: 64 * 1024 * kib } }, async (net) => {
    const slow = await deafPeer(net)
    await fill(net, net.service.last)
    // One write, far larger than what is read of it between two ticks.
    net.service.last.send("y".repeat(16 * 1024 * kib))
    let read = slow.bytes.length
    for (let i = 0; i < 5; i++) {
      slow.socket.resume()
      await until(() => slow.bytes.length >= read + 1024 * kib)
      slow.socket.pause()
      read = slow.bytes.length
      net.after(6_000)
    }
    assert.equal(net.service.closed.length, 0)
    assert.equal(net.service.last.behind, true)
    slow.socket.destroy()
  })
})

test("SV9 DC101 offers wait while the far end is behind: the newest of each key, the oldest key makes room", async () => {
  await withNet({ limits: { offers: 3, slowBytes: 64 * 1024 * kib } }, async (net) => {
    const deaf = await deafPeer(net)
    const connection = net.service.last
    assert.equal(connection.offer("before", "kept up"), true)
    await fill(net, connection)
    for (const [key, message] of [
      ["a", "a1"],
      ["b", "b1"],
      ["c", "c1"],
      ["b", "b2"],
      ["d", "d1"], // a is the oldest
    ] as const) {
      assert.equal(connection.offer(key, message), false)
    }
    const sent = net.connections.traffic.of("echo").messagesOut
    assert.equal(net.connections.traffic.of("echo").offersDropped, 1)
    deaf.socket.resume()
    await until(() => net.connections.traffic.of("echo").messagesOut === sent + 3)
    await until(() => deaf.text.endsWith("d1"))
    const tail = deaf.text.slice(-12).replace(/[^\w]/g, "")
    assert.equal(tail, "c1b2d1")
    assert.match(deaf.text, /kept up/)
    assert.equal(connection.offer("a", "a2"), true)
    deaf.socket.destroy()
  })
})

test("SV9 what was offered goes out on a tick where the socket has no drain to tell of", async () => {
  const bounds = { behindBytes: kib, slowBytes: 64 * 1024 * kib }
  await withNet({ limits: bounds }, async (net) => {
    const deaf = await deafPeer(net)
    const connection = net.service.last
    // Less than what Node's sockets tell a drain of, more than behindBytes.
    while (!connection.behind) {
      connection.send("x".repeat(8 * kib))
      await aTurn()
    }
    connection.offer("cursor", "newest")
    deaf.socket.resume()
    await until(() => !connection.behind)
    net.after(100)
    await until(() => deaf.text.endsWith("newest"))
    deaf.socket.destroy()
  })
})

test("SV9 what was offered is overtaken by what is offered under its key once there is room", async () => {
  await withNet({ limits: { slowBytes: 64 * 1024 * kib } }, async (net) => {
    const deaf = await deafPeer(net)
    const connection = net.service.last
    await fill(net, connection)
    connection.offer("cursor", "old")
    connection.offer("cursor", "new")
    deaf.socket.resume()
    await until(() => deaf.text.endsWith("new"))
    assert.equal(deaf.text.includes("old"), false)
    deaf.socket.destroy()
  })
})

test("SV10 a message for many is encoded once, and a turn's messages leave each socket in one write", async () => {
  await withNet({}, async (net) => {
    const peers = await Promise.all(
      Array.from({ length: 20 }, () => new Peer(`${net.url}echo/room`).settled()),
    )
    const { opened } = net.service
    const writes = countWrites()
    for (const message of ["one", "two", "three", "four", "five"]) {
      for (const connection of opened) connection.send(message)
    }
    await until(() => peers.every((peer) => peer.heard.length === 5))
    assert.equal(writes(), 20)
    assert.equal(net.codec.encoded, 5)
    assert.deepEqual(peers[7]?.heard, ["one", "two", "three", "four", "five"])
  })
})

test("SV10 more than 64 KiB in one turn is written at once, so a far end that keeps up is not behind", async () => {
  await withNet({}, async (net) => {
    const peer = await new Peer(`${net.url}echo/a`).settled()
    for (let i = 0; i < 4; i++) net.service.last.send(big)
    assert.equal(net.service.last.behind, false)
    await until(() => peer.heard.length === 4)
  })
})

test("SV11 DC103 a far end above its rate is not read until it has rested, and loses nothing", async () => {
  const rate = { messagesPerSecond: 10, messagesBurst: 20 }
  await withNet({ limits: rate }, async (net) => {
    const peer = await new Peer(`${net.url}echo/a`).settled()
    const other = await new Peer(`${net.url}echo/a`).settled()
    const said = Array.from({ length: 35 }, (_, i) => `${i}`)
    for (const message of said) peer.socket.send(message)
    await until(() => peer.heard.length === 20)
    await other.roundTrip("not held up")
    assert.equal(net.service.heard.length, 21)
    net.after(1_000, 100)
    await until(() => peer.heard.length === 30)
    net.after(1_000, 100)
    await until(() => peer.heard.length === 35)
    assert.deepEqual(peer.heard, said)
  })
})

test("SV11 what a far end says above its rate waits with the far end, not with us", async () => {
  await withNet({ limits: { messagesPerSecond: 1, messagesBurst: 1 } }, async (net) => {
    const flood = await deafPeer(net)
    const message = frame(1, big)
    for (let i = 0; i < 512; i++) flood.socket.write(message)
    const other = await new Peer(`${net.url}echo/a`).settled()
    for (let i = 0; i < 20; i++) {
      net.after(100)
      other.socket.ping()
      await aTurn()
    }
    // Of 32 MiB the kernel's buffers hold some; most is still with who sent it.
    assert.ok(flood.socket.writableLength > 16 * 1024 * kib, `${flood.socket.writableLength}`)
    flood.socket.destroy()
  })
})

test("SV11 the rate in bytes counts as well, and lets a message above what is left through", async () => {
  const rate = { bytesPerSecond: 1_000, bytesBurst: 1_000 }
  await withNet({ limits: rate }, async (net) => {
    const peer = await new Peer(`${net.url}echo/a`).settled()
    peer.socket.send("a".repeat(3_000))
    peer.socket.send("b")
    await until(() => peer.heard.length === 1)
    net.after(2_000, 100)
    assert.equal(net.service.heard.length, 1)
    net.after(100)
    await until(() => peer.heard.length === 2)
  })
})

test("SV11 pings count against the rate", async () => {
  await withNet({ limits: { messagesPerSecond: 10, messagesBurst: 10 } }, async (net) => {
    const peer = await new Peer(`${net.url}echo/a`).settled()
    for (let i = 0; i < 10; i++) peer.socket.ping()
    peer.socket.send("after")
    const other = await new Peer(`${net.url}echo/a`).settled()
    await other.roundTrip("mark")
    assert.deepEqual(net.service.heard, ["mark"])
    net.after(200, 100)
    await until(() => peer.heard.length === 1)
  })
})

test("SV12 a held connection's messages wait in order, nobody else's do, and go on after the release", async () => {
  await withNet({}, async (net) => {
    const peer = await new Peer(`${net.url}echo/a`).settled()
    const other = await new Peer(`${net.url}echo/a`).settled()
    let release = () => {}
    net.service.onReceive = (connection, message) => {
      if (message === "ask") release = connection.hold()
      else connection.send(message)
    }
    for (const message of ["ask", "1", "2", "3"]) peer.socket.send(message)
    await until(() => net.service.heard.includes("ask"))
    await other.roundTrip("free")
    assert.deepEqual(net.service.heard, ["ask", "free"])
    release()
    // Never from inside the release: the service that calls it is at work.
    assert.deepEqual(net.service.heard, ["ask", "free"])
    release()
    await until(() => peer.heard.length === 3)
    assert.deepEqual(peer.heard, ["1", "2", "3"])
  })
})

test("SV12 a connection that is held for 60 s is closed as timed-out", async () => {
  await withNet({}, async (net) => {
    net.service.onOpen = (connection) => void connection.hold()
    const peer = await new Peer(`${net.url}echo/a`).settled()
    net.after(59_900, 100)
    assert.equal(net.service.closed.length, 0)
    net.after(100)
    assert.equal((await peer.ended()).code, 4508)
  })
})

test("SV13 unsent bytes of all together stay below the limit: the one furthest behind is closed as slow", async () => {
  const limit = 16 * 1024 * kib
  const options = { unsentBytes: limit, limits: { slowBytes: 64 * 1024 * kib } }
  await withNet(options, async (net) => {
    const deaf = await Promise.all([deafPeer(net), deafPeer(net), deafPeer(net)])
    const peer = await new Peer(`${net.url}echo/a`).settled()
    const [first, second, third] = net.service.opened
    let most = 0
    while (net.service.closed.length === 0) {
      first?.send(big)
      second?.send(big)
      third?.send(big)
      third?.send(big)
      most = Math.max(most, net.connections.traffic.unsentBytes)
      await aTurn()
    }
    assert.deepEqual(net.service.closed, [third])
    assert.equal(net.connections.traffic.closes("slow"), 1)
    assert.ok(most <= limit + 1024 * kib + big.length, `${most}`)
    await peer.roundTrip("still here")
    for (const each of deaf) each.socket.destroy()
  })
})

test("SV14 DC106 a fault of ours closes the connection concerned as internal and is logged; others go on", async () => {
  await withNet({}, async (net) => {
    net.service.onReceive = (connection, message) => {
      if (message === "boom") throw new Error("our bug")
      connection.send(message)
    }
    const peer = await new Peer(`${net.url}echo/a`).settled()
    const other = await new Peer(`${net.url}echo/a`).settled()
    peer.socket.send("boom")
    const { code, reason } = await peer.ended()
    assert.equal(code, 4500)
    assert.equal(reason.includes("our bug"), false)
    await other.roundTrip("fine")
    assert.equal(net.log.faults, 1)
    assert.match(net.lines.join(""), /our bug/)
    await until(() => net.service.closed.length === 1)
  })
})

test("SV15 a refusal is told after what was sent, then the connection is closed with its code", async () => {
  await withNet({}, async (net) => {
    net.service.onReceive = (connection) => {
      connection.send("before")
      throw new WireError("stale-revision", "too old by 7")
    }
    const peer = await new Peer(`${net.url}echo/a`).settled()
    peer.socket.send("x")
    assert.deepEqual(await peer.ended(), { code: 4509, reason: "too old by 7" })
    assert.deepEqual(peer.heard, ["before", "refused stale-revision: too old by 7"])
  })
})

test("SV15 close ends a connection after what was sent; the service hears of it once, not from inside", async () => {
  await withNet({}, async (net) => {
    net.service.onReceive = (connection) => {
      connection.send("last words")
      connection.close("taken", "é".repeat(100))
      connection.close("slow")
      connection.send("never")
      assert.equal(connection.offer("key", "never"), false)
      assert.deepEqual(net.service.closed, [])
    }
    const peer = await new Peer(`${net.url}echo/a`).settled()
    peer.socket.send("x")
    peer.socket.send("not heard")
    // 123 bytes hold 61 of these characters.
    assert.deepEqual(await peer.ended(), { code: 4409, reason: "é".repeat(61) })
    assert.deepEqual(peer.heard, ["last words"])
    assert.deepEqual(net.service.heard, ["x"])
    await until(() => net.connections.size === 0)
    assert.deepEqual(net.service.closed, net.service.opened)
    assert.equal(net.connections.traffic.closes("taken"), 1)
    assert.equal(net.gate.size, 0)
  })
})

test("SV15 a connection closed while it was opened still gets its handshake and the reason", async () => {
  await withNet({}, async (net) => {
    net.service.onOpen = (connection) => {
      connection.send("hello")
      connection.close("taken")
    }
    const peer = new Peer(`${net.url}echo/a`)
    assert.deepEqual(await peer.ended(), { code: 4409, reason: "taken" })
    assert.deepEqual(peer.heard, ["hello"])
    await until(() => net.service.closed.length === 1)
  })
})

test("SV15 a far end that does not answer the closing is cut after 5 s", async () => {
  await withNet({}, async (net) => {
    const deaf = await deafPeer(net)
    net.service.last.close("going-away")
    await until(() => net.service.closed.length === 1)
    net.after(4_900, 100)
    assert.equal(net.connections.size, 1)
    net.after(100)
    await until(() => net.connections.size === 0)
    deaf.socket.destroy()
  })
})

test("SV15 a far end that leaves is told to the service at once, and nothing is sent after its close frame", async () => {
  await withNet({}, async (net) => {
    const peer = await new Peer(`${net.url}echo/a`).settled()
    peer.socket.send("answer me")
    peer.socket.close(1000)
    assert.equal((await peer.ended()).code, 1000)
    assert.deepEqual(peer.heard, ["answer me"])
    await until(() => net.service.closed.length === 1)
    assert.equal(net.connections.traffic.closes("left"), 1)
  })
})

test("SV15 a far end that closes and keeps its socket open is gone for the service, and cut after 5 s", async () => {
  await withNet({}, async (net) => {
    const wire = await deafPeer(net)
    wire.socket.allowHalfOpen = true
    wire.socket.write(frame(8, Buffer.from([0x03, 0xe8])))
    await until(() => net.service.closed.length === 1)
    net.service.last.send("into the void")
    assert.equal(net.connections.size, 1)
    net.after(5_000)
    await until(() => net.connections.size === 0)
    wire.socket.resume()
    await new Promise((resolve) => wire.socket.once("end", resolve))
    // The answer to the closing is the last that came.
    assert.deepEqual([...wire.bytes.subarray(-4)], [0x88, 0x02, 0x03, 0xe8])
    wire.socket.destroy()
  })
})

test("SV5 all are closed over the draining time, those of one place together", async () => {
  await withNet({}, async (net) => {
    const rooms = ["a", "a", "b", "b", "c", "c", "d", "d"]
    const peers = await Promise.all(
      rooms.map((room) => new Peer(`${net.url}echo/${room}`).settled()),
    )
    net.connections.closeAll("going-away", 4_000)
    await until(() => net.connections.size === 6)
    net.after(2_000, 100)
    await until(() => net.connections.size === 4)
    net.after(2_000, 100)
    await net.connections.whenEmpty()
    await Promise.all(peers.map((peer) => peer.ended()))
    assert.ok(peers.every((peer) => peer.end?.code === 1012))
    const order = net.service.closed.map((connection) => connection.params.get("path"))
    for (let i = 0; i < order.length; i += 2) assert.equal(order[i], order[i + 1])
  })
})

test("SV5 with nothing to wait for, closing all takes no time", async () => {
  await withNet({}, async (net) => {
    const peer = await new Peer(`${net.url}echo/a`).settled()
    net.connections.closeAll("going-away", 0)
    await net.connections.whenEmpty()
    assert.equal((await peer.ended()).code, 1012)
  })
})

test("SV24 what goes through net is counted by service and code", async () => {
  await withNet({}, async (net) => {
    const peer = await new Peer(`${net.url}echo/a`).settled()
    await peer.roundTrip("twelve bytes")
    const text = await net.metrics.text()
    assert.match(text, /quartet_net_connections\{service="echo"\} 1/)
    assert.match(text, /quartet_net_messages_in_total\{service="echo"\} 1/)
    assert.match(text, /quartet_net_in_bytes_total\{service="echo"\} 12/)
    assert.match(text, /quartet_net_out_bytes_total\{service="echo"\} 14/)
    assert.match(text, /quartet_net_closes_total\{code="slow"\} 0/)
  })
})
