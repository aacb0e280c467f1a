/**
 * The documents in memory, and which of those that nobody has open may go.
 *
 * What always holds: each id is in memory once (DC7). A document is hot while it has a connection
 * and idle otherwise; `#idle` has the idle ones in the order in which they became so, and with what
 * they were counted, and `idleBytes` is the sum of that. An idle document costs no work in a tick:
 * only the first ones of each row are looked at (DC20, DC109).
 */
import type { Document } from "./document.ts"
import { forgetMs, restMs, type Time, untouchedDocuments } from "./settings.ts"

interface Idle {
  readonly since: number
  readonly bytes: number
}

/** What an idle document is to do: be dropped unsaved, let go of all but its text, or leave memory. */
export interface Overdue {
  readonly forget: readonly Document[]
  readonly rest: readonly Document[]
  readonly evict: readonly Document[]
}

export class Residents {
  readonly #byId = new Map<string, Document>()
  readonly #idle = new Map<Document, Idle>()
  /** Idle ones with nothing worth keeping, oldest first. */
  readonly #untouched = new Set<Document>()
  /** Idle ones that still have their windows, oldest first. */
  readonly #awake = new Set<Document>()
  readonly #time: Time
  readonly #limitIdleBytes: number
  #idleBytes = 0

  constructor(time: Time, limitIdleBytes: number) {
    this.#time = time
    this.#limitIdleBytes = limitIdleBytes
  }

  get size(): number {
    return this.#byId.size
  }

  /** How many have nobody in them. */
  get idleSize(): number {
    return this.#idle.size
  }

  /** An estimate of the bytes of all idle ones. */
  get idleBytes(): number {
    return this.#idleBytes
  }

  [Symbol.iterator](): IterableIterator<Document> {
    return this.#byId.values()
  }

  /** Those with someone in them. */
  *hot(): IterableIterator<Document> {
    for (const document of this.#byId.values()) if (document.connections.size > 0) yield document
  }

  ids(): IterableIterator<string> {
    return this.#byId.keys()
  }

  find(id: string): Document | undefined {
    return this.#byId.get(id)
  }

  add(document: Document): void {
    this.#byId.set(document.id, document)
  }

  remove(document: Document): void {
    this.#byId.delete(document.id)
    this.becameHot(document)
  }

  /** Nobody is in it any more. */
  becameIdle(document: Document): void {
    const { bytes } = document
    this.#idle.set(document, { since: this.#time.now, bytes })
    this.#idleBytes += bytes
    this.#awake.add(document)
    if (!document.isWorthKeeping) this.#untouched.add(document)
  }

  /** It takes less memory than it did. */
  recount(document: Document): void {
    const idle = this.#idle.get(document)
    if (idle === undefined) return
    const { bytes } = document
    this.#idleBytes += bytes - idle.bytes
    this.#idle.set(document, { since: idle.since, bytes })
  }

  /** Someone came. */
  becameHot(document: Document): void {
    this.#idleBytes -= this.#idle.get(document)?.bytes ?? 0
    this.#idle.delete(document)
    this.#awake.delete(document)
    this.#untouched.delete(document)
  }

  /** What idle documents are to do now, by the time they were idle and the memory they take. */
  overdue(): Overdue {
    const forget = this.#first(this.#untouched, forgetMs)
    const excess = this.#untouched.size - untouchedDocuments
    if (excess > forget.length) forget.push(...[...this.#untouched].slice(forget.length, excess))
    return { forget, rest: this.#takeRested(), evict: this.#tooMany() }
  }

  /** Idle documents that were last used before `accessedBefore`. Takes a look at each. */
  unusedSince(accessedBefore: number): readonly Document[] {
    return [...this.#idle.keys()].filter(({ accessedAt }) => accessedAt < accessedBefore)
  }

  // Those of `documents` that became idle so long ago.
  #first(documents: ReadonlySet<Document>, afterMs: number): Document[] {
    const first: Document[] = []
    for (const document of documents) {
      if (this.#time.now - (this.#idle.get(document)?.since ?? 0) < afterMs) break
      first.push(document)
    }
    return first
  }

  #takeRested(): readonly Document[] {
    const rested = this.#first(this.#awake, restMs)
    for (const document of rested) this.#awake.delete(document)
    return rested
  }

  #tooMany(): readonly Document[] {
    const evict: Document[] = []
    let bytes = this.#idleBytes
    for (const [document, idle] of this.#idle) {
      if (bytes <= this.#limitIdleBytes) break
      bytes -= idle.bytes
      evict.push(document)
    }
    return evict
  }
}
