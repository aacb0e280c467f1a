/**
 * The counted changes of one server in one room, put into their order.
 *
 * What always holds: each number is given out once, and none before those below it (RL17), unless
 * it was released or they were given up. At most `heldLimit` wait for one that is missing.
 */

/** So many wait for a missing one; a hole wider than that is given up at once. */
const heldLimit = 1_000
/** Holes that are asked for at a time. */
const holesLimit = 64

export class Sequence<T> {
  readonly epoch: number
  /** The first that was not given out. */
  #next: number
  /** The last that is known of. */
  #last: number
  /** What came early; undefined for one that was given already, or that nobody has any more. */
  readonly #held = new Map<number, T | undefined>()
  /** Since when the first of them is missing, in ms since 1970; undefined while none is. */
  #missingSince: number | undefined

  /** All up to `last` counts as given out. */
  constructor(epoch: number, last: number) {
    this.epoch = epoch
    this.#next = last + 1
    this.#last = last
  }

  get isWhole(): boolean {
    return this.#next > this.#last
  }

  get missingSince(): number | undefined {
    return this.#missingSince
  }

  /** One has come. Returns those that are in order now. */
  take(seq: number, item: T, now: number): readonly T[] {
    return this.#put(seq, item, now)
  }

  /** There is one of this number. Whether so much is missing that it is not worth to ask for. */
  hear(last: number, now: number): boolean {
    this.#last = Math.max(this.#last, last)
    if (!this.isWhole) this.#missingSince ??= now
    return this.#last - this.#next >= heldLimit
  }

  /** Nobody has those of `from` to `to` that have not come. Returns those that are in order now, and whether any is lost. */
  lose(from: number, to: number, now: number): { readonly items: readonly T[]; isLossy: boolean } {
    const items: T[] = []
    let isLossy = false
    const end = Math.min(to, this.#last, this.#next + heldLimit)
    for (let seq = Math.max(from, this.#next); seq <= end; seq++) {
      if (this.#held.has(seq) || seq < this.#next) continue
      isLossy = true
      items.push(...this.#put(seq, undefined, now))
    }
    return { items, isLossy }
  }

  /** The last up to which all were given out. */
  get given(): number {
    return this.#next - 1
  }

  /**
   * Those of `from` to `to` were given out to nobody who has the content now: they are missing again.
   * Whether that is so much that it is not worth to ask for.
   */
  reopen(from: number, to: number, now: number): boolean {
    const end = this.#next
    if (from > to || from >= end) return false
    if (this.#last - from >= heldLimit) return true
    for (let seq = to + 1; seq < end; seq++) this.#held.set(seq, undefined)
    this.#next = from
    this.#missingSince = now
    return false
  }

  /** What came early waits no longer; what is missing still is. Returns it in its order. */
  release(now: number): readonly T[] {
    const early = [...this.#held].sort(([one], [other]) => one - other)
    for (const [seq] of early) this.#held.set(seq, undefined)
    this.#missingSince = now
    return early.flatMap(([, item]) => (item === undefined ? [] : [item]))
  }

  /** Waits for nothing any more. Returns what came early, in its order. */
  giveUp(): readonly T[] {
    const held = [...this.#held].sort(([one], [other]) => one - other)
    this.#held.clear()
    this.#next = this.#last + 1
    this.#missingSince = undefined
    return held.flatMap(([, item]) => (item === undefined ? [] : [item]))
  }

  /** From each first to each last number that is missing. */
  get holes(): readonly { readonly from: number; readonly to: number }[] {
    const holes: { from: number; to: number }[] = []
    for (let seq = this.#next; seq <= this.#last && holes.length < holesLimit; seq++) {
      if (this.#held.has(seq)) continue
      const open = holes.at(-1)
      if (open !== undefined && open.to === seq - 1) open.to = seq
      else holes.push({ from: seq, to: seq })
    }
    return holes
  }

  #put(seq: number, item: T | undefined, now: number): readonly T[] {
    if (seq < this.#next || this.#held.has(seq)) return []
    this.#last = Math.max(this.#last, seq)
    this.#held.set(seq, item)
    const ready: T[] = []
    const before = this.#next
    for (; this.#held.has(this.#next); this.#next++) {
      const next = this.#held.get(this.#next)
      this.#held.delete(this.#next)
      if (next !== undefined) ready.push(next)
    }
    if (this.isWhole) this.#missingSince = undefined
    else if (this.#next > before || this.#missingSince === undefined) this.#missingSince = now
    return ready
  }
}
