/** The drawer at the right, on a phone a sheet from below: who is here, and how the text is shown. */
import type { VNode } from "preact"
import { useEffect, useRef } from "preact/hooks"
import { Icon } from "../more-icons.tsx"
import type { Editor } from "./editor.ts"
import { People } from "./people.tsx"
import type { Session } from "./session.ts"
import { SettingsList } from "./settings-list.tsx"

interface DrawerProps {
  readonly session: Session
  readonly editor: Editor | undefined
  readonly onShare: () => void
  readonly onHistory: () => void
  readonly onDownload: () => void
  /** Undefined where one may only read. */
  readonly onUpload: (() => void) | undefined
  readonly onClose: () => void
}

export function Drawer(props: DrawerProps): VNode {
  const { session, editor, onShare, onHistory, onDownload, onUpload, onClose } = props
  const close = useRef<HTMLButtonElement>(null)
  useEffect(() => close.current?.focus(), [])
  return (
    <>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: Escape and the button do the same */}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: see above */}
      <div class="drawer-veil" onClick={onClose} />
      <aside
        class="drawer"
        aria-label="People and settings"
        onKeyDown={(event) => {
          if (event.key === "Escape" && !event.defaultPrevented) onClose()
        }}
      >
        <header class="drawer-head">
          <h2>People</h2>
          <button
            ref={close}
            type="button"
            class="icon-button"
            aria-label="Close"
            onClick={onClose}
          >
            <Icon name="close" />
          </button>
        </header>
        <People session={session} editor={editor} />
        <h2 class="drawer-title">Document</h2>
        <ul class="drawer-acts">
          <Act icon="link" words="Share and links" onAct={onShare} />
          <Act icon="history" words="History" onAct={onHistory} />
          {onUpload !== undefined && <Act icon="folder" words="Upload a file" onAct={onUpload} />}
          <Act icon="drop" words="Download" onAct={onDownload} />
        </ul>
        <h2 class="drawer-title">View</h2>
        <SettingsList />
        <p class="drawer-note quiet">Kept in this browser.</p>
      </aside>
    </>
  )
}

interface ActProps {
  readonly icon: "link" | "history" | "folder" | "drop"
  readonly words: string
  readonly onAct: () => void
}

function Act({ icon, words, onAct }: ActProps): VNode {
  return (
    <li>
      <button type="button" class="drawer-act" onClick={onAct}>
        <Icon name={icon} />
        {words}
      </button>
    </li>
  )
}
