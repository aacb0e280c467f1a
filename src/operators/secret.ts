/**
 * What the table holds instead of passwords and tokens: PHC strings of argon2id, and invitations. Pure.
 *
 * What always holds: what is read was written by `secretText` or `invitationText`, or else counts as
 * matching nothing; and comparisons take the same time whatever differs.
 */
import { createHash, timingSafeEqual } from "node:crypto"

/** The cost of a hash: KiB of memory, passes over it, lanes. */
export interface Cost {
  readonly memory: number
  readonly passes: number
  readonly lanes: number
}

/** The least that is taken for a table on a disk: what OWASP calls the minimum. */
export const leastCost: Cost = { memory: 19_456, passes: 2, lanes: 1 }

/** A password's hash, and how to make it again. */
export interface Secret {
  readonly cost: Cost
  readonly salt: Uint8Array
  readonly tag: Uint8Array
}

/** An invitation: the SHA-256 of its token, and when it ends, in ms since 1970. */
export interface Invitation {
  readonly untilMs: number
  readonly digest: Uint8Array
}

export const saltBytes = 16
export const tagBytes = 32

/** A row written by hand cannot make us spend more than this. */
const most: Cost = { memory: 1_048_576, passes: 64, lanes: 16 }

const secretPattern =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{43})$/
const invitationPattern = /^\$invite\$until=(\d{1,15})\$([A-Za-z0-9+/]{43})$/

/** Reads `m=19456,t=2,p=1`; undefined for what is none, or cannot be had. */
export function costOf(text: string): Cost | undefined {
  const found = /^m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})$/.exec(text)
  if (found === null) return undefined
  const [memory = 0, passes = 0, lanes = 0] = found.slice(1).map(Number)
  const isOk = lanes >= 1 && passes >= 1 && memory >= 8 * lanes
  const isBounded = memory <= most.memory && passes <= most.passes && lanes <= most.lanes
  return isOk && isBounded ? { memory, passes, lanes } : undefined
}

export function sameCost(a: Cost, b: Cost): boolean {
  return a.memory === b.memory && a.passes === b.passes && a.lanes === b.lanes
}

/** In PHC form. */
export function secretText({ cost, salt, tag }: Secret): string {
  const { memory, passes, lanes } = cost
  return `$argon2id$v=19$m=${memory},t=${passes},p=${lanes}$${unpadded(salt)}$${unpadded(tag)}`
}

/** Reads a secret; undefined for an invitation and for whatever else stands there. */
export function secretOf(text: string): Secret | undefined {
  const [, memory, passes, lanes, salt = "", tag = ""] = secretPattern.exec(text) ?? []
  const cost = costOf(`m=${memory},t=${passes},p=${lanes}`)
  if (cost === undefined) return undefined
  return { cost, salt: Buffer.from(salt, "base64"), tag: Buffer.from(tag, "base64") }
}

/** An invitation as the table has it, in whole seconds. */
export function invitationText({ untilMs, digest }: Invitation): string {
  return `$invite$until=${Math.floor(untilMs / 1000)}$${unpadded(digest)}`
}

export function invitationOf(text: string): Invitation | undefined {
  const [, until, digest = ""] = invitationPattern.exec(text) ?? []
  if (until === undefined) return undefined
  return { untilMs: Number(until) * 1000, digest: Buffer.from(digest, "base64") }
}

/** What is kept of a token. */
export function digestOf(token: string): Uint8Array {
  return createHash("sha256").update(token).digest()
}

/** Compares in a time that does not tell where two differ. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replace(/=+$/, "")
}
