/**
 * Random Yjs histories for the laws of the relay, made from tapes of small numbers: a shorter tape
 * of smaller numbers is a simpler history, so what fast-check shrinks to can be read.
 */
import fc from "fast-check"
import * as Y from "yjs"
import type { Row, ToOpaque } from "../src/wire/relay.ts"

/** Client ids as they are: drawn at random, so one to five bytes long. */
export const clientIds = [1, 200, 70_000, 3_000_000_000] as const

/** What one author did, in order, as its client sent it. */
export interface Author {
  readonly doc: Y.Doc
  /** One for each change of its own. */
  readonly updates: Uint8Array[]
}

export interface World {
  readonly authors: readonly Author[]
  /** All updates of all authors, in the order they were made: what was made on top of another comes later. */
  readonly updates: readonly Uint8Array[]
}

const words = ["a", "hello ", "é", "😀", "👨‍👨‍👦", "中文", "\n"] as const
const values = [
  null,
  undefined,
  true,
  false,
  0,
  -1,
  1e12,
  -(2 ** 40),
  0.5,
  1.1,
  2n ** 60n,
  "text",
  new Uint8Array([1, 2, 255]),
  [1, [2, ["😀"]]],
  { a: { b: [] }, c: null },
] as const

/** A tape of up to `maxLength` numbers from 0 to 65,535. */
export function tape(maxLength: number): fc.Arbitrary<readonly number[]> {
  return fc.array(fc.nat({ max: 65_535 }), { maxLength, size: "max" })
}

/** Three authors who write, and now and then hear of each other, as the tape says. */
export function worldOf(numbers: readonly number[]): World {
  const updates: Uint8Array[] = []
  const authors = clientIds.slice(0, 3).map((id) => {
    const doc = new Y.Doc({ guid: `doc-${id}` })
    doc.clientID = id
    const own: Uint8Array[] = []
    doc.on("update", (update: Uint8Array, _origin: unknown, _doc: Y.Doc, { local }) => {
      if (!local) return
      own.push(update)
      updates.push(update)
    })
    return { doc, updates: own }
  })
  for (const number of numbers) {
    const author = authors[number % 3]!
    const other = authors[(number + 1) % 3]!
    const rest = Math.floor(number / 3)
    if (rest % 8 === 0) pull(author.doc, other.doc)
    else change(author.doc, Math.floor(rest / 8))
  }
  return { authors, updates }
}

/** A document with all of `updates`, in that order. */
export function docOf(updates: Iterable<Uint8Array>): Y.Doc {
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, update)
  return doc
}

/** Gives `to` all that `from` has. */
export function pull(to: Y.Doc, from: Y.Doc): void {
  Y.applyUpdate(to, Y.encodeStateAsUpdate(from, Y.encodeStateVector(to)))
}

/** All that can be told of a document: two that say the same have converged. */
export function contentOf(doc: Y.Doc): unknown {
  const { text, map, list, xml } = partsOf(doc)
  return {
    delta: text.toDelta(),
    map: Object.fromEntries(
      [...map].map(([key, value]) => [key, value instanceof Y.Doc ? value.guid : value]),
    ),
    list: list.toJSON(),
    xml: xml.toString(),
    vector: [...Y.decodeStateVector(Y.encodeStateVector(doc))].sort(([a], [b]) => a - b),
    pending: doc.store.pendingStructs?.missing.size ?? 0,
  }
}

function partsOf(doc: Y.Doc) {
  return {
    text: doc.getText("text"),
    map: doc.getMap("map"),
    list: doc.getArray("list"),
    xml: doc.getXmlFragment("xml"),
  }
}

function change(doc: Y.Doc, number: number): void {
  const { text, map, list, xml } = partsOf(doc)
  const rest = Math.floor(number / 10)
  const at = (length: number) => rest % (length + 1)
  const value = values[rest % values.length]
  switch (number % 10) {
    case 0:
    case 1:
    case 2:
      return text.insert(at(text.length), words[rest % words.length]!)
    case 3:
      return text.delete(at(text.length), Math.min(2, text.length - at(text.length)))
    case 4:
      return text.format(at(text.length), Math.min(3, text.length - at(text.length)), {
        bold: rest % 2 === 0 ? true : null,
      })
    case 5:
      map.set(`key${rest % 3}`, value)
      return
    case 6:
      return list.insert(at(list.length), [[value], rest])
    case 7:
      return list.delete(at(list.length), Math.min(1, list.length - at(list.length)))
    case 8: {
      const element = new Y.XmlElement("p")
      element.setAttribute("class", "x")
      return xml.insert(at(xml.length), [element, new Y.XmlText("inside")])
    }
    case 9:
      if (rest % 2 === 0) text.insertEmbed(at(text.length), { image: "x.png" })
      else map.set("sub", new Y.Doc({ guid: `sub-${rest}`, meta: { rest } }))
  }
}

/** Rows of presence, with JSON of all kinds. */
export function rows(): fc.Arbitrary<Row[]> {
  const state = fc.oneof(
    { weight: 4, arbitrary: fc.dictionary(text(), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 4 }) },
    { weight: 1, arbitrary: fc.constant(null) },
  )
  const row = fc
    .record({
      id: fc.nat({ max: 2 ** 31 - 1 }).map((id) => id * 2),
      clock: fc.oneof(fc.nat(), fc.maxSafeNat()),
      state: state.map((value) => (value === null ? null : JSON.stringify(value))),
    })
    .map((row) => ({ ...row }))
  return fc.array(row, { maxLength: 8 })
}

/** Well-formed texts with all of Unicode. */
export function text(): fc.Arbitrary<string> {
  return fc.string({ unit: "binary", maxLength: 40 })
}

/** Some bytes. */
export function bytes(maxLength = 300): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ maxLength, size: "max" })
}

/** `bytes` with some of its bytes changed, as the tape says: still mostly what it was. */
export function damaged(bytes: Uint8Array, numbers: readonly number[]): Uint8Array {
  const copy = bytes.slice()
  for (const number of numbers) if (copy.length > 0) copy[number % copy.length] = number >> 8
  return copy
}

/** `value` with each array of bytes as a plain one, so that a Buffer equals it. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Uint8Array.from(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]))
}

/** The kind of each. */
export function kinds(messages: readonly { readonly kind: string }[]): readonly string[] {
  return messages.map(({ kind }) => kind)
}

function stamp() {
  return {
    docId: text().filter((docId) => docId.length > 0),
    ts: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  }
}

function relayed() {
  const senderId = fc.string({ minLength: 1, maxLength: 30 })
  return { ...stamp(), senderId }
}

/** All that a replica of an opaque room is told, without batches. */
export function told(): fc.Arbitrary<ToOpaque> {
  const maybe = fc.option(bytes(), { nil: undefined })
  const requestId = fc.string({ minLength: 1, maxLength: 64 })
  const payload = fc
    .dictionary(text(), fc.jsonValue({ maxDepth: 5 }))
    .map((value) => JSON.stringify(value))
  return fc.oneof<fc.Arbitrary<ToOpaque>[]>(
    fc.record({
      kind: fc.constant("join" as const),
      ...relayed(),
      role: fc.constantFrom("viewer" as const, "admin" as const),
    }),
    fc.record({ kind: fc.constant("leave" as const), ...relayed() }),
    fc.record({ kind: fc.constant("update" as const), ...relayed(), update: bytes() }),
    fc.record({ kind: fc.constant("presence" as const), ...relayed(), payload }),
    fc.record({
      kind: fc.constant("snapshot-request" as const),
      ...stamp(),
      requestId,
      version: maybe,
    }),
    fc.record({
      kind: fc.constant("snapshot-response" as const),
      ...stamp(),
      requestId,
      snapshot: bytes(),
      version: maybe,
      content: fc.constantFrom("given" as const, "empty" as const, "seed" as const),
    }),
    fc.record({ kind: fc.constant("ack" as const), ...stamp(), ref: fc.oneof(text(), fc.nat()) }),
    fc.record({
      kind: fc.constant("error" as const),
      ...stamp(),
      code: fc.constant("UNKNOWN" as const),
      message: text(),
      retryAfterMs: fc.option(fc.nat(), { nil: undefined }),
    }),
  )
}
