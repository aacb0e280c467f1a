/**
 * The one field: what is written to the callsign that is open.
 *
 * What always holds: what stands in it is the contact's draft at every moment, and leaves it only
 * by being sent; a text above the limits stays, and says by how much.
 */
import type { VNode } from "preact"
import { useLayoutEffect, useState } from "preact/hooks"
import type { Contact } from "./contact.ts"
import type { Talks } from "./talks.ts"

/** More rows are not shown at once: the rest scrolls. */
const limitRows = 10

interface ComposerProps {
  readonly talks: Talks
  readonly contact: Contact
  readonly field: { current: HTMLTextAreaElement | null }
  /** Opens the list of callsigns. */
  readonly onChoose: () => void
}

export function Composer({ talks, contact, field, onChoose }: ComposerProps): VNode {
  const [problem, setProblem] = useState("")
  const { draft, newcomer } = contact
  const [isAsked, setIsAsked] = useState(false)
  // The field's text is the draft, which others change too: a message taken back stands there again.
  const [, setSeen] = useState(draft)
  useLayoutEffect(() => {
    setProblem("")
    setIsAsked(false)
    field.current?.focus()
  }, [contact])
  const change = (text: string): void => {
    contact.draft = text
    setSeen(text)
    setProblem("")
  }
  const send = (): void => {
    const tooLong = tooLongBy(contact.draft, talks)
    if (tooLong !== "") return setProblem(tooLong)
    try {
      setIsAsked(talks.send(contact) === "asked")
      setSeen(contact.draft)
      setProblem("")
    } catch (refused) {
      setProblem(refused instanceof Error ? refused.message : "It could not be sent.")
    }
    field.current?.focus()
  }
  const accept = (): void => {
    talks.accept(contact)
    send()
  }
  const keep = (): void => {
    setIsAsked(false)
    field.current?.focus()
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.isComposing) return
    // As it is now: keys come faster than the panel is drawn.
    const isEmpty = contact.draft === ""
    if (event.key === "Enter" && !event.shiftKey) send()
    else if (isEmpty && event.key === "/") onChoose()
    else if (isEmpty && event.key === "ArrowUp" && !event.altKey) {
      void talks.editLast(contact).catch(() => undefined)
    } else return
    event.preventDefault()
  }
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      {isAsked && newcomer !== undefined && (
        <Question name={contact.name} onYes={accept} onNo={keep} />
      )}
      <div class="composer-row">
        <textarea
          ref={field}
          class="field composer-field"
          aria-label={`Message to ${contact.name}`}
          aria-describedby="composer-note"
          placeholder="Message"
          rows={Math.min(limitRows, draft.split("\n", limitRows).length)}
          spellcheck={false}
          value={draft}
          onInput={(event) => change(event.currentTarget.value)}
          onKeyDown={onKeyDown}
        />
        <button type="submit" class="button button-prime" disabled={draft === ""}>
          Send
        </button>
      </div>
      <p id="composer-note" class="composer-note" role="status" data-bad={problem !== ""}>
        {problem === "" ? noteFor(draft) : problem}
      </p>
    </form>
  )
}

interface QuestionProps {
  readonly name: string
  readonly onYes: () => void
  readonly onNo: () => void
}

/** Asked once, before anything is sent to somebody who may be somebody else. */
function Question({ name, onYes, onNo }: QuestionProps): VNode {
  return (
    <div class="composer-question" role="alert">
      <p>{name} is a new registration and may be somebody else. Nothing was sent yet.</p>
      <button type="button" class="button" onClick={onNo}>
        Keep the draft
      </button>
      <button type="button" class="button" onClick={onYes}>
        Send to the new {name}
      </button>
    </div>
  )
}

function noteFor(draft: string): string {
  const lines = draft.split("\n").length
  return lines > 1 ? `${lines} lines` : ""
}

/** Why a text cannot be sent as it is; empty if it can. */
function tooLongBy(text: string, { operators: { limits } }: Talks): string {
  const bytes = new TextEncoder().encode(text).length
  const lines = text.split("\n").length
  if (bytes > limits.text) {
    return `${bytes.toLocaleString()} bytes: ${(bytes - limits.text).toLocaleString()} too many for one message.`
  }
  if (lines > limits.lines) {
    return `${lines} lines: ${lines - limits.lines} too many for one message.`
  }
  return ""
}
