/**
 * What a relay in somebody else's program may be told, checked, and who its far ends are.
 *
 * What always holds: an option that nobody knows is refused by its name, so that a misspelt one is
 * never taken for set. A role comes from a token, from the program, or from the default it chose.
 */
import type { MessageBus } from "./collab-bus.ts"
import { type RelayOptions, relayDefaults, relayOptions } from "./relay/limits.ts"
import type { AskIdentity } from "./relay/relay.ts"
import type { Identity, Role } from "./service.ts"
import { askingBy, createTokens, type TokenKey } from "./tokens.ts"

/** The options of a relay. Batching, rates and back-pressure are on unless they are turned off. */
export interface RelayChoice {
  /** Without one it has a bus of its own, in memory. */
  readonly redisAdapter?: MessageBus
  readonly serverId?: string
  /** Said aloud, each far end is taken to read BATCH; left out, those that say so; false, each update leaves by itself. */
  readonly enableBatching?: boolean
  readonly enableRateLimiting?: boolean
  readonly enableBackpressure?: boolean
  /** How long a newcomer waits for content before it is told that there is none, in ms. */
  readonly snapshotRequestTimeoutMs?: number
  /** Of those without a token. Without it they are editors, or where tokens are checked, nobody. */
  readonly defaultRole?: Role
  /** Tokens are checked with this secret, of 32 bytes or more. */
  readonly jwtSecret?: string
  /** Or with the keys at this address. */
  readonly jwks?: string
  readonly limits?: Partial<RelayOptions>
}

/** How a far end comes. */
export interface Visit {
  readonly role?: Role
  readonly hasSnapshot?: boolean
  readonly token?: string
  readonly dialect?: "lfcc" | "yjs"
}

/** What an option must be like. */
const kinds: Readonly<Record<keyof RelayChoice, string>> = {
  redisAdapter: "object",
  serverId: "string",
  enableBatching: "boolean",
  enableRateLimiting: "boolean",
  enableBackpressure: "boolean",
  snapshotRequestTimeoutMs: "number",
  defaultRole: "string",
  jwtSecret: "string",
  jwks: "string",
  limits: "object",
}

const roles: readonly string[] = ["viewer", "editor", "admin"]

/** What follows from the options. Throws an Error that names each one that is none. */
export function settingsOf(choice: RelayChoice): {
  readonly options: RelayOptions
  readonly hasBackPressure: boolean
  /** Features that every far end is taken to have. */
  readonly features: string
} {
  check(choice)
  const { enableBatching, enableRateLimiting, enableBackpressure, limits } = choice
  const unlimited = { messagesPerSecond: 0, bytesPerSecond: 0 }
  const options = relayOptions({
    ...limits,
    snapshotMs: choice.snapshotRequestTimeoutMs ?? limits?.snapshotMs ?? relayDefaults.snapshotMs,
    ...(enableRateLimiting === false ? unlimited : {}),
    ...(enableBatching === false ? { windowMessages: 1 } : {}),
  })
  const features = enableBatching === true ? "batch" : ""
  return { options, hasBackPressure: enableBackpressure !== false, features }
}

function check(choice: RelayChoice): void {
  const known = new Map<string, string>(Object.entries(kinds))
  const problems: string[] = []
  for (const [name, value] of Object.entries(choice)) {
    const kind = known.get(name)
    if (kind === undefined) problems.push(`${name}: there is no such option`)
    else if (value !== undefined && (typeof value !== kind || value === null)) {
      problems.push(`${name}: is not of type ${kind}`)
    }
  }
  const { defaultRole, jwtSecret, jwks, snapshotRequestTimeoutMs: timeoutMs } = choice
  const isTime =
    typeof timeoutMs !== "number" || (Number.isSafeInteger(timeoutMs) && timeoutMs >= 0)
  if (!isTime) problems.push("snapshotRequestTimeoutMs: is not a whole number from 0")
  if (typeof jwks === "string" && !isSafe(jwks)) problems.push("jwks: is not an https address")
  if (defaultRole !== undefined && !roles.includes(defaultRole)) {
    problems.push(`defaultRole: is not one of ${roles.join(", ")}`)
  }
  if (jwtSecret !== undefined && Buffer.byteLength(jwtSecret) < 32) {
    problems.push("jwtSecret: must have at least 32 bytes")
  }
  if (jwtSecret !== undefined && jwks !== undefined) {
    problems.push("jwtSecret, jwks: only one of them may be set")
  }
  if (problems.length > 0) throw new Error(problems.join("\n"))
}

/** Whether nobody on the way can put other keys in place of those at `url`. */
function isSafe(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, hostname } = new URL(url)
  const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(hostname)
  return protocol === "https:" || (protocol === "http:" && isHere)
}

const visitNames: readonly string[] = ["role", "hasSnapshot", "token", "dialect"]

/** Throws an Error that names what of `visit` is none: a misspelt role must not be one that may write. */
export function checkVisit(visit: Visit): void {
  const unknown = Object.keys(visit).find((name) => !visitNames.includes(name))
  if (unknown !== undefined) throw new Error(`${unknown}: there is no such option of a connection`)
  const { role, dialect } = visit
  if (role !== undefined && !roles.includes(role)) {
    throw new Error(`role: is not one of ${roles.join(", ")}`)
  }
  if (dialect !== undefined && dialect !== "lfcc" && dialect !== "yjs") {
    throw new Error("dialect: is not one of lfcc, yjs")
  }
}

/** Who far ends are. */
export function identitiesOf(
  { jwtSecret, jwks, defaultRole }: RelayChoice,
  now: () => number,
): {
  readonly ask: AskIdentity
  /** Who comes without a token; undefined for someone who may not. */
  of(visit: Visit & { readonly senderId: string }): Identity | undefined
} {
  const key = keyOf(jwtSecret, jwks)
  const identify = createTokens({ key, audience: "quartet", issuer: undefined, now })
  const usual = defaultRole ?? (identify === undefined ? "editor" : undefined)
  return {
    ask: askingBy(identify),
    of({ role = usual, senderId }) {
      if (role === undefined) return undefined
      // The program vouches for the name: who bears it is one user.
      const everywhere = { places: ["*"], rights: undefined, since: undefined }
      return { subject: senderId, role, ...everywhere, until: Number.POSITIVE_INFINITY }
    },
  }
}

function keyOf(secret: string | undefined, jwks: string | undefined): TokenKey | undefined {
  if (secret !== undefined) return { kind: "secret", secret }
  return jwks === undefined ? undefined : { kind: "jwks", url: jwks }
}
