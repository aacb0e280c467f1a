/**
 * What a request asks for and brings along, read from its line and headers. Pure.
 *
 * What always holds: nothing here throws, whatever a stranger wrote; a path stays percent-encoded
 * and is never normalised, so that a name which holds `..` or `%2F` stays one name.
 */
import type { IncomingMessage } from "node:http"
import type { Headers } from "./gate.ts"

/** A request's address, cut at its question mark. */
export interface Target {
  /** As it came: still percent-encoded. Begins with a slash. */
  readonly path: string
  readonly query: URLSearchParams
}

/** What browsers and proxies send is far below. */
const headerLines = 100

/**
 * Whether a request has more header lines than are looked at. It is refused then: were those above
 * the limit left out, as some releases of Node do, a far end could push out what its proxy wrote
 * behind them.
 */
export function hasTooManyLines({ rawHeaders }: IncomingMessage): boolean {
  return rawHeaders.length > 2 * headerLines
}

/** Reads the address of a request line; of a whole address (`GET http://host/path`) its path and query. */
export function targetOf(request: IncomingMessage): Target {
  const url = request.url ?? "/"
  const rest = url.startsWith("/") ? url : url.replace(/^https?:\/\/[^/?]*/i, "")
  const at = rest.indexOf("?")
  const path = at === -1 ? rest : rest.slice(0, at)
  return {
    path: path.startsWith("/") ? path : `/${path}`,
    query: new URLSearchParams(at === -1 ? "" : rest.slice(at + 1)),
  }
}

/** What follows `prefix` (which ends with a slash) in `path`: "" for the prefix without its slash; undefined elsewhere. */
export function restOf(path: string, prefix: string): string | undefined {
  if (path.startsWith(prefix)) return path.slice(prefix.length)
  return `${path}/` === prefix ? "" : undefined
}

/** Undoes percent-encoding; undefined where it is malformed or no UTF-8. */
export function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined // URIError is the one way to ask whether a text is well encoded
  }
}

/** The cookies of a request, by name; the first of two with one name. */
export function cookiesOf(headers: Headers): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>()
  for (const pair of `${headers["cookie"] ?? ""}`.split(";")) {
    const at = pair.indexOf("=")
    const name = pair.slice(0, at).trim()
    if (at > 0 && !cookies.has(name)) cookies.set(name, pair.slice(at + 1).trim())
  }
  return cookies
}

/** Before a token that comes as an entry of `Sec-WebSocket-Protocol`, since browsers set no other header. */
const bearerEntry = "bearer."

/**
 * The token that a request brings: in `Authorization: Bearer`, as `?token=`, or as the subprotocol
 * `bearer.<token>` out of those it offered. An empty one is none.
 */
export function tokenOf(
  headers: Headers,
  query: URLSearchParams,
  offered: readonly string[],
): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(`${headers["authorization"] ?? ""}`)?.[1]
  const entry = offered.find((each) => each.startsWith(bearerEntry))
  const found = bearer ?? (query.get("token") || entry?.slice(bearerEntry.length))
  return found === "" ? undefined : found
}
