/**
 * How much of a message a WebSocket has begun: what came since the last whole one.
 *
 * What always holds: the bytes are those that the socket has read, so it is at most one read too
 * small, whatever ws keeps of them and however they are cut into frames.
 */
import type { Socket } from "node:net"
import { WireError } from "../wire/error.ts"
import type { Link } from "./connection.ts"
import type { Begun } from "./intake.ts"
import type { WebSocketRoute } from "./route.ts"

/** Bytes around what a ping or pong of a far end holds: two, and its mask. */
const controlBytes = 6

export class Half implements Begun {
  readonly group: string | undefined
  readonly #link: Link<unknown, unknown>
  readonly #route: WebSocketRoute<unknown, unknown>
  // What the socket gave, counted here: Node's own count is asked of libuv, and this is read often.
  #read = 0
  #whole = 0

  constructor(
    socket: Socket,
    link: Link<unknown, unknown>,
    of: { readonly route: WebSocketRoute<unknown, unknown>; readonly group: string | undefined },
  ) {
    this.group = of.group
    this.#link = link
    this.#route = of.route
    // Before ws hears it: a message that ends with this chunk is whole then.
    socket.prependListener("data", (chunk: Buffer) => {
      this.#read += chunk.length
    })
  }

  get begunBytes(): number {
    return this.#read - this.#whole
  }

  get mayBegin(): number {
    return this.#route.frameBytes?.(this.#link) ?? Number.POSITIVE_INFINITY
  }

  /** A message of `bytes` is whole. Whether it may be so long now; else its connection is closed. */
  ended(bytes: number): boolean {
    this.#whole = this.#read
    if (bytes <= this.mayBegin) return true
    this.refuse()
    return false
  }

  /** A ping or pong of `bytes` came, which may stand amid a message. */
  skipped(bytes: number): void {
    this.#whole += controlBytes + bytes
  }

  refuse(): void {
    const sentence = `a message holds at most ${this.mayBegin} bytes before the handshake`
    this.#link.refuse(new WireError("too-many", sentence))
  }

  cut(): void {
    this.#link.cut("too-many")
  }
}
