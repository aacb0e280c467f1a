/**
 * Who is in a document, and where: what an editor knows of the others.
 *
 * What always holds: every index lies within the text shown here, in code points of it. The
 * server speaks of a text without our pending edits, so what it says is moved over those; and it
 * is silent about a caret that follows its owner's own typing, so that is inferred (DC69).
 * As many are kept as the server lets in.
 */
import { moveIndex, type Operation } from "../ot/operation.ts"
import type { Cursors, Info, Placed } from "../wire/documents-shapes.ts"
import { caretAfter, clampCursors, moveCursors, type OwnedCursors } from "./cursors.ts"

/** Somebody in a document. The places are kept up to date in it; who wants old ones copies them. */
export interface Editor extends Cursors {
  readonly id: number
  readonly name: string
  /** 0 to 359. */
  readonly hue: number
}

/** An Editor as it is kept here: its places are moved in place, since that is done so often. */
type Kept = Editor & OwnedCursors

export class Editors {
  readonly #byId = new Map<number, Kept>()
  readonly #dueById = new Map<number, Cursors>()
  #isChanged = false

  get all(): ReadonlyMap<number, Editor> {
    return this.#byId
  }

  /** Whether anything changed since this was last asked. */
  takeChanged(): boolean {
    const isChanged = this.#isChanged
    this.#isChanged = false
    return isChanged
  }

  /** Everybody is unknown again. */
  clear(): void {
    this.#byId.clear()
    this.#dueById.clear()
    this.#isChanged = true
  }

  /** Somebody has this name and colour, or (undefined) is gone. */
  name(id: number, info: Info | undefined): void {
    this.#isChanged = true
    if (info === undefined) {
      this.#byId.delete(id)
      this.#dueById.delete(id)
    } else {
      const { name, hue } = info
      this.#put({ cursors: [], selections: [], ...this.#byId.get(id), id, name, hue: hue % 360 })
    }
  }

  /** The server says where these are in its text: they get there once our text is that far. */
  expect(places: readonly Placed[]): void {
    for (const place of places) this.#dueById.set(place.id, place)
  }

  /**
   * Our confirmed text is as far as the server's; `waiting` is what is pending on it, and `length`
   * the code points of the text shown.
   */
  arrive(waiting: readonly (Operation | undefined)[], length: number): void {
    for (const [id, place] of this.#dueById) {
      // Whoever has no name still has a caret; the hue is one that tells neighbours apart.
      const editor = this.#byId.get(id) ?? { id, name: "Anonymous", hue: (id * 137) % 360 }
      let at: Cursors = place
      for (const operation of waiting) if (operation !== undefined) at = moveCursors(operation, at)
      this.#put({ ...editor, ...clampCursors(at, length) })
      this.#isChanged = true
    }
    this.#dueById.clear()
  }

  /** The shown text changed, and `author` did that if it is one of those here. */
  move(operation: Operation, author: number | undefined): void {
    for (const editor of this.#byId.values()) {
      if (editor.id === author) continue
      // Hundreds of carets and a frame of a hundred operations: nothing is allocated for these.
      const { cursors, selections } = editor
      for (let at = 0; at < cursors.length; at += 1) {
        cursors[at] = moveIndex(operation, cursors[at] ?? 0, "left")
      }
      for (const selection of selections) {
        selection[0] = moveIndex(operation, selection[0], "left")
        selection[1] = moveIndex(operation, selection[1], "left")
      }
    }
    const editor = author === undefined ? undefined : this.#byId.get(author)
    const caret = caretAfter(operation)
    if (editor === undefined || caret === undefined) return
    this.#put({ ...editor, cursors: [caret], selections: [] })
    this.#isChanged = true
  }

  #put(editor: Kept): void {
    this.#byId.set(editor.id, editor)
  }
}
