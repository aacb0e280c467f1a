/**
 * The operators this process knows of, by callsign.
 *
 * What always holds: at most one Operator per callsign, that of the generation seen last; one of an
 * older generation is dismissed, sessions and mail and all, before a newer one takes its place. As
 * many are remembered as may be registered; one with nothing but refs is forgotten first.
 */
import { folded } from "../wire/operators.ts"
import type { Row } from "./accounts.ts"
import type { Limits } from "./limits.ts"
import { Operator } from "./operator.ts"

export class Roster {
  readonly #limits: Limits
  readonly #dismiss: (operator: Operator) => void
  readonly #operators = new Map<string, Operator>()

  /** `dismiss` ends the sessions and drops the mail of one that is gone. */
  constructor(limits: Limits, dismiss: (operator: Operator) => void) {
    this.#limits = limits
    this.#dismiss = dismiss
  }

  get size(): number {
    return this.#operators.size
  }

  /** Whoever this process knows by that callsign; its row may be gone since. */
  known(callsign: string): Operator | undefined {
    return this.#operators.get(folded(callsign))
  }

  /** The operator of an account's row. One of another generation is dismissed first. */
  of(row: Row): Operator {
    const known = this.#operators.get(row.callsign)
    if (known?.generation === row.generation) return known
    if (known !== undefined) this.remove(known)
    const operator = new Operator(row, this.#limits)
    this.#operators.set(row.callsign, operator)
    if (this.#operators.size > this.#limits.accounts) this.#forgetOne(operator)
    return operator
  }

  /** Its account is gone. */
  remove(operator: Operator): void {
    this.#operators.delete(operator.callsign)
    this.#dismiss(operator)
  }

  // Rows that were deleted by hand may leave more behind than there are rows.
  #forgetOne(except: Operator): void {
    for (const [callsign, operator] of this.#operators) {
      if (operator === except || !operator.isIdle) continue
      this.#operators.delete(callsign)
      return
    }
  }
}
