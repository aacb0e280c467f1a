/**
 * The editor of a note: a CodeMirror view bound to the text of one replica, with others' carets.
 *
 * What always holds: the binding and undo are Yjs's own, so what others typed is never undone; the
 * carets are drawn as in documents, since the page's policy admits no style attribute.
 */
import { defaultKeymap } from "@codemirror/commands"
import { EditorState, type Extension } from "@codemirror/state"
import {
  drawSelection,
  EditorView,
  highlightSpecialChars,
  keymap,
  ViewPlugin,
  type ViewUpdate,
} from "@codemirror/view"
import { yCollab, yUndoManagerKeymap } from "y-codemirror.next"
import * as Y from "yjs"
import { type CaretPlace, Carets, caretsMoved, remoteCarets } from "../../src/client/carets.ts"
import { nonce } from "../served.ts"
import { fieldOf, selfIn } from "./fields.ts"
import type { Note } from "./note.ts"

/** Makes the editor of `note` in `parent`; `label` is what a screen reader calls it. */
export function editorOf(note: Note, parent: HTMLElement, label: string): EditorView {
  return new EditorView({
    parent,
    doc: note.text.toString(),
    extensions: [
      EditorView.cspNonce.of(nonce),
      // A CR from elsewhere is a character as any other: else all that follows would be misplaced.
      EditorState.lineSeparator.of("\n"),
      keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
      highlightSpecialChars(),
      drawSelection(),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({
        "aria-label": label,
        tabindex: "0", // as it is without; but automatic checks only know it so
      }),
      yCollab(note.text, null),
      others(note),
    ],
  })
}

/** Others' carets. After the binding, so that the text of the replica is the view's by then. */
function others(note: Note): Extension {
  const plugin = ViewPlugin.define((view) => new Others(note, view))
  return [plugin, remoteCarets((view) => view.plugin(plugin)?.carets)]
}

class Others {
  readonly carets = new Carets()
  readonly #note: Note
  readonly #view: EditorView
  #isGone = false
  #isDue = false

  constructor(note: Note, view: EditorView) {
    this.#note = note
    this.#view = view
    note.awareness.on("change", this.#onChange)
    this.#readSoon()
  }

  update(update: ViewUpdate): void {
    if (update.docChanged) {
      this.carets.move(update.changes)
      // Who was in a place that came only now has one from now on.
      this.#readSoon()
    }
    if (update.selectionSet || update.docChanged || update.focusChanged) this.#show()
  }

  destroy(): void {
    this.#isGone = true
    this.#note.awareness.off("change", this.#onChange)
  }

  readonly #onChange = (): void => this.#readSoon()

  /** Once the update that may be under way is over: a view takes no other meanwhile. */
  #readSoon(): void {
    if (this.#isDue) return
    this.#isDue = true
    queueMicrotask(() => {
      this.#isDue = false
      if (this.#isGone) return
      this.carets.place(placesIn(this.#note))
      this.#view.dispatch({ effects: caretsMoved.of(null) })
    })
  }

  /** Shows the others where this replica's caret is, in the form that other editors on Yjs read. */
  #show(): void {
    if (!this.#view.hasFocus) return
    const { text, awareness } = this.#note
    const { anchor, head } = this.#view.state.selection.main
    const cursor = {
      anchor: Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(text, anchor)),
      head: Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(text, head)),
    }
    const shown = awareness.getLocalState()?.["cursor"]
    if (JSON.stringify(shown) !== JSON.stringify(cursor)) {
      awareness.setLocalStateField("cursor", cursor)
    }
  }
}

function placesIn({ awareness, text }: Note): readonly CaretPlace[] {
  return [...awareness.getStates()].flatMap(([id, state]) => {
    if (id === awareness.clientID) return []
    const cursor = fieldOf(state, "cursor")
    const anchor = indexOf(fieldOf(cursor, "anchor"), text)
    const head = indexOf(fieldOf(cursor, "head"), text)
    if (anchor === undefined || head === undefined) return []
    const selections = anchor === head ? [] : [[anchor, head] as const]
    return [{ ...selfIn(state, id), id, heads: [head], selections }]
  })
}

/** Where a place that somebody else named is in `text` now; undefined where there is none. */
function indexOf(place: unknown, text: Y.Text): number | undefined {
  const { doc } = text
  if (doc === null || typeof place !== "object" || place === null) return undefined
  try {
    const relative = Y.createRelativePositionFromJSON(place)
    const found = Y.createAbsolutePositionFromRelativePosition(relative, doc)
    return found?.type === text ? found.index : undefined
  } catch {
    return undefined // a stranger may write anything there
  }
}
