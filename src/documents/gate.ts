/**
 * Decides who may reach which document, before anything of it is loaded.
 *
 * What always holds: whoever is refused has cost one look at an OTP by primary key at the most, and
 * has left no document in memory (DC5). Addresses are counted and nothing is kept of tokens.
 */
import type { Log } from "../log.ts"
import type { Role } from "../wire/documents-shapes.ts"
import { WireError } from "../wire/error.ts"
import { isSame } from "./access.ts"
import { Allowance } from "./allowance.ts"
import type { Document } from "./document.ts"
import {
  newDocumentsPerMinute,
  type Settings,
  writesPerMinute,
  wrongTokensPerMinute,
} from "./settings.ts"
import type { Shelf } from "./shelf.ts"

export interface GateOptions {
  readonly shelf: Shelf
  readonly log: Log
  readonly settings: Settings
}

/** Who asks for a document, and with what. */
export interface Caller {
  readonly address: string
  readonly tokens: readonly string[]
}

export class Gate {
  readonly joins: Allowance
  readonly writes = new Allowance(writesPerMinute)
  readonly newDocuments = new Allowance(newDocumentsPerMinute)
  readonly #wrongTokens = new Allowance(wrongTokensPerMinute)
  readonly #shelf: Shelf
  readonly #log: Log
  /** OTPs that were missing or wrong, since the start. */
  refused = 0

  constructor({ shelf, log, settings }: GateOptions) {
    this.#shelf = shelf
    this.#log = log
    this.joins = new Allowance(settings.joinsPerMinute)
  }

  /** It is `now`, in ms since 1970. */
  tick(now: number): void {
    for (const each of [this.joins, this.writes, this.newDocuments, this.#wrongTokens]) {
      each.tick(now)
    }
  }

  /** Throws "flooding" when `address` has used up what `allowance` gives it in a minute. */
  take(allowance: Allowance, address: string): void {
    if (!allowance.take(address)) throw this.#flooding(allowance)
  }

  /**
   * What `caller` may do in the document `id`; `resident` is that document if it is in memory, and
   * then no database is read (DC4). Throws "unauthenticated", "flooding" or "unavailable".
   */
  admit(id: string, resident: Document | undefined, caller: Caller): Role {
    const otp =
      resident === undefined ? reading(this.#log, () => this.#shelf.otp(id)) : resident.otp
    if (otp === undefined || otp === null) return "full"
    if (!this.#wrongTokens.has(caller.address)) throw this.#flooding(this.#wrongTokens)
    if (caller.tokens.some((token) => isSame(token, otp))) return "full"
    this.refuseToken(caller)
    throw new WireError("unauthenticated", "Invalid or missing OTP")
  }

  /** Tells of a caller whose tokens were wrong, or missing (DC3). Only wrong ones count against it. */
  refuseToken({ address, tokens }: Caller): void {
    this.refused += 1
    if (tokens.length > 0) this.#wrongTokens.use(address)
    this.#log.warn("otp refused")
  }

  #flooding(allowance: Allowance): WireError {
    return new WireError("flooding", `too many tries, come back in ${allowance.waitSeconds} s`)
  }
}

/**
 * What `read` gives. A read that fails is "unavailable", and never taken for nothing there (DC8).
 */
export function reading<T>(log: Log, read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    if (thrown instanceof WireError) throw thrown
    log.error("read failed", { reason: thrown instanceof Error ? thrown.name : "unknown" })
    throw new WireError("unavailable", "store away")
  }
}
