/**
 * What a Yjs document and its presence say over a line, and how they take what is said to them.
 *
 * What always holds: what is read is applied with the origin that was given, so that who listens
 * can tell it from what was typed here; bytes that cannot be read throw, and change nothing.
 *
 *     00 00 01 00     sync, step 1, the empty vector: send me everything
 */
import { type Awareness, applyAwarenessUpdate, encodeAwarenessUpdate } from "y-protocols/awareness"
import * as Y from "yjs"
import { Reader, Writer } from "../wire/varints.ts"

// The numbers are those of wire/yjs.ts, which would bring along the reading of the other direction.
const sync = 0
const awareness = 1
const auth = 2
const queryAwareness = 3
const notice = 121
const step1 = 0
const step2 = 1
const update = 2

/** No text from a server is longer: 64 KiB. */
const textBytes = 64 * 1024

/** Where what is read goes. */
export interface Replica {
  readonly doc: Y.Doc
  readonly awareness: Awareness
}

/** What was read. It is applied already; an `answer` is to be sent. */
export type Heard =
  | { readonly kind: "step1"; readonly answer: Uint8Array }
  | { readonly kind: "query"; readonly answer: Uint8Array }
  | { readonly kind: "step2" | "update" | "awareness" | "unknown" }
  | { readonly kind: "denied"; readonly reason: string }
  | { readonly kind: "notice"; readonly notice: object }

/** Reads one message to its end and applies it, with `origin`. Throws for bytes that are none. */
export function readMessage(bytes: Uint8Array, replica: Replica, origin: object): Heard {
  const reader = new Reader(bytes)
  switch (reader.uint()) {
    case sync:
      return readSync(reader, replica, origin)
    case awareness:
      applyAwarenessUpdate(replica.awareness, reader.bytes(), origin)
      return { kind: "awareness" }
    case auth:
      reader.uint()
      return { kind: "denied", reason: reader.text(textBytes) }
    case queryAwareness:
      return { kind: "query", answer: presence(replica, [...replica.awareness.getStates().keys()]) }
    case notice: {
      const said: unknown = JSON.parse(reader.text(textBytes))
      return { kind: "notice", notice: typeof said === "object" && said !== null ? said : {} }
    }
  }
  return { kind: "unknown" }
}

function readSync(reader: Reader, { doc }: Replica, origin: object): Heard {
  switch (reader.uint()) {
    case step1:
      return { kind: "step1", answer: content(doc, reader.bytes()) }
    case step2:
      Y.applyUpdate(doc, reader.bytes(), origin)
      return { kind: "step2" }
    case update:
      Y.applyUpdate(doc, reader.bytes(), origin)
      return { kind: "update" }
  }
  return { kind: "unknown" }
}

/** "What do you have that I lack?" */
export function question(doc: Y.Doc): Uint8Array {
  return new Writer().uint(sync).uint(step1).bytes(Y.encodeStateVector(doc)).finish()
}

/** All of `doc` that who has `vector` lacks. */
export function content(doc: Y.Doc, vector?: Uint8Array): Uint8Array {
  return new Writer().uint(sync).uint(step2).bytes(Y.encodeStateAsUpdate(doc, vector)).finish()
}

/** A change. */
export function change(bytes: Uint8Array): Uint8Array {
  return new Writer().uint(sync).uint(update).bytes(bytes).finish()
}

/** The rows of these clients as they are; as gone where there is no state, as with an empty `states`. */
export function presence(
  replica: Replica,
  ids: number[],
  states = replica.awareness.getStates(),
): Uint8Array {
  const rows = encodeAwarenessUpdate(replica.awareness, ids, states)
  return new Writer().uint(awareness).bytes(rows).finish()
}

/** "Who is here?" */
export function query(): Uint8Array {
  return new Writer().uint(queryAwareness).finish()
}

/** A notice to the relay. */
export function notify(said: object): Uint8Array {
  return new Writer().uint(notice).text(JSON.stringify(said)).finish()
}
