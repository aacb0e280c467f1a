/**
 * Texts that the server lost, kept in this browser until the visitor has decided about them: so
 * that a tab that is closed or killed before throws nothing away (DC128).
 *
 * What always holds: the newest one of each document is kept, in a database of its own, by the
 * same bounds as all texts; one that was decided about is removed.
 */
import { indexedDbStore } from "../../src/client/offline.ts"

const store = indexedDbStore("quartet-lost")

/** A text that was lost, and when. */
export interface Loss {
  readonly mine: string
  readonly at: Date
}

/** Keeps it. Rejects where this browser keeps nothing. */
export function keepLoss(id: string, { mine, at }: Loss): Promise<void> {
  return store.save({
    id: keyOf(id),
    at: at.getTime(),
    // It is a text and nothing that could go on from it.
    client: "",
    seq: 0,
    acknowledged: 0,
    epoch: undefined,
    revision: 0,
    confirmed: mine,
    outstanding: undefined,
    buffer: undefined,
  })
}

/** The one that is kept for a document; undefined if there is none, or nothing can be kept here. */
export async function keptLoss(id: string): Promise<Loss | undefined> {
  try {
    const record = await store.load(keyOf(id))
    return record && { mine: record.confirmed, at: new Date(record.at) }
  } catch {
    return undefined // nor was anything kept: the same browser would not have let us
  }
}

/** It is decided. */
export async function forgetLoss(id: string): Promise<void> {
  try {
    await store.remove(keyOf(id))
  } catch {
    // It is offered once more at most, and then decided again.
  }
}

// Another Quartet of the same origin has another path.
function keyOf(id: string): string {
  return new URL(`./#${encodeURIComponent(id)}`, location.href).href
}
