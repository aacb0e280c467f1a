/**
 * Who may enter which room, and as what: tokens, the anonymous, the denied and the revoked.
 *
 * What always holds: a role comes from a token or from the setting for those without one, never
 * from what a replica says of itself. Patterns are matched in linear time, and revocations and
 * denials are bounded in number.
 */
import type { Identity, Role } from "../service.ts"
import { WireError } from "../wire/error.ts"
import type { Who } from "./replica.ts"

/** What those without a token are. */
export type Anonymous = "off" | "viewer" | "editor"

/** A user is out, or has another role, wherever a token says that it was issued before. */
export interface Revocation {
  readonly subject: string
  /** Undefined for all rooms. */
  readonly room: string | undefined
  /** Undefined: out. */
  readonly role: Role | undefined
  /** ms since 1970. */
  readonly at: number
}

/** The oldest makes room. */
const revocationLimit = 10_000
/** One more is refused. */
const denialLimit = 1_000
/** No token lives longer: what was revoked before cannot come back. */
const tokenMs = 25 * 60 * 60_000

export class Access {
  readonly #anonymous: Anonymous
  readonly #denied: Set<string>
  #revocations: Revocation[] = []

  constructor(anonymous: Anonymous, denied: readonly string[]) {
    this.#anonymous = anonymous
    this.#denied = new Set(denied)
  }

  /** Who enters `room`. Throws a WireError whose sentence says why not. */
  admit(identity: Identity | undefined, room: string): Who {
    if (this.isDenied(room)) throw new WireError("forbidden", "this room is closed")
    if (identity === undefined) {
      if (this.#anonymous === "off") throw new WireError("unauthenticated", "a token is required")
      return { subject: undefined, role: this.#anonymous, since: undefined }
    }
    const { subject, role, places, since } = identity
    const isAnywhere = role === "admin" && places === undefined
    if (!isAnywhere && !(places ?? []).some((pattern) => matches(pattern, room))) {
      throw new WireError("forbidden", "the token is not good for this room")
    }
    return { subject, role: this.roleOf({ subject, role, since }, room), since }
  }

  /** The role that is left to `who` in `room`. Throws "forbidden" when none is. */
  roleOf({ subject, role, since }: Who, room: string): Role {
    let left: Role = role
    for (const revocation of this.#revocations) {
      if (subject === undefined || revocation.subject !== subject) continue
      if (revocation.room !== undefined && revocation.room !== room) continue
      if (since !== undefined && since > revocation.at) continue
      if (revocation.role === undefined) throw new WireError("forbidden", "the access was revoked")
      left = revocation.role
    }
    return left
  }

  revoke(revocation: Revocation): void {
    const { at, subject, room } = revocation
    this.#revocations = this.#revocations.filter(
      (each) => each.at > at - tokenMs && !(each.subject === subject && each.room === room),
    )
    this.#revocations.push(revocation)
    if (this.#revocations.length > revocationLimit) this.#revocations.shift()
  }

  isDenied(room: string): boolean {
    for (const pattern of this.#denied) if (matches(pattern, room)) return true
    return false
  }

  /** Closes rooms to everyone, or opens them again. Throws "too-many" beyond the limit. */
  deny(pattern: string, how: "on" | "off"): void {
    if (how === "off") this.#denied.delete(pattern)
    else if (this.#denied.size < denialLimit) this.#denied.add(pattern)
    else
      throw new WireError(
        "too-many",
        `there are ${denialLimit} denied patterns already: open one of them first`,
      )
  }
}

/** Whether `name` is what `pattern` says, in which `*` is any run of characters. */
export function matches(pattern: string, name: string): boolean {
  const [first = "", ...rest] = pattern.split("*")
  const last = rest.pop()
  if (last === undefined) return pattern === name
  if (!name.startsWith(first)) return false
  let at = first.length
  for (const part of rest) {
    const found = name.indexOf(part, at)
    if (found === -1) return false
    at = found + part.length
  }
  return name.length - last.length >= at && name.endsWith(last)
}
