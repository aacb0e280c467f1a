/**
 * The counted changes that opaque rooms sent to other servers, kept a while for those that missed
 * some.
 *
 * What always holds: a room keeps at most `ringBytesPerRoom`, all together `ringBytesTotal`, none
 * for longer than `ringMs`; the oldest makes room. What is kept is a copy.
 */
import type { FarChange, Numbered } from "../wire/bus-opaque.ts"

export interface RingLimits {
  readonly ringBytesPerRoom: number
  readonly ringMs: number
  readonly ringBytesTotal: number
}

interface Entry extends Numbered {
  readonly ring: Ring
  readonly bytes: number
  readonly at: number
}

/** What an entry takes besides its texts and bytes; roughly. */
const entryBytes = 100

/** All rings of a server. */
export class Rings {
  readonly limits: RingLimits
  /** The oldest first. */
  readonly #entries = new Set<Entry>()
  #bytes = 0

  constructor(limits: RingLimits) {
    this.limits = limits
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#bytes
  }

  /** It is `now`: what is too old goes. */
  tick(now: number): void {
    for (const entry of this.#entries) {
      if (entry.at + this.limits.ringMs > now) return
      entry.ring.drop(entry)
    }
  }

  add(entry: Entry): void {
    this.#entries.add(entry)
    this.#bytes += entry.bytes
    for (const oldest of this.#entries) {
      if (this.#bytes <= this.limits.ringBytesTotal) return
      oldest.ring.drop(oldest)
    }
  }

  forget(entry: Entry): void {
    if (this.#entries.delete(entry)) this.#bytes -= entry.bytes
  }
}

/** The ring of one room. */
export class Ring {
  readonly #rings: Rings
  /** By number, which rises. */
  readonly #entries = new Map<number, Entry>()
  #bytes = 0

  constructor(rings: Rings) {
    this.#rings = rings
  }

  get size(): number {
    return this.#entries.size
  }

  /** Keeps a change. */
  keep(seq: number, { senderId, ts, update }: FarChange, now: number): void {
    const bytes = update.length + 2 * senderId.length + entryBytes
    const entry = { ring: this, seq, senderId, ts, update: update.slice(), bytes, at: now }
    this.#entries.set(seq, entry)
    this.#bytes += bytes
    this.#rings.add(entry)
    for (const oldest of this.#entries.values()) {
      if (this.#bytes <= this.#rings.limits.ringBytesPerRoom) return
      this.drop(oldest)
    }
  }

  /** What is still here of the numbers `from` to `to`, in their order. */
  between(from: number, to: number): readonly Numbered[] {
    const found: Numbered[] = []
    for (const entry of this.#entries.values()) {
      if (entry.seq >= from && entry.seq <= to) found.push(entry)
    }
    return found
  }

  drop(entry: Entry): void {
    if (this.#entries.get(entry.seq) !== entry) return
    this.#entries.delete(entry.seq)
    this.#bytes -= entry.bytes
    this.#rings.forget(entry)
  }

  clear(): void {
    for (const entry of this.#entries.values()) this.drop(entry)
  }
}
