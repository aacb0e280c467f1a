/**
 * WebSockets: upgrades by path, from the handshake to the frames. Home of ws.
 *
 * What always holds: a far end that is refused before the handshake gets a plain HTTP answer, and
 * nothing stays behind of it; permessage-deflate is off, so ws writes its pings, pongs and close
 * frames at once and they fall into line with the frames that net writes itself.
 */
import { type IncomingMessage, STATUS_CODES } from "node:http"
import type { Socket } from "node:net"
import { type RawData, WebSocket, WebSocketServer } from "ws"
import { guard, type Identity, type Random } from "../service.ts"
import { type Code, closeCodeOf, statusOf, WireError } from "../wire/error.ts"
import { Link, type Transport } from "./connection.ts"
import type { Connections } from "./connections.ts"
import { Encoder, webSocketFraming } from "./framing.ts"
import { type Gate, unknownHost } from "./gate.ts"
import { Half } from "./half.ts"
import { type Knock, knockOf } from "./knock.ts"
import type { WebSocketRoute } from "./route.ts"
import { hasTooManyLines, restOf, targetOf, tokenOf } from "./target.ts"

/** Close codes of who leaves in good order: done, the page was left, and none given. */
const goodbyes: ReadonlySet<number | undefined> = new Set([1000, 1001, undefined])

/** A close frame holds 125 bytes, two of them the code. */
const reasonBytes = 123

/** After how many seconds whom we refuse for now may try again, by HTTP status. */
const retryAfter: ReadonlyMap<number, number> = new Map([
  [503, 5],
  [429, 60], // what is limited before the handshake is limited by the minute
])

/** What `Retry-After` says to whom `error` refuses for now; undefined for whom it refuses for good. */
export function waitOf({ code, waitSeconds }: WireError): string | undefined {
  return (waitSeconds ?? retryAfter.get(statusOf(code)))?.toString()
}

export interface WebSocketsOptions {
  readonly routes: readonly WebSocketRoute<unknown, unknown>[]
  readonly connections: Connections
  readonly gate: Gate
  /** BASE_PATH: begins and ends with a slash. */
  readonly pathPrefix: string
  readonly random: Random
}

/** A route, and what is made once for all of its connections. */
interface Entrance {
  readonly route: WebSocketRoute<unknown, unknown>
  readonly prefix: string
  readonly encoder: Encoder<unknown>
  readonly server: WebSocketServer
}

/** A request to upgrade, with its socket and what follows it there. */
interface Visit {
  readonly request: IncomingMessage
  readonly socket: Socket
  readonly head: Buffer
}

/** Takes upgrades for all routes. http.ts gives it those of its server. */
export class WebSockets {
  readonly #entrances: readonly Entrance[]
  readonly #options: WebSocketsOptions
  // What ws asks back for while it answers a handshake.
  readonly #knocks = new WeakMap<IncomingMessage, Knock>()
  #stopping = false

  constructor(options: WebSocketsOptions) {
    this.#options = options
    const entrances = options.routes.map((route) => ({
      route,
      prefix: options.pathPrefix + route.prefix.slice(1),
      encoder: new Encoder(route.codec, webSocketFraming),
      server: this.#serverFor(route),
    }))
    // The longest first: a prefix may lie below another.
    this.#entrances = entrances.sort((a, b) => b.prefix.length - a.prefix.length)
  }

  /** The paths below which an upgrade is expected, base path included. Each ends with a slash. */
  get prefixes(): readonly string[] {
    return this.#entrances.map(({ prefix }) => prefix)
  }

  /** One `upgrade` event of an HTTP server. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    // ws listens once it has the socket; until then an error is an end like others.
    socket.on("error", ignore)
    this.#guarded(socket, () => this.#admit({ request, socket, head }))
  }

  /** From here on newcomers are sent away. */
  stopListening(): void {
    this.#stopping = true
  }

  #serverFor(route: WebSocketRoute<unknown, unknown>): WebSocketServer {
    const server = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      clientTracking: false,
      maxPayload: 2 * route.limits.messageBytes,
      WebSocket: Wire,
      // Without an agreed one ws would take the first that is offered.
      handleProtocols: (_, request) => this.#knocks.get(request)?.protocol ?? false,
    })
    server.on("headers", (headers, request) => {
      const setCookie = this.#knocks.get(request)?.setCookie
      if (setCookie !== undefined) headers.push(`Set-Cookie: ${setCookie}`)
    })
    server.on("wsClientError", (error, socket) => {
      // The types call it a Duplex; it is the socket that was handed in.
      this.#refuse(socket as Socket, new WireError("bad-message", error.message))
    })
    return server
  }

  /** Checks all that can be known without the service, then asks who it is. Throws a WireError. */
  #admit(visit: Visit): void {
    const { request, socket } = visit
    const { path, query } = targetOf(request)
    const entrance = this.#entrances.find(({ prefix }) => restOf(path, prefix) !== undefined)
    if (entrance === undefined) throw new WireError("not-found", "not found")
    if (this.#stopping) throw new WireError("going-away", "stopping")
    if (hasTooManyLines(request)) throw new WireError("bad-message", "too many header lines")
    if (!this.#options.gate.isAskedFor(request.headers)) {
      throw new WireError("forbidden", unknownHost)
    }
    const { route, prefix } = entrance
    const rest = restOf(path, prefix) ?? ""
    const knock = knockOf(request, { ...this.#options, route, rest })
    const offered = knock.params.get("protocols")?.split(",") ?? []
    const token = route.identify && tokenOf(request.headers, query, offered)
    if (token === undefined) return this.#connect(visit, { entrance, knock, identity: undefined })
    route.identify?.(token).then(
      (identity) =>
        this.#guarded(socket, () => this.#connect(visit, { entrance, knock, identity })),
      (thrown: unknown) =>
        this.#guarded(socket, () => this.#disbelieve(visit, { entrance, knock, thrown })),
    )
  }

  /** A bad token: told as this route tells refusals, after the handshake or instead of it. */
  #disbelieve(visit: Visit, to: { entrance: Entrance; knock: Knock; thrown: unknown }): void {
    const { thrown, entrance, knock } = to
    if (!(thrown instanceof WireError) || entrance.route.opens === "before") throw thrown
    this.#connect(visit, { entrance, knock, identity: undefined, refusal: thrown })
  }

  /** Counts it, opens it and answers the handshake, in the order its route wants. Throws a WireError. */
  #connect(
    visit: Visit,
    to: {
      readonly entrance: Entrance
      readonly knock: Knock
      readonly identity: Identity | undefined
      /** What to tell it after the handshake instead of serving it. */
      readonly refusal?: WireError
    },
  ): void {
    const { connections, gate } = this.#options
    const { route, encoder } = to.entrance
    const { params, address } = to.knock
    const { socket } = visit
    // While its token was checked it may have gone, or we may have begun to stop.
    if (socket.destroyed) return
    if (this.#stopping) throw new WireError("going-away", "stopping")
    const { identity } = to
    const gone = gate.enter(address, identity)
    const link = new Link(connections, route, { socket, encoder, params, identity, gone })
    this.#knocks.set(visit.request, to.knock)
    if (route.opens === "after") {
      if (!this.#shakeHands(to.entrance, visit, link)) return link.abandon()
      if (to.refusal !== undefined) return link.refuse(to.refusal)
      return link.open((error) => link.refuse(error))
    }
    let refusal: WireError | undefined
    link.open((error) => {
      refusal = error
    })
    if (refusal === undefined && this.#shakeHands(to.entrance, visit, link)) return
    link.abandon()
    if (refusal !== undefined) throw refusal
  }

  /** Answers the handshake and starts the connection; false when the handshake was bad. */
  #shakeHands({ server, route }: Entrance, visit: Visit, link: Link<unknown, unknown>): boolean {
    const { connections, gate } = this.#options
    const { request, socket, head } = visit
    let isDone = false
    // Calls back before it returns, or never.
    server.handleUpgrade(request, socket, head, (wire) => {
      isDone = true
      const group = gate.groupOf(link.params.get("address") ?? "")
      const begun = new Half(socket, link, { route, group })
      socket.once("close", connections.intake.add(begun))
      carry(wire as Wire, link, begun) // the server was told to make its WebSockets of this class
    })
    return isDone
  }

  /** What `work` throws is answered on the socket. */
  #guarded(socket: Socket, work: () => void): void {
    guard(this.#options.connections.log, "upgrade", work, (error) => this.#refuse(socket, error))
  }

  #refuse(socket: Socket, error: WireError): void {
    this.#options.connections.traffic.refused(error.code)
    const status = statusOf(error.code)
    const wait = waitOf(error)
    const lines = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      "Connection: close",
      "Content-Type: text/plain; charset=utf-8",
      `Content-Length: ${Buffer.byteLength(error.message)}`,
      "X-Content-Type-Options: nosniff",
      "Cache-Control: no-store",
      ...(wait === undefined ? [] : [`Retry-After: ${wait}`]),
    ]
    socket.once("finish", () => socket.destroy())
    socket.end(`${lines.join("\r\n")}\r\n\r\n${error.message}`)
  }
}

/** A WebSocket that tells when a closing begins: ws itself tells only when the socket is gone. */
class Wire extends WebSocket {
  /** The far end closes, or broke the protocol. Called before the close frame is written. */
  closing: (why: "goodbye" | "left" | Code) => void = ignore

  /** ws calls this with the far end's code and reason, or with its own code alone for what it cannot read. */
  override close(code?: number, reason?: string | Buffer): void {
    if (code === undefined || reason !== undefined) {
      this.closing(goodbyes.has(code) ? "goodbye" : "left")
      return super.close(code, reason)
    }
    const why = code === 1009 ? "too-large" : "bad-message"
    this.closing(why)
    // ws says 1008 for a message in too many fragments; we never do, since some clients take it as final.
    super.close(code === 1008 ? closeCodeOf(why) : code)
  }
}

/** Joins a WebSocket and its connection. */
function carry(wire: Wire, link: Link<unknown, unknown>, half: Half): void {
  const transport: Transport = {
    saysCode: true,
    pause: () => wire.pause(),
    resume: () => wire.resume(),
    ping: () => wire.ping(),
    end: (code, sentence) => wire.close(closeCodeOf(code), shortened(sentence)),
  }
  wire.closing = (why) => link.leave(why)
  // What ws cannot read it closes with a code of its own; that is told by `closing`.
  wire.on("error", ignore)
  wire.on("message", (data: RawData, isBinary: boolean) => {
    const bytes = data as Buffer // ws gives one Buffer unless binaryType is changed
    if (!half.ended(bytes.length)) return
    link.take(isBinary ? bytes : bytes.toString(), bytes.length)
  })
  wire.on("ping", (data: Buffer) => {
    half.skipped(data.length)
    link.pinged(data.length)
  })
  wire.on("pong", (data: Buffer) => {
    half.skipped(data.length)
    link.ponged(data.length)
  })
  link.start(transport)
}

/** As much of a sentence as a close frame holds, cut between characters. */
function shortened(sentence: string): string {
  if (Buffer.byteLength(sentence) <= reasonBytes) return sentence
  const bytes = new Uint8Array(reasonBytes)
  const { written } = new TextEncoder().encodeInto(sentence, bytes)
  return Buffer.from(bytes.subarray(0, written)).toString()
}

function ignore(): void {}
