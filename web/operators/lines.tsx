/**
 * What was said with one callsign, line by line, as a terminal would show it.
 *
 * What always holds: who said something stands in an element of its own, from the server's field;
 * a text is drawn as text, in a box that nothing in it can leave. So no text can look like a line
 * of somebody else's.
 */
import type { VNode } from "preact"
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks"
import type { Outgoing } from "../../src/client/operators-shapes.ts"
import { Icon } from "../icons.tsx"
import type { Contact, Entry } from "./contact.ts"
import type { Talks } from "./talks.ts"
import { dayOf, markOf, mayGoAgain, mayRecall, spanOf, timeOf } from "./words.ts"

/** This near to the end one is taken to follow it. */
const nearPx = 60

interface LinesProps {
  readonly talks: Talks
  readonly contact: Contact
  /** Puts a text back into the field. */
  readonly onEdit: (text: string) => void
}

export function Lines({ talks, contact, onEdit }: LinesProps): VNode {
  const scroller = useRef<HTMLElement>(null)
  const isAtEnd = useRef(true)
  const [isBehind, setIsBehind] = useState(false)
  const last = contact.entries.at(-1)?.key
  const toEnd = (): void => {
    const box = scroller.current
    if (box !== null) box.scrollTop = box.scrollHeight
  }
  useLayoutEffect(() => {
    if (isAtEnd.current) toEnd()
    else setIsBehind(true)
  }, [last])
  // The field below grows with what is written: the end stays in sight.
  useEffect(() => {
    if (scroller.current === null) return
    const watcher = new ResizeObserver(() => isAtEnd.current && toEnd())
    watcher.observe(scroller.current)
    return () => watcher.disconnect()
  }, [])
  const onScroll = (): void => {
    const box = scroller.current
    if (box === null) return
    isAtEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < nearPx
    if (isAtEnd.current) setIsBehind(false)
  }
  return (
    <div class="talk-log">
      <section
        ref={scroller}
        class="talk-scroll"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
        tabIndex={0}
        aria-label={`What was said with ${contact.name}`}
        onScroll={onScroll}
      >
        {contact.dropped > 0 && <p class="talk-rule">Older lines have gone out of view</p>}
        {contact.entries.length === 0 && (
          <p class="talk-nothing quiet">
            Nothing was said with {contact.name} in this tab. What was said before is kept nowhere.
          </p>
        )}
        <ol class="talk-lines">
          {contact.entries.map((entry, index) => (
            <Row
              key={entry.key}
              {...{ talks, contact, entry, onEdit }}
              before={contact.entries[index - 1]}
            />
          ))}
        </ol>
      </section>
      {isBehind && (
        <button type="button" class="button talk-down" onClick={toEnd}>
          <Icon name="down" />
          Newer lines
        </button>
      )}
    </div>
  )
}

interface RowProps extends LinesProps {
  readonly entry: Entry
  readonly before: Entry | undefined
}

function Row(props: RowProps): VNode {
  const { contact, entry, before } = props
  const now = Date.now()
  const day = dayOf(entry.at, now)
  const isOtherDay = before === undefined ? day !== "Today" : dayOf(before.at, now) !== day
  return (
    <>
      {isOtherDay && <li class="talk-rule">{day}</li>}
      {contact.unreadFrom === entry.key && <li class="talk-rule talk-unread">Not read yet</li>}
      <Line {...props} />
    </>
  )
}

function Line(props: RowProps): VNode {
  const { talks, contact, entry } = props
  switch (entry.kind) {
    case "theirs": {
      const { sender, text, waitedSeconds } = entry.message
      const note = waitedSeconds > 0 ? `waited ${spanOf(waitedSeconds)}` : ""
      return (
        <li class="talk-line" data-kind="theirs">
          <Head name={sender} at={entry.at} />
          <p class="talk-text">{text}</p>
          <p class="talk-mark">{note}</p>
        </li>
      )
    }
    case "mine":
      return (
        <li class="talk-line" data-kind="mine">
          <Head name={talks.operators.callsign} at={entry.at} />
          <p class="talk-text">{entry.message.text}</p>
          <Standing {...props} message={entry.message} from={entry.from} />
        </li>
      )
    case "newcomer":
      return (
        <li class="talk-rule talk-warning">
          {contact.name} is a new registration
          {entry.generation === undefined ? "" : ` (${entry.generation})`}: from here on it may be
          somebody else
        </li>
      )
    case "restart":
      return <Restart lost={entry.lost} />
  }
}

function Head({ name, at }: { readonly name: string; readonly at: number }): VNode {
  return (
    <>
      <time class="talk-time" dateTime={new Date(at).toISOString()}>
        {timeOf(at)}
      </time>
      <b class="talk-name" title={name}>
        {name}
      </b>
    </>
  )
}

interface StandingProps extends RowProps {
  readonly message: Outgoing
  readonly from: "here" | "elsewhere"
}

/** How a message of one's own stands, and what can be done about it. */
function Standing({ talks, contact, message, from, onEdit }: StandingProps): VNode {
  const { word, detail, tone } = markOf(message, talks.operators.state)
  // Gone to somebody meanwhile: then it stands as it was told.
  const recall = (): void => void message.recall().catch(() => undefined)
  return (
    <p class="talk-mark" data-tone={tone}>
      {from === "elsewhere" && <span>from another session</span>}
      <span class="talk-word" title={detail}>
        {word}
      </span>
      {tone === "bad" && detail !== "" && <span class="talk-why">{detail}</span>}
      {mayRecall(message) && (
        <button type="button" class="talk-act" onClick={recall}>
          Recall
        </button>
      )}
      {mayGoAgain(message) && (
        <>
          <button
            type="button"
            class="talk-act"
            disabled={contact.newcomer !== undefined}
            onClick={() => talks.sendAgain(contact, message)}
          >
            Send again
          </button>
          <button type="button" class="talk-act" onClick={() => onEdit(message.text)}>
            Edit
          </button>
        </>
      )}
    </p>
  )
}

function Restart({ lost }: { readonly lost: readonly Outgoing[] }): VNode {
  return (
    <li class="talk-restart">
      <p>The server restarted: what was waiting is lost.</p>
      {lost.length > 0 && (
        <>
          <p class="quiet">No end is known of:</p>
          <ul>
            {lost.map((message) => (
              <li key={message.ref}>{message.text}</li>
            ))}
          </ul>
        </>
      )}
    </li>
  )
}
