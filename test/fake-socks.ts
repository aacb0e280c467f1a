/** A SOCKS5 proxy that connects to one place whatever it is asked for, and may fail at each step. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import type { TestContext } from "node:test"

export interface FakeSocksOptions {
  /** Where connections lead. */
  readonly port: number
  /** Closes after so many bytes of its own answers. */
  readonly cutAfter?: number
  /** What it replies instead of connecting. */
  readonly reply?: number
  /** Whether answers come one byte at a time. */
  readonly pieces?: "whole" | "bytes"
}

export class FakeSocks {
  readonly #server: Server
  readonly #options: FakeSocksOptions
  readonly #sockets = new Set<Socket>()
  /** What was asked for, `host:port`. */
  readonly wanted: string[] = []
  /** Users that logged in. */
  readonly users: string[] = []

  private constructor(options: FakeSocksOptions) {
    this.#options = options
    this.#server = createServer((client) => void this.#serve(client).catch(() => client.destroy()))
  }

  static async start(t: TestContext, options: FakeSocksOptions): Promise<FakeSocks> {
    const proxy = new FakeSocks(options)
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve))
    t.after(() => {
      proxy.#server.close()
      for (const socket of proxy.#sockets) socket.destroy()
    })
    return proxy
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}` // it listens on TCP
  }

  async #serve(client: Socket): Promise<void> {
    this.#sockets.add(client)
    client.on("error", () => {}) // told by "close" as well
    const take = taker(client)
    let left = this.#options.cutAfter ?? Number.POSITIVE_INFINITY
    const say = async (...bytes: number[]) => {
      const said = bytes.slice(0, left)
      left -= said.length
      if (this.#options.pieces === "bytes") {
        for (const byte of said) {
          client.write(Uint8Array.of(byte))
          await new Promise((resolve) => setImmediate(resolve))
        }
      } else client.write(Uint8Array.from(said))
      if (left > 0) return
      client.end()
      throw new Error("cut")
    }
    const [, count = 0] = await take(2)
    await take(count)
    await say(5, 2)
    const [, userLength = 0] = await take(2)
    this.users.push(String(await take(userLength)))
    const [passLength = 0] = await take(1)
    await take(passLength)
    await say(1, 0)
    const [, , , kind, length = 0] = await take(5)
    if (kind !== 3) throw new Error("no name was asked for")
    const host = String(await take(length))
    const port = (await take(2)).readUInt16BE()
    this.wanted.push(`${host}:${port}`)
    const { reply = 0 } = this.#options
    await say(5, reply, 0, 1, 0, 0, 0, 0, 0, 0)
    if (reply !== 0) return void client.end()
    const far = connect(this.#options.port, "127.0.0.1")
    this.#sockets.add(far)
    far.on("error", () => client.destroy())
    far.on("close", () => client.destroy())
    client.on("close", () => far.destroy())
    client.removeAllListeners("data")
    client.pipe(far).pipe(client)
  }
}

/** Reads so many bytes of a socket. */
function taker(socket: Socket): (count: number) => Promise<Buffer> {
  let bytes = Buffer.alloc(0)
  let look = () => {}
  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk])
    look()
  })
  return (count) =>
    new Promise((resolve) => {
      look = () => {
        if (bytes.length < count) return
        look = () => {}
        const taken = bytes.subarray(0, count)
        bytes = bytes.subarray(count)
        resolve(taken)
      }
      look()
    })
}
