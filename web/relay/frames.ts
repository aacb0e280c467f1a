/**
 * What crosses a replica's line, as the server sees it: the newest frames, each with its way, its
 * size and how it begins; without the receipts. In an encrypted note that is names and noise.
 */
import { read } from "../../src/client/room-frames.ts"
import { Cell } from "../cell.ts"

/** More than this nobody reads, and a busy room would fill the memory. */
const limitFrames = 40
/** How much of a frame is shown. */
const shownBytes = 160
/** Text frames are JSON. */
const brace = 0x7b

/** One frame. */
export interface SeenFrame {
  readonly id: number
  readonly way: "sent" | "received"
  readonly what: string
  readonly bytes: number
  /** How it begins: what can be read of it, dots for the rest. */
  readonly text: string
}

export class Frames {
  /** Newest first. */
  readonly seen = new Cell<readonly SeenFrame[]>([])
  #count = 0

  /** A class of WebSocket whose frames are seen here. */
  get Line(): typeof WebSocket {
    const see = (way: SeenFrame["way"], data: unknown): void => this.#see(way, data)
    return class extends WebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols)
        this.addEventListener("message", ({ data }) => see("received", data))
      }

      override send(data: Parameters<WebSocket["send"]>[0]): void {
        see("sent", data)
        super.send(data)
      }
    }
  }

  #see(way: SeenFrame["way"], data: unknown): void {
    const bytes = bytesOf(data)
    if (bytes === undefined) return
    const seen = look(bytes)
    // There is one for every change: they would push out what they are about.
    if (seen.what === "receipt") return
    this.#count += 1
    const frame: SeenFrame = { id: this.#count, way, bytes: bytes.length, ...seen }
    this.seen.value = [frame, ...this.seen.value].slice(0, limitFrames)
  }
}

function bytesOf(data: unknown): Uint8Array | undefined {
  if (typeof data === "string") return new TextEncoder().encode(data)
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  return data instanceof Uint8Array ? data : undefined
}

/** In the words of the page: what the frames of an encrypted room are. */
const words = new Map([
  ["JOIN", "arrival"],
  ["LEAVE", "departure"],
  ["CRDT_UPDATE", "change"],
  ["PRESENCE", "presence"],
  ["SNAPSHOT_REQUEST", "question"],
  ["SNAPSHOT_RESPONSE", "content"],
  ["ACK", "receipt"],
  ["ERROR", "error"],
])

/** What a frame is, and how its content begins, in either dialect. */
export function look(bytes: Uint8Array): Pick<SeenFrame, "what" | "text"> {
  const [type, step] = bytes
  const text = readable(bytes)
  if (type === 0) return { what: ["question", "content", "change"][step ?? 0] ?? "sync", text }
  if (type === 1) return { what: "presence", text }
  if (type === 3) return { what: "question", text }
  const frame = read(type === brace ? new TextDecoder().decode(bytes) : bytes)
  if (frame === undefined) {
    return { what: text.includes('"kind":"ack"') ? "receipt" : "notice", text }
  }
  // Behind its head, which says no more than what it is and from whom, comes what was said.
  const content = frame.bytes.length === 0 ? text : readable(frame.bytes)
  return { what: words.get(frame.type) ?? "notice", text: content }
}

function readable(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes.subarray(0, shownBytes))
  return text.replace(/[^\x20-\x7e\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}]/gu, "·")
}
