/**
 * What one is told where a link opens nothing, or nothing any more, or the document is gone: what
 * happened, what was kept, and what to do. Loaded when it happens.
 */
import type { VNode } from "preact"
import { copy } from "../clipboard.ts"
import { Dialog } from "../dialog.tsx"
import { Icon } from "../more-icons.tsx"
import type { Seed, Session } from "./session.ts"

interface EndedProps {
  readonly session: Session
  readonly what: "link" | "document"
  readonly onNew: () => void
  readonly openNew: (seed: Seed) => void
  readonly onLater: () => void
}

export function Ended({ session, what, onNew, openNew, onLater }: EndedProps): VNode {
  const { text, language } = session.text
  const title = what === "link" ? "This link has ended" : "This document is gone"
  return (
    <Dialog label={title} class="sheet ask" onDismiss={onLater}>
      <span class="ask-sign">
        <Icon name={what === "link" ? "link" : "documents"} />
      </span>
      <h2>{title}</h2>
      <p class="quiet">
        {what === "link"
          ? "It has run out, or who made it has ended it. Ask whoever sent it to you for another one."
          : "It was deleted on the server."}
        {text !== "" && " What you see here is still yours to copy."}
      </p>
      <footer class="sheet-foot">
        {text === "" ? (
          <button type="button" class="button button-prime" data-first onClick={onNew}>
            New document
          </button>
        ) : (
          <>
            <button type="button" class="button" onClick={() => void copy(text, "The text")}>
              <Icon name="copy" />
              Copy the text
            </button>
            <button
              type="button"
              class="button button-prime"
              data-first
              onClick={() => openNew({ text, language })}
            >
              Open it as a new document
            </button>
          </>
        )}
      </footer>
    </Dialog>
  )
}
