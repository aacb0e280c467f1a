/**
 * Schemas of what strangers send, and their compiled checks. Home of typebox.
 *
 * What always holds: a value that passed a check has exactly the type that its schema says, with
 * every number within its bounds; what did not pass became a WireError "bad-message".
 */
import { type Static, type TSchema, Type } from "typebox"
import { Compile } from "typebox/compile"
import { WireError } from "./error.ts"

export { type Static, Type }

/** A whole number from 0 up to the largest that is exact. `Type.Integer` alone admits 1e300. */
export const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

/** Any whole number that is exact. */
export const whole = Type.Integer({
  minimum: -Number.MAX_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
})

/** For an object whose keys are all known: any other key is refused. */
export const closed = { additionalProperties: false } as const

/**
 * A function that gives its argument back as the type of `schema`.
 *
 * For everything else it throws WireError "bad-message" with `example`, a message as it should be.
 * (typebox could name the place that is wrong, but takes 100 ms to do so for a large array.)
 * Compiling takes about a millisecond, so it is done once, when a module is read; a check of a
 * short message takes some 50 ns.
 */
export function checked<const Schema extends TSchema>(
  schema: Schema,
  example: string,
): (value: unknown) => Static<Schema> {
  const validator = Compile(schema)
  return (value) => {
    // The compiled check proves just this type; typebox cannot say so for a generic schema.
    if (validator.Check(value)) return value as Static<Schema>
    throw new WireError("bad-message", `a message of this kind looks like ${example}`)
  }
}

/** What of a value is wrong, where a protocol tells so: a JSON pointer, and what was expected there. */
export interface Misfit {
  readonly field: string
  readonly reason: string
}

/**
 * Like `checked`, for a protocol that names the field: gives the value back, or what is wrong with
 * it. Finding that out takes far longer than the check and is done only when it failed.
 */
export function examined<const Schema extends TSchema>(
  schema: Schema,
): (
  value: unknown,
) =>
  | { readonly fits: true; readonly value: Static<Schema> }
  | { readonly fits: false; readonly misfit: Misfit } {
  const validator = Compile(schema)
  return (value) => {
    // The compiled check proves just this type; typebox cannot say so for a generic schema.
    if (validator.Check(value)) return { fits: true, value: value as Static<Schema> }
    // Of a union typebox tells each branch: the deepest place is the one that was meant.
    const found = [...validator.Errors(value)].sort(
      (a, b) => b.instancePath.split("/").length - a.instancePath.split("/").length,
    )[0]
    const { instancePath = "", params, message = "does not fit" } = found ?? {}
    const missing = missingOf(params)
    if (missing !== undefined) {
      return { fits: false, misfit: { field: `${instancePath}/${missing}`, reason: "is missing" } }
    }
    const reason = `${message}, not ${cameAs(at(value, instancePath))}`
    return { fits: false, misfit: { field: instancePath, reason } }
  }
}

/** What stands at a JSON pointer. */
function at(value: unknown, pointer: string): unknown {
  let found = value
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~")
    if (typeof found !== "object" || found === null) return undefined
    found = Object.hasOwn(found, key) ? Reflect.get(found, key) : undefined
  }
  return found
}

/** What came, in words: numbers are told, the content of a text may be a secret. */
function cameAs(value: unknown): string {
  if (typeof value === "number") return String(value)
  if (typeof value === "string") return `a string of ${value.length} characters`
  if (Array.isArray(value)) return `an array of ${value.length}`
  return value === null || typeof value === "boolean" ? String(value) : "an object"
}

function missingOf(params: unknown): string | undefined {
  if (typeof params !== "object" || params === null || !("requiredProperties" in params)) {
    return undefined
  }
  const { requiredProperties: names } = params
  return Array.isArray(names) && typeof names[0] === "string" ? names[0] : undefined
}
