/**
 * What a replica has written and the relay has not acknowledged, in order, for the next return.
 *
 * What always holds: at most 8 MiB are kept. Beyond that nothing is kept but the number of edits,
 * and a snapshot stands for all of them at the next return; so the queue is bounded and no edit is
 * forgotten.
 */

/** Kept for the next return; above it one snapshot is less than the queue. */
const limitBytes = 8 * 1024 * 1024

/** Bytes to be sent under a name that the acknowledgement bears. */
export interface Parcel {
  readonly ref: number
  readonly bytes: Uint8Array
  /** How many edits it stands for. */
  readonly edits: number
}

export class Outbox {
  #parcels: Parcel[] = []
  #bytes = 0
  #lastRef = 0
  /** Edits whose bytes are not kept. If they were sent on this line they are acknowledged with this name. */
  #merged: { readonly edits: number; readonly upTo: number } | undefined

  /** Edits that are not acknowledged. */
  get count(): number {
    return this.#parcels.reduce((sum, { edits }) => sum + edits, this.#merged?.edits ?? 0)
  }

  /** Whether there are edits whose bytes are not kept. */
  get isMerged(): boolean {
    return this.#merged !== undefined
  }

  /**
   * On a new line: what to send again at once, oldest first. Nothing where a snapshot is to stand
   * for more, since it stands for all.
   */
  resume(): readonly Parcel[] {
    if (this.#merged === undefined) return this.#parcels
    this.#merge(Number.POSITIVE_INFINITY)
    return []
  }

  /** Keeps it, if there is room. The bytes must not be changed afterwards. */
  add(bytes: Uint8Array, edits = 1): Parcel {
    this.#lastRef += 1
    const parcel = { ref: this.#lastRef, bytes, edits }
    this.#parcels.push(parcel)
    this.#bytes += bytes.length
    if (this.#bytes > limitBytes) this.#merge(Math.max(this.#merged?.upTo ?? 0, this.#lastRef))
    return parcel
  }

  /** Acknowledgements come in the order in which things were sent. */
  acknowledged(ref: number): void {
    if (this.#merged !== undefined && ref >= this.#merged.upTo) this.#merged = undefined
    const at = this.#parcels.findIndex((parcel) => parcel.ref === ref)
    const [parcel] = at < 0 ? [] : this.#parcels.splice(at, 1)
    this.#bytes -= parcel?.bytes.length ?? 0
  }

  /** The edits whose bytes are not kept, which a snapshot is to stand for from here on; 0 if there are none. */
  takeMerged(): number {
    const edits = this.#merged?.edits ?? 0
    this.#merged = undefined
    return edits
  }

  #merge(upTo: number): void {
    this.#merged = { edits: this.count, upTo }
    this.#parcels = []
    this.#bytes = 0
  }
}
