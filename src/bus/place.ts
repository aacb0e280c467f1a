/**
 * Which Redis, how it is reached, and under which names we are there.
 *
 * What always holds: within a process every name begins with `lfcc:`; in Redis a prefix of one's own
 * may stand in that place, so that two groups of servers share a Redis and nothing else.
 */

/** Which Redis. */
export interface RedisPlace {
  /** `redis://`, or `rediss://` for TLS. Several are a Redis Cluster, by any of its servers. */
  readonly urls: readonly string[]
  /** With what all names in Redis begin. Left out, with `lfcc:`. It has no braces. */
  readonly prefix?: string | undefined
  /** What TLS is given beside the address. */
  readonly tls?: TlsChoice | undefined
}

/** As PEM: which CAs are believed, in place of Node's, and with what we show who we are. */
export interface TlsChoice {
  readonly ca?: Pem
  readonly cert?: Pem
  readonly key?: Pem
  /** The name in Redis's certificate, where it is not that of the address. */
  readonly servername?: string
}

/** A file in the form of PEM, or several. */
export type Pem = string | Buffer | (string | Buffer)[]

/** How long connections that ended wait for the next try. */
export interface Reconnect {
  /** After the first try in vain; then twice as long each time. */
  readonly delayMs: number
  readonly maxDelayMs: number
  /** 0 to 1: by such a part of itself each wait is longer or shorter. */
  readonly jitter: number
}

export const usualReconnect: Reconnect = { delayMs: 100, maxDelayMs: 5_000, jitter: 0.25 }

const usualPrefix = "lfcc:"

/** ms until the next try, after so many in a row in vain. `chance` is a random byte. */
export function waitOf(
  { delayMs, maxDelayMs, jitter }: Reconnect,
  tries: number,
  chance: number,
): number {
  const waitMs = Math.min(maxDelayMs, delayMs * 2 ** Math.min(tries, 20))
  return waitMs * (1 - jitter + (2 * jitter * chance) / 256)
}

/** The name that Redis has for `name`. */
export function nameThere(name: string, prefix = usualPrefix): string {
  if (prefix === usualPrefix || !name.startsWith(usualPrefix)) return name
  return prefix + name.slice(usualPrefix.length)
}

/** Our name for what Redis calls `name`. */
export function nameHere(name: string, prefix = usualPrefix): string {
  if (prefix === usualPrefix || !name.startsWith(prefix)) return name
  return usualPrefix + name.slice(prefix.length)
}
