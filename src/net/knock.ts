/**
 * What someone at the door came for: the params of a connection, read from a request to upgrade.
 *
 * What always holds: this runs before any service sees the far end, touches no socket, and gives
 * params that are decoded and bounded; all else about them is for the service to judge.
 */
import type { IncomingMessage } from "node:http"
import type { Random } from "../service.ts"
import { WireError } from "../wire/error.ts"
import { type Gate, isLoopback, type Origin } from "./gate.ts"
import type { RouteCookie, WebSocketRoute } from "./route.ts"
import { cookiesOf, decoded, targetOf } from "./target.ts"

/** Above this, in UTF-16 units, a path or a parameter is refused. Node admits 16 KiB of headers in all. */
const paramLimit = 4_096

/** A cookie is 128 bits, as 22 characters of base64url. */
const cookieBytes = 16
const cookiePattern = /^[\w-]{22}$/

/** A request to upgrade, as far as it can be judged without its service. */
export interface Knock {
  /** As Connection.params has them. */
  readonly params: ReadonlyMap<string, string>
  readonly address: string
  /** The subprotocol to agree on. */
  readonly protocol: string | undefined
  /** Value of the Set-Cookie header of the answer. */
  readonly setCookie: string | undefined
}

/** Where someone knocks. */
export interface KnockOptions {
  readonly route: WebSocketRoute<unknown, unknown>
  /** What of the path follows the route's prefix, still percent-encoded. */
  readonly rest: string
  readonly gate: Gate
  readonly pathPrefix: string
  readonly random: Random
}

/**
 * Reads what `request` came for. Throws a WireError: "forbidden" for a page of another origin,
 * "bad-message" for what is malformed or too long.
 */
export function knockOf(request: IncomingMessage, options: KnockOptions): Knock {
  const { route, gate } = options
  const origin = gate.originOf(request.headers)
  if (origin === "foreign" && !admits(route, request.headers.origin)) {
    throw new WireError("forbidden", "origin not allowed")
  }
  const path = decoded(options.rest)
  if (path === undefined) throw new WireError("bad-message", "malformed percent-encoding")
  const offered = offeredBy(request)
  const address = gate.addressOf(request.socket.remoteAddress, request.headers)
  const params = new Map([
    ["path", path],
    ["address", address],
    ["protocols", offered.join(",")],
  ])
  const { query } = targetOf(request)
  for (const name of route.query) {
    const value = query.get(name)
    if (value !== null) params.set(name, value)
  }
  const protocol = route.protocols(offered)
  if (protocol !== undefined) params.set("protocol", protocol)
  for (const [name, { length }] of params) {
    if (length > paramLimit) {
      const sentence = `${name} holds at most ${paramLimit} characters, this one has ${length}`
      throw new WireError("bad-message", sentence)
    }
  }
  if (route.cookie === undefined) return { params, address, protocol, setCookie: undefined }
  const cookie = cookieFor(request, route.cookie, { ...options, origin })
  params.set("cookie", cookie.value)
  return { params, address, protocol, setCookie: cookie.header }
}

/** Whether a page that is neither ours nor listed may still connect to `route`. */
function admits(
  { origins }: WebSocketRoute<unknown, unknown>,
  origin: string | undefined,
): boolean {
  if (origins !== "local") return origins === "any"
  if (origin === undefined || !URL.canParse(origin)) return false
  // A URL has IPv6 in brackets.
  return isLoopback(new URL(origin).hostname.replace(/^\[(.*)\]$/, "$1"))
}

/**
 * The route's cookie that `request` brings, or a fresh one; and the header that sets it.
 *
 * A page of another origin that may connect has no use of our page's cookie: the one it brings is
 * not believed, and its visit must not replace ours, so there the header is undefined.
 */
function cookieFor(
  request: IncomingMessage,
  cookie: RouteCookie,
  options: KnockOptions & { origin: Origin },
): { readonly value: string; readonly header: string | undefined } {
  const isOwn = options.origin === "own"
  const brought = isOwn ? cookiesOf(request.headers).get(cookie.name) : undefined
  const isGood = brought !== undefined && cookiePattern.test(brought)
  const value = isGood ? brought : Buffer.from(options.random(cookieBytes)).toString("base64url")
  if (!isOwn) return { value, header: undefined }
  const path = options.pathPrefix + cookie.path.slice(1)
  const isSecure = options.gate.isSecure("encrypted" in request.socket, request.headers)
  const rest = `Path=${path}; HttpOnly; SameSite=Strict${isSecure ? "; Secure" : ""}`
  return { value, header: `${cookie.name}=${value}; ${rest}` }
}

function offeredBy(request: IncomingMessage): readonly string[] {
  return (request.headers["sec-websocket-protocol"] ?? "")
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "")
}
