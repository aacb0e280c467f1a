/**
 * Since when nobody is in a room, and how it ends by that.
 *
 * What always holds: a room ends `lingerMs` after its last replica; where its server goes, with it,
 * so that rooms end one after the other, as their replicas are sent elsewhere (RL114).
 */

/** What ends with a room. Each may be called twice. */
export interface Ending {
  /** Its replicas are about to bring the content elsewhere. */
  remark(): void
  /** Seeds and other servers are told. */
  close(): void
}

export class Vacancy {
  readonly #ending: Ending
  #lingerMs: number
  #since: number | undefined

  /** Nobody is in the room at `now`, in ms since 1970. */
  constructor(lingerMs: number, ending: Ending, now: number) {
    this.#lingerMs = lingerMs
    this.#ending = ending
    this.#since = now
  }

  /** When the room ends, in ms since 1970; Infinity while somebody is in it. */
  get endsAt(): number {
    return (this.#since ?? Number.POSITIVE_INFINITY) + this.#lingerMs
  }

  /** Somebody is in the room. */
  end(): void {
    this.#since = undefined
  }

  /** Nobody is any more. */
  begin(now: number): void {
    this.#since = now
    if (this.#lingerMs === 0) this.#leave()
  }

  /** The server goes: nobody comes here any more. */
  drain(): void {
    this.#lingerMs = 0
    if (this.#since !== undefined) this.#leave()
  }

  /** The room ends. */
  close(): void {
    this.#ending.close()
  }

  /** Its replicas come to other servers, which need not wait for this one. */
  #leave(): void {
    this.#ending.remark()
    this.close()
  }
}
