/**
 * Links to a document: each lets its holder edit or read, until it expires or is revoked, and never
 * tells the document's id (DC89, DC90).
 *
 * What always holds: a link is told once, to who made it; only its hash is kept. A document has at
 * most `limitLinks` that are good. `#guests` are the connections that came by a link: they are
 * closed within `lookMs` of its end, by a comparison in the tick.
 */
import type { Log } from "../log.ts"
import type { Random } from "../service.ts"
import type { LinkRole } from "../wire/documents-shapes.ts"
import { hashOf, newLink, refOf } from "./access.ts"
import type { Document } from "./document.ts"
import type { Seat } from "./editor.ts"
import { isOver, reading } from "./gate.ts"
import type { Publishing } from "./publishing.ts"
import type { Saver } from "./saver.ts"
import type { Scribe } from "./scribe.ts"
import type { Time } from "./settings.ts"
import type { Shelf, StoredLink } from "./shelf.ts"

/** Of one document; one more is refused, and revoking one makes room. */
const limitLinks = 100
/** How often we look whose link has expired: within a second is promised. */
const lookMs = 500
const hourMs = 60 * 60 * 1_000

/** What a link is to be. */
export interface Wish {
  readonly role: LinkRole
  /** It expires after so many; undefined for never. */
  readonly hours: number | undefined
  readonly label: string | undefined
}

/** What became of it. "full": there are as many as there may be. "away": it could not be written. */
export type Made =
  | { readonly kind: "made"; readonly link: string; readonly row: StoredLink }
  | { readonly kind: "full" | "away" }

/** "unknown": the document has no link of that name. */
export type Revoked = "revoked" | "unknown" | "away"

/** Ends the connection of one who came by a link, and says why. */
type End = (sentence: string) => void

export interface LinksOptions {
  readonly shelf: Shelf
  readonly log: Log
  readonly time: Time
  readonly random: Random
  readonly scribe: Scribe
  readonly saver: Saver
  readonly publishing: Publishing
}

export class Links {
  readonly #options: LinksOptions
  /** How each connection that came by a link is ended; one entry per connection. */
  readonly #guests = new Map<Seat, End>()
  #lookedAt = 0

  constructor(options: LinksOptions) {
    this.#options = options
  }

  /** How many connections came by a link. */
  get guests(): number {
    return this.#guests.size
  }

  /** Makes a link to `document`. Answers when it is durable, or at once with why not. */
  make(document: Document, wish: Wish, answer: (outcome: Made) => void): void {
    const { shelf, time, random, scribe, saver, publishing } = this.#options
    if (this.of(document).length >= limitLinks) return answer({ kind: "full" })
    publishing.now(document)
    const link = newLink(random)
    const row: StoredLink = {
      hash: hashOf(link),
      document: document.id,
      role: wish.role,
      label: wish.label,
      expiresAt: wish.hours === undefined ? undefined : time.now + wish.hours * hourMs,
      createdAt: time.now,
    }
    // A link outlives memory, so its document has to: one that nobody has edited is stored for it.
    let isWritten = saver.ensure(document)
    if (isWritten) {
      const isDone = scribe.attempt("link not written", () => {
        isWritten = shelf.links.add(row)
      })
      isWritten &&= isDone
    }
    if (!isWritten) return answer({ kind: "away" })
    shelf.sync(() => answer({ kind: "made", link, row }))
  }

  /** Those of `document` that are good, oldest first. Throws "unavailable". */
  of(document: Document): readonly StoredLink[] {
    const { shelf, log, time } = this.#options
    const all = reading(log, () => shelf.links.of(document.id))
    return all.filter((link) => !isOver(link, time.now))
  }

  /**
   * Revokes the link of `document` that is called `ref`, and ends whoever came by it. Answers when
   * that is durable, or at once with why not. Throws "unavailable".
   */
  revoke(document: Document, ref: string, answer: (outcome: Revoked) => void): void {
    const { shelf, scribe } = this.#options
    // Two of a hundred have one name as good as never; then both go.
    const hashes = this.of(document).flatMap(({ hash }) => (refOf(hash) === ref ? [hash] : []))
    if (hashes.length === 0) return answer("unknown")
    const isWritten = scribe.attempt("link not revoked", () => {
      for (const hash of hashes) shelf.links.remove(hash)
    })
    if (!isWritten) return answer("away")
    for (const [{ link }, end] of this.#guests) {
      if (link?.document === document.id && refOf(link.hash) === ref) {
        end("the link you came by was revoked")
      }
    }
    shelf.sync(() => answer("revoked"))
  }

  /** Someone has come; `end` is called if it is by a link, once that link has ended. */
  enter(seat: Seat, end: End): void {
    if (seat.link !== undefined) this.#guests.set(seat, end)
  }

  /** It has gone. */
  leave(seat: Seat): void {
    this.#guests.delete(seat)
  }

  tick(): void {
    const { now } = this.#options.time
    if (now - this.#lookedAt < lookMs) return
    this.#lookedAt = now
    for (const [{ link }, end] of this.#guests) {
      if (link !== undefined && isOver(link, now)) end("the link you came by has expired")
    }
  }
}
