/**
 * The documents' panel: the top line, the text, and the drawer. It opens what the address names,
 * and puts together what the files beside it do.
 */
import type { VNode } from "preact"
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks"
import { Documents as DocumentsClient } from "../../src/client/documents.ts"
import { Routes } from "../../src/client/routes.ts"
import { formatAddress, newDocumentId } from "../address.ts"
import { useCell } from "../cell.ts"
import { offer } from "../desk.ts"
import type { Panel } from "../frame.tsx"
import { Icon } from "../icons.tsx"
import { listenForKey } from "../keys.ts"
import { Later } from "../later.tsx"
import { type Notice, show } from "../notices.tsx"
import { goTo, openPart, pathOf } from "../panels.ts"
import { fontSize } from "../preferences.ts"
import { choicesIn, panelKeys, type Scene } from "./commands.ts"
import { Decide } from "./decide.tsx"
import { download } from "./download.ts"
import { Editor } from "./editor.ts"
import { chooseFile, Files, useMayWrite } from "./files.tsx"
import { Intro } from "./intro.tsx"
import { isLink, Over } from "./over.tsx"
import { amend, followAddress, go, place } from "./place.ts"
import { PreviewPane, usePreview } from "./preview.tsx"
import { type Session, Sessions } from "./session.ts"
import { followScreen } from "./settings-screen.ts"
import { sharedName, TopLine } from "./top-line.tsx"

/** The HTTP status 401 as a close code: the OTP is missing or wrong. */
const unauthenticatedCode = 4401

export const documentsPanel: Panel = {
  part: "documents",
  title: "Documents",
  icon: "documents",
  address: () => pathOf("documents") + formatAddress(place.value),
  fresh: { title: "New document", run: newDocument },
  View: Documents,
}

// All addresses are relative: the server is where the page is. Of the SDK only this part is taken:
// `connect` would bring the others along to everybody's first load (DC141).
const served = new DocumentsClient(new Routes(new URL(".", location.href).href), {})
const sessions = new Sessions(served)

function newDocument(): void {
  const address = { id: newDocumentId(), otp: undefined }
  // Asked for from another panel: that one stays behind "back".
  if (openPart.value !== "documents") {
    place.value = address
    goTo("documents", pathOf("documents") + formatAddress(address))
  } else go(address)
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
  const isOpen = useCell(openPart) === "documents"
  useEffect(() => {
    session.show(isOpen ? "shown" : "hidden")
    if (isOpen) document.title = `${titleOf(session)} · Quartet`
  }, [session, isOpen])
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
      <Over
        key={`over ${attempt}`}
        session={session}
        onNew={newDocument}
        openNew={sessions.openNew}
      />
      {ending?.code === unauthenticatedCode && !isLink(session) && (
        <Later
          key={attempt}
          load={() => import("./ask-otp.tsx")}
          name="The question for the OTP"
          onFailed={() => show(noQuestion(again))}
        >
          {({ AskForOtp }) => (
            <AskForOtp
              address={address}
              pending={session.text.unacknowledged}
              onOtp={(otp) => {
                otpTried.current = otp
                amend({ id: address.id, otp })
                again()
              }}
              onNew={newDocument}
            />
          )}
        </Later>
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
  const [isPastShown, setIsPastShown] = useState(false)
  const [file, setFile] = useState<File>()
  const editor = useEditor(session, pane)
  const mayWrite = useMayWrite(session)
  const preview = usePreview(session.text)
  const scene: Scene = {
    session,
    editor,
    newDocument,
    download: () => void download(session.text),
    upload: () => chooseFile(setFile),
    openShare: () => setSheet("share"),
    openLanguages: () => setSheet("languages"),
    openDrawer: () => setIsDrawerOpen(true),
    openHistory: () => setIsPastShown(true),
  }
  useOffer(scene)
  useEffect(followScreen, [])
  useEffect(() => {
    const save = (): void => void (openPart.value === "documents" && download(session.text))
    return listenForKey("s", save)
  }, [session])
  const close = useCallback(() => setSheet("none"), [])
  const closeDrawer = (): void => {
    setIsDrawerOpen(false)
    drawerButton.current?.focus()
  }
  const openFromDrawer = (open: () => void) => (): void => {
    setIsDrawerOpen(false)
    open()
  }
  const closePast = useCallback(() => {
    setIsPastShown(false)
    queueMicrotask(() => editor?.view.focus()) // once it can be seen again
  }, [editor])
  return (
    <>
      <TopLine
        scene={scene}
        preview={preview}
        buttons={{ share: shareButton, language: languageButton, drawer: drawerButton }}
        isDrawerOpen={isDrawerOpen}
        onDrawer={() => (isDrawerOpen ? closeDrawer() : setIsDrawerOpen(true))}
        onAgain={onAgain}
      />
      <div class="documents-body" style={{ "--font-size": `${useCell(fontSize)}px` }}>
        <div class="pane" ref={pane} inert={preview === "instead"}>
          {editor !== undefined && <Intro scene={scene} editor={editor} />}
          {editor !== undefined && <FollowEdge session={session} editor={editor} />}
          {editor !== undefined && (
            <Files {...{ session, editor, file }} onFile={setFile} openNew={sessions.openNew} />
          )}
        </div>
        {(preview === "beside" || preview === "instead") && editor !== undefined && (
          <PreviewPane text={session.text} editor={editor} />
        )}
        {isPastShown && editor !== undefined && (
          <Later load={() => import("./slider.tsx")} name="The history" onFailed={closePast}>
            {({ Past }) => (
              <Past session={session} editor={editor} history={served} onClose={closePast} />
            )}
          </Later>
        )}
        {isDrawerOpen && (
          <Later load={() => import("./drawer.tsx")} name="The drawer" onFailed={closeDrawer}>
            {({ Drawer }) => (
              <Drawer
                session={session}
                editor={editor}
                onShare={openFromDrawer(scene.openShare)}
                onHistory={openFromDrawer(scene.openHistory)}
                onDownload={scene.download}
                onUpload={mayWrite ? openFromDrawer(scene.upload) : undefined}
                onClose={closeDrawer}
              />
            )}
          </Later>
        )}
      </div>
      <p class="unseen" id="editor-keys">
        Tab indents. Escape, then Tab, leaves the editor.
      </p>
      <Decide session={session} openNew={sessions.openNew} />
      {sheet === "share" && (
        <Later load={() => import("./share.tsx")} name="The share sheet" onFailed={close}>
          {({ Share }) => (
            <Share session={session} under={shareButton.current ?? undefined} onClose={close} />
          )}
        </Later>
      )}
      {sheet === "languages" && (
        <Later load={() => import("./language-menu.tsx")} name="The languages" onFailed={close}>
          {({ LanguageMenu }) => (
            <LanguageMenu
              text={session.text}
              under={languageButton.current ?? undefined}
              onChosen={() => editor?.view.focus()}
              onClose={close}
            />
          )}
        </Later>
      )}
    </>
  )
}

/** What is told when even the question for the OTP could not be loaded. */
function noQuestion(again: () => void): Notice {
  const sentence = "This document asks for an OTP, and there is no line to the server"
  return { subject: "later", sentence, offers: [{ label: "Try again", run: again }] }
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
  useEffect(() => {
    const offered = (query: string) =>
      openPart.value === "documents" ? choicesIn(latest.current, query) : []
    return offer(offered)
  }, [])
}

/** What the window is called. The id of one's link says nothing to anybody. */
function titleOf(session: Session): string {
  return isLink(session) ? sharedName : session.text.id
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

/** The browser asks before the page goes while that would lose something (DC125). */
function useAskBeforeLeaving(session: Session): void {
  useEffect(() => {
    const ask = (event: BeforeUnloadEvent): void => {
      if (sessions.wouldLose(session)) event.preventDefault()
    }
    addEventListener("beforeunload", ask)
    return () => removeEventListener("beforeunload", ask)
  }, [session])
}
