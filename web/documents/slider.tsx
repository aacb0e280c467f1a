/**
 * The history in place of the text: how it was at any revision that is kept, who wrote each line,
 * and a bar to go through it (DC134). Loaded when it is first opened.
 *
 * What always holds: the text itself goes on below it, and nothing here changes it but "Restore
 * this", which makes one edit in the editor.
 */
import type { VNode } from "preact"
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks"
import { tell } from "../notices.tsx"
import type { Editor } from "./editor.ts"
import type { Session } from "./session.ts"
import { PastBar } from "./slider-bar.tsx"
import { follow, type History, loadTape, type Progress } from "./slider-load.ts"
import { Player } from "./slider-player.ts"
import { AskToRestore, askedLines, linesLost, restore } from "./slider-restore.tsx"
import type { Tape } from "./slider-tape.ts"
import { whenOf } from "./slider-times.ts"
import { PastView } from "./slider-view.ts"

/** What others write meanwhile is fetched at most this often. */
const followMs = 1_000

interface PastProps {
  readonly session: Session
  readonly editor: Editor
  readonly history: History
  readonly onClose: () => void
}

/** What there is to show. */
type Reel =
  | { readonly kind: "loading"; readonly progress: Progress | undefined }
  | { readonly kind: "there"; readonly tape: Tape; readonly player: Player }
  | { readonly kind: "refused"; readonly sentence: string; readonly again: "useful" | "useless" }

export function Past({ session, editor, history, onClose }: PastProps): VNode {
  const [attempt, tryAgain] = useReducer<number, void>((count) => count + 1, 0)
  const reel = useReel(session, history, attempt)
  const region = useRef<HTMLElement>(null)
  useEffect(() => region.current?.focus(), [])
  return (
    <section
      class="past"
      aria-label="History"
      ref={region}
      tabIndex={-1}
      onKeyDown={(event) => {
        if (event.defaultPrevented || event.target instanceof HTMLDialogElement) return
        if (event.key === "Escape") onClose()
        else if (event.key === " " && !(event.target instanceof HTMLButtonElement)) {
          if (reel.kind === "there") reel.player.toggle()
        } else return
        event.preventDefault()
      }}
    >
      {reel.kind === "there" ? (
        <Playing
          session={session}
          editor={editor}
          tape={reel.tape}
          player={reel.player}
          onClose={onClose}
        />
      ) : (
        <Waiting reel={reel} onAgain={() => tryAgain()} onClose={onClose} />
      )}
    </section>
  )
}

interface WaitingProps {
  readonly reel: Exclude<Reel, { readonly kind: "there" }>
  readonly onAgain: () => void
  readonly onClose: () => void
}

function Waiting({ reel, onAgain, onClose }: WaitingProps): VNode {
  const progress = reel.kind === "loading" ? reel.progress : undefined
  return (
    <div class="pane past-text">
      <div class="past-note" role="status">
        {reel.kind === "loading" ? (
          <>
            <p>Loading the history</p>
            <progress
              aria-label="Loading"
              max={progress?.whole ?? 1}
              value={progress?.loaded ?? 0}
            />
          </>
        ) : (
          <>
            <p>{reel.sentence}</p>
            <div class="past-acts">
              {reel.again === "useful" && (
                <button type="button" class="button" onClick={onAgain}>
                  Try again
                </button>
              )}
              <button type="button" class="button button-prime" onClick={onClose}>
                Back to the text
              </button>
            </div>
          </>
        )}
      </div>
    </div>
  )
}

interface PlayingProps {
  readonly session: Session
  readonly editor: Editor
  readonly tape: Tape
  readonly player: Player
  readonly onClose: () => void
}

function Playing({ session, editor, tape, player, onClose }: PlayingProps): VNode {
  const pane = useRef<HTMLDivElement>(null)
  const [asked, setAsked] = useState<{ readonly revision: number; readonly lines: number }>()
  usePastView(pane, { session, editor, tape, player })
  const putBack = (revision: number): void => {
    const at = tape.step(revision)?.at
    restore(editor.view, tape.page(revision).text)
    onClose()
    tell("restore", at === undefined ? "Restored" : `Restored: ${whenOf(at, Date.now())}`)
  }
  return (
    <>
      <div class="pane past-text" ref={pane} />
      <PastBar
        tape={tape}
        player={player}
        role={session.text.role}
        onRestore={(revision) => {
          player.pause()
          const { text } = tape.page(revision)
          if (text.eq(editor.view.state.doc)) {
            tell("restore", "That is the text as it is now")
            return
          }
          const lines = linesLost(editor.view.state.doc, text)
          if (lines >= askedLines) setAsked({ revision, lines })
          else putBack(revision)
        }}
        onClose={onClose}
      />
      {asked !== undefined && (
        <AskToRestore
          when={whenOf(tape.step(asked.revision)?.at ?? Date.now(), Date.now())}
          lines={asked.lines}
          onRestore={() => putBack(asked.revision)}
          onCancel={() => setAsked(undefined)}
        />
      )}
    </>
  )
}

type ViewOptions = Omit<PlayingProps, "onClose">

/** The view of the text, which follows the player; at first where the editor stands. */
function usePastView(
  pane: { readonly current: HTMLElement | null },
  { session, editor, tape, player }: ViewOptions,
): void {
  useLayoutEffect(() => {
    if (pane.current === null) return
    const view = new PastView(pane.current)
    let isGone = false
    const draw = (look: "there" | "here"): void => view.show(tape, player.position.value, look)
    draw("here")
    view.scrollTo(topLineOf(editor))
    const forget = player.position.watch(() => draw("there"))
    void grammarOf(session).then((grammar) => !isGone && grammar && view.setGrammar(grammar))
    return () => {
      isGone = true
      forget()
      view.destroy()
    }
  }, [tape])
}

/** The first line that the editor shows. */
function topLineOf({ view }: Editor): number {
  const { top } = view.scrollDOM.getBoundingClientRect()
  const block = view.lineBlockAtHeight(Math.max(0, top - view.documentTop))
  return view.state.doc.lineAt(block.from).number
}

async function grammarOf({ text: { language } }: Session) {
  if (language === undefined) return undefined
  try {
    const { grammarFor } = await import("./languages.ts")
    return await grammarFor(language)
  } catch {
    return undefined // the text is all there, in one colour
  }
}

/** Loads the tape, and goes on loading what others write. */
function useReel({ text }: Session, history: History, attempt: number): Reel {
  const [reel, setReel] = useState<Reel>({ kind: "loading", progress: undefined })
  useEffect(() => {
    const stop = new AbortController()
    const { signal } = stop
    const nothing = (): void => {}
    const onProgress = (progress: Progress): void => setReel({ kind: "loading", progress })
    setReel({ kind: "loading", progress: undefined })
    let timer: ReturnType<typeof setTimeout> | undefined
    const begin = async (): Promise<void> => {
      const tape = await loadTape({ history, text, signal, onProgress })
      if (signal.aborted) return
      const player = new Player(tape)
      setReel({ kind: "there", tape, player })
      const later = async (): Promise<void> => {
        timer = undefined
        const last = tape.last
        const found = await follow(tape, { history, text, signal, onProgress: nothing })
        if (found === "stale") return begin()
        if (tape.last > last) {
          player.grew(last)
          setReel({ kind: "there", tape, player }) // the tape is longer: the bar is drawn anew
        }
      }
      grow = () => {
        // What fails here is tried again with the next change.
        timer ??= setTimeout(() => void later().catch(nothing), followMs)
      }
    }
    let grow = nothing
    const forget = text.on("change", () => grow())
    begin().catch((refused) => !signal.aborted && setReel(refusedReel(refused)))
    return () => {
      stop.abort()
      clearTimeout(timer)
      forget()
    }
  }, [text, history, attempt])
  return reel
}

function refusedReel(refused: unknown): Reel {
  const status = refused instanceof Error ? refused.cause : undefined
  if (status === 410) {
    return {
      kind: "refused",
      sentence: "This server keeps no history: there is only the text as it is now.",
      again: "useless",
    }
  }
  const why = typeof status === "number" && refused instanceof Error ? `: ${refused.message}` : ""
  const sentence = `The history could not be loaded${why || ": there is no line to the server"}.`
  return { kind: "refused", sentence, again: "useful" }
}
