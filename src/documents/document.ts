/**
 * One text: what it is now, what it was a while ago, and what is still to be written down of it.
 *
 * It takes edits in and gives out what is to be stored; who is told what is its audience's matter,
 * and when things happen is decided above. What always holds: `revision` counts the operations it
 * has accepted, and `text` is what they made. Of those in `#unjournaled` nobody was told yet.
 */
import { type Entry, History } from "../ot/history.ts"
import type { Operation } from "../ot/operation.ts"
import { Pieces } from "../ot/pieces.ts"
import type { Connection } from "../service.ts"
import type { Cursors, Element, Shape, ToEditor } from "../wire/documents-shapes.ts"
import type { Code } from "../wire/error.ts"
import { Audience } from "./audience.ts"
import { Authors } from "./authors.ts"
import { cursorsAt, positionsOf, StoredCursors } from "./cursors.ts"
import { elementOf, PlainPast } from "./plain.ts"
import type { SavingState } from "./saving.ts"
import { dayMs, type Settings, type Time, windowBytes } from "./settings.ts"
import type { JournalEntry, Snapshot, Stored } from "./shelf.ts"
import { whyUnfit } from "./unfit.ts"
import { Unsaved } from "./unsaved.ts"

/** An edit that somebody wants. */
export interface Wanted {
  readonly user: number
  readonly shape: Shape
  /** The name of an extended editor's client key, and the number it gave the edit. */
  readonly numbered: { readonly client: string; readonly seq: number } | undefined
  readonly revision: number
  readonly operation: Operation
  /** Its author's carets in the text after it. */
  readonly at: Cursors | undefined
}

/**
 * What became of it. "accepted": it made a revision. "nothing": it took none, because it changes
 * nothing or was accepted before; an extended editor gets an Ack.
 */
export type Outcome =
  | { readonly kind: "accepted"; readonly operation: Operation }
  | { readonly kind: "nothing" }
  | { readonly kind: "refused"; readonly code: RefusedCode; readonly sentence: string }

type RefusedCode = Extract<Code, "stale-revision" | "bad-operation" | "too-large">

/** What a document begins as. */
export interface Origin {
  readonly id: string
  readonly epoch: string
  /** Undefined for one that is made here. */
  readonly stored: Stored | undefined
  readonly settings: Settings
  readonly time: Time
}

export class Document {
  readonly id: string
  readonly epoch: string
  readonly authors: Authors
  readonly cursors = new StoredCursors()
  readonly audience = new Audience()
  readonly plain: PlainPast
  language: string | undefined
  otp: string | undefined
  /** For how long it is kept unused, where its editors have said so (DC27). */
  retentionDays: number | undefined
  /** All that are open, joined or not: the first and the last are known by them (DC11). */
  readonly connections = new Set<Connection<ToEditor>>()
  /** There is a row for it on the shelf, as far as we know. */
  isStored: boolean
  /** Edits after this revision could not be journaled: they are in memory only until it is saved (DC51). */
  unwrittenFrom: number | undefined
  /** Deleted or evicted: it does nothing any more (DC28). */
  isDead = false
  /** Everything up to this revision is on the disk itself. */
  durable = 0
  accessedAt: number
  editedAt: number
  /** Of the last change of the OTP. */
  protectedAt = 0
  languageWrittenAt = 0
  flushedAt = 0
  cursorsToldAt = 0
  savedToldAt = 0
  checksumToldAt = 0
  readonly #settings: Settings
  readonly #time: Time
  readonly #text: Pieces
  #history: History
  #nextUser: number
  #savedRevision: number
  #savedAt: number
  #unjournaled: JournalEntry[] = []
  readonly #unsaved = new Unsaved()

  constructor({ id, epoch, stored, settings, time }: Origin) {
    const { text = "", revision = 0 } = stored ?? {}
    this.id = id
    this.epoch = epoch
    this.#settings = settings
    this.#time = time
    this.#text = Pieces.of(text)
    this.#history = this.#window(revision)
    this.plain = new PlainPast({ revision, text }, settings.windowOperations)
    this.authors = new Authors(stored?.authors, stored?.authorsFloor)
    this.language = stored?.language
    this.otp = stored?.otp
    this.isStored = stored !== undefined
    this.retentionDays = stored?.retentionDays
    this.#nextUser = stored?.nextUser ?? 0
    this.#savedRevision = revision
    this.#savedAt = time.now
    this.accessedAt = stored?.accessedAt ?? time.now
    this.editedAt = time.now
  }

  get revision(): number {
    return this.#history.revision
  }

  /** In code points. */
  get length(): number {
    return this.#text.length
  }

  /** Takes time in the length of the text, once after each edit. */
  get text(): string {
    return this.#text.toString()
  }

  get history(): History {
    return this.#history
  }

  get pieces(): Pieces {
    return this.#text
  }

  /** What plain revisions have more than ours. */
  get offset(): number {
    return this.plain.offset
  }

  /** Something of it is worth keeping: else it is never stored (DC22). */
  get isWorthKeeping(): boolean {
    return this.isStored || this.revision > 0 || this.otp !== undefined
  }

  get isChanged(): boolean {
    return this.revision !== this.#savedRevision
  }

  /** An estimate of the bytes it takes in memory, rather too high. */
  get bytes(): number {
    return 2 * this.length + this.#history.bytes + this.#unsaved.bytes + 4_096
  }

  get savingState(): SavingState {
    return {
      revision: this.revision,
      savedRevision: this.#savedRevision,
      unsavedBytes: this.#unsaved.bytes,
      savedAt: this.#savedAt,
      editedAt: this.editedAt,
      protectedAt: this.protectedAt,
    }
  }

  /** When it will be deleted unless someone comes back before, in ms since 1970; undefined for never. */
  get expiresAt(): number | undefined {
    const days = this.retentionDays ?? this.#settings.retentionDays
    return days === 0 ? undefined : this.accessedAt + days * dayMs
  }

  /** A user id that nobody has had (DC10). */
  newUser(): number {
    this.#nextUser += 1
    return this.#nextUser - 1
  }

  /** Takes an edit in, or says why not; then nothing has changed. */
  edit(wanted: Wanted): Outcome {
    const { numbered } = wanted
    const author = numbered && this.authors.find(numbered.client)
    if (numbered !== undefined && (author?.seq ?? 0) >= numbered.seq) return { kind: "nothing" }
    const { revision, at } = wanted
    const positions = at === undefined ? [] : this.#clamp(at, wanted.operation.targetLength)
    const moved = this.#history.move(wanted.operation, revision, positions)
    if (moved.kind !== "moved") {
      const { baseLength } = wanted.operation
      const offset = wanted.shape === "extended" ? 0 : this.offset
      const sentence = whyUnfit(moved, { revision, baseLength, head: this.revision, offset })
      return refused(moved.kind === "stale" ? "stale-revision" : "bad-operation", sentence)
    }
    const { operation } = moved
    const { textLimit } = this.#settings
    if (operation.targetLength > Math.max(textLimit, operation.baseLength)) {
      return refused("too-large", tooLarge(operation.targetLength, textLimit))
    }
    // A plain editor has no other sign that its edit came than to be told it as a revision (DC38).
    const isNothing = operation.isNoop && wanted.shape === "extended"
    if (!isNothing) this.#accept(wanted, operation)
    if (numbered !== undefined) {
      // A key may have been forgotten since its editor joined, and is known again from here on.
      const { user, name, hue } = author ?? { user: wanted.user, name: undefined, hue: undefined }
      const { client, seq } = numbered
      this.authors.see({ client, user, seq, name, hue, seenAt: this.#time.now })
    }
    if (isNothing) return { kind: "nothing" }
    this.#placeCarets(wanted, operation, moved.positions)
    return { kind: "accepted", operation }
  }

  /** The entries to journal; they count as journaled from now on. */
  takeUnjournaled(): readonly JournalEntry[] {
    const entries = this.#unjournaled
    this.#unjournaled = []
    return entries
  }

  /** Whether something was accepted that nobody was told of. */
  get isDirty(): boolean {
    return this.#unjournaled.length > 0
  }

  get isUnwritten(): boolean {
    return this.unwrittenFrom !== undefined
  }

  /**
   * What was accepted after `revision`, as far as memory has it: from the window, or from what is
   * not saved yet. Undefined when memory does not reach back so far, or when that is ahead of us.
   */
  past(revision: number): readonly Entry[] | undefined {
    const entries = this.#history.tail(revision)
    if (entries !== undefined) return entries
    const since = revision - this.unsavedFrom
    if (since < 0 || revision > this.revision) return undefined
    return this.#unsaved.entries.slice(since)
  }

  /** `past` as editors are told it. */
  tail(revision: number): readonly Element[] | undefined {
    return this.past(revision)?.map(elementOf)
  }

  /** The revision from which on all edits are in memory, saved or not. */
  get unsavedFrom(): number {
    return this.revision - this.#unsaved.entries.length
  }

  /** The window may be cut: all editors were sent, or will fetch, what it had. */
  letGo(): "same" | "renumbered" {
    this.#history.letGo(this.revision)
    return this.plain.follow(this.#history, this.#text)
  }

  /** Nobody has been here for long: lets go of all but the text (DC25). */
  rest(): void {
    this.plain.rest()
    this.#history = this.#window(this.revision)
  }

  /** The whole of it, to be saved. */
  get snapshot(): Snapshot {
    return {
      id: this.id,
      text: this.text,
      language: this.language,
      otp: this.otp,
      epoch: this.epoch,
      revision: this.revision,
      nextUser: this.#nextUser,
      accessedAt: this.accessedAt,
      authors: this.authors.unsaved,
      authorsFloor: this.authors.floor,
      past: this.#unsaved.entries,
    }
  }

  /** Its snapshot was saved. */
  settle(): void {
    this.isStored = true
    this.unwrittenFrom = undefined
    this.#savedRevision = this.revision
    this.#savedAt = this.#time.now
    this.#unsaved.clear()
    this.authors.settle()
  }

  #window(revision: number): History {
    const { windowOperations } = this.#settings
    const options = { limitOperations: windowOperations, limitBytes: windowBytes }
    return new History({ revision, length: this.#text.length, ...options })
  }

  #accept(wanted: Wanted, operation: Operation): void {
    const { user, numbered } = wanted
    const { id: document, epoch, revision } = this
    const at = this.#time.now
    this.#text.apply(operation)
    this.#history.accept({ user, operation, at })
    this.cursors.move(operation, user)
    this.#unjournaled.push({ document, epoch, revision, user, author: numbered, operation })
    this.#unsaved.add({ user, at, operation })
    this.editedAt = at
    this.accessedAt = at
  }

  // An extended editor's carets follow its edits; a plain one says where its are (DC68, DC69).
  #placeCarets(
    { user, shape, at }: Wanted,
    operation: Operation,
    positions: readonly number[],
  ): void {
    if (shape !== "extended") return
    if (at === undefined) this.cursors.infer(user, operation)
    else this.cursors.set(user, cursorsAt(positions, at.cursors.length), "left")
  }

  #clamp(at: Cursors, length: number): readonly number[] {
    return positionsOf(at).map((position) => Math.min(position, length))
  }
}

function refused(code: RefusedCode, sentence: string): Outcome {
  return { kind: "refused", code, sentence }
}

/** Why a text of `length` code points is refused where `limit` are allowed. */
export function tooLarge(length: number, limit: number): string {
  const [would, most] = [length, limit].map((count) => count.toLocaleString("en"))
  return `The text would have ${would} characters; ${most} is the limit.`
}
