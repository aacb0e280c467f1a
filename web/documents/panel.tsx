/**
 * The documents' panel: the top line, the text, and the drawer. It opens what the address names,
 * and puts together what the files beside it do.
 */
import type { VNode } from "preact"
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks"
import { connect } from "../../src/client/client.ts"
import { newDocumentId } from "../address.ts"
import { useCell } from "../cell.ts"
import { offer } from "../desk.ts"
import type { Panel } from "../frame.tsx"
import { Icon } from "../icons.tsx"
import { listenForKey } from "../keys.ts"
import { fontSize } from "../preferences.ts"
import { choicesIn, panelKeys, type Scene } from "./commands.ts"
import { download } from "./download.ts"
import { Drawer } from "./drawer.tsx"
import { Editor } from "./editor.ts"
import { Intro } from "./intro.tsx"
import { LanguageMenu } from "./language-menu.tsx"
import { amend, followAddress, go, place } from "./place.ts"
import { type Session, Sessions } from "./session.ts"
import { AskForOtp, Share } from "./share.tsx"
import { TopLine } from "./top-line.tsx"

/** The HTTP status 401 as a close code: the OTP is missing or wrong. */
const unauthenticatedCode = 4401

export const documentsPanel: Panel = {
  part: "documents",
  title: "Documents",
  icon: "documents",
  address: "./",
  fresh: { title: "New document", run: newDocument },
  View: Documents,
}

// All addresses are relative: the server is where the page is.
const sessions = new Sessions(connect(new URL(".", location.href).href))

function newDocument(): void {
  go({ id: newDocumentId(), otp: undefined })
}

/** Which sheet is open over the panel. */
type Sheet = "none" | "share" | "languages"

function Documents(): VNode {
  const address = useCell(place)
  const [attempt, setAttempt] = useState(0)
  const session = useMemo(() => sessions.open(place.value), [address.id, attempt])
  useEffect(() => () => sessions.leave(session), [session])
  useEffect(followAddress, [])
  useAddressOf(session)
  useAskBeforeLeaving(session)
  useEffect(() => {
    document.title = `${session.text.id} · Quartet`
  }, [session])
  const ending = useCell(session.ending)
  const again = (): void => setAttempt((before) => before + 1)
  // Another OTP in the address of a document that stayed closed: somebody corrected it.
  const otpTried = useRef(address.otp)
  useEffect(() => {
    if (ending?.code === unauthenticatedCode && otpTried.current !== address.otp) again()
    otpTried.current = address.otp
  }, [address.otp])
  return (
    <main class="documents" key={session.text.id}>
      <Desk session={session} key={attempt} onAgain={again} />
      {ending?.code === unauthenticatedCode && (
        <AskForOtp
          key={attempt}
          address={address}
          onOtp={(otp) => {
            otpTried.current = otp
            amend({ id: address.id, otp })
            again()
          }}
          onNew={newDocument}
        />
      )}
    </main>
  )
}

interface DeskProps {
  readonly session: Session
  readonly onAgain: () => void
}

function Desk({ session, onAgain }: DeskProps): VNode {
  const pane = useRef<HTMLDivElement>(null)
  const shareButton = useRef<HTMLButtonElement>(null)
  const languageButton = useRef<HTMLButtonElement>(null)
  const drawerButton = useRef<HTMLButtonElement>(null)
  const [sheet, setSheet] = useState<Sheet>("none")
  const [isDrawerOpen, setIsDrawerOpen] = useState(false)
  const editor = useEditor(session, pane)
  const scene: Scene = {
    session,
    editor,
    newDocument,
    download: () => void download(session.text),
    openShare: () => setSheet("share"),
    openLanguages: () => setSheet("languages"),
    openDrawer: () => setIsDrawerOpen(true),
  }
  useOffer(scene)
  useEffect(() => listenForKey("s", () => void download(session.text)), [session])
  const close = useCallback(() => setSheet("none"), [])
  const closeDrawer = (): void => {
    setIsDrawerOpen(false)
    drawerButton.current?.focus()
  }
  return (
    <>
      <TopLine
        scene={scene}
        buttons={{ share: shareButton, language: languageButton, drawer: drawerButton }}
        isDrawerOpen={isDrawerOpen}
        onDrawer={() => (isDrawerOpen ? closeDrawer() : setIsDrawerOpen(true))}
        onAgain={onAgain}
      />
      <div class="documents-body">
        <div class="pane" ref={pane} style={{ "--font-size": `${useCell(fontSize)}px` }}>
          {editor !== undefined && <Intro scene={scene} editor={editor} />}
          {editor !== undefined && <FollowEdge session={session} editor={editor} />}
        </div>
        {isDrawerOpen && <Drawer session={session} editor={editor} onClose={closeDrawer} />}
      </div>
      <p class="unseen" id="editor-keys">
        Tab indents. Escape, then Tab, leaves the editor.
      </p>
      {sheet === "share" && (
        <Share session={session} under={shareButton.current ?? undefined} onClose={close} />
      )}
      {sheet === "languages" && (
        <LanguageMenu
          text={session.text}
          under={languageButton.current ?? undefined}
          onChosen={() => editor?.view.focus()}
          onClose={close}
        />
      )}
    </>
  )
}

interface EdgeProps {
  readonly session: Session
  readonly editor: Editor
}

/** Whom one follows: an edge in their colour around the text, and how to stop. */
function FollowEdge({ session, editor }: EdgeProps): VNode | null {
  const id = useCell(editor.following)
  const person = id === undefined ? undefined : session.text.editors.get(id)
  useEffect(() => {
    if (id === undefined) return
    // Who left is followed nowhere.
    return session.text.on("editors", () => {
      const isGone = session.text.state !== "resuming" && !session.text.editors.has(id)
      if (isGone) editor.letGo()
    })
  }, [id])
  if (person === undefined) return null
  return (
    <div class="follow-edge hued" style={{ "--hue": person.hue }}>
      <button type="button" class="follow-sign" onClick={() => editor.letGo()}>
        <Icon name="follow" />
        Following {person.name}
        <kbd>Esc</kbd>
      </button>
    </div>
  )
}

function useEditor(session: Session, pane: { readonly current: HTMLElement | null }) {
  const [editor, setEditor] = useState<Editor>()
  useLayoutEffect(() => {
    if (pane.current === null) return
    const made = new Editor(pane.current, { text: session.text, keys: panelKeys })
    made.view.focus()
    setEditor(made)
    return () => made.destroy()
  }, [session])
  return editor
}

/** The palette offers what the scene is at the moment it is asked. */
function useOffer(scene: Scene): void {
  const latest = useRef(scene)
  latest.current = scene
  useEffect(() => offer((query) => choicesIn(latest.current, query)), [])
}

/** Keeps the address as it must be sent to a friend: with the OTP, while there is one. */
function useAddressOf({ text }: Session): void {
  useEffect(() => {
    const write = (): void => {
      const { id, otp } = place.value
      if (id !== text.id || text.state === "closed" || text.role !== "full") return
      const now = text.protected ? text.otp : undefined
      if (now !== otp) amend({ id, otp: now })
    }
    return text.on("access", write)
  }, [text])
}

/** The browser asks before the page goes while something typed is known to nobody else (DC125). */
function useAskBeforeLeaving(session: Session): void {
  useEffect(() => {
    const ask = (event: BeforeUnloadEvent): void => {
      if (sessions.isUnacknowledged(session)) event.preventDefault()
    }
    addEventListener("beforeunload", ask)
    return () => removeEventListener("beforeunload", ask)
  }, [session])
}
