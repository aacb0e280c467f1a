/**
 * An app on a stream, for tests over real sockets: frames of JSON out, what comes back as objects.
 *
 * What always holds: it answers nothing by itself, and is gone when its owner is done.
 */
import { connect, type Socket } from "node:net"
import type { TestContext } from "node:test"
import { prefixFraming } from "../src/net/framing.ts"
import { FrameReader } from "../src/wire/frames.ts"
import { eventually } from "./harness.ts"

export type Told = Record<string, unknown>

export class FramedApp {
  readonly heard: Told[] = []
  isOver = false
  readonly socket: Socket

  /** `place` is a path, or `127.0.0.1:PORT`. */
  constructor(t: TestContext, place: string) {
    const [host = "", port] = place.split(":")
    this.socket = port === undefined ? connect(place) : connect(Number(port), host)
    t.after(() => this.socket.destroy())
    const reader = new FrameReader(32 * 1024 * 1024)
    this.socket.on("data", (chunk: Buffer) => {
      for (const frame of reader.push(chunk)) {
        this.heard.push(frame[0] === 0x7b ? JSON.parse(Buffer.from(frame).toString()) : { frame })
      }
    })
    this.socket.on("error", () => {})
    this.socket.on("close", () => {
      this.isOver = true
    })
  }

  says(message: object): void {
    this.socket.write(prefixFraming(Buffer.from(JSON.stringify(message))))
  }

  hears(type: string): Promise<Told> {
    return eventually(() => this.heard.find((each) => each["type"] === type))
  }

  /** The one answer to its request `id`. */
  answerTo(id: string): Promise<Told> {
    return eventually(() => this.heard.find((each) => each["correlation_id"] === id))
  }

  async shakesHands(app_id: string, fields: object = {}): Promise<Told> {
    this.says({ type: "handshake", id: "h", app_id, protocol_version: "1.0", ...fields })
    return this.hears("handshake_ack")
  }
}
