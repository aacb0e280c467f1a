/**
 * Programs that write a document over HTTP, without being connected to it (DC94 to DC96).
 *
 * What always holds: what a program writes becomes one edit like any other, moved over what came
 * since the text that it knew; whoever types is not disturbed, and what is unchanged stays as it
 * is. It is journaled before the program is answered (DC47). A document that nobody has open is
 * loaded, edited, saved with the next ones and idle afterwards.
 */
import type { Log } from "../log.ts"
import { codePointCount } from "../ot/codepoints.ts"
import { diff } from "../ot/diff.ts"
import { History, type Moved } from "../ot/history.ts"
import { type Component, Operation } from "../ot/operation.ts"
import { limitComponents } from "../wire/documents.ts"
import type { Patch } from "../wire/documents-http.ts"
import { WireError } from "../wire/error.ts"
import { clientOf } from "./authors.ts"
import { type Document, tooLarge } from "./document.ts"
import { type Caller, type Gate, reading } from "./gate.ts"
import type { Playback } from "./playback.ts"
import type { Publishing } from "./publishing.ts"
import type { Residents } from "./residents.ts"
import type { Saver } from "./saver.ts"
import type { Scribe } from "./scribe.ts"
import { frameBytes, type Settings, type Time, tailOperations } from "./settings.ts"
import type { Shelf } from "./shelf.ts"
import { whyUnfit } from "./unfit.ts"

export interface WritingOptions {
  readonly shelf: Shelf
  readonly log: Log
  readonly gate: Gate
  readonly playback: Playback
  readonly publishing: Publishing
  readonly residents: Residents
  readonly saver: Saver
  readonly scribe: Scribe
  readonly settings: Settings
  readonly time: Time
  /** Takes the document `id`, which is not in memory, there for `caller`. Throws "unavailable" or "flooding". */
  readonly load: (id: string, caller: Caller) => Document
  /** Where edits are counted by what became of them. */
  readonly edits: { accepted: number; nothing: number; refused: number }
  /** Another program has deleted the row of a document. */
  readonly deleted: (document: Document) => void
}

/** A text that a program has read: what an ETag says. */
export interface Mark {
  readonly epoch: string
  readonly revision: number
}

/** What a program wants to write. "text": the whole text. */
export interface Wish {
  readonly change: { readonly kind: "text"; readonly text: string } | Patch
  /** Which texts it may have had before it; undefined when it did not say, or does not mind. */
  readonly known: readonly Mark[] | undefined
  /** Its own name for this write: what came under the same name before is not done again. */
  readonly once: string | undefined
}

/**
 * What became of it. "unreachable": the text that it knew is not kept. "absent": what it wanted to
 * replace is not there. "stale": the revision of its operation is not kept. "away": the disk
 * cannot be written; if the edit was taken all the same, it is in memory only.
 */
export type Written =
  | ({ readonly kind: "written" } & Mark)
  | { readonly kind: "unreachable" | "absent" | "stale" | "away" }
  | {
      readonly kind: "refused"
      readonly code: "too-large" | "bad-message"
      readonly sentence: string
    }

/** The edit that a wish comes to, for the present text; or why there is none. */
type Draft = Operation | Exclude<Written, { readonly kind: "written" }>

/** The only edit of a name of a program. */
const seq = 1

export class Writing {
  readonly #options: WritingOptions
  #isStopped = false

  constructor(options: WritingOptions) {
    this.#options = options
  }

  /** Bytes of a request that may write a text. */
  get limitBytes(): number {
    return frameBytes(this.#options.settings.textLimit)
  }

  /** Nothing is written any more. */
  stop(): void {
    this.#isStopped = true
  }

  /**
   * Writes the document that `name`, an id or a link, leads to. Throws what `Documents.open` throws,
   * "forbidden" to one who may only read, and "flooding" beyond so many in a minute.
   */
  write(name: string, caller: Caller, wish: Wish): Written {
    if (this.#isStopped) throw new WireError("going-away", "stopping")
    const { gate, load } = this.#options
    gate.take(gate.writes, caller.address)
    const { id, role } = gate.admit(name, caller)
    if (role === "read") throw new WireError("forbidden", "this link lets you read only")
    const document = this.#resident(id) ?? load(id, caller)
    const written = this.#write(document, wish)
    if (document.connections.size === 0) this.#rest(document)
    return written
  }

  // A program that is answered is gone, and would not hear that the row was deleted before (DC29).
  #resident(id: string): Document | undefined {
    const { residents, shelf, log, deleted } = this.#options
    const document = residents.find(id)
    if (document === undefined || !document.isStored) return document
    if (reading(log, () => shelf.missing([id])).length === 0) return document
    deleted(document)
    return undefined
  }

  #write(document: Document, { change, known, once }: Wish): Written {
    const { publishing, time, edits } = this.#options
    publishing.now(document)
    const client = once === undefined ? undefined : clientOf(`http:${once}`)
    const before = client === undefined ? undefined : document.authors.find(client)
    if (before !== undefined) {
      edits.nothing += 1
      return this.#outcome(document, before.user)
    }
    if (document.isUnwritten) return { kind: "away" }
    const operation = this.#draft(document, change, known)
    if (!(operation instanceof Operation)) return operation
    document.accessedAt = time.now
    // Under a name it takes a revision in any case: only what is journaled is known after a restart.
    if (operation.isNoop && client === undefined) {
      edits.nothing += 1
      return this.#outcome(document)
    }
    const user = document.newUser()
    const outcome = document.edit({
      user,
      // As a plain editor's: it has no caret that anybody would have to be shown.
      shape: "kolabpad",
      numbered: client === undefined ? undefined : { client, seq },
      revision: document.revision,
      operation,
      at: undefined,
    })
    if (outcome.kind === "refused") {
      edits.refused += 1
      const code = outcome.code === "too-large" ? outcome.code : "bad-message"
      return { kind: "refused", code, sentence: outcome.sentence }
    }
    edits.accepted += 1
    publishing.now(document)
    return this.#outcome(document)
  }

  // Where the edit of `user`, made before, has led; without one, where the document is now.
  #outcome(document: Document, user?: number): Written {
    if (document.isUnwritten) return { kind: "away" }
    const { epoch, revision } = document
    const made = user === undefined ? revision : this.#options.playback.revisionBy(document, user)
    return { kind: "written", epoch, revision: made ?? revision }
  }

  #draft(document: Document, change: Wish["change"], known: Wish["known"]): Draft {
    const isCurrent = known?.some((mark) => isAt(mark, document, document.revision)) ?? true
    // What is written relative to the present text is meant for no other.
    if (change.kind !== "text" && !isCurrent) return { kind: "unreachable" }
    switch (change.kind) {
      case "text":
        return this.#replace(document, change.text, isCurrent ? undefined : known)
      case "append":
        return Operation.from([document.length, change.text])
      case "find":
        return this.#find(document, change)
      case "operation": {
        const moved = this.#move(document, change.operation, change.revision)
        if (moved.kind === "stale") return moved
        if (moved.kind === "moved") return moved.operation
        const { baseLength } = change.operation
        const { revision } = change
        const unfit = { revision, baseLength, head: document.revision, offset: 0 }
        return { kind: "refused", code: "bad-message", sentence: whyUnfit(moved, unfit) }
      }
    }
  }

  // `known` are texts of before, of which the newest counts; undefined for the present one.
  #replace(document: Document, text: string, known: Wish["known"]): Draft {
    const limit = this.#limit(document)
    const length = codePointCount(text)
    if (length > limit) return tooLong(length, limit)
    if (known === undefined) return bounded(diff(document.text, text), document.text)
    const { playback } = this.#options
    const revision = known
      .filter((mark) => isAt(mark, document, mark.revision))
      .reduce((newest, mark) => Math.max(newest, mark.revision), -1)
    const before = revision < 0 ? undefined : playback.textAt(document, revision)
    if (before === undefined) return { kind: "unreachable" }
    const moved = this.#move(document, bounded(diff(before, text), before), revision)
    return moved.kind === "moved" ? moved.operation : { kind: "unreachable" }
  }

  #find(document: Document, { find, replace, which }: Extract<Patch, { kind: "find" }>): Draft {
    const { text } = document
    // Who sends CRLF means the ends of lines, and those are LF here, most often.
    const wanted = text.includes(find) ? find : find.replace(/\r\n?/g, "\n")
    const places = placesOf(text, wanted, which)
    if (places.length === 0) return { kind: "absent" }
    // Known before any of it is built: a letter may stand there as often as a text has letters.
    const growth = codePointCount(replace) - codePointCount(wanted)
    const length = document.length + places.length * growth
    const limit = this.#limit(document)
    if (length > limit) return tooLong(length, limit)
    const { components } = diff(wanted, replace)
    const all: Component[] = []
    let end = 0
    for (const place of places) {
      all.push(codePointCount(text.slice(end, place)), ...components)
      end = place + wanted.length
    }
    return bounded(Operation.from([...all, codePointCount(text.slice(end))]), text)
  }

  // Over all that was accepted since, also where the window has let go of it and the shelf has not.
  #move(document: Document, operation: Operation, revision: number): Moved {
    const moved = document.history.move(operation, revision)
    if (moved.kind !== "stale") return moved
    const { playback } = this.#options
    const since = playback.since(document, revision, tailOperations)
    if (since?.length !== document.revision - revision) return moved
    const length = since[0]?.operation.baseLength ?? document.length
    const history = new History({ revision, length })
    for (const edit of since) history.accept(edit)
    return history.move(operation, revision)
  }

  // What a text may be long: one that is longer already may stay so (DC39).
  #limit(document: Document): number {
    return Math.max(this.#options.settings.textLimit, document.length)
  }

  // Nobody is in it: it becomes idle anew, the last one of all.
  #rest(document: Document): void {
    const { residents, saver, scribe } = this.#options
    residents.becameHot(document)
    residents.becameIdle(document)
    if (document.isChanged) saver.want(document)
    else if (document.isStored) scribe.touch(document)
  }
}

// Revision 0 is the empty text in every epoch.
function isAt({ epoch, revision }: Mark, document: Document, at: number): boolean {
  return revision === at && (epoch === document.epoch || revision === 0)
}

function tooLong(length: number, limit: number): Draft {
  return { kind: "refused", code: "too-large", sentence: tooLarge(length, limit) }
}

// One with more components than an operation may have replaces all of `text` instead (DC41).
function bounded(operation: Operation, text: string): Operation {
  if (operation.size <= limitComponents) return operation
  return Operation.from([operation.apply(text), -operation.baseLength])
}

// The UTF-16 indexes at which `find` begins, none within another.
function placesOf(text: string, find: string, which: "first" | "all"): readonly number[] {
  const places: number[] = []
  for (let at = text.indexOf(find); at >= 0; at = text.indexOf(find, at + find.length)) {
    places.push(at)
    if (which === "first") break
  }
  return places
}
