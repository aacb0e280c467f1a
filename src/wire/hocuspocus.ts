/**
 * The Hocuspocus dialect, providers 3 and 4: many documents on one socket.
 *
 * What always holds: a frame names its address first, and an answer carries that address exactly
 * as it came; decode throws nothing, and what cannot be read is told as "unreadable", with its
 * address where that much could be read. What follows a message that is whole is not looked at:
 * newer providers add to older messages.
 *
 *     05 6e 6f 74 65 73  00  02 02 00 00    to "notes": sync, update, the empty one
 *     05 6e 6f 74 65 73  08  01             to "notes": the update was accepted
 */
import { WireError } from "./error.ts"
import {
  type FrameLimits,
  type FromYjs,
  roomNameBytes,
  type Stateless,
  type ToYjsReplica,
  tokenBytes,
} from "./relay.ts"
import { Reader, textOf, Writer } from "./varints.ts"
import { bytesOf, encodeShared, readAwareness, readable, readSync, unreadable } from "./yjs.ts"

const sync = 0
const awareness = 1
const auth = 2
const queryAwareness = 3
const fromServer = 4
const stateless = 5
const statelessFromServer = 6
const close = 7
const syncStatus = 8
const ping = 9
const pong = 10

const authToken = 0
const authDenied = 1
const authScope = 2

/** A name, a zero, and what a provider calls its session: room for a UUID and more. */
const addressBytes = roomNameBytes + 1 + 128

/** What a provider says. Pings and pongs are of the socket, and have no address. */
export type FromHocuspocus =
  | { readonly kind: "frame"; readonly address: string; readonly messages: readonly FromYjs[] }
  | { readonly kind: "ping" }
  | { readonly kind: "pong" }
  | { readonly kind: "unreadable"; readonly sentence: string }

/** What is said to one address. */
export type ToAddress =
  | ToYjsReplica
  | Stateless
  /** "Send your token again." */
  | { readonly kind: "token-wanted" }
  | { readonly kind: "scope"; readonly scope: "read-write" | "readonly" }
  /** Whether an update was taken. The provider counts those that were not told "accepted". */
  | { readonly kind: "sync-status"; readonly status: "accepted" | "refused" }
  /** This address is closed; the socket stays. */
  | { readonly kind: "closed"; readonly reason: string }

/** What goes over the socket. Made by `addressed`. */
export type ToHocuspocus = Addressed | { readonly kind: "pong" }

interface Addressed {
  readonly kind: "addressed"
  readonly address: string
  /** The message's bytes behind the address. */
  readonly body: Uint8Array
}

/** The codec of `/hocuspocus`. A refusal has no address, so `refuse` says nothing. */
export function hocuspocusCodec(limits: FrameLimits) {
  return {
    decode(frame: Uint8Array | string): FromHocuspocus {
      try {
        return readFrame(bytesOf(frame), limits)
      } catch (thrown) {
        return unreadable(thrown)
      }
    },
    encode,
    refuse: (): undefined => undefined,
  }
}

/** The name of the document in an address: what stands before a zero, if there is one. */
export function documentOf(address: string): string {
  const end = address.indexOf("\0")
  return end === -1 ? address : address.slice(0, end)
}

// What was sent last, and to whom: a message goes to all who get it one after the other.
let last: { readonly message: ToAddress; readonly sent: Addressed } | undefined

/**
 * `message`, for `address`.
 *
 * Gives the same object again for the same two in a row, so a loop that sends one message to a
 * thousand replicas of one address encodes and frames it once; where addresses differ, what
 * follows the address is encoded once. Send to replicas of one address one after the other.
 */
export function addressed(address: string, message: ToAddress): ToHocuspocus {
  const known = last?.message === message ? last.sent : undefined
  if (known?.address === address) return known
  const sent: Addressed = { kind: "addressed", address, body: known?.body ?? bodyOf(message) }
  last = { message, sent }
  return sent
}

function readFrame(bytes: Uint8Array, limits: FrameLimits): FromHocuspocus {
  // Alone, these are of the socket; else the first byte is the length of an address.
  if (bytes.length === 1 && bytes[0] === ping) return { kind: "ping" }
  if (bytes.length === 1 && bytes[0] === pong) return { kind: "pong" }
  const reader = new Reader(bytes)
  const address = reader.text(addressBytes)
  const messages = readable((heard) => readMessage(reader, { limits, heard }))
  return { kind: "frame", address, messages }
}

interface Hearing {
  readonly limits: FrameLimits
  heard(message: FromYjs): void
}

// A new kind of message: add it here, to FromYjs, and to docs/protocol/relay.md.
function readMessage(reader: Reader, { limits, heard }: Hearing): void {
  const kind = reader.uint()
  switch (kind) {
    case sync:
      return heard(readSync(reader))
    case awareness:
      return readAwareness(reader, { limits, heard })
    case auth:
      return heard(readAuth(reader))
    case queryAwareness:
      return heard({ kind: "query-awareness" })
    case stateless:
      return heard(readStateless(reader, limits))
    case close:
      return heard({ kind: "leave" })
    case fromServer:
    case statelessFromServer:
      return heard({ kind: "ignored" })
  }
  throw new WireError("bad-message", `there is no message of kind ${kind}`)
}

function readAuth(reader: Reader): FromYjs {
  const kind = reader.uint()
  if (kind === authToken) return { kind: "token", token: reader.text(tokenBytes) }
  throw new WireError("bad-message", `there is no authentication message of kind ${kind}`)
}

function readStateless(reader: Reader, { statelessBytes }: FrameLimits): FromYjs {
  const bytes = reader.bytes()
  if (bytes.length <= statelessBytes) return { kind: "stateless", text: textOf(bytes) }
  const sentence = `a stateless message has at most ${statelessBytes} bytes, this one has ${bytes.length}`
  return { kind: "oversize", what: "stateless", sentence }
}

function encode(message: ToHocuspocus): Uint8Array {
  if (message.kind === "pong") return Uint8Array.of(pong)
  return new Writer().text(message.address).raw(message.body).finish()
}

function bodyOf(message: ToAddress): Uint8Array {
  switch (message.kind) {
    case "step1":
    case "step2":
    case "update":
    case "awareness":
      return encodeShared(message)
    case "denied":
      return new Writer().uint(auth).uint(authDenied).text(message.reason).finish()
    case "scope":
      return new Writer().uint(auth).uint(authScope).text(message.scope).finish()
    case "token-wanted":
      return Uint8Array.of(auth, authToken)
    case "stateless":
      return new Writer().uint(stateless).text(message.text).finish()
    case "sync-status":
      // The provider reads it as a signed number; 0 and 1 are the same bytes in both.
      return Uint8Array.of(syncStatus, message.status === "accepted" ? 1 : 0)
    case "closed":
      return new Writer().uint(close).text(message.reason).finish()
  }
}
