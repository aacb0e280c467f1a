/** The SDK's socket: when it comes back, how soon, and when it does not. Far ends are bare sockets. */
import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { type TestContext, test } from "node:test"
import { type WebSocket as ServerSocket, WebSocketServer } from "ws"
import { socketAddress } from "../src/client/address.ts"
import { connect } from "../src/client/client.ts"
import { type Ending, Socket } from "../src/client/socket.ts"

/** A socket of the SDK, and what its owner was told, to be waited for. */
function socketTo(t: TestContext, url: string) {
  const endings: Ending[] = []
  const waiting: ((ending: Ending) => void)[] = []
  let opened = () => {}
  const heard: string[] = []
  const socket = new Socket(
    { url, protocols: () => [], why: () => Promise.resolve(undefined) },
    {
      opened: () => opened(),
      heard: (frame) => heard.push(frame),
      lost: (ending) => {
        endings.push(ending)
        waiting.shift()?.(ending)
      },
    },
  )
  t.after(() => socket.close())
  return {
    socket,
    endings,
    heard,
    opened: new Promise<void>((resolve) => {
      opened = resolve
    }),
    nextLoss: () => new Promise<Ending>((resolve) => waiting.push(resolve)),
  }
}

/** A server that accepts every WebSocket and says nothing. */
async function silentServer(t: TestContext): Promise<{ url: string; server: WebSocketServer }> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" })
  await once(server, "listening")
  t.after(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, server }
}

/** A server that refuses every handshake and gives `status` for every request; it keeps what was asked. */
async function refusingServer(t: TestContext, status: number, sentence: string) {
  const asked: IncomingMessage[] = []
  const server = createServer((request, response) => {
    asked.push(request)
    response.writeHead(status).end(`${sentence}\n`)
  })
  server.on("upgrade", (request, socket) => {
    asked.push(request)
    socket.end(`HTTP/1.1 ${status} Refused\r\nconnection: close\r\n\r\n`)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, asked }
}

/** A port of this machine at which nobody listens. */
async function deadUrl(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return `ws://127.0.0.1:${port}`
}

test("DC144 waits at most 250 ms doubled with each try, and never longer than 10 s", async (t) => {
  t.mock.timers.enable({ apis: ["Date"] }) // so that a wait can be read exactly
  const { socket, nextLoss } = socketTo(t, await deadUrl())
  const waits: number[] = []
  for (let tries = 0; tries < 12; tries += 1) {
    const { comesBack } = await nextLoss()
    assert.equal(comesBack, true)
    const wait = (socket.returnsAt ?? Number.NaN) - Date.now()
    assert.ok(wait >= 0 && wait <= Math.min(10_000, 250 * 2 ** tries), `${wait} after ${tries}`)
    waits.push(wait)
    socket.hurry()
    assert.equal(socket.returnsAt, undefined)
  }
  // By chance alone all of these are below the first bound once in a million runs.
  assert.ok(waits.slice(5).some((wait) => wait > 250))
  assert.equal(new Set(waits).size, waits.length, "the waits are drawn, not fixed")
})

test("DC144 begins with short waits again once it has joined", async (t) => {
  t.mock.timers.enable({ apis: ["Date"] })
  const { socket, nextLoss } = socketTo(t, await deadUrl())
  for (let tries = 0; tries < 8; tries += 1) {
    await nextLoss()
    socket.hurry()
  }
  socket.settle()
  await nextLoss()
  assert.ok((socket.returnsAt ?? Number.NaN) - Date.now() <= 250)
})

test("DC144 comes back at once when the browser says that it is online", async (t) => {
  const window = new EventTarget()
  // Node has no such events; where there are some, they are global.
  Object.assign(globalThis, {
    addEventListener: window.addEventListener.bind(window),
    removeEventListener: window.removeEventListener.bind(window),
  })
  t.after(() => {
    Reflect.deleteProperty(globalThis, "addEventListener")
    Reflect.deleteProperty(globalThis, "removeEventListener")
  })
  const { socket, nextLoss } = socketTo(t, await deadUrl())
  await nextLoss()
  assert.notEqual(socket.returnsAt, undefined)
  window.dispatchEvent(new Event("online"))
  assert.equal(socket.returnsAt, undefined)
  await nextLoss()
})

test("DC144 takes 45 s of silence for a dead line, and not less", async (t) => {
  const { url, server } = await silentServer(t)
  const arrived = once(server, "connection") as Promise<[ServerSocket]>
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] })
  const { socket, endings, heard, opened } = socketTo(t, url)
  await opened
  const [far] = await arrived
  t.mock.timers.tick(44_000)
  far.send("still here")
  while (heard.length === 0) await new Promise((resolve) => setImmediate(resolve))
  t.mock.timers.tick(44_999)
  assert.deepEqual(endings, [])
  t.mock.timers.tick(1)
  assert.deepEqual(endings, [{ code: 1006, sentence: "the server fell silent", comesBack: true }])
  assert.notEqual(socket.returnsAt, undefined)
  assert.equal(socket.send("to nobody"), false)
})

for (const code of [4400, 4401, 4403, 4409, 4410, 4413, 4499, 1009]) {
  test(`DC144 does not come back after close code ${code}`, async (t) => {
    const { url, server } = await silentServer(t)
    server.on("connection", (far) => far.close(code, "because"))
    const { socket, nextLoss } = socketTo(t, url)
    assert.deepEqual(await nextLoss(), { code, sentence: "because", comesBack: false })
    assert.equal(socket.returnsAt, undefined)
  })
}

for (const code of [1000, 1012, 1013, 4500, 4503, 4508, 4509, 4528, 4529]) {
  test(`DC144 comes back after close code ${code}`, async (t) => {
    const { url, server } = await silentServer(t)
    const codes = [code]
    const stays = new Promise<void>((resolve) => {
      server.on("connection", (far) => {
        const first = codes.shift()
        if (first === undefined) resolve()
        else far.close(first)
      })
    })
    const { socket, nextLoss } = socketTo(t, url)
    assert.equal((await nextLoss()).comesBack, true)
    socket.hurry()
    await stays
  })
}

for (const [status, code, sentence] of [
  [400, 4400, "bad document ID"],
  [401, 4401, "Invalid or missing OTP"],
  [403, 4403, "origin not allowed"],
] as const) {
  test(`DC144 asks why a handshake was refused, and takes ${status} as final`, async (t) => {
    const { url, asked } = await refusingServer(t, status, sentence)
    const text = connect(url).documents.open("a/b ?#ü")
    const reason = await new Promise((resolve) => text.on("closed", resolve))
    assert.deepEqual(reason, { code, sentence, comesBack: false })
    assert.equal(text.state, "closed")
    // Node itself repeats a handshake that is answered 401, so each address counts once.
    assert.deepEqual(
      [...new Set(asked.map((request) => request.url))],
      ["/api/socket/a%2Fb%20%3F%23%C3%BC", "/api/document/a%2Fb%20%3F%23%C3%BC"],
    )
    assert.throws(() => text.replace(0, 0, "x"), { message: new RegExp(sentence) })
    await assert.rejects(text.whenSaved(), { message: new RegExp(sentence) })
  })
}

test("DC144 comes back after a refusal that passes", async (t) => {
  const { url } = await refusingServer(t, 503, "too many editors")
  const text = connect(url).documents.open("notes")
  t.after(() => text.close())
  const reason = await new Promise((resolve) => text.on("closed", resolve))
  assert.deepEqual(reason, { code: 4503, sentence: "too many editors", comesBack: true })
  assert.equal(text.state, "connecting")
  assert.ok(text.returnsAt instanceof Date)
})

test("DC6 puts the OTP in headers only, never in an address", async (t) => {
  const { url, asked } = await refusingServer(t, 401, "Invalid or missing OTP")
  const { documents } = connect(url)
  const text = documents.open("notes", { otp: "aB3dE5fG7hI9" })
  await new Promise((resolve) => text.on("closed", resolve))
  await assert.rejects(documents.read("notes", { otp: "aB3dE5fG7hI9" }), {
    message: "Invalid or missing OTP",
    cause: 401,
  })
  for (const request of asked) assert.doesNotMatch(request.url ?? "", /aB3dE5fG7hI9|otp/)
  const headers = (path: string) => asked.find((request) => request.url === path)?.headers
  const protocols = headers("/api/socket/notes")?.["sec-websocket-protocol"]
  assert.equal(protocols, "quartet-documents-1, otp.aB3dE5fG7hI9")
  assert.equal(headers("/api/document/notes")?.authorization, "Bearer aB3dE5fG7hI9")
  assert.equal(headers("/api/text/notes")?.authorization, "Bearer aB3dE5fG7hI9")
})

test("DC144 takes an OTP that no header can hold for no OTP", async (t) => {
  const { url, asked } = await refusingServer(t, 401, "Invalid or missing OTP")
  const text = connect(url).documents.open("notes", { otp: "no such\r\nthing ü" })
  await new Promise((resolve) => text.on("closed", resolve))
  assert.equal(asked[0]?.headers["sec-websocket-protocol"], "quartet-documents-1")
  assert.equal(asked.at(-1)?.url, "/api/document/notes")
  assert.equal(asked.at(-1)?.headers.authorization, undefined)
})

test("DC144 takes the addresses of a server in all their forms, and nothing else", () => {
  for (const url of ["http://h/p", "ws://h/p/", "wss://h", "https://h/?x#y"]) connect(url)
  for (const url of ["h:3030", "ftp://h/", "", "/relative"]) {
    assert.throws(() => connect(url), TypeError, url)
  }
})

test("DC144 finds the sockets of each part below a server's address, whichever of them it names", () => {
  const host = "://host:3030"
  for (const [url, sockets] of [
    [`http${host}`, `ws${host}/pools`],
    [`HTTPS${host}/`, `wss${host}/pools`],
    [`ws${host}/a/folder?x=/#y`, `ws${host}/a/folder/pools`],
    [`wss${host}/pools`, `wss${host}/pools`],
    [`http${host}/pools/`, `ws${host}/pools`],
    [`http${host}/carpools//`, `ws${host}/carpools/pools`],
  ] as const) {
    assert.equal(socketAddress(url, "pools"), sockets, url)
  }
  for (const wrong of ["host:3030", "ftp://host/", "", "/pools"]) {
    assert.throws(() => socketAddress(wrong, "operators"), /^TypeError: not a server's address/)
  }
})
