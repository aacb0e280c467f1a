/**
 * How what a replica wrote while nobody who has the content heard it reaches the others: it is asked
 * what it has. A returning one wrote while it was away; a newcomer before anybody here had anything.
 *
 * What always holds: one is asked at a time, and none where nobody is who may lack something. Where
 * a newcomer that wrote is gone, the one longest here is asked: it heard what that one wrote.
 */
import type { Asks } from "./asks.ts"
import type { OpaqueReplica } from "./opaque-fan-out.ts"
import type { OpaqueFar } from "./opaque-far.ts"
import type { OpaqueOutlet } from "./replica.ts"

/** What it needs of its room. */
export interface ReturnsWorld {
  readonly replicas: ReadonlySet<OpaqueReplica>
  readonly asks: Asks<OpaqueOutlet>
  readonly far: Pick<OpaqueFar, "standing" | "hasOthers">
  /** Asks it for all that it has. */
  ask(replica: OpaqueReplica, now: number): void
}

export class Returns {
  readonly #world: ReturnsWorld
  /** Those that are still to be asked, and the one that is asked now. */
  readonly #pulls = new Set<OpaqueReplica>()
  #pulled: OpaqueReplica | undefined
  /** Newcomers that wrote while nobody here had the content, and have not answered since. */
  readonly #strays = new Map<OpaqueReplica, "unasked" | "asked">()

  constructor(world: ReturnsWorld) {
    this.#world = world
  }

  /** What it wrote while away is to reach the others. */
  owe(replica: OpaqueReplica, now: number): void {
    if (!replica.mayWrite) return
    this.#pulls.add(replica)
    this.pull(now)
  }

  /** A newcomer writes. Only who has the content can tell it to others later. */
  wrote(replica: OpaqueReplica): void {
    if (replica.standing === "newcomer" && !this.#isHeld) this.#strays.set(replica, "unasked")
  }

  /** What `replica` was asked for has come. */
  told(replica: OpaqueReplica): void {
    this.#strays.delete(replica)
  }

  left(replica: OpaqueReplica): void {
    this.#pulls.delete(replica)
    if (this.#pulled === replica) this.#pulled = undefined
    if (!this.#strays.delete(replica)) return
    const heir = [...this.#world.replicas].find(({ mayWrite }) => mayWrite)
    if (heir !== undefined) this.#strays.set(heir, "unasked")
  }

  /** Asks the next, if it is time. */
  pull(now: number): void {
    const { asks, replicas, far } = this.#world
    this.#gather()
    if (this.#pulls.size === 0) return
    if (this.#pulled !== undefined && asks.isAsked(this.#pulled, "joining")) return
    for (const replica of this.#pulls) {
      const hasCompany = [...replicas].some(
        (each) => each !== replica && each.standing !== "newcomer",
      )
      const isAlone = !hasCompany && !far.hasOthers
      // Whether others have the room is about to be known.
      if (isAlone && far.standing === "opening") continue
      this.#pulls.delete(replica)
      if (isAlone || !replica.mayWrite) {
        this.#strays.delete(replica)
        continue
      }
      this.#pulled = replica
      return this.#world.ask(replica, now)
    }
  }

  get #isHeld(): boolean {
    return [...this.#world.replicas].some(({ standing }) => standing === "holder")
  }

  /** Somebody here has the content now: what newcomers wrote before is asked of them. */
  #gather(): void {
    if (this.#strays.size === 0 || !this.#isHeld) return
    for (const [replica, state] of this.#strays) {
      if (state === "asked") continue
      this.#strays.set(replica, "asked")
      this.#pulls.add(replica)
    }
  }
}
