/**
 * What plain editors are told of a document's past: always all of it, from their revision 0
 * (DC55, DC56). What is in memory no more stands there as one insert of a text by the system,
 * followed by operations that change nothing, so that later revisions keep their numbers.
 *
 * What always holds: a plain revision is ours plus `offset`, and that stays as it is while the
 * document is in memory, unless the fillers become too many; then plain editors have to begin anew.
 * A plain editor that comes back goes on from the revision it had, whatever it is told before that.
 * So the text that is told as one insert must be an old one: while the window holds enough, one of
 * at least half a window ago.
 */
import { codePointCount } from "../ot/codepoints.ts"
import type { Entry, History } from "../ot/history.ts"
import { Operation } from "../ot/operation.ts"
import type { Pieces } from "../ot/pieces.ts"
import { type Element, systemUser } from "../wire/documents-shapes.ts"

/** At about 45 bytes each they make a message of 2 MB; beyond that the offset moves on. */
const limitFillers = 50_000

/** A text, and the revision at which it was the document's. */
interface Origin {
  readonly revision: number
  readonly text: string
}

/** What a document was loaded as; nothing and 0 for one that is made here. */
export interface Beginning {
  readonly revision: number
  readonly text: string
}

export class PlainPast {
  /** After so many revisions a text is kept to become the next origin. */
  readonly #everyRevisions: number
  readonly #limitFillers: number
  #offset: number
  /** Told as one insert. Undefined while no plain editor needs one, or it has left the window. */
  #origin: Origin | undefined
  #next: Origin | undefined
  /** A plain editor was here: it may come back, so texts are kept for it. */
  #isNeeded = false

  /** `windowOperations` is what the document's window holds at most. */
  constructor(begun: Beginning, windowOperations: number, fillers: number = limitFillers) {
    this.#everyRevisions = Math.ceil(windowOperations / 2)
    this.#limitFillers = fillers
    this.#offset = offsetOf(begun)
    this.#origin = begun
  }

  /** What plain revisions have more than ours: negative for most documents that were loaded. */
  get offset(): number {
    return this.#offset
  }

  /** The whole past, as elements from plain revision 0 to the present one. */
  tell(history: History, text: Pieces): readonly Element[] {
    const origin = this.#originWithin(history, text)
    // As long as no plain editor knows the numbers they may be moved at will.
    if (!this.#isNeeded) this.#renumber(origin)
    this.#isNeeded = true
    const fillers = origin.revision + this.#offset - (origin.text === "" ? 0 : 1)
    const length = codePointCount(origin.text)
    const filler = { id: systemUser, operation: Operation.identity(length) }
    const insert = { id: systemUser, operation: Operation.from([origin.text]) }
    return [
      ...(origin.text === "" ? [] : [insert]),
      ...Array.from({ length: fillers }, () => filler),
      ...(history.tail(origin.revision) ?? []).map(elementOf),
    ]
  }

  /**
   * The window has moved on: keeps texts while they can be had. "renumbered": plain revisions have
   * other numbers from now on, and plain editors must begin anew.
   */
  follow(history: History, text: Pieces): "same" | "renumbered" {
    if (!this.#isNeeded) {
      if (this.#origin !== undefined && history.first > this.#origin.revision) this.rest()
      return "same"
    }
    const origin = this.#originWithin(history, text)
    if (this.#next === undefined && history.revision - origin.revision >= this.#everyRevisions) {
      this.#next = present(history, text)
    }
    return this.#renumber(origin)
  }

  /** Nobody is here: lets go of all texts. The offset stays. */
  rest(): void {
    this.#origin = undefined
    this.#next = undefined
    this.#isNeeded = false
  }

  #renumber(origin: Origin): "same" | "renumbered" {
    if (origin.revision + this.#offset <= this.#limitFillers) return "same"
    this.#offset = offsetOf(origin)
    return "renumbered"
  }

  // The origin, from which the window leads on to the present.
  #originWithin(history: History, text: Pieces): Origin {
    for (const origin of [this.#origin, this.#next]) {
      if (origin === undefined || origin.revision < history.first) continue
      if (origin === this.#next) this.#next = undefined
      this.#origin = origin
      return origin
    }
    this.#next = undefined
    this.#origin = present(history, text)
    return this.#origin
  }
}

/** An accepted operation as editors are told it. */
export function elementOf({ user, operation }: Pick<Entry, "user" | "operation">): Element {
  return { id: user, operation }
}

function present(history: History, text: Pieces): Origin {
  return { revision: history.revision, text: text.toString() }
}

// A text is plain revision 1, whatever ours is; an empty one is what every past begins with.
function offsetOf({ revision, text }: Origin): number {
  return (text === "" ? 0 : 1) - revision
}
