/**
 * What somebody who governs rooms did, as servers tell it each other and as the bus keeps it.
 *
 * What always holds: bytes that are no acts throw a WireError "bad-message".
 *
 *     00                      revoke
 *     80 b0 e2 ..             at, in ms of bus time
 *     03 62 6f 62             of "bob"
 *     00                      in all rooms
 *     01                      he is a viewer from here on; 0 lets him in no more
 */
import { WireError } from "./error.ts"
import type { Role } from "./relay.ts"
import { Reader, Writer } from "./varints.ts"

/** What somebody who governs rooms did. `at` is in ms of bus time. */
export type Act = Ruling | Telling

/** A text for the programs in a room that the server which was asked does not have. Nobody keeps it. */
export interface Telling {
  readonly kind: "tell"
  readonly room: string
  readonly text: string
  readonly at: number
}

/** What holds on all servers until it is taken back. */
export type Ruling =
  /** Of a user, in one room or all: another role, or none. */
  | {
      readonly kind: "revoke"
      readonly subject: string
      readonly room: string | undefined
      readonly role: Role | undefined
      readonly at: number
    }
  /** Rooms are closed to everyone, or open again. */
  | { readonly kind: "deny" | "allow"; readonly pattern: string; readonly at: number }

const nameBytes = 1024
const textBytes = 256 * 1024
const kinds = ["revoke", "deny", "allow", "tell"] as const
/** By number, from 1 on: 0 stands for none. */
const roles: readonly Role[] = ["viewer", "editor", "admin"]

/** Writes one. */
export function writeAct(writer: Writer, act: Act): void {
  writer.uint(kinds.indexOf(act.kind)).uint(act.at)
  if (act.kind === "tell") {
    writer.text(act.room).text(act.text)
    return
  }
  if (act.kind !== "revoke") {
    writer.text(act.pattern)
    return
  }
  const { subject, room, role } = act
  // No room has an empty name.
  writer.text(subject).text(room ?? "")
  writer.uint(role === undefined ? 0 : roles.indexOf(role) + 1)
}

/** Reads one. */
export function readAct(reader: Reader): Act {
  const kind = oneOf(kinds, reader.uint())
  const at = reader.uint()
  if (kind === "tell") {
    return { kind, at, room: reader.text(nameBytes), text: reader.text(textBytes) }
  }
  if (kind !== "revoke") return { kind, at, pattern: reader.text(nameBytes) }
  const subject = reader.text(nameBytes)
  const room = reader.text(nameBytes)
  const role = reader.uint()
  return {
    kind,
    at,
    subject,
    room: room === "" ? undefined : room,
    role: role === 0 ? undefined : oneOf(roles, role - 1),
  }
}

/** Many acts, one after the other. */
export function encodeActs(acts: readonly Ruling[]): Uint8Array {
  const writer = new Writer()
  for (const act of acts) writeAct(writer, act)
  return writer.finish()
}

/** The acts in `bytes`. */
export function decodeActs(bytes: Uint8Array): readonly Ruling[] {
  const reader = new Reader(bytes)
  const acts: Ruling[] = []
  while (reader.left > 0) {
    const act = readAct(reader)
    if (act.kind !== "tell") acts.push(act)
  }
  return acts
}

function oneOf<T>(words: readonly T[], number: number): T {
  const word = words[number]
  if (word === undefined) throw new WireError("bad-message", "an act has an unknown word in it")
  return word
}
