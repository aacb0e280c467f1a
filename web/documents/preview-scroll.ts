/**
 * Keeps a preview where its editor is: what is at the top of the one is at the top of the other,
 * as far as blocks of different height allow, and the line being typed is in sight in both. It
 * goes one way only: who scrolls the preview looks at something else, until the editor moves.
 */
import type { PreviewOptions, Shown } from "./preview-view.ts"

/** The line being typed is kept so far from the edge of the preview, in px. */
const marginPx = 48
/** Drawing a block changes where the others are: after so many rounds it is right, or near enough. */
const rounds = 3

interface Pieces {
  shown(): readonly Shown[]
  draw(shown: Shown): void
}

/** What keeps a preview where its editor is. */
export interface Following {
  /** Has it go there, after what is drawn next. */
  ask(): void
  end(): void
}

/** Has `pane` follow the editor. */
export function followEditor(
  { view }: PreviewOptions,
  pane: HTMLElement,
  pieces: Pieces,
): Following {
  let isAsked = false
  let isOver = false
  const go = (): void => {
    isAsked = false
    if (isOver || pane.clientHeight === 0) return
    for (let round = 0; round < rounds; round += 1) {
      const before = pane.scrollTop
      follow()
      if (Math.abs(pane.scrollTop - before) < 1) return
    }
  }
  const ask = (): void => {
    if (isAsked) return
    isAsked = true
    requestAnimationFrame(go)
  }
  const follow = (): void => {
    const { scrollTop, clientHeight } = view.scrollDOM
    const top = Math.max(0, scrollTop - view.documentPadding.top)
    if (top === 0) {
      pane.scrollTop = 0
    } else {
      const block = view.lineBlockAtHeight(top)
      const share = block.height === 0 ? 0 : (top - block.top) / block.height
      const goal = placeOf(block.from, share)
      if (goal !== undefined) pane.scrollTop += goal - pane.getBoundingClientRect().top
    }
    const { head } = view.state.selection.main
    const line = view.lineBlockAt(head)
    const isSeen = line.bottom > top && line.top < top + clientHeight
    if (isSeen && view.hasFocus) keepInSight(head)
  }
  const keepInSight = (head: number): void => {
    const place = placeOf(head, 0)
    if (place === undefined) return
    const { top, bottom } = pane.getBoundingClientRect()
    if (place > bottom - marginPx) pane.scrollTop += place - bottom + marginPx
    else if (place < top) pane.scrollTop += place - top
  }
  /** Where the line at `unit` is drawn, or what is `share` of the way below it, in px of the window. */
  const placeOf = (unit: number, share: number): number | undefined => {
    const shown = pieces.shown()
    const index = shown.findIndex(({ piece }) => piece.to >= unit)
    const at = shown[index]
    if (at === undefined) return shown.at(-1)?.shell.getBoundingClientRect().bottom
    for (const near of shown.slice(index, index + 8)) pieces.draw(near)
    const { top, height } = at.shell.getBoundingClientRect()
    if (unit < at.piece.from) return top // an empty line before it
    const { doc } = view.state
    const lineOf = (each: number): number => doc.lineAt(Math.min(each, doc.length)).number
    const first = lineOf(at.piece.from)
    const count = lineOf(at.piece.to) - first + 1
    return top + (height * (lineOf(unit) - first + share)) / count
  }
  const onScroll = (): void => ask()
  view.scrollDOM.addEventListener("scroll", onScroll, { passive: true })
  return {
    ask,
    end() {
      isOver = true
      view.scrollDOM.removeEventListener("scroll", onScroll)
    },
  }
}
