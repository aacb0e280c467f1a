/**
 * The errors of pools: a closed list of words, each with its number and what to do about it.
 *
 * What always holds: a word on the wire is the code in capitals with underscores; a number names the
 * same error for ever. Every error of a closing connection has an entry in `closings`, so that the
 * same refusal closes a WebSocket with the number that all parts of this server share.
 */
import type { Code } from "./error.ts"

/**
 * What the far end should do: mend the request; repeat it after a while, or at once; repeat only
 * what may run twice; come back with back-off; or stay away.
 */
export type Advice = "fix" | "later" | "now" | "idem" | "conn" | "stay"

// A new code: add it here and to docs/protocol/pools.md.
const errors = {
  "bad-frame": [1, "stay"],
  "bad-message": [2, "fix"],
  "unknown-type": [3, "fix"],
  "unsupported-version": [4, "stay"],
  "too-large": [5, "fix"],
  "duplicate-id": [6, "fix"],
  "not-ready": [7, "fix"],
  unauthenticated: [10, "stay"],
  forbidden: [11, "fix"],
  "app-id-taken": [12, "later"],
  replaced: [13, "stay"],
  "no-pool": [20, "fix"],
  "not-member": [21, "fix"],
  "pool-exists": [22, "fix"],
  "pool-in-use": [23, "later"],
  "cluster-required": [24, "fix"],
  "not-encrypted": [25, "fix"],
  "stale-epoch": [26, "now"],
  "no-handler": [30, "later"],
  "handler-lost": [31, "idem"],
  "handler-error": [32, "fix"],
  busy: [33, "later"],
  draining: [34, "now"],
  timeout: [35, "idem"],
  cancelled: [36, "fix"],
  unavailable: [37, "later"],
  "not-callee": [38, "fix"],
  "policy-conflict": [39, "fix"],
  "credit-exceeded": [40, "fix"],
  "idempotency-mismatch": [41, "fix"],
  "result-gone": [42, "fix"],
  "connection-lost": [43, "idem"],
  "no-block": [50, "fix"],
  "block-exists": [51, "fix"],
  "out-of-range": [52, "fix"],
  "no-space": [53, "later"],
  "writer-exists": [54, "later"],
  locked: [55, "later"],
  "lock-lost": [56, "fix"],
  conflict: [57, "now"],
  "generation-gone": [58, "fix"],
  "block-retired": [59, "now"],
  "block-sealed": [60, "fix"],
  pinned: [61, "later"],
  "ring-full": [62, "later"],
  "not-local": [63, "fix"],
  integrity: [64, "fix"],
  slow: [70, "conn"],
  "going-away": [71, "conn"],
  limit: [72, "later"],
  internal: [73, "conn"],
} as const satisfies Record<string, readonly [number, Advice]>

/** Why a request was refused, or a connection closed. A closed list. */
export type PoolsCode = keyof typeof errors

/** All codes, for counters and documents. */
export const poolsCodes = Object.keys(errors) as readonly PoolsCode[] // keys of a literal: exactly the union

const codesByNumber = new Map(poolsCodes.map((code) => [errors[code][0] as number, code]))
const codesByWord = new Map(poolsCodes.map((code) => [wordOf(code), code]))

/** The word on the wire: `no-handler` is NO_HANDLER. */
export function wordOf(code: PoolsCode): string {
  return code.toUpperCase().replaceAll("-", "_")
}

/** The number in compact frames. */
export function numberOf(code: PoolsCode): number {
  return errors[code][0]
}

export function adviceOf(code: PoolsCode): Advice {
  return errors[code][1]
}

/** The code of a number in a compact frame; undefined for one of a later release. */
export function codeOfNumber(number: number): PoolsCode | undefined {
  return codesByNumber.get(number)
}

/** The code of a word on the wire; undefined for one of a later release. */
export function codeOfWord(word: string): PoolsCode | undefined {
  return codesByWord.get(word)
}

/** Which shared reason closes a connection for a code, where that is not "bad-message". */
const closings: Partial<Record<PoolsCode, Code>> = {
  "unsupported-version": "unsupported",
  "too-large": "too-large",
  unauthenticated: "unauthenticated",
  forbidden: "forbidden",
  "app-id-taken": "too-many",
  replaced: "taken",
  slow: "slow",
  "going-away": "going-away",
  limit: "too-many",
  internal: "internal",
}

/** The reason, out of those that all parts share, for which a connection is closed. */
export function closingOf(code: PoolsCode): Code {
  return closings[code] ?? "bad-message"
}

/** How this protocol says a reason that net has for closing a connection. */
export function codeOfClosing(code: Code): PoolsCode {
  switch (code) {
    case "too-large":
    case "bad-message":
      return "bad-frame"
    case "unauthenticated":
    case "forbidden":
      return code
    case "unsupported":
      return "unsupported-version"
    case "taken":
    case "deleted":
    case "moved":
      return "replaced"
    case "slow":
    case "timed-out":
    case "never-joined":
      return "slow"
    case "going-away":
      return "going-away"
    case "too-many":
    case "flooding":
    case "unavailable":
      return "limit"
    case "not-found":
    case "diverged":
    case "bad-operation":
    case "stale-revision":
    case "internal":
      return "internal"
  }
}

/** All that is told about an error. `sentence` is for people; a stranger may read it. */
export interface Fault {
  readonly code: PoolsCode
  readonly sentence: string
  /** A JSON pointer to what was wrong, and what was expected of it. */
  readonly field?: string
  readonly reason?: string
  readonly retryAfterMs?: number
  /** Whether the work may have been done all the same. */
  readonly executionUncertain?: boolean
  readonly detail?: unknown
  /** Of the handler, with "handler-error". */
  readonly handlerCode?: string
}

/** A request that was refused: its connection goes on. */
export class Refusal extends Error {
  readonly fault: Fault

  constructor(code: PoolsCode, sentence: string, more: Omit<Fault, "code" | "sentence"> = {}) {
    super(sentence)
    this.name = "Refusal"
    this.fault = { code, sentence, ...more }
  }
}
