/**
 * The preview of one editor's Markdown, kept up to date: at most one look in a painted frame, and
 * only what changed and can be seen is drawn. Loaded when a preview is first shown.
 *
 * What always holds: there is one shell for each piece of the text, in its order; a shell is empty
 * until it comes near to being seen. `#shown` says where in the text the pieces were at the last
 * look, and `#changes` what became of that text since.
 */
import { ensureSyntaxTree, syntaxTree } from "@codemirror/language"
import { type ChangeDesc, Transaction } from "@codemirror/state"
import type { EditorView, ViewUpdate } from "@codemirror/view"
import type { Undo } from "../cell.ts"
import { drawPiece } from "./preview-draw.ts"
import type { Definition } from "./preview-links.ts"
import { headingAt, type Piece, piecesOf } from "./preview-pieces.ts"
import { type Following, followEditor } from "./preview-scroll.ts"
import type { Source } from "./preview-words.ts"

/** The tree of a large text is made in steps of this long, a step in each frame. */
const parseMs = 12
/** A look that took longer makes the next wait: typing comes first. */
const quickMs = 8
/** It waits so many times as long as the last look took, and no longer than this. */
const waitTimes = 5
const longestWaitMs = 500
/** Shells are drawn this far beyond what is seen, in windows. */
const beyondWindows = 1

/** A piece and the element it is drawn in. */
export interface Shown {
  readonly piece: Piece
  readonly shell: HTMLElement
  /** The text it was drawn from, or will be. */
  readonly words: string
}

/** What the preview must know of the editor. */
export interface PreviewOptions {
  readonly view: EditorView
  watch(watcher: (update: ViewUpdate) => void): Undo
  /** Whether the visitor may change the text. */
  mayWrite(): boolean
}

export class PreviewView {
  readonly #pane: HTMLElement
  readonly #sheet: HTMLElement
  readonly #options: PreviewOptions
  readonly #undos: Undo[] = []
  readonly #follow: Following
  readonly #drawn = new WeakSet<HTMLElement>()
  #shown: readonly Shown[] = []
  #source: Source | undefined
  #definitions = ""
  /** What became of the text since the last look. */
  #changes: ChangeDesc | undefined
  /** The task that was ticked, until it is drawn anew: it had the focus. */
  #ticked: number | undefined
  /** The next look is followed by one at where the editor is. */
  #goesAlong = true
  #isAsked = false
  #waitMs = 0
  #isGone = false

  /** Fills `pane`, an element that scrolls. */
  constructor(pane: HTMLElement, options: PreviewOptions) {
    this.#pane = pane
    this.#options = options
    this.#sheet = document.createElement("div")
    this.#sheet.className = "preview-sheet"
    pane.replaceChildren(this.#sheet)
    const onScroll = (): void => this.#drawSeen()
    const onClick = (event: Event): void => this.#onClick(event)
    pane.addEventListener("scroll", onScroll, { passive: true })
    pane.addEventListener("click", onClick)
    const sizes = new ResizeObserver(onScroll)
    sizes.observe(pane)
    this.#follow = followEditor(options, pane, {
      shown: () => this.#shown,
      draw: (shown) => this.#draw(shown),
    })
    this.#undos.push(
      options.watch((update) => this.#notice(update)),
      () => pane.removeEventListener("scroll", onScroll),
      () => pane.removeEventListener("click", onClick),
      () => sizes.disconnect(),
      this.#follow.end,
    )
    this.#look()
  }

  destroy(): void {
    this.#isGone = true
    for (const undo of this.#undos) undo()
    this.#pane.replaceChildren()
  }

  /** What may be done has changed. */
  redraw(): void {
    for (const { shell } of this.#shown) this.#drawn.delete(shell)
    this.#ask()
  }

  #notice(update: ViewUpdate): void {
    if (update.docChanged) {
      this.#changes = this.#changes?.composeDesc(update.changes.desc) ?? update.changes.desc
      this.#goesAlong ||= update.transactions.some(
        (one) => one.docChanged && one.annotation(Transaction.remote) !== true,
      )
    } else if (syntaxTree(update.startState) !== syntaxTree(update.state)) {
      // A grammar has come for the code in it, or more of the tree is there.
      for (const { shell, piece } of this.#shown) {
        if (hasCode(piece)) this.#drawn.delete(shell)
      }
    } else return
    this.#ask()
  }

  #ask(): void {
    if (this.#isAsked) return
    this.#isAsked = true
    const atFrame = (): void => {
      requestAnimationFrame(() => {
        this.#isAsked = false
        if (!this.#isGone) this.#look()
      })
    }
    if (this.#waitMs === 0) atFrame()
    else setTimeout(atFrame, this.#waitMs)
  }

  #look(): void {
    const begun = performance.now()
    const { state } = this.#options.view
    const { doc } = state
    const tree = ensureSyntaxTree(state, doc.length, parseMs)
    const { pieces, definitions } = piecesOf(tree ?? syntaxTree(state), doc)
    this.#source = {
      doc,
      tree: tree ?? syntaxTree(state),
      definitions,
      page: location.href,
      ticks: this.#options.mayWrite() ? "open" : "fixed",
    }
    this.#show(pieces)
    this.#changes = undefined
    this.#useDefinitions(definitions)
    this.#drawSeen()
    this.#focusTicked()
    const tookMs = performance.now() - begun
    this.#waitMs = tookMs < quickMs ? 0 : Math.min(longestWaitMs, tookMs * waitTimes)
    if (this.#goesAlong) this.#follow.ask()
    // The place where the editor is may not be there yet.
    this.#goesAlong = tree === null
    if (tree === null) this.#ask()
  }

  /** Gives each piece a shell: the one it had, where it reads as it did. */
  #show(pieces: readonly Piece[]): void {
    const before = this.#shown
    const { doc } = this.#options.view.state
    const { first, last } = this.#untouched(pieces)
    const spare = new Map<string, HTMLElement[]>()
    for (const { words, shell } of before.slice(first, before.length - last)) {
      const alike = spare.get(words)
      if (alike === undefined) spare.set(words, [shell])
      else alike.push(shell)
    }
    this.#shown = pieces.map((piece, index): Shown => {
      const fromEnd = pieces.length - index
      const old = index < first ? before[index] : fromEnd <= last ? before.at(-fromEnd) : undefined
      if (old !== undefined) return { ...old, piece }
      const words = keyOf(piece, doc.sliceString(piece.from, piece.to))
      return { piece, words, shell: spare.get(words)?.shift() ?? shellFor(piece, words) }
    })
    for (const shells of spare.values()) for (const shell of shells) shell.remove()
    // At the begin and at the end they are where they were.
    let at = this.#sheet.children[first] ?? null
    for (const { shell } of this.#shown.slice(first, this.#shown.length - last)) {
      if (shell === at) at = at.nextElementSibling
      else this.#sheet.insertBefore(shell, at)
    }
  }

  /** How many pieces at the begin and at the end are as they were. */
  #untouched(pieces: readonly Piece[]): { readonly first: number; readonly last: number } {
    const before = this.#shown
    const most = Math.min(before.length, pieces.length)
    const { from, to, by } = extentOf(this.#changes)
    const isSame = (old: Piece | undefined, now: Piece | undefined, by: number): boolean =>
      old !== undefined && now !== undefined && isAlike(old, now, by)
    let first = 0
    while (first < most) {
      const old = before[first]?.piece
      if (old === undefined || old.to >= from || !isSame(old, pieces[first], 0)) break
      first += 1
    }
    let last = 0
    while (last < most - first) {
      const old = before.at(-1 - last)?.piece
      if (old === undefined || old.from <= to || !isSame(old, pieces.at(-1 - last), by)) break
      last += 1
    }
    return { first, last }
  }

  // A label that means something else now may be named in any piece.
  #useDefinitions(definitions: ReadonlyMap<string, Definition>): void {
    const now = JSON.stringify([...definitions])
    if (now === this.#definitions) return
    this.#definitions = now
    for (const { shell } of this.#shown) this.#drawn.delete(shell)
  }

  /** Draws what can be seen, and a bit around it. */
  #drawSeen(): void {
    const { top, height } = this.#pane.getBoundingClientRect()
    const reach = height * beyondWindows
    const shells = this.#shown
    // The first whose foot is not above: their places ascend.
    let low = 0
    let high = shells.length
    while (low < high) {
      const middle = (low + high) >> 1
      const foot = shells[middle]?.shell.getBoundingClientRect().bottom ?? 0
      if (foot < top - reach) low = middle + 1
      else high = middle
    }
    for (const shown of shells.slice(low)) {
      if (shown.shell.getBoundingClientRect().top > top + height + reach) break
      this.#draw(shown)
    }
  }

  #draw({ piece, shell }: Shown): void {
    if (this.#drawn.has(shell) || this.#source === undefined) return
    this.#drawn.add(shell)
    drawPiece(this.#source, piece, shell)
    shell.classList.remove("preview-empty")
  }

  #onClick(event: Event): void {
    const { target } = event
    if (!(target instanceof HTMLElement)) return
    const door = target.closest<HTMLElement>("[data-slug]")
    const slug = door?.dataset["slug"]
    if (slug !== undefined) this.#goTo(slug)
    if (target instanceof HTMLInputElement) this.#tick(target)
  }

  #goTo(slug: string): void {
    const pieces = this.#shown.map(({ piece }) => piece)
    const at =
      slug === "" ? 0 : headingAt(slug, pieces, this.#source?.doc ?? this.#options.view.state.doc)
    const found = this.#shown.find(({ piece }) => piece.from === at)
    if (slug === "") this.#pane.scrollTo({ top: 0 })
    if (found === undefined) return
    this.#draw(found)
    found.shell.scrollIntoView({ block: "start" })
  }

  /** Ticks a task: an edit of one's own like any other. */
  #tick(box: HTMLInputElement): void {
    const { view, mayWrite } = this.#options
    const shown = this.#shown.find(({ shell }) => shell.contains(box))
    if (shown === undefined) return
    const drawnAt = shown.piece.from + Number(box.dataset["at"])
    // The text may have changed since this was drawn.
    const at = this.#changes?.mapPos(drawnAt, 1) ?? drawnAt
    const isThere = /^\[[ xX]\]$/.test(view.state.sliceDoc(at, at + 3))
    if (!isThere || !mayWrite()) return this.redraw()
    this.#ticked = at
    const insert = box.checked ? "x" : " "
    view.dispatch({ changes: { from: at + 1, to: at + 2, insert }, userEvent: "input.tick" })
  }

  #focusTicked(): void {
    const at = this.#ticked
    if (at === undefined) return
    this.#ticked = undefined
    const shown = this.#shown.find(({ piece }) => piece.from <= at && at <= piece.to)
    const place = at - (shown?.piece.from ?? 0)
    const box = shown?.shell.querySelector<HTMLElement>(`[data-at="${place}"]`)
    box?.focus({ preventScroll: true })
  }
}

// A list's number and looseness show in the first of its pieces, whatever stands in the others.
function keyOf({ list, isRest }: Piece, words: string): string {
  const around = list === undefined ? "" : `${list.kind} ${list.start} ${list.isLoose}`
  return isRest ? "rest" : `${around}\n${words}`
}

function isAlike(old: Piece, now: Piece, by: number): boolean {
  const isInPlace = old.from + by === now.from && old.to + by === now.to
  const isSameKind = old.isRest === now.isRest && old.nodes[0]?.name === now.nodes[0]?.name
  return isInPlace && isSameKind && keyOf(old, "") === keyOf(now, "")
}

/** From where to where, in the text before, something changed, and by how much the rest moved. */
function extentOf(changes: ChangeDesc | undefined) {
  let from = Number.POSITIVE_INFINITY
  let to = -1
  changes?.iterChangedRanges((fromA, toA) => {
    from = Math.min(from, fromA)
    to = Math.max(to, toA)
  })
  return { from, to, by: changes === undefined ? 0 : changes.newLength - changes.length }
}

function hasCode({ nodes }: Piece): boolean {
  return nodes.some((node) => !/Heading|Paragraph|Table/.test(node.name))
}

function shellFor(piece: Piece, words: string): HTMLElement {
  const shell = document.createElement("div")
  shell.className = "preview-piece preview-empty"
  // So high it will be, more or less; else everything would seem to be at the top.
  shell.style.setProperty("--lines", String(piece.isRest ? 1 : words.split("\n").length))
  return shell
}
