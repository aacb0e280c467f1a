/**
 * SOCKS5 CONNECT, for Node: how a program reaches an onion service through tor. RFC 1928, 1929 and
 * tor's extended errors.
 *
 * What always holds: the proxy is given the name, and nothing is looked up here; memory for what a
 * proxy says is bounded; what comes behind its answer belongs to the far end and is not lost.
 *
 *     05 01 02 · 05 02 · 01 04 user 04 pass · 01 00 · 05 01 00 03 0b example.org 25 e0 · 05 00 00 01 …
 */
import { connect, type Socket } from "node:net"

/** Where something listens. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string }

export interface SocksOptions {
  readonly proxy: Place
  readonly host: string
  readonly port: number
  /** Tor keeps circuits of different ones apart. 1 to 255 bytes. */
  readonly identity: string
  /** For all of it, in ms; 120,000 if not said. */
  readonly limitMs?: number
  readonly signal?: AbortSignal
}

/** Why the proxy did not connect. `final`: coming back as one is has no use. */
export class SocksError extends Error {
  readonly comesBack: "soon" | "later" | "never"

  constructor(sentence: string, comesBack: SocksError["comesBack"] = "soon") {
    super(sentence)
    this.name = "SocksError"
    this.comesBack = comesBack
  }
}

/** What a reply says. Those from 0xf0 are tor's, for onion services. */
const replies: ReadonlyMap<number, readonly [string, SocksError["comesBack"]]> = new Map([
  [0x01, ["the proxy could not connect", "soon"]],
  [0x02, ["the proxy does not allow this address", "never"]],
  [0x03, ["the network cannot be reached", "soon"]],
  [0x04, ["the host cannot be reached", "soon"]],
  [0x05, ["the connection was refused: nothing listens there", "soon"]],
  [0x06, ["the proxy gave up: the circuit took too long", "soon"]],
  [0x07, ["the proxy knows no CONNECT", "never"]],
  [0x08, ["the proxy takes no names", "never"]],
  [0xf0, ["the onion service was not found; it may be new or down, try in 30 s", "later"]],
  [0xf1, ["what is published of the onion service is invalid", "later"]],
  [0xf2, ["the onion service did not answer the introduction", "soon"]],
  [0xf3, ["no rendezvous with the onion service came about", "soon"]],
  [0xf4, ["the onion service wants a key that your tor does not have", "never"]],
  [0xf5, ["the onion service does not take the key that your tor has", "never"]],
  [0xf6, ["that is no onion address: look for a mistyped letter", "never"]],
  [0xf7, ["the onion service did not answer in time", "soon"]],
])

const limitMs = 120_000
const [version, byName, noPassword, password, unacceptable] = [5, 3, 0, 2, 0xff]

/**
 * Connects to `host` through `proxy`. Rejects with SocksError, in words; the socket is gone then.
 */
export async function connectThrough(options: SocksOptions): Promise<Socket> {
  const { proxy, host, port, identity } = options
  const name = Buffer.from(host)
  if (name.length === 0 || name.length > 255) throw new SocksError("the name is too long", "never")
  const socket = connect("path" in proxy ? { path: proxy.path } : { ...proxy })
  const reader = new Reader(socket, options)
  try {
    await reader.opened()
    socket.write(Uint8Array.of(version, 2, noPassword, password))
    const [, method] = await reader.take(2, "the greeting")
    if (method === unacceptable) throw new SocksError("the proxy wants another login", "never")
    if (method === password) {
      const words = Buffer.from(identity)
      const half = Buffer.concat([Uint8Array.of(words.length), words])
      socket.write(Buffer.concat([Uint8Array.of(1), half, half]))
      const [, status] = await reader.take(2, "the login")
      if (status !== 0) throw new SocksError("the proxy refused the login", "never")
    }
    const target = [Uint8Array.of(version, 1, 0, byName, name.length), name]
    socket.write(Buffer.concat([...target, Uint8Array.of(port >> 8, port & 0xff)]))
    const [, reply = 0xff, , kind = 0] = await reader.take(4, "the answer")
    if (reply !== 0) {
      const [sentence, comesBack] = replies.get(reply) ?? [`the proxy said ${reply}`, "soon"]
      throw new SocksError(sentence, comesBack)
    }
    const length = kind === 1 ? 4 : kind === 4 ? 16 : (await reader.take(1, "the answer"))[0]
    await reader.take((length ?? 0) + 2, "the answer")
    reader.release()
    return socket
  } catch (thrown) {
    reader.stop()
    socket.destroy()
    throw thrown
  }
}

/** Reads a socket by so many bytes, until it is let go with what was not read. */
class Reader {
  readonly #socket: Socket
  readonly #timer: ReturnType<typeof setTimeout>
  readonly #signal: AbortSignal | undefined
  #bytes: Buffer = Buffer.alloc(0)
  #fault: SocksError | undefined
  #look: () => void = () => {}
  #isOpen = false

  constructor(socket: Socket, options: SocksOptions) {
    this.#socket = socket
    this.#signal = options.signal
    this.#timer = setTimeout(
      () => this.#fail(new SocksError("it took too long to connect")),
      options.limitMs ?? limitMs,
    )
    this.#signal?.addEventListener("abort", this.#onAbort)
    socket.on("connect", this.#onConnect).on("error", this.#onError).on("close", this.#onClose)
    socket.on("data", this.#onData)
  }

  async opened(): Promise<void> {
    await this.#until(() => this.#isOpen)
  }

  /** The next `count` bytes; `what` they are, for the sentence if they do not come. */
  async take(count: number, what: string): Promise<Buffer> {
    await this.#until(() => this.#bytes.length >= count, what)
    const taken = this.#bytes.subarray(0, count)
    this.#bytes = this.#bytes.subarray(count)
    const [first] = taken
    const isOk = count === 1 || what === "the login" || first === version || count > 4
    if (!isOk) throw new SocksError("that is no SOCKS5 proxy", "never")
    return taken
  }

  /** Nothing more is waited for. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener("abort", this.#onAbort)
  }

  /** Lets the socket go, paused, with what came behind the answer given back to it. */
  release(): void {
    this.stop()
    const socket = this.#socket
    socket.pause()
    socket.off("connect", this.#onConnect).off("error", this.#onError).off("close", this.#onClose)
    socket.off("data", this.#onData)
    if (this.#bytes.length > 0) socket.unshift(this.#bytes)
  }

  #until(isDone: () => boolean, what?: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#look = () => {
        if (isDone()) return resolve()
        if (this.#fault === undefined) return
        const at = what === undefined ? "" : `, before ${what}`
        clearTimeout(this.#timer)
        const { message, comesBack } = this.#fault
        reject(
          new SocksError(
            `${message}${message.startsWith("the proxy closed") ? at : ""}`,
            comesBack,
          ),
        )
      }
      this.#look()
    })
  }

  #fail(fault: SocksError): void {
    this.#fault ??= fault
    this.#look()
  }

  readonly #onAbort = () => this.#fail(new SocksError("given up"))
  readonly #onConnect = () => {
    this.#isOpen = true
    this.#look()
  }
  readonly #onData = (chunk: Buffer) => {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    this.#look()
  }
  readonly #onClose = () => this.#fail(new SocksError("the proxy closed the connection"))
  readonly #onError = (problem: Error) => {
    if (this.#isOpen) return this.#onClose()
    const code = "code" in problem ? problem.code : problem.message
    this.#fail(new SocksError(`the proxy cannot be reached (${code}): does tor run?`))
  }
}
