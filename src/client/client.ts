/**
 * The SDK's door, and what `/client.js` offers: `connect` to a server, and its parts from there.
 *
 * It runs in browsers and in Node 24.12 or later, and needs nothing but WebSocket and fetch.
 */
import { Documents, type Person } from "./documents.ts"
import { OperatorsSession } from "./operators.ts"
import type { Operators, OperatorsOptions } from "./operators-shapes.ts"
import { openSocketLine } from "./operators-socket.ts"
import { Relay } from "./relay.ts"
import { Routes } from "./routes.ts"

/** A server, as a program sees it: a member for each part. Nothing is opened before it is used. */
export interface Client {
  readonly documents: Documents
  readonly relay: Relay
  /** Logs in as an operator. Throws TypeError for what cannot be a callsign. */
  operators(options: OperatorsOptions): Operators
}

/**
 * The server at `url`, its `http(s)` or `ws(s)` address; `person` is who one is in what is opened.
 *
 * ```ts
 * const client = connect("https://pad.example.org/", { name: "Ada", hue: 180 })
 * const text = client.documents.open("notes", { otp: "aB3dE5fG7hI9" })
 * text.on("change", () => console.log(text.text))
 * text.replace(0, 0, "hello ")
 * ```
 *
 * Throws TypeError when `url` is no such address.
 */
export function connect(url: string, person: Person = {}): Client {
  return {
    documents: new Documents(new Routes(url), person),
    relay: new Relay(url),
    operators: (options) => new OperatorsSession(openSocketLine(url), options),
  }
}

export type { PendingRecord } from "../ot/effects.ts"
export { compose, moveIndex, Operation, transform } from "../ot/operation.ts"
export type { Cursors, Role } from "../wire/documents-shapes.ts"
export type { Role as RelayRole } from "../wire/relay.ts"
export type {
  Access,
  Documents,
  ErrorCode,
  Keeping,
  OpenOptions,
  Person,
  TextEvents,
  TextState,
  WriteOptions,
} from "./documents.ts"
export type { Editor } from "./editors.ts"
export { indexedDbStore, type OfflineRecord, type OfflineStore } from "./offline.ts"
export {
  type End,
  type Incoming,
  type Operators,
  OperatorsError,
  type OperatorsOptions,
  type Outgoing,
  type OwnSession,
  type SendOptions,
} from "./operators-shapes.ts"
export type { Relay } from "./relay.ts"
export type { Room, RoomEvents, RoomOptions, RoomState } from "./room.ts"
export type { Link, LinkOptions, NewLink, Playback, StoredText } from "./routes.ts"
export { RoomKey } from "./sealed.ts"
export type { SharedText } from "./shared-text.ts"
export type { Ending } from "./socket.ts"
