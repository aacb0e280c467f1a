/**
 * One registration of a callsign, as long as this process knows of it: sessions, mail and refs.
 *
 * What always holds: a callsign registered anew is another Operator, so nothing that belongs to one
 * of them can reach the other; and its sessions are in the order in which they logged in.
 */
import { generationText, type SessionRow } from "../wire/operators-told.ts"
import type { Limits } from "./limits.ts"
import { type Letter, Load, Mailbox } from "./mailbox.ts"
import { Refs } from "./refs.ts"
import type { Session } from "./session.ts"

export class Operator {
  /** Folded. */
  readonly callsign: string
  /** As it was registered. */
  readonly name: string
  readonly generation: number
  /** The generation as it is told. */
  readonly mark: string
  readonly sessions = new Set<Session>()
  readonly mailbox: Mailbox
  /** Its own messages that wait in some mailbox, the oldest first. */
  readonly outgoing = new Set<Letter>()
  /** The same as a sum. */
  readonly waiting = new Load()
  readonly refs: Refs
  #numbers = 0

  constructor(
    row: { readonly callsign: string; readonly name: string; readonly generation: number },
    limits: Limits,
  ) {
    this.callsign = row.callsign
    this.name = row.name
    this.generation = row.generation
    this.mark = generationText(row.generation)
    this.mailbox = new Mailbox(limits)
    this.refs = new Refs(limits.refsPerCallsign)
  }

  /** Whether nothing would be lost, except refs, if this were forgotten. */
  get isIdle(): boolean {
    return this.sessions.size === 0 && this.mailbox.size === 0 && this.outgoing.size === 0
  }

  /** Whether a message can reach it now. */
  get isHere(): boolean {
    for (const { connection } of this.sessions) if (connection.isOpen) return true
    return false
  }

  /** Numbers its sessions, from 1. */
  nextNumber(): number {
    this.#numbers += 1
    return this.#numbers
  }

  /** Its sessions as it may see them. */
  rows(now: number): readonly SessionRow[] {
    const seconds = (since: number) => Math.floor((now - since) / 1000)
    return [...this.sessions].flatMap(({ standing, openedAt, heardAt, mode }) => {
      if (standing.stage !== "member") return []
      return [{ number: standing.number, open: seconds(openedAt), quiet: seconds(heardAt), mode }]
    })
  }

  /** Tells all its extended sessions but one. */
  tell(line: string, except?: Session): void {
    for (const session of this.sessions) if (session !== except) session.tell(line)
  }
}
