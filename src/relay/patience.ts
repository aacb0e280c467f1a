/**
 * How long newcomers of a Yjs room wait for those who could answer them, and what they are told.
 *
 * What always holds: who waits is told so once, is sent the copy where there is one, and is closed
 * after three times `snapshotMs` in which somebody could have answered; without one it waits on (RL31).
 */
import type { Asks, Wish } from "./asks.ts"
import type { YjsCopy } from "./copies-yjs.ts"
import type { RelayOptions } from "./limits.ts"
import type { Replica, YjsOutlet } from "./replica.ts"
import type { Seeds } from "./seeds.ts"

/** The parts of a room that it looks at. */
export interface PatienceWorld {
  readonly options: RelayOptions
  readonly asks: Asks<YjsOutlet>
  readonly seeds: Seeds
  readonly copy: YjsCopy
  /** Until then nobody knows which rooms had content a moment ago. */
  readonly marksUnknownUntil: number
  /** Whether somebody here or elsewhere may answer it. */
  isAnswerable(asker: Replica): boolean
}

export class Patience {
  readonly #world: PatienceWorld
  /** Wishes whose replicas were told that they wait. */
  #told: WeakSet<Wish<YjsOutlet>> | undefined
  /** Since when there is somebody who may answer a wish, in ms since 1970. */
  #answerableSince: WeakMap<Wish<YjsOutlet>, number> | undefined

  constructor(world: PatienceWorld) {
    this.#world = world
  }

  /** Says why it waits, once. */
  tell(wish: Wish<YjsOutlet>, state: "waiting" | "outage"): void {
    if (this.#told?.has(wish)) return
    this.#told ??= new WeakSet()
    this.#told.add(wish)
    wish.asker.outlet.notice({ kind: "room", state })
  }

  /** It is `now`. Returns when to look again, in ms since 1970. */
  tick(now: number): number {
    const { asks, options, seeds, marksUnknownUntil, copy } = this.#world
    const { snapshotMs, askMs, orphanHoldMs } = options
    let next = Number.POSITIVE_INFINITY
    for (const wish of asks.wishes) {
      const { asker, since } = wish
      if (asker.standing !== "newcomer") continue
      const endsAt = this.#endOf(wish, now)
      const isLate = now >= since + snapshotMs
      if (isLate && this.#world.isAnswerable(asker)) copy.ease(wish, now)
      if (now >= endsAt) asker.outlet.close("unavailable", "who has this document does not answer")
      else if (isLate) this.tell(wish, "waiting")
      const dues = [endsAt, since + orphanHoldMs, since + snapshotMs, now + askMs]
      for (const due of [...dues, seeds.heldUntil, marksUnknownUntil]) {
        if (due > now) next = Math.min(next, due)
      }
    }
    copy.release()
    return next
  }

  /** Until when it waits for those who could answer it; without one it waits on. */
  #endOf(wish: Wish<YjsOutlet>, now: number): number {
    if (!this.#world.isAnswerable(wish.asker) && !this.#world.copy.isAway) {
      this.#answerableSince?.delete(wish)
      return Number.POSITIVE_INFINITY
    }
    this.#answerableSince ??= new WeakMap()
    const from = this.#answerableSince.get(wish) ?? now
    this.#answerableSince.set(wish, from)
    return from + 3 * this.#world.options.snapshotMs
  }
}
