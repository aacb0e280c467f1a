/**
 * The copy of a Yjs room: asked for as what lies beyond a vector, given as what somebody lacks.
 *
 * What always holds: what waits in the room's window leaves before a holder is asked, and before
 * what only the copy had is brought.
 */
import type { Asks, Wish } from "./asks.ts"
import type { Changes } from "./changes.ts"
import type { Content } from "./content.ts"
import { lackedOf } from "./copies-merge.ts"
import { RoomCopy } from "./copies-room.ts"
import type { Replica, YjsOutlet } from "./replica.ts"
import type { RoomWorld } from "./rooms.ts"
import { spansOf } from "./spans.ts"
import { emptyVector, encodeVector, vectorOf } from "./vectors.ts"

/** What it needs of its room. */
export interface YjsCopyWorld {
  readonly room: RoomWorld
  readonly replicas: ReadonlySet<Replica>
  readonly asks: Asks<YjsOutlet>
  readonly content: Content
  changes(): Pick<Changes, "flush">
}

export class YjsCopy extends RoomCopy {
  constructor({ room, replicas, asks, content, changes }: YjsCopyWorld) {
    const { key, copies, options, counts } = room
    super({
      key,
      shelf: copies,
      options,
      counts,
      kind: () => "yjs",
      ask(beyond, now) {
        const holder = asks.free(now)
        if (holder === undefined) return false
        changes().flush()
        asks.note(holder, "copy", now)
        holder.outlet.send({ kind: "step1", vector: beyond ?? encodeVector(emptyVector) })
        return true
      },
      bring({ bytes }) {
        changes().flush()
        // Nobody here wrote it.
        content.add(spansOf(bytes), room)
        for (const { outlet } of replicas) {
          counts.delivered++
          outlet.send({ kind: "update", update: bytes })
        }
      },
      rouse: () => room.rouse(),
    })
  }

  /** Sends what of it is lacked to who wishes for content that holders do not give. */
  ease(wish: Wish<YjsOutlet>, now: number): void {
    const found = this.lookFor(wish, now)
    if (found === undefined) return
    wish.asker.outlet.send({ kind: "update", update: lackedOf(found, vectorOf(wish.has)) })
  }
}
