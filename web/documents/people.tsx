/**
 * The list of who is here, in the drawer, where one names oneself. What always holds: a colour
 * never stands without a name or its initials.
 */
import type { VNode } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"
import { useCell } from "../cell.ts"
import { Icon } from "../icons.tsx"
import type { Self } from "../preferences.ts"
import type { Editor } from "./editor.ts"
import { type Person, usePeople, visit } from "./initials.tsx"
import { initials } from "./names.ts"
import type { Session } from "./session.ts"

/** So many are listed: a thousand rows would be drawn anew at every move, and read by nobody. */
const limitListed = 100
/** What the server keeps of a name (DC64). */
const limitName = 64

interface PeopleProps {
  readonly session: Session
  readonly editor: Editor | undefined
}

/** Everybody here, oneself first. */
export function People({ session, editor }: PeopleProps): VNode {
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
      <span class="person-note">{session.text.role === "read" ? "you, only reading" : "you"}</span>
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
