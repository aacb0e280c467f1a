/**
 * One replica as it is shown: how it stands, a switch that cuts its line, and its text. An empty
 * one says what to do; one that was refused asks for a token, or says why.
 */
import type { VNode } from "preact"
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks"
import { useCell } from "../cell.ts"
import { Icon } from "../more-icons.tsx"
import { openPart } from "../panels.ts"
import { fontSize } from "../preferences.ts"
import { editorOf } from "./editor.ts"
import type { Note } from "./note.ts"
import { TokenField } from "./token-field.tsx"

/** The close code of a room that wants a token, or another one. */
const unauthenticatedCode = 4401

interface ReplicaProps {
  readonly note: Note
  /** What a screen reader calls its text. */
  readonly label: string
  /** Where there are two. */
  readonly title: string | undefined
  readonly onToken: (token: string) => void
  readonly onClose?: () => void
  readonly onBeside?: (() => void) | undefined
  readonly onCopy?: () => void
}

export function ReplicaView(props: ReplicaProps): VNode {
  const { note, label, title, onClose } = props
  const pane = useRef<HTMLDivElement>(null)
  const isAway = useCell(note.isAway)
  const { tone, words } = useCell(note.standing)
  useLayoutEffect(() => {
    if (pane.current === null) return
    const view = editorOf(note, pane.current, label)
    if (openPart.value === "relay") view.focus()
    return () => view.destroy()
  }, [note])
  return (
    <section class="replica" aria-label={title ?? "The note"} data-away={isAway}>
      <header class="replica-head">
        {title !== undefined && <h2 class="replica-title">{title}</h2>}
        <p class="replica-state" data-tone={tone}>
          <span class="dot" />
          <span class="replica-words" title={words}>
            {words}
          </span>
        </p>
        <label class="replica-away">
          Away
          <input
            type="checkbox"
            role="switch"
            class="switch"
            aria-checked={isAway}
            checked={isAway}
            onChange={(event) => (event.currentTarget.checked ? note.leave() : note.comeBack())}
          />
        </label>
        {onClose !== undefined && (
          <button
            type="button"
            class="icon-button"
            aria-label="Close the second replica"
            onClick={onClose}
          >
            <Icon name="close" />
          </button>
        )}
      </header>
      <div class="pane" style={{ "--font-size": `${useCell(fontSize)}px` }}>
        <div class="replica-text" ref={pane} />
        <Over {...props} />
      </div>
    </section>
  )
}

/** What lies over the text while there is none, or no way to it. */
function Over({ note, onToken, onBeside, onCopy }: ReplicaProps): VNode | null {
  const refusal = useCell(note.refusal)
  const isEmpty = useCell(note.isEmpty)
  const { tone } = useCell(note.standing)
  const isIn = useOnce(tone === "calm")
  if (refusal !== undefined) {
    if (refusal.code === unauthenticatedCode) {
      return (
        <div class="replica-over">
          <p>This server asks for a token before it lets anybody in.</p>
          <TokenField label="Token for this room" act="Enter" onToken={onToken} />
        </div>
      )
    }
    return (
      <div class="replica-over">
        <p>{`The server closed this room to you: ${refusal.sentence || "it gave no reason"}.`}</p>
        <p class="quiet">What stands here stays until you close the page.</p>
      </div>
    )
  }
  if (!isEmpty || !isIn) return null
  return (
    <div class="intro replica-intro">
      <p class="intro-line">Start typing. Whoever opens this address types along.</p>
      {onCopy !== undefined && (
        <ul class="intro-acts">
          {onBeside !== undefined && (
            <li>
              <button type="button" class="intro-act" onClick={onBeside}>
                <Icon name="beside" />
                Open a second replica beside this one
              </button>
            </li>
          )}
          <li>
            <button type="button" class="intro-act" onClick={onCopy}>
              <Icon name="link" />
              Copy the link, for another window or someone else
            </button>
          </li>
        </ul>
      )}
      <p class="quiet replica-note">
        The relay keeps nothing: a note lives in the pages that have it open.
      </p>
    </div>
  )
}

/** True from the first time on. */
function useOnce(isSo: boolean): boolean {
  const [wasSo, setWasSo] = useState(isSo)
  useEffect(() => {
    if (isSo) setWasSo(true)
  }, [isSo])
  return wasSo || isSo
}
