/** Who shows themselves in the room, as round initials; how many more is counted. */
import type { VNode } from "preact"
import { useCell } from "../cell.ts"
import { initials } from "../documents/names.ts"
import type { Note } from "./note.ts"

/** So many have room in the top line. */
const limitShown = 5

export function Present({ note }: { readonly note: Note }): VNode {
  const people = useCell(note.people)
  const shown = people.length <= limitShown ? people : people.slice(0, limitShown - 1)
  const more = people.length - shown.length
  return (
    <ul class="initials present" aria-label="Who is here">
      {shown.map(({ id, name, hue, isSelf }) => {
        const words = isSelf ? `${name} (you)` : name
        return (
          <li key={id} class="disc hued" style={{ "--hue": hue }} data-hint={words}>
            <span aria-hidden="true">{initials(name)}</span>
            <span class="unseen">{words}</span>
          </li>
        )
      })}
      {more > 0 && (
        <li class="disc disc-rest">
          +{more}
          <span class="unseen"> more</span>
        </li>
      )}
    </ul>
  )
}
