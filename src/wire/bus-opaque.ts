/**
 * What servers say to each other about rooms of documents of any kind: the bodies, and their shapes.
 *
 * What always holds: what is written here is read back as the same message; a huge count costs
 * nothing. The changes themselves are bytes that nobody looks into.
 *
 *     03 61 64 61       of "ada"
 *     29                with her stamp 41
 *     01 02 03          the change
 */
import { bytesOfHex, hexOf, list, nameBytes, oneOf, originBytes, stateBytes } from "./bus-shapes.ts"
import type { Role } from "./relay.ts"
import type { Reader, Writer } from "./varints.ts"

/** A change of a replica, with its sender and the sender's own ms. */
export interface FarChange {
  readonly senderId: string
  readonly ts: number
  readonly update: Uint8Array
}

/** A change under its number. */
export interface Numbered extends FarChange {
  readonly seq: number
}

/** Counted messages of one server that are missing: from the first of them to the last. */
export interface Hole {
  readonly origin: string
  readonly epoch: number
  readonly from: number
  readonly to: number
}

/** The last counted message of a server up to which none is missing, and of which epoch. */
export interface Head {
  readonly origin: string
  readonly epoch: number
  readonly seq: number
}

/** A name at another server. A higher `version` is newer, whichever server numbered it. */
export interface FarName {
  readonly id: string
  /** Its user; empty for one without a token. */
  readonly subject: string
  readonly role: Role
  /** Of its JOIN or, where it is gone, of its LEAVE, in the sender's own ms. */
  readonly ts: number
  readonly version: number
  readonly state: "here" | "gone"
  readonly shown: FarShown | undefined
}

/** What a name showed last. */
export interface FarShown {
  readonly version: number
  readonly ts: number
  /** JSON. */
  readonly payload: string
}

/** What a server says of an opaque room to all servers that have it. */
export type OpaqueToRoom =
  /** A change. Counted. */
  | ({ readonly kind: "change" } & FarChange)
  /** It lacks these: each server named answers with a REPLAY. */
  | { readonly kind: "resend"; readonly holes: readonly Hole[] }
  /** Names that have changed. */
  | { readonly kind: "names"; readonly names: readonly FarName[] }
  /** All names of this server. */
  | { readonly kind: "roll"; readonly names: readonly FarName[] }

/** What a server says to one other about an opaque room: all that it still has of what was asked for. */
export type OpaqueToServer = {
  readonly kind: "replay"
  readonly room: string
  readonly epoch: number
  readonly from: number
  readonly to: number
  readonly changes: readonly Numbered[]
}

export type OpaqueMessage = OpaqueToRoom | OpaqueToServer

/** The number of each kind. */
export const opaqueKinds = {
  replay: 13,
  change: 17,
  resend: 18,
  names: 19,
  roll: 20,
} as const satisfies Readonly<Record<OpaqueMessage["kind"], number>>

const roles: readonly Role[] = ["viewer", "editor", "admin"]

/** Writes what follows the header. */
export function writeOpaque(writer: Writer, message: OpaqueMessage): void {
  switch (message.kind) {
    case "change":
      writer.text(message.senderId).uint(message.ts).raw(message.update)
      return
    case "resend":
      writer.uint(message.holes.length)
      for (const { origin, epoch, from, to } of message.holes) {
        writer.raw(bytesOfHex(origin)).uint(epoch).uint(from).uint(to)
      }
      return
    case "names":
    case "roll":
      return writeNames(writer, message.names)
    case "replay":
      writer.text(message.room).uint(message.epoch).uint(message.from).uint(message.to)
      writer.uint(message.changes.length)
      for (const { seq, senderId, ts, update } of message.changes) {
        writer.uint(seq).text(senderId).uint(ts).bytes(update)
      }
      return
  }
}

/** Reads what follows the header; undefined for a kind that is not of these. Throws WireError "bad-message". */
export function readOpaque(reader: Reader, kind: number): OpaqueMessage | undefined {
  switch (kind) {
    case opaqueKinds.change:
      return {
        kind: "change",
        senderId: reader.text(nameBytes),
        ts: reader.uint(),
        update: reader.rest(),
      }
    case opaqueKinds.resend:
      return {
        kind: "resend",
        holes: list(reader, originBytes, () => ({
          origin: hexOf(reader.take(originBytes)),
          epoch: reader.uint(),
          from: reader.uint(),
          to: reader.uint(),
        })),
      }
    case opaqueKinds.names:
      return { kind: "names", names: readNames(reader) }
    case opaqueKinds.roll:
      return { kind: "roll", names: readNames(reader) }
    case opaqueKinds.replay:
      return {
        kind: "replay",
        room: reader.text(nameBytes),
        epoch: reader.uint(),
        from: reader.uint(),
        to: reader.uint(),
        changes: list(reader, 4, () => ({
          seq: reader.uint(),
          senderId: reader.text(nameBytes),
          ts: reader.uint(),
          update: reader.bytes(),
        })),
      }
  }
  return undefined
}

/** Writes heads, one after the other. */
export function writeHeads(writer: Writer, heads: readonly Head[]): void {
  writer.uint(heads.length)
  for (const { origin, epoch, seq } of heads) writer.raw(bytesOfHex(origin)).uint(epoch).uint(seq)
}

/** Reads them. */
export function readHeads(reader: Reader): readonly Head[] {
  return list(reader, originBytes, () => ({
    origin: hexOf(reader.take(originBytes)),
    epoch: reader.uint(),
    seq: reader.uint(),
  }))
}

/** Writes names, one after the other. */
export function writeNames(writer: Writer, names: readonly FarName[]): void {
  writer.uint(names.length)
  for (const { id, subject, role, ts, version, state, shown } of names) {
    writer.text(id).text(subject).uint(roles.indexOf(role)).uint(ts).uint(version)
    writer.uint(state === "here" ? 1 : 0).uint(shown === undefined ? 0 : 1)
    if (shown !== undefined) writer.uint(shown.version).uint(shown.ts).text(shown.payload)
  }
}

/** Reads them. */
export function readNames(reader: Reader): readonly FarName[] {
  return list(reader, 7, () => ({
    id: reader.text(nameBytes),
    subject: reader.text(nameBytes),
    role: oneOf(roles, reader.uint()),
    ts: reader.uint(),
    version: reader.uint(),
    state: reader.uint() === 1 ? "here" : "gone",
    shown:
      reader.uint() === 0
        ? undefined
        : { version: reader.uint(), ts: reader.uint(), payload: reader.text(stateBytes) },
  }))
}
