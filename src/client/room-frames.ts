/**
 * The frames of a raw room as the SDK writes and reads them: JSON, or JSON in front of bytes. The
 * relay's manual has each of them (docs/protocol/relay.md, LFCC).
 *
 * What always holds: what comes out of `read` has a type and a sender, or is undefined; fields
 * beside those are whatever the other side wrote, and who uses one looks at it first.
 *
 *     3f 7b ... 7d 01 02 03     63 bytes of JSON, then the bytes of an update
 */
import { fromBase64 } from "./sealed.ts"

/** What a server or another replica said. */
export interface Frame {
  readonly type: string
  readonly senderId: string
  /** Empty where there are no such fields. */
  readonly payload: Readonly<Record<string, unknown>>
  /** What followed the JSON; empty in a text frame. */
  readonly bytes: Uint8Array
}

const utf8 = new TextEncoder()
const fromUtf8 = new TextDecoder()
const none = new Uint8Array()

/** `head` as JSON in front of `bytes`, as one binary frame. */
export function withBytes(head: object, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const json = utf8.encode(JSON.stringify(head))
  const length: number[] = []
  let rest = json.length
  for (; rest > 127; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128)
  length.push(rest)
  const frame = new Uint8Array(length.length + json.length + bytes.length)
  frame.set(length)
  frame.set(json, length.length)
  frame.set(bytes, length.length + json.length)
  return frame
}

/** What a frame says; undefined for what is none. */
export function read(frame: string | Uint8Array): Frame | undefined {
  try {
    return typeof frame === "string" ? frameOf(JSON.parse(frame), none) : readBinary(frame)
  } catch {
    // JSON.parse throws for what is not JSON, which comes from no server of ours.
    return undefined
  }
}

function readBinary(frame: Uint8Array): Frame | undefined {
  let at = 0
  let length = 0
  for (let scale = 1; at < frame.length; scale *= 128) {
    const byte = frame[at++] ?? 0
    length += (byte % 128) * scale
    if (byte < 128) break
  }
  const json: unknown = JSON.parse(fromUtf8.decode(frame.subarray(at, at + length)))
  return frameOf(json, frame.subarray(at + length))
}

function frameOf(json: unknown, bytes: Uint8Array): Frame | undefined {
  const { type, senderId, payload } = fieldsOf(json)
  if (typeof type !== "string" || typeof senderId !== "string") return undefined
  return { type, senderId, payload: fieldsOf(payload), bytes }
}

/** The fields of an object; of anything else, none. */
function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {}
}

/** Bytes of a field in base64; undefined where there are none. */
export function bytesOf(field: unknown): Uint8Array | undefined {
  if (typeof field !== "string" || field === "") return undefined
  try {
    return fromBase64(field)
  } catch {
    // Not base64: nothing that a replica of ours wrote.
    return undefined
  }
}

/** Whether two arrays hold the same bytes. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}
