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
