/** The reference server of y-websocket as its own program starts it, without persistence. */
import { createServer, type IncomingMessage } from "node:http"
import { type WebSocket, WebSocketServer } from "ws"
import { listenAndTell } from "../listen.ts"

/** What is used of the package, which is installed only where somebody measures. */
interface Reference {
  setupWSConnection(socket: WebSocket, request: IncomingMessage): void
}

const name: string = "@y/websocket-server/utils"
const { setupWSConnection }: Reference = await import(name)

const server = createServer((_request, response) => response.end())
const sockets = new WebSocketServer({ server, perMessageDeflate: false })
sockets.on("connection", (socket, request) => setupWSConnection(socket, request))
listenAndTell(server)
