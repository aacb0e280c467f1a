/** The cells of a Markdown table, row by row. What always holds: every row is as long as the first. */
import type { Text } from "@codemirror/state"
import type { SyntaxNode } from "@lezer/common"

/** At which side of its column a cell stands. */
export type Side = "start" | "middle" | "end"

type Cells = readonly (SyntaxNode | undefined)[]

/** A table's rows; a cell with nothing in it is undefined, and `sides` has one for each column. */
export function rowsOf(
  table: SyntaxNode,
  doc: Text,
): { readonly head: Cells; readonly body: readonly Cells[]; readonly sides: readonly Side[] } {
  const header = table.getChild("TableHeader")
  const head = header === null ? [] : cellsOf(header)
  const dashes = table.getChild("TableDelimiter")
  const marks = dashes === null ? [] : doc.sliceString(dashes.from, dashes.to).match(/:?-+:?/g)
  const sides = head.map((_, column): Side => {
    const mark = marks?.[column] ?? ""
    if (!mark.endsWith(":")) return "start"
    return mark.startsWith(":") ? "middle" : "end"
  })
  return { head, sides, body: table.getChildren("TableRow").map(cellsOf) }
}

/** An empty cell has no node: it is what lies between two bars. */
function cellsOf(row: SyntaxNode): Cells {
  const cells: (SyntaxNode | undefined)[] = []
  let cell: SyntaxNode | undefined
  let isOpen = false // whether a bar or a cell stood here already
  for (let node = row.firstChild; node !== null; node = node.nextSibling) {
    if (node.name === "TableCell") cell = node
    else if (node.name === "TableDelimiter" && isOpen) {
      cells.push(cell)
      cell = undefined
    }
    isOpen = true
  }
  if (cell !== undefined) cells.push(cell)
  return cells
}
