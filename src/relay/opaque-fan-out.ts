/**
 * Messages on their way to the replicas of an opaque room: one by one, or several in one.
 *
 * What always holds: nobody gets back what is its own; what goes to many is one object, so that it
 * is encoded and framed once for all; several in one go only to those who said that they read such.
 */
import { batchFrames } from "../wire/lfcc-schemas.ts"
import type { ToOpaque } from "../wire/relay.ts"
import type { OpaqueOutlet, Replica } from "./replica.ts"

/** A replica of an opaque room. */
export type OpaqueReplica = Replica<OpaqueOutlet>

/** A message for all but the replica that it came from. */
export interface Told {
  /** Undefined for one that came from nobody here. */
  readonly from: OpaqueReplica | undefined
  readonly message: ToOpaque
}

/** What a batch is stamped with. */
export interface Stamp {
  readonly docId: string
  /** ms since 1970. */
  readonly ts: number
}

/** Gives `told` to all `replicas` but to whom it came from. Returns how many messages were given. */
export function fanOut(
  told: readonly Told[],
  replicas: Iterable<OpaqueReplica>,
  stamp: Stamp,
): number {
  const senders = new Set(told.map(({ from }) => from))
  const all = told.map(({ message }) => message)
  const batches = inBatches(all, stamp)
  let count = 0
  for (const replica of replicas) {
    const isSender = senders.has(replica)
    const own = isSender
      ? told.filter(({ from }) => from !== replica).map(({ message }) => message)
      : all
    const said = replica.outlet.hasBatches ? (isSender ? inBatches(own, stamp) : batches) : own
    for (const message of said) replica.outlet.send(message)
    count += own.length
  }
  return count
}

function inBatches(messages: readonly ToOpaque[], { docId, ts }: Stamp): readonly ToOpaque[] {
  if (messages.length < 2) return messages
  const batches: ToOpaque[] = []
  for (let at = 0; at < messages.length; at += batchFrames) {
    const some = messages.slice(at, at + batchFrames)
    const [only] = some
    if (some.length === 1 && only !== undefined) batches.push(only)
    else batches.push({ kind: "batch", docId, ts, messages: some })
  }
  return batches
}
