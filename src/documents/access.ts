/**
 * Who may come to a document: ids, tokens, and the proof that a caller over HTTP is an editor.
 *
 * What always holds: secrets are compared by their SHA-256 in constant time (DC6), and none of them
 * is ever logged, put into a sentence or made the key of anything.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import { codePointCount } from "../ot/codepoints.ts"
import type { Random } from "../service.ts"
import { otpEntry } from "../wire/documents-shapes.ts"
import { WireError } from "../wire/error.ts"

/** DC2: code points of an id. */
const limitId = 128

/** 72 bits as 12 characters (DC84): what a person can still read out, and nobody can guess. */
const otpBytes = 9

/** 128 bits as 22 characters. */
const secretBytes = 16

const controls = /\p{Cc}/u

/**
 * Checks a document's id, already percent-decoded (DC1, DC2). Throws "bad-message" with the
 * sentence that its HTTP answer has.
 */
export function checkId(id: string): void {
  if (id === "") throw new WireError("bad-message", "document ID required")
  const isId = id.isWellFormed() && !controls.test(id) && codePointCount(id) <= limitId
  // What begins with ~ is no document: that is where links begin.
  if (!isId || id.startsWith("~")) throw new WireError("bad-message", "bad document ID")
}

/** The id that stands percent-encoded in a path. Throws like `checkId`. */
export function parseId(encoded: string): string {
  let id: string
  try {
    id = decodeURIComponent(encoded)
  } catch {
    // It throws for a stray % only, and says nothing that this does not say.
    throw new WireError("bad-message", "bad document ID")
  }
  checkId(id)
  return id
}

/** The tokens that a handshake brought: in subprotocol entries, or as a query parameter (DC6). */
export function handshakeTokens(params: ReadonlyMap<string, string>): readonly string[] {
  const offered = (params.get("protocols") ?? "").split(",").map((entry) => entry.trim())
  const entries = offered.filter((entry) => entry.startsWith(otpEntry))
  const tokens = entries.map((entry) => entry.slice(otpEntry.length))
  const query = params.get("otp")
  return query === undefined ? tokens : [...tokens, query]
}

/** What stands behind `Bearer` in an Authorization header. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1]
}

/** Whether a stranger's `token` is `secret`, in a time that tells nothing about either. */
export function isSame(token: string, secret: string): boolean {
  return timingSafeEqual(sha256(token), sha256(secret))
}

/** A fresh OTP. */
export function newOtp(random: Random): string {
  return Buffer.from(random(otpBytes)).toString("base64url")
}

/** A fresh secret for one connection. */
export function newSecret(random: Random): string {
  return Buffer.from(random(secretBytes)).toString("base64url")
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest()
}
