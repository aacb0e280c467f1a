/** The far side of `operators-many.ts`: starts it, asks it, and logs in over raw sockets. */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { join } from "node:path"
import type { TestContext } from "node:test"

/** What it keeps: heap and buffers in bytes, and the service's own counts. */
export interface Kept {
  readonly bytes: number
  readonly counts: Readonly<Record<string, number>>
}

/** A server of operators in a process of its own, with callsigns c0, c1 … registered. */
export class Crowded {
  readonly port: number
  readonly path: string
  readonly httpPort: number
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, { places, url }: { places: string[]; url: string }) {
    const [tcp = "", path = ""] = places
    this.port = Number(tcp.split(":")[1])
    this.path = path
    this.httpPort = Number(new URL(url).port)
    this.#child = child
  }

  static async start(t: TestContext, callsigns: number): Promise<Crowded> {
    const program = join(import.meta.dirname, "operators-many.ts")
    const child = fork(program, [String(callsigns)], { execArgv: ["--expose-gc"] })
    t.after(() => child.kill("SIGKILL"))
    const ended = once(child, "exit").then(() => Promise.reject(new Error("it ended")))
    ended.catch(() => {}) // told where it is waited for
    const [said] = await Promise.race([once(child, "message"), ended])
    return new Crowded(child, said)
  }

  /** Whether it has not ended by itself. */
  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  async kept(): Promise<Kept> {
    const answer = once(this.#child, "message")
    this.#child.send("what")
    const [kept] = await answer
    return kept
  }

  /** A classic session of that callsign over TCP, once it hears itself. */
  async login(callsign: string): Promise<Socket> {
    const socket = connect({ port: this.port, host: "127.0.0.1", noDelay: true })
    socket.write(`$ ${callsign} pw\n${callsign} ready\n`)
    await heard(socket, ": ready")
    return socket
  }

  /** The same over WebSocket. */
  async loginByWebSocket(callsign: string): Promise<Socket> {
    const socket = await this.upgrade()
    socket.write(Buffer.concat([textFrame(`$ ${callsign} pw`), textFrame(`${callsign} ready`)]))
    await heard(socket, ": ready")
    return socket
  }

  /** A connection that speaks WebSocket from now on, and has said nothing. */
  async upgrade(): Promise<Socket> {
    const socket = connect({ port: this.httpPort, host: "127.0.0.1", noDelay: true })
    socket.write(
      "GET /operators HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    )
    await heard(socket, "\r\n\r\n")
    return socket
  }
}

/** A masked text frame of less than 126 bytes; the mask is zero. */
export function textFrame(line: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | line.length, 0, 0, 0, 0]), Buffer.from(line)])
}

/** Resolves when these bytes have come. Rejects when the socket closes before. */
async function heard(socket: Socket, words: string): Promise<void> {
  let begun = ""
  await new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer) => {
      begun += chunk.toString("latin1")
      if (!begun.includes(words)) return
      socket.off("data", take)
      resolve()
    }
    socket.on("data", take)
    socket.once("error", reject)
    socket.once("close", () => reject(new Error(`closed after ${JSON.stringify(begun)}`)))
  })
}
