/**
 * When a document is due to be saved whole. Until then the journal alone holds what was typed.
 *
 * What always holds: the answer follows from these numbers only. Typing that goes on is saved every
 * five minutes, typing that has stopped after half a minute, so 100 busy documents cost at most
 * 110 row writes a minute (DC78).
 */

/** Nobody has typed for so long: whoever did is likely done with a thought (DC73). */
const quietMs = 30_000
/** However busy it is, the last save is never older for long (DC74). */
const safetyMs = 5 * 60_000
/** These bound the journal, and the time it takes to replay it (DC75). */
const unsavedRevisions = 5_000
const unsavedBytes = 1_024 * 1_024
/** An OTP change has just written the whole row (DC76). */
const criticalMs = 2_000

/** What a save depends on. Times are ms since 1970. */
export interface SavingState {
  readonly revision: number
  readonly savedRevision: number
  /** Estimated bytes of what was accepted since the last save. */
  readonly unsavedBytes: number
  /** Of the last save; of loading or making it when there was none since. */
  readonly savedAt: number
  readonly editedAt: number
  /** Of the last change of the OTP. */
  readonly protectedAt: number
}

/** Whether a document with someone in it is to be saved now. */
export function isDue(state: SavingState, now: number): boolean {
  if (state.revision === state.savedRevision) return false // DC77
  if (now - state.protectedAt < criticalMs) return false
  return (
    now - state.editedAt >= quietMs ||
    now - state.savedAt >= safetyMs ||
    state.revision - state.savedRevision >= unsavedRevisions ||
    state.unsavedBytes >= unsavedBytes
  )
}
