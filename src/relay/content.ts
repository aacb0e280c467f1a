/**
 * What is known of a Yjs room's content without having any: the tracked vector.
 *
 * What always holds: `tracked` is what the holders here have without a hole (RL42); it is
 * undefined while there is no holder. What comes before there is one is remembered in spans, and
 * counted once there is.
 */

import { hexOf } from "../wire/bus-shapes.ts"
import type { Span } from "./spans.ts"
import {
  advance,
  emptyVector,
  encodeVector,
  fingerprint,
  hashVector,
  hasStructs,
  isEmptyUpdate,
  type Vector,
} from "./vectors.ts"

/** Spans that are remembered while there is no holder (RL34). */
const earlyLimit = 1_000

/** What one client takes in an encoded vector, at most, as ids and clocks go. */
const entryBytes = 9

/** How an update lies to what is tracked. "unknown": nothing is tracked. */
export type Reach = "contiguous" | "gap" | "unknown"

interface Early {
  readonly from: object
  readonly span: Span
}

export class Content {
  readonly #limitBytes: number
  #tracked: Map<number, number> | undefined
  #early: Early[] = []
  #hash: string | undefined
  #lastDeletions: string | undefined
  #wasHeld = false
  #isUntracked = false
  /** Whether anything but emptiness ever came by. */
  isThere = false

  /** A vector of more than `limitBytes` is not kept: the room is untracked, and asked for everything. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** Whether the vector is too long to be kept. */
  get isUntracked(): boolean {
    return this.#isUntracked
  }

  /** Whether there ever was a holder here. */
  get wasHeld(): boolean {
    return this.#wasHeld
  }

  /** What the holders here have; undefined without one. */
  get tracked(): Vector | undefined {
    return this.#tracked
  }

  /** Of it, in sixteen hex digits; empty without a holder. Drawn once for each state of it. */
  get hash(): string {
    if (this.#tracked === undefined) return ""
    this.#hash ??= hexOf(hashVector(this.#tracked))
    return this.#hash
  }

  /** As it is asked for: what is to be had beyond it is wanted. */
  get encoded(): Uint8Array {
    return encodeVector(this.#tracked ?? emptyVector)
  }

  /** `holder`, the first one, came with `vector`, and has what it wrote meanwhile. What others wrote it may lack. */
  begin(vector: Vector, holder: object | undefined): void {
    this.#hash = undefined
    this.#tracked = new Map(vector)
    this.#wasHeld = true
    advance(
      this.#tracked,
      this.#early.filter(({ from }) => from === holder).map(({ span }) => span),
    )
    this.#early = []
    // What was told before was told to nobody who is a holder now.
    this.#lastDeletions = undefined
    this.#bound()
  }

  /** The last holder is gone. */
  end(): void {
    this.#tracked = undefined
    this.#isUntracked = false
  }

  /** The vector of somebody here is too long. */
  untrack(): void {
    this.#isUntracked = true
    this.#hash = undefined
    this.#tracked?.clear()
  }

  /** Counts what a change of `from` brings. "gap" where something before it is missing. */
  add(spans: readonly Span[], from: object): Reach {
    if (this.#isUntracked) return "unknown"
    if (this.#tracked !== undefined) {
      this.#hash = undefined
      const reach = advance(this.#tracked, spans)
      this.#bound()
      return reach
    }
    for (const span of spans) {
      if (this.#early.length < earlyLimit) this.#early.push({ from, span })
    }
    return "unknown"
  }

  /** Whether an answer brings nothing that was not brought before: converged replicas encode deletions alike (RL49). */
  isStale(answer: Uint8Array): boolean {
    if (isEmptyUpdate(answer)) return true
    if (hasStructs(answer)) return false
    const last = this.#lastDeletions
    this.#lastDeletions = fingerprint(answer)
    return this.#lastDeletions === last
  }

  #bound(): void {
    if ((this.#tracked?.size ?? 0) * entryBytes > this.#limitBytes) this.untrack()
  }
}
