/** How a connection is greeted, and how each farewell is said where there are close codes. Pure. */
import type { Code } from "../wire/error.ts"
import type { Bye, Hello } from "../wire/operators-told.ts"
import type { Limits } from "./limits.ts"

/** The code that goes with each last line. The ranges tell a client whether to come back by itself. */
export const farewells: Readonly<Record<Bye, Code>> = {
  closing: "going-away",
  quiet: "timed-out",
  full: "too-many",
  deleted: "deleted",
  ended: "taken",
  replaced: "taken",
  failures: "unauthenticated",
  late: "unauthenticated",
}

/** The figures of `$ hello`: what a client has to keep to. */
export function helloOf(
  limits: Limits,
  of: { readonly epoch: string; readonly registration: string },
): Hello {
  return {
    epoch: of.epoch,
    registration: of.registration,
    line: limits.lineBytes,
    text: limits.textBytes,
    lines: limits.textLines,
    mailbox: limits.mailboxMessages,
    "mailbox-bytes": limits.mailboxBytes,
    share: limits.mailboxShareMessages,
    expiry: Math.floor(limits.expiryMs / 1000),
    ping: Math.floor(limits.pingMs / 1000),
    rate: limits.messagesPerSecond,
    burst: limits.messageBurst,
    sessions: limits.sessionsPerCallsign,
  }
}
