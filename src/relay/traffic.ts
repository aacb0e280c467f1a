/**
 * How much passes in one room: changes, and bytes, that replicas here sent.
 *
 * What always holds: it keeps two windows of ten seconds and nothing else; answers to asks are not
 * counted in bytes.
 */

const windowMs = 10_000

interface Sum {
  edits: number
  bytes: number
}

/** Per second, as it was over the last ten seconds. */
export interface Rates {
  readonly editsPerSecond: number
  readonly bytesPerSecond: number
}

export class Traffic {
  #since = 0
  #past: Readonly<Sum> = { edits: 0, bytes: 0 }
  #sum: Sum = { edits: 0, bytes: 0 }

  edit(now: number): void {
    this.#turn(now)
    this.#sum.edits++
  }

  carry(bytes: number, now: number): void {
    this.#turn(now)
    this.#sum.bytes += bytes
  }

  /** To a tenth. */
  rates(now: number): Rates {
    this.#turn(now)
    const share = 1 - (now - this.#since) / windowMs
    const rate = (of: keyof Sum) =>
      Math.round(((this.#past[of] * share + this.#sum[of]) * 10_000) / windowMs) / 10
    return { editsPerSecond: rate("edits"), bytesPerSecond: rate("bytes") }
  }

  #turn(now: number): void {
    const passed = now - this.#since
    if (passed < windowMs) return
    const isNext = passed < 2 * windowMs
    this.#past = isNext ? this.#sum : { edits: 0, bytes: 0 }
    this.#sum = { edits: 0, bytes: 0 }
    this.#since = isNext ? this.#since + windowMs : now
  }
}
