/**
 * Operators and pools over TCP, TLS and unix sockets, also through a SOCKS proxy: the SDK of programs,
 * for Node only.
 *
 * What always holds: a host that ends in `.onion` is reached through a proxy or not at all, and its
 * name is looked up nowhere else; at most one socket lives at a time. Nothing is queued here.
 */
import { connect as dial, isIPv6, type Socket } from "node:net"
import { connect as secure } from "node:tls"
import { LineReader, overlong } from "../wire/lines.ts"
import type { Mapper } from "./blocks-mapping.ts"
import { OperatorsSession } from "./operators.ts"
import type { Line, LineOwner, OpenLine, Operators, OperatorsOptions } from "./operators-shapes.ts"
import { openSocketLine } from "./operators-socket.ts"
import { connectApp } from "./pools-app.ts"
import type { OpenWire } from "./pools-link.ts"
import type { App, AppOptions } from "./pools-shapes.ts"
import { openSocketWire } from "./pools-socket.ts"
import { openStreamWire } from "./pools-stream.ts"
import { endingOf } from "./socket.ts"
import { connectThrough, type Place, SocksError } from "./socks.ts"

/** The wait before the first return; it doubles with each try that fails. */
const firstWaitMs = 1_000
const longestWaitMs = 60_000
/** Tor publishes and forgets no service in less. */
const laterMs = 30_000
/** Without a proxy; with one it is the proxy's. */
const connectMs = 15_000
/** A line of an original server may be longer than ours are. */
const lineBytes = 1_048_576

/** Who is believed to be the server, and who this program is, all as PEM. */
export interface TlsOptions {
  /** The authority of the server's certificate, instead of those that the system believes. */
  readonly ca?: string
  /** This program's own certificate and its key. */
  readonly cert?: string
  readonly key?: string
  /** The name in the server's certificate, where that is not the address. */
  readonly servername?: string
}

export interface TcpOptions {
  /** `host:port` or `unix:path`; 127.0.0.1:9050 for an onion address if it is not said. */
  readonly socks?: string
  /** For `tls://` addresses. */
  readonly tls?: TlsOptions
}

/** A server's listener of lines, as a program sees it. Nothing is opened before it is used. */
export interface LineClient {
  /** Logs in as an operator. Throws TypeError for what cannot be a callsign. */
  operators(options: OperatorsOptions): Operators
  /** Connects to pools as an app. Rejects with PoolsError when it is refused, or nobody is there. */
  pools(options: AppOptions): Promise<App>
}

/**
 * The operators or pools at `address`: `host:port`, `tcp://host:port`, `tls://host:port`, `unix:/path`,
 * or a server's `http(s)` or `ws(s)` address. Throws TypeError for what is no such address.
 */
export function connect(address: string, options: TcpOptions = {}): LineClient {
  const open = openerFor(address, options)
  const openWire = wiresFor(address, options)
  return {
    operators: (wanted) => new OperatorsSession(open, wanted),
    pools: (wanted) => connectApp(openWire, wanted, loadMapper),
  }
}

/** Only who uses blocks needs it. */
async function loadMapper(): Promise<Mapper | undefined> {
  const shm = await import("./shm.ts")
  return shm.loadMapper()
}

/** How lines to `address` are opened. Throws TypeError for what is no address. */
export function openerFor(address: string, options: TcpOptions = {}): OpenLine {
  const reach = reacherFor(address, options)
  return reach === undefined ? openSocketLine(address) : (owner) => new StreamLine(owner, reach)
}

/** How frames to `address` are carried. Throws TypeError for what is no address. */
function wiresFor(address: string, options: TcpOptions = {}): OpenWire {
  const reach = reacherFor(address, options)
  return reach === undefined ? openSocketWire(address) : openStreamWire(reach)
}

type Reach = (signal: AbortSignal) => Promise<Socket>

/** How sockets to `address` are opened; undefined for that of a WebSocket. */
function reacherFor(address: string, options: TcpOptions): Reach | undefined {
  if (/^(?:https?|wss?):\/\//.test(address)) {
    if (options.socks !== undefined || isOnion(new URL(address).hostname)) {
      throw new TypeError("a WebSocket goes through no proxy here: give host:port")
    }
    return undefined
  }
  const isSecure = address.startsWith("tls://")
  const place = placeOf(address.replace(/^tls:\/\//, "tcp://"))
  const proxy = "path" in place ? undefined : proxyFor(place.host, options.socks)
  // One for all connections of this identity: tor keeps its circuits apart from those of others.
  const identity = crypto.randomUUID()
  const reach: Reach = (signal) => {
    if (proxy === undefined || "path" in place) return dialled(place, signal)
    return connectThrough({ proxy, ...place, identity, signal })
  }
  if (!isSecure || "path" in place) return reach
  return async (signal) => secured(await reach(signal), place.host, options.tls ?? {})
}

/** Speaks TLS over a socket. Rejects when the far end is not who it should be. */
function secured(socket: Socket, host: string, options: TlsOptions): Promise<Socket> {
  const name = options.servername ?? host
  const isName = isIPv6(name) || /^[\d.]+$/.test(name) ? {} : { servername: name }
  return new Promise((resolve, reject) => {
    const line = secure({ ...options, socket, host: name, ...isName })
    const timer = setTimeout(() => fail(new Error(`${host} does not answer with TLS`)), connectMs)
    const fail = (problem: Error) => {
      clearTimeout(timer)
      line.destroy()
      reject(problem)
    }
    line.once("error", fail)
    line.once("secureConnect", () => {
      clearTimeout(timer)
      line.off("error", fail)
      resolve(line)
    })
  })
}

/** Reads `host:port`, `[v6]:port`, `tcp://…` or `unix:/path`. Throws TypeError for anything else. */
export function placeOf(address: string): Place {
  const path = /^unix:(?:\/\/)?(.+)$/.exec(address)?.[1]
  if (path !== undefined) return { path }
  const found = /^(?:tcp:\/\/)?(?:\[([0-9a-fA-F:]+)\]|([^:/[\]\s]+)):(\d{1,5})\/?$/.exec(address)
  const [, v6, name, port] = found ?? []
  const host = v6 ?? name
  if (host === undefined || Number(port) > 65_535 || (v6 !== undefined && !isIPv6(v6))) {
    throw new TypeError(`not an address: "${address}"; host:port, unix:PATH or ws://… is one`)
  }
  return { host, port: Number(port) }
}

function proxyFor(host: string, socks: string | undefined): Place | undefined {
  if (socks !== undefined) return placeOf(socks.replace(/^socks5h?:(?:\/\/)?/, ""))
  return isOnion(host) ? { host: "127.0.0.1", port: 9_050 } : undefined
}

function isOnion(host: string): boolean {
  return /\.onion\.?$/i.test(host)
}

function dialled(place: Place, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = dial("path" in place ? { path: place.path } : { ...place })
    const at = "path" in place ? place.path : `${place.host}:${place.port}`
    const timer = setTimeout(() => fail(new Error(`nothing answers at ${at}`)), connectMs)
    const onAbort = () => fail(new Error("given up"))
    const fail = (problem: Error) => {
      clearTimeout(timer)
      socket.destroy()
      reject(problem)
    }
    signal.addEventListener("abort", onAbort)
    socket.once("error", (problem) => {
      const code = "code" in problem ? problem.code : problem.message
      fail(new Error(`${at} cannot be reached (${code})`))
    })
    socket.once("connect", () => {
      clearTimeout(timer)
      signal.removeEventListener("abort", onAbort)
      resolve(socket)
    })
  })
}

class StreamLine implements Line {
  readonly #owner: LineOwner
  readonly #dial: (signal: AbortSignal) => Promise<Socket>
  #socket: Socket | undefined
  /** The try that is under way. */
  #attempt: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #tries = 0
  #isOver = false

  constructor(owner: LineOwner, connecting: (signal: AbortSignal) => Promise<Socket>) {
    this.#owner = owner
    this.#dial = connecting
    this.#open()
  }

  send(line: string): boolean {
    if (this.#socket?.writable !== true) return false
    this.#socket.write(`${line}\n`)
    return true
  }

  settle(): void {
    this.#tries = 0
  }

  rejoin(): void {
    if (this.#socket !== undefined) this.#lose("the server fell silent", "soon")
  }

  close(): void {
    this.#isOver = true
    this.#giveUp()
  }

  #open(): void {
    const attempt = new AbortController()
    this.#attempt = attempt
    this.#dial(attempt.signal).then(
      (socket) => {
        if (this.#attempt !== attempt) return void socket.destroy()
        this.#listen(socket)
        this.#owner.opened()
      },
      (thrown: unknown) => {
        if (this.#attempt !== attempt) return
        const sentence = thrown instanceof Error ? thrown.message : String(thrown)
        this.#lose(sentence, thrown instanceof SocksError ? thrown.comesBack : "soon")
      },
    )
  }

  #listen(socket: Socket): void {
    this.#socket = socket
    socket.setNoDelay(true)
    const reader = new LineReader(lineBytes)
    socket.on("data", (chunk: Buffer) => {
      for (const line of reader.push(chunk)) {
        // A listener may have given the line up between two of its lines.
        if (this.#socket === socket && line !== overlong) this.#owner.heard(line)
      }
    })
    socket.on("error", () => {}) // told by "close" as well
    socket.on("close", () => {
      if (this.#socket === socket) this.#lose("the line was lost", "soon")
    })
    socket.resume()
  }

  #lose(sentence: string, comesBack: SocksError["comesBack"]): void {
    this.#giveUp()
    const ending = { ...endingOf(1006, sentence), comesBack: comesBack !== "never" }
    if (this.#isOver || !ending.comesBack) {
      this.#isOver = true
    } else {
      // Full jitter: a server that restarts meets its operators spread over the whole wait.
      const longest = Math.min(longestWaitMs, firstWaitMs * 2 ** this.#tries)
      const waitMs = Math.random() * longest + (comesBack === "later" ? laterMs : 0)
      this.#tries += 1
      this.#timer = setTimeout(() => this.#open(), waitMs)
    }
    this.#owner.lost(ending)
  }

  #giveUp(): void {
    clearTimeout(this.#timer)
    this.#attempt?.abort()
    this.#attempt = undefined
    const socket = this.#socket
    this.#socket = undefined
    // What was said before the end should leave, if the far end still reads.
    socket?.end()
    socket?.destroySoon()
  }
}

export type {
  AttachOptions,
  Block,
  BlockNotice,
  BlockOptions,
  BlockRef,
  Lock,
  LockOptions,
  Pinned,
  PoolBlocks,
  ReadOptions,
  Ring,
  RingOptions,
  RingRecord,
  Sealed,
  Snapshot,
  SubscribeOptions,
  WriteOptions,
  Written,
} from "./blocks-shapes.ts"
export { nodePrimitives } from "./keys-node.ts"
export {
  type End,
  type Incoming,
  type Operators,
  OperatorsError,
  type OperatorsOptions,
  type Outgoing,
  type OwnSession,
  type SendOptions,
} from "./operators-shapes.ts"
export { type AppKey, keyFromSeed } from "./pools-key.ts"
export type { CertifyOptions, HeldKeys, Keys } from "./pools-sealed.ts"
export {
  type AdminOptions,
  type Advice,
  type App,
  type AppOptions,
  type AppState,
  type CallContext,
  type CallOptions,
  type CancelMode,
  type Candidate,
  type Emit,
  type EmitOptions,
  type Explanation,
  type HandleOptions,
  type JoinOptions,
  type Member,
  type OnOptions,
  type Policy,
  type Pool,
  type PoolEvent,
  type PoolOptions,
  PoolsError,
  type Proof,
  type Reached,
  type Right,
  type Rights,
  type Stream,
  type Undo,
  type Work,
} from "./pools-shapes.ts"
