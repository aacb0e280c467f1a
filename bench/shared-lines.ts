/**
 * Sockets that many rooms share, as a Hocuspocus provider shares one among its documents: so twenty
 * thousand rooms need a few hundred files and not forty thousand.
 *
 * What always holds: a message begins with the name of its room, in ASCII and shorter than 128, and
 * goes to the replica of that room on this socket.
 */
import type { Line } from "./relay-rooms.ts"
import { type Heard, LoadSocket } from "./socket.ts"

export class SharedLine {
  readonly #rooms = new Map<string, { readonly heard: Heard; readonly line: Line }>()
  #socket: LoadSocket | undefined

  /** Resolves when the handshake is answered. */
  static async open(port: number): Promise<SharedLine> {
    const shared = new SharedLine()
    const socket = await LoadSocket.open({ port, path: "/hocuspocus" }, (buffer, start, end) => {
      const length = buffer[start] ?? 0
      const room = buffer.toString("latin1", start + 1, start + 1 + length)
      shared.#rooms.get(room)?.heard(buffer, start, end)
    })
    socket.onClosed = (code) => {
      for (const { line } of shared.#rooms.values()) line.onClosed(code)
    }
    shared.#socket = socket
    return shared
  }

  /** The line of one replica. It ends with the socket only. */
  of(room: string, heard: Heard): Line {
    const line: Line = {
      onClosed: () => {},
      sendBytes: (...messages) => this.#socket?.sendBytes(...messages),
      close: async () => {},
    }
    this.#rooms.set(room, { heard, line })
    return line
  }

  async close(): Promise<void> {
    await this.#socket?.close()
  }
}
