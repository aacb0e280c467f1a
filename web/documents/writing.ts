/**
 * Whether the editor may be written in, and a way of writing that the page's policy would spoil.
 */
import { EditorState, type Extension, type Transaction } from "@codemirror/state"
import { EditorView } from "@codemirror/view"
import type { SharedText } from "../../src/client/client.ts"

/** A text to be read: no caret and no keyboard on a phone, but it is reached and searched by key. */
export function writing({ role }: SharedText): Extension {
  if (role !== "read") return []
  return [
    EditorState.readOnly.of(true),
    EditorView.editable.of(false),
    EditorView.contentAttributes.of({ tabindex: "0", "aria-readonly": "true" }),
  ]
}

/**
 * Typing over a selection, done here: a browser would keep the look of what it replaces by a style
 * attribute, and the page's policy blocks those.
 */
export const typingOver = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { data, inputType, isComposing } = event
    const { from, to, empty } = view.state.selection.main
    if (inputType !== "insertText" || data === null || isComposing || view.composing) return false
    if (empty || view.state.readOnly) return false
    const insert = (): Transaction =>
      view.state.update(view.state.replaceSelection(data), {
        userEvent: "input.type",
        scrollIntoView: true,
      })
    // Brackets that close themselves want to be asked first.
    const askedFirst = view.state.facet(EditorView.inputHandler)
    const isDone = askedFirst.some((ask) => ask(view, from, to, data, insert))
    if (!isDone) view.dispatch(insert())
    return true
  },
})
