/**
 * A server around ot.js: its Server class for each document, ws, and JSON.
 *
 * As its own socket.io server does, it acknowledges an edit to its author and tells it to everybody
 * else, each through a `send` that makes JSON of what it is given. With PEER_ENCODES=once that is
 * done once for all, which is as much as somebody could gain who looks for it. A document keeps all
 * of its operations, as the package has it.
 */
import { createRequire } from "node:module"
import type { WebSocket } from "ws"
import { serve } from "./serve.ts"

interface TextOperation {
  toJSON(): readonly (number | string)[]
}

/** What is used of the package. */
interface OtModule {
  readonly TextOperation: { fromJSON(components: unknown): TextOperation }
  readonly Server: new (document: string) => OtServer
}

interface OtServer {
  readonly document: string
  readonly operations: readonly TextOperation[]
  receiveOperation(revision: number, operation: TextOperation): TextOperation
}

interface Edit {
  readonly revision: number
  readonly operation: unknown
}

// It has no types of its own, and is not there unless somebody measures.
const ot: OtModule = createRequire(import.meta.url)("ot")
const encodesOnce = process.env["PEER_ENCODES"] === "once"

class Room {
  readonly server = new ot.Server("")
  readonly #clients = new Set<WebSocket>()
  #users = 0

  accept(socket: WebSocket): void {
    const id = this.#users++
    this.#clients.add(socket)
    socket.on("message", (data) => this.#receive(socket, id, JSON.parse(String(data)) as Edit))
    socket.on("close", () => this.#clients.delete(socket))
    const { document, operations } = this.server
    send(socket, { doc: { id, revision: operations.length, text: document } })
  }

  #receive(socket: WebSocket, author: number, edit: Edit): void {
    let moved: TextOperation
    try {
      const operation = ot.TextOperation.fromJSON(edit.operation)
      moved = this.server.receiveOperation(edit.revision, operation)
    } catch {
      return socket.close(1008, "the edit does not fit")
    }
    const revision = this.server.operations.length - 1
    send(socket, { ack: revision })
    const message = { operation: { revision, author, components: moved.toJSON() } }
    const encoded = encodesOnce ? Buffer.from(JSON.stringify(message)) : undefined
    for (const client of this.#clients) {
      if (client === socket) continue
      if (encoded === undefined) send(client, message)
      else client.send(encoded, { binary: false })
    }
  }
}

function send(socket: WebSocket, message: object): void {
  socket.send(JSON.stringify(message))
}

const rooms = new Map<string, Room>()

serve({
  accept: (socket, id) => {
    const room = rooms.get(id) ?? new Room()
    rooms.set(id, room)
    room.accept(socket)
  },
  text: async (id) => rooms.get(id)?.server.document,
})
