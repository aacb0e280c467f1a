/**
 * Who is here: a row of initials in the top line, and the list in the drawer, where one names
 * oneself. What always holds: a colour never stands without a name or its initials.
 */
import type { VNode } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"
import { useCell, useRedraw } from "../cell.ts"
import { Icon } from "../icons.tsx"
import type { Self } from "../preferences.ts"
import type { Editor } from "./editor.ts"
import { initials } from "./names.ts"
import type { Session } from "./session.ts"

/** So many initials have room in the top line, on a phone and elsewhere; who more are is counted. */
const shownInitials = { narrow: 2, wide: 5 }
/** So many are listed: a thousand rows would be drawn anew at every move, and read by nobody. */
const limitListed = 100
/** What the server keeps of a name (DC64). */
const limitName = 64

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
    return () => {
      forget()
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

interface PeopleProps {
  readonly session: Session
  readonly editor: Editor | undefined
  /** Opens the list. */
  readonly onOpen: () => void
}

/** Up to five initials, then how many more. */
export function Initials({ session, editor, onOpen }: PeopleProps): VNode {
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

/** The list in the drawer. */
export function People({ session, editor }: Omit<PeopleProps, "onOpen">): VNode {
  const people = usePeople(session)
  const more = people.length - limitListed
  return (
    <ul class="people">
      {people
        .slice(0, limitListed)
        .map((person) =>
          person.isSelf ? (
            <Own key="self" session={session} />
          ) : (
            <Other key={person.id} person={person} editor={editor} />
          ),
        )}
      {more > 0 && <li class="person-more quiet">and {more} more</li>}
    </ul>
  )
}

interface OtherProps {
  readonly person: Person
  readonly editor: Editor | undefined
}

function Other({ person, editor }: OtherProps): VNode {
  const { id, name, hue } = person
  return (
    <li class="person hued" style={{ "--hue": hue }}>
      <button type="button" class="person-visit" onClick={() => visit(editor, person)}>
        <span class="disc" aria-hidden="true">
          {initials(name)}
        </span>
        <span class="person-name">{name}</span>
        <span class="unseen">: go there</span>
      </button>
      {editor !== undefined && id !== undefined && (
        <FollowButton editor={editor} id={id} name={name} />
      )}
    </li>
  )
}

interface FollowProps {
  readonly editor: Editor
  readonly id: number
  readonly name: string
}

function FollowButton({ editor, id, name }: FollowProps): VNode {
  const isFollowed = useCell(editor.following) === id
  return (
    <button
      type="button"
      class="icon-button"
      aria-pressed={isFollowed}
      aria-label={`Follow ${name}`}
      data-hint={isFollowed ? "Stop following" : "Follow"}
      onClick={() => (isFollowed ? editor.letGo() : editor.follow(id))}
    >
      <Icon name="follow" />
    </button>
  )
}

/** The visitor's own row: a name one types into, and a colour one slides to. Told when done. */
function Own({ session }: { readonly session: Session }): VNode {
  const self = useCell(session.self)
  const [draft, setDraft] = useState<Self>(self)
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => setDraft(self), [self])
  const done = (next: Self): void => {
    const name = next.name.trim().slice(0, limitName) || self.name
    setDraft({ name, hue: next.hue })
    if (name !== self.name || next.hue !== self.hue) session.rename({ name, hue: next.hue })
  }
  return (
    <li class="person person-self hued" style={{ "--hue": draft.hue }}>
      <span class="disc" aria-hidden="true">
        {initials(draft.name)}
      </span>
      <input
        ref={field}
        class="field person-field"
        aria-label="Your name"
        autocomplete="nickname"
        maxLength={limitName}
        value={draft.name}
        onInput={(event) => setDraft({ ...draft, name: event.currentTarget.value })}
        onBlur={() => done(draft)}
        onKeyDown={(event) => {
          if (event.key === "Escape") setDraft(self)
          if (event.key === "Enter" && !event.isComposing) field.current?.blur()
        }}
      />
      <span class="person-note">you</span>
      <label class="person-hue">
        <span class="unseen">Your colour</span>
        <input
          type="range"
          min="0"
          max="359"
          value={draft.hue}
          onInput={(event) => setDraft({ ...draft, hue: event.currentTarget.valueAsNumber })}
          onChange={(event) => done({ ...draft, hue: event.currentTarget.valueAsNumber })}
        />
      </label>
    </li>
  )
}

function visit(editor: Editor | undefined, { id }: Person): void {
  if (id !== undefined) editor?.visit(id)
}
