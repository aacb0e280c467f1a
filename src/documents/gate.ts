/**
 * Decides who may reach which document, before anything of it is loaded.
 *
 * What always holds: whoever is refused has cost one look at an OTP or a link by primary key at the
 * most, and has left no document in memory (DC5). Addresses are counted and nothing is kept of tokens.
 */
import type { Log } from "../log.ts"
import type { Role } from "../wire/documents-shapes.ts"
import { WireError } from "../wire/error.ts"
import { hashOf, isLink, isSame } from "./access.ts"
import { Allowance } from "./allowance.ts"
import type { Residents } from "./residents.ts"
import {
  newDocumentsPerMinute,
  type Settings,
  type Time,
  writesPerMinute,
  wrongTokensPerMinute,
} from "./settings.ts"
import type { Shelf, StoredLink } from "./shelf.ts"

export interface GateOptions {
  readonly shelf: Shelf
  readonly log: Log
  readonly time: Time
  readonly settings: Settings
  readonly residents: Residents
}

/** Who asks for a document, and with what. */
export interface Caller {
  readonly address: string
  readonly tokens: readonly string[]
}

/** The document that somebody asks for, by its id or by a link. */
export interface Sought {
  readonly id: string
  /** Undefined for who came by the id. */
  readonly link: StoredLink | undefined
}

/** What somebody asks for, and may do there. */
export interface Admission extends Sought {
  readonly role: Role
}

export class Gate {
  readonly joins: Allowance
  readonly writes = new Allowance(writesPerMinute)
  readonly newDocuments = new Allowance(newDocumentsPerMinute)
  readonly #wrongTokens = new Allowance(wrongTokensPerMinute)
  readonly #shelf: Shelf
  readonly #log: Log
  readonly #time: Time
  readonly #residents: Residents
  /** OTPs that were missing or wrong, and links that are none, since the start. */
  refused = 0

  constructor({ shelf, log, time, settings, residents }: GateOptions) {
    this.#shelf = shelf
    this.#log = log
    this.#time = time
    this.#residents = residents
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
   * The document that `name` leads to, which is an id or a link (DC89). An OTP is not asked for.
   * Throws "unauthenticated" for a link that leads nowhere, or not any more (DC90); "flooding";
   * "unavailable".
   */
  seek(name: string, { address }: Pick<Caller, "address">): Sought {
    if (!isLink(name)) return { id: name, link: undefined }
    if (!this.#wrongTokens.has(address)) throw this.#flooding(this.#wrongTokens)
    const link = reading(this.#log, () => this.#shelf.links.find(hashOf(name)))
    if (link !== undefined && !isOver(link, this.#time.now)) return { id: link.document, link }
    this.refused += 1
    this.#wrongTokens.use(address)
    this.#log.warn("link refused")
    throw new WireError("unauthenticated", "Unknown or expired link")
  }

  /**
   * What `caller`, who came by `name`, an id or a link, may do, and in which document. For one in
   * memory that is asked for by its id no database is read (DC4). Throws like `seek`.
   */
  admit(name: string, caller: Caller): Admission {
    const sought = this.seek(name, caller)
    if (sought.link !== undefined) return { ...sought, role: sought.link.role }
    this.#checkOtp(sought.id, caller)
    return { ...sought, role: "full" }
  }

  #checkOtp(id: string, caller: Caller): void {
    const resident = this.#residents.find(id)
    const otp =
      resident === undefined ? reading(this.#log, () => this.#shelf.otp(id)) : resident.otp
    if (otp === undefined || otp === null) return
    if (!this.#wrongTokens.has(caller.address)) throw this.#flooding(this.#wrongTokens)
    if (caller.tokens.some((token) => isSame(token, otp))) return
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
    const { waitSeconds } = allowance
    return new WireError("flooding", `too many tries, come back in ${waitSeconds} s`, waitSeconds)
  }
}

/** Whether `link` is good for nothing any more. */
export function isOver({ expiresAt }: StoredLink, now: number): boolean {
  return expiresAt !== undefined && expiresAt <= now
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
