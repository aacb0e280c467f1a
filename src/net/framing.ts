/**
 * Messages as the bytes that go over a socket, made once for all who get them.
 *
 * What always holds: a frame is one Buffer, finished, and never changed; servers mask nothing, so
 * the same frame serves every connection of a route.
 */
import type { Codec } from "../service.ts"
import { prefixBytes } from "../wire/frames.ts"

/** Puts around an encoded message what its transport needs. */
export type Framing = (payload: Uint8Array | string) => Buffer

// The first byte of a frame: the last one of its message, and of text or of bytes.
const textHead = 0x81
const binaryHead = 0x82
// A payload of 125 bytes at most has its length in the second byte; these say where a longer one has it.
const shortest = 125
const length16 = 126
const length64 = 127

/** One WebSocket message in one frame: a string as text, bytes as binary. Source: RFC 6455, 5.2. */
export const webSocketFraming: Framing = (payload) => {
  const isText = typeof payload === "string"
  const length = isText ? Buffer.byteLength(payload) : payload.length
  const start = length <= shortest ? 2 : length <= 0xffff ? 4 : 10
  const frame = Buffer.allocUnsafe(start + length)
  frame[0] = isText ? textHead : binaryHead
  if (start === 2) frame[1] = length
  else if (start === 4) {
    frame[1] = length16
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = length64
    frame.writeUIntBE(0, 2, 2)
    frame.writeUIntBE(length, 4, 6)
  }
  if (isText) frame.write(payload, start)
  else frame.set(payload, start)
  return frame
}

/** A 32-bit length, then the bytes. */
export const prefixFraming: Framing = (payload) => {
  const length = Buffer.byteLength(payload)
  const frame = Buffer.allocUnsafe(prefixBytes + length)
  frame.writeUInt32BE(length)
  if (typeof payload === "string") frame.write(payload, prefixBytes)
  else frame.set(payload, prefixBytes)
  return frame
}

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
