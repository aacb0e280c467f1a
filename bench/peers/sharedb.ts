/**
 * A ShareDB server as its manual has it: plain texts of the type text-unicode, over ws with the
 * stream that the manual names, its own store and pub/sub in memory.
 */
import { createRequire } from "node:module"
import type { Duplex } from "node:stream"
import type { WebSocket } from "ws"
import { serve } from "./serve.ts"

interface Snapshot {
  readonly data: string | undefined
}

/** What is used of the package. */
interface ShareDb {
  listen(stream: Duplex): void
  connect(): {
    fetchSnapshot(
      collection: string,
      id: string,
      version: null,
      callback: (error: Error | undefined, snapshot: Snapshot) => void,
    ): void
  }
}

interface ShareDbModule {
  new (): ShareDb
  readonly types: { register(type: object): void }
}

// They have no types of their own, and are not there unless somebody measures.
const load = createRequire(import.meta.url)
const ShareDB: ShareDbModule = load("sharedb")
const text: { readonly type: object } = load("ot-text-unicode")
const JsonStream: new (socket: WebSocket) => Duplex = load("@teamwork/websocket-json-stream")

ShareDB.types.register(text.type)
const backend = new ShareDB()
const reader = backend.connect()

serve({
  accept: (socket) => {
    const stream = new JsonStream(socket)
    stream.on("error", () => {}) // a far end that went while it was written to
    backend.listen(stream)
  },
  text: (id) =>
    new Promise((resolve, reject) => {
      reader.fetchSnapshot("docs", id, null, (error, snapshot) => {
        if (error) reject(error)
        else resolve(snapshot.data)
      })
    }),
})
