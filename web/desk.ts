/**
 * What the frame and the panel that is open tell each other: what can be done here, and how the
 * line to the server is. What always holds: a panel takes back what it offered when it goes.
 */
import { Cell, type Undo } from "./cell.ts"

/** Something one can choose from a list. */
export interface Choice {
  readonly title: string
  /** Further words it is found by. */
  readonly words?: string
  /** The heading it stands under. */
  readonly group?: string
  /** The keys that do the same, as CodeMirror writes them: `Mod-Shift-f`. */
  readonly keys?: string
  /** Said at its right, quietly. */
  readonly detail?: string
  readonly isChosen?: boolean
  run(): void
}

/** How the line to the server is: the dot in the rail, and what it says. */
export interface Line {
  readonly tone: "calm" | "busy" | "away" | "bad"
  readonly words: string
}

export const line = new Cell<Line>({ tone: "busy", words: "Connecting" })

/** What the palette is asked for: nothing while closed, else what stands in its field at first. */
export const palette = new Cell<{ readonly query: string } | undefined>(undefined)

/** Gives what can be done now, for what is typed. Called while the palette is open. */
export type Offering = (query: string) => readonly Choice[]

const offerings = new Set<Offering>()

/** Adds to what the palette offers. */
export function offer(offering: Offering): Undo {
  offerings.add(offering)
  return () => offerings.delete(offering)
}

/** Everything one can do now. */
export function choicesFor(query: string): readonly Choice[] {
  return [...offerings].flatMap((offering) => offering(query))
}
