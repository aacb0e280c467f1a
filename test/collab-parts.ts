/** A program with a WebSocket server of its own, in which a relay runs, and clients of it. */
import { once } from "node:events"
import type { IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import type { TestContext } from "node:test"
import { WebSocket, WebSocketServer } from "ws"
import {
  extractDocId,
  generateClientId,
  type RelayChoice,
  type SocketLike,
  StatelessCollabRelay,
  type Visit,
} from "../src/collab.ts"
import { eventually, HandClock } from "./harness.ts"
import type { Frame } from "./lfcc-parts.ts"

/** A program, its relay, and the clock that is turned by hand. */
export class Program {
  readonly clock: HandClock
  readonly relay: StatelessCollabRelay
  readonly server: WebSocketServer
  /** The server's ends, in the order in which they came. */
  readonly ends: WebSocket[] = []
  readonly #t: TestContext
  readonly #visit: (request: IncomingMessage) => Visit

  private constructor(
    t: TestContext,
    options: RelayChoice,
    visit: (request: IncomingMessage) => Visit,
  ) {
    this.#t = t
    this.#visit = visit
    this.clock = new HandClock()
    this.relay = new StatelessCollabRelay(options, this.clock)
    this.server = new WebSocketServer({ port: 0, host: "127.0.0.1" })
    t.after(() => {
      for (const client of this.server.clients) client.terminate()
      this.server.close()
    })
  }

  /** `visit` says how each far end comes. */
  static async start(
    t: TestContext,
    options: RelayChoice = {},
    visit: (request: IncomingMessage) => Visit = () => ({}),
  ): Promise<Program> {
    const program = new Program(t, options, visit)
    await once(program.server, "listening")
    await program.relay.initialize()
    program.#serve()
    // What was here before the program began is not waited for any more.
    program.clock.turn(5_100)
    return program
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}` // it listens on TCP
  }

  /** A client, once the relay has seen it. */
  async joins(path: string, payload: object = {}): Promise<Client> {
    const client = new Client(this.#t, this.url + path)
    const before = this.ends.length
    await once(client.socket, "open")
    await eventually(() => this.ends.length > before)
    client.says("JOIN", { payload })
    return client
  }

  /** Lets time pass until `look` finds something. */
  async passes<T>(look: () => T | undefined | false): Promise<T> {
    return eventually(() => {
      const found = look()
      if (found === undefined || found === false) this.clock.turn(10)
      return found
    })
  }

  /** Stops the relay; time passes meanwhile. */
  async stops(): Promise<void> {
    let isDone = false
    void this.relay.shutdown().then(() => {
      isDone = true
    })
    await this.passes(() => isDone)
  }

  // As any program would: the server is its own, and so is what it does with a request.
  #serve(): void {
    const { relay } = this
    this.server.on("connection", (ws, request) => {
      const query = new URL(request.url ?? "", "ws://localhost").searchParams
      const senderId = query.get("as") ?? generateClientId()
      ws.on("message", (data: Buffer, isBinary) => {
        relay.handleMessage(ws, isBinary ? data : data.toString())
      })
      relay.handleConnection(ws, extractDocId(request), senderId, this.#visit(request))
      ws.on("close", () => relay.handleDisconnection(ws))
      this.ends.push(ws)
    })
  }
}

/** An LFCC client over a real socket. */
export class Client {
  readonly heard: Frame[] = []
  readonly socket: WebSocket
  ended: { readonly code: number; readonly reason: string } | undefined
  /** Base64 of what it answers with, and as whom. */
  #content: { readonly snapshot: string; readonly senderId: string } | undefined

  constructor(t: TestContext, url: string) {
    this.socket = new WebSocket(url)
    this.socket.on("message", (data: Buffer) => {
      const frame: Frame = JSON.parse(data.toString())
      this.heard.push(frame)
      if (frame.type === "SNAPSHOT_REQUEST" && this.#content !== undefined) this.#answer(frame)
    })
    this.socket.on("close", (code, reason) => {
      this.ended = { code, reason: reason.toString() }
    })
    // "close" says what is to be known.
    this.socket.on("error", () => {})
    t.after(() => this.socket.terminate())
  }

  says(type: string, fields: object = {}): void {
    const stamp = { type, docId: "notes", senderId: "me", ts: 1 }
    this.socket.send(JSON.stringify({ ...stamp, ...fields }))
  }

  /** Answers whenever it is asked: for a newcomer, or for a server that may lack something. */
  serves(snapshot: string, senderId = "me"): void {
    this.#content = { snapshot, senderId }
    for (const frame of this.all("SNAPSHOT_REQUEST")) this.#answer(frame)
  }

  #answer({ payload }: Frame): void {
    const { snapshot, senderId } = this.#content ?? {}
    const requestId = payload?.["requestId"]
    const answer = { requestId, snapshot, isBase64: true }
    this.says("SNAPSHOT_RESPONSE", { senderId, payload: answer })
  }

  writes(base64: string): void {
    this.says("CRDT_UPDATE", { bytesB64: base64 })
  }

  all(type: string): readonly Frame[] {
    return this.heard.filter((each) => each.type === type)
  }

  first(type: string): Promise<Frame> {
    return eventually(() => this.all(type)[0])
  }

  /** Bytes it was given, in order. */
  get updates(): readonly unknown[] {
    return this.heard
      .flatMap((each) => (each.type === "BATCH" ? (each["messages"] as Frame[]) : [each])) // frames, by the codec
      .filter(({ type }) => type === "CRDT_UPDATE")
      .map((each) => each["bytesB64"])
  }
}

/** A socket of nobody's making. */
export class Strange implements SocketLike {
  readonly said: string[] = []
  readyState = 1
  bufferedAmount = 0
  closed: number | undefined

  send(data: string | Uint8Array): void {
    this.said.push(String(data))
  }

  close(code?: number): void {
    this.closed = code
    this.readyState = 3
  }
}
