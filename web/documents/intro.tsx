/**
 * What an empty document shows: one quiet sentence where the text will be, and a few things to do
 * next. It lies over the text and takes no room in it, so nothing moves when the first word comes.
 */
import type { VNode } from "preact"
import { useEffect, useState } from "preact/hooks"
import { useCell, useRedraw } from "../cell.ts"
import { palette } from "../desk.ts"
import { Icon } from "../icons.tsx"
import { Keys } from "../picker.tsx"
import type { Scene } from "./commands.ts"
import type { Editor } from "./editor.ts"

interface IntroProps {
  readonly scene: Scene
  readonly editor: Editor
}

export function Intro({ scene, editor }: IntroProps): VNode | null {
  const { text } = scene.session
  const isEmpty = useCell(editor.isEmpty)
  const redraw = useRedraw()
  useEffect(() => text.on("state", redraw), [text])
  useEffect(() => text.on("access", redraw), [text])
  const place = useTextPlace(editor)
  // Before the first answer nobody knows whether it is empty.
  if (!isEmpty || text.state === "connecting" || text.state === "closed") return null
  if (place === undefined) return null
  const at = { "--text-left": `${place.left}px`, "--text-top": `${place.top}px` }
  if (text.role === "read") {
    return (
      <div class="intro" style={at}>
        <p class="intro-line">Nothing is written here yet. You may read along.</p>
      </div>
    )
  }
  return (
    <div class="intro" style={at}>
      <p class="intro-line">Start typing. Whoever opens this page types along.</p>
      <ul class="intro-acts">
        <li>
          <button type="button" class="intro-act" onClick={scene.openShare}>
            <Icon name="share" />
            Send the link to someone
          </button>
        </li>
        <li>
          <button type="button" class="intro-act" onClick={scene.openLanguages}>
            <Icon name="code" />
            Choose a language
          </button>
        </li>
        <li>
          <button type="button" class="intro-act" onClick={scene.upload}>
            <Icon name="folder" />
            Open a file, or drop one here
          </button>
        </li>
        <li>
          <button
            type="button"
            class="intro-act"
            onClick={() => {
              palette.value = { query: "" }
            }}
          >
            <Icon name="commands" />
            Everything else
            <Keys keys="Mod-k" />
          </button>
        </li>
      </ul>
    </div>
  )
}

/** Where the first character will stand, in px from the pane's corner; measured, as fonts differ. */
function useTextPlace({
  view,
}: Editor): { readonly left: number; readonly top: number } | undefined {
  const [place, setPlace] = useState<{ readonly left: number; readonly top: number }>()
  useEffect(() => {
    const measure = (): void =>
      view.requestMeasure({
        read: () => {
          const pane = view.dom.getBoundingClientRect()
          const line = view.contentDOM.querySelector(".cm-line") ?? view.contentDOM
          const { left, top } = line.getBoundingClientRect()
          const padding = Number.parseFloat(getComputedStyle(line).paddingLeft)
          return { left: left - pane.left + padding, top: top - pane.top }
        },
        write: (measured) => setPlace(measured),
      })
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(view.contentDOM)
    return () => observer.disconnect()
  }, [view])
  return place
}
