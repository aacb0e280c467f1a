/**
 * Binds a CodeMirror 6 view to a shared text: `sharedText(text)` is an Extension.
 *
 * Each transaction of the view becomes one operation; each change that others made becomes one
 * transaction marked remote and kept out of the history, so that undo takes back one's own edits
 * and nobody else's (DC130, DC146). While an input method composes neither way is gone: what is
 * half composed is not sent, and what others did is not shown, for at most 10 s (DC135).
 *
 * What always holds: with `base` as a text that nobody may be showing any more, the view shows
 * `base` after `#unsent`, and the shared text is `base` after `#held`. Outside of composition both
 * are undefined as soon as the current turn ends, and the two are equal.
 */
import { Annotation, EditorState, type Extension, Facet, Transaction } from "@codemirror/state"
import { EditorView, type PluginValue, ViewPlugin, type ViewUpdate } from "@codemirror/view"
import { diff } from "../ot/diff.ts"
import { compose, moveIndex, type Operation, transform } from "../ot/operation.ts"
import type { Cursors } from "../wire/documents-shapes.ts"
import { Carets, caretsMoved, remoteCarets } from "./carets.ts"
import type { TextEvents } from "./documents.ts"
import { lengthInPoints, operationOf, Ruler, repairsOf, replacementsOf } from "./mapping.ts"
import type { SharedText } from "./shared-text.ts"

/** No composition holds anything back for longer: who pauses in mid-word is not cut off. */
const longestHoldMs = 10_000
/** After a composition ends CodeMirror reads what it left within this time. */
const composedMs = 50
/** A followed caret is kept this far from the edge of the view. */
const followMarginPx = 48

/** What `sharedText` may be told besides the text. */
export interface BindingOptions {
  /** Whether others' carets and selections are drawn. Default true. */
  readonly cursors?: boolean
  /** The id of an editor whose caret is kept in view. */
  readonly follow?: number
}

interface Bound extends BindingOptions {
  readonly text: SharedText
}

type Change = Parameters<TextEvents["change"]>[0]

/**
 * The extension that makes a view show and edit `text`. Whatever the view showed before is
 * replaced; other options may be put in its place through a Compartment, and so may another text.
 *
 * It sets the line separator to LF, so that a lone CR stays a character (DC136), and drops
 * changes of the text while its role is "read" or it is closed. With a Content-Security-Policy
 * that names a nonce, give that to `EditorView.cspNonce`.
 */
export function sharedText(text: SharedText, options: BindingOptions = {}): Extension {
  return [
    bound.of({ text, ...options }),
    EditorState.lineSeparator.of("\n"),
    EditorView.clipboardInputFilter.of((pasted) => pasted.replace(/\r\n?/g, "\n")),
    wholeCharacters,
    binding,
    options.cursors === false ? [] : remoteCarets((view) => view.plugin(binding)?.carets),
  ]
}

/** Where the caret of the editor `id` is in `view`, in UTF-16 units; undefined if it has none. */
export function caretOf(view: EditorView, id: number): number | undefined {
  return view.plugin(binding)?.carets.headOf(id)
}

const bound = Facet.define<Bound, Bound | undefined>({ combine: (all) => all[0] })

/** Marks what the binding itself does to a view: that is not told to the shared text again. */
const ours = Annotation.define<"shown">()

/** Keeps halves of characters and NUL out of the view, in the very transaction that made them. */
const wholeCharacters = EditorState.transactionFilter.of((transaction) => {
  if (!transaction.docChanged || transaction.annotation(ours) !== undefined) return transaction
  const text = transaction.startState.facet(bound)?.text
  if (text?.role === "read" || text?.state === "closed") return []
  const repairs = repairsOf(transaction.changes, transaction.newDoc)
  return repairs.length === 0 ? transaction : [transaction, { changes: repairs, sequential: true }]
})

class Binding implements PluginValue {
  readonly carets = new Carets()
  readonly #view: EditorView
  #bound: Bound
  #forget: () => void
  // In the view, not yet told to the text; in the text, not yet shown in the view.
  #unsent: Operation | undefined
  #held: Operation | undefined
  #holdTimer: ReturnType<typeof setTimeout> | undefined
  // The view shows what no operation accounts for, as at its start: it is set to the text.
  #isOff = true
  #hasMoved = false // our own selection, since it was last told
  // What we told the text, until it tells us: at most a few, since it does so in the same turn.
  readonly #told = new Set<Operation>()
  #isUpdating = false
  #areCaretsOld = false
  #isDrawing = false
  #isGone = false

  constructor(view: EditorView) {
    this.#view = view
    this.#bound = boundOf(view.state)
    this.#forget = this.#listen()
    this.#soon() // a view cannot be changed while it is being made
  }

  update(update: ViewUpdate): void {
    this.#isUpdating = true
    const now = boundOf(update.state)
    if (now.text !== this.#bound.text) this.#rebind(now)
    this.#bound = now
    if (update.docChanged) this.carets.move(update.changes)
    for (const transaction of update.transactions) {
      if (transaction.annotation(ours) !== undefined) continue
      if (transaction.docChanged) this.#keep(transaction)
      if (transaction.docChanged || transaction.selection !== undefined) this.#hasMoved = true
    }
    if (!update.view.composing || this.#isOff) this.#settle()
    else if (this.#unsent !== undefined) this.#holdBack()
    this.#isUpdating = false
  }

  destroy(): void {
    this.#settle() // what was half composed is not lost with the view
    this.#isGone = true
    this.#forget()
  }

  /** An input method is done: what it left has been read by the time this looks. */
  composed(): void {
    setTimeout(() => {
      if (!this.#view.composing) this.#settle()
    }, composedMs)
  }

  #listen(): () => void {
    const { text } = this.#bound
    const forgetChange = text.on("change", (change) => this.#onChange(change))
    const forgetEditors = text.on("editors", () => this.#drawCarets())
    return () => {
      forgetChange()
      forgetEditors()
    }
  }

  #rebind(now: Bound): void {
    this.#settle()
    this.#forget()
    this.#bound = now
    this.#forget = this.#listen()
    this.#isOff = true
    this.#soon()
  }

  /** Takes a transaction of the view into what is not yet told. */
  #keep(transaction: Transaction): void {
    if (this.#isOff) return // what the view shows now is about to be replaced
    const { operation, fit } = operationOf(transaction.changes, transaction.startState.doc)
    const length = lengthInPoints(transaction.newDoc)
    // A transaction that went past the filters may have left what a document cannot hold.
    if (fit === "inexact" || operation.targetLength !== length) this.#isOff = true
    this.#unsent = this.#unsent === undefined ? operation : compose(this.#unsent, operation)
  }

  /** Tells the text what is not yet told, and has shown, at the end of this turn, what is held. */
  #settle(): void {
    clearTimeout(this.#holdTimer)
    this.#holdTimer = undefined
    const { text } = this.#bound
    if (text.state === "closed") this.#unsent = undefined
    if (this.#unsent !== undefined) {
      const held = this.#held
      const [mine, theirs] =
        held === undefined ? [this.#unsent, undefined] : transform(this.#unsent, held)
      this.#unsent = undefined
      this.#held = theirs
      this.#hasMoved = false
      if (!mine.isNoop) this.#told.add(mine)
      text.edit(mine, this.#cursors())
    } else if (this.#hasMoved && text.state !== "closed") {
      this.#hasMoved = false
      text.setCursors(this.#cursors())
    }
    if (this.#held !== undefined || this.#isOff) this.#soon()
    else if (this.#areCaretsOld) this.#drawCarets()
  }

  #onChange(change: Change): void {
    if (this.#told.delete(change.operation)) return // our own edit, which the view shows
    this.#held = this.#held === undefined ? change.operation : compose(this.#held, change.operation)
    if (this.#isUpdating) return this.#soon()
    if (this.#view.composing || this.#unsent !== undefined) return this.#holdBack()
    this.#show(change.by)
  }

  #holdBack(): void {
    this.#holdTimer ??= setTimeout(() => this.#settle(), longestHoldMs)
  }

  // A view refuses to be changed from within an update, so this waits until that is over.
  #soon(): void {
    queueMicrotask(() => {
      if (this.#isGone) return
      if (this.#isOff) this.#resync()
      else if (this.#held !== undefined) this.#show("others")
    })
  }

  /** Changes the view by what is held. */
  #show(by: Change["by"]): void {
    const held = this.#held
    if (held === undefined) return
    const [mine, theirs] =
      this.#unsent === undefined ? [undefined, held] : transform(this.#unsent, held)
    this.#unsent = mine
    this.#held = undefined
    this.#dispatch(theirs, by)
  }

  /** Changes the view to what the text is, wherever the two differ. */
  #resync(): void {
    this.#isOff = false
    if (this.#unsent !== undefined) this.#settle()
    this.#held = undefined
    this.#dispatch(diff(this.#view.state.doc.toString(), this.#bound.text.text), "others")
    this.#drawCarets()
  }

  #dispatch(operation: Operation, by: Change["by"]): void {
    if (operation.isNoop) return
    const isMine = by === "me" // a program edited the text beside this view: that can be undone
    this.#view.dispatch({
      changes: replacementsOf(operation, this.#view.state.doc),
      annotations: [
        ours.of("shown"),
        ...(isMine ? [] : [Transaction.remote.of(true), Transaction.addToHistory.of(false)]),
      ],
      filter: false,
    })
  }

  /** Our carets and selections in code points of the shared text. */
  #cursors(): Cursors {
    const { doc, selection } = this.#view.state
    const ruler = new Ruler(doc)
    const held = this.#held
    const point = (unit: number): number => {
      const shown = ruler.pointAt(unit)
      return held === undefined ? shown : moveIndex(held, shown, "left")
    }
    const cursors: number[] = []
    const selections: [number, number][] = []
    for (const range of selection.ranges) {
      const from = point(range.from)
      const to = range.empty ? from : point(range.to)
      const isForward = range.head === range.to
      cursors.push(isForward ? to : from)
      if (!range.empty) selections.push(isForward ? [from, to] : [to, from])
    }
    return { cursors, selections }
  }

  // At most once for each frame that is painted, however often people move.
  #drawCarets(): void {
    this.#areCaretsOld = true
    if (this.#isDrawing || this.#bound.cursors === false) return
    this.#isDrawing = true
    requestAnimationFrame(() => {
      this.#isDrawing = false
      // While the view shows another text than the text is, places in that mean nothing in it.
      if (this.#isGone || this.#held !== undefined || this.#unsent !== undefined) return
      this.#readCarets()
    })
  }

  #readCarets(): void {
    const { text, follow } = this.#bound
    this.#areCaretsOld = false
    const before = follow === undefined ? undefined : this.carets.headOf(follow)
    this.carets.read(text, this.#view.state.doc)
    const head = follow === undefined ? undefined : this.carets.headOf(follow)
    const margin = { y: "nearest", yMargin: followMarginPx } as const
    this.#view.dispatch({
      effects: [
        caretsMoved.of(null),
        ...(head === undefined || head === before ? [] : [EditorView.scrollIntoView(head, margin)]),
      ],
    })
  }
}

function boundOf(state: EditorState): Bound {
  const found = state.facet(bound)
  if (found === undefined) throw new Error("never: the binding came without its text")
  return found
}

const binding = ViewPlugin.fromClass(Binding, {
  eventObservers: {
    compositionend() {
      this.composed()
    },
  },
})
