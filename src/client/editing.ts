/**
 * The work of a shared text: what its user does goes to Pending, and what Pending (ot/pending.ts)
 * answers to that and to the server's messages is carried out here.
 *
 * About edits it decides only what is refused at once. What always holds: outside of a call the
 * text is what all `change` events together make of an empty text (or of the record it was opened
 * with), and each call or message tells at most one change that comes from elsewhere.
 */
import { insertedBy } from "../ot/draft.ts"
import type { Effect, Effects, PendingRecord, RefusalCode, Send } from "../ot/effects.ts"
import { invert, Operation, transform } from "../ot/operation.ts"
import { Pending } from "../ot/pending.ts"
import type { Cursors, Role } from "../wire/documents-shapes.ts"
import { drawClientKey } from "./client-key.ts"
import { OwnCursors } from "./cursors.ts"
import type { OpenOptions, TextEvents, TextState } from "./documents.ts"
import { Editors } from "./editors.ts"
import { together, withoutNul } from "./edits.ts"
import { howToEnd, Keeper, type KeepingOwner, type Mark, pendingOf, within } from "./keeping.ts"
import { Listeners } from "./listeners.ts"
import type { Routes } from "./routes.ts"
import { Session, type SessionOwner } from "./session.ts"
import type { Ending } from "./socket.ts"
import { type Standing, Waits } from "./waits.ts"

/** Carets that only moved are told this much later, so that a held arrow key is few messages. */
const cursorsMs = 50
/** `close` waits so long for edits on their way. */
const closeMs = 2_000

export class Editing implements SessionOwner, KeepingOwner {
  readonly listeners = new Listeners<TextEvents>()
  readonly editors = new Editors()
  readonly session: Session
  readonly keeper: Keeper | undefined
  readonly #own = new OwnCursors()
  readonly #waits = new Waits()
  readonly #isReader: boolean
  #pending: Pending
  #told: TextState = "connecting"
  #cursorsTimer: ReturnType<typeof setTimeout> | undefined

  /** Connects at once, or as soon as the store has answered. */
  constructor(id: string, routes: Routes, options: OpenOptions) {
    const { record, store, readOnly = false } = options
    this.#isReader = readOnly
    this.#pending = new Pending(record?.client ?? drawClientKey(), record)
    this.#countPending()
    this.session = new Session(id, routes, { ...options, owner: this })
    if (store === undefined || record !== undefined) {
      this.session.connect()
    } else {
      this.keeper = new Keeper(store, routes.address(id), this)
      void this.#load(this.keeper)
    }
  }

  get pending(): Pending {
    return this.#pending
  }

  get state(): TextState {
    if (this.session.end !== undefined) return "closed"
    return this.session.welcome === undefined ? "connecting" : this.#pending.state
  }

  get role(): Role | undefined {
    return this.#isReader ? "read" : this.session.welcome?.role
  }

  get durable(): boolean {
    return this.session.welcome?.durable ?? true
  }

  get mark(): Mark {
    const { epoch, revision, waiting, isPending } = this.#pending
    const { typed, unsettled } = this.#waits
    const isWorthKeeping = epoch !== undefined || isPending
    return { parts: [epoch, revision, ...waiting, typed], isWorthKeeping, typed, unsettled }
  }

  get record(): PendingRecord {
    return this.#pending.record
  }

  kept(): void {
    this.listeners.tell("kept", this.keeper?.keeping ?? "off")
  }

  /** There is a new socket. */
  joined(): void {
    this.#own.forget()
  }

  /** See `SharedText.edit`. */
  edit(operation: Operation, at: Cursors | undefined): void {
    this.#mustBeOpen()
    const clean = withoutNul(operation)
    if (clean.baseLength === this.#pending.length && clean.isNoop) return
    const refusal = this.#refusalOf(clean)
    if (refusal !== undefined) return this.#refuse(clean, refusal)
    const effects = this.#pending.local(clean, Date.now())
    this.#waits.type()
    this.editors.move(clean, undefined)
    if (at === undefined || clean !== operation) this.#own.follow()
    else this.#own.set(at)
    this.listeners.tell("change", { operation: clean, by: "me" })
    this.run(effects)
  }

  setCursors(at: Cursors): void {
    this.#own.set(at)
    this.#tellCursorsSoon()
  }

  /** See `SharedText.whenReady`. */
  whenReady(): Promise<void> {
    return this.#until(["synchronized", "awaiting", "buffering"])
  }

  /** See `SharedText.whenSaved`. */
  async whenSaved(): Promise<number> {
    this.#mustBeOpen()
    return this.#waits.wait(this.#standing())
  }

  /** See `SharedText.close`. */
  async close(): Promise<void> {
    if (this.#pending.isPending) {
      await within(this.#until(["synchronized"]), closeMs).catch(() => {}) // then without an answer
    }
    this.session.close()
    await this.keeper?.end("keep")
  }

  /** Carries out what Pending answered, and tells whatever is different after it. */
  run(effects: Effects, sentence = ""): void {
    const shows = effects.filter((effect) => effect.kind === "show")
    for (const { operation, id } of shows) {
      this.#own.move(operation)
      this.editors.move(operation, id)
    }
    // One change for all of them: so whoever hears of it finds exactly that in `text`.
    if (shows.length > 0) this.listeners.tell("change", together(shows))
    for (const effect of effects) this.#carryOut(effect, sentence)
    if (this.#pending.state !== "resuming") {
      this.editors.arrive(this.#pending.waiting, this.#pending.length)
    }
    if (this.editors.takeChanged()) this.listeners.tell("editors")
    if (this.state !== this.#told) {
      this.#told = this.state
      this.listeners.tell("state", this.#told)
    }
    if (this.#own.untold !== undefined) this.#tellCursorsSoon()
    const { end } = this.session
    if (end === undefined) {
      this.#waits.look(this.#standing())
      this.keeper?.look()
    } else {
      this.#waits.end(closedBy(end))
      void this.keeper?.end(howToEnd(end.code, this.#pending))
    }
  }

  async #load(keeper: Keeper): Promise<void> {
    const record = await keeper.load()
    if (this.session.end !== undefined) return // closed meanwhile
    const kept = record && pendingOf(record)
    if (kept !== undefined) this.#goOnFrom(kept)
    keeper.look()
    this.session.connect()
  }

  // What was kept comes in like another's text; what was typed before it was here is moved over it.
  #goOnFrom(kept: Pending): void {
    const [, typed] = this.#pending.waiting
    let change = Operation.from([kept.text])
    this.#pending = kept
    this.#countPending()
    if (typed !== undefined) {
      const [moved, theirs] = transform(typed, change)
      kept.local(moved, Date.now())
      change = theirs
    }
    this.run(change.isNoop ? [] : [{ kind: "show", operation: change, by: "others" }])
  }

  // What a record brings along is still on its way, too.
  #countPending(): void {
    for (const operation of this.#pending.waiting) if (operation !== undefined) this.#waits.type()
  }

  // Resolves with the first of these states; rejects when this is closed before.
  #until(states: readonly TextState[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const { end } = this.session
        if (end !== undefined) reject(closedBy(end))
        else if (states.includes(this.state)) resolve()
        else return
        forget()
      }
      const forget = this.listeners.on("state", look)
      look()
    })
  }

  #refusalOf(operation: Operation): { code: RefusalCode; sentence: string } | undefined {
    const { baseLength, targetLength } = operation
    if (baseLength !== this.#pending.length) return undefined // Pending says so
    if (this.role === "read") return { code: "read-only", sentence: "This text is read-only." }
    const limit = this.session.welcome?.limits.length ?? Number.POSITIVE_INFINITY
    if (targetLength <= limit || targetLength <= baseLength) return undefined
    const [would, most] = [targetLength, limit].map((count) => count.toLocaleString("en"))
    const sentence = `The text would have ${would} characters; ${most} is the limit.`
    return { code: "too-large", sentence }
  }

  // Its caller shows it already: it is told like an edit that was made and rolled back.
  #refuse(operation: Operation, refusal: { code: RefusalCode; sentence: string }): void {
    const back = invert(operation, this.#pending.text)
    this.listeners.tell("change", { operation, by: "me" })
    this.listeners.tell("change", { operation: back, by: "rollback" })
    this.listeners.tell("refused", { ...refusal, inserted: insertedBy(operation) })
  }

  #carryOut(effect: Effect, sentence: string): void {
    const pending = this.#pending
    switch (effect.kind) {
      case "show":
        if (effect.by === "me") this.#waits.type()
        break
      case "send":
        this.#send(effect)
        break
      case "refused": {
        const { code, inserted } = effect
        this.listeners.tell("refused", { code, inserted, sentence })
        break
      }
      case "lost": {
        const { why, mine, server } = effect
        const resend = () => this.run(pending.resend(Date.now()))
        this.listeners.tell("lost", { why, mine, server, resend })
        break
      }
      case "emptied":
        this.listeners.tell("emptied", {
          text: effect.text,
          restore: () => this.run(pending.restore(Date.now())),
          discard: () => this.run(pending.discard(Date.now())),
        })
        break
      case "fault":
        this.session.rejoin()
        break
    }
  }

  #send({ seq, revision, operation }: Send): void {
    const isAll = this.#pending.state === "awaiting"
    this.#waits.send(seq, isAll ? "all" : "part")
    // Our carets are in the text that all pending edits leave: only the last of those carries them.
    const at = isAll ? this.#own.takeFor(operation) : undefined
    const edit = { revision, seq, operation: operation.components, ...at }
    if (this.session.say({ Edit: edit }) !== "too-long") return
    // It can only have been gathered before we knew the limit, and is above that of a text too.
    const refusal = { code: "too-large", seq, revision: this.#pending.revision } as const
    this.run(this.#pending.error(refusal, Date.now()), "The change is too long to be sent.")
  }

  #tellCursorsSoon(): void {
    this.#cursorsTimer ??= setTimeout(() => {
      this.#cursorsTimer = undefined
      if (this.state === "closed" || this.#own.untold === undefined) return
      // With an edit pending they travel in it, or wait until it is acknowledged.
      if (this.#pending.state !== "synchronized") return
      if (!this.session.isReady) return this.#tellCursorsSoon()
      const at = this.#own.take()
      if (at !== undefined)
        this.session.say({ CursorData: { revision: this.#pending.revision, ...at } })
    }, cursorsMs)
  }

  #standing(): Standing {
    const { isPending, revision } = this.#pending
    return { isPending, revision, saved: this.session.saved, isDurable: this.durable }
  }

  #mustBeOpen(): void {
    const { end } = this.session
    if (end !== undefined) throw closedBy(end)
  }
}

function closedBy({ sentence }: Ending): Error {
  return new Error(`this text was closed: ${sentence}`)
}
