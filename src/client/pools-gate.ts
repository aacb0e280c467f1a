/**
 * What waits until there is a connection, in the order in which it came.
 *
 * What always holds: at most `waitingLimit` wait, one more is BUSY; when the gate opens all go before
 * anything that comes later; what has given up is out of the queue.
 */
import { fault } from "./pools-faults.ts"
import type { PoolsError } from "./pools-shapes.ts"

/** So many calls, emits and requests wait for a connection. */
export const waitingLimit = 1_000

interface Waiting {
  readonly go: () => void
  readonly refuse: (error: PoolsError) => void
}

export class Gate {
  readonly #waiting = new Set<Waiting>()
  #state: { readonly is: "open" | "shut" } | { readonly is: "gone"; readonly why: PoolsError } = {
    is: "shut",
  }

  /**
   * Runs `go` as soon as there is a connection, which may be now; or `refuse` when there will be none.
   * Gives what takes it out of the queue.
   */
  pass(go: () => void, refuse: (error: PoolsError) => void): () => void {
    if (this.#state.is === "gone") {
      refuse(this.#state.why)
    } else if (this.#state.is === "open") {
      go()
    } else if (this.#waiting.size >= waitingLimit) {
      const sentence = `waitingLimit, ${waitingLimit}, is reached while there is no connection`
      refuse(fault("busy", sentence, { retryAfterMs: 1_000 }))
    } else {
      const waiting = { go, refuse }
      this.#waiting.add(waiting)
      return () => void this.#waiting.delete(waiting)
    }
    return () => {}
  }

  open(): void {
    if (this.#state.is === "gone") return
    this.#state = { is: "open" }
    for (const waiting of this.#waiting) {
      this.#waiting.delete(waiting)
      waiting.go()
    }
  }

  shut(): void {
    if (this.#state.is === "open") this.#state = { is: "shut" }
  }

  /** There will be no connection any more. */
  end(why: PoolsError): void {
    this.#state = { is: "gone", why }
    for (const { refuse } of this.#waiting) refuse(why)
    this.#waiting.clear()
  }
}
