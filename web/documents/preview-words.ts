/**
 * Draws what stands in a line of Markdown: words, what is marked in them, links and images. What
 * always holds is said in preview-draw.ts, which draws the blocks around them.
 */
import type { Text } from "@codemirror/state"
import type { SyntaxNode, Tree } from "@lezer/common"
import {
  bareUrl,
  type Definition,
  entityOf,
  labelOf,
  type Reach,
  reachOf,
  unescaped,
} from "./preview-links.ts"

/** Of a piece with more elements the rest is left out: as many take a tenth of a second. */
const limitElements = 8_000
/** What lies deeper is shown as it is written: engines lay out elements by recursion. */
export const limitDepth = 24

/** What a drawing looks into. */
export interface Source {
  readonly doc: Text
  readonly tree: Tree
  readonly definitions: ReadonlyMap<string, Definition>
  /** The address of this page. */
  readonly page: string
  /** Whether tasks may be ticked. */
  readonly ticks: "open" | "fixed"
}

interface Stretch {
  readonly from: number
  readonly to: number
}

/** Thrown by `Words.add`: the piece has all the elements it may have. */
export class Full extends Error {}

/** The words of one piece, and the count of its elements. */
export class Words {
  readonly #source: Source
  #left = limitElements
  #depth = 0

  constructor(source: Source) {
    this.#source = source
  }

  /** A new element at the end of `parent`. Throws Full when there are enough. */
  add(parent: HTMLElement, name: string): HTMLElement {
    this.#left -= 1
    if (this.#left < 0) throw new Full()
    const element = document.createElement(name)
    parent.append(element)
    return element
  }

  /** The text of `node` as it is written. */
  of({ from, to }: SyntaxNode): string {
    return this.slice(from, to)
  }

  slice(from: number, to: number): string {
    return from < to ? this.#source.doc.sliceString(from, to) : ""
  }

  /** Draws what stands in `node` into `parent`. */
  draw(node: SyntaxNode, parent: HTMLElement): void {
    this.between(node, parent, { from: node.from, to: node.to })
  }

  /** Draws the part of it from `from` to `to`. */
  between(node: SyntaxNode, parent: HTMLElement, { from, to }: Stretch): void {
    if (this.#depth >= limitDepth) return parent.append(this.slice(from, to))
    this.#depth += 1
    let at = from
    for (let child = node.childAfter(from); child !== null; child = child.nextSibling) {
      if (child.from >= to) break
      if (child.to <= from) continue
      parent.append(this.#line(at, child.from))
      this.#mark(child, parent)
      at = child.to
    }
    parent.append(this.#line(at, to))
    this.#depth -= 1
  }

  #mark(node: SyntaxNode, parent: HTMLElement): void {
    const name = marks.get(node.name)
    if (name !== undefined) return this.draw(node, this.add(parent, name))
    switch (node.name) {
      case "Escape":
        return parent.append(this.slice(node.from + 1, node.to))
      case "Entity":
        return parent.append(entityOf(this.of(node)))
      case "HardBreak":
        return void this.add(parent, "br")
      case "InlineCode":
        return this.#inlineCode(node, parent)
      case "Link":
      case "Image":
        return this.#link(node, parent)
      case "Autolink": {
        const url = node.getChild("URL")
        return url === null ? parent.append(this.of(node)) : this.#bare(url, parent)
      }
      case "URL":
        return this.#bare(node, parent)
      case "HTMLTag":
      case "Comment":
      case "ProcessingInstruction": {
        const element = this.add(parent, "span")
        element.className = "preview-raw"
        return element.append(this.of(node))
      }
    }
    // Marks are what is not shown any more; anything else is words.
    if (!/Mark(?:er)?$/.test(node.name)) this.draw(node, parent)
  }

  #inlineCode(node: SyntaxNode, parent: HTMLElement): void {
    const [open, close] = node.getChildren("CodeMark")
    const words = this.#source.doc
      .sliceString(open?.to ?? node.from, close?.from ?? node.to)
      .replace(/\n[ \t]*/g, " ")
    const isPadded = /^ .*\S.* $/.test(words) || /^ \S $/.test(words)
    this.add(parent, "code").append(isPadded ? words.slice(1, -1) : words)
  }

  #bare(node: SyntaxNode, parent: HTMLElement): void {
    const words = this.of(node)
    const element = this.#door(reachOf(bareUrl(words), this.#source.page), parent)
    element.append(words)
  }

  /** `[words](url "title")`, `[words][label]`, `[label]`; with `!` before it an image. */
  #link(node: SyntaxNode, parent: HTMLElement): void {
    const [open, close] = node.getChildren("LinkMark")
    const inside = { from: open?.to ?? node.from, to: close?.from ?? node.to }
    const { url, title } = this.#goalOf(node, inside) ?? {}
    if (url === undefined) {
      // No definition: then it is words with brackets around them.
      parent.append(this.slice(node.from, inside.from))
      this.between(node, parent, inside)
      return parent.append(this.slice(inside.to, node.to))
    }
    const reach = reachOf(url, this.#source.page)
    if (node.name === "Image") return this.#image(node, parent, { reach, inside, title })
    const element = this.#door(reach, parent)
    if (title !== undefined && title !== "") element.title = title
    this.between(node, element, inside)
  }

  /** An image of this server is shown; one from elsewhere is a link, since showing it would tell them who reads (DC132). */
  #image(
    node: SyntaxNode,
    parent: HTMLElement,
    {
      reach,
      inside,
      title,
    }: {
      readonly reach: Reach | undefined
      readonly inside: Stretch
      readonly title: string | undefined
    },
  ): void {
    const words = document.createElement("span")
    this.between(node, words, inside)
    const alt = words.textContent ?? ""
    if (reach?.to !== "page" || !reach.isOurs) {
      const element = this.#door(reach?.to === "page" ? reach : undefined, parent)
      element.classList.add("preview-image")
      element.append(alt === "" ? "image" : alt)
      return
    }
    const image = this.add(parent, "img")
    image.setAttribute("loading", "lazy")
    image.setAttribute("alt", alt)
    if (title !== undefined && title !== "") image.title = title
    image.setAttribute("src", reach.href)
  }

  /** What is pressed to get there; plain words where there is no getting. */
  #door(reach: Reach | undefined, parent: HTMLElement): HTMLElement {
    if (reach === undefined) return this.add(parent, "span")
    if (reach.to === "heading") {
      // No address: opened in another tab, or copied, it would be another document's.
      const button = this.add(parent, "button")
      button.setAttribute("type", "button")
      button.setAttribute("role", "link")
      button.dataset["slug"] = reach.slug
      return button
    }
    const link = this.add(parent, "a")
    link.setAttribute("href", reach.href)
    link.setAttribute("target", "_blank")
    link.setAttribute("rel", "noopener noreferrer nofollow")
    return link
  }

  #goalOf(node: SyntaxNode, inside: Stretch): Partial<Definition> | undefined {
    const { doc, definitions } = this.#source
    const url = node.getChild("URL")
    const title = node.getChild("LinkTitle")
    const marks = node.getChildren("LinkMark")
    // `[words]()` has its parentheses, and no address in them.
    if (url === null && marks.length > 2) return undefined
    if (url !== null) {
      return {
        url: unescaped(this.of(url).replace(/^<(.*)>$/, "$1")),
        title: title === null ? "" : unescaped(this.of(title).slice(1, -1)),
      }
    }
    const label = node.getChild("LinkLabel")
    const named = label === null ? "" : this.of(label).slice(1, -1)
    return definitions.get(labelOf(named === "" ? doc.sliceString(inside.from, inside.to) : named))
  }

  // How far a line is indented means nothing inside a paragraph.
  #line(from: number, to: number): string {
    return this.slice(from, to).replace(/\n[ \t]+/g, "\n")
  }
}

/** What Markdown marks, and the element that says so. */
const marks: ReadonlyMap<string, string> = new Map([
  ["Emphasis", "em"],
  ["StrongEmphasis", "strong"],
  ["Strikethrough", "del"],
  ["Subscript", "sub"],
  ["Superscript", "sup"],
])
