/** A line between a client and a server that a test may cut, or keep answers from. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import type { TestContext } from "node:test"

export class Cable {
  readonly #server: Server
  readonly #pairs = new Set<readonly [client: Socket, far: Socket]>()
  #port = 0
  /** Once the server has said this, nothing that it says comes through until the next connection. */
  swallowFrom: string | undefined
  /** What the client has said, over all connections. */
  said = ""
  /** How many connections there were. */
  count = 0

  private constructor() {
    this.#server = createServer((client) => this.#join(client))
  }

  /** A cable to `port` of this machine. */
  static async to(t: TestContext, port: number): Promise<Cable> {
    const cable = new Cable()
    cable.#port = port
    await new Promise<void>((resolve) => cable.#server.listen(0, "127.0.0.1", resolve))
    t.after(() => {
      cable.#server.close()
      cable.cut()
    })
    return cable
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}` // it listens on TCP
  }

  /** New connections go there. */
  leadTo(port: number): void {
    this.#port = port
  }

  cut(): void {
    for (const [client, far] of this.#pairs) {
      client.destroy()
      far.destroy()
    }
  }

  #join(client: Socket): void {
    const far = connect(this.#port, "127.0.0.1")
    const pair = [client, far] as const
    let isSwallowing = false
    this.count += 1
    this.#pairs.add(pair)
    client.on("data", (chunk) => {
      this.said += chunk
      far.write(chunk)
    })
    far.on("data", (chunk) => {
      const at = this.swallowFrom === undefined ? -1 : String(chunk).indexOf(this.swallowFrom)
      if (at >= 0) isSwallowing = true
      if (at > 0) client.write(String(chunk).slice(0, at))
      if (!isSwallowing) client.write(chunk)
    })
    for (const socket of pair) {
      socket.on("error", () => {}) // told by "close" as well
      socket.on("close", () => {
        client.destroy()
        far.destroy()
        this.#pairs.delete(pair)
      })
    }
  }
}
