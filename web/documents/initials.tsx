/**
 * Who is here, as a row of initials in the top line. What always holds: a colour never stands
 * without a name or its initials.
 */
import type { VNode } from "preact"
import { useEffect } from "preact/hooks"
import { useCell, useRedraw } from "../cell.ts"
import type { Self } from "../preferences.ts"
import type { Editor } from "./editor.ts"
import { initials } from "./names.ts"
import type { Session } from "./session.ts"

/** So many initials have room in the top line, on a phone and elsewhere; who more are is counted. */
const shownInitials = { narrow: 2, wide: 5 }

/** Somebody in the document. */
export interface Person extends Self {
  readonly id: number | undefined
  readonly isSelf: boolean
}

/** Everybody here, the visitor first, then by when they came. Drawn anew as they change. */
export function usePeople(session: Session): readonly Person[] {
  const redraw = useRedraw()
  const self = useCell(session.self)
  useEffect(() => {
    // People move more often than a screen is painted.
    let frame: number | undefined
    const forget = session.text.on("editors", () => {
      frame ??= requestAnimationFrame(() => {
        frame = undefined
        redraw()
      })
    })
    const forgetRole = session.text.on("access", redraw)
    return () => {
      forget()
      forgetRole()
      if (frame !== undefined) cancelAnimationFrame(frame)
    }
  }, [session])
  return [{ ...self, id: session.text.me, isSelf: true }, ...othersIn(session)]
}

/** Everybody but the visitor, by when they came. */
export function othersIn({ text }: Session): readonly Person[] {
  const others = [...text.editors.values()].filter((editor) => editor.id !== text.me)
  return others
    .sort((one, other) => one.id - other.id)
    .map(({ id, name, hue }) => ({ id, name, hue, isSelf: false }))
}

interface InitialsProps {
  readonly session: Session
  readonly editor: Editor | undefined
  /** Opens the list. */
  readonly onOpen: () => void
}

/** Up to five initials, then how many more. */
export function Initials({ session, editor, onOpen }: InitialsProps): VNode {
  const people = usePeople(session)
  const room = shownInitials[useWidth()]
  const shown = people.length <= room ? people : people.slice(0, room - 1)
  const more = people.length - shown.length
  return (
    <ul class="initials" aria-label="Who is here">
      {shown.map((person) => (
        <li key={person.isSelf ? "self" : person.id}>
          <Disc
            person={person}
            editor={editor}
            onClick={() => (person.isSelf ? onOpen() : visit(editor, person))}
          />
        </li>
      ))}
      {more > 0 && (
        <li>
          <button type="button" class="disc disc-more" data-hint="Everybody" onClick={onOpen}>
            +{more}
            <span class="unseen"> more people</span>
          </button>
        </li>
      )}
    </ul>
  )
}

const phone = matchMedia("(max-width: 639px)")

function useWidth(): "narrow" | "wide" {
  const redraw = useRedraw()
  useEffect(() => {
    phone.addEventListener("change", redraw)
    return () => phone.removeEventListener("change", redraw)
  }, [])
  return phone.matches ? "narrow" : "wide"
}

interface DiscProps {
  readonly person: Person
  readonly editor: Editor | undefined
  readonly onClick: () => void
}

function Disc({ person, editor, onClick }: DiscProps): VNode {
  const { name, hue, isSelf } = person
  return (
    <button
      type="button"
      class="disc hued"
      style={{ "--hue": hue }}
      data-hint={isSelf ? `${name} (you)` : name}
      aria-pressed={
        editor === undefined || isSelf ? undefined : editor.following.value === person.id
      }
      onClick={onClick}
    >
      <span aria-hidden="true">{initials(name)}</span>
      <span class="unseen">{isSelf ? `${name}, you` : `Go to ${name}`}</span>
    </button>
  )
}

/** Goes where that person is; asked for again, follows. */
export function visit(editor: Editor | undefined, { id }: Person): void {
  if (id !== undefined) editor?.visit(id)
}
