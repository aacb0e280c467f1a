/**
 * How an opaque room meets itself on other servers: what of its parts its far side uses.
 *
 * What always holds: what waits here leaves before an answer from elsewhere is given (RL17).
 */
import type { Asks } from "./asks.ts"
import type { OpaqueCopy } from "./copies-opaque.ts"
import type { Occupants } from "./occupants.ts"
import type { Attendance } from "./opaque-attendance.ts"
import type { Change, Delivery } from "./opaque-delivery.ts"
import { OpaqueFar } from "./opaque-far.ts"
import type { OpaqueNewcomers } from "./opaque-newcomers.ts"
import type { Seal } from "./opaque-seal.ts"
import type { OpaqueRoomWorld } from "./opaque-shapes.ts"
import type { OpaqueOutlet } from "./replica.ts"

/** The parts of a room. What is made after its far side is asked for. */
export interface ReachWorld {
  readonly docId: string
  readonly room: OpaqueRoomWorld
  readonly asks: Asks<OpaqueOutlet>
  readonly occupants: Occupants<OpaqueOutlet>
  readonly delivery: Delivery
  readonly copy: OpaqueCopy
  readonly seal: Seal
  newcomers(): OpaqueNewcomers
  attendance(): Attendance
  outgrow(): void
  /** A change on its way to all who are here. */
  pass(change: Change, now: number): void
  serve(now: number): void
}

/** The far side of a room. */
export function openFar(world: ReachWorld, now: number): OpaqueFar {
  const { docId, room, asks, occupants, delivery, copy, newcomers, attendance } = world
  const { key, group, counts, rings } = room
  return new OpaqueFar(
    {
      key,
      group,
      counts,
      rings,
      asks,
      everyone: occupants.everyone,
      holders: () => occupants.holders,
      isThere: () => newcomers().isThere,
      isEmpty: () => occupants.replicas.size === 0,
      isTooBig: () => occupants.isTooBig,
      seal: () => world.seal.kind ?? "unsaid",
      hearSeal: (seal, age) => world.seal.hear(seal, age),
      bring({ senderId, ts, update }, at) {
        const message = { kind: "update", docId, senderId, ts, update } as const
        world.pass({ from: undefined, message, update, ref: undefined }, at)
      },
      answer(holder, of, at) {
        delivery.flush()
        newcomers().answer(holder, of, at)
      },
      mend(snapshot, at) {
        delivery.flush()
        newcomers().mend(snapshot, at)
        copy.changed(at)
      },
      outgrow: () => world.outgrow(),
      attendance: {
        names: () => attendance().farNames(),
        hear: (of) => attendance().hearFar(of),
        gone: (origin, at) => attendance().loseFar(origin, at),
      },
      now: () => room.now(),
      serve: (at) => world.serve(at),
      rouse: () => room.rouse(),
    },
    now,
  )
}
