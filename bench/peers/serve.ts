/**
 * What the peers' servers have in common: an address for sockets and one for texts, as Quartet has
 * them, and the line that says where they listen. No limits, no compression.
 */
import { createServer } from "node:http"
import { type WebSocket, WebSocketServer } from "ws"
import { listenAndTell } from "../listen.ts"

/** A server's part that is its own. */
export interface Service {
  /** Somebody connects to the document `id`. */
  accept(socket: WebSocket, id: string): void
  /** The text of a document; undefined for one that nobody has made. */
  text(id: string): Promise<string | undefined>
}

const texts = "/api/text/"
const sockets = "/api/socket/"

/** Listens on a free port of this host. */
export function serve(service: Service): void {
  const server = createServer((request, response) => {
    const id = decodeURIComponent((request.url ?? "").slice(texts.length))
    void service.text(id).then((text) => {
      response.writeHead(text === undefined ? 404 : 200)
      response.end(text)
    })
  })
  new WebSocketServer({ server, perMessageDeflate: false }).on("connection", (socket, { url }) => {
    socket.on("error", () => {}) // told by "close" as well
    service.accept(socket, decodeURIComponent((url ?? "").slice(sockets.length)))
  })
  listenAndTell(server)
}
