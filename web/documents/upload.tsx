/**
 * A file that takes the place of the text, as one edit (DC133). Loaded when the first one comes.
 *
 * What always holds: a text of ten lines or more is replaced only after a question; what cannot be
 * taken is said with its reason, and the document is as it was.
 */
import type { VNode } from "preact"
import { useEffect, useState } from "preact/hooks"
import { Dialog } from "../dialog.tsx"
import { Icon } from "../icons.tsx"
import { show, tell } from "../notices.tsx"
import type { Editor } from "./editor.ts"
import { count, linesOf, textOf, tooLarge, usualLimit } from "./file-text.ts"
import type { Seed, Session } from "./session.ts"

/** From so many lines on the visitor is asked first. */
const askedLines = 10

interface UploadProps {
  readonly file: File
  readonly session: Session
  readonly editor: Editor
  readonly openNew: (seed: Seed) => void
  /** It is in the text, elsewhere or refused. */
  readonly onDone: () => void
}

export function Upload({ file, session, editor, openNew, onDone }: UploadProps): VNode | null {
  const [text, setText] = useState<string>()
  const put = async (text: string): Promise<void> => {
    const isFirst = session.text.language === undefined || session.text.text === ""
    editor.replaceAll(text)
    tell("upload", `${file.name} is in the text: ${lines(linesOf(text))}`)
    onDone()
    const language = await languageOf(file)
    if (isFirst && language !== undefined) session.text.setLanguage(language)
  }
  useEffect(() => {
    let isWanted = true
    void readFile(file, session).then((text) => {
      if (!isWanted) return
      if (text === undefined) onDone()
      else if (linesOf(session.text.text) >= askedLines) setText(text)
      else void put(text)
    })
    return () => {
      isWanted = false
    }
  }, [file])
  if (text === undefined) return null
  const now = linesOf(session.text.text)
  return (
    <Dialog label="Replace the text?" class="sheet ask" onDismiss={onDone}>
      <span class="ask-sign">
        <Icon name="folder" />
      </span>
      <h2>Replace {lines(now)}?</h2>
      <p class="quiet">
        {file.name} has {lines(linesOf(text))} and takes the place of the whole text, for everybody
        here. Undo brings it back.
      </p>
      <footer class="sheet-foot">
        <button type="button" class="button" onClick={onDone}>
          Cancel
        </button>
        <button
          type="button"
          class="button"
          onClick={async () => {
            onDone()
            openNew({ text, language: await languageOf(file) })
          }}
        >
          Open as a new document
        </button>
        <button type="button" class="button button-prime" onClick={() => void put(text)}>
          Replace
        </button>
      </footer>
    </Dialog>
  )
}

// Its text; undefined where it is refused, which is told.
async function readFile(file: File, { text }: Session): Promise<string | undefined> {
  const limit = text.limit ?? usualLimit
  const refuse = (sentence: string): undefined => {
    show({ subject: "upload", sentence, offers: [{ label: "Close", run() {} }] })
    return undefined
  }
  const sentence = tooLarge(file, limit)
  if (sentence !== undefined) return refuse(sentence)
  try {
    const found = textOf(file.name, new Uint8Array(await file.arrayBuffer()), limit)
    return found.kind === "text" ? found.text : refuse(found.sentence)
  } catch {
    // A folder looks like a file until it is read.
    return refuse(`${file.name} could not be read: it is a folder, or not there any more.`)
  }
}

async function languageOf({ name }: File): Promise<string | undefined> {
  try {
    const { languageOfFile } = await import("./languages.ts")
    return languageOfFile(name)
  } catch {
    return undefined // the list of languages cannot be loaded now: the text is what counts
  }
}

function lines(number: number): string {
  return `${count(number)} ${number === 1 ? "line" : "lines"}`
}
