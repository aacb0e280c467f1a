/**
 * One callsign as this tab knows it: what was said, what is being written, and which registration
 * of the callsign one is talking to.
 *
 * What always holds: at most `limitEntries` entries, the oldest go out of view first; while
 * `newcomer` is there nothing is sent before the visitor has said yes to it.
 */
import type { Incoming, Outgoing } from "../../src/client/operators-shapes.ts"

/** More of one conversation is not kept in view. */
const limitEntries = 500

/** One line of a conversation, or a line across it. `at` is in ms since 1970; `key` tells them apart. */
export type Entry = { readonly key: number; readonly at: number } & (
  | { readonly kind: "theirs"; readonly message: Incoming }
  | {
      readonly kind: "mine"
      readonly message: Outgoing
      /** "elsewhere" is another session of one's own. */
      readonly from: "here" | "elsewhere"
    }
  /** From here on it may be somebody else. */
  | { readonly kind: "newcomer"; readonly generation: string | undefined }
  /** The server began anew: these were lost with what it had in memory. */
  | { readonly kind: "restart"; readonly lost: readonly Outgoing[] }
)

/** Somebody else's registration of the callsign, whose generation may not have been told yet. */
export interface Newcomer {
  readonly generation: string | undefined
}

export class Contact {
  /** As the server shows it, as soon as it has. */
  name: string
  /** What stands in the field. In memory only. */
  draft = ""
  unread = 0
  /** The first entry that was not read when it came: the line above it says so. */
  unreadFrom: number | undefined
  /** The registration one has agreed to write to; undefined until it is known. */
  generation: string | undefined
  newcomer: Newcomer | undefined
  /** How many entries have gone out of view. */
  dropped = 0
  /** When something was last said, in ms since 1970. */
  movedAt: number
  readonly entries: Entry[] = []

  constructor(name: string, now: number) {
    this.name = name
    this.movedAt = now
  }

  add(entry: Entry): void {
    this.entries.push(entry)
    this.movedAt = entry.at
    if (this.entries.length > limitEntries) this.dropOldest()
  }

  dropOldest(): void {
    if (this.entries.shift() !== undefined) this.dropped += 1
  }

  /** Messages of one's own here, the oldest first. */
  mine(): readonly Outgoing[] {
    return this.entries.flatMap((entry) => (entry.kind === "mine" ? [entry.message] : []))
  }

  /** How many of one's own have not been handed to anybody. */
  get waiting(): number {
    return this.mine().filter(({ state }) => state === "unsent" || state === "waiting").length
  }
}
