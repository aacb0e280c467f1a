/** The reference server of y-websocket as its own program starts it, without persistence. */
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { type WebSocket, WebSocketServer } from "ws"

/** What is used of the package, which is installed only where somebody measures. */
interface Reference {
  setupWSConnection(socket: WebSocket, request: IncomingMessage): void
}

const name: string = "@y/websocket-server/utils"
const { setupWSConnection }: Reference = await import(name)

const server = createServer((_request, response) => response.end())
const sockets = new WebSocketServer({ server, perMessageDeflate: false })
sockets.on("connection", (socket, request) => setupWSConnection(socket, request))
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo // of a TCP server that listens
  process.stderr.write(
    `${JSON.stringify({ event: "listening", url: `http://127.0.0.1:${port}/` })}\n`,
  )
})
