/**
 * Which numbers of one origin have come: what is new, what was seen, and what is missing.
 *
 * What always holds: a number is taken once. Of those before the last, the newest 64 are told
 * apart; older ones count as seen.
 */

/** "new": it follows what came last, or fills what was missing. "hole": it is new, and others before it are missing. */
export type Arrival = "new" | "seen" | "hole"

const width = 64n
const mask = (1n << width) - 1n

export class Window {
  #epoch: number
  #last: number
  /** Bit n: the n-th number before the last has come. */
  #came = mask

  /** All up to `last` of `epoch` count as seen. */
  constructor(epoch: number, last: number) {
    this.#epoch = epoch
    this.#last = last
  }

  get epoch(): number {
    return this.#epoch
  }

  get last(): number {
    return this.#last
  }

  /** A message has come. One of an older epoch was overtaken by its origin's restart: it counts as seen. */
  take(epoch: number, seq: number): Arrival {
    if (epoch < this.#epoch) return "seen"
    if (epoch > this.#epoch) this.#begin(epoch)
    if (seq > this.#last) return this.#advance(seq)
    const back = BigInt(this.#last - seq - 1)
    if (seq === this.#last || back >= width || ((this.#came >> back) & 1n) === 1n) return "seen"
    this.#came |= 1n << back
    return "new"
  }

  /** The origin says that `seq` was its last. Whether something is missing; it counts as asked for then. */
  hear(epoch: number, seq: number): "missing" | "complete" {
    if (epoch < this.#epoch) return "complete"
    if (epoch > this.#epoch) this.#begin(epoch)
    if (seq <= this.#last) return "complete"
    this.#shift(seq)
    return "missing"
  }

  #begin(epoch: number): void {
    this.#epoch = epoch
    this.#last = 0
    this.#came = mask
  }

  #advance(seq: number): Arrival {
    const isNext = seq === this.#last + 1
    this.#shift(seq)
    return isNext ? "new" : "hole"
  }

  /** `seq` is the last from here on; the one that was has come, those between have not. */
  #shift(seq: number): void {
    const by = seq - this.#last
    this.#came = by > 64 ? 0n : ((this.#came << BigInt(by)) | (1n << BigInt(by - 1))) & mask
    this.#last = seq
  }
}
