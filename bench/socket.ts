/**
 * A WebSocket client for load: it costs as little as reading a socket can, so that hundreds of them
 * in one process are no narrower than the server under test.
 *
 * Every socket reads into one and the same buffer and hands on where in it a message lies; whoever
 * wants to keep a message copies it. What always holds: `heard` is called once for each message,
 * in order. No fragments, no compression, no UTF-8 checks: the servers here send neither.
 */
import { connect, type Socket } from "node:net"

/** Where to connect, and as what. */
export interface Address {
  readonly port: number
  /** From the first slash on. */
  readonly path: string
  /** The subprotocol to ask for. */
  readonly protocol?: string | undefined
  /** What a proxy in front would say the far end's address is: limits count by it. */
  readonly from?: string | undefined
}

/** A message: the bytes of `buffer` from `start` to `end`, until this call returns. */
export type Heard = (buffer: Buffer, start: number, end: number) => void

// All sockets of the process: what is read is used up before the next one is read.
const shared = Buffer.allocUnsafe(1024 * 1024)
const textFrame = 0x81
const binaryFrame = 0x82
const closeOpcode = 8
const pingOpcode = 9
const emptyPong = Buffer.from([0x8a, 0x80, 0, 0, 0, 0])
const emptyClose = Buffer.from([0x88, 0x80, 0, 0, 0, 0])

export class LoadSocket {
  /** Bytes read since the handshake, frame headers too. */
  bytes = 0
  /** Called with the code with which the far end closes it. */
  onClosed: (code: number) => void = () => {}
  readonly #socket: Socket
  readonly #heard: Heard
  #opened: ((socket: this) => void) | undefined
  #refused: (error: Error) => void = () => {}
  /** The part of a frame, or of the answer to the handshake, that has come. */
  #rest: Buffer = Buffer.alloc(0)
  #isGone = false

  private constructor({ port, path, protocol, from }: Address, heard: Heard) {
    this.#heard = heard
    this.#socket = connect({
      host: "127.0.0.1",
      port,
      onread: {
        buffer: shared,
        callback: (length) => {
          this.#read(length)
          return true
        },
      },
    })
    this.#socket.setNoDelay(true)
    this.#socket.on("error", ({ message }) => this.#refused(new Error(`${path}: ${message}`)))
    this.#socket.on("close", () => {
      this.#isGone = true
      this.#refused(new Error(`${path}: closed during the handshake`))
    })
    const lines = [
      `GET ${path} HTTP/1.1`,
      `Host: 127.0.0.1:${port}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: cXVhcnRldCBiZW5jaG1hcg==",
      ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
      ...(from === undefined ? [] : [`X-Forwarded-For: ${from}`]),
    ]
    this.#socket.write(`${lines.join("\r\n")}\r\n\r\n`)
  }

  /** Resolves when the handshake is answered; rejects with the status line of a refusal. */
  static open(address: Address, heard: Heard): Promise<LoadSocket> {
    return new Promise((resolve, reject) => {
      const socket = new LoadSocket(address, heard)
      socket.#opened = resolve
      socket.#refused = reject
    })
  }

  /** Whether the connection has ended. */
  get isGone(): boolean {
    return this.#isGone
  }

  /** Sends text messages in one write. */
  send(...texts: readonly string[]): void {
    this.#write(texts.map((text) => frameOf(textFrame, Buffer.from(text))))
  }

  /** Sends binary messages in one write. */
  sendBytes(...messages: readonly Uint8Array[]): void {
    this.#write(messages.map((message) => frameOf(binaryFrame, message)))
  }

  /** Resolves when the connection is gone. */
  async close(): Promise<void> {
    if (this.#isGone) return
    const gone = new Promise((resolve) => this.#socket.once("close", resolve))
    this.#socket.end(emptyClose)
    await gone
  }

  #write(frames: readonly Buffer[]): void {
    const [first] = frames
    if (first !== undefined) this.#socket.write(frames.length === 1 ? first : Buffer.concat(frames))
  }

  #read(length: number): void {
    if (this.#opened === undefined) this.bytes += length
    if (this.#rest.length === 0) {
      const used = this.#take(shared, length)
      if (used < length) this.#rest = Buffer.from(shared.subarray(used, length))
      return
    }
    const joined = Buffer.concat([this.#rest, shared.subarray(0, length)])
    const used = this.#take(joined, joined.length)
    this.#rest = joined.subarray(used)
  }

  // Takes what is whole of the first `length` bytes, and says how many those are.
  #take(buffer: Buffer, length: number): number {
    let at = this.#opened === undefined ? 0 : this.#shakeHands(buffer, length)
    while (length - at >= 2 && this.#opened === undefined) {
      const short = (buffer[at + 1] ?? 0) & 0x7f
      const header = short < 126 ? 2 : short === 126 ? 4 : 10
      if (length - at < header) break
      const size =
        short < 126
          ? short
          : short === 126
            ? buffer.readUInt16BE(at + 2)
            : buffer.readUInt32BE(at + 6) // no message here has 4 GB
      const end = at + header + size
      if (end > length) break
      const first = buffer[at]
      if (first === textFrame || first === binaryFrame) this.#heard(buffer, at + header, end)
      else this.#control((first ?? 0) & 0x0f, buffer.subarray(at + header, end))
      at = end
    }
    return at
  }

  #control(opcode: number, payload: Buffer): void {
    if (opcode === pingOpcode) this.#socket.write(emptyPong)
    if (opcode !== closeOpcode) return
    // The answer to our own closing ends here too.
    if (!this.#socket.writableEnded)
      this.onClosed(payload.length >= 2 ? payload.readUInt16BE(0) : 0)
    this.#socket.end(emptyClose)
  }

  #shakeHands(buffer: Buffer, length: number): number {
    const end = buffer.subarray(0, length).indexOf("\r\n\r\n")
    if (end < 0) return 0
    const status = buffer.toString("latin1", 0, buffer.indexOf("\r\n"))
    if (!status.startsWith("HTTP/1.1 101")) {
      this.#refused(new Error(status))
      this.#socket.destroy()
      return length
    }
    const opened = this.#opened
    this.#opened = undefined
    this.#refused = () => {}
    this.bytes += length - end - 4
    opened?.(this)
    return end + 4
  }
}

// A masked frame. The mask is zero: the far end unmasks all the same, and we need not mask.
function frameOf(first: number, payload: Uint8Array): Buffer {
  const size = payload.length
  const header = size < 126 ? 2 : size < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(header + 4 + size)
  frame[0] = first
  if (header === 2) {
    frame[1] = 0x80 | size
  } else if (header === 4) {
    frame[1] = 0x80 | 126
    frame.writeUInt16BE(size, 2)
  } else {
    frame[1] = 0x80 | 127
    frame.writeBigUInt64BE(BigInt(size), 2)
  }
  frame.fill(0, header, header + 4)
  frame.set(payload, header + 4)
  return frame
}

/** An address of this host for each document: its own share of what is limited by address. */
export function addressOf(id: string): string {
  let sum = 0
  for (const letter of id) sum = (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0
  return `127.${1 + (sum % 200)}.${(sum >>> 8) % 250}.${1 + ((sum >>> 16) % 250)}`
}
