/**
 * Calls that wait for a handler with room: first in, first out; a call leaves from any place at the
 * same cost.
 */
import type { Call } from "./call.ts"

export class CallQueue {
  readonly #calls = new Set<Call>()

  get size(): number {
    return this.#calls.size
  }

  push(call: Call): void {
    this.#calls.add(call)
    call.state = { is: "queued", queue: this }
  }

  remove(call: Call): void {
    this.#calls.delete(call)
  }

  /** The first that `mayTake` says yes to. */
  first(mayTake: (call: Call) => boolean): Call | undefined {
    for (const call of this.#calls) if (mayTake(call)) return call
    return undefined
  }

  /** All that wait, in order. */
  all(): readonly Call[] {
    return [...this.#calls]
  }
}
