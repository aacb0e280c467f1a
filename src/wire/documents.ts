/**
 * What an editor may say, checked; what it hears, as JSON. One codec for plain and extended editors.
 *
 * What always holds: a message has exactly one own key out of a known list; its fields are read by
 * a schema and never merged into an object of ours, further fields are ignored (DC105); counts are
 * checked before anything is built from them (DC41). What cannot be read becomes a message too,
 * "unreadable": it ends a plain connection, and costs an extended one a mark (DC60), and only the
 * service knows which of both it has before it.
 */
import { type Component, Operation } from "../ot/operation.ts"
import {
  type Cursors,
  documentsProtocol,
  type Info,
  type Join,
  type ToEditor,
} from "./documents-shapes.ts"
import { WireError } from "./error.ts"
import { checked, closed, count, Type, whole } from "./schema.ts"

/** DC41: an operation has at most so many components. */
export const limitComponents = 20_000

/** DC71: of the cursors of one editor, and of its selections, so many are kept. */
export const limitCursors = 256

/** DC64: code points of a name. */
const limitName = 64

/** A change of the text at `revision`. `at` are the carets after it, where the message has them. */
export interface Edit {
  readonly kind: "edit"
  readonly revision: number
  readonly operation: Operation
  /** Undefined when the editor did not number it. */
  readonly seq: number | undefined
  readonly at: Cursors | undefined
}

/** Carets in the text at `revision`, or, where that is undefined, in whatever the text is now. */
export interface CursorData extends Cursors {
  readonly kind: "cursors"
  readonly revision: number | undefined
}

/** What an editor says, once it is checked. */
export type FromEditor =
  | { readonly kind: "join"; readonly join: Join }
  | Edit
  | { readonly kind: "language"; readonly language: string }
  | { readonly kind: "info"; readonly info: Info }
  | CursorData
  | {
      readonly kind: "unreadable"
      readonly code: "bad-message" | "bad-operation"
      readonly sentence: string
      /** Of the edit that it was meant to be, where that much could be read. */
      readonly seq: number | undefined
    }

const uint32 = Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 })
/** At least 1: 0 in `applied` means that none was accepted yet. */
const sequence = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const positions = Type.Array(uint32)
const selections = Type.Array(Type.Tuple([uint32, uint32]))

const resumeSchema = Type.Object({
  epoch: Type.String(),
  revision: count,
  seq: Type.Union([sequence, Type.Null()]),
  age: Type.Number({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  pending: Type.Boolean(),
})

const joinSchema = Type.Object(
  {
    Join: Type.Object({
      client: Type.String({ pattern: "^[A-Za-z0-9_-]{22}$" }),
      name: Type.Optional(Type.String()),
      hue: Type.Optional(uint32),
      resume: Type.Optional(resumeSchema),
    }),
  },
  closed,
)

const editSchema = Type.Object(
  {
    Edit: Type.Object({
      revision: count,
      operation: Type.Array(Type.Union([Type.String(), whole]), { maxItems: limitComponents }),
      seq: Type.Optional(sequence),
      cursors: Type.Optional(positions),
      selections: Type.Optional(selections),
    }),
  },
  closed,
)

const languageSchema = Type.Object(
  { SetLanguage: Type.String({ pattern: "^[A-Za-z0-9 +#._-]{1,64}$" }) },
  closed,
)

const infoSchema = Type.Object(
  { ClientInfo: Type.Object({ name: Type.String(), hue: uint32 }) },
  closed,
)

const cursorsSchema = Type.Object(
  { CursorData: Type.Object({ cursors: positions, selections, revision: Type.Optional(count) }) },
  closed,
)

const checkJoin = checked(
  joinSchema,
  '{"Join":{"client":"22 characters of base64url","name":"Ada","hue":180}}',
)
const checkResume = checked(
  resumeSchema,
  '"resume":{"epoch":"k3…","revision":412,"seq":7,"age":3,"pending":true}',
)
const checkEdit = checked(
  editSchema,
  '{"Edit":{"revision":412,"operation":[10,"hello",-3,5],"seq":8}}',
)
const checkLanguage = checked(
  languageSchema,
  '{"SetLanguage":"python"}, 1 to 64 of A-Z a-z 0-9 space + # . _ -',
)
const checkInfo = checked(
  infoSchema,
  '{"ClientInfo":{"name":"Ada","hue":180}}, a whole hue from 0 to 4294967295',
)
const checkCursors = checked(
  cursorsSchema,
  '{"CursorData":{"cursors":[42],"selections":[[10,25]],"revision":412}}',
)

/** How each kind of message is read. A new kind: add it here and to FromEditor. */
const readers = new Map<string, (message: object) => FromEditor>([
  ["Join", readJoin],
  ["Edit", readEdit],
  [
    "SetLanguage",
    (message) => ({ kind: "language", language: checkLanguage(message).SetLanguage }),
  ],
  ["ClientInfo", readInfo],
  ["CursorData", readCursors],
])

/**
 * The codec of all three shapes. `decode` throws nothing: see above. A refusal has no form that all
 * shapes know, so `refuse` says nothing; the service tells extended editors itself.
 */
export const documentsCodec = {
  decode(frame: Uint8Array | string): FromEditor {
    let message: object | undefined
    try {
      message = readObject(frame)
      return readMessage(message)
    } catch (thrown) {
      if (!(thrown instanceof WireError)) throw thrown
      const code = thrown.code === "bad-operation" ? thrown.code : "bad-message"
      return { kind: "unreadable", code, sentence: thrown.message, seq: seqOf(message) }
    }
  },
  encode: (message: ToEditor): string => JSON.stringify(message),
  refuse: (): undefined => undefined,
}

/** The first of `offered`, subprotocols of a handshake, that we speak; undefined makes a plain editor. */
export function chooseProtocol(offered: readonly string[]): string | undefined {
  return offered.find((entry) => entry === documentsProtocol)
}

/**
 * A name as others may be shown it (DC64): at most 64 code points, none of them a control
 * character, one that turns the direction of writing, or a separator of lines.
 */
export function cleanName(name: string): string {
  const clean = name.toWellFormed().replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, "")
  // A code point takes two units at most, so no more of a huge name is taken apart.
  return Array.from(clean.slice(0, 2 * limitName))
    .slice(0, limitName)
    .join("")
}

// A JSON object. Throws "bad-message".
function readObject(frame: Uint8Array | string): object {
  if (typeof frame !== "string") throw new WireError("bad-message", "messages are text frames")
  const message = parse(frame)
  if (typeof message === "object" && message !== null && !Array.isArray(message)) return message
  throw new WireError("bad-message", "a message is a JSON object with one key")
}

// One message. Throws "bad-message", or "bad-operation" for an operation that is of the right form
// and still none: too many components, half a surrogate pair, U+0000, lengths beyond all numbers.
function readMessage(message: object): FromEditor {
  const [key = "", ...others] = Object.keys(message)
  const read = readers.get(key)
  if (read !== undefined && others.length === 0) return read(message)
  const known = [...readers.keys()].join(", ")
  throw new WireError("bad-message", `a message has one key out of ${known}`)
}

function readJoin(message: object): FromEditor {
  // Looked at alone first, so that the sentence says which part is not right.
  const resume = fieldOf(message, "resume")
  if (resume !== undefined) checkResume(resume)
  const { name, ...join } = checkJoin(message).Join
  return { kind: "join", join: name === undefined ? join : { ...join, name: cleanName(name) } }
}

function readInfo(message: object): FromEditor {
  const { name, hue } = checkInfo(message).ClientInfo
  return { kind: "info", info: { name: cleanName(name), hue } }
}

function readEdit(message: object): FromEditor {
  checkComponentCount(fieldOf(message, "operation"))
  const { revision, operation, seq, cursors, selections } = checkEdit(message).Edit
  const hasPlaces = cursors !== undefined || selections !== undefined
  const at = hasPlaces ? cut(cursors ?? [], selections ?? []) : undefined
  return { kind: "edit", revision, operation: operationOf(operation), seq, at }
}

function readCursors(message: object): FromEditor {
  const { revision, cursors, selections } = checkCursors(message).CursorData
  return { kind: "cursors", revision, ...cut(cursors, selections) }
}

// Before the schema walks over them (DC41).
function checkComponentCount(operation: unknown): void {
  if (!Array.isArray(operation) || operation.length <= limitComponents) return
  const many = `an operation has at most ${limitComponents} components, this one has ${operation.length}`
  throw new WireError("bad-operation", many)
}

/** The operation of these components. Throws "bad-operation" for what is none, and for U+0000. */
export function operationOf(components: readonly Component[]): Operation {
  if (components.some((component) => typeof component === "string" && component.includes("\0"))) {
    throw new WireError("bad-operation", "U+0000 may not stand in a text")
  }
  try {
    return Operation.from(components)
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown
    throw new WireError("bad-operation", thrown.message)
  }
}

// The number of the edit that a message was meant to be, so that its author can take it back.
function seqOf(message: object | undefined): number | undefined {
  const seq = message === undefined ? undefined : fieldOf(message, "seq")
  return Number.isSafeInteger(seq) && Number(seq) > 0 ? Number(seq) : undefined
}

// A field of the first value in `message`, which nobody has checked.
function fieldOf(message: object, field: string): unknown {
  const [body] = Object.values(message) as readonly unknown[] // nothing is known of them
  if (typeof body !== "object" || body === null || !Object.hasOwn(body, field)) return undefined
  return Reflect.get(body, field)
}

function cut(cursors: readonly number[], selections: Cursors["selections"]): Cursors {
  return {
    cursors: cursors.slice(0, limitCursors),
    selections: selections.slice(0, limitCursors),
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // It throws SyntaxError only, whose sentence may quote the message: ours says enough.
    throw new WireError("bad-message", "this is not JSON")
  }
}
