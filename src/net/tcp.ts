/**
 * Listeners for TCP and unix sockets: bytes cut into frames or lines, and a service behind them.
 *
 * What always holds: of what has been read, only what may be handed on is parsed, so a connection
 * that rests keeps one chunk at most; and a unix socket in the way is removed only when nobody
 * listens on it. TCP has no close code: the protocol says why, and then the socket ends.
 */
import { chmodSync, lstatSync, unlinkSync } from "node:fs"
import { connect, createServer, type ListenOptions, type Server, type Socket } from "node:net"
import { createServer as createTlsServer, TLSSocket } from "node:tls"
import { guard } from "../service.ts"
import { WireError } from "../wire/error.ts"
import { FrameReader } from "../wire/frames.ts"
import { LineReader, overlong } from "../wire/lines.ts"
import { Link, type Transport } from "./connection.ts"
import type { Connections } from "./connections.ts"
import { Doorstep } from "./doorstep.ts"
import { Encoder, lineFraming, prefixFraming } from "./framing.ts"
import type { Gate } from "./gate.ts"
import type { StreamRoute } from "./route.ts"

/** Whoever has not shaken hands with TLS by then is cut off, in ms. */
const tlsHandshakeMs = 10_000

/** A unix socket is for its owner and its group. */
const socketMode = 0o660

export interface StreamOptions {
  readonly route: StreamRoute<unknown, unknown>
  /** What has to stand before each connection's own bytes: nothing, or a PROXY line that names its circuit. */
  readonly preface?: "none" | "circuit"
  readonly connections: Connections
  readonly gate: Gate
  /** Certificate and key as PEM, for TCP. */
  readonly tls?: {
    readonly cert: string
    readonly key: string
    /** Who comes must show a certificate of this authority. */
    readonly ca?: string
  }
}

/** Where to listen: an address (port 0 takes a free one), or the path of a unix socket. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string }

export class StreamListener {
  readonly #options: StreamOptions
  readonly #encoder: Encoder<unknown>
  readonly #server: Server
  readonly #doorstep: Doorstep

  constructor(options: StreamOptions) {
    const { route, tls, gate } = options
    // Neither lines nor frames know a ping.
    const limits = { ...route.limits, heartbeatMs: 0 }
    this.#options = { ...options, route: { ...route, limits } }
    const framing = route.framing === "lines" ? lineFraming : prefixFraming
    this.#encoder = new Encoder(route.codec, framing)
    this.#doorstep = new Doorstep(options.connections, ({ socket, circuit, rest }) =>
      this.#enter(socket, circuit, rest),
    )
    const take = (socket: Socket) => this.#take(socket)
    if (tls === undefined) {
      this.#server = createServer({ noDelay: true }, take)
      return
    }
    const handshake = { handshakeTimeout: tlsHandshakeMs, minVersion: "TLSv1.2" } as const
    const asked = tls.ca === undefined ? {} : { requestCert: true, rejectUnauthorized: true }
    this.#server = createTlsServer({ ...tls, ...handshake, ...asked, noDelay: true }, take)
    // Whoever speaks no TLS, or shows no certificate that counts.
    this.#server.on("tlsClientError", () => {
      if (route.figures !== "none") options.connections.traffic.refused("unauthenticated")
    })
    // Before its handshake a socket is no connection yet, but it costs.
    this.#server.on("connection", (socket) => gate.takeSocket(socket))
  }

  /** Begins to listen; resolves with where: `127.0.0.1:9696`, or the path. Rejects when it cannot. */
  async listen(place: Place): Promise<string> {
    if ("path" in place) await removeStale(place.path)
    await listening(this.#server, place)
    // A socket that cannot be accepted (no descriptors left, say) ends nothing but itself.
    this.#server.on("error", () => this.#options.connections.log.error("accept failed"))
    if ("path" in place) chmodSync(place.path, socketMode)
    const address = this.#server.address()
    if (address === null || typeof address === "string") return address ?? ""
    return `${address.address}:${address.port}`
  }

  /** Takes no one new. A unix socket is removed; those who are connected stay. */
  stopListening(): void {
    this.#server.close()
    this.#doorstep.close()
  }

  #take(socket: Socket): void {
    const { connections, gate } = this.#options
    socket.on("error", ignore)
    if (this.#options.preface === "circuit") return this.#doorstep.take(socket, connections.now)
    const circuit = gate.groupOf(gate.addressOf(socket.remoteAddress, {}))
    this.#enter(socket, circuit)
  }

  #enter(socket: Socket, circuit: string | undefined, begun?: Uint8Array): void {
    const { route, connections, gate } = this.#options
    const encoder = this.#encoder
    const turnAway = (error: WireError) => this.#turnAway(socket, error)
    const enter = () => {
      const address = gate.addressOf(socket.remoteAddress, {})
      const gone = gate.enter(address, undefined)
      const params = new Map([["address", address]])
      if (circuit !== undefined) params.set("circuit", circuit)
      const certified = this.#options.tls?.ca === undefined ? undefined : namesIn(socket)
      if (certified !== undefined) params.set("certificate", certified)
      const binding = bindingOf(socket)
      if (binding !== undefined) params.set("binding", binding)
      const options = { socket, encoder, params, identity: undefined, gone }
      const link = new Link(connections, route, options)
      const stream = new Stream(socket, link, this.#options)
      link.start(stream)
      link.open((error) => link.refuse(error))
      if (begun !== undefined) stream.read(begun)
    }
    guard(connections.log, `${route.name} accept`, enter, turnAway)
  }

  #turnAway(socket: Socket, error: WireError): void {
    const { route, connections } = this.#options
    if (route.figures !== "none") connections.traffic.refused(error.code)
    socket.once("finish", () => socket.destroy())
    const tell = () => {
      const told = route.codec.refuse(error)
      if (told !== undefined) socket.write(this.#encoder.frame(told))
    }
    guard(connections.log, `${route.name} refuse`, tell)
    socket.end()
  }
}

/** One socket: what comes in is cut up as fast as the connection takes it. */
class Stream implements Transport {
  readonly saysCode = false
  readonly #socket: Socket
  readonly #link: Link<unknown, unknown>
  readonly #options: StreamOptions
  readonly #cut: (chunk: Uint8Array) => Iterator<Uint8Array | string | typeof overlong>
  // What of the last chunk has not been cut up yet.
  #rest: Iterator<Uint8Array | string | typeof overlong> | undefined
  #isReading = true
  readonly #begun: () => number
  // What of its begun frame the ingress of its route counts.
  #accounted = 0
  // Bytes that came and were not handed on yet: of a begun line, or of one that is skipped.
  #uncounted = 0

  constructor(socket: Socket, link: Link<unknown, unknown>, options: StreamOptions) {
    const { framing, limits } = options.route
    const reader =
      framing === "lines"
        ? new LineReader(limits.messageBytes)
        : new FrameReader(limits.messageBytes, (length) => this.#checkFrame(length))
    this.#begun = () => (reader instanceof FrameReader ? reader.begunBytes : 0)
    this.#socket = socket
    this.#link = link
    this.#options = options
    this.#cut = (chunk) => reader.push(chunk)
    socket.on("data", (chunk: Buffer) => this.read(chunk))
    // Node ends our side by itself, after what is queued.
    socket.on("end", () => link.leave("left"))
    socket.once("close", () => this.#account(0))
  }

  /** The next bytes. */
  read(chunk: Uint8Array): void {
    this.#uncounted += chunk.length
    this.#rest = this.#cut(chunk)
    this.#handOn()
  }

  pause(): void {
    this.#isReading = false
    this.#socket.pause()
  }

  resume(): void {
    this.#isReading = true
    this.#handOn()
    // A message of the rest may have paused it again.
    if (this.#isReading) this.#socket.resume()
  }

  ping(): void {
    throw new Error("never: its heartbeat is off")
  }

  end(): void {
    this.#socket.end()
  }

  #handOn(): void {
    const { connections, route } = this.#options
    const work = () => {
      while (this.#isReading && this.#rest !== undefined) {
        const { done, value } = this.#rest.next()
        if (done !== true) {
          this.#handOver(value)
          continue
        }
        this.#rest = undefined
        this.#account(this.#begun())
        // A line that never ends costs what it brings, too.
        if (this.#uncounted > route.limits.messageBytes) this.#link.pinged(this.#uncounted)
        if (this.#uncounted > route.limits.messageBytes) this.#uncounted = 0
      }
    }
    guard(connections.log, `${route.name} read`, work, (error) => {
      // After a frame above the limit nothing more can be read from this reader.
      this.#rest = undefined
      this.#link.refuse(error)
    })
  }

  /** Throws where a frame may not be so long yet. */
  #checkFrame(length: number): void {
    const limit = this.#options.route.frameBytes?.(this.#link) ?? length
    if (length <= limit) return
    throw new WireError("too-many", `a frame holds at most ${limit} bytes before the handshake`)
  }

  /** Counts what is begun. Throws when all begun frames together are too long. */
  #account(bytes: number): void {
    const { ingress } = this.#options.route
    if (ingress === undefined) return
    ingress.bytes += bytes - this.#accounted
    this.#accounted = bytes
    if (bytes === 0 || ingress.bytes <= ingress.limitBytes) return
    throw new WireError("too-many", `begun frames hold ${ingress.limitBytes} bytes in all already`)
  }

  #handOver(message: Uint8Array | string | typeof overlong): void {
    if (message === overlong) {
      const { limits, overlong: mark } = this.#options.route
      const limit = limits.messageBytes
      if (mark === undefined) {
        throw new WireError("too-large", `a line holds at most ${limit} bytes`)
      }
      this.#uncounted = 0
      return this.#link.take(mark, limit)
    }
    const bytes = typeof message === "string" ? Buffer.byteLength(message) : message.length
    this.#uncounted = Math.max(0, this.#uncounted - bytes - 1)
    this.#link.take(message, bytes)
  }
}

/** The app ids that a certificate is for, by comma. */
function namesIn(socket: Socket): string {
  const names = socket instanceof TLSSocket ? socket.getPeerCertificate().subjectaltname : ""
  const found = (names ?? "").matchAll(/URI:urn:quartet:app:([A-Za-z0-9._-]{1,128})(?=,|$)/g)
  return [...found].map((match) => match[1] ?? "").join(",")
}

/** What both ends of a TLS connection know and nobody else (RFC 9266), 32 bytes in base64url; undefined without TLS. */
function bindingOf(socket: Socket): string | undefined {
  if (!(socket instanceof TLSSocket)) return undefined
  // Before TLS 1.3 it may be the same for two connections.
  if (socket.getProtocol() !== "TLSv1.3") return undefined
  return socket
    .exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0))
    .toString("base64url")
}

function listening(server: Server, place: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(place, () => {
      server.off("error", reject)
      resolve()
    })
  })
}

/** Removes a socket file that a server which died has left. Throws when it is something else, or someone listens. */
async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) throw new Error(`${path} exists and is no socket`)
  if (await isHeard(path)) throw new Error(`another process listens on ${path}`)
  unlinkSync(path)
}

/** Whether somebody answers on a unix socket. */
function isHeard(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once("connect", () => {
      socket.destroy()
      resolve(true)
    })
    socket.once("error", (error: NodeJS.ErrnoException) => {
      // What else goes wrong (no right to connect, say) does not prove that nobody is there.
      if (error.code === "ECONNREFUSED") resolve(false)
      else reject(error)
    })
  })
}

function ignore(): void {}
