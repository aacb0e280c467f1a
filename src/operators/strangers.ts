/**
 * Connections counted: those that have not logged in, by age, and all of them by circuit.
 *
 * What always holds: each session is counted from `add` until `remove`; the maps are as long as
 * what is connected.
 */
import type { Limits } from "./limits.ts"
import type { Session } from "./session.ts"

export class Strangers {
  readonly #limits: Limits
  // The oldest first.
  readonly #strangers = new Set<Session>()
  readonly #byCircuit = new Map<string, number>()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#strangers.size
  }

  /** Whom a newcomer may replace: rather not somebody whose password is being looked at. */
  get oldest(): Session | undefined {
    let oldest: Session | undefined
    for (const session of this.#strangers) {
      const { standing } = session
      if (standing.stage !== "stranger" || !standing.isAsked) return session
      oldest ??= session
    }
    return oldest
  }

  /** Connections of a circuit, those that have logged in among them. */
  ofCircuit(circuit: string | undefined): number {
    return circuit === undefined ? 0 : (this.#byCircuit.get(circuit) ?? 0)
  }

  /** Those that should have logged in by now. */
  overdue(now: number): readonly Session[] {
    const overdue: Session[] = []
    for (const session of this.#strangers) {
      if (now - session.openedAt < this.#limits.strangerMs) break
      overdue.push(session)
    }
    return overdue
  }

  add(session: Session): void {
    this.#strangers.add(session)
    const { circuit } = session
    if (circuit !== undefined) this.#byCircuit.set(circuit, this.ofCircuit(circuit) + 1)
  }

  /** It has logged in. */
  enter(session: Session): void {
    this.#strangers.delete(session)
  }

  /** It is gone, logged in or not. Call it once. */
  remove(session: Session): void {
    this.#strangers.delete(session)
    const { circuit } = session
    if (circuit === undefined) return
    const left = this.ofCircuit(circuit) - 1
    if (left > 0) this.#byCircuit.set(circuit, left)
    else this.#byCircuit.delete(circuit)
  }
}
