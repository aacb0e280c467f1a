/**
 * For how long one document is kept when nobody uses it, chosen by its editors (DC27).
 *
 * What always holds: their number of days goes before the server's, lies with the document's row,
 * and is in force once it is answered. A store in memory promises nothing: a restart would drop the
 * document, whatever was chosen.
 */
import type { Document } from "./document.ts"
import { tellAccess } from "./joining.ts"
import type { Publishing } from "./publishing.ts"
import type { Saver } from "./saver.ts"
import type { Scribe } from "./scribe.ts"
import type { Shelf } from "./shelf.ts"

/** What became of it; the time is in ms since 1970, undefined for never. "away": nothing has changed. */
export type Kept =
  | { readonly kind: "done"; readonly expiresAt: number | undefined }
  | { readonly kind: "volatile" | "away" }

export interface RetentionOptions {
  readonly shelf: Shelf
  readonly scribe: Scribe
  readonly saver: Saver
  readonly publishing: Publishing
}

export class Retention {
  readonly #options: RetentionOptions

  constructor(options: RetentionOptions) {
    this.#options = options
  }

  /**
   * Keeps `document` for `days` after its last use; undefined follows the server. Answers when that
   * is durable, or at once with why not.
   */
  keep(document: Document, days: number | undefined, answer: (outcome: Kept) => void): void {
    const { shelf, scribe, saver, publishing } = this.#options
    if (!shelf.durable) return answer({ kind: "volatile" })
    publishing.now(document)
    const write = () => shelf.setRetention(document.id, days)
    if (!saver.ensure(document) || !scribe.attempt("retention not written", write)) {
      return answer({ kind: "away" })
    }
    document.retentionDays = days
    tellAccess(document)
    publishing.watch(document)
    shelf.sync(() => answer({ kind: "done", expiresAt: document.expiresAt }))
  }
}
