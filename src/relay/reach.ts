/**
 * How a Yjs room meets itself on other servers: what of its parts its far side uses.
 *
 * What always holds: what waits here leaves before an answer from elsewhere is given (RL17).
 */
import type { Ask, Asks } from "./asks.ts"
import type { Changes } from "./changes.ts"
import type { Content } from "./content.ts"
import { Far } from "./far.ts"
import type { Newcomers } from "./newcomers.ts"
import type { Occupants } from "./occupants.ts"
import type { Presence } from "./presence.ts"
import type { YjsOutlet } from "./replica.ts"
import type { RoomWorld } from "./rooms.ts"

/** The parts of a room. What is made after its far side is asked for. */
export interface ReachWorld {
  readonly room: RoomWorld
  readonly occupants: Occupants<YjsOutlet>
  readonly asks: Asks<YjsOutlet>
  readonly content: Content
  changes(): Changes
  newcomers(): Newcomers
  presence(): Presence
  outgrow(ask: Ask<YjsOutlet>): void
  /** A text for the programs here. */
  tell(text: string): void
  serve(now: number): void
}

/** The far side of a room. */
export function openFar(world: ReachWorld, now: number): Far {
  const { room, occupants, asks, content, changes, newcomers, presence } = world
  const { key, group, counts } = room
  return new Far(
    {
      key,
      group,
      counts,
      asks,
      content,
      everyone: occupants.everyone,
      holders: () => occupants.holders,
      isEmpty: () => occupants.replicas.size === 0,
      isTooBig: () => occupants.isTooBig,
      bring: (update, at) => changes().hear(update, at),
      answer(holder, ask, of) {
        changes().flush()
        newcomers().answer(holder, ask, of)
      },
      outgrow: (ask) => world.outgrow(ask),
      text: (text) => world.tell(text),
      presence: {
        rows: () => presence().farRows(),
        hear: (of) => presence().hearFar(of),
        gone: (origin, at) => presence().loseFar(origin, at),
      },
      serve: (at) => world.serve(at),
      rouse: () => room.rouse(),
    },
    now,
  )
}
