/**
 * What the documents part may be told, with the values it takes otherwise, and its fixed limits.
 *
 * What always holds: times are ms, sizes are bytes unless they say code points, and a limit that a
 * stranger can reach has its policy beside it. Those in capitals are set from outside under that
 * name.
 */
import type { Shape } from "../wire/documents-shapes.ts"

/** The time of the last tick, in ms since 1970. All of the part reads one object; there is no other time. */
export interface Time {
  readonly now: number
}

export interface Settings {
  /** MAX_DOCUMENT_SIZE_KB: code points a text may hold (DC39). */
  readonly textLimit: number
  /** MAX_EDITORS: connections of one document; one more is "too-many" (DC17). */
  readonly editorLimit: number
  /** HISTORY_REVISIONS: operations of a document that are kept in memory (DC54). */
  readonly windowOperations: number
  /** EXPIRY_DAYS: unused for so long, a document leaves memory (DC23). */
  readonly expiryMs: number
  /** CLEANUP_INTERVAL_HOURS: how often we look for those. */
  readonly cleanupMs: number
  /** RETENTION_DAYS: unused for so long, a document is deleted; 0 keeps it for ever (DC27). */
  readonly retentionDays: number
  /** IDLE_DOCUMENTS_MB: of all texts that nobody has open; the least recently used go first (DC25). */
  readonly idleBytes: number
  /** JOINS_PER_MINUTE of one address; one more is "flooding" (DC104). */
  readonly joinsPerMinute: number
  /** DOCUMENTS_DIALECT of plain editors that do not say which (DC15). */
  readonly dialect: Exclude<Shape, "extended">
  /** At most so long edits of a crowded document are gathered (DC53); 0 sends each at once. */
  readonly gatherMs: number
  /** The name and version that a Welcome tells. */
  readonly server: string
}

/** Milliseconds of a day. */
export const dayMs = 24 * 60 * 60 * 1_000

export const defaults: Settings = {
  textLimit: 256 * 1_024,
  editorLimit: 1_000,
  windowOperations: 2_000,
  expiryMs: 7 * dayMs,
  cleanupMs: 60 * 60 * 1_000,
  retentionDays: 0,
  idleBytes: 256 * 1_024 * 1_024,
  joinsPerMinute: 300,
  dialect: "kolabpad",
  gatherMs: 50,
  server: "quartet",
}

/** What `given` leaves out takes its default. Where nothing outlives eviction, that is when a document is deleted. */
export function settled(
  given: Partial<Settings> = {},
  store: { readonly durable: boolean },
): Settings {
  const settings = { ...defaults, ...given }
  return store.durable ? settings : { ...settings, retentionDays: settings.expiryMs / dayMs }
}

/**
 * The bytes a message may have when a text may hold `textLimit` code points (DC40): each of them
 * takes up to four, and the rest of the message is small. Longer ones are the transport's to refuse.
 */
export function frameBytes(textLimit: number): number {
  return 4 * textLimit + 64 * 1_024
}

/** DC54: bytes of a document's operations in memory; the oldest go first. */
export const windowBytes = 1_024 * 1_024
/** DC58: whoever returns gets at most so many operations, of so many bytes; else the text. */
export const tailOperations = 10_000
export const tailBytes = 1_024 * 1_024
/** DC97: estimated bytes of the operations in one answer. */
export const playedBytes = 1_024 * 1_024
/** DC52: what one History message carries. */
export const historyBytes = 256 * 1_024
/** DC13: an extended editor that has not joined by then is closed as "timed-out". */
export const joinMs = 10_000
/** DC104, of one address in a minute; one more is "flooding". */
export const wrongTokensPerMinute = 10
export const writesPerMinute = 120
export const newDocumentsPerMinute = 120
/** DC22: never edited, unprotected and unused for so long, a document is forgotten … */
export const forgetMs = 60_000
/** … or when there are more than so many of them, the oldest first. */
export const untouchedDocuments = 10_000
/** DC25: idle for so long, a document lets go of all but its text. */
export const restMs = 10 * 60_000
/** DC72: how often a document in use is looked at. */
export const lookMs = 10_000
/** DC102: after so long without a message an extended editor hears "Alive". */
export const aliveMs = 20_000
/** DC50, DC61: `Saved` comes no oftener while edits go on, and its checksum no oftener at all. */
export const savedMs = 1_000
export const checksumMs = 30_000
/** A change of language is written down no oftener, for each document. */
export const languageMs = 500
/** DC60: so many unreadable messages in a minute, and an extended editor is closed as "bad-message". */
export const faultsPerMinute = 10
/** DC38: changes of nothing by a plain editor in a second; then it is not read for the rest of it. */
export const noopsPerSecond = 10
/** Between two tries to write when writing failed (DC51). */
export const retryMs = 1_000
