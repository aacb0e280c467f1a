/**
 * Lines over TCP and unix sockets, also through a SOCKS proxy: the SDK of programs, for Node only.
 *
 * What always holds: a host that ends in `.onion` is reached through a proxy or not at all, and its
 * name is looked up nowhere else; at most one socket lives at a time. Nothing is queued here.
 */
import { connect as dial, isIPv6, type Socket } from "node:net"
import { LineReader, overlong } from "../wire/lines.ts"
import { OperatorsSession } from "./operators.ts"
import type { Line, LineOwner, OpenLine, Operators, OperatorsOptions } from "./operators-shapes.ts"
import { openSocketLine } from "./operators-socket.ts"
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

export interface TcpOptions {
  /** `host:port` or `unix:path`; 127.0.0.1:9050 for an onion address if it is not said. */
  readonly socks?: string
}

/** A server's listener of lines, as a program sees it. Nothing is opened before it is used. */
export interface LineClient {
  /** Logs in as an operator. Throws TypeError for what cannot be a callsign. */
  operators(options: OperatorsOptions): Operators
}

/**
 * The operators at `address`: `host:port`, `tcp://host:port`, `unix:/path`, or a server's `http(s)`
 * or `ws(s)` address. Throws TypeError for what is no such address.
 */
export function connect(address: string, options: TcpOptions = {}): LineClient {
  const open = openerFor(address, options)
  return { operators: (wanted) => new OperatorsSession(open, wanted) }
}

/** How lines to `address` are opened. Throws TypeError for what is no address. */
export function openerFor(address: string, options: TcpOptions = {}): OpenLine {
  if (/^(?:https?|wss?):\/\//.test(address)) {
    if (options.socks !== undefined || isOnion(new URL(address).hostname)) {
      throw new TypeError("a WebSocket goes through no proxy here: give host:port")
    }
    return openSocketLine(address)
  }
  const place = placeOf(address)
  const proxy = "path" in place ? undefined : proxyFor(place.host, options.socks)
  // One for all connections of this identity: tor keeps its circuits apart from those of others.
  const identity = crypto.randomUUID()
  return (owner) =>
    new StreamLine(owner, (signal) => {
      if (proxy === undefined || "path" in place) return dialled(place, signal)
      return connectThrough({ proxy, ...place, identity, signal })
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
