/** Operators through a SOCKS proxy: names, failures in words, cuts at each byte. */
import assert from "node:assert/strict"
import { type AddressInfo, createServer } from "node:net"
import { type TestContext, test } from "node:test"
import { connectThrough, SocksError } from "../src/client/socks.ts"
import { connect, openerFor } from "../src/client/tcp.ts"
import { FakeSocks, type FakeSocksOptions } from "./fake-socks.ts"
import { eventually, startServer } from "./harness.ts"

/** Something that says a line at once, as no server of ours does: it must not be lost. */
async function greeter(t: TestContext): Promise<number> {
  const server = createServer((socket) => socket.on("error", () => {}).end("first words\n"))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port // it listens on TCP
}

async function through(t: TestContext, options: FakeSocksOptions, limitMs = 5_000) {
  const proxy = await FakeSocks.start(t, options)
  const [host = "", port = ""] = proxy.address.split(":")
  const wanted = { host: "abc.example", port: 9_696, identity: "me", limitMs }
  return connectThrough({ proxy: { host, port: Number(port) }, ...wanted })
}

for (const pieces of ["whole", "bytes"] as const) {
  test(`OP86 what comes behind the proxy's answer is not lost (${pieces})`, async (t) => {
    const socket = await through(t, { port: await greeter(t), pieces })
    let heard = ""
    socket.on("data", (chunk: Buffer) => {
      heard += chunk
    })
    socket.resume()
    await eventually(() => heard === "first words\n")
  })
}

test("OP86 a proxy that closes after any byte of its answers ends the try with a sentence", async (t) => {
  for (let cutAfter = 0; cutAfter < 14; cutAfter++) {
    const tried = through(t, { port: 1, cutAfter, pieces: "bytes" })
    await assert.rejects(tried, (thrown) => {
      assert.ok(thrown instanceof SocksError)
      assert.match(thrown.message, /the proxy closed the connection, before the/)
      assert.equal(thrown.comesBack, "soon")
      return true
    })
  }
})

test("OP86 what tor says of an onion service is told in words, and whether to come back", async (t) => {
  const said = [
    [0x05, /refused/, "soon"],
    [0xf0, /not found.*30 s/, "later"],
    [0xf1, /invalid/, "later"],
    [0xf2, /introduction/, "soon"],
    [0xf3, /rendezvous/, "soon"],
    [0xf4, /wants a key/, "never"],
    [0xf5, /does not take the key/, "never"],
    [0xf6, /no onion address/, "never"],
    [0xf7, /in time/, "soon"],
  ] as const
  for (const [reply, words, comesBack] of said) {
    await assert.rejects(through(t, { port: 1, reply }), { message: words, comesBack })
  }
})

test("OP86 a proxy that says nothing is given up, and one that is none is told", async (t) => {
  const silent = createServer((socket) => socket.on("error", () => {}).resume())
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve))
  t.after(() => silent.close())
  const { port } = silent.address() as AddressInfo // it listens on TCP
  const wanted = { host: "abc.example", port: 1, identity: "me" }
  const proxy = { host: "127.0.0.1", port }
  await assert.rejects(connectThrough({ proxy, ...wanted, limitMs: 30 }), /too long/)
  const cancel = new AbortController()
  const tried = connectThrough({ proxy, ...wanted, signal: cancel.signal })
  cancel.abort()
  await assert.rejects(tried, /given up/)
  const other = { host: "127.0.0.1", port: await greeter(t) }
  await assert.rejects(connectThrough({ proxy: other, ...wanted }), /no SOCKS5 proxy/)
  await assert.rejects(
    connectThrough({ proxy: { host: "127.0.0.1", port: 1 }, ...wanted }),
    /does tor run/,
  )
})

test("OP86 an onion address goes by its name through the proxy, one identity on one circuit", async (t) => {
  const server = await startServer(t, {
    ...{ parts: ["operators"], operatorsPort: 0, operatorsHash: "m=8,t=1,p=1", operatorsRate: 0 },
  })
  const proxy = await FakeSocks.start(t, { port: Number(server.operators[0]?.split(":")[1]) })
  const name = `${"a".repeat(56)}.onion`
  const log = (callsign: string) => {
    const client = connect(`${name}:9696`, { socks: proxy.address })
    const operators = client.operators({ callsign, password: () => "pw", register: true })
    t.after(() => operators.close())
    return operators
  }
  const [ada, bob] = [log("ada"), log("bob")]
  await eventually(() => ada.state === "ready" && bob.state === "ready")
  assert.equal(await ada.send("bob", "through").accepted, "sent")
  assert.deepEqual(proxy.wanted, [`${name}:9696`, `${name}:9696`])
  assert.equal(new Set(proxy.users).size, 2)
  assert.throws(() => openerFor(`ws://${name}/`), /no proxy/)
})
