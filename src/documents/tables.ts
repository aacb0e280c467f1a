/**
 * The tables of the documents part: the steps that make them, and the statements on documents and
 * authors. Steps are never edited: what is to change is a further step.
 *
 * What always holds: a file made by Rustpad (id, text, language) or Kolabpad (otp too) opens as it
 * is, and either program can still read and write the file afterwards: no column of theirs changes,
 * and each of ours has a default.
 */
import type { Step, Store } from "../store.ts"
import { dayMs } from "./settings.ts"

// Rows of a program that knows no revisions get these defaults: one edit made the whole text,
// so that revision 0 means "never held anything" everywhere, and one epoch does for all of them,
// since it stands beside the id and the file's own generation.
const columns: Readonly<Record<string, string>> = {
  language: "TEXT",
  otp: "TEXT",
  created_at: "DATETIME",
  updated_at: "DATETIME",
  epoch: "TEXT DEFAULT '0'",
  revision: "INTEGER DEFAULT 1",
  next_user: "INTEGER DEFAULT 0",
  accessed_at: "INTEGER", // ms since 1970; null (never, as far as we know) does not expire
  retention_days: "INTEGER",
  authors_floor: "INTEGER DEFAULT 0",
}

/** Times that a new table fills by itself. A column that is added may not have such a default. */
const stamped = new Set(["created_at", "updated_at"])

function document(store: Store): void {
  const info = store.prepare<{ name: string }>("SELECT name FROM pragma_table_info('document')")
  const present = new Set(info.all().map(({ name }) => name))
  const missing = Object.entries(columns).filter(([name]) => !present.has(name))
  if (present.size === 0) {
    const rest = missing.map(([name, type]) => {
      return `${name} ${type}${stamped.has(name) ? " DEFAULT CURRENT_TIMESTAMP" : ""}`
    })
    const all = ["id TEXT PRIMARY KEY", "text TEXT NOT NULL", ...rest].join(", ")
    store.prepare(`CREATE TABLE document (${all})`).run()
    return
  }
  for (const [name, type] of missing) {
    store.prepare(`ALTER TABLE document ADD COLUMN ${name} ${type}`).run()
  }
  // They count as used now: nobody knows better, and nothing may expire because of the upgrade.
  const fill = `UPDATE document SET created_at = coalesce(created_at, CURRENT_TIMESTAMP),
    updated_at = coalesce(updated_at, CURRENT_TIMESTAMP),
    accessed_at = coalesce(accessed_at, unixepoch() * 1000)`
  store.prepare(fill).run()
}

const rest = `
  CREATE INDEX document_accessed ON document (accessed_at, retention_days);
  CREATE TABLE journal (id INTEGER PRIMARY KEY, at INTEGER, entries TEXT);
  CREATE TABLE history (
    document TEXT, first INTEGER, last INTEGER, at INTEGER, entries TEXT,
    PRIMARY KEY (document, first)
  ) WITHOUT ROWID;
  CREATE TABLE milestone (
    document TEXT, revision INTEGER, text TEXT, PRIMARY KEY (document, revision)
  );
  CREATE TABLE author (
    document TEXT, client BLOB, user INTEGER, seq INTEGER, name TEXT, hue INTEGER,
    seen_at INTEGER, PRIMARY KEY (document, client)
  ) WITHOUT ROWID;
  CREATE INDEX author_seen ON author (seen_at);
  CREATE TABLE link (
    hash BLOB PRIMARY KEY, document TEXT, role TEXT, label TEXT, expires_at INTEGER,
    created_at INTEGER
  );
  CREATE INDEX link_document ON link (document);
  CREATE TABLE documents_state (generation TEXT, clean INTEGER);
`

/** All steps so far, for the owner "documents". */
export const tables: readonly Step[] = [document, rest]

interface DocumentRow {
  readonly text: string
  readonly language: string | null
  readonly otp: string | null
  readonly epoch: string
  readonly revision: number
  readonly next_user: number
  readonly authors_floor: number
  readonly accessed_at: number | null
  readonly retention_days: number | null
}

interface StoredAuthor {
  readonly document: string
  readonly client: Uint8Array
  readonly user: number
  readonly seq: number
  readonly name: string | null
  readonly hue: number | null
  readonly seen_at: number
}

/** The row of a document without what is long. */
type Head = Pick<DocumentRow, "epoch" | "revision" | "authors_floor">

/** A row as it is listed; its length is in code points. */
type ListedRow = Pick<DocumentRow, "revision" | "accessed_at"> & {
  readonly id: string
  readonly length: number
  readonly protected: number
}

/** A document in a list, as it was saved last. */
export interface Listed {
  readonly id: string
  readonly revision: number
  /** In code points. */
  readonly length: number
  readonly isProtected: boolean
  /** ms since 1970; undefined where nobody knows. */
  readonly accessedAt: number | undefined
}

/** A row of a list, for those who are not to see the table. */
export function listed({
  id,
  revision,
  length,
  protected: locked,
  accessed_at,
}: ListedRow): Listed {
  return { id, revision, length, isProtected: locked === 1, accessedAt: accessed_at ?? undefined }
}

/** What the shelf asks of the store, prepared once. */
export type Statements = ReturnType<typeof statements>

/** Prepares what the shelf asks of documents and authors; Journal and Past have their own. */
export function statements(store: Store) {
  return { ...documentStatements(store), ...authorStatements(store), ...stateStatements(store) }
}

function documentStatements(store: Store) {
  return {
    document: store.prepare<DocumentRow>(`SELECT text, language, otp, epoch, revision, next_user,
      authors_floor, accessed_at, retention_days FROM document WHERE id = :id`),
    head: store.prepare<Head>("SELECT epoch, revision, authors_floor FROM document WHERE id = :id"),
    saved: store.prepare<{ text: string; revision: number }>(
      "SELECT text, revision FROM document WHERE id = :id",
    ),
    otp: store.prepare<{ otp: string | null }>("SELECT otp FROM document WHERE id = :id"),
    list: store.prepare<ListedRow>(`SELECT id, revision, length(text) AS length,
      otp IS NOT NULL AS protected, accessed_at FROM document WHERE id > :after
      ORDER BY id LIMIT 1000`),
    count: store.prepare<{ count: number }>("SELECT count(*) AS count FROM document"),
    present: store.prepare<{ id: string }>(
      "SELECT id FROM document WHERE id IN (SELECT value FROM json_each(:ids))",
    ),
    // `before` lets the index leave out what cannot be due; the exact condition stands behind it.
    expired: store.prepare<{ id: string }>(`SELECT id FROM document WHERE accessed_at < :before
      AND accessed_at + coalesce(retention_days, :days) * ${dayMs} < :now
      AND (retention_days IS NOT NULL OR :days > 0)
      AND id NOT IN (SELECT value FROM json_each(:kept)) ORDER BY accessed_at LIMIT 1000`),
    put: store.prepare<never>(`INSERT INTO document (id, text, language, otp, epoch, revision,
        next_user, accessed_at, authors_floor, created_at, updated_at)
      VALUES (:id, :text, :language, :otp, :epoch, :revision, :nextUser, :accessedAt,
        :authorsFloor, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)
      ON CONFLICT (id) DO UPDATE SET text = excluded.text, language = excluded.language,
        otp = excluded.otp, revision = excluded.revision, next_user = excluded.next_user,
        accessed_at = max(coalesce(accessed_at, 0), excluded.accessed_at), authors_floor = excluded.authors_floor,
        updated_at = excluded.updated_at`),
    setLanguage: store.prepare<never>("UPDATE document SET language = :language WHERE id = :id"),
    setRetention: store.prepare<never>("UPDATE document SET retention_days = :days WHERE id = :id"),
    touch: store.prepare<never>("UPDATE document SET accessed_at = :accessedAt WHERE id = :id"),
    /** All that there is of one document, one table each. */
    deletions: [
      store.prepare<never>("DELETE FROM document WHERE id = :id"),
      ...["history", "milestone", "author", "link"].map((table) =>
        store.prepare<never>(`DELETE FROM ${table} WHERE document = :id`),
      ),
    ],
    expireLinks: store.prepare<never>(`DELETE FROM link WHERE hash IN
      (SELECT hash FROM link WHERE expires_at <= :now LIMIT 1000)`),
  }
}

function authorStatements(store: Store) {
  return {
    authors: store.prepare<StoredAuthor>("SELECT * FROM author WHERE document = :id"),
    putAuthor: store.prepare<never>(`INSERT INTO author
      VALUES (:id, :client, :user, :seq, :name, :hue, :seenAt)
      ON CONFLICT (document, client) DO UPDATE SET user = excluded.user, seq = excluded.seq,
        name = excluded.name, hue = excluded.hue, seen_at = excluded.seen_at`),
    deleteAuthor: store.prepare<never>(
      "DELETE FROM author WHERE document = :id AND client = :client",
    ),
    /** Those that the document has forgotten; what it remembers was seen later. */
    dropAuthors: store.prepare<never>(
      "DELETE FROM author WHERE document = :id AND seen_at <= :authorsFloor",
    ),
    oldAuthors: store.prepare<Pick<StoredAuthor, "document" | "client" | "seen_at">>(`
      SELECT document, client, seen_at FROM author WHERE seen_at < :seenBefore
      AND document NOT IN (SELECT value FROM json_each(:kept)) ORDER BY seen_at LIMIT 1000`),
    raiseFloor: store.prepare<never>(
      "UPDATE document SET authors_floor = max(authors_floor, :seen) WHERE id = :id",
    ),
  }
}

function stateStatements(store: Store) {
  return {
    state: store.prepare<{ generation: string; clean: number }>(
      "SELECT generation, clean FROM documents_state",
    ),
    dropState: store.prepare<never>("DELETE FROM documents_state"),
    putState: store.prepare<never>("INSERT INTO documents_state VALUES (:generation, 0)"),
    setClean: store.prepare<never>("UPDATE documents_state SET clean = 1"),
  }
}
