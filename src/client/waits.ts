/**
 * Who waits until what was typed so far is saved, and how much of it is still on its way.
 *
 * Local edits are counted; what was typed when an edit was sent is settled when that edit is no
 * longer in flight. What always holds: settled <= flown <= typed.
 */

interface Wait {
  readonly typed: number
  /** The revision that holds all of it, once it is settled. */
  revision: number | undefined
  resolve(revision: number): void
  reject(error: Error): void
}

/** How a shared text stands, as far as waiting goes. */
export interface Standing {
  readonly isPending: boolean
  readonly revision: number
  readonly saved: number
  /** Whether the server keeps anything on a disk at all. */
  readonly isDurable: boolean
}

export class Waits {
  #typed = 0
  #flown = 0
  #settled = 0
  #seq = 0
  #waits: Wait[] = []

  /** How many local edits were made. */
  get typed(): number {
    return this.#typed
  }

  /** How many local edits the server has not acknowledged. */
  get unsettled(): number {
    return this.#typed - this.#settled
  }

  /** A local edit was made. */
  type(): void {
    this.#typed += 1
  }

  /** Edit `seq` was sent; "all" says that nothing waits behind it. */
  send(seq: number, extent: "all" | "part"): void {
    // One edit is in flight at a time: a new number says that the one before has settled.
    if (seq !== this.#seq) this.#settled = this.#flown
    this.#seq = seq
    if (extent === "all") this.#flown = this.#typed
  }

  /** Resolves with the revision that is saved; in memory mode with that which is acknowledged. */
  wait(standing: Standing): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waits.push({ typed: this.#typed, revision: undefined, resolve, reject })
      this.look(standing)
    })
  }

  /** Lets those go on whose wait is over. */
  look({ isPending, revision, saved, isDurable }: Standing): void {
    if (!isPending) {
      this.#settled = this.#typed
      this.#flown = this.#typed
    }
    this.#waits = this.#waits.filter((wait) => {
      if (wait.revision === undefined && this.#settled >= wait.typed) wait.revision = revision
      if (wait.revision === undefined || (isDurable && saved < wait.revision)) return true
      wait.resolve(wait.revision)
      return false
    })
  }

  /** Nothing will be saved any more. */
  end(error: Error): void {
    const waits = this.#waits
    this.#waits = []
    for (const { reject } of waits) reject(error)
  }
}
