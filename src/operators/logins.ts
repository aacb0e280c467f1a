/**
 * Login lines decided: throttled, hashed once, and then a login, a step of a registration, or a refusal.
 *
 * What always holds: a line costs one hash or is refused before any; after the hash connection and
 * account are looked at afresh, since both may have changed; no later line of the connection is
 * looked at before. A failed login alters nothing but counters.
 */
import type { Log } from "../log.ts"
import { guard } from "../service.ts"
import { folded, noRef, type RefusalReason } from "../wire/operators.ts"
import { told } from "../wire/operators-told.ts"
import type { Accounts, Row } from "./accounts.ts"
import { isReserved } from "./callsign.ts"
import type { Limits, Tries } from "./limits.ts"
import type { Hashed, Passwords } from "./passwords.ts"
import { type Cost, digestOf, invitationOf, isSame, sameCost, secretOf } from "./secret.ts"
import type { Session, Stranger } from "./session.ts"

/** Who may register: anyone, who was invited, nobody. */
export type Registration = "open" | "invite" | "closed"

export interface LoginsOptions {
  readonly accounts: Accounts
  readonly passwords: Passwords
  readonly tries: Tries
  readonly limits: Limits
  readonly registration: Registration
  readonly cost: Cost
  readonly log: Log
  /** It has logged in. */
  readonly enter: (session: Session, row: Row) => void
  /** It has failed too often. */
  readonly expel: (session: Session) => void
  /** Its line is decided, and it may go on. */
  readonly decided: (session: Session) => void
}

/** What somebody wants, and the row there was when it was asked. */
interface Asked {
  readonly callsign: string
  readonly password: string
  readonly row: Row | undefined
}

export class Logins {
  readonly #options: LoginsOptions
  /** ms since 1970, as of the last tick. */
  #now = 0

  constructor(options: LoginsOptions) {
    this.#options = options
  }

  tick(now: number): void {
    this.#now = now
    this.#options.tries.tick(now)
  }

  /** A login line of somebody who has not logged in. */
  ask(session: Session, standing: Stranger, said: { callsign: string; password: string }): void {
    const { accounts, passwords, tries, log, decided } = this.#options
    const { circuit, connection } = session
    const { callsign, password } = said
    const waitMs = tries.loginWaitMs({ circuit, callsign: folded(callsign) }, this.#now)
    if (waitMs > 0) return this.#slow(session, waitMs)
    if (!passwords.hasRoom(circuit)) {
      if (session.mode === "extended") return session.tell(told.refused(noRef, "busy"))
      return connection.close("too-many")
    }
    const row = accounts.find(callsign, this.#now)
    const isAccount = row !== undefined && row.generation !== 0
    const { pending } = standing
    const begun = pending?.callsign === folded(callsign) ? pending.secret : undefined
    const release = connection.hold()
    standing.isAsked = true
    const answer = (hashed: Hashed | "away") => {
      standing.isAsked = false
      release()
      const decide = () => {
        if (session.standing !== standing || !connection.isOpen) return
        this.#decide(session, standing, { asked: { callsign, password, row }, hashed })
        decided(session)
      }
      guard(log, "operators login", decide, () => connection.close("internal"))
    }
    const known = isAccount ? secretOf(row.secret) : begun
    passwords.ask({ owner: session, circuit, password, with: known, answer })
  }

  #decide(
    session: Session,
    standing: Stranger,
    { asked, hashed }: { readonly asked: Asked; readonly hashed: Hashed | "away" },
  ): void {
    if (hashed === "away") return session.tell(told.refused(noRef, "busy"))
    const row = this.#options.accounts.find(asked.callsign, this.#now)
    if (row?.generation !== asked.row?.generation) return this.#fail(session, asked, "login")
    if (row === undefined || row.generation === 0) {
      return this.#register(session, standing, { asked: { ...asked, row }, hashed })
    }
    if (!hashed.matches || !isWhole(asked)) return this.#fail(session, asked, "login")
    this.#options.enter(session, row)
    this.#renew(row, asked)
  }

  /** The first or the second line of a registration. */
  #register(
    session: Session,
    standing: Stranger,
    { asked, hashed }: { readonly asked: Asked; readonly hashed: Hashed },
  ): void {
    const { accounts, tries, enter } = this.#options
    const reason = this.#objection(standing, asked)
    if (reason !== undefined) return this.#fail(session, asked, reason)
    const waitMs = tries.registrationWaitMs(session.circuit, this.#now)
    if (waitMs > 0) return this.#slow(session, waitMs)
    const { callsign } = asked
    if (!hashed.matches) {
      standing.pending = { callsign: folded(callsign), secret: hashed.secret }
      return session.tell(told.again(callsign))
    }
    const made = accounts.register(callsign, hashed.secret, this.#now)
    if (made === "taken") return this.#fail(session, asked, "login")
    if (made === "alike") return this.#fail(session, asked, this.#nameReason)
    if (made === "full" || made === "away") return session.tell(told.refused(noRef, "busy"))
    tries.registered(session.circuit, this.#now)
    enter(session, made)
  }

  /** Why this callsign cannot be registered here; undefined when it can. */
  #objection({ invite }: Stranger, asked: Asked): RefusalReason | undefined {
    const { accounts, registration } = this.#options
    const { callsign, row } = asked
    const invitation = row === undefined ? undefined : invitationOf(row.secret)
    const isInvited =
      invitation !== undefined &&
      invite !== undefined &&
      isSame(digestOf(invite), invitation.digest)
    const isFree = row === undefined && registration === "open"
    if (registration === "closed" || !isWhole(asked) || !(isInvited || isFree)) return "login"
    const isAllowed = !isReserved(callsign) && !accounts.looksAlike(callsign, this.#now)
    return isAllowed ? undefined : this.#nameReason
  }

  /** Only open registration tells a callsign that cannot be had from a wrong password. */
  get #nameReason(): "name" | "login" {
    return this.#options.registration === "open" ? "name" : "login"
  }

  /** Makes the secret anew with the cost there is now, when nobody has to wait for that. */
  #renew(row: Row, { password }: Asked): void {
    const { passwords, accounts, cost, log } = this.#options
    const old = secretOf(row.secret)
    if (old === undefined || sameCost(old.cost, cost) || !passwords.isIdle) return
    const answer = (hashed: Hashed | "away") => {
      if (hashed === "away") return
      guard(log, "operators renewal", () => accounts.renew(row, hashed.secret))
    }
    passwords.ask({ owner: row, circuit: undefined, password, with: undefined, answer })
  }

  #fail(session: Session, { callsign }: Asked, reason: RefusalReason): void {
    const { tries, limits, expel } = this.#options
    session.failures += 1
    tries.failed({ circuit: session.circuit, callsign: folded(callsign) }, this.#now)
    session.tell(told.refused(noRef, reason))
    if (session.failures >= limits.failuresPerConnection) expel(session)
  }

  #slow(session: Session, waitMs: number): void {
    session.tell(told.refused(noRef, "slow", Math.ceil(waitMs / 1000)))
  }
}

/** Whether its password came as it was typed: what was no text cannot be told from something else. */
function isWhole({ password }: Asked): boolean {
  return !password.includes("\ufffd")
}
