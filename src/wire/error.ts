/**
 * The one list of reasons for which a far end is refused or closed, and the error that carries them.
 *
 * All services share it. Unmodified clients decide by number whether to come back, so the
 * ranges mirror HTTP: 4400 to 4499 say "do not come back as you are", 4500 to 4599, 1012 and
 * 1013 say "come back, with back-off". 1008, 1011 and 4000 to 4399 are never sent.
 */

interface Reason {
  /** The HTTP status of a refusal before the handshake, or of an API answer. */
  readonly status: number
  /** The WebSocket close code. */
  readonly close: number
}

// A new code: add it here and to docs/protocol; the SDK reads only the ranges.
const reasons = {
  "bad-message": { status: 400, close: 4400 },
  unauthenticated: { status: 401, close: 4401 },
  forbidden: { status: 403, close: 4403 },
  "not-found": { status: 404, close: 4404 },
  taken: { status: 409, close: 4409 },
  deleted: { status: 410, close: 4410 },
  diverged: { status: 409, close: 4412 },
  "too-large": { status: 413, close: 4413 },
  unsupported: { status: 415, close: 4415 },
  "bad-operation": { status: 422, close: 4422 },
  internal: { status: 500, close: 4500 },
  unavailable: { status: 503, close: 4503 },
  "timed-out": { status: 408, close: 4508 },
  // What Hocuspocus itself says, so it is said to its provider only: y-websocket would stay away.
  "never-joined": { status: 408, close: 4408 },
  "stale-revision": { status: 409, close: 4509 },
  moved: { status: 503, close: 4510 },
  slow: { status: 503, close: 4528 },
  flooding: { status: 429, close: 4529 },
  "too-many": { status: 503, close: 1013 },
  "going-away": { status: 503, close: 1012 },
} as const satisfies Record<string, Reason>

/** Why a far end is refused or closed. A closed list. */
export type Code = keyof typeof reasons

/**
 * The WebSocket close code that says `C`, as a type: so that what must stay small may write down a
 * number, held to this list, without bringing the list along.
 */
export type CloseCode<C extends Code> = (typeof reasons)[C]["close"]

/** All codes, for counters and for the documents. */
export const codes = /* @__PURE__ */ Object.keys(reasons) as readonly Code[] // keys of a literal: exactly the union

/** The HTTP status that says `code`. */
export function statusOf(code: Code): number {
  return reasons[code].status
}

/** The WebSocket close code that says `code`. */
export function closeCodeOf(code: Code): number {
  return reasons[code].close
}

/** Whether a client that was closed with this WebSocket close code may come back by itself. */
export function comesBack(closeCode: number): boolean {
  return !(closeCode >= 4400 && closeCode <= 4499) && closeCode !== 1009
}

/**
 * The far end's fault, or a refusal that the protocol names.
 *
 * `message` is one sentence that a stranger may read: what was wrong, which limit, what to do.
 * Anything else that is thrown under a service is a bug of ours.
 */
export class WireError extends Error {
  readonly code: Code
  /** After how many seconds it may be tried again; undefined where only the code says. */
  readonly waitSeconds: number | undefined

  constructor(code: Code, sentence: string, waitSeconds?: number) {
    super(sentence)
    this.name = "WireError"
    this.code = code
    this.waitSeconds = waitSeconds
  }
}
