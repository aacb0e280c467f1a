/**
 * Tokens: a JWT becomes an Identity, or a WireError. Home of jose.
 *
 * What always holds: the algorithm comes from the configured key, never from the token, so "none"
 * and a public key used as a secret are refused; audience, expiry and subject are asked for; a
 * token lives 24 hours at most. Without a key there is nobody to ask, and no token is looked at.
 */
import { createPublicKey } from "node:crypto"
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose"
import type { Identity, Role } from "./service.ts"
import { WireError } from "./wire/error.ts"

/** What tokens are checked with: one key at most, and what every token must say. */
export interface TokenOptions {
  readonly key: TokenKey | undefined
  /** Must be among the token's `aud`. */
  readonly audience: string
  /** Must be the token's `iss`, where it is set. */
  readonly issuer: string | undefined
  /** ms since 1970. */
  readonly now: () => number
}

/** Where the key lies: a secret of 32 bytes or more, the text of a PEM or JWK file, or an address. */
export type TokenKey =
  | { readonly kind: "secret"; readonly secret: string }
  | { readonly kind: "public"; readonly text: string }
  | { readonly kind: "jwks"; readonly url: string }

/** Says who a token is. Rejects with a WireError whose sentence tells what is wrong with the token. */
export type Identify = (token: string) => Promise<Identity>

/** A longer token is refused unread. */
const tokenLimit = 4_096
/** How far clocks may differ, in seconds. */
const toleranceSeconds = 60
const longestSeconds = 24 * 60 * 60
/** How long fetched keys are believed, and how often an unknown key id may make us ask again. */
const jwksMs = 10 * 60_000
const jwksRestMs = 30_000
const placesLimit = 100
const wildcardsLimit = 4
const placeLimit = 256
const subjectLimit = 256

/** What checks tokens; undefined without a key. Throws one sentence for a key that cannot be used. */
export function createTokens(options: TokenOptions): Identify | undefined {
  if (options.key === undefined) return undefined
  const { algorithms, getKey } = keyOf(options.key)
  const { audience, issuer } = options
  return async (token) => {
    if (token.length > tokenLimit) {
      throw refused(`a token holds at most ${tokenLimit} characters, this one has ${token.length}`)
    }
    const now = options.now()
    try {
      const { payload } = await jwtVerify(token, getKey, {
        algorithms,
        audience,
        ...(issuer === undefined ? {} : { issuer }),
        clockTolerance: toleranceSeconds,
        currentDate: new Date(now),
        requiredClaims: ["sub", "exp"],
      })
      return identityOf(payload, now)
    } catch (thrown) {
      throw explained(thrown)
    }
  }
}

/**
 * `identify` as a service asks it: answers once, in a later turn, who a token is or why it is nobody.
 * Where no token is looked at, everyone who brings one is undefined.
 */
export function askingBy(
  identify: Identify | undefined,
): (token: string, answer: (found: Identity | WireError | undefined) => void) => void {
  return (token, answer) => {
    if (identify === undefined) return queueMicrotask(() => answer(undefined))
    identify(token).then(answer, (thrown: unknown) => {
      const isToldSo = thrown instanceof WireError
      answer(isToldSo ? thrown : new WireError("internal", "the token could not be looked at"))
    })
  }
}

interface Keys {
  readonly algorithms: string[]
  readonly getKey: JWTVerifyGetKey
}

function keyOf(key: TokenKey): Keys {
  switch (key.kind) {
    case "secret": {
      const secret = new TextEncoder().encode(key.secret)
      return { algorithms: ["HS256"], getKey: () => secret }
    }
    case "public": {
      const isJson = key.text.trimStart().startsWith("{")
      const jwk = isJson
        ? JSON.parse(key.text)
        : createPublicKey(key.text).export({ format: "jwk" })
      if (jwk.crv !== "Ed25519") throw new Error("the key for tokens is not an Ed25519 key (EdDSA)")
      return { algorithms: ["EdDSA", "Ed25519"], getKey: createLocalJWKSet({ keys: [jwk] }) }
    }
    case "jwks": {
      const options = { cacheMaxAge: jwksMs, cooldownDuration: jwksRestMs }
      const getKey = createRemoteJWKSet(new URL(key.url), options)
      return { algorithms: ["EdDSA", "Ed25519", "ES256", "RS256"], getKey }
    }
  }
}

/** What a verified token says. Throws a WireError for claims that are missing or of the wrong kind. */
function identityOf(payload: JWTPayload, now: number): Identity {
  const { sub: subject = "", exp = 0, iat } = payload
  // jose asks for a sub, and not of what kind it is.
  if (typeof subject !== "string" || subject === "" || subject.length > subjectLimit) {
    throw refused(`the token's sub must have 1 to ${subjectLimit} characters`)
  }
  if (exp * 1_000 > now + (longestSeconds + toleranceSeconds) * 1_000) {
    throw refused("the token is good for more than 24 hours; issue shorter ones")
  }
  return {
    subject,
    role: roleOf(payload["role"]),
    places: placesOf(payload["docId"] ?? payload["room"]),
    ...(payload["pools"] === undefined ? {} : { pools: textsOf(payload["pools"], "pools") }),
    rights: textsOf(payload["rights"], "rights"),
    since: iat === undefined ? undefined : iat * 1_000,
    until: exp * 1_000,
  }
}

function roleOf(claim: unknown): Role {
  if (claim === undefined) return "viewer"
  if (claim === "viewer" || claim === "editor" || claim === "admin") return claim
  throw refused("the token's role is not one of viewer, editor, admin")
}

function placesOf(claim: unknown): readonly string[] | undefined {
  const places = textsOf(typeof claim === "string" ? [claim] : claim, "docId or room")
  for (const place of places ?? []) {
    const wildcards = place.split("*").length - 1
    if (place.length > placeLimit || wildcards > wildcardsLimit) {
      throw refused(
        `a room in the token has at most ${placeLimit} characters and ${wildcardsLimit} of "*"`,
      )
    }
  }
  return places
}

function textsOf(claim: unknown, name: string): readonly string[] | undefined {
  if (claim === undefined) return undefined
  const isList = Array.isArray(claim) && claim.every((each) => typeof each === "string")
  if (!isList || claim.length > placesLimit) {
    throw refused(`the token's ${name} is not a text or a list of at most ${placesLimit} texts`)
  }
  return claim
}

function explained(thrown: unknown): WireError {
  if (thrown instanceof WireError) return thrown
  if (thrown instanceof errors.JWTExpired) return refused("the token has expired")
  if (thrown instanceof errors.JWTClaimValidationFailed) {
    return refused(`the token's ${thrown.claim} is missing or not the one that is asked for`)
  }
  // The keys could not be fetched: the token may be good.
  if (thrown instanceof errors.JWKSTimeout || thrown instanceof TypeError) {
    return new WireError("unavailable", "the keys for tokens cannot be fetched now")
  }
  return refused("the token cannot be verified")
}

function refused(sentence: string): WireError {
  return new WireError("unauthenticated", sentence)
}
