/**
 * Who is in a room of either kind: how many may be, how much they may send, and since when nobody is.
 *
 * What always holds: nobody enters a room that is full or too big; of a room's bytes per second each
 * who sends has the same share (RL91); what is kept of a replica here goes with it.
 */
import type { Role } from "../service.ts"
import { WireError } from "../wire/error.ts"
import type { Ask } from "./asks.ts"
import { Shares } from "./budget.ts"
import type { Counts } from "./counts.ts"
import type { RelayOptions } from "./limits.ts"
import type { Outlet, Replica } from "./replica.ts"
import { Traffic } from "./traffic.ts"
import { type Ending, Vacancy } from "./vacancy.ts"

/** What it needs of its room. */
export interface OccupantWorld {
  readonly options: RelayOptions
  readonly counts: Counts
  readonly ending: Ending
}

export class Occupants<O extends Outlet<never>> {
  readonly replicas = new Set<Replica<O>>()
  /** Those here, and what stands for other servers. */
  readonly everyone = new Set<Replica<O>>()
  readonly traffic = new Traffic()
  readonly vacancy: Vacancy
  readonly #options: RelayOptions
  readonly #counts: Counts
  readonly #shares: Shares<Replica<O>>
  #isTooBig = false

  /** Nobody is here at `now`, in ms since 1970. */
  constructor({ options, counts, ending }: OccupantWorld, now: number) {
    const { roomBytesPerSecond, lingerMs } = options
    this.#options = options
    this.#counts = counts
    this.#shares = new Shares({ perSecond: roomBytesPerSecond, burst: roomBytesPerSecond }, now)
    this.vacancy = new Vacancy(lingerMs, ending, now)
  }

  /** Replicas here that have the content, and may be asked for it. */
  get holders(): number {
    let count = 0
    for (const { standing } of this.replicas) if (standing === "holder") count++
    return count
  }

  /** How many here have each role. */
  get roles(): Readonly<Record<Role, number>> {
    const roles = { viewer: 0, editor: 0, admin: 0 }
    for (const { role } of this.replicas) roles[role]++
    return roles
  }

  /** Whether the answer of `holder` to `ask` goes to another who may write, here or at another server. */
  serves({ wishes }: Ask<O>, holder: Replica<O>): boolean {
    return wishes.some(
      ({ asker }) => asker !== holder && asker.mayWrite && this.everyone.has(asker),
    )
  }

  /** Whether the content is beyond what may be exchanged. */
  get isTooBig(): boolean {
    return this.#isTooBig
  }

  /** A holder's answer is beyond the limit: newcomers are refused from here on (RL92). */
  outgrow(): void {
    this.#isTooBig = true
    this.#counts.refused.add("too-big")
  }

  /** Throws WireError where there is no place for one more. */
  check(): void {
    const { replicasPerRoom, limitsDryRun } = this.#options
    if (this.#isTooBig) throw tooBig()
    if (this.replicas.size < replicasPerRoom) return
    this.#counts.refused.add("full")
    if (limitsDryRun) return
    const sentence = `this room has its ${replicasPerRoom} replicas already: try again later`
    throw new WireError("too-many", sentence)
  }

  enter(replica: Replica<O>): void {
    this.replicas.add(replica)
    this.everyone.add(replica)
    this.vacancy.end()
  }

  leave(replica: Replica<O>): void {
    this.replicas.delete(replica)
    this.everyone.delete(replica)
    this.#shares.forget(replica)
  }

  /** It sent so many bytes. Returns the ms for which it is not read then, since the room is over its rate (RL91). */
  charge(replica: Replica<O>, bytes: number, now: number): number {
    this.traffic.carry(bytes, now)
    return this.#shares.spend(replica, bytes, now)
  }
}

/** Why nobody can be given the content. */
export function tooBig(): WireError {
  return new WireError("too-large", "this room is too big to be shared: begin a new one")
}
