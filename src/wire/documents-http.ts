/**
 * What programs and pages send to the documents part over HTTP, checked.
 *
 * What always holds: a body that is no UTF-8, no JSON or not of its form is "bad-message", with the
 * one sentence that its answer has; further fields are ignored.
 */
import { cleanName } from "./documents.ts"
import { WireError } from "./error.ts"
import { checked, count, type Static, Type } from "./schema.ts"

/** Who asks, as `protect` and its opposite have it; the OTP stands only in the latter. */
const protectSchema = Type.Object({
  user_id: count,
  user_name: Type.Optional(Type.String()),
  otp: Type.Optional(Type.String()),
})
export type ProtectBody = Static<typeof protectSchema>

const checkProtect = checked(protectSchema, '{"user_id":3,"user_name":"Ada"}')

/** Reads the body of a request to set an OTP or to remove it; the name in it is cleaned. */
export function readProtectBody(body: Uint8Array): ProtectBody {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body)
    const { user_name, ...rest } = checkProtect(JSON.parse(text))
    return user_name === undefined ? rest : { ...rest, user_name: cleanName(user_name) }
  } catch {
    // Decoder, parser and schema each have words of their own; the protocol has these.
    throw new WireError("bad-message", "invalid request body")
  }
}
