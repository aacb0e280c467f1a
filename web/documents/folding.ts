/** What stands for folded lines, in the text and beside it. */
import { codeFolding, foldGutter } from "@codemirror/language"
import type { Extension } from "@codemirror/state"
import type { EditorView } from "@codemirror/view"

/** Lines can be folded, and unfolded by what stands in their place. */
export const folding: Extension = [
  foldGutter({ markerDOM: marker }),
  codeFolding({ placeholderDOM: placeholder }),
]

function marker(isOpen: boolean): HTMLElement {
  const element = document.createElement("span")
  element.className = "fold-marker"
  element.dataset["open"] = String(isOpen)
  element.title = isOpen ? "Fold" : "Unfold"
  return element
}

function placeholder(view: EditorView, unfold: (event: Event) => void): HTMLElement {
  const element = document.createElement("span")
  element.className = "cm-foldPlaceholder"
  element.textContent = "…"
  element.title = "Unfold"
  element.setAttribute("aria-label", "Folded lines")
  // Else the browser puts the caret here: the line is drawn anew, and the click is lost with this element.
  element.addEventListener("mousedown", (event) => event.preventDefault())
  element.addEventListener("click", (event) => {
    unfold(event)
    view.focus()
  })
  return element
}
