/**
 * Steps that wait for something, done one after another.
 *
 * What always holds: a step begins when the one before has ended, however long that takes; after
 * `end` none begins. What a step throws keeps no other from its turn.
 */

export class Lane {
  #last: Promise<unknown> = Promise.resolve()
  #isOver = false
  #bytes = 0

  get isOver(): boolean {
    return this.#isOver
  }

  /** Bytes that steps hold which have not ended. */
  get bytes(): number {
    return this.#bytes
  }

  add(step: () => unknown, bytes = 0): void {
    this.#bytes += bytes
    const turn = async (): Promise<void> => {
      if (!this.#isOver) await step()
    }
    this.#last = this.#last
      .then(turn)
      .catch(surface)
      .finally(() => {
        this.#bytes -= bytes
      })
  }

  end(): void {
    this.#isOver = true
  }
}

/** Not ours to swallow: it surfaces as an uncaught error. */
export function surface(thrown: unknown): void {
  queueMicrotask(() => {
    throw thrown
  })
}
