/**
 * The preview as the panel sees it: whether there is one, the button for it, and the pane it is
 * drawn in. What draws is loaded when a pane is first open.
 *
 * What always holds: only a text in Markdown has one. On a wide window it stands beside the text,
 * and the choice is kept; on a phone it stands in the place of the text, and a document opens with
 * its text.
 */
import type { RefObject, VNode } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"
import type { SharedText } from "../../src/client/client.ts"
import { Cell, useCell, useRedraw } from "../cell.ts"
import type { Choice } from "../desk.ts"
import { Icon } from "../icons.tsx"
import { tell } from "../notices.tsx"
import { preview } from "../preferences.ts"
import type { Editor } from "./editor.ts"

const narrow = matchMedia("(max-width: 639px)")

/** What a document may call this language. */
const markdownWords: ReadonlySet<string> = new Set(["markdown", "md", "mkd"])

/** On a phone: whether it is shown now. */
const isShownHere = new Cell<"shown" | "hidden">("hidden")

/** Whether there can be a preview, and whether there is one now. */
export type PreviewState = "none" | "hidden" | "beside" | "instead"

/** How it is with the preview of `text`, as that changes. */
export function usePreview(text: SharedText): PreviewState {
  const redraw = useRedraw()
  const kept = useCell(preview)
  const here = useCell(isShownHere)
  useEffect(() => text.on("access", redraw), [text])
  useEffect(() => {
    isShownHere.value = "hidden"
    narrow.addEventListener("change", redraw)
    return () => narrow.removeEventListener("change", redraw)
  }, [text])
  if (!markdownWords.has(text.language ?? "")) return "none"
  if (narrow.matches) return here === "shown" ? "instead" : "hidden"
  return kept === "shown" ? "beside" : "hidden"
}

export function togglePreview(): void {
  const cell = narrow.matches ? isShownHere : preview
  cell.value = cell.value === "shown" ? "hidden" : "shown"
}

/** The same for the palette. */
export function previewChoices({ language }: SharedText): readonly Choice[] {
  if (!markdownWords.has(language ?? "")) return []
  const cell = narrow.matches ? isShownHere : preview
  const title = cell.value === "shown" ? "Close the preview" : "Preview"
  return [{ group: "View", title, words: "markdown read rendered side", run: togglePreview }]
}

export function PreviewButton({ state }: { readonly state: PreviewState }): VNode | null {
  if (state === "none") return null
  const isOpen = state !== "hidden"
  const hint = state === "instead" ? "Back to the text" : "Preview"
  return (
    <button
      type="button"
      class="icon-button preview-button"
      aria-label={hint}
      aria-pressed={isOpen}
      data-hint={hint}
      onClick={togglePreview}
    >
      <Icon name={state === "instead" ? "pencil" : "preview"} />
    </button>
  )
}

interface PaneProps {
  readonly text: SharedText
  readonly editor: Editor
}

/** Where the preview is drawn. */
export function PreviewPane({ text, editor }: PaneProps): VNode {
  const pane = useRef<HTMLElement>(null)
  useDrawn(pane, { text, editor })
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section ref={pane} class="preview" aria-label="Preview" tabIndex={0} />
  )
}

function useDrawn(pane: RefObject<HTMLElement | null>, { text, editor }: PaneProps): void {
  const [attempt, setAttempt] = useState(0)
  useEffect(() => {
    let end = nothing
    let isOver = false
    const draw = async (): Promise<void> => {
      const { PreviewView } = await import("./preview-view.ts")
      if (isOver || pane.current === null) return
      const drawn = new PreviewView(pane.current, {
        view: editor.view,
        watch: (watcher) => editor.watch(watcher),
        mayWrite: () => text.role !== "read" && text.state !== "closed",
      })
      const undo = text.on("access", () => drawn.redraw())
      end = () => {
        undo()
        drawn.destroy()
      }
    }
    draw().catch(() => {
      tell("preview", "The preview could not be loaded: there is no line to the server")
      addEventListener("online", () => setAttempt((before) => before + 1), { once: true })
    })
    return () => {
      isOver = true
      end()
    }
  }, [text, editor, attempt])
}

function nothing(): void {}
