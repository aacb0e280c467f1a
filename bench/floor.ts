/**
 * The floor: the least that a server in Node can do with an edit over `ws`, to compare with.
 *
 * It parses each message as JSON, as any server must, and sends the same bytes to everyone on the
 * same path. No transformation, no text, no revisions, no journal, no limits.
 */
import { createServer } from "node:http"
import { type RawData, type WebSocket, WebSocketServer } from "ws"
import { listenAndTell } from "./listen.ts"

const rooms = new Map<string, Set<WebSocket>>()
const server = createServer((_request, response) => response.end())
const sockets = new WebSocketServer({ server, perMessageDeflate: false })
const plain = { binary: false }

sockets.on("connection", (socket, { url = "/" }) => {
  const room = rooms.get(url) ?? new Set()
  rooms.set(url, room.add(socket))
  socket.on("message", (data: RawData) => {
    const bytes = data as Buffer // ws gives one Buffer unless binaryType is changed
    JSON.parse(bytes.toString())
    for (const each of room) each.send(bytes, plain)
  })
  socket.on("close", () => room.delete(socket))
  socket.on("error", () => {})
})

listenAndTell(server)
