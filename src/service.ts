/**
 * The contract between what speaks a protocol and what owns the sockets. Read this first.
 *
 * A service is a synchronous state machine: decoded messages and ticks go in; messages for
 * connections, the bus and the store come out. What always holds: it opens no socket, sets no
 * timer, reads no environment and awaits nothing, so nothing is ever interleaved with it.
 */
import type { Log } from "./log.ts"
import { type Code, WireError } from "./wire/error.ts"

/** Takes back what the call that returned it did. Calling it twice does nothing more. */
export type Undo = () => void

/** The answer to a slow question: called once, in a later turn; "away" when nobody could be asked. */
export type Answer<T> = (answer: T | "away") => void

/** Asks for a tick at the end of this turn (0) or within 10 ms (10). A service gets it with its options. */
export type Wake = (withinMs: 0 | 10) => void

/** Gives `length` fresh random bytes. Given to a service as an option, so that a test can repeat it. */
export type Random = (length: number) => Uint8Array

/**
 * A service speaks one protocol and owns all state of that protocol.
 *
 * It never waits. A slow answer (a write to the disk, a claim) is asked for with a function and
 * comes as a later call; the service then checks that whom it concerns is still there. Messages
 * of one connection arrive one at a time, in order, and nothing calls into a service at work.
 */
export interface Service<In, Out> {
  /**
   * A far end has come; what it came for is in `connection.params`.
   *
   * May throw a WireError. Where the route says so this runs before the handshake is answered,
   * and a wrong OTP is a plain 401. What throws leaves nothing behind: check, then load.
   */
  open(connection: Connection<Out>): void
  /** One message. A WireError thrown here is told to the far end and closes it. */
  receive(connection: Connection<Out>, message: In): void
  /** The far end is gone, by its will or by ours. Once for every `open` that returned. */
  close(connection: Connection<Out>): void
  /** It is `now`, in ms since 1970: before the first `open`, every 100 ms, and when woken. There is no other time. */
  tick(now: number): void
  /** The server is going: take nothing new, save, give up what others may take over. Connections close later. */
  stop(): void
}

/** What somebody with a token may do in a room: look; change; and govern. Each may what the ones before may. */
export type Role = "viewer" | "editor" | "admin"

/** What a checked token says. At `until`, in ms since 1970, its connection is closed as "unauthenticated". */
export interface Identity {
  readonly subject: string
  readonly role: Role
  /** Rooms it is good for, as patterns in which `*` is any run of characters. Undefined when it names none. */
  readonly places: readonly string[] | undefined
  /** Names of the pools it is good for, where it says so. */
  readonly pools?: readonly string[] | undefined
  /** What it may do where rights are told apart by name; undefined when it does not say. */
  readonly rights: readonly string[] | undefined
  /** When it was issued, in ms since 1970: a revocation spares newer ones. */
  readonly since: number | undefined
  readonly until: number
}

/** The far end of a socket, as a service sees it. A message that was sent is never changed afterwards. */
export interface Connection<Out> {
  /** Ours, unique in this process. */
  readonly id: string
  /**
   * What it came for, as its route names it: `path` (what follows the route's prefix,
   * percent-decoded), the query parameters the route lists, `protocol` (the subprotocol that was
   * agreed on), `protocols` (all that were offered, comma-separated), `cookie` (the route's
   * cookie) and `address`. Lengths are checked, nothing else.
   */
  readonly params: ReadonlyMap<string, string>
  /** Who its token says it is; undefined where its route asks for none. */
  readonly identity: Identity | undefined
  /** It has brought a newer token of the same subject: from here on that one's end counts. */
  renew(identity: Identity): void
  /** Whether what is sent now can still leave: false as soon as it was closed, or was seen to be gone. */
  readonly isOpen: boolean
  /** Whether the far end took its leave in good order, when it is gone: not cut off, and for no fault. */
  readonly saidGoodbye: boolean
  /** Sends, and never skips. A far end that cannot keep up is closed as "slow". */
  send(message: Out): void
  /** Sends what a newer message under the same `key` makes worthless; only the newest waits. False if it had to wait. */
  offer(key: string, message: Out): boolean
  /** More than the route's behindBytes are unsent. Who can make one message of many does so when this is false again. */
  readonly behind: boolean
  /** Holds back this connection's next messages, and nobody else's, until the returned function is called. */
  hold(): Undo
  /** Ends it, after what was sent. `Service.close` follows at the end of this turn, never from inside this call. */
  close(code: Code, sentence?: string): void
}

/** One protocol, as bytes: a Uint8Array is a binary frame, a string a text frame or a line. Keeps no state. */
export interface Codec<In, Out> {
  /** Throws "bad-message" for whatever the schema does not allow. What comes out needs no second look. */
  decode(frame: Uint8Array | string): In
  encode(message: Out): Uint8Array | string
  /** How this protocol says a refusal; undefined where it only closes. */
  refuse(error: WireError): Out | undefined
}

/** An HTTP request as a service sees it: read whole, names in lower case. */
export interface HttpRequest {
  readonly method: string
  /** What follows the route's prefix, still percent-encoded: `notes/protect`. */
  readonly path: string
  readonly query: ReadonlyMap<string, string>
  readonly headers: ReadonlyMap<string, string>
  readonly cookies: ReadonlyMap<string, string>
  /** Of the far end, after TRUST_PROXY. */
  readonly address: string
  readonly body: Uint8Array
}

/** What a service answers to an HttpRequest. `body` is sent as it is; a text without a `content-type` is plain text. */
export interface HttpAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** HTTP requests below `prefix`, answered by one service. `reply` is called once, now or in a later turn. */
export interface HttpRoute {
  readonly prefix: string
  /** A longer body is refused with 413 before the service sees it. */
  readonly bodyBytes: number
  answer(request: HttpRequest, reply: (answer: HttpAnswer) => void): void
}

/** What `guard` tells when a call into a service threw: the far end's fault, or "internal" for a bug of ours. */
export type Faulted = (error: WireError) => void

/**
 * Runs one call into a service, so that a bug in it costs one connection and not the server.
 *
 * A WireError goes to `faulted` as it is. Anything else is logged with its stack under `what`,
 * counted by the log's "internal error" event, and goes to `faulted` as "internal".
 */
export function guard(log: Log, what: string, work: () => void, faulted: Faulted = ignore): void {
  try {
    work()
  } catch (thrown) {
    if (thrown instanceof WireError) return faulted(thrown)
    log.error("internal error", { what, stack: thrown instanceof Error ? thrown.stack : undefined })
    faulted(new WireError("internal", "a fault of this server; it has been logged"))
  }
}

// A tick or a late answer concerns no connection: the log is all there is to tell.
function ignore(): void {}
