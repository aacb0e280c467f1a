/**
 * The copy of an opaque room: asked for as a snapshot, given as one.
 *
 * What always holds: its bytes are never looked into; what the room itself says bears the name
 * "server", which no replica has.
 */
import type { ToOpaque } from "../wire/relay.ts"
import type { Asks, Wish } from "./asks.ts"
import type { Copy, CopyKind } from "./copies.ts"
import { RoomCopy } from "./copies-room.ts"
import type { Counts } from "./counts.ts"
import type { OpaqueReplica } from "./opaque-fan-out.ts"
import type { OpaqueOutlet } from "./replica.ts"
import type { RoomWorld } from "./rooms.ts"

/** What it needs of its room. */
export interface OpaqueCopyWorld {
  readonly docId: string
  readonly room: RoomWorld
  readonly replicas: ReadonlySet<OpaqueReplica>
  readonly asks: Asks<OpaqueOutlet>
  /** Of what kind a copy is now; undefined until somebody who may write has said. */
  kind(): CopyKind | undefined
  /** What waits to be sent leaves. */
  flush(): void
  /** Asks a holder for all that it has. */
  ask(holder: OpaqueReplica, now: number): void
}

export class OpaqueCopy extends RoomCopy {
  readonly #docId: string
  readonly #counts: Counts

  constructor(world: OpaqueCopyWorld) {
    const { docId, replicas, asks } = world
    const { key, copies, options, counts, rouse } = world.room
    super({
      key,
      shelf: copies,
      options,
      counts,
      kind: () => world.kind(),
      ask(_beyond, now) {
        const holder = asks.free(now)
        if (holder === undefined) return false
        world.flush()
        world.ask(holder, now)
        return true
      },
      bring({ bytes }, now) {
        world.flush()
        const message = changeOf(bytes, docId, now)
        for (const { outlet } of replicas) {
          counts.delivered++
          outlet.send(message)
        }
      },
      rouse: () => rouse(),
    })
    this.#docId = docId
    this.#counts = counts
  }

  /** Gives the copy to a newcomer, as the answer of that name. */
  give(
    { outlet }: OpaqueReplica,
    { found, requestId }: { readonly found: Copy; readonly requestId: string },
    now: number,
  ): void {
    this.#counts.requests.add("copy")
    this.#counts.delivered++
    this.given(now)
    const stamp = { docId: this.#docId, ts: now, requestId }
    const { bytes: snapshot, vector: version } = found
    const message = { kind: "snapshot-response", content: "given", snapshot, version } as const
    outlet.send({ ...message, ...stamp })
  }

  /** Sends it to who wishes for content that holders do not give. */
  ease(wish: Wish<OpaqueOutlet>, now: number): void {
    const found = this.lookFor(wish, now)
    if (found === undefined) return
    wish.asker.outlet.send(changeOf(found.bytes, this.#docId, now))
  }
}

function changeOf(update: Uint8Array, docId: string, now: number): ToOpaque {
  return { kind: "update", docId, senderId: "server", ts: now, update }
}
