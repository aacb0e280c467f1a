/**
 * Changes of an opaque room on their way: to all who are here but who sent them, and to the other
 * servers.
 *
 * What always holds: those of one replica leave in the order in which they came (RL17); what came
 * from elsewhere is not sent back there.
 */
import type { FarChange } from "../wire/bus-opaque.ts"
import type { Ref, ToOpaque } from "../wire/relay.ts"
import { Batches } from "./batches.ts"
import type { Counts } from "./counts.ts"
import type { RelayOptions } from "./limits.ts"
import { fanOut, type OpaqueReplica, type Told } from "./opaque-fan-out.ts"
import type { OpaqueFar } from "./opaque-far.ts"
import { type Fate, OwedAcks, type Settle } from "./owed.ts"

/** A change on its way. */
export interface Change extends Told {
  readonly update: Uint8Array
  readonly ref: Ref | undefined
  /** Whether it answers an ask, and so holds all that its sender wrote before. */
  readonly isAnswer?: true
}

/** What it needs of its room. */
export interface DeliveryWorld {
  readonly docId: string
  readonly options: RelayOptions
  readonly counts: Counts
  readonly replicas: ReadonlySet<OpaqueReplica>
  far(): Pick<OpaqueFar, "publish" | "hasContent">
  /** What this replica has is wanted. */
  lack(from: OpaqueReplica, now: number): void
}

/** Who wrote what nobody else is known to have is asked for it so often, while somebody else is there. */
const askAgainMs = 5_000

export class Delivery {
  readonly #world: DeliveryWorld
  readonly #batches: Batches<Change>
  readonly #owed = new OwedAcks<OpaqueReplica>()
  #askAgainAt = 0
  #now = 0

  constructor(world: DeliveryWorld) {
    this.#world = world
    this.#batches = new Batches(world.options, (changes) => this.#deliver(changes))
  }

  add(change: Change, now: number): void {
    this.#now = now
    this.#batches.add(change, now)
  }

  /** What waits leaves now. */
  flush(): void {
    this.#batches.flush()
  }

  /** What `replica` is owed by now: to be called once another holder, or the copy, has what it has. */
  owedTo(replica: OpaqueReplica): Settle {
    return this.#owed.upToNow(replica)
  }

  left(replica: OpaqueReplica): void {
    this.#owed.forget(replica)
  }

  /** It is `now`. Returns when it wants to be ticked again, in ms since 1970. */
  tick(now: number): number {
    this.#now = now
    return Math.min(this.#batches.tick(now), this.#askForUnheld(now))
  }

  /** An acknowledgement says that everyone here was given it, and with `ackNeeds` that another has it. */
  #deliver(changes: readonly Change[]): void {
    const { docId, counts, replicas, far, options } = this.#world
    const stamp = { docId, ts: this.#now }
    counts.batchSize(changes.length)
    counts.delivered += fanOut(changes, replicas, stamp)
    for (const { from, message, ref, isAnswer } of changes) {
      const change = from && farChangeOf(message)
      if (from === undefined || change === undefined) continue
      const isHeard = ref !== undefined && from.outlet.hearsAcks
      const tell = () => from.outlet.send({ kind: "ack", ...stamp, ref })
      if (options.ackNeeds === "relay") {
        far().publish(change)
        if (isHeard) tell()
        continue
      }
      const isHeld = this.#hasOther(from)
      const settle = this.#owed.upToNow(from)
      const owed = isHeard ? this.#owed.owe(from, tell) : undefined
      const told = (fate: Fate) => {
        if (isAnswer && fate === "taken") settle()
        owed?.(fate)
      }
      far().publish(change, isHeld ? undefined : told)
      if (isHeld) told("taken")
    }
  }

  /** What somebody wrote that others may have by now, and may lack, is in its answer. Returns when it is time again. */
  #askForUnheld(now: number): number {
    const { far, lack } = this.#world
    const writers = this.#owed.unheld.filter((each) => far().hasContent || this.#hasOther(each))
    if (writers.length === 0) return Number.POSITIVE_INFINITY
    if (now < this.#askAgainAt) return this.#askAgainAt
    this.#askAgainAt = now + askAgainMs
    for (const writer of writers) lack(writer, now)
    return this.#askAgainAt
  }

  /** Whether somebody besides `replica` has the content here. */
  #hasOther(replica: OpaqueReplica): boolean {
    for (const each of this.#world.replicas) {
      if (each !== replica && each.standing === "holder") return true
    }
    return false
  }
}

/** What a message of the room says of a change, for other servers. */
function farChangeOf(message: ToOpaque): FarChange | undefined {
  if (message.kind !== "update") return undefined
  const { senderId, ts, update } = message
  return { senderId, ts, update }
}
