/**
 * Messages for us: told once each, and taken when whoever listens is done with them. No I/O.
 *
 * What always holds: `got` is said of a message only when every listener has returned or resolved,
 * and somebody listened; what was not taken comes again at the next login, with the same id.
 */
import { gotIds } from "../wire/operators.ts"
import type { Incoming } from "./operators-shapes.ts"

/** Ids that are remembered of an epoch, to tell repeats. */
const seenLimit = 4_096

export class Inbox {
  readonly #listeners = new Set<(message: Incoming) => void | Promise<void>>()
  readonly #seen = new Map<string, "open" | "taken">()
  readonly #wake: () => void
  #taken: string[] = []

  /** `wake` is called when `next` has something to say. */
  constructor(wake: () => void) {
    this.#wake = wake
  }

  on(listener: (message: Incoming) => void | Promise<void>): () => void {
    const entry = (message: Incoming) => listener(message)
    this.#listeners.add(entry)
    return () => void this.#listeners.delete(entry)
  }

  receive(message: Incoming): void {
    const { id } = message
    const seen = this.#seen.get(id)
    if (seen === "taken") return this.#take(id)
    if (seen === "open" || this.#listeners.size === 0) return
    this.#seen.set(id, "open")
    for (const oldest of this.#seen.keys()) {
      if (this.#seen.size <= seenLimit) break
      this.#seen.delete(oldest)
    }
    const told = [...this.#listeners].map(async (listener) => listener(message))
    Promise.all(told).then(
      () => this.#take(id),
      // A listener that fails has not taken it: the server keeps it for the next login.
      () => void this.#seen.delete(id),
    )
  }

  /** The next `$ got` line, of as many ids as one may have. */
  next(): string | undefined {
    const ids = this.#taken.splice(0, gotIds)
    return ids.length === 0 ? undefined : `$ got ${ids.join(" ")}`
  }

  /** The line was lost: what it was not told, the next login tells us again. */
  drop(): void {
    this.#taken = []
  }

  /** Ids of another epoch mean nothing. */
  forget(): void {
    this.#taken = []
    this.#seen.clear()
  }

  #take(id: string): void {
    if (this.#seen.has(id)) this.#seen.set(id, "taken")
    this.#taken.push(id)
    this.#wake()
  }
}
