/**
 * The words by which one comes to a document: ids, links and tokens.
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

/** A link stands where an id may stand, and is none: no id begins with ~ (DC2, DC89). */
const linkForm = /^~[\w-]{22}$/

/** Bytes of a SHA-256 that name a link to those who may revoke it. */
const refBytes = 4

/**
 * Checks a document's id, or a link in its place, already percent-decoded (DC1, DC2). Throws
 * "bad-message" with the sentence that its HTTP answer has.
 */
export function checkId(id: string): void {
  if (id === "") throw new WireError("bad-message", "document ID required")
  if (isLink(id)) return
  const isId = id.isWellFormed() && !controls.test(id) && codePointCount(id) <= limitId
  if (!isId || id.startsWith("~")) throw new WireError("bad-message", "bad document ID")
}

/** Whether `id` has the form of a link. */
export function isLink(id: string): boolean {
  return linkForm.test(id)
}

/** The id, or the link in its place, that stands percent-encoded in a path. Throws like `checkId`. */
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
  return sameAs(token)(secret)
}

/** Tells which secrets a stranger's `token` is, likewise; for one that is compared with many. */
export function sameAs(token: string): (secret: string) => boolean {
  const hash = hashOf(token)
  return (secret) => timingSafeEqual(hash, hashOf(secret))
}

/** A fresh OTP. */
export function newOtp(random: Random): string {
  return Buffer.from(random(otpBytes)).toString("base64url")
}

/** A fresh secret for one connection. */
export function newSecret(random: Random): string {
  return Buffer.from(random(secretBytes)).toString("base64url")
}

/** A fresh link: 128 bits, as hard to guess as a client key. */
export function newLink(random: Random): string {
  return `~${Buffer.from(random(secretBytes)).toString("base64url")}`
}

/** SHA-256, 32 bytes: all that is kept of a link. */
export function hashOf(text: string): Uint8Array {
  return createHash("sha256").update(text).digest()
}

/** What a link with this hash is called in public: eight hex digits that open nothing. */
export function refOf(hash: Uint8Array): string {
  return Buffer.from(hash.subarray(0, refBytes)).toString("hex")
}
