/**
 * The figures of the documents part, by name.
 *
 * What always holds: they are read only when somebody scrapes them; no label is a name that a far
 * end chose.
 */
import type { Metrics } from "../metrics.ts"
import type { Gate } from "./gate.ts"
import type { Hearing } from "./hearing.ts"
import type { Links } from "./links.ts"
import type { Publishing } from "./publishing.ts"
import type { Residents } from "./residents.ts"
import type { Saver } from "./saver.ts"
import type { Scribe } from "./scribe.ts"
import type { Upkeep } from "./upkeep.ts"

export interface Measured {
  readonly residents: Residents
  readonly gate: Gate
  readonly links: Links
  readonly hearing: Hearing
  readonly publishing: Publishing
  readonly scribe: Scribe
  readonly saver: Saver
  readonly upkeep: Upkeep
  /** Open connections. */
  readonly editors: () => number
}

/** Registers them. */
export function measure(metrics: Metrics, of: Measured): void {
  const { residents, scribe, saver, upkeep } = of
  const gauge = (name: string, help: string, read: () => number) =>
    metrics.gauge(`quartet_documents_${name}`, help, read)
  const counter = (name: string, help: string, read: () => number) =>
    metrics.counter(`quartet_documents_${name}_total`, help, read)
  gauge("hot", "Documents with someone in them", () => residents.size - residents.idleSize)
  gauge("idle", "Documents in memory with nobody in them", () => residents.idleSize)
  gauge("idle_bytes", "Estimated memory of idle documents", () => residents.idleBytes)
  gauge("editors", "Connections to documents", of.editors)
  gauge("guests", "Connections that came by a link", () => of.links.guests)
  gauge("unwritten", "Documents whose last edits are in memory only", () => saver.unwritten)
  metrics.counter(
    "quartet_documents_edits_total",
    "Edits, by what became of them",
    () => new Map(Object.entries(of.hearing.edits)),
    "outcome",
  )
  counter("flushes", "Flushes: edits journaled and told", () => of.publishing.flushes)
  counter("journaled_edits", "Edits written to the journal", () => scribe.counts.edits)
  counter("journal_rows", "Rows written to the journal", () => scribe.counts.rows)
  counter("write_failures", "Writes to the store that failed", () => scribe.counts.failures)
  counter("saves", "Whole texts saved", () => saver.counts.saved)
  counter("save_failures", "Saves that failed", () => saver.counts.failed)
  counter("evicted", "Documents that left memory unused", () => upkeep.counts.evicted)
  counter("expired", "Documents deleted unused", () => upkeep.counts.expired)
  counter(
    "otp_refused",
    "Connections and requests with a missing or wrong OTP, or a link that is none",
    () => of.gate.refused,
  )
}
