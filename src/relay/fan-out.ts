/**
 * Changes on their way to the replicas of a Yjs room: as they came, or merged.
 *
 * What always holds: nobody gets a change back as the one it sent, though a merge may hold it; what
 * goes to many is one object, so that it is encoded and framed once for all; a merge holds only
 * changes that nothing is missing before.
 */
import type { Update } from "../wire/relay.ts"
import type { Change } from "./batches.ts"
import type { Counts } from "./counts.ts"
import type { Replica, YjsOutlet } from "./replica.ts"
import { mergeUpdates } from "./vectors.ts"

/** A change, and what its sender waits for. */
export interface Spread extends Change<YjsOutlet> {
  /** "status": to hear that it was accepted; "verdict": the same, once it has the content. */
  readonly awaits: "nothing" | "status" | "verdict"
  /**
   * Of what its sender wrote before: "nothing" where it was just written; an answer holds what others
   * here may lack ("rest"), or all.
   */
  readonly covers: "nothing" | "rest" | "all"
}

/** From so many replicas on the changes of a window are merged; with more writers than that, for all alike (RL106). */
const mergeReplicas = 4
const mergeWriters = 8

/** Sends the changes of a window to all `replicas` but their own. */
export function fanOut(
  changes: readonly Spread[],
  replicas: ReadonlySet<Replica>,
  counts: Counts,
): void {
  const isMerged =
    changes.length > 1 &&
    replicas.size >= mergeReplicas &&
    changes.every(({ isMergeable }) => isMergeable)
  counts.batchSize(changes.length)
  if (isMerged) fanOutMerged(changes, replicas, counts)
  else fanOutSingly(changes, replicas, counts)
}

function fanOutSingly(
  changes: readonly Spread[],
  replicas: ReadonlySet<Replica>,
  counts: Counts,
): void {
  for (const { from, update } of changes) {
    const message: Update = { kind: "update", update }
    for (const replica of replicas) {
      if (replica === from) continue
      counts.delivered++
      replica.outlet.send(message)
    }
  }
}

function fanOutMerged(
  changes: readonly Spread[],
  replicas: ReadonlySet<Replica>,
  counts: Counts,
): void {
  const writers = new Set(changes.map(({ from }) => from))
  const all = merged(changes)
  for (const replica of replicas) {
    const isAlike = !writers.has(replica) || writers.size > mergeWriters
    const others = isAlike ? changes : changes.filter(({ from }) => from !== replica)
    if (others.length === 0) continue
    counts.delivered++
    replica.outlet.send(isAlike ? all : merged(others))
  }
}

function merged(changes: readonly Spread[]): Update {
  return { kind: "update", update: mergeUpdates(changes.map(({ update }) => update)) }
}
