/**
 * Keys and certificates as files: read when the server is built, and not again.
 *
 * What always holds: one that cannot be read ends the start with one sentence that names the setting
 * and the file.
 */
import { readFileSync } from "node:fs"
import type { Config } from "./config.ts"
import { createTokens, type Identify, type TokenKey } from "./tokens.ts"

/** Certificate and key as PEM. */
export interface Tls {
  readonly cert: string
  readonly key: string
}

/** What checks tokens, by JWT_*; undefined without a key. `now` gives ms since 1970. */
export function identifyBy(config: Config, now: () => number): Identify | undefined {
  const { tokenKey, jwtAudience: audience, jwtIssuer: issuer } = config
  return createTokens({ key: keyFrom(tokenKey), audience, issuer, now })
}

/** The certificate of TLS_CERT and its key; undefined where there is none. */
export function tlsOf({ tls }: Config): Tls | undefined {
  return tls && { cert: readPem("TLS_CERT", tls.cert), key: readPem("TLS_KEY", tls.key) }
}

/** The same for pools, with the authority of POOLS_TLS_CA that apps' certificates are of. */
export function poolsTlsOf(config: Config): (Tls & { readonly ca?: string }) | undefined {
  const tls = tlsOf(config)
  if (tls === undefined || config.poolsTlsCa === undefined) return tls
  return { ...tls, ca: readPem("POOLS_TLS_CA", config.poolsTlsCa) }
}

function keyFrom(place: Config["tokenKey"]): TokenKey | undefined {
  if (place?.kind !== "file") return place
  return { kind: "public", text: readPem("JWT_PUBLIC_KEY", place.path) }
}

function readPem(setting: string, path: string): string {
  try {
    return readFileSync(path, "utf8")
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown)
    throw new Error(`${setting}: the file cannot be read: ${why}`)
  }
}
