/**
 * The window of a room: changes that come close together leave together.
 *
 * What always holds: the first change after a window without any leaves at once, so a lone edit
 * never waits (RL105); the changes of one replica leave in the order they came; at most
 * `windowMessages` and `windowBytes` are gathered.
 */
import type { Outlet, Replica } from "./replica.ts"

/** A change on its way to all replicas but its own. */
export interface Change<O extends Outlet<never>> {
  /** Undefined for one that came from elsewhere. */
  readonly from: Replica<O> | undefined
  readonly update: Uint8Array
  /** Not where something may be missing before it, since a merge would hide that; nor a long one. */
  readonly isMergeable: boolean
}

export interface WindowLimits {
  readonly windowMs: number
  readonly windowMessages: number
  readonly windowBytes: number
}

export class Batches<C extends { readonly update: Uint8Array }> {
  readonly #limits: WindowLimits
  readonly #deliver: (changes: readonly C[]) => void
  #gathered: C[] = []
  #bytes = 0
  /** ms since 1970; 0 while no window is open. */
  #until = 0

  /** `deliver` is given one change or more, and may not add any. */
  constructor(limits: WindowLimits, deliver: (changes: readonly C[]) => void) {
    this.#limits = limits
    this.#deliver = deliver
  }

  add(change: C, now: number): void {
    if (this.#until === 0) {
      this.#until = now + this.#limits.windowMs
      return this.#deliver([change])
    }
    this.#gathered.push(change)
    this.#bytes += change.update.length
    const { windowMessages, windowBytes } = this.#limits
    if (this.#gathered.length >= windowMessages || this.#bytes >= windowBytes) this.flush()
  }

  /** What waits leaves now. */
  flush(): void {
    if (this.#gathered.length === 0) return
    const changes = this.#gathered
    this.#gathered = []
    this.#bytes = 0
    this.#deliver(changes)
  }

  /** Ends the window when it is over, or begins another. Returns the ms since 1970 of its end. */
  tick(now: number): number {
    if (this.#until === 0) return Number.POSITIVE_INFINITY
    if (now < this.#until) return this.#until
    const isOver = this.#gathered.length === 0
    this.flush()
    this.#until = isOver ? 0 : now + this.#limits.windowMs
    return isOver ? Number.POSITIVE_INFINITY : this.#until
  }
}
