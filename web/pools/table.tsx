/** A table of what is chosen. Wider than its place it scrolls; on a phone the wide columns are left out. */
import type { ComponentChildren, VNode } from "preact"

/** The head of a column, whose cells have the same kind. */
type Column = string | readonly [name: string, kind: "number" | "wide" | "number wide"]

interface TableProps {
  readonly columns: readonly Column[]
  readonly class?: string
  /** Its rows. */
  readonly children: ComponentChildren
}

export function Table({ columns, class: more, children }: TableProps): VNode {
  return (
    <div class="pools-scroll">
      <table class={more === undefined ? "pools-table" : `pools-table ${more}`}>
        <thead>
          <tr>
            {columns.map((column) => {
              const [name, kind] = typeof column === "string" ? [column] : column
              return (
                <th key={name} scope="col" class={kind}>
                  {name}
                </th>
              )
            })}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  )
}
