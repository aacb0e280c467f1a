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

/** A change on its way. */
export interface Change extends Told {
  readonly update: Uint8Array
  readonly ref: Ref | undefined
}

/** What it needs of its room. */
export interface DeliveryWorld {
  readonly docId: string
  readonly options: RelayOptions
  readonly counts: Counts
  readonly replicas: ReadonlySet<OpaqueReplica>
  far(): Pick<OpaqueFar, "publish">
}

export class Delivery {
  readonly #world: DeliveryWorld
  readonly #batches: Batches<Change>
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

  /** It is `now`. Returns when it wants to be ticked again, in ms since 1970. */
  tick(now: number): number {
    this.#now = now
    return this.#batches.tick(now)
  }

  /** An acknowledgement says that everyone here was given it. */
  #deliver(changes: readonly Change[]): void {
    const { docId, counts, replicas, far } = this.#world
    const stamp = { docId, ts: this.#now }
    counts.batchSize(changes.length)
    counts.delivered += fanOut(changes, replicas, stamp)
    for (const { from, message, ref } of changes) {
      const change = from && farChangeOf(message)
      if (change !== undefined) far().publish(change)
      if (from === undefined || ref === undefined || !from.outlet.hearsAcks) continue
      from.outlet.send({ kind: "ack", ...stamp, ref })
    }
  }
}

/** What a message of the room says of a change, for other servers. */
function farChangeOf(message: ToOpaque): FarChange | undefined {
  if (message.kind !== "update") return undefined
  const { senderId, ts, update } = message
  return { senderId, ts, update }
}
