/**
 * How a document stands, in words: one line that is always true (DC125).
 *
 * A pure function of what the shared text says and of the time, so that the line can be looked at
 * as a table. What always holds: it says "Saved" only while all that is shown is on the server's
 * disk.
 */

/** What the line is made from. Times are in ms since 1970. */
export interface Facts {
  readonly state: "connecting" | "synchronized" | "awaiting" | "buffering" | "resuming" | "closed"
  /** The last revision acknowledged, and the last on the server's disk. */
  readonly revision: number
  readonly saved: number
  /** Whether the server keeps documents on a disk. */
  readonly durable: boolean
  /** Own edits not yet acknowledged. */
  readonly unacknowledged: number
  /** Whether those are kept in the browser, so that a closed tab loses nothing. */
  readonly keeping: "off" | "due" | "kept" | "failed"
  /** False where one may only read. */
  readonly mayWrite: boolean
  /** The server has nothing of this text, and the visitor has not said yet what to do about it. */
  readonly isEmptied: boolean
  /** Since when something is not saved; undefined while all is. */
  readonly unsavedSince: number | undefined
  /** Since when all is saved; undefined while something is not, and where all was at first. */
  readonly savedSince: number | undefined
  /** When the next try to connect is due. */
  readonly returnsAt: number | undefined
  /** Why it is closed, or why it was closed last. */
  readonly reason: string | undefined
  readonly now: number
}

export interface Standing {
  readonly words: string
  /** What follows the words while a try to connect waits. */
  readonly wait: string | undefined
  /** "calm": all is well. "busy": it will be by itself. "away": no line. "bad": something must be done. */
  readonly tone: "calm" | "busy" | "away" | "bad"
}

/** So long "Saving" stays after the last of it: else the line would flicker at each key. */
const settleMs = 400
/** Acknowledged and for so long not on the disk: that is worth saying (DC125). */
const slowlyMs = 3_000

/** The line for `facts`. */
export function standingOf(facts: Facts): Standing {
  const { state } = facts
  if (facts.isEmptied && state === "resuming" && facts.returnsAt === undefined) {
    return { words: "Kept here only", wait: undefined, tone: "bad" }
  }
  switch (state) {
    case "closed":
      return { words: sentence(facts.reason ?? "closed"), wait: undefined, tone: "bad" }
    case "connecting":
      if (facts.returnsAt === undefined)
        return { words: "Connecting", wait: undefined, tone: "busy" }
      return offline(facts)
    case "resuming":
      return offline(facts)
    case "synchronized":
    case "awaiting":
    case "buffering":
      return online(facts)
  }
}

function away(words: string, until: string, { returnsAt, now }: Facts): Standing {
  const seconds = Math.max(0, Math.ceil(((returnsAt ?? now) - now) / 1_000))
  return {
    words,
    wait: returnsAt === undefined ? undefined : `${until} ${seconds} s`,
    tone: "away",
  }
}

function online(facts: Facts): Standing {
  const { revision, saved, durable, unacknowledged, unsavedSince, savedSince, now } = facts
  const line = (words: string, tone: Standing["tone"]): Standing => ({
    words,
    wait: undefined,
    tone,
  })
  // What others write is saved without a reader's doing: it is not the reader's to watch.
  if (!facts.mayWrite) return line("Read-only", "calm")
  if (unsavedSince !== undefined) {
    const waits = unacknowledged === 0 && now - unsavedSince >= slowlyMs
    return waits ? line("Waiting to save", "busy") : line("Saving", "busy")
  }
  if (savedSince !== undefined && now - savedSince < settleMs) return line("Saving", "busy")
  if (revision === 0) return line("Ready", "calm") // there is nothing yet that could be saved
  if (!durable) return line(`In memory only, revision ${revision}`, "calm")
  return line(`Saved at revision ${saved}`, "calm")
}

function offline(facts: Facts): Standing {
  const { unacknowledged: changes, keeping } = facts
  if (changes === 0) return away("Reconnecting", "in", facts)
  // "due" is written within half a second: by the time this is read it is true.
  const where = keeping === "kept" || keeping === "due" ? "kept here" : "only in this tab"
  return away(
    `Offline, ${changes} ${changes === 1 ? "change" : "changes"} ${where}`,
    "· again in",
    facts,
  )
}

function sentence(reason: string): string {
  return reason.charAt(0).toUpperCase() + reason.slice(1)
}
