/**
 * The end of a turn of the event loop. The only user of setImmediate.
 *
 * While a turn lasts, work is put off until its end, sockets that were written to stay corked, and
 * connections that ended wait to be told to their service. Then, in this order: the work, the
 * endings, the writes. So whatever the first two send still leaves with the same write, and no
 * service is ever called from inside its own call. What is put off during the end of one turn
 * comes at the end of the next; only writes are taken along.
 */

/** What was written to during a turn. */
export interface Written {
  /** Lets go what was gathered. Called once for each time it was listed. */
  flush(): void
}

export class Turn {
  #scheduled = false
  // A set, so that a service which wakes twice in a turn is ticked once.
  #work = new Set<() => void>()
  #endings: (() => void)[] = []
  readonly #written: Written[] = []

  /** Runs `work` at the end of this turn, once however often it was asked for. It must not throw. */
  atEnd(work: () => void): void {
    this.#work.add(work)
    this.#schedule()
  }

  /** Runs `ending` at the end of this turn, after its work and before its writes leave. It must not throw. */
  ended(ending: () => void): void {
    this.#endings.push(ending)
    this.#schedule()
  }

  /** Lists a socket that has been corked. */
  wrote(written: Written): void {
    this.#written.push(written)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#end())
  }

  #end(): void {
    this.#scheduled = false
    const work = this.#work
    this.#work = new Set()
    for (const each of work) each()
    const endings = this.#endings
    this.#endings = []
    for (const each of endings) each()
    // flush() only hands bytes to the kernel, so the list cannot grow while it is read.
    for (const each of this.#written) each.flush()
    this.#written.length = 0
  }
}
