/**
 * Vim's keys, as one piece that is loaded when they are first chosen. Home of @replit/codemirror-vim.
 *
 * What always holds: what others do changes neither Vim's mode nor what it repeats with `.`; its
 * undo is the editor's, which takes back one's own edits only; and Escape, then Tab, leaves the
 * editor here too (DC131, DC137).
 */
import { EditorState, type Extension, Transaction } from "@codemirror/state"
import { EditorView, ViewPlugin, type ViewUpdate } from "@codemirror/view"
import { type CodeMirror, getCM, Vim, vim } from "@replit/codemirror-vim"
import { line } from "../desk.ts"
import { tell } from "../notices.tsx"

/** For so long after Escape a Tab leaves the editor: what CodeMirror itself grants. */
const leavingMs = 2_000

/** What the editor gains. It must stand before every keymap: Vim is asked first. */
export const vimKeys: Extension = [
  // Before Vim sees the key, as its mode is another afterwards.
  EditorView.domEventObservers({ keydown: (event, view) => leaveByTab(event, view) }),
  vim({ status: true }),
  ViewPlugin.define((view) => {
    shield(view)
    return {}
  }),
  // Vim's visual block is several ranges.
  EditorState.allowMultipleSelections.of(true),
]

// They are Vim's for the whole page: so they ask nothing of one document.
for (const [name, short] of [
  ["write", "w"],
  ["wall", "wa"],
  ["wq", "wq"],
  ["xit", "x"],
] as const) {
  Vim.defineEx(name, short, () => {
    const { tone, words } = line.value
    tell("saved", tone === "calm" ? `Saved already: ${words}` : `It is saved by itself: ${words}`)
  })
}
Vim.defineEx("quit", "q", () => tell("saved", "Close the tab: what you typed is kept"))

/** CodeMirror grants the Tab only where nobody took the Escape, and Vim takes it. */
function leaveByTab(event: KeyboardEvent, view: EditorView): void {
  if (event.key !== "Escape") return
  view.setTabFocusMode(leavingMs)
  const state = getCM(view)?.state.vim
  const isIdle = state?.insertMode !== true && state?.visualMode !== true
  // In the other modes Escape means something else first, and is pressed all the time.
  if (isIdle) tell("leave", "Tab now leaves the editor")
}

/**
 * Vim takes every change for one's own. Of another's it keeps only where marks are now: else it
 * would be repeated with `.`, and what is selected would begin elsewhere.
 */
function shield(view: EditorView): void {
  const editor = getCM(view)
  if (editor === null) throw new Error("never: Vim stands before this in the same extension")
  const noticed = editor.onChange.bind(editor)
  editor.onChange = (update) => {
    const endsBefore = editor.$lastChangeEndOffset
    noticed(update)
    if (!update.transactions.every((one) => one.annotation(Transaction.remote) === true)) return
    editor.curOp = null
    editor.$lastChangeEndOffset = update.changes.mapPos(
      Math.min(endsBefore ?? 0, update.changes.length),
    )
    moveSelection(editor, update)
  }
}

/** What Vim believes to be selected, by line and column, is brought over `update`. */
function moveSelection(editor: CodeMirror, update: ViewUpdate): void {
  const state = editor.state.vim
  if (state?.visualMode !== true) return
  const { doc } = update.startState
  const moved = (place: { readonly line: number; readonly ch: number }) => {
    const before = doc.line(Math.min(doc.lines, place.line + 1))
    const unit = update.changes.mapPos(Math.min(before.to, before.from + place.ch))
    const after = update.state.doc.lineAt(unit)
    // At the end of a line in visual line mode it is endless.
    const ch = Number.isFinite(place.ch) ? unit - after.from : place.ch
    return editor.clipPos({ line: after.number - 1, ch })
  }
  const { anchor, head } = state.sel
  state.sel = { anchor: moved(anchor), head: moved(head) }
}
