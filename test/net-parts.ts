/**
 * A small service and real sockets for the tests of net. Nothing of ours is imitated: the service is
 * one, only small; the far ends are the ws client and plain sockets; the clock is turned by hand.
 */
import { randomBytes } from "node:crypto"
import { connect, type Socket } from "node:net"
import { WebSocket } from "ws"
import { Log } from "../src/log.ts"
import { Metrics } from "../src/metrics.ts"
import { Connections } from "../src/net/connections.ts"
import { Gate, type GateOptions } from "../src/net/gate.ts"
import { HttpListener, type HttpOptions } from "../src/net/http.ts"
import type { Limits, WebSocketRoute } from "../src/net/route.ts"
import { Turn } from "../src/net/turn.ts"
import { WebSockets } from "../src/net/websocket.ts"
import type { Codec, Connection, Identity, Service } from "../src/service.ts"
import { WireError } from "../src/wire/error.ts"

/** Who a token says one is, with a role that sees and no more. */
export function identityOf(subject: string, until = Number.POSITIVE_INFINITY): Identity {
  const rest = { places: undefined, rights: undefined, since: undefined }
  return { subject, role: "viewer", until, ...rest }
}

/** Says back what it hears. What it does when someone comes or speaks can be replaced. */
export class Echo implements Service<string, string> {
  readonly opened: Connection<string>[] = []
  readonly heard: string[] = []
  readonly closed: Connection<string>[] = []
  onOpen: (connection: Connection<string>) => void = () => {}
  onReceive: (connection: Connection<string>, message: string) => void = (connection, message) =>
    connection.send(message)
  #isAtWork = false

  open(connection: Connection<string>): void {
    this.#alone(() => this.onOpen(connection))
    this.opened.push(connection)
  }

  receive(connection: Connection<string>, message: string): void {
    this.heard.push(message)
    this.#alone(() => this.onReceive(connection, message))
  }

  close(connection: Connection<string>): void {
    this.#alone(() => this.closed.push(connection))
  }

  tick(): void {}

  stop(): void {}

  /** The connection that came last. */
  get last(): Connection<string> {
    const last = this.opened.at(-1)
    if (last === undefined) throw new Error("nobody has come")
    return last
  }

  /** Nothing may call into a service that is at work. */
  #alone(work: () => void): void {
    if (this.#isAtWork) throw new Error("called while at work")
    this.#isAtWork = true
    try {
      work()
    } finally {
      this.#isAtWork = false
    }
  }
}

/** Text as it is; "bad" is the one message that it does not allow. Counts what it encodes. */
export class EchoCodec implements Codec<string, string> {
  encoded = 0

  decode(frame: Uint8Array | string): string {
    const text = typeof frame === "string" ? frame : Buffer.from(frame).toString()
    if (text === "bad") throw new WireError("bad-message", "that was bad")
    return text
  }

  encode(message: string): string {
    this.encoded++
    return message
  }

  refuse(error: WireError): string | undefined {
    return `refused ${error.code}: ${error.message}`
  }
}

export const limits: Limits = {
  messageBytes: 1024 * 1024,
  messagesPerSecond: 0,
  messagesBurst: 0,
  bytesPerSecond: 0,
  bytesBurst: 0,
  behindBytes: 64 * 1024,
  slowBytes: 4 * 1024 * 1024,
  stalledMs: 10_000,
  offers: 16,
  heartbeatMs: 0,
  silenceMs: 0,
}

export interface NetOptions {
  readonly limits?: Partial<Limits>
  readonly route?: Partial<WebSocketRoute<unknown, unknown>>
  readonly gate?: Partial<GateOptions>
  readonly http?: Partial<HttpOptions>
  readonly unsentBytes?: number
  readonly begunBytes?: number
  readonly pathPrefix?: string
}

/** Everything below a service, with a log that keeps its lines. */
export function partsOf(options: Pick<NetOptions, "gate" | "unsentBytes" | "begunBytes"> = {}) {
  const lines: string[] = []
  const log = new Log("debug", (line) => lines.push(line))
  const metrics = new Metrics()
  const turn = new Turn()
  const { unsentBytes, begunBytes } = options
  const bound = {
    ...(unsentBytes === undefined ? {} : { unsentBytes }),
    ...(begunBytes === undefined ? {} : { begunBytes }),
  }
  const connections = new Connections({ log, metrics, turn, random: randomBytes, ...bound })
  const gate = new Gate({
    connections: 10_000,
    connectionsPerAddress: 256,
    trustProxy: 0,
    allowedOrigins: [],
    ...options.gate,
  })
  connections.tick(1_000_000)
  return { lines, log, metrics, turn, connections, gate, after: clockOf(connections) }
}

/** Turns the clock by so many ms, in steps of 100 as the server does, or in one. */
function clockOf(connections: Connections): (ms: number, step?: number) => void {
  return (ms, step = ms) => {
    for (let passed = 0; passed < ms; passed += step) connections.tick(connections.now + step)
  }
}

export type Net = Awaited<ReturnType<typeof startNet>>

/** A server with the echo service at /echo/. */
export async function startNet(options: NetOptions = {}) {
  const parts = partsOf(options)
  const { connections, gate, metrics, turn } = parts
  const service = new Echo()
  const codec = new EchoCodec()
  const { pathPrefix = "/" } = options
  const route: WebSocketRoute<unknown, unknown> = {
    name: "echo",
    prefix: "/echo/",
    opens: "before",
    origins: "own",
    query: [],
    protocols: () => undefined,
    service,
    codec,
    limits: { ...limits, ...options.limits },
    ...options.route,
  }
  const random = randomBytes
  const sockets = new WebSockets({ routes: [route], connections, gate, pathPrefix, random })
  const http = new HttpListener({
    pathPrefix,
    routes: [],
    sockets,
    connections,
    gate,
    metrics,
    random,
    pageDirectory: "/nowhere",
    page: { panels: [""], parts: ["echo"], frameAncestors: "'self'" },
    health: async () => ({ status: 200, body: "well" }),
    isReady: () => true,
    ...options.http,
  })
  const { port } = await http.listen(0, "127.0.0.1")
  const stop = async () => {
    const closed = http.stopListening()
    connections.cutAll("going-away")
    await connections.whenEmpty()
    http.close()
    await closed
  }
  const url = `ws://127.0.0.1:${port}${pathPrefix}`
  return { ...parts, turn, service, codec, sockets, http, port, url, stop }
}

/** Runs `work` against a server that is stopped whatever comes of it. */
export async function withNet(
  options: NetOptions,
  work: (net: Net) => Promise<void>,
): Promise<void> {
  const net = await startNet(options)
  try {
    await work(net)
  } finally {
    await net.stop()
  }
}

/** Lets the event loop turn until `holds`; fails the test when it does not within a minute. */
export async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + 60_000
  while (!holds()) {
    if (performance.now() > end) throw new Error(`it never came to ${holds}`)
    await aTurn()
  }
}

/** Lets the event loop turn once. */
export function aTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** A far end of the ws client. */
export class Peer {
  readonly socket: WebSocket
  readonly heard: string[] = []
  end: { readonly code: number; readonly reason: string } | undefined
  /** Status and body of the answer that refused the handshake. */
  refusal: { status: number; body: string; headers: NodeJS.Dict<string | string[]> } | undefined
  /** Headers of the answer that accepted it. */
  headers: NodeJS.Dict<string | string[]> = {}
  pings = 0

  constructor(url: string, protocols: string[] = [], options: WebSocket.ClientOptions = {}) {
    this.socket = new WebSocket(url, protocols, { perMessageDeflate: false, ...options })
    this.socket.on("message", (data) => this.heard.push(`${data}`))
    this.socket.on("ping", () => this.pings++)
    this.socket.on("upgrade", (response) => {
      this.headers = response.headers
    })
    this.socket.on("error", () => {}) // told by "close" as well
    this.socket.on("close", (code, reason) => {
      this.end = { code, reason: reason.toString() }
    })
    this.socket.on("unexpected-response", (_, response) => {
      let body = ""
      response.on("data", (chunk) => {
        body += chunk
      })
      response.on("end", () => {
        this.refusal = { status: response.statusCode ?? 0, body, headers: response.headers }
      })
    })
  }

  /** Resolves when the handshake was answered, in whichever way. */
  async settled(): Promise<this> {
    await until(() => this.socket.readyState === WebSocket.OPEN || this.isOver)
    return this
  }

  get isOver(): boolean {
    return this.end !== undefined || this.refusal !== undefined
  }

  /** Resolves with why it was closed. */
  async ended(): Promise<{ readonly code: number; readonly reason: string }> {
    await until(() => this.end !== undefined)
    return this.end ?? { code: 0, reason: "" }
  }

  /** Says `message` and resolves when it has come back: all that was said before has been dealt with. */
  async roundTrip(message: string): Promise<void> {
    this.socket.send(message)
    await until(() => this.heard.includes(message))
  }
}

/** A plain socket, and all that came by it. */
export class Wire {
  readonly socket: Socket
  bytes = Buffer.alloc(0)
  isOver = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.on("data", (chunk: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, chunk])
    })
    socket.on("error", () => {}) // told by "close" as well
    socket.on("close", () => {
      this.isOver = true
    })
  }

  static async to(port: number): Promise<Wire> {
    const socket = connect(port, "127.0.0.1")
    await new Promise((resolve) => socket.once("connect", resolve))
    return new Wire(socket)
  }

  get text(): string {
    return this.bytes.toString()
  }

  /** Resolves with everything, when the other side has ended it. */
  async all(): Promise<string> {
    await until(() => this.isOver)
    return this.text
  }
}

/** The lines of a handshake with `path`, and further headers. */
export function handshake(path: string, headers: readonly string[] = []): string {
  return [
    `GET ${path} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
    "\r\n",
  ].join("\r\n")
}

/** A masked frame of a far end. The mask is zero, so its payload reads as it is. */
export function frame(opcode: number, payload: Buffer | string, fin: "last" | "more" = "last") {
  const bytes = Buffer.from(payload)
  const first = (fin === "last" ? 0x80 : 0) | opcode
  const mask = Buffer.alloc(4)
  if (bytes.length < 126)
    return Buffer.concat([Buffer.from([first, 0x80 | bytes.length]), mask, bytes])
  const head = Buffer.alloc(10)
  head[0] = first
  head[1] = 0xff
  head.writeBigUInt64BE(BigInt(bytes.length), 2)
  return Buffer.concat([head, mask, bytes])
}

/** A far end that has shaken hands and then never reads: the kernel's buffers fill, then ours. */
export async function deafPeer(net: Net, path = "/echo/deaf"): Promise<Wire> {
  const wire = await Wire.to(net.port)
  wire.socket.write(handshake(path))
  await until(() => wire.text.includes("\r\n\r\n"))
  wire.socket.pause()
  return wire
}
