/** The callsigns of this tab: who has written, who was written to, and what waits for them. */
import type { VNode } from "preact"
import { useState } from "preact/hooks"
import { useCell } from "../cell.ts"
import { Icon } from "../icons.tsx"
import type { Contact } from "./contact.ts"
import type { Talks } from "./talks.ts"
import { counted } from "./words.ts"

interface ContactsProps {
  readonly talks: Talks
  readonly onChosen: (contact: Contact) => void
  readonly onWrite: (callsign: string) => void
}

export function Contacts({ talks, onChosen, onWrite }: ContactsProps): VNode {
  const open = useCell(talks.open)
  const all = talks.contacts
  return (
    <nav class="talk-contacts" aria-label="Contacts">
      <WriteTo onWrite={onWrite} />
      {all.length === 0 && (
        <p class="quiet talk-hint">Who writes to you, and whom you write to, is listed here.</p>
      )}
      <ul>
        {all.map((contact) => (
          <li key={contact.name.toLowerCase()}>
            <button
              type="button"
              class="contact"
              aria-current={contact === open ? "true" : undefined}
              onClick={() => onChosen(contact)}
            >
              <One contact={contact} />
            </button>
          </li>
        ))}
      </ul>
    </nav>
  )
}

function One({ contact }: { readonly contact: Contact }): VNode {
  const { name, generation, unread, waiting, draft, newcomer } = contact
  const facts = [
    ...(newcomer === undefined ? [] : ["new registration"]),
    ...(waiting === 0 ? [] : [`${waiting} waiting`]),
    ...(draft === "" ? [] : ["draft"]),
  ]
  return (
    <>
      <span class="contact-name">{name}</span>
      {unread > 0 && (
        <span class="contact-unread">
          <span class="unseen">, {counted(unread, "message")} not read</span>
          <span aria-hidden="true">{unread}</span>
        </span>
      )}
      <span class="contact-facts">
        {facts.length > 0 ? facts.join(", ") : (generation ?? "not heard yet")}
      </span>
    </>
  )
}

/** The field that begins a conversation. */
function WriteTo({ onWrite }: Pick<ContactsProps, "onWrite">): VNode {
  const [name, setName] = useState("")
  const [problem, setProblem] = useState("")
  return (
    <form
      class="write-to"
      onSubmit={(event) => {
        event.preventDefault()
        const callsign = name.trim()
        if (!isCallsign(callsign)) return setProblem(callsign === "" ? "" : callsignRule)
        setName("")
        onWrite(callsign)
      }}
    >
      <input
        class="field"
        aria-label="Write to a callsign"
        placeholder="Write to…"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        maxLength={32}
        aria-describedby={problem === "" ? undefined : "write-to-problem"}
        value={name}
        onInput={(event) => {
          setName(event.currentTarget.value)
          setProblem("")
        }}
      />
      <button type="submit" class="icon-button" aria-label="Begin a conversation">
        <Icon name="plus" />
      </button>
      <span id="write-to-problem" class="talk-problem" role="status">
        {problem}
      </span>
    </form>
  )
}

/** What a callsign is, in a sentence. */
export const callsignRule =
  "A callsign has 1 to 32 letters, digits, - and _, and begins with none of these two."

/** Whether somebody may be called so. */
export function isCallsign(word: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/.test(word)
}
