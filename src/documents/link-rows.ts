/**
 * Links as rows of the store (DC89).
 *
 * What always holds: of a link only its SHA-256 is written, which is its primary key; a row is added
 * only beside the row of its document, and goes with it. Whether one has expired is decided by who
 * asks: this knows no time.
 */
import type { Statement, Store } from "../store.ts"
import type { LinkRole } from "../wire/documents-shapes.ts"
import type { LinkShelf, StoredLink } from "./shelf.ts"

interface Row {
  readonly hash: Uint8Array
  readonly document: string
  readonly role: LinkRole
  readonly label: string | null
  readonly expires_at: number | null
  readonly created_at: number
}

/** The links of all documents in one store. */
export class LinkRows implements LinkShelf {
  readonly #store: Store
  readonly #find: Statement<Row>
  readonly #of: Statement<Row>
  readonly #insert: Statement<never>
  readonly #drop: Statement<never>
  readonly #dropExpired: Statement<never>

  constructor(store: Store) {
    this.#store = store
    // Another program may have deleted the document and known nothing of its links.
    this.#find = store.prepare(`SELECT link.* FROM link JOIN document ON document.id = link.document
      WHERE link.hash = :hash`)
    this.#of = store.prepare(
      "SELECT * FROM link WHERE document = :document ORDER BY created_at, rowid",
    )
    this.#insert = store.prepare(`INSERT INTO link
      SELECT :hash, id, :role, :label, :expiresAt, :createdAt FROM document WHERE id = :document`)
    this.#drop = store.prepare("DELETE FROM link WHERE hash = :hash")
    this.#dropExpired = store.prepare(
      "DELETE FROM link WHERE document = :document AND expires_at <= :now",
    )
  }

  find(hash: Uint8Array): StoredLink | undefined {
    const row = this.#find.get({ hash })
    return row && linkOf(row)
  }

  of(document: string): readonly StoredLink[] {
    return this.#of.all({ document }).map(linkOf)
  }

  add(link: StoredLink): boolean {
    const { hash, document, role, label = null, expiresAt = null, createdAt } = link
    return this.#store.transaction(() => {
      this.#dropExpired.run({ document, now: createdAt })
      return this.#insert.run({ hash, document, role, label, expiresAt, createdAt }) > 0
    })
  }

  remove(hash: Uint8Array): void {
    this.#drop.run({ hash })
  }
}

function linkOf({ hash, document, role, label, expires_at, created_at }: Row): StoredLink {
  return {
    hash,
    document,
    role,
    label: label ?? undefined,
    expiresAt: expires_at ?? undefined,
    createdAt: created_at,
  }
}
