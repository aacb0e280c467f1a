/**
 * One open document as the page sees it: its shared text, how that stands in words, and what must
 * be told of it: who comes and goes, what was refused, what was lost.
 *
 * What always holds: a session that is left with edits the server has not acknowledged stays in
 * the background until it has; who comes back to the document meanwhile finds them.
 */
import type { Client, Ending, SharedText, TextEvents } from "../../src/client/client.ts"
import type { Address } from "../address.ts"
import { announce } from "../announcer.tsx"
import { Cell } from "../cell.ts"
import { copy } from "../clipboard.ts"
import { line } from "../desk.ts"
import { show, tell } from "../notices.tsx"
import { chosenSelf, drawnSelf, keepDrawnSelf, type Self } from "../preferences.ts"
import { drawHue, drawSelf, isNear } from "./names.ts"
import { type Standing, standingOf } from "./standing.ts"

/** How often a line that changes with time is looked at. */
const lookMs = 250
/** More documents with unacknowledged edits are not kept in the background: the oldest is let go. */
const limitParked = 16

export class Session {
  readonly text: SharedText
  /** The line that says how it stands. */
  readonly standing: Cell<Standing>
  /** Why it is closed for good; undefined while it is not. */
  readonly ending = new Cell<Ending | undefined>(undefined)
  /** Who the visitor is here. */
  readonly self: Cell<Self>
  #unsavedSince: number | undefined
  #savedSince: number | undefined
  #reason: string | undefined
  #refused = 0
  #names: ReadonlyMap<number, string> | undefined // who was here when last looked; none before the Welcome
  #timer: ReturnType<typeof setTimeout> | undefined
  #isShown = true

  constructor(client: Client, { id, otp }: Address) {
    this.self = new Cell(chosenSelf.value ?? drawnSelf(drawSelf))
    const { name, hue } = this.self.value
    const access = otp === undefined ? {} : { otp }
    this.text = client.documents.open(id, { name, hue, ...access })
    this.standing = new Cell(standingOf(this.#facts()))
    this.text.on("state", () => this.#look())
    this.text.on("change", () => this.#look())
    this.text.on("saved", () => this.#look())
    this.text.on("editors", () => this.#greet())
    this.text.on("closed", (ending) => this.#end(ending))
    this.text.on("refused", (refusal) => this.#tellRefused(refusal))
    this.text.on("lost", (loss) => this.#tellLost(loss))
    this.text.on("emptied", (choice) => this.#askWhatIsLeft(choice))
    this.#look()
  }

  /** Whether something typed here is known to nobody else. */
  get isUnacknowledged(): boolean {
    return this.text.state !== "closed" && this.text.unacknowledged > 0
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
    const { state, revision, saved, durable, unacknowledged, returnsAt } = this.text
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

  #tellRefused(refusal: Parameters<TextEvents["refused"]>[0]): void {
    const { inserted, sentence } = refusal
    if (inserted === "") return tell("refused", sentence)
    this.#refused += 1 // each has a notice of its own: what was refused before is not lost by it
    show({
      subject: `refused ${this.#refused}`,
      sentence: `${sentence} What you put in was taken out again:`,
      text: excerpt(inserted),
      offers: [
        { label: "Copy", run: () => void copy(inserted, "The refused text") },
        { label: "Discard", run: nothing },
      ],
    })
  }

  #tellLost({ why, mine, resend }: Parameters<TextEvents["lost"]>[0]): void {
    const sentences = {
      "rolled-back": "The server went back to an older text. Yours, as it was here:",
      unsure: "It is not known whether your last change arrived. The text as it was here:",
      diverged: "This text had come apart from the server's, which is shown now. Yours was:",
    }
    show({
      subject: `lost ${why}`,
      sentence: sentences[why],
      text: excerpt(mine),
      offers: [
        { label: "Put back what is missing", run: resend },
        { label: "Copy", run: () => void copy(mine, "Your text") },
        { label: "Discard", run: nothing },
      ],
    })
  }

  #askWhatIsLeft({ text, restore, discard }: Parameters<TextEvents["emptied"]>[0]): void {
    show({
      subject: "emptied",
      sentence: "The server no longer has this document. What was here:",
      text: excerpt(text),
      offers: [
        { label: "Restore this text", run: restore },
        { label: "Start empty", run: discard },
      ],
    })
  }
}

/** The sessions of this page: the one that is shown, and those that still have something to send. */
export class Sessions {
  readonly #client: Client
  readonly #parked = new Map<string, Session>()

  constructor(client: Client) {
    this.#client = client
  }

  /** The session of a document; one that was left and is still at work is taken up again. */
  open(address: Address): Session {
    const parked = this.#parked.get(address.id)
    this.#parked.delete(address.id)
    if (parked === undefined || parked.ending.value !== undefined) {
      return new Session(this.#client, address)
    }
    parked.show("shown")
    return parked
  }

  /** Leaves a document, now or once the server has all that was typed there. */
  leave(session: Session): void {
    session.show("hidden")
    if (!session.isUnacknowledged) return void session.text.close()
    const { text } = session
    this.#parked.set(text.id, session)
    const [oldest] = this.#parked.values()
    if (this.#parked.size > limitParked && oldest !== undefined) this.#release(oldest)
    const forget = text.on("state", () => {
      const isParked = this.#parked.get(text.id) === session
      if (isParked && !session.isUnacknowledged) this.#release(session)
      if (!isParked || !session.isUnacknowledged) forget()
    })
  }

  /** Whether leaving the page would lose something. */
  isUnacknowledged(shown: Session): boolean {
    return [shown, ...this.#parked.values()].some((session) => session.isUnacknowledged)
  }

  #release(session: Session): void {
    this.#parked.delete(session.text.id)
    void session.text.close()
  }
}

/** A notice shows where a text begins; "Copy" has all of it. */
function excerpt(text: string): string {
  const limit = 400
  return text.length <= limit ? text : `${text.slice(0, limit).toWellFormed()}…`
}

function isSame(one: Standing, other: Standing): boolean {
  return one.words === other.words && one.wait === other.wait && one.tone === other.tone
}

function nothing(): void {}
