/**
 * How the text is shown and with whose keys, in the editor: what of the visitor's choices is an
 * extension of CodeMirror. Each stands in a compartment of its own, so a change of one of them
 * touches neither undo history nor folds.
 */
import { indentUnit } from "@codemirror/language"
import { Compartment, EditorState, type Extension } from "@codemirror/state"
import { EditorView } from "@codemirror/view"
import type { Undo } from "../cell.ts"
import { tell } from "../notices.tsx"
import { fontSize, keys, tabWidth, wrap } from "../preferences.ts"

export class Settings {
  readonly #keys = new Compartment()
  readonly #wrapping = new Compartment()
  readonly #tabs = new Compartment()
  /** Keys that come before all others. */
  readonly first: Extension = this.#keys.of([])
  readonly extension: Extension = [this.#wrapping.of(wrapping()), this.#tabs.of(tabs())]

  /** Keeps `view` as the visitor wants it, from now on. */
  follow(view: EditorView): Undo {
    let isOver = false
    const changeKeys = async (): Promise<void> => {
      const chosen = keys.value
      const extension = await keysOf(chosen)
      if (isOver || chosen !== keys.value || extension === undefined) return
      view.dispatch({ effects: this.#keys.reconfigure(extension) })
    }
    const undos = [
      wrap.watch(() => view.dispatch({ effects: this.#wrapping.reconfigure(wrapping()) })),
      tabWidth.watch(() => view.dispatch({ effects: this.#tabs.reconfigure(tabs()) })),
      // The size is a custom property: the view only has to measure anew.
      fontSize.watch(() => view.requestMeasure()),
      keys.watch(() => void changeKeys()),
      () => {
        isOver = true
      },
    ]
    if (keys.value !== "usual") void changeKeys()
    return () => {
      for (const undo of undos) undo()
    }
  }
}

function wrapping(): Extension {
  return wrap.value === "on" ? EditorView.lineWrapping : []
}

function tabs(): Extension {
  return [EditorState.tabSize.of(tabWidth.value), indentUnit.of(" ".repeat(tabWidth.value))]
}

/** Undefined where they could not be loaded: then those there are stay. */
async function keysOf(chosen: typeof keys.value): Promise<Extension | undefined> {
  if (chosen === "usual") return []
  try {
    return (await import("./vim.ts")).vimKeys
  } catch {
    tell("keys", "Vim's keys could not be loaded: there is no line to the server")
    return undefined
  }
}
