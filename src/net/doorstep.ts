/**
 * Sockets that have not said yet by which circuit they came: tor puts a PROXY line before each.
 *
 * What always holds: nothing is opened before that line is whole and good; who is late, says more
 * or says something else is cut off without a word; and there are at most `waitingLimit` of them,
 * the oldest makes room. A circuit is kept with its connection and never written anywhere.
 */
import type { Socket } from "node:net"
import { circuitOf, proxyLineBytes } from "../wire/proxy-line.ts"
import type { Connections, Member } from "./connections.ts"

/** So long the line may take, in ms: it comes from this machine. */
const lineMs = 5_000
/** How many may wait for theirs. */
const waitingLimit = 64

const newline = 0x0a

/** Who has said it: what follows the line belongs to the connection. */
export interface Arrival {
  readonly socket: Socket
  readonly circuit: string
  readonly rest: Uint8Array
}

export class Doorstep {
  readonly #connections: Connections
  readonly #enter: (arrival: Arrival) => void
  // The oldest first.
  readonly #waiting = new Set<Caller>()

  constructor(connections: Connections, enter: (arrival: Arrival) => void) {
    this.#connections = connections
    this.#enter = enter
  }

  /** Waits for the line of a socket that came `now`, in ms. */
  take(socket: Socket, now: number): void {
    const [oldest] = this.#waiting
    if (this.#waiting.size >= waitingLimit) oldest?.cut()
    const caller = new Caller(socket, now)
    this.#waiting.add(caller)
    this.#connections.add(caller)
    socket.once("close", () => this.#forget(caller))
    const read = (chunk: Buffer) => {
      const found = caller.read(chunk)
      if (found === "more") return
      socket.off("data", read)
      if (found === "bad") return caller.cut()
      // Entered first, so that the server never counts one connection too few.
      this.#enter({ socket, ...found })
      this.#forget(caller)
    }
    socket.on("data", read)
  }

  /** Cuts off all that wait. */
  close(): void {
    for (const caller of [...this.#waiting]) caller.cut()
  }

  #forget(caller: Caller): void {
    if (this.#waiting.delete(caller)) this.#connections.remove(caller)
  }
}

/** One that waits; what was read of its line is at most one chunk too long. */
class Caller implements Member {
  readonly group = ""
  readonly unsent = 0
  readonly #socket: Socket
  readonly #since: number
  #begun: Buffer = Buffer.alloc(0)

  constructor(socket: Socket, since: number) {
    this.#socket = socket
    this.#since = since
  }

  read(chunk: Buffer): "more" | "bad" | { readonly circuit: string; readonly rest: Buffer } {
    this.#begun = Buffer.concat([this.#begun, chunk])
    const end = this.#begun.indexOf(newline)
    if (end >= proxyLineBytes || (end < 0 && this.#begun.length >= proxyLineBytes)) return "bad"
    if (end < 0) return "more"
    const circuit = circuitOf(this.#begun.toString("latin1", 0, end))
    return circuit === undefined ? "bad" : { circuit, rest: this.#begun.subarray(end + 1) }
  }

  count(): void {}

  tick(now: number): void {
    if (now - this.#since >= lineMs) this.cut()
  }

  close(): void {
    this.cut()
  }

  cut(): void {
    this.#socket.destroy()
  }
}
