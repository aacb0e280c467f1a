/**
 * The figures of the relay, by name.
 *
 * What always holds: they are read only when somebody scrapes them; no room or user is a label.
 */
import type { Metrics } from "../metrics.ts"
import type { Relay } from "./relay.ts"

export interface Measured {
  readonly relay: Relay
  /** By name, each with how many replicas speak it. */
  readonly dialects: Readonly<Record<string, { readonly size: number }>>
}

/** Registers them. */
export function measure(metrics: Metrics, { relay, dialects }: Measured): void {
  const { counts } = relay
  const gauge = (name: string, help: string, read: () => number) =>
    metrics.gauge(`quartet_relay_${name}`, help, read)
  const counter = (name: string, help: string, read: () => number) =>
    metrics.counter(`quartet_relay_${name}_total`, help, read)
  const tally = (
    name: string,
    help: string,
    of: { readonly label: string; readonly counts: () => ReadonlyMap<string, number> },
  ) => metrics.counter(`quartet_relay_${name}_total`, help, of.counts, of.label)
  metrics.gauge(
    "quartet_relay_connections",
    "Replicas, by dialect",
    () => new Map(Object.entries(dialects).map(([name, { size }]) => [name, size])),
    "dialect",
  )
  metrics.gauge(
    "quartet_relay_active_documents",
    "Rooms, by kind",
    () =>
      new Map([
        ["yjs", relay.rooms.size],
        ["opaque", relay.opaque.all.size],
      ]),
    "kind",
  )
  gauge("rooms_waiting", "Rooms in which somebody waits for content", () => relay.waiting)
  gauge("rooms_untracked", "Rooms too large to be followed", () => relay.untracked)
  counter(
    "local_messages",
    "Changes and presence that replicas here sent",
    () => counts.localMessages,
  )
  counter("delivered_messages", "Messages given to replicas here", () => counts.delivered)
  counter("snapshot_responses", "Answers that replicas gave to asks", () => counts.responses)
  counter("rate_limited_messages", "Messages over a rate", () => counts.rateLimited)
  tally("backpressure_events", "Times a replica was not read, or its presence waited", {
    label: "action",
    counts: () => counts.backpressure.counts,
  })
  counts.batchSize = metrics.histogram(
    "quartet_relay_batch_size",
    "Changes that left together",
    [1, 2, 5, 10, 20, 50],
  )
  counter("remote_messages", "Messages of other servers", () => counts.remoteMessages)
  counter("resync_bytes", "What others sent because it was missing here", () => counts.resyncBytes)
  gauge("rooms_dirty", "Rooms in which something may be missing", () => relay.dirty)
  tally("resyncs", "Answers of servers that were asked for what may be missing", {
    label: "result",
    counts: () => counts.resyncs.counts,
  })
  counter("duplicates", "Messages of other servers that came twice", () => counts.duplicates)
  counter("unknown_origin", "Messages of servers that are not known", () => counts.unknownOrigins)
  counter("echoes", "Our own messages, come back", () => counts.echoes)
  counter("seed_grants", "Replicas that were let fill a new room", () => counts.seedGrants)
  counter("seed_held", "Replicas that were told empty without the grant", () => counts.seedHeld)
  counter("divergence", "Newcomers with another history than their room", () => counts.divergences)
  counter("acks", "Changes that were accepted", () => counts.acks)
  tally("snapshot_requests", "Newcomers given content, by source", {
    label: "source",
    counts: () => counts.requests.counts,
  })
  tally("copies", "Copies of rooms, by what became of them", {
    label: "result",
    counts: () => counts.copies.counts,
  })
  tally("gaps", "Changes with something missing before them", {
    label: "cause",
    counts: () => counts.gaps.counts,
  })
  tally("presence_refused", "Rows of presence that were refused", {
    label: "cause",
    counts: () => counts.presenceRefused.counts,
  })
  tally("bad_frames", "Frames that could not be read", {
    label: "dialect",
    counts: () => counts.badFrames.counts,
  })
  tally("refused", "What was refused for other reasons", {
    label: "cause",
    counts: () => counts.refused.counts,
  })
}
