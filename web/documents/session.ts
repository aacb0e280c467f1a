/**
 * One open document as the page sees it: its shared text, how that stands in words, and what must
 * be told of it: who comes and goes, what was refused, what must be decided.
 *
 * What always holds: the text is kept in this browser as it is typed, where the browser lets it.
 * A session that is left with edits the server has not acknowledged stays in the background until
 * it has; who comes back to the document meanwhile finds them, also where it had ended.
 */
import type { Documents, Ending, SharedText } from "../../src/client/client.ts"
import { indexedDbStore } from "../../src/client/offline.ts"
import { type Address, newDocumentId } from "../address.ts"
import { announce } from "../announcer.tsx"
import { Cell } from "../cell.ts"
import { line } from "../desk.ts"
import { chosenSelf, drawnSelf, keepDrawnSelf, type Self } from "../preferences.ts"
import { drawHue, drawSelf, isNear } from "./names.ts"
import { go } from "./place.ts"
import { Questions } from "./questions.ts"
import { tellRefused } from "./refused.ts"
import { type Standing, standingOf } from "./standing.ts"

/** How often a line that changes with time is looked at. */
const lookMs = 250
/** More documents with unacknowledged edits are not kept in the background: the oldest is let go. */
const limitParked = 16

/** Where the browser keeps the texts (DC126). */
const store = indexedDbStore()

export class Session {
  readonly text: SharedText
  /** The line that says how it stands. */
  readonly standing: Cell<Standing>
  /** Why it is closed for good; undefined while it is not. */
  readonly ending = new Cell<Ending | undefined>(undefined)
  /** Who the visitor is here. */
  readonly self: Cell<Self>
  /** What is to be decided about the text. */
  readonly questions: Questions
  #seed: Seed | undefined
  #unsavedSince: number | undefined
  #savedSince: number | undefined
  #reason: string | undefined
  #names: ReadonlyMap<number, string> | undefined // who was here when last looked; none before the Welcome
  #timer: ReturnType<typeof setTimeout> | undefined
  #isShown = true

  constructor({ documents, address: { id, otp }, openNew, before }: SessionOptions) {
    this.self = new Cell(chosenSelf.value ?? drawnSelf(drawSelf))
    const { name, hue } = this.self.value
    const access = otp === undefined ? {} : { otp }
    // What no store has for the next one is handed over here.
    const goesOn = before?.isOnlyHere === true ? { record: before.text.record } : {}
    this.text = documents.open(id, { name, hue, store, ...access, ...goesOn })
    this.questions = new Questions(this.text)
    this.standing = new Cell(standingOf(this.#facts()))
    this.text.on("state", () => this.#look())
    this.text.on("change", () => this.#look())
    this.text.on("saved", () => this.#look())
    this.text.on("kept", () => this.#look())
    this.text.on("access", () => this.#look())
    this.text.on("editors", () => this.#greet())
    this.text.on("closed", (ending) => this.#end(ending))
    this.text.on("refused", (refusal) => tellRefused(this.text, refusal, openNew))
    this.questions.open.watch(() => this.#look())
    this.#look()
  }

  /** Whether something is still to be done here: to be sent, or to be decided. */
  get isAtWork(): boolean {
    if (this.text.state === "closed") return false
    const isAsked = this.questions.open.value.length > 0
    return isAsked || this.#seed !== undefined || this.text.unacknowledged > 0
  }

  /** Whether there are edits that are in this tab and nowhere else, though it may have ended. */
  get isOnlyHere(): boolean {
    return this.text.unacknowledged > 0 && this.text.kept !== "kept"
  }

  /** Whether closing the page now would lose something for good (DC125). */
  get wouldLose(): boolean {
    if (this.questions.wouldLose || this.#seed !== undefined || this.isOnlyHere) return true
    return this.isAtWork && this.text.kept !== "kept"
  }

  /** Puts a text into this document, which is a new one: as soon as the server says so. */
  plant(seed: Seed): void {
    this.#seed = seed
    const undo = this.text.on("state", () => sow())
    const sow = (): void => {
      const isOpen = this.text.state === "synchronized"
      if (!isOpen || this.#seed === undefined) return
      this.#seed = undefined
      undo()
      if (this.text.text === "") this.text.replace(0, 0, seed.text)
      if (seed.language !== undefined) this.text.setLanguage(seed.language)
    }
    sow()
  }

  /** The visitor has chosen a name and a colour: kept, and told to the others. */
  rename(self: Self): void {
    chosenSelf.value = self
    this.#call(self)
  }

  /** It is shown again, or not any more. */
  show(isShown: "shown" | "hidden"): void {
    this.#isShown = isShown === "shown"
    if (this.#isShown) line.value = this.standing.value
  }

  #call(self: Self): void {
    this.self.value = self
    this.text.setName(self.name, self.hue)
  }

  #facts(): Parameters<typeof standingOf>[0] {
    const { state, revision, saved, durable, unacknowledged, returnsAt, kept, role } = this.text
    const now = Date.now()
    const isSaved = unacknowledged === 0 && (!durable || saved >= revision)
    if (!isSaved) {
      this.#unsavedSince ??= now
      this.#savedSince = undefined
    } else if (this.#unsavedSince !== undefined) {
      this.#unsavedSince = undefined
      this.#savedSince = now
    }
    return {
      state,
      revision,
      saved,
      durable,
      unacknowledged,
      keeping: kept,
      mayWrite: role !== "read",
      isEmptied: this.questions.isEmptied,
      unsavedSince: this.#unsavedSince,
      savedSince: this.#savedSince,
      returnsAt: returnsAt?.getTime(),
      reason: this.#reason,
      now,
    }
  }

  #look(): void {
    clearTimeout(this.#timer)
    const before = this.standing.value
    const standing = standingOf(this.#facts())
    if (!isSame(before, standing)) this.standing.value = standing
    if (this.#isShown) line.value = this.standing.value
    if (before.tone !== standing.tone) this.#announceLine(before, standing)
    const changesWithTime = standing.tone === "busy" || standing.wait !== undefined
    if (changesWithTime && this.text.state !== "closed") {
      this.#timer = setTimeout(() => this.#look(), lookMs)
    }
  }

  #announceLine(before: Standing, standing: Standing): void {
    const wasAway = before.tone === "away"
    if (standing.tone === "away" || standing.tone === "bad") announce("line", `${standing.words}.`)
    else if (wasAway && this.text.state !== "connecting") announce("line", "Connected again.")
  }

  /** Somebody came, went or was renamed. Our own colour gives way once, when we come. */
  #greet(): void {
    // While the line is gone nobody is here to see; who is there afterwards has not come anew.
    if (this.text.state === "connecting" || this.text.state === "resuming") return
    const others = [...this.text.editors.values()].filter((editor) => editor.id !== this.text.me)
    const names = new Map(others.map((editor) => [editor.id, editor.name]))
    if (this.#names === undefined) {
      this.#standOut(others.map((editor) => editor.hue))
    } else {
      for (const [id, name] of names) {
        if (!this.#names.has(id)) announce(`person ${id}`, `${name} has come.`)
      }
      for (const [id, name] of this.#names) {
        if (!names.has(id)) announce(`person ${id}`, `${name} has left.`)
      }
    }
    this.#names = names
  }

  #standOut(taken: readonly number[]): void {
    const { name, hue } = this.self.value
    // A colour that was chosen by hand is kept, whoever else likes it.
    if (chosenSelf.value !== undefined || !isNear(hue, taken)) return
    const self = { name, hue: drawHue(taken) }
    keepDrawnSelf(self)
    this.#call(self)
  }

  #end(ending: Ending): void {
    this.#reason = ending.sentence
    if (!ending.comesBack) this.ending.value = ending
    this.#look()
  }
}

interface SessionOptions {
  readonly documents: Documents
  readonly address: Address
  /** Opens a new document that begins with a text. */
  readonly openNew: (seed: Seed) => void
  /** The one of the same document that has ended: this goes on with what was pending there. */
  readonly before: Session | undefined
}

/** What a new document begins with. */
export interface Seed {
  readonly text: string
  readonly language: string | undefined
}

/** The sessions of this page: the one that is shown, and those that still have something to send. */
export class Sessions {
  readonly #documents: Documents
  readonly #parked = new Map<string, Session>()
  #seed: { readonly id: string; readonly seed: Seed } | undefined
  #shown: Session | undefined

  constructor(documents: Documents) {
    this.#documents = documents
  }

  /** Opens a new document that begins with `seed`. */
  readonly openNew = (seed: Seed): void => {
    const id = newDocumentId()
    this.#seed = { id, seed }
    go({ id, otp: undefined })
  }

  /** The session of a document; one that was left and is still at work is taken up again. */
  open(address: Address): Session {
    const shown = this.#shown?.text.id === address.id ? this.#shown : undefined
    const before = this.#parked.get(address.id) ?? shown
    this.#parked.delete(address.id)
    if (before === undefined || before.text.state === "closed") {
      const { openNew } = this
      const session = new Session({ documents: this.#documents, address, openNew, before })
      if (this.#seed?.id === address.id) session.plant(this.#seed.seed)
      this.#seed = undefined
      this.#shown = session
      return session
    }
    before.show("shown")
    this.#shown = before
    return before
  }

  /** Leaves a document, now or once the server has all that was typed there. */
  leave(session: Session): void {
    session.show("hidden")
    const { text } = session
    // Opened again after it ended: the next one has all that was pending here.
    const isReplaced = this.#shown !== session && this.#shown?.text.id === text.id
    const hasMore = session.isAtWork || session.isOnlyHere
    if (isReplaced || !hasMore) return void text.close()
    this.#parked.set(text.id, session)
    const [oldest] = this.#parked.values()
    if (this.#parked.size > limitParked && oldest !== undefined) this.#release(oldest)
    const forget = text.on("state", () => {
      const isParked = this.#parked.get(text.id) === session
      if (isParked && !session.isAtWork) this.#release(session)
      if (!isParked || !session.isAtWork) forget()
    })
  }

  /** Whether closing the page now would lose something. */
  wouldLose(shown: Session): boolean {
    return [shown, ...this.#parked.values()].some((session) => session.wouldLose)
  }

  #release(session: Session): void {
    this.#parked.delete(session.text.id)
    void session.text.close()
  }
}

function isSame(one: Standing, other: Standing): boolean {
  return one.words === other.words && one.wait === other.wait && one.tone === other.tone
}
