/**
 * What the operators' panel shows: the way in, then contacts, the conversation, and what stands
 * beside it. What the rest of the page has of it stands in around.ts.
 */
import type { VNode } from "preact"
import { useRef, useState } from "preact/hooks"
import { useCell } from "../cell.ts"
import { Icon } from "../more-icons.tsx"
import { Picker } from "../picker.tsx"
import { Account } from "./account.ts"
import {
  choicesFor,
  useAskBeforeLeaving,
  useKeys,
  useOffer,
  useSeen,
  useTitle,
  useUnread,
} from "./around.ts"
import { Composer } from "./composer.tsx"
import type { Contact } from "./contact.ts"
import { Contacts } from "./contacts.tsx"
import { Lines } from "./lines.tsx"
import { Side } from "./side.tsx"
import { SignIn } from "./sign-in.tsx"
import { standingOf } from "./standing.ts"
import type { Talks } from "./talks.ts"
import { Terminal } from "./terminal.tsx"
import "./way-in.css"
import "./lines.css"
import "./talk.css"

/** From so wide a window on the side has room beside the conversation. */
const wideQuery = "(min-width: 1180px)"
/** One for this page: panels stay, and so does the line. */
const account = new Account()

export function Talk(): VNode {
  const stage = useCell(account.stage)
  useTitle(stage.state === "in" ? stage.talks : undefined)
  if (stage.state !== "in") return <SignIn account={account} />
  return <Desk talks={stage.talks} />
}

function Desk({ talks }: { readonly talks: Talks }): VNode {
  useCell(talks.changes)
  const open = useCell(talks.open)
  const field = useRef<HTMLTextAreaElement>(null)
  const [isSideOpen, setIsSideOpen] = useState(() => matchMedia(wideQuery).matches)
  const [isChoosing, setIsChoosing] = useState(false)
  const choose = (): void => setIsChoosing(true)
  const visit = (contact: Contact): void => {
    talks.show(contact)
    field.current?.focus()
  }
  const write = (callsign: string): void => {
    talks.talkTo(callsign)
    field.current?.focus()
  }
  const signOut = (): void => account.signOut()
  useSeen(talks)
  useKeys({ talks, field, choose, visit })
  useUnread(talks)
  useAskBeforeLeaving(talks)
  useOffer({ talks, write, side: () => setIsSideOpen((before) => !before), visit })
  const standing = standingOf(talks)
  return (
    <>
      <header class="top-line talk-line-top" data-talks={open !== undefined}>
        <button
          type="button"
          class="icon-button talk-back"
          aria-label="Back to the contacts"
          onClick={() => talks.show(undefined)}
        >
          <Icon name="right" />
        </button>
        <h1 class="talk-self">
          <span class="unseen">Operators, signed in as </span>
          {talks.operators.callsign}
        </h1>
        <p class="talk-state" data-tone={standing.tone} role="status">
          <span class="dot" />
          <span class="talk-state-words" title={standing.words}>
            {standing.words}
          </span>
        </p>
        {talks.operators.state === "closed" && (
          <button type="button" class="button button-prime" onClick={() => account.again()}>
            Sign in again
          </button>
        )}
        <span class="top-line-space" />
        <button
          type="button"
          class="icon-button"
          aria-label="Sessions"
          aria-expanded={isSideOpen}
          data-hint={isSideOpen ? "Close the side" : "Sessions and this line"}
          onClick={() => setIsSideOpen(!isSideOpen)}
        >
          <Icon name="side" />
        </button>
      </header>
      <div class="talk-body" data-talks={open !== undefined} data-side={isSideOpen}>
        <Contacts talks={talks} onChosen={visit} onWrite={write} />
        {open === undefined ? (
          <Nobody talks={talks} />
        ) : (
          <Conversation {...{ talks, field, choose }} contact={open} />
        )}
        {isSideOpen && (
          <Side
            talks={talks}
            onClose={() => setIsSideOpen(false)}
            onDeleted={() => account.signOut(`The account ${talks.operators.callsign} is deleted.`)}
            onSignOut={signOut}
          />
        )}
      </div>
      {isChoosing && (
        <Picker
          label="Contacts"
          hint="Whom would you like to write to?"
          choicesFor={(query) => choicesFor(query, { talks, write, visit })}
          onClose={() => setIsChoosing(false)}
        />
      )}
    </>
  )
}

interface ConversationProps {
  readonly talks: Talks
  readonly contact: Contact
  readonly field: { current: HTMLTextAreaElement | null }
  readonly choose: () => void
}

function Conversation({ talks, contact, field, choose }: ConversationProps): VNode {
  const edit = (text: string): void => {
    talks.putBack(contact, text)
    field.current?.focus()
  }
  return (
    <section class="talk-open" aria-label={`Conversation with ${contact.name}`}>
      <header class="talk-head">
        <h2>{contact.name}</h2>
        <span class="quiet talk-generation">
          {contact.generation === undefined
            ? "its registration is not known yet"
            : `registration ${contact.generation}`}
        </span>
      </header>
      <Lines key={contact.name} {...{ talks, contact }} onEdit={edit} />
      <Composer {...{ talks, contact, field }} onChoose={choose} />
    </section>
  )
}

/** What to do while no conversation is open. */
function Nobody({ talks }: { readonly talks: Talks }): VNode {
  const { callsign } = talks.operators
  const isAlone = talks.contacts.length === 0
  return (
    <section
      class="talk-open talk-nobody"
      data-alone={isAlone}
      aria-label="No conversation is open"
    >
      <h2>{isAlone ? "Nobody has written yet" : "Choose whom to write to"}</h2>
      <p class="quiet">
        Type a callsign at “Write to…”, or have somebody write to <b>{callsign}</b>. From a terminal
        it looks like this:
      </p>
      <Terminal lines={["$ bob any password", "$ bob any password", `${callsign} hello`]} />
      <p class="quiet talk-keys">
        <kbd>/</kbd> chooses a contact, <kbd>Alt</kbd> <kbd>↑</kbd> <kbd>↓</kbd> goes to the next
        unread, <kbd>Enter</kbd> sends, <kbd>Shift</kbd> <kbd>Enter</kbd> begins a line,{" "}
        <kbd>↑</kbd> in the empty field takes the last waiting message back.
      </p>
    </section>
  )
}
