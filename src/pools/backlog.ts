/**
 * Emits that wait for one subscriber whose socket is full.
 *
 * What always holds: of each subscription at most its depth waits, and a bounded number of bytes in
 * all; what makes room is counted, and the next emit that leaves says how many those were.
 */
import { sizeOf } from "../wire/pools-payload.ts"
import type { ToldEmit } from "../wire/pools-shapes.ts"
import { Copies } from "../wire/pools-told.ts"
import type { Session } from "./session.ts"
import type { Subscription } from "./topics.ts"

interface Item {
  readonly told: ToldEmit
  readonly by: Subscription | undefined
  readonly bytes: number
}

export interface BacklogLimits {
  readonly subscriptionDepth: number
  readonly subscriptionBytes: number
}

export class Backlog {
  readonly #session: Session
  readonly #limits: BacklogLimits
  #items: Item[] = []
  #bytes = 0
  /** Emits that made room, and that it has not been told of. */
  lost = 0

  constructor(session: Session, limits: BacklogLimits) {
    this.#session = session
    this.#limits = limits
  }

  get size(): number {
    return this.#items.length
  }

  /** Lets one more wait; gives how many made room for it, or "full" where its subscriber would rather be closed. */
  push(told: ToldEmit, by: Subscription | undefined): number | "full" {
    const { behind = "drop_oldest", depth = this.#limits.subscriptionDepth } = by?.offer ?? {}
    const before = this.lost
    if (behind === "conflate") this.#drop((each) => each.by === by && isSame(each.told, told))
    const waiting = this.#items.filter((each) => each.by === by).length
    if (waiting >= depth) {
      if (behind === "disconnect") return "full"
      this.#drop((each) => each.by === by)
    }
    const bytes = sizeOf(told.payload)
    while (this.#bytes + bytes > this.#limits.subscriptionBytes && this.#items.length > 0) {
      if (behind === "disconnect") return "full"
      this.#drop(() => true)
    }
    this.#items.push({ told, by, bytes })
    this.#bytes += bytes
    return this.lost - before
  }

  /** Sends what may leave; gives how many left. */
  flush(): number {
    let sent = 0
    while (this.#items.length > 0 && !this.#session.connection.behind) {
      const item = this.#items.shift()
      if (item === undefined) break
      this.#bytes -= item.bytes
      this.send(item.told)
      sent++
    }
    return sent
  }

  /** Sends one emit, with the number of those that were lost before it. */
  send(told: ToldEmit): void {
    const { lost } = this
    this.lost = 0
    this.#session.sendCopy(new Copies(lost === 0 ? told : { ...told, lost }))
  }

  /** Forgets what waits for a subscription that ended. */
  forget(by: Subscription): void {
    this.#items = this.#items.filter((each) => each.by !== by)
    this.#bytes = this.#items.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  #drop(which: (item: Item) => boolean): void {
    const at = this.#items.findIndex(which)
    const [item] = at < 0 ? [] : this.#items.splice(at, 1)
    if (item === undefined) return
    this.#bytes -= item.bytes
    this.lost++
  }
}

function isSame(a: ToldEmit, b: ToldEmit): boolean {
  return a.pool === b.pool && a.trigger === b.trigger
}
