/** The top line: the document's name, its language, how it stands, who is here, and Share. */
import type { RefObject, VNode } from "preact"
import { useCell } from "../cell.ts"
import { copy } from "../clipboard.ts"
import { Icon } from "../icons.tsx"
import type { Scene } from "./commands.ts"
import { Initials } from "./initials.tsx"
import { LanguageButton } from "./language-button.tsx"
import { isLink } from "./over.tsx"
import { PreviewButton, type PreviewState } from "./preview.tsx"
import type { Session } from "./session.ts"

/** What a document is called for who came by a link: its id is not theirs to know. */
export const sharedName = "Shared with you"

type ButtonRef = RefObject<HTMLButtonElement | null>

interface TopLineProps {
  readonly scene: Scene
  readonly preview: PreviewState
  /** Sheets open under them, and the focus returns to them. */
  readonly buttons: Readonly<Record<"share" | "language" | "drawer", ButtonRef>>
  readonly isDrawerOpen: boolean
  readonly onDrawer: () => void
  readonly onAgain: () => void
}

export function TopLine(props: TopLineProps): VNode {
  const { scene, preview, buttons, isDrawerOpen, onDrawer, onAgain } = props
  const { session, editor } = scene
  const { text } = session
  return (
    <header class="top-line">
      <h1 class="name">
        {isLink(session) ? (
          <span class="name-shared">{sharedName}</span>
        ) : (
          <button
            type="button"
            class="line-button"
            data-hint="Copy the id"
            onClick={() => void copy(text.id, "Id")}
          >
            <span class="unseen">Document </span>
            <span class="name-id">{text.id}</span>
            <Icon name="copy" />
          </button>
        )}
      </h1>
      <LanguageButton text={text} button={buttons.language} onClick={scene.openLanguages} />
      <PreviewButton state={preview} />
      <span class="top-line-space" />
      <State session={session} onHurried={() => editor?.view.focus()} onAgain={onAgain} />
      <Initials session={session} editor={editor} onOpen={scene.openDrawer} />
      <button
        ref={buttons.share}
        type="button"
        class="button button-prime share-button"
        aria-haspopup="dialog"
        onClick={scene.openShare}
      >
        <Icon name="share" />
        <span class="share-word">Share</span>
      </button>
      <button
        ref={buttons.drawer}
        type="button"
        class="icon-button"
        aria-label="People and settings"
        aria-expanded={isDrawerOpen}
        data-hint="People and settings"
        onClick={onDrawer}
      >
        <Icon name="side" />
      </button>
    </header>
  )
}

interface StateProps {
  readonly session: Session
  readonly onHurried: () => void
  readonly onAgain: () => void
}

/** How the document stands, in words; and while it waits for the line, a way not to. */
function State({ session, onHurried, onAgain }: StateProps): VNode {
  const { words, wait, tone } = useCell(session.standing)
  const hint = tone === "away" ? "What you type is sent when the server is back" : undefined
  return (
    <p class="state" data-tone={tone} data-hint={hint}>
      <span class="dot" />
      <span class="state-words">
        {words}
        {wait !== undefined && ` ${wait} ·`}
      </span>
      {wait !== undefined && (
        <button
          type="button"
          class="state-act"
          onClick={() => {
            session.text.hurry()
            onHurried() // this button goes: the focus must not go with it
          }}
        >
          now
        </button>
      )}
      {session.text.state === "closed" && (
        <button type="button" class="state-act" onClick={onAgain}>
          Open again
        </button>
      )}
    </p>
  )
}
