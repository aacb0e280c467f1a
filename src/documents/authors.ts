/**
 * The client keys that have written in one document: whose user id they have, and the number of
 * the last edit accepted from each, so that an edit sent twice is applied once (DC44 to DC46).
 *
 * What always holds: `#byClient` is ordered by `seenAt`, oldest first, and bounded in number and
 * age; `floor` is not below the `seenAt` of any key that was ever forgotten. A key is kept as the
 * first half of its SHA-256: whoever reads the store cannot join as someone else. In memory that is
 * a text, made once for each editor: it is looked up, and written into the journal, at each edit.
 */
import { createHash } from "node:crypto"
import { dayMs } from "./settings.ts"
import type { AuthorRow } from "./shelf.ts"

/** DC46: so many keys are remembered … */
const limitAuthors = 10_000
/** … if they were seen within 30 days, in memory or on the shelf. */
export const rememberedMs = 30 * dayMs
/**
 * How much later than its author thinks an edit may have been sent: `age` is cut to seconds, and
 * the Join that says it has been on its way.
 */
const doubtMs = 60_000

/** What a Join says of the edit that may be in flight. */
export interface InFlight {
  /** Null when there is none. */
  readonly seq: number | null
  /** Seconds since it was first sent. */
  readonly age: number
}

/** The name under which a client key is kept: 16 bytes in base64url. */
export function clientOf(key: string): string {
  return createHash("sha256").update(key).digest().toString("base64url", 0, 16)
}

export class Authors {
  readonly #byClient = new Map<string, AuthorRow>()
  readonly #unsaved = new Map<string, AuthorRow>()
  #floor: number
  /** The last of `#byClient`. */
  #newest: string | undefined
  /** Nobody in `#byClient` was seen before this. */
  #since = 0

  /** Those that were stored, in any order, and their floor. */
  constructor(rows: readonly AuthorRow[] = [], floor = 0) {
    this.#floor = floor
    for (const row of rows.toSorted((a, b) => a.seenAt - b.seenAt)) {
      this.#byClient.set(row.client, row)
    }
  }

  /** The latest time, in ms since 1970, at which a key was seen that is forgotten now; 0 for none. */
  get floor(): number {
    return this.#floor
  }

  /** What changed since the last `settle`, for the next save. */
  get unsaved(): readonly AuthorRow[] {
    return [...this.#unsaved.values()]
  }

  /** All that are remembered. */
  [Symbol.iterator](): IterableIterator<AuthorRow> {
    return this.#byClient.values()
  }

  /** The author with this client, as long as it is remembered. */
  find(client: string): AuthorRow | undefined {
    return this.#byClient.get(client)
  }

  /** Keeps `row` in place of what was known of its client. It is seen now, or was never later. */
  see(row: AuthorRow): void {
    const { client, seenAt } = row
    // A map that only loses and gets its last key would have to be laid out anew again and again.
    if (client !== this.#newest) this.#byClient.delete(client)
    this.#newest = client
    this.#byClient.set(client, row)
    this.#unsaved.set(client, row)
    const isFull = this.#byClient.size > limitAuthors
    if (isFull || this.#since < seenAt - rememberedMs) this.#forget(seenAt)
  }

  /** What `unsaved` gave is saved. */
  settle(): void {
    this.#unsaved.clear()
  }

  /**
   * The last number accepted from `client`: 0 for none, null when that is not known, because a key
   * was forgotten that may have been this one and may have sent the edit in flight (DC46).
   */
  applied(client: string, inFlight: InFlight | undefined, now: number): number | null {
    const known = this.find(client)
    if (known !== undefined) return known.seq
    if (inFlight === undefined || this.#floor === 0) return 0
    const sentAt = now - inFlight.age * 1_000 - doubtMs
    return inFlight.seq !== null && sentAt > this.#floor ? 0 : null
  }

  #forget(now: number): void {
    for (const { client, seenAt } of this.#byClient.values()) {
      this.#since = seenAt
      const isRemembered = seenAt >= now - rememberedMs && this.#byClient.size <= limitAuthors
      if (isRemembered) return
      this.#byClient.delete(client)
      this.#unsaved.delete(client)
      this.#floor = Math.max(this.#floor, seenAt)
    }
  }
}
