/**
 * What a listener is told about a protocol: who serves it, how its bytes read, and its limits.
 *
 * A route is written once by server.ts. What always holds: net asks it for nothing but this, so a
 * protocol is added without a line in this folder.
 */
import type { Codec, Connection, Identity, Service } from "../service.ts"

/** Bounds of each connection of one protocol. Sizes are bytes, times are ms; the table in ARCHITECTURE.md has the values. */
export interface Limits {
  /** A longer message is refused as "too-large"; ws cuts off at twice that with 1009. */
  readonly messageBytes: number
  /** Above its rate a connection is not read until it has rested. 0 = no such rate. */
  readonly messagesPerSecond: number
  readonly messagesBurst: number
  readonly bytesPerSecond: number
  readonly bytesBurst: number
  /** With more unsent than this a connection is behind, and offers wait. */
  readonly behindBytes: number
  /** With more unsent than this, besides its longest frame, a further send closes it as "slow". */
  readonly slowBytes: number
  /** Behind, and no byte has left for that long: closed as "slow". */
  readonly stalledMs: number
  /** Keys of offers that wait for one connection; the oldest makes room. */
  readonly offers: number
  /** A WebSocket is pinged this often and closed if the last ping went unanswered. 0 = never. */
  readonly heartbeatMs: number
  /** Nothing heard for that long, pongs included: closed as "timed-out". 0 = never. */
  readonly silenceMs: number
  /** So long a far end may take to answer the closing; 5 s unless told. */
  readonly closingMs?: number
}

/** One protocol, whatever carries it. */
export interface Protocol<In, Out> {
  /** The label of its metrics and log lines: our word, never a stranger's. */
  readonly name: string
  readonly service: Service<In, Out>
  readonly codec: Codec<In, Out>
  readonly limits: Limits
  /** "none": no figure tells of its connections, not even how many there are. */
  readonly figures?: "none"
  /** "itself": when the server goes, the service closes its connections, when their work is done. */
  readonly ends?: "itself"
  /** How long a frame or message of a connection may be now, where that is less than `messageBytes` for a while. */
  frameBytes?(connection: Connection<Out>): number
}

/** A cookie that net draws for whoever brings none, sets with each handshake and hands on in `params`. */
export interface RouteCookie {
  readonly name: string
  /** Where the browser sends it back, below the base path: `/api/`. */
  readonly path: string
}

/** A protocol over WebSocket. */
export interface WebSocketRoute<In, Out> extends Protocol<In, Out> {
  /** Below the base path, with slashes around: `/api/socket/`. The rest of the path is `params.path`. */
  readonly prefix: string
  /**
   * When `Service.open` runs. "before" the handshake is answered: a refusal is an HTTP status,
   * which browsers do not show to pages. "after": it is told in the protocol, then closed.
   */
  readonly opens: "before" | "after"
  /**
   * Whose pages may connect besides ALLOWED_ORIGINS: "own" this server's, "local" also those of this
   * machine, "any" every page there is, where a token is asked for and no cookie counts.
   */
  readonly origins: "own" | "local" | "any"
  /** Names of the query parameters that are handed on. */
  readonly query: readonly string[]
  readonly cookie?: RouteCookie
  /** The subprotocol to agree on, out of those that were offered; undefined for none. */
  protocols(offered: readonly string[]): string | undefined
  /**
   * Who a token is, where the route takes tokens: from `Authorization: Bearer` or `?token=`.
   * Rejects with a WireError. Without a token it is not asked, and `identity` is undefined.
   */
  identify?(token: string): Promise<Identity>
}

/** A protocol over TCP or a unix socket. */
export interface StreamRoute<In, Out> extends Protocol<In, Out> {
  /** "lines": UTF-8 text up to a newline. "prefixed": a 32-bit length, then bytes. */
  readonly framing: "lines" | "prefixed"
  /**
   * Handed on to the codec in place of a line above the limit, where the protocol goes on after
   * one. No line is bytes, so bytes cannot be mistaken for one.
   */
  readonly overlong?: Uint8Array
  /** What begun frames of all connections together may hold. */
  readonly ingress?: Ingress
}

/** Bytes of begun frames, over all connections of some routes. */
export interface Ingress {
  readonly limitBytes: number
  bytes: number
}
