/**
 * What programs and pages send to the documents part over HTTP, checked.
 *
 * What always holds: a body that is no UTF-8, no JSON or not of its form is "bad-message", with the
 * one sentence that its answer has; further fields are ignored.
 */
import type { Operation } from "../ot/operation.ts"
import { cleanName, limitComponents, operationOf } from "./documents.ts"
import { WireError } from "./error.ts"
import { checked, count, type Static, Type, whole } from "./schema.ts"

/** Who asks, as `protect` and its opposite have it; the OTP stands only in the latter. */
const protectSchema = Type.Object({
  user_id: count,
  user_name: Type.Optional(Type.String()),
  otp: Type.Optional(Type.String()),
})
export type ProtectBody = Static<typeof protectSchema>

const checkProtect = checked(protectSchema, '{"user_id":3,"user_name":"Ada"}')

/** What a link is to be; for how long, in hours: a year at the most. */
const linkSchema = Type.Object({
  user_id: count,
  role: Type.Union([Type.Literal("edit"), Type.Literal("read")]),
  expires_in_hours: Type.Optional(Type.Integer({ minimum: 1, maximum: 8_760 })),
  label: Type.Optional(Type.String()),
})
export type LinkBody = Static<typeof linkSchema>

const checkLink = checked(linkSchema, '{"user_id":3,"role":"edit"}')

/** For how many days a document is kept unused; null follows the server. */
const retentionSchema = Type.Object({
  user_id: count,
  days: Type.Union([Type.Integer({ minimum: 1, maximum: 3_650 }), Type.Null()]),
})
export type RetentionBody = Static<typeof retentionSchema>

const checkRetention = checked(retentionSchema, '{"user_id":3,"days":30}')

/** Reads the body of a request to set an OTP or to remove it; the name in it is cleaned. */
export function readProtectBody(body: Uint8Array): ProtectBody {
  const { user_name, ...rest } = readBody(body, checkProtect, "invalid request body")
  return user_name === undefined ? rest : { ...rest, user_name: cleanName(user_name) }
}

/** Reads the body of a request to make a link; the label in it is cleaned like a name. */
export function readLinkBody(body: Uint8Array): LinkBody {
  const { label, ...rest } = readBody(
    body,
    checkLink,
    'expected {"user_id":3,"role":"edit" or "read"}, and if wanted "expires_in_hours":1 to 8760, "label":"…"',
  )
  return label === undefined ? rest : { ...rest, label: cleanName(label) }
}

/** Reads the body of a request to say for how long a document is kept. */
export function readRetentionBody(body: Uint8Array): RetentionBody {
  return readBody(body, checkRetention, 'expected {"user_id":3,"days":1 to 3650 or null}')
}

// Decoder, parser and schema each have words of their own; the protocol has `sentence`.
function readBody<T>(body: Uint8Array, check: (value: unknown) => T, sentence: string): T {
  try {
    return check(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)))
  } catch {
    throw new WireError("bad-message", sentence)
  }
}

/** What a program asks of a text by PATCH (DC95). Every text in it may stand in a document. */
export type Patch =
  | { readonly kind: "append"; readonly text: string }
  | {
      readonly kind: "find"
      /** Not empty; with its ends of lines as they came. */
      readonly find: string
      readonly replace: string
      readonly which: "first" | "all"
    }
  | { readonly kind: "operation"; readonly revision: number; readonly operation: Operation }

const checkAppend = checked(Type.Object({ append: Type.String() }), '{"append":"text"}')
const checkFind = checked(
  Type.Object({
    find: Type.String({ minLength: 1 }),
    replace: Type.String(),
    all: Type.Optional(Type.Boolean()),
  }),
  '{"find":"text","replace":"text","all":true}; "find" is not empty',
)
const checkOperation = checked(
  Type.Object({
    revision: count,
    operation: Type.Array(Type.Union([Type.String(), whole]), { maxItems: limitComponents }),
  }),
  '{"revision":412,"operation":[10,"hello",-3,5]}',
)

/** How each kind of patch is read, by the field that only it has. */
const patches = new Map<string, (body: object) => Patch>([
  ["append", (body) => ({ kind: "append", text: written(checkAppend(body).append) })],
  ["find", readFind],
  ["operation", readOperation],
])

/** Reads a whole text (DC94): UTF-8 without U+0000, with LF at the ends of its lines. */
export function readText(body: Uint8Array): string {
  return written(decoded(body))
}

/** Reads the body of a PATCH. */
export function readPatch(body: Uint8Array): Patch {
  const value = parsed(decoded(body))
  const fields = [...patches.keys()].filter((field) => Object.hasOwn(value, field))
  const [field = "", ...others] = fields
  const read = patches.get(field)
  if (read !== undefined && others.length === 0) return read(value)
  throw new WireError(
    "bad-message",
    `a patch has one of the fields ${[...patches.keys()].join(", ")}`,
  )
}

function readFind(body: object): Patch {
  const { find, replace, all = false } = checkFind(body)
  return {
    kind: "find",
    find: clean(find),
    replace: written(replace),
    which: all ? "all" : "first",
  }
}

function readOperation(body: object): Patch {
  const { revision, operation } = checkOperation(body)
  const components = operation.map((each) => (typeof each === "string" ? written(each) : each))
  try {
    return { kind: "operation", revision, operation: operationOf(components) }
  } catch (thrown) {
    if (!(thrown instanceof WireError)) throw thrown
    // Over HTTP whatever cannot be read is 400.
    throw new WireError("bad-message", thrown.message)
  }
}

// What a program writes has LF at the ends of its lines (DC43).
function written(text: string): string {
  return clean(text).replace(/\r\n?/g, "\n")
}

function clean(text: string): string {
  if (text.isWellFormed() && !text.includes("\0")) return text
  throw new WireError("bad-message", "a text has no U+0000 and no half of a surrogate pair")
}

function decoded(body: Uint8Array): string {
  try {
    // A byte order mark is a character like any other: what was read can be written back.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body)
  } catch {
    // It throws TypeError only, and names no place.
    throw new WireError("bad-message", "the body is not UTF-8")
  }
}

function parsed(text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === "object" && value !== null) return value
  } catch {
    // The parser's own sentence quotes the body; ours says enough.
  }
  throw new WireError("bad-message", "the body is not a JSON object")
}
