/**
 * State vectors, and what Yjs does with updates. Home of `yjs` on the server.
 *
 * What always holds: a vector maps client ids to clocks, a client that is not in it has clock 0,
 * and two vectors that say the same encode to the same bytes. A vector of ours only ever says
 * what has come without a hole: one raised past a hole would make a repair skip it.
 *
 *     00                nothing: "send everything"
 *     02 09 04 07 02    two clients: 9 up to clock 4, 7 up to clock 2
 */
import { hash } from "node:crypto"
import * as Y from "yjs"
import { WireError } from "../wire/error.ts"
import { Reader, Writer } from "../wire/varints.ts"
import type { Span } from "./spans.ts"

/** Client id to clock: all clocks below it are there. */
export type Vector = ReadonlyMap<number, number>

/** The vector of who has nothing. */
export const emptyVector: Vector = new Map()

/** The update that changes nothing. */
export const emptyUpdate: Uint8Array = Uint8Array.of(0, 0)

/**
 * Reads an encoded vector. Throws WireError "bad-message" for what is none, and "too-large", before
 * anything is read, for more than `limitBytes`.
 */
export function decodeVector(bytes: Uint8Array, limitBytes: number): Vector {
  if (bytes.length > limitBytes) {
    const sentence = `a state vector has at most ${limitBytes} bytes, this one has ${bytes.length}`
    throw new WireError("too-large", sentence)
  }
  const reader = new Reader(bytes)
  const vector = new Map<number, number>()
  for (let left = reader.uint(); left > 0; left--) {
    const client = reader.uint()
    const clock = reader.uint()
    // Clock 0 says nothing, and would make two encodings of one vector.
    if (clock > 0) vector.set(client, clock)
  }
  if (reader.left > 0) throw new WireError("bad-message", "bytes follow the end of a state vector")
  return vector
}

/** What encoded bytes say that passed `decodeVector` before; of undefined it is the empty one. */
export function vectorOf(encoded: Uint8Array | undefined): Vector {
  return encoded === undefined ? emptyVector : decodeVector(encoded, encoded.length)
}

/** Writes a vector, highest client first, as Yjs does. */
export function encodeVector(vector: Vector): Uint8Array {
  const entries = [...vector].filter(([, clock]) => clock > 0).sort(([a], [b]) => b - a)
  const writer = new Writer().uint(entries.length)
  for (const [client, clock] of entries) writer.uint(client).uint(clock)
  return writer.finish()
}

/** What all of `vectors` have: of each client the lowest clock. Of no vectors it is the empty one. */
export function minimum(vectors: Iterable<Vector>): Vector {
  let lowest: Map<number, number> | undefined
  for (const vector of vectors) {
    if (lowest === undefined) {
      lowest = new Map(vector)
      continue
    }
    for (const [client, clock] of lowest) {
      const other = vector.get(client) ?? 0
      if (other === 0) lowest.delete(client)
      else if (other < clock) lowest.set(client, other)
    }
  }
  return lowest ?? emptyVector
}

/** Whether who stands at `vector` has all that who stands at `other` has, deletions aside. */
export function covers(vector: Vector, other: Vector): boolean {
  for (const [client, clock] of other) if ((vector.get(client) ?? 0) < clock) return false
  return true
}

/** Whether an update with these spans brings nothing new to who stands at `vector`, deletions aside. */
export function coversSpans(vector: Vector, spans: readonly Span[]): boolean {
  return spans.every(({ client, to }) => (vector.get(client) ?? 0) >= to)
}

/** Whether the two have a client in common. */
export function shareClient(a: Vector, b: Vector): boolean {
  const [few, many] = a.size < b.size ? [a, b] : [b, a]
  for (const client of few.keys()) if (many.has(client)) return true
  return false
}

/**
 * Adds to `tracked` what an update brings, in the order of its spans.
 *
 * A span that begins beyond what is known is a "gap": it adds nothing, and what lies before it must
 * be asked for. All other spans of the same update are added all the same.
 */
export function advance(
  tracked: Map<number, number>,
  spans: readonly Span[],
): "contiguous" | "gap" {
  let result: "contiguous" | "gap" = "contiguous"
  for (const { client, from, to } of spans) {
    const known = tracked.get(client) ?? 0
    if (from > known) result = "gap"
    else if (to > known) tracked.set(client, to)
  }
  return result
}

/** Eight bytes that are the same for equal vectors, and for others practically never. */
export function hashVector(vector: Vector): Uint8Array {
  return new Uint8Array(hash("sha256", encodeVector(vector), "buffer")).subarray(0, 8)
}

/** A short text that is the same for equal updates, and for others practically never. */
export function fingerprint(update: Uint8Array): string {
  return hash("sha256", update)
}

/** Whether this is the update that changes nothing. */
export function isEmptyUpdate(update: Uint8Array): boolean {
  return update.length === 2 && update[0] === 0 && update[1] === 0
}

/** Whether an update brings more than deletions. */
export function hasStructs(update: Uint8Array): boolean {
  return update[0] !== 0
}

/**
 * One update that does what all of `updates` do. They have passed `spansOf`, and none has a gap.
 *
 * Of one it is that one itself. Throws WireError "bad-message" where Yjs can't read one of them.
 * Takes some 2 us for each small one, but up to a second for a megabyte made to be slow.
 */
export function mergeUpdates(updates: readonly Uint8Array[]): Uint8Array {
  return asked(() => Y.mergeUpdates([...updates]))
}

/** What `update` has beyond `vector`, and all its deletions. Throws and costs as mergeUpdates does. */
export function diffUpdate(update: Uint8Array, vector: Vector): Uint8Array {
  return asked(() => Y.diffUpdate(update, encodeVector(vector)))
}

function asked(work: () => Uint8Array): Uint8Array {
  try {
    return work()
  } catch {
    // Yjs throws plain errors of many kinds for bytes that it can't read, and for nothing else.
    throw new WireError("bad-message", "an update is not one that Yjs can read")
  }
}
