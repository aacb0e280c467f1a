/** Values of programs as payloads, and back. */
import {
  bytesPayload,
  type ContentType,
  contentTypeOf,
  contentTypes,
  noPayload,
  type Payload,
  spelled,
} from "../wire/pools-payload.ts"

/**
 * `value` as it is sent: undefined is nothing, a `Uint8Array` is bytes, all else JSON. Throws
 * TypeError for what `contentType` cannot be, and for what JSON cannot spell.
 */
export function payloadFrom(value: unknown, contentType?: string): Payload {
  if (value === undefined) return noPayload
  const type = contentType === undefined ? undefined : contentTypeOf(contentType)
  if (contentType !== undefined && type === undefined) {
    throw new TypeError(`${contentType} is no content type: json, text, bytes, app:128 to app:255`)
  }
  if (value instanceof Uint8Array) return bytesPayload(value, bytesType(type))
  if (type === contentTypes.text) {
    if (typeof value !== "string") throw new TypeError("with content type text it is a string")
    return { as: "value", type, value, size: value.length }
  }
  if (type !== undefined && type !== contentTypes.json) {
    throw new TypeError(`with content type ${contentType} it is a Uint8Array`)
  }
  // Spelled now: what a program changes afterwards is not sent, and what cannot be spelled is its fault.
  const text: string | undefined = JSON.stringify(value)
  if (text === undefined) throw new TypeError("a payload is JSON, a Uint8Array, or undefined")
  return bytesPayload(encoder.encode(text), contentTypes.json)
}

function bytesType(type: ContentType | undefined): ContentType {
  if (type === undefined || type === contentTypes.json || type === contentTypes.text) {
    return contentTypes.bytes
  }
  return type
}

const encoder = new TextEncoder()

/** What a program gets: JSON's value, a text, or a `Uint8Array` of its own. */
export function valueFrom(payload: Payload): unknown {
  const { type } = payload
  if (type === contentTypes.none) return undefined
  if (payload.as === "bytes" && (type === contentTypes.bytes || type >= contentTypes.firstOfApps)) {
    // A copy, unless it is all there is: a small piece would keep its whole frame alive.
    const { bytes } = payload
    // Plain bytes: a socket of Node brings Buffers, whose methods do other things.
    const isWhole = bytes.length === bytes.buffer.byteLength
    return isWhole ? new Uint8Array(bytes.buffer) : new Uint8Array(bytes)
  }
  return spelled(payload).value
}
