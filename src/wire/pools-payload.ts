/**
 * What an app sends to another: never looked into, turned from bytes to JSON or back only where the
 * two ends speak different forms.
 *
 * What always holds: bytes come out as they went in; JSON that is none, or text that is no UTF-8,
 * reaches a reader of JSON as bytes, so nothing that was sent is lost or can break a frame.
 */
import { decode64, encode64 } from "./base64.ts"

/** 0 none, 1 JSON, 2 text, 3 bytes, 128 to 255 the apps' own. */
export type ContentType = number

export const contentTypes = { none: 0, json: 1, text: 2, bytes: 3, firstOfApps: 128 } as const

/** A payload, as the bytes or as the value that came. */
export type Payload =
  | { readonly as: "bytes"; readonly type: ContentType; readonly bytes: Uint8Array }
  | {
      readonly as: "value"
      readonly type: ContentType
      readonly value: unknown
      /** Bytes of the message it came in, which bound it. */
      readonly size: number
    }

/** No payload. */
export const noPayload: Payload = {
  as: "bytes",
  type: contentTypes.none,
  bytes: new Uint8Array(0),
}

const toBytes = new TextEncoder()
const toText = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** A value that JSON can spell. `size` is how long its message was, which bounds it. */
export function valuePayload(value: unknown, size: number): Payload {
  if (value === undefined) return noPayload
  return { as: "value", type: contentTypes.json, value, size }
}

/** Bytes as they are. */
export function bytesPayload(bytes: Uint8Array, type: ContentType): Payload {
  return { as: "bytes", type, bytes }
}

/** What `content_type` names; undefined for what it may not be. */
export function contentTypeOf(name: string | undefined): ContentType | undefined {
  if (name === undefined || name === "json") return contentTypes.json
  if (name === "text") return contentTypes.text
  if (name === "bytes") return contentTypes.bytes
  const number = /^app:(\d{3})$/.exec(name)?.[1]
  const type = Number(number)
  return type >= contentTypes.firstOfApps && type <= 255 ? type : undefined
}

/** The name of a content type; undefined for JSON and for none, which need no name. */
export function contentTypeName(type: ContentType): string | undefined {
  if (type === contentTypes.text) return "text"
  if (type === contentTypes.bytes) return "bytes"
  return type >= contentTypes.firstOfApps ? `app:${type}` : undefined
}

/** A payload out of a JSON message; undefined when it does not spell what `content_type` says. */
export function payloadOf(
  value: unknown,
  contentType: string | undefined,
  size: number,
): Payload | undefined {
  const type = contentTypeOf(contentType)
  if (type === undefined) return undefined
  if (type === contentTypes.json) return valuePayload(value, size)
  if (typeof value !== "string") return undefined
  if (type === contentTypes.text) return { as: "value", type, value, size }
  const bytes = decode64(value)
  return bytes && bytesPayload(bytes, type)
}

/** How many bytes it keeps in memory, about. */
export function sizeOf(payload: Payload): number {
  return payload.as === "bytes" ? payload.bytes.length : payload.size
}

/** The payload as bytes. */
export function bytesOf(payload: Payload): Uint8Array {
  if (payload.as === "bytes") return payload.bytes
  const { type, value } = payload
  return toBytes.encode(type === contentTypes.text ? String(value) : JSON.stringify(value))
}

/** The payload as JSON spells it, with the name of its content type. */
export function spelled(payload: Payload): { readonly value: unknown; readonly name?: string } {
  if (payload.as === "value") return named(payload.type, payload.value)
  const { type, bytes } = payload
  if (type === contentTypes.none) return { value: undefined }
  if (type === contentTypes.json || type === contentTypes.text) {
    try {
      const text = toText.decode(bytes)
      return named(type, type === contentTypes.text ? text : JSON.parse(text))
    } catch {
      // It is not what its sender said: its bytes are all that is sure.
      return { value: encode64(bytes), name: "bytes" }
    }
  }
  return named(type, encode64(bytes))
}

/** A copy that keeps nothing else alive, where the payload is a part of a larger piece of memory. */
export function kept(payload: Payload): Payload {
  if (payload.as === "value") return payload
  const { bytes } = payload
  return bytes.length === bytes.buffer.byteLength ? payload : { ...payload, bytes: bytes.slice() }
}

function named(type: ContentType, value: unknown) {
  const name = contentTypeName(type)
  return name === undefined ? { value } : { value, name }
}
