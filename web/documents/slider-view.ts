/**
 * A text of the past as one reads it: with its line numbers and its grammar, who wrote each line
 * at the left, and a tint on what the change before it touched. It cannot be edited.
 *
 * What always holds: a colour is one custom property set on an element, as the page's policy
 * blocks style attributes; a name enters as text.
 */
import {
  type ChangeSpec,
  Compartment,
  EditorState,
  type Extension,
  StateEffect,
  StateField,
} from "@codemirror/state"
import {
  Decoration,
  EditorView,
  GutterMarker,
  gutter,
  highlightSpecialChars,
  lineNumbers,
} from "@codemirror/view"
import { nonce } from "../served.ts"
import { highlighting } from "./highlighting.ts"
import { initials } from "./names.ts"
import { Settings } from "./settings.ts"
import { sharedEnds } from "./shared-ends.ts"
import { type Page, type Tape, touchedBy, unknownAuthor } from "./slider-tape.ts"

/** A name stands again after so many lines by one author, so that one is in sight. */
const nameEveryLines = 30
/** An empty line belongs to whoever wrote above it, at most so far up. */
const emptyLines = 40
/** Further apart, what two texts begin and end with is all they are asked for. */
const nearRevisions = 200
/** What was touched is kept so far from the edge. */
const marginPx = 60

/** One page of one tape. */
interface Shown {
  readonly tape: Tape
  readonly page: Page
  /** What the change before it touched, in units of its text. */
  readonly touched: readonly [from: number, to: number]
}

const showing = StateEffect.define<Shown>()

const shown = StateField.define<Shown | undefined>({
  create: () => undefined,
  update(before, { effects }) {
    for (const effect of effects) if (effect.is(showing)) return effect.value
    return before
  },
})

export class PastView {
  readonly #view: EditorView
  readonly #grammar = new Compartment()
  readonly #forget: () => void

  /** An empty one, in `parent`. */
  constructor(parent: HTMLElement) {
    const settings = new Settings()
    this.#view = new EditorView({
      parent,
      extensions: [
        EditorView.cspNonce.of(nonce),
        EditorState.lineSeparator.of("\n"),
        EditorState.readOnly.of(true),
        EditorView.editable.of(false),
        EditorView.contentAttributes.of({
          tabindex: "0",
          "aria-label": "The text as it was",
        }),
        shown,
        who,
        lineNumbers(),
        highlightSpecialChars(),
        highlighting,
        touches,
        this.#grammar.of([]),
        settings.extension,
      ],
    })
    this.#forget = settings.follow(this.#view)
  }

  destroy(): void {
    this.#forget()
    this.#view.destroy()
  }

  setGrammar(grammar: Extension): void {
    this.#view.dispatch({ effects: this.#grammar.reconfigure(grammar) })
  }

  /** Has the line `number`, or the nearest there is, at the top. */
  scrollTo(number: number): void {
    if (number === 1) return // it is there, with the space above it
    const { doc } = this.#view.state
    const { from } = doc.line(Math.max(1, Math.min(doc.lines, number)))
    this.#view.dispatch({ effects: EditorView.scrollIntoView(from, { y: "start", yMargin: 0 }) })
  }

  /** Shows how the text was at `revision`; `look` says whether to go where that was written. */
  show(tape: Tape, revision: number, look: "there" | "here"): void {
    const page = tape.page(revision)
    const step = tape.step(revision)
    const touched = step && touchedBy(step.operation, tape.page(revision - 1).text)
    const changes = this.#changesTo(tape, page)
    const effects: StateEffect<unknown>[] = [showing.of({ tape, page, touched: touched ?? [0, 0] })]
    if (touched !== undefined && look === "there") {
      const margin = { y: "nearest", yMargin: marginPx } as const
      effects.push(EditorView.scrollIntoView(touched[1], margin))
    }
    const hue = step === undefined ? 0 : tape.person(step.author).hue
    this.#view.dom.style.setProperty("--hue", String(hue))
    this.#view.dispatch({ changes, effects })
  }

  // Exact where it is near: then the grammar reads anew only what is different.
  #changesTo(tape: Tape, { revision, text }: Page): ChangeSpec {
    const { doc } = this.#view.state
    const now = this.#view.state.field(shown)
    if (now?.tape === tape && Math.abs(now.page.revision - revision) <= nearRevisions) {
      return tape.changes(now.page.revision, revision)
    }
    const [start, end] = sharedEnds(doc.toString(), text.toString())
    return { from: start, to: doc.length - end, insert: text.slice(start, text.length - end) }
  }
}

const touchMark = Decoration.mark({ class: "cm-touched" })

const touches = EditorView.decorations.compute([shown], (state) => {
  const [from, to] = state.field(shown)?.touched ?? [0, 0]
  return from < to ? Decoration.set(touchMark.range(from, to)) : Decoration.none
})

/** Who wrote one line. */
class Who extends GutterMarker {
  readonly #author: number
  readonly #name: string
  readonly #hue: number
  readonly #others: string
  readonly #isNamed: boolean

  constructor({ author, name, hue, others, isNamed }: WhoFacts) {
    super()
    this.#author = author
    this.#name = name
    this.#hue = hue
    this.#others = others
    this.#isNamed = isNamed
  }

  override eq(other: Who): boolean {
    const isSame = other.#author === this.#author && other.#name === this.#name
    const looksSame = other.#hue === this.#hue && other.#isNamed === this.#isNamed
    return isSame && looksSame && other.#others === this.#others
  }

  override toDOM(): HTMLElement {
    const element = document.createElement("span")
    element.className = this.#author === unknownAuthor ? "who who-before" : "who hued"
    element.style.setProperty("--hue", String(this.#hue))
    element.title = this.#others === "" ? this.#name : `${this.#name}, with ${this.#others}`
    if (this.#isNamed) {
      element.append(
        part("who-name", this.#name),
        part("who-initials", this.#author === unknownAuthor ? "" : initials(this.#name)),
      )
    }
    return element
  }
}

interface WhoFacts {
  readonly author: number
  readonly name: string
  readonly hue: number
  readonly others: string
  readonly isNamed: boolean
}

const who: Extension = gutter({
  class: "cm-who",
  lineMarker(view, { from }) {
    const now = view.state.field(shown)
    return now === undefined ? null : markerAt(now, view.state.doc.lineAt(from).number)
  },
  lineMarkerChange: (update) => update.startState.field(shown) !== update.state.field(shown),
})

function markerAt({ tape, page }: Shown, number: number): Who | null {
  const { authors } = page
  if (number > authors.lines) return null // the view is about to show another page
  const author = authorAbove(tape, page, number)
  if (author === undefined) return null
  const before = number === 1 ? undefined : authorAbove(tape, page, number - 1)
  const { name, hue } = tape.person(author)
  const others = tape.authorsIn(authors.line(number).text).filter((each) => each !== author)
  return new Who({
    author,
    name,
    hue,
    others: others.map((each) => tape.person(each).name).join(", "),
    isNamed: before !== author || number % nameEveryLines === 1,
  })
}

/** Who wrote the line `number`; of an empty one, what stands above it. */
function authorAbove(tape: Tape, { authors }: Page, number: number): number | undefined {
  for (let at = number; at > Math.max(0, number - emptyLines); at -= 1) {
    const author = tape.mainAuthor(authors.line(at).text)
    if (author !== undefined) return author
  }
  return undefined
}

function part(name: string, words: string): HTMLElement {
  const element = document.createElement("span")
  element.className = name
  element.textContent = words
  return element
}
