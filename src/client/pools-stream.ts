/**
 * The connection of an app over a stream: each frame behind its length. For Node only.
 *
 * What always holds: what one turn of the event loop says leaves in one write; a frame of the server
 * longer than any may be ends the connection.
 */
import type { Socket } from "node:net"
import { FrameReader, prefixBytes } from "../wire/frames.ts"
import type { OpenWire, Wire, WireOwner } from "./pools-link.ts"

/** The server sends none above its frameLimitBytes; a mixed one has a header besides. */
const frameLimitBytes = 17 * 1024 * 1024
const encoder = new TextEncoder()

/** Connections over sockets that `reach` opens. */
export function openStreamWire(reach: (signal: AbortSignal) => Promise<Socket>): OpenWire {
  return (owner) => new StreamWire(owner, reach)
}

class StreamWire implements Wire {
  readonly #owner: WireOwner
  readonly #attempt = new AbortController()
  #socket: Socket | undefined
  #isCorked = false
  #isOver = false

  constructor(owner: WireOwner, reach: (signal: AbortSignal) => Promise<Socket>) {
    this.#owner = owner
    reach(this.#attempt.signal).then(
      (socket) => {
        if (this.#isOver) return void socket.destroy()
        this.#listen(socket)
        owner.opened()
      },
      (thrown: unknown) => this.#lose(thrown instanceof Error ? thrown.message : String(thrown)),
    )
  }

  get unsentBytes(): number {
    return this.#socket?.writableLength ?? 0
  }

  send(frame: string | Uint8Array): void {
    const socket = this.#socket
    if (socket?.writable !== true) return
    if (!this.#isCorked) {
      this.#isCorked = true
      socket.cork()
      queueMicrotask(() => {
        this.#isCorked = false
        socket.uncork()
      })
    }
    const body = typeof frame === "string" ? encoder.encode(frame) : frame
    const length = new Uint8Array(prefixBytes)
    new DataView(length.buffer).setUint32(0, body.length)
    socket.write(length)
    socket.write(body)
  }

  close(): void {
    this.#isOver = true
    this.#attempt.abort()
    // What was said before the end should leave, if the far end still reads.
    this.#socket?.end()
    this.#socket?.destroySoon()
  }

  #listen(socket: Socket): void {
    this.#socket = socket
    socket.setNoDelay(true)
    const reader = new FrameReader(frameLimitBytes)
    socket.on("data", (chunk: Buffer) => {
      try {
        for (const frame of reader.push(chunk)) if (!this.#isOver) this.#owner.heard(frame)
      } catch {
        // Only a frame above the limit throws: what follows it cannot be told apart.
        socket.destroy()
        this.#lose("the server sent a frame that is too long")
      }
    })
    socket.on("error", () => {}) // told by "close" as well
    socket.on("close", () => this.#lose("the connection was lost"))
    socket.resume()
  }

  #lose(sentence: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#owner.lost(sentence, "conn")
  }
}
