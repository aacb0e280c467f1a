/**
 * The LFCC dialect: JSON for CRDTs of any kind, whose bytes the relay never looks into.
 *
 * What always holds: decode throws nothing; each frame that comes out has passed its schema, its
 * base64 is canonical, and its sizes are within their limits. What could not be read is told as
 * "unreadable", within a BATCH frame by frame, so that one bad frame costs no other.
 *
 *     {"type":"CRDT_UPDATE","docId":"notes","senderId":"ada","ts":1,"bytesB64":"AQID"}
 *
 * The same with the feature `binary`, as a binary message: the JSON without the bytes, after its
 * length, and then the bytes.
 *
 *     3f 7b ... 7d 01 02 03
 */
import { WireError } from "./error.ts"
import { parseJson, shallow } from "./json.ts"
import { batchFrames, frameSchema, fromReplica, fromReplicaBinary } from "./lfcc-schemas.ts"
import { encodeLfcc, type Form, refusal } from "./lfcc-told.ts"
import type { FrameLimits, FromOpaque, Unreadable } from "./relay.ts"
import { checked } from "./schema.ts"
import { Reader } from "./varints.ts"
import { unreadable } from "./yjs.ts"

/** A senderId has at most so many bytes of UTF-8. */
export const senderIdBytes = 128

/** The JSON in front of bytes: a version and a little more. */
const headBytes = 512 * 1024

/** A message with so many bytes of content has at most so many itself. */
export function lfccMessageBytes(contentBytes: number): number {
  return Math.ceil(contentBytes / 3) * 4 + headBytes
}

/** One frame, checked. */
export interface LfccFrame {
  readonly kind: "frame"
  readonly docId: string
  readonly senderId: string
  readonly ts: number
  /** Of an update; undefined for all else. */
  readonly form: Form | undefined
  readonly message: Exclude<FromOpaque, Unreadable>
}

/** What one WebSocket message held. Who sends a "batch" understands one. */
export interface FromLfcc {
  readonly kind: "single" | "batch"
  readonly frames: readonly (LfccFrame | Unreadable)[]
}

const example =
  '{"type":"JOIN","docId":"notes","senderId":"ada","ts":1704844800000}, with ts in ms and above 0'
const checkFrame = checked(frameSchema, example)
const checkJoin = checked(fromReplica.JOIN, '{…,"payload":{"hasSnapshot":true}}')
const checkUpdate = checked(fromReplica.CRDT_UPDATE, '{…,"bytesB64":"AQID"}')
const checkPresence = checked(fromReplica.PRESENCE, '{…,"payload":{"status":"active"}}')
const checkRequest = checked(fromReplica.SNAPSHOT_REQUEST, '{…,"payload":{"version":"AQID"}}')
const checkResponse = checked(
  fromReplica.SNAPSHOT_RESPONSE,
  '{…,"payload":{"requestId":"r1","snapshot":"AQID","isBase64":true}}',
)
const checkResponseHead = checked(
  fromReplicaBinary.SNAPSHOT_RESPONSE,
  '{…,"payload":{"requestId":"r1"}}',
)
const checkAuth = checked(fromReplica.AUTH, '{…,"token":"…"}')
const checkBatch = checked(fromReplica.BATCH, `{…,"messages":[…]}, 1 to ${batchFrames} of them`)

/** A message as its kind is read: what it says, and in which form its bytes came. */
interface Said {
  readonly message: LfccFrame["message"]
  readonly form?: Form
}

/** How each type of frame is read. A new one: add it here, to FromOpaque and to lfcc-schemas.ts. */
const readers = new Map<string, (frame: object, limits: FrameLimits) => Said>([
  ["JOIN", readJoin],
  ["CRDT_UPDATE", readUpdate],
  ["PRESENCE", readPresence],
  ["LEAVE", () => ({ message: { kind: "leave" } })],
  ["SNAPSHOT_REQUEST", readRequest],
  ["SNAPSHOT_RESPONSE", readResponse],
  ["AUTH", (frame) => ({ message: { kind: "token", token: checkAuth(frame).token } })],
])

/** How the types that may stand in front of bytes are read. */
const binaryReaders = new Map<string, (head: object, bytes: Uint8Array) => Said>([
  ["CRDT_UPDATE", readUpdateHead],
  ["SNAPSHOT_RESPONSE", readResponseHead],
])

/** The codec of `/collab/`. */
export function lfccCodec(limits: FrameLimits) {
  return {
    decode(frame: Uint8Array | string): FromLfcc {
      try {
        return typeof frame === "string" ? readText(frame, limits) : single(readBinary(frame))
      } catch (thrown) {
        return single(unreadable(thrown))
      }
    },
    encode: encodeLfcc,
    refuse: refusal,
  }
}

function single(frame: LfccFrame | Unreadable): FromLfcc {
  return { kind: "single", frames: [frame] }
}

function readText(text: string, limits: FrameLimits): FromLfcc {
  const frame = objectOf(parseJson(text, shallow))
  if (checkFrame(frame).type !== "BATCH") return single(readFrame(frame, limits))
  const frames = checkBatch(frame).messages.map((each) => {
    try {
      return readFrame(objectOf(each), limits)
    } catch (thrown) {
      return unreadable(thrown)
    }
  })
  return { kind: "batch", frames }
}

function readFrame(frame: object, limits: FrameLimits): LfccFrame {
  const { type, ...stamp } = stampOf(frame)
  const read = readers.get(type)
  if (read === undefined) {
    const known = [...readers.keys(), "BATCH"].join(", ")
    throw new WireError("bad-message", `the type of a frame is one of ${known}`)
  }
  const { message, form } = read(frame, limits)
  return { kind: "frame", ...stamp, form, message }
}

function readBinary(bytes: Uint8Array): LfccFrame {
  const reader = new Reader(bytes)
  const head = objectOf(parseJson(reader.text(headBytes), shallow))
  const { type, ...stamp } = stampOf(head)
  const read = binaryReaders.get(type)
  if (read === undefined) {
    const known = [...binaryReaders.keys()].join(" or ")
    throw new WireError("bad-message", `only a ${known} is followed by bytes`)
  }
  const { message, form } = read(head, reader.rest())
  return { kind: "frame", ...stamp, form, message }
}

function objectOf(json: unknown): object {
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json
  throw new WireError("bad-message", "a frame is a JSON object")
}

function stampOf(frame: object) {
  const { type, docId, senderId, ts } = checkFrame(frame)
  if (Buffer.byteLength(senderId) > senderIdBytes) {
    throw new WireError("bad-message", `a senderId has at most ${senderIdBytes} bytes`)
  }
  return { type, docId, senderId, ts }
}

function readJoin(frame: object): Said {
  const { hasSnapshot = false, version, features = [], sealed } = checkJoin(frame).payload ?? {}
  const message = {
    kind: "join",
    hasSnapshot,
    version: optional(version),
    features,
    sealed,
  } as const
  return { message }
}

function readUpdate(frame: object): Said {
  const { bytesB64, payload, ref } = checkUpdate(frame)
  const inner = payload?.bytesB64
  if ((bytesB64 === undefined) === (inner === undefined)) {
    throw new WireError("bad-message", "an update has its bytesB64 in the frame or in its payload")
  }
  const update = bytesOf(bytesB64 ?? inner ?? "")
  const form = bytesB64 === undefined ? "payload" : "top"
  return { message: { kind: "update", update, ref }, form }
}

function readUpdateHead(head: object, update: Uint8Array): Said {
  const { bytesB64, payload, ref } = checkUpdate(head)
  if (bytesB64 !== undefined || payload?.bytesB64 !== undefined) {
    throw new WireError("bad-message", "an update has bytesB64, or bytes behind it, not both")
  }
  return { message: { kind: "update", update, ref }, form: "binary" }
}

function readPresence(frame: object, { presenceRowBytes }: FrameLimits): Said {
  const payload = JSON.stringify(checkPresence(frame).payload)
  if (Buffer.byteLength(payload) <= presenceRowBytes)
    return { message: { kind: "presence", payload } }
  const sentence = `the payload of a PRESENCE has at most ${presenceRowBytes} bytes`
  return { message: { kind: "oversize", what: "presence", sentence } }
}

function readRequest(frame: object): Said {
  const version = optional(checkRequest(frame).payload?.version)
  return { message: { kind: "snapshot-request", version } }
}

function readResponse(frame: object): Said {
  const { requestId, snapshot, version } = checkResponse(frame).payload
  const bytes = { snapshot: bytesOf(snapshot), version: optional(version) }
  return { message: { kind: "snapshot-response", requestId, ...bytes } }
}

function readResponseHead(head: object, snapshot: Uint8Array): Said {
  const { requestId, version } = checkResponseHead(head).payload ?? {}
  return {
    message: { kind: "snapshot-response", requestId, snapshot, version: optional(version) },
  }
}

function optional(base64: string | undefined): Uint8Array | undefined {
  return base64 === undefined ? undefined : bytesOf(base64)
}

/** The bytes of a base64 text, which is refused unless it is the one way to spell them. */
function bytesOf(base64: string): Uint8Array {
  const bytes = Buffer.from(base64, "base64")
  if (bytes.toString("base64") === base64) return bytes
  throw new WireError("bad-message", "bytes are base64 with padding, without spaces: AQID, AQ==")
}
