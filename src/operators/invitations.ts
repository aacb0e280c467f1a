/**
 * Invitations, for a program beside the server: a row that stands for a callsign until somebody
 * registers with its token.
 *
 * What always holds: the token is told once and kept by nobody; of it the table has a digest.
 */
import type { Random } from "../service.ts"
import type { Store } from "../store.ts"
import { isCallsign } from "../wire/operators.ts"
import { Accounts } from "./accounts.ts"
import { isReserved } from "./callsign.ts"
import { limits } from "./limits.ts"
import { digestOf } from "./secret.ts"

const tokenBytes = 16

export interface Invited {
  /** 22 letters, digits, `-` and `_`. */
  readonly token: string
  /** ms since 1970. */
  readonly untilMs: number
}

/**
 * Invites `name` for 7 days, in place of an invitation it has. `now` is in ms since 1970.
 *
 * Throws Error with a sentence for a person when that cannot be: the callsign is taken, reserved,
 * looks like another, or the table cannot be written.
 */
export function inviteTo(store: Store, name: string, of: { random: Random; now: number }): Invited {
  const { random, now } = of
  if (!isCallsign(name)) {
    throw new Error(`"${name}" cannot be a callsign: 1 to 32 of A-Z a-z 0-9 - _, no dash first`)
  }
  if (isReserved(name)) throw new Error(`nobody may be called "${name}"`)
  const broken = (thrown: unknown) => {
    throw thrown
  }
  const accounts = new Accounts(store, { random, limit: limits.accounts, broken })
  const token = Buffer.from(random(tokenBytes)).toString("base64url")
  const untilMs = now + limits.inviteMs
  const done = accounts.invite(name, { untilMs, digest: digestOf(token) }, now)
  if (done === "taken") throw new Error(`"${name}" has an account already`)
  if (done === "alike") throw new Error(`"${name}" looks like a callsign that there is already`)
  if (done === "full") throw new Error(`there are ${limits.accounts} accounts, which is the most`)
  if (done === "away") throw new Error("the database cannot be written now; try again")
  return { token, untilMs }
}
