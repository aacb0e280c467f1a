/**
 * What may be missing in a Yjs room, and whom to ask for it until it is there.
 *
 * What always holds: a server of which something is missing is asked until it has answered or is
 * gone; clocks that were seen too early are asked for until they are covered. The first asking is
 * at once, the next after 250 ms, then at doubled intervals up to ten seconds (RL53).
 */
import type { Span } from "./spans.ts"
import type { Vector } from "./vectors.ts"

const firstMs = 250
const longestMs = 10_000
/** Of more clients than that what is missing is not told apart: it shows as a difference. */
const wantedLimit = 1_000
const nobody: readonly string[] = []

export class Repair {
  /** Servers that owe an answer, and from which asking on an answer counts: an older one may lack what is missing. */
  #owed: Map<string, number> | undefined
  /** Of each client the clock up to which something was seen. */
  #wanted: Map<number, number> | undefined
  #askAt = Number.POSITIVE_INFINITY
  #delayMs = 0
  #serial = 0

  /** Whether something is missing that nobody has brought yet. */
  get isDirty(): boolean {
    return (this.#owed?.size ?? 0) > 0 || (this.#wanted?.size ?? 0) > 0
  }

  /** Something that this server sent may be missing. */
  owe(origin: string): void {
    this.#owed ??= new Map()
    const isNew = !this.#owed.has(origin)
    this.#owed.set(origin, this.#serial + 1)
    if (isNew) this.#soon()
  }

  /** Whether it owes an answer. */
  owes(origin: string): boolean {
    return this.#owed?.has(origin) === true
  }

  /** Spans came of which some lie beyond what is known. */
  want(spans: readonly Span[], known: Vector): void {
    this.#wanted ??= new Map()
    for (const { client, from, to } of spans) {
      if (from <= (known.get(client) ?? 0) || this.#wanted.size >= wantedLimit) continue
      this.#wanted.set(client, Math.max(to, this.#wanted.get(client) ?? 0))
      this.#soon()
    }
  }

  /** The number of the last asking. */
  get serial(): number {
    return this.#serial
  }

  /** How many owe an answer to an asking before the last one. */
  get unanswered(): number {
    let count = 0
    for (const since of this.#owed?.values() ?? []) if (since < this.#serial) count++
    return count
  }

  /** It answered the asking `serial`, or is gone: it owes nothing from before. Whether it did. */
  settle(origin: string, serial = this.#serial + 1): boolean {
    const owed = this.#owed
    return (
      owed !== undefined &&
      serial >= (owed.get(origin) ?? Number.POSITIVE_INFINITY) &&
      owed.delete(origin)
    )
  }

  /** Nobody here has anything that could be incomplete. */
  clear(): void {
    this.#owed = undefined
    this.#wanted = undefined
    this.#askAt = Number.POSITIVE_INFINITY
    this.#delayMs = 0
  }

  /** Those to be asked now: who owes an answer, else all of `others` for what is wanted. */
  due(now: number, known: Vector, others: Iterable<string>): readonly string[] {
    const owed = this.#owed
    const wanted = this.#wanted
    if (wanted !== undefined) {
      for (const [client, clock] of wanted) {
        if ((known.get(client) ?? 0) >= clock) wanted.delete(client)
      }
    }
    if (!this.isDirty) {
      this.#askAt = Number.POSITIVE_INFINITY
      this.#delayMs = 0
      return nobody
    }
    if (now < this.#askAt) return nobody
    this.#askAt = now + Math.max(firstMs, this.#delayMs)
    this.#delayMs = Math.min(longestMs, Math.max(firstMs, this.#delayMs) * 2)
    this.#serial++
    return [...(wanted !== undefined && wanted.size > 0 ? others : (owed?.keys() ?? nobody))]
  }

  /** When to ask next, in ms since 1970. */
  get askAt(): number {
    return this.#askAt
  }

  /** What is new is asked for at once, unless something was asked for a moment ago. */
  #soon(): void {
    if (this.#delayMs === 0) this.#askAt = Number.NEGATIVE_INFINITY
  }
}
