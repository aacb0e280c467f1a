/**
 * Requests of one socket, answered one by one, and what of the answers is not read.
 *
 * What always holds: a request is looked at when the answer before it has left, so a far end that
 * writes a thousand of them into one packet costs what one does; at most `waitingLimit` wait, who
 * writes more is cut off; and unread answers are counted with all else that far ends make us hold.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Gate } from "./gate.ts"
import type { Intake } from "./intake.ts"

/** Requests of one socket that wait for the answers before them. Browsers send none ahead. */
const waitingLimit = 100

type Serve = (request: IncomingMessage, response: ServerResponse) => void

export interface OneByOneOptions {
  readonly gate: Gate
  readonly intake: Intake
  readonly serve: Serve
}

export class OneByOne {
  readonly #options: OneByOneOptions
  // Of each socket on which something is being answered, what waits.
  readonly #waiting = new WeakMap<Socket, (() => void)[]>()

  constructor(options: OneByOneOptions) {
    this.#options = options
  }

  take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    const waiting = this.#waiting.get(socket)
    if (waiting === undefined) {
      this.#waiting.set(socket, [])
      this.#answer(request, response)
    } else if (waiting.length < waitingLimit) {
      waiting.push(() => this.#answer(request, response))
    } else {
      socket.destroy()
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { gate, intake, serve } = this.#options
    const { socket } = request
    const forget = intake.add({
      group: gate.groupOf(gate.addressOf(socket.remoteAddress, request.headers)),
      get begunBytes() {
        return response.writableLength
      },
      cut: () => socket.destroy(),
    })
    // When it has left, or will not any more.
    response.once("close", () => {
      forget()
      const next = this.#waiting.get(socket)?.shift()
      if (next === undefined || socket.destroyed) this.#waiting.delete(socket)
      else next()
    })
    serve(request, response)
  }
}
