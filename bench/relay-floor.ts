/**
 * The floor of the relay: the least that a server in Node can do with a change, in two ways.
 *
 * "send" gives the bytes that came to `ws` for each other socket of the path; "framed" builds one
 * frame and writes it to all sockets itself. No protocol is read: whatever comes goes to all others,
 * but for what a newcomer asks, which is answered as empty.
 */
import { createServer } from "node:http"
import type { Socket } from "node:net"
import * as ws from "ws"
import { listenAndTell } from "./listen.ts"

const [way] = process.argv.slice(2)
const rooms = new Map<string, Map<ws.WebSocket, Socket>>()
const server = createServer((_request, response) => response.end())
const sockets = new ws.WebSocketServer({ server, perMessageDeflate: false })
const binary = { binary: true }
const step2 = Buffer.from([0, 1, 2, 0, 0])
const frameOptions = { fin: true, rsv1: false, opcode: 2, mask: false, readOnly: true }

// ws exports Sender, its types do not know it.
const { Sender } = ws as unknown as {
  readonly Sender: { frame(data: Buffer, options: object): Buffer[] }
}

sockets.on("connection", (socket, request) => {
  const path = request.url ?? "/"
  const room = rooms.get(path) ?? new Map<ws.WebSocket, Socket>()
  rooms.set(path, room.set(socket, request.socket))
  socket.on("message", (data: ws.RawData) => {
    const bytes = data as Buffer // ws gives one Buffer unless binaryType is changed
    if (bytes[0] === 0 && bytes[1] === 0) return socket.send(step2, binary)
    if (way === "framed") {
      const frame = Buffer.concat(Sender.frame(bytes, frameOptions))
      for (const [each, wire] of room) if (each !== socket) wire.write(frame)
    } else {
      for (const each of room.keys()) if (each !== socket) each.send(bytes, binary)
    }
  })
  socket.on("close", () => room.delete(socket))
  socket.on("error", () => {})
})

listenAndTell(server)
