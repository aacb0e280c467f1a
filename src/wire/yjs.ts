/**
 * The Yjs dialect: what y-websocket and its relatives send. One codec, and the parts of it that
 * the Hocuspocus dialect shares.
 *
 * What always holds: each frame becomes a list of messages, in order, and decode throws nothing.
 * What cannot be read ends the list as "unreadable": how many of those a replica may send, only
 * the service knows.
 *
 *     00 00 01 00          sync, step 1, one byte: the empty vector. "Send everything."
 *     00 01 02 00 00       sync, step 2, two bytes: the empty update
 *     00 02 ...            sync, update
 *     01 01 00             awareness, one byte: no rows. Keeps the line alive.
 */
import { decodeRows, encodeRows } from "./awareness.ts"
import { WireError } from "./error.ts"
import { parseJson, shallow } from "./json.ts"
import {
  type Denied,
  type FrameLimits,
  type FromYjs,
  type Notice,
  type ToYjsReplica,
  tokenBytes,
  type Unreadable,
} from "./relay.ts"
import { Reader, Writer, withLength } from "./varints.ts"

const sync = 0
const awareness = 1
const auth = 2
const queryAwareness = 3
const echo = 102
const notice = 121

const step1 = 0
const step2 = 1
const update = 2

const authDenied = 0

/** A notice holds a token at most. */
const noticeBytes = tokenBytes + 1024

/** An echo is a few bytes; more are not sent back. */
const echoBytes = 1024

/** What a replica of this dialect is told. */
export type ToYjs =
  | ToYjsReplica
  | { readonly kind: "notice"; readonly notice: Notice }
  | { readonly kind: "echo"; readonly bytes: Uint8Array }

/** The codec of `/yjs/`. Empty frames hold no message and are unreadable. */
export function yjsCodec(limits: FrameLimits) {
  return {
    decode: (frame: Uint8Array | string): readonly FromYjs[] =>
      readable((heard) => readFrame(frame, { limits, heard })),
    encode,
    refuse: refusal,
  }
}

interface Hearing {
  readonly limits: FrameLimits
  heard(message: FromYjs): void
}

/** Gathers what `read` hears. Where it throws a WireError the list ends with "unreadable". */
export function readable(read: (heard: (message: FromYjs) => void) => void): readonly FromYjs[] {
  const messages: FromYjs[] = []
  try {
    read((message) => messages.push(message))
  } catch (thrown) {
    messages.push(unreadable(thrown))
  }
  return messages
}

/** What a WireError says, as a message. Throws on what is not one: a bug of ours. */
export function unreadable(thrown: unknown): Unreadable {
  if (!(thrown instanceof WireError)) throw thrown
  return { kind: "unreadable", sentence: thrown.message }
}

function readFrame(frame: Uint8Array | string, hearing: Hearing): void {
  const reader = new Reader(bytesOf(frame))
  do readMessage(reader, hearing)
  while (reader.left > 0)
}

/** The bytes of a binary frame. */
export function bytesOf(frame: Uint8Array | string): Uint8Array {
  if (typeof frame !== "string") return frame
  throw new WireError("bad-message", "frames are binary here, this one is text")
}

// A new kind of message: add it here, to FromYjs, and to docs/protocol/relay.md.
function readMessage(reader: Reader, { limits, heard }: Hearing): void {
  const kind = reader.uint()
  switch (kind) {
    case sync:
      return heard(readSync(reader))
    case awareness:
      return readAwareness(reader, { limits, heard })
    case queryAwareness:
      return heard({ kind: "query-awareness" })
    case echo:
      return heard(readEcho(reader.rest()))
    case notice:
      return heard(noticeOf(parseJson(reader.text(noticeBytes), shallow)))
  }
  throw new WireError("bad-message", `there is no message of kind ${kind}`)
}

/** Reads what follows the kind of a sync message. Vector and update are not looked into. */
export function readSync(reader: Reader): FromYjs {
  const kind = reader.uint()
  switch (kind) {
    case step1:
      return { kind: "step1", vector: reader.bytes() }
    case step2:
      return { kind: "step2", update: reader.bytes() }
    case update:
      return { kind: "update", update: reader.bytes() }
  }
  throw new WireError("bad-message", `there is no sync message of kind ${kind}`)
}

/** Reads what follows the kind of an awareness message. Rows that are too large are told besides. */
export function readAwareness(reader: Reader, { limits, heard }: Hearing): void {
  const { presenceFrameBytes, presenceRowBytes } = limits
  const bytes = reader.bytes()
  if (bytes.length > presenceFrameBytes) {
    const sentence = `a frame of presence has at most ${presenceFrameBytes} bytes, this one has ${bytes.length}`
    return heard({ kind: "oversize", what: "presence", sentence })
  }
  const { rows, tooLarge } = decodeRows(bytes, presenceRowBytes)
  heard({ kind: "awareness", rows })
  if (tooLarge === 0) return
  const sentence = `the state of a row of presence has at most ${presenceRowBytes} bytes, ${tooLarge} had more`
  heard({ kind: "oversize", what: "presence", sentence })
}

function readEcho(rest: Uint8Array): FromYjs {
  if (rest.length > echoBytes) {
    throw new WireError("bad-message", `a status has at most ${echoBytes} bytes`)
  }
  return { kind: "echo", bytes: rest }
}

function noticeOf(json: unknown): FromYjs {
  if (typeof json === "object" && json !== null && "kind" in json) {
    if (json.kind === "token" && "token" in json && typeof json.token === "string") {
      return { kind: "token", token: json.token }
    }
    if (json.kind === "seed" && "declined" in json && json.declined === true) {
      return { kind: "seed-declined" }
    }
  }
  throw new WireError(
    "bad-message",
    'a notice is {"kind":"token","token":"…"} or {"kind":"seed","declined":true}',
  )
}

function encode(message: ToYjs): Uint8Array {
  switch (message.kind) {
    case "denied":
      return new Writer().uint(auth).uint(authDenied).text(message.reason).finish()
    case "notice":
      return new Writer().uint(notice).text(JSON.stringify(message.notice)).finish()
    case "echo":
      return new Writer().uint(echo).raw(message.bytes).finish()
    case "step1":
    case "step2":
    case "update":
    case "awareness":
      return encodeShared(message)
  }
}

/** Sync and awareness: the same bytes in both dialects of a Yjs room. */
export function encodeShared(message: Exclude<ToYjsReplica, Denied>): Uint8Array {
  switch (message.kind) {
    case "step1":
      return withLength([sync, step1], message.vector)
    case "step2":
      return withLength([sync, step2], message.update)
    case "update":
      return withLength([sync, update], message.update)
    case "awareness":
      return withLength([awareness], encodeRows(message.rows))
  }
}

/** Only why it may not enter has a form in this dialect. */
function refusal(error: WireError): ToYjs | undefined {
  if (error.code !== "unauthenticated" && error.code !== "forbidden") return undefined
  return { kind: "denied", reason: error.message }
}
