/**
 * Others' carets and selections as CodeMirror layers: a stroke in their colour, their name above
 * it for 2 s after each move and while the pointer is near, what they select tinted (DC123).
 *
 * What always holds: a colour reaches the page as one custom property set on an element, never as
 * a style attribute, so the strictest Content-Security-Policy lets it pass; a name enters as text.
 * The layers let the pointer through, so a click on a caret is a click on the text.
 */
import {
  type ChangeDesc,
  EditorSelection,
  type Extension,
  StateEffect,
  type Text,
} from "@codemirror/state"
import {
  EditorView,
  type LayerMarker,
  layer,
  RectangleMarker,
  type ViewUpdate,
} from "@codemirror/view"
import { Ruler } from "./mapping.ts"
import type { SharedText } from "./shared-text.ts"

/** How near the pointer must come to a caret to be told whose it is: half a finger's slack. */
const nearPx = 6
/** What a name above a line takes, so that it is put below where it would cover the line being typed. */
const labelPx = 20
/** A name this close to the right edge opens to the left instead. */
const labelWidthPx = 120

/** One editor's carets and selections in the view's text, in UTF-16 units. */
export interface CaretPlace {
  readonly id: number
  readonly name: string
  readonly hue: number
  readonly heads: readonly number[]
  readonly selections: readonly (readonly [anchor: number, head: number])[]
}

interface Caret extends CaretPlace {
  /** In ms since 1970. A new time shows the name anew. */
  readonly movedAt: number
}

/** Everyone else's carets in one view. At most as many as a document has editors. */
export class Carets {
  #byId: ReadonlyMap<number, Caret> = new Map()

  get all(): Iterable<Caret> {
    return this.#byId.values()
  }

  /** Where the first caret of the editor `id` is, in units; undefined if it has none. */
  headOf(id: number): number | undefined {
    return this.#byId.get(id)?.heads[0]
  }

  /** Moves all over a change of the view's text. At an insert they stay left of it (DC68). */
  move(changes: ChangeDesc): void {
    const move = (unit: number): number => changes.mapPos(unit, -1)
    const moved = [...this.#byId.values()].map((caret) => ({
      ...caret,
      heads: caret.heads.map(move),
      selections: caret.selections.map(([anchor, head]) => [move(anchor), move(head)] as const),
    }))
    this.#byId = new Map(moved.map((caret) => [caret.id, caret]))
  }

  /** Takes them from `text`, which must show the same as `shown`. */
  read(text: SharedText, shown: Text): void {
    const others = [...text.editors.values()].filter((editor) => editor.id !== text.me)
    const points = others.flatMap((editor) => [...editor.cursors, ...editor.selections.flat()])
    // In ascending order, since a ruler walks forwards for free.
    const ruler = new Ruler(shown)
    const units = new Map(
      points.sort((one, other) => one - other).map((point) => [point, ruler.unitAt(point)]),
    )
    const unit = (point: number): number => units.get(point) ?? 0
    this.place(
      others.map((editor) => ({
        id: editor.id,
        name: editor.name,
        hue: editor.hue % 360,
        heads: editor.cursors.map(unit),
        selections: editor.selections.map(([anchor, head]) => [unit(anchor), unit(head)]),
      })),
    )
  }

  /** Takes them as they are given, and nobody else. */
  place(places: readonly CaretPlace[]): void {
    const now = Date.now()
    const placed = places.map((place): Caret => {
      const before = this.#byId.get(place.id)
      const stays = before !== undefined && before.heads.join() === place.heads.join()
      return { ...place, movedAt: stays ? before.movedAt : now }
    })
    this.#byId = new Map(placed.map((caret) => [caret.id, caret]))
  }
}

/** Draws the carets anew. Without a change of the text a layer would not notice that they moved. */
export const caretsMoved = StateEffect.define<null>()

/** The layers that draw what `caretsOf` gives for a view, and their theme. */
export function remoteCarets(caretsOf: (view: EditorView) => Carets | undefined): Extension {
  return [
    layer({
      above: false,
      class: "cm-remoteSelections",
      update: mayHaveMoved,
      markers: (view) => selectionMarkers(view, caretsOf(view)),
    }),
    layer({
      above: true,
      class: "cm-remoteCarets",
      // Our own caret's line decides on which side of another's a name goes.
      update: (update) => mayHaveMoved(update) || update.selectionSet,
      markers: (view) => caretMarkers(view, caretsOf(view)),
    }),
    EditorView.domEventObservers({ mousemove: showNames }),
    theme,
  ]
}

function mayHaveMoved(update: ViewUpdate): boolean {
  if (update.docChanged || update.viewportChanged) return true
  return update.transactions.some((one) => one.effects.some((effect) => effect.is(caretsMoved)))
}

function selectionMarkers(view: EditorView, carets: Carets | undefined): readonly LayerMarker[] {
  const length = view.state.doc.length
  return [...(carets?.all ?? [])].flatMap(({ hue, selections }) =>
    selections.flatMap(([anchor, head]) => {
      const range = EditorSelection.range(Math.min(anchor, length), Math.min(head, length))
      if (range.empty) return []
      const shapes = RectangleMarker.forRange(view, "cm-remoteSelection", range)
      return shapes.map((shape) => new Tint(shape, hue))
    }),
  )
}

function caretMarkers(view: EditorView, carets: Carets | undefined): readonly LayerMarker[] {
  const { from, to } = view.viewport
  const own = shapeAt(view, view.state.selection.main.head)
  const right = view.scrollDOM.scrollLeft + view.scrollDOM.clientWidth
  return [...(carets?.all ?? [])].flatMap((caret) =>
    caret.heads.flatMap((head) => {
      if (head < from || head > to) return []
      const shape = shapeAt(view, head)
      if (shape === undefined) return []
      const covers =
        own !== undefined && own.top < shape.top && own.top + own.height > shape.top - labelPx
      const place = covers || shape.top < labelPx ? "below" : "above"
      const opens = shape.left > right - labelWidthPx ? "leftwards" : "rightwards"
      return [new Stroke(shape, caret, `cm-remoteName-${place} cm-remoteName-${opens}`)]
    }),
  )
}

function shapeAt(view: EditorView, unit: number): RectangleMarker | undefined {
  return RectangleMarker.forRange(view, "cm-remoteCaret", EditorSelection.cursor(unit))[0]
}

/** A rectangle of somebody's selection. */
class Tint implements LayerMarker {
  readonly #shape: RectangleMarker
  readonly #hue: number

  constructor(shape: RectangleMarker, hue: number) {
    this.#shape = shape
    this.#hue = hue
  }

  eq(other: Tint): boolean {
    return other.#hue === this.#hue && other.#shape.eq(this.#shape)
  }

  draw(): HTMLElement {
    const element = this.#shape.draw()
    element.style.setProperty("--remote-hue", String(this.#hue))
    return element
  }

  update(element: HTMLElement, before: Tint): boolean {
    element.style.setProperty("--remote-hue", String(this.#hue))
    return this.#shape.update(element, before.#shape)
  }
}

/** Somebody's caret with the name at it. */
class Stroke implements LayerMarker {
  readonly #shape: RectangleMarker
  readonly #caret: Caret
  readonly #label: string

  constructor(shape: RectangleMarker, caret: Caret, label: string) {
    this.#shape = shape
    this.#caret = caret
    this.#label = label
  }

  eq(other: Stroke): boolean {
    return this.#looksLike(other) && other.#shape.eq(this.#shape)
  }

  draw(): HTMLElement {
    const element = this.#shape.draw()
    element.style.setProperty("--remote-hue", String(this.#caret.hue))
    const label = document.createElement("span")
    label.className = `cm-remoteName ${this.#label}`
    label.textContent = this.#caret.name
    element.append(label)
    return element
  }

  // After a move by its owner a fresh element is drawn: that is what shows the name anew. One
  // that only shifts because of text before it keeps its element.
  update(element: HTMLElement, before: Stroke): boolean {
    return this.#looksLike(before) && this.#shape.update(element, before.#shape)
  }

  #looksLike(other: Stroke): boolean {
    const { id, name, hue, movedAt } = this.#caret
    const theirs = other.#caret
    const isSame = theirs.id === id && theirs.name === name && theirs.hue === hue
    return isSame && theirs.movedAt === movedAt && other.#label === this.#label
  }
}

/** Shows the names of carets near the pointer, and hides those of the others. */
function showNames(event: MouseEvent, view: EditorView): void {
  for (const element of view.scrollDOM.querySelectorAll(".cm-remoteCaret")) {
    const { left, top, bottom } = element.getBoundingClientRect()
    const inRow = event.clientY >= top && event.clientY <= bottom
    element.classList.toggle(
      "cm-remoteCaret-near",
      inRow && Math.abs(event.clientX - left) < nearPx,
    )
  }
}

// Fixed lightness and chroma: every hue is as readable as every other, on paper and on ink.
const theme = EditorView.baseTheme({
  ".cm-remoteCarets, .cm-remoteSelections": { pointerEvents: "none" },
  ".cm-remoteCaret": { boxSizing: "border-box", width: "2px", marginLeft: "-1px" },
  "&light .cm-remoteCaret": { backgroundColor: "oklch(0.55 0.17 var(--remote-hue))" },
  "&dark .cm-remoteCaret": { backgroundColor: "oklch(0.75 0.14 var(--remote-hue))" },
  "&light .cm-remoteSelection": { backgroundColor: "oklch(0.55 0.17 var(--remote-hue) / 20%)" },
  "&dark .cm-remoteSelection": { backgroundColor: "oklch(0.75 0.14 var(--remote-hue) / 20%)" },
  ".cm-remoteName": {
    position: "absolute",
    padding: "0 4px",
    borderRadius: "3px",
    font: "12px/18px system-ui, sans-serif",
    whiteSpace: "nowrap",
    maxWidth: "160px",
    overflow: "hidden",
    textOverflow: "ellipsis",
    opacity: "0",
    animation: "cm-remoteName 2s step-end",
  },
  // It is there for 2 s and then not: a step, so there is no motion to reduce.
  "@keyframes cm-remoteName": { from: { opacity: "1" }, to: { opacity: "0" } },
  ".cm-remoteCaret-near .cm-remoteName": { opacity: "1" },
  ".cm-remoteName-above": { bottom: "100%" },
  ".cm-remoteName-below": { top: "100%" },
  ".cm-remoteName-rightwards": { left: "0" },
  ".cm-remoteName-leftwards": { right: "0" },
  "&light .cm-remoteName": { backgroundColor: "oklch(0.45 0.13 var(--remote-hue))", color: "#fff" },
  "&dark .cm-remoteName": {
    backgroundColor: "oklch(0.8 0.11 var(--remote-hue))",
    color: "#15171b",
  },
})
