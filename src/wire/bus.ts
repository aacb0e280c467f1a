/**
 * What servers say to each other about rooms: one envelope for each message of the bus.
 *
 * What always holds: whatever the bytes are, decoding gives a whole message or throws a WireError
 * "bad-message"; bytes inside a message are views into what was decoded. Of the flags, this file
 * writes none: parcels and keyed hashes are put on and taken off by the bus itself.
 *
 *     01                         format
 *     02                         kind: UPDATE
 *     00                         flags
 *     a1 b2 c3 d4 e5 f6 07 18    origin, the server that sent it
 *     80 b0 e2 ..                epoch: bus time in ms at which the origin opened this room
 *     05                         seq: the fifth counted message of that epoch
 *     ..                         body
 */
import type { Act } from "./bus-acts.ts"
import { kinds, readBody, writeBody } from "./bus-bodies.ts"
import type { FarName, Head, OpaqueToRoom, OpaqueToServer } from "./bus-opaque.ts"
import { bytesOfHex, hexOf, originBytes } from "./bus-shapes.ts"
import { WireError } from "./error.ts"
import { Reader, Writer } from "./varints.ts"

/** Who sent a message, and as which of its messages in this room. */
export interface Header {
  /** Sixteen hex digits, drawn anew by each process. */
  readonly origin: string
  /** ms of bus time; 0 on channels of servers. */
  readonly epoch: number
  /** 1, 2, … for what is counted, else 0. */
  readonly seq: number
}

/** A row of presence of another server. A higher `version` is newer, whichever server numbered it. */
export interface FarRow {
  readonly id: number
  /** The same for connections that may claim each other's rows. */
  readonly owner: number
  readonly version: number
  /** JSON; null says that whoever it was is gone. */
  readonly state: string | null
}

/** What a server says of a room to all servers that have it. */
export type ToRoom =
  /** It has the room, and asks every other server that has it for a STATE. */
  | ({ readonly kind: "open" } & Beacon)
  /** Changes. Counted. */
  | { readonly kind: "update"; readonly update: Uint8Array }
  /** It has `vector` (encoded), and may have missed something of the servers in `from`: each answers with a DIFF. */
  | {
      readonly kind: "resync"
      /** Rises; an answer bears it. */
      readonly serial: number
      readonly vector: Uint8Array
      readonly from: readonly string[]
    }
  | ({ readonly kind: "beacon" } & Beacon)
  /** It has the room no longer. */
  | { readonly kind: "shut" }
  /** A text for the programs in the room. Counted. */
  | { readonly kind: "message"; readonly text: string }
  /** Asks the server `target` for content beyond `vector`: of an opaque room, a version; empty for none. */
  | {
      readonly kind: "ask"
      readonly target: string
      readonly id: number
      readonly isViewer: boolean
      readonly vector: Uint8Array
    }
  /** Changed rows of presence. */
  | { readonly kind: "rows"; readonly rows: readonly FarRow[] }
  /** All rows of this server. */
  | { readonly kind: "table"; readonly rows: readonly FarRow[] }
  | OpaqueToRoom

/** How a room stands at a server. */
export interface Beacon {
  /** The number of its last counted message; 0 for none. */
  readonly lastSeq: number
  readonly holders: number
  /** Of the tracked vector; sixteen hex digits. */
  readonly hash: string
  /** Whether no content ever came by. */
  readonly isBlank: boolean
  /** Of an opaque room, whether its content is sealed; "unsaid" until a replica has said so. */
  readonly seal: "unsaid" | "opaque" | "sealed"
}

/** What a server says to one other about a room. */
export type ToServer =
  /** Its answer to OPEN. `vector` is encoded. A Yjs room has rows, an opaque room names. */
  | ({
      readonly kind: "state"
      readonly room: string
      readonly epoch: number
      readonly vector: Uint8Array
      readonly rows: readonly FarRow[]
      readonly names: readonly FarName[]
    } & Beacon)
  /**
   * Its answer to an ASK. In an opaque room `version` is that of the content, empty for none, and
   * `heads` say what of the changes of other servers is in it.
   */
  | {
      readonly kind: "answer"
      readonly room: string
      readonly id: number
      readonly outcome: "content" | "no-holder" | "too-big" | "refused"
      readonly update: Uint8Array
      readonly version: Uint8Array
      readonly heads: readonly Head[]
    }
  /** Its answer to a RESYNC: what it has beyond the vector. No byte at all where it has no holder. */
  | {
      readonly kind: "diff"
      readonly room: string
      readonly serial: number
      readonly update: Uint8Array
    }
  | OpaqueToServer

/** What a server says to all, of itself. */
export type ToAll =
  | {
      readonly kind: "hello"
      readonly serverId: string
      /** For how long it has been on the bus, in ms. */
      readonly upMs: number
      readonly isDraining: boolean
    }
  | { readonly kind: "control"; readonly act: Act }

export type BusMessage = ToRoom | ToServer | ToAll

/** A message, and what stands before it. */
export interface Envelope {
  readonly header: Header
  readonly message: BusMessage
}

const format = 1

/** Writes `message` under `header`. */
export function encodeEnvelope({ origin, epoch, seq }: Header, message: BusMessage): Uint8Array {
  const writer = new Writer().raw(Uint8Array.of(format, kinds[message.kind], 0))
  writer.raw(bytesOfHex(origin)).uint(epoch).uint(seq)
  writeBody(writer, message)
  return writer.finish()
}

/** Reads an envelope. Throws WireError "bad-message" for what is none, or of a format that is not ours. */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const reader = new Reader(bytes)
  if (reader.byte() !== format)
    throw new WireError("bad-message", "a message of the bus is of another format")
  const kind = reader.byte()
  reader.byte() // flags: the bus has done with them
  const header = {
    origin: hexOf(reader.take(originBytes)),
    epoch: reader.uint(),
    seq: reader.uint(),
  }
  return { header, message: readBody(reader, kind) }
}
