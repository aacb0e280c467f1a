/**
 * A text that others edit too: what `client.documents.open` gives.
 *
 * It hands Pending (ot/pending.ts) what its user did, and carries out what Pending answers to
 * that and to the server's messages; about edits it decides only what is refused at once. What
 * always holds: outside of a call `text` is what all `change` events together make of an empty
 * text, and each call or message tells at most one change that comes from elsewhere.
 */
import type { Effect, Effects, PendingRecord, RefusalCode, Send } from "../ot/effects.ts"
import { invert, type Operation } from "../ot/operation.ts"
import { Pending } from "../ot/pending.ts"
import type { Cursors, Role } from "../wire/documents-shapes.ts"
import { drawClientKey } from "./client-key.ts"
import { OwnCursors } from "./cursors.ts"
import type { OpenOptions, TextEvents, TextState } from "./documents.ts"
import { type Editor, Editors } from "./editors.ts"
import { insertedBy, replacement, together, withoutNul } from "./edits.ts"
import { Listeners } from "./listeners.ts"
import type { Routes } from "./routes.ts"
import { Session } from "./session.ts"
import { type Standing, Waits } from "./waits.ts"

/** Carets that only moved are told this much later, so that a held arrow key is few messages. */
const cursorsMs = 50
/** `close` waits so long for edits on their way. */
const closeMs = 2_000

export class SharedText {
  readonly id: string
  readonly #session: Session
  readonly #pending: Pending
  readonly #listeners = new Listeners<TextEvents>()
  readonly #editors = new Editors()
  readonly #own = new OwnCursors()
  readonly #waits = new Waits()
  readonly #isReader: boolean
  #told: TextState = "connecting"
  #cursorsTimer: ReturnType<typeof setTimeout> | undefined

  /** Opened by `Documents.open`. Connects at once. */
  constructor(id: string, routes: Routes, options: OpenOptions) {
    this.id = id
    this.#isReader = options.readOnly ?? false
    this.#pending = new Pending(options.record?.client ?? drawClientKey(), options.record)
    const owner = {
      pending: this.#pending,
      editors: this.#editors,
      listeners: this.#listeners,
      joined: () => this.#own.forget(),
      run: (effects: Effects, sentence: string) => this.#run(effects, sentence),
    }
    this.#session = new Session(id, routes, { ...options, owner })
  }

  /** What this editor shows: what is acknowledged and its own pending edits. */
  get text(): string {
    return this.#pending.text
  }

  get state(): TextState {
    if (this.#session.end !== undefined) return "closed"
    return this.#session.welcome === undefined ? "connecting" : this.#pending.state
  }

  /** The last revision acknowledged. */
  get revision(): number {
    return this.#pending.revision
  }

  /** The last revision known to be on the server's disk. */
  get saved(): number {
    return this.#session.saved
  }

  /** Whether the server keeps documents on a disk. If not, `saved` tells nothing. */
  get durable(): boolean {
    return this.#session.welcome?.durable ?? true
  }

  /** How many edits of our own are not acknowledged yet. */
  get unacknowledged(): number {
    return this.#waits.unsettled
  }

  get role(): Role | undefined {
    return this.#isReader ? "read" : this.#session.welcome?.role
  }

  /** Our own id; it may be another after a reconnect. */
  get me(): number | undefined {
    return this.#pending.me
  }

  /** Everybody who is here and has a name or a caret, ourselves too if we have a name. */
  get editors(): ReadonlyMap<number, Editor> {
    return this.#editors.all
  }

  get language(): string | undefined {
    return this.#session.language
  }

  /** Whether an OTP is asked for; undefined before the first Welcome. */
  get protected(): boolean | undefined {
    return this.#session.welcome?.protected
  }

  /** The OTP we came with or were told, where the document has one. */
  get otp(): string | undefined {
    return this.#session.otp
  }

  /** How many code points the text may have; undefined before the first Welcome. */
  get limit(): number | undefined {
    return this.#session.welcome?.limits.length
  }

  /** When the document will be deleted unless someone comes back before. */
  get expiresAt(): Date | undefined {
    const at = this.#session.welcome?.expires_at
    return at === undefined || at === null ? undefined : new Date(at)
  }

  /** When the next try to connect is due; undefined unless one waits. */
  get returnsAt(): Date | undefined {
    const at = this.#session.returnsAt
    return at === undefined ? undefined : new Date(at)
  }

  /** All that is needed to go on from here later, with what is pending: see `OpenOptions`. */
  get record(): PendingRecord {
    return this.#pending.record
  }

  /**
   * Changes the text, and says where that leaves our carets; without `at` they are taken to be
   * behind the change. NUL is dropped from what is inserted: then the `change` event tells another
   * operation than was given. What the server could only refuse (a text above the limit, a
   * reader's edit) is undone at once, and `refused` tells so.
   *
   * Throws RangeError when the operation does not fit the text, and Error when this is closed.
   */
  edit(operation: Operation, at?: Cursors): void {
    const { end } = this.#session
    if (end !== undefined) throw new Error(`this text is closed: ${end.sentence}`)
    const clean = withoutNul(operation)
    if (clean.baseLength === this.#pending.length && clean.isNoop) return
    const refusal = this.#refusalOf(clean)
    if (refusal !== undefined) return this.#refuse(clean, refusal)
    const effects = this.#pending.local(clean, Date.now())
    this.#waits.type()
    this.#editors.move(clean, undefined)
    if (at === undefined || clean !== operation) this.#own.follow()
    else this.#own.set(at)
    this.#listeners.tell("change", { operation: clean, by: "me" })
    this.#run(effects, "")
  }

  /**
   * Replaces what lies between two string indexes of `text`. A surrogate pair that they cut
   * through goes as a whole; lone halves in `insert` become U+FFFD. Takes time in the text.
   */
  replace(from: number, to: number, insert: string): void {
    this.edit(replacement(this.text, { from, to, insert }))
  }

  /** Says where our carets and selections are. Sent 50 ms later, and only the newest. */
  setCursors(at: Cursors): void {
    this.#own.set(at)
    this.#tellCursorsSoon()
  }

  setLanguage(language: string): void {
    this.#session.setLanguage(language)
  }

  setName(name: string, hue: number): void {
    this.#session.setName(name, hue)
  }

  /** Sets a new OTP and resolves with it. Rejects with the server's sentence if it is refused. */
  protect(): Promise<string> {
    return this.#session.protect()
  }

  /** Removes the OTP. Rejects with the server's sentence if it is refused. */
  unprotect(): Promise<void> {
    return this.#session.unprotect()
  }

  /**
   * Resolves with the revision when all edits so far are on the server's disk; where it keeps
   * nothing on a disk, when they are acknowledged. Rejects when this is closed before.
   */
  whenSaved(): Promise<number> {
    const { end } = this.#session
    if (end !== undefined) return Promise.reject(closedBy(end.sentence))
    return this.#waits.wait(this.#standing())
  }

  /** Calls `listener` for every such event from now on; returns what undoes that. */
  on<E extends keyof TextEvents>(event: E, listener: TextEvents[E]): () => void {
    return this.#listeners.on(event, listener)
  }

  /** Tries to connect now rather than when the wait is over. */
  hurry(): void {
    this.#session.hurry()
  }

  /** Leaves the document, once pending edits are acknowledged or 2 s have passed. */
  async close(): Promise<void> {
    if (this.#pending.isPending && this.state !== "closed") await this.#acknowledgedOrLate()
    this.#session.close()
  }

  #acknowledgedOrLate(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, closeMs)
      const forget = this.on("state", (state) => {
        if (state !== "synchronized" && state !== "closed") return
        clearTimeout(timer)
        forget()
        resolve()
      })
    })
  }

  #refusalOf(operation: Operation): { code: RefusalCode; sentence: string } | undefined {
    const { baseLength, targetLength } = operation
    if (baseLength !== this.#pending.length) return undefined // Pending says so
    if (this.role === "read") return { code: "read-only", sentence: "This text is read-only." }
    const limit = this.limit ?? Number.POSITIVE_INFINITY
    if (targetLength <= limit || targetLength <= baseLength) return undefined
    const sentence = `The text would have ${targetLength} characters; ${limit} is the limit.`
    return { code: "too-large", sentence }
  }

  // Its caller shows it already: it is told like an edit that was made and rolled back.
  #refuse(operation: Operation, refusal: { code: RefusalCode; sentence: string }): void {
    const back = invert(operation, this.text)
    this.#listeners.tell("change", { operation, by: "me" })
    this.#listeners.tell("change", { operation: back, by: "rollback" })
    this.#listeners.tell("refused", { ...refusal, inserted: insertedBy(operation) })
  }

  /** Carries out what Pending answered, and tells whatever is different after it. */
  #run(effects: Effects, sentence: string): void {
    const shows = effects.filter((effect) => effect.kind === "show")
    for (const { operation, id } of shows) {
      this.#own.move(operation)
      this.#editors.move(operation, id)
    }
    // One change for all of them: so whoever hears of it finds exactly that in `text`.
    if (shows.length > 0) this.#listeners.tell("change", together(shows))
    for (const effect of effects) this.#carryOut(effect, sentence)
    if (this.#pending.state !== "resuming") {
      this.#editors.arrive(this.#pending.waiting, this.#pending.length)
    }
    if (this.#editors.takeChanged()) this.#listeners.tell("editors")
    if (this.state !== this.#told) {
      this.#told = this.state
      this.#listeners.tell("state", this.#told)
    }
    if (this.#own.untold !== undefined) this.#tellCursorsSoon()
    const { end } = this.#session
    if (end === undefined) this.#waits.look(this.#standing())
    else this.#waits.end(closedBy(end.sentence))
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
        this.#listeners.tell("refused", { code, inserted, sentence })
        break
      }
      case "lost": {
        const { why, mine, server } = effect
        const resend = () => this.#run(pending.resend(Date.now()), "")
        this.#listeners.tell("lost", { why, mine, server, resend })
        break
      }
      case "emptied":
        this.#listeners.tell("emptied", {
          text: effect.text,
          restore: () => this.#run(pending.restore(Date.now()), ""),
          discard: () => this.#run(pending.discard(Date.now()), ""),
        })
        break
      case "fault":
        this.#session.rejoin()
        break
    }
  }

  #send({ seq, revision, operation }: Send): void {
    const isAll = this.#pending.state === "awaiting"
    this.#waits.send(seq, isAll ? "all" : "part")
    // Our carets are in the text that all pending edits leave: only the last of those carries them.
    const at = isAll ? this.#own.takeFor(operation) : undefined
    const edit = { revision, seq, operation: operation.components, ...at }
    if (this.#session.say({ Edit: edit }) !== "too-long") return
    // It can only have been gathered before we knew the limit, and is above that of a text too.
    const refusal = { code: "too-large", seq, revision: this.revision } as const
    this.#run(this.#pending.error(refusal, Date.now()), "The change is too long to be sent.")
  }

  #tellCursorsSoon(): void {
    this.#cursorsTimer ??= setTimeout(() => {
      this.#cursorsTimer = undefined
      if (this.state === "closed" || this.#own.untold === undefined) return
      // With an edit pending they travel in it, or wait until it is acknowledged.
      if (this.#pending.state !== "synchronized") return
      if (!this.#session.isReady) return this.#tellCursorsSoon()
      const at = this.#own.take()
      if (at !== undefined) this.#session.say({ CursorData: { revision: this.revision, ...at } })
    }, cursorsMs)
  }

  #standing(): Standing {
    const { isPending, revision } = this.#pending
    return { isPending, revision, saved: this.saved, isDurable: this.durable }
  }
}

function closedBy(sentence: string): Error {
  return new Error(`this text was closed: ${sentence}`)
}
