/**
 * Files that come from outside: dropped on the page, or chosen from the disk. What becomes of one
 * is upload.tsx, which is loaded then.
 *
 * What always holds: a file that is dropped anywhere never replaces the page itself.
 */
import type { VNode } from "preact"
import { useEffect, useState } from "preact/hooks"
import { useRedraw } from "../cell.ts"
import { Icon } from "../icons.tsx"
import { listenForKey } from "../keys.ts"
import { Later } from "../later.tsx"
import { tell } from "../notices.tsx"
import type { Editor } from "./editor.ts"
import type { Seed, Session } from "./session.ts"

interface FilesProps {
  readonly session: Session
  readonly editor: Editor
  /** The one that is being put into the text; undefined while there is none. */
  readonly file: File | undefined
  readonly onFile: (file: File | undefined) => void
  readonly openNew: (seed: Seed) => void
}

/** Takes files, by drop and by Ctrl/Cmd-O, and puts each into the text. */
export function Files({ session, editor, file, onFile, openNew }: FilesProps): VNode {
  const mayWrite = useMayWrite(session)
  const forget = (): void => onFile(undefined)
  useEffect(() => listenForKey("o", () => mayWrite && chooseFile(onFile)), [mayWrite])
  return (
    <>
      <Dropping mayWrite={mayWrite} onFile={onFile} />
      {file !== undefined && (
        <Later load={() => import("./upload.tsx")} name="The upload" onFailed={forget}>
          {({ Upload }) => <Upload {...{ file, session, editor, openNew }} onDone={forget} />}
        </Later>
      )}
    </>
  )
}

/** Whether one may write here: nobody says no before the server does. */
export function useMayWrite({ text }: Session): boolean {
  const redraw = useRedraw()
  useEffect(() => text.on("access", redraw), [text])
  return text.role !== "read"
}

interface DroppingProps {
  /** Whether files may be dropped now. */
  readonly mayWrite: boolean
  readonly onFile: (file: File) => void
}

/** Watches for files that are dragged over the page, and says then what dropping does. */
function Dropping({ mayWrite, onFile }: DroppingProps): VNode | null {
  const [isOver, setIsOver] = useState(false)
  useEffect(() => {
    // While capturing: the editor would take the file's bytes for typing.
    const options = { capture: true }
    const over = (event: DragEvent): void => {
      if (!carriesFiles(event)) return
      event.preventDefault()
      const isFree = mayWrite && document.querySelector("dialog[open]") === null
      if (event.dataTransfer !== null) event.dataTransfer.dropEffect = isFree ? "copy" : "none"
      setIsOver(isFree)
    }
    const leave = (event: DragEvent): void => {
      // Into another element of the page is not out of it.
      if (event.relatedTarget === null) setIsOver(false)
    }
    const drop = (event: DragEvent): void => {
      if (!carriesFiles(event)) return
      event.preventDefault()
      event.stopPropagation()
      setIsOver(false)
      take([...(event.dataTransfer?.files ?? [])])
    }
    const take = ([file, ...more]: readonly File[]): void => {
      if (document.querySelector("dialog[open]") !== null || file === undefined) return
      if (!mayWrite) tell("upload", "This text is read-only: nothing was put in")
      else if (more.length === 0) onFile(file)
      else tell("upload", `One file at a time: ${more.length + 1} were dropped, none was put in`)
    }
    addEventListener("dragover", over, options)
    addEventListener("dragleave", leave, options)
    addEventListener("drop", drop, options)
    return () => {
      removeEventListener("dragover", over, options)
      removeEventListener("dragleave", leave, options)
      removeEventListener("drop", drop, options)
    }
  }, [mayWrite, onFile])
  if (!isOver) return null
  return (
    <div class="drop-here" role="status">
      <p>
        <Icon name="drop" />
        Drop the file to put its text here
      </p>
    </div>
  )
}

/** Has the visitor choose a file from the disk. */
export function chooseFile(onFile: (file: File) => void): void {
  const input = document.createElement("input")
  input.type = "file"
  input.hidden = true
  input.addEventListener("cancel", () => input.remove())
  input.addEventListener("change", () => {
    const [file] = input.files ?? []
    input.remove()
    if (file !== undefined) onFile(file)
  })
  document.body.append(input) // some browsers forget one that stands nowhere while it is open
  input.click()
}

function carriesFiles({ dataTransfer }: DragEvent): boolean {
  return dataTransfer?.types.includes("Files") === true
}
