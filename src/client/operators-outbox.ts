/**
 * Messages of our own: what is to be said, and what became of each. No I/O.
 *
 * What always holds: each has one end; one that was accepted is never sent again. What had no
 * answer when a line was lost is repeated with its ref, which the server knows (OP64); what was
 * accepted is asked about by its ref and an empty text, which the server never delivers. In another
 * epoch neither is done, and all of it is lost.
 */
import { escaped, type RefusalReason } from "../wire/operators.ts"
import type { HeardAnswer } from "../wire/operators-heard.ts"
import type { Outcome } from "../wire/operators-told.ts"
import { type End, OperatorsError, type Outgoing } from "./operators-shapes.ts"

const unsentLimit = 256
/** Of other sessions of ours; the oldest is forgotten. */
const othersLimit = 1_024

interface Wanted {
  readonly target: string
  readonly text: string
  readonly ref: string
  /** The generation it is pinned to. */
  readonly pin: string | undefined
}

export class OwnMessage implements Outgoing {
  readonly ref: string
  readonly target: string
  readonly text: string
  readonly pin: string | undefined
  readonly accepted: Promise<"sent" | "queued" | "refused">
  readonly ended: Promise<End>
  readonly #recall: (message: OwnMessage) => Promise<boolean>
  #answer!: (how: "sent" | "queued" | "refused" | OperatorsError) => void
  #finish!: (end: End) => void
  id: string | undefined
  generation: string | undefined
  state: Outgoing["state"] = "unsent"
  place: Outgoing["place"]
  reason: RefusalReason | undefined
  lost: Outgoing["lost"]
  /** Whether it was given to a line, of this epoch. */
  isWritten = false

  constructor(wanted: Wanted, recall: (message: OwnMessage) => Promise<boolean>) {
    this.ref = wanted.ref
    this.target = wanted.target
    this.text = wanted.text
    this.pin = wanted.pin
    this.#recall = recall
    this.accepted = new Promise((resolve, reject) => {
      this.#answer = (how) => (how instanceof OperatorsError ? reject(how) : resolve(how))
    })
    // Who does not look at the answer is not to be stopped by it.
    this.accepted.catch(() => {})
    this.ended = new Promise((resolve) => {
      this.#finish = resolve
    })
  }

  get isOver(): boolean {
    return !["unsent", "waiting", "handed"].includes(this.state)
  }

  recall(): Promise<boolean> {
    return this.#recall(this)
  }

  accept(how: "sent" | "queued", known: { id: string; generation?: string }): void {
    this.id = known.id
    this.generation = known.generation ?? this.generation
    if (!this.isOver) this.state = how === "sent" ? "handed" : "waiting"
    this.#answer(how)
  }

  end(how: End, sentence = ""): void {
    if (this.isOver) return
    if (how === "unknown") {
      const { state } = this
      this.lost = state === "waiting" || state === "handed" ? state : "unanswered"
    }
    this.state = how
    if (how === "refused") this.#answer("refused")
    else
      this.#answer(new OperatorsError("unknown", sentence || "it is not known what became of it"))
    this.#finish(how)
  }
}

export class Outbox {
  /** Without an end, in the order of sending. */
  readonly #byRef = new Map<string, OwnMessage>()
  readonly #byId = new Map<string, OwnMessage>()
  readonly #others = new Map<string, OwnMessage>()
  /** What is to be said on this line, in order. */
  #due: OwnMessage[] = []

  get pending(): readonly OwnMessage[] {
    return [...this.#byRef.values()]
  }

  add(wanted: Wanted, recall: (message: OwnMessage) => Promise<boolean>): OwnMessage {
    const unsent = this.pending.filter(({ state }) => state === "unsent").length
    if (unsent >= unsentLimit) {
      throw new OperatorsError("too-many", `${unsentLimit} messages are unsent; wait for some`)
    }
    if (this.#byRef.has(wanted.ref)) {
      throw new OperatorsError("bad-line", `the ref ${wanted.ref} is in use`)
    }
    const message = new OwnMessage(wanted, recall)
    this.#byRef.set(message.ref, message)
    this.#due.push(message)
    return message
  }

  /** The next line to be said, if there is one; it counts as said. */
  next(): string | undefined {
    const message = this.#due.shift()
    if (message === undefined || message.isOver) return undefined
    message.isWritten = true
    const { ref, target, pin, text, state } = message
    const pinned = pin === undefined ? target : `${target}/${pin}`
    return `$ send ${ref} ${pinned} ${state === "unsent" ? escaped(text) : ""}`
  }

  get hasNext(): boolean {
    return this.#due.length > 0
  }

  /** There is a new line, in the epoch that was: everything without an end is said or asked about. */
  renew(): void {
    this.#due = [...this.#byRef.values()]
  }

  /** There is a new line, in another epoch: gives what had no end, ended now. */
  lose(): readonly OwnMessage[] {
    const lost = this.pending.filter(({ isWritten }) => isWritten)
    for (const message of lost) this.#over(message, "unknown", "the server restarted")
    for (const message of this.#others.values()) message.end("unknown")
    this.#others.clear()
    this.renew()
    return lost
  }

  /** What the server answered. False where the ref is none of ours. */
  answer(heard: HeardAnswer): boolean {
    const message = this.#byRef.get(heard.ref)
    if (message === undefined) return false
    if (heard.kind === "refused") {
      const wasAccepted = message.state !== "unsent"
      if (!wasAccepted) message.reason = heard.reason
      this.#over(message, wasAccepted ? "unknown" : "refused", "the server has forgotten it")
      return true
    }
    this.#byId.set(heard.id, message)
    if (heard.kind === "known") {
      message.accept(heard.state === "waiting" ? "queued" : "sent", heard)
      this.over(heard.id, heard.state)
      return true
    }
    if (heard.kind === "queued") message.place = { place: heard.place, limit: heard.limit }
    message.accept(heard.kind, heard)
    return true
  }

  /** How the message of that id is, or ended. */
  over(id: string, outcome: Outcome): void {
    const message = this.#byId.get(id) ?? this.#others.get(id)
    if (message === undefined || message.isOver) return
    if (outcome === "waiting" || outcome === "handed") message.state = outcome
    else this.#over(message, outcome)
  }

  /** What another session of ours has sent. */
  other(wanted: Wanted, known: { id: string; generation: string }, recall: OwnRecall): OwnMessage {
    const message = new OwnMessage(wanted, recall)
    message.accept("queued", known)
    message.isWritten = true
    this.#others.set(known.id, message)
    for (const oldest of this.#others.keys()) {
      if (this.#others.size <= othersLimit) break
      this.#others.delete(oldest)
    }
    return message
  }

  /** It is not to be said; its owner answers it. */
  withhold(message: OwnMessage): void {
    this.#due = this.#due.filter((each) => each !== message)
  }

  /** Takes one back that no line was given yet. */
  withdraw(message: OwnMessage): "done" | "too-late" {
    if (message.isWritten || message.isOver) return "too-late"
    this.withhold(message)
    this.#over(message, "recalled")
    return "done"
  }

  /** Nothing will be known any more. */
  close(): void {
    this.#due = []
    for (const message of this.pending) this.#over(message, "unknown", "closed")
  }

  #over(message: OwnMessage, how: End, sentence?: string): void {
    this.#byRef.delete(message.ref)
    if (message.id !== undefined) {
      this.#byId.delete(message.id)
      this.#others.delete(message.id)
    }
    message.end(how, sentence)
  }
}

type OwnRecall = (message: OwnMessage) => Promise<boolean>
