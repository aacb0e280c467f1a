/**
 * Making a text of the past the present again: an ordinary edit of what is different, which all
 * see and undo takes back (DC134).
 */
import type { Text } from "@codemirror/state"
import type { EditorView } from "@codemirror/view"
import type { VNode } from "preact"
import { replacementsBetween } from "../../src/client/mapping.ts"
import { Dialog } from "../dialog.tsx"
import { Icon } from "../more-icons.tsx"
import { counted } from "./share-times.ts"

/** From so many lines on the visitor is asked first. */
export const askedLines = 10

/** How many lines of the present go or change when `past` is restored. */
export function linesLost(present: Text, past: Text): number {
  const lines = new Set<number>()
  for (const { from, to } of replacementsBetween(present, past)) {
    if (from === to) continue
    const last = present.lineAt(to).number
    for (let line = present.lineAt(from).number; line <= last; line += 1) lines.add(line)
  }
  return lines.size
}

/** Makes `past` the text in `view`, leaving alone what is equal in both. */
export function restore(view: EditorView, past: Text): void {
  view.dispatch({
    changes: [...replacementsBetween(view.state.doc, past)],
    userEvent: "input.restore",
    scrollIntoView: true,
  })
}

interface AskProps {
  readonly when: string
  readonly lines: number
  readonly onRestore: () => void
  readonly onCancel: () => void
}

export function AskToRestore({ when, lines, onRestore, onCancel }: AskProps): VNode {
  return (
    <Dialog label="Restore this text?" class="sheet ask" onDismiss={onCancel}>
      <span class="ask-sign">
        <Icon name="history" />
      </span>
      <h2>Restore this text?</h2>
      <p class="quiet">
        {when}. {counted(lines, "line")} of what is there now {lines === 1 ? "is" : "are"} replaced,
        for everybody here. Undo brings {lines === 1 ? "it" : "them"} back.
      </p>
      <footer class="sheet-foot">
        <button type="button" class="button" onClick={onCancel}>
          Cancel
        </button>
        <button type="button" class="button button-prime" onClick={onRestore}>
          Restore
        </button>
      </footer>
    </Dialog>
  )
}
