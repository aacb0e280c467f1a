/**
 * Locks that this app holds of one block: asked for, kept alive, lost.
 *
 * What always holds: a lock is aborted here when its lease ends by this program's clock, counted from
 * when it was heard of and from before each renewal, and when the connection is lost.
 */

import type { Seat } from "./blocks-seat.ts"
import type { Lock, LockOptions } from "./blocks-shapes.ts"
import { asPoolsError, fault } from "./pools-faults.ts"
import { numberIn, textIn } from "./pools-frames.ts"
import type { PoolsError } from "./pools-shapes.ts"

const timeoutMs = 5_000
const leaseMs = 10_000

export class HeldLocks {
  readonly #seat: Seat
  readonly #held = new Set<HeldLock>()

  constructor(seat: Seat) {
    this.#seat = seat
    seat.losers.add((why) => {
      for (const lock of [...this.#held]) lock.lose(why)
    })
  }

  /** The fence of a lock to write, if one is held. */
  get fence(): number | undefined {
    for (const { mode, fence } of this.#held) if (mode !== "read") return fence
    return undefined
  }

  async ask(mode: Lock["mode"], options: LockOptions): Promise<Lock> {
    const { timeoutMs: timeout = timeoutMs, leaseMs: lease = leaseMs } = options
    const { pool, id } = this.#seat.wants
    const named = { pool, block_id: id }
    for (;;) {
      try {
        const fields = { mode, timeout, lease_ms: lease }
        const result = await this.#seat.ask("lock", { ...fields, ...named, attachment: undefined })
        const lock = new HeldLock(this.#seat, {
          ...{ mode, fence: numberIn(result, "fence") ?? 0 },
          name: textIn(result, "lock_id") ?? "",
          leaseMs: numberIn(result, "lease_ms") ?? lease,
          over: () => void this.#held.delete(lock),
        })
        this.#held.add(lock)
        return lock
      } catch (thrown) {
        // What was granted went with the connection.
        if (asPoolsError(thrown).code !== "CONNECTION_LOST") throw thrown
        await this.#seat.ready()
      }
    }
  }
}

interface Held {
  readonly mode: Lock["mode"]
  readonly fence: number
  readonly name: string
  readonly leaseMs: number
  readonly over: () => void
}

class HeldLock implements Lock {
  readonly mode: Lock["mode"]
  readonly fence: number
  readonly #seat: Seat
  readonly #of: Held
  readonly #abort = new AbortController()
  #timer: ReturnType<typeof setTimeout> | undefined
  #until: number
  #isOver = false

  constructor(seat: Seat, of: Held) {
    this.#seat = seat
    this.#of = of
    this.mode = of.mode
    this.fence = of.fence
    this.#until = performance.now() + of.leaseMs
    this.#plan()
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  async unlock(): Promise<void> {
    if (this.#abort.signal.aborted) throw this.#abort.signal.reason
    if (this.#isOver) return
    this.#end()
    const { pool, id } = this.#seat.wants
    await this.#seat.ask("unlock", {
      ...{ lock_id: this.#of.name, pool, block_id: id, attachment: undefined },
    })
  }

  lose(why: PoolsError): void {
    if (this.#isOver) return
    this.#end()
    this.#abort.abort(fault("lock-lost", `the lock is lost: ${why.message}`))
  }

  #end(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#of.over()
  }

  #plan(): void {
    const leftMs = this.#until - performance.now()
    if (leftMs <= 0) return this.lose(fault("lock-lost", "its lease has ended"))
    this.#timer = setTimeout(() => void this.#renew(), Math.min(leftMs, this.#of.leaseMs / 3))
  }

  async #renew(): Promise<void> {
    const { pool, id } = this.#seat.wants
    const askedAt = performance.now()
    const last = setTimeout(
      () => this.lose(fault("lock-lost", "its lease has ended")),
      this.#until - askedAt,
    )
    try {
      await this.#seat.ask("renew", {
        ...{ lock_id: this.#of.name, pool, block_id: id, attachment: undefined },
      })
      // From when it was asked for: the server's lease ends no earlier.
      this.#until = askedAt + this.#of.leaseMs
    } catch (thrown) {
      this.lose(asPoolsError(thrown))
    } finally {
      clearTimeout(last)
    }
    if (!this.#isOver) this.#plan()
  }
}
