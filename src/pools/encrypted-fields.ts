/** Fields of requests about encrypted pools: bytes in base64url, and counts. */
import { decode64 } from "../wire/base64.ts"
import { wrong } from "./trinity.ts"

export type Fields = Readonly<Record<string, unknown>>

/** Bytes of a field, so many where it is said. Throws a Refusal that names the field. */
export function bytesIn(fields: Fields, name: string, length?: number): Uint8Array {
  const value = fields[name]
  const bytes = typeof value === "string" ? decode64(value) : undefined
  if (bytes !== undefined && bytes.length === (length ?? bytes.length)) return bytes
  const count = length === undefined ? "" : `${length} `
  throw wrong(`/${name}`, `must be ${count}bytes in base64url`)
}

/** A whole number of a field. Throws a Refusal that names the field. */
export function countIn(fields: Fields, name: string): number {
  const value = fields[name]
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value
  throw wrong(`/${name}`, "must be a whole number")
}
