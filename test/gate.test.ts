/** Who may connect: counts, addresses behind proxies, origins. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { Gate, type GateOptions, localAddress } from "../src/net/gate.ts"
import { WireError } from "../src/wire/error.ts"
import { identityOf } from "./net-parts.ts"

function gateWith(options: Partial<GateOptions> = {}): Gate {
  return new Gate({
    connections: 100,
    connectionsPerAddress: 2,
    trustProxy: 0,
    allowedOrigins: [],
    ...options,
  })
}

const tooMany = (thrown: unknown) => thrown instanceof WireError && thrown.code === "too-many"
const ada = identityOf("ada")

test("SV16 one more than MAX_CONNECTIONS is refused, and one that left makes room", () => {
  const gate = gateWith({ connections: 2 })
  gate.enter("10.0.0.1", undefined)
  const leave = gate.enter("10.0.0.2", undefined)
  assert.throws(() => gate.enter("10.0.0.3", undefined), tooMany)
  assert.throws(() => gate.enter(localAddress, undefined), tooMany)
  leave()
  leave()
  assert.equal(gate.size, 1)
  gate.enter("10.0.0.3", undefined)
  assert.throws(() => gate.enter("10.0.0.4", undefined), tooMany)
})

test("SV16 one address has its share, loopback and unix sockets have no such limit", () => {
  const gate = gateWith()
  const leave = gate.enter("10.0.0.1", undefined)
  gate.enter("10.0.0.1", undefined)
  assert.throws(() => gate.enter("10.0.0.1", undefined), tooMany)
  gate.enter("10.0.0.2", undefined)
  leave()
  gate.enter("10.0.0.1", undefined)
  for (const local of ["127.0.0.1", "127.8.9.1", "::1", localAddress]) {
    for (let i = 0; i < 5; i++) gate.enter(local, undefined)
  }
})

test("SV16 IPv6 addresses count by their first 64 bits", () => {
  const gate = gateWith()
  gate.enter("2001:db8::1", undefined)
  gate.enter("2001:0db8:0:0:1::", undefined)
  assert.throws(() => gate.enter("2001:db8:0:0:ffff:1:2:3", undefined), tooMany)
  gate.enter("2001:db8:0:1::1", undefined)
  gate.enter("1:2:3:4:5:6:7:8", undefined)
})

test("SV16 one identity has its share, whatever its addresses", () => {
  const gate = gateWith()
  const leave = gate.enter("10.0.0.1", ada)
  gate.enter("10.0.0.2", ada)
  assert.throws(() => gate.enter("10.0.0.3", ada), tooMany)
  // What was refused left nothing behind.
  gate.enter("10.0.0.3", { ...ada, subject: "bob" })
  gate.enter("10.0.0.3", undefined)
  leave()
  gate.enter("10.0.0.4", ada)
})

test("SV18 DC104 the address is the n-th entry of X-Forwarded-For from the end, and with 0 the socket's", () => {
  const headers = { "x-forwarded-for": "6.6.6.6, 10.0.0.1 ,10.0.0.2" }
  const address = (trustProxy: number) => gateWith({ trustProxy }).addressOf("192.0.2.9", headers)
  assert.equal(address(0), "192.0.2.9")
  assert.equal(address(1), "10.0.0.2")
  assert.equal(address(2), "10.0.0.1")
  assert.equal(address(3), "6.6.6.6")
  // Fewer entries than proxies: all of them are theirs, the first has the far end's.
  assert.equal(address(4), "6.6.6.6")
})

test("SV18 an address is normalised; what is none is not believed", () => {
  const address = (socket: string | undefined, forwarded?: string) =>
    gateWith({ trustProxy: 1 }).addressOf(
      socket,
      forwarded === undefined ? {} : { "x-forwarded-for": forwarded },
    )
  assert.equal(address("::ffff:192.0.2.9"), "192.0.2.9")
  assert.equal(address("fe80::1%eth0"), "fe80::1")
  assert.equal(address(undefined), localAddress)
  assert.equal(address("192.0.2.9", "10.0.0.1:4711"), "10.0.0.1")
  assert.equal(address("192.0.2.9", "[2001:DB8::1]:443"), "2001:db8::1")
  assert.equal(address("192.0.2.9", "[2001:db8::1]"), "2001:db8::1")
  assert.equal(address("192.0.2.9", "10.0.0.1, <script>"), "192.0.2.9")
  assert.equal(address("192.0.2.9", "local"), "192.0.2.9")
  assert.equal(address("192.0.2.9", ","), "192.0.2.9")
})

test("SV17 DC16 a page of this server and a program are served, another page is foreign", () => {
  const origin = (origin: string | undefined, host = "pad.example.org") =>
    gateWith().originOf(origin === undefined ? { host } : { host, origin })
  assert.equal(origin(undefined), "own")
  assert.equal(origin("http://pad.example.org"), "own")
  assert.equal(origin("https://PAD.example.org", "Pad.Example.org"), "own")
  assert.equal(origin("https://pad.example.org", "pad.example.org:443"), "own")
  assert.equal(origin("http://[::1]:3030", "[::1]:3030"), "own")
  assert.equal(origin("http://pad.example.org:8080"), "foreign")
  assert.equal(origin("http://evil.example"), "foreign")
  assert.equal(origin("http://pad.example.org.evil.example"), "foreign")
  assert.equal(origin("null"), "foreign")
  assert.equal(origin("file://"), "foreign")
  assert.equal(origin(""), "foreign")
  assert.equal(origin("http://pad.example.org, http://evil.example"), "foreign")
})

test("SV17 DC16 X-Forwarded-Host is believed behind a proxy only", () => {
  const headers = {
    host: "127.0.0.1:3030",
    "x-forwarded-host": "pad.example.org",
    origin: "https://pad.example.org",
  }
  assert.equal(gateWith().originOf(headers), "foreign")
  assert.equal(gateWith({ trustProxy: 1 }).originOf(headers), "own")
})

test("SV17 DC16 ALLOWED_ORIGINS names other pages that may connect, exactly", () => {
  const gate = gateWith({ allowedOrigins: ["https://notes.example"] })
  const host = "pad.example.org"
  assert.equal(gate.originOf({ host, origin: "https://notes.example" }), "allowed")
  assert.equal(gate.originOf({ host, origin: "http://notes.example" }), "foreign")
  assert.equal(gate.originOf({ host, origin: "https://notes.example:8443" }), "foreign")
})
