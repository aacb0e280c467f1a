/**
 * A text in Markdown as the row of pieces it is drawn in: its blocks, and long lists cut into
 * stretches of their items, so that a change of one line is a change of a small piece.
 *
 * What always holds: pieces are in the order of the text, do not overlap, and are at most
 * `limitPieces`; the last may stand for all that is left then.
 */
import type { Text } from "@codemirror/state"
import type { SyntaxNode, Tree } from "@lezer/common"
import { type Definition, labelOf, slugOf, unescaped } from "./preview-links.ts"

/** More blocks are not drawn: a page of ten thousand paragraphs is read by nobody as a page. */
export const limitPieces = 10_000
/** A longer list is cut: so many items fill a window. */
const itemsTogether = 32

/** A stretch of the text that is drawn as one. */
export interface Piece {
  readonly from: number
  readonly to: number
  /** A block; several only where they are items of one list. */
  readonly nodes: readonly SyntaxNode[]
  /** The list around the items. */
  readonly list: List | undefined
  /** The text goes on, and is not drawn. */
  readonly isRest: boolean
}

/** What a list is besides its items. */
export interface List {
  readonly kind: "BulletList" | "OrderedList"
  /** The number of its first item. */
  readonly start: number
  /** Its items stand apart, as paragraphs. */
  readonly isLoose: boolean
}

/** The pieces of `doc`, and what its links may name by a label. */
export function piecesOf(
  tree: Tree,
  doc: Text,
): { readonly pieces: readonly Piece[]; readonly definitions: ReadonlyMap<string, Definition> } {
  const pieces: Piece[] = []
  const definitions = new Map<string, Definition>()
  for (let node = tree.topNode.firstChild; node !== null; node = node.nextSibling) {
    if (node.name === "LinkReference") define(definitions, node, doc)
    else if (pieces.length >= limitPieces) {
      pieces.push({ from: node.from, to: doc.length, nodes: [], list: undefined, isRest: true })
      break
    } else if (node.name === "BulletList" || node.name === "OrderedList") {
      pieces.push(...stretchesOf(node, doc))
    } else {
      pieces.push({ from: node.from, to: node.to, nodes: [node], list: undefined, isRest: false })
    }
  }
  return { pieces, definitions }
}

/** The list that `node` is, whose items are `items`. */
export function listOf(node: SyntaxNode, items: readonly SyntaxNode[], doc: Text): List {
  const [first] = items
  const mark = first?.getChild("ListMark")
  const number = mark ? Number.parseInt(doc.sliceString(mark.from, mark.to), 10) : 1
  const isLoose = items.some((item, index) => {
    const next = items[index + 1]
    return next !== undefined && /\n[ \t>]*\n/.test(doc.sliceString(item.to, next.from))
  })
  const kind = node.name === "OrderedList" ? "OrderedList" : "BulletList"
  return { kind, start: Number.isSafeInteger(number) ? number : 1, isLoose }
}

/** Where the heading that `#slug` means begins; undefined where there is none. */
export function headingAt(slug: string, pieces: readonly Piece[], doc: Text): number | undefined {
  const wanted = slug.toLowerCase()
  const counts = new Map<string, number>()
  for (const { nodes } of pieces) {
    const [node] = nodes
    if (node === undefined || !/Heading\d$/.test(node.name)) continue
    const own = slugOf(headingWords(node, doc))
    const before = counts.get(own) ?? 0
    counts.set(own, before + 1)
    // The second of one name is found as `name-1`.
    if (wanted === (before === 0 ? own : `${own}-${before}`)) return node.from
  }
  return undefined
}

/** A heading as it reads: without its marks and those of what is in it. */
function headingWords(node: SyntaxNode, doc: Text): string {
  let words = ""
  let at = node.from
  node.cursor().iterate((inner) => {
    if (!/Mark$|^URL$|^LinkTitle$/.test(inner.name)) return
    words += doc.sliceString(at, Math.max(at, inner.from))
    at = Math.max(at, inner.to)
  })
  return unescaped(words + doc.sliceString(at, node.to))
}

function stretchesOf(node: SyntaxNode, doc: Text): readonly Piece[] {
  const items = node.getChildren("ListItem")
  const whole = listOf(node, items, doc)
  const pieces: Piece[] = []
  for (let at = 0; at < items.length; at += itemsTogether) {
    const nodes = items.slice(at, at + itemsTogether)
    const first = nodes[0]
    const last = nodes.at(-1)
    if (first === undefined || last === undefined) break
    const list = { ...whole, start: whole.start + at }
    pieces.push({ from: first.from, to: last.to, nodes, list, isRest: false })
  }
  return pieces
}

// The first of one label counts.
function define(definitions: Map<string, Definition>, node: SyntaxNode, doc: Text): void {
  const words = (name: string): string => {
    const child = node.getChild(name)
    return child === null ? "" : doc.sliceString(child.from, child.to)
  }
  const label = labelOf(words("LinkLabel").slice(1, -1))
  const url = unescaped(words("URL").replace(/^<(.*)>$/, "$1"))
  if (label === "" || definitions.has(label)) return
  definitions.set(label, { url, title: unescaped(words("LinkTitle").slice(1, -1)) })
}
