/**
 * Which clocks a Yjs update holds, read without building what is in it.
 *
 * What always holds: of content only the length is kept; memory grows with the number of spans,
 * never with what an update says of itself; and what is accepted here Yjs can decode, so that it
 * may be merged and relayed. (Yjs' own `decodeUpdate` makes 430 MB of 1 MB of sub-documents.)
 *
 *     01              structs of one client
 *     02 07 00        two of them, client 7, from clock 0
 *     04 01 01 74     an item: its content is a string (4), its parent a type by name (01), "t"
 *     02 68 69        "hi": two clocks, 0 and 1
 *     84 07 01 01 21  an item after clock 1 of client 7: "!", one clock, 2
 *     00              deletes of no client
 *
 * Source: encoding V1 of yjs, as its UpdateDecoderV1 and readItemContent have it.
 */
import { WireError } from "../wire/error.ts"
import { deep, parseJson } from "../wire/json.ts"
import { Reader } from "../wire/varints.ts"

/** Clocks `from` up to, not including, `to` of one client. Never empty. */
export interface Span {
  readonly client: number
  readonly from: number
  readonly to: number
}

/** More spans than any document has clients: an update with more is refused, not kept in memory. */
const limitSpans = 1_000_000

const skip = 10
const kindBits = 0x1f
const hasRightOrigin = 0x40
const hasOrigin = 0x80
const hasParentKey = 0x20

/**
 * The clocks that `update` (encoding V1) brings, client by client, rising, cut where it has a Skip.
 *
 * Throws WireError "bad-message" for what is no such update, "too-large" above a million spans.
 * Takes under a microsecond for a keystroke, some 10 ms for a megabyte.
 */
export function spansOf(update: Uint8Array): readonly Span[] {
  const reader = new Reader(update)
  const spans: Span[] = []
  const count = reader.uint()
  // A keystroke is of one client: nothing to compare it with.
  const clients = count > 1 ? new Set<number>() : undefined
  for (let left = count; left > 0; left--) {
    const structs = reader.uint()
    const client = reader.uint()
    // Yjs would keep the last of both and forget the other.
    if (clients?.has(client)) throw new WireError("bad-message", "an update names a client twice")
    clients?.add(client)
    readStructs(reader, { client, structs, spans })
  }
  skipDeletes(reader)
  if (reader.left > 0) throw new WireError("bad-message", "bytes follow the end of an update")
  return spans
}

interface Section {
  readonly client: number
  readonly structs: number
  readonly spans: Span[]
}

function readStructs(reader: Reader, { client, structs, spans }: Section): void {
  let clock = reader.uint()
  let from = clock
  const cut = (): void => {
    if (clock > from) spans.push({ client, from, to: clock })
    if (spans.length > limitSpans) {
      throw new WireError("too-large", `an update has at most ${limitSpans} runs of clocks`)
    }
  }
  for (let left = structs; left > 0; left--) {
    const info = reader.byte()
    if (info === skip) {
      cut()
      clock = after(clock, reader.uint())
      from = clock
    } else {
      clock = after(clock, lengthOf(reader, info))
    }
  }
  cut()
}

function after(clock: number, length: number): number {
  if (Number.isSafeInteger(clock + length)) return clock + length
  throw new WireError("bad-message", "a clock is above 2^53 - 1")
}

/** Reads a struct behind its first byte, and gives how many clocks it takes. */
function lengthOf(reader: Reader, info: number): number {
  if ((info & kindBits) === 0) return reader.uint() // what was collected as garbage
  if (info & hasOrigin) skipId(reader)
  if (info & hasRightOrigin) skipId(reader)
  if ((info & (hasOrigin | hasRightOrigin)) === 0) {
    if (reader.uint() === 1) skipText(reader)
    else skipId(reader)
    if (info & hasParentKey) skipText(reader)
  }
  return contentLength(reader, info & kindBits)
}

// The kinds of content, by the numbers that Yjs gives them.
function contentLength(reader: Reader, kind: number): number {
  switch (kind) {
    case 1: // deleted
      return reader.uint()
    case 2: // JSON
      return times(reader.uint(), () => checkJson(reader, "undefined"))
    case 3: // bytes
      reader.bytes()
      return 1
    case 4: // a string: a clock for each unit of UTF-16
      return textOf(reader).length
    case 5: // an embed
      checkJson(reader)
      return 1
    case 6: // a format
      skipText(reader)
      checkJson(reader)
      return 1
    case 7: // a shared type
      skipType(reader)
      return 1
    case 8: // values
      return times(reader.uint(), () => skipValue(reader, 0))
    case 9: // a sub-document
      skipText(reader)
      skipOptions(reader)
      return 1
  }
  throw new WireError("bad-message", `an update has content of an unknown kind, ${kind}`)
}

/** Does `read` so many times. It throws when the bytes are used up, so a huge count costs nothing. */
function times(count: number, read: () => void): number {
  for (let left = count; left > 0; left--) read()
  return count
}

function textOf(reader: Reader): string {
  return reader.text(reader.left)
}

function skipText(reader: Reader): void {
  textOf(reader)
}

function skipId(reader: Reader): void {
  reader.uint()
  reader.uint()
}

// Parsed and thrown away: an update that a replica could not read must not be relayed, or its
// clocks would count as known where nobody has them.
function checkJson(reader: Reader, otherwise?: string): void {
  const text = textOf(reader)
  if (text !== otherwise) parseJson(text, deep)
}

/** Array, map, text, fragment and XML text are a number; element and hook have a name besides. */
function skipType(reader: Reader): void {
  const type = reader.uint()
  if (type > 6)
    throw new WireError("bad-message", `an update has a type of an unknown kind, ${type}`)
  if (type === 3 || type === 5) skipText(reader)
}

function skipOptions(reader: Reader): void {
  const tag = skipValue(reader, 0)
  const isNothing = tag === 126 || tag === 127
  if (isNothing) throw new WireError("bad-message", "a sub-document has no options")
}

/** Of each client its ranges, each with a clock and a length. */
function skipDeletes(reader: Reader): void {
  times(reader.uint(), () => {
    reader.uint()
    times(reader.uint(), () => skipId(reader))
  })
}

/** Reads one value in the encoding that lib0 calls "any", and gives its tag. */
function skipValue(reader: Reader, depth: number): number {
  if (depth >= deep) {
    throw new WireError("bad-message", `values nest at most ${deep} deep`)
  }
  const tag = reader.byte()
  switch (tag) {
    case 116: // bytes
      reader.bytes()
      return tag
    case 117: // an array
      times(reader.uint(), () => skipValue(reader, depth + 1))
      return tag
    case 118: // an object
      times(reader.uint(), () => {
        skipText(reader)
        skipValue(reader, depth + 1)
      })
      return tag
    case 119:
      skipText(reader)
      return tag
    case 120: // true
    case 121: // false
    case 126: // null
    case 127: // undefined
      return tag
    case 122: // a big integer
    case 123: // a double
      reader.take(8)
      return tag
    case 124: // a float
      reader.take(4)
      return tag
    case 125:
      skipInteger(reader)
      return tag
  }
  throw new WireError("bad-message", `an update has a value with an unknown tag, ${tag}`)
}

/** A signed number: its first byte holds six bits and the sign. */
function skipInteger(reader: Reader): void {
  if ((reader.byte() & 0x80) !== 0) reader.uint()
}
