/** How a replica stands, in words: one place, and always true. */
import type { LineState } from "../../src/client/yjs.ts"
import type { Line } from "../desk.ts"

/** What the words follow from. */
export interface Facts {
  readonly state: LineState
  /** Sent away by the visitor. */
  readonly isAway: boolean
  /** It has been in the room. */
  readonly hasBeenIn: boolean
  readonly unacknowledged: number
  /** For longer than a moment. */
  readonly isSlow: boolean
  /** Others say what this one's key does not open. */
  readonly isForeign: boolean
  /** How many others show themselves. */
  readonly others: number
  /** Why it was sent away for good. */
  readonly reason: string
}

/** Says how a replica stands. */
export function standingOf(facts: Facts): Line {
  const { state, isAway, hasBeenIn, unacknowledged, others } = facts
  if (isAway) return { tone: "away", words: `Away${kept(unacknowledged)}` }
  if (facts.isForeign && state !== "closed") {
    return { tone: "bad", words: "Others here have another key: ask for their link" }
  }
  switch (state) {
    case "connecting":
      if (!hasBeenIn) return { tone: "busy", words: "Connecting" }
      return { tone: "away", words: `Reconnecting${kept(unacknowledged)}` }
    case "waiting":
      return { tone: "busy", words: "Waiting for those who have the text" }
    case "outage":
      return { tone: "away", words: "Other servers are out of reach; here all goes on" }
    case "divergent":
      return { tone: "bad", words: "Brought a text of its own: look for doubled words" }
    case "closed":
      return { tone: "bad", words: sentence(facts.reason) }
    case "open":
      if (unacknowledged > 0 && facts.isSlow) return { tone: "busy", words: "Sending" }
      if (others === 0) return { tone: "calm", words: "Connected, nobody else is here" }
      return { tone: "calm", words: `In step with ${others} ${others === 1 ? "other" : "others"}` }
  }
}

function kept(edits: number): string {
  if (edits === 0) return ""
  return `, ${edits} ${edits === 1 ? "edit" : "edits"} kept here`
}

function sentence(reason: string): string {
  return reason === "" ? "Closed" : (reason[0] ?? "").toUpperCase() + reason.slice(1)
}
