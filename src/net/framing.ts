/**
 * Messages as the bytes that go over a socket, made once for all who get them.
 *
 * What always holds: a frame is one Buffer, finished, and never changed; servers mask nothing, so
 * the same frame serves every connection of a route.
 */
import * as ws from "ws"
import type { Codec } from "../service.ts"
import { prefixed } from "../wire/frames.ts"

/** Puts around an encoded message what its transport needs. */
export type Framing = (payload: Uint8Array | string) => Buffer

interface FrameOptions {
  readonly fin: boolean
  readonly opcode: number
  readonly mask: boolean
  readonly readOnly: boolean
  readonly rsv1: boolean
}

// ws exports Sender, its types do not know it.
const { Sender } = ws as unknown as {
  readonly Sender: { frame(data: Uint8Array | string, options: FrameOptions): Buffer[] }
}

const textOpcode = 1
const binaryOpcode = 2
const whole = { fin: true, mask: false, readOnly: true, rsv1: false }

/** One WebSocket message in one frame: a string as text, bytes as binary. */
export const webSocketFraming: Framing = (payload) => {
  const opcode = typeof payload === "string" ? textOpcode : binaryOpcode
  return Buffer.concat(Sender.frame(payload, { ...whole, opcode }))
}

/** A 32-bit length, then the bytes. */
export const prefixFraming: Framing = (payload) =>
  Buffer.from(prefixed(typeof payload === "string" ? Buffer.from(payload) : payload).buffer)

/** The text and a newline. */
export const lineFraming: Framing = (payload) =>
  typeof payload === "string" ? Buffer.from(`${payload}\n`) : Buffer.concat([payload, lineEnd])

const lineEnd = Buffer.from("\n")

/**
 * Encodes and frames what a service sends, each message object once.
 *
 * It keeps the last object with its finished frame, so a loop that sends one object to a thousand
 * connections encodes it once. That is why a message that was sent is never changed afterwards.
 */
export class Encoder<Out> {
  readonly #codec: Pick<Codec<unknown, Out>, "encode">
  readonly #framing: Framing
  #last: { readonly message: Out; readonly frame: Buffer } | undefined
  /** How many frames were made. */
  made = 0

  constructor(codec: Pick<Codec<unknown, Out>, "encode">, framing: Framing) {
    this.#codec = codec
    this.#framing = framing
  }

  /** The finished frame of `message`. */
  frame(message: Out): Buffer {
    const last = this.#last
    if (last !== undefined && last.message === message) return last.frame
    const frame = this.#framing(this.#codec.encode(message))
    this.made++
    this.#last = { message, frame }
    return frame
  }
}
