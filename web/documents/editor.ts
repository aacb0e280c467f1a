/**
 * The editor: a CodeMirror view with everything DC121 names, bound to one shared text.
 *
 * What always holds: what can change while it is open (grammar, wrapping, whom it follows) stands
 * in a compartment of its own, so that neither undo history nor folds are lost by it; and whoever
 * is followed is let go as soon as the visitor types, scrolls or presses Escape (DC123).
 */
import {
  defaultKeymap,
  history,
  historyKeymap,
  indentWithTab,
  redo,
  undo,
} from "@codemirror/commands"
import { bracketMatching, foldKeymap, indentOnInput } from "@codemirror/language"
import { Compartment, EditorState, type Extension, Transaction } from "@codemirror/state"
import {
  crosshairCursor,
  drawSelection,
  dropCursor,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  type KeyBinding,
  keymap,
  lineNumbers,
  rectangularSelection,
  type ViewUpdate,
} from "@codemirror/view"
import type { SharedText } from "../../src/client/client.ts"
import { caretOf, sharedText } from "../../src/client/codemirror.ts"
import { Cell, type Undo } from "../cell.ts"
import { tell } from "../notices.tsx"
import { nonce } from "../served.ts"
import { folding } from "./folding.ts"
import { highlighting } from "./highlighting.ts"
import { Settings } from "./settings.ts"
import { sharedEnds } from "./shared-ends.ts"
import { typingOver, writing } from "./writing.ts"

/** Line numbers are as wide as three digits from the start: so the text does not shift at line 10. */
const gutterDigits = 3

/** What needs the searching, which is loaded when it is first asked for. */
export type SearchCommand = "open" | "next" | "select next" | "select all"

/** The keys for it until then; afterwards it has its own. */
const searchKeys: readonly (readonly [key: string, command: SearchCommand])[] = [
  ["Mod-f", "open"],
  ["F3", "next"],
  ["Mod-g", "next"],
  ["Mod-d", "select next"],
  ["Mod-Shift-l", "select all"],
]

type Searching = typeof import("./search.ts")

/** What the editor asks of the panel around it. */
export interface EditorOptions {
  readonly text: SharedText
  /** Keys that belong to the panel: its commands. */
  readonly keys: readonly KeyBinding[]
}

export class Editor {
  readonly view: EditorView
  /** Whom it follows, by id. */
  readonly following = new Cell<number | undefined>(undefined)
  /** Whose place was gone to last, as long as the visitor has not moved since. */
  readonly visiting = new Cell<number | undefined>(undefined)
  /** Whether there is nothing in the text. */
  readonly isEmpty: Cell<boolean>
  readonly #text: SharedText
  readonly #grammar = new Compartment()
  readonly #binding = new Compartment()
  readonly #searching = new Compartment()
  readonly #writing = new Compartment()
  readonly #undos: Undo[] = []
  readonly #watchers = new Set<(update: ViewUpdate) => void>()
  #language: string | undefined
  #searchingLoad: Promise<Searching | undefined> | undefined
  #isGone = false

  constructor(parent: HTMLElement, { text, keys }: EditorOptions) {
    const settings = new Settings()
    this.#text = text
    this.isEmpty = new Cell(text.text === "")
    this.view = new EditorView({
      parent,
      doc: text.text,
      extensions: [
        EditorView.cspNonce.of(nonce),
        settings.first,
        keymap.of([...keys, { key: "Escape", run: () => this.letGo() }]),
        // Before what everybody has: keys of these come first.
        this.#searching.of([]),
        this.#grammar.of([]),
        editing,
        keymap.of(searchKeys.map(([key, command]) => this.#searchKey(key, command))),
        settings.extension,
        this.#binding.of(sharedText(text)),
        this.#writing.of(writing(text)),
        EditorView.contentAttributes.of({
          "aria-label": `Text of ${text.id}`,
          "aria-describedby": "editor-keys",
          tabindex: "0", // as it is without; but automatic checks only know it so
        }),
        EditorView.updateListener.of((update) => this.#noticed(update)),
        EditorView.domEventObservers({
          wheel: () => this.#stay(),
          touchmove: () => this.#stay(),
          // Vim takes Escape for itself.
          keydown: (event) => event.key === "Escape" && this.#stay(),
        }),
      ],
    })
    this.#noticeScrolling()
    this.#undos.push(
      settings.follow(this.view),
      text.on("access", () => {
        this.#admit()
        void this.#showLanguage()
      }),
    )
    void this.#showLanguage()
  }

  destroy(): void {
    this.#isGone = true
    for (const undoOne of this.#undos) undoOne()
    this.view.destroy()
  }

  /** Calls `watcher` after each update of the view. */
  watch(watcher: (update: ViewUpdate) => void): Undo {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** Goes where the editor `id` is; asked for again before the visitor has moved, follows. */
  visit(id: number): void {
    if (this.following.value === id) return void this.letGo()
    if (this.visiting.value === id) return this.follow(id)
    if (!this.#goTo(id)) return tell("visit", "They have not been anywhere in the text yet")
    this.visiting.value = id
    this.following.value = undefined
    this.#bind()
  }

  /** Keeps the caret of the editor `id` in view until the visitor types, scrolls or presses Escape. */
  follow(id: number): void {
    this.#goTo(id)
    this.visiting.value = undefined
    this.following.value = id
    this.#bind()
  }

  /** Follows nobody; false if it did not. */
  letGo(): boolean {
    this.visiting.value = undefined
    if (this.following.value === undefined) return false
    this.following.value = undefined
    this.#bind()
    return true
  }

  /** Puts the caret at the beginning of line `number`, counted from 1, or of the nearest there is. */
  goToLine(number: number): void {
    const { doc } = this.view.state
    const line = doc.line(Math.max(1, Math.min(doc.lines, number)))
    this.view.dispatch({
      selection: { anchor: line.from },
      effects: EditorView.scrollIntoView(line.from, { y: "center" }),
    })
    this.view.focus()
  }

  /** Does something that needs the searching, once that is loaded. */
  async search(command: SearchCommand): Promise<void> {
    const found = await this.#loadSearching()
    if (found !== undefined) found.searchCommands[command](this.view)
  }

  /** Makes this the whole text, as one edit; what it begins and ends with already stays. */
  replaceAll(text: string): void {
    const before = this.view.state.doc.toString()
    const [start, end] = sharedEnds(before, text)
    const change = {
      from: start,
      to: before.length - end,
      insert: text.slice(start, text.length - end),
    }
    this.view.dispatch({
      changes: change,
      selection: { anchor: 0 },
      scrollIntoView: true,
      userEvent: "input.upload",
    })
    this.view.focus()
  }

  undo(): void {
    undo(this.view)
    this.view.focus()
  }

  redo(): void {
    redo(this.view)
    this.view.focus()
  }

  #searchKey(key: string, command: SearchCommand): KeyBinding {
    const run = (): boolean => {
      void this.search(command)
      return true
    }
    return { key, run, preventDefault: true }
  }

  #loadSearching(): Promise<Searching | undefined> {
    this.#searchingLoad ??= this.#addSearching()
    return this.#searchingLoad
  }

  async #addSearching(): Promise<Searching | undefined> {
    try {
      const loaded = await import("./search.ts")
      if (this.#isGone) return undefined
      this.view.dispatch({ effects: this.#searching.reconfigure(loaded.searching) })
      return loaded
    } catch {
      this.#searchingLoad = undefined // tried again when next asked for
      tell("search", "The search could not be loaded: there is no line to the server")
      return undefined
    }
  }

  #goTo(id: number): boolean {
    const head = caretOf(this.view, id)
    if (head === undefined) return false
    this.view.dispatch({ effects: EditorView.scrollIntoView(head, { y: "center" }) })
    return true
  }

  #bind(): void {
    const follow = this.following.value
    const bound = sharedText(this.#text, follow === undefined ? {} : { follow })
    this.view.dispatch({ effects: this.#binding.reconfigure(bound) })
  }

  #noticed(update: ViewUpdate): void {
    if (update.docChanged) this.isEmpty.value = update.state.doc.length === 0
    const moved = update.transactions.some((one) => one.docChanged || one.selection !== undefined)
    const byOthers = update.transactions.every((one) => one.annotation(Transaction.remote) === true)
    if (moved && !byOthers) this.#stay()
    for (const watcher of this.#watchers) watcher(update)
    // What is like the selection is marked: that is the searching's too.
    if (!update.state.selection.main.empty) void this.#loadSearching()
  }

  // By hand: following scrolls too. What is scrolled is larger than the text: numbers, and the bar.
  #noticeScrolling(): void {
    const { scrollDOM } = this.view
    for (const type of ["wheel", "touchmove"]) {
      scrollDOM.addEventListener(type, () => this.#stay(), { passive: true })
    }
    scrollDOM.addEventListener("pointerdown", (event) => {
      if (event.target === scrollDOM) this.#stay()
    })
  }

  // Not within the update or event that asks for it: reconfiguring is a change of its own.
  #stay(): void {
    this.visiting.value = undefined
    if (this.following.value !== undefined) queueMicrotask(() => this.letGo())
  }

  // Who may only read is told so by the server when it lets one in.
  #admit(): void {
    if (this.view.state.readOnly === (this.#text.role === "read")) return
    this.view.dispatch({ effects: this.#writing.reconfigure(writing(this.#text)) })
  }

  async #showLanguage(): Promise<void> {
    const { language } = this.#text
    if (language === this.#language) return
    this.#language = language
    const isCurrent = (): boolean => language === this.#language
    try {
      const { grammarFor } = await import("./languages.ts")
      const grammar = language === undefined ? [] : await grammarFor(language)
      // Meanwhile another may have been chosen.
      if (isCurrent()) this.view.dispatch({ effects: this.#grammar.reconfigure(grammar) })
    } catch {
      if (!isCurrent()) return
      this.#language = undefined // tried again at the next change
      tell("grammar", `The colours for ${language} could not be loaded; the text is all here`)
    }
  }
}

const editing: Extension = [
  lineNumbers({ formatNumber: (number) => String(number).padStart(gutterDigits, "\u2007") }),
  folding,
  highlightActiveLine(),
  highlightActiveLineGutter(),
  highlightSpecialChars(),
  history(),
  drawSelection(),
  typingOver,
  dropCursor(),
  EditorState.allowMultipleSelections.of(true),
  rectangularSelection(),
  crosshairCursor(),
  indentOnInput(),
  bracketMatching(),
  highlighting,
  keymap.of([
    ...historyKeymap,
    ...foldKeymap,
    ...defaultKeymap,
    indentWithTab,
    { key: "Escape", run: sayHowToLeave },
  ]),
]

// CodeMirror lets the next Tab within 2 s move the focus; this only says so (DC137).
function sayHowToLeave(): boolean {
  tell("leave", "Tab now leaves the editor")
  return false
}
