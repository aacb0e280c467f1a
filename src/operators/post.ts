/**
 * Messages on their way: checked, delivered or kept, and brought to one end.
 *
 * What always holds: a message is answered once, and told at most one end; it is delivered in one
 * uninterrupted piece; of one sender and one target the order is that of sending. Only what stays
 * asks for room. Nothing of a message goes anywhere but to its sender and its target.
 */
import type { Random } from "../service.ts"
import { bytesOf, isTooLong, type Message, noRef, type RefusalReason } from "../wire/operators.ts"
import { classicLines, type Outcome, told } from "../wire/operators-told.ts"
import type { Accounts } from "./accounts.ts"
import type { Limits } from "./limits.ts"
import type { Fate, Letter } from "./mailbox.ts"
import { Mailboxes } from "./mailboxes.ts"
import type { Operator } from "./operator.ts"
import type { Roster } from "./roster.ts"
import type { Session } from "./session.ts"

export interface PostOptions {
  readonly accounts: Accounts
  readonly roster: Roster
  readonly limits: Limits
  readonly random: Random
  /** Called when a sum does not come out. */
  readonly broken: (thrown: unknown) => void
}

/** Who has been given a message at once: sessions, and whether one of them was classic. */
interface Arrival {
  readonly sessions: number
  readonly how: "taken" | "handed" | "waiting"
}

const idLength = 10
const idLetters = "abcdefghijklmnopqrstuvwxyz234567"
/** Random bytes are drawn for so many ids at once: drawing costs more than an id. */
const idsAtOnce = 64

export class Post {
  readonly #options: PostOptions
  readonly #mailboxes: Mailboxes
  #drawn: Uint8Array = new Uint8Array(0)
  #drawnUsed = 0
  /** ms since 1970, as of the last tick. */
  #now = 0

  constructor(options: PostOptions) {
    this.#options = options
    this.#mailboxes = new Mailboxes(options.limits, options.broken)
  }

  get mailboxes(): Mailboxes {
    return this.#mailboxes
  }

  /** It is `now`: what has waited too long is dropped. */
  tick(now: number): void {
    this.#now = now
    for (const letter of this.#mailboxes.overdue(now)) this.#settle(letter, "expired")
  }

  /** One message of `sender`, said on `session`. */
  send(sender: Operator, session: Session, message: Message): void {
    const { ref } = message
    const known = ref === noRef ? undefined : sender.refs.find(ref)
    if (known !== undefined) return session.tell(told.known(ref, known.id, known.state))
    const target = this.#targetOf(message)
    if (typeof target === "string") return session.tell(told.refused(ref, target))
    this.#post(sender, session, { ...message, target })
  }

  /** Gives a session that has just logged in what waits, in the order of arrival. */
  handOver(operator: Operator, session: Session): void {
    for (const letter of operator.mailbox.letters) {
      // What it was not given stays for the next.
      if (!session.connection.isOpen) return
      if (session.mode === "classic") {
        if (this.#deliver([session], letter, "classic") > 0) this.#take(letter, "written")
      } else if (this.#deliver([session], letter, "extended") > 0) {
        letter.fate.state = "handed"
      }
    }
  }

  /** An extended session has taken these. What is unknown, or not handed yet, is passed over. */
  got(operator: Operator, ids: readonly string[]): void {
    for (const id of ids) {
      const letter = operator.mailbox.find(id)
      if (letter?.fate.state === "handed") this.#take(letter, "confirmed")
    }
  }

  /** Takes a message back that nobody has been handed. */
  recall(operator: Operator, session: Session, id: string): void {
    const letter = this.#mailboxes.find(id)
    if (letter?.sender !== operator || letter.fate.state !== "waiting") {
      return session.tell(told.refused(noRef, "gone"))
    }
    this.#end(letter, "recalled")
    session.tell(told.over(id, "recalled"))
    operator.tell(told.over(id, "recalled"), session)
  }

  /** Its account is gone: what waited for it is dropped, and what it had waiting elsewhere. */
  drop(operator: Operator): void {
    for (const letter of operator.outgoing) this.#end(letter, "dropped")
    for (const letter of operator.mailbox.letters) this.#settle(letter, "dropped")
  }

  #targetOf({ target, generation, text }: Message): Operator | RefusalReason {
    if (text === "") return "empty"
    if (isTooLong(text)) return "too-long"
    const { accounts, roster } = this.#options
    const known = roster.known(target)
    const row = known?.isHere === true ? undefined : accounts.find(target, this.#now)
    const isThere = known?.isHere === true || (row !== undefined && row.generation !== 0)
    if (!isThere) return "nobody"
    const operator = row === undefined ? known : roster.of(row)
    if (operator === undefined) throw new Error("never: somebody without a row is not here")
    return generation === undefined || generation === operator.mark ? operator : "changed"
  }

  #post(
    sender: Operator,
    session: Session,
    of: { readonly ref: string; readonly text: string; readonly target: Operator },
  ): void {
    const { limits } = this.#options
    const { ref, text, target } = of
    const fate: Fate = { id: this.#nextId(), state: "waiting" }
    const bytes = bytesOf(text) + limits.messageBytes
    const letter: Letter = { fate, sender, target, text, bytes, arrivedAt: this.#now }
    const arrival = this.#arrive(letter)
    if (typeof arrival === "string") return session.tell(told.refused(ref, arrival))
    fate.state = arrival.how
    if (ref !== noRef) sender.refs.add(ref, fate)
    session.tell(this.#answer(letter, ref, arrival))
    if (target !== sender && sender.sessions.size > 1) {
      sender.tell(told.own(target.name, target.mark, { id: fate.id, ref, text }), session)
    }
    if (arrival.how === "taken") sender.tell(told.taken(fate.id, "written"))
  }

  /** Gives it to whoever is there; where no classic session has taken it, it stays, if it may. */
  #arrive(letter: Letter): Arrival | RefusalReason {
    const { sender, target, bytes } = letter
    const written = this.#deliver(target.sessions, letter, "classic")
    if (written === 0) {
      const refusal = this.#mailboxes.refusal(sender, target, bytes)
      if (refusal !== undefined) return refusal
    }
    const handed = this.#deliver(target.sessions, letter, "extended")
    const sessions = written + handed
    if (written > 0) return { sessions, how: "taken" }
    this.#mailboxes.put(letter)
    return { sessions, how: handed > 0 ? "handed" : "waiting" }
  }

  #answer({ fate, target }: Letter, ref: string, { sessions }: Arrival): string {
    const generation = target.mark
    if (sessions > 0) return told.sent(ref, fate.id, { generation, sessions })
    const { mailboxMessages: limit, expiryMs } = this.#options.limits
    const seconds = Math.floor(expiryMs / 1000)
    return told.queued(ref, fate.id, { generation, place: target.mailbox.size, limit, seconds })
  }

  /** Writes it to those of `sessions` that are of this mode; how many have it. */
  #deliver(sessions: Iterable<Session>, letter: Letter, mode: "classic" | "extended"): number {
    const these: Session[] = []
    for (const session of sessions) {
      if (session.mode === mode && session.connection.isOpen) these.push(session)
    }
    if (these.length === 0) return 0
    // Formatted once for all; each line to everyone, so that it is encoded once as well.
    for (const line of this.#linesOf(letter, mode)) {
      for (const { connection } of these) connection.send(line)
    }
    // One that could not take it was closed as slow in the middle.
    return these.filter(({ connection }) => connection.isOpen).length
  }

  #linesOf(letter: Letter, mode: "classic" | "extended"): readonly string[] {
    const { sender, text, fate, arrivedAt } = letter
    if (mode === "classic") return classicLines(sender.name, text)
    const delivery = { sender: sender.name, generation: sender.mark, id: fate.id, text }
    return [told.from(delivery, Math.floor((this.#now - arrivedAt) / 1000))]
  }

  #take(letter: Letter, how: "confirmed" | "written"): void {
    this.#end(letter, "taken")
    letter.sender.tell(told.taken(letter.fate.id, how))
  }

  #settle(letter: Letter, outcome: "expired" | "dropped"): void {
    this.#end(letter, outcome)
    letter.sender.tell(told.over(letter.fate.id, outcome))
  }

  #end(letter: Letter, outcome: Outcome): void {
    this.#mailboxes.remove(letter)
    letter.fate.state = outcome
  }

  /** 50 bits of chance: it tells nothing about how much is sent here. */
  #nextId(): string {
    for (;;) {
      if (this.#drawnUsed + idLength > this.#drawn.length) {
        this.#drawn = this.#options.random(idLength * idsAtOnce)
        this.#drawnUsed = 0
      }
      let id = ""
      for (const byte of this.#drawn.subarray(this.#drawnUsed, this.#drawnUsed + idLength)) {
        id += idLetters[byte % idLetters.length]
      }
      this.#drawnUsed += idLength
      if (this.#mailboxes.find(id) === undefined) return id
    }
  }
}
