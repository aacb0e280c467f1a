/**
 * What editors that have joined say, and what comes of it.
 *
 * What always holds: whoever speaks gets its answer in its own way. A plain editor that says what
 * cannot be taken is closed; an extended one is told by an Error and goes on (DC60). Nothing is
 * told to others here but metadata: edits and cursors only stir the document.
 */
import { Operation } from "../ot/operation.ts"
import type { Undo } from "../service.ts"
import type { CursorData, Edit, FromEditor } from "../wire/documents.ts"
import type { Info, Refused, ToEditor } from "../wire/documents-shapes.ts"
import { cursorsAt, positionsOf } from "./cursors.ts"
import type { Document } from "./document.ts"
import type { Editor } from "./editor.ts"
import { infoNews, languageNews, nameOf } from "./joining.ts"
import type { Publishing } from "./publishing.ts"
import type { Scribe } from "./scribe.ts"
import { languageMs, type Time } from "./settings.ts"
import type { Shelf } from "./shelf.ts"

export interface HearingOptions {
  readonly shelf: Shelf
  readonly scribe: Scribe
  readonly publishing: Publishing
  readonly time: Time
}

/** Why a message was not taken. */
interface Refusal {
  readonly code: Exclude<Refused, "unavailable">
  readonly sentence: string
  readonly seq: number | undefined
}

/** A connection that is not read for a while. */
interface Rest {
  readonly until: number
  readonly release: Undo
}

export class Hearing {
  /** Edits since the start, by what became of them. */
  readonly edits = { accepted: 0, nothing: 0, refused: 0 }
  readonly #shelf: Shelf
  readonly #scribe: Scribe
  readonly #publishing: Publishing
  readonly #time: Time
  /** Documents whose language is still to be written down: it changed too often. */
  readonly #languages = new Set<Document>()
  /** At most one for each connection: one that rests says nothing. */
  #rests: Rest[] = []

  constructor({ shelf, scribe, publishing, time }: HearingOptions) {
    this.#shelf = shelf
    this.#scribe = scribe
    this.#publishing = publishing
    this.#time = time
  }

  /** `editor` says `message` in `document`. */
  hear(document: Document, editor: Editor, message: FromEditor): void {
    switch (message.kind) {
      case "edit":
        return this.#edit(document, editor, message)
      case "cursors":
        return this.#setCursors(document, editor, message)
      case "language":
        return this.#setLanguage(document, editor, message.language)
      case "info":
        return this.#setInfo(document, editor, message.info)
      case "join":
        return this.#refuse(document, editor, badMessage("you have joined already"))
      case "unreadable":
        return this.#refuse(document, editor, message)
    }
  }

  /** Does what had to wait. */
  tick(): void {
    // A copy: what has to wait on is put back, and would be met again and again.
    for (const document of [...this.#languages]) this.#writeLanguage(document)
    if (this.#rests.length === 0) return
    const over = this.#rests.filter(({ until }) => until <= this.#time.now)
    this.#rests = this.#rests.filter(({ until }) => until > this.#time.now)
    for (const { release } of over) release()
  }

  /** `document` is gone from memory. */
  forget(document: Document): void {
    this.#languages.delete(document)
  }

  /** Writes down now what of `document` had to wait. */
  settle(document: Document): void {
    if (this.#languages.delete(document)) this.#storeLanguage(document)
  }

  #edit(document: Document, editor: Editor, edit: Edit): void {
    const { client, user, shape } = editor
    const { seq } = edit
    if (editor.seat.role === "read") {
      this.edits.refused += 1
      return this.#refuse(document, editor, readOnly(seq))
    }
    if (client !== undefined && seq === undefined) {
      return this.#refuse(document, editor, badMessage("an edit has a number, seq"))
    }
    const numbered = client === undefined || seq === undefined ? undefined : { client, seq }
    const ours = shape === "extended" ? edit : placed(document, edit)
    const { revision, operation, at } = ours
    const outcome = document.edit({ user, shape, numbered, revision, operation, at })
    switch (outcome.kind) {
      case "accepted":
        this.edits.accepted += 1
        this.#publishing.stir(document)
        if (outcome.operation.isNoop) this.#rest(editor)
        return
      case "nothing":
        this.edits.nothing += 1
        if (seq !== undefined)
          this.#answer(document, editor, { Ack: { seq, revision: document.revision } })
        return
      case "refused":
        this.edits.refused += 1
        return this.#refuse(document, editor, { ...outcome, seq })
    }
  }

  #setCursors(document: Document, editor: Editor, data: CursorData): void {
    if (editor.shape !== "extended") {
      document.cursors.set(editor.user, data, "right")
      return this.#publishing.stir(document)
    }
    if (data.revision === undefined) {
      return this.#refuse(document, editor, badMessage("cursors have a revision"))
    }
    const moved = document.history.movePositions(positionsOf(data), data.revision, "left")
    if (moved === undefined) return // too old to be worth an answer: the next one comes soon
    const within = moved.map((position) => Math.min(position, document.length))
    document.cursors.set(editor.user, cursorsAt(within, data.cursors.length), "left")
    this.#publishing.stir(document)
  }

  #setLanguage(document: Document, editor: Editor, language: string): void {
    if (editor.seat.role === "read") return this.#refuse(document, editor, readOnly(undefined))
    document.language = language
    const by = { user_id: editor.user, user_name: nameOf(editor) }
    document.audience.tell("language", languageNews(language, by))
    this.#publishing.watch(document)
    this.#writeLanguage(document)
  }

  #setInfo(document: Document, editor: Editor, info: Info): void {
    editor.info = info
    const { client } = editor
    const author = client === undefined ? undefined : document.authors.find(client)
    if (author !== undefined) document.authors.see({ ...author, ...info, seenAt: this.#time.now })
    document.audience.tell(`user:${editor.user}`, infoNews(editor.user, info))
    this.#publishing.watch(document)
  }

  // At once, but for each document twice a second at most; of one that is not stored, never.
  #writeLanguage(document: Document): void {
    this.#languages.delete(document)
    if (!document.isStored) return
    const isLate = this.#time.now - document.languageWrittenAt >= languageMs
    if (isLate) this.#storeLanguage(document)
    else this.#languages.add(document)
  }

  #storeLanguage(document: Document): void {
    document.languageWrittenAt = this.#time.now
    try {
      this.#shelf.setLanguage(document.id, document.language ?? "")
    } catch (thrown) {
      // It stays what it is in memory; the next try here writes it, or the next save.
      this.#scribe.failed("language not written", thrown)
      this.#languages.add(document)
    }
  }

  #refuse(document: Document, editor: Editor, { code, sentence, seq }: Refusal): void {
    if (editor.shape !== "extended") {
      return editor.end(code === "read-only" ? "forbidden" : code, sentence)
    }
    const { revision } = document
    const numbered = seq === undefined ? {} : { seq }
    const retry = code === "stale-revision"
    this.#answer(document, editor, {
      Error: { code, message: sentence, ...numbered, revision, retry },
    })
    const isFault = code === "bad-message" || code === "bad-operation"
    if (isFault && editor.fault()) editor.end("bad-message", sentence)
  }

  #answer(document: Document, editor: Editor, message: ToEditor): void {
    document.audience.answer(editor, { revision: document.revision, message })
    this.#publishing.watch(document)
  }

  // A plain editor that changes nothing, again and again, makes revisions without end (DC38).
  #rest(editor: Editor): void {
    const ms = editor.noop()
    if (ms === 0) return
    this.#rests.push({ until: this.#time.now + ms, release: editor.seat.connection.hold() })
  }
}

// The edit of a plain editor, in our numbers. Its revision 0 is the empty text, whatever the window
// has let go of: what is typed into a page before it hears the past is written for that, and goes
// left of all that came since (DC32, DC35).
function placed(document: Document, edit: Edit): Edit {
  const { revision, operation } = edit
  if (revision > 0 || operation.baseLength > 0) {
    return { ...edit, revision: revision - document.offset }
  }
  const whole = Operation.from([...operation.components, document.length])
  return { ...edit, revision: document.revision, operation: whole }
}

// DC92: it may look, and say who it is and where.
function readOnly(seq: number | undefined): Refusal {
  return { code: "read-only", sentence: "this link lets you read only", seq }
}

function badMessage(sentence: string): Refusal {
  return { code: "bad-message", sentence, seq: undefined }
}
