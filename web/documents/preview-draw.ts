/**
 * Draws pieces of a Markdown text as elements, made one by one from its syntax tree: its blocks;
 * what stands in a line of them is drawn by preview-words.ts.
 *
 * The text is a stranger's. What always holds: no string is ever read as HTML; words enter as text
 * nodes, addresses only as `reachOf` lets them; no element gets an id, a name or a style from the
 * text; and neither the depth nor the number of the elements follows the text without bound (DC132).
 */
import type { SyntaxNode } from "@lezer/common"
import { highlightTree, tags } from "@lezer/highlight"
import { wordClasses } from "./highlighting.ts"
import { type List, listOf, type Piece } from "./preview-pieces.ts"
import { rowsOf } from "./preview-table.ts"
import { Full, limitDepth, type Source, Words } from "./preview-words.ts"

/**
 * Draws `piece` into `parent`, in place of what is there. A task's box keeps where its mark is in
 * `data-at`, counted from the piece's begin.
 */
export function drawPiece(source: Source, piece: Piece, parent: HTMLElement): void {
  parent.replaceChildren()
  try {
    new Drawing(source, piece.from).piece(piece, parent)
  } catch (thrown) {
    if (!(thrown instanceof Full)) throw thrown
    parent.append(note("What follows in this block is too much to be shown here."))
  }
}

function note(words: string): HTMLElement {
  const element = document.createElement("p")
  element.className = "preview-note"
  element.textContent = words
  return element
}

class Drawing {
  readonly #source: Source
  readonly #words: Words
  readonly #origin: number
  #depth = 0

  constructor(source: Source, origin: number) {
    this.#source = source
    this.#words = new Words(source)
    this.#origin = origin
  }

  piece({ nodes, list, isRest }: Piece, parent: HTMLElement): void {
    if (isRest) return parent.append(note("The text goes on; so much is not shown here."))
    if (list !== undefined) this.#list(list, nodes, parent)
    else for (const node of nodes) this.#block(node, parent)
  }

  #block(node: SyntaxNode, parent: HTMLElement): void {
    if (this.#depth >= limitDepth) return this.#raw(node, parent)
    this.#depth += 1
    this.#blockInside(node, parent)
    this.#depth -= 1
  }

  #blockInside(node: SyntaxNode, parent: HTMLElement): void {
    const heading = /^(?:ATX|Setext)Heading([1-6])$/.exec(node.name)?.[1]
    if (heading !== undefined) return this.#heading(node, this.#words.add(parent, `h${heading}`))
    switch (node.name) {
      case "Paragraph":
        return this.#words.draw(node, this.#words.add(parent, "p"))
      case "Blockquote":
        return this.#blocks(node, this.#words.add(parent, "blockquote"))
      case "BulletList":
      case "OrderedList": {
        const items = node.getChildren("ListItem")
        return this.#list(listOf(node, items, this.#source.doc), items, parent)
      }
      case "FencedCode":
      case "CodeBlock":
        return this.#code(node, parent)
      case "HorizontalRule":
        return void this.#words.add(parent, "hr")
      case "Table":
        return this.#table(node, parent)
      case "Task":
        return this.#task(node, parent)
      case "LinkReference":
      case "QuoteMark":
      case "ListMark":
        return
    }
    this.#raw(node, parent)
  }

  /** Its words, without the marks before, behind or below them. */
  #heading(node: SyntaxNode, element: HTMLElement): void {
    let { from, to } = node
    for (const mark of node.getChildren("HeaderMark")) {
      if (mark.from === node.from) from = mark.to
      else to = mark.from
    }
    const words = this.#words.slice(from, to)
    from += words.length - words.trimStart().length
    to = Math.max(from, to - (words.length - words.trimEnd().length))
    this.#words.between(node, element, { from, to })
  }

  #blocks(node: SyntaxNode, parent: HTMLElement): void {
    for (let child = node.firstChild; child !== null; child = child.nextSibling) {
      this.#block(child, parent)
    }
  }

  #list({ kind, start, isLoose }: List, items: readonly SyntaxNode[], parent: HTMLElement): void {
    const element = this.#words.add(parent, kind === "OrderedList" ? "ol" : "ul")
    if (start !== 1 && kind === "OrderedList") element.setAttribute("start", String(start))
    if (isLoose) element.className = "preview-loose"
    for (const item of items) this.#blocks(item, this.#words.add(element, "li"))
  }

  #task(node: SyntaxNode, parent: HTMLElement): void {
    const mark = node.getChild("TaskMarker")
    if (mark === null) return this.#words.draw(node, this.#words.add(parent, "p"))
    parent.classList.add("preview-task")
    const line = this.#words.add(parent, "p")
    const box = this.#words.add(line, "input")
    const isDone = /x/i.test(this.#words.of(mark))
    box.setAttribute("type", "checkbox")
    box.toggleAttribute("checked", isDone)
    box.toggleAttribute("disabled", this.#source.ticks === "fixed")
    box.dataset["at"] = String(mark.from - this.#origin)
    this.#words.draw(node, line)
    box.setAttribute("aria-label", line.textContent?.trim().slice(0, 200) || "Task")
  }

  /** What HTML there is, and what this does not know: as it stands. */
  #raw(node: SyntaxNode, parent: HTMLElement): void {
    const element = this.#words.add(parent, "pre")
    element.className = "preview-raw"
    element.append(this.#words.of(node))
  }

  #code(node: SyntaxNode, parent: HTMLElement): void {
    const frame = this.#words.add(parent, "pre")
    frame.tabIndex = 0 // it scrolls sideways
    const element = this.#words.add(frame, "code")
    const spans: { from: number; to: number; classes: string }[] = []
    highlightTree(
      this.#source.tree,
      codeClasses,
      (from, to, classes) => spans.push({ from, to, classes }),
      node.from,
      node.to,
    )
    let next = 0
    for (const { from, to } of node.getChildren("CodeText")) {
      let at = from
      for (; next < spans.length; next += 1) {
        const span = spans[next]
        if (span === undefined || span.from >= to) break
        if (span.to <= at) continue
        element.append(this.#words.slice(at, span.from))
        const word = this.#words.add(element, "span")
        word.className = span.classes
        word.append(this.#words.slice(Math.max(at, span.from), Math.min(to, span.to)))
        at = Math.min(to, span.to)
        if (span.to > to) break // it goes on behind a quote's mark
      }
      element.append(this.#words.slice(at, to))
    }
  }

  #table(node: SyntaxNode, parent: HTMLElement): void {
    const frame = this.#words.add(parent, "div")
    frame.className = "preview-wide"
    frame.tabIndex = 0 // it scrolls sideways
    const table = this.#words.add(frame, "table")
    const { head, body, sides } = rowsOf(node, this.#source.doc)
    const row = (cells: readonly (SyntaxNode | undefined)[], into: HTMLElement, name: string) => {
      const line = this.#words.add(into, "tr")
      for (const [index, side] of sides.entries()) {
        const cell = cells[index]
        const element = this.#words.add(line, name)
        if (side !== "start") element.className = `preview-${side}`
        if (cell !== undefined) this.#words.draw(cell, element)
      }
    }
    row(head, this.#words.add(table, "thead"), "th")
    const rest = this.#words.add(table, "tbody")
    for (const cells of body) row(cells, rest, "td")
  }
}

/** The page's classes; but what is merely code, as all of it is, has none. */
const codeClasses = {
  style: (found: Parameters<typeof wordClasses.style>[0]) =>
    found.includes(tags.monospace) ? null : wordClasses.style(found),
}
