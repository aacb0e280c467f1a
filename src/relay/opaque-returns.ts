/**
 * How what a returning replica wrote while it was away reaches the others: it is asked what it has.
 *
 * What always holds: one is asked at a time, and none where nobody is who may lack something.
 */
import type { Asks } from "./asks.ts"
import type { OpaqueReplica } from "./opaque-fan-out.ts"
import type { OpaqueFar } from "./opaque-far.ts"
import type { OpaqueOutlet } from "./replica.ts"

/** What it needs of its room. */
export interface ReturnsWorld {
  readonly replicas: ReadonlySet<OpaqueReplica>
  readonly asks: Asks<OpaqueOutlet>
  readonly far: Pick<OpaqueFar, "standing" | "hasHolders">
  /** Asks it for all that it has. */
  ask(replica: OpaqueReplica, now: number): void
}

export class Returns {
  readonly #world: ReturnsWorld
  /** Those that are still to be asked, and the one that is asked now. */
  readonly #pulls = new Set<OpaqueReplica>()
  #pulled: OpaqueReplica | undefined

  constructor(world: ReturnsWorld) {
    this.#world = world
  }

  /** What it wrote while away is to reach the others. */
  owe(replica: OpaqueReplica, now: number): void {
    if (!replica.mayWrite) return
    this.#pulls.add(replica)
    this.pull(now)
  }

  left(replica: OpaqueReplica): void {
    this.#pulls.delete(replica)
    if (this.#pulled === replica) this.#pulled = undefined
  }

  /** Asks the next, if it is time. */
  pull(now: number): void {
    const { asks, replicas, far } = this.#world
    if (this.#pulls.size === 0) return
    if (this.#pulled !== undefined && asks.isAsked(this.#pulled, "joining")) return
    for (const replica of this.#pulls) {
      const hasCompany = [...replicas].some(
        (each) => each !== replica && each.standing !== "newcomer",
      )
      const isAlone = !hasCompany && !far.hasHolders
      // Whether others have the room is about to be known.
      if (isAlone && far.standing === "opening") continue
      this.#pulls.delete(replica)
      if (isAlone || !replica.mayWrite) continue
      this.#pulled = replica
      return this.#world.ask(replica, now)
    }
  }
}
