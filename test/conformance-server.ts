/**
 * The far end of a scripted conformance story: it says what the story says, over TCP or WebSocket, and
 * looks at each frame that it hears.
 */
import assert from "node:assert/strict"
import { once } from "node:events"
import { type AddressInfo, createServer, type Socket } from "node:net"
import type { TestContext } from "node:test"
import { type WebSocket, WebSocketServer } from "ws"
import { prefixFraming } from "../src/net/framing.ts"
import { FrameReader } from "../src/wire/frames.ts"
import { eventually } from "./harness.ts"

type Message = Record<string, unknown>
type Frame = string | Uint8Array

/** One connection of the SDK. */
class Line {
  readonly frames: Frame[] = []
  readonly say: (frame: Frame) => void
  readonly cut: () => void

  constructor(say: (frame: Frame) => void, cut: () => void) {
    this.say = say
    this.cut = cut
  }

  hear(frame: Frame): void {
    const message = jsonIn(frame)
    if (message?.["type"] !== "ping") return void this.frames.push(frame)
    this.say(JSON.stringify({ type: "pong", id: message["id"] }))
  }
}

export class ScriptedServer {
  readonly #lines: Line[] = []
  readonly #known = new Map<string, string>()
  #line: Line | undefined
  readonly address: string

  private constructor(address: string, lines: Line[]) {
    this.address = address
    this.#lines = lines
  }

  static async start(t: TestContext, over: "TCP" | "WebSocket"): Promise<ScriptedServer> {
    const lines: Line[] = []
    if (over === "WebSocket") {
      const server = new WebSocketServer({ port: 0, host: "127.0.0.1" })
      await once(server, "listening")
      t.after(() => {
        for (const socket of server.clients) socket.terminate()
        server.close()
      })
      server.on("connection", (socket) => void lines.push(socketLine(socket)))
      const { port } = server.address() as AddressInfo // it listens on a port
      return new ScriptedServer(`ws://127.0.0.1:${port}`, lines)
    }
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      lines.push(streamLine(socket))
    })
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    t.after(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const { port } = server.address() as AddressInfo // it listens on a port
    return new ScriptedServer(`tcp://127.0.0.1:${port}`, lines)
  }

  /** Does one line of the story; false when it is none of the server's. */
  async does(verb: string, rest: string): Promise<boolean> {
    switch (verb) {
      case "accept":
        this.#line = await eventually(() => this.#lines.shift())
        return true
      case "cut":
        this.#own.cut()
        return true
      case "<":
        this.#own.say(rest.replaceAll(/"\$(\w+)"/g, (_, name: string) => `"${this.#text(name)}"`))
        return true
      case "<hex":
        this.#own.say(Uint8Array.from(rest.split(" ").flatMap((word) => this.#bytes(word))))
        return true
      case ">":
        this.#sees(await this.#hears(), JSON.parse(rest), "")
        return true
      case ">hex":
        this.#seesBytes(await this.#next(), rest.split(" "))
        return true
      case "quiet":
        this.#own.say('{"type":"ping","id":"quiet"}')
        this.#sees(await this.#hears(), { type: "pong", id: "quiet" }, "")
        return true
      case "welcome":
        await this.#welcome(JSON.parse(rest))
        return true
    }
    return false
  }

  async #welcome(fields: Message): Promise<void> {
    const { id, app_id, pools } = await this.#hears()
    const ack = {
      ...{ type: "handshake_ack", correlation_id: id, status: "success", server_version: "9.9.9" },
      assigned: { app_id, pools, triggers: [], rehydrated: false },
      ...{ protocol_version: "1.0", session: { id: "s", generation: 1, resume: "r" } },
      ...{ features: [], limits: {}, heartbeat_ms: 15_000, rights: {}, ...fields },
    }
    this.#own.say(JSON.stringify(ack))
  }

  get #own(): Line {
    if (this.#line === undefined) throw new Error("no connection was accepted")
    return this.#line
  }

  #next(): Promise<Frame> {
    return eventually(() => this.#own.frames.shift())
  }

  async #hears(): Promise<Message> {
    const frame = await this.#next()
    const message = jsonIn(frame)
    assert.ok(message, `a frame of JSON was due, ${Buffer.from(frame).toString("hex")} came`)
    return message
  }

  #sees(actual: unknown, expected: unknown, at: string): void {
    const variable = typeof expected === "string" ? /^\$(\w+)$/.exec(expected)?.[1] : undefined
    if (variable !== undefined) {
      if (!this.#known.has(variable)) this.#known.set(variable, String(actual))
      return assert.equal(actual, this.#text(variable), at)
    }
    const about = typeof expected === "string" ? /^~(\d+)$/.exec(expected)?.[1] : undefined
    if (about !== undefined) {
      const isNear = Number(actual) <= Number(about) && Number(actual) >= Number(about) / 2
      return assert.ok(isNear, `${at}: ${actual} is not about ${about}`)
    }
    if (typeof expected !== "object" || expected === null) return assert.equal(actual, expected, at)
    assert.ok(typeof actual === "object" && actual !== null, `${at} should be an object or list`)
    if (Array.isArray(expected)) assert.equal(Object.keys(actual).length, expected.length, at)
    for (const [name, value] of Object.entries(expected)) {
      this.#sees((actual as Message)[name], value, `${at}/${name}`) // an object, as was just seen
    }
  }

  #seesBytes(frame: Frame, words: readonly string[]): void {
    const bytes = Buffer.from(frame)
    let at = 0
    for (const word of words) {
      const name = word.startsWith("$") ? word.slice(1) : undefined
      if (name !== undefined && !this.#known.has(name)) {
        this.#known.set(name, String(bytes.readBigUInt64BE(at)))
      }
      const expected = word === ".." ? [bytes[at] ?? -1] : this.#bytes(word)
      const came = [...bytes.subarray(at, at + expected.length)]
      assert.deepEqual(came, expected, `at byte ${at} of ${bytes.toString("hex")}`)
      at += expected.length
    }
    assert.equal(bytes.length, at, `${bytes.toString("hex")} is longer`)
  }

  #bytes(word: string): number[] {
    if (!word.startsWith("$")) return [Number.parseInt(word, 16)]
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64BE(BigInt(this.#text(word.slice(1))))
    return [...bytes]
  }

  #text(name: string): string {
    const text = this.#known.get(name)
    if (text === undefined) throw new Error(`$${name} is not known`)
    return text
  }
}

function socketLine(socket: WebSocket): Line {
  const line = new Line(
    (frame) => socket.send(frame),
    () => socket.terminate(),
  )
  socket.on("message", (data, isBinary) => {
    line.hear(isBinary ? (data as Buffer) : String(data)) // one buffer, as ws gives by default
  })
  return line
}

function streamLine(socket: Socket): Line {
  const line = new Line(
    (frame) => socket.write(prefixFraming(Buffer.from(frame))),
    () => socket.resetAndDestroy(),
  )
  const reader = new FrameReader(32 * 1024 * 1024)
  socket.on("data", (chunk: Buffer) => {
    for (const frame of reader.push(chunk)) line.hear(frame.slice())
  })
  socket.on("error", () => {})
  return line
}

function jsonIn(frame: Frame): Message | undefined {
  if (typeof frame !== "string" && frame[0] !== 0x7b) return undefined
  return JSON.parse(typeof frame === "string" ? frame : Buffer.from(frame).toString())
}
