/**
 * The numbers of an editor's own edits: the last one used, the one in flight, and what the server
 * says it has of them. They are how an edit that is sent twice is applied once (DC44).
 *
 * What always holds: numbers only rise; at most one is in flight; and what a Welcome says is
 * compared with ours at once but taken over only by `settle`, when the text belonging to it is
 * here too, for the line may drop before.
 */

/** What of ours may be in the server's text and may not: nobody can tell. */
export type Doubt = "nothing" | "flight" | "everything"

/** What to go on from: the numbers of a record that was kept. */
export interface Numbers {
  readonly last: number
  readonly acknowledged: number
  readonly flight: Flight | undefined
}

/** An edit in flight. Without `sentAt`, in ms since 1970, it was never handed to a socket. */
export interface Flight {
  readonly seq: number
  readonly sentAt?: number
}

export class Sequence {
  #last = 0
  #acknowledged = 0
  #flight: Flight | undefined
  /** What the last Welcome said: the last number the server has, 0 for none, null for not known. */
  #applied: number | null = null
  #isOutdated = false

  constructor(kept?: Numbers) {
    if (kept === undefined) return
    this.#last = kept.last
    this.#acknowledged = kept.acknowledged
    this.#flight = kept.flight
  }

  /** The last number used. */
  get last(): number {
    return this.#last
  }

  /** The last number of which a text came back that holds it. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** The edit in flight, or about to be. */
  get flight(): Flight | undefined {
    return this.#flight
  }

  /** Whether the server has the edit in flight, as its last Welcome says. */
  get isFlightApplied(): boolean {
    const { seq = 0, sentAt } = this.#flight ?? {}
    return sentAt !== undefined && this.#applied !== null && this.#applied >= seq
  }

  /**
   * Whether the server knows of more edits than we sent: our record was kept before the last of
   * them, by a tab that died. They come in the tail like another's. Until `settle`.
   */
  get isOutdated(): boolean {
    return this.#isOutdated
  }

  /** Gives an edit that leaves the next number. */
  launch(): void {
    this.#last += 1
    this.#flight = { seq: this.#last }
  }

  /** Notes that the edit in flight is handed to a socket; the first time counts. Returns its number. */
  send(now: number): number {
    if (this.#flight === undefined) throw new Error("never: nothing is in flight")
    const { seq, sentAt = now } = this.#flight
    this.#flight = { seq, sentAt }
    return seq
  }

  /** The edit in flight was accepted, and a server that lost it has lost something of ours (DC149). */
  acknowledge(): void {
    this.#acknowledged = this.#flight?.seq ?? this.#acknowledged
    this.#flight = undefined
  }

  /**
   * The edit in flight is no more: refused, taken back, or a no-op. A server keeps no trace of a
   * no-op and may forget its number, so that it is not called acknowledged.
   */
  drop(): void {
    this.#flight = undefined
  }

  /** Compares what a Welcome says with ours. Returns what is in doubt (DC148). */
  greet(applied: number | null): Doubt {
    this.#applied = applied
    const isSent = this.#flight?.sentAt !== undefined
    if (applied === null) return isSent ? "flight" : "nothing"
    const sent = this.#flight === undefined || isSent ? this.#last : this.#flight.seq - 1
    // Only once: what is typed after that was never sent.
    if (applied <= sent || this.#isOutdated) return "nothing"
    this.#isOutdated = true
    return "everything"
  }

  /** Whether the server has less than it acknowledged, or has forgotten our key. */
  get isLess(): boolean {
    return this.#applied !== null && this.#applied < this.#acknowledged
  }

  /** Takes over what the last Welcome said: the text belonging to it is here. */
  settle(): void {
    if (this.#applied === null) return
    if (this.#isOutdated || this.isLess) this.#acknowledged = this.#applied
    this.#last = Math.max(this.#last, this.#applied)
    this.#isOutdated = false
  }
}
