/**
 * Turns: what takes a while to make, told in the order in which it was begun.
 *
 * What always holds: nothing is told before what was begun before it; what belongs to a connection
 * that is lost is not told at all.
 */

/** One connection, as long as it lasts. */
export class Line {
  isOver = false
}

export class Order {
  #last: Promise<void> = Promise.resolve()
  #size = 0
  #bytes = 0

  /** How many have not had their turn. */
  get size(): number {
    return this.#size
  }

  /** What they said that they weigh. */
  get bytes(): number {
    return this.#bytes
  }

  /** `made` gives what is done in its turn, and never rejects. It is made while others are. */
  add(line: Line, made: Promise<() => void>): void {
    this.#take(line, 0, () => made)
  }

  /** The same, but made only when all before are done. */
  run(line: Line, bytes: number, make: () => Promise<() => void>): void {
    this.#take(line, bytes, make)
  }

  #take(line: Line, bytes: number, make: () => Promise<() => void>): void {
    this.#size += 1
    this.#bytes += bytes
    const turn = this.#last.then(async () => {
      if (line.isOver) return
      const act = await make()
      if (!line.isOver) act()
    })
    this.#last = turn.catch(thrownLater).finally(() => {
      this.#size -= 1
      this.#bytes -= bytes
    })
  }
}

/** Not ours to swallow: it surfaces as an uncaught error, and the next have their turn. */
function thrownLater(thrown: unknown): void {
  queueMicrotask(() => {
    throw thrown
  })
}
