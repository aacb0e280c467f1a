/**
 * The dialog that offers both texts side by side where the server has another one than was here,
 * and the one that asks what to do where it has none at all (DC128). Loaded when there is need.
 *
 * What always holds: whichever is chosen, the other could be copied before; a dialog that is left
 * with Escape has decided nothing.
 */
import type { VNode } from "preact"
import { useMemo } from "preact/hooks"
import { CopyButton } from "../copy-button.tsx"
import { Dialog } from "../dialog.tsx"
import { compareLines, type Stretch } from "./compared.ts"
import type { Question } from "./questions.ts"
import { sharedEnds } from "./shared-ends.ts"
import "./compare.css"

/** So many lines around a difference are shown of what both have. */
const around = 3
/** Longer stretches are shown in part: "Copy" has all of them. */
const limitShown = 1_000

interface CompareProps {
  readonly question: Question
  readonly openNew: (text: string) => void
  readonly onLater: () => void
  /** It is decided. */
  readonly onDone: () => void
}

type Lost = Extract<Question, { kind: "lost" }>
type Emptied = Extract<Question, { kind: "emptied" }>

export function Compare(props: CompareProps): VNode {
  const { question } = props
  return question.kind === "lost" ? (
    <TwoTexts {...props} lost={question} />
  ) : (
    <OneText {...props} emptied={question} />
  )
}

function reasonOf({ why, at }: Lost): string {
  const time = at.toLocaleTimeString([], { hour: "numeric", minute: "2-digit" })
  switch (why) {
    case "rolled-back":
      return `At ${time} the server came back with an older text, as after a restored backup.`
    case "unsure":
      return "Nobody knows whether your last change arrived, so it was not sent again by itself."
    case "earlier":
      return `What stood here on ${at.toLocaleDateString()} at ${time} is not on the server.`
    case "diverged":
      return `At ${time} this text was found to differ from the server's, which is shown now.`
  }
}

function TwoTexts(props: CompareProps & { readonly lost: Lost }): VNode {
  const { lost, openNew, onLater, onDone } = props
  const openMine = (): void => {
    onDone()
    openNew(lost.mine)
  }
  const { mine, server, resend } = lost
  const stretches = useMemo(() => compareLines(mine, server), [lost])
  const isSame = stretches.every(({ kind }) => kind === "same")
  return (
    <Dialog label="Two versions of this text" class="sheet compare" onDismiss={onLater}>
      <h2>Two versions of this text</h2>
      <p class="quiet">{reasonOf(lost)} Neither is thrown away before you choose.</p>
      <div class="compare-texts">
        <div class="compare-heads">
          <Head title="Yours" sign="mine" text={mine} what="The text from here" />
          <Head title="The server's" sign="server" text={server} what="The server's text" />
        </div>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by key */}
        <section class="compare-lines" aria-label="Both texts" tabIndex={0}>
          {isSame && <p class="compare-fold">Both are the same.</p>}
          {!isSame &&
            stretches.map((stretch, index) => <Lines key={index} {...{ stretch, index }} />)}
        </section>
      </div>
      <footer class="sheet-foot">
        <button type="button" class="button" onClick={onLater}>
          Later
        </button>
        <span class="compare-space" />
        <button type="button" class="button" onClick={onDone}>
          Use the server's
        </button>
        <button type="button" class="button" onClick={openMine}>
          Open mine as a new document
        </button>
        {resend !== undefined && (
          <button
            type="button"
            class="button button-prime"
            data-first
            onClick={() => {
              onDone()
              resend()
            }}
          >
            Use mine
          </button>
        )}
      </footer>
    </Dialog>
  )
}

function OneText(props: CompareProps & { readonly emptied: Emptied }): VNode {
  const { emptied, onLater, onDone } = props
  const lines = useMemo(() => emptied.text.split("\n"), [emptied])
  return (
    <Dialog
      label="The server no longer has this document"
      class="sheet compare compare-one"
      onDismiss={onLater}
    >
      <h2>The server no longer has this document</h2>
      <p class="quiet">
        It was deleted or has expired there, or another server answers here now. This browser has
        kept the text; nothing is sent before you choose.
      </p>
      <div class="compare-texts" data-single>
        <div class="compare-heads">
          <Head title="As it was here" sign="mine" text={emptied.text} what="The text from here" />
        </div>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by key */}
        <section class="compare-lines" aria-label="The text from here" tabIndex={0}>
          <div class="stretch" data-kind="same">
            <Side lines={lines} sign="same" />
          </div>
        </section>
      </div>
      <footer class="sheet-foot">
        <button type="button" class="button" onClick={onLater}>
          Later
        </button>
        <span class="compare-space" />
        <button
          type="button"
          class="button"
          onClick={() => {
            onDone()
            emptied.discard()
          }}
        >
          Start empty
        </button>
        <button
          type="button"
          class="button button-prime"
          data-first
          onClick={() => {
            onDone()
            emptied.restore()
          }}
        >
          Restore this text
        </button>
      </footer>
    </Dialog>
  )
}

interface HeadProps {
  readonly title: string
  readonly sign: "mine" | "server"
  readonly text: string
  readonly what: string
}

/** Whose text it is, how much of it there is, and a way to take it along. */
function Head({ title, sign, text, what }: HeadProps): VNode {
  const lines = text === "" ? 0 : text.split("\n").length
  return (
    <div class="compare-head" data-sign={sign}>
      <h3>{title}</h3>
      <span class="quiet">
        {lines.toLocaleString("en")} {lines === 1 ? "line" : "lines"}
      </span>
      <CopyButton label={`Copy: ${title}`} {...{ text, what }} />
    </div>
  )
}

interface LinesProps {
  readonly stretch: Stretch
  readonly index: number
}

function Lines({ stretch, index }: LinesProps): VNode {
  if (stretch.kind === "other") {
    const { mine, server } = stretch
    return (
      <div class="stretch" data-kind="other">
        <Side lines={mine} beside={server} sign="mine" />
        <Side lines={server} beside={mine} sign="server" />
      </div>
    )
  }
  const { lines } = stretch
  // What comes before the first difference is of use right before it only.
  const before = index === 0 ? 0 : around
  const hidden = lines.length - before - around
  if (hidden <= 1) return <SameLines lines={lines} />
  return (
    <>
      {before > 0 && <SameLines lines={lines.slice(0, before)} />}
      <p class="compare-fold">{hidden.toLocaleString("en")} lines are the same</p>
      <SameLines lines={lines.slice(-around)} />
    </>
  )
}

function SameLines({ lines }: { readonly lines: readonly string[] }): VNode {
  return (
    <div class="stretch" data-kind="same">
      <Side lines={lines} sign="same" />
      <Side lines={lines} sign="again" />
    </div>
  )
}

interface SideProps {
  readonly lines: readonly string[]
  /** What stands in the same place of the other text: parts that are only here are marked. */
  readonly beside?: readonly string[]
  readonly sign: "mine" | "server" | "same" | "again"
}

function Side({ lines, beside = [], sign }: SideProps): VNode {
  const shown = lines.slice(0, limitShown)
  const rest = lines.length - shown.length
  return (
    // A screen reader is told once what both have.
    <div class="side" data-sign={sign} aria-hidden={sign === "again"}>
      {shown.map((line, index) => (
        <Line key={index} line={line} beside={beside[index]} />
      ))}
      {rest > 0 && <p class="compare-fold">and {rest.toLocaleString("en")} more lines</p>}
    </div>
  )
}

function Line({
  line,
  beside,
}: {
  readonly line: string
  readonly beside: string | undefined
}): VNode {
  const [start, end] = beside === undefined ? [0, 0] : sharedEnds(line, beside)
  // A line that has little in common with the other is a line of its own.
  if (line === "" || start + end < line.length / 3) return <p class="line">{line || "\u00a0"}</p>
  return (
    <p class="line">
      {line.slice(0, start)}
      <mark>{line.slice(start, line.length - end)}</mark>
      {line.slice(line.length - end)}
    </p>
  )
}
